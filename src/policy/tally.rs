//! What is counted. Orders and incidents count when they are durable: what could not be saved did not happen.

use crate::model::action::Action;
use crate::model::change::Change;
use crate::model::finding::Code;
use crate::model::incident::Incident;
use crate::model::moment::Moment;
use crate::model::state::{Durable, State, UnitSeen};
use crate::model::unit::UnitName;

/// Another file is in force: of probes that it does not have, nothing is told any more.
pub fn follow_spec(seen: &mut UnitSeen) {
    let specs = &seen.spec.probes;
    seen.tally.probes.retain(|name, _| specs.iter().any(|spec| spec.name == *name));
}

/// An action is performed, and what it follows from is saved.
pub fn performed(state: &mut State, action: &Action) {
    let (Action::StartUnit { unit, order, .. } | Action::RestartUnit { unit, order, .. }) = action else {
        return;
    };
    let because = reason(state, unit, *order);
    if let Some(seen) = state.seen.units.get_mut(unit) {
        seen.tally.ordered(because);
        state.seen.touched.insert(unit.clone());
    }
}

/// The finding that asked for this order; it may be over already.
fn reason(state: &State, unit: &UnitName, order: u64) -> Option<Code> {
    let durable = state.durable.units.get(unit)?;
    let in_flight = durable.recovery.as_ref().filter(|known| known.order == order);
    let last = || durable.last_action.as_ref().and_then(|last| last.because);
    in_flight.map_or_else(last, |known| known.because)
}

/// These changes were saved; `before`: what was durable until now.
pub fn saved(state: &mut State, before: &Durable, changes: &[Change]) {
    for change in changes {
        let Change::Incident(id, Some(incident)) = change else {
            continue;
        };
        let known = before.incidents.get(id);
        if known.is_none() {
            opened(state, incident);
        }
        if known.is_none_or(|known| known.resolved_at.is_none()) {
            resolved(state, incident);
        }
    }
}

fn opened(state: &mut State, incident: &Incident) {
    let began = state.seen.units.get(&incident.unit).and_then(|seen| began(seen, incident.cause));
    if let Some(began) = began.filter(|began| *began <= incident.opened_at) {
        state.seen.tally.detection.observe(incident.opened_at.since(began));
    }
}

/// What another incident explains, and what is managed no more, did not recover.
fn resolved(state: &mut State, incident: &Incident) {
    let recovered = incident.part_of.is_none() && state.seen.units.contains_key(&incident.unit);
    if let Some(at) = incident.resolved_at.filter(|_| recovered) {
        state.seen.tally.recovery.observe(at.since(incident.opened_at));
    }
}

/// When the trouble began, where somebody else says so: systemd of a death, the link of a flip. What began before anybody
/// looked says nothing of how soon it was found.
fn began(seen: &UnitSeen, cause: Code) -> Option<Moment> {
    let began = if matches!(cause, Code::UnitInactive | Code::UnitFailed) {
        seen.reading.as_ref()?.inactive_since
    } else if matches!(cause, Code::ReleaseDeleted | Code::ReleaseOutdated) {
        let links = &seen.processes.as_ref()?.links;
        links.iter().map(|link| link.switched_at).max()
    } else {
        None
    };
    began.filter(|began| *began >= seen.managed_since)
}
