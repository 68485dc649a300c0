//! Whole files, as people have them.

use crate::model::adopt::{Entry, Foreign, Format, Value};

use super::read;

fn fixture(format: Format) -> Foreign {
    let text = match format {
        Format::Monit => include_str!("../../tests/fixtures/import/monitrc"),
        Format::Supervisord => include_str!("../../tests/fixtures/import/supervisord.conf"),
        Format::God => include_str!("../../tests/fixtures/import/delayed_job.god"),
    };
    read(format, text).unwrap()
}

fn entry<'f>(foreign: &'f Foreign, name: &str) -> &'f Entry {
    foreign.entries.iter().find(|entry| entry.name == name).unwrap()
}

/// Every table as `name key=value …`.
fn tables(entry: &Entry) -> Vec<String> {
    let shown = |value: &Value| match value {
        Value::Text(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        other => format!("{other:?}"),
    };
    let line = |table: &crate::model::adopt::Table| {
        let keys: Vec<String> =
            table.keys.iter().map(|key| format!("{}={}", key.name, shown(&key.value))).collect();
        format!("{} {}", table.name, keys.join(" "))
    };
    entry.tables.iter().map(line).collect()
}

fn left(entry: &Entry) -> Vec<(usize, &str)> {
    entry.left.iter().map(|left| (left.line, left.why.as_str())).collect()
}

#[test]
fn delayed_job_under_god_is_shown_although_it_is_commented_out() {
    let god = fixture(Format::God);
    let gone = &god.commented_out;
    assert_eq!(gone.len(), 1, "{gone:?}");
    assert_eq!((gone[0].line, gone[0].last, gone[0].what.as_str()), (61, 82, "God.watch delayed_job"));
    assert_eq!(gone[0].why.as_deref(), Some("This is buggy"));
    assert!(gone[0].text.join("\n").contains("jobs:work"));
}

#[test]
fn a_watch_of_god_is_taken_over_as_far_as_it_asks_something() {
    let god = fixture(Format::God);
    let mongrel = entry(&god, "mongrel-8200");
    assert_eq!(mongrel.pidfile.as_deref(), Some("/srv/app/current/tmp/pids/mongrel.8200.pid"));
    assert!(mongrel.start.as_deref().unwrap().starts_with("mongrel_rails start -c /srv/app/current -p 8200"));
    assert_eq!(
        tables(mongrel),
        [
            "probe.page http=http://localhost:8200/login status=200 failure_threshold=2 timeout=10s period=30s",
            "recovery burst=5 interval=5m",
        ]
    );
    let left = left(mongrel);
    assert!(left.iter().any(|(line, why)| *line == 27 && why.contains("MemoryMax=150M")), "{left:?}");
    assert!(left.iter().any(|(line, why)| *line == 32 && why.contains("CPUQuota=")), "{left:?}");
    assert!(left.iter().any(|(_, why)| why.contains("steadfast resume")), "{left:?}");

    let worker = entry(&god, "worker-#{queue}");
    assert_eq!(worker.directory.as_deref(), Some("/srv/app/current"));
    assert_eq!(worker.environment.len(), 2);
    assert_eq!(worker.start, None, "Ruby would have to work it out");
    assert!(worker.left.iter().any(|left| left.why.contains("loop")), "{:?}", worker.left);
    assert!(god.left.iter().any(|left| left.text.starts_with("God.contact")), "{:?}", god.left);
}

#[test]
fn checks_of_monit_become_probes_budgets_and_dependencies() {
    let monit = fixture(Format::Monit);
    let nginx = entry(&monit, "nginx");
    assert_eq!(nginx.pidfile.as_deref(), Some("/run/nginx.pid"));
    assert_eq!(nginx.depends, [(18, "redis".to_owned())]);
    assert_eq!(
        tables(nginx),
        [
            "probe.page http=http://127.0.0.1:80/health status=200-399 failure_threshold=3 timeout=4s period=12s",
            "probe.page-2 http=https://127.0.0.1:443/ status=200-399 min_validity=20d on_failure=alert",
            "recovery burst=5 interval=5m",
        ]
    );
    let lines: Vec<usize> = nginx.left.iter().map(|left| left.line).collect();
    assert_eq!(lines, [8, 10, 15, 16]);

    let redis = tables(entry(&monit, "redis"));
    assert_eq!(
        redis,
        [
            "probe.redis redis=redis://127.0.0.1:6379",
            "probe.socket unix=/run/redis/redis.sock on_failure=alert"
        ]
    );
    let worker = entry(&monit, "worker");
    assert_eq!(worker.matching.as_deref(), Some("python3 /srv/app/worker.py"));
    assert_eq!((worker.user.as_deref(), worker.group.as_deref()), (Some("app"), Some("app")));
    assert!(worker.tables.is_empty(), "{:?}", worker.tables);
    assert_eq!(worker.left.len(), 3);

    assert_eq!(tables(entry(&monit, "data")), ["probe.room disk=/ min_free=1%"]);
    assert_eq!(
        tables(entry(&monit, "broker")),
        ["probe.port-5672 tcp=broker.example.org:5672 on_failure=alert"]
    );
    let dump = "probe.written file=/var/backups/dump.sql max_age=26h on_failure=alert";
    assert_eq!(tables(entry(&monit, "dump")), [dump]);
    assert!(tables(entry(&monit, "raid")).is_empty());
    let general: Vec<usize> = monit.left.iter().map(|left| left.line).collect();
    assert_eq!(general, [3, 4, 5]);
}

#[test]
fn what_was_commented_out_in_monit_is_told_with_its_reason() {
    let monit = fixture(Format::Monit);
    let told: Vec<(usize, &str, Option<&str>)> =
        monit.commented_out.iter().map(|one| (one.line, one.what.as_str(), one.why.as_deref())).collect();
    assert_eq!(
        told,
        [
            (
                20,
                "if failed port 8080 protocol http then restart",
                Some("Pages at night, and nobody knows why.")
            ),
            (35, "check process memcached", Some("too many false alarms")),
        ]
    );
}

#[test]
fn programs_of_supervisord_are_taken_over() {
    let supervisord = fixture(Format::Supervisord);
    let worker = entry(&supervisord, "worker");
    assert_eq!(worker.start.as_deref(), Some("/usr/bin/python3 /srv/app/worker.py --colour=#fff"));
    assert_eq!(worker.environment[1], ("QUEUE".to_owned(), "high,low".to_owned()));
    assert_eq!(tables(worker), ["recovery burst=5 interval=15m"]);
    assert!(worker.left.iter().any(|left| left.line == 13 && left.why.contains("NAME@.service")));
    let gone = &supervisord.commented_out;
    assert_eq!(gone.len(), 1);
    assert_eq!((gone[0].line, gone[0].what.as_str()), (26, "[program:mailer]"));
    assert_eq!(gone[0].why.as_deref(), Some("Eats memory since 2.3, see ticket 1234"));
    let general: Vec<usize> = supervisord.left.iter().map(|left| left.line).collect();
    assert_eq!(general, [30, 33]);
}

#[test]
fn what_is_another_file_is_refused_with_a_way_out() {
    assert_eq!(read(Format::Monit, "hello\n").unwrap_err(), "there is no `check` in it");
    let included = read(Format::Monit, "set daemon 60\ninclude /etc/monit/conf.d/*\n").unwrap_err();
    assert_eq!(included, "there is no `check` in it; line 2 includes other files");
    // O47: Debian's own file has its checks in these.
    let named =
        super::included(Format::Monit, "set daemon 60\n  include /etc/monit/conf.d/*\n# include no\n");
    assert_eq!(named, ["/etc/monit/conf.d/*"]);
    let named = super::included(
        Format::Supervisord,
        "[supervisord]\nfiles = no\n[include]\nfiles = conf.d/*.conf more.ini\n",
    );
    assert_eq!(named, ["conf.d/*.conf", "more.ini"]);
    assert!(read(Format::God, &"\n".repeat(30_000)).unwrap_err().contains("at most"));
}

#[test]
fn no_text_makes_a_reader_panic() {
    for format in [Format::Monit, Format::Supervisord, Format::God] {
        let text = match format {
            Format::Monit => include_str!("../../tests/fixtures/import/monitrc"),
            Format::Supervisord => include_str!("../../tests/fixtures/import/supervisord.conf"),
            Format::God => include_str!("../../tests/fixtures/import/delayed_job.god"),
        };
        for (at, _) in text.char_indices().step_by(3) {
            let _cut = (read(format, &text[..at]), read(format, &text[at..]));
        }
        for c in ['"', '\'', '#', '{', '|', '[', 'é', '='] {
            let _odd = read(format, &text.replace([' ', '\n'], &c.to_string()));
            let _mixed = read(format, &text.replace('=', &format!("={c}")));
        }
    }
}
