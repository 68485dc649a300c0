//! `[recovery] drain` with the real Celery and Sidekiq: over restarts under load no job is lost, and none is run twice, although
//! their stop timeouts are shorter than a job.

use crate::rig::Machine;
use crate::watched::{LIMIT, manage, state, unit};

/// Restarts of each kind in `make test`; RESTARTS=20 for the figure.
const RESTARTS: u32 = 2;

const CELERY: &str = r#"
import os, time
from celery import Celery
app = Celery("tasks", broker="redis://localhost//")
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True,
                task_default_queue="jobs")
def note(line):
    log = os.open("/srv/done/celery", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, (line + "\n").encode())
    os.close(log)
@app.task
def job(n):
    note(f"begin {n}")
    time.sleep(4)
    note(f"end {n}")
"#;

const CELERY_UNIT: &str = "\
[Service]
User=nobody
WorkingDirectory=/srv/celery/current
Environment=HOME=/tmp
ExecStart=/usr/bin/python3 -m celery -A tasks worker -c 2 -Q jobs -n w@%%h --without-gossip --without-mingle
TimeoutStopSec=1
[Install]
WantedBy=multi-user.target
";

const CELERY_FILE: &str = r#"
[recovery]
verify_within = "30s"
drain = { command = ["/usr/bin/python3", "-m", "celery", "-A", "tasks", "control", "-d", "w@celery", "cancel_consumer", "jobs"], until = "a=$(python3 -m celery -A tasks inspect -d w@celery active -j) && r=$(python3 -m celery -A tasks inspect -d w@celery reserved -j) && case $a$r in *'\"id\"'*) exit 1;; esac", timeout = "60s" }
[release]
settle = "1s"
[probe.up]
command = ["/usr/bin/python3", "-m", "celery", "-A", "tasks", "inspect", "ping"]
period = "20s"
timeout = "15s"
"#;

const SIDEKIQ: &str = r##"
require "sidekiq"
class Job
  include Sidekiq::Worker
  def note(line) = File.open("/srv/done/sidekiq", "a") { |log| log.syswrite("#{line}\n") }
  def perform(n)
    note("begin #{n}")
    sleep 4
    note("end #{n}")
  end
end
"##;

const SIDEKIQ_UNIT: &str = "\
[Service]
User=nobody
WorkingDirectory=/srv/sidekiq/current
Environment=HOME=/tmp
ExecStart=/usr/bin/sidekiq -r ./jobs.rb -c 2 -t 1
[Install]
WantedBy=multi-user.target
";

const SIDEKIQ_FILE: &str = r#"
[recovery]
drain = { command = ["/bin/kill", "-TSTP", "$MAINPID"], until = "all=$(redis-cli smembers processes) && for p in $all; do case $p in $(hostname):$MAINPID:*) test $(redis-cli hget $p busy) = 0 || exit 1;; esac; done", timeout = "60s" }
[release]
settle = "1s"
"#;

fn begin(kind: &str, code: (&str, &str), texts: (&str, &str)) -> Machine {
    let machine = Machine::boot_with_servers(kind);
    for release in [1, 2] {
        machine.write(&format!("/srv/{kind}/releases/{release}/{}", code.0), code.1);
    }
    machine.sh(&format!(
        "ln -s releases/1 /srv/{kind}/current; install -d -m 777 /srv/done; systemctl start redis-server"
    ));
    machine.write(&format!("/etc/systemd/system/{kind}.service"), texts.0);
    machine.sh(&format!("systemctl daemon-reload; systemctl enable -q --now {kind}"));
    machine.install_steadfast();
    manage(&machine, &format!("{kind}.service"), texts.1);
    machine
}

/// Deploys while jobs are worked on, again and again; then every job was begun once and ended once.
fn deploys(machine: &Machine, kind: &str, feed: impl Fn(u32, u32) -> String) {
    let restarts = std::env::var("RESTARTS").ok().and_then(|count| count.parse().ok()).unwrap_or(RESTARTS);
    let name = format!("{kind}.service");
    let count = |word: &str| {
        machine.sh(&format!("grep -c '^{word}' /srv/done/{kind} || true")).trim().parse().unwrap_or(0)
    };
    let mut fed = 0;
    for restart in 0..restarts {
        machine.sh(&feed(fed, fed + 5));
        fed += 5;
        let begun: u32 = count("begin");
        machine.wait_until("jobs are worked on", LIMIT, || count("begin") > begun);
        let before = machine.sh(&format!("systemctl show -P InvocationID {name}"));
        let to = if restart % 2 == 0 { 2 } else { 1 };
        machine
            .sh(&format!("ln -sfn releases/{to} /srv/{kind}/new; mv -T /srv/{kind}/new /srv/{kind}/current"));
        let renewed = || machine.sh(&format!("systemctl show -P InvocationID {name}")) != before;
        machine.wait_until("it runs anew", LIMIT, renewed);
        let told = unit(machine, &name, ".recovery.steps[]? | select(.step == \"drain\") | .result");
        assert!(matches!(told.trim(), "done" | ""), "drained: {told}");
        state(machine, &name, "ok");
    }
    machine.wait_until("all is done", LIMIT, || count("end") >= fed);
    let twice = machine.sh(&format!("sort /srv/done/{kind} | uniq -d"));
    assert_eq!((twice.as_str(), count("begin"), count("end")), ("", fed, fed), "each once");
    let drained =
        machine.sh("journalctl -t steadfast -o cat --no-pager | grep -c 'drain of .*: done' || true");
    assert_eq!(drained.trim(), restarts.to_string(), "{}", crate::watched::journal(machine));
    println!("{restarts} restarts under load, {fed} jobs: each begun once and ended once");
}

#[test]
fn celery_is_drained_before_each_restart_and_no_job_is_lost_or_run_twice() {
    let machine = begin("celery", ("tasks.py", CELERY), (CELERY_UNIT, CELERY_FILE));
    deploys(&machine, "celery", |from, to| {
        format!(
            "cd /srv/celery/current && python3 -c 'import tasks; [tasks.job.delay(n) for n in range({from}, {to})]'"
        )
    });
}

#[test]
fn sidekiq_is_drained_before_each_restart_and_no_job_is_lost_or_run_twice() {
    let machine = begin("sidekiq", ("jobs.rb", SIDEKIQ), (SIDEKIQ_UNIT, SIDEKIQ_FILE));
    deploys(&machine, "sidekiq", |from, to| {
        format!(
            "cd /srv/sidekiq/current && ruby -r ./jobs.rb -e '({from}...{to}).each {{ |n| Job.perform_async(n) }}'"
        )
    });
}
