//! The one place that orders. Concerns find; recovery weighs findings against holds, budgets, running jobs,
//! dependencies and shutdown, and orders at most one thing per unit.

mod budget;
mod gates;
mod outcome;
mod pattern;
mod phases;
mod proof;
mod resume;
mod storm;
mod survivors;
mod wants;

use crate::model::action::Action;
use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::operator::Answer;
use crate::model::state::{NextAction, OrderKind, Phase, Plan, Quarantine, Recovery, State};
use crate::model::unit::UnitName;
use crate::policy::dependencies;
use crate::policy::evidence;
use crate::policy::health;
use crate::policy::packages;
use crate::policy::turn::{Turn, sooner};

pub use budget::restarts_left;
pub use gates::{closed_for_drill, closed_for_people, closed_to_drill};
pub use phases::{enable_finished, job_finished, job_limit, smoke_test_finished};
pub use storm::{sentence as storm_sentence, units as units_in_a_storm, watch as watch_for_storms};
pub use survivors::end as end_survivors;
pub use wants::Want;

/// Brings the order in flight forward. Says whether it is over.
pub fn advance(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) -> bool {
    // What cannot be saved did not happen, and would be tried and told again with each turn.
    let was = in_flight(state, unit).is_some() && state.seen.save_failure.is_none();
    if was {
        phases::advance(state, unit, turn, wake);
    }
    was && in_flight(state, unit).is_none()
}

/// Where no order is in flight, weighs whether there is one to give. Says whether that changed anything.
pub fn decide(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) -> bool {
    if in_flight(state, unit).is_some() {
        return false;
    }
    let picture = |state: &State| {
        let durable = state.durable.units.get(unit).cloned();
        (durable, state.seen.units.get(unit).map(|seen| seen.plan.explained_by.clone()))
    };
    let before = picture(state);
    weigh(state, unit, turn, wake);
    enable_meanwhile(state, unit, turn, wake);
    before != picture(state)
}

/// To be enabled waits for nothing that stands against a start or a restart.
fn enable_meanwhile(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let weighed = |state: &State| {
        let plan = state.seen.units.get(unit).map(|seen| &seen.plan);
        plan.and_then(|plan| plan.next.as_ref()).is_none_or(|next| next.action == OrderKind::Enable)
    };
    if in_flight(state, unit).is_some() || weighed(state) {
        return;
    }
    let Some(want) = wants::enable(state, unit, turn.now) else {
        return;
    };
    let want = budget::delayed(state, unit, want);
    if want.due > turn.now {
        sooner(wake, want.due);
        return;
    }
    if gates::closed(state, unit, &want, turn.now, wake).is_some() || packages::must_wait(state, unit, turn) {
        return;
    }
    begin(state, unit, OrderKind::Enable, Some(want.because), turn, wake);
}

/// The order in flight.
#[must_use]
pub fn in_flight<'a>(state: &'a State, unit: &UnitName) -> Option<&'a Recovery> {
    state.durable.units.get(unit)?.recovery.as_ref()
}

/// Weighs what the findings ask for.
fn weigh(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    budget::age(state, unit, turn.now, wake);
    budget::release(state, unit);
    let Some(want) = wants::most_urgent(state, unit, turn.now) else {
        budget::forgive(state, unit);
        let plan = Plan { explained_by: explained(state, unit), ..Plan::default() };
        set_plan(state, unit, plan, turn);
        return;
    };
    if let Some(since) = began(state, unit, want.because) {
        dependencies::ask(state, unit, since, turn.now);
    }
    if let Some(seen) = state.seen.units.get_mut(unit)
        && let Some(at) = wants::second_look(seen)
    {
        sooner(&mut seen.inspect_due, at);
    }
    let want = budget::delayed(state, unit, want);
    if let Some(quarantine) = budget::spent(state, unit, &want, turn.now) {
        set_quarantine(state, unit, quarantine, turn);
    }
    let next = NextAction { action: want.kind, due_at: want.due, because: want.because };
    if let Some(gate) = gates::closed(state, unit, &want, turn.now, wake) {
        let plan = Plan { next: Some(next), blocked: Some(gate.why), explained_by: gate.explained_by };
        set_plan(state, unit, plan, turn);
        return;
    }
    let explained = state.seen.units.get(unit).is_some_and(|seen| seen.plan.explained_by.is_some());
    if explained {
        // What failed meanwhile was explained; whether it still fails must be seen first.
        if let Some(seen) = state.seen.units.get_mut(unit) {
            health::begin_anew(seen, turn.now);
        }
        sooner(wake, turn.now);
        set_plan(state, unit, Plan::default(), turn);
        return;
    }
    if want.due > turn.now {
        sooner(wake, want.due);
        set_plan(state, unit, Plan { next: Some(next), ..Plan::default() }, turn);
        return;
    }
    let ends_it = want.kind == OrderKind::Restart;
    if packages::must_wait(state, unit, turn) || (ends_it && evidence::must_wait(state, unit, turn, wake)) {
        set_plan(state, unit, Plan { next: Some(next), ..Plan::default() }, turn);
        return;
    }
    set_plan(state, unit, Plan::default(), turn);
    begin(state, unit, want.kind, Some(want.because), turn, wake);
}

/// What explains a trouble about which nothing is to be done anyway.
fn explained(state: &State, unit: &UnitName) -> Option<UnitName> {
    let findings = &state.seen.units.get(unit)?.findings;
    let troubled = findings.iter().any(|finding| dependencies::explains(finding.code));
    troubled.then(|| dependencies::cause(state, unit)).flatten().map(|(cause, _)| cause)
}

/// Since when the unit has this finding.
fn began(state: &State, unit: &UnitName, code: Code) -> Option<Moment> {
    let findings = &state.seen.units.get(unit)?.findings;
    findings.iter().find(|finding| finding.code == code).map(|finding| finding.since)
}

/// Keeps the decision; what newly keeps us from acting is told once.
fn set_plan(state: &mut State, unit: &UnitName, plan: Plan, turn: &mut Turn) {
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    let told = |plan: &Plan| {
        let next = plan.next.as_ref()?;
        plan.blocked.clone().map(|why| (next.action, next.because, why))
    };
    let news = told(&plan).filter(|news| told(&seen.plan).as_ref() != Some(news));
    seen.plan = plan;
    if let Some((action, because, why)) = news {
        let message = format!("would {} {unit} because of {}: {why}", action.as_str(), because.as_str());
        turn.record(state, Some(unit), EventKind::Decided, Some(because), message);
    }
}

fn set_quarantine(state: &mut State, unit: &UnitName, quarantine: Quarantine, turn: &mut Turn) {
    turn.news = true;
    let minutes = turn_minutes(quarantine.retry_at, turn.now);
    let message = format!("{unit}: {}; one more try in {minutes} min", quarantine.why);
    if let Some(durable) = state.durable.units.get_mut(unit) {
        durable.quarantine = Some(quarantine);
    }
    turn.record(state, Some(unit), EventKind::Decided, Some(Code::Quarantined), message);
}

fn turn_minutes(at: Moment, now: Moment) -> u64 {
    at.since(now).as_secs().div_ceil(60)
}

/// Writes the order as an intent and takes its first step.
pub fn begin(
    state: &mut State,
    unit: &UnitName,
    kind: OrderKind,
    because: Option<Code>,
    turn: &mut Turn,
    wake: &mut Option<Moment>,
) {
    let order = state.durable.meta.next_id.max(1);
    state.durable.meta.next_id = order.saturating_add(1);
    let Some(reading) = state.seen.units.get(unit).and_then(|seen| seen.reading.clone()) else {
        return;
    };
    let recovery = Recovery {
        order,
        kind,
        because,
        began_at: turn.now,
        phase: Phase::SmokeTest,
        phase_at: turn.now,
        phase_due: turn.now,
        invocation_before: reading.invocation,
        n_restarts: reading.n_restarts,
        steps: Vec::new(),
    };
    state.durable.units.entry(unit.clone()).or_default().recovery = Some(recovery);
    if let Some(seen) = state.seen.units.get_mut(unit) {
        // An order of an earlier life that ended meanwhile is not to be taken up any more.
        seen.resume = false;
    }
    let message = match because {
        Some(code) => format!("{} {unit} because of {}", kind.as_str(), code.as_str()),
        None => format!("{} {unit} as a person asked", kind.as_str()),
    };
    turn.record(state, Some(unit), EventKind::Acted, because, message);
    phases::first(state, unit, turn, wake);
}

/// Answers everybody who waits for this unit's order. Whoever met one that only enables waits for an order of his own.
fn answer(state: &mut State, unit: &UnitName, kind: OrderKind, answer: &Answer, turn: &mut Turn) {
    if kind == OrderKind::Enable {
        return;
    }
    let waiting =
        state.seen.units.get_mut(unit).map(|seen| std::mem::take(&mut seen.asked)).unwrap_or_default();
    for request in waiting {
        turn.act(Action::AnswerOperator { request, answer: answer.clone() });
    }
}

/// The orders in flight of the other units of this host. What waits for its own order would wait for ever.
fn others_in_flight<'a>(state: &'a State, unit: &'a UnitName) -> impl Iterator<Item = &'a Recovery> {
    let others = state.durable.units.iter().filter(move |(other, _)| *other != unit);
    others.filter_map(|(_, durable)| durable.recovery.as_ref())
}
