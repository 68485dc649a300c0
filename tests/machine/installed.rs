//! README's way onto a host: `make install`, one line of systemctl, and off again.

use std::path::Path;
use std::process::Command;

use crate::rig::Machine;
use crate::watched::state;

/// A target of the Makefile on this machine's disk, with the program that was built for this test.
fn make(machine: &Machine, target: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let program = folder.path().join("steadfast");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_steadfast"), &program).expect("a link to the program");
    let output = Command::new("make")
        .args(["-C", env!("CARGO_MANIFEST_DIR"), target, "CARGO=true"])
        .arg(format!("BINARY={}", program.display()))
        .arg(format!("DESTDIR={}", machine.root().display()))
        .output()
        .expect("make runs");
    assert!(output.status.success(), "make {target}: {}", String::from_utf8_lossy(&output.stderr));
}

fn files(root: &Path) -> Vec<String> {
    let output =
        Command::new("find").arg(root).args(["-xdev", "-type", "f", "-name", "*steadfast*"]).output();
    let list = String::from_utf8(output.expect("find runs").stdout).expect("names");
    let mut files: Vec<String> =
        list.lines().filter_map(|line| line.strip_prefix(root.to_str()?)).map(str::to_owned).collect();
    files.sort();
    files
}

#[test]
fn what_make_installs_is_sound_runs_and_leaves_without_a_trace() {
    let mut machine = Machine::switched_off("installing");
    make(&machine, "install");
    machine.start();
    let verified = machine.try_sh(
        "systemd-analyze verify steadfast.service steadfast.socket steadfast-prober.service steadfast-prober.socket && \
         XDG_RUNTIME_DIR=/run systemd-analyze verify --user steadfast.service steadfast.socket",
    );
    assert_eq!((verified.code, verified.stdout.as_str(), verified.stderr.as_str()), (Some(0), "", ""));
    // 25 of 100: the exposure of a unit that may read every process and nothing else of note.
    println!("{}", machine.sh("systemd-analyze security --no-pager --threshold=25 steadfast.service"));
    println!("{}", machine.sh("systemd-analyze security --no-pager --threshold=15 steadfast-prober.service"));

    machine.sh("systemd-sysusers && systemctl enable --now steadfast.socket steadfast.service");
    machine.sh("getent group steadfast");
    machine.write(
        "/etc/systemd/system/horizon.service",
        "[Service]\nExecStart=/bin/sleep inf\n[Install]\nWantedBy=multi-user.target\n",
    );
    machine.sh("systemctl daemon-reload && touch /etc/steadfast/units.d/horizon.service.toml");
    state(&machine, "horizon.service", "ok");
    assert_eq!(machine.sh("systemctl is-active horizon; systemctl is-enabled horizon"), "active\nenabled");

    machine.sh("systemctl disable --now steadfast.service steadfast.socket");
    make(&machine, "uninstall");
    let left = files(machine.root());
    let state = "/var/lib/steadfast/";
    assert!(left.iter().all(|file| file.starts_with(state)), "only the state is left: {left:?}");
}
