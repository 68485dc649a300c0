//! Server-sent events: the timeline as it grows, resumable with `Last-Event-ID`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{self, KeepAlive};
use futures_util::stream::{Stream, unfold};
use serde::Deserialize;
use tokio::sync::watch;

use super::Shared;
use super::fail::{Fail, queried};
use super::lookup::{find, missing};
use super::routes::concerns;
use crate::api::wire;
use crate::escape;
use crate::model::snapshot::Snapshot;

/// A comment line is sent after this long without an event, so that both ends notice a dead one.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// `?unit=` keeps the events of one unit.
#[derive(Debug, Deserialize)]
pub struct Filter {
    pub unit: Option<String>,
}

/// Without `Last-Event-ID` from now on, else all that is kept since.
pub async fn events(
    State(shared): State<Shared>,
    filter: Result<Query<Filter>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Fail> {
    let filter = queried(filter)?;
    let after = last_event_id(&headers)?;
    stream(shared, filter.unit, after)
}

/// The events of this unit, or of all.
pub fn stream(
    shared: Shared,
    unit: Option<String>,
    after: Option<u64>,
) -> Result<Sse<impl Stream<Item = Result<sse::Event, Infallible>>>, Fail> {
    let (unit, newest) = {
        let snapshot = shared.snapshots.borrow();
        let unit = match unit {
            Some(name) => {
                let status = find(&snapshot, &name).ok_or_else(|| missing(&snapshot, &name))?;
                Some(status.unit.to_string())
            }
            None => None,
        };
        (unit, snapshot.events.last().map_or(0, |event| event.id))
    };
    let mut follower = Follower {
        snapshots: shared.snapshots,
        // An id that was never given out comes from before our memory was lost: tell everything.
        last: after.map_or(newest, |after| if after > newest { 0 } else { after }),
        unit,
        waiting: VecDeque::new(),
    };
    if after.is_some() {
        follower.resume();
    }
    let events = unfold(follower, async |mut follower| {
        let event = follower.next().await?;
        Some((Ok(event), follower))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// What the header asks for.
pub fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Fail> {
    let Some(value) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let id = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    id.map(Some).ok_or_else(|| Fail::bad_request("cannot resume: Last-Event-ID is not a number"))
}

/// One stream's place in the timeline.
struct Follower {
    snapshots: watch::Receiver<Snapshot>,
    /// Everything up to this id was told, or is not wanted.
    last: u64,
    unit: Option<String>,
    /// Told next; at most as many as a snapshot keeps.
    waiting: VecDeque<sse::Event>,
}

impl Follower {
    /// Queues what came after `last`, first saying what is not kept any more.
    fn resume(&mut self) {
        let oldest = self.snapshots.borrow().events.first().map(|event| event.id);
        let wanted = self.last.saturating_add(1);
        if let Some(oldest) = oldest.filter(|oldest| *oldest > wanted) {
            let comment = format!("events {wanted} to {} are no longer kept", oldest - 1);
            self.waiting.push_back(sse::Event::default().comment(comment));
        }
        self.take_new();
    }

    /// The next event; `None` when the daemon stops.
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            self.snapshots.changed().await.ok()?;
            self.take_new();
        }
    }

    fn take_new(&mut self) {
        let told = self.last;
        let snapshot = self.snapshots.borrow_and_update();
        for event in snapshot.events.iter().skip(snapshot.events.partition_point(|event| event.id <= told)) {
            self.last = event.id;
            let unit = self.unit.as_deref();
            if unit.is_none_or(|unit| concerns(event, unit)) {
                self.waiting.extend(written(&event.into()));
            }
        }
    }
}

/// `None` never happens: an event has no map with keys that are not text.
fn written(event: &wire::Event) -> Option<sse::Event> {
    let written = sse::Event::default().id(event.id.to_string()).event(&event.kind);
    serde_json::to_string(event).ok().map(|text| written.data(escape::json(text)))
}
