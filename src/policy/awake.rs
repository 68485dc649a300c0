//! After a sleep, or a standstill, of the host: whatever was read before is old, and nothing is acted on until it was read anew.

use std::time::Duration;

use crate::model::action::Action;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::state::State;
use crate::policy::turn::Turn;
use crate::policy::{health, limits, progress};

/// The host slept, or stood still, for about this long.
pub fn resumed(state: &mut State, after: Duration, turn: &mut Turn) {
    let seen = &mut state.seen;
    seen.rereading_until = Some((turn.now, turn.now.plus(limits::LONGEST_REREADING)));
    seen.packages.read_at = None;
    for unit in seen.units.values_mut() {
        // Time that nobody had makes nothing stuck, steady or silent.
        unit.active_state_since = turn.now;
        unit.processes = None;
        unit.residents.clear();
        unit.inspected_at = None;
        unit.inspect_due = Some(turn.now);
        health::begin_anew(unit, turn.now);
        progress::begin_anew(unit, turn.now);
    }
    for durable in state.durable.units.values_mut() {
        if let Some(order) = &mut durable.recovery {
            order.phase_due = order.phase_due.plus(after);
        }
    }
    turn.touch_all();
    turn.act(Action::ReadAllUnits);
    let message =
        format!("the host slept or stood still for {} s: everything is read anew first", after.as_secs());
    turn.record(state, None, EventKind::Notice, None, message);
}

/// Everything was read, beginning then.
pub fn units_read(state: &mut State, began: Moment, turn: &mut Turn) {
    for unit in state.seen.units.values_mut() {
        // Where nothing was told, nothing had happened; what a job still does to it is told when that is over.
        unit.fate.unseen &= unit.reading.as_ref().is_some_and(|reading| reading.job.is_some());
    }
    // What was begun before the sleep may tell of before the sleep.
    let slept = state.seen.rereading_until.map(|(since, _)| since);
    if slept.is_some_and(|since| since <= began) {
        state.seen.rereading_until = None;
        turn.touch_all();
    }
}
