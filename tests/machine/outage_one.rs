//! O1, the message bus that was dead for nine hours: start + enable + endpoint check, all three, and still there after a reboot.

use crate::rig::Machine;
use crate::watched::{LIMIT, finding, journal, state, unit};

const SERVER: &str = r#"
import http.server, json
class Inbox(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"status": "ok"}).encode() if self.path.startswith("/api/inbox/") else b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Inbox).serve_forever()
"#;

const UNIT: &str =
    "[Service]\nExecStart=/usr/bin/python3 /opt/bus/bus.py\n[Install]\nWantedBy=multi-user.target\n";

const FILE: &str = r#"
[probe.inbox]
http = "http://127.0.0.1:8080/api/inbox/joe"
content_type = "application/json"
json = { "/status" = "ok" }
period = "2s"
timeout = "1s"
"#;

fn bus(name: &str) -> Machine {
    let machine = Machine::boot(name);
    machine.sh("mkdir -p /opt/bus");
    machine.write("/opt/bus/bus.py", SERVER);
    machine.write("/etc/systemd/system/bus.service", UNIT);
    machine.sh("systemctl daemon-reload && systemctl enable --now bus.service");
    machine.install_steadfast();
    machine
}

fn answers(machine: &Machine) -> bool {
    machine.try_sh("curl -sf http://127.0.0.1:8080/api/inbox/joe").ok()
}

#[test]
fn killed_and_disabled_at_once_is_active_enabled_answering_and_survives_a_reboot() {
    let mut machine = bus("o1");
    machine.write("/etc/steadfast/units.d/bus.service.toml", FILE);
    state(&machine, "bus.service", "ok");

    machine.sh("systemctl disable bus.service; systemctl kill -s KILL bus.service");
    let active =
        machine.wait_until("it is active", LIMIT, || machine.run(&["systemctl", "is-active", "bus"]).ok());
    let answering = active + machine.wait_until("it answers", LIMIT, || answers(&machine));
    let enabled = answering
        + machine
            .wait_until("it is enabled", LIMIT, || machine.run(&["systemctl", "is-enabled", "bus"]).ok());
    println!(
        "killed and disabled: active after {active:?}, answering after {answering:?}, enabled by {enabled:?}"
    );
    let proven = enabled + state(&machine, "bus.service", "ok");
    println!("proven after {proven:?}");
    let told = journal(&machine);
    for step in
        ["start of bus.service: done", "enable of bus.service: done", "endpoint check of bus.service: done"]
    {
        assert!(told.contains(step), "{step} is reported:\n{told}");
    }

    machine.reboot();
    machine.wait_until("it answers after the reboot", LIMIT, || answers(&machine));
    state(&machine, "bus.service", "ok");
    assert_eq!(unit(&machine, "bus.service", ".unit_file_state"), "enabled");
    assert_eq!(unit(&machine, "bus.service", "[.findings[].code] | join(\",\")"), "");
}

#[test]
fn a_broken_import_is_quoted_and_not_started_in_a_loop() {
    let machine = bus("o1-import");
    let smoke = "[smoke]\ncommand = [\"/usr/bin/python3\", \"-c\", \"import ast, sys; exec(compile(open('/opt/bus/check.py').read(), 'check.py', 'exec'))\"]\ndirectory = \"unit\"\n";
    machine.write("/opt/bus/check.py", "pass\n");
    machine.write("/etc/steadfast/units.d/bus.service.toml", smoke);
    state(&machine, "bus.service", "ok");
    let before = machine.sh("systemctl show -P InvocationID bus.service");
    machine.write("/opt/bus/check.py", "jobs = queue.Queue()\n");
    machine.sh("systemctl kill -s KILL bus.service");
    let (took, message) = finding(&machine, "bus.service", "smoke-failed");
    println!("broken import found after {took:?}: {message}");
    assert!(message.contains("NameError: name 'queue' is not defined"), "{message}");
    assert_eq!(machine.sh("systemctl show -P InvocationID bus.service"), before, "it was not started");
    machine.write("/opt/bus/check.py", "pass\n");
    let recovered = machine.try_sh("steadfast recover bus.service");
    assert!(recovered.ok(), "{}{}", recovered.stdout, recovered.stderr);
    state(&machine, "bus.service", "ok");
}
