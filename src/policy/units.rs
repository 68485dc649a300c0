//! One managed unit: its readings as they come, and its evaluation at the end of a turn.

use crate::model::action::Action;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::release::{ProcessesReading, Residence, Resident};
use crate::model::state::{State, UnitSeen};
use crate::model::unit::{ActiveState, LoadState, UnitName, UnitReading, UnitSettings};
use crate::policy::conditions;
use crate::policy::turn::{Turn, sooner};
use crate::policy::{
    baseline, boot, drill, health, impact, incidents, limits, operator, progress, recovery, releases,
    switched_off, transitions,
};

/// A unit was read; the reading replaces the last one.
pub fn changed(state: &mut State, unit: &UnitName, reading: UnitReading, turn: &mut Turn) {
    transitions::release_others(state, unit, &reading, turn);
    baseline::told::read(state, unit, &reading, turn);
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    if seen.reading.as_ref() == Some(&reading) {
        return;
    }
    turn.touch(unit);
    let before = seen.reading.replace(reading.clone());
    let differs =
        before.as_ref().is_none_or(|before| before.active != reading.active || before.sub != reading.sub);
    if differs {
        seen.active_state_since = turn.now;
    }
    count_restarts(seen, before.as_ref(), &reading, turn.now);
    transitions::follow(state, unit, before.is_none(), &reading, turn);
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    let new_run = before.as_ref().is_none_or(|before| before.invocation != reading.invocation);
    if new_run && !reading.invocation.is_empty() {
        count_starts(seen, before.as_ref(), &reading, turn.now);
    }
    if new_run && before.is_some() {
        // What was seen of the last run says nothing of this one.
        seen.processes = None;
        seen.residents.clear();
        seen.inspected_at = None;
        health::begin_anew(seen, turn.now);
        progress::begin_anew(seen, turn.now);
    }
    if new_run {
        seen.inspect_due = Some(turn.now.plus(limits::INSPECTION_DELAY));
    }
    if before.as_ref().is_some_and(|before| before.load != reading.load) {
        // What was read of its file, and predicted of it, was another file, or none.
        seen.enablement = None;
        seen.enablement_since = turn.now;
        turn.act(Action::ReadEnablement { units: vec![unit.clone()] });
    }
    let running = matches!(reading.active, ActiveState::Active | ActiveState::Reloading);
    let ran = running || reading.active == ActiveState::Deactivating;
    if let Some(durable) = state.durable.units.get_mut(unit) {
        durable.ran |= ran || reading.active == ActiveState::Activating;
    }
    if let Some(durable) = state.durable.units.get_mut(unit).filter(|_| ran) {
        if running && durable.hold.as_ref().is_some_and(|hold| hold.kind.is_implicit()) {
            durable.hold = None;
        }
        durable.last_active = Some(reading.invocation);
    }
}

fn count_restarts(seen: &mut UnitSeen, before: Option<&UnitReading>, reading: &UnitReading, now: Moment) {
    let Some(before) = before else {
        return;
    };
    // A smaller count is a reset by a manual restart.
    let more = reading.n_restarts.saturating_sub(before.n_restarts);
    for step in 0..more.min(u32::try_from(limits::RESTARTS_REMEMBERED).unwrap_or(0)) {
        if seen.restarts_seen.len() >= limits::RESTARTS_REMEMBERED {
            seen.restarts_seen.pop_front();
        }
        seen.restarts_seen.push_back((now, before.n_restarts.saturating_add(step)));
    }
}

/// Starts as systemd counts them: each run, those between two readings included.
fn count_starts(seen: &mut UnitSeen, before: Option<&UnitReading>, reading: &UnitReading, now: Moment) {
    let unseen = before.map_or(0, |before| reading.n_restarts.saturating_sub(before.n_restarts));
    let at = if before.is_none() { reading.active_since.unwrap_or(now) } else { now };
    let starts = usize::try_from(unseen.max(1)).unwrap_or(1).min(limits::RESTARTS_REMEMBERED);
    seen.starts.extend(std::iter::repeat_n(at, starts));
    let surplus = seen.starts.len().saturating_sub(limits::RESTARTS_REMEMBERED);
    seen.starts.drain(..surplus);
}

/// What is configured for a unit was read.
pub fn settings_read(state: &mut State, unit: &UnitName, settings: UnitSettings, turn: &mut Turn) {
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    if seen.settings.as_ref() == Some(&settings) {
        return;
    }
    let newer = |known: &UnitSettings| {
        known.modified_at.map(|at| at.wall_ms) < settings.modified_at.map(|at| at.wall_ms)
    };
    let changed = seen.settings.as_ref().is_some_and(newer);
    let fragment = settings.fragment.clone();
    let group_moved =
        seen.settings.as_ref().is_none_or(|known| known.control_group != settings.control_group);
    seen.settings = Some(settings);
    if group_moved {
        seen.inspect_due = Some(turn.now);
    }
    turn.touch(unit);
    if changed {
        let message = format!("the unit file of {unit}, or a drop-in of it, was changed ({fragment})");
        turn.record(state, Some(unit), EventKind::Changed, None, message);
    }
    watch_links(state, unit, turn);
    boot::wish_prediction(state, turn.now);
}

/// Watches whatever links lie on the unit's paths.
pub fn watch_links(state: &State, unit: &UnitName, turn: &mut Turn) {
    if let Some(seen) = state.seen.units.get(unit)
        && let Some(settings) = &seen.settings
    {
        let paths = releases::paths(&seen.spec, settings);
        turn.act(Action::WatchLinks { unit: unit.clone(), paths });
    }
}

/// Hint: a link of these units changed.
pub fn release_switched(state: &mut State, units: &[UnitName], turn: &mut Turn) {
    for unit in units {
        if let Some(seen) = state.seen.units.get_mut(unit) {
            seen.inspect_due = Some(turn.now);
            turn.touch(unit);
        }
    }
}

/// The processes and links of a unit were read.
pub fn inspected(state: &mut State, unit: &UnitName, mut reading: ProcessesReading, turn: &mut Turn) {
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    turn.touch(unit);
    let mut switched = Vec::new();
    seen.inspect_in_flight_until = None;
    seen.inspected_at = Some(reading.read_at);
    if let Some(settings) = &seen.settings {
        let history = &mut state.durable.links;
        reading.links = releases::own_links(reading.links, &seen.spec, settings, history);
        switched = releases::remember(history, &reading.links, turn.now);
        let main_pid = seen.reading.as_ref().and_then(|reading| reading.main_pid);
        let known = releases::Known { main_pid, history, settings, now: turn.now };
        seen.residents = releases::judge(&reading, known);
        // Told as survivors: as stale ones they would ask for a restart, which would leave them again.
        let spared = releases::spared(&reading, main_pid, settings);
        for resident in &mut seen.residents {
            if spared.iter().any(|process| process.pid == resident.pid) {
                resident.residence = Residence::Elsewhere;
            }
        }
    }
    let last = reading.links.iter().max_by_key(|link| link.switched_at);
    seen.fate.flip = last.map(|link| (link.link.clone(), link.switched_at)).or(seen.fate.flip.take());
    let no_link = reading.links.is_empty() && reading.links_unread.is_none();
    let stale = |resident: &Resident| {
        matches!(resident.residence, Residence::Outdated { .. } | Residence::Deleted { .. })
    };
    let period = if seen.residents.iter().any(stale) {
        limits::STALE_INSPECTION
    } else if no_link {
        limits::SLOW_INSPECTION
    } else {
        state.seen.settings.resync
    };
    // What was wished meanwhile stands.
    sooner(&mut seen.inspect_due, turn.now.plus(period));
    seen.processes = Some(reading);
    for message in switched {
        turn.record(state, Some(unit), EventKind::Deployed, None, message);
    }
}

/// Judges the unit by all that is known, and tells what is new.
pub fn judge(state: &mut State, unit: &UnitName, turn: &mut Turn) {
    let mut wake = None;
    boot::keep_prediction(state, unit, turn);
    operator::expire_hold(state, unit, turn, &mut wake);
    switched_off::follow(state, unit, turn, &mut wake);
    progress::follow_outage(state, unit, turn.now);
    judge_anew(state, unit, turn, &mut wake);
    if let Some(seen) = state.seen.units.get_mut(unit) {
        seen.wake = wake;
    }
}

/// Brings the unit's recovery forward, and starts the readings that are due.
pub fn act(state: &mut State, unit: &UnitName, turn: &mut Turn) {
    let mut wake = state.seen.units.get(unit).and_then(|seen| seen.wake);
    let ended = recovery::advance(state, unit, turn, &mut wake);
    if ended {
        // What the order was for is judged anew before anything else is wished.
        judge_anew(state, unit, turn, &mut wake);
    }
    operator::take_up_waiting(state, unit, turn, &mut wake);
    let decided = recovery::decide(state, unit, turn, &mut wake);
    if decided {
        judge_anew(state, unit, turn, &mut wake);
    }
    recovery::end_survivors(state, unit, turn, &mut wake);
    schedule_inspection(state, unit, turn, &mut wake);
    health::schedule(state, unit, turn, &mut wake);
    progress::schedule(state, unit, turn, &mut wake);
    if drill::advance(state, unit, turn, &mut wake) {
        // What it leaves wrong is wrong in earnest.
        judge_anew(state, unit, turn, &mut wake);
    }
    impact::measure(state, unit, turn, &mut wake);
    if let Some(seen) = state.seen.units.get_mut(unit) {
        seen.wake = wake;
    }
}

fn judge_anew(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let in_flight = recovery::in_flight(state, unit).is_some();
    let found = conditions::judge(state, unit, turn.now, wake);
    incidents::update(state, unit, found, in_flight, turn);
}

fn schedule_inspection(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let now = turn.now;
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    if let Some(limit) = seen.inspect_in_flight_until {
        if limit > now {
            sooner(wake, limit);
            return;
        }
        seen.inspect_in_flight_until = None;
        seen.inspect_due = seen.inspect_due.or(Some(now));
    }
    let (Some(settings), Some(due)) = (&seen.settings, seen.inspect_due) else {
        return;
    };
    if seen.reading.as_ref().is_none_or(|reading| reading.load != LoadState::Loaded) {
        return;
    }
    if due > now {
        sooner(wake, due);
        return;
    }
    let limit = now.plus(limits::INSPECTION_LIMIT);
    sooner(wake, limit);
    turn.act(Action::InspectProcesses {
        unit: unit.clone(),
        control_group: settings.control_group.clone(),
        paths: releases::paths(&seen.spec, settings),
    });
    seen.inspect_due = None;
    seen.inspect_in_flight_until = Some(limit);
}
