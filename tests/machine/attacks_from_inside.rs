//! What a user of the host, or a watched service, tries to learn or to feign: secrets, ports, logs, directories of others.

use crate::rig::Machine;
use crate::watched::{LIMIT, journal, manage, status, unit};

fn service(machine: &Machine, name: &str, more: &str) {
    let text = format!("[Service]\n{more}\n[Install]\nWantedBy=multi-user.target\n");
    machine.write(&format!("/etc/systemd/system/{name}.service"), &text);
    machine.sh(&format!("systemctl daemon-reload && systemctl enable -q --now {name}.service"));
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
