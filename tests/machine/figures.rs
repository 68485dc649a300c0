//! A small run of what `make bench` measures: each figure comes out. What they are is no matter here.

use std::time::Duration;

use crate::rig::Machine;

const MEASURE: &str = include_str!("bench/measure.py");
const LIMIT: Duration = Duration::from_secs(240);

#[test]
fn the_bench_measures_a_small_host() {
    let machine = Machine::boot("figures");
    machine.install_steadfast();
    machine.write("/opt/measure.py", MEASURE);
    machine.sh(
        "systemd-run -q --unit=measure -p StandardOutput=file:/run/figures -p StandardError=file:/run/trouble \
         python3 /opt/measure.py 12 1 smoke",
    );
    machine.wait_until("it is measured", LIMIT, || {
        !machine.run(&["systemctl", "is-active", "-q", "measure.service"]).ok()
    });
    assert_eq!(machine.sh("cat /run/trouble"), "");
    let figures = machine.sh("jq -r .figure /run/figures");
    for figure in [
        "start: CPU of all processes",
        "memory once all is read: resident",
        "idle: CPU of Steadfast a minute",
        "death: kill to active",
        "flip of a link to the line about it",
        "audit: wall",
        "status: wall",
        "storm: 6 die, until all run",
    ] {
        assert!(figures.lines().any(|line| line == figure), "{figure} is not among {figures}");
    }
}
