//! The transitions of a unit as its readings show them: what became of it, who did that, and which stops are holds.

use std::time::Duration;

use crate::model::cause::{Cause, Evidence, Pull, Rest, Tie, Transition, What};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::state::{Hold, HoldKind, Phase, State, UnitSeen};
use crate::model::unit::{ActiveState, JobKind, ManagerState, UnitName, UnitReading};
use crate::policy::active::{done, passing};
use crate::policy::turn::Turn;
use crate::policy::{attribution, limits, packages, recovery, specs};

/// A reading has replaced the one before: what became of the unit is put down to somebody, at once or as soon as it is known
/// whether a package manager is at work.
pub fn follow(state: &mut State, unit: &UnitName, first: bool, reading: &UnitReading, turn: &mut Turn) {
    let durable = state.durable.units.get(unit);
    let held = durable.is_some_and(|known| known.hold.as_ref().is_some_and(|hold| hold.kind.is_implicit()));
    // A stop that is a hold already was seen in an earlier life.
    let last_active = durable.and_then(|known| known.last_active.clone()).filter(|_| !held);
    let stopping = state.seen.manager == Some(ManagerState::Stopping);
    // Only while our own job runs is a stop ours.
    let given = recovery::in_flight(state, unit).is_some_and(|order| order.phase == Phase::Job);
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    let by_stop_job = stopped_by_somebody(seen, reading);
    let unseen = seen.fate.unseen || first;
    // As long as its stop job is not over, that it was stopped is not told yet.
    seen.fate.unseen = unseen && reading.job.is_some() && !is_up(reading);
    let missed = unseen && !by_stop_job && missed_stop(last_active.as_deref(), reading);
    let is_done = done(reading, seen.settings.as_ref());
    if let Some(job) = reading.job {
        let known = seen.fate.job.filter(|(known, _)| *known == job);
        seen.fate.job = Some(known.unwrap_or((job, turn.now)));
    }
    let restarted_itself = reading.n_restarts > seen.fate.restarts_up;
    let waited = seen.fate.rest.as_ref().is_some_and(|rest| rest.passing);
    let stepped = step(seen, reading);
    let what = if by_stop_job || missed { Some(What::Stopped) } else { stepped };
    let job = seen.fate.job;
    let up = is_up(reading);
    if reading.job.is_none() || (up && what.is_some()) {
        // It has done what it was for.
        seen.fate.job = None;
    }
    if up {
        seen.fate.restarts_up = reading.n_restarts;
        seen.fate.stop_holds = None;
    }
    // We order starts and restarts: a job that is told to be a stop is never ours.
    let theirs = job.is_some_and(|(job, _)| job.kind == JobKind::Stop);
    let ours = given && !theirs && !seen.resume && !stopping;
    let starts = state.seen.manager == Some(ManagerState::Starting);
    let what = what.or_else(|| (first && up && starts).then_some(What::Started));
    let Some(what) = what.filter(|_| !is_done) else {
        return;
    };
    let evidence = Evidence {
        what,
        at: turn.now,
        ordered_at: job.map_or(turn.now, |(_, since)| since),
        after: reading.clone(),
        job: job.map(|(job, _)| job),
        by_stop_job: by_stop_job && !ours,
        missed: missed && !ours && !stopping,
        ours: if what == What::Stopped { ours } else { started_by_us(state, unit, reading) },
        given_up: waited && !by_stop_job && !is_up(reading),
        restarted_itself: restarted_itself && !first,
        pull: None,
        pull_is_ours: false,
        manager: state.seen.manager,
        flip: flip(state, unit, turn.now),
        triggers: triggers(state, unit),
    };
    let evidence = with_pull(state, unit, evidence);
    weigh(state, unit, evidence, turn);
}

/// Names the cause now, or waits for word of the package manager.
fn weigh(state: &mut State, unit: &UnitName, evidence: Evidence, turn: &mut Turn) {
    // One that still waits was overtaken.
    settle_one(state, unit, turn);
    let open = attribution::asks_for_packages(&evidence) && !state.seen.host.user_instance;
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    seen.fate.doubt = Some(evidence);
    if open {
        packages::ask(state, unit, turn);
    } else {
        settle_one(state, unit, turn);
    }
}

/// Word of the package manager has come, or will not come.
pub fn settle(state: &mut State, turn: &mut Turn) {
    let waiting = state.seen.units.iter().filter(|(_, seen)| seen.fate.doubt.is_some());
    let waiting: Vec<UnitName> = waiting.map(|(unit, _)| unit.clone()).collect();
    for unit in waiting {
        settle_one(state, &unit, turn);
    }
}

fn settle_one(state: &mut State, unit: &UnitName, turn: &mut Turn) {
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    let Some(evidence) = seen.fate.doubt.take() else {
        return;
    };
    turn.touch(unit);
    let at_work = packages::at_work(state, &evidence);
    let at_work = at_work.filter(|_| attribution::asks_for_packages(&evidence));
    let (cause, message) = attribution::attribute(&evidence, at_work.as_deref());
    hold(state, unit, &evidence, &cause, turn);
    let what = evidence.what.as_str();
    let told = format!("{unit} {what} ({}): {message}", cause.as_str());
    let kind = match cause {
        Cause::Ours | Cause::Systemd | Cause::Crash | Cause::Exit => EventKind::Ran,
        Cause::Operator
        | Cause::Deploy
        | Cause::PackageManager
        | Cause::Dependency(_)
        | Cause::Boot
        | Cause::Shutdown
        | Cause::Unknown => EventKind::Operated,
    };
    let last = Transition { what: evidence.what, cause, message, at: evidence.at };
    if let Some(seen) = state.seen.units.get_mut(unit) {
        seen.fate.last = Some(last);
    }
    let stopped = evidence.what == What::Stopped;
    if let Some(durable) = state.durable.units.get_mut(unit).filter(|_| stopped) {
        // What is put down to somebody now is not to be found as missed after a crash of ours.
        durable.last_active.take_if(|known| *known == evidence.after.invocation);
    }
    turn.record(state, Some(unit), kind, None, told);
}

/// A stop that somebody wanted is a hold; one of the package manager, of the host, or of a dead unit is not.
fn hold(state: &mut State, unit: &UnitName, evidence: &Evidence, cause: &Cause, turn: &mut Turn) {
    let wanted = (evidence.by_stop_job || evidence.missed) && !evidence.ours;
    let Some(seen) = state.seen.units.get(unit) else {
        return;
    };
    let down = seen.reading.as_ref().is_some_and(|reading| !is_up(reading));
    if !wanted || !down {
        return;
    }
    let until = seen.spec.recovery.after_manual_stop.map(|length| turn.now.plus(length));
    let kind = match (cause, &evidence.pull) {
        (Cause::Operator | Cause::Deploy | Cause::Unknown, _) => HoldKind::ManualStop,
        (Cause::Dependency(_), Some(Pull { unit, how: Tie::Job })) => {
            HoldKind::StoppedWith { unit: unit.clone(), conflicts: false }
        }
        (Cause::Dependency(_), Some(Pull { unit, how: Tie::Conflict })) => {
            HoldKind::StoppedWith { unit: unit.clone(), conflicts: true }
        }
        (
            Cause::Ours
            | Cause::Systemd
            | Cause::Crash
            | Cause::Exit
            | Cause::PackageManager
            | Cause::Dependency(_)
            | Cause::Boot
            | Cause::Shutdown,
            _,
        ) => return,
    };
    // To start it would stop the other one: that is no question of time.
    let forever = matches!(kind, HoldKind::StoppedWith { conflicts: true, .. });
    let until = until.filter(|_| !forever);
    let follow_other = matches!(kind, HoldKind::StoppedWith { .. });
    if let Some(durable) = state.durable.units.get_mut(unit) {
        durable.hold = Some(after_stop(durable.hold.take(), kind, until, turn.now));
    }
    if let Some(seen) = state.seen.units.get_mut(unit) {
        seen.fate.stop_holds = Some(until);
    }
    if follow_other {
        specs::watch(state, turn);
    }
}

/// A stop is a hold; one that is there already is only made longer.
fn after_stop(known: Option<Hold>, kind: HoldKind, until: Option<Moment>, now: Moment) -> Hold {
    match known {
        None => Hold { kind, since: now, until },
        Some(hold) => Hold { until: hold.until.zip(until).map(|(known, until)| known.max(until)), ..hold },
    }
}

/// A unit with which others were stopped is up again, or one for which they were stopped is down: they are free.
pub fn release_others(state: &mut State, other: &UnitName, reading: &UnitReading, turn: &mut Turn) {
    if reading.job.is_some() {
        return;
    }
    let down = matches!(reading.active, ActiveState::Inactive | ActiveState::Failed);
    let over = |kind: &HoldKind| match kind {
        HoldKind::StoppedWith { unit, conflicts } => {
            unit == other && if *conflicts { down } else { is_up(reading) }
        }
        HoldKind::Operator { .. } | HoldKind::ManualStop => false,
    };
    let held = state.durable.units.iter().filter(|(_, known)| {
        let hold = known.hold.as_ref();
        hold.is_some_and(|hold| over(&hold.kind))
    });
    let held: Vec<UnitName> = held.map(|(unit, _)| unit.clone()).collect();
    for unit in &held {
        if let Some(durable) = state.durable.units.get_mut(unit) {
            durable.hold = None;
        }
        turn.touch(unit);
        let fate = if down { "down" } else { "up again" };
        let message = format!("the hold of {unit} has ended: {other} is {fate}");
        turn.record(state, Some(unit), EventKind::Decided, None, message);
    }
    if !held.is_empty() {
        specs::watch(state, turn);
    }
}

/// This job of the unit came along with the fate of another unit.
pub fn pulled(state: &mut State, unit: &UnitName, job: u32, pull: Pull) {
    if let Some(seen) = state.seen.units.get_mut(unit) {
        seen.fate.pull = Some((job, pull));
    }
}

fn with_pull(state: &State, unit: &UnitName, evidence: Evidence) -> Evidence {
    let known = state.seen.units.get(unit).and_then(|seen| seen.fate.pull.as_ref());
    let of_job = known.filter(|(job, _)| evidence.job.is_some_and(|known| known.id == *job));
    let pull = of_job.map(|(_, pull)| pull.clone());
    let order = pull.as_ref().and_then(|pull| recovery::in_flight(state, &pull.unit));
    let pull_is_ours = order.is_some_and(|order| order.phase == Phase::Job);
    Evidence { pull, pull_is_ours, ..evidence }
}

/// An order of ours is in flight whose job has made this run, and no other.
fn started_by_us(state: &mut State, unit: &UnitName, reading: &UnitReading) -> bool {
    let order = recovery::in_flight(state, unit).filter(|order| {
        order.kind.disturbs()
            && order.phase != Phase::SmokeTest
            && order.invocation_before != reading.invocation
    });
    let Some(order) = order.map(|order| order.order) else {
        return false;
    };
    let Some(seen) = state.seen.units.get_mut(unit).filter(|seen| !seen.resume) else {
        return false;
    };
    seen.fate.ours.replace(order) != Some(order)
}

/// The link that was switched last, if that was lately.
fn flip(state: &State, unit: &UnitName, now: Moment) -> Option<(String, Duration)> {
    let (link, at) = state.seen.units.get(unit)?.fate.flip.as_ref()?;
    let ago = now.since(*at);
    (ago <= limits::DEPLOY_SOON).then(|| (link.clone(), ago))
}

fn triggers(state: &State, unit: &UnitName) -> Vec<UnitName> {
    let settings = state.seen.units.get(unit).and_then(|seen| seen.settings.as_ref());
    settings.map(|known| known.triggered_by.clone()).unwrap_or_default()
}

fn is_up(reading: &UnitReading) -> bool {
    matches!(reading.active, ActiveState::Active | ActiveState::Reloading)
}

/// Takes a reading in which the unit rests; says what became of it since it last did.
fn step(seen: &mut UnitSeen, reading: &UnitReading) -> Option<What> {
    let up = is_up(reading);
    let passing = passing(&reading.sub);
    let down = matches!(reading.active, ActiveState::Inactive | ActiveState::Failed) || passing;
    if !up && (!down || reading.job.is_some()) {
        return None;
    }
    let (invocation, result) = (reading.invocation.clone(), reading.result.clone());
    let now = Rest { up, invocation, result, passing };
    let before = seen.fate.rest.replace(now.clone())?;
    let anew = before.invocation != now.invocation && !now.invocation.is_empty();
    match (before.up, up) {
        (true, false) => Some(What::Stopped),
        (false, true) => Some(What::Started),
        (true, true) => anew.then_some(What::Restarted),
        // A start that came to nothing, or systemd gave it up.
        (false, false) => {
            let given_up = before.passing && !passing;
            let failed = now.result != "success" && (anew || before.result != now.result);
            (given_up || failed).then_some(What::Stopped)
        }
    }
}

/// A stop job went to its end and left the unit down: somebody wanted that, however the processes ended. A unit that dies
/// by itself has no job.
fn stopped_by_somebody(seen: &mut UnitSeen, reading: &UnitReading) -> bool {
    let up = matches!(reading.active, ActiveState::Active | ActiveState::Activating | ActiveState::Reloading);
    let down = matches!(reading.active, ActiveState::Inactive | ActiveState::Failed);
    let Some(job) = reading.job else {
        let known = seen.stop_job.take();
        let clean = reading.active == ActiveState::Inactive && reading.result == "success";
        // Where the kind of the job was not told, only a clean end counts as wanted.
        return known.is_some_and(|job| down && (job.kind == JobKind::Stop || clean));
    };
    let stop = match job.kind {
        JobKind::Stop => true,
        JobKind::Other => !up,
        JobKind::Start | JobKind::Restart => false,
    };
    // Stopping what was down already tells nothing of how it came down.
    let began = seen.stop_job.is_some_and(|known| known.id == job.id) || !down;
    seen.stop_job = (stop && began).then_some(job);
    false
}

/// It was active when we last looked in this boot, and was stopped cleanly while we were away; it may have been started
/// anew before that.
fn missed_stop(last_active: Option<&str>, reading: &UnitReading) -> bool {
    last_active.is_some()
        && !reading.invocation.is_empty()
        && reading.active == ActiveState::Inactive
        && reading.result == "success"
        && reading.job.is_none()
        && !passing(&reading.sub)
}
