//! O2, the queue that ran from a deleted release for six weeks: flips noticed, the whole unit restarted, the proof.

use std::time::Duration;

use crate::rig::Machine;
use crate::watched::{LIMIT, finding, manage, state, status, timed, told_at, unit};

const QUEUE: &str = "horizon.service";

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
    machine.write(&format!("/srv/app/releases/{number}/artisan"), ARTISAN);
}

fn flip(number: u32) -> String {
    format!("ln -sfn releases/{number} /srv/app/current")
}

fn queue(name: &str, file: &str) -> Machine {
    let machine = Machine::boot(name);
    release(&machine, 1);
    machine.sh(&flip(1));
    machine.write("/etc/systemd/system/horizon.service", UNIT);
    machine.sh("systemctl daemon-reload && systemctl enable --now horizon.service");
    machine.write("/etc/steadfast/steadfast.toml", "resync = \"1s\"\n");
    machine.install_steadfast();
    manage(&machine, QUEUE, file);
    machine
}

fn invocation(machine: &Machine) -> String {
    machine.sh("systemctl show -P InvocationID horizon.service")
}

/// Waits until the unit runs this release, and is proven to.
fn runs(machine: &Machine, number: u32) -> Duration {
    let wanted = format!("ok /srv/app/releases/{number}");
    let took = machine.wait_until(&format!("it runs release {number}"), LIMIT, || {
        unit(machine, QUEUE, ".state + \" \" + .release.running") == wanted
    });
    let processes = "[.release.processes[] | .role + \" \" + .release] | sort | join(\", \")";
    let home = format!("/srv/app/releases/{number}");
    assert_eq!(unit(machine, QUEUE, processes), format!("main {home}, worker {home}, worker {home}"));
    assert_eq!(unit(machine, QUEUE, ".last_action.outcome"), "done");
    took
}

#[test]
fn a_flip_restarts_the_whole_unit_and_proves_it() {
    let machine = queue("o2-flip", "[release]\nsettle = \"2s\"\n");
    let before = invocation(&machine);
    let old = machine.sh("systemctl show -P MainPID horizon.service; pgrep -f 'artisan worker'");
    release(&machine, 2);
    let flipped = timed(&machine, &flip(2));
    let (_, message) = finding(&machine, QUEUE, "release-outdated");
    let noticed = told_at(&machine, QUEUE, "found", "release-outdated")[0] - flipped;
    println!("php: flip noticed after {noticed} ms: {message}");
    assert!(noticed < 1000);
    let main = old.lines().next().unwrap_or_default();
    assert_eq!(
        message,
        format!(
            "the main process {main} (php) and 2 workers run /srv/app/releases/1; \
             /srv/app/current leads to /srv/app/releases/2"
        )
    );
    assert_eq!(
        unit(&machine, QUEUE, ".release | .running + \" \" + .current"),
        "/srv/app/releases/1 /srv/app/releases/2"
    );
    let healed = runs(&machine, 2);
    println!("php: whole unit restarted after the settle time of 2 s, and proven after {healed:?}");
    assert_ne!(invocation(&machine), before);
    for pid in old.lines() {
        assert!(!machine.run(&["test", "-e", &format!("/proc/{pid}")]).ok(), "{pid} of the old run is left");
    }
}

#[test]
fn a_deleted_release_is_told_apart_from_a_flipped_one_and_does_not_wait() {
    let machine = queue("o2-deleted", "[release]\nsettle = \"10m\"\n");
    let before = invocation(&machine);
    release(&machine, 2);
    machine.sh(&flip(2));
    finding(&machine, QUEUE, "release-outdated");
    let codes = "[.findings[].code] | join(\",\")";
    assert_eq!(
        unit(&machine, QUEUE, &format!("\"\\({codes}) \\(.release.deleted)\"")),
        "release-outdated false"
    );
    assert_eq!(invocation(&machine), before, "a flip waits for the settle time");

    let deleted = timed(&machine, "rm -rf /srv/app/releases/1");
    let (_, message) = finding(&machine, QUEUE, "release-deleted");
    let noticed = told_at(&machine, QUEUE, "found", "release-deleted")[0] - deleted;
    println!("php: deletion noticed after {noticed} ms: {message}");
    assert!(noticed < 1000);
    assert!(message.contains("run /srv/app/releases/1, which was deleted"), "{message}");
    let healed = runs(&machine, 2);
    println!("php: restarted without the settle time of 10 min, and proven {healed:?} later");
    assert_ne!(invocation(&machine), before);
    assert_eq!(unit(&machine, QUEUE, codes), "");
}

#[test]
fn new_workers_under_an_old_master_are_told_in_these_words() {
    let machine = queue("o2-workers", "[release]\non_stale = \"alert\"\n");
    release(&machine, 2);
    machine.sh(&flip(2));
    finding(&machine, QUEUE, "release-outdated");
    assert_eq!(told_at(&machine, QUEUE, "found", "workers-only-restart"), [0_i64; 0]);
    let main = machine.sh("systemctl show -P MainPID horizon.service");
    let ordered = timed(&machine, "systemctl kill --kill-whom=main -s USR2 horizon.service");
    let (_, message) = finding(&machine, QUEUE, "workers-only-restart");
    let noticed = told_at(&machine, QUEUE, "found", "workers-only-restart")[0] - ordered;
    println!("php: workers-only restart noticed after {noticed} ms (resync is 1 s): {message}");
    assert_eq!(
        message,
        format!(
            "new workers under an old master: 2 of 2 workers started after /srv/app/current was switched, \
             the main process {main} (php) still runs /srv/app/releases/1"
        )
    );
    machine.sh("systemctl restart horizon.service");
    state(&machine, QUEUE, "ok");
}

#[test]
fn a_master_that_left_for_the_root_directory_is_found_by_its_start() {
    let machine = Machine::boot("o2-chdir");
    for number in [1, 2] {
        machine.write(
            &format!("/srv/app/releases/{number}/master.py"),
            "import os, time\nos.chdir('/')\nwhile True: time.sleep(1)\n",
        );
        machine.write(
            &format!("/srv/app/releases/{number}/master.php"),
            "<?php chdir('/'); while (true) { sleep(1); }\n",
        );
    }
    machine.sh(&flip(1));
    let install = "[Install]\nWantedBy=multi-user.target\n";
    let units = [
        ("within.service", "WorkingDirectory=/srv/app/current\nExecStart=/usr/bin/python3 master.py"),
        ("named.service", "ExecStart=/usr/bin/python3 /srv/app/current/master.py"),
        ("script.service", "ExecStart=/usr/bin/php /srv/app/current/master.php"),
    ];
    for (name, service) in units {
        machine.write(&format!("/etc/systemd/system/{name}"), &format!("[Service]\n{service}\n{install}"));
        machine.sh(&format!("systemctl daemon-reload && systemctl enable --now {name}"));
        let pid = machine.sh(&format!("systemctl show -P MainPID {name}"));
        machine.wait_until("it left", LIMIT, || machine.sh(&format!("readlink /proc/{pid}/cwd")) == "/");
    }
    machine.install_steadfast();
    for (name, _) in units {
        manage(&machine, name, "[release]\non_stale = \"alert\"\n");
    }
    let flipped = timed(&machine, &flip(2));
    for (name, _) in units {
        let (_, message) = finding(&machine, name, "release-outdated");
        let noticed = told_at(&machine, name, "found", "release-outdated")[0] - flipped;
        let evidence = unit(&machine, name, ".findings[0].evidence[0]");
        println!("chdir /: {name} noticed after {noticed} ms: {message} [{evidence}]");
        assert!(message.contains("runs /srv/app/releases/1;"), "{message}");
        assert!(noticed < 1000);
        machine.sh(&format!("systemctl restart {name}"));
        state(&machine, name, "ok");
    }
    assert_eq!(status(&machine, ".state"), "ok");
}
