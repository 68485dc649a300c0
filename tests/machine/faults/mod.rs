//! Faults of our own surroundings, injected one by one: in each, a unit is killed and must be proven well again, and what is
//! lost must be said. `--no-capture` prints the rows of docs/safety.md.

mod bus;
mod crowd;
mod files;
mod ourselves;
mod probes;
mod state;

use std::time::Duration;

use crate::rig::Machine;
use crate::watched::{LIMIT, state, status};

const SLEEPER: &str = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
/// Quick to act and to prove, and never out of budget.
const QUICK: &str =
    "[recovery]\nburst = 100\ndelay = \"100ms\"\nmax_delay = \"200ms\"\nverify_within = \"4s\"\n";
/// The longest from kill -9 to proven, whatever is injected: undisturbed it is three seconds.
const PROMPT: Duration = Duration::from_secs(12);

/// A machine with Steadfast, `drop_in` in its unit, and `shop.service` managed and well.
fn host(name: &str, drop_in: &str) -> Machine {
    let machine = Machine::boot(name);
    machine.write("/etc/systemd/system/shop.service", SLEEPER);
    if !drop_in.is_empty() {
        let text = format!("[Service]\n{drop_in}\n");
        machine.write("/etc/systemd/system/steadfast.service.d/fault.conf", &text);
    }
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop.service");
    machine.install_steadfast();
    machine.write("/etc/steadfast/units.d/shop.service.toml", QUICK);
    // Some of these faults keep it from noticing by itself.
    machine.sh("systemctl reload steadfast.service");
    state(&machine, "shop.service", "ok");
    machine
}

fn show(machine: &Machine, unit: &str, property: &str) -> String {
    machine.sh(&format!("systemctl show -P {property} {unit}"))
}

/// Kills the unit and returns how long it took until it ran anew and was proven, which must be prompt.
fn healed(machine: &Machine) -> Duration {
    let took = runs_anew(machine) + state(machine, "shop.service", "ok");
    assert!(took < PROMPT, "supervision goes on promptly: {took:?}");
    took
}

/// From the unit's death until it runs again.
fn runs_anew(machine: &Machine) -> Duration {
    let unit = "shop.service";
    let before = show(machine, unit, "InvocationID");
    machine.sh(&format!("systemctl kill -s KILL {unit}"));
    machine.wait_until("it runs anew", LIMIT, || {
        let shown = machine.sh(&format!("systemctl show -P ActiveState -P InvocationID {unit}"));
        shown.starts_with("active") && !shown.contains(&before)
    })
}

/// Waits for a finding of the host and returns its sentence.
fn told(machine: &Machine, code: &str) -> String {
    let filter = format!(".findings[] | select(.code == \"{code}\") | .message");
    machine.wait_until(&format!("{code} is told"), LIMIT, || !status(machine, &filter).is_empty());
    status(machine, &filter)
}

/// Waits until the host has no such finding any more.
fn over(machine: &Machine, code: &str) -> Duration {
    let filter = format!(".findings[] | select(.code == \"{code}\") | .message");
    machine.wait_until(&format!("{code} is over"), LIMIT, || {
        let answered = status(machine, ".generated_at");
        !answered.is_empty() && status(machine, &filter).is_empty()
    })
}

fn restarts(machine: &Machine) -> String {
    show(machine, "steadfast.service", "NRestarts")
}

fn main_pid(machine: &Machine) -> String {
    show(machine, "steadfast.service", "MainPID")
}

/// A row of the fault matrix.
fn row(injected: &str, expected: &str, seen: &str, took: Duration) {
    println!("| {injected} | {expected} | {seen} | {:.1} |", took.as_secs_f64());
}
