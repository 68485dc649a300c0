//! The published picture: what everybody outside may read of the state.

use std::sync::Arc;

use crate::model::finding::{Code, Finding, Severity, Truth};
use crate::model::moment::Moment;
use crate::model::release::LinkReading;
use crate::model::snapshot::{Snapshot, UnitState, UnitStatus};
use crate::model::state::{HoldKind, State, UnitDurable, UnitSeen};
use crate::model::unit::{ManagerState, UnitName};
use crate::policy::judgement::{finding, for_instance, proven};
use crate::policy::{alerts, comparison, health, incidents, operator, recovery, releases, switched_off};

/// The picture after a turn; what the turn did not touch is taken from the picture before.
#[must_use]
pub fn publish(state: &State, before: &Snapshot, now: Moment) -> Snapshot {
    let seen = &state.seen;
    let mut units = before.units.clone();
    units.retain(|unit, _| seen.units.contains_key(unit));
    for unit in &seen.touched {
        if let (Some(known), Some(durable)) = (seen.units.get(unit), state.durable.units.get(unit)) {
            units.insert(unit.clone(), Arc::new(of_unit(state, unit, known, durable, now)));
        }
    }
    let last = |events: &[crate::model::incident::Event]| events.last().map(|event| event.id);
    let events = if last(&before.events) == seen.events.back().map(|event| event.id) {
        Arc::clone(&before.events)
    } else {
        seen.events.iter().cloned().collect()
    };
    let open = |incident: &&crate::model::incident::Incident| incident.resolved_at.is_none();
    let silent = health::silent(state, now);
    let findings = host_findings(state, now);
    Snapshot {
        at: now,
        host: seen.host.clone(),
        ready: ready(state),
        manager: seen.manager,
        units,
        unfit: unfit(state, &findings, silent.as_deref()),
        findings: [findings, seen.coverage.findings.clone()].concat(),
        problems: seen.problems.clone(),
        incidents: state.durable.incidents.values().filter(open).cloned().collect(),
        events,
        silent: silent.is_some(),
        heartbeat: seen.settings.heartbeat.clone(),
        admin_group: seen.settings.admin_group.clone(),
        listen: seen.settings.listen,
        tally: seen.tally.clone(),
    }
}

/// Why we cannot do our work: what others are told by our silence.
fn unfit(state: &State, findings: &[Finding], silent: Option<&str>) -> Vec<String> {
    let mut reasons = Vec::new();
    if !ready(state) {
        reasons.push("not every managed unit has been read yet".to_owned());
    }
    let own = [Code::HostManagerUnreachable, Code::HostStateUnsaved];
    let findings = findings.iter().filter(|found| own.contains(&found.code));
    reasons.extend(findings.map(|found| found.message.clone()));
    reasons.extend(silent.map(str::to_owned));
    reasons
}

/// The configuration was read, and every managed unit at least once.
fn ready(state: &State) -> bool {
    let read =
        |unit: &UnitSeen| unit.spec.is_dependency() || (unit.reading.is_some() && unit.enablement.is_some());
    state.seen.configured && state.seen.units.values().all(read)
}

fn of_unit(
    state: &State,
    unit: &UnitName,
    seen: &UnitSeen,
    durable: &UnitDurable,
    now: Moment,
) -> UnitStatus {
    UnitStatus {
        unit: unit.clone(),
        state: unit_state(seen, durable, now),
        mode: seen.spec.mode,
        severity: seen.spec.severity,
        file: seen.spec.file.clone(),
        owner: seen.spec.owner.clone(),
        runbook: seen.spec.runbook.clone(),
        reading: seen.reading.clone(),
        settings: seen.settings.clone(),
        enablement: seen.enablement.clone(),
        conditions: seen.conditions.values().cloned().collect(),
        links: links(seen),
        residents: seen.residents.clone(),
        probes: seen.probes.clone(),
        progress: seen.progress.clone(),
        smoke: seen.spec.smoke.clone(),
        preview: operator::preview(state, unit, now),
        findings: seen.findings.clone(),
        incident: incidents::of_unit(state, unit),
        plan: seen.plan.clone(),
        recovery: durable.recovery.clone(),
        last_action: durable.last_action.clone(),
        last_transition: seen.fate.last.clone(),
        hold: durable.hold.clone(),
        quarantine: durable.quarantine.clone(),
        drill: durable.drills.last().cloned(),
        disabled: switched_off::until(&seen.spec, now).and(seen.spec.disabled.clone()),
        spent: durable.spent.len(),
        budget: seen.spec.recovery.clone(),
        tally: seen.tally.clone(),
    }
}

/// The unit's links, first the one that its release is told by.
fn links(seen: &UnitSeen) -> Vec<LinkReading> {
    let links = seen.processes.as_ref().map(|reading| reading.links.as_slice()).unwrap_or_default();
    let told = releases::relevant(links, &seen.residents).map(|link| link.link.as_str());
    let mut links = links.to_vec();
    links.sort_by_key(|link| Some(link.link.as_str()) != told);
    links
}

/// The worst of the unit's conditions, unless something is being done, or nothing is to be done, about it.
pub fn unit_state(seen: &UnitSeen, durable: &UnitDurable, now: Moment) -> UnitState {
    if switched_off::until(&seen.spec, now).is_some() {
        return UnitState::Disabled;
    }
    if durable.recovery.is_some() {
        return UnitState::Recovering;
    }
    let held = durable.hold.as_ref();
    if held.is_some_and(|hold| hold.kind.is_implicit() || matches!(hold.kind, HoldKind::Operator { .. })) {
        return UnitState::Held;
    }
    if durable.quarantine.is_some() {
        return UnitState::Quarantined;
    }
    by_conditions(seen)
}

fn by_conditions(seen: &UnitSeen) -> UnitState {
    use crate::model::finding::ConditionKind::{Active, Loaded, Serving};
    let is = |truth: Truth| seen.conditions.values().filter(move |known| known.truth == truth);
    let vital = |known: &crate::model::finding::Condition| matches!(known.kind, Loaded | Active | Serving);
    if is(Truth::False).any(vital) {
        return UnitState::Down;
    }
    if is(Truth::False).next().is_some() {
        return UnitState::Degraded;
    }
    let asked = |reason: &str| !matches!(reason, "no-probe" | "no-progress" | "no-link" | "not-active");
    if is(Truth::Unknown).any(|known| asked(&known.reason)) {
        return UnitState::Unknown;
    }
    UnitState::Ok
}

/// What is wrong with the host, and with ourselves.
#[must_use]
pub fn host_findings(state: &State, now: Moment) -> Vec<Finding> {
    let seen = &state.seen;
    let mut findings: Vec<Finding> = seen
        .problems
        .iter()
        .map(|problem| {
            let place = if problem.line == 0 {
                problem.file.clone()
            } else {
                format!("{}:{}:{}", problem.file, problem.line, problem.column)
            };
            let kept =
                if problem.last_good_in_force { " (its last good version stays in force)" } else { "" };
            let message = format!("{place}: {}{kept}", problem.message);
            let found = finding(Code::ConfigInvalid, Severity::Warning, message, now);
            let lines = problem.rendered.lines().map(str::to_owned).collect();
            proven(found, lines, Some("steadfast verify".to_owned()))
        })
        .collect();
    if seen.manager == Some(ManagerState::Unreachable) {
        let message = "the service manager cannot be reached over D-Bus";
        let found = finding(Code::HostManagerUnreachable, Severity::Critical, message, seen.manager_since);
        findings.push(proven(found, Vec::new(), Some("systemctl status dbus".to_owned())));
    }
    if let Some(failure) = &seen.save_failure {
        let message =
            format!("cannot save the durable state: {}; nothing is acted on meanwhile", failure.why);
        findings.push(finding(Code::HostStateUnsaved, Severity::Critical, message, failure.since));
    }
    if let Some(since) = seen.storm_since {
        let message = recovery::storm_sentence(recovery::units_in_a_storm(state, now));
        let found = finding(Code::HostStorm, Severity::Critical, message, since);
        findings.push(proven(found, Vec::new(), Some("steadfast status".to_owned())));
    }
    findings.extend(alerts::undeliverable(state, now));
    findings.extend(comparison::finding(state));
    let impaired = seen.impaired.iter();
    findings
        .extend(impaired.map(|((code, _), (at, why))| finding(*code, Severity::Warning, why.clone(), *at)));
    for_instance(&mut findings, seen.host.user_instance);
    findings
}
