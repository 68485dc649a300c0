//! Whether a unit may be drilled now, and what the drill would do.

use std::time::Duration;

use crate::model::drill::{DrillKind, DrillPlan};
use crate::model::finding::{Code, Severity};
use crate::model::incident::Incident;
use crate::model::moment::Moment;
use crate::model::probe::{OnFailure, ProbeSpec};
use crate::model::snapshot::UnitState;
use crate::model::spec::Mode;
use crate::model::state::{OrderKind, State, UnitSeen};
use crate::model::unit::UnitName;
use crate::policy::judgement::finding;
use crate::policy::{alerts, dependencies, incidents, limits, recovery, snapshot};

/// The first reason not to drill this unit now, if any.
pub fn refused(state: &State, unit: &UnitName, kind: &DrillKind, now: Moment) -> Option<String> {
    let (seen, durable) = (state.seen.units.get(unit)?, state.durable.units.get(unit)?);
    if seen.spec.is_dependency() {
        return Some("it is no unit of this host; it is only probed".to_owned());
    }
    if seen.reading.is_none() {
        return Some("it was not read yet".to_owned());
    }
    if let Some(other) = state.durable.units.keys().find(|other| super::in_flight(state, other).is_some()) {
        return Some(format!("a drill of {other} is under way; one at a time on a host"));
    }
    if seen.spec.mode == Mode::Observe {
        return Some("mode is observe: nothing would be done, so there is nothing to prove".to_owned());
    }
    recovery::closed_to_drill(state, unit, now)
        .or_else(|| ordered(state))
        .or_else(|| trouble(state, unit))
        .or_else(|| {
            let word = snapshot::unit_state(seen, durable, now).as_str();
            (word != UnitState::Ok.as_str())
                .then(|| format!("it is {word}, and only what is well can be drilled"))
        })
        .or_else(|| match fault(seen, kind) {
            Err(why) => Some(why),
            Ok(None) => None,
            Ok(Some(order)) => {
                recovery::closed_for_drill(state, unit, order, now).or_else(|| budget(state, unit, now))
            }
        })
}

/// What would be ordered after this fault; `Err`: it cannot be made.
fn fault(seen: &UnitSeen, kind: &DrillKind) -> Result<Option<OrderKind>, String> {
    match kind {
        DrillKind::Kill => {
            let main = seen.reading.as_ref().and_then(|reading| reading.main_pid);
            if main.is_none() {
                return Err(
                    "it has no main process that could be killed (--probe NAME feigns a failing probe)"
                        .to_owned(),
                );
            }
            if !seen.spec.recovery.start {
                return Err("its file says recovery.start = false: nobody would start it again".to_owned());
            }
            Ok(Some(OrderKind::Start))
        }
        DrillKind::Probe(name) => {
            let spec = probe(seen, name).ok_or_else(|| {
                let names: Vec<&str> = seen.spec.probes.iter().map(|probe| probe.name.as_str()).collect();
                let known = if names.is_empty() { "it has none".to_owned() } else { names.join(", ") };
                format!("it has no probe {name} ({known})")
            })?;
            Ok((spec.on_failure == OnFailure::Restart).then_some(OrderKind::Restart))
        }
    }
}

fn probe<'a>(seen: &'a UnitSeen, name: &str) -> Option<&'a ProbeSpec> {
    seen.spec.probes.iter().find(|probe| probe.name == name)
}

fn ordered(state: &State) -> Option<String> {
    let mut orders = state.durable.units.iter();
    let other = orders.find_map(|(unit, durable)| durable.recovery.as_ref().map(|order| (unit, order.kind)));
    other.map(|(unit, kind)| format!("a {} of {unit} is in flight", kind.as_str()))
}

fn trouble(state: &State, unit: &UnitName) -> Option<String> {
    let incident = incidents::of_unit(state, unit).map(|id| format!("incident {id} of it is open"));
    let needs = || {
        let (_, why) = dependencies::cause(state, unit)?;
        Some(why)
    };
    incident.or_else(needs)
}

fn budget(state: &State, unit: &UnitName, now: Moment) -> Option<String> {
    let spec = &state.seen.units.get(unit)?.spec.recovery;
    let left = recovery::restarts_left(state, unit, now);
    let minutes = spec.interval.as_secs() / 60;
    (left < 2).then(|| {
        format!(
            "{left} of {} restarts in {minutes} min are left; a drill takes one, and one must be left for earnest",
            spec.burst
        )
    })
}

/// What a drill of this kind would do; `refused` has nothing against it.
pub fn plan(state: &State, unit: &UnitName, kind: &DrillKind, now: Moment) -> Option<DrillPlan> {
    let seen = state.seen.units.get(unit)?;
    let order = fault(seen, kind).ok()?;
    let (told, untold) = hearers(state, unit, kind, now);
    let (expected, limit) = lengths(state, unit, seen, kind, order);
    Some(DrillPlan {
        kind: kind.clone(),
        fault: match kind {
            DrillKind::Kill => {
                let main = seen.reading.as_ref().and_then(|reading| reading.main_pid).unwrap_or_default();
                format!("SIGKILL to its main process (pid {main}), as in a crash")
            }
            DrillKind::Probe(name) => format!("a failing answer of probe {name} is feigned"),
        },
        order,
        expected,
        limit,
        told,
        untold,
        needed_by: dependencies::requiring(state, unit),
        left: recovery::restarts_left(state, unit, now),
    })
}

/// Sinks that would be told at once, and those that would not, with the reason.
fn hearers(
    state: &State,
    unit: &UnitName,
    kind: &DrillKind,
    now: Moment,
) -> (Vec<String>, Vec<(String, String)>) {
    let severity = state.seen.units.get(unit).map_or(Severity::Critical, |seen| seen.spec.severity);
    let code = match kind {
        DrillKind::Kill => Code::UnitFailed,
        DrillKind::Probe(_) => Code::ProbeFailed,
    };
    let cause = finding(code, severity, "a drill", now);
    let mut incident = Incident::new(0, Some(unit.clone()), &cause, now);
    incident.owner = state.seen.units.get(unit).and_then(|seen| seen.spec.owner.clone());
    incident.drill = true;
    let (mut told, mut untold) = (Vec::new(), Vec::new());
    for sink in &state.seen.settings.sinks {
        if !alerts::wanted(state, sink, &incident) {
            untold.push((sink.name.clone(), "is not meant to hear of it".to_owned()));
        } else if sink.after.is_zero() {
            told.push(sink.name.clone());
        } else {
            let why = format!("only after {} s", sink.after.as_secs());
            untold.push((sink.name.clone(), why));
        }
    }
    (told, untold)
}

/// How long it takes as a rule, and when it is given up.
fn lengths(
    state: &State,
    unit: &UnitName,
    seen: &UnitSeen,
    kind: &DrillKind,
    order: Option<OrderKind>,
) -> (Duration, Duration) {
    let spec = &seen.spec.recovery;
    let found = match kind {
        DrillKind::Kill => limits::SECOND_LOOK,
        DrillKind::Probe(name) => probe(seen, name).map_or(Duration::ZERO, |probe| {
            probe.period.saturating_mul(probe.failure_threshold).saturating_add(probe.timeout)
        }),
    };
    let spent = state.durable.units.get(unit).map_or(0, |durable| durable.spent.len());
    let delay = match u32::try_from(spent).unwrap_or(u32::MAX) {
        0 => Duration::ZERO,
        spent => spec.delay.saturating_mul(2_u32.saturating_pow(spent.min(16))).min(spec.max_delay),
    };
    let smoke = seen.spec.smoke.as_ref().map_or(Duration::ZERO, |smoke| smoke.timeout);
    let sinks = state.seen.settings.sinks.iter().map(|sink| sink.timeout).max().unwrap_or_default();
    let steady = limits::STEADY.min(spec.verify_within / 2);
    let (usual, longest) = match order {
        None => (Duration::ZERO, Duration::ZERO),
        Some(order) => {
            let job = recovery::job_limit(seen, order).saturating_add(spec.verify_within);
            let smoke = smoke.saturating_mul(2);
            (delay.saturating_add(steady), delay.saturating_add(job).saturating_add(smoke))
        }
    };
    let telling = sinks.saturating_add(limits::DELIVERY_SLACK).saturating_add(limits::EVIDENCE);
    let limit = found.saturating_add(longest).saturating_add(telling).saturating_add(limits::DRILL_SLACK);
    (found.saturating_add(usual), limit.min(limits::LONGEST_DRILL))
}
