//! The http probe against a small real server on loopback: every answer and every way to get none.

use std::collections::BTreeMap;
use std::future::pending;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::model::probe::ProbeStatus;

pub(super) const LIMIT: Duration = Duration::from_secs(10);

/// A server for the length of one test.
pub(super) struct Server {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    (listener, address)
}

pub(super) async fn application() -> Server {
    let json =
        |text: &'static str| async move { ([(CONTENT_TYPE, "application/json; charset=utf-8")], text) };
    let app = Router::new()
        .route("/ok", get(move || json(r#"{"status": "ok", "depth": 7}"#)))
        .route("/plain", get(|| async { "all is well" }))
        .route("/empty", get(|| async {}))
        .route("/gone", get(|| async { StatusCode::NOT_FOUND }))
        .route("/error", get(|| async { (StatusCode::INTERNAL_SERVER_ERROR, "no \u{1b} database") }))
        .route("/moved", get(|| async { Redirect::temporary("/ok") }))
        .route("/circle", get(|| async { Redirect::temporary("/circle") }))
        .route(
            "/late",
            get(|| async {
                tokio::time::sleep(Duration::from_millis(300)).await;
                "late"
            }),
        )
        .route("/hang", get(|| async { pending::<()>().await }))
        .route("/big", get(|| async { vec![b'x'; BODY + 1].into_response() }))
        .route("/just", get(|| async { vec![b'x'; BODY].into_response() }));
    let (listener, address) = listener().await;
    let task = tokio::spawn(async move {
        axum::serve(listener, app).await.expect("it serves");
    });
    Server { address, task }
}

/// Reads the request of each connection, answers these bytes, then does as `after` says.
async fn raw(answer: &'static [u8], after: After) -> Server {
    let (listener, address) = listener().await;
    let task = tokio::spawn(async move {
        let mut kept: Vec<TcpStream> = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0_u8; 4096];
            drop(stream.read(&mut request).await);
            drop(stream.write_all(answer).await);
            match after {
                After::Close => {}
                After::Keep => kept.push(stream),
                After::Reset => stream.set_zero_linger().expect("linger"),
            }
        }
    });
    Server { address, task }
}

#[derive(Clone, Copy)]
enum After {
    Close,
    Keep,
    Reset,
}

pub(super) fn url(text: String) -> PageUrl {
    text.try_into().expect("a URL")
}

fn pointer(text: &str) -> Pointer {
    text.to_owned().try_into().expect("a pointer")
}

pub(super) fn get_of(server: &Server, path: &str) -> Http {
    Http {
        min_validity: None,
        http: url(format!("http://{}{path}", server.address)),
        status: Statuses::default(),
        content_type: None,
        json: BTreeMap::new(),
        max_latency: None,
        follow_redirects: false,
        ca_file: None,
        insecure: false,
    }
}

/// Status and message, with the URL as `URL` and the last figure of a right answer as `TIME`.
pub(super) async fn told(probe: &Http, timeout: Duration) -> (ProbeStatus, String) {
    let outcome = run(probe, Limit::new(timeout)).await;
    let message = outcome.message.replace(&*probe.http, "URL");
    let message = match message.split_once(" in ") {
        Some((start, _)) if outcome.status == ProbeStatus::Healthy => format!("{start} in TIME"),
        _ => message,
    };
    (outcome.status, message)
}

pub(super) fn healthy(message: &str) -> (ProbeStatus, String) {
    (ProbeStatus::Healthy, message.to_owned())
}

pub(super) fn unhealthy(message: &str) -> (ProbeStatus, String) {
    (ProbeStatus::Unhealthy, message.to_owned())
}

#[tokio::test]
async fn right_answers() {
    let server = application().await;
    let plain = get_of(&server, "/plain");
    let outcome = run(&plain, Limit::new(LIMIT)).await;
    assert_eq!(outcome.status, ProbeStatus::Healthy);
    assert!(outcome.latency.is_some_and(|latency| latency < LIMIT));

    let mut full = get_of(&server, "/ok");
    full.content_type = Some("application/JSON".to_owned());
    full.json = BTreeMap::from([
        (pointer("/status"), Expected::Text("ok".to_owned())),
        (pointer("/depth"), Expected::Below(100.0)),
    ]);
    full.max_latency = Some(Length(LIMIT));
    let fine = healthy("GET URL answered 200 in TIME");
    assert_eq!(told(&full, LIMIT).await, fine);
    full.http = url(full.http.replace("127.0.0.1", "localhost"));
    assert_eq!(told(&full, LIMIT).await, fine);

    assert_eq!(told(&get_of(&server, "/empty"), LIMIT).await, fine);
    assert_eq!(told(&get_of(&server, "/big"), LIMIT).await, fine);

    let mut gone = get_of(&server, "/gone");
    gone.status = Statuses(200, 499);
    assert_eq!(told(&gone, LIMIT).await, healthy("GET URL answered 404 in TIME"));
}

#[tokio::test]
async fn wrong_answers_each_have_their_sentence() {
    let server = application().await;
    let of = |path, content_type: Option<&str>, at: Option<&str>| {
        let mut probe = get_of(&server, path);
        probe.content_type = content_type.map(str::to_owned);
        let expect = |at: &str| (pointer(at), Expected::Text("up".to_owned()));
        probe.json = at.map(expect).into_iter().collect();
        probe
    };
    let json = Some("application/json");
    let cases = [
        (of("/gone", json, None), "answered 404 with an empty body; expected 200"),
        (of("/error", None, None), "answered 500 \"no \\u{1b} database\"; expected 200"),
        (of("/empty", json, None), "answered 200 with an empty body; expected application/json"),
        (of("/empty", None, Some("/status")), "answered 200 with an empty body; expected JSON"),
        (
            of("/plain", json, None),
            "answered 200 with content type \"text/plain; charset=utf-8\"; expected application/json",
        ),
        (of("/plain", None, Some("/status")), "answered 200, but its body is not JSON: \"all is well\""),
        (of("/ok", json, Some("/queue")), "answered 200, but its JSON has no /queue; expected \"up\""),
        (of("/ok", json, Some("/status")), "answered 200, but its /status is \"ok\"; expected \"up\""),
        (of("/big", None, Some("/x")), "answered 200 with more than 1 MiB; expected JSON"),
        (of("/moved", None, None), "answered 307 with an empty body; expected 200"),
    ];
    for (probe, sentence) in cases {
        let wanted = unhealthy(&format!("GET URL {sentence}"));
        assert_eq!(told(&probe, LIMIT).await, wanted);
    }
    let just = told(&of("/just", None, Some("/x")), LIMIT).await;
    assert!(just.1.contains("is not JSON"), "{}", just.1);
}

#[tokio::test]
async fn ranges_and_missing_content_types_are_named() {
    let server = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", After::Close).await;
    let mut probe = get_of(&server, "/");
    probe.content_type = Some("application/json".to_owned());
    let wanted = "GET URL answered 200 without a content type; expected application/json";
    assert_eq!(told(&probe, LIMIT).await, unhealthy(wanted));
    probe.status = Statuses(300, 399);
    let wanted = "GET URL answered 200 \"{}\"; expected 300-399";
    assert_eq!(told(&probe, LIMIT).await, unhealthy(wanted));
}

#[tokio::test]
async fn redirects_are_followed_only_where_asked() {
    let server = application().await;
    let mut moved = get_of(&server, "/moved");
    moved.status = Statuses(307, 307);
    assert_eq!(told(&moved, LIMIT).await, healthy("GET URL answered 307 in TIME"));
    moved.status = Statuses(200, 200);
    moved.follow_redirects = true;
    assert_eq!(told(&moved, LIMIT).await, healthy("GET URL answered 200 in TIME"));
    let mut circle = get_of(&server, "/circle");
    circle.follow_redirects = true;
    let wanted = "GET URL: redirected in a circle or over 5 times";
    assert_eq!(told(&circle, LIMIT).await, unhealthy(wanted));
}

#[tokio::test]
async fn a_slow_answer_is_told_with_both_figures() {
    let server = application().await;
    let mut probe = get_of(&server, "/plain");
    probe.max_latency = Some(Length(Duration::ZERO));
    let (status, message) = told(&probe, LIMIT).await;
    assert_eq!(status, ProbeStatus::Slow);
    assert!(message.starts_with("GET URL answered 200 in "), "{message}");
    assert!(message.ends_with(" ms; expected within 0.0 ms"), "{message}");
}

/// O2: a right answer that comes after the timeout is slow where slowness is asked for, and no answer where it is not.
#[tokio::test]
async fn a_right_answer_after_the_timeout_is_slow() {
    let server = application().await;
    let mut probe = get_of(&server, "/late");
    let limit = || Limit::within_period(Duration::from_millis(100), Duration::from_secs(10));
    let outcome = run(&probe, limit()).await;
    assert_eq!(outcome.status, ProbeStatus::Unhealthy, "{}", outcome.message);
    probe.max_latency = Some(Length(Duration::from_millis(50)));
    let outcome = run(&probe, limit()).await;
    assert_eq!(outcome.status, ProbeStatus::Slow, "{}", outcome.message);
    assert!(outcome.message.ends_with(" ms; expected within 50 ms"), "{}", outcome.message);
}

/// O42: a page behind a socket, in our form and in nginx'; what is written otherwise is told how to be written.
#[tokio::test]
async fn a_page_behind_a_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("app.sock");
    let listener = tokio::net::UnixListener::bind(&path).expect("a socket");
    let router = Router::new().route("/health", get(|| async { "well" }));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let nowhere = application().await;
    for form in ["unix:", "http://unix:"] {
        let mut probe = get_of(&nowhere, "/");
        probe.http = url(format!("{form}{}:/health?a=b", path.display()));
        assert_eq!(told(&probe, LIMIT).await, healthy("GET URL answered 200 in TIME"));
        probe.http = url(format!("{form}{}:/nothing", path.display()));
        assert_eq!(told(&probe, LIMIT).await.0, ProbeStatus::Unhealthy);
        probe.http = url(format!("{form}{}.gone:/health", path.display()));
        assert_eq!(told(&probe, LIMIT).await, unhealthy("GET URL: there is no such socket"));
    }
    server.abort();

    // A wedged server: it accepts, and never answers.
    std::fs::remove_file(&path).expect("no socket");
    let _wedged = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
    let mut probe = get_of(&nowhere, "/");
    probe.http = url(format!("unix:{}:/health", path.display()));
    let wanted = unhealthy("GET URL: no answer within 200 ms");
    assert_eq!(told(&probe, Duration::from_millis(200)).await, wanted);
}

#[tokio::test]
async fn no_answer_in_time() {
    let short = Duration::from_millis(200);
    let server = application().await;
    let wanted = unhealthy("GET URL: no answer within 200 ms");
    assert_eq!(told(&get_of(&server, "/hang"), short).await, wanted);

    let server = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", After::Keep).await;
    let wanted = unhealthy("GET URL: answered 200, but its body did not end within 200 ms");
    assert_eq!(told(&get_of(&server, "/"), short).await, wanted);
}

#[tokio::test]
async fn no_answer_at_all() {
    let server = raw(b"", After::Reset).await;
    let wanted = unhealthy("GET URL: the connection was reset");
    assert_eq!(told(&get_of(&server, "/"), LIMIT).await, wanted);

    let server = raw(b"", After::Close).await;
    let closed = "GET URL: no valid HTTP answer (connection closed before message completed)";
    assert_eq!(told(&get_of(&server, "/"), LIMIT).await, unhealthy(closed));

    let server = raw(b"220 mail.example.org ESMTP\r\n", After::Close).await;
    let (status, message) = told(&get_of(&server, "/"), LIMIT).await;
    assert_eq!(status, ProbeStatus::Unhealthy);
    assert!(message.starts_with("GET URL: no valid HTTP answer ("), "{message}");

    let server = raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", After::Close).await;
    let (status, message) = told(&get_of(&server, "/"), LIMIT).await;
    assert_eq!(status, ProbeStatus::Unhealthy);
    let start = "GET URL: answered 200, but its body broke off (";
    assert!(message.starts_with(start), "{message}");

    let (nobody, address) = listener().await;
    drop(nobody);
    let mut probe = get_of(&server, "/");
    probe.http = url(format!("http://{address}/"));
    let refused = "GET URL: connection refused, nothing listens there";
    assert_eq!(told(&probe, LIMIT).await, unhealthy(refused));
}

#[tokio::test]
async fn tls_that_is_none() {
    let server = raw(b"HTTP/1.1 400 Bad Request\r\n\r\n", After::Close).await;
    let mut probe = get_of(&server, "/");
    probe.http = url(format!("https://{}/", server.address));
    let (status, message) = told(&probe, LIMIT).await;
    assert_eq!(status, ProbeStatus::Unhealthy);
    assert!(message.starts_with("GET URL: TLS failed, "), "{message}");
}

#[tokio::test]
async fn what_cannot_be_asked_is_unknown_and_passwords_stay_at_home() {
    let mut probe = get_of(&application().await, "/");
    probe.http = url("http://[nourl".to_owned());
    assert_eq!(told(&probe, LIMIT).await.0, ProbeStatus::Unknown);
    for text in ["no url", "ftp://127.0.0.1/"] {
        assert!(PageUrl::try_from(text.to_owned()).is_err(), "{text}");
    }

    let (nobody, address) = listener().await;
    drop(nobody);
    probe.http = url(format!("http://joe:hunter2@{address}/"));
    let (_, message) = told(&probe, LIMIT).await;
    assert!(message.starts_with("GET http://joe:***@"), "{message}");
}

#[tokio::test]
async fn a_message_is_never_longer_than_its_bound() {
    let server = application().await;
    let mut probe = get_of(&server, &format!("/error?{}", "x".repeat(2000)));
    let key = "/x".repeat(400);
    probe.status = Statuses(500, 500);
    probe.json = BTreeMap::from([(pointer(&key), Expected::Text("\u{1b}".repeat(400)))]);
    for text in [probe.http.to_string(), probe.http.replace("/error?", "/ok?")] {
        probe.http = url(text);
        let outcome = run(&probe, Limit::new(LIMIT)).await;
        assert_eq!(outcome.status, ProbeStatus::Unhealthy);
        assert!(outcome.message.chars().count() <= text::MESSAGE);
        assert!(!outcome.message.contains(char::is_control));
    }
}
