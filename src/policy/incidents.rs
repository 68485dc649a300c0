//! Findings as they appear and go, the incident they make, and what is told of it.

use crate::model::finding::{Code, Finding};
use crate::model::incident::{EventKind, Incident};
use crate::model::state::State;
use crate::model::unit::UnitName;
use crate::policy::turn::Turn;
use crate::policy::{dependencies, limits};

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
    if let Some(cause) = now.iter().find(|finding| opens(finding.code))
        && !join(state, unit, &now, turn)
    {
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
        if calm(state, unit) {
            settle(state, unit, turn);
        }
    }
}

/// Some findings are worth telling, and no trouble by themselves.
fn opens(code: Code) -> bool {
    !matches!(
        code,
        Code::UnitFileOutdated
            | Code::BinaryOutdated
            | Code::ProbeUnknown
            | Code::UnitStoppedByOperator
            | Code::BootMismatch
    )
}

/// The open incident of a unit: its own, or that of what explains its trouble.
#[must_use]
pub fn of_unit(state: &State, unit: &UnitName) -> Option<u64> {
    let troubled = || state.seen.units.get(unit).is_some_and(|seen| !seen.findings.is_empty());
    own(state, unit).or_else(|| explaining(state, unit).next().filter(|_| troubled()))
}

/// Open incidents that affect this unit.
fn explaining<'a>(state: &'a State, unit: &'a UnitName) -> impl Iterator<Item = u64> + 'a {
    let open = state.durable.incidents.values().filter(|incident| incident.resolved_at.is_none());
    open.filter(|incident| incident.affected.contains(unit)).map(|incident| incident.id)
}

fn calm(state: &State, unit: &UnitName) -> bool {
    let findings = state.seen.units.get(unit).map(|seen| &seen.findings);
    !findings.into_iter().flatten().any(|finding| opens(finding.code))
}

/// The unit is well: its incident is over once all that it affected are well, too; and so are those that affected it.
fn settle(state: &mut State, unit: &UnitName, turn: &Turn) {
    let over: Vec<u64> = own(state, unit).into_iter().chain(explaining(state, unit)).collect();
    for id in over {
        let well = state.durable.incidents.get(&id).is_some_and(|incident| {
            calm(state, &incident.unit) && incident.affected.iter().all(|unit| calm(state, unit))
        });
        if well && let Some(incident) = state.durable.incidents.get_mut(&id) {
            incident.resolved_at = Some(turn.now);
        }
    }
}

fn own(state: &State, unit: &UnitName) -> Option<u64> {
    let mut open = state.durable.incidents.values().rev().filter(|incident| incident.resolved_at.is_none());
    open.find(|incident| incident.unit == *unit).map(|incident| incident.id)
}

/// A trouble that is explained belongs to the incident of its cause, even where it was seen shortly before.
fn join(state: &mut State, unit: &UnitName, findings: &[Finding], turn: &mut Turn) -> bool {
    let explained = |finding: &Finding| !opens(finding.code) || dependencies::explains(finding.code);
    if !findings.iter().all(|finding| finding.code == Code::DependencyDown || explained(finding)) {
        return false;
    }
    let Some((cause, _)) = dependencies::cause(state, unit) else {
        // What it left behind is part of it.
        return own(state, unit).is_none() && explaining(state, unit).next().is_some();
    };
    let Some(id) = own(state, &cause) else {
        return false;
    };
    let began = state.durable.incidents.get(&id).map_or(turn.now, |incident| incident.opened_at);
    if let Some(before) = own(state, unit)
        && let Some(incident) = state.durable.incidents.get_mut(&before)
    {
        if incident.opened_at.plus(limits::REATTRIBUTION) < began {
            return true;
        }
        incident.resolved_at = Some(turn.now);
        incident.part_of = Some(id);
        let message = format!("incident {before} of {unit} is explained by {cause}: part of incident {id}");
        turn.record(state, Some(unit), EventKind::Decided, Some(Code::DependencyDown), message);
    }
    if let Some(incident) = state.durable.incidents.get_mut(&id)
        && !incident.affected.contains(unit)
    {
        incident.affected.push(unit.clone());
    }
    true
}

fn open(state: &mut State, unit: &UnitName, cause: &Finding, turn: &Turn) {
    if own(state, unit).is_some() {
        return;
    }
    let id = state.durable.meta.next_id.max(1);
    state.durable.meta.next_id = id.saturating_add(1);
    let incident = Incident {
        id,
        unit: unit.clone(),
        cause: cause.code,
        opened_at: turn.now,
        resolved_at: None,
        affected: Vec::new(),
        part_of: None,
    };
    state.durable.incidents.insert(id, incident);
    while state.durable.incidents.len() > limits::INCIDENTS {
        let closed = |incident: &&Incident| incident.resolved_at.is_some();
        let Some(oldest) = state.durable.incidents.values().find(closed).map(|incident| incident.id) else {
            break;
        };
        state.durable.incidents.remove(&oldest);
    }
}

/// A unit is no longer managed: its incident is over.
pub fn close(state: &mut State, unit: &UnitName, turn: &Turn) {
    if let Some(id) = own(state, unit)
        && let Some(incident) = state.durable.incidents.get_mut(&id)
    {
        incident.resolved_at = Some(turn.now);
    }
}
