//! The commands of people. Exactly one answer each.

use std::time::Duration;

use crate::model::action::Action;
use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::operator::{Answer, Ask, Request, UnitAsk};
use crate::model::state::{Hold, HoldKind, OrderKind, State};
use crate::model::unit::{ActiveState, UnitName};
use crate::policy::alerts;
use crate::policy::baseline::told;
use crate::policy::drill;
use crate::policy::recovery;
use crate::policy::specs;
use crate::policy::turn::{Turn, sooner};

/// A person asks.
pub fn asked(state: &mut State, request: Request, turn: &mut Turn) {
    let Request { id, who, ask } = request;
    let answer = match ask {
        Ask::OfUnit { unit, ask } => {
            asked_of_unit(state, &unit, id, who, ask, turn);
            return;
        }
        Ask::Acknowledge { incident } => alerts::acknowledge(state, incident, who, turn),
        Ask::TestAlerts => {
            let Some(answer) = alerts::begin_test(state, id, turn) else {
                return;
            };
            answer
        }
        Ask::Compared { baseline, lines } => told::compared(state, baseline, lines, &who, turn),
        Ask::AcceptBaseline => told::accepted(state, &who, turn),
    };
    turn.act(Action::AnswerOperator { request: id, answer });
}

fn asked_of_unit(state: &mut State, unit: &UnitName, id: u64, who: String, ask: UnitAsk, turn: &mut Turn) {
    if !state.seen.units.contains_key(unit) {
        turn.act(Action::AnswerOperator { request: id, answer: Answer::NotManaged });
        return;
    }
    if let Some(failure) = &state.seen.save_failure {
        // It would be taken back, and with it what a stop of a person means.
        turn.act(Action::AnswerOperator { request: id, answer: specs::unsaved(&failure.why) });
        return;
    }
    turn.touch(unit);
    match ask {
        UnitAsk::Hold { length, reason } => hold(state, unit, id, who, length, reason, turn),
        UnitAsk::Resume => resume(state, unit, id, &who, turn),
        UnitAsk::Recover => recover(state, unit, id, &who, turn),
        UnitAsk::Drill { kind, rehearse } => drill::asked(state, unit, id, who, (kind, rehearse), turn),
    }
}

fn hold(
    state: &mut State,
    unit: &UnitName,
    id: u64,
    who: String,
    length: Duration,
    reason: String,
    turn: &mut Turn,
) {
    let until = turn.now.plus(length);
    let kind = HoldKind::Operator { who: who.clone(), reason: reason.clone() };
    let known = state.durable.units.get(unit).and_then(|durable| durable.hold.as_ref());
    // A lease that is renewed, or given back, is no news.
    let renewed = known.filter(|known| known.kind == kind).map(|known| known.since);
    let message = format!("{unit} is held by {who} for {} min: {reason}", length.as_secs().div_ceil(60));
    if let Some(durable) = state.durable.units.get_mut(unit) {
        let down = state.seen.units.get(unit).and_then(|seen| seen.reading.as_ref());
        let down = down.is_some_and(|reading| reading.active == ActiveState::Inactive);
        let stop = durable.hold.take().filter(|known| known.kind.is_implicit() || down);
        // It never shortens the hold that a stop is, or has made longer.
        let until = stop.map_or(Some(until), |known| known.until.map(|known| known.max(until)));
        durable.hold = Some(Hold { kind, since: renewed.unwrap_or(turn.now), until });
    }
    if renewed.is_none() {
        turn.record(state, Some(unit), EventKind::Decided, None, message.clone());
    }
    done(id, message, turn);
}

fn resume(state: &mut State, unit: &UnitName, id: u64, who: &str, turn: &mut Turn) {
    let Some(durable) = state.durable.units.get_mut(unit) else {
        return;
    };
    let mut was = Vec::new();
    was.extend(durable.hold.take().map(|_| "hold"));
    was.extend(durable.quarantine.take().map(|_| "quarantine"));
    was.extend(durable.mismatch.take().map(|_| "boot-mismatch"));
    if was.is_empty() {
        done(id, format!("{unit} was neither held nor in quarantine"), turn);
        return;
    }
    let was = was.join(" and ");
    durable.spent.clear();
    durable.smoke_failure = None;
    let message = format!("{unit}: {was} ended by {who}");
    turn.record(state, Some(unit), EventKind::Decided, None, message.clone());
    done(id, message, turn);
}

fn done(request: u64, message: String, turn: &mut Turn) {
    let answer = Answer::Done { message, steps: Vec::new() };
    turn.act(Action::AnswerOperator { request, answer });
}

/// start + enable + endpoint check, now: holds, delays and quarantine do not bind a person.
fn recover(state: &mut State, unit: &UnitName, id: u64, who: &str, turn: &mut Turn) {
    let kind = kind(state, unit);
    let refused =
        if recovery::in_flight(state, unit).is_some() { None } else { not_now(state, unit, kind, turn.now) };
    if let Some(why) = refused {
        let answer = Answer::Refused { message: format!("cannot recover {unit} now: {why}") };
        turn.act(Action::AnswerOperator { request: id, answer });
        return;
    }
    if let Some(seen) = state.seen.units.get_mut(unit) {
        seen.asked.push(id);
    }
    turn.record(state, Some(unit), EventKind::Decided, None, format!("{who} asks to recover {unit}"));
    if recovery::in_flight(state, unit).is_none() {
        begin(state, unit, kind, turn, &mut None);
    }
}

/// People met an order that only enabled the unit, and it is over: theirs begins.
pub fn take_up_waiting(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let waiting = state.seen.units.get(unit).is_some_and(|seen| !seen.asked.is_empty());
    if !waiting || recovery::in_flight(state, unit).is_some() {
        return;
    }
    let kind = kind(state, unit);
    let Some(why) = not_now(state, unit, kind, turn.now) else {
        begin(state, unit, kind, turn, wake);
        return;
    };
    let waiting =
        state.seen.units.get_mut(unit).map(|seen| std::mem::take(&mut seen.asked)).unwrap_or_default();
    for request in waiting {
        let answer = Answer::Refused { message: format!("cannot recover {unit} now: {why}") };
        turn.act(Action::AnswerOperator { request, answer });
    }
}

fn begin(state: &mut State, unit: &UnitName, kind: OrderKind, turn: &mut Turn, wake: &mut Option<Moment>) {
    if let Some(durable) = state.durable.units.get_mut(unit)
        && durable.hold.as_ref().is_some_and(|hold| hold.kind.is_implicit())
    {
        durable.hold = None;
    }
    recovery::begin(state, unit, kind, None, turn, wake);
}

/// What a person's recovery would order now, and why it would be refused.
#[must_use]
pub fn preview(state: &State, unit: &UnitName, now: Moment) -> (OrderKind, Option<String>) {
    let kind = kind(state, unit);
    let busy = recovery::in_flight(state, unit)
        .map(|order| format!("a {} is in flight already; it would be joined", order.kind.as_str()));
    (kind, busy.or_else(|| not_now(state, unit, kind, now)))
}

fn not_now(state: &State, unit: &UnitName, kind: OrderKind, now: Moment) -> Option<String> {
    let seen = state.seen.units.get(unit)?;
    if seen.spec.is_dependency() {
        return Some("it is no unit of this host; it is only probed".to_owned());
    }
    if seen.reading.is_none() {
        return Some("it was not read yet".to_owned());
    }
    recovery::closed_for_people(state, unit, kind, now)
}

/// What it needs: a start when it is dead, a restart when it is stale or does not serve, else the check alone.
fn kind(state: &State, unit: &UnitName) -> OrderKind {
    let Some(seen) = state.seen.units.get(unit) else {
        return OrderKind::Check;
    };
    let active = seen.reading.as_ref().map(|reading| reading.active);
    if matches!(active, Some(ActiveState::Inactive | ActiveState::Failed)) {
        return OrderKind::Start;
    }
    let stale = |code| {
        matches!(
            code,
            Code::ReleaseDeleted | Code::ReleaseOutdated | Code::WorkersOnlyRestart | Code::ProbeFailed
        )
    };
    if seen.findings.iter().any(|finding| stale(finding.code)) {
        OrderKind::Restart
    } else {
        OrderKind::Check
    }
}

/// Ends a hold whose time has come.
pub fn expire_hold(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let Some(durable) = state.durable.units.get_mut(unit) else {
        return;
    };
    let Some(until) = durable.hold.as_ref().and_then(|hold| hold.until) else {
        return;
    };
    if until > turn.now {
        sooner(wake, until);
        return;
    }
    durable.hold = None;
    turn.record(state, Some(unit), EventKind::Decided, None, format!("the hold of {unit} has ended"));
}
