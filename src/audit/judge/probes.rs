//! Managed units that listen and are not asked; probes that cannot fail, and limits that cannot be met.

use crate::model::audit::Gap;
use crate::model::finding::Code;
use crate::model::host::{HostProcess, Listener, Protocol, base};
use crate::model::probe::ProbeSpec;
use crate::model::snapshot::UnitStatus;
use crate::model::span::span;
use crate::model::spec::Spec;
use crate::policy::limits;
use crate::policy::probe_manner::Manner;

use super::Look;
use super::listeners::listening;

/// One gap for each.
pub fn gaps(look: &Look) -> Vec<Gap> {
    let in_force = |spec: &&Spec| spec.disabled.as_ref().is_none_or(|off| look.at().wall_ms >= off.until_ms);
    let mut gaps = Vec::new();
    for spec in look.specs.iter().filter(in_force) {
        if spec.probes.is_empty() && spec.progress.is_empty() {
            let theirs = look.snapshot.units.values().filter(|status| status.file == spec.file);
            gaps.extend(theirs.filter_map(|status| unprobed(look, status)));
        }
        gaps.extend(spec.probes.iter().filter_map(|probe| unfit(look, spec, probe)));
    }
    gaps
}

fn unprobed(look: &Look, status: &UnitStatus) -> Option<Gap> {
    let unit = status.unit.as_str();
    let host = &look.around.host;
    let user = look.snapshot.host.user_instance;
    let theirs = |process: &&HostProcess| process.place.unit(user) == Some(&status.unit);
    let pids: Vec<i32> = host.processes.iter().filter(theirs).map(|process| process.pid).collect();
    let all = listening(host, &pids);
    let programs: Vec<&str> = host
        .processes
        .iter()
        .filter(theirs)
        .flat_map(|process| [Some(process.name.as_str()), process.executable.as_deref().map(base)])
        .flatten()
        .collect();
    let listener = all.into_iter().find(|listener| may_be_asked(listener, &programs, status.is_local()));
    let listener = listener.filter(|_| status.is_running() && status.unit.kind() == "service")?;
    let address = &listener.address;
    let message = format!("{unit} listens on {address}, and no probe asks whether it answers");
    let gap = Gap::new(Code::HostUnprobed, (unit, unit), message, look.at());
    let line = format!("{unit}: [probe.port] {}", suggestion(listener));
    Some(gap.proven(vec![line], format!("steadfast adopt --print {unit}")))
}

/// A question there says something of the service, and does it no harm. Sockets with a path are between the programs of one
/// author, unless it is an application of this host's own.
fn may_be_asked(listener: &Listener, programs: &[&str], local: bool) -> bool {
    match listener.protocol {
        Protocol::Udp => false,
        Protocol::Unix => local,
        Protocol::Tcp => {
            let port = listener.address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            port.is_some_and(|port| !matches!(Manner::of(programs.iter().copied(), port), Manner::Not(_)))
        }
    }
}

/// The simplest probe that asks it.
fn suggestion(listener: &Listener) -> String {
    match listener.protocol {
        Protocol::Unix => format!("http = \"unix:{}:/\" (where it speaks HTTP)", listener.address),
        Protocol::Tcp | Protocol::Udp => {
            let here = listener.address.replace("0.0.0.0:", "127.0.0.1:");
            format!("tcp = \"{}\"", here.replace("[::]:", "[::1]:"))
        }
    }
}

/// A probe that does not do what it is there for.
fn unfit(look: &Look, spec: &Spec, probe: &ProbeSpec) -> Option<Gap> {
    let why = probe.kind.weakness.clone().or_else(|| unmeetable(spec, probe))?;
    let name = &probe.name;
    let file = &spec.file;
    let subject = match &spec.selector {
        crate::model::spec::Selector::Unit(unit) => unit.to_string(),
        crate::model::spec::Selector::Pattern(pattern) => pattern.clone(),
    };
    let gap = Gap::new(
        Code::HostProbeUnfit,
        (&format!("{file} {name}"), &subject),
        format!("[probe.{name}] of {subject} {why}"),
        look.at(),
    );
    Some(gap.proven(vec![format!("in {file}")], format!("$EDITOR {file}")))
}

/// Why a recovery could never be proven by it, or one of its limits never be reached.
fn unmeetable(spec: &Spec, probe: &ProbeSpec) -> Option<String> {
    let within = spec.recovery.verify_within;
    let each = probe.period.min(limits::PROOF_PERIOD);
    let needed = each.saturating_mul(probe.success_threshold.saturating_sub(1));
    let judged = !spec.is_dependency();
    if judged && needed >= within {
        let (needed, within, times) = (span(needed), span(within), probe.success_threshold);
        return Some(format!(
            "cannot be proven in time: {times} good answers take {needed}, and verify_within is {within}"
        ));
    }
    if judged && probe.initial_delay >= within {
        let (delay, within) = (span(probe.initial_delay), span(within));
        return Some(format!(
            "lets the unit take {delay} to come up, and verify_within calls the recovery failed after {within}"
        ));
    }
    None
}
