//! What a path names: a unit of the picture, or an incident.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;

use super::fail::Fail;
use crate::model::snapshot::{Snapshot, UnitStatus};
use crate::model::unit::UnitName;

/// The unit named in the path.
pub fn unit_in(path: Result<Path<String>, PathRejection>) -> Result<String, Fail> {
    path.map(|Path(name)| name)
        .map_err(|error| Fail::bad_request(format!("cannot read the unit's name: {error}")))
}

/// The number of the incident in the path.
pub fn id_in(path: Result<Path<u64>, PathRejection>) -> Result<u64, Fail> {
    let read = path.map(|Path(id)| id);
    read.map_err(|error| Fail::bad_request(format!("cannot read the incident's number: {error}")))
}

/// How alike two names must be for the one to be meant by the other (Jaro-Winkler).
const ALIKE: f64 = 0.87;
/// A part of a name as short as this could mean anything.
const PART: usize = 3;

/// 404 for a unit that is not managed, with the one that may be meant.
pub fn missing(snapshot: &Snapshot, name: &str) -> Fail {
    let near = nearest(snapshot.units.keys().map(UnitName::as_str), name);
    let Fail(status, sentence) = Fail::not_managed(name);
    Fail(status, near.map_or(sentence.clone(), |near| format!("{sentence}; did you mean {near}?")))
}

/// The name that is most like this one, or of which it is a part.
pub fn nearest<'a>(names: impl Iterator<Item = &'a str>, name: &str) -> Option<&'a str> {
    let stem = |name: &'a str| name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let wanted = name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_lowercase();
    let alike = |known: &'a str| {
        let known = stem(known).to_lowercase();
        let part = wanted.chars().count() >= PART && known.contains(&wanted);
        let alike = strsim::jaro_winkler(&wanted, &known);
        if part { alike.max(ALIKE) } else { alike }
    };
    let best = names.map(|known| (alike(known), known)).max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= ALIKE).then_some(best.1)
}

/// A managed unit by its name, by the name without `.service`, or by another of its names.
pub fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a UnitStatus> {
    let full = UnitName::meant(name);
    let by_name = snapshot.units.get(&full);
    let found = by_name.or_else(|| {
        let mut units = snapshot.units.values();
        units.find(|unit| {
            let names = unit.settings.iter().flat_map(|settings| &settings.names);
            names.into_iter().any(|alias| *alias == full)
        })
    });
    found.map(AsRef::as_ref)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_mistyped_is_recognised_and_no_other() {
        let names = ["horizon.service", "nginx.service", "worker@a.service", "dump.timer"];
        let near = |name| nearest(names.into_iter(), name);
        assert_eq!(near("horizn"), Some("horizon.service"));
        assert_eq!(near("ngnix.service"), Some("nginx.service"));
        assert_eq!(near("Nginx"), Some("nginx.service"));
        assert_eq!(near("worker"), Some("worker@a.service"));
        assert_eq!(near("dump.service"), Some("dump.timer"));
        assert_eq!((near("nope"), near("x"), near("")), (None, None, None));
        assert_eq!(nearest(std::iter::empty(), "nginx"), None);
    }
}
