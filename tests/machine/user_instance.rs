//! Steadfast as a user's own unit: O1's bus was a user service, and nobody had made its user linger.

use std::path::Path;
use std::time::Duration;

use crate::rig::Machine;
use crate::watched::LIMIT;

const UNIT: &str = "[Service]\nExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 8081\n\
    [Install]\nWantedBy=default.target\n";
const FILE: &str = "[probe.page]\nhttp = \"http://127.0.0.1:8081/\"\nperiod = \"2s\"\ntimeout = \"1s\"\n";
const UNITS: &str = "/home/joe/.config/systemd/user";
const FILES: &str = "/home/joe/.config/steadfast/units.d";

/// Joe, who lingers, with the bus as a user service and Steadfast as another one.
fn joe(name: &str) -> Machine {
    let machine = Machine::boot(name);
    machine.place_steadfast(
        Path::new(env!("CARGO_BIN_EXE_steadfast")),
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/units")),
    );
    machine.add_user("joe");
    machine.enable_linger("joe");
    write(&machine, &format!("{UNITS}/bus.service"), UNIT);
    machine.sh_as("joe", "systemctl --user daemon-reload");
    machine.sh_as("joe", "systemctl --user enable --now bus.service steadfast.service");
    machine
}

/// Writes a file that belongs to joe.
fn write(machine: &Machine, path: &str, content: &str) {
    machine.write(path, content);
    machine.sh("chown -R joe: /home/joe/.config");
}

/// What `jq` makes of one unit of joe's.
fn unit(machine: &Machine, name: &str, filter: &str) -> String {
    let script = format!("steadfast --user status {name} --json | jq -r '{filter}'");
    machine.try_sh_as("joe", &script).stdout
}

fn state(machine: &Machine, name: &str, state: &str) -> Duration {
    machine.wait_until(&format!("{name} is {state}"), LIMIT, || unit(machine, name, ".state") == state)
}

/// Waits for a finding, and returns its message and what repairs it.
fn finding(machine: &Machine, name: &str, code: &str) -> String {
    let filter = format!(".findings[] | select(.code == \"{code}\") | \"\\(.message) -> \\(.repair)\"");
    let took =
        machine.wait_until(&format!("{name} has {code}"), LIMIT, || !unit(machine, name, &filter).is_empty());
    let told = unit(machine, name, &filter);
    println!("{code} after {took:?}: {told}");
    told
}

#[test]
fn a_user_service_that_was_killed_and_disabled_is_healed_and_survives_a_reboot() {
    let mut machine = joe("user");
    write(&machine, &format!("{FILES}/bus.service.toml"), FILE);
    state(&machine, "bus.service", "ok");
    let page = machine.sh_as("joe", "steadfast --user status");
    println!("{page}");
    assert!(page.contains("bus.service") && page.contains("ok"), "{page}");

    machine.sh_as("joe", "systemctl --user disable bus.service; systemctl --user kill -s KILL bus.service");
    let active = machine.wait_until("it answers", LIMIT, || {
        machine.try_sh("curl -sf http://127.0.0.1:8081/").ok()
            && machine.try_sh_as("joe", "systemctl --user is-enabled bus.service").ok()
    });
    println!("killed and disabled: answering and enabled after {active:?}");
    let told = machine.wait_until("it is proven", LIMIT, || {
        unit(&machine, "bus.service", ".last_action.outcome").starts_with("done")
    });
    println!("proven {told:?} later");
    state(&machine, "bus.service", "ok");

    machine.reboot();
    machine.wait_until("it answers after the reboot", LIMIT, || {
        machine.try_sh("curl -sf http://127.0.0.1:8081/").ok()
    });
    state(&machine, "bus.service", "ok");
}

#[test]
fn what_keeps_a_users_unit_from_its_next_start_is_told() {
    let machine = joe("user-boot");
    write(&machine, &format!("{FILES}/bus.service.toml"), "mode = \"observe\"\n");
    state(&machine, "bus.service", "ok");

    // The target that everybody knows does not exist in a user's manager.
    write(
        &machine,
        &format!("{UNITS}/wrong.service"),
        &UNIT.replace("default", "multi-user").replace("8081", "8082"),
    );
    machine.sh_as("joe", "systemctl --user daemon-reload; systemctl --user enable --now wrong.service");
    write(&machine, &format!("{FILES}/wrong.service.toml"), "mode = \"observe\"\n");
    let told = finding(&machine, "wrong.service", "boot-unreachable");
    assert!(told.contains("only multi-user.target, which boot does not start, wants it"), "{told}");
    assert!(told.ends_with("-> systemctl --user add-wants default.target wrong.service"), "{told}");

    // Joe is logged in, so that his manager runs although he does not linger.
    machine.sh("systemd-run --quiet --unit=login --property=User=joe --property=PAMName=login sleep inf");
    machine.wait_until("joe is logged in", LIMIT, || machine.sh("loginctl list-sessions").contains("joe"));
    machine.sh("loginctl disable-linger joe");
    let told = finding(&machine, "bus.service", "no-linger");
    assert!(told.contains("joe") && told.ends_with("-> loginctl enable-linger joe"), "{told}");
    machine.sh("loginctl enable-linger joe");
    state(&machine, "bus.service", "ok");

    machine.sh_as("joe", "systemctl --user stop bus.service");
    let told = finding(&machine, "bus.service", "unit-stopped-by-operator");
    assert!(told.ends_with("-> steadfast --user recover bus.service"), "{told}");
    let page = machine.sh_as("joe", "steadfast --user explain bus.service");
    println!("{page}");
    assert!(!page.contains(" steadfast resume"), "advice is for the user instance:\n{page}");

    let page = machine.try_sh_as("joe", "steadfast --user audit");
    println!("{}\n(exit status {:?})", page.stdout, page.code);
    assert!(page.stdout.contains("wrong.service") && !page.stdout.contains("no-linger"), "{}", page.stdout);
}
