//! The faults around a supervisor: reloads, a lost bus, links removed by hand, crash loops, a hang of its own, shutdown.

use std::time::Duration;

use crate::rig::Machine;
use crate::watched::{LIMIT, finding, journal, state, unit};

const SLEEPER: &str = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
/// Quick to act and to prove, and never out of budget.
const QUICK: &str =
    "[recovery]\nburst = 100\ndelay = \"100ms\"\nmax_delay = \"200ms\"\nverify_within = \"4s\"\n";

fn manage(machine: &Machine, name: &str, text: &str) {
    machine.write(&format!("/etc/steadfast/units.d/{name}.service.toml"), text);
}

/// Runs Steadfast and these sleepers, each managed by an impatient file.
fn host(name: &str, sleepers: &[&str]) -> Machine {
    let machine = Machine::boot(name);
    for sleeper in sleepers {
        machine.write(&format!("/etc/systemd/system/{sleeper}.service"), SLEEPER);
        machine.sh(&format!("systemctl daemon-reload; systemctl enable -q --now {sleeper}.service"));
    }
    machine.install_steadfast();
    for sleeper in sleepers {
        manage(&machine, sleeper, QUICK);
        state(&machine, &format!("{sleeper}.service"), "ok");
    }
    machine
}

fn show(machine: &Machine, unit: &str, property: &str) -> String {
    machine.sh(&format!("systemctl show -P {property} {unit}"))
}

/// Kills a unit and waits until it runs anew and is proven.
fn healed(machine: &Machine, name: &str) -> Duration {
    let before = show(machine, name, "InvocationID");
    machine.sh(&format!("systemctl kill -s KILL {name}"));
    machine.wait_until("it runs anew", LIMIT, || {
        show(machine, name, "ActiveState") == "active" && show(machine, name, "InvocationID") != before
    }) + state(machine, name, "ok")
}

#[test]
fn reloads_and_the_loss_of_the_bus_blind_nobody() {
    let machine = host("reloads", &["shop"]);
    println!("undisturbed: a kill is healed and proven after {:?}", healed(&machine, "shop.service"));
    for disturbance in ["daemon-reload", "daemon-reexec", "restart dbus.service"] {
        machine.sh(&format!("systemctl {disturbance}"));
        println!(
            "after {disturbance}: a kill is healed and proven after {:?}",
            healed(&machine, "shop.service")
        );
    }
    // the bus is away for a while, and the unit dies meanwhile
    machine.sh("systemctl stop dbus.socket dbus.service; systemctl kill -s KILL shop.service");
    machine.wait_until("it is dead", LIMIT, || show(&machine, "shop.service", "ActiveState") == "failed");
    machine.sh("systemctl start dbus.socket dbus.service");
    let took = machine
        .wait_until("it runs again", LIMIT, || show(&machine, "shop.service", "ActiveState") == "active");
    println!("died while the bus was away: runs {took:?} after its return");
    state(&machine, "shop.service", "ok");
    assert_eq!(show(&machine, "steadfast.service", "NRestarts"), "0", "Steadfast survived all that");
}

#[test]
fn a_unit_that_does_not_exist_or_is_masked_is_a_finding() {
    let machine = host("missing", &["shop"]);
    manage(&machine, "ghost", "");
    let (took, message) = finding(&machine, "ghost.service", "unit-missing");
    println!("missing: {took:?}: {message}");
    machine.write("/etc/systemd/system/ghost.service", SLEEPER);
    machine.sh("systemctl daemon-reload");
    state(&machine, "ghost.service", "ok");
    assert_eq!(machine.sh("systemctl is-enabled ghost; systemctl is-active ghost"), "enabled\nactive");

    // only a file below /usr/lib can be masked
    machine.sh("mv /etc/systemd/system/shop.service /usr/lib/systemd/system/ && systemctl daemon-reload");
    machine.sh("systemctl mask -q --now shop.service");
    let (took, message) = finding(&machine, "shop.service", "unit-masked");
    println!("masked: {took:?}: {message}");
    machine.sh("systemctl unmask -q shop.service && systemctl start shop.service");
    state(&machine, "shop.service", "ok");
}

#[test]
fn a_link_removed_by_hand_is_noticed_and_made_again() {
    let machine = host("links", &["shop"]);
    let link = "/etc/systemd/system/multi-user.target.wants/shop.service";
    manage(&machine, "shop", "[recovery]\nenable = false\n");
    machine.wait_until("the file is in force", LIMIT, || journal(&machine).contains("is in force"));
    machine.sh(&format!("rm {link}"));
    let (took, message) = finding(&machine, "shop.service", "not-enabled");
    println!("link removed by hand: found after {took:?}: {message}");
    assert!(took < Duration::from_secs(5));

    // A person's `disable` is a wish, for so long.
    manage(&machine, "shop", &format!("{QUICK}after_manual_disable = \"1s\"\n"));
    let exists = || machine.run(&["test", "-L", link]).ok();
    println!("allowed to enable: made after {:?}", machine.wait_until("it is made again", LIMIT, exists));
    state(&machine, "shop.service", "ok");
    machine.sh(&format!("rm {link}"));
    println!("removed again: made after {:?}", machine.wait_until("it is made again", LIMIT, exists));
    state(&machine, "shop.service", "ok");
}

#[test]
fn a_crash_loop_of_systemd_is_seen_and_not_made_worse() {
    let machine = host("crashes", &[]);
    machine.write(
        "/etc/systemd/system/shop.service",
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh -c 'sleep 0.5; exit 1'\nRestart=always\n\
         RestartSec=300ms\n[Install]\nWantedBy=multi-user.target\n",
    );
    machine.sh("systemctl daemon-reload && systemctl enable -q --now shop.service");
    manage(&machine, "shop", QUICK);
    let (took, message) = finding(&machine, "shop.service", "unit-crash-looping");
    println!("crash loop: found after {took:?}: {message}");
    machine.wait_until("systemd restarts it on and on", LIMIT, || {
        show(&machine, "shop.service", "NRestarts").parse::<u32>().is_ok_and(|restarts| restarts > 8)
    });
    let told = journal(&machine);
    assert!(!told.contains("start of shop.service"), "systemd restarts it, so Steadfast does not:\n{told}");
    // What systemd restarts counts, so that we add nothing to it.
    let spent = unit(&machine, "shop.service", ".restarts.spent");
    assert!(spent.parse::<u32>().is_ok_and(|spent| spent >= 5), "{spent}");
}

#[test]
fn a_hang_of_our_own_is_ended_by_the_watchdog() {
    let machine = host("watchdog", &["shop"]);
    machine.write("/etc/systemd/system/steadfast.service.d/watchdog.conf", "[Service]\nWatchdogSec=3s\n");
    machine.sh("systemctl daemon-reload && systemctl restart steadfast.service");
    state(&machine, "shop.service", "ok");
    let pid = show(&machine, "steadfast.service", "MainPID");
    let calm = "journalctl -u steadfast.service -o cat --no-pager";
    // a whole watchdog time passes without anything to do, and a second one
    machine.sh("systemd-run -q --on-active=7s --unit=bell true");
    machine.wait_until("the bell has rung", LIMIT, || {
        machine.sh("journalctl -u bell.service -o cat --no-pager").contains("Deactivated successfully")
    });
    assert_eq!(show(&machine, "steadfast.service", "MainPID"), pid, "an idle loop feeds the watchdog");

    machine.sh(&format!("kill -STOP {pid}; systemctl kill -s KILL shop.service"));
    let killed =
        machine.wait_until("systemd has killed it", LIMIT, || machine.sh(calm).contains("Watchdog timeout"));
    let anew = killed
        + machine.wait_until("it runs anew", LIMIT, || {
            let now = show(&machine, "steadfast.service", "MainPID");
            now != pid && now != "0" && show(&machine, "steadfast.service", "ActiveState") == "active"
        });
    let healed = anew + state(&machine, "shop.service", "ok");
    println!(
        "SIGSTOP: killed after {killed:?}, ready anew after {anew:?}, what died meanwhile healed by {healed:?}"
    );
    assert_eq!(show(&machine, "shop.service", "ActiveState"), "active");
}

#[test]
fn a_person_s_stop_is_not_undone() {
    let mut machine = host("stopped", &["shop", "other"]);
    let stopped = |machine: &Machine, when: &str| {
        assert_eq!(show(machine, "shop.service", "ActiveState"), "inactive", "{when}");
        assert_eq!(unit(machine, "shop.service", ".state"), "held", "{when}");
    };
    machine.sh("systemctl stop shop.service");
    println!("a stop by hand: held after {:?}", state(&machine, "shop.service", "held"));
    // another unit dies later and is healed and proven: there was time enough to start this one
    healed(&machine, "other.service");
    stopped(&machine, "while others are healed");
    machine.sh("systemctl restart steadfast.service");
    state(&machine, "other.service", "ok");
    healed(&machine, "other.service");
    stopped(&machine, "after our restart");

    machine.sh("systemctl start shop.service");
    state(&machine, "shop.service", "ok");
    machine.sh("systemctl stop steadfast.service steadfast.socket; systemctl stop shop.service");
    machine.sh("systemctl start steadfast.socket steadfast.service");
    state(&machine, "shop.service", "held");
    healed(&machine, "other.service");
    stopped(&machine, "stopped while we were away");

    machine.reboot();
    state(&machine, "shop.service", "ok");
    println!("after a reboot it runs as the boot started it, and the hold is over");
}

#[test]
fn nothing_is_started_while_the_host_shuts_down() {
    let mut machine = host("shutdown", &["shop", "other"]);
    // one that keeps the shutdown busy, so that there would be time to do harm
    machine.write(
        "/etc/systemd/system/slow.service",
        "[Service]\nExecStart=/bin/sleep infinity\nExecStop=/bin/sleep 4\n[Install]\nWantedBy=multi-user.target\n",
    );
    // Steadfast is told to end with everybody else; here it stays as long as it may, which is the worst case
    machine.write("/etc/systemd/system/steadfast.service.d/late.conf", "[Service]\nExecStop=/bin/sleep 3\n");
    machine.sh(
        "systemctl daemon-reload && systemctl enable -q --now slow.service && systemctl restart steadfast",
    );
    manage(&machine, "slow", QUICK);
    for name in ["shop", "other", "slow"] {
        state(&machine, &format!("{name}.service"), "ok");
    }
    let last = machine.sh("date +%s");
    machine.power_off();
    machine.start();
    let told = machine.sh(&format!("journalctl -b -1 --since=@{last} -o cat --no-pager"));
    let started: Vec<&str> = told
        .lines()
        .filter(|line| {
            line.starts_with("Started ") || line.contains("StartUnit") || line.contains("start of ")
        })
        .collect();
    assert!(told.contains("Stopped slow.service") || told.contains("slow.service: Deactivated"), "{told}");
    println!("lines of the shutdown: {}, starts in it: {started:?}", told.lines().count());
    let ours = |line: &&str| ["shop", "other", "slow"].iter().any(|name| line.contains(name));
    assert!(!started.iter().any(ours), "nothing managed was started during the shutdown:\n{told}");
    for name in ["shop", "other", "slow"] {
        state(&machine, &format!("{name}.service"), "ok");
    }
    let now = machine.sh("journalctl -b -t steadfast -o cat --no-pager");
    assert!(!now.contains("start of"), "the boot started all by itself:\n{now}");
}
