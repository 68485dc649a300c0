//! The commands: the real binary against a served socket, and what its pages look like on a terminal.
#![expect(clippy::unwrap_used, reason = "tests")]

mod pictures;

#[path = "cli/far.rs"]
mod far;
#[path = "cli/top.rs"]
mod top;

use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use jiff::tz::TimeZone;
use pictures::{Past, Story, TEN_O_CLOCK};
use steadfast::adopt::{Adopted, Fate, Imported, Matched};
use steadfast::api::server::{Question, serve};
use steadfast::api::wire::{BaselineDiff, Status, Time, Unit};
use steadfast::cli::render::text::cleaned;
use steadfast::cli::render::{Look, adopt, audit, baseline, details, explain, overview, plugin, probes};
use steadfast::import;
use steadfast::model::adopt::{Entry, Format};
use steadfast::model::drill::DrillKind;
use steadfast::model::finding::Code;
use steadfast::model::operator::{Answer, Ask, UnitAsk};
use steadfast::model::snapshot::Snapshot;
use steadfast::model::unit::UnitName;
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use tokio::task::spawn_blocking;

const PROGRAM: &str = env!("CARGO_BIN_EXE_steadfast");

/// A deploy that one process did not follow, the restart that cures it, and people who hear of it.
const DEPLOY: &str = include_str!("pictures/deploy.txt");
/// A unit that another one requires, with two ways to hear of it, of which one fails.
const DRILL: &str = include_str!("pictures/drill.txt");
/// What follows there when the drill is meant.
const DRILLED: &str = include_str!("pictures/drilled.txt");
/// What follows there when a person orders a restart, and its probe goes on failing.
const RECOVERY_THAT_FAILS: &str = include_str!("pictures/recovery-that-fails.txt");

/// The program with an environment that is the same everywhere.
fn command(runtime: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .env_clear()
        .env("STEADFAST_RUNTIME_DIR", runtime)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .stdin(Stdio::null());
    command
}

/// A served socket. The times are a while ago, so that a slow machine shows the same ages.
struct Served {
    directory: TempDir,
    snapshots: watch::Sender<Snapshot>,
    questions: Option<mpsc::Receiver<Question>>,
}

impl Served {
    fn new(snapshot: Snapshot) -> Self {
        Self::remembering(snapshot, Past::default())
    }

    /// A host at the end of a story, with all that happened in it.
    fn of(story: &mut Story) -> Self {
        let past = Past::of(story);
        Self::remembering(story.snapshot().clone(), past)
    }

    fn remembering(snapshot: Snapshot, past: Past) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(directory.path().join("steadfast.sock")).unwrap();
        let (snapshots, receiver) = watch::channel(snapshot);
        let (ask, questions) = mpsc::channel(8);
        let (recall, history) = mpsc::channel(8);
        tokio::spawn(past.answer(history));
        tokio::spawn(serve(listener, receiver, ask, recall));
        Self { directory, snapshots, questions: Some(questions) }
    }

    fn answer_with(&mut self, answer: Answer) -> mpsc::UnboundedReceiver<UnitAsk> {
        let mut questions = self.questions.take().unwrap();
        let (tell, told) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some((asked, reply)) = questions.recv().await {
                if let Ask::OfUnit { ask, .. } = asked.ask {
                    let _ = tell.send(ask);
                }
                let _ = reply.send(answer.clone());
            }
        });
        told
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = command(self.directory.path(), arguments);
        spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }
}

/// Status, standard output and standard error, with times of day blotted out.
fn shown(output: &Output) -> String {
    let out = blotted(&String::from_utf8_lossy(&output.stdout));
    let err = blotted(&String::from_utf8_lossy(&output.stderr));
    let code = output.status.code().unwrap();
    format!("{out}---- standard error\n{err}---- exit status {code}\n")
}

/// Times of day and dates depend on when the test runs, and the seconds of an age on how long it takes.
fn blotted(text: &str) -> String {
    let mut blotted = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is = |pattern: &str| {
            rest.len() >= pattern.len()
                && rest.bytes().zip(pattern.bytes()).all(|(byte, wanted)| match wanted {
                    b'0' => byte.is_ascii_digit(),
                    other => byte == other,
                })
        };
        let blots = [
            ("0000-00-00 00:00:00", "HH:MM:SS"),
            ("00:00:00", "HH:MM:SS"),
            ("m00s", "m..s"),
            ("m0s", "m..s"),
        ];
        if let Some((pattern, blot)) = blots.into_iter().find(|(pattern, _)| is(pattern)) {
            blotted.push_str(blot);
            rest = &rest[pattern.len()..];
        } else {
            blotted.push(first);
            rest = &rest[first.len_utf8()..];
        }
    }
    blotted
}

#[tokio::test]
async fn status_tells_the_worst_first() {
    let served = Served::new(pictures::zoo(pictures::now()));
    insta::assert_snapshot!(shown(&served.run(&["status"]).await));
}

#[tokio::test]
async fn status_of_one_unit_is_one_screen() {
    let served = Served::new(pictures::zoo(pictures::now()));
    insta::assert_snapshot!(shown(&served.run(&["status", "horizon"]).await));
}

#[tokio::test]
async fn a_boot_is_good_when_every_unit_works() {
    let zoo = pictures::zoo(pictures::now());
    let mut fine = zoo.clone();
    fine.units.retain(|name, _| ["nginx.service", "broken.service"].contains(&name.as_str()));
    let well = Served::new(fine.clone());
    let said = shown(&well.run(&["wait", "--all", "--timeout", "30s"]).await);
    assert!(said.starts_with("1 unit: as wanted after ") && said.ends_with("exit status 0\n"), "{said}");
    let broken = shown(&Served::new(zoo).run(&["wait", "--all", "--timeout", "1s"]).await);
    assert!(broken.contains("steadfast: horizon.service after "), "{broken}");
    assert!(!broken.contains("nginx.service") && broken.ends_with("exit status 2\n"), "{broken}");
    fine.units.clear();
    let none = shown(&Served::new(fine.clone()).run(&["wait", "--all"]).await);
    assert!(none.contains("there is nothing to wait for"), "{none}");
    fine.ready = false;
    let unready = shown(&Served::new(fine).run(&["wait", "--all", "--timeout", "1s"]).await);
    assert!(
        unready.contains("not every unit has been read") && unready.ends_with("exit status 3\n"),
        "{unready}"
    );
    // The supervisor comes later, or not at all.
    let folder = tempfile::tempdir().unwrap();
    let mut waits = command(folder.path(), &["wait", "--all", "--timeout", "1s"]);
    let away = shown(&spawn_blocking(move || waits.output().unwrap()).await.unwrap());
    assert!(away.contains("cannot reach the supervisor") && away.ends_with("exit status 3\n"), "{away}");
    let usage = shown(&well.run(&["wait", "--all", "nginx"]).await);
    assert!(usage.ends_with("exit status 64\n"), "{usage}");
}

#[tokio::test]
async fn explain_tells_the_chain_of_reasons() {
    let served = Served::new(pictures::zoo(pictures::now()));
    insta::assert_snapshot!(shown(&served.run(&["explain", "horizon.service"]).await));
    insta::assert_snapshot!("explain_dependent", shown(&served.run(&["explain", "orders"]).await));
}

#[tokio::test]
async fn incidents_are_listed_and_one_is_told_whole() {
    let mut story = pictures::story(DEPLOY, pictures::now());
    let deploy = pictures::incident(&story, "horizon.service", Code::ReleaseOutdated).to_string();
    let served = Served::of(&mut story);
    let list = shown(&served.run(&["incidents", "--since", "24h"]).await);
    // After midnight a column is as wide as a date.
    let words: Vec<&str> = list.split_whitespace().collect();
    insta::assert_snapshot!("incidents", words.join(" "));
    insta::assert_snapshot!("incident", shown(&served.run(&["incident", &deploy]).await));
    insta::assert_snapshot!("postmortem", shown(&served.run(&["postmortem", &deploy]).await));
    let none = shown(&served.run(&["incidents", "nginx", "--open"]).await);
    assert!(none.contains("no incident") && none.ends_with("exit status 0\n"), "{none}");
    let missing = shown(&served.run(&["incident", "99"]).await);
    assert!(
        missing.contains("cannot find incident 99: it does not exist, or is no longer kept"),
        "{missing}"
    );

    let mut zoo = pictures::zoo_and("", pictures::now());
    let broker = pictures::incident(&zoo, "rabbitmq-server.service", Code::UnitFailed).to_string();
    let served = Served::of(&mut zoo);
    insta::assert_snapshot!("incident_with_dependents", shown(&served.run(&["incident", &broker]).await));
    let draft = shown(&served.run(&["postmortem", &broker]).await);
    assert!(draft.contains("| Affected units | orders.service |\n"), "{draft}");
}

#[tokio::test]
async fn a_drill_is_planned_asked_for_and_measured() {
    let mut story = pictures::story(DRILL, pictures::now());
    let before = story.snapshot().clone();
    story.play("ask nginx.service drill dry-run").unwrap();
    let mut served = Served::new(before.clone());
    let mut told = served.answer_with(story.replies.remove(0));
    insta::assert_snapshot!("drill_plan", shown(&served.run(&["drill", "nginx", "--dry-run"]).await));
    let asked = UnitAsk::Drill { kind: DrillKind::Kill, rehearse: true };
    assert_eq!(told.recv().await, Some(asked));
    // Where nobody can be asked, and nobody said yes, nothing is done: it is not even asked what it would do.
    let usage = shown(&served.run(&["drill", "nginx"]).await);
    assert!(usage.contains("(--yes does not ask)") && usage.ends_with("exit status 64\n"), "{usage}");
    assert!(told.try_recv().is_err());

    story.play(DRILLED).unwrap();
    let mut served = Served::new(before.clone());
    served.answer_with(story.replies.remove(0));
    insta::assert_snapshot!("drill", shown(&served.run(&["drill", "nginx", "--yes"]).await));
    let json = served.run(&["drill", "nginx", "--yes", "--json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&json["drill"]["outcome"], &json["drill"]["recover_s"]), (&"failed".into(), &5.31.into()));

    story.play("ask shop.service hold 1h upgrade\nask shop.service drill").unwrap();
    let mut served = Served::new(before);
    served.answer_with(story.replies.remove(1));
    let refused = shown(&served.run(&["drill", "shop", "--yes"]).await);
    let why = "cannot drill shop.service now: held by anna (uid 1000): upgrade";
    assert!(refused.contains(why) && refused.ends_with("exit status 1\n"), "{refused}");
}

#[tokio::test]
async fn a_test_alert_says_what_arrived() {
    let mut served = Served::new(pictures::zoo(pictures::now()));
    let tested =
        "sink mail\nsink pager\nsink-fails pager https://pager.example/ answered 500\nstart\ntest-alert";
    drop(served.answer_with(pictures::answer(tested)));
    insta::assert_snapshot!(shown(&served.run(&["test-alert"]).await));
}

#[tokio::test]
async fn who_knows_of_an_incident_says_so() {
    let mut zoo = pictures::zoo_and("", pictures::now());
    let id = pictures::incident(&zoo, "horizon.service", Code::ReleaseOutdated).to_string();
    zoo.play(&format!("ack {id}\nack 99")).unwrap();
    let (unknown, known) = (zoo.replies.pop().unwrap(), zoo.replies.pop().unwrap());
    let mut served = Served::new(zoo.snapshot().clone());
    drop(served.answer_with(known));
    assert_eq!(
        shown(&served.run(&["ack", &id]).await),
        format!(
            "anna (uid 1000) acknowledged incident {id}: no reminders and no escalation unless it gets worse\n\
             ---- standard error\n---- exit status 0\n"
        )
    );
    let mut served = Served::new(pictures::zoo(pictures::now()));
    assert_eq!(unknown, Answer::NoIncident);
    drop(served.answer_with(unknown));
    let missing = shown(&served.run(&["ack", "99"]).await);
    assert!(
        missing.contains("cannot find incident 99: it does not exist, or is no longer kept"),
        "{missing}"
    );
    assert!(missing.ends_with("exit status 3\n"), "as of `incident 99`: {missing}");
}

#[tokio::test]
async fn what_a_service_writes_cannot_steer_the_terminal() {
    let spoken = "\
        +10m unit nginx.service failed/failed inv=n result=exit-code status=\"\u{1b}[31mno such codec\u{1b}[0m\u{7} h266\"\n\
        +1s wait\n";
    let served = Served::of(&mut pictures::zoo_and(spoken, pictures::now()));
    let output = served.run(&["explain", "nginx"]).await;
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    assert!(text.contains(r"StatusText=\u{1b}[31mno such codec\u{1b}[0m\u{7} h266"), "{text}");
}

#[tokio::test]
async fn exit_statuses_are_those_of_the_contract() {
    let zoo = pictures::zoo(pictures::now());
    for (unit, wanted) in [
        ("nginx.service", 0),
        ("old-importer.service", 0),
        ("report.service", 1),
        ("horizon.service", 2),
        ("shop.service", 2),
        ("transcode@eu-west.service", 2),
        ("orders.service", 2),
        ("billing.service", 3),
    ] {
        let served = Served::new(pictures::only(&[unit], zoo.clone()));
        let code = served.run(&["status"]).await.status.code();
        assert_eq!(code, Some(wanted), "{unit}");
    }
    let starting = pictures::published("spec nginx.service\nstart\nmanager running", pictures::now());
    let served = Served::new(starting);
    assert_eq!(served.run(&["status"]).await.status.code(), Some(3));
    let unmanaged = served.run(&["status", "nope"]).await;
    assert_eq!(unmanaged.status.code(), Some(3));
    let sentence = "steadfast: cannot find unit nope: not managed by Steadfast\n";
    assert_eq!(String::from_utf8(unmanaged.stderr).unwrap(), sentence);
}

#[tokio::test]
async fn a_table_shows_what_was_asked_for_and_scripts_get_names() {
    let served = Served::new(pictures::zoo(pictures::now()));
    let said = async |arguments: &[&str]| {
        let output = served.run(arguments).await;
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let names = async |arguments: &[&str]| said(arguments).await.1;
    assert_eq!(
        names(&["status", "-o", "name", "--state", "down,quarantined"]).await,
        "orders.service\nrabbitmq-server.service\ntranscode@eu-west.service\n"
    );
    let sorted = names(&["status", "-o", "name", "--sort", "name"]).await;
    assert!(sorted.lines().is_sorted() && sorted.lines().count() > 5, "{sorted}");
    let matching = names(&["status", "transcode*", "ngin?", "-o", "name", "--sort=name"]).await;
    assert_eq!(matching, "nginx.service\ntranscode@eu-west.service\n");
    let (code, page) = said(&["status", "h*", "--state", "degraded"]).await;
    assert!(code == 2 && page.contains("showing 1 of ") && page.contains("horizon.service"), "{page}");
    assert!(!page.contains("nginx.service"), "{page}");
    assert_eq!(names(&["status", "-o", "name", "nginx", "--state", "down"]).await, "");
    let (_, page) = said(&["status", "nginx", "--state", "down"]).await;
    assert!(page.contains("No managed unit matches."), "{page}");
    let wide = names(&["status", "-o", "wide", "horizon", "nginx"]).await;
    for shown in ["ENABLED", "MODE", "OWNER", "team-shop", "/srv/app/releases/65", "active/running"] {
        assert!(wide.contains(shown), "{shown}: {wide}");
    }
    let json: Status = serde_json::from_str(&names(&["status", "horizo*", "-o", "json"]).await).unwrap();
    assert_eq!(json.units.iter().map(|unit| unit.unit.as_str()).collect::<Vec<_>>(), ["horizon.service"]);
    let (code, _) = said(&["status", "nothing-*"]).await;
    assert_eq!(code, 3, "as for a name that is none");
}

#[tokio::test]
async fn a_name_that_is_mistyped_is_answered_with_the_one_that_is_meant() {
    let served = Served::new(pictures::zoo(pictures::now()));
    for command in [&["status", "horizn"][..], &["explain", "horizn"], &["recover", "horizn"]] {
        let output = served.run(command).await;
        let sentence = String::from_utf8(output.stderr).unwrap();
        assert!(sentence.contains("not managed by Steadfast; did you mean horizon.service?"), "{sentence}");
        assert_eq!(output.status.code(), Some(3));
    }
    let foreign = served.run(&["restart", "horizon"]).await;
    let sentence = String::from_utf8(foreign.stderr).unwrap();
    assert!(sentence.contains("did you mean 'steadfast recover'?"), "{sentence}");
    assert_eq!(foreign.status.code(), Some(64));
    let mistyped = served.run(&["staus"]).await;
    assert!(String::from_utf8(mistyped.stderr).unwrap().contains("'status'"));
}

#[tokio::test]
async fn many_units_are_held_and_resumed_by_one_command() {
    let mut story = pictures::zoo_and("ask horizon.service hold 30m upgrade\n", pictures::now());
    let mut served = Served::of(&mut story);
    let mut told = served.answer_with(story.replies.pop().unwrap());
    let output = served.run(&["hold", "--all", "--for", "30m", "--reason", "upgrade", "--json"]).await;
    let replies: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let units: Vec<&str> =
        replies.as_array().unwrap().iter().filter_map(|one| one["unit"].as_str()).collect();
    assert!(units.len() > 5 && units.contains(&"nginx.service"), "{replies}");
    assert!(units.iter().all(|unit| !unit.ends_with(".dependency")), "a dependency is only probed");
    for _ in &units {
        assert!(matches!(told.recv().await, Some(UnitAsk::Hold { .. })));
    }
    let output = served.run(&["hold", "horizon*", "nginx", "--for", "30m", "--reason", "upgrade"]).await;
    assert_eq!(
        (output.status.code(), output.stdout.iter().filter(|byte| **byte == b'\n').count()),
        (Some(0), 2)
    );
    // Of all of them only what people hold is resumed, and what is quarantined: nobody starts what somebody stopped.
    let output = served.run(&["resume", "--all", "--json"]).await;
    let replies: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let resumed: Vec<&str> =
        replies.as_array().unwrap().iter().filter_map(|one| one["unit"].as_str()).collect();
    assert!(resumed.contains(&"horizon.service") && !resumed.contains(&"nginx.service"), "{resumed:?}");
    let none = served.run(&["resume", "ngin*"]).await;
    assert!(String::from_utf8(none.stdout).unwrap().starts_with("nothing to resume"), "nginx is not held");
    assert_eq!(served.run(&["hold", "nothing-*", "--for=1m", "--reason=x"]).await.status.code(), Some(3));
}

#[tokio::test]
async fn the_version_says_what_was_built_and_what_runs() {
    let served = Served::new(pictures::zoo(pictures::now()));
    let text = String::from_utf8(served.run(&["version"]).await.stdout).unwrap();
    assert!(text.starts_with("steadfast 0.") && text.contains("running, the same build"), "{text}");
    let json: serde_json::Value =
        serde_json::from_slice(&served.run(&["version", "--json"]).await.stdout).unwrap();
    assert_eq!((&json["contract"], &json["daemon"]["version"]), (&1.into(), &json["version"]));
    let alone = command(Path::new("/nonexistent"), &["version"]).output().unwrap();
    assert_eq!(alone.status.code(), Some(0));
    assert!(String::from_utf8(alone.stdout).unwrap().contains("it is not running, or not installed"));
}

#[test]
fn the_journal_is_read_by_journalctl() {
    let folder = tempfile::tempdir().unwrap();
    let fake = folder.path().join("journalctl");
    std::fs::write(&fake, "#!/bin/sh\necho \"$@\"\n").unwrap();
    std::fs::set_permissions(&fake, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let mut logs = command(Path::new("/nonexistent"), &["logs", "shop", "--since", "1h"]);
    let output = logs.env("PATH", folder.path()).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "--unit=shop.service --since=-3600s\n");
    let mut logs = command(Path::new("/nonexistent"), &["logs", "shop"]);
    let output = logs.env("PATH", "/nonexistent").output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot run journalctl"));
    assert_eq!(output.status.code(), Some(3));
}

#[test]
fn verify_says_how_much_it_read_and_all_that_is_wrong() {
    let folder = tempfile::Builder::new().tempdir_in(env!("CARGO_MANIFEST_DIR")).unwrap();
    let file = folder.path().join("shop.service.toml");
    std::fs::write(&file, "moed = \"act\"\n[recovery]\nburst = \"3\"\nstart = \"yes\"\n").unwrap();
    let output = command(folder.path(), &["verify", file.to_str().unwrap()]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with("1 file read, 3 problems to correct\n"), "{text}");
    for said in ["did you mean `mode`?", "write 3, without quotes", "write true, without quotes"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn wrong_usage_is_64_and_help_is_none() {
    let nowhere = Path::new("/nonexistent");
    let code = |arguments: &[&str]| {
        let output = command(nowhere, arguments).output().unwrap();
        output.status.code().unwrap()
    };
    assert_eq!(code(&[]), 64);
    assert_eq!(code(&["nonsense"]), 64);
    assert_eq!(code(&["status", "--nonsense"]), 64);
    assert_eq!(code(&["hold", "x.service", "--for", "30m"]), 64);
    assert_eq!(code(&["hold", "x.service", "--for=30", "--reason=x"]), 64);
    assert_eq!(code(&["wait", "x.service", "--for=Ready"]), 64);
    assert_eq!(code(&["wait", "x.service", "--timeout=soon"]), 64);
    assert_eq!(code(&["status", "--state", "fine"]), 64);
    assert_eq!(code(&["status", ""]), 64);
    assert_eq!(code(&["status", "a b"]), 64);
    assert_eq!(code(&["recover", "web-*"]), 64);
    assert_eq!(code(&["hold", "x.service", "--for=0s", "--reason=x"]), 64);
    assert_eq!(code(&["hold", "x.service", "--for=1m", "--reason= "]), 64);
    assert_eq!(code(&["hold", "x.service", "--while=0"]), 64);
    assert_eq!(code(&["resume"]), 64);
    assert_eq!(code(&["resume", "x.service", "--all"]), 64);
    assert_eq!(code(&["logs", "x.service", "-p", "loud"]), 64);
    assert_eq!(code(&["incident", "x"]), 64);
    assert_eq!(code(&["--help"]), 0);
    assert_eq!(code(&["status", "--help"]), 0);
    assert_eq!(code(&["--version"]), 0);
}

#[test]
fn without_a_daemon_the_next_step_is_told() {
    let mut run = command(Path::new("/nonexistent"), &["status"]);
    insta::assert_snapshot!(shown(&run.output().unwrap()));
    let mut user = command(Path::new(""), &["--user", "status"]);
    let output = user.env_remove("STEADFAST_RUNTIME_DIR").output().unwrap();
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert!(sentence.contains("XDG_RUNTIME_DIR is not set"), "{sentence}");
    assert_eq!(output.status.code(), Some(3));
}

#[tokio::test]
async fn json_is_what_the_socket_says() {
    let snapshot = pictures::zoo(pictures::now());
    let served = Served::new(snapshot.clone());
    let output = served.run(&["status", "--json"]).await;
    let status: Status = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(status, Status::of(&snapshot));
    let output = served.run(&["explain", "horizon", "--json"]).await;
    let unit: Unit = serde_json::from_slice(&output.stdout).unwrap();
    let lines = snapshot.events.iter().filter(|event| event.unit == Some("horizon.service".into()));
    assert_eq!((unit.unit.as_str(), unit.events.len()), ("horizon.service", lines.count()));
    let output = served.run(&["status", "--json", "nginx", "horizon"]).await;
    let status: Status = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> = status.units.iter().map(|unit| unit.unit.as_str()).collect();
    assert_eq!(names, ["horizon.service", "nginx.service"]);
}

#[tokio::test]
async fn a_reader_who_has_seen_enough_is_no_trouble() {
    let served = Served::new(pictures::forty(pictures::now()));
    let mut command = command(served.directory.path(), &["status"]);
    let output = spawn_blocking(move || {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let mut complaints = String::new();
        child.stderr.take().unwrap().read_to_string(&mut complaints).unwrap();
        (child.wait().unwrap().code(), complaints)
    });
    assert_eq!(output.await.unwrap(), (Some(2), String::new()));
}

#[tokio::test]
async fn recover_reports_each_step() {
    let mut story = pictures::story(DRILL, pictures::now());
    story.play(RECOVERY_THAT_FAILS).unwrap();
    let mut served = Served::new(story.snapshot().clone());
    let mut told = served.answer_with(story.replies.remove(0));
    insta::assert_snapshot!(shown(&served.run(&["recover", "shop"]).await));
    assert_eq!(told.recv().await, Some(UnitAsk::Recover));
}

#[tokio::test]
async fn a_dry_run_tells_what_would_go_along_and_asks_for_nothing() {
    let mut story = pictures::zoo_and(
        "settings horizon.service wd=/srv/app/current starts=2/9h kill-mode=control-group takes=horizon-worker.service \
         takes=horizon-tail.service armed-by=horizon.socket\n",
        pictures::now(),
    );
    let served = Served::of(&mut story);
    insta::assert_snapshot!(shown(&served.run(&["recover", "horizon", "--dry-run"]).await));
    story.play("manager stopping").unwrap();
    served.snapshots.send_replace(story.snapshot().clone());
    let refused = served.run(&["recover", "horizon", "--dry-run"]).await;
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8(refused.stdout).unwrap();
    assert!(text.starts_with("would not restart horizon.service now: the host shuts down\n"), "{text}");
}

#[tokio::test]
async fn hold_and_resume_say_what_was_done() {
    let mut story = pictures::zoo_and("ask horizon.service hold 30m upgrade\n", pictures::now());
    let mut served = Served::of(&mut story);
    let mut told = served.answer_with(story.replies.pop().unwrap());
    let arguments = &["hold", "horizon", "--for", "30m", "--reason", "upgrade"];
    let output = served.run(arguments).await;
    let sentence = "horizon.service is held by anna (uid 1000) for 30 min: upgrade; then: restart because of release-outdated\n";
    assert_eq!(String::from_utf8(output.stdout).unwrap(), sentence);
    assert_eq!(output.status.code(), Some(0));
    let (length, reason) = (Duration::from_secs(1800), "upgrade".to_owned());
    assert_eq!(told.recv().await, Some(UnitAsk::Hold { length, reason }));
    let output = served.run(&["hold", "horizon", "--for", "25h", "--reason", "upgrade"]).await;
    let sentence = String::from_utf8(output.stderr).unwrap();
    assert!(sentence.contains("may be at most 24h"), "{sentence}");
    assert_eq!(output.status.code(), Some(64), "a value that cannot be used");
    assert_eq!(served.run(&["resume", "horizon"]).await.status.code(), Some(0));
    assert_eq!(told.recv().await, Some(UnitAsk::Resume));
}

#[tokio::test]
async fn wait_returns_as_soon_as_the_conditions_hold() {
    let mut story = pictures::zoo_and("", pictures::now());
    let mut served = Served::of(&mut story);
    let _looks = served.answer_with(looked());
    story.play("processes horizon.service current=65 4242:65 4250:65").unwrap();
    let waiting = served.run(&["wait", "horizon", "--for=Active,release", "--timeout=30s"]);
    let mend = async {
        // Before or after the command asks for the first time: either way it returns well before its timeout.
        served.snapshots.send_replace(story.snapshot().clone());
    };
    let (output, ()) = tokio::join!(waiting, mend);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("horizon.service: Active, Release as wanted after "), "{text}");
    assert_eq!(output.status.code(), Some(0));
    // By default all of them, but those that nothing is configured to tell.
    assert_eq!(served.run(&["wait", "horizon", "--timeout=0s"]).await.status.code(), Some(0));
    assert_eq!(served.run(&["wait", "nginx", "--timeout=0s"]).await.status.code(), Some(0));
    assert_eq!(served.run(&["wait", "nginx", "--for=Serving", "--timeout=0s"]).await.status.code(), Some(3));
}

/// The daemon's answer to who wants a unit to be read once more.
fn looked() -> Answer {
    Answer::Done { message: "horizon.service was looked at".to_owned(), steps: Vec::new() }
}

/// D12: what cannot get well by waiting ends it at once.
#[tokio::test]
async fn wait_ends_where_waiting_does_not_help() {
    let story = "spec web.service smoke settle=5s\nsettings web.service wd=/srv/app/current\n\
        unit web.service active/running inv=w main=700\nenablement web.service enabled\n\
        processes web.service current=66 switched=1h 700:65\n+1s smoke web.service 255 \"PHP Parse error\"\n";
    let served = Served::of(&mut pictures::zoo_and(story, pictures::now()));
    let began = std::time::Instant::now();
    let output = served.run(&["wait", "web", "--for=Release", "--timeout=60s"]).await;
    assert!(began.elapsed() < Duration::from_secs(20), "it did not wait for its whole time");
    let sentence = String::from_utf8_lossy(&output.stderr);
    let wanted =
        "waiting does not help: the smoke test of web.service exited with status 255: PHP Parse error";
    assert!(sentence.contains(wanted), "{sentence}");
    assert_eq!(output.status.code(), Some(2));
}

#[tokio::test]
async fn wait_says_which_condition_does_not_hold() {
    let mut served = Served::new(pictures::zoo(pictures::now()));
    let _looks = served.answer_with(looked());
    let output = served.run(&["wait", "horizon", "--for=Active,Release", "--timeout=0s"]).await;
    let sentence = String::from_utf8_lossy(&output.stderr);
    assert!(
        sentence.contains("Release is false for 3h31m: release-outdated: the main process 4242"),
        "{sentence}"
    );
    assert_eq!(output.status.code(), Some(2));
    let code = async |arguments| served.run(arguments).await.status.code();
    assert_eq!(code(&["wait", "billing", "--for=Release", "--timeout=0s"]).await, Some(3));
    assert_eq!(code(&["wait", "horizon", "--for=Release=false"]).await, Some(0));
    assert_eq!(code(&["wait", "nope", "--timeout=0s"]).await, Some(3));
}

#[tokio::test]
async fn a_hold_lasts_as_long_as_its_command_and_passes_its_status_on() {
    let mut story = pictures::zoo_and("ask horizon.service hold 1m deploy\n", pictures::now());
    let mut served = Served::of(&mut story);
    let mut told = served.answer_with(story.replies.pop().unwrap());
    let output = served.run(&["hold", "horizon", "--", "/bin/sh", "-c", "echo deployed; exit 7"]).await;
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"deployed\n"[..], Some(7)));
    let hold = |seconds| UnitAsk::Hold {
        length: Duration::from_secs(seconds),
        reason: "/bin/sh -c echo deployed; exit 7 runs".to_owned(),
    };
    assert_eq!(told.recv().await, Some(hold(60)), "held before it begins");
    let mut last = told.recv().await;
    while last == Some(hold(60)) {
        last = told.recv().await;
    }
    assert_eq!(last, Some(hold(1)), "and given back");
    let failed = served.run(&["hold", "horizon", "--", "/nonexistent/deploy"]).await;
    let sentence = String::from_utf8(failed.stderr).unwrap();
    assert!(sentence.contains("cannot run /nonexistent/deploy"), "{sentence}");
    let wrong = served.run(&["hold", "horizon", "--reason", "x", "--while", "0"]).await;
    assert_ne!(wrong.status.code(), Some(0));
}

#[test]
fn completions_are_printed_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let output = command(Path::new("/nonexistent"), &["completions", shell]).output().unwrap();
        assert!(output.status.success());
        assert!(String::from_utf8(output.stdout).unwrap().contains("steadfast"));
    }
}

/// A terminal of this size, without colours.
fn look(width: u16, height: u16) -> Look {
    Look {
        now: Time(TEN_O_CLOCK.wall_ms),
        zone: TimeZone::UTC,
        colour: false,
        unicode: true,
        size: Some((width, height)),
        user: false,
        root: false,
    }
}

fn zoo() -> Status {
    cleaned(&Status::of(&pictures::zoo(TEN_O_CLOCK))).unwrap()
}

#[test]
fn the_table_fits_the_terminal() {
    let mut pages = String::new();
    for width in [140, 100, 80, 50] {
        let page = overview(&look(width, 40), &zoo(), false);
        for line in page.lines() {
            assert!(line.chars().count() <= usize::from(width), "{width}: {line}");
        }
        pages.push_str(&format!("---- {width} characters\n{page}"));
    }
    insta::assert_snapshot!(pages);
}

#[test]
fn units_that_are_well_are_folded_where_the_terminal_is_low() {
    let forty = Status::of(&pictures::forty(TEN_O_CLOCK));
    let page = overview(&look(100, 20), &forty, false);
    assert!(page.lines().count() < 20, "{page}");
    insta::assert_snapshot!(page);
    assert_eq!(overview(&look(100, 20), &forty, true).matches(".service  ").count(), 39);
}

#[test]
fn every_state_is_explained_on_a_terminal() {
    let mut pages = String::new();
    let starting = pictures::published("spec inbox.service probe=page\nstart\nmanager running", TEN_O_CLOCK);
    for unit in zoo().units.iter().chain(&Status::of(&starting).units) {
        pages.push_str(&details::details(&look(100, 40), unit));
        pages.push_str("----\n");
        pages.push_str(&explain::explain(&look(100, 40), unit));
        pages.push_str("========\n");
    }
    insta::assert_snapshot!(pages);
}

#[test]
fn the_audit_groups_by_severity_and_says_what_repairs() {
    insta::assert_snapshot!(audit::audit(&look(100, 40), &zoo(), &[], (&[], "9 units, 80 processes")));
    let well = Status::of(&pictures::published("start\nmanager running", TEN_O_CLOCK));
    let page = audit::audit(
        &look(100, 40),
        &well,
        &[],
        (&["never drilled: a.service".to_owned()], "9 units, 80 processes, units of joe"),
    );
    assert!(page.starts_with("● web1: nothing to report"), "{page}");
    assert!(page.ends_with("\n\nNOTES\n  never drilled: a.service\n"), "{page}");
}

/// A comparison as the program prints it as JSON.
fn compared(differences: serde_json::Value) -> BaselineDiff {
    let head = |name: &str, taken_at: &str| serde_json::json!({"name": name, "host": "web1", "boot_id": "b", "taken_at": taken_at, "by": "root", "before": "apt"});
    let found = serde_json::json!({"version": 1, "host": "web1", "rebooted": false, "untold": [], "beyond": [],
        "before": head("apt-2026-11-20T09-58-00", "2026-11-20T09:58:00.000Z"),
        "after": head("now", "2026-11-20T10:00:00.000Z"), "differences": differences});
    serde_json::from_value(found).unwrap()
}

#[test]
fn a_comparison_lists_the_gravest_first_and_says_what_next() {
    let line = |gravity: &str, message: &str, repair: Option<&str>| {
        serde_json::json!({"gravity": gravity, "unit": null, "lost": "other", "message": message,
            "evidence": if gravity == "critical" { vec!["its package changed: memcached 1.6.18 -> 1.6.19"] } else { vec![] },
            "repair": repair})
    };
    let found = compared(serde_json::json!([
        line(
            "critical",
            "memcached.service was active (running), is inactive (dead)",
            Some("systemctl start memcached.service")
        ),
        line("warning", "a process outside every service is gone: /srv/worker (uid 1000)", None),
        line("note", "12 packages changed: apt 2.6.0 -> 2.6.1, bash 5.2-1 -> 5.2-2 and 10 more", None),
    ]));
    insta::assert_snapshot!(baseline::compared(
        &look(100, 40),
        &found,
        Some("worse than apt-2026-11-20T09-58-00")
    ));
    let same = baseline::compared(&look(100, 40), &compared(serde_json::json!([])), None);
    assert_eq!(same, "● web1: nothing is worse than in apt-2026-11-20T09-58-00 (taken 2m ago).\n");
}

#[test]
fn baselines_are_named_safely_and_missed_by_name() {
    let state = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| {
        let output = command(Path::new("/nonexistent"), arguments)
            .env("STEADFAST_STATE_DIR", state.path())
            .output()
            .unwrap();
        (
            output.status.code().unwrap(),
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr),
        )
    };
    assert_eq!(run(&["baseline"]).0, 64);
    assert_eq!(run(&["baseline", "save", "x", "--before", "apt"]).0, 64);
    assert_eq!(run(&["baseline", "save", "--before", "../apt"]).0, 64);
    let (code, said) = run(&["baseline", "save", "../x"]);
    assert!(code == 64 && said.contains("cannot name a baseline"), "{code} {said}");
    assert_eq!(run(&["baseline", "diff", "x", "--against", "y", "--tell"]).0, 64);
    assert_eq!(
        run(&["baseline", "list"]),
        (0, "no baseline is kept; take one: steadfast baseline save\n".to_owned())
    );
    for (arguments, told) in [
        (&["baseline", "diff"][..], "there is none yet (steadfast baseline save)"),
        (&["baseline", "diff", "--newest", "apt"][..], "none was taken before apt"),
        (&["baseline", "show", "x"][..], "cannot find the baseline x: there is none in"),
        (&["baseline", "delete", "x"][..], "cannot find the baseline x"),
    ] {
        let (code, said) = run(arguments);
        assert!(code == 3 && said.contains(told), "{arguments:?}: {code} {said}");
    }
    assert!(!state.path().join("baselines").exists(), "nothing was written");
}

/// What `adopt --from` shows of a file, if this is what its entries are here.
fn taken_over(format: Format, text: &str, unit_of: impl Fn(&Entry) -> Option<&'static str>) -> String {
    let foreign = import::read(format, text).unwrap();
    let matched = foreign.entries.iter().map(|entry| {
        let unit = unit_of(entry).map(UnitName::from);
        let unit_text = unit.is_none().then(|| steadfast::adopt::unit_text(entry)).flatten();
        let why = if unit.is_some() { "it has this name" } else { "systemd does not run it" };
        Matched { unit, why: why.to_owned(), unit_text }
    });
    let imported = Imported { matched: matched.collect(), adopted: Vec::new(), untold: Vec::new(), foreign };
    adopt::foreign(&look(100, 40), "/etc/other.conf", &imported)
}

#[test]
fn the_file_of_another_supervisor_is_told_line_by_line() {
    let god = taken_over(Format::God, include_str!("fixtures/import/delayed_job.god"), |_| None);
    insta::assert_snapshot!("adopt-god", god);
    let monit = taken_over(Format::Monit, include_str!("fixtures/import/monitrc"), |entry| {
        (entry.name == "nginx").then_some("nginx.service")
    });
    insta::assert_snapshot!("adopt-monit", monit);
    let supervisord =
        taken_over(Format::Supervisord, include_str!("fixtures/import/supervisord.conf"), |_| None);
    insta::assert_snapshot!("adopt-supervisord", supervisord);
}

#[test]
fn each_adopted_unit_has_its_next_step() {
    let one = |unit: &str, fate: Fate| Adopted {
        unit: UnitName::from(unit),
        file: format!("/etc/steadfast/units.d/{unit}.toml").into(),
        text: String::new(),
        watched: vec!["active, enabled, reached by boot".to_owned(), "http http://127.0.0.1/".to_owned()],
        from_now_on: match fate {
            Fate::Written => vec!["From now on Steadfast starts it when it is down.".to_owned()],
            _ => Vec::new(),
        },
        fate,
    };
    let all = [
        one("nginx.service", Fate::Written),
        one("redis-server.service", Fate::Exists),
        one("dump.service", Fate::Refused("dump.timer starts it (steadfast adopt dump.timer)".to_owned())),
    ];
    insta::assert_snapshot!("adopted", adopt::adopted(&look(100, 40), &all, &[]));
}

#[test]
fn a_format_that_is_not_known_is_wrong_usage() {
    let directory = tempfile::tempdir().unwrap();
    let output = command(directory.path(), &["adopt", "--from", "upstart", "/etc/x"]).output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    assert!(String::from_utf8_lossy(&output.stderr).contains("monit, supervisord or god"));
    let both =
        command(directory.path(), &["adopt", "--from", "god", "/etc/x", "--all-enabled"]).output().unwrap();
    assert_eq!(both.status.code(), Some(64));
    let nothing = command(directory.path(), &["adopt"]).output().unwrap();
    assert_eq!(nothing.status.code(), Some(64));
}

#[test]
fn a_check_shows_every_probe_and_fits_a_monitoring_plugin() {
    insta::assert_snapshot!(probes::probes(&look(100, 40), &zoo()));
    insta::assert_snapshot!(plugin(&zoo(), "CRITICAL"));
}

#[test]
fn colours_only_accompany_signs_and_words() {
    let mut coloured = look(100, 40);
    coloured.colour = true;
    let page = overview(&coloured, &zoo(), false);
    assert!(page.contains("\u{1b}["));
    let plain = anstream::adapter::strip_str(&page).to_string();
    assert_eq!(plain, overview(&look(100, 40), &zoo(), false));
}

#[test]
fn an_ascii_terminal_gets_ascii() {
    let mut ascii = look(100, 40);
    ascii.unicode = false;
    let mut pages = overview(&ascii, &zoo(), false);
    for unit in &zoo().units {
        pages.push_str(&explain::explain(&ascii, unit));
        pages.push_str(&details::details(&ascii, unit));
    }
    assert!(pages.is_ascii(), "{pages}");
}

#[test]
fn an_old_picture_is_told_to_be_old() {
    let old = Status::of(&pictures::zoo(TEN_O_CLOCK.at_boot_ms(TEN_O_CLOCK.boot_ms - 600_000)));
    let page = overview(&look(100, 40), &old, false);
    assert!(page.contains("as of 10m ago"), "{page}");
}
