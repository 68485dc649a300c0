//! What changed before an incident: of all that was seen to change, what is most suspect first.

use std::cmp::Reverse;
use std::time::Duration;

use crate::model::incident::{Change, Event, EventKind};
use crate::model::moment::{Moment, millis};
use crate::model::state::State;
use crate::model::unit::UnitName;
use crate::policy::limits;

/// What changed within the configured time before now, for trouble of this unit (`None`: of the host).
#[must_use]
pub fn before(state: &State, unit: Option<&UnitName>, now: Moment) -> Vec<Change> {
    let within = state.seen.settings.changes_within;
    let recent = state.durable.events.values().rev().take_while(|event| lately(event, now, within));
    let needs = unit.and_then(|unit| state.seen.units.get(unit)).map(|seen| seen.spec.requires.as_slice());
    let mut ranked: Vec<(u8, Reverse<i64>, Change)> = recent
        .filter_map(|event| {
            let rank = suspicion(event, unit, needs.unwrap_or_default())?;
            let change = Change { at: event.at, what: event.message.clone() };
            Some((rank, Reverse(event.at.wall_ms), change))
        })
        .collect();
    ranked.sort_by_key(|(rank, newest, _)| (*rank, *newest));
    ranked.into_iter().take(limits::CHANGES).map(|(_, _, change)| change).collect()
}

fn lately(event: &Event, now: Moment, within: Duration) -> bool {
    let ago = now.wall_ms.saturating_sub(event.at.wall_ms);
    ago <= millis(within)
}

/// 0 is the first suspect; `None`: it is no change. A deploy comes first, other units' fate last.
fn suspicion(event: &Event, unit: Option<&UnitName>, needs: &[UnitName]) -> Option<u8> {
    let own = event.unit.is_some() && event.unit.as_ref() == unit;
    let needed = event.unit.as_ref().is_some_and(|unit| needs.contains(unit));
    let rank = match event.kind {
        EventKind::Deployed if own => 0,
        EventKind::Changed if own => 1,
        EventKind::Changed if event.unit.is_none() => 2,
        EventKind::Deployed => 3,
        EventKind::Operated if own => 4,
        EventKind::Operated if needed => 5,
        EventKind::Changed => 6,
        EventKind::Operated => 7,
        EventKind::Found
        | EventKind::Cleared
        | EventKind::Decided
        | EventKind::Acted
        | EventKind::Outcome
        | EventKind::Notice
        | EventKind::Ran
        | EventKind::Measured
        | EventKind::Told => return None,
    };
    Some(rank)
}

/// What a shell read of changed packages comes right behind what the unit itself underwent.
pub fn add(known: &mut Vec<Change>, read: Vec<Change>, own: usize) {
    let at = own.min(known.len());
    known.splice(at..at, read.into_iter().take(limits::CHANGES));
    known.truncate(limits::CHANGES.saturating_mul(2));
}
