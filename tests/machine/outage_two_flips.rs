//! O2: twenty flips by every way of flipping, and how soon each is told.

use std::collections::BTreeMap;

use crate::rig::Machine;
use crate::watched::manage;

const FLIPS: &str = include_str!("flips.py");

/// Three units of which the link is plain, leads to another link, and lies below a directory that is a link.
const TREES: &str = "
mkdir -p /srv/plain/releases/{1,2} /srv/nested/releases/{1,2} /data/parent-{1,2}/releases/7
ln -s releases/1 /srv/plain/current
ln -s releases/1 /srv/nested/live; ln -s live /srv/nested/current
ln -s releases/7 /data/parent-1/current; ln -s releases/7 /data/parent-2/current; ln -s /data/parent-1 /srv/parent
";

#[test]
fn twenty_flips_by_every_way_are_each_told_within_a_second() {
    let machine = Machine::boot("o2-flips");
    machine.sh(TREES);
    for name in ["plain", "nested", "parent"] {
        machine.write(
            &format!("/etc/systemd/system/{name}.service"),
            &format!("[Service]\nWorkingDirectory=/srv/{name}/current\nExecStart=/usr/bin/php -r 'while (true) sleep(1);'\n[Install]\nWantedBy=multi-user.target\n"),
        );
        machine.sh(&format!("systemctl daemon-reload && systemctl enable --now {name}.service"));
    }
    machine.install_steadfast();
    for name in ["plain", "nested", "parent"] {
        manage(&machine, &format!("{name}.service"), "[release]\non_stale = \"alert\"\n");
    }
    machine.write("/root/flips.py", FLIPS);
    let told = machine.sh("python3 /root/flips.py");
    let mut by_way: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut all = Vec::new();
    for line in told.lines() {
        let (took, way) = line.split_once(' ').expect("a time and a way");
        let took: f64 = took.parse().expect("milliseconds");
        by_way.entry(way).or_default().push(took);
        all.push(took);
    }
    all.sort_by(f64::total_cmp);
    assert_eq!(all.len(), 20, "{told}");
    for (way, took) in by_way {
        println!("{way}: {took:?} ms");
    }
    let (median, worst) = (all[9].midpoint(all[10]), all[19]);
    println!("20 flips: told after {median:.1} ms (median), {worst:.1} ms (worst)");
    assert!(worst < 1000.0, "{all:?}");
}
