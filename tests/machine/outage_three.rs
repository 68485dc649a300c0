//! O3 and O4 with the real Celery and RabbitMQ: workers that run and complete nothing, a worker without subscription, the
//! broker away, its alarms, and the queues afterwards.

use std::time::Duration;

use crate::receiver;
use crate::rig::Machine;
use crate::watched::{LIMIT, finding, state, status, unit};

const TASKS: &str = r#"
import time
from celery import Celery
app = Celery("tasks", broker="amqp://app:s3cret@localhost//")
app.conf.update(task_ignore_result=True, worker_prefetch_multiplier=1, task_acks_late=True,
                broker_connection_retry_on_startup=True, broker_heartbeat=0,
                task_routes={"tasks.transcode": {"queue": "transcode_jobs"}, "tasks.digest": {"queue": "digest_jobs"}})
@app.task
def transcode(): time.sleep(0.1)
@app.task
def digest(): time.sleep(0.1)
"#;

/// Puts so many tasks into a queue, as the application would.
const FEED: &str =
    "import sys, tasks; [getattr(tasks, sys.argv[1]).apply_async() for _ in range(int(sys.argv[2]))]";

const SETUP: &str = r#"
set -e
grep -q " $(hostname)" /etc/hosts 2>/dev/null || echo "127.0.1.1 $(hostname)" >>/etc/hosts
rabbitmq-plugins enable --offline --quiet rabbitmq_management
systemctl start rabbitmq-server
rabbitmqctl -q add_user app s3cret; rabbitmqctl -q set_user_tags app monitoring
rabbitmqctl -q set_permissions app '.*' '.*' '.*'
install -m 600 /dev/null /opt/password; printf s3cret >/opt/password
"#;

const BROKER: &str = r#"
[probe.handshake]
amqp = "amqp://app@localhost"
password_file = "/opt/password"
period = "2s"
timeout = "1500ms"
[probe.alarms]
rabbitmq = "http://app@localhost:15672"
password_file = "/opt/password"
period = "2s"
timeout = "1500ms"
"#;

fn worker(machine: &Machine, kind: &str) {
    let text = format!(
        "[Service]\nUser=nobody\nWorkingDirectory=/srv/jobs\nEnvironment=HOME=/tmp\n\
         ExecStart=/usr/bin/python3 -m celery -A tasks worker -c 1 -Q {kind}_jobs -n {kind}@%%h --without-gossip --without-mingle\n\
         [Install]\nWantedBy=multi-user.target\n"
    );
    machine.write(&format!("/etc/systemd/system/{kind}.service"), &text);
    let file = format!(
        "requires = [\"broker.dependency\"]\n[recovery]\nverify_within = \"10s\"\nburst = 10\n\
         [progress.{kind}]\nrabbitmq = \"http://app@localhost:15672\"\npassword_file = \"/opt/password\"\n\
         queue = \"{kind}_jobs\"\nperiod = \"2s\"\ntimeout = \"1s\"\nstalled_after = \"12s\"\ndrain_within = \"25s\"\n"
    );
    machine.write(&format!("/etc/steadfast/units.d/{kind}.service.toml"), &file);
}

fn feed(machine: &Machine, kind: &str, count: u32) {
    machine.sh(&format!("cd /srv/jobs && python3 -c '{FEED}' {kind} {count}"));
}

fn invocation(machine: &Machine, name: &str) -> String {
    machine.sh(&format!("systemctl show -P InvocationID {name}"))
}

/// Stops the process that works, while its master lives on and answers.
fn wedge(machine: &Machine, kind: &str) {
    machine.sh(&format!("kill -STOP $(pgrep -P $(systemctl show -P MainPID {kind}.service))"));
}

/// Waits until the unit runs anew and all that was wrong with it is over.
fn restarted(machine: &Machine, name: &str, before: &str) -> Duration {
    let began = std::time::Instant::now();
    machine.wait_until(&format!("{name} is restarted"), LIMIT, || invocation(machine, name) != before);
    state(machine, name, "ok");
    began.elapsed()
}

fn progressing(machine: &Machine, name: &str) {
    let filter = r#".conditions[] | select(.type == "Progressing") | .status"#;
    machine.wait_until(&format!("{name} progresses"), LIMIT, || unit(machine, name, filter) == "true");
}

fn begin() -> Machine {
    let machine = Machine::boot_with_servers("celery");
    machine.sh(SETUP);
    machine.write("/srv/jobs/tasks.py", TASKS);
    machine.sh("mkdir -p /etc/steadfast/units.d");
    machine.write("/etc/steadfast/units.d/broker.dependency.toml", BROKER);
    for kind in ["transcode", "digest"] {
        worker(&machine, kind);
    }
    machine.sh("systemctl daemon-reload; systemctl enable -q --now transcode digest");
    machine.install_steadfast();
    for kind in ["transcode", "digest"] {
        feed(&machine, kind, 5);
        let name = format!("{kind}.service");
        state(&machine, &name, "ok");
        progressing(&machine, &name);
    }
    machine
}

#[test]
fn workers_that_run_and_complete_nothing_are_found_by_their_queues() {
    let machine = begin();

    // Wedged: it runs, its control channel answers, its queue grows.
    let (transcode, digest) = (invocation(&machine, "transcode"), invocation(&machine, "digest"));
    wedge(&machine, "transcode");
    feed(&machine, "transcode", 30);
    let pong =
        machine.sh("cd /srv/jobs && python3 -m celery -A tasks inspect ping --timeout 3 | grep -c pong");
    assert_eq!(pong, "2", "both control channels answer");
    let (took, message) = finding(&machine, "transcode.service", "stalled");
    println!("wedged worker: {message} (after {:.1} s)", took.as_secs_f64());
    let took = restarted(&machine, "transcode.service", &transcode);
    println!("restarted and its queue moves: {:.1} s later", took.as_secs_f64());
    assert_eq!(invocation(&machine, "digest"), digest, "the other worker is left alone");

    // Without subscription: it runs, and nobody consumes.
    let before = invocation(&machine, "digest");
    machine.sh("cd /srv/jobs && python3 -m celery -A tasks control cancel_consumer digest_jobs >/dev/null");
    feed(&machine, "digest", 5);
    let (took, message) = finding(&machine, "digest.service", "no-consumer");
    println!("lost subscription: {message} (after {:.1} s)", took.as_secs_f64());
    let took = restarted(&machine, "digest.service", &before);
    println!("restarted and consumed: {:.1} s later", took.as_secs_f64());

    // Alarms: everything runs, and publishers are blocked.
    for (set, unset, part) in [
        ("set_disk_free_limit 900GB", "set_disk_free_limit 1MB", "disk alarm"),
        ("set_vm_memory_high_watermark 0.00001", "set_vm_memory_high_watermark 0.9", "memory alarm"),
    ] {
        machine.sh(&format!("rabbitmqctl -q {set}"));
        let told = || unit(&machine, "broker.dependency", ".findings[].message");
        let took = machine.wait_until(part, LIMIT, || told().contains(part));
        println!("{} (after {:.1} s)", told(), took.as_secs_f64());
        assert_eq!(status(&machine, ".incidents_open"), "1", "workers without work are no incidents");
        machine.sh(&format!("rabbitmqctl -q {unset}"));
        state(&machine, "broker.dependency", "ok");
    }
}

/// Everybody is told: a webhook, a mail, and the real Alertmanager.
const TELLING: &str = r#"
postmortem_after = "10s"
audit_every = "never"
[alert.hook]
type = "webhook"
url = "http://127.0.0.1:8099/hook"
[alert.mail]
type = "smtp"
from = "steadfast@example.org"
to = "ops@example.org"
[alert.starttls]
type = "smtp"
host = "localhost"
encryption = "starttls"
from = "steadfast@example.org"
to = "ops@example.org"
[alert.tls]
type = "smtp"
host = "localhost"
encryption = "tls"
from = "steadfast@example.org"
to = "ops@example.org"
[alert.told]
type = "command"
command = ["/usr/local/bin/told"]
[alert.am]
type = "alertmanager"
url = "http://127.0.0.1:9093"
repeat = "10s"
"#;

fn telling(machine: &Machine) {
    receiver::web(machine);
    receiver::mail(machine);
    let told = "#!/bin/sh\necho \"$STEADFAST_STATUS $STEADFAST_UNIT $STEADFAST_CODE\" >>/srv/told\n";
    machine.write_program("/usr/local/bin/told", told);
    // A machine without a network of its own has no address for a cluster.
    machine.write("/etc/default/prometheus-alertmanager", "ARGS=\"--cluster.listen-address=\"\n");
    machine.sh("systemctl start prometheus-alertmanager");
    machine.write("/etc/steadfast/steadfast.toml", TELLING);
    machine.sh("systemctl reload steadfast");
    machine.wait_until("each of them can be told", LIMIT, || machine.try_sh("steadfast test-alert").ok());
    println!("{}", machine.sh("steadfast test-alert"));
}

/// The alerts that Alertmanager holds to be firing.
fn active(machine: &Machine) -> String {
    let filter = "[.[] | select(.status.state == \"active\") | .labels.alertname] | sort | join(\" \")";
    machine.try_sh(&format!("curl -sf http://127.0.0.1:9093/api/v2/alerts | jq -r '{filter}'")).stdout
}

#[test]
fn after_the_broker_came_back_only_the_wedged_worker_is_restarted() {
    let machine = begin();
    telling(&machine);
    // What changed before is in the incident.
    machine.sh("date '+%F %T upgrade rabbitmq-server:all 3.10.7 3.10.8' >>/var/log/dpkg.log");
    let (transcode, digest) = (invocation(&machine, "transcode"), invocation(&machine, "digest"));
    feed(&machine, "digest", 50);
    wedge(&machine, "transcode");
    feed(&machine, "transcode", 20);
    machine.sh("systemctl stop rabbitmq-server");
    let (took, message) = finding(&machine, "broker.dependency", "probe-failed");
    println!("broker down: {message} (after {:.1} s)", took.as_secs_f64());
    let took =
        machine.wait_until("Alertmanager knows", LIMIT, || active(&machine).contains("SteadfastProbeFailed"));
    println!("it fires in Alertmanager {:.1} s later", took.as_secs_f64());
    let incident = unit(&machine, "broker.dependency", ".incident");
    // A queue that cannot be asked is unknown, which is no trouble of its worker.
    let progress = r#".conditions[] | select(.type == "Progressing") | .status"#;
    for name in ["transcode.service", "digest.service"] {
        machine.wait_until("its queue is unknown", LIMIT, || unit(&machine, name, progress) == "unknown");
        assert_eq!(unit(&machine, name, ".findings | length"), "0", "{name}");
    }
    assert_eq!(status(&machine, ".incidents_open"), "1");
    machine.sh("sleep 20");
    assert_eq!(
        (invocation(&machine, "transcode"), invocation(&machine, "digest")),
        (transcode.clone(), digest.clone())
    );
    machine.sh("systemctl start rabbitmq-server");
    let took = state(&machine, "broker.dependency", "ok");
    println!("broker back: seen after {:.1} s", took.as_secs_f64());
    let (took, message) = finding(&machine, "transcode.service", "drain-overdue");
    println!("{message} ({:.1} s later)", took.as_secs_f64());
    let took = restarted(&machine, "transcode.service", &transcode);
    println!("only it was restarted, and its queue moves: {:.1} s later", took.as_secs_f64());
    let story = machine.sh("journalctl -t steadfast -o cat --no-pager | grep digest; true");
    assert_eq!(invocation(&machine, "digest"), digest, "what drains is left alone:\n{story}");
    machine.wait_until("all is well", LIMIT, || status(&machine, ".incidents_open") == "0");
    told_whole(&machine, &incident);
    silenced(&machine);
}

/// Silences of a unit that Alertmanager holds to be active: who made them, and why.
fn silences(machine: &Machine, unit: &str) -> String {
    let of_unit = format!("any(.matchers[]; .name == \"unit\" and .value == \"{unit}\")");
    let filter =
        format!(".[] | select(.status.state == \"active\" and {of_unit}) | .createdBy + \": \" + .comment");
    machine.try_sh(&format!("curl -sf http://127.0.0.1:9093/api/v2/silences | jq -r '{filter}'")).stdout
}

/// A hold is a silence in the real Alertmanager: made once, though we are killed meanwhile; moved; ended with the hold.
fn silenced(machine: &Machine) {
    let unit = "digest.service";
    machine.sh("steadfast hold digest --for 30m --reason 'ticket 7'");
    let took = machine.wait_until("it is silenced", LIMIT, || silences(machine, unit).contains("ticket 7 ["));
    println!("silenced after {:.1} s: {}", took.as_secs_f64(), silences(machine, unit));
    machine.sh("steadfast hold digest --for 1h --reason 'ticket 8'; systemctl kill -s KILL steadfast");
    machine.wait_until("we are back", LIMIT, || {
        machine.try_sh("steadfast status digest >/dev/null; test $? -lt 3").ok()
    });
    machine.wait_until("it is moved", LIMIT, || silences(machine, unit).contains("ticket 8 ["));
    assert_eq!(silences(machine, unit).lines().count(), 1, "{}", silences(machine, unit));
    machine.sh("steadfast resume digest");
    machine.wait_until("it is over", LIMIT, || silences(machine, unit).is_empty());
}

/// The runbook's last lines: who was told, the timeline, and the draft of the post-mortem.
fn told_whole(machine: &Machine, incident: &str) {
    machine.wait_until("it is over in Alertmanager", LIMIT, || {
        let active = active(machine);
        !active.contains("SteadfastProbeFailed") && !active.contains("SteadfastDrainOverdue")
    });
    let story = machine.sh(&format!("steadfast incident {incident}"));
    println!("{story}");
    assert!(story.contains("packages: rabbitmq-server 3.10.7 upgraded to 3.10.8"), "{story}");
    assert!(
        story.contains("digest.service, transcode.service require broker.dependency: observed meanwhile"),
        "{story}"
    );
    for sink in ["hook", "mail", "starttls", "tls", "told", "am"] {
        assert!(story.contains(&format!("  {sink}  firing sent ")), "{story}");
    }
    assert_eq!(story.matches(", resolved sent").count(), 6, "{story}");
    let told = machine.read("/srv/told");
    assert!(
        told.contains("firing broker.dependency probe-failed\nresolved broker.dependency probe-failed"),
        "{told}"
    );
    let mails = machine.sh("grep -h ^Subject: /srv/mails/* | sort");
    println!("{mails}");
    assert!(mails.contains("[firing]") && mails.contains("[resolved]"), "{mails}");
    let got = machine.read("/srv/got.jsonl");
    assert!(got.contains("firing") && got.contains("resolved"), "{got}");
    let file = format!("/var/lib/steadfast/postmortems/{incident}.md");
    machine.wait_until("it is drafted", LIMIT, || machine.try_sh(&format!("test -s {file}")).ok());
    let draft = machine.read(&file);
    println!("{draft}");
    for part in ["Window (UTC)", "## Timeline (UTC)", "## Impact", "## Open questions", "probe-failed"] {
        assert!(draft.contains(part), "{part}");
    }
    let evidence = machine.sh("ls /var/lib/steadfast/evidence");
    assert!(evidence.contains(&format!("{incident}.txt")), "{evidence}");
}
