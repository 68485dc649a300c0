//! The daemon's looks over the host: when they are due, and what is told of what they find. A gap is told once, as long as it
//! is there; what is new in one look is one incident.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::action::Action;
use crate::model::audit::{Audited, Coverage, Gap, ProbeRecord};
use crate::model::finding::{Code, Finding};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::state::State;
use crate::model::unit::{ManagerState, UnitName};
use crate::policy::turn::{Turn, sooner};
use crate::policy::words::listed;
use crate::policy::{incidents, limits};

/// Names that one sentence lists.
const NAMED: usize = 12;
/// Findings of one code; what is more is counted.
const ALONE: usize = 30;
/// Lines of one finding that tells of many gaps.
const TOGETHER: usize = 40;

/// The configuration was read: what it says of looks is in force, and what it manages is looked at anew.
pub fn loaded(state: &mut State, now: Moment) {
    let Some(every) = state.seen.settings.audit_every else {
        state.seen.coverage = Coverage::default();
        return;
    };
    let first = state.seen.started_at.plus(limits::FIRST_AUDIT.min(every));
    let known = state.seen.coverage.gaps.is_some();
    let at = if known { now.plus(limits::AUDIT_SETTLE.min(every)) } else { first.max(now) };
    sooner(&mut state.seen.coverage.due, at);
}

/// Units came or went: what they are is looked at once that is over.
pub fn soon(state: &mut State, now: Moment) {
    if let Some(every) = state.seen.settings.audit_every
        && state.seen.coverage.gaps.is_some()
    {
        sooner(&mut state.seen.coverage.due, now.plus(limits::FIRST_AUDIT.min(every)));
    }
}

/// Orders the look that is due, and gives up one that does not end.
pub fn due(state: &mut State, turn: &mut Turn) {
    let coverage = &mut state.seen.coverage;
    if coverage.in_flight_until.is_some_and(|until| until <= turn.now) {
        audited(state, Err("it did not end in time".to_owned()), turn);
        return;
    }
    let awaits = coverage.in_flight_until.is_some() || coverage.due.is_none_or(|due| due > turn.now);
    let reachable = matches!(state.seen.manager, Some(ManagerState::Running | ManagerState::Starting));
    if awaits || !reachable {
        if !awaits {
            coverage.due = Some(turn.now.plus(limits::FIRST_AUDIT));
        }
        return;
    }
    coverage.due = None;
    coverage.in_flight_until = Some(turn.now.plus(limits::AUDIT_LIMIT));
    let records = records(state);
    turn.act(Action::AuditHost { records });
}

/// When something of this is due.
#[must_use]
pub fn deadline(state: &State) -> Option<Moment> {
    let coverage = &state.seen.coverage;
    coverage.in_flight_until.or(coverage.due)
}

/// What is remembered of each probe, with what was counted since.
fn records(state: &State) -> BTreeMap<UnitName, BTreeMap<String, ProbeRecord>> {
    let managed = |unit: &&UnitName| state.seen.units.contains_key(*unit);
    let units = state.durable.units.keys().filter(managed);
    units.map(|unit| (unit.clone(), records_of(state, unit))).filter(|(_, all)| !all.is_empty()).collect()
}

/// The same of one unit.
fn records_of(state: &State, unit: &UnitName) -> BTreeMap<String, ProbeRecord> {
    let mut records = state.durable.units.get(unit).map(|known| known.probes.clone()).unwrap_or_default();
    let since = state.seen.units.get(unit).map(|seen| &seen.tally.unrecorded);
    for (name, (answers, failures)) in since.into_iter().flatten() {
        if let Some(record) = records.get_mut(name) {
            record.answers = record.answers.saturating_add(*answers);
            record.failures = record.failures.saturating_add(*failures);
        }
    }
    records
}

/// A probe answered. What is remembered is written when it has doubled, so that counting costs a few writes in all.
pub fn answered(state: &mut State, unit: &UnitName, probe: &str, failed: bool, now: Moment) {
    let (Some(seen), Some(durable)) = (state.seen.units.get_mut(unit), state.durable.units.get_mut(unit))
    else {
        return;
    };
    let (answers, failures) = seen.tally.unrecorded.entry(probe.to_owned()).or_default();
    *answers = answers.saturating_add(1);
    *failures = failures.saturating_add(u64::from(failed));
    let first = ProbeRecord { asked_since: now, ..ProbeRecord::default() };
    let known = durable.probes.get(probe).unwrap_or(&first);
    if *answers >= known.answers || (*failures > 0 && *failures >= known.failures) {
        let answers = known.answers.saturating_add(*answers);
        let failures = known.failures.saturating_add(*failures);
        let asked_since = known.asked_since;
        durable.probes.insert(probe.to_owned(), ProbeRecord { asked_since, answers, failures });
        seen.tally.unrecorded.remove(probe);
    }
}

/// A look ended.
pub fn audited(state: &mut State, result: Result<Audited, String>, turn: &mut Turn) {
    let every = state.seen.settings.audit_every;
    let coverage = &mut state.seen.coverage;
    coverage.in_flight_until = None;
    let Some(every) = every else {
        return;
    };
    let Audited { gaps, whole } = match result {
        Ok(audited) => audited,
        Err(why) => {
            sooner(&mut coverage.due, turn.now.plus(limits::AUDIT_RETRY.min(every)));
            let new = coverage.failure.replace(why.clone()).is_none();
            if new {
                let message = format!("cannot look over the host: {why}");
                turn.record(state, None, EventKind::Notice, None, message);
            }
            return;
        }
    };
    coverage.failure = None;
    sooner(&mut coverage.due, turn.now.plus(every));
    let before = coverage.gaps.take().unwrap_or_default();
    let kept = before.into_iter().filter(|known| !whole && !gaps.iter().any(|gap| gap.key == known.key));
    let now: Vec<Gap> = gaps.iter().cloned().chain(kept.collect::<Vec<_>>()).take(limits::GAPS).collect();
    coverage.findings = findings(&now);
    // What is beyond the limit is there all the same.
    close(state, &gaps, whole, turn);
    tell(state, &now, turn);
    state.seen.coverage.gaps = Some(now);
}

/// What is not found any more is over; an incident is, when all of it is.
fn close(state: &mut State, gaps: &[Gap], whole: bool, turn: &mut Turn) {
    if !whole {
        return;
    }
    let there: BTreeSet<&str> = gaps.iter().map(|gap| gap.key.as_str()).collect();
    let open: Vec<u64> = incidents::of_gaps(state).map(|incident| incident.id).collect();
    for id in open {
        let Some(incident) = state.durable.incidents.get_mut(&id) else {
            continue;
        };
        let is_there = |key: &String| there.contains(key.as_str());
        let (left, gone): (Vec<String>, Vec<String>) = incident.gaps.iter().cloned().partition(is_there);
        // Its last gaps stay in it, so that it is known for what it was.
        if !left.is_empty() {
            incident.gaps.clone_from(&left);
        }
        for key in gone.iter().take(limits::GAPS_TOLD) {
            let message = format!("no gap any more: {key}");
            turn.record_of(state, Some(id), None, EventKind::Cleared, None, message);
        }
        if left.is_empty() {
            incidents::resolve(state, id, turn);
        }
    }
}

/// What was not told yet is one incident.
fn tell(state: &mut State, gaps: &[Gap], turn: &mut Turn) {
    let known: BTreeSet<&String> = incidents::of_gaps(state).flat_map(|incident| &incident.gaps).collect();
    let new: Vec<Gap> = gaps.iter().filter(|gap| !known.contains(&gap.key)).cloned().collect();
    let Some(digest) = digest(&new, turn.now) else {
        return;
    };
    let keys = new.iter().map(|gap| gap.key.clone()).collect();
    let id = incidents::open_gaps(state, &digest, keys, turn);
    for gap in new.into_iter().take(limits::GAPS_TOLD) {
        let code = Some(gap.finding.code);
        turn.record_of(state, Some(id), None, EventKind::Found, code, gap.finding.message);
    }
}

/// All that is new in one sentence, a line for each.
fn digest(new: &[Gap], now: Moment) -> Option<Finding> {
    // The last of equals is taken: the first in reverse.
    let first = new.iter().rev().max_by_key(|gap| gap.finding.severity)?;
    let cause = Finding { since: now, ..first.finding.clone() };
    if new.len() == 1 {
        return Some(cause);
    }
    let mut counts: BTreeMap<Code, usize> = BTreeMap::new();
    for gap in new {
        let count = counts.entry(gap.finding.code).or_default();
        *count = count.saturating_add(1);
    }
    let counted: Vec<String> =
        counts.iter().map(|(code, count)| format!("{count} {}", code.as_str())).collect();
    let mut evidence: Vec<String> =
        new.iter().take(limits::EVIDENCE_LINES).map(|gap| gap.finding.message.clone()).collect();
    if new.len() > limits::EVIDENCE_LINES {
        evidence.push(format!("and {} more", new.len().saturating_sub(limits::EVIDENCE_LINES)));
    }
    let message = format!("{} gaps on this host: {}", new.len(), counted.join(", "));
    Some(Finding { message, evidence, repair: Some("steadfast audit".to_owned()), ..cause })
}

/// Gaps as findings: those of a kind that comes in numbers are told in one.
#[must_use]
pub fn findings(gaps: &[Gap]) -> Vec<Finding> {
    let mut codes: Vec<Code> = Vec::new();
    for gap in gaps {
        if !codes.contains(&gap.finding.code) {
            codes.push(gap.finding.code);
        }
    }
    codes.into_iter().flat_map(|code| of_code(code, gaps)).collect()
}

fn of_code(code: Code, gaps: &[Gap]) -> Vec<Finding> {
    let of_it: Vec<&Gap> = gaps.iter().filter(|gap| gap.finding.code == code).collect();
    let names: Vec<&str> = of_it.iter().map(|gap| gap.subject.as_str()).collect();
    let sentence = match (code, names.len()) {
        (Code::Unmanaged, 1) => format!("1 unit is managed by nobody: {}", listed(&names, NAMED)),
        (Code::Unmanaged, many) => format!("{many} units are managed by nobody: {}", listed(&names, NAMED)),
        (Code::HostUnprobed, 2..) => {
            format!(
                "{} managed units listen, and no probe asks whether they answer: {}",
                names.len(),
                listed(&names, NAMED)
            )
        }
        _ => return alone(&of_it),
    };
    let Some(first) = of_it.first() else {
        return Vec::new();
    };
    let lines = of_it.iter().flat_map(|gap| gap.finding.evidence.iter().cloned());
    let mut evidence: Vec<String> = lines.take(TOGETHER).collect();
    if of_it.len() > TOGETHER {
        evidence.push(format!("and {} more", of_it.len().saturating_sub(TOGETHER)));
    }
    let since = of_it.iter().map(|gap| gap.finding.since).max().unwrap_or(first.finding.since);
    vec![Finding { message: sentence, evidence, since, ..first.finding.clone() }]
}

fn alone(gaps: &[&Gap]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = gaps.iter().take(ALONE).map(|gap| gap.finding.clone()).collect();
    if let (more @ 1.., Some(last)) = (gaps.len().saturating_sub(ALONE), findings.last_mut()) {
        last.evidence.push(format!("and {more} more like this"));
    }
    findings
}
