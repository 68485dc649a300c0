//! From specs to managed units: our own start, configuration as it changes, patterns as units match them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::action::Action;
use crate::model::drill::Drill;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::observation::Host;
use crate::model::operator::Answer;
use crate::model::progress::ProgressSpec;
use crate::model::spec::{Problem, Selector, Settings, Spec};
use crate::model::state::{Durable, HoldKind, LastAction, State, UnitDurable, UnitSeen};
use crate::model::unit::{ActiveState, LoadState, UnitName, UnitReading};
use crate::policy::turn::Turn;
use crate::policy::{baseline, coverage, drill, incidents, limits, tally};

/// We started: what is durable is taken up.
pub fn started(state: &mut State, host: Host, turn: &mut Turn) {
    let now = turn.now;
    let before = state.durable.meta.boot_id.clone();
    let rebooted = !before.is_empty() && before != host.boot_id;
    state.seen.host = host;
    enter_boot(state, now);
    state.seen.started_at = now;
    // Event ids grow over our own restarts: they begin at the wall clock's milliseconds.
    let last = state.durable.events.keys().next_back().map_or(0, |last| last.saturating_add(1));
    state.seen.next_event = u64::try_from(now.wall_ms).unwrap_or(0).max(last);
    state.seen.events = state.durable.events.values().cloned().collect();
    if rebooted {
        turn.record(state, None, EventKind::Changed, None, "the host was rebooted".to_owned());
    }
    drill::interrupt_all(state, turn);
}

/// After a reboot what is durable is told by the wall clock, and by this boot's clock from now on.
fn enter_boot(state: &mut State, now: Moment) {
    let boot_id = &state.seen.host.boot_id;
    if state.durable.meta.boot_id == *boot_id {
        return;
    }
    state.durable.meta.boot_id.clone_from(boot_id);
    shift(&mut state.durable, now);
    for durable in state.durable.units.values_mut() {
        forget_last_boot(durable, now);
    }
}

/// What was decided could not be saved and is taken back to what is durable. What is managed stays managed, this boot
/// is entered again, and people whose order is gone with it are told.
pub fn taken_back(state: &mut State, durable: Durable, why: &str, now: Moment) -> Vec<Action> {
    let decided = std::mem::replace(&mut state.durable, durable);
    enter_boot(state, now);
    state.seen.host_codes = None;
    // What nobody watches is found anew, and told then.
    coverage::watch::soon(state, now);
    let mut answers = Vec::new();
    for (unit, seen) in &mut state.seen.units {
        let known = state.durable.units.entry(unit.clone()).or_default();
        // Nor is it forgotten that it ran.
        known.ran |= decided.units.get(unit).is_some_and(|decided| decided.ran);
        // That a person stopped a unit is not forgotten because a disk is full.
        let stop = decided.units.get(unit).and_then(|decided| decided.hold.as_ref());
        if let Some(stop) = stop.filter(|hold| hold.kind.is_implicit()) {
            known.hold.get_or_insert_with(|| stop.clone());
        }
        if let (Some(hold), Some(until)) = (&mut known.hold, seen.fate.stop_holds) {
            hold.until = hold.until.zip(until).map(|(known, until)| known.max(until));
        }
        let drilled = known.drills.last().is_some_and(|drill| drill.end.is_none());
        if let Some(request) = seen.asked_drill.take_if(|_| !drilled) {
            answers.push(Action::AnswerOperator { request, answer: unsaved(why) });
        }
        if known.recovery.is_none() {
            let asked = std::mem::take(&mut seen.asked).into_iter();
            answers.extend(asked.map(|request| Action::AnswerOperator { request, answer: unsaved(why) }));
        }
    }
    answers
}

/// The answer to whoever asked for what could not be saved.
#[must_use]
pub fn unsaved(why: &str) -> Answer {
    Answer::Refused { message: format!("cannot save the durable state: {why}") }
}

/// Orders in flight and a person's stops do not outlive the boot.
fn forget_last_boot(durable: &mut UnitDurable, now: Moment) {
    if let Some(recovery) = durable.recovery.take() {
        durable.last_action = Some(LastAction {
            action: recovery.kind,
            because: recovery.because,
            at: now,
            outcome: "interrupted by a reboot".to_owned(),
            ok: false,
            steps: recovery.steps,
        });
    }
    if durable.hold.as_ref().is_some_and(|hold| hold.kind.is_implicit()) {
        durable.hold = None;
    }
    durable.last_active = None;
    durable.ran = false;
}

/// Tells the moments of an earlier boot by this boot's clock.
fn shift(durable: &mut Durable, now: Moment) {
    let to_now = |at: &mut Moment| *at = now.at_wall_ms(at.wall_ms);
    for unit in durable.units.values_mut() {
        if let Some(hold) = &mut unit.hold {
            to_now(&mut hold.since);
            hold.until.iter_mut().for_each(to_now);
        }
        if let Some(quarantine) = &mut unit.quarantine {
            to_now(&mut quarantine.since);
            to_now(&mut quarantine.retry_at);
        }
        unit.spent.iter_mut().for_each(to_now);
        unit.prediction.iter_mut().for_each(|known| to_now(&mut known.made_at));
        unit.mismatch.iter_mut().for_each(|known| to_now(&mut known.at));
        unit.last_action.iter_mut().for_each(|known| to_now(&mut known.at));
        unit.smoke_failure.iter_mut().for_each(|known| to_now(&mut known.at));
        unit.drills.iter_mut().flat_map(Drill::moments).for_each(to_now);
        unit.off.iter_mut().flat_map(|off| [&mut off.since, &mut off.until]).for_each(to_now);
        unit.probes.values_mut().for_each(|known| to_now(&mut known.asked_since));
    }
    for incident in durable.incidents.values_mut() {
        to_now(&mut incident.opened_at);
        let others = [
            &mut incident.began_at,
            &mut incident.decided_at,
            &mut incident.acted_at,
            &mut incident.captured_at,
        ];
        others.into_iter().chain([&mut incident.resolved_at]).flatten().for_each(to_now);
        incident.acknowledged.iter_mut().for_each(|known| to_now(&mut known.at));
        incident.changes.iter_mut().for_each(|change| to_now(&mut change.at));
        incident.told.values_mut().for_each(|told| to_now(&mut told.at));
    }
    durable.meta.worse.iter_mut().for_each(|worse| to_now(&mut worse.since));
    durable.events.values_mut().for_each(|event| to_now(&mut event.at));
    durable.links.values_mut().flatten().for_each(|target| to_now(&mut target.from));
}

/// The configuration was read; it replaces what was known.
pub fn loaded(
    state: &mut State,
    settings: Settings,
    specs: Vec<Spec>,
    problems: Vec<Problem>,
    turn: &mut Turn,
) {
    for problem in &problems {
        if !state.seen.problems.contains(problem) {
            let place = if problem.line == 0 {
                problem.file.clone()
            } else {
                format!("{}:{}:{}", problem.file, problem.line, problem.column)
            };
            turn.record(state, None, EventKind::Notice, None, format!("{place}: {}", problem.message));
        }
    }
    turn.news = true;
    let seen = &mut state.seen;
    seen.resync_due = Some(turn.now.plus(settings.resync));
    seen.settings = settings;
    seen.specs = specs;
    seen.problems = problems;
    seen.configured = true;
    let patterns = patterns(&seen.specs);
    coverage::watch::loaded(state, turn.now);
    let seen = &mut state.seen;
    seen.matches.retain(|pattern, _| patterns.contains(pattern));
    assign(state, turn);
    watch(state, turn);
}

/// The units that match a pattern changed.
pub fn matched(state: &mut State, pattern: String, units: Vec<UnitName>, turn: &mut Turn) {
    let mut units = units;
    let before = state.seen.matches.get(&pattern).cloned().unwrap_or_default();
    // An instance that died and was unloaded is trouble, not the end of its management; one that a person stopped may go.
    let missing: Vec<UnitName> =
        before.into_iter().filter(|unit| !units.contains(unit) && died(state, unit)).collect();
    units.extend(missing);
    if state.seen.matches.get(&pattern) != Some(&units) {
        state.seen.matches.insert(pattern, units);
        assign(state, turn);
        watch(state, turn);
    }
}

/// It should run, does not, and nobody stopped it.
fn died(state: &State, unit: &UnitName) -> bool {
    let held = state.durable.units.get(unit).is_some_and(|durable| durable.hold.is_some());
    let seen = state.seen.units.get(unit).and_then(|seen| seen.reading.as_ref());
    let down = |reading: &UnitReading| matches!(reading.active, ActiveState::Inactive | ActiveState::Failed);
    !held && seen.is_some_and(|reading| reading.load == LoadState::Loaded && down(reading))
}

/// Follow what is managed now.
pub fn watch(state: &State, turn: &mut Turn) {
    let managed = state.seen.units.keys();
    let stopped_with = managed.clone().filter_map(|unit| {
        match &state.durable.units.get(unit)?.hold.as_ref()?.kind {
            // Its return ends the hold.
            HoldKind::StoppedWith { unit, .. } => Some(unit),
            HoldKind::Operator { .. } | HoldKind::ManualStop => None,
        }
    });
    // What an upgrade stopped is followed until it is back.
    let others = stopped_with.chain(baseline::told::down(state));
    turn.act(Action::WatchUnits {
        units: managed.clone().filter(|unit| !unit.is_dependency()).chain(others).cloned().collect(),
        patterns: patterns(&state.seen.specs),
    });
}

fn patterns(specs: &[Spec]) -> BTreeSet<String> {
    specs
        .iter()
        .filter_map(|spec| match &spec.selector {
            Selector::Unit(_) => None,
            Selector::Pattern(pattern) => Some(pattern.clone()),
        })
        .collect()
}

/// Each managed unit with its spec; a file for the unit itself wins over a pattern.
fn wanted(state: &State) -> BTreeMap<UnitName, Spec> {
    let seen = &state.seen;
    let mut wanted = BTreeMap::new();
    for spec in &seen.specs {
        match &spec.selector {
            Selector::Unit(unit) => {
                wanted.insert(unit.clone(), spec.clone());
            }
            Selector::Pattern(pattern) => {
                for unit in seen.matches.get(pattern).into_iter().flatten() {
                    wanted.entry(unit.clone()).or_insert_with(|| spec.clone());
                }
            }
        }
    }
    wanted
}

fn assign(state: &mut State, turn: &mut Turn) {
    let wanted = wanted(state);
    let gone: Vec<UnitName> =
        state.seen.units.keys().filter(|unit| !wanted.contains_key(*unit)).cloned().collect();
    for unit in gone {
        release(state, &unit, turn);
    }
    for (unit, spec) in wanted {
        take_up(state, unit, spec, turn);
    }
    forget_strangers(state, turn);
    let slow = turn.now.plus(limits::ENABLEMENT_PERIOD);
    state.seen.enablement_due = state.seen.enablement_due.or(Some(slow));
    crate::policy::boot::wish_prediction(state, turn.now);
}

/// A unit is not managed any more. Its durable record stays: a file that was only moved for a moment forgets no hold.
fn release(state: &mut State, unit: &UnitName, turn: &mut Turn) {
    drill::interrupt(state, unit, "it is no longer managed", turn);
    let asked = state.seen.units.remove(unit).map(|seen| seen.asked).unwrap_or_default();
    for request in asked {
        let answer = Answer::Refused { message: format!("{unit} is no longer managed") };
        turn.act(Action::AnswerOperator { request, answer });
    }
    turn.act(Action::WatchLinks { unit: unit.clone(), paths: Vec::new() });
    incidents::close(state, unit, turn);
    if let Some(durable) = state.durable.units.get_mut(unit) {
        durable.recovery = None;
    }
    turn.record(state, Some(unit), EventKind::Changed, None, format!("{unit} is no longer managed"));
}

/// Orders and incidents of units that no file selects any more, since before we started.
fn forget_strangers(state: &mut State, turn: &mut Turn) {
    let known = patterns(&state.seen.specs).iter().all(|pattern| state.seen.matches.contains_key(pattern));
    if !known || !state.seen.problems.is_empty() {
        return;
    }
    let units = &state.seen.units;
    let strange = |unit: &&UnitName| !units.contains_key(*unit);
    let strangers: Vec<UnitName> = state.durable.units.keys().filter(strange).cloned().collect();
    for unit in strangers {
        incidents::close(state, &unit, turn);
        if let Some(durable) = state.durable.units.get_mut(&unit) {
            durable.recovery = None;
            if !binds(durable, turn.now) {
                state.durable.units.remove(&unit);
            }
        }
    }
}

/// It says what may be done about the unit, should a file select it again.
fn binds(durable: &UnitDurable, now: Moment) -> bool {
    let held = durable.hold.as_ref().is_some_and(|hold| hold.until.is_none_or(|until| until > now));
    let quarantine = durable.quarantine.as_ref().map(|known| known.retry_at);
    let smoke = durable.smoke_failure.as_ref().map(|known| known.at);
    let last = quarantine.into_iter().chain(durable.spent.last().copied()).chain(smoke).max();
    held || last.is_some_and(|at| now.since(at) < limits::STRANGERS_KEPT)
}

fn take_up(state: &mut State, unit: UnitName, spec: Spec, turn: &mut Turn) {
    turn.touch(&unit);
    if let Some(known) = state.seen.units.get_mut(&unit) {
        if known.spec != spec {
            let before = &known.spec.probes;
            known.probes.retain(|name, _| {
                let same = |probe: &&crate::model::probe::ProbeSpec| probe.name == *name;
                before.iter().find(same) == spec.probes.iter().find(same)
            });
            let before = &known.spec.progress;
            known.progress.retain(|name, _| {
                let same = |progress: &&ProgressSpec| progress.name == *name;
                before.iter().find(same) == spec.progress.iter().find(same)
            });
            known.inspect_due = Some(turn.now);
            let (before, now) = (&known.spec.probes, &spec.probes);
            let same = |name: &String| now.iter().any(|one| one.name == *name && before.contains(one));
            known.tally.unrecorded.retain(|name, _| same(name));
            if let Some(durable) = state.durable.units.get_mut(&unit) {
                durable.probes.retain(|name, _| same(name));
            }
            known.spec = spec;
            tally::follow_spec(known);
            let message = format!("{unit}: {} is in force", known.spec.file);
            crate::policy::units::watch_links(state, &unit, turn);
            turn.record(state, Some(&unit), EventKind::Changed, None, message);
        }
        return;
    }
    let message = format!("{unit} is managed by {}", spec.file);
    let in_flight = state.durable.units.get(&unit).is_some_and(|durable| durable.recovery.is_some());
    state.durable.units.entry(unit.clone()).or_default();
    let seen = UnitSeen::new(spec, turn.now, in_flight);
    state.seen.units.insert(unit.clone(), seen);
    if !unit.is_dependency() {
        turn.act(Action::ReadEnablement { units: vec![unit.clone()] });
    }
    turn.record(state, Some(&unit), EventKind::Notice, None, message);
}
