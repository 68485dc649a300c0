//! One turn of the policy: the moment, the units it touches, the actions it orders.

use std::collections::BTreeSet;

use crate::model::action::Action;
use crate::model::finding::Code;
use crate::model::incident::{Event, EventKind};
use crate::model::moment::Moment;
use crate::model::state::State;
use crate::model::unit::UnitName;
use crate::policy::{incidents, limits};

/// What one call of `decide` gathers.
#[derive(Debug)]
pub struct Turn {
    pub now: Moment,
    pub actions: Vec<Action>,
    /// Something came about of which people may have to be told.
    pub news: bool,
    units: BTreeSet<UnitName>,
    all: bool,
}

impl Turn {
    #[must_use]
    pub fn new(now: Moment) -> Self {
        Self { now, actions: Vec::new(), news: false, units: BTreeSet::new(), all: false }
    }

    /// This unit is to be evaluated at the end of the turn.
    pub fn touch(&mut self, unit: &UnitName) {
        self.units.insert(unit.clone());
    }

    /// Every unit is to be evaluated at the end of the turn.
    pub fn touch_all(&mut self) {
        self.all = true;
    }

    /// The managed units to evaluate: the touched ones, those whose time has come, and those that need one of these.
    #[must_use]
    pub fn touched(&self, state: &State) -> BTreeSet<UnitName> {
        let units = &state.seen.units;
        units
            .iter()
            .filter(|(name, unit)| {
                self.all
                    || self.units.contains(*name)
                    || unit.wake.is_some_and(|wake| wake <= self.now)
                    || unit.spec.requires.iter().any(|need| self.units.contains(need))
            })
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Orders an action.
    pub fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Tells people: one entry in the journal and in the event stream.
    pub fn record(
        &mut self,
        state: &mut State,
        unit: Option<&UnitName>,
        kind: EventKind,
        code: Option<Code>,
        message: String,
    ) {
        let incident = unit.and_then(|unit| incidents::of_unit(state, unit));
        self.record_of(state, incident, unit, kind, code, message);
    }

    /// The same of this incident.
    pub fn record_of(
        &mut self,
        state: &mut State,
        incident: Option<u64>,
        unit: Option<&UnitName>,
        kind: EventKind,
        code: Option<Code>,
        message: String,
    ) {
        // What cannot be saved is taken back, and decided again with each turn.
        if state.seen.save_failure.is_some() && self.told_lately(state, unit, &message) {
            return;
        }
        let seen = &mut state.seen;
        let event =
            Event { id: seen.next_event, at: self.now, unit: unit.cloned(), kind, code, incident, message };
        seen.next_event = seen.next_event.saturating_add(1);
        if seen.events.len() >= limits::EVENTS {
            seen.events.pop_front();
        }
        seen.events.push_back(event.clone());
        if incident.is_some() || kind != EventKind::Notice {
            // Our own starts and what we manage fill no history.
            state.durable.remember(event.clone());
        }
        if let Some(incident) = incident.and_then(|id| state.durable.incidents.get_mut(&id)) {
            let decided = matches!(kind, EventKind::Decided | EventKind::Acted);
            incident.decided_at = incident.decided_at.or(decided.then_some(self.now));
            incident.acted_at = incident.acted_at.or((kind == EventKind::Acted).then_some(self.now));
        }
        self.actions.push(Action::Record(event));
    }

    fn told_lately(&self, state: &State, unit: Option<&UnitName>, message: &str) -> bool {
        let lately = |event: &&Event| self.now.since(event.at) < limits::TELL_AGAIN;
        let mut events = state.seen.events.iter().rev().take_while(lately);
        events.any(|event| event.unit.as_ref() == unit && event.message == message)
    }
}

/// The earlier of two wishes to be woken.
pub fn sooner(wake: &mut Option<Moment>, at: Moment) {
    *wake = Some(wake.map_or(at, |known| known.min(at)));
}
