//! What changed in the durable state since it was last saved, record by record.

use std::collections::BTreeMap;

use super::incident::Incident;
use super::release::PastTarget;
use super::state::{Durable, Meta, UnitDurable};
use super::unit::UnitName;

/// One record to write (`Some`) or to delete (`None`).
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Meta(Meta),
    Unit(UnitName, Option<UnitDurable>),
    Incident(u64, Option<Incident>),
    Link(String, Option<Vec<PastTarget>>),
}

impl Durable {
    /// The changes that turn `saved` into this.
    #[must_use]
    pub fn changes_since(&self, saved: &Self) -> Vec<Change> {
        let meta = (self.meta != saved.meta).then(|| Change::Meta(self.meta.clone()));
        let mut changes: Vec<Change> = meta.into_iter().collect();
        let units = differences(&self.units, &saved.units);
        changes.extend(units.map(|(key, value)| Change::Unit(key, value)));
        let incidents = differences(&self.incidents, &saved.incidents);
        changes.extend(incidents.map(|(key, value)| Change::Incident(key, value)));
        let links = differences(&self.links, &saved.links);
        changes.extend(links.map(|(key, value)| Change::Link(key, value)));
        changes
    }

    /// Takes in one change.
    pub fn apply(&mut self, change: Change) {
        match change {
            Change::Meta(meta) => self.meta = meta,
            Change::Unit(key, value) => put(&mut self.units, key, value),
            Change::Incident(key, value) => put(&mut self.incidents, key, value),
            Change::Link(key, value) => put(&mut self.links, key, value),
        }
    }
}

fn put<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => drop(map.insert(key, value)),
        None => drop(map.remove(&key)),
    }
}

fn differences<'a, K: Ord + Clone, V: Clone + PartialEq>(
    now: &'a BTreeMap<K, V>,
    saved: &'a BTreeMap<K, V>,
) -> impl Iterator<Item = (K, Option<V>)> + 'a {
    let written = now
        .iter()
        .filter(|(key, value)| saved.get(*key) != Some(*value))
        .map(|(key, value)| (key.clone(), Some(value.clone())));
    let deleted = saved.keys().filter(|key| !now.contains_key(*key)).map(|key| (key.clone(), None));
    written.chain(deleted)
}
