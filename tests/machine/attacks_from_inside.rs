//! What a user of the host, or a watched service, tries to learn or to feign: secrets, ports, logs, directories of others.

use crate::rig::Machine;
use crate::watched::{LIMIT, journal, manage, status, unit};

fn service(machine: &Machine, name: &str, more: &str) {
    let text = format!("[Service]\n{more}\n[Install]\nWantedBy=multi-user.target\n");
    machine.write(&format!("/etc/systemd/system/{name}.service"), &text);
    machine.sh(&format!("systemctl daemon-reload && systemctl enable -q --now {name}.service"));
}

/// Each line of the unit's log that matches is told once: long ones, and the first behind the entry of another unit. A machine
/// as its installer leaves it has neither curl nor jq.
fn every_line_is_told_once(release: &str) {
    let machine = Machine::boot_as_installed("log", release);
    service(&machine, "shop", "ExecStart=/bin/sleep infinity");
    machine.install_steadfast();
    let probe = "[probe.log]\njournal = \"boom\"\nperiod = \"1s\"\ntimeout = \"900ms\"\n";
    machine.write("/etc/steadfast/units.d/shop.service.toml", probe);
    let cursor = || machine.try_sh("cat /var/lib/steadfast/cursors/shop.service.log").stdout;
    machine.wait_until("a first look was taken", LIMIT, || !cursor().is_empty());
    // The unit's own lines: from inside of its control group.
    machine.write(
        "/opt/say",
        "echo $$ > $(find /sys/fs/cgroup -path '*/shop.service/cgroup.procs' | head -n 1)\n\
         # journald looks at the writer's control group when it reads the line: the writer stays until then.
         { printf '%s\\n' \"$1\"; for n in $(seq 100); do \
         journalctl -q -u shop -o cat --since -2min --all | grep -qF \"${1:0:14}\" && break; sleep 0.1; done; } | systemd-cat -t shop\n",
    );
    let says = |what: &str| {
        let before = cursor();
        machine.sh(&format!("bash /opt/say \"{what}\""));
        machine.wait_until("it was read", LIMIT, || cursor() != before);
    };
    let told = || machine.sh("journalctl -t steadfast -o cat --no-pager | grep '^probe-failed: ' || true");
    says("boom the first");
    machine.wait_until("the first line behind another unit's is told", LIMIT, || {
        told().contains("boom the first")
    });
    machine.wait_until("no new line matches", LIMIT, || {
        machine.try_sh("steadfast explain shop").stdout.contains("no new line matches")
    });
    says("all is well");
    says("boom $(head -c 9000 /dev/zero | tr '\\0' x)");
    machine.wait_until("a line of 9,000 bytes is told", LIMIT, || told().contains("boom xxxxxxxx"));
    println!("{release}: {}", told());
    assert_eq!(told().lines().filter(|line| line.contains("boom")).count(), 2, "each once");
}

#[test]
fn row_10_each_line_of_a_log_is_told_once_on_systemd_252() {
    every_line_is_told_once("bookworm");
}

#[test]
fn row_10_each_line_of_a_log_is_told_once_on_systemd_257() {
    every_line_is_told_once("trixie");
}

const SINK: &str = "[alert.sink]\ntype = \"command\"\ncommand = [\"/opt/tell\"]\n";

#[test]
fn row_11_what_an_alert_says_is_for_its_command_and_secrets_are_for_nobody() {
    let machine = Machine::boot("secrets");
    machine.add_user("joe");
    machine.write_program(
        "/opt/tell",
        "#!/bin/sh\nenv | grep ^STEADFAST_ > /root/told.new && mv /root/told.new /root/told\nsleep 5\n",
    );
    machine.write_program(
        "/opt/probe",
        "#!/bin/sh\necho 'cannot log in with DB_PASSWORD=hunter2 and token: s3cr3tvalue'\nexit 1\n",
    );
    machine.write("/etc/steadfast/steadfast.toml", SINK);
    service(&machine, "shop", "User=joe\nExecStart=/bin/sleep infinity");
    machine.install_steadfast();
    let probe = "[probe.login]\ncommand = [\"/opt/probe\"]\nperiod = \"1s\"\ntimeout = \"900ms\"\nfailure_threshold = 1\non_failure = \"alert\"\n";
    machine.write("/etc/steadfast/units.d/shop.service.toml", probe);
    machine.wait_until("the sink was told", LIMIT, || machine.try_sh("test -s /root/told").ok());
    // It runs for five seconds: what joe sees of it meanwhile.
    let shown = machine.sh_as(
        "joe",
        "systemctl show --all 'steadfast-run-*'; cat /run/steadfast/*.env 2>&1; ls -l /run/steadfast",
    );
    let told = machine.sh("cat /root/told");
    println!("{told}\n{shown}");
    assert!(
        shown.contains("EnvironmentFiles=/run/steadfast/steadfast-run-"),
        "it was looked at in time: {shown}"
    );
    assert!(told.contains("STEADFAST_UNIT=shop.service") && told.contains("STEADFAST_SUMMARY="), "{told}");
    assert!(shown.contains("Permission denied") && !shown.contains("STEADFAST_SUMMARY"), "{shown}");
    // What the probe wrote is told without what must not be.
    let all = format!(
        "{}\n{}\n{}\n{told}",
        status(&machine, "."),
        journal(&machine),
        machine.sh("steadfast explain shop || true")
    );
    assert!(
        all.contains("DB_PASSWORD=***") && !all.contains("hunter2") && !all.contains("s3cr3tvalue"),
        "{all}"
    );
    machine.wait_until("the file has gone with its command", LIMIT, || {
        !machine.try_sh("ls /run/steadfast/*.env").ok()
    });
}

/// Says +OK to whatever comes, and writes it down.
const FEIGNS: &str = r#"
import socket
listens = socket.create_server(("127.0.0.1", 6379))
while True:
    one, _ = listens.accept()
    said = one.recv(4096)
    open("/tmp/heard", "ab").write(said)
    one.sendall(b"+OK\r\n+PONG\r\n" * 8)
    one.close()
"#;

#[test]
fn row_15_a_password_is_not_sent_to_whoever_binds_the_port_of_a_service() {
    let machine = Machine::boot("feigned");
    machine.add_user("joe");
    machine.write("/opt/feigns.py", FEIGNS);
    machine.sh("umask 077; echo hunter2 > /root/redis.password");
    service(&machine, "redis-server", "ExecStart=/bin/sleep infinity");
    machine.install_steadfast();
    machine.sh("systemd-run -q --uid=joe --unit=joes python3 /opt/feigns.py");
    machine.wait_until("joe listens", LIMIT, || machine.try_sh("ss -ltn | grep -q :6379").ok());
    let probe = "[probe.ping]\nredis = \"redis://127.0.0.1:6379\"\npassword_file = \"/root/redis.password\"\nperiod = \"1s\"\ntimeout = \"900ms\"\non_failure = \"alert\"\n";
    machine.write("/etc/steadfast/units.d/redis-server.service.toml", probe);
    machine.wait_until("it is found", LIMIT, || {
        unit(&machine, "redis-server.service", ".findings[].message").contains("is held by joe")
    });
    let message = unit(&machine, "redis-server.service", ".findings[].message");
    println!("{message}");
    assert!(message.contains("not by redis-server.service: its password was not sent"), "{message}");
    assert!(!machine.try_sh("cat /tmp/heard").stdout.contains("hunter2"), "joe has the password");
    // The same listener, once it is the service's own.
    machine.sh("systemctl stop joes.service; rm -f /tmp/heard");
    machine.write(
        "/etc/systemd/system/redis-server.service.d/own.conf",
        "[Service]\nUser=joe\nExecStart=\nExecStart=/usr/bin/python3 /opt/feigns.py\n",
    );
    machine.sh("systemctl daemon-reload && systemctl restart redis-server.service");
    machine.wait_until("its own listener is told the password", LIMIT, || {
        machine.try_sh("cat /tmp/heard").stdout.contains("hunter2")
    });
}

#[test]
fn row_16_a_link_of_a_service_s_user_makes_us_tell_nothing_of_a_closed_directory() {
    let machine = Machine::boot("closed");
    machine.add_user("joe");
    machine
        .sh("mkdir -p /root/secret/.hidden/2026-payroll && ln -s .hidden/2026-payroll /root/secret/latest");
    machine.sh("chmod 700 /root /root/secret; mkdir -p /srv/app && chown joe: /srv/app");
    machine.sh_as("joe", "mkdir -p /srv/app/releases/1 && ln -s releases/1 /srv/app/current");
    service(&machine, "shop", "User=joe\nWorkingDirectory=/srv/app/current\nExecStart=/bin/sleep infinity");
    machine.install_steadfast();
    manage(&machine, "shop.service", "[release]\non_stale = \"alert\"\nsettle = \"200ms\"\n");
    machine.sh_as("joe", "ln -sfn /root/secret/latest /srv/app/current");
    let release = "(.conditions[] | select(.type == \"Release\") | .message)";
    machine.wait_until("it is known that joe may not look there", LIMIT, || {
        unit(&machine, "shop.service", release).contains("may not look")
    });
    let all = format!(
        "{}\n{}\n{}",
        status(&machine, "."),
        journal(&machine),
        machine.sh("steadfast explain shop || true")
    );
    println!("{}", unit(&machine, "shop.service", release));
    assert!(!all.contains("payroll") && !all.contains(".hidden"), "{all}");
}

/// More sockets than are looked at, of three processes with more open files than are looked at of one.
const MANY: &str = r#"
import os, resource, socket, time
most = min(15000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100)
resource.setrlimit(resource.RLIMIT_NOFILE, (most + 50, most + 50))
for process in range(3):
    if os.fork() == 0:
        held = [socket.socketpair() for n in range(most // 2)]
        open("/tmp/ready-%d" % process, "w").close()
        time.sleep(100000)
time.sleep(100000)
"#;

#[test]
fn row_17_somebody_who_opens_any_number_of_sockets_holds_up_no_audit_and_what_is_left_out_is_said() {
    let machine = Machine::boot("sockets");
    machine.add_user("joe");
    machine.write("/opt/many.py", MANY);
    service(&machine, "shop", "ExecStart=/bin/sleep infinity");
    machine.install_steadfast();
    let timed = |script: &str| {
        let start = std::time::Instant::now();
        let output = machine.try_sh(script);
        (start.elapsed(), output)
    };
    let (undisturbed, _) = timed("steadfast audit");
    machine.sh("systemd-run -q --uid=joe --unit=many -p LimitNOFILE=15100 python3 /opt/many.py");
    machine.wait_until("all are open", LIMIT, || machine.try_sh("test $(ls /tmp/ready-* | wc -l) = 3").ok());
    let (took, output) = timed("steadfast audit");
    let text = format!("{}{}", output.stdout, output.stderr);
    println!("an audit takes {took:?}, undisturbed {undisturbed:?}\n{text}");
    assert!(took < std::time::Duration::from_secs(45), "{took:?}");
    assert!(text.contains("unix sockets: the others were not looked at"), "{text}");
    assert!(text.contains("of too many open files not all were looked at"), "{text}");
}
