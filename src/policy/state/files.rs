//! From specs to managed units: the configuration as it changes, and patterns as units match them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::action::Action;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::spec::{Problem, Selector, Settings, Spec};
use crate::model::state::UnitDurable;
use crate::model::unit::UnitName;
use crate::policy::effects::{File, Note};
use crate::policy::limits;
use crate::policy::peers::Peer;
use crate::policy::unit::Unit;

use super::State;

impl State {
    /// The configuration was read; it replaces what was known.
    pub(super) fn loaded(&mut self, settings: Settings, specs: Vec<Spec>, problems: Vec<Problem>) {
        let every = settings.audit_every;
        let first = !self.host.is_configured();
        self.host.configure(settings, problems, self.now);
        self.drain_host();
        self.alerts.wake();
        self.specs = specs;
        self.gaps.configure(every, self.host.started_at(), self.now);
        let patterns = self.patterns();
        self.matches.retain(|pattern, _| patterns.contains(pattern));
        self.assign();
        self.follow();
        if first {
            self.judge_failed();
        }
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

    /// One unit is managed once, whatever its names: by the file of its own name, else by the first. Returns the other files.
    fn drop_doubles(&self, wanted: &mut BTreeMap<UnitName, Spec>) -> Vec<Problem> {
        let names = self.aliases.keys().filter(|alias| wanted.contains_key(*alias));
        let mut doubles: Vec<(UnitName, UnitName)> = Vec::new();
        for (alias, unit) in names.filter_map(|alias| Some((alias, self.aliases.get(alias)?))) {
            let first = self.aliases.iter().find(|(name, of)| *of == unit && wanted.contains_key(*name));
            let keeper = if wanted.contains_key(unit) { Some(unit) } else { first.map(|(name, _)| name) };
            if let Some(keeper) = keeper.filter(|keeper| *keeper != alias) {
                doubles.push((alias.clone(), keeper.clone()));
            }
        }
        let mut problems = Vec::new();
        for (alias, keeper) in doubles {
            let (Some(dropped), Some(kept)) = (wanted.remove(&alias), wanted.get(&keeper)) else {
                continue;
            };
            // A pattern may match every name of a unit.
            if matches!(dropped.selector, Selector::Pattern(_)) || dropped.file == kept.file {
                continue;
            }
            let message = format!(
                "cannot manage {alias} twice: it is another name of {}, which {} manages already; remove this file",
                self.aliases.get(&alias).unwrap_or(&keeper),
                kept.file
            );
            problems.push(Problem {
                file: dropped.file,
                line: 0,
                column: 0,
                rendered: message.clone(),
                message,
                last_good_in_force: false,
            });
        }
        problems
    }

    /// What systemd calls this unit was read: an alias may be managed by another file already.
    pub(super) fn named(&mut self, unit: &UnitName, own: Option<&UnitName>) {
        let own = own.filter(|own| *own != unit && !own.as_str().is_empty());
        if self.aliases.get(unit) == own {
            return;
        }
        match own {
            Some(own) => drop(self.aliases.insert(unit.clone(), own.clone())),
            None => drop(self.aliases.remove(unit)),
        }
        self.assign();
        self.follow();
    }

    /// Links changed on disk: what these names stand for is read again.
    pub(super) fn forget_aliases(&mut self, hints: &[UnitName]) {
        let before = self.aliases.len();
        self.aliases.retain(|alias, _| !hints.contains(alias));
        if self.aliases.len() != before {
            self.assign();
            self.follow();
        }
    }

    fn assign(&mut self) {
        let mut wanted = self.wanted();
        let doubles = self.drop_doubles(&mut wanted);
        self.host.set_doubles(doubles);
        self.drain_host();
        let gone: Vec<UnitName> =
            self.units.keys().filter(|unit| !wanted.contains_key(*unit)).cloned().collect();
        for unit in &gone {
            self.release(unit);
        }
        for (unit, spec) in wanted {
            self.take_up(unit, spec);
        }
        self.forget_strangers();
        self.failed_is_managed();
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
        self.actions.push(Action::WatchLinks { unit: name.clone(), search: Box::default() });
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
        // What it was stopped along with, or for, may have changed while nothing managed it.
        let other = self.units.get(&name).and_then(Unit::stopped_with).cloned();
        let reading = other.as_ref().and_then(|other| self.units.get(other)).and_then(Unit::reading).cloned();
        if let (Some(other), Some(reading)) = (other, reading) {
            self.release_others(&other, &reading);
        }
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
        let disabled = self.disabling.as_ref().map(|known| known.at);
        let last =
            quarantine.into_iter().chain(self.spent.last().copied()).chain(smoke).chain(disabled).max();
        held || last.is_some_and(|at| now.since(at) < limits::STRANGERS_KEPT)
    }
}
