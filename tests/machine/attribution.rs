//! Who did it: two dozen ways for a unit to stop, start or restart, each done for real and each put down to the right one.

use std::time::Duration;

use crate::rig::Machine;
use crate::watched::{LIMIT, finding, journal, state, unit};

/// One way for a unit to change.
struct Way {
    /// The unit, without `.service`.
    name: &'static str,
    how: &'static str,
    /// Lines of its `[Unit]` and `[Service]` sections.
    unit: &'static str,
    service: &'static str,
    /// What makes it change.
    script: &'static str,
    /// `stopped`, `started` or `restarted`, by whom, and a word of the reason.
    what: &'static str,
    cause: &'static str,
    because: &'static str,
}

const SLEEP: &str = "ExecStart=/bin/sleep infinity";
const PLAIN: Way = Way {
    name: "",
    how: "",
    unit: "",
    service: SLEEP,
    script: "",
    what: "stopped",
    cause: "crash",
    because: "",
};

const WAYS: &[Way] = &[
    Way {
        name: "person",
        how: "systemctl stop",
        script: "systemctl stop person",
        cause: "operator",
        because: "stop job",
        ..PLAIN
    },
    Way {
        name: "killed",
        how: "kill -9 of its main process",
        script: "kill -9 $(systemctl show -P MainPID killed)",
        because: "signal 9 (KILL)",
        ..PLAIN
    },
    Way {
        name: "term",
        how: "kill -TERM of its main process",
        script: "kill -TERM $(systemctl show -P MainPID term)",
        cause: "unknown",
        because: "the sender of the signal is unknown",
        ..PLAIN
    },
    Way {
        name: "ends",
        how: "ends by itself with exit code 0",
        service: "ExecStart=/bin/sh -c 'while [ ! -e /run/end ]; do sleep 0.1; done'",
        script: "touch /run/end",
        cause: "exit",
        because: "exit code 0",
        ..PLAIN
    },
    Way {
        name: "fails",
        how: "ends by itself with exit code 3",
        service: "ExecStart=/bin/sh -c 'while [ ! -e /run/fail ]; do sleep 0.1; done; exit 3'",
        script: "touch /run/fail",
        because: "exit code 3",
        ..PLAIN
    },
    Way {
        name: "segv",
        how: "SIGSEGV",
        script: "kill -SEGV $(systemctl show -P MainPID segv)",
        because: "signal 11 (SEGV)",
        ..PLAIN
    },
    Way {
        name: "starved",
        how: "killed for want of memory (told as systemd-oomd tells it)",
        service: "ExecStart=/bin/sh -c 'trap \"\" TERM; sleep infinity & sleep infinity'",
        script: "python3 -c \"import os; os.setxattr('/sys/fs/cgroup/system.slice/starved.service', 'user.oomd_ooms', b'1')\" && \
                 systemctl kill -s KILL starved",
        because: "out of memory",
        ..PLAIN
    },
    Way {
        name: "watchdog",
        how: "does not feed its watchdog",
        service: "ExecStart=/bin/sh -c 'until [ -e /run/mute ]; do systemd-notify WATCHDOG=1; sleep 0.3; done; exec sleep infinity'\n\
                  NotifyAccess=all\nWatchdogSec=4s",
        script: "touch /run/mute",
        because: "watchdog",
        ..PLAIN
    },
    Way {
        name: "runtime",
        how: "exceeds RuntimeMaxSec=",
        service: "ExecStart=/bin/sleep infinity\nRuntimeMaxSec=6s",
        cause: "exit",
        because: "as long as its file lets it",
        ..PLAIN
    },
    Way {
        name: "looping",
        how: "Restart=always until the start limit",
        unit: "StartLimitBurst=3\nStartLimitIntervalSec=60",
        service: "ExecStart=/bin/sh -c 'while [ ! -e /run/loop ]; do sleep 0.1; done; exit 1'\nRestart=always\nRestartSec=100ms",
        script: "touch /run/loop",
        because: "systemd no longer restarts it",
        ..PLAIN
    },
    Way {
        name: "always",
        how: "kill -9 with Restart=always",
        service: "ExecStart=/bin/sleep infinity\nRestart=always\nRestartSec=200ms",
        script: "systemctl kill -s KILL always",
        what: "started",
        cause: "systemd",
        because: "NRestarts=1",
        ..PLAIN
    },
    Way {
        name: "script",
        how: "systemctl restart by a script",
        script: "systemctl restart script",
        what: "restarted",
        cause: "operator",
        because: "restart job",
        ..PLAIN
    },
    Way {
        name: "deploy",
        how: "a deploy switches the link and restarts",
        service: "WorkingDirectory=/srv/app/current\nExecStart=/bin/sleep infinity",
        script: "ln -sfn releases/2 /srv/app/current; sleep 2; systemctl restart deploy",
        what: "restarted",
        cause: "deploy",
        because: "after /srv/app/current was switched",
        ..PLAIN
    },
    Way {
        name: "child",
        how: "PartOf= another unit that is stopped",
        unit: "PartOf=parent.service",
        script: "systemctl stop parent",
        cause: "dependency",
        because: "parent.service",
        ..PLAIN
    },
    Way {
        name: "needy",
        how: "Requires= another unit that is stopped",
        unit: "Requires=needed.service\nAfter=needed.service",
        script: "systemctl stop needed",
        cause: "dependency",
        because: "needed.service",
        ..PLAIN
    },
    Way {
        name: "along",
        how: "PartOf= another unit that is restarted",
        unit: "PartOf=leader.service",
        script: "systemctl restart leader",
        what: "restarted",
        cause: "dependency",
        because: "leader.service",
        ..PLAIN
    },
    Way {
        name: "bound",
        how: "BindsTo= another unit that dies",
        unit: "BindsTo=partner.service\nAfter=partner.service",
        script: "systemctl kill -s KILL partner",
        cause: "dependency",
        because: "partner.service",
        ..PLAIN
    },
    Way {
        name: "enemy",
        how: "Conflicts= another unit that is started",
        unit: "Conflicts=rival.service",
        script: "systemctl start rival",
        cause: "dependency",
        because: "rival.service",
        ..PLAIN
    },
    Way {
        name: "packaged",
        how: "dpkg -i: the old package's prerm stops it",
        script: "dpkg -i /root/two.deb",
        cause: "package-manager",
        because: "dpkg",
        ..PLAIN
    },
    Way {
        name: "packaged",
        how: "dpkg -i: the new package's postinst starts it",
        what: "started",
        cause: "package-manager",
        // By then dpkg may be done.
        because: "at work",
        ..PLAIN
    },
    Way {
        name: "removed",
        how: "dpkg -r: its prerm stops it, and dpkg is done at once",
        script: "dpkg -r removed",
        cause: "package-manager",
        because: "at work",
        ..PLAIN
    },
    Way {
        name: "isolated",
        how: "systemctl isolate",
        // What comes within a tenth of a second of dpkg's last write may be dpkg's.
        script: "until [ $(($(date +%s%N) - $(date -r /var/lib/dpkg/status +%s%N))) -gt 500000000 ]; do sleep 0.05; done
            systemctl isolate multi-user.target",
        cause: "operator",
        because: "stop job",
        ..PLAIN
    },
];

/// Others that the units above are tied to.
const OTHERS: [&str; 5] = ["parent", "needed", "leader", "partner", "rival"];

/// A package whose scripts stop and start a unit, as Debian's do.
fn package(machine: &Machine, name: &str, version: u32, file: &str) {
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\n\
         Description: stops and starts a unit\n"
    );
    let folder = format!("/root/{name}-{version}");
    machine.write(&format!("{folder}/DEBIAN/control"), &control);
    machine.write(&format!("{folder}/DEBIAN/prerm"), &format!("#!/bin/sh\nsystemctl stop {name}\n"));
    // The gap between stop and start, in which a unit is not to be touched.
    machine.write(
        &format!("{folder}/DEBIAN/postinst"),
        &format!("#!/bin/sh\n[ -z \"$2\" ] || sleep 3\nsystemctl start {name}\n"),
    );
    machine.sh(&format!(
        "chmod 755 {folder}/DEBIAN/prerm {folder}/DEBIAN/postinst && dpkg-deb -b {folder} {file} >/dev/null"
    ));
}

fn service(machine: &Machine, name: &str, unit: &str, service: &str) {
    let text = format!("[Unit]\n{unit}\n[Service]\n{service}\n[Install]\nWantedBy=multi-user.target\n");
    machine.write(&format!("/etc/systemd/system/{name}.service"), &text);
}

/// The events of a unit, as sentences.
fn events(machine: &Machine, name: &str) -> String {
    let socket = "--unix-socket /run/steadfast/steadfast.sock";
    let asked =
        format!("curl -sf {socket} http://localhost/v1/units/{name}.service | jq -r '.events[].message'");
    machine.try_sh(&asked).stdout
}

/// What was said of this transition.
fn attributed(machine: &Machine, way: &Way) -> Option<String> {
    let said = format!("{}.service {} (", way.name, way.what);
    let expected = format!("{said}{}): ", way.cause);
    let told = events(machine, way.name);
    let lines: Vec<&str> = told.lines().filter(|line| line.starts_with(&said)).collect();
    let right = |line: &&&str| line.starts_with(&expected) && line.contains(way.because);
    lines.iter().find(right).map(|line| (*line).to_owned())
}

fn prepared() -> Machine {
    let machine = Machine::boot("who");
    machine.sh("mkdir -p /srv/app/releases/1 /srv/app/releases/2 && ln -s releases/1 /srv/app/current");
    for name in OTHERS {
        service(&machine, name, "", SLEEP);
    }
    let mut names: Vec<&str> = WAYS.iter().map(|way| way.name).collect();
    names.dedup();
    for way in WAYS {
        service(&machine, way.name, way.unit, way.service);
        // Steadfast only looks, so that what was done stays as it was done.
        machine.write(
            &format!("/etc/steadfast/units.d/{}.service.toml", way.name),
            "mode = \"observe\"\n[release]\non_stale = \"alert\"\n",
        );
    }
    for (name, version, file) in [("packaged", 1, "one"), ("packaged", 2, "two"), ("removed", 1, "gone")] {
        package(&machine, name, version, &format!("/root/{file}.deb"));
    }
    machine.sh("systemctl daemon-reload; systemctl start parent needed leader partner");
    // Installed long before: what a package manager does now is not yet over for a minute.
    machine.sh("dpkg -i /root/one.deb /root/gone.deb >/dev/null; touch -d '1 hour ago' /var/lib/dpkg/status");
    machine.install_steadfast();
    // It is told to end with everybody else; here it stays as long as it may, to see what the shutdown stops.
    machine.write("/etc/systemd/system/steadfast.service.d/late.conf", "[Service]\nExecStop=/bin/sleep 2\n");
    machine.sh("systemctl daemon-reload");
    // RuntimeMaxSec= runs from the start.
    for name in &names {
        machine.sh(&format!("systemctl start {name}"));
    }
    for name in &names {
        let filter = ".active_state + \" \" + (.release.link // \"\")";
        machine.wait_until(&format!("{name} is read"), LIMIT, || {
            let told = unit(&machine, &format!("{name}.service"), filter);
            told.starts_with("active") && (*name != "deploy" || told.ends_with("current"))
        });
    }
    machine
}

#[test]
fn every_way_to_stop_is_put_down_to_the_right_one() {
    let mut machine = prepared();
    let mut wrong = Vec::new();
    println!("| what happened | attributed to | seconds | how it is known |\n|---|---|---|---|");
    for way in WAYS {
        let output = machine.try_sh(way.script);
        assert!(output.ok(), "{}: {output:?}", way.how);
        let start = std::time::Instant::now();
        let mut said = None;
        while said.is_none() && start.elapsed() < Duration::from_secs(20) {
            said = attributed(&machine, way);
        }
        let seconds = start.elapsed().as_secs_f64();
        if way.cause == "package-manager" {
            let hold = unit(&machine, &format!("{}.service", way.name), ".hold");
            assert_eq!(hold, "null", "what a package manager stops is no person's stop");
        }
        match said {
            Some(said) => {
                let known = said.split_once("): ").map_or("", |(_, known)| known);
                println!("| {} | {} ({}) | {seconds:.1} | {known} |", way.how, way.cause, way.what);
            }
            None => {
                println!("| {} | WRONG | {seconds:.1} | {} |", way.how, events(&machine, way.name));
                wrong.push(way.how);
            }
        }
    }
    let held = |name: &str| unit(&machine, &format!("{name}.service"), ".hold.kind");
    assert_eq!(held("person"), "manual-stop");
    assert_eq!(held("needy"), "stopped-with");
    assert_eq!(held("bound"), "null");
    // Our own deeds, our absence, and the host's.
    let told = |machine: &Machine, name: &str, filter: &str| {
        unit(machine, &format!("{name}.service"), &format!(".last_transition.{filter}"))
    };
    machine.sh("systemctl start person; systemctl enable -q person");
    state(&machine, "person.service", "ok");
    machine.sh("systemctl stop steadfast; systemctl stop person; systemctl start steadfast");
    machine.wait_until("the missed stop is told", LIMIT, || told(&machine, "person", "cause") == "unknown");
    println!(
        "| stopped while Steadfast was away | unknown (stopped) | | {} |",
        told(&machine, "person", "message")
    );
    machine.sh("systemctl start person");
    state(&machine, "person.service", "ok");
    machine.reboot();
    machine.wait_until("the boot is told", LIMIT, || told(&machine, "person", "cause") == "boot");
    let before = machine.sh("journalctl -b -1 -t steadfast -o cat --no-pager");
    let stopped = before.lines().filter(|line| line.starts_with("person.service stopped (shutdown)")).count();
    assert_eq!(stopped, 1, "{before}");
    println!("| a reboot stops it | shutdown (stopped) | | the host shuts down |");
    println!("| a reboot starts it | boot (started) | | {} |", told(&machine, "person", "message"));
    assert_eq!(wrong, Vec::<&str>::new());
}

#[test]
fn our_own_restarts_are_ours() {
    let machine = Machine::boot("ours");
    machine.sh("mkdir -p /srv/app/releases/1 /srv/app/releases/2 && ln -s releases/1 /srv/app/current");
    service(&machine, "shop", "", "WorkingDirectory=/srv/app/current\nExecStart=/bin/sleep infinity");
    service(&machine, "child", "PartOf=shop.service", SLEEP);
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop child");
    machine.install_steadfast();
    for name in ["shop", "child"] {
        machine.write(
            &format!("/etc/steadfast/units.d/{name}.service.toml"),
            "[release]\nsettle = \"1s\"\n[recovery]\nverify_within = \"4s\"\ndelay = \"100ms\"\n",
        );
        state(&machine, &format!("{name}.service"), "ok");
    }
    machine.sh("systemctl kill -s KILL shop");
    let told = |name: &str, wanted: &str| {
        let filter = ".last_transition | .what + \" by \" + .cause";
        machine.wait_until(wanted, LIMIT, || unit(&machine, name, filter) == wanted);
        println!("| {name} | {wanted} | {} |", unit(&machine, name, ".last_transition.message"));
    };
    told("shop.service", "started by steadfast");
    state(&machine, "shop.service", "ok");
    machine.sh("ln -sfn releases/2 /srv/app/current");
    told("shop.service", "restarted by steadfast");
    told("child.service", "restarted by dependency");
}

#[test]
fn a_package_manager_is_left_alone_and_what_it_leaves_down_is_brought_back() {
    let machine = Machine::boot("upgrade");
    for name in ["shop", "other"] {
        service(&machine, name, "", SLEEP);
    }
    machine.sh("touch -d '1 hour ago' /var/lib/dpkg/status");
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop other");
    machine.install_steadfast();
    for name in ["shop", "other"] {
        machine.write(
            &format!("/etc/steadfast/units.d/{name}.service.toml"),
            "[recovery]\nverify_within = \"4s\"\ndelay = \"100ms\"\n",
        );
        state(&machine, &format!("{name}.service"), "ok");
    }
    // As dpkg holds it, for as long as the file is there.
    machine.write(
        "/root/hold.py",
        "import fcntl, os, time\nf = open('/var/lib/dpkg/lock', 'w')\nfcntl.lockf(f, fcntl.LOCK_EX)\n\
         open('/run/locked', 'w').close()\nwhile os.path.exists('/run/locked'): time.sleep(0.05)\n",
    );
    machine.sh("systemd-run -q --unit=upgrade python3 /root/hold.py");
    machine.wait_until("it is locked", LIMIT, || machine.run(&["test", "-e", "/run/locked"]).ok());
    machine.sh("systemctl stop shop; systemctl kill -s KILL other");
    let (_, message) = finding(&machine, "other.service", "unit-failed");
    machine.wait_until("the order is held back", LIMIT, || {
        unit(&machine, "other.service", ".blocked").contains("is at work")
    });
    println!("{message}: not now, {}", unit(&machine, "other.service", ".blocked"));
    assert_eq!(unit(&machine, "shop.service", ".last_transition.cause"), "package-manager");
    assert_eq!(unit(&machine, "shop.service", ".hold"), "null");
    assert_eq!(unit(&machine, "shop.service", ".findings | length"), "0", "nobody is alerted");
    machine.sh("rm /run/locked");
    let active = |name: &str| machine.run(&["systemctl", "is-active", "-q", name]).ok();
    let took =
        machine.wait_until("both run again", Duration::from_secs(90), || active("shop") && active("other"));
    println!("brought back {took:?} after the package manager was done");
    assert!(took > Duration::from_secs(55), "not within a minute");
    for name in ["shop", "other"] {
        state(&machine, &format!("{name}.service"), "ok");
        assert_eq!(unit(&machine, &format!("{name}.service"), ".last_transition.cause"), "steadfast");
    }
    assert!(journal(&machine).contains("is at work: no orders are given"));
}
