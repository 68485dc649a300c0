//! Hostile answers in each protocol, many of them: the daemon is as it was, and what the prober costs stays within its limits.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::rig::Machine;
use crate::watched::{LIMIT, journal, manage, status, unit};

/// What such servers have in common, as `/opt/answers.py`.
pub const COMMON: &str = include_str!("answers.py");

/// Hostile answers until the costs are compared; `ANSWERS=10000` for the long run.
const ANSWERS: usize = 200;

/// One way to answer per port, from 7000 on. Each connection is counted.
const SERVERS: &str = r#"
from answers import *

count = itertools.count(1)

def held(c):
    amqp_nested(c)
    time.sleep(1)

def tuned(c, most):
    amqp_tune(c, most)
    c.recv(4096)

def amqp_no_frames(c): tuned(c, 0)
def amqp_huge_frames(c): tuned(c, 0xFFFFFFFF)

def amqp_open(c):
    tuned(c, 131072)
    c.sendall(frame(struct.pack(">HHB", 10, 41, 0)))

def amqp_blocked(c):
    amqp_open(c)
    while True: c.sendall(frame(struct.pack(">HHB", 10, 60, 3) + b"low") * 100)

def amqp_hangs(c):
    amqp_open(c)
    time.sleep(30)

def mysql_rows(c):
    def rows(c):
        text = lambda b: bytes([len(b)]) + b
        column = text(b"def") + text(b"") * 3 + text(b"x") + text(b"") + b"\x0c\x2d\x00\x40\x00\x00\x00\xfd\x00\x00\x00\x00\x00"
        c.sendall(packet(1, b"\x01") + packet(2, column) + packet(3, b"\xfe\x00\x00\x02\x00"))
        for number in itertools.count(4): c.sendall(packet(number % 256, b"\x0a0123456789") * 1)
    mysql_queries(c, rows)

def mysql_key(c):
    mysql_greets(c, b"caching_sha2_password")
    c.sendall(packet(2, b"\x01\x04"))
    c.recv(4096)
    c.sendall(packet(4, b"\x01" + b"this is no key"))
    c.recv(4096)

def mysql_garbage(c): c.sendall(packet(0, os.urandom(4000)))

def pg(kind, body): return kind + struct.pack(">I", len(body) + 4) + body
ROW = pg(b"T", struct.pack(">H", 1) + b"x\x00" + struct.pack(">IHIhih", 0, 0, 25, -1, -1, 0))

def pg_begins(c):
    c.recv(4096)
    c.sendall(pg(b"R", struct.pack(">I", 0)) + pg(b"Z", b"I"))
    c.recv(4096)

def pg_latin(c):
    pg_begins(c)
    c.sendall(ROW + pg(b"D", struct.pack(">HI", 1, 4) + b"Jos\xe9") + pg(b"C", b"SELECT 1\x00") + pg(b"Z", b"I"))
    c.recv(4096)

def pg_rows(c):
    pg_begins(c)
    c.sendall(ROW)
    while True: c.sendall(pg(b"D", struct.pack(">HI", 1, 4) + b"more") * 100)

def pg_huge(c):
    pg_begins(c)
    c.sendall(b"D" + struct.pack(">I", 0x7FFFFFFF) + b"x" * 4096)
    c.recv(4096)

def pg_columns(c):
    pg_begins(c)
    c.sendall(pg(b"T", struct.pack(">H", 0xFFFF)) + pg(b"D", struct.pack(">Hi", 0xFFFF, -5)))
    c.recv(4096)

def redis_nested(c):
    c.recv(4096)
    c.sendall(b"*1\r\n" * 200000)

def redis_huge(c):
    c.recv(4096)
    c.sendall(b"*2147483647\r\n$9223372036854775807\r\n")
    c.recv(4096)

def cached(c):
    c.recv(4096)
    while True: c.sendall(b"STAT x " + b"y" * 1000 + b"\r\n")

def http_headers(c):
    c.recv(4096)
    c.sendall(b"HTTP/1.1 200 OK\r\n")
    while True: c.sendall(b"X-More: " + b"x" * 8000 + b"\r\n")

def http_json(c):
    c.recv(4096)
    c.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b'{"a":' * 100000)

def greeting(c):
    while True: c.sendall(b"220-" + b"z" * 9000 + b"\r\n")

WAYS = [held, amqp_no_frames, amqp_huge_frames, amqp_blocked, amqp_hangs, mysql_columns, mysql_rows, mysql_key,
        mysql_garbage, pg_latin, pg_rows, pg_huge, pg_columns, redis_nested, redis_huge, cached, http_headers, http_json, greeting]

def seen():
    number = next(count)
    if number % 20 == 0: open("/run/answers", "w").write(str(number))

for number, how in enumerate(WAYS):
    threading.Thread(target=serve, args=(7000 + number, how, seen, 30)).start()
"#;

/// What asks at 7000, 7001, …
const ASKS: [&str; 19] = [
    "amqp = \"amqp://guest@127.0.0.1:PORT\"",
    "amqp = \"amqp://guest@127.0.0.1:PORT\"",
    "amqp = \"amqp://guest@127.0.0.1:PORT\"",
    "amqp = \"amqp://guest@127.0.0.1:PORT\"",
    "amqp = \"amqp://guest@127.0.0.1:PORT\"",
    "mysql = \"mysql://root@127.0.0.1:PORT/\"",
    "mysql = \"mysql://root@127.0.0.1:PORT/\"",
    "mysql = \"mysql://root@127.0.0.1:PORT/\"\npassword_file = \"/etc/password\"",
    "mysql = \"mysql://root@127.0.0.1:PORT/\"",
    "postgres = \"postgres://a@127.0.0.1:PORT/a\"",
    "postgres = \"postgres://a@127.0.0.1:PORT/a\"",
    "postgres = \"postgres://a@127.0.0.1:PORT/a\"",
    "postgres = \"postgres://a@127.0.0.1:PORT/a\"",
    "redis = \"redis://127.0.0.1:PORT\"",
    "redis = \"redis://127.0.0.1:PORT\"",
    "memcached = \"127.0.0.1:PORT\"",
    "http = \"http://127.0.0.1:PORT/\"",
    "http = \"http://127.0.0.1:PORT/\"\njson = { \"/a\" = 1 }",
    "smtp = \"127.0.0.1:PORT\"",
];

/// Tasks, descriptors and resident KiB of these processes together.
fn costs(machine: &Machine, pids: &str) -> [u64; 3] {
    let said = machine.sh(&format!(
        "t=0; f=0; m=0; for p in $({pids}); do \
           t=$((t + $(ls /proc/$p/task 2>/dev/null | wc -l))); f=$((f + $(ls /proc/$p/fd 2>/dev/null | wc -l))); \
           r=$(awk '/^VmRSS/ {{ print $2 }}' /proc/$p/status 2>/dev/null); m=$((m + ${{r:-0}})); \
         done; echo $t; echo $f; echo $m"
    ));
    let figures: Vec<u64> = said.lines().filter_map(|line| line.trim().parse().ok()).collect();
    figures.try_into().expect("three figures")
}

fn answers(machine: &Machine) -> usize {
    machine.try_sh("cat /run/answers").stdout.trim().parse().unwrap_or(0)
}

/// The servers, and an honest one beside all of them.
fn place(machine: &Machine) {
    machine.write("/opt/answers.py", COMMON);
    machine.write("/opt/servers.py", SERVERS);
    machine.write("/etc/password", "x\n");
    machine.sh("chmod 600 /etc/password");
    for name in ["servers", "worker"] {
        let command = if name == "servers" {
            "/usr/bin/python3 /opt/servers.py"
        } else {
            "/usr/bin/python3 -m http.server 6999 -d /opt"
        };
        machine.write(
            &format!("/etc/systemd/system/{name}.service"),
            &format!("[Service]\nExecStart={command}\n[Install]\nWantedBy=multi-user.target\n"),
        );
    }
    machine.sh("systemctl daemon-reload && systemctl enable -q --now servers worker");
    machine.install_steadfast();
    // One honest server beside all of them.
    manage(
        machine,
        "worker.service",
        "[probe.page]\nhttp = \"http://127.0.0.1:6999/\"\nperiod = \"2s\"\ntimeout = \"1500ms\"\non_failure = \"restart\"\n",
    );
}

/// Each of them is asked.
fn ask_all(machine: &Machine) {
    let probes: String = ASKS
        .iter()
        .enumerate()
        .map(|(number, asks)| {
            let asks = asks.replace("PORT", &(7000 + number).to_string());
            format!(
                "[probe.p{number:02}]\n{asks}\nperiod = \"4s\"\ntimeout = \"2s\"\non_failure = \"alert\"\n"
            )
        })
        .collect();
    machine.write("/etc/steadfast/units.d/servers.service.toml", &probes);
}

/// What is known of each.
fn told(machine: &Machine) -> BTreeMap<String, String> {
    unit(machine, "servers.service", ".probes[] | .name + \" \" + .status + \" \" + .message")
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, rest)| (name.to_owned(), rest.to_owned()))
        .collect()
}

#[test]
fn rows_2_to_4_many_hostile_answers_leave_nothing_behind() {
    let wanted = std::env::var("ANSWERS").ok().and_then(|text| text.parse().ok()).unwrap_or(ANSWERS);
    let machine = Machine::boot("manyfold");
    place(&machine);
    let main = machine.sh("systemctl show steadfast.service -P NRestarts -P MainPID");
    ask_all(&machine);

    let ours = "systemctl show steadfast.service -P MainPID";
    let theirs = "cat /sys/fs/cgroup/system.slice/steadfast-prober.service/cgroup.procs";
    let reached = |count: usize| {
        machine.wait_until("they answer", Duration::from_secs(550), || answers(&machine) >= count)
    };
    reached(wanted / 4);
    let (first, began) = (costs(&machine, ours), Instant::now());
    let mut most = [0; 3];
    machine.wait_until("they answer", Duration::from_secs(550), || {
        for (most, now) in most.iter_mut().zip(costs(&machine, theirs)) {
            *most = now.max(*most);
        }
        answers(&machine) >= wanted
    });
    let last = costs(&machine, ours);
    println!("{} hostile answers, the last three quarters in {:?}", answers(&machine), began.elapsed());
    println!(
        "tasks, descriptors, KiB of the daemon: after a quarter {first:?}, at the end {last:?}; of all of the prober at most {most:?}"
    );
    let told = told(&machine);
    for (name, told) in &told {
        println!("{name}: {told}");
        assert!(told.chars().count() < 700 && !told.chars().any(char::is_control), "{told:?}");
    }
    assert_eq!(told.len(), ASKS.len());
    println!("{}", status(&machine, ".findings[] | .message"));
    println!("{}", unit(&machine, "worker.service", ".probes[0] | .status + \" \" + .message"));
    machine.wait_until("the honest server is known to be well", LIMIT, || {
        unit(&machine, "worker.service", ".probes[0].status") == "healthy"
    });
    let said = journal(&machine);
    assert!(!said.contains("worker.service: probe-failed") && !said.contains("probe page: GET"), "{said}");
    assert_eq!(
        unit(&machine, "worker.service", ".last_action"),
        "null",
        "nothing was restarted for the others"
    );
    assert!(
        last[0] <= first[0] + 4 && last[1] <= first[1] + 16 && last[2] <= first[2] + 16 * 1024,
        "the daemon is flat"
    );
    assert!(most[0] <= 256 && most[1] <= 4096 && most[2] <= 512 * 1024, "{most:?}");

    let began = Instant::now();
    machine.sh("systemctl kill -s KILL worker");
    machine.wait_until("the worker is back", LIMIT, || {
        unit(&machine, "worker.service", ".last_action.action + \" \" + .last_action.outcome") == "start done"
    });
    println!("what dies meanwhile is back and proven after {:?}", began.elapsed());
    assert_eq!(
        machine.sh("systemctl show steadfast.service -P NRestarts -P MainPID"),
        main,
        "the supervisor never ended"
    );
    // Who is not asked any more leaves nothing: processes that ended what they had are gone.
    machine.sh("rm /etc/steadfast/units.d/servers.service.toml");
    let few = || costs(&machine, theirs)[0] <= 16;
    let took = machine.wait_until("the prober is small again", LIMIT, few);
    println!("after {took:?} without questions: {:?}", costs(&machine, theirs));
}
