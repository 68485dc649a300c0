//! What is to be told and was not taken yet. Bounded: of a unit that changes faster than it is listened to, the oldest
//! states in between are left out, never the last.

use std::collections::{BTreeMap, VecDeque};

use crate::model::observation::Observation;
use crate::model::unit::{UnitName, UnitReading};

/// Readings of one unit that wait.
const PER_UNIT: usize = 16;

#[derive(Debug)]
enum Item {
    /// The oldest waiting reading of this unit.
    Reading(UnitName),
    Other(Box<Observation>),
}

/// A queue of observations.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    order: VecDeque<Item>,
    readings: BTreeMap<UnitName, VecDeque<UnitReading>>,
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// Queues a reading.
    pub(super) fn reading(&mut self, unit: UnitName, reading: UnitReading) {
        let waiting = self.readings.entry(unit.clone()).or_default();
        if let Some(last) = waiting.back_mut()
            && same_state(last, &reading)
        {
            // Only what it says of itself, its processes or its timestamps differ: the newer is enough.
            *last = reading;
            return;
        }
        if waiting.len() >= PER_UNIT {
            waiting.pop_front();
        } else {
            self.order.push_back(Item::Reading(unit));
        }
        waiting.push_back(reading);
    }

    /// Queues anything else.
    pub(super) fn other(&mut self, observation: Observation) {
        self.order.push_back(Item::Other(Box::new(observation)));
    }

    /// The next observation.
    pub(super) fn pop(&mut self) -> Option<Observation> {
        match self.order.pop_front()? {
            Item::Other(observation) => Some(*observation),
            Item::Reading(unit) => {
                let waiting = self.readings.get_mut(&unit)?;
                let reading = waiting.pop_front()?;
                if waiting.is_empty() {
                    self.readings.remove(&unit);
                }
                Some(Observation::UnitChanged { unit, reading })
            }
        }
    }
}

/// Whether two readings tell the same state to whoever asks who stopped it and how.
fn same_state(one: &UnitReading, other: &UnitReading) -> bool {
    one.load == other.load
        && one.active == other.active
        && one.sub == other.sub
        && one.result == other.result
        && one.job == other.job
        && one.invocation == other.invocation
        && one.n_restarts == other.n_restarts
        && one.exit == other.exit
        && one.tried == other.tried
        && one.frozen == other.frozen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::unit::{ActiveState, LoadState};
    use crate::systemd::reading::Record;

    fn reading(active: ActiveState, n_restarts: u32, status: &str) -> UnitReading {
        UnitReading {
            active,
            n_restarts,
            status_text: status.to_owned(),
            ..Record::unloaded(LoadState::Loaded).reading
        }
    }

    fn told(outbox: &mut Outbox) -> Vec<(ActiveState, u32, String)> {
        std::iter::from_fn(|| outbox.pop())
            .filter_map(|observation| match observation {
                Observation::UnitChanged { reading, .. } => {
                    Some((reading.active, reading.n_restarts, reading.status_text))
                }
                _ => None,
            })
            .collect()
    }

    #[test]
    fn every_state_is_told_and_chatter_is_not() {
        let mut outbox = Outbox::default();
        let unit = UnitName::from("x.service");
        for status in ["1%", "2%", "3%"] {
            outbox.reading(unit.clone(), reading(ActiveState::Active, 0, status));
        }
        outbox.reading(unit.clone(), reading(ActiveState::Failed, 0, "3%"));
        outbox.reading(unit, reading(ActiveState::Active, 1, ""));
        assert_eq!(
            told(&mut outbox),
            [
                (ActiveState::Active, 0, "3%".to_owned()),
                (ActiveState::Failed, 0, "3%".to_owned()),
                (ActiveState::Active, 1, String::new()),
            ]
        );
        assert!(outbox.is_empty());
    }

    #[test]
    fn the_last_state_survives_a_flood() {
        let mut outbox = Outbox::default();
        for n in 0..1000 {
            outbox.reading("x.service".into(), reading(ActiveState::Active, n, ""));
        }
        let told = told(&mut outbox);
        assert_eq!(told.len(), PER_UNIT);
        assert_eq!(told.last().map(|last| last.1), Some(999));
    }
}
