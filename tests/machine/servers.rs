//! Probes against the real servers of Debian: each kind, each fault, each in its own true sentence.

use std::collections::BTreeSet;

use crate::rig::Machine;
use crate::watched::LIMIT;

/// Greets like no server that is probed here (21), takes a connection and says nothing (22), hangs up at once (23).
const STRANGERS: &str = r#"
import socket, threading
def serve(port, work):
    server = socket.create_server(("127.0.0.1", port), backlog=64)
    held = []
    while True:
        client = server.accept()[0]
        held.append(client)
        threading.Thread(target=work, args=(client,), daemon=True).start()
def greet(client):
    client.sendall(b"220 mail.example ESMTP\r\n")
threads = [threading.Thread(target=serve, args=(21, greet)), threading.Thread(target=serve, args=(22, lambda c: None)),
           threading.Thread(target=serve, args=(23, lambda c: c.close()))]
[thread.start() for thread in threads]
"#;

/// The servers, with what the probes meet there.
const SETUP: &str = r#"
set -e
grep -q " $(hostname)" /etc/hosts 2>/dev/null || echo "127.0.1.1 $(hostname)" >>/etc/hosts
systemctl start redis-server memcached postgresql mariadb
redis-server --port 6380 --requirepass s3cret --daemonize yes >/dev/null
redis-cli set mode live >/dev/null; redis-cli set horizon:paused 1 >/dev/null; redis-cli rpush queues:default a b c >/dev/null
install -m 600 /dev/null /opt/right; printf s3cret >/opt/right
install -m 600 /dev/null /opt/wrong; printf guess >/opt/wrong
printf s3cret >/opt/public; chmod 644 /opt/public
rabbitmq-plugins enable --offline --quiet rabbitmq_management
systemctl start rabbitmq-server
rabbitmqctl -q add_user mon s3cret; rabbitmqctl -q set_user_tags mon monitoring
rabbitmqctl -q set_permissions mon '.*' '.*' '.*'
rabbitmqctl -q add_user app s3cret
su postgres -c "psql -qc \"CREATE ROLE mon LOGIN PASSWORD 's3cret'\" -c 'CREATE TABLE jobs (id int)' -c 'GRANT SELECT ON jobs TO mon' postgres"
su postgres -c "psql -qc 'INSERT INTO jobs VALUES (1), (2), (3)' postgres"
mysql -e "CREATE USER mon@localhost IDENTIFIED BY 's3cret'; CREATE USER mon@'127.0.0.1' IDENTIFIED BY 's3cret'; CREATE DATABASE shop; CREATE TABLE shop.jobs (id int); INSERT INTO shop.jobs VALUES (1), (2); GRANT SELECT ON shop.* TO mon@localhost; GRANT SELECT ON shop.* TO mon@'127.0.0.1'"
openssl req -x509 -newkey rsa:2048 -nodes -keyout /opt/key.pem -out /opt/ca.pem -days 5 -subj /CN=localhost -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE 2>/dev/null
printf 'events {}\nhttp { server { listen 443 ssl; ssl_certificate /opt/ca.pem; ssl_certificate_key /opt/key.pem; return 200 fine; } server { listen 80; return 200 fine; } }\n' >/etc/nginx/nginx.conf
systemctl start nginx
touch /run/fresh; touch -d '-1 hour' /run/stale
"#;

/// One probe: its name, its keys, the status of its answer, and a part of what it says.
type Case = (&'static str, &'static str, &'static str, &'static str);

const WELL: &[Case] = &[
    ("redis", r#"redis = "redis://localhost/0""#, "healthy", "was answered in"),
    (
        "redis-password",
        "redis = \"redis://localhost:6380\"\npassword_file = \"/opt/right\"",
        "healthy",
        "was answered in",
    ),
    (
        "redis-keys",
        r#"redis = "redis://localhost"
keys = { "mode" = "live", "queues:default" = "< 10", "nobody" = "missing" }"#,
        "healthy",
        "was answered in",
    ),
    (
        "memcached",
        "memcached = \"localhost:11211\"\nstats = { evictions = \"< 1\", curr_connections = \"< 900\" }",
        "healthy",
        "version 1.",
    ),
    ("amqp", r#"amqp = "amqp://localhost""#, "healthy", "the broker greeted"),
    (
        "amqp-login",
        "amqp = \"amqp://mon@localhost\"\npassword_file = \"/opt/right\"",
        "healthy",
        "the broker let us in",
    ),
    (
        "rabbitmq",
        "rabbitmq = \"http://mon@localhost:15672\"\npassword_file = \"/opt/right\"",
        "healthy",
        "its node runs without alarm",
    ),
    (
        "postgres",
        "postgres = \"postgres://mon@localhost/postgres\"\npassword_file = \"/opt/right\"\nquery = \"SELECT count(*) FROM jobs\"\nexpect = \"< 10\"",
        "healthy",
        "answered in",
    ),
    (
        "mysql",
        "mysql = \"mysql://mon@127.0.0.1/shop\"\npassword_file = \"/opt/right\"\nquery = \"SELECT count(*) FROM jobs\"\nexpect = 2",
        "healthy",
        "answered in",
    ),
    (
        "mysql-socket",
        "mysql = \"mysql://mon@localhost/shop?socket=/run/mysqld/mysqld.sock\"\npassword_file = \"/opt/right\"",
        "healthy",
        "answered in",
    ),
    ("tls", "http = \"https://localhost/\"\nmin_validity = \"2d\"", "healthy", "answered 200"),
    ("file", "file = \"/run/fresh\"\nmax_age = \"5m\"", "healthy", "it was written"),
    ("disk", "disk = \"/\"\nmin_free = \"1MiB\"", "healthy", "are free"),
    ("inodes", "inodes = \"/\"\nmin_free = \"1%\"", "healthy", "are free"),
];

const ILL: &[Case] = &[
    (
        "redis-refused",
        r#"redis = "redis://localhost:1""#,
        "unhealthy",
        "connection refused, nothing listens there",
    ),
    ("redis-name", r#"redis = "redis://nowhere.invalid""#, "*", "nowhere.invalid"),
    ("redis-silent", r#"redis = "redis://localhost:22""#, "unhealthy", "no answer within 1 s"),
    ("redis-stranger", r#"redis = "redis://localhost:21""#, "unhealthy", "does not speak Redis"),
    ("redis-hangup", r#"redis = "redis://localhost:23""#, "unhealthy", "the connection was"),
    (
        "redis-no-password",
        r#"redis = "redis://localhost:6380""#,
        "unknown",
        "authentication failed, it wants a password",
    ),
    (
        "redis-wrong-password",
        "redis = \"redis://localhost:6380\"\npassword_file = \"/opt/wrong\"",
        "unknown",
        "authentication failed",
    ),
    (
        "redis-public-password",
        "redis = \"redis://localhost:6380\"\npassword_file = \"/opt/public\"",
        "unknown",
        "others may read it",
    ),
    (
        "redis-no-credential",
        "redis = \"redis://localhost:6380\"\ncredential = \"redis\"",
        "unknown",
        "has no credential redis",
    ),
    (
        "redis-paused",
        "redis = \"redis://localhost\"\nkeys = { \"horizon:paused\" = \"missing\" }",
        "unhealthy",
        "its key horizon:paused exists; it must be missing",
    ),
    (
        "redis-long",
        "redis = \"redis://localhost\"\nkeys = { \"queues:default\" = \"< 3\" }",
        "unhealthy",
        "its key queues:default is 3; expected < 3",
    ),
    (
        "memcached-refused",
        r#"memcached = "localhost:1""#,
        "unhealthy",
        "connection refused, nothing listens there",
    ),
    ("memcached-silent", r#"memcached = "localhost:22""#, "unhealthy", "no answer within 1 s"),
    (
        "memcached-stranger",
        r#"memcached = "localhost:21""#,
        "unhealthy",
        "does not speak memcached, it said \"220 mail",
    ),
    ("memcached-hangup", r#"memcached = "localhost:23""#, "unhealthy", "the connection was"),
    (
        "memcached-young",
        "memcached = \"localhost:11211\"\nstats = { uptime = \"> 864000\" }",
        "unhealthy",
        "its uptime is",
    ),
    (
        "memcached-figure",
        "memcached = \"localhost:11211\"\nstats = { nothing = \"> 1\" }",
        "unhealthy",
        "has no figure nothing",
    ),
    (
        "amqp-refused",
        r#"amqp = "amqp://localhost:1""#,
        "unhealthy",
        "connection refused, nothing listens there",
    ),
    ("amqp-silent", r#"amqp = "amqp://localhost:22""#, "unhealthy", "no greeting within 1 s"),
    (
        "amqp-stranger",
        r#"amqp = "amqp://localhost:21""#,
        "unhealthy",
        "does not speak AMQP, it said \"220 mail",
    ),
    ("amqp-hangup", r#"amqp = "amqp://localhost:23""#, "unhealthy", "the connection was"),
    (
        "amqp-wrong-password",
        "amqp = \"amqp://mon@localhost\"\npassword_file = \"/opt/wrong\"",
        "unknown",
        "authentication failed, it refuses user mon",
    ),
    (
        "amqp-vhost",
        "amqp = \"amqp://mon@localhost/nowhere\"\npassword_file = \"/opt/right\"",
        "unknown",
        "may not enter vhost nowhere",
    ),
    (
        "rabbitmq-refused",
        r#"rabbitmq = "http://localhost:1""#,
        "unhealthy",
        "connection refused, nothing listens there",
    ),
    ("rabbitmq-silent", r#"rabbitmq = "http://localhost:22""#, "unhealthy", "no answer within 1 s"),
    (
        "rabbitmq-stranger",
        r#"rabbitmq = "http://localhost:80""#,
        "unhealthy",
        "is not RabbitMQ's management API",
    ),
    (
        "rabbitmq-wrong-password",
        "rabbitmq = \"http://mon@localhost:15672\"\npassword_file = \"/opt/wrong\"",
        "unknown",
        "refuses user mon or the password, \"Login failed\"",
    ),
    (
        "rabbitmq-tag",
        "rabbitmq = \"http://app@localhost:15672\"\npassword_file = \"/opt/right\"",
        "unknown",
        "user app may not ask that (rabbitmqctl set_user_tags app monitoring)",
    ),
    (
        "rabbitmq-queue",
        "rabbitmq = \"http://mon@localhost:15672\"\npassword_file = \"/opt/right\"\nqueue = \"nothing\"",
        "unhealthy",
        "it has no queue nothing in vhost /",
    ),
    (
        "postgres-refused",
        r#"postgres = "postgres://mon@localhost:1/postgres""#,
        "unhealthy",
        "connection refused, nothing listens there",
    ),
    (
        "postgres-silent",
        r#"postgres = "postgres://mon@localhost:22/postgres""#,
        "unhealthy",
        "no answer within 1 s",
    ),
    (
        "postgres-stranger",
        r#"postgres = "postgres://mon@localhost:21/postgres""#,
        "unhealthy",
        "does not speak PostgreSQL",
    ),
    (
        "postgres-hangup",
        r#"postgres = "postgres://mon@localhost:23/postgres""#,
        "unhealthy",
        "the connection was",
    ),
    (
        "postgres-wrong-password",
        "postgres = \"postgres://mon@localhost/postgres\"\npassword_file = \"/opt/wrong\"",
        "unknown",
        "authentication failed for user mon",
    ),
    (
        "postgres-database",
        "postgres = \"postgres://mon@localhost/nowhere\"\npassword_file = \"/opt/right\"",
        "unhealthy",
        "3D000",
    ),
    (
        "postgres-query",
        "postgres = \"postgres://mon@localhost/postgres\"\npassword_file = \"/opt/right\"\nquery = \"SELECT count(*) FROM nothing\"",
        "unhealthy",
        "42P01",
    ),
    (
        "postgres-writes",
        "postgres = \"postgres://mon@localhost/postgres\"\npassword_file = \"/opt/right\"\nquery = \"CREATE TABLE x (id int)\"",
        "unhealthy",
        "25006",
    ),
    (
        "postgres-slow",
        "postgres = \"postgres://mon@localhost/postgres\"\npassword_file = \"/opt/right\"\nquery = \"SELECT pg_sleep(9)\"",
        "unhealthy",
        "the query did not end in time",
    ),
    (
        "postgres-answer",
        "postgres = \"postgres://mon@localhost/postgres\"\npassword_file = \"/opt/right\"\nquery = \"SELECT count(*) FROM jobs\"\nexpect = \"< 3\"",
        "unhealthy",
        "its count is 3; expected < 3",
    ),
    (
        "mysql-refused",
        r#"mysql = "mysql://mon@127.0.0.1:1/shop""#,
        "unhealthy",
        "connection refused, nothing listens there",
    ),
    ("mysql-silent", r#"mysql = "mysql://mon@127.0.0.1:22/shop""#, "unhealthy", "no answer within 1 s"),
    ("mysql-stranger", r#"mysql = "mysql://mon@127.0.0.1:21/shop""#, "unhealthy", "does not speak MySQL"),
    ("mysql-hangup", r#"mysql = "mysql://mon@127.0.0.1:23/shop""#, "unhealthy", "the connection was"),
    (
        "mysql-wrong-password",
        "mysql = \"mysql://mon@127.0.0.1/shop\"\npassword_file = \"/opt/wrong\"",
        "unknown",
        "authentication failed for user mon",
    ),
    (
        "mysql-query",
        "mysql = \"mysql://mon@127.0.0.1/shop\"\npassword_file = \"/opt/right\"\nquery = \"SELECT * FROM nothing\"",
        "unhealthy",
        "1146",
    ),
    (
        "mysql-answer",
        "mysql = \"mysql://mon@127.0.0.1/shop\"\npassword_file = \"/opt/right\"\nquery = \"SELECT count(*) AS failed FROM jobs\"\nexpect = 0",
        "unhealthy",
        "its failed is 2; expected 0",
    ),
    (
        "tls-ends",
        "http = \"https://localhost/\"\nmin_validity = \"14d\"",
        "unhealthy",
        "in 4 days; at least 14 days are right",
    ),
    ("file-missing", "file = \"/run/nothing\"\nmax_age = \"5m\"", "unhealthy", "there is no such file"),
    (
        "file-stale",
        "file = \"/run/stale\"\nmax_age = \"5m\"",
        "unhealthy",
        "it was last written 60 min ago; at most 5 min are right",
    ),
    ("disk-full", "disk = \"/\"\nmin_free = \"100%\"", "unhealthy", "at least 100 % must be"),
    ("inodes-gone", "inodes = \"/\"\nmin_free = \"100%\"", "unhealthy", "are free"),
    ("disk-nowhere", "disk = \"/nothing\"\nmin_free = \"1%\"", "unknown", "cannot be looked at"),
];

/// Asks all of them at once, and returns `NAME STATUS MESSAGE` of each.
fn ask(machine: &Machine, cases: &[Case]) -> Vec<String> {
    machine.sh("rm -f /etc/steadfast/units.d/*.toml");
    for (name, keys, _, _) in cases {
        let file = format!("/etc/steadfast/units.d/{name}.dependency.toml");
        machine.write(&file, &format!("[probe.it]\ntimeout = \"1s\"\nfailure_threshold = 1\n{keys}\n"));
    }
    let verified = machine.sh("steadfast verify 2>&1 || true");
    assert!(!verified.contains("error"), "{verified}");
    let filter = r#".units[] | "\(.unit) \(.probes[0].status) \(.probes[0].message)""#;
    let told = machine.sh(&format!("SSL_CERT_FILE=/opt/ca.pem steadfast check --json | jq -r '{filter}'"));
    told.lines().map(str::to_owned).collect()
}

fn judge(machine: &Machine, cases: &[Case]) -> Vec<String> {
    let told = ask(machine, cases);
    let mut wrong = Vec::new();
    for (name, _, status, part) in cases {
        let start = format!("{name}.dependency ");
        let line = told.iter().find_map(|line| line.strip_prefix(&start)).unwrap_or("nothing");
        println!("{name}: {line}");
        let (found, message) = line.split_once(' ').unwrap_or((line, ""));
        if (found != *status && *status != "*") || !message.contains(part) {
            wrong.push(format!("{name}: wanted {status} {part}, got {line}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    told
}

#[test]
fn each_fault_of_each_server_is_told_in_its_own_words() {
    let machine = Machine::boot_with_servers("servers");
    machine.write("/opt/strangers.py", STRANGERS);
    machine.sh("systemd-run -q --unit strangers python3 /opt/strangers.py");
    machine.install_steadfast();
    machine.sh(SETUP);
    machine.wait_until("RabbitMQ has figures", LIMIT, || {
        let asked = machine
            .try_sh("curl -sf -u mon:s3cret http://localhost:15672/api/nodes | grep -q disk_free_alarm");
        asked.code == Some(0)
    });
    judge(&machine, WELL);
    let told = judge(&machine, ILL);
    let sentences: BTreeSet<&String> = told.iter().collect();
    assert_eq!(sentences.len(), ILL.len(), "no two faults are told alike");

    // Alarms block publishers, while everything runs.
    let rabbitmq = "rabbitmq = \"http://mon@localhost:15672\"\npassword_file = \"/opt/right\"";
    let alarm = |part: &'static str| {
        machine
            .wait_until(part, LIMIT, || ask(&machine, &[("alarm", rabbitmq, "", "")]).join("").contains(part))
    };
    machine.sh("rabbitmqctl -q set_disk_free_limit 900GB");
    println!("disk alarm told after {:.1} s", alarm("disk alarm on rabbit@servers").as_secs_f64());
    machine.sh("rabbitmqctl -q set_disk_free_limit 1MB; rabbitmqctl -q set_vm_memory_high_watermark 0.00001");
    println!("memory alarm told after {:.1} s", alarm("memory alarm on rabbit@servers").as_secs_f64());
    machine.sh("rabbitmqctl -q set_vm_memory_high_watermark 0.9");
    println!("well again after {:.1} s", alarm("its node runs without alarm").as_secs_f64());
}

/// The units of the recipes that a machine does not bring itself.
const OURS: [(&str, &str); 5] = [
    ("gunicorn", "/usr/bin/gunicorn app:application"),
    ("puma", "/usr/bin/puma -b tcp://127.0.0.1:9292 /srv/app/config.ru"),
    ("celery", "/usr/bin/python3 -m celery -A tasks worker -c 1"),
    ("sidekiq", "/usr/bin/sidekiq -r /srv/app/sidekiq.rb"),
    ("delayed-job", "/usr/bin/ruby -e 'require \"/srv/app/delayed\"; Delayed::Worker.new.start'"),
];

const PREPARED: &str = r#"
set -e
grep -q " $(hostname)" /etc/hosts 2>/dev/null || echo "127.0.1.1 $(hostname)" >>/etc/hosts
rabbitmq-plugins enable --offline --quiet rabbitmq_management
systemctl enable -q --now rabbitmq-server redis-server memcached nginx php8.2-fpm postgresql
mkdir -p /etc/steadfast/units.d
for name in rabbitmq postgres; do install -m 600 /dev/null /etc/steadfast/$name.password; printf s3cret >/etc/steadfast/$name.password; done
rabbitmqctl -q add_user steadfast s3cret; rabbitmqctl -q set_user_tags steadfast monitoring
rabbitmqctl -q set_permissions steadfast '.*' '.*' '.*'
su postgres -c "psql -qc \"CREATE ROLE steadfast LOGIN PASSWORD 's3cret' IN ROLE pg_monitor\" postgres"
mkdir -p /srv/app
printf 'def application(env, start):\n    start("200 OK", [])\n    return [b"fine"]\n' >/srv/app/app.py
printf 'run ->(env) { [200, {}, ["fine"]] }\n' >/srv/app/config.ru
printf 'from celery import Celery\napp = Celery("tasks", broker="amqp://guest@localhost//")\napp.conf.task_ignore_result = True\n@app.task\ndef work(): pass\n' >/srv/app/tasks.py
printf 'require "sidekiq"\nclass Work\n  include Sidekiq::Worker\n  def perform; end\nend\n' >/srv/app/sidekiq.rb
cat >/srv/app/delayed.rb <<'END'
require "active_record"
require "delayed_job_active_record"
ActiveRecord::Base.establish_connection(adapter: "postgresql", host: "127.0.0.1", username: "shop", password: "s3cret", database: "shop")
Work = Struct.new(:number) do
  def perform; end
end
END
su postgres -c "psql -qc \"CREATE ROLE shop LOGIN PASSWORD 's3cret'\" -c 'CREATE DATABASE shop OWNER shop' -c 'GRANT pg_read_all_data TO steadfast' postgres"
PGPASSWORD=s3cret psql -q -h 127.0.0.1 -U shop shop <<'END'
CREATE TABLE delayed_jobs (id bigserial PRIMARY KEY, priority int NOT NULL DEFAULT 0, attempts int NOT NULL DEFAULT 0, handler text NOT NULL,
  last_error text, run_at timestamp, locked_at timestamp, failed_at timestamp, locked_by text, queue text, created_at timestamp, updated_at timestamp);
END
"#;

#[test]
fn the_recipes_are_right_about_the_real_servers() {
    let machine = Machine::boot_with_servers("recipes");
    machine.sh(PREPARED);
    for (name, command) in OURS {
        let text = format!(
            "[Service]\nUser=nobody\nEnvironment=HOME=/tmp\nWorkingDirectory=/srv/app\nExecStart={command}\n\
             [Install]\nWantedBy=multi-user.target\n"
        );
        machine.write(&format!("/etc/systemd/system/{name}.service"), &text);
    }
    machine.sh("systemctl daemon-reload; systemctl enable -q --now gunicorn puma celery sidekiq delayed-job");
    machine.sh("cd /srv/app && python3 -c 'import tasks; [tasks.work.delay() for _ in range(5)]'");
    machine.sh("ruby -r /srv/app/sidekiq.rb -e '5.times { Work.perform_async }'");
    machine.sh("ruby -r /srv/app/delayed.rb -e '5.times { |n| Delayed::Job.enqueue Work.new(n) }'");
    let names = [
        "rabbitmq-server",
        "redis-server",
        "memcached",
        "nginx",
        "php8.2-fpm",
        "postgresql@15-main",
        "gunicorn",
        "puma",
        "celery",
        "sidekiq",
        "delayed-job",
    ];
    for name in names {
        let recipe = format!("{}/config/recipes/{name}.service.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&recipe).unwrap_or_else(|error| panic!("{recipe}: {error}"));
        // How full the disk of the tests' own host is says nothing of a recipe.
        let text = text.replace("min_free = \"10%\"", "min_free = \"1MiB\"");
        machine.write(&format!("/etc/steadfast/units.d/{name}.service.toml"), &text);
    }
    machine.install_steadfast();
    for name in names {
        let name = format!("{name}.service");
        crate::watched::state(&machine, &name, "ok");
        let told = ".conditions[] | select(.type == \"Serving\" or .type == \"Progressing\") | select(.status == \"true\") | .message";
        machine.wait_until("something is known", LIMIT, || {
            !crate::watched::unit(&machine, &name, told).is_empty()
        });
        println!("{name}: {}", crate::watched::unit(&machine, &name, told));
    }
    assert_eq!(crate::watched::status(&machine, ".incidents_open"), "0");
}
