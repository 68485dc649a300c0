//! The host: the manager as a whole, enablement and boot prediction as they are read, the slow steady readings.

use crate::model::action::Action;
use crate::model::boot::{BootReading, Prediction};
use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::state::{Mismatch, SaveFailure, State};
use crate::model::unit::{LoadState, ManagerState, UnitFileState, UnitName};
use crate::policy::comparison;
use crate::policy::enablement;
use crate::policy::limits;
use crate::policy::turn::{Turn, sooner};

/// The manager's own state changed. What was read before an absence is old: everything is read again.
pub fn manager_changed(state: &mut State, manager: ManagerState, turn: &mut Turn) {
    let before = state.seen.manager;
    if before == Some(manager) {
        return;
    }
    state.seen.manager = Some(manager);
    state.seen.manager_since = turn.now;
    turn.touch_all();
    if manager == ManagerState::Unreachable {
        for unit in state.seen.units.values_mut() {
            unit.fate.unseen = true;
        }
    }
    let message = match manager {
        ManagerState::Unreachable => "the service manager cannot be reached: nothing is acted on",
        ManagerState::Stopping => "the host shuts down: nothing is acted on",
        ManagerState::Starting => "boot is not finished: nothing is acted on yet",
        ManagerState::Maintenance => "the host is in rescue or emergency mode: nothing is acted on",
        ManagerState::Running => "the service manager runs",
    };
    turn.record(state, None, EventKind::Notice, None, message.to_owned());
    if before == Some(ManagerState::Unreachable) {
        turn.act(Action::ReadAllUnits);
        read_enablement(state, turn);
        wish_prediction(state, turn.now);
    }
}

/// Unit files or links changed on disk, by whatever hand.
pub fn unit_files_changed(state: &mut State, units: &[UnitName], turn: &mut Turn) {
    wish_prediction(state, turn.now);
    if units.is_empty() {
        read_enablement(state, turn);
        return;
    }
    let named: Vec<UnitName> = state
        .seen
        .units
        .keys()
        .chain(comparison::disabled(state))
        .filter(|unit| units.iter().any(|hint| concerns(hint, unit)))
        .cloned()
        .collect();
    for unit in &named {
        turn.touch(unit);
    }
    if !named.is_empty() {
        turn.act(Action::ReadEnablement { units: named });
        // What the manager has loaded may be older than the file now.
        turn.act(Action::ReadAllUnits);
    }
}

/// A hint names the unit, or its template.
fn concerns(hint: &UnitName, unit: &UnitName) -> bool {
    hint == unit || unit.template().as_ref() == Some(hint)
}

fn read_enablement(state: &mut State, turn: &mut Turn) {
    let local = |unit: &&UnitName| !unit.is_dependency();
    let lost = comparison::disabled(state);
    let units: Vec<UnitName> = state.seen.units.keys().filter(local).chain(lost).cloned().collect();
    if !units.is_empty() {
        turn.act(Action::ReadEnablement { units });
    }
    state.seen.enablement_due = Some(turn.now.plus(limits::ENABLEMENT_PERIOD));
}

/// The enablement of a unit, asked afresh.
pub fn enablement_read(state: &mut State, unit: &UnitName, read: UnitFileState, turn: &mut Turn) {
    comparison::enablement_read(state, unit, &read, turn);
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    let changed = seen.enablement.as_ref().is_some_and(|known| *known != read);
    if changed {
        seen.enablement_since = turn.now;
    }
    seen.enablement = Some(read);
    turn.touch(unit);
    if changed {
        wish_prediction(state, turn.now);
    }
}

/// What the next boot would start.
pub fn predicted(state: &mut State, reading: BootReading, turn: &mut Turn) {
    state.seen.boot_in_flight_until = None;
    state.seen.boot = Some(reading);
    sooner(&mut state.seen.boot_due, turn.now.plus(limits::BOOT_PERIOD));
    turn.touch_all();
}

/// The prediction is to be made (again) once changes have settled.
pub fn wish_prediction(state: &mut State, now: Moment) {
    if !state.seen.units.is_empty() {
        sooner(&mut state.seen.boot_due, now.plus(limits::BOOT_SETTLE));
    }
}

/// The durable state could not be saved.
pub fn save_failed(state: &mut State, why: String, turn: &mut Turn) {
    let known = state.seen.save_failure.as_ref();
    let since = known.map_or(turn.now, |known| known.since);
    if known.is_none() {
        let message = format!("cannot save the durable state: {why}; nothing is acted on meanwhile");
        turn.record(state, None, EventKind::Notice, None, message);
        turn.touch_all();
    }
    state.seen.save_failure = Some(SaveFailure { since, tried_at: turn.now, why });
}

/// When saving is tried again.
#[must_use]
pub fn save_retry(failure: &SaveFailure) -> Moment {
    failure.tried_at.plus(limits::SAVE_RETRY)
}

/// The durable state is saved again.
pub fn saved(state: &mut State, turn: &mut Turn) {
    turn.news = true;
    if let Some(failure) = state.seen.save_failure.take() {
        let seconds = turn.now.since(failure.since).as_secs();
        let message = format!("the durable state is saved again, after {seconds} s");
        turn.record(state, None, EventKind::Notice, None, message);
        turn.touch_all();
    }
}

/// A part of our own does not work, or works again. Everything else goes on, and we say what is lost.
pub fn impaired(state: &mut State, code: Code, part: &'static str, why: Option<String>, turn: &mut Turn) {
    let known = state.seen.impaired.get(&(code, part));
    if known.map(|(_, why)| why) == why.as_ref() {
        return;
    }
    let since = known.map_or(turn.now, |(since, _)| *since);
    let Some(why) = why else {
        state.seen.impaired.remove(&(code, part));
        turn.record(state, None, EventKind::Cleared, Some(code), format!("{part}: all is well again"));
        return;
    };
    turn.record(state, None, EventKind::Found, Some(code), why.clone());
    state.seen.impaired.insert((code, part), (since, why));
}

/// The moment named by `next_deadline` has come.
pub fn deadline_reached(state: &mut State, turn: &mut Turn) {
    if state.seen.save_failure.as_ref().is_some_and(|failure| save_retry(failure) <= turn.now) {
        // Changing a counter makes the loop try to save.
        state.durable.meta.next_id = state.durable.meta.next_id.saturating_add(1);
    }
}

/// The readings of the host that are due, whatever happened.
pub fn due(state: &mut State, turn: &mut Turn) {
    let now = turn.now;
    if state.seen.resync_due.is_some_and(|due| due <= now) {
        state.seen.resync_due = Some(now.plus(state.seen.settings.resync));
        if !state.seen.units.is_empty() {
            turn.act(Action::ReadAllUnits);
        }
    }
    if state.seen.enablement_due.is_some_and(|due| due <= now) {
        read_enablement(state, turn);
    }
    if state.seen.boot_in_flight_until.is_some_and(|limit| limit <= now) {
        state.seen.boot_in_flight_until = None;
        sooner(&mut state.seen.boot_due, now);
    }
    let idle = state.seen.boot_in_flight_until.is_none();
    if idle && state.seen.boot_due.is_some_and(|due| due <= now) {
        state.seen.boot_due = None;
        state.seen.boot_in_flight_until = Some(now.plus(limits::BOOT_LIMIT));
        turn.act(Action::PredictBoot);
    }
}

/// Compares the stored prediction with this boot, once, then stores the new one.
pub fn keep_prediction(state: &mut State, unit: &UnitName, turn: &mut Turn) {
    let boot_id = state.seen.host.boot_id.clone();
    let running = state.seen.manager == Some(ManagerState::Running);
    let (Some(seen), Some(durable)) = (state.seen.units.get(unit), state.durable.units.get_mut(unit)) else {
        return;
    };
    let (Some(reading), Some(settings)) = (&seen.reading, &seen.settings) else {
        return;
    };
    let old = durable.prediction.as_ref().filter(|known| known.boot_id != boot_id);
    if let Some(old) = old {
        if !running || reading.job.is_some() {
            return;
        }
        // Nothing of ours started it: we order nothing before the boot is finished.
        let started = !reading.invocation.is_empty() || reading.active_since.is_some();
        durable.mismatch = enablement::compare(old, started).map(|message| Mismatch {
            boot_id: boot_id.clone(),
            message,
            at: turn.now,
        });
        durable.prediction = None;
    }
    let told = |boot: &&BootReading| boot.failure.is_none() && boot.read_at >= seen.enablement_since;
    let Some(boot) = state.seen.boot.as_ref().filter(told) else {
        return;
    };
    if reading.load != LoadState::Loaded {
        return;
    }
    let verdict = enablement::boot_verdict(unit, settings, seen.enablement.as_ref(), boot);
    if durable.prediction.as_ref().map(|known| &known.verdict) != Some(&verdict) {
        durable.prediction = Some(Prediction { boot_id, verdict, made_at: turn.now });
    }
}
