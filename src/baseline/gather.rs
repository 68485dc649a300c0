//! One picture of the host, from the readings that `audit` and `check` use, with what was installed and who listens.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use nix::unistd::{Uid, User};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::check::{look, unasked, with_unmanaged};
use crate::clock;
use crate::config::{Directories, Loaded, Loader};
use crate::host;
use crate::model::baseline::{Baseline, Head, Port, ReleaseThen, Stray, UnitThen};
use crate::model::boot::BootReading;
use crate::model::host::{HostProcess, HostReading, Place, Protocol};
use crate::model::snapshot::UnitStatus;
use crate::model::unit::{ActiveState, LoadState, UnitName, UnitSettings};
use crate::packages;
use crate::policy::enablement::boot_verdict;
use crate::redact::redacted;
use crate::systemd::{Instance, inventory};

/// Asking who had it taken: a directory of users may not answer.
const NAMES: Duration = Duration::from_secs(5);
/// The kernel's usual range, where it does not tell.
const EPHEMERAL: (u32, u32) = (32_768, 60_999);
/// Arguments by which a daemon outside every service is known.
const ARGUMENTS: usize = 4;
/// Characters of it.
const COMMAND: usize = 160;
/// Processes and ports of each kind that are kept.
const KEPT: usize = 2000;
/// What people's sessions leave behind by design.
const COMPANIONS: [&str; 16] = [
    "(sd-pam)",
    "agetty",
    "at-spi-bus-laun",
    "bash",
    "dbus-daemon",
    "dbus-launch",
    "gpg-agent",
    "login",
    "screen",
    "scdaemon",
    "sh",
    "ssh-agent",
    "sshd",
    "steadfast",
    "systemd",
    "tmux: server",
];

/// Names a picture that is taken now.
pub async fn head(user: bool, name: Option<String>, before: Option<String>) -> Head {
    let now = clock::now().wall_ms;
    let host = host::identity(user);
    let looked = timeout(NAMES, spawn_blocking(whoami)).await;
    let by = looked.ok().and_then(Result::ok).unwrap_or_else(|| format!("uid {}", Uid::effective()));
    let named = || {
        let stamp = stamp(now);
        before.as_ref().map_or_else(|| stamp.clone(), |what| format!("{what}-{stamp}"))
    };
    let name = name.unwrap_or_else(named);
    Head { name, host: host.name, boot_id: host.boot_id, user_instance: user, taken_ms: now, by, before }
}

/// `2026-11-20T10-00-00`, local time.
fn stamp(wall_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(wall_ms).unwrap_or_default();
    at.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%dT%H-%M-%S").to_string()
}

/// Whose program this is, and who logged in to become that.
fn whoami() -> String {
    let named = |uid: Uid| {
        let user = User::from_uid(uid).ok().flatten();
        user.map_or_else(|| format!("uid {uid}"), |user| format!("{} (uid {uid})", user.name))
    };
    let uid = Uid::effective();
    let login = std::fs::read_to_string("/proc/self/loginuid").ok();
    let login = login.and_then(|text| text.trim().parse::<u32>().ok()).filter(|login| *login != u32::MAX);
    let name = if uid.is_root() { "root".to_owned() } else { named(uid) };
    match login.map(Uid::from_raw).filter(|login| *login != uid) {
        Some(login) => format!("{name}, logged in as {}", named(login)),
        None => name,
    }
}

/// Reads the host now; `also`: units that are to be in it whatever became of them.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn take(user: bool, head: Head, also: &[String]) -> anyhow::Result<Baseline> {
    let (processes, installed) =
        (spawn_blocking(host::read), spawn_blocking(|| packages::installed(Path::new("/"))));
    let (mut statuses, boot, mut untold) = units(user, also).await?;
    // Mounted by the kernel, by a program or by hand: no unit file says that it should be.
    statuses.retain(|name, status| {
        let named = status.settings.as_ref().is_some_and(|known| !known.fragment.is_empty());
        name.kind() != "mount" || named || also.iter().any(|known| known == name.as_str())
    });
    let reading = processes.await.context("cannot look over the processes")?;
    let mut beyond = Vec::new();
    let packages = installed.await?.unwrap_or_else(|why| {
        beyond.push(why);
        BTreeMap::new()
    });
    let programs = programs(&reading);
    let files: BTreeSet<String> = statuses.values().flat_map(|status| files(status, &programs)).collect();
    let owners = spawn_blocking(move || {
        let files: Vec<&str> = files.iter().map(String::as_str).collect();
        host::owner(Path::new("/"), &files)
    });
    let owners = owners.await?;
    let uid = user.then(|| Uid::effective().as_raw());
    let units = statuses
        .iter()
        .map(|(name, status)| (name.to_string(), unit(name, status, boot.as_ref(), &programs, &owners)))
        .collect();
    untold.extend(reading.missing(user));
    Ok(Baseline {
        head,
        units,
        ports: ports(&reading, uid),
        strays: strays(&reading, uid),
        packages,
        ephemeral: ephemeral(),
        untold,
        beyond,
    })
}

type Statuses = BTreeMap<UnitName, std::sync::Arc<UnitStatus>>;

/// Every unit of note, as the same policy sees it, without the questions of probes.
async fn units(user: bool, also: &[String]) -> anyhow::Result<(Statuses, Option<BootReading>, Vec<String>)> {
    let Loaded { settings, specs, .. } = Loader::new(Directories::of(user)).load();
    let mut specs = unasked(specs);
    for spec in &mut specs {
        spec.requires.clear();
    }
    let mut present = inventory::with_mounts(Instance::of(user)).await?;
    present.extend(also.iter().map(|name| UnitName::from(name.as_str())));
    let loaded = Loaded { settings, specs: with_unmanaged(specs, present), problems: Vec::new() };
    let (snapshot, boot) = look(user, loaded, |_, _| {}).await?;
    let mut untold = Vec::new();
    if let Some(why) = boot.as_ref().and_then(|reading| reading.failure.as_ref()) {
        untold.push(format!("what the next boot will start: {why}"));
    }
    if !snapshot.ready {
        untold.push("the state of every unit: some did not answer in time".to_owned());
    }
    Ok((snapshot.units, boot, untold))
}

/// The program of each unit's processes, by unit: what a wrapper script became.
fn programs(reading: &HostReading) -> BTreeMap<UnitName, String> {
    let mut programs = BTreeMap::new();
    for process in &reading.processes {
        if let (Some(unit), Some(executable)) = (unit_of(process, None), &process.executable) {
            programs.entry(unit).or_insert_with(|| executable.clone());
        }
    }
    programs
}

/// The files by which a unit belongs to a package: its unit file, its program, what runs.
fn files(status: &UnitStatus, programs: &BTreeMap<UnitName, String>) -> Vec<String> {
    files_of(status.settings.as_ref(), programs.get(&status.unit))
}

fn files_of(settings: Option<&UnitSettings>, program: Option<&String>) -> Vec<String> {
    let command = settings.and_then(|known| known.exec_start.first()?.first());
    let fragment = settings.map(|known| &known.fragment);
    let all = fragment.into_iter().chain(command).chain(program);
    all.filter(|file| file.starts_with('/')).cloned().collect()
}

/// The packages of these files. That of the unit file is the first: it brings the unit back.
fn packages_of(files: &[String], owners: &BTreeMap<String, String>) -> Vec<String> {
    let mut packages: Vec<String> = Vec::new();
    for package in files.iter().filter_map(|file| owners.get(file)) {
        if !packages.contains(package) {
            packages.push(package.clone());
        }
    }
    packages
}

fn unit(
    name: &UnitName,
    status: &UnitStatus,
    boot: Option<&BootReading>,
    programs: &BTreeMap<UnitName, String>,
    owners: &BTreeMap<String, String>,
) -> UnitThen {
    let settings = status.settings.clone().unwrap_or_default();
    let reading = status.reading.as_ref();
    let told = boot.filter(|boot| boot.failure.is_none() && status.settings.is_some());
    let verdict = told.map(|boot| boot_verdict(name, &settings, status.enablement.as_ref(), boot));
    let packages = packages_of(&files(status, programs), owners);
    let releases =
        status.links.iter().filter(|link| link.target.is_some() || missing(link.problem.as_deref()));
    UnitThen {
        found: reading.is_none_or(|reading| reading.load != LoadState::NotFound),
        active: reading.map_or(ActiveState::Other, |reading| reading.active),
        sub: reading.map_or_else(String::new, |reading| reading.sub.clone()),
        result: reading.map_or_else(String::new, |reading| reading.result.to_string()),
        enablement: status.enablement.as_ref().map_or_else(String::new, |state| state.as_str().to_owned()),
        boot: verdict,
        service_type: settings.service_type.as_str().to_owned(),
        remain_after_exit: settings.remain_after_exit,
        fragment: settings.fragment,
        triggered_by: settings.triggered_by,
        managed: !status.file.is_empty(),
        packages,
        releases: releases
            .map(|link| ReleaseThen {
                link: link.link.clone(),
                target: link.target.as_ref().map(|target| target.path.clone()),
            })
            .collect(),
    }
}

/// It leads nowhere; what we may not follow is not told.
fn missing(problem: Option<&str>) -> bool {
    problem.is_none_or(|why| !why.to_ascii_lowercase().contains("permission"))
}

/// The unit that is responsible for a process; in a user's own picture, that of the user's manager.
fn unit_of(process: &HostProcess, uid: Option<u32>) -> Option<UnitName> {
    match (&process.place, uid) {
        (Place::Unit(unit), None) => Some(unit.clone()),
        (Place::User { uid, unit: Some(unit) }, Some(ours)) if *uid == ours => Some(unit.clone()),
        _ => None,
    }
}

fn ports(reading: &HostReading, uid: Option<u32>) -> Vec<Port> {
    let by_pid: BTreeMap<i32, &HostProcess> =
        reading.processes.iter().map(|process| (process.pid, process)).collect();
    let mut ports = Vec::new();
    for listener in &reading.listeners {
        let holders: Vec<&HostProcess> =
            listener.pids.iter().filter_map(|pid| by_pid.get(pid).copied()).collect();
        let unit = holders.iter().find_map(|process| unit_of(process, uid));
        // Of a user's own picture: only what the user's manager is responsible for.
        if uid.is_some() && unit.is_none() {
            continue;
        }
        let passing = |process: &&HostProcess| match &process.place {
            Place::User { .. } | Place::Session { .. } => true,
            Place::Kernel | Place::Manager | Place::Unit(_) | Place::Scope(_) | Place::Outside => false,
        };
        let program = holders.iter().find(|process| process.place != Place::Manager).or(holders.first());
        ports.push(Port {
            protocol: listener.protocol,
            address: listener.address.clone(),
            passing: uid.is_none() && !holders.is_empty() && holders.iter().all(passing),
            program: program.map_or_else(String::new, |process| process.name.clone()),
            unit,
        });
    }
    ports.sort();
    let mut kept = Vec::new();
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Unix] {
        kept.extend(ports.iter().filter(|port| port.protocol == protocol).take(KEPT).cloned());
    }
    kept
}

/// Daemons that nobody is responsible for: left in a session or a scope, or in no unit at all.
fn strays(reading: &HostReading, uid: Option<u32>) -> Vec<Stray> {
    let daemon = |process: &&HostProcess| {
        process.parent == 1
            && uid.is_none_or(|uid| process.uid == uid)
            && !COMPANIONS.contains(&process.name.as_str())
            && process.executable.is_some()
    };
    let mut strays: Vec<Stray> = reading
        .processes
        .iter()
        .filter(daemon)
        .filter_map(|process| {
            let place = match &process.place {
                Place::Session { scope, .. } => scope.to_string(),
                Place::Outside => format!("the control group {}", process.control_group),
                // A scope's own are the business of who made it, such as a container's.
                Place::Scope(_) | Place::User { .. } | Place::Unit(_) | Place::Kernel | Place::Manager => {
                    return None;
                }
            };
            let arguments = process.arguments.iter().skip(1).take(ARGUMENTS);
            let program = process.executable.iter().chain(arguments).cloned().collect::<Vec<_>>();
            let command: String = redacted(&program.join(" ")).chars().take(COMMAND).collect();
            Some(Stray { command, uid: process.uid, place })
        })
        .collect();
    strays.sort();
    strays.truncate(KEPT);
    strays
}

fn ephemeral() -> (u32, u32) {
    let told = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
    told.and_then(|text| {
        let mut numbers = text.split_ascii_whitespace().map(str::parse::<u32>);
        Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
    })
    .unwrap_or(EPHEMERAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_package_of_the_unit_file_is_the_one_that_brings_it_back() {
        // O39: the program of the unit is an interpreter, or of coreutils, and comes with another package.
        let settings = UnitSettings {
            fragment: "/usr/lib/systemd/system/shop.service".to_owned(),
            exec_start: vec![vec!["/usr/bin/python3".to_owned(), "/usr/share/shop/run".to_owned()]],
            ..UnitSettings::default()
        };
        let owned = |file: &str, package: &str| (file.to_owned(), package.to_owned());
        let owners = BTreeMap::from([
            owned("/usr/bin/python3", "python3-minimal"),
            owned("/usr/bin/python3.13", "python3.13-minimal"),
            owned("/usr/lib/systemd/system/shop.service", "shop"),
        ]);
        let files = files_of(Some(&settings), Some(&"/usr/bin/python3.13".to_owned()));
        assert_eq!(packages_of(&files, &owners), ["shop", "python3-minimal", "python3.13-minimal"]);
        // A unit file that a person wrote is of no package.
        let settings = UnitSettings { fragment: "/etc/systemd/system/shop.service".to_owned(), ..settings };
        assert_eq!(packages_of(&files_of(Some(&settings), None), &owners), ["python3-minimal"]);
    }
}
