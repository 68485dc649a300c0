//! What nobody watches: silent on hosts as the installer leaves them, exact and complete on one that people made.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::receiver;
use crate::rig::Machine;
use crate::watched::{LIMIT, status};

/// The program and nothing else: no daemon, no configuration.
fn placed(machine: Machine) -> Machine {
    machine.place_steadfast(
        Path::new(env!("CARGO_BIN_EXE_steadfast")),
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/units")),
    );
    machine
}

/// Every finding as `code: sentence`, those of the host and of units, sorted; pids, which differ, as `N`.
fn findings(machine: &Machine) -> Vec<String> {
    let filter = r#"([.findings[]] + [.units[].findings[]]) | .[] | "\(.code): \(.message | gsub("pid [0-9]+"; "pid N"))""#;
    let output = machine.try_sh(&format!("steadfast audit --json | jq -r '{filter}' | sort"));
    output.stdout.lines().map(str::to_owned).collect()
}

fn page(machine: &Machine) -> (Option<i32>, String) {
    let start = Instant::now();
    let output = machine.try_sh("steadfast audit");
    println!(
        "$ steadfast audit\n{}\n(exit status {:?}, in {:?})\n",
        output.stdout,
        output.code,
        start.elapsed()
    );
    (output.code, output.stdout)
}

fn is_silent(release: &str) {
    let machine = placed(Machine::boot_as_installed(release, release));
    println!(
        "{}",
        machine.sh(
            "systemctl list-units --no-legend --plain --type service,timer,socket | awk '{print $1, $4}'"
        )
    );
    // Whatever is younger than ten seconds is not judged: it must be silent for what it is.
    machine.wait_until("everything is old enough", LIMIT, || {
        machine
            .sh("awk '{print int($1)}' /proc/uptime; ps -o etimes= -p 1")
            .lines()
            .last()
            .and_then(|age| age.trim().parse().ok())
            .is_some_and(|age: u64| age > 12)
    });
    let (code, page) = page(&machine);
    assert_eq!(code, Some(0), "{page}");
    assert!(page.contains("nothing to report"), "{page}");
    assert_eq!(page.lines().count(), 1, "{page}");
    assert!(findings(&machine).is_empty());
}

#[test]
fn debian_12_as_installed_has_nothing_to_report() {
    is_silent("bookworm");
}

#[test]
fn debian_13_as_installed_has_nothing_to_report() {
    is_silent("trixie");
}

/// Eight services, as people run them; nobody manages them.
const SERVERS: &str = r#"
set -e
grep -q " $(hostname)" /etc/hosts 2>/dev/null || echo "127.0.1.1 $(hostname)" >>/etc/hosts
mkdir -p /srv/app/releases/1
cat >/srv/app/releases/1/app.py <<'END'
def app(environ, start):
    start('200 OK', [('Content-Type', 'text/plain')])
    return [b'fine\n']
END
ln -sfn releases/1 /srv/app/current
cat >/etc/systemd/system/shop.service <<'END'
[Service]
WorkingDirectory=/srv/app/current
ExecStart=/usr/bin/gunicorn --bind 127.0.0.1:8000 --workers 2 app:app
[Install]
WantedBy=multi-user.target
END
printf '[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n' >/etc/systemd/system/backup.timer
printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' >/etc/systemd/system/backup.service
systemctl daemon-reload
systemctl enable -q --now redis-server memcached postgresql nginx php8.2-fpm rabbitmq-server shop.service backup.timer
"#;

#[test]
fn eight_services_that_nobody_manages_are_told_by_weight() {
    let machine = placed(Machine::boot_with_servers("eight"));
    machine.sh(SERVERS);
    machine.wait_until("all listen", LIMIT, || {
        machine
            .try_sh(
                "for port in 80 5432 5672 6379 8000 11211; do ss -ltn | grep -q \":$port \" || exit 1; done",
            )
            .ok()
    });
    let (code, page) = page(&machine);
    assert_eq!(code, Some(1));
    let filter = r#".findings[] | select(.code == "unmanaged") | .evidence[]"#;
    let lines = machine.sh(&format!("steadfast audit --json | jq -r '{filter}'; true"));
    let units: Vec<&str> = lines.lines().filter_map(|line| line.split(':').next()).collect();
    let mut sorted = units.clone();
    sorted.sort_unstable();
    assert_eq!(
        sorted,
        [
            "backup.timer",
            "epmd.service",
            "memcached.service",
            "nginx.service",
            "php8.2-fpm.service",
            "postgresql@15-main.service",
            "rabbitmq-server.service",
            "redis-server.service",
            "shop.service",
        ]
    );
    assert_eq!(units.first(), Some(&"shop.service"), "{page}");
    assert_eq!(findings(&machine).len(), 1, "nothing else: {page}");
    for line in [
        "shop.service: of this host's own, runs, listens on 127.0.0.1:8000",
        "nginx.service: runs, listens on 0.0.0.0:80",
        "backup.timer: of this host's own, is armed",
    ] {
        assert!(lines.contains(line), "{line}:\n{lines}");
    }
}

/// A host that people made: what runs is managed only in part, and each line of `SEEDS` is true of it.
const GAPS: &str = r#"
cd /etc/systemd/system
unit() { printf '[Service]\nExecStart=%s\n%s[Install]\nWantedBy=multi-user.target\n' "$2" "$3" >"$1.service"; }
web() { echo "/usr/bin/python3 -m http.server --bind 127.0.0.1 --directory /srv/www $1"; }
mkdir -p /srv/www /opt
printf 'import socket, time\ns = socket.create_server(("127.0.0.1", int(__import__("sys").argv[1])))\ntime.sleep(1e6)\n' >/opt/listen.py

# Managed by nobody.
unit app "$(web 8101)"
unit worker "/bin/sh -c 'sleep inf & sleep inf & wait'"
printf '[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n' >report.timer
printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' >report.service
printf '[Socket]\nListenStream=127.0.0.1:8102\n[Install]\nWantedBy=sockets.target\n' >queue.socket
printf '[Service]\nExecStart=/bin/cat\n' >queue.service

# Managed, and wanting.
for name in shop api quiet slow site; do unit "$name" '/bin/sleep inf'; done
unit shop "$(web 8201)"
unit api "$(web 8202)"
# What it runs stays active, so that it ran once and never again.
printf '[Timer]\nOnActiveSec=1s\nOnUnitActiveSec=1s\nAccuracySec=1ms\n[Install]\nWantedBy=timers.target\n' >stuck.timer
printf '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n' >stuck.service
systemctl daemon-reload
systemctl enable -q --now app worker report.timer queue.socket shop api quiet slow site stuck.timer nginx cron

cd /etc/steadfast/units.d
printf '[probe.page]\nhttp = "http://127.0.0.1:8201/"\n\n# bob: flaps\n# [probe.port]\n# tcp = "127.0.0.1:8201"\n' >shop.service.toml
: >api.service.toml
echo 'severity = "warning"' >quiet.service.toml
printf '[recovery]\nverify_within = "5s"\n[probe.port]\ntcp = "127.0.0.1:8201"\ninitial_delay = "30s"\n' >slow.service.toml
printf '[probe.any]\nhttp = "http://127.0.0.1:8201/nothing"\nstatus = "100-599"\n[probe.script]\ncommand = ["/bin/sh", "-c", "curl -f localhost:1 || true"]\n' >site.service.toml
: >gone.service.toml
echo 'unit = "web-*.service"' >web.toml
: >mailer.service.toml.disabled
mkdir old; : >old/press.service.toml
mkdir -p /usr/lib/steadfast/units.d; : >/usr/lib/steadfast/units.d/vendor.service.toml; ln -s /dev/null vendor.service.toml
: >stuck.timer.toml
printf '[alert.ops]\ntype = "command"\ncommand = ["/bin/true"]\nmin_severity = "critical"\n' >/etc/steadfast/steadfast.toml

# Outside any service.
systemd-run -q --scope --slice=user-1000.slice --unit=session-77.scope setsid -f setpriv --reuid=joe --regid=joe --init-groups /usr/bin/python3 /opt/listen.py 8301
systemd-run -q --scope --unit=deploy.scope setsid -f /bin/sleep 4711
echo '* * * * * root setsid -f /usr/bin/python3 /opt/listen.py 8302 2>/dev/null' >/etc/cron.d/left
setsid -f memcached -u nobody -l 127.0.0.1 -p 8303 </dev/null >/dev/null 2>&1
tmux new-session -d '/usr/bin/python3 /opt/listen.py 8304'

# Other supervisors.
printf 'set daemon 5\nset log syslog\ncheck process api matching "http.server --bind 127.0.0.1 --directory /srv/www 8202"\n start program = "/usr/bin/systemctl start api.service"\n' >/etc/monit/monitrc
chmod 600 /etc/monit/monitrc
printf '[program:feeds]\ncommand=/bin/sleep 4712\n' >/etc/supervisor/conf.d/feeds.conf
systemctl enable -q --now supervisor; systemctl start monit
"#;

/// What is wrong there: the code of each, and a part of its line.
const SEEDS: [(&str, &str); 25] = [
    ("unmanaged", "app.service: of this host's own, runs, listens on 127.0.0.1:8101"),
    ("unmanaged", "worker.service: of this host's own, runs, 2 children"),
    ("unmanaged", "report.timer: of this host's own, is armed"),
    ("unmanaged", "queue.socket: of this host's own, waits for others"),
    ("unmanaged", "nginx.service: runs, listens on 0.0.0.0:80"),
    ("stray-process", "joe) was left behind in a login (session-77.scope), listens on 127.0.0.1:8301"),
    ("stray-process", "sleep 4711 (pid N, root) was left behind in deploy.scope"),
    ("stray-process", "was left behind by cron.service, listens on 127.0.0.1:8302"),
    (
        "stray-process",
        "memcached -u nobody -l 127.0.0.1 -p 8303 (pid N, nobody) belongs to no unit at all, listens on 127.0.0.1:8303",
    ),
    ("stray-process", "runs in a detached tmux, listens on 127.0.0.1:8304"),
    ("switched-off", "units.d/mailer.service.toml.disabled has no effect under this name"),
    ("switched-off", "units.d/shop.service.toml:5: [probe.port] is commented out (lines 5 to 6)"),
    ("switched-off", "units.d/old/press.service.toml has no effect in this folder"),
    ("switched-off", "units.d/vendor.service.toml is a link to /dev/null"),
    ("unit-missing", "web.toml selects web-*.service, and there is no such unit"),
    ("unit-missing", "gone.service"),
    ("host-timer-overdue", "stuck.timer starts stuck.service at least every 1 s"),
    ("host-unprobed", "api.service listens on 127.0.0.1:8202"),
    ("host-probe-unfit", "[probe.script] of site.service cannot fail: its script ends with `|| true`"),
    ("host-probe-unfit", "[probe.any] of site.service takes errors for health"),
    ("host-probe-unfit", "[probe.port] of slow.service lets the unit take 30 s to come up"),
    (
        "alert-undeliverable",
        "no [alert.NAME] matches quiet.service (severity warning): nobody is alerted about it",
    ),
    ("alert-undeliverable", "no [alert.NAME] accepts warnings"),
    ("host-other-supervisor", "monit keeps api.service up as well (check process api)"),
    ("host-other-supervisor", "supervisord (pid N) keeps 1 process that no service is for: sleep (pid N)"),
];

/// True as well: whoever keeps others up is kept up by nobody.
const BESIDES: [(&str, &str); 3] = [
    ("unmanaged", "monit.service: runs"),
    ("unmanaged", "supervisor.service: runs"),
    // An init script without a start link.
    ("not-enabled", "monit.service runs, but is disabled"),
];

/// Every line of the page: each finding, and each unit of the one that tells of many.
fn lines(machine: &Machine) -> Vec<(String, String)> {
    let filter = r#"([.findings[]] + [.units[].findings[]]) | .[] | .code as $code |
        (if $code == "unmanaged" then .evidence[] else .message end) | "\($code)\t\(gsub("pid [0-9]+"; "pid N"))""#;
    let output = machine.try_sh(&format!("steadfast audit --json | jq -r '{filter}'"));
    let split = |line: &str| line.split_once('\t').map(|(code, line)| (code.to_owned(), line.to_owned()));
    output.stdout.lines().filter_map(split).collect()
}

#[test]
fn every_one_of_25_seeded_gaps_is_told_and_nothing_that_is_not_true() {
    let machine = placed(Machine::boot_with_servers("gaps"));
    machine.add_user("joe");
    machine.sh("mkdir -p /etc/steadfast/units.d");
    machine.sh(GAPS);
    machine.wait_until("cron has left something behind", Duration::from_secs(90), || {
        machine.try_sh("ss -ltn | grep -q 127.0.0.1:8302").ok()
    });
    // Who is younger than ten seconds may be about to end.
    machine.wait_until("it is there for a while", LIMIT, || {
        let age = machine.sh("ps -o etimes= -p $(pgrep -f 'listen.py 8302' | head -1)");
        age.trim().parse().is_ok_and(|age: u64| age > 11)
    });
    let (code, page) = page(&machine);
    let told = lines(&machine);
    let fits = |seed: &(&str, &str), line: &(String, String)| line.0 == seed.0 && line.1.contains(seed.1);
    let found = SEEDS.iter().filter(|seed| told.iter().any(|line| fits(seed, line))).count();
    for seed in &SEEDS {
        let mark = if told.iter().any(|line| fits(seed, line)) { "told  " } else { "MISSED" };
        println!("{mark} {:<22} {}", seed.0, seed.1);
    }
    let known = |line: &&(String, String)| SEEDS.iter().chain(&BESIDES).any(|seed| fits(seed, line));
    let besides: Vec<_> = told.iter().filter(|line| !known(line)).collect();
    println!(
        "recall: {found} of {}; {} lines in all, {} of them of no seed",
        SEEDS.len(),
        told.len(),
        besides.len()
    );
    assert_eq!(found, SEEDS.len(), "{page}");
    assert!(besides.is_empty(), "{besides:#?}");
    assert_eq!(told.len(), SEEDS.len() + BESIDES.len(), "each once: {told:#?}");
    assert_eq!(code, Some(2), "a managed unit that is not there is critical");

    // Left alone on purpose: with a reason and an end, and shown until then.
    machine.sh("cat >>/etc/steadfast/steadfast.toml <<'END'\n[coverage]\nignore = [\"queue.*\", \"memcached\"]\nreason = \"moves in March\"\nuntil = 2099-03-01T00:00:00Z\nEND");
    let (_, page) = self::page(&machine);
    assert!(page.contains("NOTES") && page.contains("queue.*, memcached: moves in March"), "{page}");
    assert!(!page.contains("queue.socket") && !page.contains("8303"), "{page}");
    assert_eq!(lines(&machine).len(), told.len() - 2);
}

/// What arrived at the receiver: the status and the summary of each alert.
fn alerts(machine: &Machine) -> Vec<String> {
    let filter = r#".body | fromjson | .alerts[] | "\(.status) \(.code): \(.summary)""#;
    let output = machine.try_sh(&format!("jq -r '{filter}' /srv/got.jsonl"));
    output.stdout.lines().map(str::to_owned).collect()
}

const WATCHED: &str = "audit_every = \"5s\"\n[alert.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:8099/hook\"\nrepeat = \"1s\"\n";

#[test]
fn the_daemon_tells_what_is_new_once_and_shows_what_audit_shows() {
    let machine = Machine::boot("watched");
    receiver::web(&machine);
    let service = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n";
    for name in ["shop", "mail", "feeds"] {
        machine.write(&format!("/etc/systemd/system/{name}.service"), service);
    }
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop mail feeds");
    machine.write("/etc/steadfast/steadfast.toml", WATCHED);
    machine.install_steadfast();
    machine.write("/etc/steadfast/units.d/shop.service.toml", "");
    let shown = || status(&machine, r#"[.findings[] | .message] | sort | join("\n")"#);
    let took = machine.wait_until("the first look is told", LIMIT, || !alerts(&machine).is_empty());
    println!("told {took:?} after the file was there: {:#?}", alerts(&machine));
    machine.wait_until("its findings are shown", LIMIT, || {
        shown().contains("not managed: receiver.service, feeds.service, mail.service")
    });
    let audited = || {
        machine.sh("steadfast audit --json | jq -r '[.findings[] | .message] | sort | join(\"\\n\")'; true")
    };
    assert_eq!(shown(), audited(), "the same set");

    // Several looks later nobody was told again.
    let looks = || status(&machine, ".generated_at");
    let before = looks();
    machine.sh("systemd-run -q --on-active=12s --unit=bell true");
    machine.wait_until("two more looks", LIMIT, || {
        machine.try_sh("journalctl -u bell.service -o cat | grep -q Deactivated").ok()
    });
    assert_ne!(before, looks());
    let first = alerts(&machine);
    assert!(first.len() <= 2, "one digest, or two while files came in: {first:#?}");

    // A new one is told alone, once; and is over when it is taken up.
    machine.sh("cp /etc/systemd/system/mail.service /etc/systemd/system/press.service; systemctl daemon-reload; systemctl enable -q --now press");
    machine.wait_until("the new one is told", LIMIT, || {
        alerts(&machine).iter().any(|line| line.contains("press.service"))
    });
    let told: Vec<String> = alerts(&machine).into_iter().skip(first.len()).collect();
    assert_eq!(told, ["firing unmanaged: press.service is managed by nobody (of this host's own, runs)"]);
    machine.write("/etc/steadfast/units.d/press.service.toml", "");
    machine.wait_until("its end is told", LIMIT, || {
        alerts(&machine).iter().any(|line| line.starts_with("resolved") && line.contains("press.service"))
    });

    // Our own death forgets nothing of it.
    let told = alerts(&machine);
    machine.sh("systemctl kill -s KILL steadfast");
    machine.wait_until("it looks again", LIMIT, || shown().contains("not managed: receiver.service"));
    assert_eq!(alerts(&machine), told);
    println!("{told:#?}\n{}", machine.try_sh("steadfast status").stdout);
}

/// C6: whoever it belongs to, a unit that fails is reported at once.
#[test]
fn a_unit_that_fails_is_reported_within_a_second_managed_or_not() {
    let machine = Machine::boot("failing");
    machine.install_steadfast();
    machine.sh("printf '[Service]\\nExecStart=/bin/sh -c \"echo cannot open /srv/backup >&2; exit 3\"\\n' >/etc/systemd/system/backup.service; \
                printf '[Service]\\nRestart=always\\nRestartSec=100ms\\nExecStart=/bin/sh -c \"test -e /run/well && exec sleep inf; touch /run/well; exit 1\"\\n' >/etc/systemd/system/again.service; \
                systemctl daemon-reload");
    let told = |filter: &str| {
        status(&machine, &format!(".findings[] | select(.code == \"host-unit-failed\") | {filter}"))
    };
    machine.wait_until("the socket answers", LIMIT, || !status(&machine, ".host").is_empty());
    machine.try_sh("systemctl start backup; systemctl start again");
    let took = machine.wait_until("it is reported", LIMIT, || {
        told(".message").contains("backup.service has failed (exit-code)")
    });
    println!("reported after {took:?}");
    // Half a second where nothing else runs; the machines of these tests share two cores.
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert!(told(".evidence[]").contains("cannot open /srv/backup"), "{}", told("."));
    // Managed, its last lines stand where people look for the cause.
    machine.write("/etc/steadfast/units.d/backup.service.toml", "[recovery]\nstart = false\n");
    machine.wait_until("its own lines are shown", LIMIT, || {
        machine.try_sh("steadfast explain backup").stdout.contains("cannot open /srv/backup")
    });
}
