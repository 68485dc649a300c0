//! A look over a host, as data: what is told of it and what not.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::model::audit::{Off, OffFile, ProbeRecord, TimerFacts};
use crate::model::finding::{Condition, ConditionKind, Severity, Truth};
use crate::model::host::{HostProcess, Listener, Place, Protocol, UserUnits};
use crate::model::moment::Moment;
use crate::model::probe::{OnFailure, ProbeKind, ProbeSpec, TimerReading};
use crate::model::snapshot::{UnitState, UnitStatus};
use crate::model::spec::{Ignored, Mode, Selector, Spec};
use crate::model::state::{OrderKind, Plan};
use crate::model::tally::UnitTally;
use crate::model::unit::{ActiveState, LoadState, UnitFileState, UnitName, UnitReading, UnitSettings};
use crate::model::will::{Exit, ServiceType};

const AT: Moment = Moment { boot_ms: 900_000_000, wall_ms: 1_800_000_000_000 };

/// A host where nothing runs.
fn host() -> Look {
    let mut look = Look::default();
    look.snapshot.at = AT;
    look.snapshot.ready = true;
    look
}

impl Look {
    /// `CODE subject: message` of each gap.
    fn told(&self) -> Vec<String> {
        let gaps = gaps(self);
        gaps.iter().map(|gap| format!("{}: {}", gap.finding.code.as_str(), gap.finding.message)).collect()
    }

    fn unit(
        &mut self,
        name: &str,
        fragment: &str,
        active: ActiveState,
        state: UnitFileState,
    ) -> &mut UnitStatus {
        let unit = UnitName::from(name);
        self.snapshot.units.insert(unit.clone(), Arc::new(status(&unit, fragment, active, state)));
        self.snapshot.units.get_mut(&unit).map(Arc::make_mut).expect("it is there")
    }

    /// One that runs, and is enabled.
    fn runs(&mut self, name: &str, fragment: &str) -> &mut UnitStatus {
        self.unit(name, fragment, ActiveState::Active, UnitFileState::Enabled)
    }

    /// The same with a file of ours.
    fn manages(&mut self, name: &str) -> &mut Spec {
        let file = format!("/etc/steadfast/units.d/{name}.toml");
        self.runs(name, "/etc/systemd/system/x").file.clone_from(&file);
        self.specs.push(Spec::of_empty_file(Selector::Unit(UnitName::from(name)), file));
        self.settings.sinks.clear();
        self.specs.last_mut().expect("it was put there")
    }

    fn process(&mut self, pid: i32, parent: i32, command: &str, place: Place) -> &mut HostProcess {
        let arguments: Vec<String> = command.split(' ').map(str::to_owned).collect();
        let name = arguments.first().and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
        self.around.host.processes.push(HostProcess {
            pid,
            parent,
            uid: 1000,
            executable: arguments.first().cloned(),
            name,
            arguments,
            directory: Some("/".to_owned()),
            control_group: "/".to_owned(),
            place,
            terminal: false,
            started_at: Moment { boot_ms: 100_000, wall_ms: 1 },
            cpu: Duration::ZERO,
        });
        self.around.users.insert(1000, "joe".to_owned());
        self.around.host.processes.last_mut().expect("it was put there")
    }

    fn listens(&mut self, protocol: Protocol, address: &str, pid: i32) {
        let listener = Listener { protocol, address: address.to_owned(), pids: vec![pid] };
        self.around.host.listeners.push(listener);
    }
}

fn status(unit: &UnitName, fragment: &str, active: ActiveState, state: UnitFileState) -> UnitStatus {
    let reading = UnitReading {
        active,
        sub: "running".to_owned(),
        invocation: "a".to_owned(),
        ..UnitReading::unloaded(LoadState::Loaded)
    };
    let settings = UnitSettings {
        names: vec![unit.clone()],
        fragment: fragment.to_owned(),
        service_type: ServiceType::of(if unit.kind() == "service" { "simple" } else { "" }),
        ..UnitSettings::default()
    };
    UnitStatus {
        unit: unit.clone(),
        state: UnitState::Ok,
        mode: Mode::Observe,
        severity: Severity::Warning,
        file: String::new(),
        owner: None,
        runbook: None,
        reading: Some(reading),
        settings: Some(settings),
        enablement: Some(state),
        conditions: Vec::new(),
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
        after_hold: None,
        said: Vec::new(),
        quarantine: None,
        slot: None,
        drill: None,
        disabled: None,
        spent: 0,
        budget: Spec::of_empty_file(Selector::Unit(unit.clone()), String::new()).recovery,
        tally: UnitTally::default(),
    }
}

const LOCAL: &str = "/etc/systemd/system/x";
const VENDOR: &str = "/usr/lib/systemd/system/x";

fn service(name: &str) -> Place {
    Place::Unit(UnitName::from(name))
}

fn session() -> Place {
    Place::Session { scope: UnitName::from("session-3.scope"), uid: 1000 }
}

#[test]
fn what_nobody_manages_is_ranked() {
    let mut host = host();
    host.runs("nginx.service", VENDOR);
    host.process(10, 1, "nginx", service("nginx.service")).cpu = Duration::from_secs(90);
    host.process(11, 10, "nginx", service("nginx.service"));
    host.listens(Protocol::Tcp, "0.0.0.0:80", 10);
    host.runs("quiet.service", LOCAL);
    host.runs("app.service", LOCAL);
    host.process(20, 1, "app", service("app.service"));
    host.listens(Protocol::Tcp, "127.0.0.1:8000", 20);
    for name in ["work@a.service", "work@b.service"] {
        host.unit(name, LOCAL, ActiveState::Active, UnitFileState::Disabled);
    }
    host.unit("later.timer", LOCAL, ActiveState::Inactive, UnitFileState::Enabled);
    // What every host has, what ends by itself, what somebody typed, and what is managed.
    host.runs("cron.service", VENDOR);
    host.unit("once.service", LOCAL, ActiveState::Inactive, UnitFileState::Enabled)
        .settings
        .as_mut()
        .expect("settings")
        .service_type = ServiceType::Oneshot;
    host.unit(
        "byhand.service",
        "/run/systemd/transient/byhand.service",
        ActiveState::Active,
        UnitFileState::Transient,
    );
    host.unit("idle.service", LOCAL, ActiveState::Inactive, UnitFileState::Disabled);
    let told = host.told();
    assert_eq!(
        told,
        [
            "unmanaged: app.service is managed by nobody (of this host's own, runs, listens on 127.0.0.1:8000)",
            "unmanaged: later.timer is managed by nobody (of this host's own, is enabled and does not run)",
            "unmanaged: quiet.service is managed by nobody (of this host's own, runs)",
            "unmanaged: work@.service is managed by nobody (of this host's own, 2 instances, runs)",
            "unmanaged: nginx.service is managed by nobody (runs, listens on 0.0.0.0:80, has used 90 s of CPU, 1 child)",
        ]
    );
    let page = audit(&host).snapshot.findings;
    assert_eq!(page.len(), 1);
    assert_eq!(
        page[0].message,
        "5 units are not managed: app.service, later.timer, quiet.service, work@.service, nginx.service"
    );
    assert_eq!(page[0].evidence.len(), 5);
    assert_eq!(page[0].repair.as_deref(), Some("steadfast adopt app.service"));
}

#[test]
fn a_socket_and_its_service_are_one_line_and_a_timer_stands_for_what_it_runs() {
    let mut host = host();
    host.runs("armed.socket", LOCAL);
    let by = |name: &str| vec![UnitName::from(name)];
    host.unit("armed.service", LOCAL, ActiveState::Active, UnitFileState::Static)
        .settings
        .as_mut()
        .expect("settings")
        .triggered_by = by("armed.socket");
    host.runs("nightly.timer", LOCAL);
    host.unit("nightly.service", LOCAL, ActiveState::Active, UnitFileState::Static)
        .settings
        .as_mut()
        .expect("settings")
        .triggered_by = by("nightly.timer");
    host.runs("alone.socket", LOCAL);
    let subjects: Vec<String> = gaps(&host).into_iter().map(|gap| gap.subject).collect();
    assert_eq!(subjects, ["alone.socket", "armed.service", "nightly.timer"]);
}

#[test]
fn a_daemon_that_nobody_started_as_a_service_is_a_stray() {
    let mut host = host();
    host.process(100, 1, "/usr/bin/python3 /opt/web.py --port 80", session());
    host.process(101, 100, "/usr/bin/python3 /opt/web.py --port 80", session());
    host.listens(Protocol::Tcp, "0.0.0.0:80", 101);
    host.process(110, 1, "/opt/from-cron", service("cron.service"));
    host.process(120, 1, "/usr/bin/memcached -d", Place::Outside);
    host.around.unit_files.insert(UnitName::from("memcached.service"));
    host.process(130, 1, "/bin/sh /opt/loop.sh", Place::Scope(UnitName::from("run-9.scope")));
    host.process(140, 1, "tmux new -d", session()).name = "tmux: server".to_owned();
    host.process(141, 140, "-bash", session()).terminal = true;
    host.process(142, 141, "/opt/worker", session()).terminal = true;
    let told = host.told();
    assert_eq!(
        told,
        [
            "stray-process: sh /opt/loop.sh (pid 130, joe) was left behind in run-9.scope: no service manages it",
            "stray-process: from-cron (pid 110, joe) was left behind by cron.service: no service manages it",
            "stray-process: worker (pid 142, joe) runs in a detached tmux: no service manages it",
            "stray-process: memcached -d (pid 120, joe) belongs to no unit at all: no service manages it",
            "stray-process: python3 /opt/web.py --port 80 (pid 100, joe) was left behind in a login (session-3.scope), listens on 0.0.0.0:80, 2 processes: no service manages it",
        ]
    );
    let repairs: Vec<Option<String>> = gaps(&host).into_iter().map(|gap| gap.finding.repair).collect();
    assert_eq!(repairs[3].as_deref(), Some("systemctl cat memcached.service"));
    assert_eq!(repairs[4].as_deref(), Some("systemctl edit --force --full web.service"));
}

#[test]
fn people_desktops_containers_and_the_kernel_are_no_strays() {
    let mut host = host();
    let scope = || Place::Session { scope: UnitName::from("session-c1.scope"), uid: 1000 };
    host.process(2, 0, "kthreadd", Place::Kernel);
    host.process(1, 0, "/sbin/init", Place::Manager);
    host.process(50, 1, "/usr/lib/xorg/Xorg", scope());
    host.process(51, 1, "/usr/bin/some-applet", scope());
    host.process(60, 1, "-bash", session());
    host.process(61, 1, "ssh-agent -s", session());
    host.process(62, 1, "/usr/bin/vim notes", session());
    host.process(63, 60, "/opt/build --now", session());
    host.process(64, 1, "/opt/at-a-terminal", session()).terminal = true;
    host.process(65, 1, "/opt/just-begun", session()).started_at = AT;
    host.process(70, 1, "/app", Place::Outside).control_group = "/docker/0af3".to_owned();
    host.process(71, 1, "/app", Place::Scope(UnitName::from("libpod-1.scope"))).control_group =
        "/machine.slice/libpod-1.scope".to_owned();
    host.process(72, 0, "sh", Place::Manager);
    host.process(80, 1, "/opt/daemon", service("app.service"));
    host.process(81, 1, "/usr/sbin/cron -f", service("cron.service"));
    host.process(90, 1, "tmux", session()).name = "tmux: server".to_owned();
    host.process(91, 60, "tmux attach", session()).name = "tmux: client".to_owned();
    host.process(92, 90, "/opt/worker", session()).terminal = true;
    host.process(
        95,
        1,
        "/usr/bin/dbus-daemon",
        Place::User { uid: 1000, unit: Some(UnitName::from("dbus.service")) },
    );
    assert_eq!(host.told(), Vec::<String>::new());
}

#[test]
fn another_supervisor_of_the_same_unit_is_told_while_it_runs() {
    let mut host = host();
    host.manages("shop.service").probes.push(probe("port", "127.0.0.1:1"));
    host.settings.sinks.push(crate::model::alert::SinkSpec::usual(
        "ops".to_owned(),
        crate::model::alert::SinkKind::default(),
    ));
    let claim = Claim {
        supervisor: "monit".to_owned(),
        file: "/etc/monit/conf.d/shop".to_owned(),
        line: 3,
        what: "check process shop".to_owned(),
        pid: None,
        matching: None,
        commands: vec!["/usr/bin/systemctl start shop.service".to_owned()],
        commented_out: None,
    };
    let off =
        Claim { line: 9, what: "check process mail".to_owned(), commented_out: Some(12), ..claim.clone() };
    host.around.claims = vec![claim, off];
    assert_eq!(host.told(), Vec::<String>::new(), "monit does not run");
    host.process(300, 1, "/usr/bin/monit -I", service("monit.service"));
    host.process(301, 1, "/opt/kept", service("monit.service"));
    let told = host.told();
    assert_eq!(
        told,
        [
            "host-other-supervisor: monit keeps shop.service up as well (check process shop): two supervisors restart it, each unaware of the other",
            "switched-off: /etc/monit/conf.d/shop:9: check process mail is commented out (to line 12): monit does not watch it, and nothing else says why",
            "host-other-supervisor: monit (pid 300) keeps 1 process that no service is for: kept (pid 301); nobody watches it but monit",
        ]
    );
}

fn probe(name: &str, address: &str) -> ProbeSpec {
    ProbeSpec {
        name: name.to_owned(),
        kind: ProbeKind { keys: address.to_owned(), curable: true, ..ProbeKind::default() },
        period: Duration::from_secs(10),
        timeout: Duration::from_secs(3),
        initial_delay: Duration::ZERO,
        failure_threshold: 2,
        success_threshold: 1,
        on_failure: OnFailure::Restart,
        vital: true,
    }
}

#[test]
fn files_that_are_not_in_force_and_patterns_without_a_unit_are_told() {
    let mut host = host();
    let file = |name: &str, how: Off| OffFile {
        file: format!("/etc/steadfast/units.d/{name}"),
        how,
        modified_at: Some(AT),
    };
    host.around.off = vec![
        file("shop.service.toml.disabled", Off::Renamed),
        file("inbox.service.toml", Off::CommentedOut { first: 3, last: 5, what: "[probe.inbox]".to_owned() }),
        file("old/mail.service.toml", Off::Misplaced),
    ];
    host.specs
        .push(Spec::of_empty_file(Selector::Pattern("web-*.service".to_owned()), "/f/web.toml".to_owned()));
    let gaps = gaps(&host);
    let told: Vec<(&str, Option<&str>)> =
        gaps.iter().map(|gap| (gap.key.as_str(), gap.finding.repair.as_deref())).collect();
    assert_eq!(
        told,
        [
            (
                "switched-off /etc/steadfast/units.d/shop.service.toml.disabled",
                Some(
                    "mv /etc/steadfast/units.d/shop.service.toml.disabled /etc/steadfast/units.d/shop.service.toml"
                )
            ),
            (
                "switched-off /etc/steadfast/units.d/inbox.service.toml [probe.inbox]",
                Some("$EDITOR +3 /etc/steadfast/units.d/inbox.service.toml")
            ),
            (
                "switched-off /etc/steadfast/units.d/old/mail.service.toml",
                Some(
                    "mv /etc/steadfast/units.d/old/mail.service.toml /etc/steadfast/units.d/mail.service.toml"
                )
            ),
            ("unit-missing /f/web.toml", Some("systemctl list-units --all 'web-*.service'")),
        ]
    );
    host.manages("web-1.service");
    assert!(!super::gaps(&host).iter().any(|gap| gap.finding.code == Code::UnitMissing));
}

#[test]
fn a_timer_is_overdue_after_twice_its_period() {
    let day = 86_400_000;
    let facts = |armed_days: i64, ended_days: Option<i64>, result: &str| TimerFacts {
        timer: UnitName::from("backup.timer"),
        last: TimerReading {
            unit: "backup.service".to_owned(),
            running_since: None,
            result: result.to_owned(),
            ended_at: ended_days.map(|days| AT.wall_ms - days * day),
            triggered_at: Some(AT.wall_ms),
            armed_at: Some(AT.wall_ms - armed_days * day),
        },
        calendars: vec!["*-*-* 02:00:00".to_owned()],
        spans: Vec::new(),
        oneshot: true,
        kept_away: false,
        tolerance: Duration::from_secs(60),
    };
    let told = |facts: TimerFacts| {
        let mut host = host();
        host.around.timers = vec![facts];
        host.told()
    };
    assert_eq!(
        told(facts(9, Some(5), "success")),
        [
            "host-timer-overdue: backup.timer starts backup.service at least every 24 h, and its last good run was 5 days ago"
        ]
    );
    assert_eq!(told(facts(9, Some(5), "exit-code")).len(), 1);
    assert!(told(facts(9, Some(1), "success")).is_empty(), "it ran yesterday");
    assert!(told(facts(1, None, "success")).is_empty(), "it was armed yesterday");
    assert!(
        told(TimerFacts { kept_away: true, ..facts(9, None, "success") }).is_empty(),
        "a condition is not met"
    );
    let mut once = facts(9, None, "success");
    once.calendars.clear();
    once.spans = vec![("OnBootUSec".to_owned(), Duration::from_secs(60))];
    assert!(told(once).is_empty(), "it fires once");
}

#[test]
fn what_is_managed_and_not_asked_and_told_to_nobody_is_told() {
    let mut host = host();
    host.manages("shop.service");
    host.process(20, 1, "shop", service("shop.service"));
    host.listens(Protocol::Tcp, "0.0.0.0:8080", 20);
    assert_eq!(
        host.told(),
        [
            "host-unprobed: shop.service listens on 0.0.0.0:8080, and no probe asks whether it answers",
            "alert-undeliverable: no [alert.NAME] is set in steadfast.toml: nobody is alerted about the managed unit",
        ]
    );
    let mut sink =
        crate::model::alert::SinkSpec::usual("ops".to_owned(), crate::model::alert::SinkKind::default());
    sink.matching.insert("unit".to_owned(), "web-*".to_owned());
    host.settings.sinks = vec![sink];
    host.specs[0].probes.push(probe("port", "127.0.0.1:8080"));
    assert_eq!(
        host.told(),
        [
            "alert-undeliverable: no [alert.NAME] matches shop.service (severity critical): nobody is alerted about it",
            "alert-undeliverable: no [alert.NAME] matches findings of the host itself (match): nobody is alerted about them",
        ]
    );
    host.settings.sinks[0].matching.clear();
    host.settings.sinks[0].min_severity = Severity::Critical;
    assert_eq!(host.told().len(), 1, "warnings");
    host.settings.sinks[0].min_severity = Severity::Warning;
    assert_eq!(host.told(), Vec::<String>::new());
}

#[test]
fn what_is_ignored_with_a_reason_is_a_note_until_its_end() {
    let mut host = host();
    host.runs("legacy-mail.service", LOCAL);
    host.settings.ignored = Some(Ignored {
        patterns: vec!["legacy-*".to_owned()],
        reason: "moves in March".to_owned(),
        until_ms: AT.wall_ms + 3 * 86_400_000,
    });
    let since = Moment { boot_ms: 0, ..AT };
    let record = ProbeRecord { asked_since: since, answers: 4096, failures: 0 };
    let failed = ProbeRecord { failures: 1, ..record.clone() };
    let records = [("inbox".to_owned(), record), ("port".to_owned(), failed)].into();
    host.around.records.insert(UnitName::from("app.service"), records);
    assert_eq!(host.told(), Vec::<String>::new());
    assert_eq!(
        audit(&host).notes,
        [
            "left alone for another 3 days: legacy-*: moves in March",
            "app.service: inbox has answered well for 7 days and never failed: check that it can (steadfast drill app.service --probe NAME)",
        ]
    );
    if let Some(ignored) = &mut host.settings.ignored {
        ignored.until_ms = AT.wall_ms;
    }
    assert_eq!(host.told().len(), 1);
}

#[test]
fn every_gap_has_a_key_of_its_own() {
    let mut host = host();
    for name in ["a.service", "b.service", "c.timer"] {
        host.runs(name, LOCAL);
    }
    host.process(20, 1, "/opt/x", session());
    host.process(21, 1, "/opt/x", session());
    let gaps = gaps(&host);
    let keys: BTreeSet<&str> = gaps.iter().map(|gap| gap.key.as_str()).collect();
    assert_eq!((gaps.len(), keys.len()), (4, 4), "{keys:?}");
}

#[test]
fn units_of_users_are_looked_at_by_root() {
    // O29, O44
    let mut look = host();
    let units = |names: &[&str]| names.iter().map(|name| UnitName::from(*name)).collect::<BTreeSet<_>>();
    look.around.user_units.push(UserUnits {
        user: "joe".to_owned(),
        uid: 1000,
        lingers: false,
        own: units(&["site.service", "known.service"]),
        enabled: units(&["site.service"]),
        managed: units(&["known.service"]),
    });
    let place = |unit: &str| Place::User { uid: 1000, unit: Some(UnitName::from(unit)) };
    look.process(7, 1, "/usr/bin/python3 -m http.server 8300", place("site.service"));
    look.process(8, 1, "/srv/known", place("known.service"));
    look.listens(Protocol::Tcp, "0.0.0.0:8300", 7);
    let told = look.told();
    assert_eq!(
        told,
        [
            "no-linger: no manager of joe runs at boot, lingering is off: site.service will not start before joe logs in",
            "unmanaged: site.service of joe is managed by nobody (runs, listens on 0.0.0.0:8300)",
        ]
    );
    assert_eq!(audit(&look).looked, "0 units, 2 processes, units of joe");
}

#[test]
fn what_is_active_and_runs_nothing_is_noted() {
    // C1: an init script whose daemon died, and a wrapper of ours that nothing asks.
    let mut look = host();
    for (name, fragment) in [
        ("exim4.service", "/run/systemd/generator.late/exim4.service"),
        ("web.service", "/etc/systemd/system/web.service"),
    ] {
        let status = look.runs(name, fragment);
        if let Some(reading) = &mut status.reading {
            reading.sub = "exited".to_owned();
        }
    }
    let notes = audit(&look).notes;
    assert_eq!(
        notes,
        [
            "exim4.service, web.service are active and run nothing: the command ended well, and only a probe can tell whether they work"
        ]
    );
}

/// A wrapper of a vendor, as Debian's postgresql.service, and an instance that it takes along.
fn wrapper(look: &mut Look, instance: ActiveState) {
    let status = look.runs("postgresql.service", "/usr/lib/systemd/system/postgresql.service");
    if let Some(reading) = &mut status.reading {
        reading.sub = "exited".to_owned();
    }
    let settings = status.settings.get_or_insert_default();
    settings.service_type = ServiceType::Oneshot;
    settings.exec_start = vec![vec!["/bin/true".to_owned()]];
    look.around.unit_files.insert(UnitName::from("postgresql@.service"));
    let file = "/usr/lib/systemd/system/postgresql@.service";
    look.unit("postgresql@15-main.service", file, instance, UnitFileState::EnabledRuntime);
}

#[test]
fn what_ends_at_once_and_well_is_not_called_dead() {
    // B10: nut-monitor.service with MODE=none in /etc/nut/nut.conf says so and ends with 0, at each boot.
    let mut look = host();
    let file = "/usr/lib/systemd/system/nut-monitor.service";
    let status = look.unit("nut-monitor.service", file, ActiveState::Inactive, UnitFileState::Enabled);
    if let Some(reading) = &mut status.reading {
        reading.exit = Some(Exit::Code(0));
        reading.active_since = Some(AT);
        reading.inactive_since = Some(AT.plus(Duration::from_millis(30)));
    }
    let known = |kind| Condition {
        kind,
        truth: Truth::True,
        reason: "starts".to_owned(),
        message: "boot starts it".to_owned(),
        since: AT,
    };
    status.conditions.push(known(ConditionKind::Boot));
    let dead = Finding {
        code: Code::UnitInactive,
        subject: String::new(),
        severity: Severity::Critical,
        message: "nut-monitor.service is inactive (dead)".to_owned(),
        since: AT,
        evidence: Vec::new(),
        repair: None,
        early: false,
    };
    status.findings.push(dead);
    let found: Vec<Finding> =
        audit(&look).snapshot.units.values().flat_map(|one| one.findings.clone()).collect();
    let told: Vec<(Severity, &str)> = found.iter().map(|one| (one.severity, one.message.as_str())).collect();
    assert_eq!(
        told,
        [(
            Severity::Warning,
            "nut-monitor.service is enabled, and ended by itself with exit code 0 right after its start: its own configuration may say that it is not to run"
        )]
    );
    assert_eq!(
        found.first().and_then(|one| one.repair.as_deref()),
        Some("journalctl -u nut-monitor.service -n 20")
    );
}

#[test]
fn a_wrapper_whose_units_run_is_as_it_should_be() {
    // C1: active (exited) and no process of its own, also where it is the host's own.
    let mut look = host();
    wrapper(&mut look, ActiveState::Active);
    let status = look.runs("shop.service", "/etc/systemd/system/shop.service");
    if let Some(reading) = &mut status.reading {
        reading.sub = "exited".to_owned();
    }
    let settings = status.settings.get_or_insert_default();
    settings.exec_start = vec![vec!["/bin/true".to_owned()]];
    settings.takes_along = vec![UnitName::from("shop-web.service")];
    look.runs("shop-web.service", "/etc/systemd/system/shop-web.service");
    assert_eq!(audit(&look).notes, Vec::<String>::new());
}

#[test]
fn a_wrapper_none_of_whose_units_runs_is_noted() {
    // C1: green for ever, and nothing of it is there; managed or not.
    let mut look = host();
    wrapper(&mut look, ActiveState::Failed);
    assert_eq!(
        audit(&look).notes,
        [
            "postgresql.service is active and runs nothing itself, and nothing that it stands for runs either (postgresql@.service)"
        ]
    );
}

#[test]
fn a_vendors_forking_unit_without_its_daemon_is_noted() {
    // C1
    let mut look = host();
    for (name, kind) in [("spool.service", ServiceType::Forking), ("firewall.service", ServiceType::Oneshot)]
    {
        let status = look.runs(name, "/usr/lib/systemd/system/x.service");
        if let Some(reading) = &mut status.reading {
            reading.sub = "exited".to_owned();
        }
        let settings = status.settings.get_or_insert_default();
        settings.service_type = kind;
        settings.exec_start = vec![vec!["/usr/sbin/x".to_owned()]];
    }
    assert_eq!(
        audit(&look).notes,
        [
            "spool.service is active and runs nothing: the command ended well, and only a probe can tell whether it works"
        ]
    );
}

#[test]
fn who_logs_each_connection_is_not_called_unprobed() {
    // A2, A3: adopt asks neither, and audit does not ask for it.
    let mut look = host();
    look.manages("ssh.service");
    let place = Place::Unit(UnitName::from("ssh.service"));
    look.process(7, 1, "/usr/sbin/sshd -D", place);
    look.listens(Protocol::Tcp, "0.0.0.0:22", 7);
    look.listens(Protocol::Tcp, "0.0.0.0:2222", 7);
    assert!(!look.told().iter().any(|line| line.starts_with("host-unprobed")), "{:?}", look.told());
    look.manages("shop.service");
    look.process(8, 1, "/srv/shop", Place::Unit(UnitName::from("shop.service")));
    look.listens(Protocol::Unix, "/run/shop.sock", 8);
    assert!(
        look.told().iter().any(|line| line.starts_with("host-unprobed: shop.service")),
        "{:?}",
        look.told()
    );
}

#[test]
fn a_unit_is_managed_by_any_of_its_names() {
    // B7, B11
    let mut look = host();
    look.manages("mysql.service");
    let names = vec![UnitName::from("mariadb.service"), UnitName::from("mysql.service")];
    for name in ["mysql.service", "mariadb.service"] {
        let status = look.snapshot.units.entry(UnitName::from(name)).or_insert_with(|| {
            Arc::new(status(
                &UnitName::from(name),
                "/usr/lib/systemd/system/mariadb.service",
                ActiveState::Active,
                UnitFileState::Enabled,
            ))
        });
        let settings = Arc::make_mut(status).settings.get_or_insert_default();
        settings.names.clone_from(&names);
    }
    assert!(!look.told().iter().any(|line| line.starts_with("unmanaged")), "{:?}", look.told());
}

#[test]
fn a_file_that_is_not_read_is_told_with_its_likely_name() {
    // O30, O45
    let mut look = host();
    let off = |file: &str, how: Off| OffFile {
        file: format!("/etc/steadfast/units.d/{file}"),
        how,
        modified_at: None,
    };
    look.around.off.push(off("nginx.service.tml", Off::Renamed));
    let half = Off::Half { line: 3, what: "mode = \"observe\"".to_owned() };
    look.around.off.push(off("web.service.toml", half));
    assert_eq!(
        look.told(),
        [
            "switched-off: /etc/steadfast/units.d/nginx.service.tml has no effect under this name: only names that end in .toml are read; it looks like /etc/steadfast/units.d/nginx.service.toml",
            "switched-off: /etc/steadfast/units.d/web.service.toml:3: mode = \"observe\": it is only observed, without a reason or an end",
        ]
    );
}

/// A service that runs, was made at run time, and is not started by the next boot.
fn lost<'h>(host: &'h mut Look, name: &str) -> &'h mut UnitStatus {
    let status = host.unit(name, "/run/systemd/transient/x", ActiveState::Active, UnitFileState::Transient);
    status.findings.push(crate::policy::judgement::finding(
        Code::NotEnabled,
        Severity::Warning,
        "not enabled".to_owned(),
        AT,
    ));
    let boot = Condition {
        kind: ConditionKind::Boot,
        truth: Truth::False,
        reason: "boot-unreachable".to_owned(),
        message: String::new(),
        since: AT,
    };
    status.conditions.push(boot);
    status
}

#[test]
fn a_command_that_ends_by_itself_need_not_outlive_a_reboot() {
    let mut host = host();
    lost(&mut host, "byhand.service");
    lost(&mut host, "run-u12.service");
    lost(&mut host, "steadfast-after-apt.service");
    lost(&mut host, "report.service").settings.as_mut().expect("settings").will.runtime_max_ms = Some(60_000);
    let told: Vec<String> = host.told().into_iter().filter(|line| line.starts_with("not-enabled")).collect();
    let only = "not-enabled: byhand.service runs, but was made at run time: a reboot ends it for good";
    assert_eq!(told, [only]);
}
