//! Who is told what, and when: each sink is brought to know of each incident that it is meant to know of. What it was told
//! stands in the incident and survives us; what cannot be delivered is tried again until it is.

mod due;
mod words;

use crate::model::action::Action;
use crate::model::alert::{
    Alert, AlertStatus, Failing, InFlight, Message, News, SinkSeen, SinkSpec, TestAsked,
};
use crate::model::finding::{Code, Finding, Severity};
use crate::model::incident::{Acknowledgement, EventKind};
use crate::model::moment::Moment;
use crate::model::operator::Answer;
use crate::model::state::State;
use crate::policy::drill;
use crate::policy::judgement::{finding, proven};
use crate::policy::limits;
use crate::policy::turn::{Turn, sooner};

use due::Due;
pub use due::{matches, wanted};

/// Sends what is due: one message at a time through each sink.
pub fn act(state: &mut State, turn: &mut Turn) {
    state.seen.alerts_due = None;
    if state.seen.save_failure.is_some() {
        // An incident that is not saved may be taken back: who was told of it would never hear its end.
        return;
    }
    if state.seen.settings.sinks.is_empty() && state.seen.sinks.is_empty() {
        return;
    }
    let sinks = state.seen.settings.sinks.clone();
    state.seen.sinks.retain(|name, _| sinks.iter().any(|sink| sink.name == *name));
    due::enter(state, &sinks, turn.now);
    let mut wake = None;
    for sink in &sinks {
        advance(state, sink, turn, &mut wake);
    }
    answer_tests(state, turn);
    state.seen.alerts_due = wake;
}

fn advance(state: &mut State, sink: &SinkSpec, turn: &mut Turn, wake: &mut Option<Moment>) {
    let now = turn.now;
    let known = state.seen.sinks.entry(sink.name.clone()).or_default();
    if let Some(flight) = &known.in_flight {
        if flight.until > now {
            sooner(wake, flight.until);
            return;
        }
        let message = flight.message;
        delivered(state, &sink.name, message, Err("nothing was heard of it".to_owned()), turn);
    }
    if send_test(state, sink, turn, wake) {
        return;
    }
    let due = due::of(state, sink, now, wake);
    let Some(known) = state.seen.sinks.get_mut(&sink.name) else {
        return;
    };
    known.waiting = due.len();
    if due.is_empty() {
        // Nothing waits for it any more: whether it works will be seen with the next.
        turn.news |= known.failing.take().is_some();
        return;
    }
    if let Some(failing) = &known.failing
        && failing.retry_at > now
    {
        sooner(wake, failing.retry_at);
        return;
    }
    let takes_all = sink.kind.takes_all();
    let together = takes_all || due.len() > limits::ALERTS_ALONE;
    known.sent.retain(|at| now.since(*at) < sink.interval);
    let burst = usize::try_from(sink.burst).unwrap_or(usize::MAX);
    let full = !takes_all && known.sent.len() >= burst;
    if let Some(oldest) = known.sent.front().filter(|_| full) {
        sooner(wake, oldest.plus(sink.interval));
        return;
    }
    let last = known.sent.len().saturating_add(1) >= burst;
    let count = if together || last { limits::ALERTS_TOGETHER } else { 1 };
    let chosen: Vec<Due> = due.into_iter().take(count).collect();
    send(state, sink, &chosen, turn, wake);
}

fn send(state: &mut State, sink: &SinkSpec, chosen: &[Due], turn: &mut Turn, wake: &mut Option<Moment>) {
    let alerts = chosen.iter().filter_map(|due| words::alert(state, due, turn.now)).collect();
    for due in chosen {
        let incident = state.durable.incidents.get_mut(&due.news.incident);
        if let Some(told) = incident.and_then(|incident| incident.told.get_mut(&sink.name)) {
            told.tried = true;
        }
    }
    let news = chosen.iter().map(|due| due.news).collect();
    launch(state, sink, alerts, news, None, turn, wake);
}

fn launch(
    state: &mut State,
    sink: &SinkSpec,
    alerts: Vec<Alert>,
    news: Vec<News>,
    test: Option<u64>,
    turn: &mut Turn,
    wake: &mut Option<Moment>,
) {
    let id = state.seen.next_message;
    state.seen.next_message = id.saturating_add(1);
    let until = turn.now.plus(sink.timeout.saturating_add(limits::DELIVERY_SLACK));
    sooner(wake, until);
    let (host, user_instance) = (state.seen.host.name.clone(), state.seen.host.user_instance);
    if let Some(known) = state.seen.sinks.get_mut(&sink.name) {
        known.in_flight = Some(InFlight { message: id, until, news, test });
    }
    turn.act(Action::SendAlert { sink: sink.clone(), message: Message { id, host, user_instance, alerts } });
}

/// A delivery ended.
pub fn delivered(state: &mut State, sink: &str, message: u64, result: Result<(), String>, turn: &mut Turn) {
    let now = turn.now;
    turn.news = true;
    let Some(known) = state.seen.sinks.get_mut(sink) else {
        return;
    };
    let Some(flight) = known.in_flight.take_if(|flight| flight.message == message) else {
        return;
    };
    if let Some(request) = flight.test {
        if result.is_ok() {
            known.failing = None;
        }
        if let Some(test) = state.seen.tests.get_mut(&request) {
            test.results.push((sink.to_owned(), result));
        }
        return;
    }
    match result {
        Ok(()) => {
            let was = known.failing.take();
            known.sent.push_back(now);
            if let Some(was) = was.filter(|was| now.since(was.since) >= limits::UNDELIVERABLE) {
                let minutes = now.since(was.since).as_secs().div_ceil(60);
                let told = format!("alerts reach {sink} again, after {minutes} min");
                turn.record(state, None, EventKind::Told, None, told);
            }
            for news in flight.news {
                remember(state, sink, news, turn);
                drill::heard(state, news.incident, sink, Ok(()), turn);
            }
        }
        Err(why) => {
            let before = known.failing.take();
            let tries = before.as_ref().map_or(0, |failing| failing.tries).saturating_add(1);
            let wait =
                limits::ALERT_RETRY.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1).min(16)));
            let retry_at = now.plus(wait.min(limits::LONGEST_ALERT_RETRY));
            let since = before.as_ref().map_or(now, |failing| failing.since);
            let told = format!("cannot tell {sink}: {why}");
            let said = why.clone();
            known.failing = Some(Failing { since, tries, retry_at, why });
            if before.is_none() {
                let incident = flight.news.first().map(|news| news.incident);
                turn.record_of(state, incident, None, EventKind::Told, None, told);
            }
            for news in &flight.news {
                drill::heard(state, news.incident, sink, Err(&said), turn);
            }
        }
    }
}

/// What arrived is not told again.
fn remember(state: &mut State, sink: &str, news: News, turn: &mut Turn) {
    let Some(incident) = state.durable.incidents.get_mut(&news.incident) else {
        return;
    };
    let told = incident.told.entry(sink.to_owned()).or_insert_with(|| due::untold(turn.now));
    told.at = turn.now;
    let first = told.firing == 0;
    match news.status {
        AlertStatus::Firing => {
            told.firing = told.firing.saturating_add(1);
            told.gave_up = told.gave_up || news.gave_up;
        }
        AlertStatus::Resolved => told.resolved = true,
        AlertStatus::Test => {}
    }
    let unit = incident.unit.clone();
    let worth = first || news.status == AlertStatus::Resolved || news.gave_up;
    if worth {
        let message = format!("{sink} was told: incident {} {}", news.incident, news.status.as_str());
        turn.record_of(state, Some(news.incident), unit.as_ref(), EventKind::Told, None, message);
    }
}

/// A person asks for a test of every sink; the answer comes once all have answered, or is given now.
pub fn begin_test(state: &mut State, request: u64, turn: &mut Turn) -> Option<Answer> {
    turn.news = true;
    let left: Vec<String> = state.seen.settings.sinks.iter().map(|sink| sink.name.clone()).collect();
    if left.is_empty() {
        let message = "no way to tell anybody is configured: add [alert.NAME] to steadfast.toml".to_owned();
        return Some(Answer::Refused { message });
    }
    state.seen.tests.insert(request, TestAsked { left, results: Vec::new() });
    None
}

/// A person knows of the incident.
pub fn acknowledge(state: &mut State, id: u64, who: String, turn: &mut Turn) -> Answer {
    turn.news = true;
    let Some(incident) = state.durable.incidents.get_mut(&id) else {
        return Answer::NoIncident;
    };
    if incident.resolved_at.is_some() {
        return Answer::Refused { message: format!("incident {id} is over") };
    }
    let unit = incident.unit.clone();
    let message = format!("{who} knows of incident {id}: it is not repeated, and told to nobody else");
    incident.acknowledged.get_or_insert(Acknowledgement { at: turn.now, who });
    turn.record_of(state, Some(id), unit.as_ref(), EventKind::Told, None, message.clone());
    Answer::Done { message, steps: Vec::new() }
}

/// A test of this sink that somebody waits for goes first. Says whether one was sent.
fn send_test(state: &mut State, sink: &SinkSpec, turn: &mut Turn, wake: &mut Option<Moment>) -> bool {
    let waits = state.seen.tests.iter_mut().find_map(|(request, test)| {
        let at = test.left.iter().position(|name| *name == sink.name)?;
        test.left.remove(at);
        Some(*request)
    });
    let Some(request) = waits else {
        return false;
    };
    let alert = words::test(state, turn.now);
    launch(state, sink, vec![alert], Vec::new(), Some(request), turn, wake);
    true
}

/// Whoever asked for a test hears of it when every sink has answered.
fn answer_tests(state: &mut State, turn: &mut Turn) {
    let sinks = &state.seen.sinks;
    let flying = |request: u64| {
        let mut flights = sinks.values().filter_map(|sink| sink.in_flight.as_ref());
        flights.any(|flight| flight.test == Some(request))
    };
    let configured = |name: &String| sinks.contains_key(name);
    let over: Vec<u64> = state
        .seen
        .tests
        .iter()
        .filter(|(request, test)| !test.left.iter().any(configured) && !flying(**request))
        .map(|(request, _)| *request)
        .collect();
    for request in over {
        if let Some(test) = state.seen.tests.remove(&request) {
            turn.act(Action::AnswerOperator { request, answer: Answer::Tested(test.results) });
        }
    }
}

/// Sinks that nothing reaches any more.
pub fn undeliverable(state: &State, now: Moment) -> Option<Finding> {
    let failing = |(name, sink): (&String, &SinkSeen)| {
        let failing = sink.failing.as_ref()?;
        let long = now.since(failing.since) >= limits::UNDELIVERABLE;
        long.then(|| (failing.since, format!("{name} cannot be told ({})", failing.why), sink.waiting))
    };
    let lost: Vec<_> = state.seen.sinks.iter().filter_map(failing).collect();
    let since = lost.iter().map(|(since, _, _)| *since).min()?;
    let waiting: usize = lost.iter().map(|(_, _, waiting)| waiting).sum();
    let names: Vec<&str> = lost.iter().map(|(_, text, _)| text.as_str()).collect();
    let message = format!("{}; {waiting} alerts wait", names.join("; "));
    let found = finding(Code::AlertUndeliverable, Severity::Critical, message, since);
    Some(proven(found, Vec::new(), Some("steadfast test-alert".to_owned())))
}

#[cfg(test)]
mod tests;
