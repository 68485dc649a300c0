//! From specs to managed units: the configuration as it changes, and patterns as units match them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::action::Action;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::release::Search;
use crate::model::spec::{Problem, Selector, Settings, Spec};
use crate::model::state::UnitDurable;
use crate::model::unit::UnitName;
use crate::policy::limits;
use crate::policy::outbox::{File, Note};
use crate::policy::peers::Peer;
use crate::policy::unit::Unit;

use super::State;

impl State {
    /// The configuration was read; it replaces what was known.
    pub(super) fn loaded(&mut self, settings: Settings, specs: Vec<Spec>, problems: Vec<Problem>) {
        let every = settings.audit_every;
        self.host.configure(settings, problems, self.now);
        self.drain_host();
        self.alerts.wake();
        self.specs = specs;
        self.gaps.configure(every, self.host.started_at(), self.now);
        let patterns = self.patterns();
        self.matches.retain(|pattern, _| patterns.contains(pattern));
        self.assign();
        self.follow();
    }

    /// The units that match a pattern changed.
    pub(super) fn matched(&mut self, pattern: String, units: Vec<UnitName>) {
        let mut units = units;
        let before = self.matches.get(&pattern).cloned().unwrap_or_default();
        // An instance that died and was unloaded is trouble, not the end of its management; one that a person stopped may go.
        let died = |unit: &UnitName| self.units.get(unit).is_some_and(Unit::has_died);
        let missing: Vec<UnitName> =
            before.into_iter().filter(|unit| !units.contains(unit) && died(unit)).collect();
        units.extend(missing);
        if self.matches.get(&pattern) != Some(&units) {
            self.matches.insert(pattern, units);
            self.assign();
            self.follow();
        }
    }

    /// Follows what is managed now.
    pub(super) fn follow(&mut self) {
        let managed = self.units.keys().filter(|unit| !unit.is_dependency());
        // The return of another unit ends a hold; what an upgrade stopped is followed until it is back.
        let stopped_with = self.units.values().filter_map(Unit::stopped_with);
        let units = managed.chain(stopped_with).chain(self.regressions.down()).cloned().collect();
        self.actions.push(Action::WatchUnits { units, patterns: self.patterns() });
    }

    fn patterns(&self) -> BTreeSet<String> {
        let pattern = |spec: &Spec| match &spec.selector {
            Selector::Unit(_) => None,
            Selector::Pattern(pattern) => Some(pattern.clone()),
        };
        self.specs.iter().filter_map(pattern).collect()
    }

    /// Each managed unit with its spec; a file for the unit itself wins over a pattern.
    fn wanted(&self) -> BTreeMap<UnitName, Spec> {
        let mut wanted = BTreeMap::new();
        for spec in &self.specs {
            match &spec.selector {
                Selector::Unit(unit) => {
                    wanted.insert(unit.clone(), spec.clone());
                }
                Selector::Pattern(pattern) => {
                    for unit in self.matches.get(pattern).into_iter().flatten() {
                        wanted.entry(unit.clone()).or_insert_with(|| spec.clone());
                    }
                }
            }
        }
        wanted
    }

    fn assign(&mut self) {
        let wanted = self.wanted();
        let gone: Vec<UnitName> =
            self.units.keys().filter(|unit| !wanted.contains_key(*unit)).cloned().collect();
        for unit in &gone {
            self.release(unit);
        }
        for (unit, spec) in wanted {
            self.take_up(unit, spec);
        }
        self.forget_strangers();
        self.await_leavers();
        self.host.follow_enablement(self.now);
        self.wish_prediction();
    }

    /// A unit is not managed any more. Its record stays: a file that was only moved for a moment forgets no hold, and its
    /// incident goes on for a while.
    fn release(&mut self, name: &UnitName) {
        self.with(name, Unit::leave);
        let Some(unit) = self.units.remove(name) else {
            return;
        };
        let kept = unit.into_kept();
        self.peers.forget(name);
        self.peers.remember(name, Peer::of_last(kept.last_action.as_ref()), kept.spent.last().copied());
        self.agenda.set(name, None);
        self.silence.set(name, None);
        self.unread.remove(name);
        self.stopped.remove(name);
        self.given_up.remove(name);
        self.repainted.insert(name.clone());
        self.strangers.insert(name.clone(), kept);
        self.actions.push(Action::WatchLinks { unit: name.clone(), search: Search::default() });
        self.incidents.leave(name, self.now);
        self.note(name, EventKind::Changed, format!("{name} is no longer managed"));
    }

    /// What is managed is known: every pattern was matched, and every file read.
    fn is_assigned(&self) -> bool {
        let known = self.patterns().iter().all(|pattern| self.matches.contains_key(pattern));
        known && self.host.is_configured() && self.host.problems().is_empty()
    }

    /// Incidents of units that no file selects any more end after a while, whenever those left.
    pub(super) fn await_leavers(&mut self) {
        if !self.is_assigned() {
            return;
        }
        let named = self.incidents.open().filter_map(|incident| incident.unit.as_ref());
        let left: Vec<UnitName> = named.filter(|unit| !self.units.contains_key(*unit)).cloned().collect();
        for unit in &left {
            self.incidents.leave(unit, self.now);
        }
    }

    /// Orders of units that no file selects any more, since before we started.
    fn forget_strangers(&mut self) {
        if !self.is_assigned() {
            return;
        }
        let names: Vec<UnitName> = self.strangers.keys().cloned().collect();
        for name in names {
            let now = self.now;
            let Some(kept) = self.strangers.get_mut(&name) else {
                continue;
            };
            if kept.recovery.take().is_some() || !kept.binds(now) {
                self.changed_units.insert(name.clone());
            }
            if !kept.binds(now) {
                self.strangers.remove(&name);
                self.peers.remember(&name, None, None);
            }
        }
    }

    fn take_up(&mut self, name: UnitName, spec: Spec) {
        self.touch(&name);
        let now = self.now;
        if self.units.contains_key(&name) {
            self.with(&name, |unit, _| unit.follow_spec(spec, now));
            return;
        }
        let message = format!("{name} is managed by {}", spec.file);
        let kept = self.strangers.remove(&name).unwrap_or_default();
        self.incidents.stay(&name);
        self.units.insert(name.clone(), Unit::new(name.clone(), spec, kept, now));
        self.with(&name, |unit, _| unit.ask_enablement());
        self.show(&name);
        self.note(&name, EventKind::Notice, message);
    }

    fn note(&mut self, unit: &UnitName, kind: EventKind, message: String) {
        self.write(Some(unit), Note { file: File::OfUnit, kind, code: None, message });
    }
}

impl UnitDurable {
    /// It says what may be done about the unit, should a file select it again.
    fn binds(&self, now: Moment) -> bool {
        let held = self.hold.as_ref().is_some_and(|hold| hold.until.is_none_or(|until| until > now));
        let quarantine = self.quarantine.as_ref().map(|known| known.retry_at);
        let smoke = self.smoke_failure.as_ref().map(|known| known.at);
        let last = quarantine.into_iter().chain(self.spent.last().copied()).chain(smoke).max();
        held || last.is_some_and(|at| now.since(at) < limits::STRANGERS_KEPT)
    }
}
