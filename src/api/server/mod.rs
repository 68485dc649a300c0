//! The server of the status socket: accepts, identifies and limits its callers.
//!
//! It reads the published snapshot and passes requests on; it decides nothing. A hostile or slow
//! caller costs at most one of `CONNECTIONS_MAX` connections for a bounded time, and the last
//! `CONNECTIONS_RESERVED` are kept for those who own the daemon.

mod change;
mod events;
mod fail;
mod incidents;
mod peer;
mod routes;

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::model::history::{self, History};
use crate::model::operator::{Answer, Asked};
use crate::model::snapshot::Snapshot;
use peer::Peer;

/// Connections at one time; further ones are answered 503 and closed.
pub const CONNECTIONS_MAX: usize = 64;
/// Where we may have few descriptors, connections take this part of them at most: the bus and probes need theirs.
const DESCRIPTORS_SHARE: u64 = 4;
/// The part of them that only root and the daemon's own user may take.
pub const CONNECTIONS_RESERVED: usize = 16;
/// Bytes of a request's body.
pub const BODY_MAX: usize = 64 * 1024;
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
/// After a failed `accept` (no descriptors left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// What the runtime loop is asked: the request, and where to its answer goes.
pub type Question = (Asked, oneshot::Sender<Answer>);

/// What the stored history is asked, and where to its answer goes.
pub type HistoryQuestion = (history::Question, oneshot::Sender<Result<History, String>>);

/// What every handler shares.
#[derive(Clone, Debug)]
struct Shared {
    snapshots: watch::Receiver<Snapshot>,
    ask: mpsc::Sender<Question>,
    history: mpsc::Sender<HistoryQuestion>,
    /// The id of the next request.
    next_request: Arc<AtomicU64>,
}

/// Serves the status socket until it is dropped, and with it every connection.
pub async fn serve(
    listener: UnixListener,
    snapshots: watch::Receiver<Snapshot>,
    ask: mpsc::Sender<Question>,
    history: mpsc::Sender<HistoryQuestion>,
) {
    let router =
        routes::router(Shared { snapshots, ask, history, next_request: Arc::new(AtomicU64::new(1)) });
    let mut connections = JoinSet::new();
    let most = connections_most(rustix::process::getrlimit(rustix::process::Resource::Nofile).current);
    let mut failing = false;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    failing = false;
                    admit(stream, &router, &mut connections, most);
                }
                Err(error) => {
                    // Once, until it works again: it would fill the journal.
                    if !failing {
                        tracing::warn!(%error, "cannot accept a connection on the status socket");
                    }
                    failing = true;
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Connections at one time, where so many descriptors may be open.
fn connections_most(descriptors: Option<u64>) -> usize {
    let share = descriptors.map_or(u64::MAX, |all| all / DESCRIPTORS_SHARE);
    usize::try_from(share).unwrap_or(CONNECTIONS_MAX).min(CONNECTIONS_MAX)
}

/// Starts serving a caller, unless there are too many.
fn admit(stream: UnixStream, router: &Router, connections: &mut JoinSet<()>, most: usize) {
    let peer = match Peer::of(&stream) {
        Ok(peer) => peer,
        Err(error) => {
            tracing::warn!(%error, "cannot tell who connects to the status socket");
            return;
        }
    };
    let reserved = most * CONNECTIONS_RESERVED / CONNECTIONS_MAX;
    let limit = if peer.owns_daemon() { most } else { most - reserved };
    if connections.len() >= limit {
        turn_away(&stream);
        return;
    }
    let router = router.clone().layer(Extension(peer));
    connections.spawn(async move {
        // A caller that went away or talks nonsense is its own trouble, not ours.
        let _ended = timeout(CONNECTION_TIME, converse(stream, router)).await;
    });
}

async fn converse(stream: UnixStream, router: Router) -> hyper::Result<()> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .await
}

/// One attempt to say why, without waiting for anything.
fn turn_away(stream: &UnixStream) {
    let body = r#"{"error":"cannot serve the request: too many connections"}"#;
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // To close a socket with something unread would take back what is written to it.
    let unread: io::Result<usize> = stream.try_read(&mut [0; 4096]);
    if let Err(error) = unread.and_then(|_| stream.try_write(answer.as_bytes())) {
        tracing::debug!(%error, "cannot turn a caller away in words");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_the_rest_of_us() {
        assert_eq!(connections_most(None), CONNECTIONS_MAX);
        assert_eq!(connections_most(Some(65_536)), CONNECTIONS_MAX);
        assert_eq!(connections_most(Some(48)), 12);
    }
}
