//! Boot truth: what is predicted for each kind of unit, held against a real reboot.

use std::collections::BTreeMap;

use crate::rig::Machine;
use crate::watched::{LIMIT, finding, status, unit};

const KINDS: &str = include_str!("boot/kinds.sh");

/// What the status says of a unit's `Boot` on systemd 252: `starts`, `armed`, `never`, or `unknown` where it cannot be told.
const VERDICTS: &[(&str, &str)] = &[
    ("enabled.service", "starts"),
    ("disabled.service", "never"),
    ("enabled-runtime.service", "never"),
    ("wrong-target.service", "never"),
    ("pulled-in.service", "starts"),
    ("by-socket.service", "armed"),
    ("link-removed.service", "never"),
    ("puller.service", "starts"),
    ("by-socket.socket", "starts"),
    ("masked.service", "never"),
    ("masked-runtime.service", "starts"),
    ("required-by.service", "starts"),
    ("by-default-target.service", "starts"),
    ("install-edited.service", "starts"),
    ("missing-target.service", "never"),
    ("by-disabled.service", "never"),
    ("with-alias.service", "starts"),
    ("alias-only.service", "never"),
    ("template@instance.service", "starts"),
    ("template@other.service", "never"),
    ("default-instance@main.service", "starts"),
    ("indirect.service", "never"),
    ("also-enabled.service", "starts"),
    ("upheld-by.service", "never"),
    ("linked.service", "never"),
    ("linked-runtime.service", "never"),
    ("linked-enabled.service", "starts"),
    ("static.service", "never"),
    ("static-pulled-in.service", "starts"),
    ("by-drop-in.service", "starts"),
    ("binder.service", "starts"),
    ("bound.service", "starts"),
    ("upheld.service", "starts"),
    ("requisite.service", "never"),
    ("by-timer.service", "armed"),
    ("by-path.service", "armed"),
    ("by-disabled-socket.service", "never"),
    ("by-unmet-socket.service", "unknown"),
    ("by-unmet-socket.socket", "unknown"),
    ("copy.service", "never"),
    ("real-name.service", "never"),
    ("wrong-name.service", "never"),
    ("dangling.service", "starts"),
    ("volatile.service", "never"),
    ("linked-volatile.service", "unknown"),
    ("on-late-mount.service", "never"),
    ("transient.service", "never"),
    ("generated.service", "starts"),
    ("generated-unwanted.service", "never"),
    ("condition-met.service", "starts"),
    ("condition-unmet.service", "unknown"),
    ("assert-unmet.service", "unknown"),
    ("requires-missing.service", "starts"),
    ("wants-missing.service", "starts"),
    ("bad-setting.service", "never"),
    ("cycle-a.service", "unknown"),
    ("cycle-b.service", "unknown"),
    ("requires-cycle-a.service", "unknown"),
    ("requires-cycle-b.service", "unknown"),
    ("conflict-a.service", "unknown"),
    ("conflict-b.service", "unknown"),
    ("requires-conflict.service", "unknown"),
    ("on-bus.service", "unknown"),
];

/// Has every unit of the table observed, and nothing done about it.
fn observe_all(machine: &Machine) {
    let files: Vec<String> = VERDICTS.iter().map(|(unit, _)| format!("'{unit}.toml'")).collect();
    machine.sh(&format!(
        "mkdir -p /etc/steadfast/units.d; cd /etc/steadfast/units.d; \
         for file in {}; do echo 'mode = \"observe\"' >\"$file\"; done",
        files.join(" ")
    ));
}

/// The verdict and the sentence for each unit, once all are there.
fn verdicts(machine: &Machine) -> BTreeMap<String, (String, String)> {
    let filter = r#".units[] | .unit as $unit | .conditions[] | select(.type == "Boot") | "\($unit)\t\(.status) \(.reason)\t\(.message)""#;
    let read = || {
        let mut told = BTreeMap::new();
        for line in status(machine, filter).lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            let [unit, condition, message] = fields[..] else { continue };
            let verdict = match condition {
                "true starts" => "starts",
                "true armed" => "armed",
                "false boot-unreachable" => "never",
                "unknown unpredictable" => "unknown",
                _ => continue,
            };
            told.insert(unit.to_owned(), (verdict.to_owned(), message.to_owned()));
        }
        told
    };
    let mut before = BTreeMap::new();
    machine.wait_until("every unit has a verdict that stays", LIMIT, || {
        let told = read();
        let stays = told.len() == VERDICTS.len() && told == before;
        before = told;
        stays
    });
    before
}

/// Whether each unit has been active in this boot.
fn started(machine: &Machine) -> BTreeMap<String, bool> {
    let units: Vec<String> = VERDICTS.iter().map(|(unit, _)| format!("'{unit}'")).collect();
    let told = machine.sh(&format!(
        "for unit in {}; do echo \"$unit $(systemctl show -P ActiveEnterTimestampMonotonic \"$unit\")\"; done",
        units.join(" ")
    ));
    let lines = told.lines().filter_map(|line| line.split_once(' '));
    lines.map(|(unit, entered)| (unit.to_owned(), entered != "0")).collect()
}

#[test]
fn what_is_predicted_for_each_kind_of_unit_is_what_a_reboot_does() {
    let mut machine = Machine::boot("boot-truth");
    machine.sh(KINDS);
    observe_all(&machine);
    machine.install_steadfast();
    let predicted = verdicts(&machine);

    machine.reboot();
    for unit in ["by-timer.service", "by-path.service"] {
        machine.wait_until(&format!("{unit} is triggered"), LIMIT, || {
            machine.run(&["systemctl", "is-active", unit]).ok()
        });
    }
    let before_traffic = started(&machine);
    machine.try_sh("curl -sm 1 --unix-socket /run/by-socket http://x; true");
    machine.wait_until("the socket starts its service", LIMIT, || {
        machine.run(&["systemctl", "is-active", "by-socket.service"]).ok()
    });
    assert!(!before_traffic["by-socket.service"], "it is the traffic that starts it");

    let real = started(&machine);
    let mut wrong = Vec::new();
    println!("{:<32} {:<8} {:<8} why", "unit", "verdict", "started");
    for (unit, expected) in VERDICTS {
        let (verdict, why) = &predicted[*unit];
        println!("{unit:<32} {verdict:<8} {:<8} {why}", real[*unit]);
        let refuted = match verdict.as_str() {
            "starts" | "armed" => !real[*unit],
            "never" => real[*unit],
            _ => false,
        };
        if refuted || verdict != expected {
            wrong.push(format!("{unit}: {verdict}, expected {expected}; started: {}: {why}", real[*unit]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));

    for (unit, why) in [
        ("wrong-target.service", "only never.target, which boot does not start, wants it"),
        ("by-disabled.service", "only disabled.service, which boot does not start, wants it"),
        ("bad-setting.service", "has a bad unit file setting"),
        ("volatile.service", "/run/systemd/system/volatile.service is gone after a reboot"),
    ] {
        assert!(predicted[unit].1.contains(why), "{unit}: {}", predicted[unit].1);
    }

    // The promises are compared with what this boot did, and all were kept.
    verdicts(&machine);
    let broken = status(&machine, r#".units[] | select(.findings[].code == "boot-mismatch") | .unit"#);
    assert_eq!(broken, "");
}

#[test]
fn a_promise_that_a_boot_does_not_keep_is_told() {
    let mut machine = Machine::boot("boot-mismatch");
    let service = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
    machine.write("/etc/systemd/system/kept.service", service);
    machine.write("/etc/systemd/system/broken.service", service);
    machine.sh("systemctl daemon-reload; systemctl enable --now kept.service broken.service");
    for name in ["kept", "broken"] {
        let file = format!("/etc/steadfast/units.d/{name}.service.toml");
        machine.write(&file, "mode = \"observe\"\n");
    }
    machine.install_steadfast();
    let boot = |machine: &Machine, name: &str| {
        unit(machine, name, r#".conditions[] | select(.type == "Boot") | "\(.status) \(.reason)""#)
    };
    machine.wait_until("boot is predicted", LIMIT, || {
        boot(&machine, "kept.service") == "true starts" && boot(&machine, "broken.service") == "true starts"
    });

    machine.power_off();
    let link = machine.on_disk("/etc/systemd/system/multi-user.target.wants/broken.service");
    std::fs::remove_file(link).expect("the link is there");
    machine.start();
    let (_, message) = finding(&machine, "broken.service", "boot-mismatch");
    println!("{message}");
    machine.wait_until("the next boot is predicted", LIMIT, || {
        boot(&machine, "broken.service") == "false boot-unreachable"
    });
    assert_eq!(unit(&machine, "kept.service", "[.findings[].code] | join(\",\")"), "");
}

#[test]
fn a_link_made_or_removed_by_hand_is_noticed_within_seconds() {
    let machine = Machine::boot("link-by-hand");
    let service = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
    machine.write("/etc/systemd/system/shop.service", service);
    machine.sh("systemctl daemon-reload; systemctl enable --now shop.service");
    machine.write("/etc/steadfast/units.d/shop.service.toml", "mode = \"observe\"\n");
    machine.install_steadfast();
    let conditions = || {
        let filter =
            r#"[.conditions[] | select(.type == "Boot" or .type == "Enabled") | .status] | join(" ")"#;
        unit(&machine, "shop.service", filter)
    };
    let until = |what: &str, wanted: &str| {
        let took = machine.wait_until(what, LIMIT, || conditions() == wanted);
        println!("{what}: {took:?}");
        took.as_secs()
    };
    until("it is enabled and boot-proof", "true true");
    let link = "/etc/systemd/system/multi-user.target.wants/shop.service";
    machine.sh(&format!("rm {link}"));
    assert!(until("the missing link is noticed", "false false") < 5);
    machine.sh(&format!("ln -s ../shop.service {link}"));
    assert!(until("the new link is noticed", "true true") < 5);
    // A folder of links that was not there before.
    machine.sh(&format!("rm {link}"));
    until("it is missing again", "false false");
    machine.sh("mkdir /etc/systemd/system/basic.target.wants; \
         ln -s ../shop.service /etc/systemd/system/basic.target.wants/");
    assert!(until("a link in a new folder is noticed", "true true") < 5);
    machine.sh("rm -r /etc/systemd/system/basic.target.wants");
    assert!(until("a folder of links that is removed is noticed", "false false") < 5);
}

#[test]
fn a_users_unit_is_boot_proof_only_with_lingering_and_in_the_users_own_targets() {
    let mut machine = Machine::boot("boot-user");
    machine.add_user("joe");
    machine.enable_linger("joe");
    machine.install_steadfast();
    let units = [
        ("kept", "[Install]\nWantedBy=default.target\n", "true starts"),
        ("wrong", "[Install]\nWantedBy=multi-user.target\n", "false boot-unreachable"),
    ];
    for (name, install, _) in units {
        let file = format!("/home/joe/.config/systemd/user/{name}.service");
        machine.write(&file, &format!("[Service]\nExecStart=/bin/sleep infinity\n{install}"));
        let file = format!("/home/joe/.config/steadfast/units.d/{name}.service.toml");
        machine.write(&file, "mode = \"observe\"\n");
    }
    machine.sh("chown -R joe: /home/joe");
    machine
        .sh_as("joe", "systemctl --user daemon-reload; systemctl --user enable kept.service wrong.service");
    machine.sh_as("joe", "systemctl --user enable --now steadfast.service");
    let boot = |machine: &Machine, name: &str| {
        let socket = "$XDG_RUNTIME_DIR/steadfast/steadfast.sock";
        let filter = format!(
            ".units[] | select(.unit == \"{name}.service\") | .conditions[] | select(.type == \"Boot\") | \"\\(.status) \\(.reason)\""
        );
        let script = format!("curl -s --unix-socket {socket} http://localhost/v1/status | jq -r '{filter}'");
        machine.try_sh_as("joe", &script).stdout
    };
    for (name, _, verdict) in units {
        machine.wait_until(&format!("{name} is predicted"), LIMIT, || boot(&machine, name) == verdict);
    }
    machine.reboot();
    let started = |name: &str| {
        let unit = format!("systemctl --user show -P ActiveEnterTimestampMonotonic {name}.service");
        machine.sh_as("joe", &unit) != "0"
    };
    assert!(started("kept") && !started("wrong"));
    machine.wait_until("it is predicted again", LIMIT, || boot(&machine, "kept") == "true starts");
    // The engine leaves nothing in /tmp, where a user's manager cannot hide it.
    assert_eq!(machine.sh("find /tmp -maxdepth 1 -name 'systemd-temporary-*'"), "");

    // By hand: `loginctl disable-linger` would end the manager, which has no session to stay for, and us with it.
    machine.sh("rm /var/lib/systemd/linger/joe");
    machine.wait_until("lingering is missed", LIMIT, || boot(&machine, "kept") == "false no-linger");
}
