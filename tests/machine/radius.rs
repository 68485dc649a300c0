//! What a restart takes along: told before, and true.

use crate::rig::Machine;
use crate::watched::{LIMIT, state, unit};

#[test]
fn what_a_restart_takes_along_is_told_before_and_true() {
    let machine = Machine::boot("radius");
    let service = |name: &str, more: &str| {
        let text = format!(
            "[Unit]\n{more}\n[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"
        );
        machine.write(&format!("/etc/systemd/system/{name}.service"), &text);
    };
    service("shop", "");
    service("worker", "PartOf=shop.service");
    service("report", "Requires=shop.service\nAfter=shop.service");
    service("other", "After=shop.service");
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop worker report other");
    machine.install_steadfast();
    for name in ["shop", "worker"] {
        machine.write(
            &format!("/etc/steadfast/units.d/{name}.service.toml"),
            "[recovery]\nverify_within = \"4s\"\n",
        );
        state(&machine, &format!("{name}.service"), "ok");
    }
    let invocations =
        || machine.sh("for unit in shop worker report other; do systemctl show -P InvocationID $unit; done");
    let before = invocations();
    machine.wait_until("the radius is read", LIMIT, || {
        unit(&machine, "shop.service", ".preview.takes_along | sort | join(\" \")")
            == "report.service worker.service"
    });
    // It serves: a check would be all. Killed, it would be started.
    let said = machine.sh("steadfast recover shop --dry-run");
    assert!(said.starts_with("would check shop.service; nothing is ordered"), "{said}");
    assert_eq!(invocations(), before, "a dry run orders nothing");
    let explained = machine.sh("steadfast explain shop");
    let along = "a restart takes along report.service, worker.service (restarted where they run)";
    assert!(explained.contains(along), "{explained}");

    machine.sh("systemctl restart shop");
    let after = invocations();
    let changed: Vec<bool> =
        before.lines().zip(after.lines()).map(|(before, after)| before != after).collect();
    assert_eq!(
        changed,
        [true, true, true, false],
        "shop, worker and report, and not what is only ordered after it"
    );
    println!("told before: report.service, worker.service; restarted with it: the same two");
}

#[test]
fn what_kill_mode_leaves_is_ended_where_the_unit_file_says_so() {
    let machine = Machine::boot("survivors");
    // One that goes when asked, and one that must be killed.
    let script = "#!/bin/sh\nsleep 9001 &\n(trap '' TERM; exec sleep 9002) &\nexec sleep infinity\n";
    machine.write("/usr/local/bin/leaves", script);
    machine.write(
        "/etc/systemd/system/leaves.service",
        "[Service]\nExecStart=/bin/sh /usr/local/bin/leaves\nKillMode=process\nTimeoutStopSec=2s\n\
         [Install]\nWantedBy=multi-user.target\n",
    );
    machine.sh("systemctl daemon-reload; systemctl enable -q --now leaves");
    machine.install_steadfast();
    let file = "/etc/steadfast/units.d/leaves.service.toml";
    machine.write(file, "");
    state(&machine, "leaves.service", "ok");
    let left = || machine.sh("pgrep -fc 'sleep 900[12]' || true").trim().to_owned();
    assert_eq!(left(), "2");
    // What began less than two seconds before the new run may be of it.
    machine.sh("until [ $(ps -o etimes= -C sleep | sort -n | head -1) -ge 3 ]; do sleep 0.2; done");
    machine.sh("systemctl restart leaves");
    machine.wait_until("the survivors are told", LIMIT, || {
        unit(&machine, "leaves.service", ".findings[].code").contains("survivors")
    });
    assert_eq!(left(), "4", "nothing is ended that the file does not say");

    let began = std::time::Instant::now();
    machine.write(file, "[recovery]\nend_survivors = true\n");
    machine.wait_until("the survivors are ended", LIMIT, || left() == "2");
    state(&machine, "leaves.service", "ok");
    println!(
        "ended, the stubborn one killed after TimeoutStopSec=2s: {:.1} s",
        began.elapsed().as_secs_f64()
    );
    assert_eq!(machine.sh("systemctl show -P NRestarts leaves").trim(), "0");
    let journal = machine.sh("journalctl -u leaves -o cat --no-pager | grep 'earlier run'");
    assert!(journal.contains("with SIGTERM") && journal.contains("with SIGKILL"), "{journal}");
}
