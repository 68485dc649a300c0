//! Which units of the host a look over all of it concerns: one list of the manager's, and the directories of unit files.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::timeout;

use crate::model::unit::UnitName;

use super::Instance;
use super::bus::{self, BusError};
use super::command::PREFIX;
use super::enablement;
use super::patterns::Patterns;
use super::proxies::ManagerProxy;

/// Both lists together.
const LIMIT: Duration = Duration::from_secs(60);
/// The list of loaded units alone, which is quick.
const QUICK: Duration = Duration::from_secs(10);
/// Kinds of unit that people enable and expect to work. Of others only those that failed.
const KINDS: [&str; 4] = ["service", "socket", "timer", "path"];
/// Kinds of unit that are there because something is mounted.
const MOUNTS: [&str; 3] = ["mount", "automount", "swap"];
/// States of unit files that mean that somebody wants the unit.
const WANTED: [&str; 4] = ["enabled", "enabled-runtime", "linked", "linked-runtime"];

/// What there is.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Loaded units that have been or are at work, and those whose files somebody enabled.
    pub units: BTreeSet<UnitName>,
    /// Every unit file.
    pub files: BTreeSet<UnitName>,
}

/// Loaded units that have been or are at work, and unit files that somebody enabled.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn read(instance: Instance) -> Result<BTreeSet<UnitName>, BusError> {
    Ok(whole(instance).await?.units)
}

/// The same with every unit file.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn whole(instance: Instance) -> Result<Inventory, BusError> {
    among(instance, &KINDS).await
}

/// The same with what is mounted.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn with_mounts(instance: Instance) -> Result<BTreeSet<UnitName>, BusError> {
    let mut kinds = KINDS.to_vec();
    kinds.extend(MOUNTS);
    Ok(among(instance, &kinds).await?.units)
}

/// The loaded units that each of these patterns matches, as the supervisor would find them now.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn matches(
    instance: Instance,
    patterns: &BTreeSet<String>,
) -> Result<BTreeMap<String, Vec<UnitName>>, BusError> {
    let connection = bus::connect(instance).await?;
    let listed = async { ManagerProxy::new(&connection).await?.list_units().await };
    let listed = timeout(QUICK, listed).await;
    let listed = listed.map_err(|_| BusError::Call(format!("no answer within {} s", QUICK.as_secs())))??;
    let names = listed.iter().filter(|unit| unit.2 != "not-found").map(|unit| unit.0.as_str());
    Ok(Patterns::new(patterns).sort_out(names))
}

async fn among(instance: Instance, kinds: &[&str]) -> Result<Inventory, BusError> {
    let expected = |unit: &UnitName| kinds.contains(&unit.kind());
    let connection = bus::connect(instance).await?;
    let late = || BusError::Call(format!("no answer within {} s", LIMIT.as_secs()));
    let listed = async { ManagerProxy::new(&connection).await?.list_units().await };
    let loaded = timeout(LIMIT, listed).await.map_err(|_| late())??;
    let files = timeout(LIMIT, enablement::list(instance, &expected)).await.map_err(|_| late())??;
    let (mut units, mut known) = (BTreeSet::new(), BTreeSet::new());
    for (name, _, load, active, ..) in loaded {
        let unit = UnitName(name);
        if load == "loaded" && (active == "failed" || (active != "inactive" && expected(&unit))) {
            units.insert(unit);
        }
    }
    for (unit, state) in files {
        if state.is_some_and(|state| WANTED.contains(&state.as_str())) {
            units.insert(unit.clone());
        }
        known.insert(unit);
    }
    units.retain(|unit| !unit.as_str().starts_with(PREFIX));
    Ok(Inventory { units, files: known })
}
