//! Slots of a fleet: five hosts and three real etcd servers on one bridge. A release goes from host to host, each proven before the
//! next; one that does not work ends at the first. Whatever dies on the way, never are two hosts away at once.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use steadfast::probe::{Lock, LockAsked, LockSaid, lock};

use crate::rig::Machine;
use crate::watched::{journal, state, unit};

/// HOSTS=5 for what dies on the way, which three show in half the time.
fn some() -> u8 {
    std::env::var("HOSTS").ok().and_then(|count| count.parse().ok()).unwrap_or(3)
}

/// A rollout over all hosts, on a machine that is shared.
const LONG: Duration = Duration::from_secs(240);

const SERVE: &str = r#"
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(os.getcwd().encode())
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer.allow_reuse_address = True
http.server.ThreadingHTTPServer(("", 8000), Handler).serve_forever()
"#;

const UNIT: &str = "\
[Service]
WorkingDirectory=/srv/app/current
ExecStart=/usr/bin/python3 serve.py
[Install]
WantedBy=multi-user.target
";

const FILE: &str = r#"
[recovery]
verify_within = "10s"
burst = 2
[release]
settle = "1s"
[probe.http]
http = "http://127.0.0.1:8000/"
period = "1s"
timeout = "900ms"
"#;

const SETTINGS: &str = r#"
[fleet]
etcd = ["http://10.77.0.1:2379", "http://10.77.0.1:2479", "http://10.77.0.1:2579"]
group = "web"
slots = 1
timeout = "2s"
patience = "5s"
"#;

/// Three servers that know each other.
const ETCD: &str = r#"
set -e
peers=a=http://10.77.0.1:2380,b=http://10.77.0.1:2480,c=http://10.77.0.1:2580
for one in a:23 b:24 c:25; do
  name=${one%:*} port=${one#*:}
  systemd-run -q --unit=etcd-$name -p Type=notify -p Restart=no --no-block /usr/bin/etcd --name $name --data-dir /var/lib/etcd-$name \
    --listen-client-urls http://10.77.0.1:${port}79 --advertise-client-urls http://10.77.0.1:${port}79 \
    --listen-peer-urls http://10.77.0.1:${port}80 --initial-advertise-peer-urls http://10.77.0.1:${port}80 \
    --initial-cluster $peers --initial-cluster-state new --heartbeat-interval 200 --election-timeout 2000
done
"#;

/// A bridge of this machine; gone with the test.
struct Bridge(String);

impl Bridge {
    fn new() -> Self {
        let name = format!("sf{}", std::process::id() % 1_000_000);
        ip(&["link", "add", &name, "type", "bridge"]);
        ip(&["link", "set", &name, "up"]);
        Self(name)
    }

    /// Gives the machine this address on the bridge; again after each boot.
    fn connect(&self, machine: &Machine, number: u8) {
        let (outer, pid) = (format!("{}-{number}", self.0), machine.pid1().to_string());
        ip(&["link", "add", &outer, "type", "veth", "peer", "name", "wire0", "netns", &pid]);
        ip(&["link", "set", &outer, "master", &self.0, "up"]);
        machine.sh(&format!("ip addr add 10.77.0.{number}/24 dev wire0; ip link set wire0 up"));
    }

    /// Takes the machine off the bridge, or puts it back.
    fn cut(&self, number: u8, off: bool) {
        ip(&["link", "set", &format!("{}-{number}", self.0), if off { "down" } else { "up" }]);
    }
}

impl Drop for Bridge {
    fn drop(&mut self) {
        drop(Command::new("ip").args(["link", "delete", &self.0]).status());
    }
}

fn ip(arguments: &[&str]) {
    let ended = Command::new("ip").args(arguments).output().expect("ip of iproute2");
    assert!(ended.status.success(), "ip {arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
}

struct Fleet {
    hub: Machine,
    hosts: BTreeMap<u8, Machine>,
    bridge: Bridge,
}

fn name(number: u8) -> String {
    format!("web{number}")
}

/// Contenders for one slot, each with its own connection; CONTENDERS=200 for the figure.
fn contenders() -> usize {
    std::env::var("CONTENDERS").ok().and_then(|count| count.parse().ok()).unwrap_or(20)
}

/// How often each contender is to have the slot.
const ROUNDS: usize = 3;

fn take(holder: &str, machine: &str) -> LockAsked {
    let (holder, machine) = (holder.to_owned(), machine.to_owned());
    LockAsked::Take { holder, what: "a contest".to_owned(), machine, now_ms: 1 }
}

/// Takes the slot and gives it back, again and again; how often it was asked for, and how long each time took.
async fn contend(keys: Arc<String>, holder: String, inside: Arc<AtomicUsize>) -> (usize, Vec<Duration>) {
    let (mut asked, mut took) = (0, Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        loop {
            let take = take(&holder, &holder);
            asked += 1;
            match lock(&keys, "contest", &take).await {
                Ok(LockSaid::Ours) => break,
                Ok(_) | Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        }
        took.push(began.elapsed());
        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two have the one slot");
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(inside.fetch_sub(1, Ordering::SeqCst), 1);
        let leave = LockAsked::Leave { holder: holder.clone(), machine: holder.clone() };
        while lock(&keys, "contest", &leave).await.is_err() {
            asked += 1;
        }
    }
    (asked, took)
}

#[test]
fn many_contenders_have_the_one_slot_in_turn() {
    let bridge = Bridge::new();
    let hub = Machine::boot_with_servers("hub");
    bridge.connect(&hub, 1);
    ip(&["addr", "add", "10.77.0.254/24", "dev", &bridge.0]);
    hub.sh(ETCD);
    hub.wait_until("etcd answers", LONG, || healthy(&hub));
    let etcd = ["23", "24", "25"].map(|port| format!("http://10.77.0.1:{port}79")).to_vec();
    let keys = Arc::new(Lock { etcd, slots: 1, ..Lock::default() }.keys());
    let inside = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let began = Instant::now();
    let all = runtime.block_on(async {
        let tasks = (0..contenders()).map(|number| {
            tokio::spawn(contend(Arc::clone(&keys), format!("web{number}/a"), Arc::clone(&inside)))
        });
        let mut all = Vec::new();
        for task in tasks.collect::<Vec<_>>() {
            all.push(task.await.expect("no two at once"));
        }
        all
    });
    // Another host of the same name has no slot by that.
    let twice = runtime.block_on(async {
        let asked = take("web1/a", "one");
        let (first, again) = (lock(&keys, "contest", &asked).await, lock(&keys, "contest", &asked).await);
        (first, again, lock(&keys, "contest", &take("web1/a", "two")).await)
    });
    assert!(matches!(&twice, (Ok(LockSaid::Ours), Ok(LockSaid::Ours), Ok(LockSaid::Busy(_)))), "{twice:?}");
    let seconds = began.elapsed().as_secs_f64();
    let asked: usize = all.iter().map(|(asked, _)| asked).sum();
    let mut waits: Vec<Duration> = all.iter().flat_map(|(_, took)| took.clone()).collect();
    waits.sort();
    assert_eq!(waits.len(), contenders() * ROUNDS);
    println!(
        "{} contenders, {} turns in {seconds:.1} s; {asked} questions, {:.0} a second; waited {:.1} s (median), {:.1} s (longest)",
        contenders(),
        waits.len(),
        asked as f64 / seconds,
        waits[waits.len() / 2].as_secs_f64(),
        waits[waits.len() - 1].as_secs_f64()
    );
}

/// The first of the servers has a leader.
fn healthy(hub: &Machine) -> bool {
    let asked = "curl -s --max-time 2 http://10.77.0.1:2379/health | grep -q true && echo is healthy";
    hub.try_sh(asked).stdout.contains("is healthy")
}

impl Fleet {
    fn begin(count: u8) -> Self {
        let bridge = Bridge::new();
        let hub = Machine::boot_with_servers("hub");
        bridge.connect(&hub, 1);
        hub.sh(ETCD);
        let mut hosts = BTreeMap::new();
        for number in 1..=count {
            let host = Machine::boot(&name(number));
            bridge.connect(&host, number + 10);
            for release in [1, 2, 4, 5, 6, 7] {
                host.write(&format!("/srv/app/releases/{release}/serve.py"), SERVE);
            }
            host.write("/srv/app/releases/3/serve.py", "raise SystemExit('a broken release')\n");
            host.write("/etc/systemd/system/shop.service", UNIT);
            host.sh(
                "ln -s releases/1 /srv/app/current; systemctl daemon-reload; systemctl enable -q --now shop",
            );
            host.sh("mkdir -p /etc/steadfast/units.d");
            host.write("/etc/steadfast/steadfast.toml", SETTINGS);
            host.write("/etc/steadfast/units.d/shop.service.toml", FILE);
            host.install_steadfast();
            hosts.insert(number, host);
        }
        let fleet = Self { hub, hosts, bridge };
        fleet.hub.wait_until("etcd answers", LONG, || healthy(&fleet.hub));
        for host in fleet.hosts.values() {
            state(host, "shop.service", "ok");
        }
        // Each change of the semaphore is written down.
        let key = "com.coreos.airlock/groups/web/v1/semaphore";
        fleet.hub.sh(&format!(
            "curl -sN http://10.77.0.1:2379/v3/watch -d '{{\"create_request\":{{\"key\":\"'$(printf {key} | base64 -w0)'\"}}}}' \
             >/srv/seen 2>/dev/null & echo $! >/srv/watcher"
        ));
        fleet.watch_from_outside();
        fleet
    }

    /// From outside, several times a second: how many of the hosts do not answer.
    fn watch_from_outside(&self) {
        self.hub.write_program(
            "/srv/look",
            "#!/usr/bin/python3\nimport socket, sys, time, concurrent.futures as f\n\
             def down(n):\n  try:\n    s = socket.create_connection((f'10.77.0.{n}', 8000), 1); s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')\n\
             \x20   s.settimeout(1); return 0 if s.recv(20) else 1\n  except OSError: return 1\n\
             pool = f.ThreadPoolExecutor(5)\nhosts = range(11, 11 + int(sys.argv[1]))\nwhile True:\n  away = [n for n, d in zip(hosts, pool.map(down, hosts)) if d]\n\
             \x20 print(len(away), *away, flush=True); time.sleep(0.1)\n",
        );
        let count = self.hosts.len();
        self.hub
            .sh(&format!("systemd-run -q --unit=look -p StandardOutput=append:/srv/away /srv/look {count}"));
    }

    /// The most hosts that were away at once since this was asked last.
    fn most_away(&self) -> u32 {
        let most = self.hub.sh("sort -n /srv/away | tail -1 | cut -d' ' -f1; : >/srv/away");
        most.trim().parse().unwrap_or(99)
    }

    fn flip(&self, release: u8) {
        for host in self.hosts.values() {
            host.sh(&format!("ln -sfn releases/{release} /srv/app/new; mv -T /srv/app/new /srv/app/current"));
        }
    }

    fn serves(&self, number: u8) -> String {
        let host = &self.hosts[&number];
        host.try_sh("curl -s --max-time 2 http://127.0.0.1:8000/ | sed 's|.*/||'").stdout.trim().to_owned()
    }

    fn all_serve(&self, release: u8) {
        let wanted = release.to_string();
        let all = || self.hosts.keys().all(|number| self.serves(*number) == wanted);
        let told = || {
            let fleet = self.hosts[&1].try_sh("steadfast fleet").stdout;
            let logs = self.hosts.values().map(journal).collect::<Vec<_>>();
            format!("{fleet}{}", logs.join("\n----\n"))
        };
        self.hub.wait_or_tell(&format!("all serve release {release}"), LONG, all, told);
    }

    /// Whoever has the slot, by the semaphore itself.
    fn holders(&self) -> Vec<String> {
        let told = self.hosts[&1].try_sh("steadfast fleet --json | jq -r '.[0].holders[]?.holder'").stdout;
        told.lines().map(str::to_owned).collect()
    }

    /// Waits until a host has a slot, and says which.
    fn holder(&self) -> u8 {
        let mut number = 0;
        self.hub.wait_until("somebody has a slot", LONG, || {
            let holders = self.holders();
            let first = holders
                .first()
                .and_then(|holder| holder.strip_prefix("web")?.split('/').next()?.parse().ok());
            number = first.unwrap_or(0);
            number > 0
        });
        number
    }

    fn is_free(&self) {
        self.hub.wait_until("all slots are free", LONG, || self.holders().is_empty());
    }
}

#[test]
fn a_release_goes_from_host_to_host_and_a_broken_one_ends_at_the_first() {
    let fleet = Fleet::begin(5);
    fleet.most_away();

    fleet.flip(2);
    fleet.all_serve(2);
    fleet.is_free();
    assert!(fleet.most_away() <= 1, "a healthy release takes one host at a time");

    // The broken one: one host is lost, four serve the old one, and say why they wait.
    fleet.flip(3);
    let broken = fleet.holder();
    fleet.hub.wait_until("the others wait", LONG, || {
        let waits = |number: &u8| {
            let filter = r#".findings[] | select(.code == "fleet-slot-stuck") | .message"#;
            unit(&fleet.hosts[number], "shop.service", filter)
                .contains(&format!("web{broken}/shop.service has one"))
        };
        fleet.hosts.keys().filter(|number| **number != broken).all(waits)
    });
    println!("{}", fleet.hosts[&1].sh("steadfast fleet; steadfast explain shop"));
    for number in fleet.hosts.keys().filter(|number| **number != broken) {
        assert_eq!(fleet.serves(*number), "2", "web{number} serves the old release");
    }
    assert!(fleet.most_away() <= 1, "a broken release costs one host");
    assert_eq!(fleet.holders(), [format!("web{broken}/shop.service")], "what failed keeps its slot");

    // Back: it is proven, and frees its slot; nobody else was touched.
    fleet.flip(2);
    fleet.hosts[&broken].sh("systemctl reset-failed shop; systemctl start shop");
    fleet.all_serve(2);
    fleet.is_free();
    assert!(fleet.most_away() <= 1);
}

#[test]
fn whatever_dies_on_the_way_never_two_hosts_are_away() {
    let mut fleet = Fleet::begin(some());
    fleet.most_away();

    // We are killed on whoever has the slot, again and again.
    fleet.flip(2);
    for _ in 0..4 {
        let holder = fleet.holder();
        let host = &fleet.hosts[&holder];
        let main = || host.sh("systemctl show -P MainPID steadfast");
        let before = main();
        host.sh("systemctl kill -s KILL steadfast");
        fleet.hub.wait_until("we are back", LONG, || !["0", &before].contains(&main().as_str()));
    }
    fleet.all_serve(2);
    fleet.is_free();
    assert!(fleet.most_away() <= 1, "killed on the way");

    // A minority of etcd hangs: the next address is asked.
    fleet.hub.sh("systemctl kill -s STOP etcd-a");
    fleet.flip(4);
    fleet.all_serve(4);
    fleet.hub.sh("systemctl kill -s CONT etcd-a");
    fleet.is_free();
    assert!(fleet.most_away() <= 1, "a minority of etcd hangs");

    // All of it is away: nobody is restarted, and what dies is started.
    fleet.hub.sh("for one in a b c; do systemctl kill -s STOP etcd-$one; done");
    fleet.flip(5);
    fleet.hub.wait_until("it is said", LONG, || {
        fleet
            .hosts
            .values()
            .all(|host| unit(host, "shop.service", ".blocked // empty").contains("does not answer"))
    });
    let before = fleet.hosts[&1].sh("systemctl show -P InvocationID shop");
    fleet.hosts[&1].sh("systemctl kill -s KILL shop");
    fleet.hub.wait_until("what died is started", LONG, || {
        fleet.hosts[&1].sh("systemctl show -P InvocationID shop") != before && fleet.serves(1) == "5"
    });
    assert!(fleet.hosts.keys().skip(1).all(|number| fleet.serves(*number) == "4"), "what works waits");
    fleet.hub.sh("for one in a b c; do systemctl kill -s CONT etcd-$one; done");
    fleet.all_serve(5);
    fleet.is_free();
    assert!(fleet.most_away() <= 1, "all of etcd was away");

    // The holder is cut off, and then it reboots: its slot stays its own until it is proven.
    fleet.flip(6);
    let holder = fleet.cut_holder();
    fleet.others_ask_in_vain(holder);
    fleet.bridge.cut(holder + 10, false);
    let host = fleet.hosts.get_mut(&holder).expect("a host");
    host.reboot();
    fleet.bridge.connect(&fleet.hosts[&holder], holder + 10);
    fleet.all_serve(6);
    fleet.is_free();

    // A holder that never comes back: people free its slot, and say why.
    fleet.hub.sh(r#"key=$(printf com.coreos.airlock/groups/web/v1/semaphore | base64 -w0)
        value=$(printf '{"total_slots":1,"holders":["ghost/shop.service"]}' | base64 -w0)
        curl -sf http://10.77.0.1:2379/v3/kv/put -d '{"key":"'$key'","value":"'$value'"}'"#);
    fleet.flip(7);
    fleet.hub.wait_until("the ghost is told", LONG, || {
        let filter = r#".findings[] | select(.code == "fleet-slot-stuck") | .repair"#;
        unit(&fleet.hosts[&2], "shop.service", filter).contains("steadfast fleet release ghost --reason")
    });
    let released = fleet.hosts[&2].sh("steadfast fleet release ghost --reason 'its disk broke'");
    assert_eq!(released, "web: ghost/shop.service has no slot any more");
    fleet.all_serve(7);
    fleet.is_free();
    let seen = fleet.hosts[&3].sh("steadfast fleet");
    assert!(seen.contains("its disk broke"), "{seen}");
    fleet.never_two();
}

impl Fleet {
    /// What this filter makes of the group, as another host than this one sees it.
    fn seen_by_others(&self, number: u8, filter: &str) -> String {
        let other = if number == 1 { 2 } else { 1 };
        self.hosts[&other].try_sh(&format!("steadfast fleet --json | jq -r '.[0] | {filter}'")).stdout
    }

    /// Takes a host that has the slot off the bridge.
    fn cut_holder(&self) -> u8 {
        let mut holder = 0;
        self.hub.wait_until("a host that has the slot is cut off", LONG, || {
            holder = self.holder();
            self.bridge.cut(holder + 10, true);
            let still =
                self.seen_by_others(holder, ".holders[].holder") == format!("web{holder}/shop.service");
            if !still {
                // It had given it back before.
                self.bridge.cut(holder + 10, false);
            }
            still
        });
        holder
    }

    /// All who wait have asked once more, and the slot is still that of this one.
    fn others_ask_in_vain(&self, holder: u8) {
        let asked = || self.seen_by_others(holder, "[.waiting[].since_ms] | min // 0");
        let before: i64 = asked().parse().unwrap_or(0);
        self.hub.wait_until("the others ask again", LONG, || asked().parse().unwrap_or(0) > before.max(1));
        assert_eq!(
            self.seen_by_others(holder, ".holders[].holder"),
            format!("web{holder}/shop.service"),
            "nobody else goes on"
        );
    }

    /// In no state of the semaphore that was ever written were there two holders.
    fn never_two(&self) {
        let states = self.hub.sh(
            "jq -r '.result.events[]?.kv.value // empty | @base64d | fromjson | .holders | length' /srv/seen | sort -n | uniq -c",
        );
        println!("states of the semaphore by holders:\n{states}");
        let most =
            states.lines().filter_map(|line| line.split_whitespace().nth(1)?.parse::<u32>().ok()).max();
        assert_eq!(most, Some(1), "{states}");
    }
}
