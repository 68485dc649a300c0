//! O2, the queue that ran from a deleted release for six weeks: flips noticed, the whole unit restarted, the proof.

use std::time::Duration;

use crate::rig::Machine;
use crate::watched::{LIMIT, finding, state, unit};

const ARTISAN: &str = r#"<?php
// A master that spawns its workers from its own idea of the path, as a queue's master does.
$argv[1] ??= "master";
if ($argv[1] === "worker") { while (true) { sleep(1); } }
pcntl_async_signals(true);
$spawn = fn() => proc_open([PHP_BINARY, __FILE__, "worker"], [], $pipes);
$workers = [$spawn(), $spawn()];
$replace = false;
pcntl_signal(SIGUSR2, function () use (&$replace) { $replace = true; });
while (true) {
    sleep(1);
    // Not in the handler: what is spawned there inherits its blocked signals.
    if ($replace) {
        foreach ($workers as $i => $worker) { proc_terminate($worker, 9); $workers[$i] = $spawn(); }
        $replace = false;
    }
}
"#;

const UNIT: &str = "[Service]\nWorkingDirectory=/srv/app/current\nExecStart=/usr/bin/php artisan\n[Install]\nWantedBy=multi-user.target\n";

fn release(machine: &Machine, number: u32) {
    machine.sh(&format!("mkdir -p /srv/app/releases/{number}"));
    machine.write(&format!("/srv/app/releases/{number}/artisan"), ARTISAN);
}

fn flip(machine: &Machine, number: u32) {
    machine.sh(&format!("ln -sfn releases/{number} /srv/app/current"));
}

fn queue(name: &str, file: &str) -> Machine {
    let machine = Machine::boot(name);
    release(&machine, 1);
    flip(&machine, 1);
    machine.write("/etc/systemd/system/horizon.service", UNIT);
    machine.sh("systemctl daemon-reload && systemctl enable --now horizon.service");
    machine.install_steadfast();
    machine.write("/etc/steadfast/units.d/horizon.service.toml", file);
    state(&machine, "horizon.service", "ok");
    machine
}

#[test]
fn a_flip_restarts_the_whole_unit_and_proves_it() {
    let machine = queue("o2-flip", "[release]\nsettle = \"2s\"\n");
    let before = machine.sh("systemctl show -P InvocationID horizon.service");
    release(&machine, 2);
    flip(&machine, 2);
    let (took, message) = finding(&machine, "horizon.service", "release-outdated");
    println!("flip found after {took:?}: {message}");
    assert!(took < Duration::from_secs(1));
    let healed = machine.wait_until("it runs release 2", LIMIT, || {
        unit(&machine, "horizon.service", ".state + \" \" + .release.running") == "ok /srv/app/releases/2"
    });
    println!("restarted and proven after {healed:?}");
    assert_ne!(machine.sh("systemctl show -P InvocationID horizon.service"), before);
    let processes =
        unit(&machine, "horizon.service", "[.release.processes[].release] | unique | join(\",\")");
    assert_eq!(processes, "/srv/app/releases/2");
    assert_eq!(unit(&machine, "horizon.service", ".last_action.outcome"), "done");
}
