//! Enablement as we read it from the disk is what systemd says, for every unit file of two releases and for odd ones besides.

use std::collections::BTreeMap;
use std::path::PathBuf;

use steadfast::model::unit::UnitFileState;
use steadfast::systemd::enablement;

use crate::rig::Machine;

/// One of each state, each way to be wanted, and what is not plain.
const MAKE: &str = r#"
cd /etc/systemd/system
unit() { printf '[Service]\nExecStart=/bin/sleep infinity\n%b' "$2" >"$1"; }
install='[Install]\nWantedBy=multi-user.target\n'
for name in on off runtime masked masked-runtime; do unit a-$name.service "$install"; done
unit a-static.service ''
unit a-also.service '[Install]\nAlso=a-off.service\n'
unit a-alias.service '[Install]\nAlias=a-other.service\n'
unit a-alias-off.service '[Install]\nAlias=a-other-off.service\n'
unit a-reset.service '[Install]\nWantedBy=multi-user.target\nWantedBy=\n'
unit a-dropped.service ''
mkdir a-dropped.service.d
printf '[Install]\nWantedBy=multi-user.target\n' >a-dropped.service.d/install.conf
unit a-required.service '[Install]\nRequiredBy=multi-user.target\n'
unit a-default@.service "${install}DefaultInstance=one\n"
unit a-many@.service "$install"
unit a-spread.service '[Install]\nWantedBy=multi-user.target \\\n graphical.target\n'
unit a-by-hand.service ''
mkdir -p some.target.wants
ln -s ../a-by-hand.service some.target.wants/a-by-hand.service
ln -s ../nowhere.service some.target.wants/nowhere.service
: >a-empty.service
ln -s /lib/systemd/system/cron.service a-named-otherwise.service
unit /usr/lib/systemd/system/a-vendor.service "$install"
unit a-vendor.service "$install"
mkdir -p /opt/a
unit /opt/a/a-linked.service "$install"
unit /opt/a/a-linked-runtime.service "$install"
mkdir -p /run/systemd/system
unit /run/systemd/system/a-in-run.service "$install"
systemctl daemon-reload
systemctl -q enable a-on a-alias a-required a-default@ a-many@x.service a-spread a-vendor /opt/a/a-linked.service
systemctl -q --runtime enable a-runtime
systemctl -q --runtime link /opt/a/a-linked-runtime.service
systemctl -q disable a-linked
systemctl -q link /opt/a/a-linked.service
systemctl -q mask a-gone
rm a-masked.service a-masked-runtime.service
systemctl -q mask a-masked
systemctl -q --runtime mask a-masked-runtime
systemd-run -q --unit=a-transient sleep infinity
systemctl daemon-reload
"#;

fn host_root(machine: &Machine) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root", machine.pid1()))
}

fn agrees(release: &str) {
    let machine = Machine::boot_as_installed(&format!("enablement-{release}"), release);
    machine.sh(MAKE);
    let listed =
        machine.sh("systemctl list-unit-files --no-legend --no-pager --plain | awk '{print $1, $2}'");
    let listed: BTreeMap<&str, &str> = listed.lines().filter_map(|line| line.split_once(' ')).collect();
    let ours: BTreeMap<String, Option<UnitFileState>> =
        enablement::below(&host_root(&machine)).into_iter().map(|(unit, state)| (unit.0, state)).collect();
    let names: Vec<&str> = ours.keys().map(String::as_str).collect();
    assert_eq!(names, listed.keys().copied().collect::<Vec<_>>(), "the same unit files");
    let mut unsure = Vec::new();
    for (name, state) in &ours {
        let theirs = listed.get(name.as_str()).copied();
        match state {
            // An init script that no run level starts; the list says what its generator does.
            Some(UnitFileState::InitScriptOff) => assert_eq!(theirs, Some("generated"), "{name}"),
            Some(state) => assert_eq!(Some(state.as_str()), theirs, "{name}"),
            None => unsure.push(name.as_str()),
        }
    }
    println!("{release}: {} unit files, the manager is to be asked about {unsure:?}", ours.len());
    assert!(unsure.len() * 20 < ours.len(), "few have to be asked about: {unsure:?}");
    for plain in ["a-on.service", "a-off.service", "a-static.service", "a-masked.service", "a-many@.service"]
    {
        assert!(!unsure.contains(&plain), "{plain} is plain");
    }
    for instance in ["a-many@x.service", "a-many@y.service", "a-default@one.service", "getty@tty1.service"] {
        let theirs = machine.try_sh(&format!("systemctl is-enabled {instance}")).stdout;
        let ours = enablement::of_one(&host_root(&machine), &instance.into());
        if let Some(ours) = ours {
            assert_eq!(ours.as_str(), theirs, "{instance}");
        }
    }
}

#[test]
fn the_disk_and_systemd_agree_about_every_unit_file() {
    for release in ["bookworm", "trixie"] {
        agrees(release);
    }
}
