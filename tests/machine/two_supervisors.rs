//! Two and three supervisors on the same unit: systemd's own `Restart=`, monit, and Steadfast. No fight, no double start.

use crate::rig::Machine;
use crate::watched::{LIMIT, journal, state, unit};

const MONITRC: &str = "set daemon 1\nset log syslog\n\
    check process shop matching \"sleep 86399\"\n\
    \x20 start program = \"/usr/bin/systemctl start shop.service\"\n\
    \x20 stop program = \"/usr/bin/systemctl stop shop.service\"\n";

/// Each start leaves a line. The process is one that monit finds by its name.
fn shop(restart: &str) -> String {
    format!(
        "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStartPre=/bin/sh -c 'echo start >>/root/starts'\n\
         ExecStart=/bin/sleep 86399\n{restart}\n[Install]\nWantedBy=multi-user.target\n"
    )
}

fn starts(machine: &Machine) -> usize {
    machine.sh("wc -l </root/starts").trim().parse().unwrap_or(0)
}

/// Kills it this often, each time once it is well again and all supervisors have had time to look at it.
fn kill(machine: &Machine, times: usize) {
    for round in 1..=times {
        let before = machine.sh("systemctl show -P InvocationID shop");
        machine.sh("systemctl kill -s KILL shop");
        let took = machine.wait_until("it runs anew", LIMIT, || {
            machine.sh("systemctl show -P ActiveState shop") == "active"
                && machine.sh("systemctl show -P InvocationID shop") != before
        });
        let by = || unit(machine, "shop.service", ".last_transition | .what + \" by \" + .cause");
        machine.wait_until("its start is told", LIMIT, || by().contains("started"));
        machine.wait_until("no order is in flight", LIMIT, || {
            unit(machine, "shop.service", ".recovery") == "null"
        });
        let cycles = "journalctl -u bell -o cat --no-pager | grep -c Deactivated";
        let rung = machine.try_sh(cycles).stdout;
        // Three of monit's cycles, on the machine's own clock.
        machine.sh("systemd-run -q --on-active=3s --unit=bell true");
        machine.wait_until("monit has looked", LIMIT, || machine.try_sh(cycles).stdout != rung);
        println!("kill {round}: runs after {took:?}, {}, {} starts in all", by(), starts(machine));
    }
}

fn three(name: &str, restart: &str) -> Machine {
    let machine = Machine::boot(name);
    machine.write("/etc/systemd/system/shop.service", &shop(restart));
    machine.write("/etc/monit/monitrc", MONITRC);
    machine.sh("chmod 600 /etc/monit/monitrc; systemctl daemon-reload; systemctl enable -q --now shop");
    machine.install_steadfast();
    machine.write(
        "/etc/steadfast/units.d/shop.service.toml",
        "[recovery]\nburst = 100\ndelay = \"100ms\"\nmax_delay = \"200ms\"\nverify_within = \"2s\"\n",
    );
    state(&machine, "shop.service", "ok");
    machine.sh("systemctl restart monit");
    machine.wait_until("monit watches it", LIMIT, || {
        machine.sh("journalctl -t monit -o cat --no-pager").contains("started")
    });
    machine
}

#[test]
fn systemd_monit_and_steadfast_do_not_fight() {
    let machine = three("three", "Restart=always\nRestartSec=100ms");
    kill(&machine, 10);
    // A monit that looks between the end and systemd's restart stops and starts it once more: those two fight, we do not.
    let monits = machine.sh("journalctl -t monit -o cat --no-pager");
    let by_monit = monits.matches("'shop' start:").count();
    let starts = starts(&machine);
    assert!((11..=11 + by_monit).contains(&starts), "{starts} starts, {by_monit} of them monit's:\n{monits}");
    let told = journal(&machine);
    assert!(!told.contains("start of shop.service"), "systemd restarts it, so Steadfast does not:\n{told}");
    assert!(!told.contains("restart of shop.service"), "{told}");
    // What systemd restarts counts, so that we add nothing to it; a start of monit's is another chance, and counting begins anew.
    let spent: usize = unit(&machine, "shop.service", ".restarts.spent").parse().expect("a count");
    assert!(spent == 10 || (by_monit > 0 && spent < 10), "{spent} of systemd's restarts count");
}

#[test]
fn monit_and_steadfast_do_not_fight() {
    let machine = three("two", "");
    kill(&machine, 10);
    assert_eq!(starts(&machine), 11, "one start for each kill, and the first");
}
