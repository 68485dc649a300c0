//! The kernel tells nothing, or too much, of changed files.

use std::time::Duration;

use super::{QUICK, SLEEPER, healed, host, main_pid, row, told};
use crate::rig::Machine;
use crate::watched::{LIMIT, state, unit};

/// Without a word of the kernel's a new file is read within a minute.
const SLOWLY: Duration = Duration::from_secs(90);

/// A unit in a release, and what is to be watched for it.
fn with_release(name: &str, drop_in: &str) -> Machine {
    let machine = host(name, drop_in);
    machine.write("/etc/steadfast/steadfast.toml", "resync = \"2s\"\n");
    machine.sh("systemctl reload steadfast.service; mkdir -p /srv/app/releases/{1,2}; ln -s releases/1 /srv/app/current");
    let text = SLEEPER.replace("[Service]\n", "[Service]\nWorkingDirectory=/srv/app/current\n");
    machine.write("/etc/systemd/system/app.service", &text);
    machine.sh("systemctl daemon-reload && systemctl enable -q --now app.service");
    machine.write("/etc/steadfast/units.d/app.service.toml", &format!("{QUICK}[release]\nsettle = \"1s\"\n"));
    machine.sh("systemctl reload steadfast.service");
    state(&machine, "app.service", "ok");
    machine
}

/// A flip is followed and a new file is read, by the slow readings alone.
fn slow_readings_remain(machine: &Machine) -> (Duration, Duration) {
    machine.sh("ln -s releases/2 /srv/app/new && mv -T /srv/app/new /srv/app/current");
    let flip = machine.wait_until("the new release runs", LIMIT, || {
        unit(machine, "app.service", ".release.running") == "/srv/app/releases/2"
    });
    machine.write("/etc/systemd/system/late.service", SLEEPER);
    machine.sh("systemctl daemon-reload && systemctl enable -q --now late.service");
    machine.write("/etc/steadfast/units.d/late.service.toml", QUICK);
    let file = machine
        .wait_until("the new file is read", SLOWLY, || unit(machine, "late.service", ".state") == "ok");
    (flip, file)
}

fn without_inotify(name: &str, injected: &str, drop_in: &str) {
    let machine = with_release(name, drop_in);
    let messages = told(&machine, "host-files-unwatched");
    let took = healed(&machine);
    let (flip, file) = slow_readings_remain(&machine);
    println!("{messages}");
    let seen = format!(
        "said of {} parts; flip followed after {:.0} s, new unit file read after {:.0} s",
        messages.lines().count(),
        flip.as_secs_f64(),
        file.as_secs_f64()
    );
    assert_eq!(messages.lines().count(), 3, "{messages}");
    row(injected, "said; slow readings find flips and files", &seen, took);
}

#[test]
fn no_inotify_instance_is_left() {
    without_inotify(
        "instances",
        "inotify instances used up (EMFILE)",
        "SystemCallFilter=~inotify_init:EMFILE inotify_init1:EMFILE",
    );
}

#[test]
fn no_inotify_watch_is_left() {
    without_inotify(
        "watches",
        "inotify watches used up (ENOSPC)",
        "SystemCallFilter=~inotify_add_watch:ENOSPC",
    );
}

/// 15,000 files come and go, and one stays: its own event is lost.
const EVENTS: &str = r#"
import os
d = "/etc/steadfast/units.d/"
for n in range(15000):
    open(d + f"x{n}.tmp", "w").close()
    os.unlink(d + f"x{n}.tmp")
open(d + "late.service.toml", "w").close()
"#;

#[test]
fn a_full_queue_of_inotify_loses_no_change() {
    let machine = host("queue", "");
    machine.write("/etc/systemd/system/late.service", SLEEPER);
    machine.sh("systemctl daemon-reload && systemctl enable -q --now late.service");
    machine.write("/opt/events.py", EVENTS);
    let pid = main_pid(&machine);
    machine.sh(&format!("kill -STOP {pid} && python3 /opt/events.py; kill -CONT {pid}"));
    let took = state(&machine, "late.service", "ok");
    row(
        "inotify queue overflows (45,000 events while stopped)",
        "everything is read again",
        &format!("the file whose event was lost is in force after {:.1} s", took.as_secs_f64()),
        healed(&machine),
    );
    assert!(took < Duration::from_secs(20), "not by the slow reading: {took:?}");
    assert_eq!(main_pid(&machine), pid);
}
