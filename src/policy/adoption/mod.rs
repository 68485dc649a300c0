//! Adoption: from what a live unit shows to the questions worth asking on the spot, and from their answers to a unit file.
//! What was not well when it was asked is a comment with the reason, never in force.

mod addresses;
mod draft;
mod known;
mod matching;
mod period;
mod requires;
#[cfg(test)]
mod tests;
mod unit_text;
mod ways;

use crate::model::adoption::Live;
use crate::model::unit::{UnitName, is_of_vendor};

pub use draft::{dependency, drafted, judged, watched};
pub use known::recognised;
pub use matching::{Match, matched};
pub use requires::{Neighbours, requires};
pub use unit_text::unit_text;
pub use ways::{covered, groups};

/// Why this unit is better not adopted, and what is instead.
#[must_use]
pub fn refusal(live: &Live) -> Option<String> {
    let unit = live.unit.as_ref()?;
    let timer = live.triggered_by.iter().find(|by| by.kind() == "timer");
    if let Some(timer) = timer.filter(|_| live.service_type == "oneshot" || !live.active) {
        return Some(format!("{timer} starts it, and then it ends: adopt that (steadfast adopt {timer})"));
    }
    let stands_for: Vec<&str> = live
        .takes_along
        .iter()
        .filter(|other| other.kind() == "service" && *other != unit)
        .map(UnitName::as_str)
        .collect();
    if live.service_type == "oneshot" && live.processes.is_empty() && !stands_for.is_empty() {
        let others = stands_for.join(" ");
        return Some(format!("it runs nothing by itself and stands for others (steadfast adopt {others})"));
    }
    None
}

/// Worth a unit file where all of a host is adopted: a service that stays or a timer, of the host's own making or of known
/// software, that runs or is wanted.
#[must_use]
pub fn worth_adopting(live: &Live, enabled: bool) -> bool {
    let Some(unit) = &live.unit else {
        return false;
    };
    let kind = unit.kind();
    let lasting = kind == "timer" || kind == "service" && live.service_type != "oneshot";
    let generated = live.fragment.is_empty() || live.fragment.starts_with("/run/systemd/transient/");
    let vendor = is_of_vendor(&live.fragment);
    let ours = unit.as_str().starts_with("steadfast");
    let software = kind == "service" && recognised(live).is_some_and(|(_, sure)| sure);
    lasting
        && !generated
        && !ours
        && (live.active || enabled)
        && (!vendor || software)
        && refusal(live).is_none()
}
