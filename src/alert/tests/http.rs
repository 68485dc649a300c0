//! Webhooks, Alertmanager and Sentry: what they are sent, and what is made of their answers.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;

/// What a server was sent.
struct Received {
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Received {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {:?}", self.headers));
        std::str::from_utf8(value.as_bytes()).expect("UTF-8")
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// A server for the length of one test, which answers all alike.
struct Server {
    address: SocketAddr,
    received: mpsc::Receiver<Received>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn next(&mut self) -> Received {
        self.received.try_recv().expect("a request")
    }
}

async fn server(status: u16, answer: &'static str) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let address = listener.local_addr().expect("an address");
    let (sender, received) = mpsc::channel(16);
    let app = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
        let sender = sender.clone();
        async move {
            // An answer that echoes what proves who we are.
            let proof = headers.get("authorization").or(headers.get("x-sentry-auth"));
            let echo = proof.map(|value| value.to_str().expect("text").to_owned());
            let echo = format!("{answer}{}{}", echo.unwrap_or_default(), uri.path());
            sender.try_send(Received { path: uri.path().to_owned(), headers, body }).expect("room");
            let status = StatusCode::from_u16(status).expect("a status");
            (status, [("location", "/elsewhere")], echo)
        }
    });
    let task = tokio::spawn(async move {
        axum::serve(listener, app).await.expect("it serves");
    });
    Server { address, received, task }
}

/// Takes connections and never answers.
async fn silent() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    (listener, url)
}

/// Where nothing listens.
async fn nowhere() -> String {
    let (listener, url) = silent().await;
    drop(listener);
    url
}

#[tokio::test]
async fn a_webhook_is_sent_the_alert() {
    let mut server = server(204, "").await;
    let hook = webhook(&server.url("/hook"), "json", None);
    assert_eq!(deliver(&hook, &firing()).await, Ok(()));
    let received = server.next();
    assert_eq!((received.path.as_str(), received.header("content-type")), ("/hook", "application/json"));
    assert_eq!(received.header("x-steadfast-key"), "web1/horizon.service#17");
    let json = received.json();
    assert_eq!(
        (&json["version"], &json["host"], &json["status"]),
        (&1.into(), &"web1".into(), &"firing".into())
    );
    let alert = &json["alerts"][0];
    assert_eq!(alert["started_at"], "2026-11-20T10:00:00.007Z");
    assert_eq!((&alert["ended_at"], &alert["incident"]), (&Value::Null, &17.into()));
    assert_eq!(alert["labels"]["k8s.io/team"], "media");
    let keys: Vec<&str> = alert.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(
        keys.join(" "),
        "key status incident unit code severity summary evidence done next changes repair affected owner runbook \
         labels started_at ended_at"
    );
}

#[tokio::test]
async fn what_went_wrong_is_told_in_one_clause() {
    let told =
        async |url: &str| deliver(&webhook(url, "json", None), &firing()).await.expect_err("not delivered");
    let broken = server(500, "no \u{1b} database ").await;
    let shown = broken.url("/…");
    assert_eq!(
        told(&broken.url("/hook")).await,
        format!("{shown} answered 500, \"no \\u{{1b}} database ***\"")
    );
    let mut moved = server(307, "").await;
    let why = told(&moved.url("/hook")).await;
    assert!(why.ends_with("answered 307, a redirect, which is not followed"), "{why}");
    assert_eq!(moved.next().path, "/hook");
    assert!(moved.received.try_recv().is_err(), "nothing went elsewhere");
    let nowhere = nowhere().await;
    assert_eq!(told(&nowhere).await, format!("{}: connection refused", nowhere.trim_end_matches('/')));
    assert_eq!(
        told("hooks.example.org/T0K3N").await,
        "its keys cannot be read (cannot use `url`: it is no http:// or https:// URL)"
    );
    let why = told("http://no-such-host.invalid/T0K3N").await;
    assert!(why.starts_with("http://no-such-host.invalid/…: ") && !why.contains("T0K3N"), "{why}");
}

#[tokio::test]
async fn who_does_not_answer_is_left_alone_in_time() {
    let (_listener, url) = silent().await;
    let hook = SinkSpec { timeout: Duration::from_millis(300), ..webhook(&url, "json", None) };
    assert_eq!(deliver(&hook, &firing()).await, Err("no answer within 300 ms".to_owned()));
}

#[tokio::test]
async fn secrets_prove_who_we_are_and_are_never_shown() {
    let mut server = server(403, "who is ").await;
    let (_directory, token) = secret("s3cret-token\n");
    let hook = webhook(&server.url("/"), "json", Some(token));
    let why = deliver(&hook, &firing()).await.expect_err("refused");
    assert_eq!(server.next().header("authorization"), "Bearer s3cret-token");
    assert!(why.ends_with("answered 403, \"who is Bearer ***/\""), "{why}");

    let (_directory, whole) = secret(&server.url("/services/T0001/B0002?token=abcdefghij"));
    let why = deliver(&webhook("", "slack", Some(whole)), &firing()).await.expect_err("refused");
    assert_eq!(server.next().path, "/services/T0001/B0002");
    assert_eq!(why, format!("{} answered 403, \"who is ***\"", server.url("/…")));

    let (_directory, garbage) = secret("hooks.example.org/T0001");
    let why = deliver(&webhook("", "slack", Some(garbage)), &firing()).await.expect_err("no URL");
    assert_eq!(why, "it has no http:// or https:// URL");

    let (_directory, odd) = secret("s3cret\ntoken");
    let why = deliver(&webhook(&server.url("/"), "json", Some(odd)), &firing()).await;
    let why = why.expect_err("no header");
    assert!(why.contains("cannot make the request") && !why.contains("s3cret"), "{why}");

    let (directory, lost) = secret("x");
    let path = directory.path().join("secret");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("public");
    let why = deliver(&webhook(&server.url("/"), "json", Some(lost)), &firing()).await;
    let told = format!("its secret cannot be read from {}, others may read it (chmod 600)", path.display());
    assert_eq!(why, Err(told));
}

#[tokio::test]
async fn slack_is_sent_blocks() {
    let mut server = server(200, "ok").await;
    let hook = webhook(&server.url("/T0001"), "slack", None);
    assert_eq!(deliver(&hook, &firing()).await, Ok(()));
    let json = server.next().json();
    assert_eq!(json["text"], "[firing] web1 horizon.service: the main process 100 (php) runs 41 &lt; 4…");
    assert_eq!(
        (&json["blocks"][0]["type"], &json["blocks"][1]["type"]),
        (&"header".into(), &"section".into())
    );
    let text = json["blocks"][1]["text"]["text"].as_str().expect("a text");
    assert!(text.contains("steadfast ack 17") && text.contains("41 &lt; 42"), "{text}");

    let mut long = alert(AlertStatus::Firing);
    long.summary = "<".repeat(10_000);
    long.evidence = vec!["&".repeat(5000); 50];
    let crowd = message(vec![long; 40]);
    assert_eq!(deliver(&hook, &crowd).await, Ok(()));
    let json = server.next().json();
    let blocks = json["blocks"].as_array().expect("blocks");
    assert_eq!(blocks.len(), 14);
    for block in blocks {
        let length = block["text"]["text"].as_str().expect("a text").chars().count();
        assert!(length <= if block["type"] == "header" { 150 } else { 3000 }, "{length}");
    }
}

#[tokio::test]
async fn ntfy_is_sent_a_text_and_headers() {
    let mut server = server(200, "").await;
    let (_directory, token) = secret("tk_s3cret");
    let topic = webhook(&server.url("/alerts"), "ntfy", Some(token));
    assert_eq!(deliver(&topic, &firing()).await, Ok(()));
    let received = server.next();
    assert!(received.header("title").starts_with("[firing] web1 horizon.service: the main process"));
    assert_eq!(
        (received.header("priority"), received.header("tags")),
        ("urgent", "rotating_light,steadfast")
    );
    assert_eq!(received.header("authorization"), "Bearer tk_s3cret");
    assert!(String::from_utf8_lossy(&received.body).ends_with("steadfast ack 17\n"));
    assert_eq!(deliver(&topic, &resolved()).await, Ok(()));
    let received = server.next();
    assert_eq!(
        received.header("title"),
        "[resolved] web1 horizon.service: over after 4 min (release-outdated)"
    );
    assert_eq!(
        (received.header("priority"), received.header("tags")),
        ("default", "white_check_mark,steadfast")
    );
}

#[tokio::test]
async fn alertmanager_is_told_the_same_labels_from_firing_to_resolved() {
    let mut server = server(200, "").await;
    let cluster = alertmanager(&[server.url("/am/")]);
    assert_eq!(deliver(&cluster, &firing()).await, Ok(()));
    assert_eq!(deliver(&cluster, &resolved()).await, Ok(()));
    let (fires, ended) = (server.next(), server.next());
    assert_eq!(fires.path, "/am/api/v2/alerts");
    let (fires, ended) = (fires.json(), ended.json());
    assert_eq!(fires[0]["labels"], ended[0]["labels"]);
    assert_eq!(
        fires[0]["labels"].to_string(),
        "{\"alertname\":\"SteadfastReleaseOutdated\",\"code\":\"release-outdated\",\"host\":\"web1\",\"instance\":\"web1\",\
         \"k8s_io_team\":\"media\",\"severity\":\"critical\",\"unit\":\"horizon.service\"}"
    );
    assert_eq!(fires[0]["startsAt"], "2026-11-20T10:00:00.007Z");
    assert_eq!(ended[0]["endsAt"], "2026-11-20T10:04:05.007Z");
    let ends: jiff::Timestamp = fires[0]["endsAt"].as_str().expect("a time").parse().expect("a time");
    let left = ends.as_millisecond() - crate::clock::now().wall_ms;
    assert!((200_000..=240_000).contains(&left), "{left}");
    assert_eq!(fires[0]["annotations"]["runbook_url"], "https://wiki.example.org/horizon");
    let test = message(vec![alert(AlertStatus::Test)]);
    assert_eq!(deliver(&cluster, &test).await, Ok(()));
    assert_eq!(server.next().json()[0]["labels"]["alertname"], "SteadfastTest");
}

#[tokio::test]
async fn one_member_of_a_cluster_is_enough() {
    let mut up = server(200, "").await;
    let broken = server(503, "not ready").await;
    let (_listener, hangs) = silent().await;
    let all = [nowhere().await, broken.url(""), hangs.clone(), up.url("")];
    let short = |urls: &[String]| SinkSpec { timeout: Duration::from_millis(1500), ..alertmanager(urls) };
    assert_eq!(deliver(&short(&all), &firing()).await, Ok(()));
    assert_eq!(up.next().path, "/api/v2/alerts");
    let why = deliver(&short(&all[..3]), &firing()).await.expect_err("nobody took it");
    for part in ["connection refused; http://", "answered 503, \"not ready", "; no answer within 1.5 s"] {
        assert!(why.contains(part), "{part}: {why}");
    }
}

#[tokio::test]
async fn sentry_is_sent_an_envelope_of_three_lines() {
    let mut server = server(200, "").await;
    let dsn = server.url("/prefix/42").replace("http://", "http://0123456789abcdef@");
    let sink = |dsn: &str, secret: Option<Secret>| {
        let url = if dsn.is_empty() { String::new() } else { format!("url = {dsn:?}\n") };
        sink("sentry", &format!("{url}{}", password(secret.as_ref())))
    };
    assert_eq!(deliver(&sink(&dsn, None), &firing()).await, Ok(()));
    let received = server.next();
    assert_eq!(received.path, "/prefix/api/42/envelope/");
    let login = received.header("x-sentry-auth");
    assert!(login.starts_with("Sentry sentry_version=7, sentry_client=steadfast/"), "{login}");
    assert!(login.ends_with(", sentry_key=0123456789abcdef"), "{login}");
    let body = String::from_utf8(received.body.to_vec()).expect("UTF-8");
    let lines: Vec<Value> = body.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [head, item, event] = lines.as_slice() else { panic!("{body}") };
    assert_eq!(
        (&head["event_id"], &item["type"]),
        (&event["event_id"].as_str().map(dashed).into(), &"event".into())
    );
    assert_eq!(event["fingerprint"][0], "web1/horizon.service#17");
    assert_eq!(event["level"], Value::Null, "error is what is meant without");
    assert_eq!((&event["server_name"], &event["tags"]["unit"]), (&"web1".into(), &"horizon.service".into()));
    assert_eq!(event["extra"]["changes"][1], "php8.2 upgraded");
    assert!(!body.contains("0123456789abcdef"), "the key stands in the header alone");

    let (_directory, whole) = secret(&dsn);
    assert_eq!(deliver(&sink("", Some(whole)), &resolved()).await, Ok(()));
    let second = server.next();
    let second = String::from_utf8_lossy(&second.body);
    assert!(second.contains("\"level\":\"info\""), "{second}");

    let refuses = self::server(403, "").await;
    let dsn = refuses.url("/42").replace("http://", "http://0123456789abcdef@");
    let why = deliver(&sink(&dsn, None), &firing()).await.expect_err("refused");
    assert!(why.contains("answered 403") && why.contains("sentry_key=***"), "{why}");
    let why = deliver(&sink("https://0123456789abcdef@/42", None), &firing()).await;
    assert_eq!(why, Err("its DSN is not https://KEY@HOST/PROJECT".to_owned()));
}

/// As the head of an envelope writes an id.
fn dashed(id: &str) -> String {
    if id.contains('-') {
        return id.to_owned();
    }
    [&id[..8], &id[8..12], &id[12..16], &id[16..20], &id[20..]].join("-")
}
