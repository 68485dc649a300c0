//! One round of readings through the same policy, acting on nothing: what `check`, `audit`, `adopt` and `baseline` see of
//! units. The daemon reads by the same shells.

mod commands;
mod confided;
mod containers;
mod lock;
mod patience;
mod probes;
mod readings;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::clock;
use crate::config::{Directories, Loaded, Loader};
use crate::host;
use crate::model::boot::BootReading;
use crate::model::finding::Severity;
use crate::model::observation::Observation;
use crate::model::snapshot::Snapshot;
use crate::model::spec::{Mode, RecoverySpec, Selector, Spec};
use crate::model::state::{Durable, Meta, Plan};
use crate::model::unit::{ManagerState, UnitName};
use crate::policy;
use crate::policy::alerts::matches;
use crate::runtime::{INBOX, Loop};
use crate::store;
use crate::systemd::Instance;
use crate::tls;

pub use commands::{drained, run_as, run_ours};
pub use lock::{Fleet, GroupSeen, ask_lock};
pub use probes::{ask, sample};
pub use readings::{Readings, door};

/// Stands for the file of a unit that no file manages.
const NO_FILE: &str = "";

/// What has not answered by then stays unknown.
const LIMIT: Duration = Duration::from_secs(20);

/// One round of readings of the managed units (all, where none is named). `tell`: how many are read, of how many.
///
/// # Errors
/// The service manager cannot be reached, or a named unit is managed by no file.
pub async fn check(user: bool, units: &[String], tell: impl FnMut(usize, usize)) -> anyhow::Result<Snapshot> {
    let directories = Directories::of(user);
    let mut loaded = Loader::new(directories).load();
    let units: Vec<UnitName> = units.iter().map(|name| UnitName::meant(name)).collect();
    let named = |spec: &Spec| match &spec.selector {
        Selector::Unit(unit) => units.contains(unit),
        Selector::Pattern(_) => true,
    };
    if !units.is_empty() {
        loaded.specs.retain(named);
    }
    let modes: BTreeMap<String, Mode> =
        loaded.specs.iter().map(|spec| (spec.file.clone(), spec.mode)).collect();
    let (mut snapshot, _) = look(user, loaded, tell).await?;
    if !units.is_empty() {
        snapshot.units.retain(|unit, _| units.contains(unit));
    }
    if let Some(missing) = units.iter().find(|unit| !snapshot.units.contains_key(*unit)) {
        bail!("cannot check {missing}: no unit file manages it");
    }
    // One look opens no incident and plans nothing: nobody follows it.
    snapshot.incidents.clear();
    for status in snapshot.units.values_mut() {
        let status = Arc::make_mut(status);
        status.mode = modes.get(&status.file).copied().unwrap_or(status.mode);
        status.plan = Plan { explained_by: status.plan.explained_by.take(), ..Plan::default() };
        status.incident = None;
    }
    Ok(snapshot)
}

/// Reads what this configuration manages once, with every probe, and what the next boot would start. `tell`: how many
/// units are read, of how many.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn look(
    user: bool,
    loaded: Loaded,
    mut tell: impl FnMut(usize, usize),
) -> anyhow::Result<(Snapshot, Option<BootReading>)> {
    tls::init();
    let instance = Instance::of(user);
    let (inbox, mut observations) = mpsc::channel(INBOX);
    let readings = Readings::new(instance, None, inbox);
    let (mut ours, snapshots) = Loop::new(remembered(user), readings);
    ours.turn(Observation::Started(host::identity(user))).await;
    let Loaded { settings, specs, problems, .. } = loaded;
    let specs = specs.into_iter().map(|spec| Spec { mode: Mode::Observe, ..spec }).collect();
    ours.turn(Observation::UnitFilesLoaded { settings, specs, problems }).await;
    let end = Instant::now() + LIMIT;
    while !ours.state().is_complete() {
        let (read, all) = ours.state().progress();
        tell(read, all);
        let now = clock::now();
        let due = policy::next_deadline(ours.state()).map_or(LIMIT, |due| due.since(now));
        let wake = (Instant::now() + due).min(end);
        match timeout_at(wake, observations.recv()).await {
            Ok(Some(Observation::ManagerChanged(ManagerState::Unreachable))) => {
                bail!("cannot look: the service manager cannot be reached over D-Bus");
            }
            Ok(Some(observation)) => ours.turn(observation).await,
            Ok(None) => break,
            Err(_) if Instant::now() >= end => break,
            Err(_) => ours.turn(Observation::DeadlineReached).await,
        }
    }
    ours.publish();
    let boot = ours.state().boot().cloned();
    Ok((snapshots.borrow().clone(), boot))
}

/// What was there when the processes began, as the daemon remembers it, where that may be read. By the times of files alone it
/// cannot be told whether what was written since is anything else.
fn remembered(user: bool) -> Durable {
    let folder = store::state_directory(user).ok();
    let known = folder.and_then(|folder| store::peek(&folder.join(store::DATABASE))).unwrap_or_default();
    let meta = Meta { worse: None, ..known.meta };
    Durable { meta, links: known.links, ..Durable::default() }
}

/// An empty file's wishes, for a unit without a file.
fn unmanaged(unit: UnitName) -> Spec {
    Spec {
        mode: Mode::Observe,
        severity: Severity::Warning,
        // Nobody said when what a person stopped is to run again.
        recovery: RecoverySpec {
            after_manual_stop: None,
            after_manual_disable: None,
            ..RecoverySpec::default()
        },
        ..Spec::of_empty_file(Selector::Unit(unit), NO_FILE.to_owned())
    }
}

/// The same units without a question: no probe and no sample; something elsewhere is nothing but its probes.
#[must_use]
pub fn unasked(mut specs: Vec<Spec>) -> Vec<Spec> {
    specs.retain(|spec| !spec.is_dependency());
    for spec in &mut specs {
        spec.probes.clear();
        spec.progress.clear();
    }
    specs
}

/// These, and an empty file's wishes for each unit that none of them names.
#[must_use]
pub fn with_unmanaged(mut specs: Vec<Spec>, units: impl IntoIterator<Item = UnitName>) -> Vec<Spec> {
    let managed = |unit: &UnitName| {
        specs.iter().any(|spec| match &spec.selector {
            Selector::Unit(known) => known == unit,
            Selector::Pattern(pattern) => matches(pattern, unit.as_str()),
        })
    };
    let more: Vec<Spec> = units.into_iter().filter(|unit| !managed(unit)).map(unmanaged).collect();
    specs.extend(more);
    specs
}
