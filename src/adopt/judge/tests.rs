//! From a live unit to its file, without a host.

use std::time::Duration;

use super::software::recognised;
use super::*;
use crate::model::adopt::{Entry, Key, Needs, Recipe, Schedule, Table, Value, Written};
use crate::model::host::{HostProcess, Listener, Place, Protocol};
use crate::model::moment::Moment;
use crate::model::unit::{UnitFileState, UnitName};

fn process(name: &str, command: &str) -> HostProcess {
    HostProcess {
        terminal: false,
        pid: 7,
        parent: 1,
        uid: 0,
        name: name.to_owned(),
        executable: command.split(' ').next().map(str::to_owned),
        arguments: command.split(' ').map(str::to_owned).collect(),
        directory: None,
        control_group: String::new(),
        place: Place::Outside,
        started_at: Moment::default(),
        cpu: Duration::ZERO,
    }
}

fn live(unit: &str, command: &str, listeners: &[(Protocol, &str)]) -> Live {
    let name = command.split(' ').next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    Live {
        enablement: Some(UnitFileState::Enabled),
        fragment: format!("/usr/lib/systemd/system/{unit}"),
        service_type: "simple".to_owned(),
        active: true,
        processes: vec![process(name, command)],
        listeners: listeners
            .iter()
            .map(|(protocol, address)| Listener {
                protocol: *protocol,
                address: (*address).to_owned(),
                pids: vec![7],
            })
            .collect(),
        ..Live::of(UnitName::from(unit))
    }
}

fn recipe(name: &str, tables: &[(&str, &[(&str, &str)])]) -> Recipe {
    let tables = tables.iter().map(|(name, keys)| Table {
        name: (*name).to_owned(),
        keys: keys.iter().map(|(key, value)| Key::text(key, *value, "")).collect(),
    });
    Recipe { name: name.to_owned(), tables: tables.collect() }
}

/// Each group's ways as `name key=value`, joined by `or`.
fn asked(groups: &[Group]) -> Vec<String> {
    let way = |candidate: &Candidate| {
        let key = &candidate.table.keys[0];
        format!("{} {}={}", candidate.table.name, key.name, candidate.table.text(&key.name).unwrap())
    };
    groups.iter().map(|group| group.ways.iter().map(way).collect::<Vec<_>>().join(" or ")).collect()
}

fn well() -> Answer {
    Answer { well: true, unknown: false, message: String::new(), status: None }
}

#[test]
fn an_unknown_port_is_asked_for_a_page_and_then_for_a_connection() {
    use Protocol::{Tcp, Udp, Unix};
    let app = live(
        "app.service",
        "/srv/app/server",
        &[
            (Tcp, "[::]:8080"),
            (Tcp, "127.0.0.1:9000"),
            (Tcp, "[::1]:9000"),
            (Tcp, "10.0.0.5:25"),
            (Tcp, "0.0.0.0:43211"),
            (Udp, "0.0.0.0:53"),
            (Unix, "/run/app.sock"),
            (Unix, "@abstract"),
        ],
    );
    let asked = asked(&groups(&app, &[]));
    assert_eq!(
        asked,
        [
            "probe.smtp smtp=10.0.0.5:25",
            "probe.page http=http://127.0.0.1:8080/ or probe.port-8080 tcp=127.0.0.1:8080 or probe.port-8080 tcp=[::1]:8080",
            "probe.page http=http://127.0.0.1:9000/ or probe.port-9000 tcp=127.0.0.1:9000",
        ]
    );
    let text = format!("{:?}", drafted(&app, Vec::new(), Vec::new()).tables);
    assert!(text.contains("UDP 0.0.0.0:53") && text.contains("port 43211"), "{text}");
    // That the kernel accepts a connection at a path proves nothing (A1, O42): a note.
    assert!(text.contains("it listens on /run/app.sock: no probe"), "{text}");
}

#[test]
fn a_recipe_asks_at_the_addresses_of_this_unit() {
    let redis = recipe(
        "redis-server.service",
        &[
            ("probe.ping", &[("redis", "redis://127.0.0.1/0")]),
            ("probe.room", &[("disk", "/var/lib/redis"), ("min_free", "10%")]),
        ],
    );
    let moved = live("cache.service", "/usr/bin/redis-server *:6380", &[(Protocol::Tcp, "127.0.0.1:6380")]);
    let groups = groups(&moved, &[redis]);
    let asked = asked(&groups);
    assert_eq!(asked[..2], ["probe.ping redis=redis://127.0.0.1:6380/0", "probe.room disk=/var/lib/redis"]);
    // Once it is asked in its own language, a mere connection says nothing more.
    let ping = judged(&groups[0].ways[0], &well());
    assert!(covered(&[ping], &groups[2]), "{asked:?}");
    let silent = Answer { well: false, message: "no answer within 3 s".to_owned(), ..well() };
    let off = judged(&groups[0].ways[0], &silent);
    assert!(!off.in_force && off.remarks == ["not in force: no answer within 3 s"]);
    assert!(!covered(&[off], &groups[2]));
    let full = Answer { well: false, message: "room: 9 of 99 GiB are free".to_owned(), ..well() };
    let room = judged(&groups[1].ways[0], &full);
    assert_eq!(room.remarks, ["not in force: less than that was free at /var/lib/redis"]);

    let php = recipe("php8.2-fpm.service", &[("probe.socket", &[("unix", "/run/php/php8.2-fpm.sock")])]);
    let other = live(
        "php8.3-fpm.service",
        "php-fpm: master process (/etc/php/8.3/fpm/php-fpm.conf)",
        &[(Protocol::Unix, "/run/php/shop.sock")],
    );
    assert_eq!(super::groups(&other, &[php]).len(), 1, "and no second connection to the same socket");
    assert_eq!(recognised(&other).map(|((name, _), sure)| (name, sure)), Some(("php8.2-fpm.service", true)));
}

#[test]
fn software_is_recognised_by_what_runs_and_not_by_what_is_passed_to_it() {
    let name = |command: &str| recognised(&live("x.service", command, &[])).map(|((name, _), _)| name);
    for (command, recipe) in [
        ("/usr/bin/python3 /usr/bin/gunicorn app:application", "gunicorn.service"),
        ("nginx: master process /usr/sbin/nginx", "nginx.service"),
        ("/usr/bin/python3 -m celery -A tasks worker -c 1", "celery.service"),
        ("/usr/bin/php artisan horizon", "horizon.service"),
        ("/usr/bin/rake jobs:work", "delayed-job.service"),
        ("/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql", "postgresql@15-main.service"),
    ] {
        assert_eq!(name(command), Some(recipe), "{command}");
    }
    assert_eq!(name("/usr/bin/tail -f /var/log/nginx"), None);
    assert_eq!(name("/usr/bin/php artisan schedule:work"), None);
    // A port alone is worth a question, and no comment if it is not well.
    let mut proxy = live("proxy.service", "/usr/bin/proxy", &[(Protocol::Tcp, "127.0.0.1:6379")]);
    let redis = recipe("redis-server.service", &[("probe.ping", &[("redis", "redis://127.0.0.1/0")])]);
    assert!(groups(&proxy, std::slice::from_ref(&redis))[0].only_if_well);
    proxy.packages.insert("redis-server".to_owned(), "/usr/bin/proxy".to_owned());
    assert!(!groups(&proxy, &[redis])[0].only_if_well);
}

#[test]
fn a_page_is_kept_and_trouble_is_no_page() {
    let page =
        &groups(&live("x.service", "/x", &[(Protocol::Tcp, "127.0.0.1:8080")]), &[])[0].ways[0].clone();
    let judge = |status: u16| judged(page, &Answer { status: Some(status), ..well() });
    let kept = judge(302);
    assert!(kept.in_force);
    assert_eq!(kept.table.keys[1].value, Value::Text("200-399".to_owned()));
    assert!(judge(404).in_force, "it answers");
    assert_eq!(judge(404).table.keys[1].value, Value::Text("200-499".to_owned()));
    for status in [400, 429, 500, 503] {
        let off = judge(status);
        assert!(!off.in_force && off.remarks[0].contains(&status.to_string()), "{off:?}");
    }
}

#[test]
fn what_a_unit_needs_is_in_force_only_where_it_is_managed_and_no_circle() {
    let mut app = live("app.service", "/srv/app", &[]);
    let unit = |name: &str| Some(UnitName::from(name));
    app.connections = vec![
        ("127.0.0.1:6379".to_owned(), unit("redis-server.service")),
        ("127.0.0.1:5432".to_owned(), unit("postgresql@15-main.service")),
        ("127.0.0.1:8000".to_owned(), unit("front.service")),
        ("10.0.0.9:5672".to_owned(), None),
        ("10.0.0.9:50123".to_owned(), None),
        ("127.0.0.1:9".to_owned(), None),
    ];
    app.needs = Needs {
        requires: vec![
            UnitName::from("redis-server.service"),
            UnitName::from("system.slice"),
            UnitName::from("app.service"),
        ],
        wants: vec![UnitName::from("memcached.service"), UnitName::from("systemd-resolved.service")],
        after: vec![UnitName::from("redis-server.service"), UnitName::from("memcached.service")],
        ..Needs::default()
    };
    let mut neighbours = Neighbours::default();
    neighbours.0.insert(UnitName::from("redis-server.service"), Vec::new());
    neighbours.0.insert(UnitName::from("middle.service"), vec![UnitName::from("app.service")]);
    neighbours.0.insert(UnitName::from("front.service"), vec![UnitName::from("middle.service")]);
    let written = requires(&app, &mut neighbours);
    let key = &written[0].table.keys[0];
    assert_eq!(key.value, Value::List(vec![Value::Text("redis-server.service".to_owned())]));
    assert!(key.seen.contains("connected to 127.0.0.1:6379") && key.seen.contains("After="), "{}", key.seen);
    let remarks = written[1].remarks.join("\n");
    assert!(remarks.contains("steadfast adopt postgresql@15-main.service"), "{remarks}");
    assert!(remarks.contains("not front.service") && remarks.contains("circle"), "{remarks}");
    assert!(remarks.contains("broker.dependency.toml") && remarks.contains("10.0.0.9:5672"), "{remarks}");
    assert!(remarks.contains("memcached.service (Wants= and After= of the unit)"), "{remarks}");
    assert_eq!(written[1].remarks.len(), 4, "{remarks}");
    assert_eq!(neighbours.0[&UnitName::from("app.service")], [UnitName::from("redis-server.service")]);
}

#[test]
fn a_timer_is_asked_by_its_own_period() {
    let mut timer = live("dump.timer", "", &[]);
    timer.processes.clear();
    timer.needs.schedule = Some(Schedule {
        unit: "dump.service".to_owned(),
        calendar: vec!["*-*-* 00:00:00".to_owned()],
        spread: 60,
        ..Schedule::default()
    });
    let groups = groups(&timer, &[]);
    assert_eq!(asked(&groups), ["probe.run timer=dump.timer"]);
    assert_eq!(groups[0].ways[0].table.text("max_age"), Some("31h"));
    let once = Schedule { monotonic: vec![("OnBootSec".to_owned(), 60)], ..Schedule::default() };
    timer.needs.schedule = Some(once);
    assert!(super::groups(&timer, &[]).is_empty());
    let text = format!("{:?}", drafted(&timer, Vec::new(), Vec::new()).tables);
    assert!(text.contains("no max_age"), "{text}");
}

#[test]
fn names_of_tables_are_unique_and_a_link_that_is_found_needs_no_key() {
    let mut app = live("app.service", "/srv/app", &[]);
    app.links = vec![("/srv/app/current".to_owned(), "/srv/app/releases/7".to_owned())];
    app.hidden_link = Some(("/srv/app/live".to_owned(), "/srv/app/releases/7".to_owned()));
    let page = |port: u16, in_force: bool| Written {
        table: Table {
            name: "probe.page".to_owned(),
            keys: vec![Key::text("http", format!("http://127.0.0.1:{port}/"), "")],
        },
        remarks: Vec::new(),
        in_force,
    };
    let draft = drafted(&app, Vec::new(), vec![page(80, true), page(8080, false), page(8080, true)]);
    let names: Vec<&str> = draft.tables.iter().map(|one| one.table.name.as_str()).collect();
    assert_eq!(names, ["probe.page", "probe.page-2", "probe.page-8080"]);
    assert!(draft.head.iter().any(|line| line.contains("/srv/app/current") && line.contains("no key")));
    assert_eq!(
        watched(&draft, &app),
        [
            "active, enabled, reached by boot",
            "release /srv/app/current",
            "http http://127.0.0.1:80/",
            "http http://127.0.0.1:8080/"
        ]
    );
    app.links.clear();
    let draft = drafted(&app, Vec::new(), Vec::new());
    assert_eq!(draft.tables[0].table.text("link"), Some("/srv/app/live"));
}

#[test]
fn what_stands_for_others_or_is_started_by_a_timer_is_not_adopted() {
    let mut dump = live("dump.service", "/bin/true", &[]);
    dump.service_type = "oneshot".to_owned();
    dump.triggered_by = vec![UnitName::from("dump.timer")];
    assert!(dump.refusal().unwrap().contains("steadfast adopt dump.timer"));
    let mut cluster = live("postgresql.service", "/bin/true", &[]);
    cluster.service_type = "oneshot".to_owned();
    cluster.processes.clear();
    cluster.takes_along = vec![UnitName::from("postgresql@15-main.service")];
    assert!(cluster.refusal().unwrap().contains("steadfast adopt postgresql@15-main.service"));

    let own =
        Live { fragment: "/etc/systemd/system/a.service".to_owned(), ..live("a.service", "/srv/a", &[]) };
    assert!(own.refusal().is_none());

    // B10: each is told as what it is.
    let transient = Live { enablement: Some(UnitFileState::Transient), ..own.clone() };
    assert!(transient.refusal().unwrap().contains("made at run time"));
    let command = |path: &str| vec![vec![path.to_owned()]];
    let oneshot = Live { service_type: "oneshot".to_owned(), processes: Vec::new(), ..own };
    let openvpn = Live { exec_start: command("/bin/true"), ..oneshot.clone() };
    assert!(openvpn.refusal().unwrap().contains("its command is /bin/true"));
    let nfs = Live {
        exec_start: command("/usr/sbin/rpc.nfsd"),
        takes_along: vec![UnitName::from("nfs-mountd.service")],
        remain_after_exit: true,
        ..oneshot
    };
    assert_eq!(nfs.refusal(), None);
    let text = format!("{:?}", drafted(&nfs, Vec::new(), Vec::new()).tables);
    assert!(text.contains("it is active and runs no process"), "{text}");
}

#[test]
fn a_foreign_budget_is_taken_over_as_it_was() {
    let entry = Entry {
        kind: "check process".to_owned(),
        name: "app".to_owned(),
        tables: vec![
            Table { name: "recovery".to_owned(), keys: vec![Key::number("burst", 5, "monit, line 3")] },
            Table {
                name: "probe.page".to_owned(),
                keys: vec![Key::text("http", "http://127.0.0.1:80/x", "")],
            },
        ],
        ..Entry::default()
    };
    let app = Live { told: vec![entry], ..live("app.service", "/srv/app", &[(Protocol::Tcp, "0.0.0.0:80")]) };
    let groups = groups(&app, &[]);
    assert_eq!(asked(&groups)[0], "probe.page http=http://127.0.0.1:80/x");
    let page = judged(&groups[0].ways[0], &well());
    assert!(covered(std::slice::from_ref(&page), &groups[1]), "its own page is better than /");
    let draft = drafted(&app, Vec::new(), vec![page]);
    assert!(draft.tables[0].in_force && draft.tables[0].table.name == "recovery");
}

#[test]
fn ports_that_pass_and_sockets_of_a_moment_are_not_asked() {
    use Protocol::{Tcp, Unix};
    // A1: docker's socket of its network library has another name after each start.
    let docker = live(
        "docker.service",
        "/usr/bin/dockerd -H fd://",
        &[(Unix, "/run/docker.sock"), (Unix, "/run/docker/libnetwork/a3f1.sock"), (Tcp, "0.0.0.0:662")],
    );
    assert_eq!(asked(&groups(&docker, &[])), [""; 0]);
    let named = Live {
        exec_start: vec![vec!["/srv/x".to_owned(), "--port=40000".to_owned()]],
        ..live("x.service", "/srv/x", &[(Tcp, "127.0.0.1:40000")])
    };
    assert_eq!(groups(&named, &[]).len(), 1, "its command names the port");
}

#[test]
fn who_logs_each_connection_gets_a_comment_with_the_reason() {
    use Protocol::{Tcp, Unix};
    // A2, A3
    let dovecot = live(
        "dovecot.service",
        "/usr/sbin/dovecot -F",
        &[
            (Tcp, "0.0.0.0:143"),
            (Tcp, "0.0.0.0:110"),
            (Tcp, "0.0.0.0:993"),
            (Unix, "/run/dovecot/anvil"),
            (Unix, "/run/dovecot/auth-master"),
        ],
    );
    assert_eq!(asked(&groups(&dovecot, &[])), [""; 0]);
    let draft = drafted(&dovecot, Vec::new(), Vec::new());
    let imap = draft.tables.iter().find(|one| one.table.name == "probe.imap").unwrap();
    assert!(
        !imap.in_force
            && imap.remarks == ["not in force: Dovecot logs every connection that does not log in"]
    );
    assert_eq!(imap.table.text("imap"), Some("127.0.0.1:143"));
    let exim = live("exim4.service", "/usr/sbin/exim4 -bdf", &[(Tcp, "127.0.0.1:25")]);
    assert_eq!(asked(&groups(&exim, &[])), ["probe.smtp smtp=127.0.0.1:25"]);
    let ssh = live("ssh.service", "/usr/sbin/sshd -D", &[(Tcp, "0.0.0.0:2222")]);
    assert_eq!(asked(&groups(&ssh, &[])), [""; 0]);
    let maria = live(
        "mariadb.service",
        "/usr/sbin/mariadbd",
        &[(Tcp, "127.0.0.1:3306"), (Unix, "/run/mysqld/mysqld.sock")],
    );
    assert_eq!(
        asked(&groups(&maria, &[])),
        ["probe.login mysql=mysql://root@localhost/?socket=/run/mysqld/mysqld.sock"]
    );
    let broker = logged(judged(&groups(&exim, &[])[0].ways[0], &well()), "closing connection");
    assert!(
        !broker.in_force
            && broker.remarks == ["not in force: each question leaves a line in its log: closing connection"]
    );
}

#[test]
fn what_is_found_is_kept() {
    // A13: it runs and is disabled.
    let keepalived =
        Live { enablement: Some(UnitFileState::Disabled), ..live("a.service", "/usr/sbin/a", &[]) };
    let draft = drafted(&keepalived, Vec::new(), Vec::new());
    let recovery = &draft.tables[0].table;
    assert_eq!((recovery.name.as_str(), &recovery.keys[0].value), ("recovery", &Value::Boolean(false)));
    assert!(recovery.keys[0].seen.contains("runs and is disabled"));
    let entry = Entry {
        tables: vec![Table { name: "recovery".to_owned(), keys: vec![Key::number("burst", 5, "")] }],
        ..Entry::default()
    };
    let draft = drafted(&Live { told: vec![entry], ..keepalived.clone() }, Vec::new(), Vec::new());
    assert_eq!(draft.tables[0].table.keys.len(), 3, "one table has all");
    let needs = Needs { description: "Cluster Controlled a".to_owned(), ..Needs::default() };
    let cluster = drafted(&Live { needs, ..keepalived.clone() }, Vec::new(), Vec::new());
    assert_eq!(cluster.keys[0].table.text("mode"), Some("observe"));
    assert!(cluster.tables.is_empty());
    let observed = drafted(&Live { observe: true, ..keepalived }, Vec::new(), Vec::new());
    assert_eq!(observed.keys[0].table.text("mode"), Some("observe"));
}

#[test]
fn a_page_that_is_passed_on_says_nothing_of_the_proxy() {
    use Protocol::Tcp;
    // D8
    let passed = |to: &str, unit: &str| PassedOn {
        to: to.to_owned(),
        place: "/etc/nginx/x:3".to_owned(),
        unit: Some(UnitName::from(unit)),
    };
    let one = vec![passed("127.0.0.1:8000", "app.service")];
    let nginx =
        Live { passes_on: Some(one), ..live("nginx.service", "/usr/sbin/nginx", &[(Tcp, "0.0.0.0:80")]) };
    let page = judged(&groups(&nginx, &[])[0].ways[0], &Answer { status: Some(200), ..well() });
    let mut neighbours = Neighbours::default();
    neighbours.0.insert(UnitName::from("app.service"), Vec::new());
    let needs = requires(&nginx, &mut neighbours.clone());
    assert!(
        needs[0].in_force
            && needs[0].table.keys[0].seen.contains("it passes on to 127.0.0.1:8000 (/etc/nginx/x:3)")
    );
    let draft = drafted(&nginx, needs, vec![page.clone()]);
    assert_eq!(draft.tables[0].table.text("on_failure"), Some("alert"));
    // Several behind it: without one of them it serves the others.
    let two = vec![passed("127.0.0.1:8000", "app.service"), passed("127.0.0.1:8001", "b.service")];
    let needs = requires(&Live { passes_on: Some(two), ..nginx.clone() }, &mut neighbours);
    assert!(needs.iter().all(|one| !one.in_force), "{needs:?}");
    let plain =
        drafted(&Live { passes_on: Some(Vec::new()), ..nginx.clone() }, Vec::new(), vec![page.clone()]);
    assert_eq!(plain.tables[0].table.text("on_failure"), None, "it answers by itself");
    let varnish = live("varnish.service", "/usr/sbin/varnishd", &[(Tcp, "0.0.0.0:80")]);
    assert_eq!(drafted(&varnish, Vec::new(), vec![page]).tables[0].table.text("on_failure"), Some("alert"));
}

#[test]
fn a_probe_of_room_says_its_own_reason() {
    // B9: valkey by the recipe of Redis.
    let redis =
        recipe("redis-server.service", &[("probe.room", &[("disk", "/var/lib/redis"), ("min_free", "10%")])]);
    let mut valkey = live("valkey-server.service", "/usr/bin/valkey-server", &[]);
    let missing = Answer {
        well: false,
        unknown: true,
        message: "room of /var/lib/redis: there is no such path".to_owned(),
        status: None,
    };
    let way = groups(&valkey, std::slice::from_ref(&redis))[0].ways[0].clone();
    assert_eq!(
        judged(&way, &missing).remarks,
        ["not in force: room of /var/lib/redis: there is no such path"]
    );
    valkey.processes[0].directory = Some("/var/lib/valkey".to_owned());
    assert_eq!(asked(&groups(&valkey, &[redis])), ["probe.room disk=/var/lib/valkey"]);
}

#[test]
fn a_handshake_without_a_login_is_no_probe() {
    // A3
    let recipe = recipe("rabbitmq-server.service", &[("probe.handshake", &[("amqp", "amqp://127.0.0.1")])]);
    let rabbit =
        live("rabbitmq-server.service", "/usr/sbin/rabbitmq-server", &[(Protocol::Tcp, "[::]:5672")]);
    let groups = groups(&rabbit, &[recipe]);
    let handshake = judged(&groups[0].ways[0], &well());
    assert!(!handshake.in_force && handshake.remarks[0].contains("RabbitMQ logs a warning"), "{handshake:?}");
    assert!(!covered(&[handshake], &groups[1]), "a connection is asked instead");
    assert_eq!(asked(&groups)[1], "probe.port-5672 tcp=127.0.0.1:5672 or probe.port-5672 tcp=[::1]:5672");
}
