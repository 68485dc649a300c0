//! `Progressing`: demand and no progress. Idle is not stalled, no answer is not stalled, and what drains is left alone.

use crate::model::action::Action;
use crate::model::finding::{Code, Finding, Severity};
use crate::model::moment::Moment;
use crate::model::probe::OnFailure;
use crate::model::progress::{Drain, ProgressSeen, ProgressSpec, Sample};
use crate::model::state::{State, UnitSeen};
use crate::model::unit::UnitName;
use crate::policy::active::Case;
use crate::policy::judgement::{Judgement, finding, proven};
use crate::policy::turn::{Turn, sooner};
use crate::policy::{dependencies, health, limits};

/// A source answered, or did not.
pub fn sampled(
    state: &mut State,
    unit: &UnitName,
    progress: &str,
    answer: Result<Sample, String>,
    turn: &mut Turn,
) {
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    let spec = seen.spec.progress.iter().find(|spec| spec.name == progress);
    let (Some(spec), Some(known)) = (spec, seen.progress.get_mut(progress)) else {
        return;
    };
    known.in_flight_until = None;
    turn.touch(unit);
    count(known, spec, &answer, turn.now);
    known.last = Some((turn.now, answer));
}

fn count(known: &mut ProgressSeen, spec: &ProgressSpec, answer: &Result<Sample, String>, now: Moment) {
    let Ok(sample) = answer else {
        known.unanswered = known.unanswered.saturating_add(1);
        return;
    };
    let in_a_row = |count: &mut u32, holds: bool| *count = if holds { count.saturating_add(1) } else { 0 };
    let moved = moved(known.known.as_ref(), sample);
    if moved {
        known.moved_at = now;
    }
    in_a_row(&mut known.unmoved, !moved);
    in_a_row(&mut known.unconsumed, sample.consumers == Some(0));
    in_a_row(&mut known.paused, sample.paused);
    in_a_row(&mut known.over, excess(spec, sample).is_some());
    known.unanswered = 0;
    if !sample.demand() && sample.consumers != Some(0) {
        known.drain = None;
    }
    known.known = Some(sample.clone());
}

/// Something was completed since, or nothing waits. Where the source counts nothing, less that waits, or a younger oldest
/// item, says so.
fn moved(before: Option<&Sample>, sample: &Sample) -> bool {
    let Some(before) = before else {
        return true;
    };
    let counted = before.completed.zip(sample.completed).is_some_and(|(before, now)| before != now);
    let fewer = sample.depth.saturating_add(sample.in_work) < before.depth.saturating_add(before.in_work);
    let younger = before.age.zip(sample.age).is_some_and(|(before, now)| now < before);
    !sample.demand() || counted || fewer || younger
}

/// What is over its limit.
fn excess(spec: &ProgressSpec, sample: &Sample) -> Option<String> {
    let deep = spec.max_depth.filter(|most| sample.depth > *most);
    let deep = deep.map(|most| format!("{} items wait; at most {most} may", sample.depth));
    let old = sample.age.zip(spec.max_age).filter(|(age, most)| age > most);
    let old = old.map(|(age, most)| {
        format!("the oldest item waits for {} s; at most {} s are right", age.as_secs(), most.as_secs())
    });
    deep.or(old)
}

/// Forgets what was counted before: of an earlier run, or before an absence.
pub fn begin_anew(seen: &mut UnitSeen, now: Moment) {
    for known in seen.progress.values_mut() {
        let ProgressSeen { last, due, in_flight_until, .. } = known.clone();
        *known = ProgressSeen { last, due, in_flight_until, ..unasked(now) };
    }
}

fn unasked(now: Moment) -> ProgressSeen {
    ProgressSeen {
        last: None,
        known: None,
        moved_at: now,
        unmoved: 0,
        unconsumed: 0,
        paused: 0,
        over: 0,
        unanswered: 0,
        drain: None,
        due: now,
        in_flight_until: None,
    }
}

/// Asks the sources that are due; each once at a time. Only for a unit that is active.
pub fn schedule(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let now = turn.now;
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    let active = health::is_asked(seen);
    let UnitSeen { spec, progress, .. } = seen;
    for spec in &spec.progress {
        let known = progress.entry(spec.name.clone()).or_insert_with(|| unasked(now));
        known.in_flight_until.take_if(|limit| *limit <= now);
        if let Some(limit) = known.in_flight_until {
            sooner(wake, limit);
        } else if active && known.due <= now {
            known.due = now.plus(spec.period);
            let limit = now.plus(spec.timeout.saturating_add(limits::PROBE_SLACK));
            known.in_flight_until = Some(limit);
            sooner(wake, limit);
            turn.act(Action::SampleProgress { unit: unit.clone(), progress: spec.clone() });
        } else if active {
            sooner(wake, known.due);
        }
    }
}

/// While what the unit requires is down nothing is counted; when it is back, each queue gets its time to drain.
pub fn follow_outage(state: &mut State, unit: &UnitName, now: Moment) {
    let known = state.seen.units.get(unit).filter(|seen| !seen.spec.progress.is_empty());
    let Some(was) = known.map(|seen| seen.outage) else {
        return;
    };
    let is = dependencies::cause(state, unit).is_some();
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    seen.outage = is;
    if is || was {
        begin_anew(seen, now);
    }
    if was && !is {
        for spec in &seen.spec.progress {
            if let Some(known) = seen.progress.get_mut(&spec.name) {
                known.drain = Some(Drain { since: now, until: now.plus(spec.drain_within) });
            }
        }
    }
}

/// Every queue moves, or is empty.
#[must_use]
pub fn progressing(case: &mut Case<'_>) -> Judgement {
    let seen = case.seen;
    if seen.spec.progress.is_empty() {
        return Judgement::unknown("no-progress", "no progress source is configured");
    }
    if !health::is_asked(seen) {
        return Judgement::unknown("not-active", "progress is asked for while the unit is active");
    }
    let mut told = Vec::new();
    let mut unknown = None;
    let mut judgement = Judgement::good("progressing", "");
    for spec in &seen.spec.progress {
        let known = seen.progress.get(&spec.name);
        let Some((known, sample)) = known.and_then(|known| Some((known, known.known.as_ref()?))) else {
            let last = known.and_then(|known| known.last.as_ref()).and_then(|(_, last)| last.as_ref().err());
            let why = last.map_or("not asked yet", String::as_str);
            unknown = unknown.or(Some(("waiting", format!("{}: {why}", spec.name))));
            continue;
        };
        if let Some((_, Err(why))) = known.last.as_ref().filter(|_| known.unanswered >= limits::UNANSWERED) {
            unknown = Some(("unanswered", format!("{}: {why}", spec.name)));
            continue;
        }
        if let Some(at) = next_verdict(known, spec, case.now) {
            sooner(&mut case.wake, at);
        }
        for found in findings(known, spec, sample, seen.spec.severity, case.now) {
            judgement = judgement.and(found);
        }
        told.push(format!("{}: {}", spec.name, shown(known, sample, case.now)));
    }
    if judgement.findings.is_empty() {
        judgement.message = told.join("; ");
        if let Some((reason, message)) = unknown {
            return Judgement::unknown(reason, message);
        }
    }
    judgement
}

/// When time alone may change the verdict.
fn next_verdict(known: &ProgressSeen, spec: &ProgressSpec, now: Moment) -> Option<Moment> {
    let stalled = known.moved_at.plus(spec.stalled_after);
    let drain = known.drain.map(|drain| drain.until);
    [Some(stalled), drain].into_iter().flatten().filter(|at| *at > now).min()
}

fn findings(
    known: &ProgressSeen,
    spec: &ProgressSpec,
    sample: &Sample,
    severity: Severity,
    now: Moment,
) -> Vec<Finding> {
    let evidence = || vec![format!("{}: {}", spec.name, shown(known, sample, now))];
    let found = |code, severity, what: String| {
        let message = format!("{}: {what}", spec.name);
        proven(finding(code, severity, message, now), evidence(), None)
    };
    let mut findings = Vec::new();
    if known.paused >= limits::UNANSWERED {
        findings.push(found(Code::Paused, Severity::Warning, "its work is paused".to_owned()));
        return findings;
    }
    if let Some(code) = stuck(known, spec, now) {
        findings.push(found(code, severity, stuck_sentence(code, known, sample, now)));
    }
    let over = excess(spec, sample).filter(|_| known.over >= limits::SAMPLES && known.drain.is_none());
    findings.extend(over.map(|what| found(Code::Backlog, severity, what)));
    findings
}

/// Why the workers of a queue must be restarted, if they must.
fn stuck(known: &ProgressSeen, spec: &ProgressSpec, now: Moment) -> Option<Code> {
    let still = known.unmoved >= limits::SAMPLES;
    if known.paused > 0 || known.unanswered > 0 {
        return None;
    }
    if let Some(drain) = known.drain {
        let overdue = drain.until <= now && (still || known.unconsumed >= limits::SAMPLES);
        return overdue.then_some(Code::DrainOverdue);
    }
    if known.unconsumed >= limits::SAMPLES {
        return Some(Code::NoConsumer);
    }
    (still && now.since(known.moved_at) >= spec.stalled_after).then_some(Code::Stalled)
}

fn stuck_sentence(code: Code, known: &ProgressSeen, sample: &Sample, now: Moment) -> String {
    let waiting = waiting(sample);
    let still = minutes(now.since(known.moved_at).as_secs());
    match (code, known.drain) {
        (Code::NoConsumer, _) => format!("nobody consumes it; {waiting}"),
        (Code::DrainOverdue, Some(drain)) => {
            let ago = minutes(now.since(drain.since).as_secs());
            format!("{waiting}, and it does not drain, {ago} after what it needs came back")
        }
        _ => format!("{waiting}, and none was completed for {still}"),
    }
}

/// `12 items wait, 3 are in work`.
fn waiting(sample: &Sample) -> String {
    let items =
        |count: u64| if count == 1 { "1 item waits".to_owned() } else { format!("{count} items wait") };
    let in_work = match sample.in_work {
        0 => String::new(),
        count => format!(", {count} in work"),
    };
    format!("{}{in_work}", items(sample.depth))
}

fn minutes(seconds: u64) -> String {
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds / 60) }
}

fn shown(known: &ProgressSeen, sample: &Sample, now: Moment) -> String {
    if !sample.demand() {
        return "idle".to_owned();
    }
    let completed = sample.completed.map_or(String::new(), |count| format!(", {count} completed"));
    let drains = if known.drain.is_some() { ", draining" } else { "" };
    let ago = now.since(known.moved_at).as_secs();
    let still =
        if known.unmoved > 0 { format!(", none completed for {}", minutes(ago)) } else { String::new() };
    format!("{}{completed}{still}{drains}", waiting(sample))
}

/// A source that asks for a restart is in this trouble.
#[must_use]
pub fn asks_for_restart(seen: &UnitSeen, code: Code, now: Moment) -> bool {
    seen.spec.progress.iter().any(|spec| {
        let known = seen.progress.get(&spec.name);
        spec.on_stall == OnFailure::Restart
            && known.is_some_and(|known| stuck(known, spec, now) == Some(code))
    })
}
