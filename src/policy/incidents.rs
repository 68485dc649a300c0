//! Findings as they appear and go, the incident they make, and what is told of it.

use crate::model::action::Action;
use crate::model::finding::{Code, Finding, Severity};
use crate::model::incident::{EventKind, Incident};
use crate::model::moment::Moment;
use crate::model::state::State;
use crate::model::unit::UnitName;
use crate::policy::turn::Turn;
use crate::policy::words::listed;
use crate::policy::{changes, dependencies, drill, evidence, limits, snapshot, switched_off};

/// Replaces a unit's findings; tells what is new and what is gone; opens and closes its incident.
///
/// While an order is in flight nothing counts as gone: only its proof clears a finding.
pub fn update(state: &mut State, unit: &UnitName, found: Vec<Finding>, in_flight: bool, turn: &mut Turn) {
    let incident = of_unit(state, unit);
    // Its findings are shown, and nobody is told of them.
    let off = switched_off::is_off(state, unit);
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    let before = std::mem::take(&mut seen.findings);
    let troubled = before.iter().any(|finding| opens(finding.code));
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
    if off {
        return;
    }
    worsen(state, unit, &now, turn);
    if let Some(cause) = now.iter().find(|finding| opens(finding.code))
        && !join(state, unit, &now, troubled, turn)
    {
        open(state, unit, cause, turn);
    }
    for finding in new {
        turn.record(state, Some(unit), EventKind::Found, Some(finding.code), finding.message);
    }
    if !in_flight {
        for finding in gone {
            let message = format!("{unit}: {} is over", finding.code.as_str());
            turn.record_of(state, incident, Some(unit), EventKind::Cleared, Some(finding.code), message);
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
    let Some(seen) = state.seen.units.get(unit).filter(|_| !switched_off::is_off(state, unit)) else {
        return true;
    };
    // What was not read or answered yet says nothing: after our own start, or a sleep, the trouble may still be there.
    let read = seen.spec.is_dependency() || seen.reading.is_some();
    let waits = seen.conditions.values().any(|known| known.reason == "waiting");
    read && !waits && !seen.findings.iter().any(|finding| opens(finding.code))
}

/// The unit is well: its incident is over once all that it affected are well, too; and so are those that affected it.
fn settle(state: &mut State, unit: &UnitName, turn: &mut Turn) {
    let over: Vec<u64> = own(state, unit).into_iter().chain(explaining(state, unit)).collect();
    for id in over {
        let well = state.durable.incidents.get(&id).is_some_and(|incident| {
            incident.unit.iter().chain(&incident.affected).all(|unit| calm(state, unit))
        });
        if well {
            resolve(state, id, turn);
        }
    }
}

/// It is over. What took long has its post-mortem drafted.
pub fn resolve(state: &mut State, id: u64, turn: &mut Turn) {
    let Some(incident) = state.durable.incidents.get_mut(&id) else {
        return;
    };
    turn.news = true;
    incident.resolved_at = Some(turn.now);
    let (unit, took) = (incident.unit.clone(), turn.now.since(incident.opened_at));
    // What nobody watched has no course that could be told.
    if took >= state.seen.settings.postmortem_after && incident.gaps.is_empty() {
        turn.act(Action::DraftPostmortem { incident: id });
    }
    // While nothing can be saved it is over anew with each turn.
    if state.seen.save_failure.is_none() {
        let message = format!("incident {id} is over, after {} s", took.as_secs());
        turn.record_of(state, Some(id), unit.as_ref(), EventKind::Notice, None, message);
    }
}

/// The draft of a post-mortem is there, or could not be written.
pub fn drafted(state: &mut State, id: u64, file: Result<String, String>, turn: &mut Turn) {
    let message = match file {
        Ok(file) => format!("a post-mortem is drafted: {file}"),
        Err(why) => format!("cannot draft a post-mortem: {why}"),
    };
    let unit = state.durable.incidents.get(&id).and_then(|incident| incident.unit.clone());
    turn.record_of(state, Some(id), unit.as_ref(), EventKind::Notice, None, message);
}

/// What is worse than what opened it is what people are told.
fn worsen(state: &mut State, unit: &UnitName, findings: &[Finding], turn: &mut Turn) {
    let worst = findings.iter().filter(|finding| opens(finding.code)).map(|finding| finding.severity).max();
    if let Some(worst) = worst
        && let Some(id) = own(state, unit)
        && let Some(incident) = state.durable.incidents.get_mut(&id)
    {
        raise(incident, worst, turn);
    }
}

fn raise(incident: &mut Incident, severity: Severity, turn: &mut Turn) {
    turn.news |= severity > incident.severity;
    incident.severity = incident.severity.max(severity);
}

/// The open incident of this unit itself.
#[must_use]
pub fn own(state: &State, unit: &UnitName) -> Option<u64> {
    let mut open = state.durable.incidents.values().rev().filter(|incident| incident.resolved_at.is_none());
    open.find(|incident| incident.unit.as_ref() == Some(unit)).map(|incident| incident.id)
}

/// A trouble that is explained belongs to the incident of its cause, even where it was seen shortly before.
///
/// `troubled`: it was in trouble before; else what is found now is news.
fn join(state: &mut State, unit: &UnitName, findings: &[Finding], troubled: bool, turn: &mut Turn) -> bool {
    let explained = |finding: &Finding| !opens(finding.code) || dependencies::explains(finding.code);
    if !findings.iter().all(|finding| finding.code == Code::DependencyDown || explained(finding)) {
        return false;
    }
    let Some((cause, _)) = dependencies::cause(state, unit) else {
        // What it left behind is part of it.
        return troubled && own(state, unit).is_none() && explaining(state, unit).next().is_some();
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
        turn.news = true;
        incident.resolved_at = Some(turn.now);
        incident.part_of = Some(id);
        let message = format!("incident {before} of {unit} is explained by {cause}: part of incident {id}");
        turn.record(state, Some(unit), EventKind::Decided, Some(Code::DependencyDown), message);
    }
    let worst = findings.iter().map(|finding| finding.severity).max();
    if let Some(incident) = state.durable.incidents.get_mut(&id) {
        if !incident.affected.contains(unit) {
            incident.affected.push(unit.clone());
        }
        // Whoever is to know of this unit is to know of what explains its trouble.
        raise(incident, worst.unwrap_or(incident.severity), turn);
    }
    true
}

fn open(state: &mut State, unit: &UnitName, cause: &Finding, turn: &mut Turn) {
    if own(state, unit).is_some() {
        return;
    }
    let began_at = began(state, unit, cause);
    let by_drill = drill::makes(state, unit, cause.code);
    let id = add(state, Some(unit), cause, began_at, turn);
    if by_drill {
        drill::detected(state, unit, id, turn.now);
    }
    spare(state, unit, id, turn);
    evidence::wish(state, id, turn);
}

/// Says who requires the unit: what its trouble explains of them is not acted on.
fn spare(state: &mut State, unit: &UnitName, incident: u64, turn: &mut Turn) {
    let dependents = dependencies::dependents(state, unit);
    let verb = if dependents.len() == 1 { "requires" } else { "require" };
    if !dependents.is_empty() {
        let names: Vec<&str> = dependents.iter().map(UnitName::as_str).collect();
        let message = format!(
            "{} {verb} {unit}: observed meanwhile, and not restarted for what this explains",
            listed(&names, limits::DEPENDENTS_NAMED)
        );
        turn.record_of(state, Some(incident), Some(unit), EventKind::Decided, None, message);
    }
}

/// A new incident; the oldest that is over goes beyond the limit.
fn add(
    state: &mut State,
    unit: Option<&UnitName>,
    cause: &Finding,
    began_at: Option<Moment>,
    turn: &mut Turn,
) -> u64 {
    turn.news = true;
    let id = state.durable.meta.next_id.max(1);
    state.durable.meta.next_id = id.saturating_add(1);
    // What keeps us from saving anything is an incident only when it is over.
    let opened_at = if unit.is_none() { cause.since.min(turn.now) } else { turn.now };
    let mut incident = Incident::new(id, unit.cloned(), cause, opened_at);
    let seen = unit.and_then(|unit| state.seen.units.get(unit));
    incident.owner = seen.and_then(|seen| seen.spec.owner.clone());
    incident.began_at = began_at;
    incident.changes = changes::before(state, unit, turn.now);
    state.durable.incidents.insert(id, incident);
    while state.durable.incidents.len() > limits::INCIDENTS {
        let closed = |incident: &&Incident| incident.resolved_at.is_some();
        let told = |incident: &&Incident| incident.told.values().all(|told| told.resolved || !told.tried);
        let full = state.durable.incidents.len() > limits::INCIDENTS.saturating_mul(2);
        // One whose end somebody has still to hear of goes last.
        let mut known = state.durable.incidents.values().filter(closed);
        let oldest = known.find(|incident| full || told(incident)).map(|incident| incident.id);
        let Some(oldest) = oldest else {
            break;
        };
        state.durable.incidents.remove(&oldest);
    }
    id
}

/// When the fault itself came about, as far as systemd or a link tells. What began before anybody looked says nothing of how
/// soon it was found.
fn began(state: &State, unit: &UnitName, cause: &Finding) -> Option<Moment> {
    let seen = state.seen.units.get(unit)?;
    let reading = seen.reading.as_ref();
    let at = if matches!(cause.code, Code::UnitInactive | Code::UnitFailed) {
        reading.and_then(|reading| reading.inactive_since)
    } else if matches!(cause.code, Code::ReleaseOutdated | Code::WorkersOnlyRestart) {
        seen.fate.flip.as_ref().map(|(_, switched_at)| *switched_at)
    } else {
        None
    };
    at.filter(|at| *at <= cause.since && *at >= seen.managed_since)
}

/// The host's own findings: each is an incident as long as it is there.
pub fn update_host(state: &mut State, turn: &mut Turn) {
    if !state.seen.configured || state.seen.manager.is_none() {
        return;
    }
    let findings = snapshot::host_findings(state, turn.now);
    let codes: Vec<Code> = findings.iter().map(|found| found.code).collect();
    if state.seen.host_codes.as_ref() == Some(&codes) {
        return;
    }
    state.seen.host_found.extend(&codes);
    let open = |incident: &&Incident| {
        incident.unit.is_none() && incident.resolved_at.is_none() && incident.gaps.is_empty()
    };
    let gone: Vec<(u64, bool)> = state
        .durable
        .incidents
        .values()
        .filter(open)
        .filter_map(|incident| {
            let gone = !codes.contains(&incident.cause);
            gone.then(|| (incident.id, awaited(state, incident, turn.now)))
        })
        .collect();
    let waits = gone.iter().any(|(_, awaited)| *awaited);
    state.seen.host_codes = (!waits).then_some(codes);
    for (id, _) in gone.into_iter().filter(|(_, awaited)| !awaited) {
        resolve(state, id, turn);
    }
    for cause in &findings {
        let known =
            state.durable.incidents.values().filter(open).any(|incident| incident.cause == cause.code);
        if !known {
            add(state, None, cause, None, turn);
        }
    }
}

/// Open incidents of what nobody watches.
pub fn of_gaps(state: &State) -> impl Iterator<Item = &Incident> {
    let open = state.durable.incidents.values().filter(|incident| incident.resolved_at.is_none());
    open.filter(|incident| !incident.gaps.is_empty())
}

/// One incident of these gaps.
pub fn open_gaps(state: &mut State, cause: &Finding, gaps: Vec<String>, turn: &mut Turn) -> u64 {
    let id = add(state, None, cause, None, turn);
    if let Some(incident) = state.durable.incidents.get_mut(&id) {
        incident.gaps = gaps;
    }
    id
}

/// What was wrong in our earlier life has time to be found again; once it was, it is over when it is gone.
fn awaited(state: &State, incident: &Incident, now: Moment) -> bool {
    let started_at = state.seen.started_at;
    incident.opened_at < started_at
        && now < started_at.plus(limits::HOST_FOUND_AGAIN)
        && !state.seen.host_found.contains(&incident.cause)
}

/// The drill that made it is over: what is still found is no drill, and opens another one.
pub fn close_drill(state: &mut State, id: u64, turn: &mut Turn) {
    let open = state.durable.incidents.get_mut(&id).filter(|incident| incident.resolved_at.is_none());
    if let Some(incident) = open {
        turn.news = true;
        incident.resolved_at = Some(turn.now);
    }
}

/// A unit is no longer managed: its incident is over.
pub fn close(state: &mut State, unit: &UnitName, turn: &mut Turn) {
    if let Some(id) = own(state, unit) {
        resolve(state, id, turn);
    }
}
