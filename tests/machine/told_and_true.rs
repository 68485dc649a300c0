//! Three kinds of untrue words: "resolved" of what is still there, "proven" of a command that did nothing, and
//! a dry run that hides who needs the unit.

use crate::rig::Machine;
use crate::watched::{LIMIT, finding, journal, manage, state, unit};

fn service(machine: &Machine, name: &str, lines: &str) {
    machine.write(
        &format!("/etc/systemd/system/{name}.service"),
        &format!("{lines}\n[Install]\nWantedBy=multi-user.target\n"),
    );
}

/// A stale queue, a worker that completes nothing although jobs wait, and a page that needs its data.
fn host(name: &str) -> Machine {
    let machine = Machine::boot(name);
    machine.sh("mkdir -p /srv/app/releases/65 /srv/app/releases/66 && ln -s releases/65 /srv/app/current");
    let sleeps = "ExecStart=/bin/sleep inf";
    service(&machine, "horizon", &format!("[Service]\nWorkingDirectory=/srv/app/current\n{sleeps}"));
    service(&machine, "worker", &format!("[Service]\n{sleeps}"));
    service(&machine, "data", &format!("[Service]\n{sleeps}"));
    service(
        &machine,
        "page",
        &format!("[Unit]\nRequires=data.service\nAfter=data.service\n[Service]\n{sleeps}"),
    );
    machine.write_program(
        "/opt/depth",
        "#!/bin/sh\necho depth=$(cat /run/waiting 2>/dev/null || echo 0) completed=7\n",
    );
    machine.sh("systemctl daemon-reload && systemctl enable -q --now horizon worker data page");
    machine.install_steadfast();
    manage(&machine, "horizon.service", "[release]\non_stale = \"alert\"\nsettle = \"0s\"\n");
    let queue = "[progress.jobs]\ncommand = [\"/opt/depth\"]\nperiod = \"1s\"\ntimeout = \"900ms\"\nstalled_after = \"4s\"\non_stall = \"alert\"\n";
    manage(&machine, "worker.service", queue);
    manage(&machine, "data.service", "");
    manage(&machine, "page.service", "requires = [\"data.service\"]\n");
    machine
}

fn incidents(machine: &Machine, name: &str) -> String {
    let filter = ".[] | \"\\(.id) \\(.resolved_at == null)\"";
    machine.sh(&format!("steadfast incidents {name} --json | jq -r '(.incidents? // .) | {filter}'"))
}

#[test]
fn what_is_still_there_stays_one_open_incident_over_our_restart() {
    let machine = host("still-there");
    machine.sh("ln -sfn releases/66 /srv/app/current");
    finding(&machine, "horizon.service", "release-outdated");
    machine
        .wait_until("an incident is open", LIMIT, || incidents(&machine, "horizon.service").contains("true"));
    let before = incidents(&machine, "horizon.service");
    machine.sh("systemctl restart steadfast.service");
    finding(&machine, "horizon.service", "release-outdated");
    let after = incidents(&machine, "horizon.service");
    println!("before our restart: {before:?}, after it: {after:?}");
    let over = journal(&machine).lines().filter(|line| line.contains("release-outdated is over")).count();
    assert_eq!(after, before, "the same incident is open");
    assert_eq!(over, 0, "nothing of it is over");
}

#[test]
fn a_recovery_that_is_advised_is_done() {
    let machine = host("advised");
    machine.sh("echo 5 > /run/waiting");
    finding(&machine, "worker.service", "stalled");
    let run = |machine: &Machine| machine.sh("systemctl show -P InvocationID worker.service");
    let first = run(&machine);
    let said = machine.try_sh("steadfast recover worker.service");
    println!("recover: [{:?}] {} {}", said.code, said.stdout, said.stderr);
    assert_ne!(run(&machine), first, "the worker was restarted");
}

#[test]
fn a_dry_run_names_who_needs_the_unit() {
    let machine = host("who-needs-it");
    let plan = machine.try_sh("steadfast drill data.service --kill --dry-run");
    println!("dry run: [{:?}] {} {}", plan.code, plan.stdout, plan.stderr);
    assert!(plan.stdout.contains("needed by page.service"), "who needs it is named: {}", plan.stdout);
    assert_eq!(unit(&machine, "data.service", ".state"), "ok");
    state(&machine, "page.service", "ok");
}
