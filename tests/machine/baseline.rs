//! Before and after an upgrade: nothing on an idle host; exactly the unit that a real package left stopped, told and over again.

use std::time::Duration;

use serde_json::Value;

use crate::receiver;
use crate::rig::Machine;
use crate::watched::{LIMIT, status};

/// Longest time from the end of an upgrade until the comparison was told: 30 s of quiet, and a reading.
const TOLD: Duration = Duration::from_secs(90);

const SETTINGS: &str =
    "[alert.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:8099/hook\"\ntimeout = \"1s\"\n";

/// Builds `shop` in two versions: the second one's upgrade stops and disables its unit, and starts nothing again.
const PACKAGES: &str = r#"
set -e
cd /srv
for version in 1.6.18 1.6.19; do
  root=shop-$version; mkdir -p $root/DEBIAN $root/lib/systemd/system $root/usr/bin
  printf 'Package: shop\nVersion: %s\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: a shop\n' $version >$root/DEBIAN/control
  printf '#!/usr/bin/python3\nimport socketserver\n# version %s\nsocketserver.TCPServer(("127.0.0.1", 8080), socketserver.BaseRequestHandler).serve_forever()\n' $version >$root/usr/bin/shop
  chmod 755 $root/usr/bin/shop
  printf '[Service]\nExecStart=/usr/bin/shop\nKillSignal=SIGKILL\nSuccessExitStatus=SIGKILL\n[Install]\nWantedBy=multi-user.target\n' >$root/lib/systemd/system/shop.service
  if [ $version = 1.6.19 ]; then
    printf '#!/bin/sh\nset -e\nsystemctl disable --quiet --now shop.service\n' >$root/DEBIAN/preinst; chmod 755 $root/DEBIAN/preinst
    printf '#!/bin/sh\nset -e\nsystemctl daemon-reload\n' >$root/DEBIAN/postinst; chmod 755 $root/DEBIAN/postinst
  fi
  dpkg-deb --root-owner-group -b $root shop_$version.deb >/dev/null
done
"#;

/// What a comparison says: its exit status, and its JSON.
fn diff(machine: &Machine, rest: &str) -> (Option<i32>, Value) {
    let output = machine.try_sh(&format!("steadfast --json baseline diff {rest}"));
    println!("baseline diff {rest}: exit status {:?}, in {:?} {}", output.code, output.took, output.stderr);
    (output.code, serde_json::from_str(&output.stdout).unwrap_or_default())
}

/// Every difference as `gravity unit message`.
fn lines(found: &Value, worse_only: bool) -> Vec<String> {
    let all = found["differences"].as_array().cloned().unwrap_or_default();
    let wanted = |one: &&Value| !worse_only || one["gravity"] != "note";
    let line = |one: &Value| {
        let text = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        format!("{} {}: {}", text("gravity"), text("unit"), text("message"))
    };
    all.iter().filter(wanted).map(line).collect()
}

/// Alerts that arrived, as `code status`.
fn arrived(machine: &Machine) -> Vec<String> {
    let mut told = Vec::new();
    for line in machine.read("/srv/got.jsonl").lines() {
        let line: Value = serde_json::from_str(line).expect("a line");
        let body: Value = serde_json::from_str(line["body"].as_str().expect("a body")).expect("JSON");
        for alert in body["alerts"].as_array().expect("alerts") {
            let text = |key: &str| alert[key].as_str().unwrap_or_default().to_owned();
            told.push(format!("{} {}", text("code"), text("status")));
        }
    }
    told
}

fn finding(machine: &Machine) -> String {
    status(machine, ".findings[] | select(.code == \"host-worse-than-baseline\") | .message")
}

/// A host that was upgraded: Steadfast with its hook, and somebody who is told.
fn host(machine: &Machine) {
    receiver::web(machine);
    machine.write("/etc/steadfast/steadfast.toml", SETTINGS);
    machine.install_steadfast();
    machine.install_hooks();
}

/// No comparison waits any more.
fn compared(machine: &Machine) {
    machine.wait_until("the upgrade was compared", TOLD, || {
        machine.try_sh("systemctl is-active --quiet steadfast-after-apt.service").code != Some(0)
    });
}

#[test]
fn an_idle_host_is_as_it_was_also_after_a_reboot() {
    let mut machine = Machine::boot("idle");
    machine.install_steadfast();
    machine.add_user("joe");
    machine.enable_linger("joe");
    let saved = machine.try_sh("steadfast baseline save before-the-upgrade");
    println!("$ steadfast baseline save\n{}\n(in {:?})", saved.stdout, saved.took);
    assert!(saved.ok(), "{saved:?}");
    println!("{}", machine.sh("ls -l --block-size=1 /var/lib/steadfast/baselines; steadfast baseline list"));
    println!("{}", machine.sh("steadfast baseline show"));
    let modes = machine.sh("stat -c %a /var/lib/steadfast/baselines /var/lib/steadfast/baselines/*");
    assert_eq!(modes, "700\n600");

    let (code, found) = diff(&machine, "");
    assert_eq!((code, lines(&found, false)), (Some(0), Vec::new()));
    let page = machine.sh("steadfast baseline diff");
    assert!(page.contains("idle: nothing is worse than in before-the-upgrade"), "{page}");

    // Whoever is not root knows less, says so, and sees nothing that is not there; a user's own instance is whole.
    let as_joe = machine.try_sh_as(
        "joe",
        "export STEADFAST_STATE_DIR=$HOME/x; steadfast baseline save && steadfast baseline diff",
    );
    println!("as joe: {:?}\n{}{}", as_joe.code, as_joe.stdout, as_joe.stderr);
    assert_eq!(as_joe.code, Some(3));
    assert!(as_joe.stdout.contains("NOT KNOWN") && !as_joe.stdout.contains("CRITICAL"), "{}", as_joe.stdout);
    let own = machine.try_sh_as("joe", "steadfast --user baseline save && steadfast --user baseline diff");
    println!("as joe, --user: {:?}\n{}{}", own.code, own.stdout, own.stderr);
    assert_eq!(own.code, Some(0));

    machine.reboot();
    let (code, found) = diff(&machine, "before-the-upgrade");
    assert_eq!((code, lines(&found, true)), (Some(0), Vec::new()), "{:?}", lines(&found, false));
    assert_eq!(found["rebooted"], true);
    assert_eq!(machine.try_sh("steadfast baseline diff nobody").code, Some(3));
}

#[test]
fn a_unit_that_an_upgrade_left_stopped_is_listed_told_and_over_when_it_runs() {
    let machine = Machine::boot("upgraded");
    host(&machine);
    machine.sh(PACKAGES);
    machine.sh("apt-get install -y -q /srv/shop_1.6.18.deb 2>&1; systemctl enable -q --now shop");
    machine.wait_until("it listens", LIMIT, || machine.try_sh("ss -ltn | grep -q 127.0.0.1:8080").ok());
    compared(&machine);
    // What was installed is no loss.
    assert_eq!(finding(&machine), "");

    let upgrade = machine.try_sh("apt-get install -y -q /srv/shop_1.6.19.deb 2>&1");
    println!("the upgrade: {:?}, in {:?}\n{}", upgrade.code, upgrade.took, upgrade.stdout);
    assert!(upgrade.ok(), "the hook fails no transaction");
    println!("{}", machine.sh("journalctl -t steadfast-hook -o cat --no-pager"));
    let took = machine.wait_until("it is a finding", TOLD, || !finding(&machine).is_empty());
    println!("found {took:?} after the upgrade: {}", finding(&machine));

    let page = machine.try_sh("steadfast baseline diff --newest apt");
    println!("$ steadfast baseline diff\n{}", page.stdout);
    let (code, found) = diff(&machine, "--newest apt");
    assert_eq!(code, Some(2));
    let worse = lines(&found, true);
    assert_eq!(worse, ["critical shop.service: shop.service was active (running), is inactive (dead)"]);
    let evidence = found["differences"][0]["evidence"].to_string();
    for told in [
        "nothing listens on tcp 127.0.0.1:8080 any more",
        "was enabled, is disabled",
        "shop 1.6.18 -> 1.6.19",
        "managed by nobody",
    ] {
        assert!(evidence.contains(told), "{told}: {evidence}");
    }
    assert_eq!(found["differences"][0]["repair"], "systemctl enable --now shop.service");

    compared(&machine);
    let firing = "host-worse-than-baseline firing".to_owned();
    machine.wait_until("somebody was told", LIMIT, || arrived(&machine).contains(&firing));
    // It outlives our own restart, and is told once.
    machine.sh("systemctl restart steadfast");
    machine.wait_until("it is still a finding", LIMIT, || !finding(&machine).is_empty());
    machine.sh("systemctl start shop");
    let took = machine.wait_until("it is over", LIMIT, || finding(&machine).is_empty());
    println!("over {took:?} after it was started");
    machine.wait_until("its end was told", LIMIT, || arrived(&machine).len() >= 2);
    assert_eq!(arrived(&machine), [firing, "host-worse-than-baseline resolved".to_owned()]);
    println!("{}", machine.sh("steadfast incidents"));
}

#[test]
fn memcached_that_nobody_manages_and_an_upgrade_stopped_is_in_the_list_until_it_is_accepted() {
    let machine = Machine::boot_with_servers("cache");
    machine.sh("systemctl enable -q --now memcached");
    machine.install_steadfast();
    machine.sh("steadfast baseline save");
    // The same files as a newer version, which stops the service and leaves it to somebody else.
    machine.sh(
        r#"set -e
        root=/srv/memcached; mkdir -p $root/DEBIAN
        dpkg -L memcached | while read -r path; do [ -d "$path" ] || [ ! -e "$path" ] || cp --parents -P "$path" $root; done
        version=$(dpkg-query -W -f '${Version}' memcached)
        dpkg-query -s memcached | grep -v -e '^Status:' -e '^Conffiles:' -e '^ /etc' | sed "s/^Version: .*/Version: $version+1/" >$root/DEBIAN/control
        printf '#!/bin/sh\nsystemctl stop memcached.service\n' >$root/DEBIAN/preinst; chmod 755 $root/DEBIAN/preinst
        dpkg-deb --root-owner-group -b $root /srv/memcached.deb
        DEBIAN_FRONTEND=noninteractive dpkg --force-confnew -i /srv/memcached.deb"#,
    );
    let (code, found) = diff(&machine, "--tell");
    println!("{:#?}", lines(&found, false));
    assert_eq!(code, Some(2));
    assert_eq!(
        lines(&found, true),
        ["critical memcached.service: memcached.service was active (running), is inactive (dead)"]
    );
    assert!(
        found["differences"][0]["evidence"].to_string().contains("its package changed: memcached 1."),
        "{found}"
    );
    machine.wait_until("it is a finding", LIMIT, || finding(&machine).contains("memcached.service"));

    // Somebody says that it is meant so: over, by name, and later comparisons begin here.
    let accepted = machine.sh("steadfast baseline accept");
    assert!(accepted.contains("is accepted by root"), "{accepted}");
    machine.wait_until("it is over", LIMIT, || finding(&machine).is_empty());
    assert_eq!(diff(&machine, "").0, Some(0));

    // Without the daemon the result is the same, and it says that nobody was told.
    machine.sh("systemctl stop steadfast.service steadfast.socket");
    machine.sh("systemctl start memcached; steadfast baseline save with; systemctl stop memcached");
    let output = machine.try_sh("steadfast baseline diff with --tell");
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("no alert was sent: cannot reach the supervisor"), "{}", output.stderr);
}

#[test]
fn a_hook_that_cannot_do_its_work_fails_no_transaction() {
    let machine = Machine::boot("hooked");
    machine.install_hooks();
    machine.sh(PACKAGES);
    // Not installed, or not any more.
    let output = machine.try_sh("apt-get install -y -q /srv/shop_1.6.18.deb 2>&1");
    assert!(output.ok() && !output.stdout.contains("steadfast"), "{output:?}");
    // It hangs, deaf to a polite word.
    machine.write_program(
        "/usr/bin/steadfast",
        "#!/bin/sh\ntrap '' TERM\necho it hangs\nsleep 1000 & sleep 1000\n",
    );
    let output = machine.try_sh("apt-get remove -y -q shop 2>&1");
    println!("the transaction took {:?}", output.took);
    assert!(output.ok() && !output.stdout.contains("it hangs"), "{output:?}");
    assert!(output.took < Duration::from_secs(40), "{:?}", output.took);
}
