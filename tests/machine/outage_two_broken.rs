//! O2: the new release is broken: its smoke test fails before the old master is stopped, which goes on serving.

use crate::rig::Machine;
use crate::watched::{LIMIT, finding, manage, told_at, unit};

const QUEUE: &str = "horizon.service";

const ARTISAN: &str = r#"<?php
$server = stream_socket_server("tcp://127.0.0.1:8000");
while (true) {
    if (!$client = @stream_socket_accept($server, 60)) { continue; }
    fread($client, 4096);
    fwrite($client, "HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" . __DIR__);
    fclose($client);
}
"#;

const BROKEN: &str = "<?php\n$jobs = [\nforeach ($jobs as $job) {}\n";

const UNIT: &str = "[Service]\nWorkingDirectory=/srv/app/current\nExecStart=/usr/bin/php artisan\n[Install]\nWantedBy=multi-user.target\n";

const FILE: &str = r#"
[release]
settle = "1s"

[smoke]
command = ["/usr/bin/php", "-l", "artisan"]

[probe.answer]
http = "http://127.0.0.1:8000/"
period = "1s"
timeout = "900ms"
"#;

fn deploy(machine: &Machine, number: u32, artisan: &str) {
    machine.write(&format!("/srv/app/releases/{number}/artisan"), artisan);
    machine.sh(&format!("ln -sfn releases/{number} /srv/app/current"));
}

fn run(machine: &Machine) -> String {
    machine.sh("systemctl show -P InvocationID -P MainPID horizon.service")
}

fn served(machine: &Machine) -> String {
    machine.sh("curl -sf http://127.0.0.1:8000/")
}

#[test]
fn a_broken_release_does_not_stop_the_master_that_works() {
    let machine = Machine::boot("o2-broken");
    deploy(&machine, 1, ARTISAN);
    machine.write("/etc/systemd/system/horizon.service", UNIT);
    machine.sh("systemctl daemon-reload && systemctl enable --now horizon.service");
    machine.install_steadfast();
    manage(&machine, QUEUE, FILE);
    let before = run(&machine);

    deploy(&machine, 2, BROKEN);
    let (took, message) = finding(&machine, QUEUE, "smoke-failed");
    println!("broken release found {took:?} after the flip (settle is 1 s): {message}");
    assert!(message.contains("PHP Parse error:  syntax error, "), "{message}");
    assert!(message.ends_with("in artisan on line 3"), "{message}");
    assert_eq!(run(&machine), before, "the old master goes on");
    assert_eq!(served(&machine), "/srv/app/releases/1");
    assert_eq!(unit(&machine, QUEUE, ".restarts.spent"), "0");

    deploy(&machine, 3, ARTISAN);
    let healed = machine.wait_until("it runs release 3", LIMIT, || {
        unit(&machine, QUEUE, ".state + \" \" + .release.running") == "ok /srv/app/releases/3"
    });
    println!("the next good release runs and is proven after {healed:?}");
    assert_eq!(served(&machine), "/srv/app/releases/3");
    assert_eq!(told_at(&machine, QUEUE, "found", "smoke-failed").len(), 1);
    assert_eq!(unit(&machine, QUEUE, "[.findings[].code] | join(\",\")"), "");
}
