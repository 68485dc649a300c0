//! How a drill stands: what was measured so far, and whether it is over.

use crate::model::drill::{Drill, DrillKind, Verdict};
use crate::model::moment::Moment;
use crate::model::probe::OnFailure;
use crate::model::snapshot::UnitState;
use crate::model::state::{LastAction, State};
use crate::model::unit::{ActiveState, UnitName};
use crate::policy::turn::sooner;
use crate::policy::{limits, recovery, snapshot};

use std::time::Duration;

/// Notes what has come about since.
pub fn follow(state: &State, unit: &UnitName, drill: Drill, now: Moment, wake: &mut Option<Moment>) -> Drill {
    let mut drill = drill;
    let Some(struck) = drill.struck_at else {
        return drill;
    };
    let incident = drill.incident.and_then(|id| state.durable.incidents.get(&id));
    drill.decided_at = incident.and_then(|incident| incident.decided_at);
    let last = order_since(state, unit, struck);
    if let Some(last) = last.filter(|last| last.ok) {
        drill.recovered_at = drill.recovered_at.or(Some(last.at));
    }
    if drill.kind == DrillKind::Kill && drill.incident.is_none() && last.is_none() {
        by_systemd(state, unit, &mut drill, now, wake);
    }
    drill
}

/// The order that was given for it and is over.
fn order_since<'a>(state: &'a State, unit: &UnitName, struck: Moment) -> Option<&'a LastAction> {
    let last = state.durable.units.get(unit)?.last_action.as_ref();
    last.filter(|last| last.at >= struck && last.action.disturbs())
}

/// It runs anew, and nothing of ours had to be done for that.
fn by_systemd(state: &State, unit: &UnitName, drill: &mut Drill, now: Moment, wake: &mut Option<Moment>) {
    let (Some(seen), Some(durable)) = (state.seen.units.get(unit), state.durable.units.get(unit)) else {
        return;
    };
    let Some(reading) = &seen.reading else {
        return;
    };
    let up = matches!(reading.active, ActiveState::Active | ActiveState::Reloading);
    if up && reading.invocation == drill.invocation {
        return;
    }
    drill.detected_at = drill.detected_at.or(Some(now));
    if !up {
        return;
    }
    drill.by_systemd_at = drill.by_systemd_at.or(reading.active_since).or(Some(now));
    let steady = seen.active_state_since.plus(limits::STEADY.min(seen.spec.recovery.verify_within / 2));
    if steady > now {
        sooner(wake, steady);
    } else if snapshot::unit_state(seen, durable, now) == UnitState::Ok {
        drill.recovered_at = drill.recovered_at.or(Some(now));
    }
}

/// The verdict and its sentence, once there is one.
pub fn weigh(
    state: &State,
    unit: &UnitName,
    drill: &Drill,
    now: Moment,
    wake: &mut Option<Moment>,
) -> Option<(Verdict, String)> {
    let durable = state.durable.units.get(unit)?;
    let over = drill.due <= now;
    let Some(struck) = drill.struck_at else {
        let message = "whether the main process was killed was not heard in time";
        return over.then(|| (Verdict::Interrupted, message.to_owned()));
    };
    let idle = durable.recovery.is_none() && drill.recovered_at.is_none();
    if let Some(why) = idle.then(|| recovery::closed_to_drill(state, unit, now)).flatten() {
        return Some((Verdict::Interrupted, why));
    }
    if let Some(failed) = order_since(state, unit, struck).filter(|last| !last.ok && idle) {
        let message = format!("the {} {}", failed.action.as_str(), failed.outcome);
        return Some((Verdict::Failed, message));
    }
    if let Some(quarantine) = durable.quarantine.as_ref().filter(|_| idle) {
        return Some((Verdict::Failed, quarantine.why.clone()));
    }
    let since = |at: Option<Moment>| at.map(|at| seconds(at.since(struck)));
    let recovered = since(drill.recovered_at);
    if let (None, Some(by_systemd), Some(recovered)) =
        (drill.incident, since(drill.by_systemd_at), &recovered)
    {
        let message = format!(
            "systemd restarted it after {by_systemd}, it is well after {recovered}; nothing was to be told"
        );
        return Some((Verdict::BySystemd, message));
    }
    let Some(found) = since(drill.detected_at) else {
        let message = format!("it was not found within {}", seconds(now.since(struck)));
        return over.then_some((Verdict::Failed, message));
    };
    let done = if tells_only(state, unit, drill) {
        Some(Verdict::Told)
    } else {
        recovered.as_ref().map(|_| Verdict::Proven)
    };
    let Some(done) = done else {
        let message = format!("found after {found}, and not put right within {}", seconds(now.since(struck)));
        return over.then_some((Verdict::Failed, message));
    };
    told(state, drill, done, now, wake)
}

/// A failing probe about which nothing is to be done.
fn tells_only(state: &State, unit: &UnitName, drill: &Drill) -> bool {
    let DrillKind::Probe(name) = &drill.kind else {
        return false;
    };
    let probes = state.seen.units.get(unit).map(|seen| seen.spec.probes.as_slice()).unwrap_or_default();
    probes.iter().any(|probe| probe.name == *name && probe.on_failure == OnFailure::Alert)
}

/// What was to be put right is; all that is left is that people hear of it, and that the incident ends.
fn told(
    state: &State,
    drill: &Drill,
    done: Verdict,
    now: Moment,
    wake: &mut Option<Moment>,
) -> Option<(Verdict, String)> {
    let incident = state.durable.incidents.get(&drill.incident?)?;
    let struck = drill.struck_at?;
    let over = drill.due <= now;
    // Who is to hear of it is settled at the end of the turn in which it was found.
    let settled = incident.opened_at.plus(Duration::from_millis(1));
    if settled > now {
        sooner(wake, settled);
        return None;
    }
    let at_once = |name: &&String| {
        let mut sinks = state.seen.settings.sinks.iter();
        sinks.any(|sink| sink.name == **name && sink.after.is_zero())
    };
    let mut silent = Vec::new();
    let mut failed = Vec::new();
    let mut heard = Vec::new();
    for name in incident.told.keys().filter(at_once) {
        match drill.told.get(name).map(|known| (known.arrived_at, &known.failure)) {
            Some((Some(at), _)) => heard.push(format!("{name} after {}", seconds(at.since(struck)))),
            Some((None, Some(why))) => failed.push(format!("{name} was not told: {why}")),
            Some((None, None)) | None => silent.push(format!("{name} was not told in time")),
        }
    }
    let ended = done == Verdict::Told || incident.resolved_at.is_some();
    if !(over || (silent.is_empty() && ended)) {
        return None;
    }
    failed.append(&mut silent);
    if !ended {
        failed.push(format!("incident {} is not over", incident.id));
    }
    let since = |at: Option<Moment>| at.map_or("never".to_owned(), |at| seconds(at.since(struck)));
    let mut facts = vec![format!("found after {}", since(drill.detected_at))];
    if done == Verdict::Proven {
        facts.push(format!("proven after {}", since(drill.recovered_at)));
    }
    facts.push(match heard.as_slice() {
        [] if failed.is_empty() => "nobody is to be told".to_owned(),
        [] => "nobody was told".to_owned(),
        heard => format!("told {}", heard.join(", ")),
    });
    let verdict = if failed.is_empty() { done } else { Verdict::Failed };
    facts.extend(failed);
    Some((verdict, facts.join("; ")))
}

/// `0.2 s`.
fn seconds(length: Duration) -> String {
    let tenths = length.as_millis().saturating_add(50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}
