//! The commands as a new user meets them: what they say and their exit statuses.

use crate::rig::Machine;
use crate::watched::{LIMIT, manage, state, unit};

/// Runs a command, shows what it prints, and returns its exit status and all that it printed.
fn run(machine: &Machine, command: &str) -> (Option<i32>, String) {
    let output = machine.try_sh(command);
    println!("$ {command}\n{}{}\n[{:?} {:?}]\n", output.stdout, output.stderr, output.code, output.took);
    (output.code, format!("{}\n{}", output.stdout, output.stderr))
}

/// Runs a command, and holds its exit status and these key words against it.
fn expect(machine: &Machine, command: &str, code: i32, words: &[&str]) {
    let (got, page) = run(machine, command);
    for word in words {
        assert!(page.contains(word), "`{command}` says {word}:\n{page}");
    }
    assert_eq!(got, Some(code), "`{command}`:\n{page}");
}

/// One unit that is well, one that lives in an old release, one that a person stopped.
fn shop(name: &str) -> Machine {
    let machine = Machine::boot(name);
    let install = "[Install]\nWantedBy=multi-user.target\n";
    let service = |name: &str, lines: &str| {
        machine
            .write(&format!("/etc/systemd/system/{name}.service"), &format!("[Service]\n{lines}\n{install}"));
    };
    machine.sh("mkdir -p /srv/app/releases/65 /srv/app/releases/66 && ln -s releases/65 /srv/app/current");
    service("web", "ExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 8080");
    service("horizon", "WorkingDirectory=/srv/app/current\nExecStart=/bin/sleep inf");
    service("report", "ExecStart=/bin/sleep inf");
    machine.sh("systemctl daemon-reload && systemctl enable --now web horizon report");
    machine.install_steadfast();
    let probe = "owner = \"team-shop\"\n[probe.page]\nhttp = \"http://127.0.0.1:8080/\"\nperiod = \"2s\"\ntimeout = \"1s\"\n";
    manage(&machine, "web.service", probe);
    manage(&machine, "horizon.service", "[release]\non_stale = \"alert\"\n");
    manage(&machine, "report.service", "");
    machine.sh("ln -sfn releases/66 /srv/app/current; systemctl stop report.service");
    machine.wait_until("horizon is stale", LIMIT, || {
        unit(&machine, "horizon.service", ".findings[].code") == "release-outdated"
    });
    state(&machine, "report.service", "held");
    machine
}

#[test]
fn the_state_of_things_is_told_by_four_commands() {
    let machine = shop("looking");
    expect(&machine, "steadfast status", 2, &["web.service", "horizon.service", "release-outdated", "held"]);
    expect(&machine, "steadfast status web", 0, &["web.service", "page healthy", "team-shop", "enabled"]);
    expect(&machine, "steadfast status horizon report", 2, &["horizon.service", "report.service"]);
    expect(
        &machine,
        "steadfast explain horizon",
        0,
        &["release-outdated", "/srv/app/releases/66", "needs a person"],
    );
    expect(
        &machine,
        "steadfast explain report",
        0,
        &["stopped by a person", "steadfast resume report.service"],
    );
    expect(&machine, "steadfast explain web", 0, &["all is well"]);
    expect(&machine, "steadfast check", 2, &["web.service", "page", "healthy", "release-outdated"]);
    expect(&machine, "steadfast check web.service", 0, &["healthy"]);
    expect(&machine, "steadfast check --nagios", 2, &["CRITICAL"]);
    expect(&machine, "steadfast audit", 2, &["release-outdated"]);
    expect(&machine, "steadfast status nowhere", 3, &["cannot find unit nowhere"]);
    expect(&machine, "steadfast check nowhere", 3, &["nowhere"]);
    for command in ["status", "status web", "explain horizon", "check", "audit", "verify", "schema"] {
        let (code, page) = run(&machine, &format!("steadfast {command} --json | jq -e type"));
        assert_eq!(code, Some(0), "{command} --json is JSON: {page}");
    }
}

#[test]
fn a_mistake_in_a_file_is_shown_where_it_is() {
    let machine = Machine::boot("verifying");
    machine.install_steadfast();
    expect(&machine, "steadfast verify", 0, &["nothing to correct"]);
    machine.write(
        "/etc/steadfast/units.d/web.service.toml",
        "mode = \"act\"\n\n[probe.page]\nhtpp = \"http://127.0.0.1/\"\n",
    );
    let words = ["/etc/steadfast/units.d/web.service.toml", "4", "^^^^", "http", "1 problem to correct"];
    expect(&machine, "steadfast verify", 78, &words);
    expect(&machine, "steadfast verify --json", 78, &["\"line\": 4", "\"column\": 1"]);
    machine.wait_until("the daemon has seen the file", LIMIT, || {
        machine.try_sh("steadfast status").stdout.contains("web.service.toml")
    });
    expect(&machine, "steadfast status", 1, &["web.service.toml:4:1", "htpp"]);
    machine.write("/tmp/draft/web.service.toml", "severity = \"loud\"\n");
    expect(&machine, "steadfast verify /tmp/draft/web.service.toml", 78, &["loud", "critical"]);
    machine.write("/tmp/draft/web.service.toml", "");
    expect(
        &machine,
        "steadfast verify /tmp/draft/web.service.toml /tmp/missing.toml",
        78,
        &["/tmp/missing.toml"],
    );

    expect(&machine, "steadfast schema | jq -r .type", 0, &["object"]);
    expect(&machine, "steadfast completions bash | bash -n", 0, &[]);
    expect(&machine, "steadfast", 64, &["Usage", "audit"]);
    expect(&machine, "steadfast stauts", 64, &["status"]);
    expect(&machine, "steadfast --version", 0, &["steadfast"]);
    expect(&machine, "steadfast status | head -c 1", 0, &[]);
}

#[test]
fn what_a_person_asks_for_is_done_or_refused_with_the_reason() {
    let machine = shop("asking");
    expect(&machine, "steadfast wait web --timeout 10s", 0, &["web.service", "as wanted"]);
    expect(
        &machine,
        "steadfast wait horizon --for Active,Release --timeout 1s",
        2,
        &["Release", "release-outdated"],
    );
    expect(&machine, "steadfast wait web --for Progressing --timeout 1s", 3, &["Progressing"]);
    expect(&machine, "steadfast wait web --for Ready", 64, &["no such condition"]);

    expect(&machine, "steadfast hold web --for 30m --reason 'moving the disk'", 0, &["web.service"]);
    expect(&machine, "steadfast status web", 1, &["held", "moving the disk"]);
    expect(&machine, "steadfast resume web", 0, &[]);
    expect(&machine, "steadfast resume web", 0, &["neither held nor in quarantine"]);
    expect(&machine, "steadfast hold web --for 3d --reason x", 64, &["24"]);
    expect(&machine, "steadfast hold web --for 30m", 64, &["--reason"]);

    expect(&machine, "steadfast recover report", 0, &["start", "enable"]);
    state(&machine, "report.service", "ok");
    expect(&machine, "steadfast recover nowhere", 3, &["cannot find unit nowhere"]);

    // Somebody else: may look if in the group, and may not change anything.
    machine.add_user("joe");
    let as_joe = "setpriv --reuid=joe --regid=joe --init-groups";
    expect(&machine, &format!("{as_joe} steadfast status"), 3, &["permission", "group"]);
    machine.sh("usermod -aG steadfast joe");
    expect(&machine, &format!("{as_joe} steadfast status web"), 0, &["web.service"]);
    expect(&machine, &format!("{as_joe} steadfast recover web"), 1, &["root"]);

    machine.sh("systemctl stop steadfast.service");
    expect(&machine, "steadfast status", 3, &["cannot reach the supervisor", "systemctl start steadfast"]);
    expect(&machine, "steadfast check web", 0, &["healthy"]);
}
