//! What an unprivileged user of the host tries, and does not get.

use crate::rig::Machine;
use crate::watched::{LIMIT, manage, unit};

const QUEUE: &str = "horizon.service";
const UNIT: &str = "[Service]\nUser=joe\nWorkingDirectory=/srv/app/current\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
/// It runs for some seconds: there is time for a `daemon-reload`.
const FILE: &str = "[release]\nsettle = \"200ms\"\n[smoke]\ncommand = [\"/bin/sleep\", \"4\"]\n";
/// The name of a directory whose second line is a setting: run as root once the command ended, `+` says.
const LINE: &str = "/srv/app/releases/2\nExecStopPost=+/usr/bin/install -m 4755 /bin/sh /srv/rootsh";

#[test]
fn a_newline_in_the_name_of_a_release_is_no_line_of_a_unit_file() {
    let machine = Machine::boot("newline");
    machine.add_user("joe");
    machine.sh("mkdir -p /srv/app && chown joe: /srv/app");
    machine.sh_as("joe", "mkdir -p /srv/app/releases/1 && ln -s releases/1 /srv/app/current");
    machine.write("/etc/systemd/system/horizon.service", UNIT);
    machine.sh("systemctl daemon-reload && systemctl enable --now horizon.service");
    machine.install_steadfast();
    manage(&machine, QUEUE, FILE);
    // Whatever runs beside the unit, systemd reads its file again and again.
    machine.sh("systemd-run -q --unit=reloads bash -c 'while sleep 0.2; do systemctl daemon-reload; done'");

    // The first line alone must be a directory as well: systemd enters it for the second.
    machine
        .sh_as("joe", &format!("mkdir -p /srv/app/releases/2 '{LINE}' && ln -sfn '{LINE}' /srv/app/current"));
    machine.wait_until("the order has ended", LIMIT, || {
        !unit(&machine, QUEUE, ".last_action.outcome // empty").is_empty()
    });
    let outcome = unit(&machine, QUEUE, ".last_action.outcome");
    // Until now systemd has read the file of whatever ran, and ended what it ran, at least once.
    assert!(!machine.run(&["test", "-e", "/srv/rootsh"]).ok(), "joe has a shell of root's");
    assert_eq!(
        outcome,
        "failed: smoke test: could not be run: its working directory contains a control character"
    );
    let page = machine.sh("steadfast explain horizon");
    assert!(page.contains("its working directory contains a control character"), "{page}");
}

#[test]
fn a_pattern_over_every_service_starts_nothing_that_nobody_wants() {
    let machine = Machine::boot("everything");
    machine.install_steadfast();
    machine.write("/etc/steadfast/units.d/*.service.toml", "");
    machine.wait_until("emergency.service is weighed", LIMIT, || {
        unit(&machine, "emergency.service", ".blocked // empty").contains("it belongs to systemd")
    });
    assert_eq!(machine.try_sh("systemctl is-active emergency.service").stdout, "inactive");
    let ordered =
        machine.sh("journalctl -t steadfast -o cat --no-pager | grep -E '^(start|restart|enable) ' || true");
    println!("{ordered}");
    for unit in
        ordered.lines().filter(|line| line.starts_with("start ")).filter_map(|line| line.split(' ').nth(1))
    {
        assert_eq!(machine.try_sh(&format!("systemctl is-enabled {unit}")).stdout, "enabled", "{ordered}");
    }
    let page = machine.sh("steadfast verify");
    assert!(page.contains("pattern *.service matches ") && page.contains(" units: "), "{page}");
    println!("{page}");
}
