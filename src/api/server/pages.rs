//! The pages that people look at: the overview, one unit, one incident. The overview is written once for all who read it.

use std::time::Duration;

use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
};
use axum::http::header::{X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use jiff::tz::TimeZone;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

use super::fail::Fail;
use super::incidents::{self, recalled};
use super::lookup::{find, id_in, nearest, unit_in};
use super::patience::in_pieces;
use super::peer::Peer;
use super::pictures::{AGE, Readers};
use super::texts::{Source, Texts};
use super::{HistoryQuestion, Shared};
use crate::api::page::{self, DAY_MS, Sight};
use crate::api::render::Look;
use crate::api::render::text::cleaned;
use crate::api::wire::{BaselineHead, Incident, IncidentDetails, Time};
use crate::model::history::{History, Question, Wanted};
use crate::model::snapshot::Snapshot;
use crate::model::unit::UnitName;

/// What the header says.
const HTML: &str = "text/html; charset=utf-8";
/// For anything but a page: it is not to be shown, framed or run.
const NOTHING: &str = "default-src 'none'; frame-ancestors 'none'";

/// The rules that a browser is given with every answer.
pub async fn with_rules(mut response: Response) -> Response {
    let rules: [(HeaderName, &'static str); 6] = [
        (CONTENT_SECURITY_POLICY, NOTHING),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    let headers = response.headers_mut();
    for (name, value) in rules {
        // A page brings its own policy; a stream must not be kept either.
        if name == CACHE_CONTROL || !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}

/// How a page is to look: written here and now, read elsewhere.
fn look(snapshot: &Snapshot) -> Look {
    Look {
        now: Time::now(),
        zone: TimeZone::system(),
        colour: true,
        unicode: true,
        size: None,
        user: snapshot.host.user_instance,
        root: true,
    }
}

/// Asks for the overview.
#[derive(Clone, Debug)]
pub struct Overviews(Texts<()>);

impl Overviews {
    /// Starts the task that writes, which ends once nobody can ask any more.
    pub fn start(
        snapshots: watch::Receiver<Snapshot>,
        history: mpsc::Sender<HistoryQuestion>,
        readers: Readers,
    ) -> Self {
        Self(Texts::start(Published { snapshots, history, readers }))
    }
}

struct Published {
    snapshots: watch::Receiver<Snapshot>,
    history: mpsc::Sender<HistoryQuestion>,
    readers: Readers,
}

impl Source for Published {
    type Head = ();

    fn is_good(&self, age: Duration) -> bool {
        // It says how long ago things were: it grows old even when nothing happens.
        age < AGE
    }

    async fn write(&mut self) -> Result<((), Vec<u8>), String> {
        let snapshot = self.snapshots.borrow_and_update().clone();
        let past = past(&self.history, None).await;
        let kept = baselines(&self.history).await;
        let readers = self.readers;
        let written = spawn_blocking(move || {
            let log = readers.see_logs(&snapshot);
            let look = look(&snapshot);
            page::front(&Sight { snapshot: &snapshot, past: shown(past, log), log, look }, &kept)
        });
        let text = written.await.map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
        Ok(((), text.into_bytes()))
    }
}

/// Incidents that were open within the last day.
async fn past(
    history: &mpsc::Sender<HistoryQuestion>,
    unit: Option<UnitName>,
) -> Result<Vec<Incident>, String> {
    let since_ms = Some(Time::now().0.saturating_sub(DAY_MS));
    let wanted = Wanted { unit, since_ms, open: false };
    match recalled(history, Question::Incidents(wanted)).await.map_err(|Fail(_, why)| why)? {
        History::Incidents(incidents) => Ok(incidents.iter().map(Into::into).collect()),
        _ => Err(Fail::unlike().1),
    }
}

/// Baselines that are kept, newest first.
async fn baselines(history: &mpsc::Sender<HistoryQuestion>) -> Result<Vec<BaselineHead>, String> {
    match recalled(history, Question::Baselines).await.map_err(|Fail(_, why)| why)? {
        History::Baselines(heads) => {
            let heads: Vec<BaselineHead> = heads.iter().map(Into::into).collect();
            cleaned(&heads).map_err(|why| why.to_string())
        }
        _ => Err(Fail::unlike().1),
    }
}

/// As these readers may see them.
fn shown(past: Result<Vec<Incident>, String>, log: bool) -> Result<Vec<Incident>, String> {
    let mut past = past?;
    if !log {
        past.iter_mut().for_each(Incident::hide_log);
    }
    cleaned(&past).map_err(|why| why.to_string())
}

/// `GET /`.
pub async fn front(State(shared): State<Shared>, peer: Option<Extension<Peer>>) -> Response {
    let owner = peer.is_some_and(|Extension(peer)| peer.owns_daemon());
    match shared.fronts.0.text(owner).await {
        Ok(((), text)) => (page_head(), [(CONTENT_LENGTH, text.len())], in_pieces(text)).into_response(),
        Err(cause) => refused(&shared, "", &Fail::unavailable(format!("cannot write the page: {cause}"))),
    }
}

/// `GET /units/UNIT`.
pub async fn unit(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    path: Result<Path<String>, PathRejection>,
) -> Response {
    let written = async {
        let name = unit_in(path)?;
        let snapshot = shared.snapshots.borrow().clone();
        let Some(status) = find(&snapshot, &name) else {
            let near = nearest(snapshot.units.keys().map(UnitName::as_str), &name);
            let Fail(status, sentence) = Fail::not_managed(&name);
            return Ok((status, page::no_unit(&look(&snapshot), &sentence, near)));
        };
        let log = Readers::of(peer.is_some()).see_logs(&snapshot);
        let past = shown(past(&shared.history, Some(status.unit.clone())).await, log);
        let sight = Sight { snapshot: &snapshot, past, log, look: look(&snapshot) };
        let written = page::unit(&sight, status);
        let text = written.map_err(|why| Fail::unavailable(format!("cannot write the page: {why}")))?;
        Ok((StatusCode::OK, text))
    };
    answered(&shared, written.await)
}

/// `GET /incidents/ID`.
pub async fn incident(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    path: Result<Path<u64>, PathRejection>,
) -> Response {
    let written = async {
        let details: IncidentDetails = incidents::details(&shared, peer.is_some(), id_in(path)?).await?;
        let details = cleaned(&details);
        let details = details.map_err(|why| Fail::unavailable(format!("cannot write the page: {why}")))?;
        let snapshot = shared.snapshots.borrow();
        Ok((StatusCode::OK, page::incident(&look(&snapshot), &snapshot.host.name, &details)))
    };
    answered(&shared, written.await)
}

fn answered(shared: &Shared, written: Result<(StatusCode, String), Fail>) -> Response {
    match written {
        Ok((status, text)) => (status, page_head(), text).into_response(),
        Err(fail) => refused(shared, "../", &fail),
    }
}

fn refused(shared: &Shared, root: &str, Fail(status, sentence): &Fail) -> Response {
    let text = page::refused(&look(&shared.snapshots.borrow()), root, sentence);
    (*status, page_head(), text).into_response()
}

fn page_head() -> [(HeaderName, &'static str); 2] {
    [(CONTENT_TYPE, HTML), (CONTENT_SECURITY_POLICY, page::policy())]
}

/// A page that is asked for and cannot be fetched; for the process that listens, which knows nothing of the host.
pub fn no_page(root: &str, status: StatusCode, sentence: &str) -> Response {
    (status, page_head(), page::refused(&look(&Snapshot::default()), root, sentence)).into_response()
}
