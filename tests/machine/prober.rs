//! Privileges apart: what a probed server says can end the process that asks, and nothing else. No real supervisor is hurt by an
//! answer, no verdict is wrong when the prober ends, and the prober has nothing to lose.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::hostile::COMMON;
use crate::rig::Machine;
use crate::watched::{LIMIT, journal, manage, state, status, unit};

/// Servers whose answers ended a client library once: AMQP with nested tables, AMQP with frames of 4 GiB, and MySQL with 2^64 - 1
/// columns; one that accepts and says nothing; one of PostgreSQL that has a password hashed for a while; and one that ends
/// whoever asks, as an answer would that a library does not survive.
const HOSTILE: &str = r#"
from answers import *
import glob

def nested(c):
    amqp_nested(c)
    time.sleep(5)

def tune(c):
    amqp_tune(c, 0xFFFFFFFF)
    time.sleep(5)

columns = mysql_columns

def silent(c): time.sleep(60)

def killer(c):
    peer = ":%04X" % c.getpeername()[1]
    with open("/proc/net/tcp") as table: asks = {line.split()[9] for line in table if line.split()[1].endswith(peer)}
    for entry in glob.glob("/proc/[0-9]*/fd/*"):
        try: leads = os.readlink(entry)
        except OSError: continue
        if leads.startswith("socket:[") and leads[8:-1] in asks: os.kill(int(entry.split("/")[2]), 6)

def hashes(c):
    def said(kind, body): return kind + struct.pack(">I", len(body) + 4) + body
    c.recv(4096)
    c.sendall(said(b"R", struct.pack(">I", 10) + b"SCRAM-SHA-256\0\0"))
    nonce = c.recv(4096).split(b"r=")[1]
    c.sendall(said(b"R", struct.pack(">I", 11) + b"r=" + nonce + b"x,s=c2FsdHNhbHRzYWx0,i=100000"))
    c.recv(4096)

serve(int(sys.argv[2]), globals()[sys.argv[1]])
"#;

/// Answers after a while, so that questions are in flight when the prober ends.
const SERVER: &str = r#"
import asyncio
async def answer(reads, writes):
    try:
        await reads.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.2)
        writes.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writes.drain()
    except (OSError, EOFError): pass
    writes.close()
async def main():
    async with await asyncio.start_server(answer, "127.0.0.1", 8080, backlog=1024) as server: await server.serve_forever()
asyncio.run(main())
"#;

const OFTEN: &str = "period = \"2s\"\ntimeout = \"1500ms\"\non_failure = \"restart\"\n";
const KILLER: &str = "period = \"1s\"\ntimeout = \"900ms\"\non_failure = \"restart\"\n";
const ODD: &str = "period = \"1s\"\ntimeout = \"900ms\"\non_failure = \"alert\"\n";

fn service(machine: &Machine, name: &str, command: &str) {
    let text = format!("[Service]\nExecStart={command}\n[Install]\nWantedBy=multi-user.target\n");
    machine.write(&format!("/etc/systemd/system/{name}.service"), &text);
}

fn hostile(machine: &Machine, name: &str, how: &str, port: u16) {
    service(machine, name, &format!("/usr/bin/python3 /opt/hostile.py {how} {port}"));
}

/// Puts a unit file for Steadfast in place.
fn watch(machine: &Machine, name: &str, file: &str) {
    machine.write(&format!("/etc/steadfast/units.d/{name}.service.toml"), file);
}

fn supervisor(machine: &Machine) -> String {
    machine.sh("systemctl show steadfast.service -P NRestarts -P MainPID")
}

fn host_finding(machine: &Machine, code: &str) -> String {
    status(machine, &format!(".findings[] | select(.code == \"{code}\") | .message"))
}

#[test]
fn an_answer_that_ends_the_client_library_ends_no_supervision_and_is_named() {
    let machine = Machine::boot("hostile");
    machine.write("/opt/answers.py", COMMON);
    machine.write("/opt/hostile.py", HOSTILE);
    machine.write("/opt/answer.py", SERVER);
    hostile(&machine, "nested", "nested", 5672);
    hostile(&machine, "tune", "tune", 5673);
    hostile(&machine, "columns", "columns", 3306);
    hostile(&machine, "silent", "silent", 5674);
    for (name, port) in [("first", 5681), ("second", 5682), ("third", 5683)] {
        hostile(&machine, name, "killer", port);
    }
    service(&machine, "page", "/usr/bin/python3 /opt/answer.py");
    service(&machine, "worker", "/bin/sleep inf");
    machine.sh("systemctl daemon-reload");
    machine.sh("systemctl enable -q --now nested tune columns silent first second third page worker");
    machine.install_steadfast();
    manage(&machine, "page.service", &format!("[probe.page]\nhttp = \"http://127.0.0.1:8080/\"\n{OFTEN}"));
    manage(&machine, "worker.service", "");
    let before = supervisor(&machine);

    for (name, port) in [("nested", 5672), ("tune", 5673)] {
        watch(&machine, name, &format!("[probe.login]\namqp = \"amqp://guest@127.0.0.1:{port}\"\n{ODD}"));
    }
    watch(&machine, "columns", &format!("[probe.login]\nmysql = \"mysql://root@127.0.0.1/\"\n{ODD}"));
    for (name, port) in [("first", 5681), ("second", 5682), ("third", 5683)] {
        watch(&machine, name, &format!("[probe.login]\namqp = \"amqp://guest@127.0.0.1:{port}\"\n{KILLER}"));
    }
    let named = |name: &str| {
        host_finding(&machine, "host-prober-failing").contains(&format!("probe login of {name}"))
    };
    let took = machine.wait_until("the finding names them", LIMIT, || named("first.service"));
    println!("after {took:?}: {}", host_finding(&machine, "host-prober-failing"));
    for name in ["nested", "tune", "columns", "first", "second", "third"] {
        println!(
            "{name}: {}",
            unit(&machine, &format!("{name}.service"), ".probes[0] | .status + \" \" + .message")
        );
    }
    let told = unit(&machine, "first.service", ".probes[0].message");
    assert!(told.contains("ended the prober") && told.contains("asked again in"), "{told}");
    // What ended a library once is an answer like any other now.
    for (name, clause) in [
        ("nested", "no login within 900 ms"),
        ("tune", "no login within 900 ms"),
        ("columns", "does not speak MySQL (it said an answer without columns)"),
    ] {
        machine.wait_until("it is judged", LIMIT, || {
            unit(&machine, &format!("{name}.service"), ".probes[0] | .status + \" \" + .message")
                .starts_with("unhealthy ")
        });
        let told = unit(&machine, &format!("{name}.service"), ".probes[0].message");
        assert!(told.contains(clause), "{told}");
        assert!(!named(&format!("{name}.service")), "{name}");
    }

    // Supervision goes on beside it: what dies is brought back at once.
    let began = Instant::now();
    machine.sh("systemctl kill -s KILL worker.service");
    machine.wait_until("the worker runs again", LIMIT, || {
        unit(&machine, "worker.service", ".last_action.action + \" \" + .last_action.outcome") == "start done"
    });
    println!("the worker is back and proven after {:?}", began.elapsed());
    assert_eq!(machine.sh("systemctl is-active worker"), "active");

    // The healthy probe stayed healthy, nobody was restarted for an answer that nobody knows, and we are who we were.
    assert_eq!(unit(&machine, "page.service", ".state + \" \" + .probes[0].status"), "ok healthy");
    for name in ["first", "nested", "page"] {
        assert_eq!(unit(&machine, &format!("{name}.service"), ".last_action"), "null", "{name}");
    }
    assert_eq!(supervisor(&machine), before, "the supervisor never ended");
    let said = journal(&machine);
    assert!(!said.contains("page.service: GET"), "{said}");
}

#[test]
fn a_silent_broker_leaves_nothing_behind_and_a_process_that_works_too_much_is_renewed() {
    let machine = Machine::boot("silent");
    machine.write("/opt/answers.py", COMMON);
    machine.write("/opt/hostile.py", HOSTILE);
    hostile(&machine, "silent", "silent", 5674);
    hostile(&machine, "hashes", "hashes", 5432);
    machine.write("/opt/password", "s3cret");
    machine.sh("chmod 600 /opt/password");
    machine.sh("systemctl daemon-reload && systemctl enable -q --now silent hashes");
    machine.install_steadfast();
    let probes: String = (0..12)
        .map(|n| {
            format!("[probe.p{n}]\namqp = \"amqp://guest@127.0.0.1:5674\"\nperiod = \"500ms\"\ntimeout = \"300ms\"\non_failure = \"alert\"\n")
        })
        .collect();
    watch(&machine, "silent", &probes);
    let first = machine.wait_until("a process asks", LIMIT, || !pids(&machine).is_empty());
    println!("it asks after {first:?}");
    let main = machine.sh("systemctl show steadfast.service -P MainPID");
    let count = |pid: &str, folder: &str| -> usize {
        let counted = machine.try_sh(&format!("ls /proc/{pid}/{folder} | wc -l")).stdout;
        counted.trim().parse().unwrap_or(0)
    };
    // Some 240 questions that nobody answers: each is over with its limit.
    let before = pids(&machine);
    let (mut threads, mut descriptors) = (0, 0);
    for _ in 0..20 {
        std::thread::sleep(Duration::from_millis(500));
        for pid in pids(&machine) {
            threads = threads.max(count(&pid, "task"));
            descriptors = descriptors.max(count(&pid, "fd"));
        }
    }
    println!("{before:?}: at most {threads} threads and {descriptors} descriptors");
    assert_eq!(pids(&machine), before, "nothing was left behind for which another process is needed");
    assert!(threads <= 16 && descriptors <= 64, "{threads} {descriptors}");
    let probes = unit(&machine, "silent.service", ".probes[].message");
    assert!(probes.contains("no greeting within 300 ms"), "{probes}");

    // A library that is kept busy is left behind with its process.
    let login = "postgres = \"postgres://mon@127.0.0.1/d\"\npassword_file = \"/opt/password\"\n";
    let busy: String = (0..12)
        .map(|n| {
            format!("[probe.p{n}]\n{login}period = \"500ms\"\ntimeout = \"400ms\"\non_failure = \"alert\"\n")
        })
        .collect();
    watch(&machine, "hashes", &busy);
    machine.wait_until("it hashes", LIMIT, || {
        unit(&machine, "hashes.service", ".probes[0].status") == "unhealthy"
    });
    println!("{}", unit(&machine, "hashes.service", ".probes[].message"));
    let mut seen = before;
    let took = machine.wait_until("it was renewed twice", LIMIT, || {
        for pid in pids(&machine) {
            if !seen.contains(&pid) {
                seen.push(pid);
            }
        }
        seen.len() >= 3
    });
    println!("renewed twice after {took:?}");
    let of_main = (count(&main, "task"), count(&main, "fd"));
    println!("the supervisor has {of_main:?} threads and descriptors");
    assert!(of_main.0 < 40);
}

/// Processes that ask.
fn pids(machine: &Machine) -> Vec<String> {
    machine.try_sh("pgrep -x prober").stdout.lines().map(str::to_owned).collect()
}

/// How long the loop takes to answer somebody who asks for what is not there, every 50 ms, in milliseconds: p50, p99 and the
/// longest. It is answered by a turn of the loop.
const LATE: &str = r#"
import http.client, socket, sys, time
class Status(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect("/run/steadfast/steadfast.sock")
took = []
while True:
    began = time.monotonic()
    status = Status("localhost")
    try:
        status.request("POST", "/v1/incidents/999999999/ack", b"{}", {"content-type": "application/json"})
        status.getresponse().read()
    except OSError: continue
    finally: status.close()
    took.append((time.monotonic() - began) * 1000)
    if len(took) % 20 == 0:
        ordered = sorted(took)
        part = lambda of: ordered[min(len(ordered) - 1, int(len(ordered) * of))]
        late = sum(1 for one in took if one > 100)
        with open("/run/late", "w") as out:
            print(f"{len(took)} asked: p50 {part(.5):.1f} ms, p99 {part(.99):.1f} ms, longest {ordered[-1]:.1f} ms, {late} over 100 ms", file=out)
    time.sleep(0.05)
"#;

/// A figure of the environment: `KILLS=1000 PROBES=700` is the long run.
fn figure(name: &str, usual: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn the_prober_killed_fifty_times_makes_no_verdict_wrong() {
    let (kills, probes) = (figure("KILLS", 50), figure("PROBES", 40));
    // Many probes are asked more seldom, so that two cores can answer all of them.
    let often =
        if probes > 100 { OFTEN.replace("2s", "20s").replace("1500ms", "10s") } else { OFTEN.to_owned() };
    let machine = Machine::boot("killed");
    machine.write("/opt/answer.py", SERVER);
    let names: Vec<String> = (0..probes / 4).map(|number| format!("app{number}")).collect();
    service(&machine, "page", "/usr/bin/python3 /opt/answer.py");
    for name in &names {
        service(&machine, name, "/bin/sleep inf");
    }
    machine.sh(&format!("systemctl daemon-reload && systemctl enable -q --now page {}", names.join(" ")));
    machine.install_steadfast();
    for name in &names {
        let probes: String = (0..4)
            .map(|number| format!("[probe.p{number}]\nhttp = \"http://127.0.0.1:8080/{number}\"\n{often}"))
            .collect();
        watch(&machine, name, &probes);
    }
    for name in &names {
        state(&machine, &format!("{name}.service"), "ok");
    }
    let before = supervisor(&machine);
    machine.write("/opt/late.py", LATE);
    machine.sh("systemd-run -q --unit late python3 /opt/late.py");
    let heard = || machine.try_sh("test -e /run/late && test $(cut -d\" \" -f1 /run/late) -ge 200").ok();
    machine.wait_until("the loop was asked in peace", LIMIT, heard);
    println!("before: {}", machine.sh("cat /run/late"));
    machine.sh("systemctl stop late; rm -f /run/late; systemd-run -q --unit later python3 /opt/late.py");
    // Now one that asks, now the one that starts them.
    let script = "killed=0; while [ $killed -lt KILLS ]; do \
           if [ $((RANDOM % 8)) = 0 ]; then pid=$(systemctl show steadfast-prober.service -P MainPID); \
           else pid=$(pgrep -x prober | shuf -n 1); fi; \
           if [ \"${pid:-0}\" != 0 ] && kill -KILL $pid 2>/dev/null; then killed=$((killed + 1)); fi; \
           echo $killed >/run/killed; \
           sleep 0.$((RANDOM % 4 + 1)); \
         done";
    machine.write("/opt/kill.sh", &script.replace("KILLS", &kills.to_string()));
    machine.sh("systemd-run -q --unit kills bash /opt/kill.sh");
    machine.wait_until("all are killed", Duration::from_secs(1800), || {
        machine.try_sh("cat /run/killed").stdout.trim().parse::<usize>().is_ok_and(|killed| killed >= kills)
    });
    let killed = machine.sh("cat /run/killed");
    machine.wait_until("the loop was asked meanwhile", LIMIT, heard);
    println!("meanwhile: {}", machine.sh("cat /run/late; cat /proc/loadavg"));
    println!("killed {killed} times; {}", host_finding(&machine, "host-prober-failing"));
    for name in &names {
        let name = format!("{name}.service");
        machine.wait_until(&format!("{name} is well"), LIMIT, || {
            unit(&machine, &name, ".state + \" \" + ([.probes[].status] | unique | join(\",\"))")
                == "ok healthy"
        });
        assert_eq!(unit(&machine, &name, ".last_action"), "null", "nothing is restarted for it");
    }
    assert_eq!(supervisor(&machine), before, "the supervisor never ended");
    let said = journal(&machine);
    // Who kills it is somebody outside: no answer is blamed, and no probe is asked on its own for it.
    let blames = ["unhealthy", "probe-failed", "ends the prober", "ended the prober"];
    let wrong: Vec<&str> =
        said.lines().filter(|line| blames.iter().any(|word| line.contains(word))).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Servers that only some may ask, watched.
fn watched_behind_doors(machine: &Machine) {
    // A Redis that lets in whoever knows the password, and a page behind a socket that only root may open.
    machine.write("/opt/redis.py", REDIS);
    machine.write("/opt/page.py", PAGE);
    service(machine, "redis", "/usr/bin/python3 /opt/redis.py");
    service(machine, "page", "/usr/bin/python3 /opt/page.py page");
    // And one that only the service's own user may open: that needs a right of the daemon's beyond reading everything.
    service(machine, "own", "/usr/bin/python3 /opt/page.py own");
    machine.write(
        "/etc/systemd/system/own.service.d/user.conf",
        "[Service]\nUser=games\nRuntimeDirectory=own\nRuntimeDirectoryMode=0700\n",
    );
    machine.write("/etc/redis-password", "s3cret\n");
    machine.sh(
        "chmod 600 /etc/redis-password; systemctl daemon-reload; systemctl enable -q --now silent redis page own",
    );
    machine.install_steadfast();
    manage(
        machine,
        "redis.service",
        "[probe.ping]\nredis = \"redis://127.0.0.1\"\npassword_file = \"/etc/redis-password\"\n",
    );
    manage(machine, "page.service", "[probe.page]\nhttp = \"unix:/run/page/page.sock:/\"\n");
    let both =
        "[probe.page]\nhttp = \"unix:/run/own/page.sock:/\"\n[probe.socket]\nunix = \"/run/own/page.sock\"\n";
    manage(machine, "own.service", both);
    println!("{}", unit(machine, "own.service", ".probes[] | .status + \" \" + .message"));
    assert_eq!(unit(machine, "own.service", ".probes[].status"), "healthy\nhealthy");
}

#[test]
fn the_prober_is_nobody_and_is_given_what_it_needs() {
    let machine = Machine::boot("apart");
    machine.write("/opt/answers.py", COMMON);
    machine.write("/opt/hostile.py", HOSTILE);
    hostile(&machine, "silent", "silent", 5674);
    watched_behind_doors(&machine);
    println!("{}", unit(&machine, "redis.service", ".probes[0].message"));
    println!("{}", unit(&machine, "page.service", ".probes[0].message"));
    assert_eq!(unit(&machine, "redis.service", ".probes[0].status"), "healthy");
    assert_eq!(unit(&machine, "page.service", ".probes[0].status"), "healthy");

    let of = |pid: &str| {
        machine.sh(&format!("grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp)' /proc/{pid}/status"))
    };
    let starter = machine.sh("systemctl show steadfast-prober.service -P MainPID");
    for pid in pids(&machine).into_iter().chain([starter]) {
        let status = of(&pid);
        println!(
            "{}\n{status}",
            machine.sh(&format!("tr '\\0' ' ' </proc/{pid}/cmdline; cat /proc/{pid}/limits"))
        );
        is_nobody(&status, true);
        let read = machine
            .try_sh(&format!("ls -A /proc/{pid}/root/etc/steadfast /proc/{pid}/root/var/lib/steadfast"));
        assert!(!read.stdout.contains("units.d"), "{}", read.stdout);
    }
    println!(
        "{}",
        machine.sh("systemd-analyze security --no-pager --threshold=15 steadfast-prober.service | tail -1")
    );
    println!(
        "{}",
        machine.sh("systemd-analyze security --no-pager --threshold=25 steadfast.service | tail -1")
    );
    // Nobody but root may ask it.
    machine.add_user("joe");
    assert!(!machine.try_sh_as("joe", "curl -s --unix-socket /run/steadfast/prober.sock http://x/").ok());

    // Without a unit: a child of ours, nobody as well.
    watch(
        &machine,
        "silent",
        "[probe.login]\namqp = \"amqp://guest@127.0.0.1:5674\"\nperiod = \"20s\"\ntimeout = \"5s\"\n",
    );
    machine.sh("systemctl stop steadfast.service; systemd-run -q --unit=looks steadfast check");
    machine.wait_until("check has a child", LIMIT, || !pids(&machine).is_empty());
    for pid in pids(&machine) {
        let status = of(&pid);
        println!("child of check:\n{status}");
        is_nobody(&status, false);
    }
    machine.wait_until("check has ended", LIMIT, || {
        machine.try_sh("systemctl is-active looks").stdout != "active"
    });
    assert!(pids(&machine).is_empty(), "its child ended with it");
}

/// Neither root nor with any right of root's. `filtered`: by a filter of system calls, too.
pub fn is_nobody(status: &str, filtered: bool) {
    for line in status.lines() {
        let (name, value) = line.split_once(':').expect("a line of status");
        let value = value.trim();
        match name {
            "Uid" | "Gid" => assert!(value.split_whitespace().all(|id| id != "0"), "{line}"),
            "CapInh" | "CapPrm" | "CapEff" | "CapAmb" | "CapBnd" => {
                assert!(value.bytes().all(|digit| digit == b'0'), "{line}");
            }
            "NoNewPrivs" => assert_eq!(value, "1"),
            "Seccomp" if filtered => assert_eq!(value, "2"),
            _ => {}
        }
    }
}

#[test]
fn a_user_has_a_child_that_ends_with_his_supervisor() {
    let machine = Machine::boot("childs");
    machine.place_steadfast(
        Path::new(env!("CARGO_BIN_EXE_steadfast")),
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/units")),
    );
    machine.write("/opt/answer.py", SERVER);
    service(&machine, "page", "/usr/bin/python3 /opt/answer.py");
    machine.sh("systemctl daemon-reload; systemctl start page");
    machine.add_user("joe");
    machine.enable_linger("joe");
    machine.write("/home/joe/.config/systemd/user/app.service", "[Service]\nExecStart=/bin/sleep inf\n");
    let file = format!("[probe.page]\nhttp = \"http://127.0.0.1:8080/\"\n{OFTEN}");
    machine.write("/home/joe/.config/steadfast/units.d/app.service.toml", &file);
    machine.sh("chown -R joe: /home/joe/.config");
    machine.sh_as("joe", "systemctl --user daemon-reload; systemctl --user start app steadfast.service");
    let healthy = || {
        machine.try_sh_as("joe", "steadfast --user status app --json | jq -r '.probes[0].status'").stdout
            == "healthy"
    };
    machine.wait_until("the probe is healthy", LIMIT, healthy);
    let of =
        |name: &str| machine.sh(&format!("grep -E '^{name}:' /proc/$(pgrep -x prober)/status | cut -f2"));
    assert_eq!((of("NoNewPrivs").as_str(), of("CapEff").as_str()), ("1", "0000000000000000"));
    // Killed, it is there again; killed without a farewell, its supervisor takes it along.
    machine.sh("pkill -KILL -x prober");
    machine.wait_until("another one asks", LIMIT, || pids(&machine).len() == 1 && healthy());
    machine.sh_as("joe", "systemctl --user mask --runtime steadfast.service; systemctl --user kill -s KILL --kill-whom=main steadfast.service || true");
    let took = machine.wait_until("it is gone", Duration::from_secs(5), || pids(&machine).is_empty());
    println!("it is gone after {took:?}");
}

const REDIS: &str = r#"
import socket
s = socket.create_server(("127.0.0.1", 6379))
while True:
    c, _ = s.accept()
    known = False
    while True:
        said = c.recv(4096)
        if not said: break
        known = known or b"s3cret" in said
        for _ in range(said.count(b"*")):
            c.sendall(b"+OK\r\n" if b"AUTH" in said and known else b"+PONG\r\n" if known else b"-NOAUTH wants a password\r\n")
    c.close()
"#;

const PAGE: &str = r#"
import os, socket, sys
folder = "/run/" + sys.argv[1]
os.makedirs(folder, mode=0o700, exist_ok=True)
os.umask(0o177)
s = socket.socket(socket.AF_UNIX)
s.bind(folder + "/page.sock")
s.listen()
while True:
    c, _ = s.accept()
    try:
        if c.recv(4096): c.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
    except OSError: pass
    c.close()
"#;
