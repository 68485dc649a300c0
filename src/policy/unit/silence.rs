//! While a person holds a unit, its alerts are silenced in Alertmanager, never for longer than the hold. Each Alertmanager is brought
//! to what the hold says; a silence has a key of ours that survives our crash, so that it is neither lost nor made twice.

use std::collections::BTreeMap;

use crate::model::action::Action;
use crate::model::alert::{Silence, SinkSpec};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::state::{HoldKind, SilencedAt, Silencing};
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;

/// What is under way to one Alertmanager, or was in vain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attempt {
    /// Nothing is heard of it any more then.
    until: Option<Moment>,
    /// So many were in vain, one after the other.
    failed: u32,
    retry_at: Option<Moment>,
}

/// What an Alertmanager is to be told: the silence ends then, or (`None`) now.
pub type Wish = Option<Moment>;

impl Unit {
    /// Brings the Alertmanagers to what the hold says.
    pub fn silence(&mut self, view: &View<'_>) {
        self.follow_hold(view);
        if self.kept.silencing.is_none() {
            self.silenced.clear();
            return;
        }
        for sink in view.host.settings().sinks.iter().filter(|sink| sink.kind.silences()) {
            self.silence_in(sink, view);
        }
    }

    /// What is wished follows the hold of a person.
    fn follow_hold(&mut self, view: &View<'_>) {
        let now = view.now;
        let all = &view.host.settings().sinks;
        let named = |name: &String| all.iter().any(|sink| sink.name == *name && sink.kind.silences());
        let hold = self.kept.hold.as_ref().and_then(|hold| match &hold.kind {
            HoldKind::Operator { who, reason } => Some((who.clone(), reason.clone(), hold.until)),
            HoldKind::ManualStop | HoldKind::StoppedWith { .. } => None,
        });
        let Some(known) = &mut self.kept.silencing else {
            let Some((who, reason, until)) = hold.filter(|_| all.iter().any(|sink| sink.kind.silences()))
            else {
                return;
            };
            let until = until.unwrap_or_else(|| now.plus(limits::LONGEST_SILENCE));
            let sinks = BTreeMap::new();
            self.kept.silencing = Some(Silencing { since: now, until, who, reason, over: false, sinks });
            return;
        };
        // One that is no sink any more cannot be told.
        known.sinks.retain(|name, _| named(name));
        known.over = hold.is_none();
        if let Some((who, reason, until)) = hold {
            let renewed = || if known.until > now { known.until } else { now.plus(limits::LONGEST_SILENCE) };
            known.until = until.unwrap_or_else(renewed);
            (known.who, known.reason) = (who, reason);
        } else {
            // What has reached its end is over there as well; one that was told of a longer hold is not.
            known.sinks.retain(|_, at| at.until > now);
            if known.sinks.is_empty() {
                self.kept.silencing = None;
            }
        }
    }

    fn silence_in(&mut self, sink: &SinkSpec, view: &View<'_>) {
        let now = view.now;
        let attempt = self.silenced.entry(sink.name.clone()).or_default();
        if attempt.until.is_some_and(|until| until <= now) {
            attempt.failed(now);
        }
        let Some(known) = &mut self.kept.silencing else {
            return;
        };
        if let Some(at) = attempt.until.or(attempt.retry_at.filter(|at| *at > now)) {
            self.look_again(at);
            return;
        }
        let wish = match known.wish(&sink.name, now) {
            Ok(wish) => wish,
            Err(later) => {
                self.look_again_if(later);
                return;
            }
        };
        // Whether it arrived may never be heard: from now on there may be one.
        if let Some(until) = wish {
            let at = known.sinks.entry(sink.name.clone()).or_insert(SilencedAt { until, sure: None });
            at.until = at.until.max(until);
        }
        let silence = Silence {
            host: view.host.here().name.clone(),
            unit: self.name.clone(),
            key: format!("{}/{}/{}", view.host.here().name, self.name, known.since.wall_ms),
            who: known.who.clone(),
            reason: known.reason.clone(),
            until: wish,
        };
        let until = now.plus(limits::SILENCE_GIVEN_UP);
        attempt.until = Some(until);
        self.look_again(until);
        self.act(Action::Silence { sink: sink.clone(), silence: Box::new(silence) });
    }

    /// An Alertmanager took it, or did not. `wish`: what it was told.
    pub fn silence_told(&mut self, sink: &str, (wish, result): (Wish, Result<(), String>), now: Moment) {
        let Some(attempt) = self.silenced.get_mut(sink) else {
            return;
        };
        let name = &self.name;
        if let Err(why) = result {
            attempt.failed(now);
            if attempt.failed == 1 {
                let message = match wish {
                    Some(_) => {
                        format!("cannot silence {name} in {sink}: {why}; its alerts fire there meanwhile")
                    }
                    None => format!(
                        "cannot end the silence of {name} in {sink}: {why}; it ends there with the hold's time"
                    ),
                };
                self.out.note(EventKind::Notice, None, message);
            }
            return;
        }
        *attempt = Attempt::default();
        let Some(known) = &mut self.kept.silencing else {
            return;
        };
        let before = known.sinks.get(sink).and_then(|at| at.sure);
        let message = match wish {
            Some(until) => {
                known.sinks.insert(sink.to_owned(), SilencedAt { until, sure: Some(until) });
                before
                    .is_none()
                    .then(|| format!("{sink}: the alerts of {name} are silenced while it is held"))
            }
            None => {
                known.sinks.remove(sink);
                Some(format!("{sink}: the alerts of {name} are no longer silenced"))
            }
        };
        if let Some(message) = message {
            self.out.note(EventKind::Told, None, message);
        }
    }

    /// What was to be told could not be saved: it is not under way.
    pub fn silence_taken_back(&mut self, sink: &str) {
        self.silenced.remove(sink);
    }
}

impl Attempt {
    fn failed(&mut self, now: Moment) {
        self.failed = self.failed.saturating_add(1);
        self.retry_at = Some(now.plus(limits::alert_retry(self.failed)));
        self.until = None;
    }
}

impl Silencing {
    /// What this Alertmanager is to be told now. `Err`: nothing; when to look again.
    fn wish(&self, sink: &str, now: Moment) -> Result<Wish, Option<Moment>> {
        let told = self.sinks.get(sink);
        if self.over {
            return told.map(|_| None).ok_or(None);
        }
        let known = told.and_then(|at| at.sure);
        match known {
            // It is over before it would be there.
            _ if self.until.since(now) < limits::SHORTEST_SILENCE => Err(None),
            Some(known) if known == self.until => Err(None),
            // A lease is renewed again and again: told anew shortly before what was told ends.
            Some(known) if known < self.until && self.until.since(now) <= limits::LEASE => {
                let at = known.boot_ms.saturating_sub(crate::model::moment::millis(limits::LEASE_LEFT));
                let at = now.at_boot_ms(at);
                if at > now { Err(Some(at)) } else { Ok(Some(self.until)) }
            }
            _ => Ok(Some(self.until)),
        }
    }
}
