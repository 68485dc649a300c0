//! Clients of the status socket that are many, slow, huge, rude, or deaf.

use std::time::Duration;

use super::{healed, host, main_pid, restarts, row};
use crate::rig::Machine;
use crate::watched::LIMIT;

/// One kind of hostile client, for some seconds. Prints how many answers of which status came.
const CLIENT: &str = r#"
import collections, socket, sys, threading, time
what, seconds = sys.argv[1], float(sys.argv[2])
end = time.monotonic() + seconds
seen = collections.Counter()

def connect():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(20)
    s.connect("/run/steadfast/steadfast.sock")
    return s

def answer(s):
    try:
        data = s.recv(200)
        seen[data[9:12].decode("ascii", "replace") if data else "closed"] += 1
    except OSError as why:
        seen[type(why).__name__] += 1

def silent():
    held = []
    while time.monotonic() < end and len(held) < 1000:
        try:
            held.append(connect())
        except OSError as why:
            seen[type(why).__name__] += 1
            time.sleep(0.1)
    seen["connections"] = len(held)
    time.sleep(max(0, end - time.monotonic()))

def slow():
    def one():
        s = connect()
        try:
            for byte in b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 1000:
                if time.monotonic() > end: break
                s.send(bytes([byte]))
                time.sleep(1)
        except OSError: pass
        answer(s)
    threads = [threading.Thread(target=one, daemon=True) for _ in range(30)]
    [t.start() for t in threads]
    [t.join(max(0, end + 1 - time.monotonic())) for t in threads]

def huge():
    s = connect()
    size = 100 << 20
    s.sendall(b"POST /v1/units/shop.service/hold HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % size)
    sent, chunk = 0, b"x" * 65536
    try:
        while sent < size and time.monotonic() < end:
            sent += s.send(chunk)
    except OSError: pass
    seen["KiB taken"] = sent >> 10
    answer(s)

def garbage():
    import os
    while time.monotonic() < end:
        s = connect()
        try:
            s.sendall(os.urandom(4096)); answer(s)
        except OSError as why: seen[type(why).__name__] += 1
        s.close()

def half():
    held = []
    while time.monotonic() < end:
        s = connect()
        try:
            s.sendall(b"GET /v1/status HTTP/1.1\r\nHost: x\r\n\r\n"); s.shutdown(socket.SHUT_WR)
        except OSError as why: seen[type(why).__name__] += 1
        answer(s); held.append(s)
        if len(held) > 40: held.pop(0).close()

def deaf():
    held = []
    for _ in range(20):
        s = connect(); s.sendall(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"); held.append(s)
    seen["streams"] = len(held)
    time.sleep(max(0, end - time.monotonic()))

globals()[what]()
print(dict(seen))
"#;

fn memory(machine: &Machine) -> u64 {
    let pid = main_pid(machine);
    machine.sh(&format!("awk '/VmRSS/ {{print $2}}' /proc/{pid}/status")).parse().unwrap_or_default()
}

#[test]
fn hostile_clients_cost_nobody_else_anything() {
    let machine = host("crowd", "");
    machine.add_user("joe");
    machine.sh("usermod -aG steadfast joe");
    machine.write("/opt/crowd.py", CLIENT);
    let quiet = memory(&machine);
    for (what, injected) in [
        ("silent", "1,000 connections that say nothing"),
        ("slow", "30 clients that send a byte per second"),
        ("huge", "a body of 100 MiB"),
        ("garbage", "garbage, connection after connection"),
        ("half", "clients that ask and close their half"),
        ("deaf", "20 event streams that nobody reads"),
    ] {
        machine.sh(&format!("rm -f /tmp/{what}; setpriv --reuid=joe --regid=joe --init-groups python3 /opt/crowd.py {what} 8 >/tmp/{what} 2>&1 &"));
        let took = healed(&machine);
        let mut worst = Duration::ZERO;
        machine.wait_until("the crowd goes", LIMIT, || {
            let asked = machine.run(&["steadfast", "status"]);
            assert!(asked.ok(), "root is answered all the time: {}", asked.stderr);
            worst = worst.max(asked.took);
            !machine.sh(&format!("cat /tmp/{what}")).is_empty()
        });
        let seen = machine.sh(&format!("cat /tmp/{what}"));
        row(
            injected,
            "healed; root is answered",
            &format!("{seen}; root's status at worst {:.2} s", worst.as_secs_f64()),
            took,
        );
        assert!(worst < Duration::from_secs(2), "{what}: {worst:?}");
    }
    let after = memory(&machine);
    println!("memory: {quiet} KiB before, {after} KiB after");
    assert!(after < quiet + 20_000, "{quiet} KiB before, {after} KiB after");
    assert_eq!(restarts(&machine), "0");
}

#[test]
fn out_of_descriptors_is_no_end_of_supervision() {
    let machine = host("descriptors", "");
    machine.add_user("joe");
    machine.sh("usermod -aG steadfast joe");
    machine.write("/opt/crowd.py", CLIENT);
    let used: u32 =
        machine.sh(&format!("ls /proc/{}/fd | wc -l", main_pid(&machine))).parse().expect("a count");
    // Enough for itself, and not for a crowd.
    let limit = used + 24;
    machine.write(
        "/etc/systemd/system/steadfast.service.d/few.conf",
        &format!("[Service]\nLimitNOFILE={limit}\n"),
    );
    machine.sh("systemctl daemon-reload && systemctl restart steadfast.service");
    crate::watched::state(&machine, "shop.service", "ok");
    machine.sh(
        "setpriv --reuid=joe --regid=joe --init-groups python3 /opt/crowd.py silent 12 >/tmp/silent 2>&1 &",
    );
    machine.wait_until("the crowd is there", LIMIT, || {
        let here = machine.sh(&format!("ls /proc/{}/fd | wc -l", main_pid(&machine)));
        here.parse().is_ok_and(|here: u32| here > used + 4)
    });
    let took = healed(&machine);
    let complaints =
        machine.sh("journalctl -t steadfast -o cat --no-pager | grep -c 'cannot accept' || true");
    row(
        &format!("{limit} descriptors in all ({used} in use), and 1,000 connections"),
        "connections are turned away before our own needs are",
        &format!("healed; complaints in the journal: {complaints}"),
        took,
    );
    assert_eq!(restarts(&machine), "0");
}
