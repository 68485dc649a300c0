//! O5, O6, O7, O9: what a process lives in, by device and inode: directories without a link, roots, links that no path names.

use crate::rig::Machine;
use crate::watched::{LIMIT, manage, state, told_at, unit};

const FILE: &str = "[release]\nsettle = \"2s\"\n[recovery]\nverify_within = \"20s\"\n";

fn service(machine: &Machine, name: &str, settings: &str) {
    let text = format!("[Service]\n{settings}\n[Install]\nWantedBy=multi-user.target\n");
    machine.write(&format!("/etc/systemd/system/{name}.service"), &text);
    machine.sh(&format!("systemctl daemon-reload && systemctl enable --now {name}.service"));
}

/// Where the main process lives, by the kernel.
fn lives(machine: &Machine, name: &str) -> String {
    machine.sh(&format!("readlink /proc/$(systemctl show -P MainPID {name}.service)/cwd"))
}

/// After this script, the unit is restarted by us because of this finding, once, and is well.
fn follows(machine: &Machine, name: &str, script: &str, code: &str) {
    let of = format!("{name}.service");
    let run = || machine.sh(&format!("systemctl show -P InvocationID {of}"));
    let (before, told) = (run(), told_at(machine, &of, "found", code).len());
    machine.sh(script);
    machine.wait_until(&format!("{name} runs anew after {script}"), LIMIT, || run() != before);
    state(machine, &of, "ok");
    assert_eq!(unit(machine, &of, ".last_action.outcome"), "done", "{name}: {script}");
    // Once when it is seen, and once more where it is still so when the settle time is over.
    let found = told_at(machine, &of, "found", code).len() - told;
    assert!((1..=2).contains(&found), "{name}: {script}: found {found} times");
    let after = run();
    std::thread::sleep(std::time::Duration::from_secs(4));
    assert_eq!(run(), after, "{name} was restarted once more after {script}");
}

#[test]
fn what_a_process_lives_in_is_known_with_and_without_a_link() {
    let machine = Machine::boot("o5-directories");
    let sleeps = "ExecStart=/usr/bin/sleep infinity";
    machine
        .sh("mkdir -p /srv/plain /usr/local/app/{1,2} /srv/wrapped/releases/{1,2} /srv/fixed/releases/{1,2}");
    machine.sh("mkdir -p /srv/root/{usr,lib,lib64,bin,proc,app/releases/1,app/releases/2}");
    machine.sh("ln -s 1 /usr/local/app/current; ln -s releases/1 /srv/wrapped/current");
    machine.sh("ln -s /app/releases/1 /srv/root/app/current; ln -s releases/2 /srv/fixed/current");
    machine.write_program("/opt/wrapper", "#!/bin/sh\ncd /srv/wrapped/current\nexec sleep infinity\n");
    service(&machine, "plain", &format!("WorkingDirectory=/srv/plain\n{sleeps}"));
    service(&machine, "local", &format!("WorkingDirectory=/usr/local/app/current\n{sleeps}"));
    service(&machine, "wrapped", "ExecStart=/opt/wrapper");
    service(&machine, "fixed", &format!("WorkingDirectory=/srv/fixed/releases/1\n{sleeps}"));
    let root =
        "RootDirectory=/srv/root\nBindReadOnlyPaths=/usr /lib /lib64 /bin\nWorkingDirectory=/app/current";
    service(&machine, "rooted", &format!("{root}\n{sleeps}"));
    machine.install_steadfast();
    for name in ["plain", "local", "wrapped", "rooted"] {
        manage(&machine, &format!("{name}.service"), FILE);
    }
    machine.write("/etc/steadfast/units.d/fixed.service.toml", FILE);
    state(&machine, "fixed.service", "degraded");
    for name in ["plain", "local", "wrapped", "rooted"] {
        state(&machine, &format!("{name}.service"), "ok");
    }

    let anew = "mkdir /srv/plain.new && rm -rf /srv/plain && mv /srv/plain.new /srv/plain";
    follows(&machine, "plain", anew, "release-deleted");
    assert_eq!(lives(&machine, "plain"), "/srv/plain");
    let aside = "mkdir /srv/plain.new && mv /srv/plain /srv/plain.old && mv /srv/plain.new /srv/plain";
    follows(&machine, "plain", aside, "release-outdated");
    assert_eq!(lives(&machine, "plain"), "/srv/plain");
    let linked = "mkdir -p /srv/r/3 && mv /srv/plain /srv/plain.was && ln -s r/3 /srv/plain";
    follows(&machine, "plain", linked, "release-outdated");
    assert_eq!(lives(&machine, "plain"), "/srv/r/3");

    follows(&machine, "local", "ln -sfn 2 /usr/local/app/current", "release-outdated");
    assert_eq!(lives(&machine, "local"), "/usr/local/app/2");
    follows(&machine, "wrapped", "ln -sfn releases/2 /srv/wrapped/current", "release-outdated");
    assert_eq!(lives(&machine, "wrapped"), "/srv/wrapped/releases/2");
    follows(&machine, "rooted", "ln -sfn /app/releases/2 /srv/root/app/current", "release-outdated");
    assert_eq!(unit(&machine, "rooted.service", ".release.running"), "/srv/root/app/releases/2");

    let message = unit(&machine, "fixed.service", ".findings[0].message");
    assert!(message.ends_with("a restart will not help: the unit names /srv/fixed/releases/1"), "{message}");
    // A link that is touched, or set anew to the same target, is not switched.
    let run = || machine.sh("systemctl show -P InvocationID local.service");
    let before = run();
    machine.sh("touch -h /usr/local/app/current; chown -h nobody /usr/local/app/current; ln -sfn 2 /usr/local/app/current");
    std::thread::sleep(std::time::Duration::from_secs(5));
    assert_eq!((run(), unit(&machine, "local.service", ".state")), (before, "ok".to_owned()));
}
