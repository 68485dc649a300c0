//! Made-up snapshots for the tests of the socket and of the commands.
#![expect(clippy::unwrap_used, reason = "tests")]

mod history;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use steadfast::model::cause::{Cause, Transition, What};
use steadfast::model::drill::{Drill, DrillEnd, DrillKind, Hearing, Verdict};
use steadfast::model::finding::{Code, Condition, ConditionKind, Finding, Severity, Truth, Why};
use steadfast::model::incident::{Event, EventKind, Incident};
use steadfast::model::moment::{Moment, millis};
use steadfast::model::observation::Host;
use steadfast::model::operator::{Step, StepName, StepResult};
use steadfast::model::probe::{ProbeOutcome, ProbeSeen, ProbeStatus};
use steadfast::model::progress::{ProgressSeen, Sample};
use steadfast::model::release::{FileId, LinkReading, Residence, Resident, Role, Target};
use steadfast::model::snapshot::{Snapshot, UnitState, UnitStatus};
use steadfast::model::spec::{DisabledSpec, Mode, Problem, RecoverySpec};
use steadfast::model::state::{
    Hold, HoldKind, LastAction, NextAction, OrderKind, Phase, Plan, Quarantine, Recovery,
};
use steadfast::model::tally::UnitTally;
use steadfast::model::unit::{ActiveState, LoadState, UnitFileState, UnitReading};

pub use history::remember;

pub const HOUR: u64 = 3600;
pub const DAY: u64 = 24 * HOUR;

/// 2026-11-20T10:00:00Z, two months after boot.
pub const TEN_O_CLOCK: Moment = Moment { boot_ms: 60 * 86_400_000, wall_ms: 1_795_168_800_000 };

/// Seconds before.
pub fn ago(now: Moment, seconds: u64) -> Moment {
    let ms = millis(Duration::from_secs(seconds));
    now.at_boot_ms(now.boot_ms - ms)
}

/// Seconds later.
pub fn hence(now: Moment, seconds: u64) -> Moment {
    now.plus(Duration::from_secs(seconds))
}

fn condition(kind: ConditionKind, reason: &str, message: &str, since: Moment) -> Condition {
    Condition { kind, truth: Truth::True, reason: reason.to_owned(), message: message.to_owned(), since }
}

/// A unit with which all is well.
pub fn ok(name: &str, now: Moment) -> UnitStatus {
    let since = ago(now, 41 * DAY);
    use ConditionKind::{Active, Boot, Enabled, Loaded, Progressing, Release, Serving};
    let mut conditions = vec![
        condition(Loaded, "loaded", "the unit file is loaded", since),
        condition(Active, "running", "active (running)", since),
        condition(Enabled, "enabled", "enabled persistently", since),
        condition(Boot, "starts", "the next boot starts it", since),
        condition(Release, "no-release", "no release link in its paths", since),
        condition(Serving, "no-probes", "no probes are configured", since),
        condition(Progressing, "no-progress", "no progress checks", since),
    ];
    conditions[6].truth = Truth::Unknown(Why::NotRead);
    UnitStatus {
        unit: name.into(),
        state: UnitState::Ok,
        mode: Mode::Act,
        severity: Severity::Critical,
        file: format!("/etc/steadfast/units.d/{name}.toml"),
        owner: None,
        runbook: None,
        reading: Some(UnitReading {
            load: LoadState::Loaded,
            active: ActiveState::Active,
            sub: "running".to_owned(),
            result: "success".to_owned(),
            job: None,
            invocation: "5f0c2a4e9b1d4c7f8a6e3d2b1c0f9e8d".to_owned(),
            main_pid: Some(4242),
            n_restarts: 0,
            active_since: Some(since),
            inactive_since: None,
            changed_us: 7,
            exit: None,
            status_text: String::new(),
        }),
        settings: None,
        enablement: Some(UnitFileState::Enabled),
        conditions,
        links: Vec::new(),
        residents: Vec::new(),
        probes: BTreeMap::new(),
        progress: BTreeMap::new(),
        smoke: None,
        preview: (OrderKind::Check, None),
        findings: Vec::new(),
        incident: None,
        plan: Plan::default(),
        recovery: None,
        last_action: None,
        last_transition: None,
        hold: None,
        quarantine: None,
        drill: None,
        disabled: None,
        spent: 0,
        budget: RecoverySpec::default(),
        tally: UnitTally::default(),
    }
}

fn fail(unit: &mut UnitStatus, kind: ConditionKind, finding: Finding) {
    let condition = unit.conditions.iter_mut().find(|c| c.kind == kind).unwrap();
    condition.truth = Truth::False;
    condition.reason = finding.code.as_str().to_owned();
    condition.message = finding.message.clone();
    condition.since = finding.since;
    unit.findings.push(finding);
}

fn hold_true(unit: &mut UnitStatus, kind: ConditionKind, reason: &str, message: &str) {
    let condition = unit.conditions.iter_mut().find(|c| c.kind == kind).unwrap();
    condition.reason = reason.to_owned();
    condition.message = message.to_owned();
}

fn finding(code: Code, severity: Severity, since: Moment, message: &str) -> Finding {
    Finding { code, severity, message: message.to_owned(), since, evidence: Vec::new(), repair: None }
}

pub fn probe(status: ProbeStatus, message: &str, micros: u64, now: Moment) -> ProbeSeen {
    ProbeSeen {
        last: Some((
            ago(now, 4),
            ProbeOutcome {
                status,
                message: message.to_owned(),
                latency: Some(Duration::from_micros(micros)),
            },
        )),
        settled: status,
        settled_at: ago(now, 3 * HOUR + 30),
        in_a_row: 3,
        poll: Default::default(),
        latency: steadfast::model::probe::Latency::default(),
        outdated: false,
    }
}

fn progress(depth: u64, now: Moment) -> ProgressSeen {
    let sample = Sample { depth, in_work: 2, completed: Some(4711), consumers: Some(2), ..Sample::default() };
    ProgressSeen {
        last: Some((ago(now, 9), Ok(sample.clone()))),
        known: Some(sample),
        moved_at: ago(now, 39),
        unmoved: 2,
        unconsumed: 0,
        paused: 0,
        over: 0,
        unanswered: 0,
        drain: None,
        shown_well: true,
        poll: Default::default(),
    }
}

fn resident(pid: u32, role: Role, name: &str, residence: Residence) -> Resident {
    Resident { pid, started_ms: 7, name: name.to_owned(), role, residence }
}

/// The story of the contract's example: the link moved on, the master lives in the old release.
pub fn outdated(now: Moment) -> UnitStatus {
    let mut unit = ok("horizon.service", now);
    let since = ago(now, 3 * HOUR + 30);
    unit.state = UnitState::Degraded;
    unit.owner = Some("team-shop".to_owned());
    unit.runbook = Some("https://wiki/runbooks/shop".to_owned());
    let mut found = finding(
        Code::ReleaseOutdated,
        Severity::Critical,
        since,
        "main process 4242 (php) runs release 65, /srv/app/current leads to 66",
    );
    found.evidence = vec![
        "/proc/4242/cwd -> /srv/app/releases/65".to_owned(),
        "/srv/app/current -> /srv/app/releases/66".to_owned(),
    ];
    found.repair = Some("systemctl restart horizon.service".to_owned());
    fail(&mut unit, ConditionKind::Release, found);
    hold_true(&mut unit, ConditionKind::Serving, "healthy", "1 of 1 probes healthy");
    let id = |ino| FileId { dev: 1, ino };
    unit.links = vec![LinkReading {
        link: "/srv/app/current".to_owned(),
        target: Some(Target { path: "/srv/app/releases/66".to_owned(), id: id(66), parent: id(1) }),
        switched_at: since,
        owner: None,
        problem: None,
    }];
    let old = Residence::Outdated {
        release: "/srv/app/releases/65".to_owned(),
        because: "its working directory".to_owned(),
    };
    unit.residents =
        vec![resident(4242, Role::Main, "php", old), resident(4250, Role::Worker, "php", Residence::Current)];
    unit.progress.insert("transcode".to_owned(), progress(12, now));
    let healthy = probe(ProbeStatus::Healthy, "GET /api/inbox/joe: 200 in 3.1 ms", 3120, now);
    unit.probes.insert("inbox".to_owned(), healthy);
    unit.incident = Some(17);
    unit.spent = 1;
    unit.plan = Plan {
        next: Some(NextAction {
            action: OrderKind::Restart,
            due_at: hence(now, 3 * HOUR + 30),
            because: Code::ReleaseOutdated,
        }),
        blocked: Some("the link may still flip: settling for 60s".to_owned()),
        explained_by: None,
    };
    unit.last_action = Some(LastAction {
        action: OrderKind::Start,
        because: Some(Code::UnitInactive),
        at: ago(now, 2 * DAY + HOUR),
        outcome: "done".to_owned(),
        ok: true,
        steps: vec![step(StepName::Start, StepResult::Done, "job done", 840)],
    });
    unit.last_transition = Some(Transition {
        what: What::Started,
        cause: Cause::Ours,
        message: "Steadfast ordered the start".to_owned(),
        at: ago(now, 2 * DAY + HOUR),
    });
    unit
}

fn step(name: StepName, result: StepResult, message: &str, took_ms: u64) -> Step {
    Step { name, result, message: message.to_owned(), took_ms }
}

/// In the middle of a restart because its release was deleted.
pub fn recovering(now: Moment) -> UnitStatus {
    let mut unit = outdated(now);
    unit.unit = "shop.service".into();
    unit.file = "/etc/steadfast/units.d/shop.service.toml".to_owned();
    unit.state = UnitState::Recovering;
    unit.findings.clear();
    let found = finding(
        Code::ReleaseDeleted,
        Severity::Critical,
        ago(now, 3 * HOUR + 30),
        "main process 812 (gunicorn) lives in /srv/shop/releases/12, which was deleted",
    );
    fail(&mut unit, ConditionKind::Release, found);
    unit.incident = Some(18);
    unit.plan = Plan::default();
    unit.recovery = Some(Recovery {
        order: 9,
        kind: OrderKind::Restart,
        because: Some(Code::ReleaseDeleted),
        began_at: ago(now, 12),
        phase: Phase::Proof,
        phase_at: ago(now, 9),
        phase_due: hence(now, 3 * HOUR + 30),
        invocation_before: "a".to_owned(),
        n_restarts: 0,
        steps: vec![
            step(StepName::SmokeTest, StepResult::Done, "php -l artisan: exited 0", 210),
            step(StepName::Restart, StepResult::Done, "job done", 2300),
            step(StepName::Enable, StepResult::Skipped, "already enabled", 0),
        ],
    });
    unit
}

/// Held by a person while it is down.
pub fn held(now: Moment) -> UnitStatus {
    let mut unit = ok("report.service", now);
    unit.state = UnitState::Held;
    stop(&mut unit, ActiveState::Inactive, "dead", ago(now, 2 * HOUR + 30));
    let found = finding(
        Code::UnitStoppedByOperator,
        Severity::Warning,
        ago(now, 2 * HOUR + 30),
        "stopped by a person, cleanly",
    );
    fail(&mut unit, ConditionKind::Active, found);
    unit.hold = Some(Hold {
        kind: HoldKind::Operator {
            who: "anna (uid 1000)".to_owned(),
            reason: "db migration CHG-1234".to_owned(),
        },
        since: ago(now, 2 * HOUR + 30),
        until: Some(hence(now, 3 * HOUR + 30)),
    });
    unit.plan.blocked = Some("held by anna (uid 1000): db migration CHG-1234".to_owned());
    unit
}

fn stop(unit: &mut UnitStatus, active: ActiveState, sub: &str, since: Moment) {
    let reading = unit.reading.as_mut().unwrap();
    reading.active = active;
    reading.sub = sub.to_owned();
    reading.main_pid = None;
    reading.inactive_since = Some(since);
}

/// The budget is spent.
pub fn quarantined(now: Moment) -> UnitStatus {
    let mut unit = ok("transcode@eu-west.service", now);
    unit.state = UnitState::Quarantined;
    stop(&mut unit, ActiveState::Failed, "failed", ago(now, 5 * HOUR + 30));
    let reading = unit.reading.as_mut().unwrap();
    reading.result = "exit-code".to_owned();
    reading.exit = Some("exit code 1".to_owned());
    let mut failed =
        finding(Code::UnitFailed, Severity::Critical, ago(now, 5 * HOUR + 30), "failed: exit code 1");
    failed.evidence = vec!["error: \u{1b}[31mno such codec\u{1b}[0m\u{7} h266".to_owned()];
    fail(&mut unit, ConditionKind::Active, failed);
    let mut spent = finding(
        Code::Quarantined,
        Severity::Critical,
        ago(now, 5 * HOUR),
        "3 of 3 restarts within 15m did not help",
    );
    spent.repair = Some("steadfast resume transcode@eu-west.service".to_owned());
    unit.findings.push(spent);
    unit.spent = 3;
    unit.incident = Some(16);
    unit.quarantine = Some(Quarantine {
        since: ago(now, 5 * HOUR + 30),
        retry_at: hence(now, 3 * HOUR + 30),
        round: 2,
        because: Code::UnitFailed,
        why: "its budget of 3 restarts in 15 min is spent (probe-failed)".to_owned(),
    });
    unit.last_action = Some(LastAction {
        action: OrderKind::Restart,
        because: Some(Code::UnitFailed),
        at: ago(now, 5 * HOUR + 30),
        outcome: "failed: job ended failed".to_owned(),
        ok: false,
        steps: vec![step(StepName::Restart, StepResult::Failed, "job ended failed", 310)],
    });
    unit
}

/// It was never read.
pub fn unknown(now: Moment) -> UnitStatus {
    let mut unit = ok("billing.service", now);
    unit.state = UnitState::Unknown;
    unit.reading = None;
    unit.enablement = None;
    for condition in &mut unit.conditions {
        condition.truth = Truth::Unknown(Why::NotRead);
        condition.reason = "not-read".to_owned();
        condition.message = "not read yet".to_owned();
        condition.since = ago(now, 3 * HOUR + 30);
    }
    unit
}

/// A dependency explains it.
pub fn explained(now: Moment) -> UnitStatus {
    let mut unit = ok("orders.service", now);
    unit.state = UnitState::Down;
    let found = finding(
        Code::ProbeFailed,
        Severity::Critical,
        ago(now, 3 * HOUR + 30),
        "probe orders: HTTP status 503, 3 in a row",
    );
    fail(&mut unit, ConditionKind::Serving, found);
    let unhealthy = probe(ProbeStatus::Unhealthy, "GET /healthz: HTTP status 503", 41_000, now);
    unit.probes.insert("orders".to_owned(), unhealthy);
    unit.plan.explained_by = Some("rabbitmq-server.service".into());
    unit.plan.blocked = Some("rabbitmq-server.service is down: a restart would not help".to_owned());
    unit.incident = Some(19);
    unit
}

/// A drill that went well, but for one sink.
pub fn drilled(now: Moment) -> Drill {
    let after = |ms| Some(now.plus(Duration::from_millis(ms)));
    let mail = Hearing { arrived_at: after(512), failure: None };
    let phone = Hearing { arrived_at: None, failure: Some("connection refused".to_owned()) };
    Drill {
        kind: DrillKind::Kill,
        who: "anna (uid 1000)".to_owned(),
        at: now,
        due: now,
        invocation: "a".to_owned(),
        struck_at: Some(now),
        by_systemd_at: None,
        detected_at: after(120),
        decided_at: after(121),
        recovered_at: after(5400),
        incident: Some(17),
        told: BTreeMap::from([("mail".to_owned(), mail), ("phone".to_owned(), phone)]),
        end: Some(DrillEnd {
            at: now,
            verdict: Verdict::Failed,
            message: "found after 0.1 s; proven after 5.4 s; told mail after 0.5 s; phone was not told: connection refused".to_owned(),
        }),
    }
}

/// Switched off by its file.
pub fn disabled(now: Moment) -> UnitStatus {
    let mut unit = ok("old-importer.service", now);
    unit.state = UnitState::Disabled;
    let until_ms = hence(now, 3 * DAY).wall_ms;
    unit.disabled = Some(DisabledSpec { reason: "flaps, ticket 1234".to_owned(), until_ms });
    unit
}

/// The timeline of the outdated unit, with a repetition.
pub fn events(now: Moment) -> Vec<Event> {
    let told = [
        (9000, EventKind::Notice, None, "managed: /etc/steadfast/units.d/horizon.service.toml"),
        (600, EventKind::Found, Some(Code::ProbeFailed), "probe inbox: HTTP status 502"),
        (590, EventKind::Cleared, Some(Code::ProbeFailed), "probe inbox is healthy again"),
        (480, EventKind::Found, Some(Code::ProbeFailed), "probe inbox: HTTP status 502"),
        (470, EventKind::Cleared, Some(Code::ProbeFailed), "probe inbox is healthy again"),
        (30, EventKind::Found, Some(Code::ReleaseOutdated), "release 65 runs, 66 is current"),
        (30, EventKind::Decided, Some(Code::ReleaseOutdated), "restart after it settled for 60s"),
    ];
    let mut events = Vec::new();
    for (id, (seconds, kind, code, message)) in (41..).zip(told) {
        events.push(Event {
            id,
            at: ago(now, 3 * HOUR + seconds),
            unit: Some("horizon.service".into()),
            kind,
            code,
            incident: Some(17),
            message: message.to_owned(),
        });
    }
    events
}

/// A snapshot of these units.
pub fn of(units: Vec<UnitStatus>, now: Moment) -> Snapshot {
    let open = units.iter().filter_map(|unit| {
        let cause = unit.findings.first()?;
        Some(Incident::new(unit.incident?, Some(unit.unit.clone()), cause, cause.since))
    });
    Snapshot {
        at: now,
        host: Host {
            name: "web1".to_owned(),
            boot_id: "c0ffee00-1111-4222-8333-444455556666".to_owned(),
            machine_id: "m".to_owned(),
            user_instance: false,
        },
        ready: true,
        incidents: open.collect(),
        events: events(now).into(),
        units: units.into_iter().map(|unit| (unit.unit.clone(), Arc::new(unit))).collect(),
        ..Snapshot::default()
    }
}

/// One of each kind.
pub fn zoo(now: Moment) -> Snapshot {
    let units = vec![
        ok("nginx.service", now),
        ok("postgresql@16-main.service", now),
        outdated(now),
        recovering(now),
        held(now),
        quarantined(now),
        unknown(now),
        explained(now),
        disabled(now),
    ];
    let mut snapshot = of(units, now);
    let file = "/etc/steadfast/units.d/web.service.toml";
    snapshot.problems.push(Problem {
        file: file.to_owned(),
        line: 4,
        column: 1,
        message: "unknown key `probee`, did you mean `probe`?".to_owned(),
        rendered: "error: unknown key `probee`\n".to_owned(),
        last_good_in_force: true,
    });
    snapshot.findings.push(finding(
        Code::ConfigInvalid,
        Severity::Warning,
        ago(now, 3 * HOUR + 30),
        "1 unit file is rejected",
    ));
    snapshot
}

/// Many units, most of them well.
pub fn forty(now: Moment) -> Snapshot {
    let mut units: Vec<UnitStatus> = (1..39).map(|n| ok(&format!("worker@{n:02}.service"), now)).collect();
    units.push(outdated(now));
    let long = r"systemd-cryptsetup@dev-disk-by\x2duuid-2f1c7c3e\x2d9a7b\x2d4f64.service";
    units.push(ok(long, now));
    of(units, now)
}
