//! The same routes on `listen`, for reading only: nobody can be identified there. The setting is followed as it changes.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::fail::Fail;
use super::{HistoryQuestion, Question, Shared, door, routes};
use crate::model::snapshot::Snapshot;

/// An address that cannot be had is tried again after this long.
const AGAIN: Duration = Duration::from_secs(10);

/// Serves what the settings ask for, until the supervisor stops. `socket`: where changes are asked for instead.
pub async fn serve_reading(
    mut snapshots: watch::Receiver<Snapshot>,
    ask: mpsc::Sender<Question>,
    history: mpsc::Sender<HistoryQuestion>,
    socket: PathBuf,
) {
    let socket: Arc<str> = socket.display().to_string().into();
    let router = routes::router(Shared::new(snapshots.clone(), ask, history))
        .layer(middleware::from_fn_with_state(socket, only_reading));
    let mut failed = None;
    loop {
        let wanted = snapshots.borrow_and_update().listen;
        tokio::select! {
            () = serve_at(wanted, &router, &mut failed) => {}
            stopped = other_than(wanted, &mut snapshots) => {
                if stopped {
                    return;
                }
                failed = None;
            }
        }
    }
}

/// Serves there. Returns after a while if the address cannot be had, having said so once: `failed`.
async fn serve_at(wanted: Option<SocketAddr>, router: &Router, failed: &mut Option<SocketAddr>) {
    let Some(address) = wanted else {
        return std::future::pending().await;
    };
    match TcpListener::bind(address).await {
        Ok(listener) => {
            *failed = None;
            tracing::info!("the status is served for reading at http://{address}/");
            door::serve(listener, router.clone()).await;
        }
        Err(error) => {
            if failed.replace(address) != wanted {
                let every = AGAIN.as_secs();
                tracing::warn!("cannot listen on {address}: {error}; trying again every {every} s");
            }
            sleep(AGAIN).await;
        }
    }
}

/// Returns when another address is wanted; whether that is because the supervisor stops.
async fn other_than(wanted: Option<SocketAddr>, snapshots: &mut watch::Receiver<Snapshot>) -> bool {
    snapshots.wait_for(|snapshot| snapshot.listen != wanted).await.is_err()
}

/// Lets nothing through that might change something.
async fn only_reading(State(socket): State<Arc<str>>, request: Request, next: Next) -> Response {
    let method = request.method();
    if method == Method::GET || method == Method::HEAD {
        return next.run(request).await;
    }
    let sentence =
        format!("cannot {method} here: this address is for reading only, ask at the socket {socket}");
    Fail(StatusCode::FORBIDDEN, sentence).into_response()
}
