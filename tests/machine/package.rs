//! The Debian package on Debian 12 and 13: installed, upgraded, removed, purged, by apt and dpkg as people do it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::rig::Machine;
use crate::watched::LIMIT;

/// A package with the program that was built for this test, without its debug information, and not compressed.
fn package(folder: &Path, version: &str) -> PathBuf {
    let program = folder.join("steadfast");
    if !program.exists() {
        let stripped =
            Command::new("strip").arg("-o").arg(&program).arg(env!("CARGO_BIN_EXE_steadfast")).status();
        assert!(stripped.expect("strip runs").success());
    }
    let output = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/deb/build.sh"))
        .args([&program, folder])
        .envs([("VERSION", version), ("COMPRESSION", "none"), ("SOURCE_DATE_EPOCH", "1790000000")])
        .output()
        .expect("build.sh runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let made = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let named = |path: &PathBuf| path.to_string_lossy().contains(&format!("steadfast_{version}_"));
    made.into_iter().find(named).expect("a package")
}

/// Every file of the disk that a package may leave behind, with what it says of itself.
fn disk(machine: &Machine) -> BTreeSet<String> {
    // Logs, caches and what dpkg and systemd write about every package are of no package.
    let found = machine.sh(
        "find / -xdev \\( -path /proc -o -path /sys -o -path /dev -o -path /run -o -path /tmp -o -path /root \
         -o -path /var/log -o -path /var/cache -o -path /var/lib/dpkg -o -path /var/lib/apt -o -path /var/tmp \
         -o -path /var/lib/systemd -o -path /etc/.pwd.lock \\) -prune -o -print",
    );
    found.lines().map(str::to_owned).collect()
}

/// Waits until the unit is in this state, as the command tells it: there is no curl on these machines.
fn state(machine: &Machine, unit: &str, state: &str) {
    let asked = format!("steadfast status -o name --state {state} {unit}; true");
    machine.wait_until(&format!("{unit} is {state}"), LIMIT, || machine.sh(&asked) == unit);
}

/// apt, as people and scripts call it.
fn apt(machine: &Machine, what: &str) {
    println!("{}", machine.sh(&format!("DEBIAN_FRONTEND=noninteractive apt-get -y -q {what} 2>&1")));
}

/// The version that a field of dependencies asks of this package, as numbers.
fn at_least(depends: &str, package: &str) -> Vec<u32> {
    let asked = depends.split(", ").find_map(|one| one.strip_prefix(&format!("{package} (>= ")));
    assert!(asked.is_some(), "no {package} in {depends}");
    let version = asked.unwrap_or_default().trim_end_matches(')');
    version.split('.').map(|part| part.parse().expect("a number")).collect()
}

/// Ubuntu 22.04 has glibc 2.35 and systemd 249, and is the oldest that docs/packages.md names. What the program needs of glibc
/// depends on the one that it was built with, so that this says when a build on a newer host would not install there.
#[test]
fn what_it_depends_on_is_there_in_ubuntu_22_04() {
    let folder = tempfile::tempdir().expect("a folder");
    let made = package(folder.path(), "0.1.0");
    let output = Command::new("dpkg-deb").arg("-f").arg(made).arg("Depends").output().expect("dpkg-deb runs");
    let depends = String::from_utf8(output.stdout).expect("text").trim().to_owned();
    assert!(at_least(&depends, "libc6") <= vec![2, 35], "{depends}");
    assert!(at_least(&depends, "systemd") <= vec![249], "{depends}");
    // The field is what the program itself asks for, and not only a promise.
    let symbols = Command::new("objdump").arg("-T").arg(folder.path().join("steadfast")).output();
    let symbols = String::from_utf8(symbols.expect("objdump runs").stdout).expect("text");
    let versions = symbols.split("GLIBC_").skip(1).filter_map(|rest| {
        let version = rest.split(|letter: char| !letter.is_ascii_digit() && letter != '.').next()?;
        version.split('.').map(|part| part.parse::<u32>().ok()).collect::<Option<Vec<u32>>>()
    });
    assert_eq!(versions.max(), Some(at_least(&depends, "libc6")), "{depends}");
}

fn whole_life(release: &str) {
    let folder = tempfile::tempdir().expect("a folder");
    let packages = [("first.deb", "0.0.9"), ("second.deb", "0.1.0")];
    let made = packages.map(|(name, version)| (name, package(folder.path(), version)));
    let machine = Machine::boot_as_installed(&format!("package-{release}"), release);
    for (name, package) in made {
        std::fs::copy(package, machine.on_disk("/var/tmp").join(name)).expect("a copy");
    }
    let before = disk(&machine);
    install(&machine);
    first_minutes(&machine);
    upgrade(&machine);
    remove(&machine);
    apt(&machine, "install /var/tmp/first.deb");
    apt(&machine, "purge steadfast");
    nothing_is_left(&machine, &before);
}

/// It runs, it starts at boot, and waits for a first unit.
fn install(machine: &Machine) {
    apt(machine, "install /var/tmp/first.deb");
    assert_eq!(machine.sh("systemctl is-active steadfast.service steadfast.socket"), "active\nactive");
    assert_eq!(machine.sh("systemctl is-enabled steadfast.service steadfast.socket"), "enabled\nenabled");
    machine.sh(
        "getent group steadfast && test -d /etc/steadfast/units.d && steadfast verify && steadfast status",
    );
    // These machines, like small images, keep no man pages and no documentation of packages.
    let files = "/usr/share/bash-completion/completions/steadfast /etc/apt/apt.conf.d/80steadfast \
        /etc/steadfast/steadfast.toml";
    assert_eq!(machine.sh(&format!("ls {files}")).lines().count(), 3);
}

/// One command, and what is killed is found and told.
fn first_minutes(machine: &Machine) {
    machine.write(
        "/etc/systemd/system/shop.service",
        "[Service]\nExecStart=/bin/sleep inf\n[Install]\nWantedBy=multi-user.target\n",
    );
    let told = "#!/bin/sh\necho \"$STEADFAST_STATUS $STEADFAST_SUMMARY\" >>/root/told\n";
    machine.write_program("/usr/local/bin/told", told);
    machine.sh("systemctl daemon-reload && systemctl enable --now shop.service");
    let set_up = machine.sh("steadfast init --yes --act --adopt shop.service --command /usr/local/bin/told");
    println!("{set_up}");
    assert!(set_up.contains("/etc/steadfast/units.d/shop.service.toml"), "{set_up}");
    assert_eq!(machine.sh("steadfast verify"), "2 files read, nothing to correct");
    state(machine, "shop.service", "ok");
    machine.sh(": >/root/told; systemctl kill --kill-who=main --signal=KILL shop.service");
    let was_told = |what: &str| machine.try_sh("cat /root/told").stdout.contains(what);
    let took = machine.wait_until("it is told", LIMIT, || was_told("firing shop.service failed"));
    println!("told {took:?} after it was killed");
    // A package manager was at work a moment ago, and nothing is healed for a minute. A person need not wait.
    machine.sh("steadfast recover shop.service");
    state(machine, "shop.service", "ok");
    machine.wait_until("its end is told", LIMIT, || was_told("resolved"));
    machine.sh("rm /root/told");
}

/// The new program runs at once, knows what the old one knew, and alerts nobody.
fn upgrade(machine: &Machine) {
    machine.sh("steadfast hold shop.service --for 1h --reason 'kept over the upgrade'");
    let old = machine.sh("systemctl show -P MainPID steadfast.service");
    apt(machine, "install /var/tmp/second.deb");
    assert_eq!(machine.sh("systemctl is-active steadfast.service steadfast.socket"), "active\nactive");
    assert_ne!(machine.sh("systemctl show -P MainPID steadfast.service"), old);
    state(machine, "shop.service", "held");
    assert!(machine.sh("steadfast status shop; true").contains("kept over the upgrade"));
    let settings = machine.read("/etc/steadfast/steadfast.toml");
    assert!(settings.contains("[alert.command]"), "what was written there is kept");
    assert_eq!(machine.sh("cat /root/told 2>/dev/null; true"), "", "nobody was alerted");
    // What an admin disabled and stopped stays so over the next one.
    machine
        .sh("steadfast resume shop.service && systemctl disable --quiet steadfast.socket steadfast.service");
    machine.sh("systemctl stop steadfast.service");
    apt(machine, "install --reinstall /var/tmp/second.deb");
    assert_eq!(machine.try_sh("systemctl is-enabled steadfast.service").stdout, "disabled");
}

/// It is stopped; settings and state stay.
fn remove(machine: &Machine) {
    machine.sh("systemctl enable -q steadfast-boot-check.service");
    apt(machine, "remove steadfast");
    assert_eq!(
        machine.sh("find /etc/systemd -name 'steadfast-boot-check*'"),
        "",
        "no boot needs what is gone"
    );
    let stopped =
        machine.try_sh("systemctl is-active steadfast.service steadfast.socket steadfast-prober.socket");
    assert_eq!(stopped.stdout, "inactive\ninactive\ninactive");
    machine.sh(
        "test -s /var/lib/steadfast/steadfast.db && test -s /etc/steadfast/steadfast.toml && test ! -e /usr/bin/steadfast",
    );
}

/// After a purge.
fn nothing_is_left(machine: &Machine, before: &BTreeSet<String>) {
    let after = disk(machine);
    let ours = |file: &&String| file.contains("shop.service") || file.ends_with("/told");
    let left: Vec<&String> = after.difference(before).filter(|file| !ours(file)).collect();
    assert!(left.is_empty(), "a purge leaves nothing: {left:#?}");
    assert_eq!(machine.try_sh("getent group steadfast").stdout, "");
    let named = machine.sh("find /run /var/lib/systemd -xdev -name '*steadfast*' -not -path '*/transient/*'");
    assert_eq!(named, "", "nor does systemd keep a trace");
    assert_eq!(machine.sh("systemctl list-units --failed --no-legend --plain 'steadfast*'"), "");
}

#[test]
fn on_debian_12_the_package_comes_and_goes_without_a_trace() {
    whole_life("bookworm");
}

#[test]
fn on_debian_13_the_package_comes_and_goes_without_a_trace() {
    whole_life("trixie");
}
