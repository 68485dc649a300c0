//! O3 and O4 without their software: a broker that goes away for a minute, twenty workers, and one of them that never comes
//! back to its queue though it runs.

use std::fmt::Write as _;
use std::time::Duration;

use crate::rig::Machine;
use crate::watched::{LIMIT, finding, state, status, unit};

const WORKERS: usize = 20;
const WEDGED: &str = "worker-7.service";
const OUTAGE: Duration = Duration::from_secs(60);

/// Serves its queues on one port and what it knows of them on another; each second it takes in an item for every queue, and
/// fifty with its start.
const BROKER: &str = r#"
import http.server, json, os, pathlib, socketserver, threading, time
root = pathlib.Path("/run/queue")
def count(name, what):
    try: return int((root / f"{name}.{what}").read_text())
    except (OSError, ValueError): return 0
def put(name, items):
    path = root / f"{name}.produced"
    text = str(count(name, "produced") + items)
    (root / f"{name}.tmp").write_text(text); (root / f"{name}.tmp").rename(path)
names = [f"worker-{n}" for n in range(1, 21)]
class Stats(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.strip("/")
        done = count(name, "done")
        body = json.dumps({"depth": max(0, count(name, "produced") - done), "done": done}).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
class Server(socketserver.ThreadingTCPServer): allow_reuse_address = True; daemon_threads = True; request_queue_size = 512
class Queue(socketserver.BaseRequestHandler):
    def handle(self): pass
for name in names: put(name, 50)
threading.Thread(target=Server(("127.0.0.1", 15672), Stats).serve_forever, daemon=True).start()
threading.Thread(target=Server(("127.0.0.1", 5672), Queue).serve_forever, daemon=True).start()
while True:
    time.sleep(1)
    for name in names: put(name, 1)
"#;

/// Completes five items a second while the broker is there; the one that is to be wedged never finds back to it.
const WORKER: &str = r#"
import pathlib, socket, sys, time
name, wedges = sys.argv[1], sys.argv[1] == "worker-7"
root, lost, done = pathlib.Path("/run/queue"), False, 0
def count(what):
    try: return int((root / f"{name}.{what}").read_text())
    except (OSError, ValueError): return 0
done = count("done")
while True:
    time.sleep(0.2)
    try: socket.create_connection(("127.0.0.1", 5672), 1).close()
    except OSError:
        lost = wedges
        continue
    if not lost and done < count("produced"):
        done += 1
        (root / f"{name}.new").write_text(str(done)); (root / f"{name}.new").rename(root / f"{name}.done")
"#;

const DEPENDENCY: &str = "[probe.amqp]\ntcp = \"127.0.0.1:5672\"\nperiod = \"1s\"\ntimeout = \"500ms\"\n";

fn file(name: &str) -> String {
    format!(
        r#"requires = ["broker.dependency"]
[recovery]
verify_within = "8s"
[probe.broker]
tcp = "127.0.0.1:5672"
period = "2s"
timeout = "500ms"
[progress.jobs]
http = "http://127.0.0.1:15672/{name}"
depth = "/depth"
completed = "/done"
period = "2s"
timeout = "1s"
stalled_after = "10s"
drain_within = "20s"
"#
    )
}

fn invocations(machine: &Machine) -> String {
    machine.sh("systemctl show -P InvocationID 'worker-*.service'")
}

#[test]
fn after_an_outage_of_the_broker_exactly_the_wedged_worker_is_restarted() {
    let machine = Machine::boot("drain");
    // On a busy host the first look for gaps comes before the end.
    machine.write("/etc/steadfast/steadfast.toml", "audit_every = \"never\"\n");
    machine.write("/opt/broker.py", BROKER);
    machine.write("/opt/worker.py", WORKER);
    machine.write(
        "/etc/systemd/system/broker.service",
        "[Service]\nExecStart=/usr/bin/python3 /opt/broker.py\n[Install]\nWantedBy=multi-user.target\n",
    );
    let mut start =
        "mkdir -p /run/queue; systemctl daemon-reload; systemctl enable -q --now broker.service".to_owned();
    machine.install_steadfast();
    machine.write("/etc/steadfast/units.d/broker.dependency.toml", DEPENDENCY);
    for number in 1..=WORKERS {
        let name = format!("worker-{number}");
        let text = format!(
            "[Service]\nExecStart=/usr/bin/python3 /opt/worker.py {name}\n[Install]\nWantedBy=multi-user.target\n"
        );
        machine.write(&format!("/etc/systemd/system/{name}.service"), &text);
        machine.write(&format!("/etc/steadfast/units.d/{name}.service.toml"), &file(&name));
        write!(start, " {name}.service").expect("a string takes all");
    }
    machine.sh(&start);
    let well = || status(&machine, "[.units[] | select(.state == \"ok\")] | length") == "21";
    machine.wait_until("all work", LIMIT, well);
    let checked = machine.sh("date +%s%3N; steadfast check --json >/dev/null; echo $?; date +%s%3N");
    let checked: Vec<i64> = checked.lines().filter_map(|line| line.trim().parse().ok()).collect();
    println!("check of 21 with 40 probes and sources: {} ms", checked[2] - checked[0]);
    assert_eq!(checked[1], 0, "check says that all is well");
    let before = invocations(&machine);

    machine.sh("systemctl stop broker.service");
    let explained = "[.units[] | select(.explained_by == \"broker.dependency\")] | length";
    let took = machine.wait_until("all are explained", LIMIT, || status(&machine, explained) == "20");
    println!("broker stopped: 20 dependents explained after {took:?}");
    let opened = status(&machine, ".incidents | length");
    assert_eq!(opened, "1", "one incident for the broker and all that it affects");
    let affected = status(&machine, ".incidents[0].affected | length");
    assert_eq!(affected, "20");
    machine
        .sh("systemd-run -q --on-active=60s --timer-property=AccuracySec=1ms systemctl start broker.service");
    let back = || machine.sh("systemctl is-active broker.service || true") == "active";
    let away = machine.wait_until("the broker is back", OUTAGE + LIMIT, back);
    assert!(away > OUTAGE - Duration::from_secs(2), "{away:?}");
    assert_eq!(invocations(&machine), before, "nobody was restarted for the broker's sake");

    let (overdue, message) = finding(&machine, WEDGED, "drain-overdue");
    println!("drain-overdue {overdue:?} after the broker came back: {message}");
    let took = state(&machine, WEDGED, "ok");
    println!("restarted and proven {took:?} later");
    let drained = || unit(&machine, WEDGED, ".progress[0].depth").parse().is_ok_and(|depth: u64| depth < 5);
    let took = machine.wait_until("its queue is drained", LIMIT, drained);
    println!("its queue drained {took:?} later");
    let after = invocations(&machine);
    let changed = before.lines().zip(after.lines()).filter(|(before, after)| before != after).count();
    assert_eq!(changed, 1, "exactly the wedged one was restarted");
    machine.wait_until("the incident is over", LIMIT, || status(&machine, ".incidents | length") == "0");
}
