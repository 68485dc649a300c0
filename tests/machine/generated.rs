//! B1: what generators make is written anew at each daemon-reload, and is gone for a moment while they run. That is no news.

use crate::rig::Machine;
use crate::watched::{LIMIT, journal};

/// A generator that takes its time, an init script, a mount of fstab with a service below it, and units whose limits are
/// set at run time.
const HOST: &str = r#"
mkdir -p /etc/systemd/system-generators /etc/rig /srv/data
cat >/etc/systemd/system-generators/rig <<'END'
#!/bin/sh
mkdir -p "$1/multi-user.target.wants"
# As lxc's generator does it: a drop-in for every service, outside the generators' own directories.
mkdir -p /run/systemd/system/service.d
printf '# %s\n[Service]\nOOMScoreAdjust=0\n' "$(date +%N)" >/run/systemd/system/service.d/zzz-rig.conf
sleep 0.4
printf '# made %s\n[Service]\nExecStart=/bin/sleep %s\n' "$(date +%N)" "$(cat /etc/rig/length)" >"$1/made.service"
ln -s ../made.service "$1/multi-user.target.wants/made.service"
END
chmod +x /etc/systemd/system-generators/rig
echo infinity >/etc/rig/length
cat >/etc/init.d/legacy <<'END'
#!/bin/sh
### BEGIN INIT INFO
# Provides:          legacy
# Required-Start:    $remote_fs
# Required-Stop:     $remote_fs
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
### END INIT INFO
case "$1" in
start) start-stop-daemon --start --background --make-pidfile --pidfile /run/legacy.pid --exec /bin/sleep -- 1000000 ;;
stop) start-stop-daemon --stop --pidfile /run/legacy.pid ;;
esac
END
chmod +x /etc/init.d/legacy
update-rc.d legacy defaults
echo 'tmpfs /srv/data tmpfs mode=0755 0 0' >>/etc/fstab
printf '[Service]\nWorkingDirectory=/srv/data\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' \
  >/etc/systemd/system/below.service
printf '[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/limited.service
systemctl daemon-reload
systemctl enable -q below limited
systemctl start srv-data.mount made legacy below limited
"#;

const UNITS: [&str; 5] =
    ["made.service", "legacy.service", "srv-data.mount", "below.service", "limited.service"];

/// What `jq` makes of the status; this machine has no curl.
fn status(machine: &Machine, filter: &str) -> String {
    machine.try_sh(&format!("steadfast --json status | jq -r '{filter}'")).stdout
}

fn unit(machine: &Machine, name: &str, filter: &str) -> String {
    status(machine, &format!(".units[] | select(.unit == \"{name}\") | {filter}"))
}

/// What is said of them that a reload should not bring.
fn said(machine: &Machine) -> String {
    let filter = r#".units[] | select(.findings != [] or .blocked != null) | .unit + " " + ([.findings[].code] | join(","))"#;
    status(machine, filter)
}

fn reload_again_and_again(name: &str, release: &str) {
    let machine = Machine::boot_as_installed(name, release);
    machine.sh(HOST);
    for unit in UNITS {
        machine.write(&format!("/etc/steadfast/units.d/{unit}.toml"), "");
    }
    machine.install_steadfast();
    for unit in UNITS {
        let ok = || self::unit(&machine, unit, ".state") == "ok";
        machine.wait_until(&format!("{unit} is ok"), LIMIT, ok);
    }
    let boots = ".conditions[] | select(.type == \"Boot\") | .status + \" \" + .message";
    let predicted = |name: &&str| unit(&machine, name, boots).starts_with("true");
    machine.wait_until("the next boot is predicted", LIMIT / 4, || {
        let left: Vec<String> =
            UNITS.iter().filter(|name| !predicted(name)).map(|name| unit(&machine, name, boots)).collect();
        if !left.is_empty() {
            println!("{left:?}");
        }
        left.is_empty()
    });
    let before = journal(&machine).lines().count();
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..14 {
        machine.sh("systemctl daemon-reload --no-block 2>/dev/null || systemctl daemon-reload &\nsleep 0.3");
        if round == 5 {
            machine.sh("systemctl daemon-reload; systemctl set-property limited.service MemoryMax=1G; systemctl set-property --runtime limited.service TasksMax=99");
        }
        if round == 8 {
            // The prediction is made anew, in the middle of reloads.
            machine.sh("systemctl disable -q limited; systemctl enable -q limited");
        }
        for _ in 0..4 {
            seen.insert(said(&machine));
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
    }
    // Until the last prediction was made, and everything was read again.
    for _ in 0..30 {
        seen.insert(said(&machine));
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    let all = journal(&machine);
    let told: Vec<&str> = all.lines().skip(before).collect();
    println!("said: {seen:?}\njournal since: {told:#?}");
    let wrong =
        |line: &&&str| line.contains("found ") || line.contains("incident") || line.contains("because of");
    assert_eq!(told.iter().filter(wrong).collect::<Vec<_>>(), Vec::<&&str>::new());
    let changed = |line: &&&str| line.contains("was changed");
    assert_eq!(
        told.iter().filter(changed).collect::<Vec<_>>(),
        Vec::<&&str>::new(),
        "nothing says anything else"
    );
    // Also between `systemctl enable` and the reload that it orders.
    assert_eq!(seen.iter().filter(|said| !said.is_empty()).collect::<Vec<_>>(), Vec::<&String>::new());
    // What a generator makes of something else is another file.
    machine.sh("echo 1000000 >/etc/rig/length; systemctl daemon-reload");
    let newer = || {
        unit(&machine, "made.service", ".findings[].message")
            == "the unit file of made.service is newer than its run"
    };
    machine.wait_until("the change is seen", LIMIT, newer);
    machine.sh("systemctl restart made");
    machine.wait_until("it runs by its file", LIMIT, || {
        unit(&machine, "made.service", ".findings | length") == "0"
    });
    let audit =
        machine.try_sh("steadfast audit --json | jq -r '[.units[].findings[]] | map(.code) | join(\",\")'");
    assert!(!audit.stdout.contains("outdated"), "{}", audit.stdout);
}

#[test]
fn reloads_are_no_news_of_generated_units_on_systemd_252() {
    reload_again_and_again("generated-252", "bookworm");
}

#[test]
fn reloads_are_no_news_of_generated_units_on_systemd_257() {
    reload_again_and_again("generated-257", "trixie");
}
