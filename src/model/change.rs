//! What changed in the durable state since it was last saved, record by record.

use std::collections::BTreeMap;

use super::incident::{Event, Incident};
use super::release::PastTarget;
use super::state::{Durable, Meta, UnitDurable};
use super::unit::UnitName;

/// Lines of the history that are kept in memory.
pub const EVENTS_REMEMBERED: usize = 512;

/// One record that is not as it was last saved: the unit of storage. `None` deletes it.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "a few live for one save; the usual one is the large one")]
pub enum Change {
    Meta(Meta),
    Unit(UnitName, Option<UnitDurable>),
    Incident(u64, Option<Incident>),
    Link(String, Option<Vec<PastTarget>>),
    /// A line that is added to the history. What memory keeps of it is bounded; the store keeps more.
    Event(Event),
}

impl Durable {
    /// What must be stored so that `saved` becomes this state.
    #[must_use]
    pub fn changes_since(&self, saved: &Self) -> Vec<Change> {
        let meta = (self.meta != saved.meta).then(|| Change::Meta(self.meta.clone()));
        let mut changes = Vec::from_iter(meta);
        differing(&self.units, &saved.units, Change::Unit, &mut changes);
        differing(&self.incidents, &saved.incidents, Change::Incident, &mut changes);
        differing(&self.links, &saved.links, Change::Link, &mut changes);
        let known = saved.events.keys().next_back().map_or(0, |last| last.saturating_add(1));
        changes.extend(self.events.range(known..).map(|(_, event)| Change::Event(event.clone())));
        changes
    }

    /// Makes one change: applying all of `changes_since(saved)` to `saved` gives this state.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Meta(meta) => self.meta.clone_from(meta),
            Change::Unit(unit, record) => put(&mut self.units, unit, record.as_ref()),
            Change::Incident(id, record) => put(&mut self.incidents, id, record.as_ref()),
            Change::Link(link, record) => put(&mut self.links, link, record.as_ref()),
            Change::Event(event) => self.remember(event.clone()),
        }
    }

    /// Adds a line to the history.
    pub fn remember(&mut self, event: Event) {
        self.events.insert(event.id, event);
    }

    /// Forgets the oldest lines beyond the limit, once they are saved.
    pub fn forget(&mut self) {
        while self.events.len() > EVENTS_REMEMBERED {
            self.events.pop_first();
        }
    }
}

/// Appends a change for every record that is new or different, then for every one that is gone.
fn differing<K: Ord + Clone, V: PartialEq + Clone>(
    now: &BTreeMap<K, V>,
    saved: &BTreeMap<K, V>,
    change: fn(K, Option<V>) -> Change,
    changes: &mut Vec<Change>,
) {
    let written = now
        .iter()
        .filter(|&(key, record)| saved.get(key) != Some(record))
        .map(|(key, record)| change(key.clone(), Some(record.clone())));
    let gone = saved.keys().filter(|&key| !now.contains_key(key)).map(|key| change(key.clone(), None));
    changes.extend(written.chain(gone));
}

fn put<K: Ord + Clone, V: Clone>(records: &mut BTreeMap<K, V>, key: &K, record: Option<&V>) {
    match record {
        Some(record) => {
            records.insert(key.clone(), record.clone());
        }
        None => {
            records.remove(key);
        }
    }
}
