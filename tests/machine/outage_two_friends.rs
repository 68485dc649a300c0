//! O2: what looks like an old release and is none stays quiet: names with `(deleted)`, renames, bind mounts, namespaces.

use crate::rig::Machine;
use crate::watched::{finding, manage, unit};

const ALERT: &str = "on_stale = \"alert\"\n";

/// Unit, what its service adds, the keys of its `[release]`.
const FRIENDS: [(&str, &str, &str); 5] = [
    ("named", "WorkingDirectory=/srv/named/current", ""),
    ("renamed", "WorkingDirectory=/srv/renamed/current", ""),
    ("bound", "WorkingDirectory=/mnt/bound", "link = \"/srv/bound/current\"\n"),
    (
        "inside",
        "WorkingDirectory=/opt/inside\nPrivateTmp=yes\nBindPaths=/srv/inside/releases/1:/opt/inside",
        "link = \"/srv/inside/current\"\n",
    ),
    ("private", "WorkingDirectory=/srv/private/current\nPrivateTmp=yes\nProtectSystem=strict", ""),
];

const TREES: &str = "
for name in named renamed bound inside private control; do
    mkdir -p /srv/$name/releases/{1,2}
    ln -s releases/1 /srv/$name/current
done
mv /srv/named/releases/1 '/srv/named/releases/1 (deleted)'
ln -sfn 'releases/1 (deleted)' /srv/named/current
mkdir -p /mnt/bound /opt/inside
mount --bind /srv/bound/releases/1 /mnt/bound
";

fn serve(machine: &Machine, name: &str, service: &str, release: &str) {
    machine.write(
        &format!("/etc/systemd/system/{name}.service"),
        &format!(
            "[Service]\nExecStart=/usr/bin/sleep infinity\n{service}\n[Install]\nWantedBy=multi-user.target\n"
        ),
    );
    machine.sh(&format!("systemctl daemon-reload && systemctl enable --now {name}.service"));
    manage(machine, &format!("{name}.service"), &format!("[release]\n{ALERT}{release}"));
}

/// Sets a link anew to where it leads, which is no switch, and has Steadfast look at the unit.
fn looked_at_anew(machine: &Machine, name: &str) {
    let asked = "curl -sf --unix-socket /run/steadfast/steadfast.sock";
    machine.sh(&format!(
        "ln -sfn \"$(readlink /srv/{name}/current)\" /srv/{name}/current; \
         {asked} 'http://localhost/v1/units/{name}.service?fresh=true' >/dev/null"
    ));
}

#[test]
fn four_false_friends_stay_quiet() {
    let machine = Machine::boot("o2-friends");
    machine.sh(TREES);
    machine.install_steadfast();
    for (name, service, release) in FRIENDS {
        serve(&machine, name, service, release);
    }
    serve(&machine, "control", "WorkingDirectory=/srv/control/current", "");

    machine.sh("mv /srv/renamed/releases/1 /srv/renamed/releases/1-kept && ln -sfn releases/1-kept /srv/renamed/current");
    machine.sh("ln -sfn /mnt/bound /srv/bound/current");
    machine.sh("ln -sfn releases/2 /srv/control/current");
    finding(&machine, "control.service", "release-outdated");
    for _ in 0..2 {
        for (name, ..) in FRIENDS {
            looked_at_anew(&machine, name);
        }
    }
    for (name, ..) in FRIENDS {
        let asked = format!(
            "curl -sf --unix-socket /run/steadfast/steadfast.sock http://localhost/v1/units/{name}.service"
        );
        let found =
            machine.sh(&format!("{asked} | jq -c '[.events[] | select(.kind == \"found\") | .message]'"));
        assert_eq!(found, "[]", "{name} is quiet");
        let lives = unit(
            &machine,
            &format!("{name}.service"),
            ".release | .current + \" \" + ([.processes[].residence] | join(\",\"))",
        );
        println!("{name}: {lives}");
        assert!(lives.ends_with(" current"), "{name}: {lives}");
    }
}
