//! The address of `listen` is served by a process that has nothing to lose; the supervisor itself has no network.

use std::path::Path;
use std::time::Duration;

use crate::prober::is_nobody;
use crate::rig::Machine;
use crate::watched::{LIMIT, journal, manage, state, status};

const SLEEPER: &str = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";

fn main_pid(machine: &Machine, unit: &str) -> String {
    machine.sh(&format!("systemctl show -P MainPID {unit}"))
}

fn answers(machine: &Machine, port: u16) -> bool {
    machine.try_sh(&format!("curl -sf -m 5 -o /dev/null http://127.0.0.1:{port}/v1/status")).ok()
}

fn served(machine: &Machine, port: u16) -> Duration {
    machine.wait_until(&format!("it is served at {port}"), LIMIT, || answers(machine, port))
}

/// Who listens there.
fn listener(machine: &Machine, port: u16) -> String {
    machine.sh(&format!("ss -Hltnp 'sport = :{port}' | sed -n 's/.*pid=\\([0-9]*\\).*/\\1/p'"))
}

fn listen(machine: &Machine, settings: &str) {
    machine.write("/etc/steadfast/steadfast.toml", settings);
    machine.sh("systemctl reload steadfast.service");
}

/// Inodes of sockets that the supervisor has open, and that stand in a table of a network: the host's, or its own.
const SOCKETS: &str = r#"
pid=$(systemctl show -P MainPID steadfast.service)
for inode in $(ls -l /proc/$pid/fd | sed -n 's/.*socket:\[\([0-9]*\)\]/\1/p'); do
    echo open
    for network in 1 $pid; do
        grep -hw $inode /proc/$network/net/{tcp,tcp6,udp,udp6,raw,raw6,netlink,packet} || true
    done
done
nsenter -t $pid -n ss -Htuln
"#;

fn has_no_network(machine: &Machine) {
    let told = machine.run(&["bash", "-ec", SOCKETS]);
    assert!(told.ok(), "{told:?}");
    let lines: Vec<&str> = told.stdout.lines().collect();
    assert!(lines.len() > 2 && lines.iter().all(|line| *line == "open"), "{told:?}");
}

/// What `systemd-analyze` says of a unit that runs.
fn exposure(machine: &Machine, unit: &str) -> f64 {
    let said = machine.try_sh(&format!("systemd-analyze security --no-pager {unit}")).stdout;
    let last = said.lines().last().unwrap_or_default();
    println!("{last}");
    let figure = last.split(": ").nth(1).and_then(|rest| rest.split(' ').next());
    figure.and_then(|figure| figure.parse().ok()).expect("a figure")
}

#[test]
fn listen_is_served_by_who_has_nothing_to_lose_and_the_supervisor_has_no_network() {
    let machine = Machine::boot("listen-apart");
    machine.write("/etc/systemd/system/shop.service", SLEEPER);
    machine.write("/etc/steadfast/steadfast.toml", "listen = \"127.0.0.1:9631\"\n");
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop.service");
    machine.install_steadfast();
    manage(&machine, "shop.service", "");
    println!("served after {:?}", served(&machine, 9631));
    has_no_network(&machine);
    let supervisor = main_pid(&machine, "steadfast.service");
    let first = listener(&machine, 9631);
    let group = machine.sh(&format!("cat /proc/{first}/cgroup"));
    assert!(group.contains("steadfast-prober.service"), "{group}");
    let known = machine.sh(&format!("grep -E '^(Uid|Gid|Cap|NoNewPrivs|Seccomp)' /proc/{first}/status"));
    is_nobody(&known, true);
    for unit in ["steadfast.service", "steadfast-prober.service"] {
        let exposure = exposure(&machine, unit);
        assert!(exposure <= 1.5, "{unit}: {exposure}");
    }

    // It is killed, and so is who starts it.
    machine.sh(&format!("kill -KILL {first}"));
    machine.wait_until("another one serves", LIMIT, || {
        answers(&machine, 9631) && listener(&machine, 9631) != first
    });
    let starter = main_pid(&machine, "steadfast-prober.service");
    machine.sh(&format!("kill -KILL {starter}"));
    machine.wait_until("it is served again", LIMIT, || {
        main_pid(&machine, "steadfast-prober.service") != starter && answers(&machine, 9631)
    });

    // The setting is followed.
    listen(&machine, "listen = \"127.0.0.1:9632\"\n");
    println!("served elsewhere after {:?}", served(&machine, 9632));
    assert!(!answers(&machine, 9631));
    listen(&machine, "");
    machine.wait_until("nobody listens", LIMIT, || !answers(&machine, 9632));
    listen(&machine, "listen = \"127.0.0.1:80\"\n");
    machine.wait_until("it is said", LIMIT, || {
        journal(&machine).contains(
            "cannot listen on 127.0.0.1:80: Permission denied (os error 13); ports below 1024 are root's",
        )
    });

    // Where the unit is not there, another one with the same confines serves, and that is said.
    machine.sh("systemctl mask -q --runtime --now steadfast-prober.socket steadfast-prober.service");
    listen(&machine, "listen = \"127.0.0.1:9631\"\n");
    served(&machine, 9631);
    let stands_in = listener(&machine, 9631);
    let group = machine.sh(&format!("cat /proc/{stands_in}/cgroup"));
    assert!(group.contains("steadfast-run-"), "{group}");
    let known = machine.sh(&format!("grep -E '^(Uid|Gid|Cap|NoNewPrivs|Seccomp)' /proc/{stands_in}/status"));
    is_nobody(&known, true);
    machine.write(
        "/etc/steadfast/units.d/shop.service.toml",
        "[probe.page]\nhttp = \"http://127.0.0.1:9631/healthz\"\nperiod = \"1s\"\ntimeout = \"900ms\"\n",
    );
    machine.wait_until("it is asked over the network all the same", LIMIT, || {
        status(&machine, ".units[0].probes[0].status") == "healthy"
    });
    let said = status(&machine, ".findings[] | select(.code == \"host-prober-failing\") | .message");
    assert!(said.contains("runs in a unit of the moment, as steadfast-prober.socket is not there"), "{said}");
    state(&machine, "shop.service", "ok");
    has_no_network(&machine);
    assert_eq!(main_pid(&machine, "steadfast.service"), supervisor, "the supervisor never ended");

    // Whoever is stopped with his prober misses nobody.
    machine.sh("systemctl unmask -q --runtime steadfast-prober.socket steadfast-prober.service; systemctl restart steadfast.service");
    served(&machine, 9631);
    let group = machine.sh(&format!("cat /proc/{}/cgroup", listener(&machine, 9631)));
    assert!(group.contains("steadfast-prober.service"), "{group}");
    let lines = journal(&machine).lines().count();
    machine.sh("systemctl stop steadfast.service");
    let said = journal(&machine);
    let said: Vec<&str> = said.lines().skip(lines).collect();
    assert!(!said.concat().contains("cannot"), "{said:?}");
    assert!(!answers(&machine, 9631));
    assert_eq!(machine.try_sh("systemctl is-active steadfast-prober.service").stdout, "inactive");
}

#[test]
fn a_users_listen_is_served_by_a_child() {
    let machine = Machine::boot("users-listen");
    machine.place_steadfast(
        Path::new(env!("CARGO_BIN_EXE_steadfast")),
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/units")),
    );
    machine.add_user("joe");
    machine.enable_linger("joe");
    machine.write("/home/joe/.config/steadfast/steadfast.toml", "listen = \"127.0.0.1:9700\"\n");
    machine.sh("chown -R joe: /home/joe/.config");
    machine.sh_as("joe", "systemctl --user start steadfast.service");
    served(&machine, 9700);
    let parent = |pid: &str| machine.sh(&format!("ps -o ppid= -p {pid} | tr -d ' '"));
    let pid = machine.sh_as("joe", "systemctl --user show -P MainPID steadfast.service");
    let first = listener(&machine, 9700);
    assert_eq!(parent(&first), pid);
    is_nobody(&machine.sh(&format!("grep -E '^(Uid|NoNewPrivs|CapEff|CapPrm)' /proc/{first}/status")), false);
    // Killed, it is there again; it ends with its supervisor.
    machine.sh(&format!("kill -KILL {first}"));
    machine.wait_until("another one serves", LIMIT, || answers(&machine, 9700));
    assert_eq!(parent(&listener(&machine, 9700)), pid);
    machine.sh_as("joe", "systemctl --user stop steadfast.service");
    assert!(!answers(&machine, 9700));
}
