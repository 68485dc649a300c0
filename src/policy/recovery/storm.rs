//! The breaker for the whole host: when too much is being restarted at once, something is wrong that restarts do not mend.
//! Then one unit at a time is tried, and only its proven success lets the next one follow.

use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::state::State;
use crate::model::unit::UnitName;
use crate::policy::limits;
use crate::policy::turn::{Turn, sooner};

/// What keeps an order back while the host is in a storm.
pub fn closed(state: &State, unit: &UnitName, now: Moment, wake: &mut Option<Moment>) -> Option<String> {
    state.seen.storm_since?;
    if super::others_in_flight(state, unit).any(|order| order.kind.disturbs()) {
        sooner(wake, now.plus(limits::SECOND_LOOK));
        return Some(
            "a storm of restarts on this host: one unit at a time, and it is another one's turn".to_owned(),
        );
    }
    let known = state.durable.units.values();
    let last = known.filter_map(|known| known.last_action.as_ref()).filter(|last| last.action.disturbs());
    let last = last.max_by_key(|last| last.at)?;
    let until = last.at.plus(limits::STORM_PAUSE);
    if last.ok || until <= now {
        return None;
    }
    sooner(wake, until);
    Some("a storm of restarts on this host, and the last one failed: the next is tried later".to_owned())
}

/// Notices that a storm begins or is over, and says so once.
pub fn watch(state: &mut State, turn: &mut Turn) {
    let (units, limit) = (units(state, turn.now), limit(state));
    match state.seen.storm_since {
        None if units >= limit => {
            state.seen.storm_since = Some(turn.now);
            let message = sentence(units);
            turn.record(state, None, EventKind::Found, Some(Code::HostStorm), message);
        }
        // Not as soon as one unit less counts.
        Some(since) if units < limit / 2 => {
            state.seen.storm_since = None;
            let message =
                format!("the storm of restarts is over after {} s", turn.now.since(since).as_secs());
            turn.record(state, None, EventKind::Cleared, Some(Code::HostStorm), message);
            turn.touch_all();
        }
        None | Some(_) => {}
    }
    // Fewer count then.
    let spent = state.durable.units.values().flat_map(|known| &known.spent);
    let ends = spent.map(|at| at.plus(limits::STORM_WINDOW)).filter(|at| *at > turn.now).min();
    state.seen.storm_due = ends.filter(|_| state.seen.storm_since.is_some());
}

/// What is told of a storm.
#[must_use]
pub fn sentence(units: usize) -> String {
    format!(
        "{units} units of this host were started or restarted within {} min: more than single faults explain; from now on one at a time",
        limits::STORM_WINDOW.as_secs() / 60
    )
}

/// Units of this host for which orders of ours count: of deploys that went well, and of people, none does.
#[must_use]
pub fn units(state: &State, now: Moment) -> usize {
    let counts = |at: &Moment| now.since(*at) < limits::STORM_WINDOW;
    state.durable.units.values().filter(|known| known.spent.iter().any(counts)).count()
}

fn limit(state: &State) -> usize {
    limits::STORM_LEAST.max(state.seen.units.len() / 4)
}
