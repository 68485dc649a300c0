//! The bus: lost, killed, flooded, and lied on.

use std::time::Duration;

use super::{PROMPT, healed, host, main_pid, restarts, row, runs_anew, show};
use crate::rig::Machine;
use crate::watched::{LIMIT, journal, state, unit};

const CLIENT: &str = include_str!("dbus.py");

fn tick(machine: &Machine) -> u64 {
    let pid = main_pid(machine);
    let spent = machine.sh(&format!("cut -d' ' -f14,15 /proc/{pid}/stat | tr ' ' '+' | bc 2>/dev/null || awk '{{print $14+$15}}' /proc/{pid}/stat"));
    spent.parse().unwrap_or_default()
}

#[test]
fn the_bus_is_killed_and_the_manager_executes_itself() {
    let machine = host("lostbus", "");
    row("nothing", "healed and proven", "as a measure", healed(&machine));
    for (injected, script) in [
        ("daemon-reload", "systemctl daemon-reload"),
        ("daemon-reexec", "systemctl daemon-reexec"),
        ("dbus.service restarted", "systemctl restart dbus.service"),
        ("dbus-daemon killed by SIGKILL", "systemctl kill -s KILL dbus.service"),
    ] {
        machine.sh(script);
        row(injected, "followed again; healed", "as undisturbed", healed(&machine));
    }
    machine.sh("systemctl stop dbus.socket dbus.service; systemctl kill -s KILL shop.service");
    machine.wait_until("it is dead", LIMIT, || show(&machine, "shop.service", "ActiveState") == "failed");
    machine.wait_until("the loss is told", LIMIT, || {
        journal(&machine).contains("cannot be reached: no orders are given")
    });
    machine.sh("systemctl start dbus.socket dbus.service");
    let took = machine
        .wait_until("it runs", LIMIT, || show(&machine, "shop.service", "ActiveState") == "active")
        + state(&machine, "shop.service", "ok");
    row(
        "no bus at all, and the unit dies meanwhile",
        "said; healed when the bus returns",
        "host-manager-unreachable",
        took,
    );
    assert_eq!(restarts(&machine), "0");
}

#[test]
fn signals_that_the_manager_did_not_send_are_nothing() {
    let machine = host("forged", "");
    machine.add_user("joe");
    machine.write_program("/opt/dbus.py", CLIENT);
    let ours =
        format!("busctl list --no-legend --no-pager | awk '$2 == {} {{print $1}}'", main_pid(&machine));
    let names = machine.sh(&ours).replace('\n', " ");
    assert!(names.split_whitespace().count() >= 2, "our connections: {names}");
    let before = tick(&machine);
    machine.sh(&format!("setpriv --reuid=joe --regid=joe --clear-groups python3 /opt/dbus.py forge 10 {names} >/tmp/rate 2>&1 &"));
    let took = healed(&machine);
    machine.wait_until("the flood is over", LIMIT, || !machine.sh("cat /tmp/rate").is_empty());
    let rate = machine.sh("cat /tmp/rate");
    let spent = tick(&machine) - before;
    let told = journal(&machine);
    assert!(!told.contains("shuts down"), "a lie about a shutdown is not believed:\n{told}");
    assert_eq!(
        told.matches("found unit-failed").count() + told.matches("unit-failed: ").count(),
        1,
        "only the real death:\n{told}"
    );
    let rate: u32 = rate.parse().expect("signals per second");
    assert!(rate > 9_000, "{rate} signals per second");
    row(
        &format!(
            "{rate} made-up signals per second by an unprivileged user for 10 s, to all and to us alone"
        ),
        "ignored; healed",
        &format!("nothing believed; {spent} ticks of CPU"),
        took,
    );
    assert_eq!(unit(&machine, "shop.service", ".restarts.spent"), "1");
}

#[test]
fn a_storm_of_real_signals_delays_nobody() {
    let machine = host("storm", "");
    machine.write_program("/opt/dbus.py", CLIENT);
    machine.write(
        "/etc/systemd/system/chatter@.service",
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nExecStart=/bin/true\n",
    );
    machine.write("/etc/systemd/system/yard.service", super::SLEEPER);
    machine.sh("systemctl daemon-reload");
    machine.sh("python3 /opt/dbus.py count 10 >/tmp/rate & python3 /opt/dbus.py start 10 >/dev/null 2>&1 & sleep 0.1");
    let took = healed(&machine);
    machine.wait_until("the storm is over", LIMIT, || !machine.sh("cat /tmp/rate").is_empty());
    let rate = machine.sh("cat /tmp/rate");
    row(
        &format!("{rate} signals of the manager per second, by starts of other units for 10 s"),
        "healed",
        "as undisturbed",
        took,
    );

    machine.sh("python3 /opt/dbus.py count 10 >/tmp/rate2 & (for n in $(seq 60); do systemctl daemon-reload; done; touch /tmp/over) >/dev/null 2>&1 & sleep 0.1");
    // PID 1 works on its jobs only when no message waits: a person's start in the same storm shows how long that is.
    machine.sh("(date +%s; systemctl start yard.service; date +%s) >/tmp/yard 2>&1 &");
    let took = runs_anew(&machine);
    // What the next boot does cannot be computed while the manager reloads: that is asked again once it is over.
    state(&machine, "shop.service", "ok");
    machine.wait_until("the reloads are over", LIMIT, || {
        machine.try_sh("test -e /tmp/over && test -s /tmp/rate2").ok()
    });
    let rate = machine.sh("cat /tmp/rate2");
    machine.wait_until("a person's start is done", LIMIT, || machine.sh("wc -l </tmp/yard") == "2");
    let yard = machine.sh("tr '\\n' ' ' </tmp/yard | awk '{print $2 - $1}'").parse().expect("seconds");
    assert!(took < PROMPT + Duration::from_secs(yard), "{took:?}, a person's start {yard} s");
    row(&format!("60 daemon-reloads in a row, {rate} signals per second"), "healed", "as undisturbed", took);
    assert_eq!(restarts(&machine), "0");
}
