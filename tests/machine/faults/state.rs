//! The state directory: full, read only, and garbage in the database.

use super::{healed, host, over, restarts, row, told};
use crate::rig::Machine;
use crate::watched::{LIMIT, state, unit};

const DATABASE: &str = "/var/lib/steadfast/steadfast.db";

/// Steadfast on a small disk of its own, with a hold that must not be forgotten.
fn on_a_small_disk(name: &str) -> Machine {
    let machine = host(name, "");
    machine.sh("systemctl stop steadfast.service && mount -t tmpfs -o size=1m,mode=700 small /var/lib/steadfast && systemctl start steadfast.service");
    machine.write("/etc/systemd/system/other.service", super::SLEEPER);
    machine.sh("systemctl daemon-reload && systemctl enable -q --now other.service");
    crate::watched::manage(&machine, "other.service", "");
    state(&machine, "shop.service", "ok");
    machine.sh("steadfast hold other.service --for 1h --reason 'kept through it all'");
    state(&machine, "other.service", "held");
    machine
}

/// Steadfast dies and comes back: what was durable is.
fn crash(machine: &Machine) {
    let before = super::main_pid(machine);
    machine.sh("systemctl kill -s KILL --kill-whom=main steadfast.service");
    machine.wait_until("Steadfast is back", LIMIT, || {
        let now = super::main_pid(machine);
        now != before && now != "0"
    });
    state(machine, "shop.service", "ok");
    state(machine, "other.service", "held");
}

#[test]
fn a_full_disk_stops_no_supervision() {
    let machine = on_a_small_disk("full");
    machine.try_sh("dd if=/dev/zero of=/var/lib/steadfast/fill bs=4k");
    let full = machine.sh("df --output=avail /var/lib/steadfast | tail -1");
    assert_eq!(full.trim(), "0");
    let took = healed(&machine);
    let message = told(&machine, "host-state-volatile");
    row("state directory full", "healed as usual; said; nothing lost by a crash", &message, took);
    crash(&machine);
    told(&machine, "host-state-volatile");
    row("our own crash meanwhile", "hold and budget kept", "other.service still held", healed(&machine));
    machine.sh("rm /var/lib/steadfast/fill");
    machine.wait_until("the state is at home again", LIMIT, || {
        healed(&machine);
        crate::watched::status(&machine, ".findings[].code").is_empty()
    });
    assert!(!machine.try_sh("ls /run/steadfast/state/steadfast.db").ok(), "the spare place is empty");
    over(&machine, "host-state-volatile");
    crash(&machine);
    row("room again", "the state goes home by itself", "hold still there after a crash", healed(&machine));
    // What could not be written down meanwhile is named where people look afterwards.
    let first = machine.sh("steadfast --json incidents shop.service | jq '[.incidents[].id] | min'");
    let story = machine.sh(&format!("steadfast incident {first}"));
    assert!(story.contains("cannot save evidence: "), "{story}");
    let of_host = "[.incidents[] | select(.cause == \"host-state-volatile\")]";
    let told = machine.sh(&format!(
        "steadfast --json incidents | jq -r '{of_host} | .[] | .summary, (.resolved_at != null)'"
    ));
    assert!(told.starts_with("the state is kept in /run/") && told.ends_with("true"), "{told}");
}

#[test]
fn a_read_only_disk_stops_no_supervision() {
    let machine = on_a_small_disk("readonly");
    machine.sh("systemctl stop steadfast.service && mount -o remount,ro /var/lib/steadfast && systemctl start steadfast.socket steadfast.service");
    state(&machine, "shop.service", "ok");
    assert_eq!(unit(&machine, "other.service", ".state"), "held", "what is there can be read");
    let message = told(&machine, "host-state-volatile");
    row(
        "state directory read only at the start",
        "healed as usual; said; holds read",
        &message,
        healed(&machine),
    );
    crash(&machine);
    // Its own view of the disk was made while that was read only: only a new start sees it writable.
    machine.sh("mount -o remount,rw /var/lib/steadfast && systemctl restart steadfast.service");
    state(&machine, "shop.service", "ok");
    over(&machine, "host-state-volatile");
    assert!(!machine.try_sh("ls /run/steadfast/state/steadfast.db").ok(), "the spare place is empty");
    assert_eq!(unit(&machine, "other.service", ".state"), "held");
    row("writable again", "the state goes home with the next start", "hold still there", healed(&machine));
}

#[test]
fn a_corrupt_database_is_set_aside() {
    let machine = on_a_small_disk("corrupt");
    let garbage = format!("dd if=/dev/urandom of={DATABASE} bs=4k count=8 conv=notrunc");
    machine.sh(&garbage);
    let took = healed(&machine);
    let message = told(&machine, "host-state-damaged");
    assert!(message.contains("nothing is lost"), "{message}");
    row("garbage in the database, in use", "set aside; written anew; nothing lost", &message, took);
    crash(&machine);
    over(&machine, "host-state-damaged");

    machine.sh(&format!(
        "systemctl stop steadfast.service && {garbage} && systemctl start steadfast.socket steadfast.service"
    ));
    state(&machine, "shop.service", "ok");
    let message = told(&machine, "host-state-damaged");
    assert!(message.contains("without holds"), "{message}");
    row(
        "garbage in the database, while stopped",
        "set aside; begun anew; says what is lost",
        &message,
        healed(&machine),
    );
    let kept = machine.sh("ls /var/lib/steadfast | grep -c corrupt");
    assert!(kept.trim().parse::<u32>().is_ok_and(|files| files >= 2), "both are kept: {kept}");
    machine.sh("rm -r /var/lib/steadfast/*");
    let took = healed(&machine);
    let message = told(&machine, "host-state-damaged");
    assert!(message.contains("nothing is lost"), "{message}");
    row("state directory emptied, in use", "written anew; nothing lost", &message, took);
    assert_eq!(restarts(&machine), "0");
}
