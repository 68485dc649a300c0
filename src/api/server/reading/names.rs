//! Who is answered at `listen`: whoever asks under a name of this host, and only to read.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use super::super::fail::Fail;
use super::words::Settings;

/// The settings as they are now.
pub type Now = watch::Receiver<Option<Settings>>;

/// Answers only to names of this host. A page of a stranger that a browser on this network shows can be given our address
/// under the stranger's own name (DNS rebinding): the browser then lets it read what we answer. An address cannot be feigned so.
pub async fn only_by_our_names(State(settings): State<Now>, request: Request, next: Next) -> Response {
    let header = request.headers().get(header::HOST).map(|host| host.to_str().unwrap_or("?").to_owned());
    let Some(host) = request.uri().authority().map(|authority| authority.to_string()).or(header) else {
        // No browser leaves it out.
        return next.run(request).await;
    };
    let known = {
        let settings = settings.borrow();
        settings.as_ref().is_some_and(|settings| is_ours(&host, &settings.host, &settings.allowed))
    };
    if known {
        return next.run(request).await;
    }
    let sentence = "cannot answer under this name: it is not a name of this host; add it to allowed_hosts in steadfast.toml";
    Fail(StatusCode::MISDIRECTED_REQUEST, sentence.to_owned()).into_response()
}

/// Lets nothing through that might change something.
pub async fn only_reading(State(settings): State<Now>, request: Request, next: Next) -> Response {
    let method = request.method();
    if method == Method::GET || method == Method::HEAD {
        return next.run(request).await;
    }
    let socket = settings.borrow().as_ref().map(|settings| settings.socket.clone()).unwrap_or_default();
    let sentence =
        format!("cannot {method} here: this address is for reading only, ask at the socket {socket}");
    Fail(StatusCode::FORBIDDEN, sentence).into_response()
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
