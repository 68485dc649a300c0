//! The history: every line with its number, the last of them in memory.

use std::collections::{BTreeMap, VecDeque};

use crate::model::incident::{Event, EventKind};
use crate::model::moment::Moment;
use crate::model::unit::UnitName;
use crate::policy::effects::Note;
use crate::policy::limits;

/// The last lines, and which of them are to be saved.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Log {
    /// Of all lines, for those who read along.
    recent: VecDeque<Event>,
    /// Of those that are saved.
    kept: BTreeMap<u64, Event>,
    next: u64,
}

impl Log {
    /// Continues what was saved. Numbers grow over our own restarts: they begin at the wall clock's milliseconds.
    #[must_use]
    pub fn resume(kept: BTreeMap<u64, Event>, now: Moment) -> Self {
        let last = kept.keys().next_back().map_or(0, |last| last.saturating_add(1));
        let next = u64::try_from(now.wall_ms).unwrap_or(0).max(last);
        Self { recent: kept.values().cloned().collect(), kept, next }
    }

    /// Writes a line.
    pub fn write(
        &mut self,
        unit: Option<&UnitName>,
        incident: Option<u64>,
        note: Note,
        now: Moment,
    ) -> Event {
        let Note { kind, code, message, .. } = note;
        let event = Event { id: self.next, at: now, unit: unit.cloned(), kind, code, incident, message };
        self.next = self.next.saturating_add(1);
        if self.recent.len() >= limits::EVENTS {
            self.recent.pop_front();
        }
        self.recent.push_back(event.clone());
        // Our own starts and what we manage fill no history.
        if incident.is_some() || kind != EventKind::Notice {
            self.kept.insert(event.id, event.clone());
        }
        event
    }

    /// The same sentence about this unit was written a moment ago.
    #[must_use]
    pub fn has_lately(&self, unit: Option<&UnitName>, message: &str, now: Moment) -> bool {
        let mut events =
            self.recent.iter().rev().take_while(|event| now.since(event.at) < limits::TELL_AGAIN);
        events.any(|event| event.unit.as_ref() == unit && event.message == message)
    }

    /// The last lines of all, oldest first.
    #[must_use]
    pub fn recent(&self) -> &VecDeque<Event> {
        &self.recent
    }

    /// The lines that are saved, or are to be, by number.
    #[must_use]
    pub fn kept(&self) -> &BTreeMap<u64, Event> {
        &self.kept
    }

    /// Lines that could not be saved did not come about.
    pub fn take_back(&mut self, saved: &BTreeMap<u64, Event>) {
        self.kept.clone_from(saved);
    }

    /// Forgets the oldest saved lines beyond the limit.
    pub fn forget(&mut self) {
        while self.kept.len() > limits::EVENTS {
            self.kept.pop_first();
        }
    }
}
