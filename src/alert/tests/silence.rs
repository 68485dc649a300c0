//! Silences, against a small Alertmanager that takes and refuses them as the real one does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use axum::{Json, response::IntoResponse};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Written, alertmanager};
use crate::model::alert::{Silence, SinkSpec};
use crate::model::moment::Moment;
use crate::model::unit::UnitName;

/// What it holds, and what it does wrong.
#[derive(Debug, Default)]
struct Kept {
    silences: Vec<Value>,
    /// It takes what it is told, and its answer is lost.
    mute: bool,
    /// It answers this to everything.
    rude: Option<(u16, String)>,
}

type Shared = Arc<Mutex<Kept>>;

struct Manager {
    address: SocketAddr,
    kept: Shared,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Manager {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn parsed(value: &Value) -> Timestamp {
    value.as_str().expect("a text").parse().expect("a time")
}

impl Kept {
    fn state(silence: &Value) -> &'static str {
        if parsed(&silence["endsAt"]) <= Timestamp::now() { "expired" } else { "active" }
    }

    fn expire(&mut self, id: &str) -> bool {
        let known = self.silences.iter_mut().find(|known| known["id"] == id);
        known.map(|known| known["endsAt"] = Timestamp::now().to_string().into()).is_some()
    }
}

async fn list(State(kept): State<Shared>, Query(filter): Query<Vec<(String, String)>>) -> impl IntoResponse {
    let kept = kept.lock().expect("whole");
    if let Some((code, text)) = &kept.rude {
        return (StatusCode::from_u16(*code).expect("a status"), text.clone());
    }
    let wanted = &filter.first().expect("a filter").1;
    let unit = wanted.strip_prefix("unit=\"").and_then(|text| text.strip_suffix('"')).expect("a matcher");
    let unit = unit.replace("\\\\", "\\");
    let of_unit = |known: &&Value| {
        let matchers = known["matchers"].as_array().expect("matchers");
        matchers.iter().any(|one| one["name"] == "unit" && one["value"] == unit.as_str())
    };
    let shown = kept.silences.iter().filter(of_unit).map(|known| {
        let mut shown = known.clone();
        shown["status"] = json!({"state": Kept::state(known)});
        shown
    });
    (StatusCode::OK, Value::from_iter(shown).to_string())
}

async fn put(State(kept): State<Shared>, Json(mut silence): Json<Value>) -> impl IntoResponse {
    let mut kept = kept.lock().expect("whole");
    let no = |code: u16, text: &str| (StatusCode::from_u16(code).expect("a status"), format!("{text:?}"));
    let matchers = silence["matchers"].as_array().cloned().unwrap_or_default();
    let whole =
        |one: &Value| one["name"].is_string() && one["isRegex"].is_boolean() && one["value"].is_string();
    if matchers.is_empty() || !matchers.iter().all(whole) || !silence["createdBy"].is_string() {
        return no(400, "invalid silence");
    }
    if parsed(&silence["endsAt"]) <= Timestamp::now()
        || parsed(&silence["endsAt"]) <= parsed(&silence["startsAt"])
    {
        return no(400, "end time can't be in the past");
    }
    if let Some(id) = silence["id"].as_str().map(str::to_owned) {
        let Some(known) = kept.silences.iter().find(|known| known["id"] == id.as_str()).cloned() else {
            return no(404, "silence not found");
        };
        let same = known["matchers"] == silence["matchers"] && known["startsAt"] == silence["startsAt"];
        if same && Kept::state(&known) == "active" {
            kept.silences.retain(|known| known["id"] != id.as_str());
        } else {
            kept.expire(&id);
            silence["id"] = Value::Null;
        }
    } else if parsed(&silence["startsAt"]) < Timestamp::now() {
        silence["startsAt"] = Timestamp::now().to_string().into();
    }
    let number = kept.silences.len();
    let id = silence["id"].as_str().map_or_else(|| format!("made-{number}"), str::to_owned);
    silence["id"] = id.as_str().into();
    kept.silences.push(silence);
    if kept.mute { no(500, "lost") } else { (StatusCode::OK, json!({"silenceID": id}).to_string()) }
}

async fn end(State(kept): State<Shared>, Path(id): Path<String>) -> StatusCode {
    if kept.lock().expect("whole").expire(&id) { StatusCode::OK } else { StatusCode::NOT_FOUND }
}

impl Manager {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a listener");
        let address = listener.local_addr().expect("an address");
        let kept = Shared::default();
        let app = Router::new()
            .route("/api/v2/silences", get(list).post(put))
            .route("/api/v2/silence/{id}", delete(end))
            .with_state(kept.clone());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.expect("it serves") });
        Self { address, kept, task }
    }

    fn sink(&self) -> SinkSpec {
        alertmanager(&[format!("http://{}/", self.address)])
    }

    /// Comments and ends of what is not over.
    fn active(&self) -> Vec<(String, i64)> {
        let kept = self.kept.lock().expect("whole");
        let active = kept.silences.iter().filter(|known| Kept::state(known) == "active");
        let text = |known: &Value| known["comment"].as_str().expect("a comment").to_owned();
        active.map(|known| (text(known), parsed(&known["endsAt"]).as_second())).collect()
    }
}

/// Of a unit whose name has what filters escape. `minutes`: from now on; `None`: it ends now.
fn silence(minutes: Option<u64>) -> Silence {
    let now = crate::clock::now();
    Silence {
        host: "web.1".to_owned(),
        unit: UnitName::from("dev-disk\\x2dby.mount"),
        key: "web.1/dev-disk\\x2dby.mount/17".to_owned(),
        who: "anna (uid 1000)".to_owned(),
        reason: "ticket [7]".to_owned(),
        until: minutes.map(|minutes| now.plus(Duration::from_secs(60 * minutes))),
    }
}

async fn told(sink: &SinkSpec, silence: &Silence) -> Result<(), String> {
    crate::alert::silence(sink, silence, &Written).await
}

fn seconds(until: Option<Moment>) -> i64 {
    until.expect("an end").wall_ms / 1000
}

const COMMENT: &str = "ticket [7] [web.1/dev-disk\\x2dby.mount/17]";

#[tokio::test]
async fn what_is_told_twice_is_there_once_and_is_moved_and_ended() {
    let manager = Manager::new().await;
    // Another person's, and one of ours that is over.
    let other = json!({"id": "other", "comment": "mine", "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2099-01-01T00:00:00Z", "createdBy": "bob",
        "matchers": [{"name": "unit", "value": "dev-disk\\x2dby.mount", "isRegex": false, "isEqual": true}]});
    let over = json!({"id": "over", "comment": COMMENT, "startsAt": "2026-01-01T00:00:00Z",
        "endsAt": "2026-01-02T00:00:00Z", "createdBy": "anna", "matchers": other["matchers"]});
    manager.kept.lock().unwrap().silences.extend([other, over]);
    let (sink, first) = (manager.sink(), silence(Some(30)));
    // Taken, and the answer lost: told again it is still one.
    manager.kept.lock().unwrap().mute = true;
    assert!(told(&sink, &first).await.unwrap_err().contains("answered 500, \"\\\"lost\\\"\""));
    manager.kept.lock().unwrap().mute = false;
    assert_eq!(told(&sink, &first).await, Ok(()));
    assert_eq!(told(&sink, &first).await, Ok(()));
    let ours =
        |all: Vec<(String, i64)>| all.into_iter().filter(|(text, _)| text == COMMENT).collect::<Vec<_>>();
    assert_eq!(ours(manager.active()), [(COMMENT.to_owned(), seconds(first.until))]);
    let made = manager.kept.lock().unwrap().silences.last().unwrap().clone();
    assert_eq!(made["createdBy"], "anna (uid 1000)");
    assert_eq!(
        (&made["matchers"][1]["value"], &made["matchers"][1]["isRegex"]),
        (&json!("web\\.1(:[0-9]+)?"), &json!(true))
    );
    for minutes in [120, 10] {
        let moved = silence(Some(minutes));
        assert_eq!(told(&sink, &moved).await, Ok(()));
        assert_eq!(ours(manager.active()), [(COMMENT.to_owned(), seconds(moved.until))]);
    }
    assert_eq!(told(&sink, &silence(None)).await, Ok(()));
    assert_eq!(told(&sink, &silence(None)).await, Ok(()), "it is over already");
    assert_eq!(manager.active(), [("mine".to_owned(), 4_070_908_800)]);
}

#[tokio::test]
async fn one_member_is_enough_and_a_stranger_is_told_nothing_more() {
    let (rude, manager) = (Manager::new().await, Manager::new().await);
    let url = |manager: &Manager| format!("http://{}", manager.address);
    let cluster = alertmanager(&[url(&rude), url(&manager)]);
    let evil = json!([{"id": "../../x", "status": {"state": "active"}, "comment": COMMENT,
        "startsAt": "2026-01-01T00:00:00Z", "endsAt": "2099-01-01T00:00:00Z"}]);
    for (code, text) in [
        (400, "\u{1b}no".to_owned()),
        (200, "[".repeat(50_000)),
        (200, "[{}]".to_owned()),
        (200, " ".repeat(2_000_000)),
    ] {
        rude.kept.lock().unwrap().rude = Some((code, text));
        let why = told(&rude.sink(), &silence(Some(5))).await.unwrap_err();
        assert!(why.len() < 300 && !why.contains('\u{1b}'), "{why}");
        assert_eq!(told(&cluster, &silence(Some(5))).await, Ok(()));
    }
    assert_eq!(manager.active().len(), 1);
    // An id that would be another path is none of ours.
    rude.kept.lock().unwrap().rude = Some((200, evil.to_string()));
    assert_eq!(told(&rude.sink(), &silence(None)).await, Ok(()));
    assert!(
        told(&super::webhook("http://127.0.0.1:9/", "json", None), &silence(Some(5)))
            .await
            .unwrap_err()
            .contains("no silences")
    );
}
