//! What the findings of a unit ask for, if nothing speaks against it.

use crate::model::finding::{Code, Finding};
use crate::model::moment::Moment;
use crate::model::operator::{StepName, StepResult};
use crate::model::probe::{OnFailure, ProbeStatus};
use crate::model::spec::Reaction;
use crate::model::state::{OrderKind, State, UnitSeen};
use crate::model::unit::UnitName;
use crate::policy::{limits, progress};

/// A wish for an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Want {
    pub kind: OrderKind,
    pub because: Code,
    pub due: Moment,
}

/// The wish that is due first; of two at the same time the one whose finding stands first in `urgency`.
pub fn most_urgent(state: &State, unit: &UnitName, now: Moment) -> Option<Want> {
    let seen = state.seen.units.get(unit)?;
    let mut wants: Vec<Want> = seen.findings.iter().filter_map(|finding| want(seen, finding, now)).collect();
    if let Some(retry) = smoke_retry(state, unit) {
        for want in &mut wants {
            want.due = if want.kind.disturbs() { want.due.max(retry) } else { want.due };
        }
    }
    wants.sort_by_key(|want| (want.due.max(now), urgency(want.kind), want.because));
    wants.into_iter().next()
}

/// The last order ended with a smoke test that said nothing: not before this moment again.
fn smoke_retry(state: &State, unit: &UnitName) -> Option<Moment> {
    let durable = state.durable.units.get(unit).filter(|durable| durable.smoke_failure.is_none())?;
    let last = durable.last_action.as_ref().filter(|last| !last.ok)?;
    let step = last.steps.last().filter(|step| step.name == StepName::SmokeTest)?;
    (step.result == StepResult::Failed).then(|| last.at.plus(limits::SMOKE_RETRY))
}

/// The wish to be enabled, whatever else is wished.
pub fn enable(state: &State, unit: &UnitName, now: Moment) -> Option<Want> {
    let seen = state.seen.units.get(unit)?;
    let wants = seen.findings.iter().filter_map(|finding| want(seen, finding, now));
    wants.into_iter().find(|want| want.kind == OrderKind::Enable)
}

fn urgency(kind: OrderKind) -> u8 {
    match kind {
        OrderKind::Start => 0,
        OrderKind::Restart => 1,
        OrderKind::Enable => 2,
        OrderKind::Check => 3,
    }
}

fn want(seen: &UnitSeen, finding: &Finding, now: Moment) -> Option<Want> {
    let spec = &seen.spec;
    let wish = |kind, due| Some(Want { kind, because: finding.code, due });
    let restart = |due| wish(OrderKind::Restart, due);
    match finding.code {
        Code::UnitInactive | Code::UnitFailed if spec.recovery.start => wish(OrderKind::Start, now),
        Code::ReleaseDeleted if spec.release.on_stale == Reaction::Restart => {
            // A finding that does not wait must at least be seen twice.
            restart(again(seen, finding).map_or(now, |again| again.max(now.plus(limits::SECOND_LOOK))))
        }
        Code::ReleaseOutdated | Code::WorkersOnlyRestart if spec.release.on_stale == Reaction::Restart => {
            restart(settled(seen, finding))
        }
        Code::BinaryOutdated if spec.release.binaries == Reaction::Restart => {
            restart(finding.since.plus(spec.release.settle))
        }
        Code::ProbeFailed | Code::ProbeSlow if a_probe_asks(seen, finding.code) => restart(now),
        Code::Stalled | Code::NoConsumer | Code::DrainOverdue
            if progress::asks_for_restart(seen, finding.code, now) =>
        {
            restart(now)
        }
        Code::NotEnabled | Code::EnabledRuntimeOnly if spec.recovery.enable => wish(OrderKind::Enable, now),
        Code::UnitInactive
        | Code::UnitFailed
        | Code::ReleaseDeleted
        | Code::ReleaseOutdated
        | Code::WorkersOnlyRestart
        | Code::BinaryOutdated
        | Code::ProbeFailed
        | Code::ProbeSlow
        | Code::Stalled
        | Code::NoConsumer
        | Code::DrainOverdue
        | Code::Backlog
        | Code::Paused
        | Code::NotEnabled
        | Code::EnabledRuntimeOnly
        | Code::UnitMissing
        | Code::UnitMasked
        | Code::UnitLoadError
        | Code::UnitCrashLooping
        | Code::UnitStuck
        | Code::UnitStoppedByOperator
        | Code::BootUnreachable
        | Code::NoLinger
        | Code::BootMismatch
        | Code::Survivors
        | Code::UnitFileOutdated
        | Code::SmokeFailed
        | Code::ProbeUnknown
        | Code::DependencyDown
        | Code::Quarantined
        | Code::RecoveryFailed
        | Code::Unmanaged
        | Code::StrayProcess
        | Code::HostUnprobed
        | Code::HostProbeUnfit
        | Code::HostTimerOverdue
        | Code::HostOtherSupervisor
        | Code::SwitchedOff
        | Code::ConfigInvalid
        | Code::AlertUndeliverable
        | Code::HostHeartbeatUnheard
        | Code::HostManagerUnreachable
        | Code::HostStorm
        | Code::HostStateUnsaved
        | Code::HostStateVolatile
        | Code::HostStateDamaged
        | Code::HostFilesUnwatched
        | Code::HostWorseThanBaseline => None,
    }
}

/// When the processes are to be inspected because what they showed must be seen once more before it is acted on.
pub fn second_look(seen: &UnitSeen) -> Option<Moment> {
    let finding = seen.findings.iter().find(|finding| finding.code == Code::ReleaseDeleted)?;
    again(seen, finding)
}

/// The moment from which an inspection confirms this finding; `None` once one did.
fn again(seen: &UnitSeen, finding: &Finding) -> Option<Moment> {
    let again = finding.since.plus(limits::SECOND_LOOK);
    seen.inspected_at.is_none_or(|at| at < again).then_some(again)
}

/// The settle time after the last flip of any of the unit's links.
fn settled(seen: &UnitSeen, finding: &Finding) -> Moment {
    let links = seen.processes.iter().flat_map(|reading| &reading.links);
    let flipped = links.map(|link| link.switched_at).max();
    flipped.unwrap_or(finding.since).plus(seen.spec.release.settle)
}

fn a_probe_asks(seen: &UnitSeen, code: Code) -> bool {
    let status = if code == Code::ProbeSlow { ProbeStatus::Slow } else { ProbeStatus::Unhealthy };
    seen.spec.probes.iter().any(|probe| {
        let known = seen.probes.get(&probe.name);
        probe.on_failure == OnFailure::Restart && known.is_some_and(|known| known.settled == status)
    })
}
