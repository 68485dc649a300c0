//! What is known of live units: one look through the same policy, and one over the host's processes and sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::check::{look, unasked, with_unmanaged};
use crate::config::Loaded;
use crate::host;
use crate::model::adopt::Needs;
use crate::model::host::{HostProcess, HostReading, Listener, Place, Protocol};
use crate::model::snapshot::{Snapshot, UnitStatus};
use crate::model::spec::{Settings, Spec};
use crate::model::unit::{ActiveState, LoadState, UnitName};
use crate::policy::coverage::Coverage;
use crate::release;
use crate::systemd::{Instance, dependencies};

use super::configs;
use super::judge::Live;

/// Ends of connections of one unit that are looked at: each is compared with all who listen.
const CONNECTIONS: usize = 1000;
/// Disks and /proc have this long.
const LIMIT: Duration = Duration::from_secs(20);

/// All that was read.
#[derive(Debug)]
pub struct Facts {
    pub lives: Vec<Live>,
    /// Units that systemd does not have, or cannot use; why.
    pub missing: BTreeMap<UnitName, String>,
    pub host: HostReading,
}

/// Reads these units.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn gather(user: bool, units: BTreeSet<UnitName>) -> anyhow::Result<Facts> {
    let specs = with_unmanaged(Vec::new(), units);
    let loaded = Loaded { settings: Settings::default(), specs, ..Loaded::default() };
    let (snapshot, _) = look(user, loaded, |_, _| {}).await?;
    facts(user, &snapshot).await
}

/// Of these units reads those that are named, and those that nobody manages and somebody should.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn unmanaged(
    user: bool,
    managed: &[Spec],
    present: BTreeSet<UnitName>,
    named: &BTreeSet<UnitName>,
) -> anyhow::Result<Facts> {
    let specs = with_unmanaged(unasked(managed.to_vec()), present.into_iter().chain(named.iter().cloned()));
    let loaded = Loaded { settings: Settings::default(), specs, ..Loaded::default() };
    let (mut snapshot, _) = look(user, loaded, |_, _| {}).await?;
    let groups = Coverage::of(&snapshot.units, user).unmanaged();
    let unmanaged: BTreeSet<UnitName> =
        groups.into_iter().flat_map(|(_, members)| members).map(|status| status.unit.clone()).collect();
    snapshot.units.retain(|unit, _| named.contains(unit) || unmanaged.contains(unit));
    facts(user, &snapshot).await
}

async fn facts(user: bool, snapshot: &Snapshot) -> anyhow::Result<Facts> {
    let instance = Instance::of(user);
    let host = blocking(host::read).await.context("cannot look at the host's processes")?;
    let mut facts = Facts { lives: Vec::new(), missing: BTreeMap::new(), host };
    let mut usable = Vec::new();
    for (unit, status) in &snapshot.units {
        let load = status.reading.as_ref().map(|reading| &reading.load);
        let why = match load {
            Some(LoadState::Loaded) => {
                usable.push((unit.clone(), status.clone()));
                continue;
            }
            Some(LoadState::NotFound) => "systemd knows no such unit".to_owned(),
            Some(LoadState::Masked) => "it is masked".to_owned(),
            Some(LoadState::Bad(why)) => format!("systemd cannot use it: {why}"),
            None => "systemd did not answer in time".to_owned(),
        };
        facts.missing.insert(unit.clone(), why);
    }
    let names: Vec<UnitName> = usable.iter().map(|(unit, _)| unit.clone()).collect();
    let mut told = dependencies::read(instance, &names).await?;
    for (unit, status) in usable {
        let needs = told.remove(&unit).unwrap_or_default();
        let live = live(&unit, &status, needs, &facts.host, user);
        // Two names of one unit are one.
        if !facts.lives.iter().any(|known| known.unit == live.unit) {
            facts.lives.push(live);
        }
    }
    let lives = std::mem::take(&mut facts.lives);
    let host = facts.host.clone();
    facts.lives = blocking(move || on_disk(lives, &host, user)).await.context("cannot look at the disk")?;
    Ok(facts)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> anyhow::Result<T> {
    timeout(LIMIT, spawn_blocking(work)).await.context("no answer in time")?.context("it broke off")
}

fn live(unit: &UnitName, status: &UnitStatus, needs: Needs, host: &HostReading, user: bool) -> Live {
    let settings = status.settings.clone().unwrap_or_default();
    let reading = status.reading.as_ref();
    let main = reading.and_then(|reading| reading.main_pid).and_then(|pid| i32::try_from(pid).ok());
    let id = settings.names.first().unwrap_or(unit).clone();
    let mut processes: Vec<HostProcess> =
        host.processes.iter().filter(|process| is_of(process, &id, user)).cloned().collect();
    processes.sort_by_key(|process| (Some(process.pid) != main, process.pid));
    let pids: BTreeSet<i32> = processes.iter().map(|process| process.pid).collect();
    let own = |listener: &&Listener| listener.pids.iter().any(|pid| pids.contains(pid));
    let connections: BTreeSet<&str> = host
        .connections
        .iter()
        .filter(|one| pids.contains(&one.pid))
        .map(|one| one.remote.as_str())
        .collect();
    let links = status
        .links
        .iter()
        .filter(|link| !link.found)
        .filter_map(|link| link.target.as_ref().map(|target| (link.link.clone(), target.path.clone())));
    Live {
        names: settings.names,
        fragment: settings.fragment,
        service_type: settings.service_type.as_str().to_owned(),
        active: reading.is_some_and(|reading| reading.active == ActiveState::Active),
        ended_at_once: reading.is_some_and(|reading| reading.ended_at_once()),
        enablement: status.enablement.clone(),
        remain_after_exit: settings.remain_after_exit,
        exec_start: settings.exec_start,
        triggered_by: settings.triggered_by,
        takes_along: settings.takes_along,
        needs,
        listeners: host.listeners.iter().filter(own).cloned().collect(),
        connections: connections
            .into_iter()
            .take(CONNECTIONS)
            .map(|remote| (remote.to_owned(), listens(remote, host, user)))
            .collect(),
        links: links.collect(),
        processes,
        ..Live::of(id)
    }
}

fn is_of(process: &HostProcess, unit: &UnitName, user: bool) -> bool {
    let of_others = matches!(process.place, Place::User { uid, .. } if uid != nix::unistd::getuid().as_raw());
    !of_others && process.place.unit(user) == Some(unit)
}

/// The unit of this host that listens at the address to which somebody is connected.
fn listens(remote: &str, host: &HostReading, user: bool) -> Option<UnitName> {
    let (address, port) = remote.rsplit_once(':')?;
    let near =
        |address: &str| matches!(address, "[::1]" | "[::ffff:127.0.0.1]") || address.starts_with("127.");
    let here = |listener: &&Listener| {
        let Some((bound, same)) = listener.address.rsplit_once(':') else {
            return false;
        };
        let everywhere = matches!(bound, "0.0.0.0" | "[::]" | "*");
        listener.protocol == Protocol::Tcp
            && port == same
            && (bound == address || near(address) && (everywhere || near(bound)))
    };
    let pids: BTreeSet<i32> = host.listeners.iter().filter(here).flat_map(|one| one.pids.clone()).collect();
    let mut holders = host.processes.iter().filter(|process| pids.contains(&process.pid));
    holders.find_map(|process| process.place.unit(user)).cloned()
}

/// Packages, links that no setting names, and where configurations pass on.
fn on_disk(mut lives: Vec<Live>, host: &HostReading, user: bool) -> Vec<Live> {
    for live in &mut lives {
        live.passes_on = configs::passes_on(live, host, |address| listens(address, host, user));
    }
    let files: BTreeSet<String> = lives
        .iter()
        .flat_map(|live| {
            let executables = live.processes.iter().filter_map(|process| process.executable.clone());
            executables.chain([live.fragment.clone()])
        })
        .filter(|file| !file.is_empty())
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    let owners = host::owner(Path::new("/"), &files);
    for live in &mut lives {
        let executables = live.processes.iter().filter_map(|process| process.executable.as_deref());
        let of_unit: Vec<&str> = executables.chain([live.fragment.as_str()]).collect();
        let packages =
            of_unit.into_iter().filter_map(|file| Some((owners.get(file)?.clone(), file.to_owned())));
        live.packages = packages.collect();
        let directory = live.processes.first().and_then(|process| process.directory.clone());
        if let Some(directory) = directory.filter(|_| live.links.is_empty()) {
            let link = release::found::link_to(&PathBuf::from(&directory));
            live.hidden_link = link.map(|link| (link, directory));
        }
    }
    lives
}
