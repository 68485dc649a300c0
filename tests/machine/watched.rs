//! What the tests read of Steadfast, as a person would: its status socket and its commands.

use std::time::Duration;

use crate::rig::Machine;

/// Nothing that is tested here takes longer.
pub const LIMIT: Duration = Duration::from_secs(60);

/// What `jq` makes of the status JSON.
pub fn status(machine: &Machine, filter: &str) -> String {
    let socket = "--unix-socket /run/steadfast/steadfast.sock";
    let output = machine.try_sh(&format!("curl -s {socket} http://localhost/v1/status | jq -r '{filter}'"));
    output.stdout
}

/// What `jq` makes of one unit.
pub fn unit(machine: &Machine, unit: &str, filter: &str) -> String {
    status(machine, &format!(".units[] | select(.unit == \"{unit}\") | {filter}"))
}

/// Waits until the unit's state is this one.
pub fn state(machine: &Machine, name: &str, state: &str) -> Duration {
    let explained = || machine.try_sh(&format!("steadfast explain {name}")).stdout;
    machine.wait_or_tell(
        &format!("{name} is {state}"),
        LIMIT,
        || unit(machine, name, ".state") == state,
        explained,
    )
}

/// Waits for a finding, and returns how long it took and its message.
pub fn finding(machine: &Machine, name: &str, code: &str) -> (Duration, String) {
    let filter = format!(".findings[] | select(.code == \"{code}\") | .message");
    let took =
        machine.wait_until(&format!("{name} has {code}"), LIMIT, || !unit(machine, name, &filter).is_empty());
    (took, unit(machine, name, &filter))
}

/// The journal of Steadfast's own messages.
pub fn journal(machine: &Machine) -> String {
    machine.sh("journalctl -t steadfast -o cat --no-pager")
}

/// Puts a unit file for Steadfast in place and waits until the unit is well.
pub fn manage(machine: &Machine, name: &str, file: &str) {
    machine.write(&format!("/etc/steadfast/units.d/{name}.toml"), file);
    state(machine, name, "ok");
}

/// When Steadfast told this kind of event (`found`, `cleared`, …) with this code of a unit: Unix time in milliseconds.
pub fn told_at(machine: &Machine, name: &str, kind: &str, code: &str) -> Vec<i64> {
    let socket = "--unix-socket /run/steadfast/steadfast.sock";
    let millis = "(.at[0:19] + \"Z\" | fromdate) * 1000 + (.at[20:23] | tonumber)";
    let filter = format!(".events[] | select(.kind == \"{kind}\" and .code == \"{code}\") | {millis}");
    let asked = format!("curl -sf {socket} http://localhost/v1/units/{name} | jq -r '{filter}'");
    machine.sh(&asked).lines().filter_map(|line| line.trim().parse().ok()).collect()
}

/// Runs a script inside, and returns the machine's clock just before: Unix time in milliseconds.
pub fn timed(machine: &Machine, script: &str) -> i64 {
    let said = machine.sh(&format!("date +%s%3N\n{script}"));
    let first = said.lines().next().unwrap_or_default();
    // A clock that cannot be read makes every figure fail.
    first.parse().unwrap_or_default()
}
