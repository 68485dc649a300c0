//! Cases of docs/cases.md that need a real host and have no other place.

use std::time::Duration;

use crate::rig::Machine;
use crate::watched::{LIMIT, finding, journal, state, unit};

/// The recipe of RabbitMQ, as shipped.
const RECIPE: &str = include_str!("../../config/recipes/rabbitmq-server.service.toml");

#[test]
fn stop_app_before_a_reset_is_told_and_not_undone() {
    // A8: the node is up and the application down, as `reset` and `join_cluster` want it. A restart would undo that.
    let machine = Machine::boot_with_servers("stop-app");
    machine.sh("grep -q \" $(hostname)\" /etc/hosts || echo \"127.0.1.1 $(hostname)\" >>/etc/hosts
        systemctl enable -q rabbitmq-server; systemctl start rabbitmq-server");
    machine.install_steadfast();
    // What the management plugin would tell needs that plugin.
    let handshake = RECIPE.split("\n[probe.alarms]").next().unwrap_or_default();
    let file = format!("{handshake}\n")
        .replace("[probe.handshake]", "[probe.handshake]\nperiod = \"2s\"\ntimeout = \"1s\"");
    machine.write("/etc/steadfast/units.d/rabbitmq-server.service.toml", &file);
    state(&machine, "rabbitmq-server.service", "ok");
    let run = || machine.sh("systemctl show -P InvocationID rabbitmq-server");
    let before = run();
    machine.sh("rabbitmqctl -q stop_app");
    let (_, message) = finding(&machine, "rabbitmq-server.service", "probe-failed");
    println!("{message}");
    std::thread::sleep(Duration::from_secs(25));
    assert_eq!(run(), before, "the person's work is not undone");
    let orders = journal(&machine);
    assert!(
        !orders
            .lines()
            .any(|line| line.starts_with("restart rabbitmq") || line.starts_with("start rabbitmq")),
        "{orders}"
    );
    machine.sh("rabbitmqctl -q reset; rabbitmqctl -q start_app");
    state(&machine, "rabbitmq-server.service", "ok");
    assert_eq!(run(), before);
}

#[test]
fn a_plain_users_look_claims_nothing_that_only_root_can_know() {
    // B13: what a generator enables at run time (Debian's PostgreSQL) was called lost at the next boot.
    // B10: what its own configuration switches off ends at once, and well.
    let machine = Machine::boot_with_servers("plain-user");
    machine.sh(
        "useradd -m joe
        systemctl enable -q --now postgresql
        printf '#!/bin/sh\\n. /etc/ups.conf\\n[ $MODE = none ] && echo disabled, adjust the configuration && exit 0\\nexec sleep infinity\\n' >/usr/local/sbin/upsd
        chmod +x /usr/local/sbin/upsd; echo MODE=none >/etc/ups.conf
        printf '[Service]\\nExecStart=/usr/local/sbin/upsd\\n[Install]\\nWantedBy=multi-user.target\\n' >/usr/lib/systemd/system/ups-rig.service
        systemctl daemon-reload; systemctl enable -q --now ups-rig",
    );
    machine.install_steadfast();
    machine.sh("systemctl stop steadfast.service steadfast.socket; rm -f /etc/steadfast/units.d/*");
    machine.write("/etc/steadfast/units.d/postgresql@15-main.service.toml", "");
    machine.wait_until("PostgreSQL runs", LIMIT, || {
        machine.try_sh("systemctl is-active -q postgresql@15-main").ok()
    });
    let joe = "setpriv --reuid=joe --regid=joe --init-groups env HOME=/home/joe";
    for command in ["audit", "check"] {
        let said = machine.try_sh(&format!("{joe} steadfast {command} 2>&1"));
        println!("$ steadfast {command} (joe)\n{}\n", said.stdout);
        assert!(!said.stdout.contains("until the next reboot"), "{}", said.stdout);
        assert!(!said.stdout.contains("boot-unreachable"), "{}", said.stdout);
    }
    let filter = r#"[.units[].findings[] | select(.severity == "critical") | .message] | join("\n")"#;
    let critical = machine.try_sh(&format!("{joe} steadfast audit --json | jq -r '{filter}'")).stdout;
    assert_eq!(critical.trim(), "", "nothing is broken on this host");
    let said = machine.try_sh(&format!("{joe} steadfast check 2>&1")).stdout;
    assert!(said.contains("sudo"), "what only root can know is said to be so: {said}");
    // Root knows, and nothing is wrong.
    let root = machine.try_sh("steadfast check").stdout;
    println!("{root}");
    assert!(!root.contains("until the next reboot"), "{root}");
    let audit = machine.try_sh("steadfast audit").stdout;
    println!("{audit}");
    assert!(
        audit.contains(
            "ups-rig.service is enabled, and ended by itself with exit code 0 right after its start"
        ),
        "{audit}"
    );
    let adopted = machine.try_sh("steadfast adopt --print ups-rig.service").stdout;
    println!("{adopted}");
    assert!(
        adopted.contains("mode = \"observe\"")
            && adopted.contains("it ended by itself and well, right after its start"),
        "{adopted}"
    );
    assert!(unit(&machine, "ups-rig.service", ".state").is_empty(), "nobody manages it");
}
