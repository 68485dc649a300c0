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
