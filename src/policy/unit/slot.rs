//! A slot of the fleet: before a restart takes a working process away, one is asked of the lock server. It is given back when what
//! came after is proven, and not before: a release that does not work ends there.

use crate::model::action::Action;
use crate::model::finding::{Code, ConditionKind, Finding, Severity};
use crate::model::fleet::{Holder, LockSpec, Slot, SlotAsk, SlotSaid, SlotSpec, SlotState};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::span::span;
use crate::model::state::OrderKind;
use crate::policy::gate::Gate;
use crate::policy::judgement::{finding, proven};
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;

/// What is under way to the lock server, and what it said last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lock {
    /// A restart that is due waits for nothing else.
    pub(super) wished: bool,
    /// Since when a person waits for one.
    person: Option<Moment>,
    /// Nothing is heard of what was asked any more then.
    until: Option<Moment>,
    retry_at: Option<Moment>,
    /// So many questions were in vain, one after the other.
    failed: u32,
    refusal: Option<Refusal>,
    /// Since when there is none, for whatever reason.
    busy_since: Option<Moment>,
}

/// Why there is no slot.
#[derive(Clone, Debug, PartialEq)]
struct Refusal {
    /// Since when for the same reason, and when it was last so.
    since: Moment,
    at: Moment,
    why: Why,
}

#[derive(Clone, Debug, PartialEq)]
enum Why {
    Busy(Vec<Holder>),
    /// Nobody answers, one clause.
    Away(String),
}

impl Lock {
    fn refused(&mut self, why: Why, now: Moment) {
        let same = |known: &Why| match (known, &why) {
            (Why::Busy(known), Why::Busy(now)) => {
                known.first().map(|holder| &holder.name) == now.first().map(|holder| &holder.name)
            }
            (Why::Away(_), Why::Away(_)) => true,
            (Why::Busy(_) | Why::Away(_), _) => false,
        };
        let since = self.refusal.as_ref().filter(|known| same(&known.why)).map_or(now, |known| known.since);
        self.failed = if matches!(why, Why::Away(_)) { self.failed.saturating_add(1) } else { 0 };
        let busy_since = *self.busy_since.get_or_insert(now);
        let pause = match self.failed {
            // Who has waited for long may wait a little longer: many wait at a time.
            0 => (now.since(busy_since) / 8).clamp(limits::LOCK_BUSY, limits::LONGEST_LOCK_BUSY),
            failed => limits::alert_retry(failed).min(limits::LOCK_AWAY),
        };
        (self.until, self.retry_at) = (None, Some(now.plus(pause)));
        self.refusal = Some(Refusal { since, at: now, why });
    }
}

impl Unit {
    /// The group of which a restart of it needs a slot.
    fn slot_group<'a>(&'a self, view: &View<'a>) -> Option<&'a str> {
        let lock = view.host.settings().lock.as_ref()?;
        match &self.spec.slot {
            SlotSpec::Usual => lock.group.as_deref(),
            SlotSpec::Group(group) => Some(group),
            SlotSpec::Free => None,
        }
    }

    /// This order would take a working process away, and a slot is needed for that.
    pub(super) fn needs_slot(&self, kind: OrderKind, view: &View<'_>) -> bool {
        kind == OrderKind::Restart && self.run.is_up() && self.slot_group(view).is_some()
    }

    /// It has no slot that it needs for this order.
    pub(super) fn lacks_slot(&self, kind: OrderKind, view: &View<'_>) -> Option<Gate> {
        let group = self.slot_group(view).filter(|_| self.needs_slot(kind, view))?;
        let held = |slot: &Slot| slot.group == group && slot.state == SlotState::Held;
        if self.kept.slot.as_ref().is_some_and(held) {
            return None;
        }
        Some(Gate::because(match self.lock.refusal.as_ref().map(|refusal| &refusal.why) {
            None => format!("a slot of the fleet group {group} is asked for"),
            Some(Why::Busy(holders)) => {
                format!("no slot of the fleet group {group} is free: {}", told(holders))
            }
            Some(Why::Away(why)) => format!("the lock server of the fleet does not answer: {why}"),
        }))
    }

    /// It would take it from its work, which needs a slot; a drill waits for none.
    pub(super) fn drills_without_slot(&self, view: &View<'_>) -> Option<Gate> {
        let group = self.slot_group(view)?;
        Some(Gate::because(format!(
            "it would take {} from its work without a slot of the fleet group {group}",
            self.name
        )))
    }

    /// A person waits for a restart that needs a slot. `Err`: none is free, or nobody answers.
    pub(super) fn slot_for_person(&mut self, kind: OrderKind, view: &View<'_>) -> Result<bool, String> {
        let Some(gate) = self.lacks_slot(kind, view) else {
            self.lock.person = None;
            return Ok(true);
        };
        let asked = *self.lock.person.get_or_insert(view.now);
        if self.lock.refusal.as_ref().is_none_or(|refusal| refusal.at <= asked) {
            self.lock.retry_at = None;
            return Ok(false);
        }
        self.lock.person = None;
        Err(format!("{}; without one: systemctl restart {}", gate.why, self.name))
    }

    /// The job is given: from here on the slot is kept until the unit is proven.
    pub(super) fn use_slot(&mut self) {
        if let Some(slot) = self.kept.slot.as_mut().filter(|slot| slot.state == SlotState::Held) {
            slot.used = true;
        }
    }

    /// It is not proven: whether the slot is still there, or people gave it back, is asked before another restart.
    pub(super) fn doubt_slot(&mut self) {
        if let Some(slot) = self.kept.slot.as_mut().filter(|slot| slot.state == SlotState::Held) {
            slot.state = SlotState::Asked;
        }
    }

    /// What came after the process that was taken away is proven.
    pub(super) fn free_slot(&mut self) {
        if let Some(slot) = &mut self.kept.slot {
            slot.used = false;
        }
    }

    fn wishes_slot(&self) -> bool {
        let restarts = |kind| kind == OrderKind::Restart;
        let ordered = self.kept.recovery.as_ref().is_some_and(|order| restarts(order.kind));
        let used = self.kept.slot.as_ref().is_some_and(|slot| slot.used);
        // An order that began without one needs none.
        let held = self.kept.slot.is_some();
        let person = self.lock.person.is_some() && !self.callers.is_empty();
        self.lock.wished || person || used || (ordered && held)
    }

    /// Brings the lock server to what is wished.
    pub fn keep_slot(&mut self, view: &View<'_>) {
        let now = view.now;
        let Some(lock) = view.host.settings().lock.clone() else {
            if let Some(slot) = self.kept.slot.take() {
                let message =
                    format!("no lock server is named any more: a slot of {} may be left there", slot.group);
                self.out.note(EventKind::Notice, None, message);
            }
            self.lock = Lock::default();
            return;
        };
        if self.lock.until.is_some_and(|until| until <= now) {
            self.lock.refused(Why::Away("no answer came in time".to_owned()), now);
        }
        if self.kept.slot.as_ref().is_some_and(|slot| slot.used) && self.is_sound(now) {
            self.free_slot();
        }
        let group = self.slot_group(view).map(str::to_owned);
        let wished = self.wishes_slot();
        let ordered = self.kept.recovery.is_some();
        match (&mut self.kept.slot, group) {
            (None, Some(group)) if wished => {
                self.kept.slot = Some(Slot { group, since: now, state: SlotState::Asked, used: false });
            }
            (None, _) => {
                self.lock = Lock { until: self.lock.until, ..Lock::default() };
                return;
            }
            (Some(slot), group)
                if !wished
                    || (!slot.used
                        && !ordered
                        && group.as_ref().is_some_and(|group| *group != slot.group)) =>
            {
                slot.state = SlotState::Leaving;
            }
            (Some(slot), _) if slot.state == SlotState::Leaving => slot.state = SlotState::Asked,
            (Some(_), _) => {}
        }
        self.ask_lock(lock, view);
        self.await_fleet_trouble(view);
    }

    fn ask_lock(&mut self, lock: LockSpec, view: &View<'_>) {
        let now = view.now;
        let Some(slot) = self.kept.slot.as_ref().filter(|slot| slot.state != SlotState::Held) else {
            return;
        };
        if let Some(at) = self.lock.until.or(self.lock.retry_at.filter(|at| *at > now)) {
            self.look_again(at);
            return;
        }
        let (group, machine) = (slot.group.clone(), view.host.here().machine_id.clone());
        let ask = match slot.state {
            SlotState::Leaving => SlotAsk::Leave { machine },
            SlotState::Asked | SlotState::Held => SlotAsk::Take { what: self.slot_for(), machine },
        };
        let until = now.plus(lock.limit.saturating_add(limits::LOCK_SLACK));
        self.lock.until = Some(until);
        self.look_again(until);
        let holder = format!("{}/{}", view.host.here().name, self.name);
        self.act(Action::AskLock { unit: self.name.clone(), lock, group, holder, ask });
    }

    fn slot_for(&self) -> String {
        let because = match (&self.kept.recovery, &self.plan.next) {
            (Some(order), _) => order.because,
            (None, next) => next.as_ref().map(|next| next.because),
        };
        match because.filter(|_| self.lock.person.is_none()) {
            Some(code) => format!("restart because of {}", code.as_str()),
            None => "restart as a person asked".to_owned(),
        }
    }

    /// The lock server answered, or why nothing is known.
    pub fn lock_answered(&mut self, said: Result<SlotSaid, String>, now: Moment) {
        let Some(slot) = &mut self.kept.slot else {
            return;
        };
        let group = &slot.group;
        let news = match (said, slot.state) {
            (Err(why), _) => {
                self.lock.refused(Why::Away(why), now);
                return;
            }
            (Ok(SlotSaid::Busy(holders)), SlotState::Asked) => {
                self.kept.slot = None;
                self.lock.refused(Why::Busy(holders), now);
                return;
            }
            (Ok(SlotSaid::Ours), SlotState::Asked) => {
                slot.state = SlotState::Held;
                format!("it has a slot of the fleet group {group}")
            }
            (Ok(SlotSaid::Left), SlotState::Leaving) => {
                let message = format!("its slot of the fleet group {group} is given back");
                self.kept.slot = None;
                message
            }
            // What it answered was asked before something else was wished.
            (Ok(_), _) => {
                (self.lock.until, self.lock.retry_at) = (None, None);
                return;
            }
        };
        self.lock = Lock { person: self.lock.person, ..Lock::default() };
        self.out.note(EventKind::Notice, None, format!("{}: {news}", self.name));
    }

    /// What was to be asked could not be saved: it is not under way.
    pub fn lock_taken_back(&mut self) {
        self.lock.until = None;
    }

    /// It is not managed any more: its slot is given back, once.
    pub(super) fn leave_slot(&mut self, view: &View<'_>) {
        if let (Some(slot), Some(lock)) = (&mut self.kept.slot, view.host.settings().lock.clone()) {
            slot.state = SlotState::Leaving;
            self.lock = Lock::default();
            self.ask_lock(lock, view);
            self.kept.slot = None;
        }
    }

    /// Whatever it took: it runs, and nothing is wrong with it.
    fn is_sound(&self, now: Moment) -> bool {
        let steady = self.lasts_at().is_some_and(|at| at <= now);
        let well = [
            ConditionKind::Active,
            ConditionKind::Release,
            ConditionKind::Serving,
            ConditionKind::Progressing,
        ];
        let stale = self.findings.iter().any(|found| found.code.is_stale_release());
        let judged = !self.is_off() && !stale && well.into_iter().all(|kind| self.is_well_in(kind));
        self.kept.recovery.is_none() && steady && judged && self.is_calm()
    }

    /// What is found about the fleet, and when it is to be looked at again.
    pub(super) fn fleet_trouble(&self, view: &View<'_>) -> Option<Finding> {
        let lock =
            view.host.settings().lock.as_ref().filter(|_| self.wishes_slot() || self.kept.slot.is_some())?;
        let Refusal { since, why, .. } = self.lock.refusal.as_ref()?;
        let lasts = view.now.since(*since);
        match why {
            Why::Away(why) if lasts >= limits::LOCK_AWAY => {
                let deleted = self.has(Code::ReleaseDeleted) && lasts >= lock.patience;
                let severity = if deleted { self.spec.severity } else { Severity::Warning };
                let leaves = self.kept.slot.as_ref().is_some_and(|slot| slot.state == SlotState::Leaving);
                let then = if leaves {
                    "a slot that it may have there is given back when it answers"
                } else {
                    "restarts of what works wait for it"
                };
                let message = format!("the lock server of the fleet does not answer: {why}; {then}");
                Some(finding(Code::FleetUnreachable, severity, message, *since))
            }
            Why::Busy(holders) if lasts >= lock.patience => {
                let name = holders.first().map_or("", |holder| holder.name.as_str());
                let host = name.split('/').next().unwrap_or_default();
                let message = format!("no slot has been free for {}: {}", span(lasts), told(holders));
                let found = finding(Code::FleetSlotStuck, Severity::Warning, message, *since).about(name);
                let repair =
                    (!host.is_empty()).then(|| format!("steadfast fleet release {host} --reason WHY"));
                Some(proven(found, vec!["steadfast fleet".to_owned()], repair))
            }
            Why::Away(_) | Why::Busy(_) => None,
        }
    }

    /// Looks again when what is refused is to be told.
    fn await_fleet_trouble(&mut self, view: &View<'_>) {
        let patience = view.host.settings().lock.as_ref().map(|lock| lock.patience);
        let since = self.lock.refusal.as_ref().map(|refusal| refusal.since);
        let ends = since
            .zip(patience)
            .map(|(since, patience)| [since.plus(limits::LOCK_AWAY), since.plus(patience)]);
        self.look_again_if(ends.into_iter().flatten().filter(|at| *at > view.now).min());
    }
}

/// Who has the slots, one clause.
fn told(holders: &[Holder]) -> String {
    let one = |holder: &Holder| match (&holder.what, holder.name.is_empty()) {
        (Some(what), true) => what.clone(),
        (Some(what), false) => format!("{} has one ({what})", holder.name),
        (None, _) => format!("{} has one", holder.name),
    };
    let named: Vec<String> = holders.iter().take(limits::EVIDENCE_LINES).map(one).collect();
    named.join(", ")
}
