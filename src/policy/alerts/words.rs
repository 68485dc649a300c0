//! What an alert says: of the incident, of what was done, and of what comes next.

use std::collections::BTreeMap;

use crate::model::alert::{Alert, AlertStatus};
use crate::model::finding::Severity;
use crate::model::incident::{EventKind, Incident};
use crate::model::moment::Moment;
use crate::model::state::State;
use crate::policy::limits;

use super::due::{Due, whole};

/// All labels of an incident's alerts.
pub fn labels(state: &State, incident: &Incident) -> BTreeMap<String, String> {
    let mut labels = state.seen.settings.labels.clone();
    let mut set = |name: &str, value: &str| labels.insert(name.to_owned(), value.to_owned());
    set("host", &state.seen.host.name);
    set("code", incident.cause.as_str());
    // What may change while it fires would be another alert to whoever tells alerts apart by their labels.
    set("severity", incident.opened_severity.as_str());
    let unit = incident.unit.as_ref();
    if let Some(unit) = unit {
        set("unit", unit.as_str());
    }
    if incident.drill {
        set("drill", "true");
    }
    if let Some(owner) = &incident.owner {
        set("owner", owner);
    }
    labels
}

/// One alert as it is to be told now.
pub fn alert(state: &State, due: &Due, now: Moment) -> Option<Alert> {
    let incident = state.durable.incidents.get(&due.news.incident)?;
    let seen = incident.unit.as_ref().and_then(|unit| state.seen.units.get(unit));
    let spec = seen.map(|seen| &seen.spec);
    // What is found now says more than what was found first.
    let finding = seen.and_then(|seen| {
        let of_cause = seen.findings.iter().find(|finding| finding.code == incident.cause);
        of_cause.or_else(|| seen.findings.first())
    });
    let firing = incident.resolved_at.is_none();
    Some(Alert {
        // Numbers begin anew with a database that was lost.
        key: format!("{}/{}-{}", state.seen.host.name, incident.opened_at.wall_ms / 1000, incident.id),
        status: due.news.status,
        repeats: due.repeats,
        incident: incident.id,
        unit: incident.unit.as_ref().map(ToString::to_string),
        code: incident.cause.as_str().to_owned(),
        severity: incident.severity,
        summary: incident.summary.clone(),
        evidence: finding
            .filter(|_| firing)
            .map_or_else(|| incident.evidence.clone(), |finding| finding.evidence.clone()),
        done: done(state, incident),
        next: next(state, incident, now).filter(|_| firing),
        changes: incident.changes.iter().map(|change| change.what.clone()).collect(),
        repair: incident.repair.clone(),
        affected: incident.affected.iter().map(ToString::to_string).collect(),
        owner: spec.and_then(|spec| spec.owner.clone()),
        runbook: spec.and_then(|spec| spec.runbook.clone()),
        labels: labels(state, incident),
        started_at: incident.began_at.unwrap_or(incident.opened_at),
        ended_at: incident.resolved_at.and(whole(state, incident).resolved_at),
    })
}

/// What was decided and done, the last of it.
fn done(state: &State, incident: &Incident) -> Vec<String> {
    let told = state.durable.events.values().rev().filter(|event| {
        let kind = matches!(event.kind, EventKind::Acted | EventKind::Outcome | EventKind::Decided);
        event.incident == Some(incident.id) && kind
    });
    let mut lines: Vec<String> = told.take(limits::DONE_LINES).map(|event| event.message.clone()).collect();
    lines.reverse();
    lines
}

/// What comes next, or why nothing does.
fn next(state: &State, incident: &Incident, now: Moment) -> Option<String> {
    let unit = incident.unit.as_ref()?;
    let seen = state.seen.units.get(unit)?;
    let recovery = state.durable.units.get(unit).and_then(|known| known.recovery.as_ref());
    if let Some(recovery) = recovery {
        return Some(format!("a {} is under way ({})", recovery.kind.as_str(), recovery.phase.as_str()));
    }
    let plan = &seen.plan;
    match (&plan.next, &plan.blocked) {
        (Some(next), Some(why)) => Some(format!("would {} it: {why}", next.action.as_str())),
        (Some(next), None) => {
            let seconds = next.due_at.since(now).as_secs();
            Some(format!("{} it in {seconds} s", next.action.as_str()))
        }
        (None, _) => Some("nothing: Steadfast does not act on it by itself".to_owned()),
    }
}

/// Somebody tries whether it arrives.
pub fn test(state: &State, now: Moment) -> Alert {
    let host = &state.seen.host.name;
    Alert {
        key: format!("{host}/test"),
        status: AlertStatus::Test,
        repeats: 0,
        incident: 0,
        unit: None,
        code: "test".to_owned(),
        severity: Severity::Warning,
        summary: "this is a test: nothing is wrong".to_owned(),
        evidence: Vec::new(),
        done: Vec::new(),
        next: None,
        changes: Vec::new(),
        repair: None,
        affected: Vec::new(),
        owner: None,
        runbook: None,
        labels: {
            let mut labels = state.seen.settings.labels.clone();
            labels.insert("host".to_owned(), host.clone());
            labels
        },
        started_at: now,
        ended_at: None,
    }
}
