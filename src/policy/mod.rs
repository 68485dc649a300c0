//! The verbs: objects that take in what happened, judge, and say what is to be done. `decide` is one turn of them.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing
)]

pub mod agenda;
pub mod alerts;
pub mod attribution;
pub mod changes;
pub mod coverage;
pub mod drilled;
pub mod effects;
pub mod enablement;
pub mod gaps;
pub mod gate;
pub mod host;
pub mod incidents;
pub mod judgement;
pub mod latency;
pub mod limits;
pub mod lists;
pub mod log;
pub mod packages;
pub mod peers;
pub mod probe_manner;
pub mod regressions;
pub mod releases;
pub mod state;
pub mod storm;
pub mod unit;
pub mod view;
pub mod window;

use crate::model::action::Action;
use crate::model::moment::Moment;
use crate::model::observation::Observation;

pub use state::State;

/// One turn: takes in what happened and says what is to be done. The same input gives the same output.
pub fn decide(state: &mut State, observation: Observation, now: Moment) -> Vec<Action> {
    state.turn(observation, now)
}

/// When `decide` wants to be called again although nothing happened.
#[must_use]
pub fn next_deadline(state: &State) -> Option<Moment> {
    state.next_deadline()
}
