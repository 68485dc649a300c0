//! What is written down of a sick unit before anything is done to it: asked for when its incident opens, and before a restart
//! where that is long ago.

use crate::model::action::Action;
use crate::model::incident::{Change, EventKind};
use crate::model::moment::{Moment, millis};
use crate::model::state::{State, UnitSeen};
use crate::model::unit::UnitName;
use crate::policy::turn::{Turn, sooner};
use crate::policy::{changes, incidents, limits};

/// Asks for a close look, unless one is under way.
pub fn wish(state: &mut State, incident: u64, turn: &mut Turn) {
    let Some(known) = state.durable.incidents.get(&incident) else {
        return;
    };
    let awaited = state.seen.capturing.get(&incident);
    if awaited.is_some_and(|until| *until > turn.now) {
        return;
    }
    let unit = known.unit.clone();
    let seen = unit.as_ref().and_then(|unit| state.seen.units.get(unit));
    let settings = seen.and_then(|seen| seen.settings.as_ref());
    let within = state.seen.settings.changes_within;
    let changed_since = turn.now.at_boot_ms(turn.now.boot_ms.saturating_sub(millis(within)));
    let action = Action::CaptureEvidence {
        incident,
        control_group: settings.map(|settings| settings.control_group.clone()).unwrap_or_default(),
        known: seen.map(|seen| known_lines(state, seen)).unwrap_or_default(),
        unit,
        changed_since,
    };
    state.seen.capturing.insert(incident, turn.now.plus(limits::EVIDENCE));
    turn.act(action);
}

/// Before a restart ends what there is to see: whether a close look must be awaited.
pub fn must_wait(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) -> bool {
    // What is explained by another unit is looked at there.
    let Some(id) = incidents::own(state, unit) else {
        return false;
    };
    let fresh = |at: Moment| turn.now.since(at) < limits::EVIDENCE_FRESH;
    let captured = state.durable.incidents.get(&id).and_then(|incident| incident.captured_at);
    if captured.is_some_and(fresh) {
        return false;
    }
    match state.seen.capturing.get(&id).copied() {
        Some(until) if until > turn.now => {
            sooner(wake, until);
            true
        }
        // It did not come in time: what there was to see is not worth waiting for.
        Some(_) => {
            state.seen.capturing.remove(&id);
            false
        }
        None => {
            wish(state, id, turn);
            sooner(wake, turn.now.plus(limits::EVIDENCE));
            true
        }
    }
}

/// The look is over.
pub fn captured(
    state: &mut State,
    incident: u64,
    file: Result<String, String>,
    read: Vec<Change>,
    turn: &mut Turn,
) {
    state.seen.capturing.remove(&incident);
    let Some(known) = state.durable.incidents.get_mut(&incident) else {
        return;
    };
    turn.news = true;
    let first = known.captured_at.is_none();
    known.captured_at = Some(turn.now);
    let unit = known.unit.clone();
    let message = match file {
        Ok(file) => {
            known.evidence_file = Some(file.clone());
            format!("what is to be seen of it is written to {file}")
        }
        Err(why) => format!("cannot write down what is to be seen of it: {why}"),
    };
    if first {
        let own = known.changes.iter().take_while(|change| of_unit(change, unit.as_ref())).count();
        changes::add(&mut known.changes, read, own);
    }
    if let Some(unit) = &unit {
        turn.touch(unit);
    }
    turn.record_of(state, Some(incident), unit.as_ref(), EventKind::Notice, None, message);
}

fn of_unit(change: &Change, unit: Option<&UnitName>) -> bool {
    unit.is_some_and(|unit| change.what.contains(unit.as_str()))
}

/// What we know of it, a line each.
fn known_lines(state: &State, seen: &UnitSeen) -> Vec<String> {
    let mut lines = Vec::new();
    for condition in seen.conditions.values() {
        let (kind, truth) = (condition.kind.as_str(), condition.truth.as_str());
        lines.push(format!("{kind} {truth}: {}", condition.message));
    }
    for finding in &seen.findings {
        lines.push(format!("{}: {}", finding.code.as_str(), finding.message));
        lines.extend(finding.evidence.iter().map(|line| format!("  {line}")));
    }
    for (name, probe) in &seen.probes {
        if let Some((at, outcome)) = &probe.last {
            lines.push(format!("probe {name}, asked at {} ms: {}", at.wall_ms, outcome.message));
        }
    }
    for need in &seen.spec.requires {
        let told = state.seen.units.get(need).map_or("not read".to_owned(), |needed| {
            let worst = needed.findings.first().map(|finding| finding.message.clone());
            worst.unwrap_or_else(|| "nothing is found to be wrong with it".to_owned())
        });
        lines.push(format!("requires {need}: {told}"));
    }
    lines.truncate(limits::KNOWN_LINES);
    lines
}
