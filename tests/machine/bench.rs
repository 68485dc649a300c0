//! `make bench`: what Steadfast costs and how fast it is, on throw-away systemds with 100, 1,000 and 10,000 services, beside floors
//! that are measured in the same minutes and beside monit and supervisord. docs/PERFORMANCE.md tells how to read it.
//!
//! `UNITS=100,1000`: only these. `IDLE=180`: seconds of rest that are measured. `PEERS=0`: nothing is installed. `SMOKE=1`: whatever
//! takes long is left out. The figures of a run are written to `bench.json` of the target directory, one JSON object a line.

#[path = "rig/mod.rs"]
#[expect(dead_code, reason = "the bench needs a part of the rig")]
mod rig;

use std::process::{Command, ExitCode};
use std::time::Duration;

use rig::Machine;
use serde_json::Value;

/// Ten thousand services, all of it, on a busy machine.
const LONGEST: Duration = Duration::from_secs(4 * 3600);
const MEASURE: &str = include_str!("bench/measure.py");
/// Peers from Debian; without a network the bench does without them.
const INSTALL: &str = r#"
set -e
root=$1; shift
cp /etc/resolv.conf "$root/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"; chmod 755 "$root/usr/sbin/policy-rc.d"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
chroot "$root" apt-get update -qq
chroot "$root" apt-get install -y -qq --no-install-recommends "$@"
rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf"
"#;

fn main() -> ExitCode {
    let setting = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let (units, idle) = (setting("UNITS", "100,1000,10000"), setting("IDLE", "180"));
    let (peers, smoke) = (setting("PEERS", "1") != "0", setting("SMOKE", "0") != "0");
    let mut figures = Vec::new();
    for units in units.split(',') {
        figures.extend(measured(units, &idle, peers && !smoke, smoke));
    }
    let lines: String = figures.iter().map(|figure| format!("{figure}\n")).collect();
    let file = format!("{}/bench.json", setting("BENCH_DIR", "target"));
    if let Err(why) = std::fs::write(&file, lines) {
        eprintln!("cannot write {file}: {why}");
        return ExitCode::FAILURE;
    }
    println!("| figure | units | Steadfast | beside it | ratio |\n|---|---|---|---|---|");
    figures.iter().for_each(|figure| println!("{}", row(figure)));
    println!("\n{} figures; they are in {file}, too", figures.len());
    if figures.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// What is measured on a host with so many services.
fn measured(units: &str, idle: &str, peers: bool, smoke: bool) -> Vec<Value> {
    let mut machine = Machine::switched_off(&format!("bench-{units}"));
    let root = machine.root().display().to_string();
    if peers {
        let installed =
            Command::new("bash").args(["-c", INSTALL, "install", &root, "monit", "supervisor"]).output();
        if !installed.is_ok_and(|done| done.status.success()) {
            eprintln!("{units} units: monit and supervisord cannot be installed; they are left out");
        }
    }
    machine.start();
    machine.install_steadfast();
    machine.write("/opt/measure.py", MEASURE);
    eprintln!("{units} units: measuring ...");
    let word = if smoke { "smoke" } else { "" };
    machine.sh(&format!(
        "systemd-run -q --unit=measure -p StandardOutput=file:/run/figures -p StandardError=file:/run/trouble \
         python3 /opt/measure.py {units} {idle} {word}"
    ));
    machine.wait_until("it is measured", LONGEST, || {
        !machine.run(&["systemctl", "is-active", "-q", "measure.service"]).ok()
    });
    let trouble = machine.sh("cat /run/trouble");
    if !trouble.is_empty() {
        eprintln!("{units} units: {trouble}");
    }
    machine.sh("cat /run/figures").lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// A row of the table.
fn row(figure: &Value) -> String {
    let text = |key: &str| figure.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let number = |key: &str| figure.get(key).and_then(Value::as_f64);
    let (value, floor) = (number("value").unwrap_or(f64::NAN), number("floor"));
    let beside = floor.map(|floor| format!("{floor} {} ({})", text("unit"), text("of"))).unwrap_or_default();
    let ratio = floor.filter(|floor| *floor > 0.0).map(|floor| format!("{:.2}", value / floor));
    let units = number("units").unwrap_or(0.0);
    let ratio = ratio.unwrap_or_default();
    format!("| {} | {units} | {value} {} | {beside} | {ratio} |", text("figure"), text("unit"))
}
