//! O2 with gunicorn as the master: its HUP replaces the workers only; a restart of the whole unit serves the new release.

use crate::rig::Machine;
use crate::watched::{LIMIT, finding, manage, state, timed, told_at, unit};

const WEB: &str = "web.service";

const APP: &str = r#"
import os
RELEASE = os.path.dirname(os.path.realpath(__file__))
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [RELEASE.encode()]
"#;

const UNIT: &str = "[Service]
Type=notify
WorkingDirectory=/srv/app/current
ExecStart=/usr/bin/gunicorn --workers 2 --bind 127.0.0.1:8000 app:app
ExecReload=/bin/kill -HUP $MAINPID
[Install]
WantedBy=multi-user.target
";

fn file(release: &str) -> String {
    format!(
        "[release]\n{release}\n[probe.app]\nhttp = \"http://127.0.0.1:8000/\"\nperiod = \"1s\"\ntimeout = \"900ms\"\n"
    )
}

fn web(name: &str, release: &str) -> Machine {
    let machine = Machine::boot(name);
    for number in [1, 2] {
        machine.write(&format!("/srv/app/releases/{number}/app.py"), APP);
    }
    machine.sh("ln -sfn releases/1 /srv/app/current");
    machine.write("/etc/systemd/system/web.service", UNIT);
    machine.sh("systemctl daemon-reload && systemctl enable --now web.service");
    machine.write("/etc/steadfast/steadfast.toml", "resync = \"1s\"\n");
    machine.install_steadfast();
    manage(&machine, WEB, &file(release));
    machine
}

fn served(machine: &Machine) -> String {
    machine.try_sh("curl -s http://127.0.0.1:8000/").stdout
}

#[test]
fn gunicorn_is_restarted_as_a_whole_and_serves_the_new_release() {
    let machine = web("o2-gunicorn", "settle = \"2s\"");
    assert_eq!(served(&machine), "/srv/app/releases/1");
    let before = machine.sh("systemctl show -P InvocationID web.service");
    let flipped = timed(&machine, "ln -sfn releases/2 /srv/app/current");
    let healed = machine.wait_until("it runs release 2", LIMIT, || {
        unit(&machine, WEB, ".state + \" \" + .release.running") == "ok /srv/app/releases/2"
    });
    let noticed = told_at(&machine, WEB, "found", "release-outdated")[0] - flipped;
    println!("gunicorn: flip noticed after {noticed} ms, restarted and proven after {healed:?}");
    assert!(noticed < 1000);
    assert_eq!(served(&machine), "/srv/app/releases/2");
    assert_ne!(machine.sh("systemctl show -P InvocationID web.service"), before);
    let lives =
        unit(&machine, WEB, "[.release.processes[] | .role + \" \" + .residence] | sort | join(\",\")");
    assert_eq!(lives, "main current,worker current,worker current");
}

#[test]
fn a_reload_of_gunicorn_replaces_its_workers_only() {
    let machine = web("o2-hup", "on_stale = \"alert\"");
    machine.sh("ln -sfn releases/2 /srv/app/current");
    finding(&machine, WEB, "release-outdated");
    let reloaded = timed(&machine, "systemctl reload web.service");
    let (_, message) = finding(&machine, WEB, "workers-only-restart");
    let noticed = told_at(&machine, WEB, "found", "workers-only-restart")[0] - reloaded;
    println!("gunicorn: workers-only restart noticed after {noticed} ms (resync is 1 s): {message}");
    assert!(message.starts_with("new workers under an old master: "), "{message}");
    assert!(message.ends_with("(gunicorn) still runs /srv/app/releases/1"), "{message}");
    assert_eq!(served(&machine), "/srv/app/releases/1", "that is the point");

    // Killed workers that their master replaces are no better.
    machine.sh("systemctl restart web.service");
    state(&machine, WEB, "ok");
    machine.sh("ln -sfn releases/1 /srv/app/current");
    finding(&machine, WEB, "release-outdated");
    machine.sh("pkill -KILL -P $(systemctl show -P MainPID web.service)");
    let (_, message) = finding(&machine, WEB, "workers-only-restart");
    assert!(message.contains("new workers under an old master: "), "{message}");
    assert_eq!(served(&machine), "/srv/app/releases/2", "that is the point");
}
