//! `Serving`: probes with kubelet's semantics. Unknown restarts nothing.

use crate::model::action::Action;
use crate::model::finding::{Code, Severity};
use crate::model::moment::Moment;
use crate::model::probe::{Latency, OnFailure, ProbeOutcome, ProbeSeen, ProbeSpec, ProbeStatus};
use crate::model::state::{Phase, State, UnitSeen};
use crate::model::unit::{ActiveState, UnitName};
use crate::policy::active::Case;
use crate::policy::judgement::{Judgement, finding, proven};
use crate::policy::turn::{Turn, sooner};
use crate::policy::{drill, gaps, latency, limits};

/// A probe answered.
pub fn finished(state: &mut State, unit: &UnitName, probe: &str, outcome: ProbeOutcome, turn: &mut Turn) {
    let outcome = drill::feign(state, unit, probe, outcome, turn);
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    let serving = is_asked(seen);
    let begun = begun_at(seen);
    let Some(spec) = seen.spec.probes.iter().find(|spec| spec.name == probe) else {
        return;
    };
    let Some(known) = seen.probes.get_mut(probe) else {
        return;
    };
    known.in_flight_until = None;
    turn.touch(unit);
    if std::mem::take(&mut known.outdated) {
        return;
    }
    let early = begun.is_some_and(|begun| turn.now.since(begun) < spec.initial_delay);
    if serving && !(early && outcome.status != ProbeStatus::Healthy) {
        count(known, spec, &outcome, turn.now);
        if matches!(outcome.status, ProbeStatus::Unhealthy | ProbeStatus::Slow) {
            let failed = seen.probes_failed.entry(probe.to_owned()).or_default();
            *failed = failed.saturating_add(1);
        }
        if let Some(took) = outcome.latency {
            seen.tally.answered(probe, took);
            if outcome.status == ProbeStatus::Healthy {
                latency::took(&mut known.latency, took);
            }
        }
    }
    let told = serving && outcome.status != ProbeStatus::Unknown;
    let failed = matches!(outcome.status, ProbeStatus::Unhealthy | ProbeStatus::Slow);
    known.last = Some((turn.now, outcome));
    if told && !(early && failed) {
        gaps::answered(state, unit, probe, failed, turn.now);
    }
}

/// Counts an answer; thresholds settle the status.
fn count(known: &mut ProbeSeen, spec: &ProbeSpec, outcome: &ProbeOutcome, now: Moment) {
    let class = |status: ProbeStatus| match status {
        ProbeStatus::Healthy => 0,
        ProbeStatus::Unhealthy | ProbeStatus::Slow => 1,
        ProbeStatus::Unknown => 2,
    };
    let before = known.last.as_ref().map(|(_, last)| class(last.status));
    let same = before == Some(class(outcome.status));
    known.in_a_row = if same { known.in_a_row.saturating_add(1) } else { 1 };
    let threshold = match outcome.status {
        ProbeStatus::Healthy => spec.success_threshold,
        ProbeStatus::Unhealthy | ProbeStatus::Slow | ProbeStatus::Unknown => spec.failure_threshold,
    };
    if known.in_a_row >= threshold && known.settled != outcome.status {
        known.settled = outcome.status;
        known.settled_at = now;
    }
}

/// Its probes run now.
#[must_use]
pub fn is_asked(seen: &UnitSeen) -> bool {
    // Whether a dependency runs is not for us to know: its probes are all that is known of it.
    if seen.spec.is_dependency() {
        return true;
    }
    let Some(reading) = &seen.reading else {
        return false;
    };
    matches!(reading.active, ActiveState::Active | ActiveState::Reloading)
}

fn begun_at(seen: &UnitSeen) -> Option<Moment> {
    seen.reading.as_ref().and_then(|reading| reading.active_since)
}

/// Forgets what was answered before: a recovery is proven by what follows.
pub fn begin_anew(seen: &mut UnitSeen, now: Moment) {
    let names: Vec<String> = seen.spec.probes.iter().map(|spec| spec.name.clone()).collect();
    for name in names {
        seen.probes.entry(name.clone()).or_insert_with(|| unasked(now));
        forget(seen, &name, now);
    }
}

/// Forgets what this probe answered.
pub fn forget(seen: &mut UnitSeen, probe: &str, now: Moment) {
    if let Some(known) = seen.probes.get_mut(probe) {
        let ProbeSeen { in_flight_until, latency, .. } = std::mem::replace(known, unasked(now));
        let outdated = in_flight_until.is_some();
        *known = ProbeSeen { in_flight_until, outdated, latency, ..unasked(now) };
    }
}

fn unasked(now: Moment) -> ProbeSeen {
    ProbeSeen {
        last: None,
        settled: ProbeStatus::Unknown,
        settled_at: now,
        in_a_row: 0,
        due: now,
        in_flight_until: None,
        latency: Latency::default(),
        outdated: false,
    }
}

/// Starts the probes that are due; at most one of each is in flight. Only an active unit is asked.
pub fn schedule(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let now = turn.now;
    let proving = state
        .durable
        .units
        .get(unit)
        .and_then(|durable| durable.recovery.as_ref())
        .is_some_and(|recovery| recovery.phase == Phase::Proof);
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    let active = is_asked(seen);
    let UnitSeen { spec, probes, .. } = seen;
    for probe in &spec.probes {
        let known = probes.entry(probe.name.clone()).or_insert_with(|| unasked(now));
        if known.in_flight_until.is_some_and(|limit| limit <= now) {
            known.in_flight_until = None;
            known.outdated = false;
        }
        if let Some(limit) = known.in_flight_until {
            sooner(wake, limit);
            continue;
        }
        if !active {
            continue;
        }
        if known.due <= now {
            let period = if proving { probe.period.min(limits::PROOF_PERIOD) } else { probe.period };
            known.due = now.plus(period);
            let limit = now.plus(probe.timeout.saturating_add(limits::PROBE_SLACK));
            known.in_flight_until = Some(limit);
            sooner(wake, limit);
            turn.act(Action::RunProbe { unit: unit.clone(), probe: probe.clone() });
        } else {
            sooner(wake, known.due);
        }
    }
}

/// A probe that was not answered for three of its periods, though it cannot take so long: the probes do not run.
#[must_use]
pub fn silent(state: &State, now: Moment) -> Option<String> {
    state.seen.units.iter().find_map(|(unit, seen)| {
        let asked_since = seen.reading.as_ref().and_then(|reading| reading.active_since)?;
        let since = asked_since.max(seen.managed_since);
        let late = |spec: &&ProbeSpec| {
            let known = seen.probes.get(&spec.name);
            let last = known.and_then(|known| known.last.as_ref()).map_or(since, |(at, _)| *at);
            // It may have been made to forget all that was answered before.
            let last = last.max(since).max(known.map_or(since, |known| known.settled_at));
            let once = spec.period.saturating_add(spec.timeout).saturating_add(limits::PROBE_SLACK);
            now.since(last) > once.saturating_mul(3).saturating_add(spec.initial_delay)
        };
        let late = seen.spec.probes.iter().filter(|_| is_asked(seen)).find(late)?;
        Some(format!("probe {} of {unit} was not answered for long", late.name))
    })
}

/// Every probe is answered as it should.
#[must_use]
pub fn serving(case: &Case<'_>) -> Judgement {
    let seen = case.seen;
    if seen.spec.probes.is_empty() {
        return Judgement::unknown("no-probe", "no probe is configured");
    }
    if !is_asked(seen) {
        return Judgement::unknown("not-active", "probes run while the unit is active");
    }
    let mut judgement = Judgement::good("healthy", healthy_message(seen));
    for spec in &seen.spec.probes {
        let known = seen.probes.get(&spec.name);
        let last = known.and_then(|known| known.last.as_ref());
        let message = last.map_or("not answered yet", |(_, last)| last.message.as_str());
        let told = format!("probe {}: {message}", spec.name);
        let times = known.map_or(0, |known| known.in_a_row);
        let evidence = vec![format!("{times} in a row, failure_threshold {}", spec.failure_threshold)];
        let found =
            |code, severity| proven(finding(code, severity, told.clone(), case.now), evidence.clone(), None);
        match known.map(|known| known.settled) {
            Some(ProbeStatus::Healthy) => {
                if let Some((median, usual)) = known.and_then(|known| latency::drift(&known.latency)) {
                    let message = format!(
                        "probe {}: answers in {} ms (median of the last {}), usually in {} ms",
                        spec.name,
                        median.as_millis(),
                        limits::LATENCIES,
                        usual.as_millis()
                    );
                    judgement =
                        judgement.note(finding(Code::ProbeSlow, Severity::Warning, message, case.now));
                }
            }
            Some(ProbeStatus::Unhealthy) => {
                judgement = judgement.and(found(Code::ProbeFailed, seen.spec.severity));
            }
            Some(ProbeStatus::Slow) => {
                judgement = judgement.and(found(Code::ProbeSlow, seen.spec.severity));
            }
            Some(ProbeStatus::Unknown)
                if times >= spec.failure_threshold
                    && last.is_some_and(|(_, last)| last.status == ProbeStatus::Unknown) =>
            {
                let unknown = Judgement::unknown(Code::ProbeUnknown.as_str(), told.clone());
                judgement = better(judgement, unknown).note(found(Code::ProbeUnknown, Severity::Warning));
            }
            Some(ProbeStatus::Unknown) | None => {
                judgement = better(judgement, Judgement::unknown("waiting", told));
            }
        }
    }
    judgement
}

/// A false condition stays; a true one becomes unknown.
fn better(judgement: Judgement, unknown: Judgement) -> Judgement {
    use crate::model::finding::Truth;
    match judgement.truth {
        Truth::True => Judgement { findings: judgement.findings, ..unknown },
        Truth::False | Truth::Unknown => judgement,
    }
}

fn healthy_message(seen: &UnitSeen) -> String {
    let names: Vec<&str> = seen.spec.probes.iter().map(|probe| probe.name.as_str()).collect();
    format!("healthy: {}", names.join(", "))
}

/// Each probe that a restart may put right was answered healthy since `begin_anew`; `Err` names those that were not, with
/// their last answer.
pub fn all_healthy(seen: &UnitSeen) -> Result<String, String> {
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for spec in &seen.spec.probes {
        let known = seen.probes.get(&spec.name);
        let last = known.and_then(|known| known.last.as_ref()).map(|(_, last)| last);
        if known.is_some_and(|known| known.settled == ProbeStatus::Healthy) {
            let took = last
                .and_then(|last| last.latency)
                .map_or(String::new(), |latency| format!(" ({} ms)", latency.as_millis()));
            good.push(format!("{} healthy{took}", spec.name));
        } else if spec.kind.is_curable() || spec.on_failure == OnFailure::Restart {
            let message = last.map_or("not answered yet", |last| last.message.as_str());
            bad.push(format!("{}: {message}", spec.name));
        }
    }
    if !bad.is_empty() {
        return Err(bad.join("; "));
    }
    Ok(if good.is_empty() { "no probe speaks against it".to_owned() } else { good.join(", ") })
}
