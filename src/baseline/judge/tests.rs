//! The comparison as a table of cases: what makes a line and what makes none.

use super::*;
use crate::model::baseline::{Head, Port, ReleaseThen, UnitThen};
use crate::model::boot::BootVerdict;
use crate::model::host::Protocol;
use crate::model::unit::ActiveState;

fn unit() -> UnitThen {
    UnitThen {
        found: true,
        active: ActiveState::Active,
        sub: "running".to_owned(),
        result: "success".to_owned(),
        enablement: "enabled".to_owned(),
        boot: Some(BootVerdict::Starts),
        service_type: "simple".to_owned(),
        remain_after_exit: false,
        fragment: "/usr/lib/systemd/system/x".to_owned(),
        triggered_by: Vec::new(),
        managed: false,
        packages: vec!["pack".to_owned()],
        releases: Vec::new(),
    }
}

fn dead() -> UnitThen {
    UnitThen { active: ActiveState::Inactive, sub: "dead".to_owned(), ..unit() }
}

fn picture(units: &[(&str, UnitThen)]) -> Baseline {
    Baseline {
        head: Head { name: "now".to_owned(), ..Head::default() },
        units: units.iter().map(|(name, unit)| ((*name).to_owned(), unit.clone())).collect(),
        ports: Vec::new(),
        strays: Vec::new(),
        packages: BTreeMap::new(),
        ephemeral: (32_768, 60_999),
        untold: Vec::new(),
        beyond: Vec::new(),
    }
}

/// Each difference as `gravity message`.
fn told(before: &Baseline, after: &Baseline) -> Vec<String> {
    let line = |one: &Difference| format!("{} {}", one.gravity.as_str(), one.message);
    compare(before, after).differences.iter().map(line).collect()
}

fn of_one(name: &str, then: UnitThen, now: UnitThen) -> Vec<String> {
    told(&picture(&[(name, then)]), &picture(&[(name, now)]))
}

#[test]
fn a_vanished_unit_comes_back_with_the_package_of_its_file() {
    // O39
    let gone = UnitThen { found: false, ..dead() };
    let repairs = |fragment: &str| {
        let packages = vec!["shop".to_owned(), "python3-minimal".to_owned()];
        let then = UnitThen { fragment: fragment.to_owned(), packages, ..unit() };
        let found = compare(&picture(&[("x.service", then)]), &picture(&[("x.service", gone.clone())]));
        found.differences.into_iter().map(|one| (one.message, one.repair)).collect::<Vec<_>>()
    };
    let was = "x.service was active (running), and there is no such unit any more";
    assert_eq!(
        repairs("/usr/lib/systemd/system/x.service"),
        [(was.to_owned(), Some("apt-get install shop".to_owned()))]
    );
    assert_eq!(
        repairs("/etc/systemd/system/x.service"),
        [(format!("{was} (its file was /etc/systemd/system/x.service)"), None)]
    );
}

#[test]
fn what_is_lost_is_told_in_one_line_a_unit() {
    let active = |state: ActiveState, sub: &str, result: &str| UnitThen {
        active: state,
        sub: sub.to_owned(),
        result: result.to_owned(),
        ..unit()
    };
    let enablement =
        |word: &str, boot: Option<BootVerdict>| UnitThen { enablement: word.to_owned(), boot, ..unit() };
    let off = || Some(BootVerdict::Unreachable { why: "nothing wants it".to_owned() });
    for (then, now, line) in [
        (unit(), dead(), "critical x.service was active (running), is inactive (dead)"),
        (
            unit(),
            active(ActiveState::Failed, "failed", "exit-code"),
            "critical x.service has failed (exit-code); it was active (running)",
        ),
        (
            dead(),
            active(ActiveState::Failed, "failed", "timeout"),
            "critical x.service has failed (timeout); it was inactive (dead)",
        ),
        (
            unit(),
            active(ActiveState::Activating, "auto-restart", "signal"),
            "critical x.service was active (running), and systemd restarts it again and again (signal)",
        ),
        (
            unit(),
            active(ActiveState::Activating, "start", "success"),
            "warning x.service was active (running), and is still activating (start)",
        ),
        (
            unit(),
            UnitThen { found: false, ..dead() },
            "critical x.service was active (running), and there is no such unit any more",
        ),
        // O5: the upgrade took the unit file away, and its process runs on.
        (
            unit(),
            UnitThen { found: false, ..unit() },
            "critical the unit file of x.service is gone with package pack, which is not installed any more; what it started still runs, until it is stopped",
        ),
        (
            unit(),
            enablement("disabled", off()),
            "warning x.service was enabled, is disabled: the next boot will not start it",
        ),
        (
            unit(),
            enablement("masked", None),
            "warning x.service was enabled, is masked: the next boot will not start it",
        ),
        (
            unit(),
            enablement("enabled", off()),
            "warning the next boot will not start x.service any more: nothing wants it",
        ),
        (
            active(ActiveState::Failed, "failed", "exit-code"),
            unit(),
            "note runs again, and had failed: x.service",
        ),
    ] {
        assert_eq!(of_one("x.service", then, now), [line]);
    }
    // Every kind that people enable counts.
    for name in ["x.timer", "x.socket", "x.path", "srv-data.mount"] {
        assert_eq!(of_one(name, unit(), dead()).len(), 1, "{name}");
    }
    // Loaded by nobody any more: it is in no picture.
    assert_eq!(told(&picture(&[("x.service", unit())]), &picture(&[])).len(), 1);
}

#[test]
fn what_is_the_same_or_cannot_be_told_makes_no_line() {
    let unknown = |boot| UnitThen { boot, ..unit() };
    for (name, then, now) in [
        ("x.service", unit(), unit()),
        ("x.service", dead(), dead()),
        (
            "x.service",
            unit(),
            UnitThen { active: ActiveState::Reloading, sub: "reload".to_owned(), ..unit() },
        ),
        ("x.service", unit(), UnitThen { enablement: "unknown".to_owned(), ..unit() }),
        ("x.service", unit(), UnitThen { enablement: String::new(), ..unit() }),
        // Another name, or another unit, brings it up.
        ("x.service", unit(), UnitThen { enablement: "alias".to_owned(), ..unit() }),
        ("x.service", unit(), unknown(Some(BootVerdict::Unknown { why: "y".to_owned() }))),
        ("x.service", unit(), unknown(None)),
    ] {
        assert_eq!(of_one(name, then, now), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn what_comes_and_goes_by_its_nature_makes_no_line() {
    let oneshot = || UnitThen { service_type: "oneshot".to_owned(), ..unit() };
    for (name, then) in [
        ("run-u12.service", unit()),
        ("user@1000.service", unit()),
        ("user-runtime-dir@1000.service", unit()),
        ("getty@tty1.service", unit()),
        ("systemd-fsck@dev-sda1.service", unit()),
        ("steadfast-after-apt.service", unit()),
        ("session-3.scope", unit()),
        ("dev-sda1.device", unit()),
        ("byhand.service", UnitThen { enablement: "transient".to_owned(), ..unit() }),
        ("x.service", UnitThen { fragment: "/run/systemd/transient/x.service".to_owned(), ..unit() }),
        ("mnt.mount", UnitThen { fragment: String::new(), ..unit() }),
        ("x.service", oneshot()),
        ("x.service", UnitThen { active: ActiveState::Activating, sub: "start".to_owned(), ..oneshot() }),
        ("systemd-hostnamed.service", UnitThen { enablement: "static".to_owned(), boot: None, ..unit() }),
        (
            "y.service",
            UnitThen {
                service_type: "dbus".to_owned(),
                enablement: "static".to_owned(),
                boot: Some(BootVerdict::Unreachable { why: String::new() }),
                ..unit()
            },
        ),
    ] {
        assert_eq!(of_one(name, then, dead()), Vec::<String>::new(), "{name}");
    }
    // One that stays after its work is done is lost when it is not there any more.
    let stays = UnitThen { remain_after_exit: true, sub: "exited".to_owned(), ..oneshot() };
    assert_eq!(of_one("x.service", stays, dead()).len(), 1);
    // Whatever failed, failed.
    let failed = UnitThen { active: ActiveState::Failed, result: "exit-code".to_owned(), ..oneshot() };
    assert_eq!(of_one("x.service", oneshot(), failed).len(), 1);
    assert_eq!(of_one("steadfast.service", unit(), dead()).len(), 1);
}

#[test]
fn what_a_socket_or_timer_starts_may_rest_while_that_is_there() {
    let armed = UnitThen {
        enablement: "static".to_owned(),
        boot: Some(BootVerdict::Armed { by: UnitName::from("x.socket") }),
        triggered_by: vec![UnitName::from("x.socket")],
        ..unit()
    };
    let idle = UnitThen { active: ActiveState::Inactive, sub: "dead".to_owned(), ..armed.clone() };
    let before = picture(&[("x.service", armed), ("x.socket", unit())]);
    let after = picture(&[("x.service", idle.clone()), ("x.socket", unit())]);
    assert_eq!(told(&before, &after), Vec::<String>::new());
    // Nothing is there to start it.
    let after = picture(&[("x.service", idle), ("x.socket", dead())]);
    assert_eq!(told(&before, &after).len(), 2);
    // Boot itself starts it: it is wanted, and not only when somebody asks.
    let wanted = UnitThen { triggered_by: vec![UnitName::from("x.socket")], ..unit() };
    let stopped = UnitThen { active: ActiveState::Inactive, sub: "dead".to_owned(), ..wanted.clone() };
    let before = picture(&[("x.service", wanted), ("x.socket", unit())]);
    let after = picture(&[("x.service", stopped), ("x.socket", unit())]);
    assert_eq!(told(&before, &after), ["critical x.service was active (running), is inactive (dead)"]);
}

#[test]
fn the_story_of_a_unit_stands_with_it() {
    let mut before = picture(&[("x.service", unit())]);
    before.packages = [("pack".to_owned(), "1.6.18".to_owned()), ("other".to_owned(), "1".to_owned())].into();
    before.ports = vec![port(Protocol::Tcp, "127.0.0.1:11211", Some("x.service"))];
    let mut after =
        picture(&[("x.service", UnitThen { enablement: "disabled".to_owned(), boot: None, ..dead() })]);
    after.packages = [("pack".to_owned(), "1.6.19".to_owned()), ("other".to_owned(), "2".to_owned())].into();
    let found = compare(&before, &after).differences;
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].repair.as_deref(), Some("systemctl enable --now x.service"));
    assert_eq!((found[0].lost, found[0].unit.clone()), (Lost::Running, Some(UnitName::from("x.service"))));
    let evidence = [
        "nothing listens on tcp 127.0.0.1:11211 any more",
        "x.service was enabled, is disabled: the next boot will not start it",
        "its package changed: pack 1.6.18 -> 1.6.19",
        "managed by nobody: Steadfast does not bring it back by itself",
    ];
    assert_eq!(found[0].evidence, evidence);
    assert_eq!(found[1].message, "2 packages changed: other 1 -> 2, pack 1.6.18 -> 1.6.19");
}

fn port(protocol: Protocol, address: &str, unit: Option<&str>) -> Port {
    let program = unit.map_or("java", |unit| unit.split('.').next().unwrap_or(unit)).to_owned();
    Port { protocol, address: address.to_owned(), unit: unit.map(UnitName::from), program, passing: false }
}

fn of_ports(then: &[Port], now: &[Port]) -> Vec<String> {
    let units = [("a.service", unit()), ("b.service", unit()), ("run-u1.service", unit())];
    let (mut before, mut after) = (picture(&units), picture(&units));
    before.ports = then.to_vec();
    after.ports = now.to_vec();
    told(&before, &after)
}

#[test]
fn a_port_that_is_gone_is_critical_and_one_that_moved_is_none() {
    use Protocol::{Tcp, Udp, Unix};
    let a = Some("a.service");
    let gone = |port: Port| of_ports(&[port], &[]);
    assert_eq!(
        gone(port(Tcp, "127.0.0.1:80", a)),
        ["critical nothing listens on tcp 127.0.0.1:80 any more; a.service did"]
    );
    assert_eq!(
        gone(port(Unix, "/run/a.sock", a)),
        ["critical nothing listens on /run/a.sock any more; a.service did"]
    );
    assert_eq!(
        gone(port(Tcp, "[::]:80", None)),
        ["critical nothing listens on tcp [::]:80 any more; java did"]
    );
    assert_eq!(gone(port(Udp, "0.0.0.0:53", a)).len(), 1);
    assert_eq!(gone(port(Tcp, "0.0.0.0:40000", a)).len(), 1, "nobody of the same has another");

    let none = Vec::<String>::new();
    assert_eq!(gone(port(Udp, "0.0.0.0:40000", a)), none);
    assert_eq!(gone(port(Unix, "@abstract", a)), none);
    assert_eq!(gone(port(Unix, "/run/user/1000/bus", None)), none);
    assert_eq!(gone(port(Tcp, "127.0.0.1:80", Some("run-u1.service"))), none);
    assert_eq!(gone(Port { passing: true, ..port(Tcp, "127.0.0.1:8000", None) }), none);

    for (then, now) in [
        (port(Tcp, "0.0.0.0:40000", a), port(Tcp, "0.0.0.0:50000", a)),
        (port(Unix, "/run/a/1234.sock", a), port(Unix, "/run/a/987.sock", a)),
        (port(Tcp, "127.0.0.1:80", a), port(Tcp, "[::]:80", a)),
    ] {
        assert_eq!(of_ports(&[then], &[now]), none);
    }
    let other = of_ports(&[port(Tcp, "0.0.0.0:80", a)], &[port(Tcp, "0.0.0.0:80", Some("b.service"))]);
    assert_eq!(other, ["note tcp 0.0.0.0:80 is held by b.service, was by a.service"]);
    let new = of_ports(
        &[],
        &[port(Tcp, "0.0.0.0:80", a), port(Unix, "/run/a.sock", a), port(Udp, "0.0.0.0:40000", a)],
    );
    assert_eq!(new, ["note new, listened on: tcp 0.0.0.0:80 by a.service"]);
}

#[test]
fn releases_point_on_back_or_nowhere() {
    let at = |target: Option<&str>| {
        let link = ReleaseThen { link: "/srv/current".to_owned(), target: target.map(str::to_owned) };
        UnitThen { releases: vec![link], ..unit() }
    };
    for (then, now, line) in [
        (
            Some("/srv/10"),
            Some("/srv/9"),
            Some("warning /srv/current of x.service points back: to /srv/9, was /srv/10"),
        ),
        (
            Some("/srv/9"),
            Some("/srv/10"),
            Some("note /srv/current of x.service moved on: to /srv/10, was /srv/9"),
        ),
        (Some("/srv/9"), None, Some("warning /srv/current of x.service leads nowhere, was /srv/9")),
        (Some("/srv/9"), Some("/srv/9"), None),
        (None, Some("/srv/9"), None),
    ] {
        let wanted: Vec<String> = line.map(str::to_owned).into_iter().collect();
        assert_eq!(of_one("x.service", at(then), at(now)), wanted);
    }
}

#[test]
fn strays_are_counted_and_new_units_and_half_done_packages_told() {
    let stray =
        |command: &str| Stray { command: command.to_owned(), uid: 7, place: "session-1.scope".to_owned() };
    let (mut before, mut after) =
        (picture(&[]), picture(&[("new.service", unit()), ("run-u1.service", unit())]));
    before.strays = vec![stray("/srv/a"), stray("/srv/b"), stray("/srv/b")];
    after.strays = vec![stray("/srv/b"), stray("/srv/c")];
    before.packages = [("pack".to_owned(), "1".to_owned())].into();
    after.packages = [("pack".to_owned(), "2 (half-configured)".to_owned())].into();
    let wanted = [
        "warning a process outside every service is gone: /srv/a (uid 7)",
        "warning a process outside every service is gone: /srv/b (uid 7)",
        "warning a process outside every service is new: /srv/c (uid 7)",
        "warning left half done: pack 2 (half-configured)",
        "note new, running or enabled: new.service",
        "note 1 package changed: pack 1 -> 2 (half-configured)",
    ];
    assert_eq!(told(&before, &after), wanted);
}
