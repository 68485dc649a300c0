//! Drills: a fault on request goes the real way, and what it takes is measured: found, decided, put right, told.
//!
//! What a drill leaves wrong is wrong in earnest: its incident ends with it, and whatever is still found opens another one.

mod gate;
mod verdict;

use crate::model::action::Action;
use crate::model::drill::{Drill, DrillEnd, DrillKind, Hearing, Verdict};
use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::operator::Answer;
use crate::model::probe::{ProbeOutcome, ProbeStatus};
use crate::model::spec::Mode;
use crate::model::state::{Durable, State};
use crate::model::unit::UnitName;
use crate::policy::turn::{Turn, sooner};
use crate::policy::words::listed;
use crate::policy::{health, incidents, limits, recovery};

/// Units that one sentence names.
const NAMED: usize = 12;

/// The drill of this unit that is under way.
#[must_use]
pub fn in_flight<'a>(state: &'a State, unit: &UnitName) -> Option<&'a Drill> {
    state.durable.units.get(unit)?.drills.last().filter(|drill| drill.end.is_none())
}

fn drill_mut<'a>(state: &'a mut State, unit: &UnitName) -> Option<&'a mut Drill> {
    state.durable.units.get_mut(unit)?.drills.last_mut().filter(|drill| drill.end.is_none())
}

/// A person asks for a drill, or what one would do.
pub fn asked(
    state: &mut State,
    unit: &UnitName,
    id: u64,
    who: String,
    (kind, rehearse): (DrillKind, bool),
    turn: &mut Turn,
) {
    let answer = |answer| Action::AnswerOperator { request: id, answer };
    if let Some(why) = gate::refused(state, unit, &kind, turn.now) {
        let message = format!("cannot drill {unit} now: {why}");
        turn.act(answer(Answer::Refused { message }));
        return;
    }
    let Some(plan) = gate::plan(state, unit, &kind, turn.now) else {
        return;
    };
    if rehearse {
        turn.act(answer(Answer::DrillPlanned(plan)));
        return;
    }
    begin(state, unit, kind, who, turn.now.plus(plan.limit), turn);
    if let Some(seen) = state.seen.units.get_mut(unit) {
        seen.asked_drill = Some(id);
    }
}

fn begin(state: &mut State, unit: &UnitName, kind: DrillKind, who: String, due: Moment, turn: &mut Turn) {
    let Some(reading) = state.seen.units.get(unit).and_then(|seen| seen.reading.clone()) else {
        return;
    };
    let Some(durable) = state.durable.units.get_mut(unit) else {
        return;
    };
    let feigned = matches!(kind, DrillKind::Probe(_));
    let message = match &kind {
        DrillKind::Kill => {
            let main = reading.main_pid.unwrap_or_default();
            turn.act(Action::KillMainProcess { unit: unit.clone() });
            format!("DRILL: {who} has the main process of {unit} killed (pid {main}, SIGKILL)")
        }
        DrillKind::Probe(name) => format!("DRILL: {who} has a failure of probe {name} of {unit} feigned"),
    };
    durable.drills.push(Drill {
        kind,
        who,
        at: turn.now,
        due,
        invocation: reading.invocation,
        struck_at: feigned.then_some(turn.now),
        by_systemd_at: None,
        detected_at: None,
        decided_at: None,
        recovered_at: None,
        incident: None,
        told: Default::default(),
        end: None,
    });
    let surplus = durable.drills.len().saturating_sub(limits::DRILLS);
    durable.drills.drain(..surplus);
    turn.record(state, Some(unit), EventKind::Operated, None, message);
}

/// The main process was killed: when, or why not.
pub fn killed(state: &mut State, unit: &UnitName, result: Result<Moment, String>, turn: &mut Turn) {
    turn.touch(unit);
    let Some(drill) = drill_mut(state, unit).filter(|drill| drill.kind == DrillKind::Kill) else {
        return;
    };
    match result {
        Ok(at) => drill.struck_at = Some(at),
        Err(why) => {
            let message = format!("the main process could not be killed: {why}");
            end(state, unit, Verdict::Interrupted, &message, turn);
        }
    }
}

/// What a probe answered; while its failure is feigned, that. What fails in earnest ends the drill.
pub fn feign(
    state: &mut State,
    unit: &UnitName,
    probe: &str,
    outcome: ProbeOutcome,
    turn: &mut Turn,
) -> ProbeOutcome {
    if state.seen.save_failure.is_some() || !is_feigning(state, unit) {
        return outcome;
    }
    let bad = matches!(outcome.status, ProbeStatus::Unhealthy | ProbeStatus::Slow);
    if !bad && !is_drilled(state, unit, probe) {
        return outcome;
    }
    // Of whichever probe: from here on it is not the drill alone.
    if bad {
        if let Some(known) = state.seen.units.get_mut(unit).and_then(|seen| seen.probes.get_mut(probe)) {
            // This answer is here, and it counts.
            known.in_flight_until = None;
        }
        let message = format!("probe {probe} fails in earnest: {}", outcome.message);
        end(state, unit, Verdict::Interrupted, &message, turn);
        return outcome;
    }
    let message = format!("a failure feigned by a drill; in truth: {}", outcome.message);
    ProbeOutcome { status: ProbeStatus::Unhealthy, message, latency: None }
}

/// A failing answer is feigned, until something is done about it.
fn is_feigning(state: &State, unit: &UnitName) -> bool {
    let of_probe = |drill: &&Drill| matches!(&drill.kind, DrillKind::Probe(_));
    let drill = in_flight(state, unit).filter(of_probe);
    drill.is_some_and(|drill| drill.recovered_at.is_none()) && recovery::in_flight(state, unit).is_none()
}

fn is_drilled(state: &State, unit: &UnitName, probe: &str) -> bool {
    let of_probe = |drill: &Drill| matches!(&drill.kind, DrillKind::Probe(name) if name == probe);
    in_flight(state, unit).is_some_and(of_probe)
}

/// A drill is what makes this trouble of the unit.
#[must_use]
pub fn makes(state: &State, unit: &UnitName, code: Code) -> bool {
    let Some(drill) = in_flight(state, unit).filter(|drill| drill.incident.is_none()) else {
        return false;
    };
    let of_life = matches!(
        code,
        Code::UnitInactive | Code::UnitFailed | Code::UnitCrashLooping | Code::UnitStuck | Code::Stalled
    );
    let of_probe = matches!(code, Code::ProbeFailed | Code::ProbeSlow);
    match drill.kind {
        DrillKind::Kill => of_life || of_probe,
        DrillKind::Probe(_) => code == Code::ProbeFailed,
    }
}

/// The trouble that a drill makes is found: its incident is marked.
pub fn detected(state: &mut State, unit: &UnitName, incident: u64, now: Moment) {
    if let Some(drill) = drill_mut(state, unit) {
        drill.incident = Some(incident);
        drill.detected_at = Some(now);
    }
    if let Some(incident) = state.durable.incidents.get_mut(&incident) {
        incident.drill = true;
        incident.summary = format!("DRILL: {}", incident.summary);
    }
}

/// A message of this incident arrived, or did not.
pub fn heard(state: &mut State, incident: u64, sink: &str, result: Result<(), &str>, turn: &mut Turn) {
    let of_drill = state.durable.incidents.get(&incident).filter(|incident| incident.drill);
    let Some(unit) = of_drill.and_then(|incident| incident.unit.clone()) else {
        return;
    };
    let Some(drill) = drill_mut(state, &unit).filter(|drill| drill.incident == Some(incident)) else {
        return;
    };
    let known = drill.told.entry(sink.to_owned()).or_insert_with(Hearing::default);
    match result {
        Ok(()) => {
            known.arrived_at.get_or_insert(turn.now);
            known.failure = None;
        }
        Err(why) if known.arrived_at.is_none() => known.failure = Some(why.to_owned()),
        Err(_) => {}
    }
    if let Some(seen) = state.seen.units.get_mut(&unit) {
        sooner(&mut seen.wake, turn.now);
    }
    turn.touch(&unit);
}

/// Follows the drill under way. Says whether it is over.
pub fn advance(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) -> bool {
    // What cannot be saved is taken back: it goes on when it can be.
    let (Some(drill), None) = (in_flight(state, unit).cloned(), &state.seen.save_failure) else {
        return false;
    };
    sooner(wake, drill.due);
    let followed = verdict::follow(state, unit, drill, turn.now, wake);
    let weighed = verdict::weigh(state, unit, &followed, turn.now, wake);
    if let Some(known) = drill_mut(state, unit) {
        *known = followed;
    }
    match weighed {
        Some((verdict, message)) => {
            end(state, unit, verdict, &message, turn);
            true
        }
        None => false,
    }
}

/// It cannot be carried to its end.
pub fn interrupt(state: &mut State, unit: &UnitName, why: &str, turn: &mut Turn) {
    if in_flight(state, unit).is_some() {
        end(state, unit, Verdict::Interrupted, why, turn);
    }
}

/// We ended in the middle of it, and whoever asked is gone.
pub fn interrupt_all(state: &mut State, turn: &mut Turn) {
    let units: Vec<UnitName> = state.durable.units.keys().cloned().collect();
    for unit in units {
        interrupt(state, &unit, "Steadfast ended in the middle of it", turn);
    }
}

fn end(state: &mut State, unit: &UnitName, verdict: Verdict, why: &str, turn: &mut Turn) {
    turn.touch(unit);
    let Some(drill) = drill_mut(state, unit) else {
        return;
    };
    let message = format!("drill of {unit} {}: {why}", word(verdict));
    drill.end = Some(DrillEnd { at: turn.now, verdict, message: why.to_owned() });
    let (drill, now) = (drill.clone(), turn.now);
    turn.record_of(state, drill.incident, Some(unit), EventKind::Outcome, None, format!("DRILL: {message}"));
    if let Some(incident) = drill.incident.filter(|_| verdict != Verdict::Proven) {
        incidents::close_drill(state, incident, turn);
    }
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    if !verdict.is_good() {
        // What is still found is told anew, as what it is.
        seen.findings.clear();
    }
    if let DrillKind::Probe(probe) = &drill.kind
        && drill.recovered_at.is_none()
    {
        // What was feigned is no answer.
        health::forget(seen, probe, now);
    }
    if let Some(request) = seen.asked_drill.take() {
        let answer = Answer::Drilled { drill: Box::new(drill), message };
        turn.act(Action::AnswerOperator { request, answer });
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Proven => "proven",
        Verdict::BySystemd => "over, systemd was first",
        Verdict::Told => "over, it was told",
        Verdict::Failed => "failed",
        Verdict::Interrupted => "interrupted",
    }
}

/// Managed units on which we act and that were never drilled to the end: one sentence, or nothing to say. `program`: how
/// the reader calls us.
#[must_use]
pub fn never_drilled<'a>(
    managed: impl Iterator<Item = (&'a UnitName, Mode)>,
    durable: &Durable,
    program: &str,
) -> Option<String> {
    let drilled = |unit: &UnitName| {
        let drills = durable.units.get(unit).map(|known| known.drills.as_slice()).unwrap_or_default();
        drills.iter().any(|drill| drill.end.as_ref().is_some_and(|end| end.verdict != Verdict::Interrupted))
    };
    let drillable = |unit: &UnitName| !unit.is_dependency() && unit.kind() == "service";
    let never: Vec<&str> = managed
        .filter(|(unit, mode)| *mode == Mode::Act && drillable(unit) && !drilled(unit))
        .map(|(unit, _)| unit.as_str())
        .collect();
    let first = never.first()?;
    Some(format!("never drilled: {} ({program} drill {first})", listed(&never, NAMED)))
}

#[cfg(test)]
mod tests;
