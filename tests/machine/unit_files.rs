//! A unit file dropped in, changed, broken, mended, removed: each effective within a second, and no other unit is disturbed.

use std::time::Duration;

use crate::rig::Machine;
use crate::watched::{LIMIT, journal, state, status, unit};

const SOON: Duration = Duration::from_secs(1);
const SLEEPER: &str = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
const FOLDER: &str = "/etc/steadfast/units.d";
/// All of a bystander that must stay as it is: what it is for, and since when.
const PICTURE: &str = "del(.next_action) | {unit, state, file, mode, invocation_id, main_pid, active_since, findings, incident, \
    conditions: [.conditions[] | {type, status, reason, since}], last_action, restarts}";

fn host() -> Machine {
    let machine = Machine::boot("unit-files");
    for name in ["shop", "well", "sick"] {
        machine.write(&format!("/etc/systemd/system/{name}.service"), SLEEPER);
    }
    machine.sh(
        "systemctl daemon-reload && systemctl enable -q shop well sick && systemctl start shop well sick",
    );
    machine.install_steadfast();
    machine.write(&format!("{FOLDER}/well.service.toml"), "");
    // a bystander with a finding that stays: nobody listens there
    machine.write(
        &format!("{FOLDER}/sick.service.toml"),
        "[probe.port]\ntcp = \"127.0.0.1:9\"\nperiod = \"30s\"\ntimeout = \"1s\"\nfailure_threshold = 1\non_failure = \"alert\"\n",
    );
    state(&machine, "well.service", "ok");
    state(&machine, "sick.service", "down");
    machine
}

fn bystanders(machine: &Machine) -> [String; 2] {
    ["well.service", "sick.service"].map(|name| unit(machine, name, PICTURE))
}

/// Writes the way an editor does: a new file, renamed over the old one.
fn put(machine: &Machine, text: &str) {
    machine.write(&format!("{FOLDER}/.shop.new"), text);
    machine.sh(&format!("mv {FOLDER}/.shop.new {FOLDER}/shop.service.toml"));
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story, told in order")]
fn each_change_is_effective_within_a_second_and_disturbs_nobody() {
    let machine = host();
    let before = bystanders(&machine);
    let shop = machine.sh("systemctl show -P InvocationID shop.service");
    let step = |what: &str, change: &dyn Fn(), effective: &dyn Fn() -> bool| {
        change();
        let took = machine.wait_until(what, LIMIT, effective);
        println!("{what}: {} ms", took.as_millis());
        assert!(took < SOON, "{what} took {took:?}");
        assert_eq!(bystanders(&machine), before, "no other unit is disturbed when {what}");
        assert_eq!(machine.sh("systemctl show -P InvocationID shop.service"), shop, "it is not restarted");
    };
    let seen = |filter: &str| unit(&machine, "shop.service", filter);
    let problems =
        || status(&machine, r#"[.findings[] | select(.code == "config-invalid") | .message] | join(" ")"#);

    step(
        "a file dropped in is managed",
        &|| machine.write(&format!("{FOLDER}/shop.service.toml"), ""),
        &|| seen(".mode") == "act",
    );
    state(&machine, "shop.service", "ok");
    step("a changed file is in force", &|| put(&machine, "mode = \"observe\"\n"), &|| {
        seen(".mode") == "observe"
    });
    step("a changed number is in force", &|| put(&machine, "[recovery]\nburst = 7\n"), &|| {
        seen(r#".mode + " " + (.restarts.burst | tostring)"#) == "act 7"
    });
    step("a broken file is told", &|| put(&machine, "[recovery]\nburts = 9\n"), &|| {
        problems().contains("shop.service.toml:2:1")
            && problems().contains("last good version stays in force")
    });
    assert_eq!(seen(".restarts.burst"), "7", "the last good version stays in force");
    println!("it is told as: {}", problems());
    step("a file that is no TOML is told", &|| put(&machine, "burst = = \n"), &|| {
        problems().contains("shop.service.toml:1:")
    });
    step("a mended file is in force", &|| put(&machine, "[recovery]\nburst = 9\n"), &|| {
        seen(".restarts.burst") == "9" && problems().is_empty()
    });
    step(
        "a file that others may write is refused",
        &|| {
            machine.sh(&format!("chmod o+w {FOLDER}/shop.service.toml"));
        },
        &|| problems().contains("shop.service.toml"),
    );
    step(
        "trusted again, it is no problem",
        &|| {
            machine.sh(&format!("chmod o-w {FOLDER}/shop.service.toml"));
        },
        &|| problems().is_empty(),
    );
    step(
        "a drop-in is in force",
        &|| {
            machine.write(&format!("{FOLDER}/shop.service.toml.d/local.toml"), "[recovery]\nburst = 4\n");
        },
        &|| seen(".restarts.burst") == "4",
    );
    step(
        "a file that is removed manages nothing",
        &|| {
            machine.sh(&format!("rm -r {FOLDER}/shop.service.toml {FOLDER}/shop.service.toml.d"));
        },
        &|| seen(".unit").is_empty(),
    );
    step(
        "a file below /run manages",
        &|| machine.write("/run/steadfast/units.d/shop.service.toml", ""),
        &|| seen(".file") == "/run/steadfast/units.d/shop.service.toml",
    );
    step(
        "a mistake in the settings is told",
        &|| {
            machine.write("/etc/steadfast/steadfast.toml", "resynk = \"31s\"\n");
        },
        &|| problems().contains("steadfast.toml:1:1"),
    );
    step(
        "mended settings are read again",
        &|| {
            machine.write("/etc/steadfast/steadfast.toml", "resync = \"31s\"\n");
        },
        &|| problems().is_empty(),
    );
    let told = journal(&machine);
    assert!(!told.contains("start of") && !told.contains("restart of"), "nothing was restarted:\n{told}");
}

#[test]
fn a_new_file_heals_at_once_what_it_finds_dead() {
    let machine = host();
    machine.sh("systemctl disable -q shop; systemctl kill -s KILL shop");
    machine.wait_until("it is dead", LIMIT, || !machine.run(&["systemctl", "is-active", "shop"]).ok());
    machine.write(&format!("{FOLDER}/shop.service.toml"), "");
    let active =
        machine.wait_until("it is active", LIMIT, || machine.run(&["systemctl", "is-active", "shop"]).ok());
    let enabled = active
        + machine
            .wait_until("it is enabled", LIMIT, || machine.run(&["systemctl", "is-enabled", "shop"]).ok());
    println!("a file for a dead and disabled unit: active after {active:?}, enabled by {enabled:?}");
    state(&machine, "shop.service", "ok");
}
