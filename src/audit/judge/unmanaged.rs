//! Services, timers and sockets that run or are enabled, and that no file of ours manages; the weightiest first.

use std::cmp::Reverse;
use std::time::Duration;

use crate::model::audit::Gap;
use crate::model::finding::Code;
use crate::model::host::{HostProcess, Listener, Protocol};
use crate::model::moment::Moment;
use crate::model::snapshot::UnitStatus;
use crate::model::span::span;
use crate::model::unit::UnitName;
use crate::policy::coverage::Coverage;

use super::Look;
use super::listeners::{addresses, listening};

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
    let groups = Coverage::of(&look.snapshot.units, look.snapshot.host.user_instance).unmanaged();
    let mut all: Vec<Found<'_>> =
        groups.into_iter().map(|(name, members)| found(look, name, members)).collect();
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

fn found<'a>(look: &'a Look, name: UnitName, members: Vec<&'a UnitStatus>) -> Found<'a> {
    let host = &look.around.host;
    let theirs = |process: &&HostProcess| {
        let unit = process.place.unit(look.snapshot.host.user_instance);
        unit.is_some_and(|unit| members.iter().any(|status| status.unit == *unit))
    };
    let processes: Vec<&HostProcess> = host.processes.iter().filter(theirs).collect();
    let pids: Vec<i32> = processes.iter().map(|process| process.pid).collect();
    Found {
        local: members.iter().any(|status| status.is_local()),
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
    let active = found.members.iter().any(|status| status.is_running());
    match (found.name.kind(), active) {
        ("service", true) => "runs",
        ("timer", true) => "is armed",
        (_, true) => "waits for others",
        (_, false) => "is enabled and does not run",
    }
}
