//! The processes of a control group, sub-groups included.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::process::{self, Listed};

/// Processes of one unit that are looked at.
pub(super) const PROCESSES: usize = 4096;
/// Sub-groups of one unit that are looked at, and how deep.
const GROUPS: usize = 1024;
const DEPTH: usize = 8;

/// The directory of a control group: of the unified hierarchy, or of systemd's own in the older layouts.
pub(super) fn directory(root: &Path, control_group: &str) -> Option<PathBuf> {
    let inner = control_group.strip_prefix('/').filter(|group| !group.is_empty())?;
    let unified = root.join("cgroup.controllers").exists();
    Some(if unified { root.join(inner) } else { root.join("systemd").join(inner) })
}

/// The processes of a group and its sub-groups, and whether there were too many.
pub(super) fn list(group: Option<&Path>) -> (Arc<[Listed]>, bool) {
    let mut pids = BTreeSet::new();
    let mut truncated = false;
    let mut groups: Vec<(PathBuf, usize)> = group.map(|group| (group.to_owned(), 0)).into_iter().collect();
    let mut seen = 0;
    while let Some((group, depth)) = groups.pop() {
        seen += 1;
        let text = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        // 0 stands for a process that our own pid namespace does not know.
        pids.extend(text.lines().filter_map(|line| line.parse::<u32>().ok()).filter(|pid| *pid > 0));
        let below = std::fs::read_dir(&group).into_iter().flatten().flatten();
        let below = below.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
        for entry in below {
            if depth >= DEPTH || seen + groups.len() >= GROUPS {
                truncated = true;
                break;
            }
            groups.push((entry.path(), depth + 1));
        }
    }
    truncated |= pids.len() > PROCESSES;
    let listed = pids.into_iter().take(PROCESSES).filter_map(process::list).collect();
    (listed, truncated)
}
