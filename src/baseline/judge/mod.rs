//! What differs between two pictures of the host, gravest first, without what comes and goes by its nature.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing
)]

mod packages;
mod passing;
mod ports;
mod units;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::model::baseline::{Baseline, Comparison, Difference, Gravity, Lost, Stray};
use crate::model::unit::UnitName;
use crate::policy::lists;

/// Names in one line.
const NAMED: usize = 6;

/// Compares what was with what is.
#[must_use]
pub fn compare(before: &Baseline, after: &Baseline) -> Comparison {
    let user = if after.head.user_instance { " --user" } else { "" };
    let mut found = units::differences(before, after, user);
    let strays = strays(before, after);
    found.extend(strays);
    ports::add(before, after, user, &mut found);
    found.extend(packages::differences(before, after));
    // Stable: of the same gravity, units come before ports, and those before packages.
    found.sort_by_key(|difference| std::cmp::Reverse(difference.gravity));
    let mut untold = before.untold.clone();
    untold.extend(after.untold.iter().filter(|sentence| !before.untold.contains(sentence)).cloned());
    Comparison {
        before: before.head.clone(),
        after: after.head.clone(),
        differences: found,
        untold,
        beyond: after.beyond.clone(),
    }
}

/// Daemons outside every service that are gone, or new; of the same command as many as there are.
fn strays(before: &Baseline, after: &Baseline) -> Vec<Difference> {
    let (then, now) = (counted(&before.strays), counted(&after.strays));
    let of = |key: &(&str, u32)| format!("{} (uid {})", key.0, key.1);
    let mut found = Vec::new();
    for (key, (many, place)) in &then {
        let left = now.get(key).map_or(0, |(many, _)| *many);
        if left < *many {
            let message = format!("a process outside every service is gone: {}", of(key));
            let evidence = vec![format!("it was in {place}: nothing starts it again")];
            found.push(difference(Gravity::Warning, message, evidence, None));
        }
    }
    for (key, (many, place)) in &now {
        if then.get(key).map_or(0, |(many, _)| *many) < *many {
            let message = format!("a process outside every service is new: {}", of(key));
            let evidence = vec![format!("it is in {place}: no service keeps it, and boot does not start it")];
            found.push(difference(Gravity::Warning, message, evidence, None));
        }
    }
    found
}

fn counted(strays: &[Stray]) -> BTreeMap<(&str, u32), (usize, &str)> {
    let mut counted: BTreeMap<(&str, u32), (usize, &str)> = BTreeMap::new();
    for stray in strays {
        let known = counted.entry((stray.command.as_str(), stray.uid)).or_insert((0, stray.place.as_str()));
        known.0 = known.0.saturating_add(1);
    }
    counted
}

fn difference(
    gravity: Gravity,
    message: String,
    evidence: Vec<String>,
    repair: Option<String>,
) -> Difference {
    Difference { gravity, message, evidence, unit: None, lost: Lost::Other, repair }
}

fn of_unit(difference: Difference, unit: &str, lost: Lost) -> Difference {
    Difference { unit: Some(UnitName::from(unit)), lost, ..difference }
}

/// The first of these names, and how many more.
fn listed(names: &[String]) -> String {
    lists::listed(names, NAMED)
}
