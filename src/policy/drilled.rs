//! Which units were never drilled.

use crate::model::drill::Verdict;
use crate::model::spec::Mode;
use crate::model::state::Durable;
use crate::model::unit::UnitName;
use crate::policy::lists::listed;

/// Units that one sentence names.
const NAMED: usize = 12;

/// Managed units on which we act and that were never drilled to the end: one sentence, or nothing to say. `program`: how
/// the reader calls us.
#[must_use]
pub fn never_drilled<'a>(
    managed: impl Iterator<Item = (&'a UnitName, Mode)>,
    durable: &Durable,
    program: &str,
) -> Option<String> {
    let drilled = |unit: &UnitName| {
        let drills = durable.units.get(unit).map(|known| known.drills.as_slice()).unwrap_or_default();
        drills.iter().any(|drill| drill.end.as_ref().is_some_and(|end| end.verdict != Verdict::Interrupted))
    };
    let drillable = |unit: &UnitName| !unit.is_dependency() && unit.kind() == "service";
    let never: Vec<&str> = managed
        .filter(|(unit, mode)| *mode == Mode::Act && drillable(unit) && !drilled(unit))
        .map(|(unit, _)| unit.as_str())
        .collect();
    let first = never.first()?;
    Some(format!("never drilled: {} ({program} drill {first})", listed(&never, NAMED)))
}

#[cfg(test)]
mod tests;
