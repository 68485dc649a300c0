//! If A then B: what a unit requires, itself or through others, explains its trouble.

use std::collections::{BTreeSet, VecDeque};

use crate::model::finding::ConditionKind::{Active, Loaded, Serving};
use crate::model::finding::{Code, Truth};
use crate::model::moment::Moment;
use crate::model::probe::{ProbeSeen, ProbeSpec, ProbeStatus};
use crate::model::state::{State, UnitSeen};
use crate::model::unit::{ActiveState, UnitName, UnitReading};
use crate::policy::turn::sooner;
use crate::policy::{health, limits};

/// What a unit requires, and how it stands.
#[derive(Debug)]
pub enum Explanation {
    /// It is down, and that explains the trouble.
    Down { cause: UnitName, why: String },
    /// Until then it may turn out to be down.
    Open { why: String, until: Moment },
}

/// Whether what the unit requires explains a trouble that began then.
#[must_use]
pub fn explanation(state: &State, unit: &UnitName, since: Moment, now: Moment) -> Option<Explanation> {
    if let Some((cause, why)) = cause(state, unit) {
        return Some(Explanation::Down { cause, why });
    }
    let open = needs(state, unit).into_iter().filter_map(|need| {
        let (why, until) = open(state.seen.units.get(&need)?, since)?;
        (until > now).then(|| Explanation::Open { why: format!("{need}, which it requires, {why}"), until })
    });
    open.into_iter().next()
}

/// The required unit that is down and the sentence that says so; of a chain of them the last.
#[must_use]
pub fn cause(state: &State, unit: &UnitName) -> Option<(UnitName, String)> {
    needs(state, unit).into_iter().rev().find_map(|need| {
        let down = down(state.seen.units.get(&need)?)?;
        let why = format!("{need}, which it requires, is down: {down}");
        Some((need, why))
    })
}

/// What findings a dependency that is down explains.
#[must_use]
pub fn explains(code: Code) -> bool {
    matches!(
        code,
        Code::UnitInactive
            | Code::UnitFailed
            | Code::UnitCrashLooping
            | Code::UnitStuck
            | Code::ProbeFailed
            | Code::ProbeSlow
            | Code::ProbeUnknown
            | Code::Stalled
            | Code::Backlog
            | Code::NoConsumer
            | Code::DrainOverdue
            | Code::RecoveryFailed
            | Code::Quarantined
    )
}

/// Asks at once whatever the unit requires and has not answered since the trouble began.
pub fn ask(state: &mut State, unit: &UnitName, since: Moment, now: Moment) {
    for need in needs(state, unit) {
        let Some(needed) = state.seen.units.get_mut(&need).filter(|needed| health::is_asked(needed)) else {
            continue;
        };
        let UnitSeen { spec, probes, wake, .. } = needed;
        for probe in &spec.probes {
            let Some(known) = probes.get_mut(&probe.name) else {
                continue;
            };
            if known.in_flight_until.is_none() && (unasked(known, since) || unsettled(known)) {
                let last = known.last.as_ref().map_or(now, |(at, _)| at.plus(limits::SECOND_LOOK));
                known.due = known.due.min(last.max(now));
                sooner(wake, known.due);
            }
        }
    }
}

/// All that the unit requires, itself or through others, nearest first. What requires the unit in turn explains nothing.
fn needs(state: &State, unit: &UnitName) -> Vec<UnitName> {
    let mut found = reached(state, unit);
    found.retain(|need| !reached(state, need).contains(unit));
    found
}

/// Units whose trouble this one explains, as long as it is down.
#[must_use]
pub fn dependents(state: &State, unit: &UnitName) -> Vec<UnitName> {
    let explained = |known: &&UnitName| cause(state, known).is_some_and(|(cause, _)| cause == *unit);
    state.seen.units.keys().filter(explained).cloned().collect()
}

/// Units that require this one, themselves or through others, whatever state it is in.
#[must_use]
pub fn requiring(state: &State, unit: &UnitName) -> Vec<UnitName> {
    let requires = |known: &&UnitName| reached(state, known).contains(unit);
    state.seen.units.keys().filter(requires).cloned().collect()
}

fn reached(state: &State, unit: &UnitName) -> Vec<UnitName> {
    let mut found: Vec<UnitName> = Vec::new();
    let mut known = BTreeSet::from([unit.clone()]);
    let mut next = VecDeque::from([unit.clone()]);
    while let Some(from) = next.pop_front() {
        let Some(seen) = state.seen.units.get(&from) else {
            continue;
        };
        for need in &seen.spec.requires {
            if known.insert(need.clone()) {
                next.push_back(need.clone());
            }
        }
        if from != *unit {
            found.push(from);
        }
    }
    found
}

fn down(needed: &UnitSeen) -> Option<&str> {
    let conditions = [Loaded, Active, Serving].into_iter().filter_map(|kind| needed.conditions.get(&kind));
    // What is still being started serves nobody yet.
    let active =
        |reading: &UnitReading| matches!(reading.active, ActiveState::Active | ActiveState::Reloading);
    let starts = needed.reading.as_ref().is_some_and(|reading| !active(reading));
    let mut down = conditions.filter(|condition| {
        condition.truth == Truth::False
            || (starts && condition.kind == Active && condition.truth == Truth::Unknown)
    });
    down.next().map(|condition| condition.message.as_str())
}

/// It cannot be told, it just answered badly, or it was not asked since: that ends by itself.
fn open(needed: &UnitSeen, since: Moment) -> Option<(String, Moment)> {
    let serving = needed.conditions.get(&Serving)?;
    if serving.truth == Truth::Unknown && serving.reason == Code::ProbeUnknown.as_str() {
        let until = serving.since.plus(limits::UNKNOWN_DEPENDENCY);
        return Some((format!("cannot be told: {}", serving.message), until));
    }
    let mut probes = needed.spec.probes.iter().filter(|_| health::is_asked(needed));
    probes.find_map(|probe| {
        let known = needed.probes.get(&probe.name)?;
        let last = known.last.as_ref();
        if unasked(known, since) {
            return Some(("is asked first".to_owned(), answered_by(probe, since)));
        }
        let (at, outcome) = last.filter(|_| unsettled(known))?;
        Some((format!("answered badly: {}", outcome.message), answered_by(probe, *at)))
    })
}

fn answered_by(probe: &ProbeSpec, from: Moment) -> Moment {
    from.plus(limits::SECOND_LOOK.saturating_add(probe.timeout).saturating_add(limits::PROBE_SLACK))
}

fn unasked(known: &ProbeSeen, since: Moment) -> bool {
    known.last.as_ref().is_none_or(|(at, _)| *at < since)
}

/// Its last answer was bad, and not yet often enough to count.
fn unsettled(known: &ProbeSeen) -> bool {
    let bad = |status| matches!(status, ProbeStatus::Unhealthy | ProbeStatus::Slow);
    known.last.as_ref().is_some_and(|(_, last)| bad(last.status)) && !bad(known.settled)
}
