//! The status socket: the real server on a real socket, spoken to by the real client.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests")]

#[expect(dead_code, reason = "the tests of the commands use the rest")]
mod pictures;

#[path = "api/page.rs"]
mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use pictures::{Past, TEN_O_CLOCK};
use serde_json::{Value, json};
use steadfast::api::client::{Client, Error, Events};
use steadfast::api::server::{Question, serve, serve_reading};
use steadfast::api::wire::{BaselineBody, Event, ReplyResult, State, Status};
use steadfast::model::baseline::Lost;
use steadfast::model::finding::Code;
use steadfast::model::incident::EventKind;
use steadfast::model::operator::{Answer, Ask, UnitAsk};
use steadfast::model::snapshot::{Snapshot, UnitStatus};
use steadfast::model::tally::{HostTally, UnitTally};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

/// A limit that only a broken test reaches.
const SOON: Duration = Duration::from_secs(20);

/// A server on a socket of its own, open to every user of the machine.
struct Served {
    directory: TempDir,
    snapshots: watch::Sender<Snapshot>,
    questions: Option<mpsc::Receiver<Question>>,
    server: JoinHandle<()>,
}

impl Served {
    fn new(snapshot: Snapshot) -> Self {
        Self::remembering(snapshot, Past::default())
    }

    fn remembering(snapshot: Snapshot, past: Past) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let socket = directory.path().join("steadfast.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
        let (snapshots, receiver) = watch::channel(snapshot);
        let (ask, questions) = mpsc::channel(1);
        let (recall, history) = mpsc::channel(1);
        tokio::spawn(past.answer(history));
        let server = tokio::spawn(serve(listener, receiver, ask, recall));
        Self { directory, snapshots, questions: Some(questions), server }
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("steadfast.sock")
    }

    fn client(&self) -> Client {
        Client::new(self.socket(), false)
    }

    /// Answers every question, telling what was asked.
    fn answer_with(&mut self, answer: Answer) -> mpsc::UnboundedReceiver<(String, String, UnitAsk)> {
        let mut questions = self.questions.take().unwrap();
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some((request, reply)) = questions.recv().await {
                if let Ask::OfUnit { unit, ask } = request.ask {
                    let _ = tell.send((unit.to_string(), request.who, ask));
                }
                let _ = reply.send(answer.clone());
            }
        });
        told
    }

    /// One request in our own words; the answer's status and body.
    async fn raw(&self, request: &str) -> (u16, String) {
        let (status, _, body) = said(UnixStream::connect(self.socket()).await.unwrap(), request).await;
        (status, body)
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
             content-length: {length}\r\n\r\n{body}"
        );
        let (status, body) = self.raw(&request).await;
        (status, serde_json::from_str(&body).unwrap())
    }
}

/// One request over a stream of either kind; status, head and body of the answer.
async fn said(mut stream: impl AsyncRead + AsyncWrite + Unpin, request: &str) -> (u16, String, String) {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let reading = timeout(SOON, stream.read_to_end(&mut answer));
    reading.await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let head = head.to_lowercase();
    let body = if head.contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
    (status, head, body)
}

/// The body that came in chunks: the length of each in a line, then itself.
fn unchunked(body: &str) -> String {
    let (mut rest, mut whole) = (body, String::new());
    while let Some((length, after)) = rest.split_once("\r\n") {
        let (chunk, next) = after.split_at(usize::from_str_radix(length, 16).unwrap());
        whole.push_str(chunk);
        rest = next.strip_prefix("\r\n").unwrap();
    }
    whole
}

/// A short request: method, path and further lines of the head.
fn asking(method: &str, path: &str, head: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{head}\r\n")
}

fn contract() -> Snapshot {
    pictures::only(&["horizon.service"], pictures::zoo(TEN_O_CLOCK))
}

/// The example of the contract, as it stands there.
const EXAMPLE: &str = r#"
{ "version": 1, "generated_at": "2026-11-20T10:00:00.000Z", "host": "web1", "boot_id": "…", "state": "degraded",
  "summary": {"ok": 11, "degraded": 1, "down": 0, "recovering": 0, "held": 0, "quarantined": 0, "unknown": 0, "disabled": 0},
  "units": [ {
    "unit": "horizon.service", "state": "degraded", "mode": "act", "file": "/etc/steadfast/units.d/horizon.service.toml",
    "active_state": "active", "sub_state": "running", "unit_file_state": "enabled",
    "main_pid": 4242, "invocation_id": "…", "active_since": "…",
    "conditions": [ {"type": "Release", "status": "false", "reason": "release-outdated", "message": "…", "since": "…"} ],
    "release": {"link": "/srv/app/current", "current": "/srv/app/releases/66", "running": "/srv/app/releases/65", "deleted": false, "switched_at": "…",
                "processes": [ {"pid": 4242, "role": "main", "release": "/srv/app/releases/65", "deleted": false} ]},
    "probes": [ {"name": "inbox", "status": "healthy", "latency_ms": 3.1, "message": "…", "last_at": "…"} ],
    "findings": [ {"code": "release-outdated", "severity": "critical", "message": "…", "since": "…", "evidence": ["…"], "repair": "…"} ],
    "incident": 17, "explained_by": null,
    "next_action": {"action": "restart", "due_at": "…", "because": "release-outdated"}, "last_action": {"action": "start", "at": "…", "outcome": "done"},
    "restarts": {"spent": 0, "burst": 3, "interval_s": 900} } ],
  "findings": [ ], "incidents_open": 1 }
"#;

/// Every name of `wanted` is in `found`, with the same kind of value.
fn assert_speaks(wanted: &Value, found: &Value, at: &str) {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            for (name, wanted) in wanted {
                let found = found.get(name).unwrap_or_else(|| panic!("{at}/{name} is missing"));
                assert_speaks(wanted, found, &format!("{at}/{name}"));
            }
        }
        (Value::Array(wanted), Value::Array(found)) => {
            let Some(wanted) = wanted.first() else { return };
            assert!(!found.is_empty(), "{at} is empty");
            for found in found {
                assert_speaks(wanted, found, &format!("{at}/0"));
            }
        }
        _ => assert_eq!(
            std::mem::discriminant(wanted),
            std::mem::discriminant(found),
            "{at}: {wanted} and {found}"
        ),
    }
}

/// A connection to `listen`, as soon as somebody listens.
async fn connect(address: SocketAddr) -> TcpStream {
    let connected = async {
        loop {
            if let Ok(stream) = TcpStream::connect(address).await {
                return stream;
            }
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, connected).await.unwrap()
}

#[tokio::test]
async fn the_status_is_the_contract_to_the_letter() {
    let served = Served::new(contract());
    let (status, body) = served.ask("GET", "/v1/status", "").await;
    assert_eq!(status, 200);
    assert_speaks(&serde_json::from_str(EXAMPLE).unwrap(), &body, "");
    insta::assert_snapshot!(serde_json::to_string_pretty(&body).unwrap());
    // The client reads back what the server wrote.
    assert_eq!(served.client().status().await.unwrap(), Status::of(&contract()));
}

#[tokio::test]
async fn every_kind_of_unit_comes_back_as_it_was_sent() {
    let zoo = pictures::zoo(TEN_O_CLOCK);
    let served = Served::new(zoo.clone());
    let status = served.client().status().await.unwrap();
    assert_eq!(status, Status::of(&zoo));
    assert_eq!(status.state, State::Down);
    assert_eq!(status.summary.values().sum::<usize>(), 10);
    assert!(status.summary.values().all(|units| *units > 0), "one in each state: {:?}", status.summary);
    assert_eq!(status.incidents_open, 5);
}

#[tokio::test]
async fn a_unit_is_found_by_name_and_by_alias_with_its_timeline() {
    let aliases = "settings horizon.service wd=/srv/app/current alias=queue.service\n";
    let aliased = pictures::zoo_and(aliases, TEN_O_CLOCK).snapshot().clone();
    let lines = aliased.events.iter().filter(|event| event.unit == Some("horizon.service".into())).count();
    let client = Served::new(aliased);
    for name in ["horizon.service", "horizon", "queue.service"] {
        let unit = client.client().unit(name).await.unwrap();
        assert_eq!(unit.unit, "horizon.service");
        assert_eq!(unit.events.len(), lines);
    }
    let error = client.client().unit("a/b.service").await.unwrap_err();
    assert!(matches!(error, Error::NotManaged(_)), "{error}");
}

#[tokio::test]
async fn incidents_are_read_from_the_history() {
    let deploy = pictures::story(include_str!("pictures/deploy.txt"), TEN_O_CLOCK);
    let id = pictures::incident(&deploy, "horizon.service", Code::ReleaseOutdated);
    let served = Served::remembering(contract(), Past::of(&deploy));
    let (status, body) = served.ask("GET", "/v1/incidents?unit=horizon&since=2026-11-20T00:00:00Z", "").await;
    assert_eq!((status, body["incidents"][0]["id"].as_u64()), (200, Some(id)), "{body}");
    let (_, body) = served.ask("GET", "/v1/incidents?open=true", "").await;
    assert_eq!(body["incidents"].as_array().unwrap().len(), 0);
    let (status, body) = served.ask("GET", &format!("/v1/incidents/{id}"), "").await;
    assert_eq!(status, 200);
    let kinds: BTreeSet<&str> =
        body["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap()).collect();
    assert!(kinds.is_superset(&["acted", "cleared", "found", "told"].into()), "{kinds:?}");
    assert_eq!(body["durations"], json!({"detect": 2.0, "decide": 0.0, "act": 0.0, "recover": 17.0}));
    assert_eq!(body["told"][0]["sink"], "mail");
    let (status, body) = served.ask("GET", "/v1/incidents/99", "").await;
    let sentence = "cannot find incident 99: it does not exist, or is no longer kept";
    assert_eq!((status, body), (404, json!({ "error": sentence })));
    assert_eq!(served.ask("GET", "/v1/incidents/x", "").await.0, 400);
    assert_eq!(served.ask("GET", "/v1/incidents?until=2", "").await.0, 400);
}

#[tokio::test]
async fn errors_are_sentences() {
    let served = Served::new(contract());
    let (status, body) = served.ask("GET", "/v1/units/nope.service", "").await;
    let sentence = "cannot find unit nope.service: not managed by Steadfast";
    assert_eq!((status, body), (404, json!({ "error": sentence })));
    let (status, body) = served.ask("GET", "/v2/status", "").await;
    let sentence = "cannot find /v2/status: no such path, see /v1/openapi.json";
    assert_eq!((status, body), (404, json!({ "error": sentence })));
    let (status, body) = served.ask("PUT", "/v1/status", "").await;
    let sentence = "cannot PUT /v1/status: see /v1/openapi.json";
    assert_eq!((status, body), (405, json!({ "error": sentence })));
    let (status, body) = served.ask("GET", "/v1/units/%ff", "").await;
    assert_eq!(status, 400);
    assert!(body["error"].as_str().unwrap().starts_with("cannot read the unit's name"));
}

#[tokio::test]
async fn health_is_told_of_steadfast_itself() {
    let served = Served::new(contract());
    assert_eq!(served.ask("GET", "/healthz", "").await.0, 200);
    let reason = "not every managed unit has been read yet";
    let starting = pictures::published("spec nginx.service\nstart\nmanager running", TEN_O_CLOCK);
    served.snapshots.send_replace(starting);
    let (status, body) = served.ask("GET", "/healthz", "").await;
    assert_eq!(status, 503);
    assert_eq!(body["reasons"][0], reason);
}

#[tokio::test]
async fn a_comparison_is_passed_on_whole_and_one_that_is_none_is_refused() {
    let mut served = Served::new(pictures::zoo(TEN_O_CLOCK));
    let mut questions = served.questions.take().unwrap();
    let worse = json!({"severity": "critical", "unit": "shop.service", "lost": "running",
        "message": "shop.service was active (running), is inactive (dead)", "evidence": ["shop 1 -> 2"],
        "repair": "systemctl start shop.service"});
    let body: BaselineBody = serde_json::from_value(json!({"baseline": "apt-1", "worse": [worse]})).unwrap();
    let client = served.client();
    let asking = tokio::spawn(async move {
        let told = client.tell_baseline(&body).await.unwrap();
        (told, client.accept_baseline().await.unwrap())
    });
    let mut asked = Vec::new();
    for _ in 0..2 {
        let (request, reply) = questions.recv().await.unwrap();
        assert_eq!(request.who, "root");
        let _ = reply.send(Answer::Done { message: "noted".to_owned(), steps: Vec::new() });
        asked.push(request.ask);
    }
    let (told, accepted) = asking.await.unwrap();
    assert_eq!((told.message.as_str(), accepted.result), ("noted", ReplyResult::Done));
    let [Ask::Compared { baseline, lines }, Ask::AcceptBaseline] = &asked[..] else {
        panic!("{asked:?}");
    };
    assert_eq!((baseline.as_str(), lines.len()), ("apt-1", 1));
    assert_eq!(
        (lines[0].lost, lines[0].unit.as_ref().map(ToString::to_string)),
        (Lost::Running, Some("shop.service".to_owned()))
    );
    let (status, answer) = served.ask("POST", "/v1/baseline", r#"{"baseline": "apt-1"}"#).await;
    assert_eq!(status, 400);
    assert!(answer["error"].as_str().unwrap().contains("missing field `worse`"), "{answer}");
}

#[tokio::test]
async fn every_route_of_the_document_is_served_with_its_methods_and_no_other() {
    let served = Served::new(contract());
    let (_, document) = served.ask("GET", "/v1/openapi.json", "").await;
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 10, "{document}");
    for (path, operations) in paths {
        let at = path.replace("{unit}", "horizon").replace("{id}", "1");
        let request = format!("PUT {at} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        let stream = UnixStream::connect(served.socket()).await.unwrap();
        let (status, head, _) = said(stream, &request).await;
        assert_eq!(status, 405, "{path}");
        let allowed = head.lines().find_map(|line| line.strip_prefix("allow: ")).unwrap_or_default();
        let mut allowed: Vec<&str> = allowed.split(',').filter(|method| *method != "head").collect();
        allowed.sort_unstable();
        let mut documented: Vec<&str> = operations.as_object().unwrap().keys().map(String::as_str).collect();
        documented.sort_unstable();
        assert_eq!(allowed, documented, "{path}");
    }
}

#[tokio::test]
async fn a_recovery_is_passed_on_and_its_steps_come_back() {
    let mut served = Served::new(contract());
    let recovered = "ask horizon.service recover\n\
        +2s job horizon.service done\n\
        unit horizon.service active/running inv=i main=4343\n\
        processes horizon.service current=66 switched=3h 4343:66@100ms 4350:66@100ms\n\
        +1m wait\n";
    let answer = pictures::zoo_and(recovered, TEN_O_CLOCK).replies.pop().unwrap();
    let mut told = served.answer_with(answer);
    let reply = served.client().recover("horizon").await.unwrap();
    assert_eq!(reply.result, ReplyResult::Done);
    assert_eq!(reply.message, "restart of horizon.service is proven after 7.0 s");
    assert_eq!(reply.steps[0].step, "restart");
    let (unit, who, ask) = told.recv().await.unwrap();
    assert_eq!((unit.as_str(), ask), ("horizon.service", UnitAsk::Recover));
    assert!(who == "root" || who.contains("(uid "), "{who}");
    served.client().resume("horizon.service").await.unwrap();
    assert_eq!(told.recv().await.unwrap().2, UnitAsk::Resume);
}

#[tokio::test]
async fn a_failure_and_a_refusal_are_told_apart() {
    let mut served = Served::new(contract());
    let refused = "manager stopping\nask horizon.service recover\n";
    served.answer_with(pictures::zoo_and(refused, TEN_O_CLOCK).replies.pop().unwrap());
    let (status, body) = served.ask("POST", "/v1/units/horizon/recover", "").await;
    assert_eq!((status, &body["result"]), (409, &json!("refused")));
    assert_eq!(body["error"], body["message"]);
    let reply = served.client().recover("horizon").await.unwrap();
    assert_eq!(reply.result, ReplyResult::Refused);

    let mut served = Served::new(contract());
    let failed = "ask horizon.service recover\n+2s job horizon.service failed\n";
    served.answer_with(pictures::zoo_and(failed, TEN_O_CLOCK).replies.pop().unwrap());
    let (status, body) = served.ask("POST", "/v1/units/horizon/recover", "").await;
    assert_eq!((status, &body["result"]), (500, &json!("failed")));
}

#[tokio::test]
async fn an_incident_that_is_not_there_cannot_be_acknowledged() {
    let mut served = Served::new(contract());
    served.answer_with(Answer::NoIncident);
    let (status, body) = served.ask("POST", "/v1/incidents/9/ack", "").await;
    assert_eq!(status, 404);
    assert_eq!(body["error"], "cannot find incident 9: it does not exist, or is no longer kept");
    let why = served.client().acknowledge(9).await.unwrap_err();
    assert_eq!(why.to_string(), "cannot find incident 9: it does not exist, or is no longer kept");
}

#[tokio::test]
async fn a_hold_needs_a_length_and_a_reason() {
    let mut served = Served::new(contract());
    let held = "ask horizon.service hold 30m upgrade\n";
    let mut told = served.answer_with(pictures::zoo_and(held, TEN_O_CLOCK).replies.pop().unwrap());
    let path = "/v1/units/horizon.service/hold";
    for body in ["", "{}", r#"{"for":"30m"}"#, r#"{"for":"2d","reason":"x"}"#] {
        let (status, answer) = served.ask("POST", path, body).await;
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(answer["error"].as_str().unwrap().starts_with("cannot "), "{answer}");
    }
    served.client().hold("horizon", "30m", "upgrade").await.unwrap();
    let length = Duration::from_secs(1800);
    let reason = "upgrade".to_owned();
    assert_eq!(told.recv().await.unwrap().2, UnitAsk::Hold { length, reason });
    let (status, _) = served.ask("POST", path, &"x".repeat(70_000)).await;
    assert_eq!(status, 413);
}

#[tokio::test]
async fn requests_beyond_the_queue_are_turned_away() {
    // Nobody takes the questions; one fits into the queue.
    let served = Served::new(contract());
    let client = served.client();
    let first = tokio::spawn(async move { client.recover("horizon").await });
    let full = async {
        loop {
            let (status, body) = served.ask("POST", "/v1/units/horizon/resume", "").await;
            if status == 503 {
                return body;
            }
        }
    };
    // Whichever came first waits; the other is told at once.
    tokio::select! {
        body = full => assert_eq!(
            body["error"],
            "cannot ask for horizon.service: too many requests are waiting"
        ),
        answer = first => {
            let error = answer.unwrap().unwrap_err();
            assert!(error.to_string().contains("too many requests"), "{error}");
        }
    }
}

/// Runs the program as another user; only root can.
fn as_nobody(program: &PathBuf, arguments: &[&str], runtime: &std::path::Path) -> Output {
    Command::new(program)
        .args(arguments)
        .env("STEADFAST_RUNTIME_DIR", runtime)
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap()
}

/// Needs root, as every run of CI has: nobody else can become another user.
#[tokio::test]
async fn strangers_may_read_and_only_the_admin_group_may_change() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let mut served = Served::new(contract());
    let released = "ask horizon.service hold 30m upgrade\nask horizon.service resume\n";
    let mut told = served.answer_with(pictures::zoo_and(released, TEN_O_CLOCK).replies.pop().unwrap());
    // Where nobody may execute it, whatever the rights on the way to our build are.
    let program = served.directory.path().join("steadfast");
    fs::copy(env!("CARGO_BIN_EXE_steadfast"), &program).unwrap();
    let runtime = served.directory.path().to_owned();
    let run = async |arguments: &'static [&'static str]| {
        let (program, runtime) = (program.clone(), runtime.clone());
        spawn_blocking(move || as_nobody(&program, arguments, &runtime)).await.unwrap()
    };

    assert_eq!(run(&["status"]).await.status.code(), Some(2));
    let denied = run(&["resume", "horizon"]).await;
    let sentence = String::from_utf8(denied.stderr).unwrap();
    assert!(sentence.contains("only root may, as no admin_group is set"), "{sentence}");
    assert!(told.try_recv().is_err());

    let set_group = |group: &str| {
        let group = Some(group.to_owned());
        served.snapshots.send_modify(|snapshot| snapshot.admin_group = group);
    };
    set_group("adm");
    let denied = String::from_utf8(run(&["resume", "horizon"]).await.stderr).unwrap();
    assert!(denied.contains("only root and members of group adm may"), "{denied}");
    set_group("no-such-group-7");
    let denied = String::from_utf8(run(&["resume", "horizon"]).await.stderr).unwrap();
    assert!(denied.contains("no such group"), "{denied}");
    assert!(told.try_recv().is_err());
    set_group("nogroup");
    assert!(run(&["resume", "horizon"]).await.status.success());
    assert_eq!(told.recv().await.unwrap().1, "nobody (uid 65534)");
}

fn say(snapshots: &watch::Sender<Snapshot>, id: u64, unit: &str) {
    snapshots.send_modify(|snapshot| {
        let mut events = snapshot.events.to_vec();
        events.push(steadfast::model::incident::Event {
            id,
            at: TEN_O_CLOCK,
            unit: Some(unit.into()),
            kind: EventKind::Acted,
            code: None,
            incident: None,
            message: "restart".to_owned(),
        });
        snapshot.events = Arc::from(events);
    });
}

async fn next(events: &mut Events) -> Event {
    timeout(SOON, events.next()).await.unwrap().unwrap().unwrap()
}

#[tokio::test]
async fn the_event_stream_is_resumed_where_it_broke_off() {
    let served = Served::new(contract());
    let client = served.client();
    let first = contract().events.first().unwrap().id;
    let last = contract().events.last().unwrap().id;
    // From now on: nothing of what was.
    let mut live = client.events(None, None).await.unwrap();
    say(&served.snapshots, last + 1, "horizon.service");
    assert_eq!(next(&mut live).await.id, last + 1);
    drop(live);
    say(&served.snapshots, last + 2, "shop.service");
    say(&served.snapshots, last + 3, "horizon.service");
    let mut resumed = client.events(None, Some(last + 1)).await.unwrap();
    assert_eq!(next(&mut resumed).await.id, last + 2);
    assert_eq!(next(&mut resumed).await.id, last + 3);
    // Only one unit's.
    let mut filtered = client.events(Some("horizon"), Some(last)).await.unwrap();
    assert_eq!(next(&mut filtered).await.id, last + 1);
    assert_eq!(next(&mut filtered).await.id, last + 3);
    // Everything that is kept; also with an id from before our memory was lost.
    for after in [0, last + 9000] {
        let mut all = client.events(None, Some(after)).await.unwrap();
        assert_eq!(next(&mut all).await.id, first);
    }
    // The daemon stops: the stream ends.
    drop(served.snapshots);
    let end = timeout(SOON, resumed.next()).await.unwrap().unwrap();
    assert_eq!(end, None);
}

#[tokio::test]
async fn what_is_no_longer_kept_is_said() {
    let switched =
        "processes horizon.service current=66 4242:65\nprocesses horizon.service current=67 4242:65\n";
    let busy = pictures::zoo_and(&switched.repeat(300), TEN_O_CLOCK).snapshot().clone();
    let first = busy.events.first().unwrap().id;
    assert!(first > 10, "the oldest lines are gone");
    let served = Served::new(busy);
    let mut stream = UnixStream::connect(served.socket()).await.unwrap();
    let request = b"GET /v1/events HTTP/1.1\r\nhost: x\r\nlast-event-id: 3\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut heard = String::new();
    while !heard.contains(&format!("id: {first}")) {
        let mut buffer = [0; 4096];
        let length = timeout(SOON, stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(length > 0, "{heard}");
        heard.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
    }
    let gone = format!(": events 4 to {} are no longer kept", first - 1);
    assert!(heard.contains(&gone) && heard.contains("event: deployed"), "{heard}");
}

/// 64 connections that say nothing cost no more than themselves.
#[tokio::test]
async fn too_many_connections_are_turned_away() {
    let served = Served::new(contract());
    let mut silent = Vec::new();
    for _ in 0..steadfast::api::server::CONNECTIONS_MAX {
        silent.push(UnixStream::connect(served.socket()).await.unwrap());
    }
    let (status, body) = served.raw("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(status, 503, "{body}");
    drop(silent);
    let recovered = async {
        while served.client().status().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, recovered).await.unwrap();
}

#[tokio::test]
async fn nonsense_is_answered_or_cut_and_harms_nobody() {
    let served = Served::new(contract());
    let (status, _) = served.raw("\0\0 nonsense\r\n\r\n").await;
    assert_eq!(status, 400);
    let long = format!("GET /{} HTTP/1.1\r\n", "x".repeat(100_000));
    let (status, _) = served.raw(&long).await;
    assert!(status == 431 || status == 414, "{status}");
    served.client().status().await.unwrap();
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_told_with_the_next_step() {
    let served = Served::new(contract());
    let client = served.client();
    served.server.abort();
    assert!(served.server.await.unwrap_err().is_cancelled());
    let error = client.status().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)));
    assert!(error.to_string().contains("systemctl start steadfast"), "{error}");
    let nowhere = Client::new("/nonexistent/steadfast.sock".into(), true);
    let error = nowhere.status().await.unwrap_err().to_string();
    assert!(error.contains("not installed"), "{error}");
    assert!(error.contains("systemctl --user start steadfast"), "{error}");
}

/// Every sample of the text, by its name and labels; panics at what is no line of it.
fn samples(text: &str) -> BTreeMap<&str, f64> {
    let mut samples = BTreeMap::new();
    let mut described = BTreeSet::new();
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.split(' ');
            if words.next() == Some("TYPE") {
                assert!(described.insert(words.next().unwrap()), "described twice: {line}");
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        let name = series.split('{').next().unwrap();
        let bare = ["_total", "_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end));
        let known = described.contains(name) || bare.is_some_and(|bare| described.contains(bare));
        assert!(known, "no description: {line}");
        assert!(series == name || series.ends_with("\"}"), "{line}");
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        assert_eq!(samples.insert(series, value), None, "told twice: {line}");
    }
    samples
}

/// One unit of each kind, one with a name that needs escaping, and some history.
fn told() -> Snapshot {
    let mut snapshot = pictures::zoo(TEN_O_CLOCK);
    let mut odd = UnitStatus::clone(&pictures::well(r"dev-disk-by\x2duuid.swap", &snapshot));
    odd.tally.ordered(Some(Code::UnitFailed));
    odd.tally.ordered(None);
    odd.tally.ordered(None);
    snapshot.units.insert(odd.unit.clone(), Arc::new(odd));
    let name = snapshot.units.values().find(|unit| !unit.probes.is_empty()).unwrap().unit.clone();
    let probed = Arc::make_mut(snapshot.units.get_mut(&name).unwrap());
    let probe = probed.probes.keys().next().unwrap().clone();
    probed.tally = UnitTally::default();
    probed.tally.answered(&probe, Duration::from_millis(30));
    probed.tally.answered(&probe, Duration::from_secs(60));
    snapshot.tally = HostTally::default();
    snapshot.tally.recovery.observe(Duration::from_secs(7));
    snapshot
}

#[tokio::test]
async fn metrics_are_openmetrics_and_hold_every_name_of_the_contract() {
    let served = Served::new(told());
    let stream = UnixStream::connect(served.socket()).await.unwrap();
    let (status, head, text) = said(stream, &asking("GET", "/metrics", "accept: */*\r\n")).await;
    assert_eq!(status, 200);
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert!(head.contains(kind), "{head}");
    let text = text.strip_suffix("# EOF\n").unwrap();
    let samples = samples(text);
    let is = |series: &str, wanted: f64| {
        let found = samples.get(series).unwrap_or_else(|| panic!("{series} is missing in\n{text}"));
        assert!(found.total_cmp(&wanted).is_eq(), "{series} {found}");
    };
    is(r#"steadfast_unit_state{unit="nginx.service",state="ok"}"#, 1.0);
    is(r#"steadfast_unit_state{unit="nginx.service",state="down"}"#, 0.0);
    is(r#"steadfast_unit_condition{unit="horizon.service",condition="Release"}"#, 0.0);
    is(r#"steadfast_unit_condition{unit="nginx.service",condition="Active"}"#, 1.0);
    is(r#"steadfast_unit_condition{unit="nginx.service",condition="Progressing"}"#, f64::NAN);
    is(r#"steadfast_restarts_total{unit="dev-disk-by\\x2duuid.swap",reason="operator"}"#, 2.0);
    is(r#"steadfast_restarts_total{unit="dev-disk-by\\x2duuid.swap",reason="unit-failed"}"#, 1.0);
    is("steadfast_incidents_open", 5.0);
    is(r#"steadfast_recovery_seconds_bucket{le="5.0"}"#, 0.0);
    is(r#"steadfast_recovery_seconds_bucket{le="10.0"}"#, 1.0);
    is(r#"steadfast_recovery_seconds_bucket{le="+Inf"}"#, 1.0);
    is("steadfast_recovery_seconds_sum", 7.0);
    is("steadfast_detection_seconds_count", 0.0);
    is("steadfast_ready", 1.0);
    is("steadfast_manager_connected", 1.0);
    is("steadfast_config_problems", 1.0);
    is("steadfast_metrics_left_out", 0.0);
    is("steadfast_snapshot_timestamp_seconds", 1_795_168_800.0);
    is(&format!("steadfast_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION")), 1.0);
    is(r#"steadfast_findings{code="release-outdated",severity="critical"}"#, 1.0);
    for name in [
        "steadfast_probe_duration_seconds_bucket{",
        "steadfast_probe_status{",
        "steadfast_queue_depth{",
        "steadfast_unit_held{",
        "steadfast_restart_budget_spent{",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(samples.keys().any(|series| series.starts_with(name)), "{name} is missing in\n{text}");
    }
    let states = samples.iter().filter(|(series, _)| series.starts_with("steadfast_unit_state{"));
    assert_eq!(states.map(|(_, value)| value).sum::<f64>(), 11.0, "one state for each unit");
}

#[tokio::test]
async fn who_knows_only_the_classic_text_gets_it_with_the_same_samples() {
    let served = Served::new(told());
    let stream = UnixStream::connect(served.socket()).await.unwrap();
    let (_, head, text) = said(stream, &asking("GET", "/metrics", "accept: text/plain\r\n")).await;
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    assert!(!text.contains("# EOF"), "{text}");
    assert!(text.contains("# TYPE steadfast_restarts_total counter\n"), "{text}");
    let (_, exact) = served.raw(&asking("GET", "/metrics", "")).await;
    let series = |text: &str| -> BTreeSet<String> { samples(text).keys().map(|&s| s.to_owned()).collect() };
    assert_eq!(series(&text), series(exact.strip_suffix("# EOF\n").unwrap()));
}

fn crowd() -> Snapshot {
    let zoo = pictures::zoo(TEN_O_CLOCK);
    let mut crowd = pictures::only(&[], zoo.clone());
    let names = (0..2500).map(|n| format!("worker@{n}.service"));
    crowd.units.extend(names.map(|name| (name.as_str().into(), pictures::well(&name, &zoo))));
    crowd
}

#[tokio::test]
async fn a_crowd_of_units_is_told_of_up_to_a_limit() {
    let served = Served::new(crowd());
    let (_, text) = served.raw(&asking("GET", "/metrics", "")).await;
    let samples = samples(text.strip_suffix("# EOF\n").unwrap());
    assert_eq!(samples["steadfast_metrics_left_out"], 500.0);
    assert_eq!(samples.keys().filter(|series| series.starts_with("steadfast_unit_held{")).count(), 2000);
}

#[tokio::test]
async fn readers_of_metrics_who_do_not_read_cost_a_few_texts() {
    let served = Served::new(crowd());
    let mut idle = Vec::new();
    for _ in 0..steadfast::api::server::METRICS_AT_ONCE {
        let mut stream = UnixStream::connect(served.socket()).await.unwrap();
        stream.write_all(asking("GET", "/metrics", "").as_bytes()).await.unwrap();
        // The first bytes of the answer are there: it has its place.
        stream.readable().await.unwrap();
        idle.push(stream);
    }
    let (status, body) = served.raw(&asking("GET", "/metrics", "")).await;
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("cannot write the metrics: too many others read them just now"), "{body}");
    assert_eq!(served.raw(&asking("GET", "/v1/status", "")).await.0, 200);
    drop(idle);
    let again = async {
        while served.raw(&asking("GET", "/metrics", "")).await.0 != 200 {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, again).await.unwrap();
}

/// An address of the loopback at which nobody listens just now.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn listen_is_followed_and_serves_for_reading_only() {
    let mut served = Served::new(told());
    let questions = served.questions.take().unwrap();
    let (ask, mut asked) = mpsc::channel(1);
    drop(questions);
    let socket = served.socket();
    let reading =
        tokio::spawn(serve_reading(served.snapshots.subscribe(), ask, mpsc::channel(1).0, socket.clone()));
    let first = free_address();
    served.snapshots.send_modify(|snapshot| snapshot.listen = Some(first));
    for path in ["/metrics", "/v1/status", "/healthz", "/v1/units/nginx"] {
        let (status, _, body) = said(connect(first).await, &asking("GET", path, "")).await;
        assert_eq!(status, 200, "{path}: {body}");
        let (status, _, body) = said(connect(first).await, &asking("HEAD", path, "")).await;
        assert_eq!((status, body.as_str()), (200, ""), "{path}");
    }
    for (method, path) in [
        ("POST", "/v1/units/nginx/recover"),
        ("POST", "/v1/units/nginx/hold"),
        ("POST", "/v1/units/nobody/resume"),
        ("POST", "/nowhere"),
        ("DELETE", "/v1/status"),
    ] {
        let (status, _, body) = said(connect(first).await, &asking(method, path, "")).await;
        let body: Value = serde_json::from_str(&body).unwrap();
        let sentence = body["error"].as_str().unwrap();
        assert_eq!(status, 403, "{method} {path}: {sentence}");
        assert!(sentence.starts_with(&format!("cannot {method} here: ")), "{sentence}");
        assert!(sentence.contains(socket.to_str().unwrap()), "{sentence}");
    }
    assert!(asked.try_recv().is_err(), "nothing was passed on");

    // A name of somebody else's, until the settings say that it is ours.
    let foreign = "GET /v1/status HTTP/1.1\r\nHost: evil.example:9631\r\nConnection: close\r\n\r\n";
    let (status, _, body) = said(connect(first).await, foreign).await;
    assert_eq!(status, 421, "{body}");
    assert!(body.contains("allowed_hosts"), "{body}");
    served.snapshots.send_modify(|snapshot| snapshot.allowed_hosts = vec!["evil.example".to_owned()]);
    assert_eq!(said(connect(first).await, foreign).await.0, 200);

    // Another address, and then none.
    let second = free_address();
    served.snapshots.send_modify(|snapshot| snapshot.listen = Some(second));
    assert_eq!(said(connect(second).await, &asking("GET", "/healthz", "")).await.0, 200);
    assert!(TcpStream::connect(first).await.is_err(), "the first address is free again");
    served.snapshots.send_modify(|snapshot| snapshot.listen = None);
    let closed = async {
        while TcpStream::connect(second).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(SOON, closed).await.unwrap();

    // An address that somebody else has harms nobody, and is left for another.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    served.snapshots.send_modify(|snapshot| snapshot.listen = Some(taken.local_addr().unwrap()));
    served.client().status().await.unwrap();
    served.snapshots.send_modify(|snapshot| snapshot.listen = Some(first));
    assert_eq!(said(connect(first).await, &asking("GET", "/healthz", "")).await.0, 200);

    // The supervisor stops.
    drop(served.snapshots);
    timeout(SOON, reading).await.unwrap().unwrap();
}

/// Over TCP, too, connections that say nothing cost no more than themselves.
#[tokio::test]
async fn too_many_connections_to_listen_are_turned_away_and_the_socket_is_free() {
    let served = Served::new(told());
    let (ask, _asked) = mpsc::channel(1);
    let address = free_address();
    served.snapshots.send_modify(|snapshot| snapshot.listen = Some(address));
    let _reading =
        tokio::spawn(serve_reading(served.snapshots.subscribe(), ask, mpsc::channel(1).0, served.socket()));
    let mut silent = Vec::new();
    while silent.len() < steadfast::api::server::CONNECTIONS_MAX {
        match TcpStream::connect(address).await {
            Ok(stream) => silent.push(stream),
            Err(_) => tokio::task::yield_now().await,
        }
    }
    let (status, _, body) =
        said(TcpStream::connect(address).await.unwrap(), &asking("GET", "/healthz", "")).await;
    assert_eq!(status, 503, "{body}");
    served.client().status().await.unwrap();
}
