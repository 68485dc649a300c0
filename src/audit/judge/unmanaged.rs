//! Services, timers and sockets that run or are enabled, and that no file of ours manages; the weightiest first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::audit::Gap;
use crate::model::finding::Code;
use crate::model::host::{HostProcess, Listener, Protocol};
use crate::model::moment::Moment;
use crate::model::snapshot::UnitStatus;
use crate::model::unit::{UnitFileState, UnitName};
use crate::model::will::ServiceType;
use crate::policy::alerts::matches;

use super::Look;
use super::listeners::{addresses, listening};
use super::span;
use super::troubles::{ANONYMOUS, is_local, running};

/// What a plain distribution runs by itself.
const VENDOR_UNITS: &str = include_str!("../../../config/vendor-units.txt");
/// Less than this much CPU says nothing.
const CPU: Duration = Duration::from_secs(1);

/// One unit, or the instances of one template.
struct Found<'a> {
    name: UnitName,
    members: Vec<&'a UnitStatus>,
    local: bool,
    processes: Vec<&'a HostProcess>,
    listeners: Vec<&'a Listener>,
    cpu: Duration,
}

/// One gap for each, ranked: of this host's own making, listens on a port, has used CPU, has children.
pub fn gaps(look: &Look) -> Vec<Gap> {
    let vendor = Vendor::read();
    let mut groups: BTreeMap<UnitName, Vec<&UnitStatus>> = BTreeMap::new();
    for status in look.snapshot.units.values().filter(|status| counts(look, status, &vendor)) {
        let name = status.unit.template().unwrap_or_else(|| status.unit.clone());
        groups.entry(name).or_default().push(status);
    }
    let known: BTreeSet<UnitName> = groups.values().flatten().map(|status| status.unit.clone()).collect();
    let mut all: Vec<Found<'_>> = groups
        .into_iter()
        .filter(|(_, members)| !members.iter().all(|status| stands_for_another(look, status, &known)))
        .map(|(name, members)| match members.as_slice() {
            [one] => found(look, one.unit.clone(), members),
            _ => found(look, name, members),
        })
        .collect();
    all.sort_by_key(|found| {
        let port = found.listeners.iter().any(|listener| listener.protocol != Protocol::Unix);
        (
            Reverse(found.local),
            Reverse(port),
            Reverse(found.cpu),
            Reverse(found.processes.len()),
            found.name.clone(),
        )
    });
    all.iter().map(|found| told(look, found)).collect()
}

/// Runs or is enabled, is meant to stay, and is not what every host has.
fn counts(look: &Look, status: &UnitStatus, vendor: &Vendor<'_>) -> bool {
    let name = status.unit.as_str();
    let Some(settings) = &status.settings else {
        return false;
    };
    let kind = matches!(status.unit.kind(), "service" | "timer" | "socket" | "path");
    let transient = status.enablement == Some(UnitFileState::Transient) || name.starts_with(ANONYMOUS);
    let own = matches!(name, "steadfast.service" | "steadfast.socket");
    if !status.file.is_empty() || !kind || transient || own || settings.fragment.is_empty() {
        return false;
    }
    let enabled = matches!(status.enablement, Some(UnitFileState::Enabled | UnitFileState::EnabledRuntime));
    let stays =
        settings.service_type != ServiceType::Oneshot || (settings.remain_after_exit && running(status));
    let wanted = stays && (running(status) || enabled);
    if is_local(status) {
        return wanted;
    }
    // What distributions give to a user's session is theirs to know.
    let stays = settings.service_type != ServiceType::Oneshot;
    !look.snapshot.host.user_instance && wanted && stays && !vendor.has(name)
}

/// A socket, timer or path whose service is told, or managed; a service that a timer runs.
fn stands_for_another(look: &Look, status: &UnitStatus, known: &BTreeSet<UnitName>) -> bool {
    let triggered_by = |status: &UnitStatus| {
        status.settings.as_ref().map(|settings| settings.triggered_by.clone()).unwrap_or_default()
    };
    if status.unit.kind() == "service" {
        let by_timer = |by: &UnitName| by.kind() == "timer" && look.snapshot.units.contains_key(by);
        let enabled = status.enablement == Some(UnitFileState::Enabled);
        return !enabled && triggered_by(status).iter().any(by_timer);
    }
    // A timer has a period of its own to be watched.
    let told = |other: &&UnitStatus| !other.file.is_empty() || known.contains(&other.unit);
    let units = look.snapshot.units.values().map(AsRef::as_ref);
    status.unit.kind() != "timer"
        && units.filter(told).any(|other| triggered_by(other).contains(&status.unit))
}

fn found<'a>(look: &'a Look, name: UnitName, members: Vec<&'a UnitStatus>) -> Found<'a> {
    let host = &look.around.host;
    let theirs = |process: &&HostProcess| {
        let unit = process.place.unit(look.snapshot.host.user_instance);
        unit.is_some_and(|unit| members.iter().any(|status| status.unit == *unit))
    };
    let processes: Vec<&HostProcess> = host.processes.iter().filter(theirs).collect();
    let pids: Vec<i32> = processes.iter().map(|process| process.pid).collect();
    Found {
        local: members.iter().any(|status| is_local(status)),
        listeners: listening(host, &pids),
        cpu: processes.iter().map(|process| process.cpu).sum(),
        name,
        members,
        processes,
    }
}

fn told(look: &Look, found: &Found<'_>) -> Gap {
    let name = &found.name;
    let user = look.user_option();
    let line = format!("{name}: {}", clauses(found).join(", "));
    let began = found.members.iter().filter_map(|status| status.reading.as_ref()?.active_since).min();
    let since: Moment = began.unwrap_or(look.at());
    let message = format!("{name} is managed by nobody ({})", clauses(found).join(", "));
    let gap = Gap::new(Code::Unmanaged, (name.as_str(), name.as_str()), message, since);
    gap.proven(vec![line], format!("steadfast{user} adopt {name}"))
}

fn clauses(found: &Found<'_>) -> Vec<String> {
    let mut clauses = Vec::new();
    if found.local {
        clauses.push("of this host's own".to_owned());
    }
    if found.members.len() > 1 {
        clauses.push(format!("{} instances", found.members.len()));
    }
    clauses.push(state(found).to_owned());
    clauses.extend(addresses(&found.listeners));
    if found.cpu >= CPU {
        clauses.push(format!("has used {} of CPU", span(found.cpu)));
    }
    match found.processes.len().saturating_sub(1) {
        0 => {}
        1 => clauses.push("1 child".to_owned()),
        more => clauses.push(format!("{more} children")),
    }
    clauses
}

/// Whether it runs, in the words of its kind.
fn state(found: &Found<'_>) -> &'static str {
    let active = found.members.iter().any(|status| running(status));
    match (found.name.kind(), active) {
        ("service", true) => "runs",
        ("timer", true) => "is armed",
        (_, true) => "waits for others",
        (_, false) => "is enabled and does not run",
    }
}

/// The shipped list.
struct Vendor<'a> {
    names: BTreeSet<&'a str>,
    patterns: Vec<&'a str>,
}

impl Vendor<'_> {
    fn read() -> Self {
        let lines = VENDOR_UNITS.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (patterns, names): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains(['*', '?']));
        Self { names: names.into_iter().collect(), patterns }
    }

    fn has(&self, unit: &str) -> bool {
        // `sshd@a.service` is in the list as `sshd@*.service`; most units are in it by their whole name, or not at all.
        let head =
            |pattern: &str| pattern.split(['*', '?']).next().is_some_and(|head| unit.starts_with(head));
        self.names.contains(unit)
            || self.patterns.iter().any(|pattern| head(pattern) && matches(pattern, unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plain_host_runs_is_in_the_shipped_list_and_a_server_is_not() {
        let vendor = Vendor::read();
        for plain in [
            "cron.service",
            "ssh.service",
            "systemd-journald.service",
            "getty@tty1.service",
            "dbus.socket",
            "apt-daily-upgrade.timer",
            "chronyd.service",
            "polkit.service",
            "snapd.apparmor.service",
            "NetworkManager-dispatcher.service",
        ] {
            assert!(vendor.has(plain), "{plain}");
        }
        for server in [
            "nginx.service",
            "postgresql@15-main.service",
            "redis-server.service",
            "certbot.timer",
            "docker.socket",
        ] {
            assert!(!vendor.has(server), "{server}");
        }
    }
}
