//! What is tried on our surroundings: a journal that hangs, readers of the status who do not read, or read all the time.

use std::time::Duration;

use crate::rig::Machine;
use crate::watched::{LIMIT, manage, state, status};

const SLEEPER: &str = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
const QUICK: &str =
    "[recovery]\nburst = 100\ndelay = \"100ms\"\nmax_delay = \"200ms\"\nverify_within = \"4s\"\n";

fn show(machine: &Machine, unit: &str, property: &str) -> String {
    machine.sh(&format!("systemctl show -P {property} {unit}"))
}

/// Kills a unit, and says how long it took until it ran anew.
fn runs_anew(machine: &Machine, name: &str) -> Duration {
    let before = show(machine, name, "InvocationID");
    machine.sh(&format!("systemctl kill -s KILL {name}"));
    machine.wait_until("it runs anew", LIMIT, || {
        show(machine, name, "ActiveState") == "active" && show(machine, name, "InvocationID") != before
    })
}

fn host(name: &str, settings: &str) -> Machine {
    let machine = Machine::boot(name);
    machine.write("/etc/systemd/system/shop.service", SLEEPER);
    machine.write("/etc/steadfast/steadfast.toml", settings);
    // A watchdog that would not wait for the test's end.
    let impatient = "[Service]\nWatchdogSec=5\n";
    machine.write("/etc/systemd/system/steadfast.service.d/impatient.conf", impatient);
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop.service");
    machine.install_steadfast();
    manage(&machine, "shop.service", QUICK);
    machine
}

/// Takes all the room of the journal's socket, so that whoever writes there waits.
const FILL: &str = r#"
import socket
full = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
full.setblocking(False)
sent = 0
try:
    while True:
        full.sendto(b"MESSAGE=full\n", "/run/systemd/journal/socket")
        sent += 1
except BlockingIOError:
    print(sent)
"#;

#[test]
fn row_9_a_journal_that_hangs_ends_nothing_and_what_was_lost_is_said() {
    let machine = host("journal-hangs", "");
    machine.write("/opt/fill.py", FILL);
    let undisturbed = runs_anew(&machine, "shop.service");
    state(&machine, "shop.service", "ok");
    let main = show(&machine, "steadfast.service", "MainPID");

    machine.sh("systemctl kill -s STOP --kill-whom=main systemd-journald.service");
    println!("datagrams until it is full: {}", machine.sh("python3 /opt/fill.py"));
    // For three times as long as the watchdog waits.
    let start = std::time::Instant::now();
    let mut worst = Duration::ZERO;
    let mut rounds = 0;
    while start.elapsed() < Duration::from_secs(16) {
        worst = worst.max(runs_anew(&machine, "shop.service"));
        rounds += 1;
    }
    println!(
        "runs anew after {undisturbed:?}; while the journal hangs, {rounds} times, after {worst:?} at most"
    );
    assert!(worst < Duration::from_secs(10), "{worst:?}");
    // More lines than wait for the journal: files that are none for Steadfast, with ten problems each.
    machine.sh(
        "mkdir /root/bad; for n in $(seq 1000); do yes 'key: value' | head -n 20 > /root/bad/bad-$n.service.toml; done; \
         mv /root/bad/* /etc/steadfast/units.d/",
    );
    machine.wait_until("all of them are found", LIMIT, || status(&machine, ".problems | length") == "10000");
    machine.sh("rm /etc/steadfast/units.d/bad-*");

    machine.sh("systemctl kill -s CONT --kill-whom=main systemd-journald.service");
    let said =
        || machine.try_sh("journalctl -t steadfast -o cat --no-pager -p warning -g 'of this log'").stdout;
    machine.wait_until("what was lost is said", LIMIT, || said().contains("lost while the log took none"));
    println!("{}", said());
    assert_eq!(show(&machine, "steadfast.service", "NRestarts"), "0", "nobody ended us");
    assert_eq!(show(&machine, "steadfast.service", "MainPID"), main);
}

/// 48 who ask and do not read, and 48 who ask again and again: all from one address.
const READERS: &str = r#"
import socket, threading, sys
asked = b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"
def slow():
    held = []
    while True:
        try:
            one = socket.create_connection(("127.0.0.1", 9631))
            one.send(asked)
            held.append(one)
            one.settimeout(None)
            threading.Event().wait(1)
            while one.recv(1): threading.Event().wait(1)
        except OSError: threading.Event().wait(0.05)
def busy():
    while True:
        try:
            one = socket.create_connection(("127.0.0.1", 9631))
            one.send(asked.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            while one.recv(1 << 20): pass
        except OSError: pass
for n in range(48):
    threading.Thread(target=slow, daemon=True).start()
    threading.Thread(target=busy, daemon=True).start()
print("reading", flush=True)
threading.Event().wait()
"#;

#[test]
fn row_8_readers_who_fill_listen_hold_up_neither_supervision_nor_a_scrape_from_elsewhere() {
    let machine = host("readers", "listen = \"[::]:9631\"\n");
    machine.add_user("joe");
    machine.write("/opt/readers.py", READERS);
    machine.wait_until("it is served", LIMIT, || {
        machine.try_sh("curl -sf -o /dev/null http://127.0.0.1:9631/healthz").ok()
    });
    let undisturbed = runs_anew(&machine, "shop.service");
    machine.sh("systemd-run -q --uid=joe --unit=readers python3 /opt/readers.py");
    machine.wait_until("their address has no place left", LIMIT, || {
        let answer = machine.try_sh("curl -s http://127.0.0.1:9631/healthz").stdout;
        answer.contains("too many connections from your address")
    });
    for round in 0..5 {
        let took = runs_anew(&machine, "shop.service");
        println!("round {round}: runs anew after {took:?}, undisturbed {undisturbed:?}");
        machine.sh("curl -sf -o /dev/null 'http://[::1]:9631/metrics'");
        machine.sh("steadfast status >/dev/null || test $? -lt 3");
    }
    assert_eq!(show(&machine, "steadfast.service", "NRestarts"), "0");
}
