//! The processes of a control group, sub-groups included.

use std::path::Path;
use std::sync::Arc;

use crate::cgroup;

use super::process::{self, Listed};

/// Processes of one unit that are looked at.
pub(super) const PROCESSES: usize = 4096;
/// Groups of one unit that are looked at.
const GROUPS: usize = 1024;

/// The processes of a group and its sub-groups, and whether there were too many.
pub(super) fn list(group: Option<&Path>) -> (Arc<[Listed]>, bool) {
    let (pids, truncated) = group.map(|group| cgroup::pids(group, GROUPS)).unwrap_or_default();
    let too_many = truncated || pids.len() > PROCESSES;
    (pids.into_iter().take(PROCESSES).filter_map(process::list).collect(), too_many)
}
