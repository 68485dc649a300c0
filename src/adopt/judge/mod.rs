//! From what a live unit shows to the questions worth asking on the spot, and from their answers to a unit file. What was
//! not well when it was asked is a comment with the reason, never in force.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing
)]

mod addresses;
mod candidates;
mod draft;
mod from_now_on;
mod live;
mod matching;
mod period;
mod proxied;
mod requires;
mod software;
#[cfg(test)]
mod tests;
mod unit_text;

pub use candidates::{Candidate, Group, covered, groups};
pub use draft::{Answer, dependency, dependency_unit, drafted, judged, logged, watched, watched_by_tables};
pub use from_now_on::from_now_on;
pub use live::Live;
pub use matching::{Matched, matched};
pub use proxied::{PROXIES, PassedOn, passed_on};
pub use requires::{Neighbours, requires};
pub use unit_text::unit_text;
