//! Which incidents concern a unit.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::unit::UnitName;

/// Incidents by unit: nobody has to ask all that are open.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Index(BTreeMap<UnitName, BTreeSet<u64>>);

impl Index {
    /// Those of this unit.
    pub fn of(&self, unit: &UnitName) -> impl DoubleEndedIterator<Item = u64> + use<'_> {
        self.0.get(unit).into_iter().flatten().copied()
    }

    pub fn add(&mut self, unit: &UnitName, id: u64) {
        self.0.entry(unit.clone()).or_default().insert(id);
    }

    pub fn remove(&mut self, unit: &UnitName, id: u64) {
        if let Some(known) = self.0.get_mut(unit) {
            known.remove(&id);
            if known.is_empty() {
                self.0.remove(unit);
            }
        }
    }
}
