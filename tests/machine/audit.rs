//! `audit`, the first command of a newcomer: silent about what is as its author meant it, exact about the rest.

use std::path::Path;

use crate::rig::Machine;

/// A plain Debian, on which only the program was put: no configuration, no daemon.
fn host(name: &str) -> Machine {
    let machine = Machine::boot(name);
    machine.place_steadfast(
        Path::new(env!("CARGO_BIN_EXE_steadfast")),
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/units")),
    );
    machine.add_user("joe");
    machine
}

/// Every finding as `unit code severity`, in order; those of the host under `host`.
fn findings(machine: &Machine, command: &str) -> Vec<String> {
    let filter = r#"([.findings[] | "host \(.code) \(.severity)"] +
        [.units[] | .unit as $unit | .findings[] | "\($unit) \(.code) \(.severity)"]) | sort | .[]"#;
    let output = machine.try_sh(&format!("{command} --json | jq -r '{filter}'"));
    output.stdout.lines().map(str::to_owned).collect()
}

/// Runs a command, shows what it prints, and returns its exit status and its page.
fn run(machine: &Machine, command: &str) -> (Option<i32>, String) {
    let output = machine.try_sh(command);
    let (page, code) = (output.stdout, output.code);
    println!("$ {command}\n{page}\n{}(exit status {code:?}, in {:?})\n", output.stderr, output.took);
    (code, page)
}

const AS_JOE: &str = "setpriv --reuid=joe --regid=joe --init-groups env HOME=/home/joe";

#[test]
fn a_plain_debian_has_nothing_to_report() {
    let machine = host("plain");
    let (code, page) = run(&machine, "steadfast audit");
    assert_eq!(code, Some(0));
    assert!(page.contains("plain: nothing to report"), "{page}");
    assert_eq!(page.lines().count(), 1);
    assert!(findings(&machine, "steadfast audit").is_empty());

    // Whoever is not root cannot know all, and is told what; nothing is made up in its place.
    let (code, page) = run(&machine, &format!("{AS_JOE} steadfast audit"));
    assert_eq!(code, Some(3));
    assert!(page.contains("what the next boot will start"), "{page}");
    assert!(findings(&machine, &format!("{AS_JOE} steadfast audit")).is_empty());
}

/// Troubles, and units that look like trouble and are none.
const TROUBLES: &str = r#"
cd /etc/systemd/system
unit() { printf '[Service]\nExecStart=%s\n%s[Install]\nWantedBy=%s\n' "$2" "$3" "${4:-multi-user.target}" >"$1.service"; }
always=$'Restart=always\nRestartSec=100ms\n[Unit]\nStartLimitIntervalSec=0\n'
unit failed /bin/false
unit forgotten '/bin/sleep inf'
unit stopped '/bin/sleep inf'
unit lost '/bin/sleep inf' '' site.target
unit fleeting '/bin/sleep inf'
unit edited '/bin/sleep inf'
unit looping /bin/false "$always"
mkdir -p /srv/app/releases/1 /srv/app/releases/2; ln -s releases/1 /srv/app/current
unit stale '/bin/sleep inf' $'WorkingDirectory=/srv/app/current\n'
printf '[Mount]\nWhat=/dev/nowhere\nWhere=/mnt/backup\nType=ext4\n' >mnt-backup.mount

unit named '/bin/sleep inf' ''; echo 'Alias=nick.service' >>named.service
unit work@ '/bin/sleep inf'
unit once /bin/true $'Type=oneshot\n'
unit elsewhere '/bin/sleep inf' $'[Unit]\nConditionPathExists=/nowhere\n'
unit puller '/bin/sleep inf' $'[Unit]\nWants=pulled.service\n'
printf '[Service]\nExecStart=/bin/sleep inf\n' >pulled.service
printf '[Socket]\nListenStream=/run/armed.sock\n[Install]\nWantedBy=sockets.target\n' >armed.socket
printf '[Service]\nExecStart=/bin/sleep inf\n' >armed.service
printf '[Timer]\nOnCalendar=yearly\n[Install]\nWantedBy=timers.target\n' >tidy.timer
printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' >tidy.service
systemctl daemon-reload
systemctl enable -q failed stopped lost edited looping stale named work@a once elsewhere puller armed.socket tidy.timer
systemctl enable -q --runtime fleeting
systemctl start forgotten lost fleeting edited looping stale named work@a once elsewhere puller armed.socket tidy.timer
systemctl start stopped; systemctl stop stopped
systemctl start failed mnt-backup.mount
curl -s --unix-socket /run/armed.sock --max-time 0.2 http://armed/
systemd-run --quiet --unit=byhand sleep inf
systemd-run --quiet sleep inf
ln -sfn releases/2 /srv/app/current; rm -r /srv/app/releases/1
echo '# one more line' >>edited.service
mkdir -p /etc/steadfast/units.d; touch /etc/steadfast/units.d/mailer.service.toml.disabled
true
"#;

const EXPECTED: [&str; 11] = [
    "byhand.service not-enabled warning",
    "edited.service unit-file-outdated warning",
    "failed.service unit-failed critical",
    "fleeting.service enabled-runtime-only warning",
    "forgotten.service not-enabled warning",
    "host switched-off warning",
    "host unmanaged warning",
    "looping.service unit-crash-looping critical",
    "lost.service boot-unreachable warning",
    "stale.service release-deleted critical",
    "stopped.service unit-inactive warning",
];

#[test]
fn every_seeded_trouble_is_told_and_nothing_else() {
    let machine = host("troubled");
    machine.sh(TROUBLES);
    for unit in ["named", "nick", "work@a", "puller", "pulled", "armed", "armed.socket", "byhand"] {
        assert_eq!(machine.sh(&format!("systemctl is-active {unit}")), "active", "{unit}");
    }
    machine.wait_until("it was restarted often", crate::watched::LIMIT, || {
        machine.sh("systemctl show -P NRestarts looping").parse().is_ok_and(|restarts: u32| restarts >= 3)
    });
    machine.wait_until("nobody has loaded the edited file", crate::watched::LIMIT, || {
        findings(&machine, "steadfast audit").iter().any(|found| found.starts_with("edited.service"))
    });
    let (code, page) = run(&machine, "steadfast audit");
    assert_eq!(code, Some(2));
    let mut expected: Vec<String> = EXPECTED.iter().map(|line| (*line).to_owned()).collect();
    expected.push("mnt-backup.mount unit-failed critical".to_owned());
    expected.sort();
    assert_eq!(findings(&machine, "steadfast audit"), expected);
    for helpful in ["systemctl enable forgotten.service", "systemctl start stopped.service", "is disabled"] {
        assert!(page.contains(helpful), "{helpful}:\n{page}");
    }

    // A reader who is not root: no trouble that is none, and what cannot be known is said.
    let (code, page) = run(&machine, &format!("{AS_JOE} steadfast audit"));
    assert_eq!(code, Some(2));
    for finding in findings(&machine, &format!("{AS_JOE} steadfast audit")) {
        assert!(expected.contains(&finding), "{finding} is true");
    }
    assert!(page.contains("NOT KNOWN"), "{page}");

    // Once the worst is put right, what is left are warnings.
    machine.sh("systemctl disable -q --now failed looping; systemctl reset-failed; systemctl restart stale");
    assert_eq!(machine.try_sh("steadfast audit").code, Some(1));
}
