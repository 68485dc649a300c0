//! Holds: a person wants the unit to be left alone, or has stopped it.

use std::time::Duration;

use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::span::span;
use crate::model::spec::Mode;
use crate::model::state::{Hold, HoldKind, NextAction, OrderKind, Plan};
use crate::model::unit::{ActiveState, LoadState, UnitFileState, UnitName, UnitReading};
use crate::policy::effects::Out;
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;

impl Unit {
    /// A person stopped it, or it was stopped along with another unit.
    pub(super) fn is_stopped_on_purpose(&self) -> bool {
        self.kept.hold.as_ref().is_some_and(Hold::is_stop)
    }

    /// A person stopped it; it may be held by one for longer since.
    pub(super) fn is_stopped_by_people(&self) -> bool {
        let hold = self.kept.hold.as_ref().filter(|hold| hold.is_stop());
        hold.is_some_and(|hold| !matches!(hold.kind, HoldKind::StoppedWith { .. }))
    }

    /// What follows the end of its hold, one clause.
    #[must_use]
    pub fn after_hold(&self) -> Option<String> {
        let hold = self.kept.hold.as_ref()?;
        let acts = self.spec.mode == Mode::Act;
        Some(match &hold.kind {
            _ if !acts => "then it is observed as before".to_owned(),
            HoldKind::StoppedWith { unit, conflicts: false } => {
                format!("the hold ends when {unit} is up again")
            }
            HoldKind::StoppedWith { unit, conflicts: true } => {
                format!("the hold ends when {unit} is down again")
            }
            _ if hold.is_stop() && self.is_masked() => "it is masked: nothing starts it".to_owned(),
            _ if hold.is_stop() && self.is_missing() => "it has no unit file: nothing starts it".to_owned(),
            _ if hold.is_stop() && !self.spec.recovery.start => {
                "then it stays down: its file says start = false".to_owned()
            }
            _ if hold.is_stop() && hold.until.is_none() => {
                "it stays down until somebody starts it".to_owned()
            }
            _ if hold.is_stop() => "then it is started again".to_owned(),
            HoldKind::Operator { .. } | HoldKind::ManualStop => match &self.plan.next {
                Some(next) => format!("then: {} because of {}", next.action.as_str(), next.because.as_str()),
                None => "then Steadfast acts on it again".to_owned(),
            },
        })
    }

    /// What follows a person's stop, and how to keep the unit down.
    pub(super) fn stop_ends_in(&self) -> Option<String> {
        let hold = self.kept.hold.as_ref()?;
        let recovery = &self.spec.recovery;
        if self.is_masked() {
            return Some("it is masked, and stays down until it is unmasked and started".to_owned());
        }
        if self.is_missing() {
            return Some("it has no unit file, and stays down".to_owned());
        }
        let until = hold.until.filter(|_| recovery.start && self.spec.mode == Mode::Act);
        Some(match until {
            Some(until) => format!(
                "it is started again {} after that, unless it is held (steadfast hold {} --for 8h --reason WHY)",
                span(until.since(hold.since)),
                self.name
            ),
            None => "it stays down until somebody starts it".to_owned(),
        })
    }

    /// What comes next, as people are shown it: also what follows a stop.
    pub(super) fn shown_plan(&self) -> Plan {
        let starts = self.acts() && !self.is_masked() && !self.is_missing();
        let until = self.kept.hold.as_ref().filter(|hold| hold.is_stop()).and_then(|hold| hold.until);
        let start = until.filter(|_| starts && self.is_stopped_by_people() && self.plan.next.is_none());
        let next = start.map(|due_at| NextAction {
            action: OrderKind::Start,
            due_at,
            because: Code::UnitStoppedByOperator,
        });
        Plan { next: self.plan.next.clone().or(next), ..self.plan.clone() }
    }

    /// There is no unit file of it.
    pub(super) fn is_missing(&self) -> bool {
        self.run.reading().is_some_and(|reading| reading.load == LoadState::NotFound)
    }

    fn is_masked(&self) -> bool {
        matches!(self.enablement, Some(UnitFileState::Masked | UnitFileState::MaskedRuntime))
    }

    /// Ends a hold whose time has come. What was stopped along with another unit is held as long as that one is kept down.
    pub(super) fn expire_hold(&mut self, view: &View<'_>) {
        let Some(hold) = &mut self.kept.hold else {
            return;
        };
        if let HoldKind::StoppedWith { unit, conflicts: false } = &hold.kind
            && let Some((_, until)) = view.peers.kept_down(unit)
        {
            hold.until = hold.until.zip(*until).map(|(known, until)| known.max(until));
        }
        let Some(until) = hold.until else {
            return;
        };
        if until > view.now {
            self.look_again(until);
            return;
        }
        self.bid(view.now);
        self.kept.hold = None;
        self.out.note(EventKind::Decided, None, format!("the hold of {} has ended", self.name));
    }

    /// A person wants it to be left alone for so long. Returns the answer.
    pub fn hold(&mut self, who: String, length: Duration, reason: String, now: Moment) -> String {
        let kind = HoldKind::Operator { who: who.clone(), reason: reason.clone() };
        let known = self.kept.hold.take();
        // A lease that is renewed, or given back, is no news.
        let renewed = known.as_ref().filter(|known| known.kind == kind).map(|known| known.since);
        let down = self.run.reading().is_some_and(|reading| reading.active == ActiveState::Inactive);
        let stop = known.filter(|known| known.kind.is_implicit() || down);
        // It never shortens the hold that a stop is, or has made longer.
        let until = now.plus(length);
        let until = stop.as_ref().map_or(Some(until), |known| known.until.map(|known| known.max(until)));
        let stopped_run = stop.as_ref().and_then(|known| known.stopped_run.clone());
        let asked = Some(now.plus(length));
        let longer = until.filter(|until| Some(*until) > asked).map(|until| span(until.since(now)));
        let lasts = longer.map_or_else(|| span(length), |longer| format!("{longer}, as long as its stop"));
        let text = format!("{} is held by {who} for {lasts}: {reason}", self.name);
        self.kept.hold = Some(Hold { kind, since: renewed.unwrap_or(now), stopped_run, until, asked });
        let message = self.after_hold().map_or(text.clone(), |then| format!("{text}; {then}"));
        if renewed.is_none() {
            self.out.note(EventKind::Decided, None, message.clone());
        }
        message
    }

    /// It is about to be let go: what was stopped on purpose, or with another, is no trouble of its own until its start has failed.
    pub(super) fn bid(&mut self, now: Moment) {
        if self.run.is_down() && self.is_stopped_on_purpose() {
            self.bidden = Some(now);
        }
    }

    /// The start that was bidden is over, or does not come.
    pub(super) fn follow_bid(&mut self, now: Moment) {
        let Some(at) = self.bidden.filter(|_| self.kept.recovery.is_none()) else {
            return;
        };
        let failed = self.kept.last_action.as_ref().is_some_and(|last| last.at >= at && !last.ok);
        // How it ended is judged once that is settled.
        let settled = self.run.since().plus(limits::DEATH_DEBOUNCE);
        let until = if failed { settled } else { at.plus(limits::BIDDEN) };
        if self.run.is_up() || until <= now {
            self.bidden = None;
        } else {
            self.look_again(until);
        }
    }

    /// A person ends what keeps it from being acted on. Returns the answer.
    pub fn resume(&mut self, who: &str, now: Moment) -> String {
        let mut was = Vec::new();
        self.bid(now);
        was.extend(self.kept.hold.take().map(|_| "hold"));
        was.extend(self.kept.disabling.take().map(|_| "the wait after it was disabled"));
        was.extend(self.kept.quarantine.take().map(|_| "quarantine"));
        was.extend(self.kept.mismatch.take().map(|_| "boot-mismatch"));
        if was.is_empty() {
            return format!("{} was neither held nor in quarantine", self.name);
        }
        self.kept.spent.clear();
        self.kept.smoke_failure = None;
        let message = format!("{}: {} ended by {who}", self.name, was.join(" and "));
        self.out.note(EventKind::Decided, None, message.clone());
        message
    }

    /// Another unit was read: where this one was stopped along with it, or for it, that may be over. Says whether it is.
    pub fn release_from(&mut self, other: &UnitName, reading: &UnitReading, now: Moment) -> bool {
        let (up, down) = (reading.active.is_up(), reading.active.is_down());
        let over = |hold: &Hold| match &hold.kind {
            HoldKind::StoppedWith { unit, conflicts } => unit == other && if *conflicts { down } else { up },
            HoldKind::Operator { .. } | HoldKind::ManualStop => false,
        };
        let released = self.kept.hold.as_ref().is_some_and(over);
        if released {
            self.bid(now);
            self.kept.hold = None;
            let fate = if down { "down" } else { "up again" };
            let message = format!("the hold of {} has ended: {other} is {fate}", self.name);
            self.out.note(EventKind::Decided, None, message);
            self.freed_at = Some(now);
            self.out.push(Out::Follow);
        }
        released
    }

    /// The unit along with which, or for which, it was stopped.
    #[must_use]
    pub fn stopped_with(&self) -> Option<&UnitName> {
        match &self.kept.hold.as_ref()?.kind {
            HoldKind::StoppedWith { unit, .. } => Some(unit),
            HoldKind::Operator { .. } | HoldKind::ManualStop => None,
        }
    }

    /// It should run, does not, and nobody stopped it.
    #[must_use]
    pub fn has_died(&self) -> bool {
        self.kept.hold.is_none() && self.run.is_loaded() && self.run.is_down()
    }
}
