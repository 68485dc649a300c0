//! Situations that nobody had in mind, tried by hand first: each was wrong once.

use crate::rig::Machine;
use crate::watched::{LIMIT, finding, journal, manage, state, unit};

const INSTALL: &str = "[Install]\nWantedBy=multi-user.target\n";

fn host(name: &str, units: &[(&str, &str)]) -> Machine {
    let machine = Machine::boot(name);
    for (unit, text) in units {
        machine.write(&format!("/etc/systemd/system/{unit}"), text);
    }
    machine.sh("systemctl daemon-reload");
    machine.install_steadfast();
    machine
}

/// Waits until `steadfast explain` says this of the unit.
fn explained(machine: &Machine, name: &str, said: &str) {
    let explain = || machine.try_sh(&format!("steadfast explain {name}")).stdout;
    machine.wait_or_tell(
        &format!("{name} is explained by {said}"),
        LIMIT,
        || explain().contains(said),
        explain,
    );
}

#[test]
fn an_alias_whose_link_is_removed_is_missed_and_the_unit_is_left_alone() {
    let text = format!("[Service]\nExecStart=/bin/sleep infinity\n{INSTALL}Alias=shop.service\n");
    let machine = host("alias", &[("app.service", &text)]);
    machine.sh("systemctl enable -q app && systemctl start app");
    manage(&machine, "shop.service", "");
    let run = machine.sh("systemctl show -P InvocationID app");
    machine.sh("rm /etc/systemd/system/shop.service && systemctl daemon-reload");
    let (_, message) = finding(&machine, "shop.service", "unit-missing");
    assert!(message.contains("was another name of app.service"), "{message}");
    // What becomes of the other unit is no business of this name any more.
    machine.sh("kill -9 $(systemctl show -P MainPID app)");
    machine.wait_until("it is seen dead", LIMIT, || {
        machine.sh("systemctl show -P ActiveState app") == "failed"
            && journal(&machine).contains("host-unit-failed")
    });
    assert_eq!(machine.sh("systemctl show -P InvocationID app"), run, "nobody started it");
    assert_eq!(unit(&machine, "shop.service", ".active_state"), "inactive");
}

#[test]
fn why_a_start_fails_is_said_though_it_stands_in_no_log_of_the_unit() {
    let failing = |more: &str, command: &str| format!("[Service]\n{more}\nExecStart={command}\n{INSTALL}");
    let mounted = "[Unit]\nRequiresMountsFor=/srv/data\n[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
    let spaced = failing("LogNamespace=shop", "/bin/sh -c 'echo fatal: no shop; exit 7'");
    let skipping = failing("ExecCondition=/bin/sh -c \"exit 255\"", "/bin/sleep infinity");
    let ghost = failing("User=ghost", "/bin/sleep infinity");
    let units = [
        ("srv-data.mount", "[Mount]\nWhat=/dev/nothere\nWhere=/srv/data\nType=ext4\n"),
        ("mounted.service", mounted),
        ("spaced.service", &spaced),
        ("skipping.service", &skipping),
        ("ghost.service", &ghost),
    ];
    let machine = host("why", &units);
    for name in ["mounted", "spaced", "skipping", "ghost"] {
        machine.write(&format!("/etc/steadfast/units.d/{name}.service.toml"), "");
    }
    explained(&machine, "mounted.service", "result dependency: srv-data.mount is failed");
    explained(&machine, "spaced.service", "fatal: no shop");
    explained(&machine, "skipping.service", "Condition check process exited, code=exited, status=255");
    explained(&machine, "ghost.service", "exit code 217 (USER)");
}

#[test]
fn two_units_that_conflict_do_not_run_side_by_side() {
    let spare = "[Service]\nExecStart=/bin/sleep infinity\n";
    let main = format!("[Unit]\nConflicts=spare.service\n{spare}{INSTALL}");
    let machine = host("rivals", &[("main.service", &main), ("spare.service", spare)]);
    machine.sh("systemctl enable -q main && systemctl start main");
    manage(&machine, "main.service", "");
    machine.write("/etc/steadfast/units.d/spare.service.toml", "");
    explained(&machine, "spare.service", "not running: main.service runs");
    let refused = machine.try_sh("steadfast recover spare.service");
    assert!(!refused.ok(), "{refused:?}");
    assert_eq!(machine.sh("systemctl show -P ActiveState main spare"), "active\n\ninactive");
}

#[test]
fn a_start_that_waits_says_for_which_unit() {
    let slow = "[Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart=/bin/sleep infinity\n";
    let late =
        format!("[Unit]\nAfter=slow.service\nWants=slow.service\n[Service]\nExecStart=/bin/true\n{INSTALL}");
    let machine = host("waits", &[("slow.service", slow), ("late.service", &late)]);
    machine.sh("systemctl start --no-block late");
    machine.write("/etc/steadfast/units.d/late.service.toml", "");
    explained(&machine, "late.service", "waits for slow.service");
}

/// A page for the absence of another unit, which that one ends when it comes back (A11).
#[test]
fn a_page_for_the_absence_of_a_unit_ends_with_it() {
    let page = "[Unit]\nConflicts=shop.service\n[Service]\nExecStart=/bin/sleep infinity\n";
    let shop = format!(
        "[Unit]\nOnFailure=page.service\n[Service]\nExecStart=/bin/sh -c 'test -e /run/ok || exit 3; exec sleep infinity'\n{INSTALL}"
    );
    let machine = host("page", &[("page.service", page), ("shop.service", &shop)]);
    machine.sh("systemctl enable -q shop && touch /run/ok && systemctl start shop");
    manage(&machine, "shop.service", "");
    machine.sh("rm /run/ok; kill -9 $(systemctl show -P MainPID shop)");
    machine.wait_until("the page is up", LIMIT, || machine.try_sh("systemctl -q is-active page").ok());
    machine.sh("touch /run/ok");
    machine.wait_until("the shop is back", LIMIT, || machine.try_sh("systemctl -q is-active shop").ok());
    machine.wait_until("the page is down", LIMIT, || !machine.try_sh("systemctl -q is-active page").ok());
    state(&machine, "shop.service", "ok");
}

#[test]
fn a_working_directory_that_systemd_makes_is_not_awaited() {
    let text = format!(
        "[Service]\nRuntimeDirectory=shop\nWorkingDirectory=/run/shop\nExecStart=/bin/sleep infinity\n{INSTALL}"
    );
    let machine = host("made", &[("shop.service", &text)]);
    machine.sh("systemctl enable -q shop && systemctl start shop");
    manage(&machine, "shop.service", "");
    machine.sh("rm -r /run/shop && kill -9 $(systemctl show -P MainPID shop)");
    machine.wait_until("it runs anew", LIMIT, || {
        machine.try_sh("test -d /run/shop && systemctl -q is-active shop").ok()
    });
}
