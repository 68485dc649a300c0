//! One order from intent to proof: smoke test, job, enable, proof. Every phase has an end.

use std::time::Duration;

use crate::model::action::Action;
use crate::model::finding::{ConditionKind, Truth};
use crate::model::moment::Moment;
use crate::model::operator::{StepName, StepResult};
use crate::model::probe::{CommandEnd, CommandOutcome};
use crate::model::release::FileId;
use crate::model::spec::SmokeDirectory;
use crate::model::state::{OrderKind, Phase, Recovery, SmokeFailure, State, UnitSeen};
use crate::model::unit::{JobResult, UnitName};
use crate::policy::enablement;
use crate::policy::health;
use crate::policy::limits;
use crate::policy::packages;
use crate::policy::releases;
use crate::policy::turn::{Turn, sooner};

use super::outcome::{abandon, fail, step, succeed};
use super::resume::{carried_out, resumed};
use super::{Want, budget, gates, in_flight, proof};

/// The identity of the release that would run now.
pub fn release_now(seen: &UnitSeen) -> Option<FileId> {
    let processes = seen.processes.as_ref()?;
    releases::target(&processes.links, &seen.residents).map(|target| target.id)
}

/// The first step of a new order.
pub fn first(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let Some(kind) = in_flight(state, unit).map(|recovery| recovery.kind) else {
        return;
    };
    match kind {
        OrderKind::Start | OrderKind::Restart => enter_smoke_test(state, unit, turn, wake),
        OrderKind::Enable | OrderKind::Check => enter_enable(state, unit, turn, wake),
    }
}

/// Looks whether the phase is over, or over time.
pub fn advance(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let Some((phase, due)) = in_flight(state, unit).map(|known| (known.phase, known.phase_due)) else {
        return;
    };
    if state.seen.units.get(unit).is_some_and(|seen| seen.resume) {
        let patience = state.seen.started_at.plus(limits::LONGEST_RESUME).max(due);
        if patience <= turn.now {
            abandon(state, unit, "it could not be taken up again in time", turn);
            return;
        }
        sooner(wake, patience);
        resumed(state, unit, turn, wake);
        return;
    }
    if phase == Phase::Proof {
        proof::prove(state, unit, turn, wake);
        return;
    }
    if due > turn.now {
        sooner(wake, due);
        return;
    }
    match phase {
        Phase::SmokeTest => fail(state, unit, StepName::SmokeTest, "its result did not come in time", turn),
        Phase::Job => {
            job_over(state, unit, &JobResult::Lost("its result did not come in time".to_owned()), turn, wake)
        }
        Phase::Enable => fail(state, unit, StepName::Enable, "its result did not come in time", turn),
        Phase::Proof => {}
    }
}

fn enter(
    state: &mut State,
    unit: &UnitName,
    phase: Phase,
    limit: Duration,
    turn: &Turn,
    wake: &mut Option<Moment>,
) {
    let due = turn.now.plus(limit);
    sooner(wake, due);
    if let Some(recovery) = recovery_mut(state, unit) {
        recovery.phase = phase;
        recovery.phase_at = turn.now;
        recovery.phase_due = due;
    }
}

pub(super) fn recovery_mut<'a>(state: &'a mut State, unit: &UnitName) -> Option<&'a mut Recovery> {
    state.durable.units.get_mut(unit)?.recovery.as_mut()
}

pub(super) fn enter_smoke_test(
    state: &mut State,
    unit: &UnitName,
    turn: &mut Turn,
    wake: &mut Option<Moment>,
) {
    let Some(seen) = state.seen.units.get(unit) else {
        return;
    };
    let Some(smoke) = seen.spec.smoke.clone() else {
        enter_job(state, unit, turn, wake);
        return;
    };
    let links = seen.processes.as_ref().map(|reading| reading.links.as_slice()).unwrap_or_default();
    let release = releases::target(links, &seen.residents).map(|target| target.path.clone());
    let directory = match &smoke.directory {
        SmokeDirectory::Release => release,
        SmokeDirectory::Unit => None,
        SmokeDirectory::Path(path) => Some(path.clone()),
    };
    // The shell waits that long for its turn, and as long for the command.
    let limit = smoke.timeout.saturating_mul(2).saturating_add(limits::SMOKE_SLACK);
    enter(state, unit, Phase::SmokeTest, limit, turn, wake);
    let order = in_flight(state, unit).map_or(0, |recovery| recovery.order);
    turn.act(Action::RunSmokeTest {
        unit: unit.clone(),
        order,
        command: smoke.command,
        directory,
        timeout: smoke.timeout,
    });
}

/// The smoke test of an order ended.
pub fn smoke_test_finished(
    state: &mut State,
    unit: &UnitName,
    order: u64,
    outcome: &CommandOutcome,
    turn: &mut Turn,
) {
    if !awaits(state, unit, order, Phase::SmokeTest) {
        return;
    }
    turn.touch(unit);
    if outcome.ended == CommandEnd::Exited(0) {
        step(state, unit, StepName::SmokeTest, StepResult::Done, "passed".to_owned(), turn);
        if let Some(why) = closed_now(state, unit, turn) {
            abandon(state, unit, &why, turn);
        } else {
            enter_job(state, unit, turn, &mut None);
        }
        return;
    }
    let message = format!("{}{}", ended(&outcome.ended), quoted(&outcome.output));
    if matches!(outcome.ended, CommandEnd::NotRun(_)) {
        // That says nothing of the new code: it is tried again.
        fail(state, unit, StepName::SmokeTest, &message, turn);
        return;
    }
    let release = state.seen.units.get(unit).and_then(release_now);
    if let Some(durable) = state.durable.units.get_mut(unit) {
        durable.smoke_failure = Some(SmokeFailure {
            at: turn.now,
            release,
            message: message.clone(),
            output: outcome
                .output
                .iter()
                .rev()
                .take(limits::EVIDENCE_LINES)
                .rev()
                .map(|line| clip(line))
                .collect(),
        });
    }
    fail(state, unit, StepName::SmokeTest, &message, turn);
}

fn ended(end: &CommandEnd) -> String {
    match end {
        CommandEnd::Exited(status) => format!("exited with status {status}"),
        CommandEnd::Signalled(signal) => format!("was killed by signal {signal}"),
        CommandEnd::TimedOut => "did not end in time".to_owned(),
        CommandEnd::Flooded => "wrote without end and was killed".to_owned(),
        CommandEnd::NotRun(why) => format!("could not be run: {why}"),
    }
}

/// The line of the output that says why: the last that names an error, else the last.
fn quoted(output: &[String]) -> String {
    let written = || output.iter().rev().filter(|line| !line.trim().is_empty());
    let names_error = |line: &&String| line.contains("rror:") || line.contains("xception:");
    let line = written().find(names_error).or_else(|| written().next());
    line.map_or(String::new(), |line| format!(": {}", clip(line.trim())))
}

/// A line for people, not longer than they read.
fn clip(line: &str) -> String {
    match line.char_indices().nth(limits::EVIDENCE_CHARACTERS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}

/// The world changed while the smoke test ran: what speaks against the job now.
fn closed_now(state: &State, unit: &UnitName, turn: &Turn) -> Option<String> {
    let recovery = in_flight(state, unit)?;
    let Some(because) = recovery.because else {
        return gates::closed_for_people(state, unit, recovery.kind, turn.now);
    };
    let reading = state.seen.units.get(unit)?.reading.as_ref()?;
    if reading.invocation != recovery.invocation_before {
        return Some("it was started by somebody else meanwhile".to_owned());
    }
    if packages::is_unknown(state, turn.now) {
        return Some("whether a package manager is at work is to be looked at again".to_owned());
    }
    let want = Want { kind: recovery.kind, because, due: turn.now };
    gates::closed(state, unit, &want, turn.now, &mut None).map(|gate| gate.why)
}

fn enter_job(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    budget::spend(state, unit, turn.now);
    order_job(state, unit, turn, wake);
}

pub(super) fn order_job(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let Some((order, kind)) = in_flight(state, unit).map(|known| (known.order, known.kind)) else {
        return;
    };
    let limit = state.seen.units.get(unit).map_or(limits::LONGEST_JOB, |seen| job_limit(seen, kind));
    enter(state, unit, Phase::Job, limit.saturating_add(limits::LOST_OUTCOME), turn, wake);
    let unit = unit.clone();
    turn.act(if kind == OrderKind::Start {
        Action::StartUnit { unit, order, limit }
    } else {
        Action::RestartUnit { unit, order, limit }
    });
}

/// The unit's own timeouts and some slack.
pub fn job_limit(seen: &UnitSeen, kind: OrderKind) -> Duration {
    let Some(settings) = &seen.settings else {
        return limits::LONGEST_JOB;
    };
    let own = |ms: Option<u64>| ms.map_or(limits::LONGEST_JOB, Duration::from_millis);
    let stop = if kind == OrderKind::Restart {
        own(settings.timeout_stop_ms).saturating_mul(2)
    } else {
        Duration::ZERO
    };
    let limit = own(settings.timeout_start_ms).saturating_add(stop);
    limit.saturating_add(limits::JOB_SLACK).min(limits::LONGEST_JOB)
}

/// The job of an order ended.
pub fn job_finished(state: &mut State, unit: &UnitName, order: u64, result: &JobResult, turn: &mut Turn) {
    if awaits(state, unit, order, Phase::Job) {
        turn.touch(unit);
        job_over(state, unit, result, turn, &mut None);
    }
}

pub(super) fn job_over(
    state: &mut State,
    unit: &UnitName,
    result: &JobResult,
    turn: &mut Turn,
    wake: &mut Option<Moment>,
) {
    let Some(kind) = in_flight(state, unit).map(|recovery| recovery.kind) else {
        return;
    };
    let name = if kind == OrderKind::Start { StepName::Start } else { StepName::Restart };
    match result {
        JobResult::Done => {
            step(state, unit, name, StepResult::Done, "the job is done".to_owned(), turn);
            enter_enable(state, unit, turn, wake);
        }
        JobResult::Lost(why) if carried_out(state, unit) => {
            step(state, unit, name, StepResult::Done, format!("it runs anew ({why})"), turn);
            enter_enable(state, unit, turn, wake);
        }
        JobResult::Ended(word) => {
            fail(state, unit, name, &format!("the job ended with result {word}"), turn);
        }
        JobResult::Refused(why) => fail(state, unit, name, &format!("systemd refused it: {why}"), turn),
        JobResult::Lost(why) => fail(state, unit, name, why, turn),
    }
}

pub(super) fn enter_enable(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let Some(recovery) = in_flight(state, unit).cloned() else {
        return;
    };
    let Some(seen) = state.seen.units.get(unit) else {
        return;
    };
    let lacking = match seen.conditions.get(&ConditionKind::Enabled).map(|known| known.truth) {
        Some(Truth::False) => true,
        // Whether boot starts it all the same takes a moment to compute: enabling it does no harm meanwhile.
        Some(Truth::Unknown) => seen.enablement.as_ref().is_some_and(enablement::lacks_links),
        Some(Truth::True) | None => false,
    };
    let asked = seen.spec.recovery.enable || recovery.because.is_none();
    if lacking && asked {
        enter(
            state,
            unit,
            Phase::Enable,
            limits::ENABLE_LIMIT.saturating_add(limits::LOST_OUTCOME),
            turn,
            wake,
        );
        turn.act(Action::EnableUnit { unit: unit.clone(), order: recovery.order });
        return;
    }
    let message = seen
        .conditions
        .get(&ConditionKind::Enabled)
        .map_or("not read yet".to_owned(), |known| known.message.clone());
    step(state, unit, StepName::Enable, StepResult::Skipped, message, turn);
    enter_proof(state, unit, turn, wake);
}

/// The enabling that an order asked for ended.
pub fn enable_finished(
    state: &mut State,
    unit: &UnitName,
    order: u64,
    result: &Result<Vec<String>, String>,
    turn: &mut Turn,
) {
    if !awaits(state, unit, order, Phase::Enable) {
        return;
    }
    turn.touch(unit);
    turn.act(Action::ReadEnablement { units: vec![unit.clone()] });
    crate::policy::boot::wish_prediction(state, turn.now);
    let links = match result {
        Ok(links) if links.is_empty() => {
            "systemd made no link: its [Install] section names nothing".to_owned()
        }
        Ok(links) => links.join(", "),
        Err(why) => {
            fail(state, unit, StepName::Enable, why, turn);
            return;
        }
    };
    if result.as_ref().is_ok_and(Vec::is_empty) {
        fail(state, unit, StepName::Enable, &links, turn);
        return;
    }
    step(state, unit, StepName::Enable, StepResult::Done, links, turn);
    if let Some(seen) = state.seen.units.get_mut(unit) {
        // What was read before is over; the fresh reading is on its way.
        seen.enablement = None;
    }
    if in_flight(state, unit).is_some_and(|recovery| recovery.kind == OrderKind::Enable) {
        succeed(state, unit, turn);
    } else {
        enter_proof(state, unit, turn, &mut None);
    }
}

pub(super) fn enter_proof(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    let limit = seen.spec.recovery.verify_within;
    health::begin_anew(seen, turn.now);
    seen.inspect_due = Some(turn.now.plus(limits::INSPECTION_DELAY));
    let n_restarts = seen.reading.as_ref().map_or(0, |reading| reading.n_restarts);
    enter(state, unit, Phase::Proof, limit, turn, wake);
    if let Some(recovery) = recovery_mut(state, unit) {
        recovery.n_restarts = n_restarts;
    }
}

fn awaits(state: &State, unit: &UnitName, order: u64, phase: Phase) -> bool {
    in_flight(state, unit).is_some_and(|known| known.order == order && known.phase == phase)
}
