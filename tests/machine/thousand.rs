//! A thousand managed units: time to be ready, memory, CPU while nothing happens, time to notice a kill. Figures, no limits.

use std::time::{Duration, Instant};

use crate::rig::Machine;
use crate::watched::{journal, status};

const UNITS: u32 = 1000;
/// Idle time over which CPU time is counted.
const IDLE: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(180);
const VICTIM: &str = "dummy-500.service";

/// Makes, manages and starts as many as it is told.
pub const MAKE: &str = r#"
mkdir -p /etc/steadfast/units.d
for n in $(seq "$1"); do
    printf '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/dummy-$n.service
    ln -s ../dummy-$n.service /etc/systemd/system/multi-user.target.wants/dummy-$n.service
    : >/etc/steadfast/units.d/dummy-$n.service.toml
done
systemctl daemon-reload
seq -f 'dummy-%g.service' "$1" | xargs systemctl start
"#;

/// Seconds of CPU that a process has had, in the machine's count of processes.
pub fn cpu_seconds(machine: &Machine, pid: &str) -> f64 {
    let fields = "read -r line </proc/$1/stat; set -- ${line##*) }; echo $((${12} + ${13}))";
    let ticks = machine.run(&["bash", "-c", fields, "ticks", pid]).stdout;
    // USER_HZ is 100 on every Linux that systemd supports.
    ticks.parse::<f64>().expect("clock ticks") / 100.0
}

pub fn memory_kib(machine: &Machine, pid: &str, names: &str) -> u64 {
    let script = format!("awk '/^({names}):/ {{ sum += $2 }} END {{ print sum }}' /proc/{pid}/smaps_rollup");
    machine.sh(&script).parse().expect("kibibytes")
}

pub fn main_pid(machine: &Machine) -> String {
    machine.sh("systemctl show -P MainPID steadfast.service")
}

/// When a line of Steadfast's own journal that holds all of these was written, in microseconds.
fn told_at(machine: &Machine, words: &[&str]) -> Option<u64> {
    let lines = machine.sh("journalctl -t steadfast -o short-unix --no-pager");
    let line = lines.lines().find(|line| words.iter().all(|word| line.contains(word)))?;
    let seconds: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some((seconds * 1e6) as u64)
}

fn report_memory(machine: &Machine, what: &str) {
    let pid = main_pid(machine);
    let rss = memory_kib(machine, &pid, "Rss");
    let private = memory_kib(machine, &pid, "Private_Clean|Private_Dirty");
    println!("memory {what}: {rss} KiB resident, {private} KiB private");
    assert!(rss < 400_000, "within the limit of its own unit");
}

fn report_idle(machine: &Machine) {
    let ours = main_pid(machine);
    let before = [cpu_seconds(machine, &ours), cpu_seconds(machine, "1")];
    let began = Instant::now();
    // Waiting is the measurement.
    std::thread::sleep(IDLE);
    let after = [cpu_seconds(machine, &ours), cpu_seconds(machine, "1")];
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    let [steadfast, manager] = [0, 1].map(|n| (after[n] - before[n]) / minutes);
    println!("CPU per idle minute: steadfast {steadfast:.2} s, PID 1 {manager:.2} s");
}

fn report_kill(machine: &Machine) {
    let killed: u64 = machine
        .sh(&format!("date +%s%6N; systemctl kill -s KILL {VICTIM}"))
        .parse()
        .expect("the time of the kill");
    let (found, started) = ([VICTIM, "failed with result"], [VICTIM, "start of", "done"]);
    machine.wait_until("it was started", LONG, || told_at(machine, &started).is_some());
    let after = |words: &[&str]| told_at(machine, words).expect("told").saturating_sub(killed) / 1000;
    println!("a kill: found after {} ms, started after {} ms", after(&found), after(&started));
    machine.wait_until("all is well again", LONG, || all_well(machine));
}

/// Kills as many at once as it is told.
const KILL: &str = r#"
seq -f 'dummy-%g.service' "$1" | xargs systemctl show -P MainPID | grep -v '^$' | xargs kill -KILL
"#;

/// Half of the host dies in one moment.
fn report_storm(machine: &Machine) {
    let running = "systemctl list-units 'dummy-*' --state=active --no-legend | wc -l";
    let manager = cpu_seconds(machine, "1");
    let killed = machine.run(&["bash", "-ec", KILL, "kill", &(UNITS / 2).to_string()]);
    assert!(killed.ok(), "{killed:?}");
    let began = Instant::now();
    machine.wait_until("all run", LONG, || machine.sh(running) == UNITS.to_string());
    let (took, cost) = (began.elapsed(), cpu_seconds(machine, "1") - manager);
    println!("{} killed at once: all run after {took:?}; PID 1 worked {cost:.2} s", UNITS / 2);
    machine.wait_until("all is well again", LONG, || all_well(machine));
}

fn all_well(machine: &Machine) -> bool {
    status(machine, ".summary.ok") == UNITS.to_string()
}

#[test]
fn a_thousand_units_are_managed() {
    let machine = Machine::boot("thousand");
    machine.install_steadfast();
    machine.sh("systemctl stop steadfast.service steadfast.socket && mkdir -p /etc/steadfast/units.d");
    let began = Instant::now();
    let made = machine.run(&["bash", "-ec", MAKE, "make", &UNITS.to_string()]);
    assert!(made.ok(), "{made:?}");
    println!("{UNITS} units made and started in {:?}", began.elapsed());

    let manager = cpu_seconds(&machine, "1");
    let began = Instant::now();
    machine.sh("systemctl start --no-block steadfast.service");
    machine.wait_until("it is ready", LONG, || {
        machine.run(&["systemctl", "is-active", "steadfast.service"]).stdout == "active"
    });
    println!("ready after {:?}", began.elapsed());
    machine.wait_until("all are ok", LONG, || all_well(&machine));
    println!(
        "all ok after {:?}; CPU until then: steadfast {:.2} s, PID 1 {:.2} s",
        began.elapsed(),
        cpu_seconds(&machine, &main_pid(&machine)),
        cpu_seconds(&machine, "1") - manager
    );
    report_memory(&machine, "once ready");
    report_idle(&machine);
    report_kill(&machine);

    report_storm(&machine);

    let manager = cpu_seconds(&machine, "1");
    machine.sh("systemctl daemon-reload");
    report_idle(&machine);
    println!("a daemon-reload and half a minute cost PID 1 {:.2} s", cpu_seconds(&machine, "1") - manager);
    report_memory(&machine, "at the end");
    assert!(!journal(&machine).contains("panicked"));
}
