//! The package manager: asked when the answer matters, followed while it works, and out of its way until it is done.

use std::time::Duration;

use crate::model::action::Action;
use crate::model::cause::{Evidence, PackagesReading};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::state::{Phase, State};
use crate::model::unit::UnitName;
use crate::policy::limits;
use crate::policy::transitions;
use crate::policy::turn::Turn;

/// Makes sure that word of the package manager is on its way; the unit is judged anew when it is there.
pub fn ask(state: &mut State, unit: &UnitName, turn: &mut Turn) {
    state.seen.packages.waiting.insert(unit.clone());
    look(state, turn);
}

fn look(state: &mut State, turn: &mut Turn) {
    let packages = &mut state.seen.packages;
    if packages.asked_at.is_none() {
        packages.asked_at = Some(turn.now);
        turn.act(Action::ReadPackageManager);
    }
}

/// Before an order: whether word of the package manager must be awaited first.
pub fn must_wait(state: &mut State, unit: &UnitName, turn: &mut Turn) -> bool {
    let fresh = |at: Moment| turn.now.since(at) <= limits::PACKAGES_PERIOD;
    if state.seen.host.user_instance || state.seen.packages.read_at.is_some_and(fresh) {
        return false;
    }
    ask(state, unit, turn);
    true
}

/// While an order is tested it is looked at all the time, but not while the host sleeps.
#[must_use]
pub fn is_unknown(state: &State, now: Moment) -> bool {
    let known = |at: Moment| now.since(at) <= limits::PACKAGES_LIMIT;
    !state.seen.host.user_instance && !state.seen.packages.read_at.is_some_and(known)
}

/// Word of the package manager.
pub fn read(state: &mut State, reading: PackagesReading, turn: &mut Turn) {
    let before = quiet(state, turn.now);
    let packages = &mut state.seen.packages;
    packages.asked_at = None;
    packages.read_at = Some(turn.now);
    let was_busy = packages.last.busy.is_some();
    if reading.busy.is_some() {
        packages.busy_since = packages.busy_since.or(Some(turn.now));
        packages.seen_at = Some(turn.now);
    } else {
        if was_busy {
            packages.seen_at = Some(turn.now);
        }
        packages.busy_since = None;
    }
    packages.last = reading;
    for unit in std::mem::take(&mut packages.waiting) {
        turn.touch(&unit);
    }
    transitions::settle(state, turn);
    tell(state, before.as_ref(), turn);
}

/// Begin and end of its work change what may be done to every unit.
fn tell(state: &mut State, before: Option<&(String, Option<Moment>)>, turn: &mut Turn) {
    let quiet = quiet(state, turn.now);
    if quiet.as_ref() == before {
        return;
    }
    // Whoever waits is to wait for what is known now.
    turn.touch_all();
    if let (None, Some(_), Some(who)) = (before, quiet, state.seen.packages.last.busy.clone()) {
        let message =
            format!("{who} is at work: nothing is acted on until it is done and a minute has passed");
        turn.record(state, None, EventKind::Notice, None, message);
    }
}

/// Why nothing is to be acted on, and until when if that is known.
#[must_use]
pub fn quiet(state: &State, now: Moment) -> Option<(String, Option<Moment>)> {
    let packages = &state.seen.packages;
    if state.seen.host.user_instance {
        return None;
    }
    if let (Some(who), Some(since)) = (&packages.last.busy, packages.busy_since) {
        // One that waits for an answer to its question all night long does not keep everything down.
        let patience = since.plus(limits::LONGEST_PACKAGES);
        return (patience > now).then(|| (format!("{who} is at work"), Some(patience)));
    }
    let last = [packages.seen_at, packages.last.worked_at].into_iter().flatten().max()?;
    let until = last.plus(limits::PACKAGES_SETTLE);
    // A database that was written in the future was written by a clock that was wrong.
    let trusted = last <= now.plus(limits::PACKAGES_PERIOD);
    let why = "a package manager was at work less than a minute ago";
    (trusted && until > now).then(|| (why.to_owned(), Some(until)))
}

/// Who was at work when this came about, as far as is known now.
#[must_use]
pub fn at_work(state: &State, evidence: &Evidence) -> Option<String> {
    let packages = &state.seen.packages;
    if state.seen.host.user_instance {
        return None;
    }
    if let Some(who) = &packages.last.busy {
        let there = packages.last.began_at.is_none_or(|there| there <= evidence.ordered_at);
        return there.then(|| who.clone());
    }
    // It has let go of its lock since, but wrote its database after that moment.
    let written = packages.last.worked_at?.plus(limits::PACKAGES_SLACK);
    (written > evidence.at).then(|| "a package manager".to_owned())
}

/// Looks again where that is due, and gives up an answer that does not come.
pub fn due(state: &mut State, turn: &mut Turn) {
    if let Some(at) = state.seen.packages.asked_at {
        if at.plus(limits::PACKAGES_LIMIT) <= turn.now {
            // No answer is no package manager: a disk that hangs must not keep units down.
            read(state, PackagesReading::default(), turn);
        }
        return;
    }
    if next_look(state).is_some_and(|due| due <= turn.now) {
        look(state, turn);
    }
}

/// When the next look, or the end of patience, is due.
#[must_use]
pub fn deadline(state: &State) -> Option<Moment> {
    let asked = state.seen.packages.asked_at.map(|at| at.plus(limits::PACKAGES_LIMIT));
    asked.or_else(|| next_look(state))
}

/// While it works, and while an order is tested that comes after it: each period.
fn next_look(state: &State) -> Option<Moment> {
    let packages = &state.seen.packages;
    let testing = || {
        let mut orders = state.durable.units.values().filter_map(|durable| durable.recovery.as_ref());
        orders.any(|order| order.phase == Phase::SmokeTest)
    };
    let matters = !state.seen.host.user_instance && (packages.last.busy.is_some() || testing());
    let period: Duration = limits::PACKAGES_PERIOD;
    matters.then(|| packages.read_at.map(|at| at.plus(period))).flatten()
}
