//! A7: the daemon of a unit runs outside of it, started by hand or by a tool of its own. It is said, and never doubled.

use crate::rig::Machine;
use crate::watched::{finding, journal, manage, state};

/// Three daemons: one with a PID file, one that listens where its probe asks, one that is known by its command line alone
/// and was begun by a wrapper. And one of which a copy runs elsewhere that is not it.
const DAEMONS: &str = r#"
cat >/usr/local/bin/listen <<'END'
#!/usr/bin/python3
import socket, sys, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(sys.argv[1]))); s.listen()
while True:
    s.accept()[0].close()
END
chmod +x /usr/local/bin/listen
for name in named wrapped other; do cp /bin/sleep /usr/local/sbin/${name}d; done
cat >/usr/local/bin/namedctl <<'END'
#!/bin/sh
setsid /usr/local/sbin/namedd 1000001 </dev/null >/dev/null 2>&1 &
echo $! >/run/named-rig.pid
END
printf '#!/bin/sh\nexec /usr/local/sbin/wrappedd 1000002\n' >/usr/local/bin/wrappedctl
chmod +x /usr/local/bin/namedctl /usr/local/bin/wrappedctl
cd /etc/systemd/system
printf '[Service]\nType=forking\nPIDFile=/run/named-rig.pid\nExecStart=/usr/local/bin/namedctl\nRestart=no\n[Install]\nWantedBy=multi-user.target\n' >named-rig.service
printf '[Service]\nExecStart=/usr/local/bin/listen 8107\nRestart=no\n[Install]\nWantedBy=multi-user.target\n' >listening.service
printf '[Service]\nExecStart=/usr/local/bin/wrappedctl\nRestart=no\n[Install]\nWantedBy=multi-user.target\n' >wrapped.service
printf '[Service]\nExecStart=/usr/local/sbin/otherd 1000003\nRestart=no\n[Install]\nWantedBy=multi-user.target\n' >other.service
systemctl daemon-reload
systemctl enable -q --now named-rig listening wrapped other
"#;

const UNITS: [&str; 4] = ["named-rig.service", "listening.service", "wrapped.service", "other.service"];

#[test]
fn a_daemon_that_runs_outside_its_unit_is_said_and_not_doubled() {
    let machine = Machine::boot("outside");
    machine.sh(DAEMONS);
    machine.install_steadfast();
    for name in UNITS {
        let port = "[probe.port]\ntcp = \"127.0.0.1:8107\"\n";
        manage(&machine, name, if name.starts_with("listening") { port } else { "" });
    }
    // What its main process is, an inspection shows.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let invocations = "systemctl show -P InvocationID named-rig listening wrapped other";
    let before = machine.sh(invocations);
    // Each dies, and at the same moment somebody starts it by hand, in a group that is none of its own. Of the last one
    // another copy runs, with other arguments.
    machine.sh("mkdir -p /sys/fs/cgroup/by-hand; echo $$ >/sys/fs/cgroup/by-hand/cgroup.procs
        by_hand() { setsid \"$@\" </dev/null >/dev/null 2>&1 & }
        by_hand /usr/local/sbin/otherd 99
        for name in named-rig listening wrapped other; do
          kill -KILL $(systemctl show -P MainPID $name) &
        done
        wait %2 %3 %4 %5 2>/dev/null || true
        by_hand /usr/local/bin/listen 8107
        by_hand /usr/local/bin/wrappedctl
        # Not before systemd has seen the end: it would take what the PID file names for the service.
        for n in $(seq 40); do [ \"$(systemctl show -P SubState named-rig)\" = failed ] && break; done
        /usr/local/bin/namedctl
        sleep 0.1");
    let told: Vec<String> = ["named-rig.service", "listening.service", "wrapped.service"]
        .iter()
        .map(|name| finding(&machine, name, "outside-unit").1)
        .collect();
    println!("{told:#?}");
    for (told, how) in told.iter().zip([
        "(/run/named-rig.pid names it)",
        "(it listens on 127.0.0.1:8107)",
        "(it runs with the same command line)",
    ]) {
        assert!(told.contains(how) && told.contains(" in no unit ") && told.contains("of root"), "{told}");
    }
    // The other one is started as ever.
    state(&machine, "other.service", "ok");
    let refused = machine.try_sh("steadfast recover wrapped.service");
    println!("{} {}", refused.stdout, refused.stderr);
    assert!(!refused.ok());
    std::thread::sleep(std::time::Duration::from_secs(25));
    let pids = machine.sh("pgrep -c namedd; pgrep -fc '^/usr/bin/python3 /usr/local/bin/listen'; pgrep -c wrappedd; systemctl is-active named-rig listening wrapped || true");
    assert_eq!(pids.split_whitespace().collect::<Vec<_>>(), ["1", "1", "1", "failed", "failed", "failed"]);
    let after = machine.sh(invocations);
    assert_eq!(
        before.lines().take(3).collect::<Vec<_>>(),
        after.lines().take(3).collect::<Vec<_>>(),
        "none was started"
    );
    println!("{}", machine.try_sh("steadfast audit; steadfast status").stdout);
    // They are gone: each is started by us.
    machine.sh("pkill namedd; pkill -f '^/usr/bin/python3 /usr/local/bin/listen'; pkill wrappedd");
    for name in UNITS {
        state(&machine, name, "ok");
    }
    println!("{}", journal(&machine));
}
