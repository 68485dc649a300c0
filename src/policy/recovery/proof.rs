//! The proof of an order: active anew, no survivor, every process current, steady. Endpoints are `health`'s.

use std::time::Duration;

use crate::model::moment::Moment;
use crate::model::operator::{StepName, StepResult};
use crate::model::release::Residence;
use crate::model::state::{OrderKind, Recovery, State, UnitSeen};
use crate::model::unit::{ActiveState, UnitName, UnitSettings};
use crate::policy::active::{done, passing};
use crate::policy::turn::{Turn, sooner};
use crate::policy::{health, limits};

use super::in_flight;
use super::outcome::{fail, step, succeed};

/// Start times are told in clock ticks.
const TICK_MS: i64 = 20;

/// How the proof stands.
#[derive(Debug, Default)]
pub struct Proof {
    /// It runs anew, so that its endpoints may be judged.
    pub runs: bool,
    /// Everything but the endpoints is proven.
    pub proven: bool,
    /// What is proven, for people.
    pub message: String,
    /// What is not proven yet.
    pub lacking: Option<String>,
    /// It can not come right any more.
    pub broken: Option<String>,
    /// Another inspection may show more.
    pub look_again: bool,
}

impl Proof {
    fn lacks(why: impl Into<String>) -> Self {
        Self { lacking: Some(why.into()), ..Self::default() }
    }

    fn broken(why: impl Into<String>) -> Self {
        Self { broken: Some(why.into()), ..Self::default() }
    }
}

/// Weighs what was read since the proof began.
pub fn weigh(seen: &UnitSeen, recovery: &Recovery, now: Moment, wake: &mut Option<Moment>) -> Proof {
    let Some(reading) = &seen.reading else {
        return Proof::lacks("the unit was not read yet");
    };
    let anew = recovery.kind.disturbs();
    if anew && reading.invocation == recovery.invocation_before {
        return Proof::lacks("it still runs as before (same InvocationID)");
    }
    if passing(&reading.sub) || (reading.n_restarts > recovery.n_restarts && anew) {
        return Proof::broken(format!(
            "it died again and systemd restarts it (NRestarts={})",
            reading.n_restarts
        ));
    }
    match reading.active {
        ActiveState::Active | ActiveState::Reloading => {}
        ActiveState::Inactive if done(reading, seen.settings.as_ref()) => {}
        ActiveState::Inactive | ActiveState::Failed if reading.job.is_none() => {
            let exit = reading.exit.as_ref().map_or(String::new(), |exit| format!(", {exit}"));
            return Proof::broken(format!(
                "it is {} again with result {}{exit}",
                reading.active.as_str(),
                reading.result
            ));
        }
        ActiveState::Inactive
        | ActiveState::Failed
        | ActiveState::Activating
        | ActiveState::Deactivating
        | ActiveState::Other => {
            return Proof::lacks(format!("it is {} ({})", reading.active.as_str(), reading.sub));
        }
    }
    let mut proof = processes(seen, recovery, anew);
    proof.runs = true;
    let steady = steady_at(seen, recovery);
    if proof.lacking.is_none() {
        if steady > now {
            sooner(wake, steady);
            proof.lacking = Some("it is not steady long enough".to_owned());
        } else {
            proof.proven = true;
        }
    }
    proof
}

/// Looked at since the proof began, nothing of the old run is left, and nobody lives in an old release.
fn processes(seen: &UnitSeen, recovery: &Recovery, anew: bool) -> Proof {
    let group = seen.settings.as_ref().is_some_and(|settings| !settings.control_group.is_empty());
    let main = seen.reading.as_ref().and_then(|reading| reading.main_pid);
    if !group && main.is_none() {
        return Proof { message: "active".to_owned(), ..Proof::default() };
    }
    if seen.inspected_at.is_none_or(|at| at <= recovery.phase_at) {
        return Proof { look_again: true, ..Proof::lacks("its processes were not looked at yet") };
    }
    let before = |started_ms: i64| anew && started_ms.saturating_add(TICK_MS) < recovery.began_at.boot_ms;
    // Such a unit leaves processes on purpose: they are named, and prove nothing of the new run.
    let leaves = |settings: &UnitSettings| matches!(settings.kill_mode.as_str(), "process" | "none");
    let leaves = seen.settings.as_ref().is_some_and(leaves);
    let all = seen.processes.iter().flat_map(|reading| &reading.processes);
    let old: Vec<String> = all
        .filter(|process| before(process.started_ms))
        .map(|process| format!("{} ({})", process.pid, process.name))
        .collect();
    if !old.is_empty() && !leaves {
        let why = format!("processes of the old run are left: {}", old.join(", "));
        return Proof { look_again: true, ..Proof::lacks(why) };
    }
    let stale: Vec<String> = seen
        .residents
        .iter()
        .filter(|resident| !(leaves && before(resident.started_ms)))
        .filter_map(|resident| match &resident.residence {
            Residence::Outdated { release, .. } | Residence::Deleted { release } => {
                Some(format!("{} ({}) lives in {release}", resident.pid, resident.name))
            }
            Residence::Current | Residence::Elsewhere | Residence::Unreadable { .. } => None,
        })
        .collect();
    if !stale.is_empty() {
        return Proof { look_again: true, ..Proof::lacks(stale.join(", ")) };
    }
    let count = seen.residents.len();
    let current = seen.residents.iter().filter(|known| known.residence == Residence::Current).count();
    let message = if current > 0 {
        format!(
            "active, nothing of the old run is left, {current} of {count} processes live in the current release"
        )
    } else {
        format!("active, nothing of the old run is left among {count} processes")
    };
    let message = match old.as_slice() {
        [] => message,
        left => format!("active; KillMode= leaves {} of the old run: {}", left.len(), left.join(", ")),
    };
    Proof { message, ..Proof::default() }
}

fn steady_at(seen: &UnitSeen, recovery: &Recovery) -> Moment {
    let half = seen.spec.recovery.verify_within / 2;
    let steady: Duration = limits::STEADY.min(half);
    let since = recovery.phase_at.max(seen.active_state_since);
    if recovery.kind == OrderKind::Check { recovery.phase_at } else { since.plus(steady) }
}

/// Looks whether what the order was for is proven by now, or cannot be any more.
pub fn prove(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let (Some(seen), Some(recovery)) = (state.seen.units.get(unit), in_flight(state, unit)) else {
        return;
    };
    let over = recovery.phase_due <= turn.now;
    let due = recovery.phase_due;
    let checked = recovery.steps.iter().any(|step| step.name == StepName::EndpointCheck);
    let endpoints = health::all_healthy(seen);
    let none = seen.spec.probes.is_empty();
    let found = weigh(seen, recovery, turn.now, wake);
    match (&endpoints, checked) {
        (Ok(message), false) if found.runs => {
            let (result, message) = if none {
                (StepResult::Skipped, "no probe is configured".to_owned())
            } else {
                (StepResult::Done, message.clone())
            };
            step(state, unit, StepName::EndpointCheck, result, message, turn);
        }
        _ => {}
    }
    if let Some(why) = found.broken {
        fail(state, unit, StepName::Proof, &why, turn);
    } else if let (true, Err(why)) = (over, endpoints.as_ref()) {
        fail(state, unit, StepName::EndpointCheck, why, turn);
    } else if let Some(why) = found.lacking.filter(|_| over) {
        fail(state, unit, StepName::Proof, &why, turn);
    } else if found.proven && endpoints.is_ok() {
        step(state, unit, StepName::Proof, StepResult::Done, found.message, turn);
        succeed(state, unit, turn);
    } else {
        sooner(wake, due);
        let again = turn.now.plus(limits::SECOND_LOOK);
        if let Some(seen) = state.seen.units.get_mut(unit).filter(|_| found.look_again) {
            sooner(&mut seen.inspect_due, again);
        }
    }
}
