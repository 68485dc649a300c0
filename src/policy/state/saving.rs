//! What is durable: the records that changed since the last save, and what is taken back where they cannot be saved.

use crate::model::action::Action;
use crate::model::change::Change;
use crate::model::incident::Incident;
use crate::model::moment::{Moment, Moments};
use crate::model::operator::Answer;
use crate::model::state::{Durable, Meta, UnitDurable};
use crate::model::unit::UnitName;
use crate::policy::log::Log;
use crate::policy::regressions::Regressions;
use crate::policy::unit::Unit;

use super::State;

/// The answer to whoever asked for what could not be saved.
#[must_use]
pub fn unsaved(why: &str) -> Answer {
    Answer::Refused { message: format!("cannot save the durable state: {why}") }
}

impl State {
    fn meta(&self) -> Meta {
        Meta {
            boot_id: self.boot_id.clone(),
            next_incident: self.incidents.next(),
            next_order: self.next_order,
            worse: self.regressions.known().cloned(),
        }
    }

    fn record(&self, unit: &UnitName) -> Option<&UnitDurable> {
        self.units.get(unit).map(Unit::kept).or_else(|| self.strangers.get(unit))
    }

    /// All that survives our own crash.
    #[must_use]
    pub fn durable(&self) -> Durable {
        let managed = self.units.iter().map(|(unit, known)| (unit.clone(), known.kept().clone()));
        Durable {
            meta: self.meta(),
            units: self.strangers.clone().into_iter().chain(managed).collect(),
            incidents: self.incidents.all().clone(),
            links: self.links.clone(),
            events: self.log.kept().clone(),
        }
    }

    /// What must be stored so that `saved` becomes what is durable now. Costs what changed since this was asked last.
    pub fn changes(&mut self, saved: &Durable) -> Vec<Change> {
        let meta = self.meta();
        let retry = self.host.save_failure().is_some_and(|failure| failure.retry_at() <= self.now);
        let mut changes: Vec<Change> = Vec::new();
        if retry || meta != saved.meta {
            changes.push(Change::Meta(meta));
        }
        for unit in std::mem::take(&mut self.changed_units) {
            let record = self.record(&unit);
            if record != saved.units.get(&unit) {
                let record = record.cloned();
                changes.push(Change::Unit(unit, record));
            }
        }
        for id in self.incidents.take_changed() {
            let record = self.incidents.get(id);
            if record != saved.incidents.get(&id) {
                changes.push(Change::Incident(id, record.cloned()));
            }
        }
        for link in std::mem::take(&mut self.changed_links) {
            let record = self.links.get(&link);
            if record != saved.links.get(&link) {
                let record = record.cloned();
                changes.push(Change::Link(link, record));
            }
        }
        let known = saved.events.keys().next_back().map_or(0, |last| last.saturating_add(1));
        changes.extend(self.log.kept().range(known..).map(|(_, event)| Change::Event(event.clone())));
        changes
    }

    /// These changes were saved; `before`: what was durable until now. Incidents count when they are durable.
    pub fn saved(&mut self, before: &Durable, changes: &[Change]) {
        for change in changes {
            if let Change::Incident(id, Some(incident)) = change {
                self.count(before.incidents.get(id), incident);
            }
        }
        self.log.forget();
    }

    /// What another incident explains, and what is managed no more, did not recover; a drill was no trouble.
    fn count(&mut self, before: Option<&Incident>, incident: &Incident) {
        if let Some(began) = incident.began_at.filter(|_| before.is_none() && !incident.drill) {
            let found_at = incident.found_at.unwrap_or(incident.opened_at);
            self.tally.detection.observe(found_at.since(began));
        }
        let managed = incident.unit.as_ref().is_some_and(|unit| self.units.contains_key(unit));
        let recovered = incident.part_of.is_none() && managed && !incident.drill;
        let open = before.is_none_or(|known| known.resolved_at.is_none());
        if let Some(at) = incident.resolved_at.filter(|_| recovered && open) {
            self.tally.recovery.observe(at.since(incident.opened_at));
        }
    }

    /// An action is performed, and what it follows from is saved: orders count now.
    pub fn performed(&mut self, action: &Action) {
        let (Action::StartUnit { unit, order, .. } | Action::RestartUnit { unit, order, .. }) = action else {
            return;
        };
        if let Some(known) = self.units.get_mut(unit) {
            known.count_order(*order);
            self.repainted.insert(unit.clone());
        }
    }

    /// Whether saving is to be tried again: `Err` says why not yet.
    ///
    /// # Errors
    /// Why nothing can be saved just now.
    pub fn may_save(&self, now: Moment) -> Result<(), String> {
        match self.host.save_failure() {
            Some(failure) if failure.retry_at() > now => Err(failure.why.clone()),
            Some(_) | None => Ok(()),
        }
    }

    /// The durable state cannot be saved.
    #[must_use]
    pub fn is_failing(&self) -> bool {
        self.host.save_failure().is_some()
    }

    /// What was decided could not be saved and is taken back to what is durable. What is managed stays managed, this boot is
    /// entered again, and people whose order is gone with it are told. Of `actions` and answers only what changes nothing
    /// outside is left to be done.
    pub fn take_back(
        &mut self,
        saved: &Durable,
        actions: Vec<Action>,
        why: &str,
        now: Moment,
    ) -> Vec<Action> {
        self.now = now;
        let decided: Vec<(UnitName, UnitDurable)> =
            self.units.iter().map(|(unit, known)| (unit.clone(), known.kept().clone())).collect();
        self.restore(saved);
        let mut answers = Vec::new();
        for (name, decided) in decided {
            let refused = unsaved(why);
            self.with(&name, |unit, _| unit.take_back(decided, &refused));
            self.show(&name);
            answers.append(&mut self.actions);
        }
        self.await_leavers();
        // What nobody watches is found anew, and told then.
        self.host_codes = None;
        self.gaps.soon(now);
        actions.into_iter().filter_map(|action| self.still_done(action, why)).chain(answers).collect()
    }

    fn restore(&mut self, saved: &Durable) {
        let Durable { meta, units, incidents, links, events } = saved;
        self.boot_id.clone_from(&meta.boot_id);
        self.next_order = meta.next_order.max(1);
        self.regressions = Regressions::resume(meta.worse.clone());
        self.incidents.take_back(incidents, meta.next_incident);
        self.links.clone_from(links);
        self.log.take_back(events);
        self.strangers = units.clone();
        for (name, unit) in &mut self.units {
            unit.restore(self.strangers.remove(name).unwrap_or_default());
        }
        self.changed_units.clear();
        self.changed_links.clear();
        self.enter_boot();
    }

    /// What is done although what was decided with it is not durable; an order is not.
    fn still_done(&mut self, action: Action, why: &str) -> Option<Action> {
        match action {
            Action::StartUnit { .. }
            | Action::RestartUnit { .. }
            | Action::EnableUnit { .. }
            | Action::EndProcesses { .. }
            | Action::KillMainProcess { .. }
            | Action::RunSmokeTest { .. }
            | Action::Drain { .. }
            | Action::DraftPostmortem { .. } => None,
            Action::CaptureEvidence { incident, .. } => {
                self.incidents.cancel_look(incident);
                None
            }
            Action::SendAlert { sink, .. } => {
                self.alerts.take_back(&sink.name);
                None
            }
            Action::Silence { sink, silence } => {
                self.with(&silence.unit, |unit, _| unit.silence_taken_back(&sink.name));
                None
            }
            Action::AskLock { unit, .. } => {
                self.with(&unit, |unit, _| unit.lock_taken_back());
                None
            }
            Action::AnswerOperator { request, .. } => {
                Some(Action::AnswerOperator { request, answer: unsaved(why) })
            }
            Action::WatchUnits { .. }
            | Action::ReadAllUnits
            | Action::ReadPackageManager
            | Action::ReadEnablement { .. }
            | Action::PredictBoot
            | Action::AuditHost { .. }
            | Action::ReadWindow { .. }
            | Action::WatchLinks { .. }
            | Action::InspectProcesses { .. }
            | Action::RunProbe { .. }
            | Action::SampleProgress { .. }
            | Action::AskPeers { .. }
            | Action::Record(_) => Some(action),
        }
    }
}

impl Log {
    /// This boot's clock is another one.
    pub fn shift(&mut self, change: &mut dyn FnMut(&mut Moment)) {
        let mut kept = self.kept().clone();
        kept.each_moment(change);
        self.take_back(&kept);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::finding::{Code, Severity};
    use crate::model::observation::Observation;
    use crate::model::spec::{Selector, Settings, Spec};
    use crate::model::state::{Hold, HoldKind, LastAction, OrderKind};
    use crate::model::unit::{ActiveState, LoadState, UnitReading};
    use crate::model::will::UnitResult;
    use crate::policy::judgement::finding;

    const AT: Moment = Moment { boot_ms: 100_000, wall_ms: 1_000_100_000 };

    fn at(seconds: u64) -> Moment {
        AT.plus(Duration::from_secs(seconds))
    }

    fn shop() -> UnitName {
        UnitName::from("shop.service")
    }

    fn loaded(durable: Durable, specs: Vec<Spec>) -> State {
        let mut state = State::new(durable);
        let settings = Settings::default();
        state.turn(Observation::UnitFilesLoaded { settings, specs, problems: Vec::new() }, AT);
        state
    }

    fn spec() -> Spec {
        Spec::of_empty_file(Selector::Unit(shop()), String::new())
    }

    fn incident(opened_at: Moment, resolved_at: Option<Moment>) -> Incident {
        let cause = finding(Code::UnitFailed, Severity::Critical, "it failed", opened_at);
        let began_at = Some(at(5));
        Incident { began_at, resolved_at, ..Incident::new(7, Some(shop()), &cause, opened_at) }
    }

    fn told(state: &mut State, before: Option<&Incident>, now: Incident) -> (Duration, Duration) {
        let incidents = before.cloned().map(|known| (7, known)).into_iter().collect();
        let before = Durable { incidents, ..Durable::default() };
        state.saved(&before, &[Change::Incident(7, Some(now))]);
        (state.tally.detection.sum, state.tally.recovery.sum)
    }

    #[test]
    fn an_incident_counts_when_it_opens_and_when_it_is_over() {
        let (zero, two, nine) = (Duration::ZERO, Duration::from_secs(2), Duration::from_secs(9));
        let mut state = loaded(Durable::default(), vec![spec()]);
        let open = incident(at(7), None);
        assert_eq!(told(&mut state, None, open.clone()), (two, zero));
        let over = incident(at(7), Some(at(16)));
        assert_eq!(told(&mut state, Some(&open), over.clone()), (two, nine));
        // What was counted is not counted again.
        assert_eq!(told(&mut state, Some(&over), over.clone()), (two, nine));
        assert_eq!(told(&mut state, Some(&open), Incident { part_of: Some(3), ..over.clone() }), (two, nine));
        // Both at once.
        assert_eq!(told(&mut state, None, over.clone()), (two * 2, nine * 2));
        let mut unmanaged = loaded(Durable::default(), Vec::new());
        assert_eq!(told(&mut unmanaged, Some(&open), over), (zero, zero));
    }

    #[test]
    fn an_order_counts_under_the_finding_that_asked_for_it_also_when_it_is_over() {
        let last = LastAction {
            action: OrderKind::Start,
            because: Some(Code::UnitFailed),
            at: at(9),
            outcome: "abandoned".to_owned(),
            ok: false,
            steps: Vec::new(),
        };
        let kept = UnitDurable { last_action: Some(last), ..UnitDurable::default() };
        let units = [(shop(), kept)].into();
        let mut state = loaded(Durable { units, ..Durable::default() }, vec![spec()]);
        let limit = Duration::from_secs(1);
        state.repainted.clear();
        state.performed(&Action::RestartUnit { unit: shop(), order: 4, limit });
        state.performed(&Action::ReadAllUnits);
        assert!(state.repainted.contains(&shop()), "the picture of it is made anew");
        let mut picture = Default::default();
        state.publish(&mut picture, at(1));
        let restarts = picture.units.get(&shop()).map(|unit| unit.tally.restarts.clone());
        assert_eq!(restarts, Some([(Some(Code::UnitFailed), 1)].into()));
    }

    #[test]
    fn that_a_stopped_unit_was_started_in_vain_is_not_forgotten_because_a_disk_is_full() {
        let hold = Hold {
            kind: HoldKind::ManualStop,
            since: at(1),
            stopped_run: Some("a".to_owned()),
            until: Some(at(1800)),
            asked: None,
        };
        let kept = UnitDurable { hold: Some(hold), ..UnitDurable::default() };
        let durable = Durable { units: [(shop(), kept)].into(), ..Durable::default() };
        let mut state = loaded(durable.clone(), vec![spec()]);
        let held = |state: &State| state.units.get(&shop()).is_some_and(|unit| unit.kept().hold.is_some());
        assert!(held(&state), "it is stopped");
        let reading = UnitReading {
            active: ActiveState::Failed,
            result: UnitResult::ExitCode,
            invocation: "b".to_owned(),
            ..UnitReading::unloaded(LoadState::Loaded)
        };
        state.turn(Observation::UnitChanged { unit: shop(), reading }, at(9));
        assert!(!held(&state), "it was started, in vain");
        assert!(state.take_back(&durable, Vec::new(), "disk full", at(9)).is_empty());
        assert!(!held(&state), "what is kept says stopped, and systemd does not");
    }
}
