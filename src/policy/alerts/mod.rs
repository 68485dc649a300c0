//! Who is told what, and when: each sink is brought to know of each incident that it is meant to know of. What it was told
//! stands in the incident and survives us; what cannot be delivered is tried again until it is.

mod due;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::model::action::Action;
use crate::model::alert::{Alert, Failing, InFlight, Message, News, SinkSeen, SinkSpec, TestAsked};
use crate::model::finding::{Code, Finding, Severity};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::observation::Host;
use crate::model::operator::Answer;
use crate::model::span::span;
use crate::policy::effects::Outbox;
use crate::policy::judgement::{finding, proven};
use crate::policy::limits;

pub use due::{Agenda, Due, matches};

/// What is known of the sinks, and what is under way to them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alerts {
    sinks: BTreeMap<String, SinkSeen>,
    /// Tests of the sinks that people wait for, by request.
    tests: BTreeMap<u64, TestAsked>,
    next_message: u64,
    /// When they are to be looked at next.
    due: Option<Moment>,
    /// Something happened to them, so that they are to be looked at now.
    news: bool,
    /// The revision of the incidents at the last look.
    revision: u64,
    out: Outbox,
}

/// One delivery that is to begin.
#[derive(Debug)]
pub struct Parcel {
    pub alerts: Vec<Alert>,
    pub news: Vec<News>,
    /// Somebody waits to hear whether this test arrives.
    pub test: Option<u64>,
}

impl Alerts {
    pub fn out(&mut self) -> &mut Outbox {
        &mut self.out
    }

    /// They are to be looked at in this turn.
    pub fn wake(&mut self) {
        self.news = true;
    }

    /// Whether they are to be looked at now. `revision`: of the incidents.
    #[must_use]
    pub fn is_due(&self, revision: u64, now: Moment) -> bool {
        self.news || self.revision != revision || self.due.is_some_and(|due| due <= now)
    }

    /// When they are to be looked at next.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        self.due
    }

    /// A look begins.
    pub fn begin(&mut self, sinks: &[SinkSpec]) {
        self.due = None;
        self.news = false;
        self.sinks.retain(|name, _| sinks.iter().any(|sink| sink.name == *name));
        for sink in sinks {
            self.sinks.entry(sink.name.clone()).or_default();
        }
    }

    /// A look is over. `revision`: of the incidents.
    pub fn end(&mut self, revision: u64) {
        self.revision = revision;
        self.answer_tests();
    }

    /// They are to be looked at then, at the latest.
    pub fn again_at(&mut self, at: Moment) {
        self.due = Some(self.due.map_or(at, |known| known.min(at)));
    }

    /// Nothing reaches this sink just now.
    #[must_use]
    pub fn is_failing(&self, sink: &str) -> bool {
        self.sinks.get(sink).is_some_and(|known| known.failing.is_some())
    }

    /// Every sink has taken what it was sent, and nothing is under way.
    #[must_use]
    pub fn are_sound(&self) -> bool {
        self.sinks.values().all(|known| known.failing.is_none() && known.in_flight.is_none())
    }

    /// The delivery that takes too long, where there is one. Says also whether the sink is busy with one.
    #[must_use]
    pub fn flight(&self, sink: &str) -> Option<&InFlight> {
        self.sinks.get(sink)?.in_flight.as_ref()
    }

    /// A test of this sink that somebody waits for goes first.
    pub fn next_test(&mut self, sink: &str) -> Option<u64> {
        self.tests.iter_mut().find_map(|(request, test)| {
            let at = test.left.iter().position(|name| name == sink)?;
            test.left.remove(at);
            Some(*request)
        })
    }

    /// Of all that is due for this sink, what is sent now.
    pub fn choose(&mut self, sink: &SinkSpec, due: Vec<Due>, now: Moment) -> Vec<Due> {
        let Some(known) = self.sinks.get_mut(&sink.name) else {
            return Vec::new();
        };
        known.waiting = due.len();
        if due.is_empty() {
            // Nothing waits for it any more: whether it works will be seen with the next.
            self.news |= known.failing.take().is_some();
            return due;
        }
        let retry_at = known.failing.as_ref().map(|failing| failing.retry_at).filter(|at| *at > now);
        if let Some(at) = retry_at {
            self.again_at(at);
            return Vec::new();
        }
        let takes_all = sink.kind.takes_all();
        let together = takes_all || due.len() > limits::ALERTS_ALONE;
        known.sent.retain(|(at, _)| now.since(*at) < sink.interval);
        let critical = due.iter().any(|one| one.critical);
        let (left, free_at) = known.left(sink, critical);
        if let Some(at) = free_at.filter(|_| !takes_all && left == 0) {
            self.again_at(at);
            return Vec::new();
        }
        // The last for a while tells all that waits.
        let count = if together || left == 1 { limits::ALERTS_TOGETHER } else { 1 };
        due.into_iter().take(count).collect()
    }

    /// Sends one message.
    pub fn send(&mut self, sink: &SinkSpec, parcel: Parcel, here: &Host, now: Moment) {
        let id = self.next_message;
        self.next_message = id.saturating_add(1);
        let until = now.plus(sink.timeout.saturating_add(limits::DELIVERY_SLACK));
        self.again_at(until);
        let Parcel { alerts, news, test } = parcel;
        let critical = alerts.iter().any(Alert::is_pressing);
        if let Some(known) = self.sinks.get_mut(&sink.name) {
            known.in_flight = Some(InFlight { message: id, until, news, test, critical });
        }
        let (host, user_instance) = (here.name.clone(), here.user_instance);
        let message = Message { id, host, user_instance, alerts };
        self.out.act(Action::SendAlert { sink: sink.clone(), message });
    }

    /// What was to be sent could not be saved: it is not under way.
    pub fn take_back(&mut self, sink: &str) {
        if let Some(known) = self.sinks.get_mut(sink) {
            known.in_flight = None;
        }
    }

    /// A delivery ended. Returns of what it was to tell.
    pub fn delivered(
        &mut self,
        sink: &str,
        message: u64,
        result: &Result<(), String>,
        now: Moment,
    ) -> Vec<News> {
        self.news = true;
        let Some(known) = self.sinks.get_mut(sink) else {
            return Vec::new();
        };
        let Some(flight) = known.in_flight.take_if(|flight| flight.message == message) else {
            return Vec::new();
        };
        if let Some(request) = flight.test {
            if result.is_ok() {
                known.failing = None;
            }
            if let Some(test) = self.tests.get_mut(&request) {
                test.results.push((sink.to_owned(), result.clone()));
            }
            return Vec::new();
        }
        let before = known.failing.take();
        match result {
            Ok(()) => {
                known.sent.push_back((now, flight.critical));
                if let Some(was) = before.filter(|was| now.since(was.since) >= limits::UNDELIVERABLE) {
                    let after = span(now.since(was.since));
                    let message = format!("alerts reach {sink} again, after {after}");
                    self.out.file(None, EventKind::Told, message);
                }
            }
            Err(why) => {
                let first = before.is_none();
                known.failing = Some(Failing::after(before, why, now));
                if first {
                    let incident = flight.news.first().map(|news| news.incident);
                    self.out.file(incident, EventKind::Told, format!("cannot send to {sink}: {why}"));
                }
            }
        }
        flight.news
    }

    /// A person wants every sink to be sent a test.
    pub fn test(&mut self, request: u64, sinks: &[SinkSpec]) {
        self.news = true;
        let left: Vec<String> = sinks.iter().map(|sink| sink.name.clone()).collect();
        if left.is_empty() {
            let message = "no alert sink is configured: add [alert.NAME] to steadfast.toml";
            self.out.answer(request, Answer::Refused { message: message.to_owned() });
            return;
        }
        self.tests.insert(request, TestAsked { left, results: Vec::new() });
    }

    /// Whoever asked for a test hears of it when every sink has answered.
    fn answer_tests(&mut self) {
        let sinks = &self.sinks;
        let flying = |request: u64| {
            let mut flights = sinks.values().filter_map(|sink| sink.in_flight.as_ref());
            flights.any(|flight| flight.test == Some(request))
        };
        let open = |request: u64, test: &TestAsked| {
            test.left.iter().any(|name| sinks.contains_key(name)) || flying(request)
        };
        let over: Vec<u64> =
            self.tests.iter().filter(|(request, test)| !open(**request, test)).map(|(id, _)| *id).collect();
        for request in over {
            if let Some(test) = self.tests.remove(&request) {
                self.out.answer(request, Answer::Tested(test.results));
            }
        }
    }

    /// Sinks that nothing reaches any more.
    #[must_use]
    pub fn undeliverable(&self, now: Moment) -> Option<Finding> {
        let failing = |(name, sink): (&String, &SinkSeen)| {
            let failing = sink.failing.as_ref()?;
            let long = now.since(failing.since) >= limits::UNDELIVERABLE;
            long.then(|| (failing.since, format!("{name} accepts no alerts ({})", failing.why), sink.waiting))
        };
        let lost: Vec<_> = self.sinks.iter().filter_map(failing).collect();
        let since = lost.iter().map(|(since, _, _)| *since).min()?;
        let waiting: usize = lost.iter().map(|(_, _, waiting)| waiting).sum();
        let names: Vec<&str> = lost.iter().map(|(_, text, _)| text.as_str()).collect();
        let message = format!("{}; {waiting} alerts wait", names.join("; "));
        let found = finding(Code::AlertUndeliverable, Severity::Critical, message, since);
        Some(proven(found, Vec::new(), Some("steadfast test-alert".to_owned())))
    }
}

impl SinkSeen {
    /// How many messages the sink's `burst` leaves within its `interval`, and when there will be more. What is critical counts
    /// only what was critical, so that nothing smaller holds it back; the rest leaves a part of the burst to it.
    fn left(&self, sink: &SinkSpec, critical: bool) -> (usize, Option<Moment>) {
        let burst = usize::try_from(sink.burst).unwrap_or(usize::MAX);
        let reserve = if burst > 1 { burst.div_ceil(limits::ALERTS_RESERVED) } else { 0 };
        let counts = |(_, pressing): &&(Moment, bool)| *pressing || !critical;
        let sent = self.sent.iter().filter(counts);
        let most = if critical { burst } else { burst.saturating_sub(reserve) };
        let left = most.saturating_sub(sent.clone().count());
        // As many as are too many must have passed.
        let over = sent.clone().count().saturating_sub(most);
        (left, sent.map(|(at, _)| at.plus(sink.interval)).nth(over))
    }
}

impl Failing {
    /// One more try failed. `before`: those before it.
    fn after(before: Option<Self>, why: &str, now: Moment) -> Self {
        let tries = before.as_ref().map_or(0, |failing| failing.tries).saturating_add(1);
        let retry_at = now.plus(limits::alert_retry(tries));
        let since = before.map_or(now, |failing| failing.since);
        Self { since, tries, retry_at, why: why.to_owned() }
    }
}
