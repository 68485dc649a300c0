//! Takes up an order of our earlier life: by the invocation it is known whether its job was carried out.

use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::state::{Phase, State};
use crate::model::unit::{ActiveState, JobResult, UnitName};
use crate::policy::packages;
use crate::policy::turn::Turn;

use super::outcome::abandon;
use super::phases::{enter_enable, enter_proof, enter_smoke_test, job_over, order_job};
use super::{gates, in_flight};

/// Takes up an order of our earlier life, once the unit was read.
pub fn resumed(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let (Some(recovery), Some(seen)) = (in_flight(state, unit).cloned(), state.seen.units.get_mut(unit))
    else {
        return;
    };
    let (Some(reading), Some(_), Some(_)) = (seen.reading.clone(), &seen.settings, &seen.enablement) else {
        return;
    };
    if reading.job.is_some() && recovery.phase == Phase::Job {
        // Ours, most likely: its end is the next reading.
        return;
    }
    if gates::closed_for_people(state, unit, recovery.kind, turn.now).is_some() {
        return;
    }
    let by_person = recovery.because.is_none();
    if !by_person && gates::package_work(state, turn.now, wake).is_some() {
        return;
    }
    if let Some(why) = gates::unwanted(state, unit, turn.now).filter(|_| recovery.because.is_some()) {
        abandon(state, unit, &why, turn);
        return;
    }
    if recovery.phase == Phase::SmokeTest
        && recovery.because.is_some_and(|code| is_of_then(state, unit, code))
    {
        abandon(state, unit, "what asked for it is not found any more", turn);
        return;
    }
    if !by_person && packages::must_wait(state, unit, turn) {
        return;
    }
    if let Some(seen) = state.seen.units.get_mut(unit) {
        seen.resume = false;
    }
    turn.record(
        state,
        Some(unit),
        EventKind::Decided,
        recovery.because,
        format!(
            "takes up the {} of {unit} that was in flight ({}) when Steadfast ended",
            recovery.kind.as_str(),
            recovery.phase.as_str()
        ),
    );
    match recovery.phase {
        Phase::SmokeTest => enter_smoke_test(state, unit, turn, wake),
        Phase::Enable => enter_enable(state, unit, turn, wake),
        Phase::Proof => enter_proof(state, unit, turn, wake),
        Phase::Job if reading.invocation == recovery.invocation_before => order_job(state, unit, turn, wake),
        Phase::Job => {
            let lost = JobResult::Lost("its result came while Steadfast was away".to_owned());
            job_over(state, unit, &lost, turn, wake);
        }
    }
}

/// What probes and queues said in our earlier life, perhaps before a long sleep of the host, and say no more.
fn is_of_then(state: &State, unit: &UnitName, code: Code) -> bool {
    let asked = matches!(
        code,
        Code::ProbeFailed | Code::ProbeSlow | Code::Stalled | Code::NoConsumer | Code::DrainOverdue
    );
    let found = state.seen.units.get(unit).map(|seen| &seen.findings);
    asked && !found.into_iter().flatten().any(|finding| finding.code == code)
}

/// By the readings: a new invocation that lives.
pub fn carried_out(state: &State, unit: &UnitName) -> bool {
    let (Some(recovery), Some(reading)) =
        (in_flight(state, unit), state.seen.units.get(unit).and_then(|seen| seen.reading.as_ref()))
    else {
        return false;
    };
    let lives = match reading.active {
        ActiveState::Active | ActiveState::Reloading | ActiveState::Activating => true,
        ActiveState::Inactive | ActiveState::Failed | ActiveState::Deactivating | ActiveState::Other => false,
    };
    lives && reading.invocation != recovery.invocation_before
}
