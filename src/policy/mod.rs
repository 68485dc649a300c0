//! The verbs: pure functions on the model. `decide` routes, one file per concern decides.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing
)]

pub mod active;
pub mod adoption;
pub mod alerts;
pub mod attribution;
pub mod awake;
pub mod baseline;
pub mod boot;
pub mod changes;
pub mod conditions;
pub mod coverage;
pub mod dependencies;
pub mod drill;
pub mod enablement;
pub mod evidence;
pub mod health;
pub mod impact;
pub mod incidents;
pub mod judgement;
pub mod latency;
pub mod limits;
pub mod operator;
pub mod packages;
pub mod progress;
pub mod recovery;
pub mod releases;
pub mod snapshot;
pub mod specs;
pub mod switched_off;
pub mod tally;
pub mod transitions;
pub mod turn;
pub mod units;
pub mod words;

use crate::model::action::Action;
use crate::model::moment::Moment;
use crate::model::observation::Observation;
use crate::model::state::State;
use turn::Turn;

/// One turn: takes in what happened and says what is to be done. The same input gives the same output.
pub fn decide(state: &mut State, observation: Observation, now: Moment) -> Vec<Action> {
    let mut turn = Turn::new(now);
    route(state, observation, &mut turn);
    boot::due(state, &mut turn);
    packages::due(state, &mut turn);
    coverage::watch::due(state, &mut turn);
    recovery::watch_for_storms(state, &mut turn);
    let touched = turn.touched(state);
    // All are judged before any is acted on: what one requires may be judged in the same turn.
    for unit in &touched {
        units::judge(state, unit, &mut turn);
    }
    for unit in &touched {
        units::act(state, unit, &mut turn);
    }
    state.seen.touched.extend(touched);
    incidents::update_host(state, &mut turn);
    if turn.news || state.seen.alerts_due.is_some_and(|due| due <= now) {
        alerts::act(state, &mut turn);
    }
    turn.actions
}

fn route(state: &mut State, observation: Observation, turn: &mut Turn) {
    match observation {
        Observation::Started(host) => specs::started(state, host, turn),
        Observation::UnitFilesLoaded { settings, specs, problems } => {
            specs::loaded(state, settings, specs, problems, turn);
        }
        Observation::UnitsMatched { pattern, units } => specs::matched(state, pattern, units, turn),
        Observation::ManagerChanged(manager) => boot::manager_changed(state, manager, turn),
        Observation::UnitChanged { unit, reading } => units::changed(state, &unit, reading, turn),
        Observation::JobPulled { unit, job, pull } => transitions::pulled(state, &unit, job, pull),
        Observation::UnitsRead { began } => awake::units_read(state, began, turn),
        Observation::PackageManagerRead(reading) => packages::read(state, reading, turn),
        Observation::Resumed { after } => awake::resumed(state, after, turn),
        Observation::UnitSettingsRead { unit, settings } => {
            units::settings_read(state, &unit, settings, turn);
        }
        Observation::UnitFilesChanged { units } => {
            coverage::watch::soon(state, turn.now);
            boot::unit_files_changed(state, &units, turn);
        }
        Observation::EnablementRead { unit, state: read } => {
            boot::enablement_read(state, &unit, read, turn);
        }
        Observation::BootPredicted(reading) => boot::predicted(state, reading, turn),
        Observation::ReleaseSwitched { units } => units::release_switched(state, &units, turn),
        Observation::ProcessesInspected { unit, reading } => {
            units::inspected(state, &unit, reading, turn);
        }
        Observation::ProbeFinished { unit, probe, outcome } => {
            health::finished(state, &unit, &probe, outcome, turn);
        }
        Observation::ProgressSampled { unit, progress, answer } => {
            progress::sampled(state, &unit, &progress, answer, turn);
        }
        Observation::SmokeTestFinished { unit, order, outcome } => {
            recovery::smoke_test_finished(state, &unit, order, &outcome, turn);
        }
        Observation::JobFinished { unit, order, result } => {
            recovery::job_finished(state, &unit, order, &result, turn);
        }
        Observation::EnableFinished { unit, order, result } => {
            recovery::enable_finished(state, &unit, order, &result, turn);
        }
        Observation::MainProcessKilled { unit, result } => drill::killed(state, &unit, result, turn),
        Observation::AlertDelivered { sink, message, result } => {
            alerts::delivered(state, &sink, message, result, turn);
        }
        Observation::EvidenceCaptured { incident, file, changes } => {
            evidence::captured(state, incident, file, changes, turn);
        }
        Observation::PostmortemDrafted { incident, file } => incidents::drafted(state, incident, file, turn),
        Observation::OperatorAsked(request) => operator::asked(state, request, turn),
        Observation::SaveFailed { why } => boot::save_failed(state, why, turn),
        Observation::Saved => boot::saved(state, turn),
        Observation::Impaired { code, part, why } => boot::impaired(state, code, part, why, turn),
        Observation::HostAudited(result) => coverage::watch::audited(state, result, turn),
        Observation::DeadlineReached => boot::deadline_reached(state, turn),
    }
}

/// When `decide` wants to be called again although nothing happened.
#[must_use]
pub fn next_deadline(state: &State) -> Option<Moment> {
    let seen = &state.seen;
    let units = seen.units.values().filter_map(|unit| unit.wake).min();
    let probes_of_host = [
        units,
        seen.resync_due,
        seen.enablement_due,
        packages::deadline(state),
        coverage::watch::deadline(state),
        seen.storm_due,
        seen.boot_in_flight_until.or(seen.boot_due),
        seen.save_failure.as_ref().map(boot::save_retry),
        seen.alerts_due,
    ];
    probes_of_host.into_iter().flatten().min()
}
