//! A history of 10,000 lines: what it takes on disk, and how long it takes to open one incident of it. Prints ratios to an
//! incident in a history of 100 lines, since times alone say nothing of another machine.
#![expect(clippy::expect_used, reason = "a bench")]

use std::time::{Duration, Instant};

use steadfast::model::finding::{Code, Finding, Severity};
use steadfast::model::history::{History, Question};
use steadfast::model::incident::{Event, EventKind, Incident};
use steadfast::model::moment::Moment;
use steadfast::model::state::Durable;
use steadfast::store::Store;

/// Lines of one incident.
const LINES: u64 = 50;
const TRIES: u32 = 50;

fn main() {
    let (small, small_disk) = measured(100);
    let (large, large_disk) = measured(10_000);
    println!("lines   on disk   open `incident ID` (median of {TRIES})");
    println!("   100  {:>5} KiB  {:>7.3} ms", small_disk / 1024, small.as_secs_f64() * 1e3);
    println!("10,000  {:>5} KiB  {:>7.3} ms", large_disk / 1024, large.as_secs_f64() * 1e3);
    println!("ratio {:.2}", large.as_secs_f64() / small.as_secs_f64());
}

/// The time to open one incident of so many lines of history, and the bytes of the file.
fn measured(lines: u64) -> (Duration, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("steadfast.db");
    let (store, _, _) = Store::open(&path, None).expect("a database");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let mut durable = Durable::default();
    let mut saved = durable.clone();
    for id in 1..=lines {
        let at = Moment { boot_ms: 0, wall_ms: 1_795_168_800_000 + i64::try_from(id).expect("small") };
        let incident = id / LINES + 1;
        durable.incidents.entry(incident).or_insert_with(|| opened(incident, at));
        durable.remember(Event {
            id,
            at,
            unit: Some("horizon.service".into()),
            kind: EventKind::Outcome,
            code: Some(Code::ReleaseOutdated),
            incident: Some(incident),
            message: "proof of horizon.service: done: active, nothing of the old run is left, 2 of 2 processes live in the current release".to_owned(),
        });
        if id % 100 == 0 {
            runtime.block_on(store.save(durable.changes_since(&saved))).expect("saved");
            saved.clone_from(&durable);
        }
    }
    let reader = store.reader();
    let mut times: Vec<Duration> = (0..TRIES)
        .map(|_| {
            let began = Instant::now();
            let answer = runtime.block_on(reader.ask(Question::Incident(1))).expect("an answer");
            assert!(matches!(answer, History::Incident(Some(found)) if !found.1.is_empty()));
            began.elapsed()
        })
        .collect();
    times.sort();
    drop(reader);
    store.close();
    let bytes = std::fs::metadata(&path).expect("a file").len();
    (times[times.len() / 2], bytes)
}

fn opened(id: u64, at: Moment) -> Incident {
    let cause = Finding {
        code: Code::ReleaseOutdated,
        subject: String::new(),
        severity: Severity::Critical,
        message: "the main process 4242 (php) runs /srv/app/releases/65; /srv/app/current leads to /srv/app/releases/66".to_owned(),
        since: at,
        evidence: vec!["cwd of 4242: /srv/app/releases/65".to_owned()],
        repair: None,
        early: false,
    };
    Incident::new(id, Some("horizon.service".into()), &cause, at)
}
