//! The store against real files: what is saved is loaded, and nothing keeps it from opening.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::model::audit::ProbeRecord;
use crate::model::baseline::{Lost, Worse, WorseLine};
use crate::model::boot::{BootVerdict, Prediction};
use crate::model::drill::{Drill, DrillEnd, DrillKind, Hearing, Verdict};
use crate::model::finding::{Code, Finding, Severity};
use crate::model::fleet::{Slot, SlotState};
use crate::model::history::Wanted;
use crate::model::incident::{self, Acknowledgement, Event, EventKind, Incident, Told};
use crate::model::moment::Moment;
use crate::model::operator::{Step, StepName, StepResult};
use crate::model::outside::Program;
use crate::model::release::{FileId, PastTarget};
use crate::model::spec::SwitchedOff;
use crate::model::state::{
    Hold, HoldKind, LastAction, Meta, Mismatch, OrderKind, Phase, Quarantine, Recovery, SilencedAt,
    Silencing, SmokeFailure, UnitDurable,
};
use crate::model::unit::UnitName;

fn text() -> impl Strategy<Value = String> {
    ".{0,8}"
}

fn moment() -> impl Strategy<Value = Moment> {
    any::<(i64, i64)>().prop_map(|(boot_ms, wall_ms)| Moment { boot_ms, wall_ms })
}

fn code() -> impl Strategy<Value = Code> {
    select(Code::ALL)
}

fn kind() -> impl Strategy<Value = OrderKind> {
    use OrderKind::*;
    select(vec![Start, Restart, Enable, Check])
}

fn file() -> impl Strategy<Value = FileId> {
    any::<(u64, u64)>().prop_map(|(dev, ino)| FileId { dev, ino })
}

fn name() -> impl Strategy<Value = UnitName> {
    text().prop_map(UnitName)
}

fn hold() -> impl Strategy<Value = Hold> {
    let by = (text(), text()).prop_map(|(who, reason)| HoldKind::Operator { who, reason });
    let with =
        (name(), any::<bool>()).prop_map(|(unit, conflicts)| HoldKind::StoppedWith { unit, conflicts });
    let kind = prop_oneof![by, Just(HoldKind::ManualStop), with];
    let parts = (kind, moment(), option::of(text()), option::of(moment()));
    parts.prop_map(|(kind, since, stopped_run, until)| Hold { kind, since, stopped_run, until, asked: until })
}

fn step() -> impl Strategy<Value = Step> {
    use StepName::*;
    let name = select(vec![SmokeTest, Drain, Start, Restart, Enable, Proof, EndpointCheck, Progress]);
    let result = select(vec![StepResult::Done, StepResult::Failed, StepResult::Skipped]);
    (name, result, text(), any::<u64>()).prop_map(|(name, result, message, took_ms)| Step {
        name,
        result,
        message,
        took_ms,
    })
}

fn recovery() -> impl Strategy<Value = Recovery> {
    use Phase::*;
    let phase = select(vec![SmokeTest, Drain, Job, Enable, Proof]);
    let times = (moment(), moment(), moment());
    let numbers = any::<(u64, u32)>();
    let rest = (text(), vec(step(), 0..3), option::of(file()));
    (kind(), option::of(code()), phase, times, numbers, rest).prop_map(
        |(kind, because, phase, times, (order, n_restarts), rest)| Recovery {
            order,
            kind,
            because,
            began_at: times.0,
            phase,
            phase_at: times.1,
            phase_due: times.2,
            invocation_before: rest.0,
            n_restarts,
            release: rest.2,
            steps: rest.1,
        },
    )
}

fn quarantine() -> impl Strategy<Value = Quarantine> {
    let parts = (moment(), moment(), any::<u32>(), code(), text());
    parts.prop_map(|(since, retry_at, round, because, why)| Quarantine {
        since,
        retry_at,
        round,
        because,
        why,
    })
}

fn prediction() -> impl Strategy<Value = Prediction> {
    let verdict = prop_oneof![
        Just(BootVerdict::Starts),
        text().prop_map(|by| BootVerdict::Armed { by: UnitName(by) }),
        text().prop_map(|why| BootVerdict::Unreachable { why }),
        text().prop_map(|why| BootVerdict::Unknown { why }),
    ];
    (text(), verdict, moment()).prop_map(|(boot_id, verdict, made_at)| Prediction {
        boot_id,
        verdict,
        made_at,
    })
}

fn mismatch() -> impl Strategy<Value = Mismatch> {
    (text(), text(), moment()).prop_map(|(boot_id, message, at)| Mismatch { boot_id, message, at })
}

fn last_action() -> impl Strategy<Value = LastAction> {
    let parts = (kind(), option::of(code()), moment(), text(), any::<bool>(), vec(step(), 0..3));
    parts.prop_map(|(action, because, at, outcome, ok, steps)| LastAction {
        action,
        because,
        at,
        outcome,
        ok,
        steps,
    })
}

fn smoke_failure() -> impl Strategy<Value = SmokeFailure> {
    let parts = (moment(), option::of(file()), text(), vec(text(), 0..3));
    parts.prop_map(|(at, release, message, output)| SmokeFailure { at, release, message, output })
}

fn drill() -> impl Strategy<Value = Drill> {
    use Verdict::*;
    let kind = prop_oneof![Just(DrillKind::Kill), text().prop_map(DrillKind::Probe)];
    let verdict = select(vec![Proven, BySystemd, Told, Failed, Interrupted]);
    let end =
        (moment(), verdict, text()).prop_map(|(at, verdict, message)| DrillEnd { at, verdict, message });
    let hearing = (option::of(moment()), option::of(text()));
    let hearing = hearing.prop_map(|(arrived_at, failure)| Hearing { arrived_at, failure });
    let times = proptest::array::uniform5(option::of(moment()));
    let parts = (kind, (text(), text()), (moment(), moment()), times, option::of(any::<u64>()));
    (parts, btree_map(text(), hearing, 0..3), option::of(end)).prop_map(|(parts, told, end)| {
        let (kind, (who, invocation), (at, due), times, incident) = parts;
        let [struck_at, by_systemd_at, detected_at, decided_at, recovered_at] = times;
        Drill {
            kind,
            who,
            at,
            due,
            invocation,
            struck_at,
            by_systemd_at,
            detected_at,
            decided_at,
            recovered_at,
            incident,
            told,
            end,
        }
    })
}

fn off() -> impl Strategy<Value = SwitchedOff> {
    (moment(), moment(), text()).prop_map(|(since, until, reason)| SwitchedOff { since, until, reason })
}

fn unit() -> impl Strategy<Value = UnitDurable> {
    let first = (option::of(hold()), option::of(recovery()), vec(moment(), 0..4));
    let second = (option::of(quarantine()), option::of(prediction()), option::of(mismatch()));
    let record = (moment(), any::<u64>(), any::<u64>());
    let record =
        record.prop_map(|(asked_since, answers, failures)| ProbeRecord { asked_since, answers, failures });
    let last = (vec(file(), 0..3), btree_map(text(), record, 0..3));
    let third = (option::of(text()), option::of(last_action()), option::of(smoke_failure()), last);
    let program = (text(), option::of(text())).prop_map(|(path, command)| Program { path, command });
    let fourth =
        (vec(drill(), 0..3), option::of(off()), any::<bool>(), option::of(program), option::of(moment()));
    let told = (moment(), option::of(moment())).prop_map(|(until, sure)| SilencedAt { until, sure });
    let parts = (moment(), moment(), text(), text(), any::<bool>(), btree_map(text(), told, 0..3));
    let silencing = parts.prop_map(|(since, until, who, reason, over, sinks)| Silencing {
        since,
        until,
        who,
        reason,
        over,
        sinks,
    });
    let state = select(vec![SlotState::Asked, SlotState::Held, SlotState::Leaving]);
    let slot = (text(), moment(), state, any::<bool>());
    let slot = slot.prop_map(|(group, since, state, used)| Slot { group, since, state, used });
    let fifth = (option::of(silencing), option::of(slot));
    (first, second, third, fourth, fifth).prop_map(|(first, second, third, fourth, fifth)| UnitDurable {
        hold: first.0,
        recovery: first.1,
        spent: first.2,
        quarantine: second.0,
        prediction: second.1,
        mismatch: second.2,
        last_active: third.0,
        last_action: third.1,
        smoke_failure: third.2,
        failed_releases: third.3.0,
        probes: third.3.1,
        drills: fourth.0,
        off: fourth.1,
        ran: fourth.2,
        enabled: fourth.2,
        disabling: None,
        program: fourth.3,
        daemon_seen: fourth.4,
        silencing: fifth.0,
        slot: fifth.1,
    })
}

fn incident() -> impl Strategy<Value = Incident> {
    let others = (vec(text().prop_map(UnitName), 0..3), option::of(any::<u64>()));
    let later = (option::of(moment()), option::of(moment()), option::of(any::<u32>()));
    let told = (moment(), any::<u32>(), any::<[bool; 3]>(), later);
    let told = told.prop_map(|(at, firing, [tried, gave_up, resolved], (fired_at, over_at, news))| Told {
        at,
        tried,
        firing,
        gave_up,
        resolved,
        fired_at,
        over_at,
        news,
    });
    let known = (moment(), text()).prop_map(|(at, who)| Acknowledgement { at, who });
    let change = (moment(), text()).prop_map(|(at, what)| incident::Change { at, what });
    let people = (
        btree_map(text(), told, 0..3),
        option::of(known),
        vec(change, 0..3),
        option::of(text()),
        (vec(text(), 0..3), vec(code(), 0..3), vec(text(), 0..3)),
    );
    let times = (option::of(moment()), option::of(moment()), option::of(moment()), option::of(moment()));
    let finding = (code(), text(), vec(text(), 0..3), option::of(text()), any::<[bool; 2]>());
    let parts =
        (any::<u64>(), option::of(text()), finding, (moment(), option::of(moment()), times), others, people);
    parts.prop_map(|(id, unit, finding, (opened_at, resolved_at, times), (affected, part_of), people)| {
        let (cause, summary, evidence, repair, [warning, drill]) = finding;
        let (told, acknowledged, changes, evidence_file, (gaps, news, said)) = people;
        let (began_at, decided_at, acted_at, captured_at) = times;
        Incident {
            id,
            unit: unit.map(UnitName),
            cause,
            severity: if warning { Severity::Warning } else { Severity::Critical },
            opened_severity: Severity::Warning,
            owner: None,
            summary,
            evidence,
            repair,
            began_at,
            opened_at,
            found_at: captured_at,
            decided_at,
            acted_at,
            resolved_at,
            affected,
            part_of,
            acknowledged,
            changes,
            captured_at,
            evidence_file,
            told,
            drill,
            gaps,
            news,
            said,
        }
    })
}

fn past_target() -> impl Strategy<Value = PastTarget> {
    (text(), file(), moment()).prop_map(|(path, id, from)| PastTarget { path, id, from })
}

fn worse() -> impl Strategy<Value = Worse> {
    let unit = option::of(text().prop_map(UnitName));
    let line = (text(), vec(text(), 0..3), unit, select(vec![Lost::Running, Lost::Enabled, Lost::Other]));
    let line = line.prop_map(|(message, evidence, unit, lost)| WorseLine {
        severity: Severity::Warning,
        repair: evidence.first().cloned(),
        message,
        evidence,
        unit,
        lost,
    });
    (text(), moment(), vec(line, 0..3)).prop_map(|(baseline, since, lines)| Worse { baseline, since, lines })
}

/// Few keys, so that one state after another changes and deletes what was there.
fn durable() -> impl Strategy<Value = Durable> {
    let meta = ("[0-9a-f]{8}", any::<u64>(), any::<u64>(), option::of(worse()));
    let unit_name = select(vec!["a.service", "b@1.service", "ü.timer"]).prop_map(UnitName::from);
    let id = prop_oneof![0_u64..3, Just(u64::MAX)];
    let link = select(vec!["/srv/app/current", "/srv/b/c"]).prop_map(str::to_owned);
    (
        meta,
        btree_map(unit_name, unit(), 0..3),
        btree_map(id, incident(), 0..3),
        btree_map(link, vec(past_target(), 0..3), 0..3),
    )
        .prop_map(|((boot_id, next_incident, next_order, worse), units, incidents, links)| Durable {
            meta: Meta { boot_id, next_incident, next_order, worse },
            units,
            incidents,
            links,
            // Lines are only ever added: they have a test of their own.
            events: BTreeMap::new(),
        })
}

/// A database in a directory that is yet to be made.
struct Scratch {
    _root: tempfile::TempDir,
    path: PathBuf,
}

impl Scratch {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a scratch directory");
        let path = root.path().join("lib/steadfast/steadfast.db");
        Self { _root: root, path }
    }

    fn open(&self) -> (Store, Durable, Vec<String>) {
        let (store, durable, news) = Store::open(&self.path, None).expect("it opens");
        (store, durable, sentences(&news))
    }

    /// Opens it with a spare place, which must be used or not.
    fn open_with_spare(&self) -> (Store, Durable, Vec<News>) {
        Store::open(&self.path, Some(&self.spare())).expect("one of them opens")
    }

    fn spare(&self) -> PathBuf {
        self._root.path().join("run/steadfast.db")
    }

    fn sql(&self, order: &str) {
        let admin = rusqlite::Connection::open(&self.path).expect("it opens");
        admin.execute_batch(order).expect("it obeys");
    }

    /// Names in the directory, the time of a file set aside as `TIME`.
    fn files(&self) -> Vec<String> {
        let directory = self.path.parent().expect("a directory");
        let entries = std::fs::read_dir(directory).expect("it is readable");
        let name = |name: String| match name.rsplit_once(".db.").and_then(|(_, rest)| rest.split_once('-')) {
            Some((word, time)) if !time.is_empty() => format!("steadfast.db.{word}-TIME"),
            _ => name,
        };
        let names = entries.map(|entry| entry.expect("an entry").file_name());
        let mut names: Vec<String> = names.map(|found| name(found.into_string().expect("UTF-8"))).collect();
        names.sort();
        names
    }
}

fn sentences(news: &[News]) -> Vec<String> {
    let told = news.iter().filter_map(|(_, why)| why.as_deref());
    told.flat_map(|why| why.split("; ")).map(str::to_owned).collect()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime").block_on(future)
}

fn sample() -> Durable {
    let at = Moment { boot_ms: 5, wall_ms: 1_795_168_800_000 };
    let cause = Finding {
        code: Code::ReleaseDeleted,
        subject: String::new(),
        severity: Severity::Critical,
        message: "it lives in a deleted release".to_owned(),
        since: at,
        evidence: Vec::new(),
        repair: None,
        early: false,
    };
    let incident = Incident::new(4, Some(UnitName::from("horizon.service")), &cause, at);
    Durable {
        meta: Meta { boot_id: "b".to_owned(), next_incident: 5, next_order: 5, worse: None },
        units: BTreeMap::from([(UnitName::from("horizon.service"), UnitDurable::default())]),
        incidents: BTreeMap::from([(4, incident)]),
        links: BTreeMap::new(),
        events: BTreeMap::new(),
    }
}

fn event(id: u64, unit: Option<&str>, incident: Option<u64>) -> Event {
    let wall_ms = 1_795_168_800_000 + i64::try_from(id).expect("small");
    Event {
        id,
        at: Moment { boot_ms: 5, wall_ms },
        unit: unit.map(UnitName::from),
        kind: EventKind::Acted,
        code: None,
        incident,
        message: format!("line {id}"),
    }
}

#[test]
fn lines_outlive_memory_and_those_of_one_incident_are_found() {
    let scratch = Scratch::new();
    let (store, empty, _) = scratch.open();
    let mut durable = sample();
    for id in 1..=2000 {
        let line = match id % 4 {
            0 => event(id, None, None),
            1 => event(id, Some("horizon.service"), Some(4)),
            _ => event(id, Some("other.service"), Some(9)),
        };
        durable.remember(line);
        if id % 100 == 0 {
            // As the loop does: what memory forgets was saved before.
            save(&store, &durable, &empty);
        }
    }
    let ask = |store: &Store, question| block_on(store.reader().ask(question)).expect("it answers");
    store.close();
    let (store, back, _) = scratch.open();
    assert_eq!(back.events.keys().copied().collect::<Vec<_>>(), (1489..=2000).collect::<Vec<u64>>());
    let History::Incident(Some(found)) = ask(&store, Question::Incident(4)) else {
        panic!("it is there");
    };
    let ids: Vec<u64> = found.1.iter().map(|line| line.id).collect();
    let wanted: Vec<u64> = (1..=2000).filter(|id| id % 4 < 2).collect();
    assert_eq!(ids, wanted, "its own lines and those of the host");
    assert_eq!(ask(&store, Question::Incident(5)), History::Incident(None));
    let wanted = Wanted { unit: Some(UnitName::from("horizon.service")), since_ms: None, open: true };
    let History::Incidents(all) = ask(&store, Question::Incidents(wanted)) else {
        panic!("a list");
    };
    assert_eq!(all.len(), 1);
    store.close();
}

fn save(store: &Store, now: &Durable, before: &Durable) -> Vec<News> {
    block_on(store.save(now.changes_since(before))).expect("it is saved")
}

/// A database with the sample in it, closed.
fn saved() -> Scratch {
    let scratch = Scratch::new();
    let (store, empty, _) = scratch.open();
    save(&store, &sample(), &empty);
    store.close();
    scratch
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_saved_step_by_step_is_loaded(states in vec(durable(), 1..4)) {
        let scratch = Scratch::new();
        let (store, mut last, notes) = scratch.open();
        prop_assert_eq!(&last, &Durable::default());
        prop_assert_eq!(notes, Vec::<String>::new());
        for state in states {
            save(&store, &state, &last);
            last = state;
        }
        store.close();
        let (store, loaded, notes) = scratch.open();
        store.close();
        prop_assert_eq!(loaded, last);
        prop_assert_eq!(notes, Vec::<String>::new());
    }

    #[test]
    fn applied_changes_give_the_state(now in durable(), saved in durable()) {
        let mut applied = saved.clone();
        for change in now.changes_since(&saved) {
            applied.apply(&change);
        }
        prop_assert_eq!(&applied, &now);
        prop_assert_eq!(now.changes_since(&applied), Vec::new());
    }
}

#[test]
fn files_are_private_and_a_person_can_query_them() {
    let scratch = Scratch::new();
    let (store, empty, _) = scratch.open();
    save(&store, &sample(), &empty);
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode(scratch.path.parent().expect("a directory")), 0o700);
    assert_eq!(mode(&scratch.path), 0o600);
    assert_eq!(mode(&scratch.path.with_extension("db-wal")), 0o600);
    let admin = rusqlite::Connection::open(&scratch.path).expect("it opens");
    let row: (i64, String, String, String, Option<String>) = admin
        .query_row("SELECT * FROM incident", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?))
        })
        .expect("a row");
    let (unit, cause) = ("horizon.service".to_owned(), "release-deleted".to_owned());
    assert_eq!(row, (4, unit, cause, "2026-11-20T10:00:00.000Z".to_owned(), None));
    admin.query_row("SELECT * FROM unit", [], |_| Ok(())).expect("a row");
    drop(admin);
    store.close();
}

#[test]
fn a_file_that_is_no_database_is_set_aside() {
    let scratch = saved();
    std::fs::write(&scratch.path, "x".repeat(5000)).expect("it is written");
    let (store, durable, notes) = scratch.open();
    assert_eq!(durable, Durable::default());
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].contains("cannot be read (file is not a database)"), "{}", notes[0]);
    save(&store, &sample(), &durable);
    store.close();
    assert_eq!(scratch.files(), ["steadfast.db", "steadfast.db.corrupt-TIME", "steadfast.lock"]);
    let (store, durable, notes) = scratch.open();
    assert_eq!((durable, notes), (sample(), vec![]));
    store.close();
}

#[test]
fn damage_inside_is_noticed_at_the_start() {
    let scratch = saved();
    let mut bytes = std::fs::read(&scratch.path).expect("it is readable");
    bytes[4096..].fill(0xa5);
    std::fs::write(&scratch.path, bytes).expect("it is written");
    let (store, durable, notes) = scratch.open();
    store.close();
    assert_eq!(durable, Durable::default());
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn another_schema_is_set_aside() {
    let scratch = saved();
    scratch.sql("PRAGMA user_version = 99");
    let (store, _, notes) = scratch.open();
    store.close();
    assert!(notes[0].contains("has version 99, newer than 3: set aside as "), "{}", notes[0]);
    assert_eq!(scratch.files(), ["steadfast.db", "steadfast.db.newer-TIME", "steadfast.lock"]);

    scratch.sql("DROP TABLE unit");
    let (store, _, notes) = scratch.open();
    store.close();
    assert!(notes[0].contains("no such table"), "{}", notes[0]);
}

#[test]
fn only_the_last_files_set_aside_are_kept() {
    let scratch = saved();
    for _ in 0..8 {
        std::fs::remove_file(&scratch.path).unwrap_or_default();
        std::fs::write(&scratch.path, "x".repeat(5000)).expect("it is written");
        scratch.open().0.close();
    }
    let aside = scratch.files().iter().filter(|name| name.ends_with("TIME")).count();
    assert!((1..=5).contains(&aside), "{aside}");
}

#[test]
fn a_record_of_a_newer_version_loses_nothing_else() {
    let scratch = saved();
    scratch.sql(
        r#"UPDATE incident SET body = json_replace(body, '$.cause', 'moon-full');
           INSERT INTO link (link, body) VALUES ('/a', '[{"path": 3}]');"#,
    );
    let (store, durable, notes) = scratch.open();
    store.close();
    assert_eq!(durable.units, sample().units);
    assert_eq!(durable.incidents, BTreeMap::new());
    let wanted = [
        "ignoring the stored incident 4: cause: unknown code `moon-full`",
        "ignoring the stored link /a: path: a text expected, another number found",
    ];
    assert_eq!(notes, wanted);
}

#[test]
fn a_lost_counter_does_not_give_an_id_twice() {
    let scratch = saved();
    scratch.sql("UPDATE meta SET body = '{}'");
    let (store, durable, notes) = scratch.open();
    store.close();
    assert_eq!(durable.meta.next_incident, 5);
    assert_eq!(notes.len(), 1, "{notes:?}");
}

#[test]
fn a_second_daemon_is_refused() {
    let scratch = saved();
    let (store, _, _) = scratch.open();
    let refused = Store::open(&scratch.path, None).map(|_| ());
    assert!(matches!(refused, Err(StoreError::InUse { .. })), "{refused:?}");
    store.close();
    scratch.open().0.close();
}

#[test]
fn a_save_that_was_given_up_does_not_happen() {
    let scratch = saved();
    let (mut database, _, _) = database::open(&scratch.path).expect("it opens");
    let late = [Change::Incident(4, None)];
    let asked = std::cell::Cell::new(0);
    let given_up = || asked.replace(asked.get() + 1) > 0;
    database.save(&late, given_up).expect("nothing fails");
    drop(database);
    let (store, durable, _) = scratch.open();
    store.close();
    assert_eq!(durable, sample());
}

#[test]
fn a_disk_that_refuses_is_no_reason_to_set_aside() {
    let root = tempfile::tempdir().expect("a scratch directory");
    let file = root.path().join("file");
    std::fs::write(&file, "").expect("a file");
    let refused = Store::open(&file.join("steadfast.db"), None).map(|_| ());
    assert!(matches!(refused, Err(StoreError::Directory { .. })), "{refused:?}");
}

#[test]
fn a_file_that_is_damaged_in_use_is_written_anew_and_nothing_is_lost() {
    type Damage = fn(&Path);
    let damages: [(Damage, &str); 4] = [
        (|path| std::fs::write(path, [7; 40_000]).expect("garbage"), "it is no database any more"),
        (|path| std::fs::write(path, "").expect("nothing"), "it is cut off"),
        (|path| std::fs::remove_file(path).expect("a file"), "it is gone"),
        (
            |path| {
                std::fs::remove_file(path).expect("a file");
                std::fs::write(path, "other").expect("a file");
            },
            "another file is in its place",
        ),
    ];
    for (damage, wanted) in damages {
        let scratch = saved();
        let (store, before, _) = scratch.open();
        damage(&scratch.path);
        let mut now = before.clone();
        now.meta.next_order = 77;
        let news = save(&store, &now, &before);
        let told = sentences(&news).join("; ");
        assert!(told.contains(wanted) && told.contains("nothing is lost"), "{told}");
        assert_eq!(news.first().map(|(code, _)| *code), Some(Code::HostStateDamaged));
        let mut later = now.clone();
        later.incidents.clear();
        assert_eq!(save(&store, &later, &now), [], "told once");
        store.close();
        let (store, loaded, notes) = scratch.open();
        store.close();
        assert_eq!((loaded, notes), (later, vec![]), "{wanted}");
    }
}

#[test]
fn while_the_disk_refuses_the_state_is_kept_elsewhere_and_comes_home() {
    let scratch = Scratch::new();
    let home = scratch.path.parent().and_then(Path::parent).expect("a directory").to_owned();
    // A file where the directory should be: nothing can be made below it.
    std::fs::write(&home, "").expect("a file");
    let (store, empty, news) = scratch.open_with_spare();
    assert_eq!(news.first().map(|(code, _)| *code), Some(Code::HostStateVolatile));
    assert_eq!(save(&store, &sample(), &empty), []);
    store.close();

    // Our crash: the next life finds it there, and the disk still refuses.
    let (store, found, news) = scratch.open_with_spare();
    assert_eq!(found, sample());
    assert_eq!(news.len(), 1);
    store.close();

    std::fs::remove_file(&home).expect("a file");
    let (store, found, news) = scratch.open_with_spare();
    store.close();
    assert_eq!((found, news), (sample(), vec![]));
    assert!(!scratch.spare().exists(), "nothing stays behind");
    let (store, found, _) = scratch.open();
    store.close();
    assert_eq!(found, sample());
}
