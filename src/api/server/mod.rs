//! The server of the status socket, and of `listen` (which another process meets): accepts, identifies and limits its callers.
//!
//! It reads the published snapshot and passes requests on; it decides nothing. A hostile or slow
//! caller costs at most one of `CONNECTIONS_MAX` connections for a bounded time, of each address or
//! user there are `PER_ORIGIN` at most, and the last `CONNECTIONS_RESERVED` are kept for those who
//! own the daemon.

mod command;
mod commands;
mod door;
mod events;
mod fail;
mod guests;
mod incidents;
mod json;
mod lookup;
mod metrics;
mod pages;
mod patience;
mod peer;
mod pictures;
mod reading;
mod route;
mod routes;
mod texts;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::model::history::{self, History};
use crate::model::operator::{Answer, Request};
use crate::model::snapshot::Snapshot;

use pages::Overviews;
use pictures::{Pictures, Readers};

pub use guests::PER_ORIGIN;
#[doc(hidden)]
pub use reading::heard;
pub use reading::{Fronts, HEARD, Opened, listen, serve_reading, serve_reading_by};
pub(super) use route::Route;
pub(super) use routes::routes;

/// Connections at one time; further ones are answered 503 and closed.
pub const CONNECTIONS_MAX: usize = 64;
/// The part of them that only root and the daemon's own user may take.
pub const CONNECTIONS_RESERVED: usize = 16;
/// Bytes of a request's body.
pub const BODY_MAX: usize = 64 * 1024;
/// Texts of metrics that are being read at one time: of a crowd of units each is megabytes.
pub const METRICS_AT_ONCE: usize = 8;
/// Bytes of a request's head, and of what is buffered of a connection.
const HEAD_MAX: usize = 64 * 1024;
/// A request's head must be complete within this time; an idle connection ends after it.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// A request's body must be complete within this time.
const BODY_TIME: Duration = Duration::from_secs(10);
/// An answer to a request that changes something is awaited this long.
const ANSWER_TIME: Duration = Duration::from_secs(600);
/// No connection lives longer; an event stream is resumed with `Last-Event-ID`.
const CONNECTION_TIME: Duration = Duration::from_secs(3600);

/// What the runtime loop is asked: the request, and where to its answer goes.
pub type Question = (Request, oneshot::Sender<Answer>);

/// What the stored history is asked, and where to its answer goes.
pub type HistoryQuestion = (history::Question, oneshot::Sender<Result<History, String>>);

/// What every handler shares.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    snapshots: watch::Receiver<Snapshot>,
    ask: mpsc::Sender<Question>,
    history: mpsc::Sender<HistoryQuestion>,
    /// The id of the next request.
    next_request: Arc<AtomicU64>,
    /// A place for each text of metrics that is being written.
    metrics: Arc<Semaphore>,
    /// The whole picture as text.
    pictures: Pictures,
    /// The overview as a page.
    fronts: Overviews,
}

impl Shared {
    fn new(
        snapshots: watch::Receiver<Snapshot>,
        ask: mpsc::Sender<Question>,
        history: mpsc::Sender<HistoryQuestion>,
        readers: Readers,
    ) -> Self {
        let metrics = Arc::new(Semaphore::new(METRICS_AT_ONCE));
        let pictures = Pictures::start(snapshots.clone(), readers);
        let fronts = Overviews::start(snapshots.clone(), history.clone(), readers);
        Self { snapshots, ask, history, next_request: Arc::new(AtomicU64::new(1)), metrics, pictures, fronts }
    }
}

/// Serves the status socket until it is dropped, and with it every connection.
pub async fn serve(
    listener: UnixListener,
    snapshots: watch::Receiver<Snapshot>,
    ask: mpsc::Sender<Question>,
    history: mpsc::Sender<HistoryQuestion>,
) {
    door::serve(listener, routes::router(Shared::new(snapshots, ask, history, Readers::Known))).await;
}
