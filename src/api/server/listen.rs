//! The same routes on `listen`, for reading only: nobody can be identified there. The setting is followed as it changes.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::fail::Fail;
use super::pictures::Readers;
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
    let router = routes::router(Shared::new(snapshots.clone(), ask, history, Readers::Strangers))
        .layer(middleware::from_fn_with_state(socket, only_reading))
        .layer(middleware::from_fn_with_state(snapshots.clone(), only_by_our_names));
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

/// Answers only to names of this host. A page of a stranger that a browser on this network shows can be given our address
/// under the stranger's own name (DNS rebinding): the browser then lets it read what we answer. An address cannot be feigned so.
async fn only_by_our_names(
    State(snapshots): State<watch::Receiver<Snapshot>>,
    request: Request,
    next: Next,
) -> Response {
    let header = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("?").to_owned());
    let Some(host) = request.uri().authority().map(|authority| authority.to_string()).or(header) else {
        // No browser leaves it out.
        return next.run(request).await;
    };
    let known = {
        let snapshot = snapshots.borrow();
        is_ours(&host, snapshot.host.name.as_str(), &snapshot.allowed_hosts)
    };
    if known {
        return next.run(request).await;
    }
    let sentence = "cannot answer under this name: it is not a name of this host; add it to allowed_hosts in steadfast.toml";
    Fail(StatusCode::MISDIRECTED_REQUEST, sentence.to_owned()).into_response()
}

/// `host`: a name or an address, with or without a port.
fn is_ours(host: &str, own: &str, allowed: &[String]) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    let name = name.trim_end_matches('.');
    let same = |known: &str| known.trim_end_matches('.').eq_ignore_ascii_case(name);
    name.parse::<IpAddr>().is_ok()
        || ["localhost", own, own.split('.').next().unwrap_or_default()].into_iter().any(same)
        || allowed.iter().any(|known| same(known))
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

#[cfg(test)]
mod tests {
    use super::is_ours;

    #[test]
    fn addresses_and_our_own_names_are_ours_and_a_strangers_name_is_not() {
        let allowed = ["status.example.org".to_owned()];
        for ours in [
            "localhost",
            "LOCALHOST:9631",
            "127.0.0.1:9631",
            "10.0.0.7",
            "[::1]:9631",
            "web1.example.net:9631",
            "web1",
            "web1.",
            "status.example.org:80",
        ] {
            assert!(is_ours(ours, "web1.example.net", &allowed), "{ours}");
        }
        for other in [
            "evil.example",
            "evil.example:9631",
            "web1.evil.example",
            "localhost.evil.example",
            "",
            "?",
            "[evil]",
        ] {
            assert!(!is_ours(other, "web1.example.net", &allowed), "{other}");
        }
    }
}
