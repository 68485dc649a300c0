//! O5 with the real Delayed::Job, PostgreSQL, memcached and dpkg: an upgrade stops the workers and the cache, nobody watches
//! them, and the configuration of the old process monitor has them commented out.

use std::time::Duration;

use crate::receiver;
use crate::rig::Machine;
use crate::watched::{LIMIT, finding, journal, state, unit};

/// Nothing is acted on for a minute after a package manager was at work.
const AFTER_PACKAGES: Duration = Duration::from_secs(120);

const GOD: &str = r#"
# Web, database and mail are watched; see the wiki.
God.watch do |w|
  w.name = "web"
  w.start = "systemctl start web"
  w.interval = 30.seconds
  w.keepalive
end

# This is buggy
#God.watch do |w|
#  w.name = "delayed-job"
#  w.start = "/srv/app/script/delayed_job start"
#  w.stop = "/srv/app/script/delayed_job stop"
#  w.pid_file = "/srv/app/tmp/pids/delayed_job.pid"
#  w.keepalive(:memory_max => 300.megabytes)
#end
"#;

/// The application: jobs in PostgreSQL, pages that use the cache and shrug where it is gone.
const SETUP: &str = r#"
set -e
grep -q " $(hostname)" /etc/hosts 2>/dev/null || echo "127.0.1.1 $(hostname)" >>/etc/hosts
systemctl enable -q --now postgresql memcached
mkdir -p /etc/steadfast/units.d /srv/app /etc/god
install -m 600 /dev/null /etc/steadfast/postgres.password; printf s3cret >/etc/steadfast/postgres.password
cat >/srv/app/delayed.rb <<'END'
require "active_record"
require "delayed_job_active_record"
ActiveRecord::Base.establish_connection(adapter: "postgresql", host: "127.0.0.1", username: "shop", password: "s3cret", database: "shop")
Delayed::Worker.sleep_delay = 1
Work = Struct.new(:number) do
  def perform; end
end
END
cat >/srv/app/web.py <<'END'
import http.server, socket, time
def cached():
    try:
        with socket.create_connection(("127.0.0.1", 11211), timeout=1) as cache:
            cache.sendall(b"version\r\n")
            return cache.recv(64).startswith(b"VERSION")
    except OSError:
        return False
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if not cached():
            time.sleep(0.7)
        mood = open("/srv/app/mood").read().strip()
        broken = mood in ("broken", "once")
        if mood == "once":
            open("/srv/app/mood", "w").write("fine")
        self.send_response(500 if broken else 200)
        self.end_headers()
        self.wfile.write(b"fine\n")
    def log_message(self, *what):
        pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Page).serve_forever()
END
echo fine >/srv/app/mood; chmod 666 /srv/app/mood
printf '[Service]\nUser=nobody\nExecStart=/usr/bin/python3 /srv/app/web.py\n[Install]\nWantedBy=multi-user.target\n' >/etc/systemd/system/web.service
su postgres -c "psql -qc \"CREATE ROLE shop LOGIN PASSWORD 's3cret'\" -c 'CREATE DATABASE shop OWNER shop' -c \"CREATE ROLE steadfast LOGIN PASSWORD 's3cret' IN ROLE pg_monitor\" -c 'GRANT pg_read_all_data TO steadfast' postgres"
PGPASSWORD=s3cret psql -q -h 127.0.0.1 -U shop shop <<'END'
CREATE TABLE delayed_jobs (id bigserial PRIMARY KEY, priority int NOT NULL DEFAULT 0, attempts int NOT NULL DEFAULT 0, handler text NOT NULL,
  last_error text, run_at timestamp, locked_at timestamp, failed_at timestamp, locked_by text, queue text, created_at timestamp, updated_at timestamp);
END
"#;

/// Two versions of a package: the second stops its worker and the cache at its installation, and starts neither.
const PACKAGES: &str = r#"
set -e
for version in 1 2; do
  root=/srv/deb/$version; mkdir -p $root/DEBIAN $root/usr/lib/systemd/system
  printf 'Package: shop-jobs\nVersion: %s.0\nArchitecture: all\nMaintainer: shop <shop@example.org>\nDescription: background jobs\n' $version >$root/DEBIAN/control
  printf "[Service]\nUser=nobody\nEnvironment=HOME=/tmp\nWorkingDirectory=/srv/app\nExecStart=/usr/bin/ruby -e 'require \"/srv/app/delayed\"; Delayed::Worker.new.start'\n[Install]\nWantedBy=multi-user.target\n" >$root/usr/lib/systemd/system/delayed-job.service
done
printf '#!/bin/sh\nsystemctl daemon-reload\n' >/srv/deb/1/DEBIAN/postinst
printf '#!/bin/sh\nsystemctl disable --quiet --now delayed-job.service\nsystemctl stop memcached.service\n' >/srv/deb/2/DEBIAN/preinst
printf '#!/bin/sh\nsystemctl daemon-reload\n' >/srv/deb/2/DEBIAN/postinst
chmod 755 /srv/deb/*/DEBIAN/p*inst
for version in 1 2; do dpkg-deb --build --root-owner-group /srv/deb/$version /srv/jobs_$version.deb >/dev/null; done
dpkg -i /srv/jobs_1.deb >/dev/null
systemctl enable -q --now delayed-job.service web.service
"#;

const SINKS: &str = r#"
[alert.mail]
type = "smtp"
from = "steadfast@example.org"
to = ["ops@example.org"]
[alert.hook]
type = "webhook"
url = "http://127.0.0.1:8099/hook"
"#;

const PAGE: &str = r#"
[probe.page]
http = "http://127.0.0.1:8080/"
period = "2s"
timeout = "1500ms"
max_latency = "500ms"
failure_threshold = 2
on_failure = "alert"
"#;

const JOBS: &str = r#"
[progress.jobs]
postgres = "postgres://steadfast@127.0.0.1/shop"
password_file = "/etc/steadfast/postgres.password"
query = """
SELECT count(*) FILTER (WHERE locked_at IS NULL AND run_at <= (now() AT TIME ZONE 'utc') AND failed_at IS NULL) AS depth,
       count(*) FILTER (WHERE locked_at IS NOT NULL) AS in_work,
       extract(epoch FROM (now() AT TIME ZONE 'utc') - min(run_at) FILTER (WHERE locked_at IS NULL AND failed_at IS NULL AND run_at <= (now() AT TIME ZONE 'utc'))) AS age
FROM delayed_jobs
"""
period = "2s"
timeout = "1s"
max_age = "8s"
stalled_after = "10m"
"#;

/// The night before: web and database are watched, worker and cache are not.
fn begin(name: &str) -> Machine {
    let machine = Machine::boot_with_servers(name);
    machine.sh(SETUP);
    machine.sh(PACKAGES);
    machine.write("/etc/god/shop.god", GOD);
    receiver::web(&machine);
    receiver::mail(&machine);
    machine.write("/etc/steadfast/steadfast.toml", SINKS);
    machine.write("/etc/steadfast/units.d/web.service.toml", PAGE);
    machine.write("/etc/steadfast/units.d/postgresql@15-main.service.toml", "");
    machine.install_steadfast();
    state(&machine, "web.service", "ok");
    state(&machine, "postgresql@15-main.service", "ok");
    machine
}

/// Runs a command, shows it, and returns its exit status and all that it printed.
fn shown(machine: &Machine, command: &str) -> (Option<i32>, String) {
    let output = machine.try_sh(command);
    let page = format!("{}\n{}", output.stdout, output.stderr);
    println!("$ {command}\n{page}(exit status {:?})\n", output.code);
    (output.code, page)
}

fn upgrade(machine: &Machine) {
    machine.sh("dpkg -i /srv/jobs_2.deb >/dev/null");
    assert_eq!(machine.try_sh("systemctl is-active delayed-job memcached").stdout, "inactive\ninactive");
}

fn jobs(machine: &Machine) -> u32 {
    let count = "PGPASSWORD=s3cret psql -h 127.0.0.1 -U shop shop -Atc 'SELECT count(*) FROM delayed_jobs'";
    machine.sh(count).parse().unwrap_or(u32::MAX)
}

fn enqueue(machine: &Machine) {
    machine.sh("ruby -r /srv/app/delayed.rb -e '5.times { |n| Delayed::Job.enqueue Work.new(n) }'");
}

/// How often the web server and the mail server were told this: `firing web.service probe-failed`.
fn told(machine: &Machine, status: &str, name: &str, code: &str) -> (usize, usize) {
    let posts = r#"jq -r '.body | fromjson | .alerts[] | "\(.status) \(.unit) \(.code)"' /srv/got.jsonl"#;
    let line = format!("{status} {name} {code}");
    let posts = machine.try_sh(posts).stdout.lines().filter(|told| *told == line).count();
    // The subject fits a phone; the code stands in the text, too.
    let mails = format!(
        "for mail in /srv/mails/*; do grep -q '^Subject: \\[{status}\\] five {name}' $mail && grep -q {code} $mail && echo $mail; done"
    );
    (posts, machine.try_sh(&mails).stdout.lines().count())
}

/// Nobody watches the workers, and nobody knows: all of it is found before the upgrade, and what it did after it.
#[test]
fn what_nobody_watches_and_what_an_upgrade_stopped_is_told() {
    let machine = begin("five");
    let (_, page) = shown(&machine, "steadfast audit");
    for unwatched in ["delayed-job.service", "memcached.service"] {
        assert!(page.contains(unwatched), "{unwatched} is managed by nobody:\n{page}");
    }
    let (_, page) = shown(&machine, "steadfast adopt --from god /etc/god/shop.god");
    for part in ["delayed-job", "This is buggy", "COMMENTED OUT"] {
        assert!(page.contains(part), "{part}:\n{page}");
    }
    assert_eq!(shown(&machine, "steadfast baseline save before").0, Some(0));
    assert_eq!(shown(&machine, "steadfast baseline diff before").0, Some(0));

    upgrade(&machine);
    let (code, page) = shown(&machine, "steadfast baseline diff before");
    assert_eq!(code, Some(2), "what was active and is not is critical");
    for gone in ["delayed-job.service", "memcached.service", "shop-jobs", "11211"] {
        assert!(page.contains(gone), "{gone} is worse than before:\n{page}");
    }
    assert!(page.contains("its package changed: shop-jobs 1.0 -> 2.0"), "{page}");
    // Web and database are well: this is the green that the customer's call ended.
    assert_eq!(unit(&machine, "web.service", ".active_state"), "active");

    machine.sh("systemctl enable -q --now delayed-job memcached");
    machine.wait_until("the cache listens", LIMIT, || machine.try_sh("ss -ltn | grep -q :11211").ok());
    assert_eq!(shown(&machine, "steadfast baseline diff before").0, Some(0));
}

/// The worker and the cache are adopted: one command says whether the host is fit, and the next upgrade costs two minutes, not
/// twelve hours.
#[test]
fn adopted_workers_survive_the_upgrade_and_their_queue_is_watched() {
    let machine = begin("five");
    assert_eq!(shown(&machine, "steadfast adopt delayed-job.service memcached.service").0, Some(0));
    println!("{}", machine.read("/etc/steadfast/units.d/memcached.service.toml"));
    machine.write("/etc/steadfast/units.d/delayed-job.service.toml.d/jobs.toml", JOBS);
    state(&machine, "delayed-job.service", "ok");
    state(&machine, "memcached.service", "ok");
    assert_eq!(shown(&machine, "steadfast check").0, Some(0), "the host is fit");

    upgrade(&machine);
    let (code, page) = shown(&machine, "steadfast check");
    assert_eq!(code, Some(2), "the host is not fit");
    assert!(page.contains("delayed-job.service") && page.contains("memcached.service"), "{page}");
    let again = machine.wait_until("both are back", AFTER_PACKAGES, || {
        let both = ["delayed-job.service", "memcached.service"];
        both.iter().all(|name| unit(&machine, name, ".state") == "ok")
    });
    println!("started, enabled and proven {:.1} s after the upgrade stopped them", again.as_secs_f64());
    assert_eq!(machine.try_sh("systemctl is-enabled delayed-job").stdout, "enabled");
    assert_eq!(shown(&machine, "steadfast check").0, Some(0));

    // A worker that lives and works nothing: the age of the oldest job is what tells.
    machine.sh("systemctl kill -s STOP delayed-job");
    enqueue(&machine);
    let (took, message) = finding(&machine, "delayed-job.service", "backlog");
    println!("told after {:.1} s: {message}", took.as_secs_f64());
    machine.sh("systemctl kill -s CONT delayed-job");
    machine.wait_until("the jobs are done", LIMIT, || jobs(&machine) == 0);
    state(&machine, "delayed-job.service", "ok");

    // Switched off: not without reason and end, and never unseen.
    let file = "/etc/steadfast/units.d/delayed-job.service.toml";
    let kept = machine.read(file);
    machine.write(file, &format!("{kept}\n[disabled]\nreason = \"This is buggy\"\n"));
    let (code, page) = shown(&machine, &format!("steadfast verify {file}"));
    assert!(code == Some(78) && page.contains("until"), "{page}");
    let until = machine.sh("date -u -d '+20 seconds' +%FT%TZ");
    machine.write(file, &format!("{kept}\n[disabled]\nreason = \"flaps, ticket 1234\"\nuntil = {until}\n"));
    state(&machine, "delayed-job.service", "disabled");
    let (_, page) = shown(&machine, "steadfast status");
    assert!(page.contains("flaps, ticket 1234"), "{page}");
    let took = state(&machine, "delayed-job.service", "ok");
    println!("back in force by itself after {:.1} s", took.as_secs_f64());
    machine.sh(&format!("mv {file} {file}.disabled"));
    let (_, page) = shown(&machine, "steadfast audit");
    assert!(page.contains(&format!("{file}.disabled")), "{page}");
}

/// One failure does not page, two in a row do, by mail and webhook, and the recovery is told too; a cache that is gone while
/// the pages stay green is told, and so are the pages that only got slow.
#[test]
fn two_failures_in_a_row_page_and_the_recovery_is_told() {
    let machine = begin("five");
    machine.write(
        "/etc/steadfast/units.d/memcached.service.toml",
        "[recovery]\nstart = false\n[probe.cache]\nmemcached = \"127.0.0.1:11211\"\nperiod = \"2s\"\ntimeout = \"1s\"\n",
    );
    state(&machine, "memcached.service", "ok");
    machine.sh("echo once >/srv/app/mood");
    machine.wait_until("one answer was wrong", LIMIT, || machine.sh("cat /srv/app/mood") == "fine");
    for _ in 0..2 {
        let last = unit(&machine, "web.service", ".probes[0].last_at");
        machine.wait_until("it was asked again", LIMIT, || {
            unit(&machine, "web.service", ".probes[0] | select(.status == \"healthy\") | .last_at") != last
        });
    }
    let one = told(&machine, "firing", "web.service", "probe-failed");
    assert_eq!(one, (0, 0), "one failure pages nobody");
    assert!(!journal(&machine).contains("probe-failed"));

    machine.sh("echo broken >/srv/app/mood");
    let took = machine.wait_until("two failures page", LIMIT, || {
        told(&machine, "firing", "web.service", "probe-failed") == (1, 1)
    });
    println!("two failures in a row: mail and webhook after {:.1} s", took.as_secs_f64());
    machine.sh("echo fine >/srv/app/mood");
    let took = machine.wait_until("the recovery is told", LIMIT, || {
        told(&machine, "resolved", "web.service", "probe-failed") == (1, 1)
    });
    println!("the recovery: mail and webhook after {:.1} s", took.as_secs_f64());

    upgrade(&machine);
    let (took, message) = finding(&machine, "web.service", "probe-slow");
    println!("told after {:.1} s: {message}", took.as_secs_f64());
    // A package manager has a minute to start what it stopped.
    let inactive = ".findings[] | select(.code == \"unit-inactive\") | .message";
    let took = machine.wait_until("the cache is missed", AFTER_PACKAGES, || {
        !unit(&machine, "memcached.service", inactive).is_empty()
    });
    println!("told {:.1} s later: {}", took.as_secs_f64(), unit(&machine, "memcached.service", inactive));
    assert_eq!(machine.sh("curl -s http://127.0.0.1:8080/"), "fine", "every page stays green");
    machine.wait_until("people know of the cache", LIMIT, || {
        told(&machine, "firing", "memcached.service", "unit-inactive") == (1, 1)
    });
}
