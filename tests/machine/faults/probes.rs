//! Probes that misbehave: commands that multiply, flood, or will not die, and servers that never end.

use super::{QUICK, SLEEPER, healed, host, main_pid, restarts, row};
use crate::rig::Machine;
use crate::watched::{LIMIT, unit};

const OFTEN: &str = "period = \"3s\"\ntimeout = \"2s\"\nfailure_threshold = 1\non_failure = \"alert\"\n";

/// The rig has no limit of tasks: this bomb is bounded by itself, its children ignore SIGTERM.
const BOMB: &str = r#"#!/usr/bin/python3
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
for _ in range(1500):
    if os.fork() == 0:
        time.sleep(1000)
time.sleep(1000)
"#;

/// What each port does to whoever asks.
const SERVER: &str = r#"
import socket, threading, time
def serve(port, talk):
    s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", port)); s.listen(50)
    while True:
        c, _ = s.accept()
        threading.Thread(target=guarded, args=(talk, c), daemon=True).start()
def guarded(talk, c):
    try:
        c.recv(4096); talk(c)
    except OSError: pass
    c.close()
def headers(c):
    c.sendall(b"HTTP/1.1 200 OK\r\n")
    while True: c.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")
def body(c):
    c.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
    while True: c.sendall(b"x" * 65536)
def drip(c):
    for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000000:
        c.sendall(bytes([byte])); time.sleep(1)
def silent(c): time.sleep(1000)
for port, talk in ((8081, headers), (8082, body), (8083, drip), (8084, silent)):
    threading.Thread(target=serve, args=(port, talk)).start()
"#;

/// A managed sleeper with this probe.
fn probed(machine: &Machine, name: &str, probe: &str) {
    machine.write(&format!("/etc/systemd/system/{name}.service"), SLEEPER);
    machine.sh(&format!("systemctl daemon-reload && systemctl enable -q --now {name}.service"));
    machine.write(
        &format!("/etc/steadfast/units.d/{name}.service.toml"),
        &format!("{QUICK}[probe.it]\n{probe}{OFTEN}"),
    );
}

/// Waits until the probe answers with this, and returns its sentence.
fn answer(machine: &Machine, name: &str, part: &str) -> String {
    let said = || unit(machine, &format!("{name}.service"), ".probes[0].message");
    machine.wait_until(&format!("{name} says {part}"), LIMIT, || said().contains(part));
    said()
}

fn off(machine: &Machine, name: &str) {
    machine.sh(&format!("rm /etc/steadfast/units.d/{name}.service.toml; systemctl stop {name}.service"));
}

#[test]
fn commands_that_misbehave_are_ended() {
    let machine = host("commands", "");
    machine.write_program("/opt/bomb", BOMB);
    machine.write_program("/opt/deaf", "#!/bin/bash\ntrap '' TERM INT HUP\nwhile true; do sleep 1; done\n");

    probed(&machine, "bomb", "command = [\"/opt/bomb\"]\n");
    let count = || machine.sh("pgrep -c -f [/]opt/bomb || true").parse::<u32>().unwrap_or_default();
    machine.wait_until("the bomb goes off", LIMIT, || count() > 1000);
    let tasks = machine.sh("systemctl show -P TasksMax 'steadfast-run-*.service' | head -1");
    let took = healed(&machine);
    let said = answer(&machine, "bomb", "did not end in time");
    off(&machine, "bomb");
    machine.wait_until("every one of them is gone", LIMIT, || count() == 0);
    assert_eq!(tasks, "1024");
    row(
        "a fork bomb as probe (1,500 children that ignore SIGTERM)",
        "TasksMax=1024; all killed; unknown",
        &said,
        took,
    );

    probed(&machine, "flood", "command = [\"/usr/bin/yes\"]\n");
    let said = answer(&machine, "flood", "wrote without end");
    let took = healed(&machine);
    row("endless output of a probe", "killed after 16 MiB; unknown", &said, took);
    off(&machine, "flood");

    probed(&machine, "deaf", "command = [\"/opt/deaf\"]\n");
    let said = answer(&machine, "deaf", "did not end in time");
    let took = healed(&machine);
    off(&machine, "deaf");
    row("a probe that ignores SIGTERM", "killed two seconds later; unknown", &said, took);
    machine.wait_until("nothing is left", LIMIT, || {
        machine.sh("systemctl list-units --no-legend --plain 'steadfast-run-*' | wc -l") == "0"
    });
    assert_eq!(restarts(&machine), "0");
}

#[test]
fn a_program_that_was_replaced_is_not_run() {
    let machine = host("replaced", "");
    machine.add_user("joe");
    machine.write_program("/opt/check", "#!/bin/sh\nid -un\n");
    probed(&machine, "check", "command = [\"/opt/check\"]\n");
    answer(&machine, "check", "exited 0");
    machine.sh("printf '#!/bin/sh\\ntouch /run/harm\\n' >/opt/new; chmod 755 /opt/new; chown joe /opt/new; mv /opt/new /opt/check");
    let said = answer(&machine, "check", "belongs to user");
    row(
        "the program of a probe replaced by another user's",
        "refused right before the run",
        &said,
        healed(&machine),
    );
    machine.sh("rm /opt/check; install -m 755 /bin/true /opt/check");
    answer(&machine, "check", "exited 0");
    assert!(
        !machine.try_sh("test -e /run/harm && systemctl is-active check").ok(),
        "it ran once at most, before it was ours to see"
    );
}

#[test]
fn servers_that_never_end_are_given_up_in_time() {
    let machine = host("servers", "");
    machine.write("/opt/server.py", SERVER);
    machine.write(
        "/etc/systemd/system/server.service",
        "[Service]\nExecStart=/usr/bin/python3 /opt/server.py\n",
    );
    machine.sh("systemctl daemon-reload && systemctl start server.service");
    let before: u64 = memory(&machine);
    for (name, port, injected) in [
        ("headers", 8081, "a server that sends headers without end"),
        ("body", 8082, "a server that sends a body without end"),
        ("drip", 8083, "a server that sends a byte per second"),
        ("silent", 8084, "a server that accepts and says nothing"),
    ] {
        probed(
            &machine,
            name,
            &format!("http = \"http://127.0.0.1:{port}/\"\njson = {{ \"/status\" = \"ok\" }}\n"),
        );
        machine.wait_until("it is judged", LIMIT, || {
            unit(&machine, &format!("{name}.service"), ".probes[0].status") == "unhealthy"
        });
        let said = answer(&machine, name, "GET");
        let latency = unit(&machine, &format!("{name}.service"), ".probes[0].latency_ms // 2000");
        assert!(latency.parse::<f64>().is_ok_and(|ms| ms < 3000.0), "{name}: {latency} ms");
        row(injected, "unhealthy within the timeout of 2 s", &said, healed(&machine));
    }
    let after = memory(&machine);
    println!("memory: {before} KiB before, {after} KiB after");
    assert!(after < before + 30_000);
    assert_eq!(restarts(&machine), "0");
}

fn memory(machine: &Machine) -> u64 {
    let pid = main_pid(machine);
    machine.sh(&format!("awk '/VmRSS/ {{print $2}}' /proc/{pid}/status")).parse().unwrap_or_default()
}

/// Everything that a command takes over from its unit, set to something else than its default.
const HARDENED: &str = "\
[Service]
ExecStart=/bin/sleep infinity
User=joe
UMask=0027
Environment=SHOP=1
WorkingDirectory=/srv
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProcSubset=pid
PrivateTmp=yes
PrivateDevices=yes
PrivateIPC=yes
PrivateMounts=yes
ReadWritePaths=/srv
ReadOnlyPaths=/opt
InaccessiblePaths=/mnt
NoExecPaths=/srv
ExecPaths=/usr
BindReadOnlyPaths=/opt:/media
TemporaryFileSystem=/var/games
MountAPIVFS=yes
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_CHOWN
AmbientCapabilities=CAP_NET_BIND_SERVICE
SecureBits=noroot
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
SystemCallArchitectures=native
RestrictAddressFamilies=AF_UNIX AF_INET
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
DevicePolicy=closed
DeviceAllow=/dev/null rw
IPAddressDeny=any
IPAddressAllow=localhost
LimitNOFILE=512:1024
LimitNPROC=200
LimitAS=2G
LimitFSIZE=1G
LimitMEMLOCK=1M
LimitSTACK=8M
MemoryHigh=200M
MemoryMax=300M
[Install]
WantedBy=multi-user.target
";

/// Says what it may do, in one line.
const CONFESSION: &str = r#"#!/bin/bash
seen() { awk -v name="$1:" '$1 == name { print $2 }' /proc/self/status; }
echo "$(id -un) $PWD $SHOP $(umask) bounding=$(seen CapBnd) ambient=$(seen CapAmb) seccomp=$(seen Seccomp) nnp=$(seen NoNewPrivs)" \
  "files=$(ulimit -n) tmp=$(ls /tmp | wc -l) writes=$(touch /etc/x 2>/dev/null && echo yes || echo no) mounted=$(ls /media | grep -c confess)" >/srv/said
"#;

#[test]
fn a_command_is_confined_as_its_unit_is() {
    let machine = host("confined", "");
    machine.add_user("joe");
    machine.sh("touch /tmp/there && chown joe /srv");
    machine.write_program("/opt/confess", CONFESSION);
    machine.write("/etc/systemd/system/hard.service", HARDENED);
    machine.sh("systemctl daemon-reload && systemctl enable -q --now hard.service");
    let file = format!("{QUICK}[probe.it]\ncommand = [\"/opt/confess\"]\n{OFTEN}");
    machine.write("/etc/steadfast/units.d/hard.service.toml", &file);
    println!("{}", answer(&machine, "hard", "exited 0"));
    assert_eq!(
        machine.read("/srv/said"),
        "joe /srv 1 0027 bounding=0000000000000401 ambient=0000000000000400 seccomp=2 nnp=1 \
         files=512 tmp=0 writes=no mounted=1"
    );
}
