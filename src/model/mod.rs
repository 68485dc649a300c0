//! The nouns: plain data that every room speaks. Standard library only, no I/O, no clock.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing
)]

pub mod action;
pub mod adopt;
pub mod alert;
pub mod audit;
pub mod baseline;
pub mod boot;
pub mod cause;
pub mod change;
pub mod code;
pub mod drill;
pub mod finding;
pub mod fleet;
pub mod history;
pub mod host;
pub mod incident;
pub mod installed;
pub mod manager;
pub mod moment;
pub mod observation;
pub mod operator;
pub mod outside;
pub mod poll;
pub mod probe;
pub mod progress;
pub mod release;
pub mod snapshot;
pub mod span;
pub mod spec;
pub mod state;
pub mod tally;
pub mod trace;
pub mod unit;
pub mod will;
