//! FleetLock against a small server that follows the protocol to the letter, and etcd's gateway where it lies or is away. The real
//! etcd is asked by the machines.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::routing::post;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// Who has the one slot, and what was wrong with a question.
#[derive(Default)]
struct Told {
    holder: Option<String>,
    wrong: Vec<String>,
}

type Server = Arc<Mutex<Told>>;

/// The protocol: https://coreos.github.io/zincati/development/fleetlock/protocol/
async fn fleetlock(
    State(server): State<Server>,
    uri: Uri,
    headers: HeaderMap,
    body: String,
) -> (StatusCode, String) {
    let mut server = server.lock().unwrap();
    if headers.get("fleet-lock-protocol").is_none_or(|value| value != "true") {
        server.wrong.push("the header is missing".to_owned());
    }
    let asked: Value = serde_json::from_str(&body).unwrap_or_default();
    let told = |key: &str| asked["client_params"][key].as_str().unwrap_or_default().to_owned();
    let (id, group) = (told("id"), told("group"));
    if id.is_empty() || group != "web" {
        server.wrong.push(body);
    }
    let ours = server.holder.as_ref() == Some(&id);
    match uri.path() {
        "/v1/pre-reboot" if ours || server.holder.is_none() => server.holder = Some(id),
        "/v1/pre-reboot" => {
            let why =
                r#"{"kind": "failed_lock_semaphore_full", "value": "semaphore currently full\u001b[2J"}"#;
            return (StatusCode::NOT_FOUND, why.to_owned());
        }
        "/v1/steady-state" if ours => server.holder = None,
        "/v1/steady-state" => {}
        other => server.wrong.push(other.to_owned()),
    }
    (StatusCode::OK, String::new())
}

async fn serve(app: Router) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (address, tokio::spawn(async move { axum::serve(listener, app).await.unwrap() }))
}

fn take(holder: &str) -> LockAsked {
    LockAsked::Take {
        holder: holder.to_owned(),
        what: "restart".to_owned(),
        machine: "m".to_owned(),
        now_ms: 1,
    }
}

fn leave(holder: &str) -> LockAsked {
    LockAsked::Leave { holder: holder.to_owned(), machine: "m".to_owned() }
}

#[tokio::test]
async fn fleetlock_gives_a_slot_to_one_and_takes_it_back() {
    let server = Server::default();
    let app = Router::new().route("/v1/{verb}", post(fleetlock)).with_state(Arc::clone(&server));
    let (address, task) = serve(app).await;
    let keys = Lock { fleetlock: Some(address), slots: 1, ..Lock::default() }.keys();
    for _ in 0..2 {
        assert_eq!(
            lock(&keys, "web", &take("web1/a")).await,
            Ok(LockSaid::Ours),
            "again it is the same slot"
        );
    }
    let busy = lock(&keys, "web", &take("web2/a")).await;
    let Ok(LockSaid::Busy(holders)) = busy else { panic!("{busy:?}") };
    let holder = Holder::from(holders[0].clone());
    assert_eq!(
        holder.what.as_deref(),
        Some("semaphore currently full [2J (404)"),
        "without control characters"
    );
    assert_eq!(lock(&keys, "web", &leave("web1/a")).await, Ok(LockSaid::Left));
    assert_eq!(lock(&keys, "web", &take("web2/a")).await, Ok(LockSaid::Ours));
    assert!(lock(&keys, "web", &LockAsked::Look).await.is_err(), "it tells nobody who has slots");
    assert_eq!(server.lock().unwrap().wrong, Vec::<String>::new());
    task.abort();
}

#[tokio::test]
async fn what_is_no_lock_server_gives_no_slot() {
    let app = Router::new()
        .route(
            "/v3/kv/range",
            post(|| async { r#"{"kvs": [{"value": "bm8=", "mod_revision": "7"}], "header": {}}"# }),
        )
        .route("/v1/pre-reboot", post(|| async { (StatusCode::BAD_GATEWAY, "<html>") }));
    let (address, task) = serve(app).await;
    let etcd = |addresses: &[&str]| {
        let etcd = addresses.iter().map(|address| (*address).to_owned()).collect();
        Lock { etcd, slots: 1, timeout: Some(Length(Duration::from_secs(20))), ..Lock::default() }.keys()
    };
    let said = lock(&etcd(&[&address]), "web", &take("web1/a")).await;
    assert!(said.as_ref().is_err_and(|why| why.contains("is no semaphore of airlock's")), "{said:?}");
    let gateway = Lock { fleetlock: Some(address.clone()), ..Lock::default() }.keys();
    let said = lock(&gateway, "web", &take("web1/a")).await;
    assert!(said.as_ref().is_err_and(|why| why.contains("answered 502")), "{said:?}");
    // Nobody listens there: the next address is asked, and the first reason is told.
    let said = lock(&etcd(&["http://127.0.0.1:1", "http://127.0.0.1:2"]), "web", &take("web1/a")).await;
    assert!(said.is_err_and(|why| why.contains("connection refused")));
    task.abort();
}
