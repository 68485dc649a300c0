//! Findings as they appear and go, the incident they make, and what is told of it.

use crate::model::finding::{Code, Finding};
use crate::model::incident::{EventKind, Incident};
use crate::model::state::State;
use crate::model::unit::UnitName;
use crate::policy::limits;
use crate::policy::turn::Turn;

/// Replaces a unit's findings; tells what is new and what is gone; opens and closes its incident.
///
/// While an order is in flight nothing counts as gone: only its proof clears a finding.
pub fn update(state: &mut State, unit: &UnitName, found: Vec<Finding>, in_flight: bool, turn: &mut Turn) {
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    let before = std::mem::take(&mut seen.findings);
    let mut now: Vec<Finding> = Vec::new();
    for mut finding in found {
        if now.iter().any(|known| known.code == finding.code) {
            continue;
        }
        if let Some(known) = before.iter().find(|known| known.code == finding.code) {
            finding.since = known.since;
        }
        now.push(finding);
    }
    let missing = |known: &&Finding| !now.iter().any(|finding| finding.code == known.code);
    let gone: Vec<Finding> = before.iter().filter(missing).cloned().collect();
    if in_flight {
        now.extend(gone.iter().cloned());
    }
    now.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.since.cmp(&b.since)).then(a.code.cmp(&b.code)));
    let new: Vec<Finding> = now
        .iter()
        .filter(|finding| !before.iter().any(|known| known.code == finding.code))
        .cloned()
        .collect();
    seen.findings.clone_from(&now);
    if let Some(cause) = now.iter().find(|finding| opens(finding.code)) {
        open(state, unit, cause, turn);
    }
    for finding in new {
        turn.record(state, Some(unit), EventKind::Found, Some(finding.code), finding.message);
    }
    if !in_flight {
        for finding in gone {
            let message = format!("{unit}: {} is over", finding.code.as_str());
            turn.record(state, Some(unit), EventKind::Cleared, Some(finding.code), message);
        }
        if !now.iter().any(|finding| opens(finding.code)) {
            close(state, unit, turn);
        }
    }
}

/// Some findings are worth telling, and no trouble by themselves.
fn opens(code: Code) -> bool {
    !matches!(
        code,
        Code::UnitFileOutdated | Code::BinaryOutdated | Code::ProbeUnknown | Code::UnitStoppedByOperator
    )
}

/// The open incident of a unit.
#[must_use]
pub fn of_unit(state: &State, unit: &UnitName) -> Option<u64> {
    let open = state.durable.incidents.values().rev();
    open.filter(|incident| incident.resolved_at.is_none())
        .find(|incident| incident.unit == *unit)
        .map(|incident| incident.id)
}

fn open(state: &mut State, unit: &UnitName, cause: &Finding, turn: &Turn) {
    if of_unit(state, unit).is_some() {
        return;
    }
    let id = state.durable.meta.next_id.max(1);
    state.durable.meta.next_id = id.saturating_add(1);
    let incident =
        Incident { id, unit: unit.clone(), cause: cause.code, opened_at: turn.now, resolved_at: None };
    state.durable.incidents.insert(id, incident);
    while state.durable.incidents.len() > limits::INCIDENTS {
        let closed = |incident: &&Incident| incident.resolved_at.is_some();
        let Some(oldest) = state.durable.incidents.values().find(closed).map(|incident| incident.id) else {
            break;
        };
        state.durable.incidents.remove(&oldest);
    }
}

/// The trouble of a unit is over.
pub fn close(state: &mut State, unit: &UnitName, turn: &Turn) {
    if let Some(id) = of_unit(state, unit)
        && let Some(incident) = state.durable.incidents.get_mut(&id)
    {
        incident.resolved_at = Some(turn.now);
    }
}
