//! When each unit is to be looked at: an index by time, so that nobody has to ask every unit.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::moment::Moment;
use crate::model::unit::UnitName;

/// Units by the moment at which they are due.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agenda {
    by_unit: BTreeMap<UnitName, Moment>,
    by_time: BTreeSet<(Moment, UnitName)>,
}

impl Agenda {
    /// The unit is due then; `None`: never.
    pub fn set(&mut self, unit: &UnitName, at: Option<Moment>) {
        if self.by_unit.get(unit).copied() == at {
            return;
        }
        if let Some(known) = self.by_unit.remove(unit) {
            self.by_time.remove(&(known, unit.clone()));
        }
        if let Some(at) = at {
            self.by_unit.insert(unit.clone(), at);
            self.by_time.insert((at, unit.clone()));
        }
    }

    /// The first moment at which a unit is due.
    #[must_use]
    pub fn first(&self) -> Option<Moment> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// The units that are due by now, first those that are due longest.
    pub fn due(&self, now: Moment) -> impl Iterator<Item = &UnitName> {
        self.by_time.iter().take_while(move |(at, _)| *at <= now).map(|(_, unit)| unit)
    }
}
