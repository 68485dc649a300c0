//! Does the rig keep its promises? What every other machine test takes for granted is shown here.

use std::path::Path;
use std::time::Duration;

use crate::rig::Machine;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn boots_and_reboots() {
    let mut machine = Machine::boot("first");
    assert_eq!(machine.state(), "running");
    assert_eq!(machine.sh("systemctl --failed --no-legend"), "");
    assert_eq!(machine.sh("cat /proc/1/comm; hostname"), "systemd\nfirst");
    assert_eq!(machine.sh("stat -f -c %T /sys/fs/cgroup"), "cgroup2fs");
    assert_eq!(machine.sh("journalctl -b -p err -q --no-pager"), "");
    assert_eq!(machine.sh("ip -br -4 address"), "lo               UNKNOWN        127.0.0.1/8");
    let identity = machine.read("/etc/machine-id");

    machine.write("/srv/app/note", "kept\n");
    machine.write("/run/note", "not kept\n");
    machine.write(
        "/etc/systemd/system/late.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\n[Install]\nWantedBy=multi-user.target\n",
    );
    machine.sh("systemctl enable late.service");
    let took = machine.reboot();
    println!("rebooted in {took:?}");

    assert_eq!(machine.state(), "running");
    assert_eq!(machine.read("/srv/app/note"), "kept");
    assert_eq!(machine.read("/etc/machine-id"), identity);
    assert!(!machine.run(&["test", "-e", "/run/note"]).ok(), "/run is new at each boot");
    assert_eq!(machine.sh("systemctl is-active late.service"), "active");
    assert_ne!(machine.sh("journalctl -b -1 -n 1 -q --no-pager"), "", "the journal knows the boot before");
}

#[test]
fn user_manager_with_linger() {
    let mut machine = Machine::boot("linger");
    machine.add_user("joe");
    assert!(!machine.try_sh_as("joe", "systemctl --user is-system-running").ok());
    machine.enable_linger("joe");
    assert_eq!(machine.sh_as("joe", "systemctl --user is-system-running"), "running");
    assert_eq!(machine.sh_as("joe", "id -un; pwd"), "joe\n/home/joe");
    machine.sh_as("joe", "systemd-run --user --unit=nap sleep infinity");
    assert_eq!(machine.sh_as("joe", "systemctl --user is-active nap"), "active");
    machine.reboot();
    machine.wait_until("joe's manager runs again", SOON, || {
        machine.try_sh_as("joe", "systemctl --user is-system-running").ok()
    });
    assert!(!machine.try_sh_as("joe", "systemctl --user is-active nap").ok());
}

#[test]
fn two_machines_side_by_side() {
    let (left, right) = std::thread::scope(|scope| {
        let left = scope.spawn(|| Machine::boot("left"));
        let right = scope.spawn(|| Machine::boot("right"));
        (left.join().expect("left boots"), right.join().expect("right boots"))
    });
    // the same port, the same unit, and neither knows of the other
    let serve = "systemd-run --quiet --unit=web python3 -m http.server --directory /srv 80";
    for machine in [&left, &right] {
        machine.sh(serve);
        machine.sh("hostname >/srv/name");
    }
    for machine in [&left, &right] {
        machine.wait_until("the port answers", SOON, || {
            machine.try_sh("curl -sf http://127.0.0.1/name").stdout == machine.sh("hostname")
        });
    }
    let root = right.root().to_owned();
    drop(right);
    assert!(!root.exists(), "nothing stays of a machine that is gone");
    assert_eq!(left.state(), "running");
    assert_eq!(left.sh("systemctl is-active web"), "active");
    assert_ne!(left.boot_id(), "");
}

#[test]
fn a_power_cut_kills_at_once_and_keeps_the_disk() {
    let mut machine = Machine::boot("cut");
    machine.write_program(
        "/srv/stubborn",
        "#!/bin/bash\ntrap 'echo asked >/srv/asked' TERM\necho up >/srv/up\nwhile :; do sleep 1; done\n",
    );
    machine.sh("systemd-run --quiet --unit=stubborn /srv/stubborn");
    machine.wait_until("the service is up", SOON, || machine.on_disk("/srv/up").exists());
    let before = machine.boot_id();
    machine.power_cut();
    assert_eq!(machine.read("/srv/up"), "up");
    assert!(!machine.on_disk("/srv/asked").exists(), "nobody is asked when the power fails");
    machine.write("/etc/motd", "written while it was off\n");
    machine.start();
    assert_ne!(machine.boot_id(), before);
    assert_eq!(machine.read("/etc/motd"), "written while it was off");
    machine.power_off();
    machine.start();
    assert_eq!(machine.state(), "running");
}

#[test]
fn a_hung_file_system_does_not_outlive_its_machine() {
    let machine = Machine::boot("hung");
    machine.write("/srv/real/file", "content\n");
    machine.mount_slow("/srv/real", "/srv/slow");
    assert_eq!(machine.read("/srv/slow/file"), "content");
    machine.sh("systemd-run --quiet --unit=holder -p WorkingDirectory=/srv/slow sleep infinity");

    machine.hang_slow_mounts(true);
    let stuck = machine.try_sh("timeout --signal=KILL 0.5 cat /srv/slow/file");
    assert!(!stuck.ok(), "it hangs: {stuck:?}");
    machine.hang_slow_mounts(false);
    assert_eq!(machine.read("/srv/slow/file"), "content", "it answers again");

    machine.hang_slow_mounts(true);
    machine.sh("systemd-run --quiet --unit=victim cat /srv/slow/file");
    machine.wait_until("somebody hangs in it", SOON, || {
        let wchan = "cat /proc/$(systemctl show -P MainPID victim)/wchan";
        machine.try_sh(wchan).stdout.contains("fuse") || machine.try_sh(wchan).stdout.contains("request")
    });
    let root = machine.root().to_owned();
    drop(machine);
    assert!(!root.exists());
}

#[test]
fn a_boot_that_never_finishes_can_be_watched() {
    let mut machine = Machine::switched_off("stuck");
    let unit = "[Service]\nType=oneshot\nTimeoutStartSec=infinity\nExecStart=sleep infinity\n";
    machine.write("/etc/systemd/system/stuck.service", unit);
    let wants = machine.on_disk("/etc/systemd/system/multi-user.target.wants/stuck.service");
    std::os::unix::fs::symlink("/etc/systemd/system/stuck.service", wants).expect("a link");
    machine.start_unfinished();
    machine.wait_until("it is stuck", SOON, || {
        machine.try_sh("systemctl is-active stuck").stdout == "activating"
    });
    assert_eq!(machine.state(), "starting");
    machine.power_off();
}

#[test]
fn a_failed_command_tells_all() {
    let machine = Machine::boot("told");
    let output = machine.try_sh("echo out; echo err >&2; exit 7");
    assert_eq!((output.code, output.stdout.as_str(), output.stderr.as_str()), (Some(7), "out", "err"));
    let panic = std::panic::catch_unwind(|| machine.sh("echo one >&2; exit 3"))
        .expect_err("a failing script fails the test");
    let message = panic.downcast_ref::<String>().map_or("", String::as_str);
    assert!(message.contains("status Some(3)") && message.contains("one"), "{message}");
    // a script may leave a process behind, and does not wait for it
    machine.sh("sleep infinity &");
}

#[test]
fn a_program_and_its_units_are_put_in_place() {
    let scratch = tempfile::tempdir().expect("a folder");
    let units = scratch.path().join("units");
    std::fs::create_dir_all(units.join("user")).expect("a folder");
    let unit = "[Service]\nExecStart=/usr/bin/steadfast infinity\n[Install]\nWantedBy=multi-user.target\n";
    for (name, content) in [
        ("steadfast.service", unit),
        ("user/steadfast.service", unit),
        ("steadfast.sysusers", "u steadfast - \"Steadfast\"\n"),
        ("steadfast.tmpfiles", "d /var/lib/steadfast 0750 steadfast steadfast\n"),
    ] {
        std::fs::write(units.join(name), content).expect("a file");
    }
    let mut machine = Machine::switched_off("install");
    machine.place_steadfast(Path::new("/usr/bin/sleep"), &units);
    machine.start();
    machine.sh("systemctl enable --now steadfast.service");
    // the second time over a running program
    machine.place_steadfast(Path::new("/usr/bin/sleep"), &units);
    assert_eq!(
        machine.sh("stat -c %U /var/lib/steadfast; systemctl is-active steadfast"),
        "steadfast\nactive"
    );
    machine.reboot();
    assert_eq!(machine.sh("systemctl is-active steadfast"), "active");
}
