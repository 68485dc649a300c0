//! What is known of the units that are to be asked, and in which turn they are.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::Watched;
use crate::model::unit::UnitName;
use crate::systemd::compare::{Ask, Known};

impl Watched {
    /// Adds to what is asked of units what is known of them. First come those of which the least is known: somebody waits for them.
    pub(in crate::systemd) fn known(&self, asks: BTreeMap<UnitName, Ask>) -> Vec<(UnitName, Known, Ask)> {
        let mut asks: Vec<(UnitName, Known, Ask)> = asks
            .into_iter()
            .filter_map(|(unit, ask)| {
                let path = self.paths.get(&unit)?.clone();
                let record = self.entries.get(&path).and_then(|entry| entry.record.as_ref());
                let runs = record.is_some_and(|record| record.reading.main_pid.is_some());
                let settings = self.settings.get(&unit);
                let told = settings.filter(|told| !told.control_group.is_empty() || !runs);
                let known = Known {
                    active: record.map(|record| record.reading.active),
                    sub: record.map(|record| record.reading.sub.clone()).unwrap_or_default(),
                    job: record.and_then(|record| record.reading.job),
                    fragment: settings.map(|told| told.fragment.clone()).unwrap_or_default(),
                    control_group: settings.map(|told| told.control_group.clone()).unwrap_or_default(),
                    print: self.prints.get(&unit).copied(),
                    load: record.map(|record| record.reading.load.clone()),
                    changed_us: record.map_or(0, |record| record.reading.changed_us),
                    // What was read while it was down is not what it runs with.
                    need_daemon_reload: told.map(|told| told.need_daemon_reload),
                    frozen: record.is_some_and(|record| record.reading.frozen),
                    path,
                };
                Some((unit, known, ask))
            })
            .collect();
        asks.sort_by_key(|(_, known, _)| known.need_daemon_reload.is_some());
        asks
    }

    /// So many units after `last`, which is the last of them then; after the end from the beginning.
    pub(in crate::systemd) fn next(&self, most: usize, last: &mut Option<UnitName>) -> Vec<UnitName> {
        let after = last.clone().map_or(Bound::Unbounded, Bound::Excluded);
        let rest = self.paths.range((after, Bound::Unbounded));
        let some: Vec<UnitName> = rest.take(most).map(|(unit, _)| unit.clone()).collect();
        *last = some.last().cloned();
        some
    }

    /// A unit is as it is known to be; `print`: of its files.
    pub(in crate::systemd) fn unchanged(&mut self, unit: UnitName, print: Option<u64>) {
        match print.filter(|_| self.paths.contains_key(&unit)) {
            Some(print) => self.prints.insert(unit, print),
            None => self.prints.remove(&unit),
        };
    }
}
