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
