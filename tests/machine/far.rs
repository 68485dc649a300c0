//! `-H` over a real sshd: hosts that answer, do not, are of another version, or let nobody do that.

use crate::rig::Machine;
use crate::watched::LIMIT;

/// One machine under four names.
const CONFIG: &str = "Host may-not\n  User joe\nHost old\n  User old\nHost gone\n  Port 9\nHost barred\n  User nobody\n\
    Host *\n  HostName 127.0.0.1\n  User root\n  StrictHostKeyChecking accept-new\n";

const OLDER: &str = r#"#!/bin/sh
[ "$*" != --version ] || exec echo 'steadfast 0.0.9'
echo "error: unexpected argument '--for' found" >&2
exit 64
"#;

fn prepared() -> Machine {
    let machine = Machine::boot_as_installed("far", "trixie");
    machine.install_steadfast();
    machine.write(
        "/etc/systemd/system/shop.service",
        "[Service]\nExecStart=/bin/sleep inf\n[Install]\nWantedBy=multi-user.target\n",
    );
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop");
    machine.write("/etc/steadfast/units.d/shop.service.toml", "");
    ["joe", "old"].into_iter().for_each(|user| machine.add_user(user));
    machine.write_program("/home/old/bin/steadfast", OLDER);
    machine.write("/home/old/.bashrc", "PATH=/home/old/bin:$PATH\n");
    machine.sh("mkdir -pm700 /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id_ed25519
        cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys
        for user in joe old; do
          install -d -m700 -o $user /home/$user/.ssh
          install -m600 -o $user /root/.ssh/id_ed25519.pub /home/$user/.ssh/authorized_keys
        done
        chown -R old /home/old; systemctl start ssh");
    machine.write("/root/.ssh/config", CONFIG);
    machine
}

#[test]
fn other_hosts_are_asked_over_ssh() {
    let machine = prepared();
    let asked = "steadfast status -o name --state ok shop; true";
    machine.wait_until("shop is ok", LIMIT, || machine.sh(asked) == "shop.service");
    // The last step of a deploy: reached, closed port, no login, may not, older.
    let wait = "wait shop --for=Active,Enabled --timeout 20s";
    let well = machine.try_sh(&format!("steadfast -H web1,web2 {wait}"));
    assert_eq!(well.code, Some(0), "{well:?}");
    assert!(well.stdout.contains("web2  shop.service: Active, Enabled as wanted after "), "{well:?}");
    let all = machine.try_sh(&format!("steadfast -H web1,gone,barred,may-not,old {wait}"));
    println!("{}{}", all.stdout, all.stderr);
    assert_eq!(all.code, Some(3), "{all:?}");
    for said in [
        "? gone     unreachable: ssh: connect to host 127.0.0.1 port 9: Connection refused\n",
        "? old      steadfast 0.0.9 there does not know what was asked (error: unexpected argument '--for' found)",
        "● web1     shop.service: Active, Enabled as wanted",
        "? may-not  this user is not permitted: log in as one who is, such as -H root@may-not\n",
        "? barred   unreachable: nobody@127.0.0.1: Permission denied",
    ] {
        let (plain, ascii) = (said.to_owned(), said.replace('●', "*"));
        assert!(all.stdout.contains(&plain) || all.stdout.contains(&ascii), "{said}: {all:?}");
    }
    // Words reach the far side as they were typed, and what they change is changed there.
    let hold = machine.try_sh(r#"steadfast -H web1 hold 'sho*' --for 10m --reason "it's \$HOME; \`id\`""#);
    assert_eq!(hold.code, Some(0), "{hold:?}");
    let held = machine
        .sh("steadfast -H web1 --json status shop | jq -r '.[0] | .host + \" \" + .output.hold.reason'");
    assert_eq!(held, "web1 it's $HOME; `id`");
    assert_eq!(
        machine.sh("steadfast -H web1 resume shop >/dev/null; steadfast status -o name --state held; true"),
        ""
    );
    // One table.
    let table = machine.try_sh("steadfast -H web1,gone status");
    println!("{}", table.stdout);
    assert!(table.stdout.contains("1 unit, all well") && table.code == Some(3), "{table:?}");
    boot_check(&machine);
}

/// What blesses a boot waits for every managed unit, and fails where one does not come up.
fn boot_check(machine: &Machine) {
    let bless = "systemctl start boot-complete.target";
    assert_eq!(machine.try_sh("systemctl is-enabled steadfast-boot-check").stdout, "disabled");
    machine.sh("systemctl enable -q steadfast-boot-check");
    machine.sh(bless);
    assert_eq!(machine.sh("systemctl is-active boot-complete.target steadfast-boot-check"), "active\nactive");
    assert!(machine.sh("journalctl -u steadfast-boot-check -o cat").contains("1 unit: as wanted after "));
    // The next boot: the unit does not come up, and nobody else is to blame.
    machine.sh("systemctl stop boot-complete.target steadfast-boot-check
        mkdir -p /etc/systemd/system/{steadfast-boot-check,shop}.service.d
        printf '[Service]\nExecStart=\nExecStart=/usr/bin/steadfast wait --all --timeout 3s\n' >/etc/systemd/system/steadfast-boot-check.service.d/short.conf
        printf '[Service]\nExecStart=\nExecStart=/bin/false\n' >/etc/systemd/system/shop.service.d/broken.conf
        systemctl daemon-reload; systemctl restart shop");
    machine.wait_until("it is seen to be down", LIMIT, || {
        machine.sh("steadfast status -o name --state down,quarantined shop; true") == "shop.service"
    });
    let failed = machine.try_sh(bless);
    assert!(!failed.ok(), "{failed:?}");
    let said = machine.sh("journalctl -u steadfast-boot-check -o cat");
    assert!(said.contains("steadfast: shop.service after "), "{said}");
    assert_ne!(machine.try_sh("systemctl is-active boot-complete.target").stdout, "active");
}
