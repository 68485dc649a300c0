//! The contract of O1: a server that answers, and not what was agreed. Each way of it is told in its own words.

use crate::rig::Machine;
use crate::watched::{LIMIT, manage, state, unit};

/// Answers with what stands in these files: the status and the body.
const SERVER: &str = r#"
import http.server
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        status, _, body = open("/opt/answer").read().partition("\n")
        self.send_response(int(status))
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Answer).serve_forever()
"#;

const CONTRACT: &str = r#"
[probe.inbox]
http = "http://127.0.0.1:8080/api/inbox/joe"
json = { "/status" = "ok", "/queue/depth" = "< 100" }
period = "1s"
timeout = "500ms"
failure_threshold = 1
on_failure = "alert"
"#;

fn service(machine: &Machine, name: &str, command: &str) {
    let text = format!("[Service]\nExecStart={command}\n[Install]\nWantedBy=multi-user.target\n");
    machine.write(&format!("/etc/systemd/system/{name}.service"), &text);
    machine.sh(&format!("systemctl daemon-reload && systemctl enable --now {name}.service"));
}

/// Waits until the last answer of a unit's only probe says this, and returns it.
fn answer(machine: &Machine, name: &str, part: &str) -> String {
    let of_probe = || unit(machine, name, ".probes[0].message");
    machine.wait_until(&format!("{name} answers {part}"), LIMIT, || of_probe().contains(part));
    of_probe()
}

#[test]
fn a_broken_contract_is_told_in_the_words_of_what_is_broken() {
    let machine = Machine::boot("contract");
    machine.write("/opt/answer.py", SERVER);
    let good = r#"{"status": "ok", "queue": {"depth": 3}}"#;
    machine.write("/opt/answer", &format!("200\n{good}"));
    service(&machine, "bus", "/usr/bin/python3 /opt/answer.py");
    machine.install_steadfast();
    manage(&machine, "bus.service", CONTRACT);

    let broken = [
        ("404\n", "404 with an empty body"),
        ("500\nNameError: name 'queue' is not defined", "NameError: name 'queue' is not defined"),
        ("200\n", "200 with an empty body"),
        ("200\n<html>Sign in</html>", "its body is not JSON"),
        (r#"200 {"queue": {"depth": 3}}"#, "its JSON has no /status"),
        (r#"200 {"status": "ok", "queue": {"depth": 731}}"#, "/queue/depth"),
    ];
    let mut told: Vec<String> = Vec::new();
    for (answered, part) in broken {
        machine.write("/opt/answer", &answered.replacen("200 ", "200\n", 1));
        let message = answer(&machine, "bus.service", part);
        println!("{message}");
        state(&machine, "bus.service", "down");
        let found = unit(&machine, "bus.service", ".findings[].code");
        assert_eq!(found, "probe-failed");
        assert!(!told.contains(&message), "{message}");
        told.push(message);
    }
    machine.write("/opt/answer", &format!("200\n{good}"));
    state(&machine, "bus.service", "ok");
    assert_eq!(unit(&machine, "bus.service", ".last_action"), "null", "on_failure = alert orders nothing");
}

#[test]
fn tcp_unix_and_command_probes_tell_a_dead_end_from_a_living_one() {
    let machine = Machine::boot("probes");
    machine.write("/opt/answer.py", SERVER);
    machine.write("/opt/answer", "200\nfine");
    service(&machine, "bus", "/usr/bin/python3 /opt/answer.py");
    for name in ["a", "b", "c", "slow"] {
        service(&machine, name, "/bin/sleep inf");
    }
    let listen = "import socket,time; s=socket.socket(socket.AF_UNIX); s.bind('/run/app.sock'); s.listen(); time.sleep(1e6)";
    service(&machine, "app", &format!("/usr/bin/python3 -c \"{listen}\""));
    machine.write_program(
        "/opt/check",
        "#!/bin/sh\necho \"queue is $(cat /opt/queue)\"; test \"$(cat /opt/queue)\" = short\n",
    );
    machine.write("/opt/queue", "short");
    machine.install_steadfast();

    let often = "period = \"1s\"\ntimeout = \"500ms\"\nfailure_threshold = 1\non_failure = \"alert\"\n";
    manage(&machine, "a.service", &format!("[probe.port]\ntcp = \"127.0.0.1:8080\"\n{often}"));
    manage(&machine, "b.service", &format!("[probe.socket]\nunix = \"/run/app.sock\"\n{often}"));
    manage(&machine, "c.service", &format!("[probe.check]\ncommand = [\"/opt/check\"]\n{often}"));
    for name in ["a.service", "b.service", "c.service"] {
        println!("{name}: {}", unit(&machine, name, ".probes[0] | \"\\(.message) \\(.latency_ms) ms\""));
    }

    machine.sh("systemctl stop bus app");
    machine.write("/opt/queue", "long");
    for (name, part) in
        [("a.service", "refused"), ("b.service", "/run/app.sock"), ("c.service", "queue is long")]
    {
        state(&machine, name, "down");
        println!("{name}: {}", answer(&machine, name, part));
    }
    machine.sh("rm -f /run/app.sock");
    println!("b.service: {}", answer(&machine, "b.service", "no such"));
    machine.sh("systemctl start bus app");
    machine.write("/opt/queue", "short");
    for name in ["a.service", "b.service", "c.service"] {
        state(&machine, name, "ok");
    }

    // A program that cannot be run tells nothing of the service.
    machine.sh("rm /opt/check");
    println!("c.service: {}", answer(&machine, "c.service", "/opt/check"));
    machine
        .wait_until("it is unknown", LIMIT, || unit(&machine, "c.service", ".probes[0].status") == "unknown");
    assert_eq!(unit(&machine, "c.service", ".last_action"), "null");

    // Right, but late.
    let late = "[probe.page]\nhttp = \"http://127.0.0.1:8080/\"\nmax_latency = \"1us\"\n";
    machine.write("/etc/steadfast/units.d/slow.service.toml", &format!("{late}{often}"));
    let (took, message) = crate::watched::finding(&machine, "slow.service", "probe-slow");
    println!("slow.service after {took:?}: {message}");
}

#[test]
fn no_line_of_a_log_is_missed_and_a_timer_tells_when_it_last_succeeded() {
    let machine = Machine::boot("log");
    machine.sh("mkfifo /run/say");
    machine.write_program(
        "/opt/says",
        "#!/bin/sh\nwhile :; do while read line; do echo \"$line\"; done </run/say; done\n",
    );
    service(&machine, "shop", "/opt/says");
    let say = |line: &str| machine.sh(&format!("echo '{line}' >/run/say"));
    machine.write("/etc/systemd/system/backup.service", "[Service]\nType=oneshot\nExecStart=/opt/backup\n");
    machine.write(
        "/etc/systemd/system/backup.timer",
        "[Timer]\nOnActiveSec=0\nOnUnitActiveSec=2s\nAccuracySec=100ms\n[Install]\nWantedBy=timers.target\n",
    );
    machine.write_program("/opt/backup", "#!/bin/sh\nexec /bin/true\n");
    machine.sh("systemctl daemon-reload; systemctl enable -q --now backup.timer");
    machine.install_steadfast();
    say("Could not open what was before");
    let log = "[probe.log]\njournal = \"^Could not open\"\nperiod = \"1s\"\nsuccess_threshold = 2\n";
    manage(&machine, "shop.service", log);
    say("all is well");
    let timer =
        "[probe.ran]\ntimer = \"backup.timer\"\nmax_age = \"5s\"\nperiod = \"1s\"\nfailure_threshold = 1\n";
    manage(&machine, "backup.timer", timer);
    println!("{}", unit(&machine, "backup.timer", ".probes[0].message"));

    say("Could not open the box");
    let (took, message) = crate::watched::finding(&machine, "shop.service", "probe-failed");
    println!("{message} (after {took:?})");
    assert!(message.contains("\"Could not open the box\""), "{message}");
    state(&machine, "shop.service", "ok");
    assert_eq!(unit(&machine, "shop.service", ".last_action"), "null", "nothing is restarted for a line");

    machine.sh("systemctl stop steadfast");
    say("Could not open it while nobody watched");
    machine.sh("systemctl start steadfast");
    let (_, message) = crate::watched::finding(&machine, "shop.service", "probe-failed");
    assert!(message.contains("while nobody watched"), "{message}");

    machine.write_program("/opt/backup", "#!/bin/sh\nexit 3\n");
    let (_, message) = crate::watched::finding(&machine, "backup.timer", "probe-failed");
    println!("{message}");
    assert!(message.contains("the last run of backup.service failed with result exit-code"), "{message}");
    machine.sh("systemctl stop backup.timer; systemctl reset-failed backup.service");
}
