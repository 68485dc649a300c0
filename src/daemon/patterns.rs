//! The units that a pattern of the configuration matches now: what `verify` shows.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::unit::UnitName;
use crate::systemd::{Instance, inventory};

/// The loaded units that each pattern matches.
///
/// # Errors
/// Why systemd could not be asked, one clause.
pub async fn matches(
    user: bool,
    patterns: &BTreeSet<String>,
) -> Result<BTreeMap<String, Vec<UnitName>>, String> {
    let instance = Instance::of(user);
    inventory::matches(instance, patterns).await.map_err(|error| error.to_string())
}
