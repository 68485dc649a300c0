//! A file system that hangs under a unit's directory blocks neither the answers nor the care for other units.

use std::time::Duration;

use crate::rig::Machine;
use crate::watched::{LIMIT, manage, state, timed, told_at, unit};

/// The longest that the status may take, whatever hangs.
const PROMPT: f64 = 1.0;

fn serve(machine: &Machine, name: &str, directory: &str) {
    machine.write(
        &format!("/etc/systemd/system/{name}"),
        &format!(
            "[Service]\nWorkingDirectory={directory}\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
        ),
    );
    machine.sh(&format!("systemctl daemon-reload && systemctl enable --now {name}"));
    manage(machine, name, "[release]\non_stale = \"alert\"\n");
}

/// How long the status takes, in seconds.
fn status_takes(machine: &Machine) -> f64 {
    let socket = "--unix-socket /run/steadfast/steadfast.sock";
    let took = machine
        .sh(&format!("curl -sf -o /dev/null -w '%{{time_total}}' {socket} http://localhost/v1/status"));
    took.parse().unwrap_or(f64::INFINITY)
}

#[test]
fn a_hung_file_system_blocks_neither_answers_nor_other_units() {
    let machine = Machine::boot("hung");
    machine.write("/etc/steadfast/steadfast.toml", "resync = \"1s\"\n");
    machine.sh("mkdir -p /srv/{slow,fast}/releases/{1,2} && ln -s releases/1 /srv/slow/current && ln -s releases/1 /srv/fast/current");
    machine.mount_slow("/srv/slow", "/mnt/slow");
    machine.install_steadfast();
    serve(&machine, "slow.service", "/mnt/slow/current");
    serve(&machine, "fast.service", "/srv/fast/current");

    machine.hang_slow_mounts(true);
    let mut worst: f64 = 0.0;
    let mut asked = 0;
    let mut until = |what: &str, done: &dyn Fn() -> bool| -> Duration {
        machine.wait_until(what, LIMIT, || {
            worst = worst.max(status_takes(&machine));
            asked += 1;
            done()
        })
    };
    let release = "(.conditions[] | select(.type == \"Release\") | .status + \" \" + .message)";
    until("slow.service is known to hang", &|| {
        let told = unit(&machine, "slow.service", release);
        told.starts_with("unknown ") && told.contains("no answer")
    });
    println!("while it hangs: {}", unit(&machine, "slow.service", release));
    for round in 1..=2 {
        let before = machine.sh("systemctl show -P InvocationID fast.service");
        machine.sh("systemctl kill -s KILL fast.service");
        let took = until("fast.service runs again", &|| {
            machine.sh("systemctl show -P InvocationID fast.service") != before
                && machine.run(&["systemctl", "is-active", "fast.service"]).ok()
        });
        println!("while it hangs: the other unit, killed, runs again after {took:?} ({round})");
        assert!(took < Duration::from_secs(15));
        until("fast.service is well", &|| unit(&machine, "fast.service", ".state") == "ok");
    }
    let flipped = timed(&machine, "ln -sfn releases/2 /srv/fast/current");
    until("the flip is told", &|| !told_at(&machine, "fast.service", "found", "release-outdated").is_empty());
    let noticed = told_at(&machine, "fast.service", "found", "release-outdated")[0] - flipped;
    println!("while it hangs: the other unit's flip is noticed after {noticed} ms");
    println!("while it hangs: {asked} questions, each answered within {:.1} ms", worst * 1000.0);
    assert!(worst < PROMPT, "{worst} s");
    assert!(noticed < 1000, "{noticed} ms");
    assert_eq!(told_at(&machine, "slow.service", "found", "release-outdated"), [0_i64; 0]);

    machine.hang_slow_mounts(false);
    let answered = state(&machine, "slow.service", "ok");
    println!("it answers again: known to be well after {answered:?}");
}
