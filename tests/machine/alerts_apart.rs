//! Alerts go out by processes that have nothing to lose: what a sink's server answers ends no supervision, and the end of such a
//! process loses no alert.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::hostile::COMMON;
use crate::receiver;
use crate::rig::Machine;
use crate::watched::{LIMIT, manage, status, unit};

/// Servers that answer what no server should.
const HOSTILE: &str = r#"
from answers import *

def headers(c):
    c.recv(4096)
    c.sendall(b"HTTP/1.1 500 No\r\n")
    while True: c.sendall(b"X-More: " + b"x" * 8000 + b"\r\n")

def body(c):
    c.recv(4096)
    c.sendall(b"HTTP/1.1 500 \x1b[31mNo\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True: c.sendall(b"FFFF\r\n" + b"\x1b[2J\xff" * 16384 + b"\r\n")

def nonsense(c):
    while True: c.sendall(os.urandom(65536))

def drip(c):
    c.recv(4096)
    for byte in b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 10000:
        c.sendall(bytes([byte]))
        time.sleep(0.2)

def mail(c):
    c.sendall(b"220-" + b"z" * 60000 + b"\r\n")
    while True: c.sendall(b"220-more\r\n" * 1000)

def closes(c): c.recv(10)

def silent(c): time.sleep(600)

ways = [headers, body, nonsense, drip, closes, silent]
for number, how in enumerate(ways):
    threading.Thread(target=serve, args=(9000 + number, how)).start()
threading.Thread(target=serve, args=(9025, mail)).start()
threading.Thread(target=serve, args=(9026, nonsense)).start()
"#;

/// How often each hostile server is told something.
const TOLD: usize = 12;

fn place(machine: &Machine) {
    receiver::web(machine);
    machine.write(
        "/etc/systemd/system/shop.service",
        "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
    );
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop");
}

fn supervisor(machine: &Machine) -> String {
    machine.sh("systemctl show steadfast.service -P NRestarts -P MainPID")
}

/// Threads, descriptors and resident KiB of the supervisor.
fn costs(machine: &Machine) -> [u64; 3] {
    let said = machine.sh(
        "p=$(systemctl show steadfast.service -P MainPID); ls /proc/$p/task | wc -l; ls /proc/$p/fd | wc -l; \
         awk '/^VmRSS/ { print $2 }' /proc/$p/status",
    );
    let figures: Vec<u64> = said.lines().filter_map(|line| line.trim().parse().ok()).collect();
    figures.try_into().expect("three figures")
}

#[test]
fn what_a_sinks_server_answers_ends_no_supervision() {
    let machine = Machine::boot("sinks");
    place(&machine);
    machine.write("/opt/answers.py", COMMON);
    machine.write("/opt/hostile.py", HOSTILE);
    machine.sh("systemd-run -q --unit hostile python3 /opt/hostile.py");
    let mut settings = "[alert.good]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:8099/hook\"\n".to_owned();
    for (number, name) in ["headers", "body", "nonsense", "drip", "closes", "silent"].iter().enumerate() {
        let url = format!("http://127.0.0.1:{}/T0KEN-of-{name}", 9000 + number);
        settings += &format!("[alert.{name}]\ntype = \"webhook\"\nurl = \"{url}\"\ntimeout = \"2s\"\n");
    }
    for (name, port) in [("mail", 9025), ("mailed-nonsense", 9026)] {
        settings += &format!(
            "[alert.{name}]\ntype = \"smtp\"\nhost = \"127.0.0.1\"\nport = {port}\nfrom = \"a@example.org\"\nto = \"b@example.org\"\ntimeout = \"2s\"\n"
        );
    }
    // One member of a cluster takes it, whatever the others are.
    settings += "[alert.cluster]\ntype = \"alertmanager\"\nurls = [\"http://127.0.0.1:9002\", \"http://127.0.0.1:9000\", \"http://127.0.0.1:8099\"]\ntimeout = \"2s\"\n";
    machine.write("/etc/steadfast/steadfast.toml", &settings);
    machine.install_steadfast();
    manage(&machine, "shop.service", "");
    let before = supervisor(&machine);
    let mut first = None;
    for round in 0..TOLD {
        let told = machine.try_sh("steadfast test-alert --json").stdout;
        let told: Value = serde_json::from_str(&told).expect("JSON");
        let mut arrived = BTreeMap::new();
        for sink in told["sinks"].as_array().expect("sinks") {
            let why = sink["error"].as_str().unwrap_or_default();
            assert!(why.chars().count() <= 300 && !why.chars().any(char::is_control), "{why:?}");
            assert!(!why.contains("T0KEN"), "{why}");
            let name = sink["sink"].as_str().expect("a name");
            arrived.insert(name.to_owned(), sink["arrived"] == true);
        }
        if round == 0 {
            println!("{told:#}");
        }
        let well: Vec<&str> =
            arrived.iter().filter(|(_, arrived)| **arrived).map(|(name, _)| name.as_str()).collect();
        assert_eq!((arrived.len(), well), (10, vec!["cluster", "good"]));
        first = first.or_else(|| Some(costs(&machine)));
    }
    let (first, last) = (first.expect("a round"), costs(&machine));
    println!(
        "threads, descriptors and KiB of the supervisor after the first round {first:?}, after {TOLD} {last:?}"
    );
    assert!(last[0] <= first[0] + 4 && last[1] <= first[1] + 8 && last[2] <= first[2] + 8192);
    assert_eq!(machine.try_sh("pgrep -x prober | wc -l").stdout, "0", "who sent is gone");

    // Supervision goes on meanwhile: what dies is brought back, and told.
    let began = Instant::now();
    machine.sh("systemctl kill -s KILL shop");
    machine.wait_until("the shop is back", LIMIT, || {
        unit(&machine, "shop.service", ".last_action.action + \" \" + .last_action.outcome") == "start done"
    });
    println!("back and proven after {:?}", began.elapsed());
    machine.wait_until("it is told", LIMIT, || machine.read("/srv/got.jsonl").contains("shop.service"));
    assert_eq!(supervisor(&machine), before, "the supervisor never ended");
}

#[test]
fn an_alert_arrives_while_the_prober_is_killed() {
    let machine = Machine::boot("killers");
    place(&machine);
    machine.write(
        "/etc/steadfast/steadfast.toml",
        "audit_every = \"never\"\n[alert.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:8099/hook\"\ntimeout = \"5s\"\nburst = 1000\n",
    );
    machine.install_steadfast();
    manage(&machine, "shop.service", "mode = \"observe\"\n");
    // Each one answers after three seconds: whoever sends then is killed meanwhile, now and then with the one who starts it.
    machine.sh("echo slow >/srv/answer");
    machine.sh("systemctl kill -s KILL shop");
    let killed = machine.sh("killed=0; for round in $(seq 200); do \
           pid=$(pgrep -x prober | head -1); \
           if [ $((RANDOM % 30)) = 0 ]; then starts=$(systemctl show steadfast-prober.service -P MainPID); \
             [ $starts = 0 ] || kill -KILL $starts; fi; \
           if [ -n \"$pid\" ] && kill -KILL $pid; then killed=$((killed + 1)); fi; \
           sleep 0.1; \
         done 2>/dev/null; echo $killed");
    let failing = status(&machine, ".sinks");
    println!("killed {killed} that sent; the sink then: {failing}");
    assert!(killed.parse::<u32>().is_ok_and(|killed| killed >= 2), "{killed}");
    machine.sh("echo 200 >/srv/answer");
    let told = |what: &str| {
        let all = machine.try_sh("steadfast --json incidents").stdout;
        let all: Value = serde_json::from_str(&all).unwrap_or_default();
        !all["incidents"][0]["told"][0][what].is_null()
    };
    let took = machine.wait_until("it has arrived", Duration::from_secs(90), || told("fired_at"));
    machine.sh("systemctl reset-failed shop; systemctl start shop");
    machine.wait_until("its end has arrived", LIMIT, || told("resolved_at"));
    let got = machine.read("/srv/got.jsonl");
    let keys: std::collections::BTreeSet<String> = got
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).expect("a line");
            line["key"].as_str().expect("a key").to_owned()
        })
        .collect();
    println!("{took:?} after the last kill; {} messages, keys {keys:?}", got.lines().count());
    assert_eq!(keys.len(), 1, "whoever got it twice can tell");
    // Sent again only after one that may have arrived, and never by two at once.
    assert!(got.lines().count() <= killed.parse::<usize>().expect("a figure") + 2, "{got}");
}
