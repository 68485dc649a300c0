//! `make sweep`: the servers of Debian 12 and 13 as they come, adopted, managed, reloaded, restarted and rebooted. What an admin
//! would not sign is printed: findings, restarts by Steadfast, and lines in the logs that only its probes can have caused.
//!
//! `SWEEP=trixie/mail`: only that set. `QUIET=600`: seconds for which the logs are watched, once without probes and once with them.

#[path = "rig/mod.rs"]
#[expect(dead_code, reason = "the sweep needs a part of the rig")]
mod rig;

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};
use std::time::Duration;

use rig::Machine;

/// Longest time that a host may need to come to rest: longer than a proof, a settle time and a second try.
const REST: Duration = Duration::from_secs(180);

/// Packages that live side by side on one host, by name of the set. unbound needs its recommended anchors, fail2ban a log of logins
/// (without rsyslog Debian's file has it fail), proftpd a name of the host that resolves. (The kernel's NFS server cannot mount its files in a container.)
const SETS: [(&str, &str); 4] = [
    (
        "web",
        "nginx php-fpm mariadb-server redis-server memcached haproxy openssh-server bind9 cups-daemon prometheus \
         prometheus-node-exporter rsync cron",
    ),
    (
        "mail",
        "postfix dovecot-imapd dovecot-pop3d apache2 postgresql mosquitto unbound dns-root-data vsftpd spamd samba",
    ),
    ("broker", "rabbitmq-server exim4-daemon-light dnsmasq proftpd-core zookeeperd tomcat10 chrony squid"),
    ("docker", "docker.io slapd lighttpd smartmontools avahi-daemon rsyslog fail2ban openvpn"),
];
const RELEASES: [&str; 2] = ["bookworm", "trixie"];

const NETWORK: &str = "[Unit]\nBefore=network.target network-online.target\n[Service]\nType=oneshot\nRemainAfterExit=yes\n\
    ExecStart=/bin/sh -c 'ip link add lan type bridge; ip address add 192.0.2.10/24 broadcast + dev lan; ip link set lan up; \
    grep -q \" $$(hostname)\" /etc/hosts 2>/dev/null || echo \"127.0.1.1 $$(hostname)\" >>/etc/hosts'\n\
    [Install]\nWantedBy=multi-user.target\n";

/// Its unit reloads it by SIGHUP, which ends it, and `Restart=on-failure` takes that for a clean end: it is down until Steadfast
/// starts it, and is said to be.
const ENDED_BY_ITS_RELOAD: &str = "prometheus-node-exporter.service";

/// Installs packages into the disk of a machine that is off, as an image is made: nothing is started.
const INSTALL: &str = r#"
set -e
root=$1; shift
cp /etc/resolv.conf "$root/etc/resolv.conf"
printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"; chmod 755 "$root/usr/sbin/policy-rc.d"
mkdir -p "$root"/usr/share/man/man{1..8}; mount -t proc proc "$root/proc"; trap 'umount "$root/proc"' EXIT
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8
chroot "$root" apt-get update -qq
chroot "$root" apt-get install -y -qq --no-install-recommends curl "$@"
rm -f "$root/usr/sbin/policy-rc.d" "$root/etc/resolv.conf"
"#;

/// The services that run and are enabled, those of systemd, of the login and our own aside.
const SERVICES: &str = "systemctl list-units --type=service --state=running --no-legend --plain | awk '{print $1}' | \
    grep -vE '^(systemd-|dbus|getty|console-getty|user@|polkit|steadfast)' | while read unit; do \
    systemctl is-enabled -q $unit 2>/dev/null && echo $unit; done; true";

/// Every new line of journal and log files, what systemd, the kernel and Steadfast say aside, and access logs, which are there to
/// list requests, and PostgreSQL's checkpoints, which follow a reboot; figures and names of months made
/// alike, so that two lines of one kind are one.
const LINES: &str = r#"{ journalctl -o cat --no-pager --cursor-file=/run/sweep.cursor \
    $(for unit in $(systemctl list-units --type=service --state=running --no-legend --plain | awk '{print $1}' | \
    grep -vE '^(systemd-|dbus|user@|steadfast)'); do echo -u $unit; done) + _TRANSPORT=syslog 2>/dev/null | \
    grep -vE 'systemd\[|steadfast|^-- |^(Started|Starting|Stopping|Stopped|Reloading|Reloaded) '; \
    find /var/log -type f ! -path '*/journal/*' ! -name '*access*' ! -name '[wb]tmp' ! -name lastlog | while read file; do \
    old=$(cat "/run/sweep$file.size" 2>/dev/null || echo 0); tail -c +$((old + 1)) "$file" | grep -av ' steadfast\[' | grep -avE 'LOG:  checkpoint ' | sed "s,^,$file: ,"; \
    mkdir -p "/run/sweep$(dirname "$file")"; stat -c %s "$file" >"/run/sweep$file.size"; done; } | \
    tr -d '\000' | sed -E 's/[0-9a-f]{8,}/X/g; s/[0-9]+/N/g; s/(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec|Mon|Tue|Wed|Thu|Fri|Sat|Sun)/M/g' | sort -u"#;

fn main() -> ExitCode {
    let only = std::env::var("SWEEP").ok();
    let quiet: u64 = std::env::var("QUIET").ok().and_then(|text| text.parse().ok()).unwrap_or(600);
    let mut wrong = 0;
    for release in RELEASES {
        for (set, packages) in SETS {
            let name = format!("{release}/{set}");
            if only.as_ref().is_none_or(|only| *only == name) {
                wrong += swept(&name, release, packages, Duration::from_secs(quiet));
            }
        }
    }
    println!("\n{wrong} things that an admin would not sign");
    if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Sweeps one host; returns how much was wrong.
fn swept(name: &str, release: &str, packages: &str, quiet: Duration) -> usize {
    println!("\n== {name}: {packages}");
    let mut machine = Machine::switched_off_as_installed(&name.replace('/', "-"), release);
    install(&machine, packages);
    // A server has a network: some wait for it.
    machine.write("/etc/systemd/system/network-of-the-sweep.service", NETWORK);
    let wants = machine.root().join("etc/systemd/system/multi-user.target.wants");
    let linked = std::fs::create_dir_all(&wants).and_then(|()| {
        let unit = "network-of-the-sweep.service";
        std::os::unix::fs::symlink(format!("../{unit}"), wants.join(unit))
    });
    if let Err(why) = linked {
        println!("cannot give it a network: {why}");
    }
    machine.start();
    let services = machine.sh(SERVICES);
    println!("services: {}", services.split_whitespace().collect::<Vec<_>>().join(" "));
    machine.sh(&format!("{LINES} >/dev/null"));
    std::thread::sleep(quiet);
    let without: BTreeSet<String> = machine.sh(LINES).lines().map(str::to_owned).collect();

    machine.install_steadfast();
    let adopted = machine.try_sh("steadfast adopt --all-enabled");
    println!("{}{}", adopted.stdout, adopted.stderr);
    for service in services.split_whitespace() {
        machine.sh(&format!("f=/etc/steadfast/units.d/{service}.toml; [ -e $f ] || : >$f"));
    }
    let mut wrong = rests(&machine, "managed");
    machine.sh(&format!(
        "for unit in {}; do systemctl reload $unit 2>/dev/null; done; systemctl daemon-reload",
        flat(&services.replace(ENDED_BY_ITS_RELOAD, ""))
    ));
    wrong += rests(&machine, "reloaded");
    machine.sh(&format!("systemctl restart --no-block {}", flat(&services)));
    machine.wait_until("no job is left", REST, || machine.sh("systemctl list-jobs --no-legend").is_empty());
    wrong += rests(&machine, "restarted");
    machine.reboot();
    wrong += rests(&machine, "rebooted");
    machine.sh(&format!("{LINES} >/dev/null"));
    std::thread::sleep(quiet);
    let with = machine.sh(LINES);
    let ours: Vec<&str> = with.lines().filter(|line| !without.contains(*line)).collect();
    for line in &ours {
        println!("  log     {line}");
    }
    wrong += rests(&machine, "watched");
    let acted = machine.sh(&format!(
        "for unit in {}; do curl -s --unix-socket /run/steadfast/steadfast.sock http://localhost/v1/units/$unit | \
         jq -r '.events[] | select(.kind == \"acted\") | .message'; done",
        flat(&services)
    ));
    for line in acted.lines() {
        println!("  acted   {line}");
    }
    wrong + ours.len() + acted.lines().count()
}

fn flat(services: &str) -> String {
    services.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn install(machine: &Machine, packages: &str) {
    let root = machine.root().to_string_lossy().into_owned();
    let output = Command::new("bash")
        .args(["-c", INSTALL, "install", &root])
        .args(packages.split_whitespace())
        .output();
    let output = match &output {
        Ok(output) if output.status.success() => return,
        Ok(output) => String::from_utf8_lossy(&output.stderr).into_owned(),
        Err(why) => why.to_string(),
    };
    println!("cannot install {packages}: {output}");
    std::process::exit(1);
}

/// Waits until nothing is being read, proven or recovered, and prints what is found then; what is said of every host that nobody
/// has configured yet (coverage, alerts) aside.
fn rests(machine: &Machine, when: &str) -> usize {
    let ask = |filter: &str| {
        machine.try_sh(&format!(
            "curl -s --unix-socket /run/steadfast/steadfast.sock http://localhost/v1/status | jq -r '{filter}'"
        ))
    };
    let busy = "[.units[] | select(.state == \"unknown\" or .state == \"recovering\")] | length";
    machine.wait_until(&format!("{when}: everything is read"), REST, || {
        ask("[.units[]] | length > 0").stdout == "true"
    });
    let came_to_rest = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        machine.wait_until(&format!("{when}: at rest"), REST, || ask(busy).stdout == "0");
    }));
    let states = ask("[.units[].state] | group_by(.) | map(\"\\(.[0]) \\(length)\") | join(\", \")").stdout;
    println!("  {when:<9} {states}{}", if came_to_rest.is_ok() { "" } else { " (not at rest)" });
    let found =
        ask(".units[] | .unit as $unit | .findings[] | \"\\($unit): \\(.severity) \\(.code): \\(.message)\"")
            .stdout;
    let host = ask(".findings[]? | select(.code as $code | [\"unmanaged\", \"host-unprobed\", \"alert-undeliverable\"] | index($code) | not) | \"host: \\(.severity) \\(.code): \\(.message)\"").stdout;
    let lines: Vec<&str> = found.lines().chain(host.lines()).filter(|line| !line.is_empty()).collect();
    for line in &lines {
        println!("  finding {line}");
        let unit = line.split(':').next().unwrap_or_default();
        println!("{}", machine.try_sh(&format!("journalctl -u {unit} -n 4 -o cat --no-pager")).stdout);
    }
    lines.len() + usize::from(came_to_rest.is_err())
}
