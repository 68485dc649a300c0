//! How an order ends, and what is told of each of its steps.

use std::time::Duration;

use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::{Moment, millis};
use crate::model::operator::{Answer, Step, StepName, StepResult};
use crate::model::state::{LastAction, Recovery, State};
use crate::model::unit::UnitName;
use crate::policy::turn::Turn;

use super::phases::recovery_mut;
use super::{answer, budget, in_flight};

/// Reports a step of the order in flight.
pub fn step(
    state: &mut State,
    unit: &UnitName,
    name: StepName,
    result: StepResult,
    message: String,
    turn: &mut Turn,
) {
    add_step(state, unit, name, result, &message, turn.now);
    let because = in_flight(state, unit).and_then(|recovery| recovery.because);
    let text = format!("{} of {unit}: {}: {message}", name.as_str(), result.as_str());
    turn.record(state, Some(unit), EventKind::Outcome, because, text);
}

fn add_step(
    state: &mut State,
    unit: &UnitName,
    name: StepName,
    result: StepResult,
    message: &str,
    now: Moment,
) {
    if let Some(recovery) = recovery_mut(state, unit) {
        let took_ms = u64::try_from(millis(now.since(recovery.phase_at))).unwrap_or(0);
        recovery.steps.push(Step { name, result, message: message.to_owned(), took_ms });
    }
}

/// The order is over and what it was for is proven.
pub fn succeed(state: &mut State, unit: &UnitName, turn: &mut Turn) {
    let Some(durable) = state.durable.units.get_mut(unit) else {
        return;
    };
    let Some(recovery) = durable.recovery.take() else {
        return;
    };
    let ran = recovery.kind.disturbs();
    if ran {
        durable.quarantine = None;
        durable.smoke_failure = None;
        durable.mismatch = None;
    }
    if ran && recovery.because.is_none() {
        // A person's order is no sign of an unstable unit.
        durable.spent.pop();
    }
    let seconds = seconds(turn.now.since(recovery.began_at));
    let message = format!("{} of {unit} is proven after {seconds}", recovery.kind.as_str());
    durable.last_action = Some(last_action(&recovery, "done".to_owned(), true, turn.now));
    turn.record(state, Some(unit), EventKind::Outcome, recovery.because, message.clone());
    answer(state, unit, recovery.kind, &Answer::Done { message, steps: recovery.steps }, turn);
}

/// The order is over and failed at this step.
pub fn fail(state: &mut State, unit: &UnitName, name: StepName, why: &str, turn: &mut Turn) {
    add_step(state, unit, name, StepResult::Failed, why, turn.now);
    let Some(durable) = state.durable.units.get_mut(unit) else {
        return;
    };
    let Some(recovery) = durable.recovery.take() else {
        return;
    };
    if let Some(quarantine) = &mut durable.quarantine {
        budget::prolong(quarantine, turn.now);
    }
    let outcome = format!("failed: {}: {why}", name.as_str());
    let message = format!("{} of {unit} failed: {}: {why}", recovery.kind.as_str(), name.as_str());
    durable.last_action = Some(last_action(&recovery, outcome, false, turn.now));
    turn.record(state, Some(unit), EventKind::Outcome, Some(Code::RecoveryFailed), message.clone());
    answer(state, unit, recovery.kind, &Answer::Failed { message, steps: recovery.steps }, turn);
}

/// The order is given up before it did anything.
pub fn abandon(state: &mut State, unit: &UnitName, why: &str, turn: &mut Turn) {
    let Some(recovery) = state.durable.units.get_mut(unit).and_then(|durable| durable.recovery.take()) else {
        return;
    };
    let message = format!("{} of {unit} is not carried out: {why}", recovery.kind.as_str());
    turn.record(state, Some(unit), EventKind::Decided, recovery.because, message.clone());
    answer(state, unit, recovery.kind, &Answer::Refused { message }, turn);
}

fn last_action(recovery: &Recovery, outcome: String, ok: bool, now: Moment) -> LastAction {
    LastAction {
        action: recovery.kind,
        because: recovery.because,
        at: now,
        outcome,
        ok,
        steps: recovery.steps.clone(),
    }
}

fn seconds(duration: Duration) -> String {
    format!("{}.{} s", duration.as_secs(), duration.subsec_millis() / 100)
}
