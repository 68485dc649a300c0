//! `adopt` on real services: the file that an expert would write, nothing in force that was not well when it was asked.

use std::path::Path;

use crate::rig::Machine;
use crate::watched::LIMIT;

/// A host with servers, on which only the program was put: no configuration, no daemon.
fn host(name: &str) -> Machine {
    let machine = Machine::boot_with_servers(name);
    machine.place_steadfast(
        Path::new(env!("CARGO_BIN_EXE_steadfast")),
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/units")),
    );
    machine
}

/// The servers of Debian as they come, an application behind a release link that holds a connection to Redis, one whose unit
/// names no link, a timer that has run, and one that has not.
const SERVICES: &str = r#"
set -e
grep -q " $(hostname)" /etc/hosts 2>/dev/null || echo "127.0.1.1 $(hostname)" >>/etc/hosts
systemctl enable -q --now nginx redis-server memcached postgresql rabbitmq-server php8.2-fpm
for app in web shop; do
  mkdir -p /srv/$app/releases/7 /srv/$app/releases/6; ln -s releases/7 /srv/$app/current
done
cat >/srv/web/releases/7/app.py <<'END'
import socket
broker = socket.create_connection(("127.0.0.1", 6379))
def application(env, start):
    start("200 OK", [])
    return [b"fine"]
END
printf 'def application(env, start):\n    start("404 Not Found", [])\n    return [b"nothing"]\n' >/srv/shop/releases/7/app.py
unit() { printf '[Unit]\nDescription=%s\n%s[Service]\nUser=nobody\nEnvironment=HOME=/tmp\nWorkingDirectory=%s\nExecStart=%s\n[Install]\nWantedBy=multi-user.target\n' "$1" "$4" "$2" "$3" >"/etc/systemd/system/$1.service"; }
unit web /srv/web/current '/usr/bin/gunicorn -b 127.0.0.1:8000 app:application' $'After=redis-server.service\n'
unit shop /srv/shop/releases/7 '/usr/bin/gunicorn -b 0.0.0.0:8100 app:application' ''
unit plain /tmp '/usr/bin/python3 -c "import socket; s = socket.create_server((\"127.0.0.1\", 9400)); a = s.accept; [a() for _ in range(10**9)]"' ''
printf '[Service]\nType=oneshot\nExecStart=/bin/true\n' >/etc/systemd/system/dump.service
printf '[Timer]\nOnCalendar=daily\n[Install]\nWantedBy=timers.target\n' >/etc/systemd/system/dump.timer
systemctl daemon-reload
systemctl enable -q --now web shop plain dump.timer
systemctl start dump
"#;

const EIGHT: [&str; 8] = [
    "redis-server.service",
    "nginx.service",
    "memcached.service",
    "postgresql@15-main.service",
    "rabbitmq-server.service",
    "php8.2-fpm.service",
    "web.service",
    "dump.timer",
];

fn services(name: &str) -> Machine {
    let machine = host(name);
    machine.sh(SERVICES);
    for port in [80, 5672, 5432, 6379, 8000, 8100, 9400, 11211] {
        machine.wait_until(&format!("port {port}"), LIMIT, || {
            machine.try_sh(&format!("ss -Hltn 'sport = {port}' | grep -q .")).code == Some(0)
        });
    }
    // Erlang opens the port of AMQP last.
    machine.wait_until("web is connected to Redis", LIMIT, || {
        machine.try_sh("ss -Htn 'dport = 6379' | grep -q ESTAB").code == Some(0)
    });
    machine
}

/// Runs a command, shows what it prints, and returns its exit status and its page.
fn run(machine: &Machine, command: &str) -> (Option<i32>, String) {
    let output = machine.try_sh(command);
    println!(
        "$ {command}\n{}{}(exit status {:?}, in {:?})\n",
        output.stdout, output.stderr, output.code, output.took
    );
    (output.code, output.stdout)
}

/// The lines of a file that are in force.
fn in_force(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()).collect()
}

/// The key's value is in force, whatever the comment behind it says.
fn has(text: &str, line: &str) -> bool {
    in_force(text).iter().any(|known| known.split("  # ").next() == Some(line))
}

#[test]
fn eight_real_services_get_the_file_that_an_expert_would_write() {
    let machine = services("adopting");
    let (code, page) = run(&machine, &format!("steadfast adopt {}", EIGHT.join(" ")));
    assert_eq!(code, Some(0), "{page}");
    let file = |unit: &str| machine.read(&format!("/etc/steadfast/units.d/{unit}.toml"));
    for unit in EIGHT {
        println!("--- {unit}.toml\n{}", file(unit));
        assert!(page.contains(&format!("steadfast check {unit}")), "the next step:\n{page}");
        assert_eq!(machine.sh(&format!("stat -c %a:%U /etc/steadfast/units.d/{unit}.toml")), "644:root");
    }
    let (code, verified) = run(&machine, "steadfast verify");
    assert_eq!(code, Some(0), "{verified}");

    let nginx = file("nginx.service");
    assert!(has(&nginx, "http = \"http://127.0.0.1/\"") && has(&nginx, "status = \"200-399\""), "{nginx}");
    let redis = file("redis-server.service");
    assert!(has(&redis, "redis = \"redis://127.0.0.1/0\""), "{redis}");
    let memcached = file("memcached.service");
    assert!(has(&memcached, "memcached = \"127.0.0.1:11211\""), "{memcached}");
    // Without its password nothing can be asked in SQL; that it takes connections was tried.
    let postgres = file("postgresql@15-main.service");
    assert!(has(&postgres, "tcp = \"127.0.0.1:5432\""), "{postgres}");
    assert!(
        has(&postgres, "unix = \"/var/run/postgresql/.s.PGSQL.5432\"")
            || has(&postgres, "unix = \"/run/postgresql/.s.PGSQL.5432\""),
        "{postgres}"
    );
    assert!(postgres.contains("# postgres = \"postgres://steadfast@127.0.0.1/postgres\""), "{postgres}");
    assert!(postgres.contains("# not in force: "), "{postgres}");
    // A3: RabbitMQ logs a warning for each handshake that does not log in, and nothing for a connection without a word.
    let rabbitmq = file("rabbitmq-server.service");
    assert!(has(&rabbitmq, "tcp = \"127.0.0.1:5672\""), "{rabbitmq}");
    assert!(
        rabbitmq.contains("# no probe for port 25672: nodes of one Erlang cluster speak there"),
        "{rabbitmq}"
    );
    assert!(
        rabbitmq.contains("# not in force: RabbitMQ logs a warning for each handshake that does not log in")
            && rabbitmq.contains("# amqp = \"amqp://127.0.0.1\""),
        "{rabbitmq}"
    );
    assert!(rabbitmq.contains("# rabbitmq = \"http://steadfast@127.0.0.1:15672\""), "{rabbitmq}");
    let php = file("php8.2-fpm.service");
    assert!(has(&php, "unix = \"/run/php/php8.2-fpm.sock\""), "{php}");
    let web = file("web.service");
    assert!(
        has(&web, "http = \"http://127.0.0.1:8000/\"") && has(&web, "requires = [\"redis-server.service\"]"),
        "{web}"
    );
    assert!(
        !has(&web, "[release]") && web.contains("Release: /srv/web/current leads to /srv/web/releases/7"),
        "{web}"
    );
    let dump = file("dump.timer");
    assert!(has(&dump, "timer = \"dump.timer\"") && has(&dump, "max_age = \"31h\""), "{dump}");

    for unit in EIGHT {
        let (code, _) = run(&machine, &format!("steadfast check {unit}"));
        assert_eq!(code, Some(0), "{unit}");
    }
}

/// A3: what is adopted is asked for days; a log that is full of it is no help to anybody.
#[test]
fn what_is_adopted_leaves_no_line_in_the_log_of_the_service() {
    const UNITS: &str =
        "mariadb redis-server memcached postgresql@15-main rabbitmq-server nginx php8.2-fpm web plain";
    let machine = services("adopting-quietly");
    machine.sh("systemctl enable -q --now mariadb");
    let (_, page) = run(&machine, &format!("steadfast adopt {UNITS}"));
    let maria = machine.read("/etc/steadfast/units.d/mariadb.service.toml");
    println!("{maria}");
    assert!(has(&maria, "mysql = \"mysql://root@localhost/?socket=/run/mysqld/mysqld.sock\""), "{maria}");
    assert!(maria.contains("no probe for port 3306: "), "{maria}");
    assert!(page.contains("From now on Steadfast starts it when it is down"), "{page}");
    let units: String = UNITS.split(' ').map(|unit| format!(" -u {unit}")).collect();
    let seen = || {
        machine.sh("journalctl --sync");
        let journal = machine.sh(&format!("journalctl -q --no-pager -o cat {units} | wc -l"));
        let files = machine.sh("find /var/log -type f ! -path '*/journal/*' ! -name '*access*' ! -name 'lastlog' ! -name 'wtmp' -printf '%p %s\\n' | sort");
        format!("{journal}\n{files}")
    };
    let before = seen();
    for _ in 0..3 {
        assert_eq!(run(&machine, "steadfast check").0, Some(0));
    }
    assert_eq!(seen(), before, "{}", machine.sh(&format!("journalctl -q --no-pager -n 20 {units}")));
}

#[test]
fn what_is_there_stays_and_what_is_not_well_is_a_comment() {
    let machine = services("adopting-more");
    // A link that the unit does not name, a page that is not found, a port that speaks nothing.
    let (code, shop) = run(&machine, "steadfast adopt --print shop");
    assert_eq!(code, Some(0));
    assert!(
        has(&shop, "link = \"/srv/shop/current\"") && has(&shop, "http = \"http://127.0.0.1:8100/\""),
        "{shop}"
    );
    assert!(
        has(&shop, "status = \"200-499\""),
        "the recipe's page answers 404, so that the page as it is was taken: {shop}"
    );
    let (_, plain) = run(&machine, "steadfast adopt --print plain");
    assert!(has(&plain, "tcp = \"127.0.0.1:9400\"") && !plain.contains("http"), "{plain}");
    assert_eq!(machine.try_sh("ls /etc/steadfast/units.d/*.toml").code, Some(2), "only printed");

    let (code, refused) = run(&machine, "steadfast adopt dump.service postgresql nowhere");
    assert_eq!(code, Some(2));
    for told in [
        "steadfast adopt dump.timer",
        "steadfast adopt postgresql@15-main.service",
        "systemd knows no such unit",
    ] {
        assert!(refused.contains(told), "{told}: {refused}");
    }

    // Never over a file that is there; the difference is the way out.
    machine.write("/etc/steadfast/units.d/memcached.service.toml", "severity = \"warning\"\n");
    let (code, there) = run(&machine, "steadfast adopt memcached");
    assert_eq!(code, Some(1));
    assert!(
        there.contains("is there already") && there.contains("steadfast adopt --diff memcached.service"),
        "{there}"
    );
    let (_, diff) = run(&machine, "steadfast adopt --diff memcached");
    assert!(diff.contains("-severity = \"warning\"") && diff.contains("+[probe.stats]"), "{diff}");
    assert_eq!(machine.read("/etc/steadfast/units.d/memcached.service.toml"), "severity = \"warning\"");

    // All of a host's own and the known software; nothing that a plain Debian runs.
    let (code, all) = run(
        &machine,
        "steadfast adopt --all-enabled --json | tee /tmp/all.json | jq -r '.adopted[] | \"\\(.unit) \\(.fate)\"' | sort",
    );
    assert_eq!(code, Some(0));
    let expected = [
        "dump.timer written",
        // B12: what audit calls unmanaged.
        "epmd.service written",
        "nginx.service written",
        "php8.2-fpm.service written",
        "plain.service written",
        "postgresql@15-main.service written",
        "rabbitmq-server.service written",
        "redis-server.service written",
        "shop.service written",
        "web.service written",
    ];
    assert_eq!(all.lines().collect::<Vec<_>>(), expected);
    let (code, _) = run(&machine, "steadfast verify");
    assert_eq!(code, Some(0));
    let (code, _) = run(&machine, "steadfast check");
    assert_eq!(code, Some(0));
    // Again: nothing is left to do, and nothing differs.
    let (_, again) = run(&machine, "steadfast adopt --diff web shop redis-server");
    assert_eq!(again.lines().filter(|line| line.ends_with("nothing differs")).count(), 3, "{again}");
}

/// monit's file about what runs here, about what systemd does not run, and about what somebody switched off.
const MONITRC: &str = r#"set daemon 60
set alert ops@example.org
check process redis with pidfile /run/redis/redis-server.pid
  if failed port 6379 protocol redis then restart
  if 5 restarts within 5 cycles then unmonitor
check process app matching "gunicorn.*8000"
  start program = "/usr/local/bin/app start"
  if failed port 8000 protocol http then restart
  if failed port 8001 protocol http then restart
  if totalmem > 200 MB for 5 cycles then restart
  depends on redis
check process byhand with pidfile /run/byhand.pid
  start program = "/bin/sleep inf"
check host cache with address 127.0.0.1
  if failed port 11211 protocol memcache then alert
# too many false alarms
#check process memcached with pidfile /run/memcached/memcached.pid
#  if failed port 11211 protocol memcache then restart
"#;

#[test]
fn the_files_of_other_supervisors_are_taken_over_as_far_as_they_can_be() {
    let machine = services("importing");
    machine.write("/etc/monitrc", MONITRC);
    machine.sh("setsid sh -c 'echo $$ >/run/byhand.pid; exec sleep inf' >/dev/null 2>&1 &");
    let (code, page) = run(&machine, "steadfast adopt --from monit /etc/monitrc");
    assert_eq!(code, Some(0), "{page}");
    for told in [
        "check process memcached, lines 17-18: the comment beside it says \"too many false alarms\"",
        "redis (check process, line 3): its pid file leads to redis-server.service",
        "app (check process, line 6): its pattern leads to web.service",
        "byhand (check process, line 12): systemd does not run it",
        "ExecStart=/bin/sleep inf",
        "not taken over: Steadfast restarts what does not work, not what is big: MemoryMax=",
    ] {
        assert!(page.contains(told), "{told}");
    }
    let file = |unit: &str| machine.read(&format!("/etc/steadfast/units.d/{unit}.toml"));
    let redis = file("redis-server.service");
    assert!(
        has(&redis, "redis = \"redis://127.0.0.1:6379\"")
            && has(&redis, "burst = 5")
            && has(&redis, "interval = \"5m\""),
        "{redis}"
    );
    let web = file("web.service");
    println!("{web}");
    assert!(
        has(&web, "http = \"http://127.0.0.1:8000/\"") && has(&web, "requires = [\"redis-server.service\"]"),
        "{web}"
    );
    assert!(
        !has(&web, "http = \"http://127.0.0.1:8001/\"")
            && web.contains("# http = \"http://127.0.0.1:8001/\""),
        "{web}"
    );
    assert!(has(&file("cache.dependency"), "memcached = \"127.0.0.1:11211\""));
    assert_eq!(run(&machine, "steadfast verify").0, Some(0));
    assert_eq!(run(&machine, "steadfast check").0, Some(0));

    // god's file is Ruby and is not run; what was commented out in it is shown.
    let god = include_str!("../fixtures/import/delayed_job.god");
    machine.write("/etc/god.rb", &format!("`touch /run/pwned`\nsystem('touch /run/pwned')\n{god}"));
    let (code, page) = run(&machine, "steadfast adopt --from god /etc/god.rb");
    assert_eq!(code, Some(1), "nothing of it is a unit of this host");
    assert!(
        page.contains("God.watch delayed_job, lines 63-84: the comment beside it says \"This is buggy\""),
        "{page}"
    );
    assert!(page.contains("no file was written"), "{page}");
    assert_eq!(machine.try_sh("test -e /run/pwned").code, Some(1), "nothing of it was run");
    let (code, page) = run(&machine, "steadfast adopt --from god /etc/monitrc");
    assert_eq!(code, Some(3), "{page}");
}

#[test]
fn a_user_adopts_units_of_their_own() {
    let machine = host("adopting-users");
    machine.add_user("joe");
    machine.enable_linger("joe");
    machine.sh_as(
        "joe",
        "mkdir -p ~/.config/systemd/user ~/site && printf '[Service]\\nWorkingDirectory=%%h/site\\nExecStart=/usr/bin/python3 -m http.server 8300\\n[Install]\\nWantedBy=default.target\\n' >~/.config/systemd/user/site.service && systemctl --user daemon-reload && systemctl --user enable -q --now site",
    );
    machine.wait_until("the site answers", LIMIT, || {
        machine.try_sh("curl -sf http://127.0.0.1:8300/").code == Some(0)
    });
    let adopted = machine.try_sh_as("joe", "steadfast --user adopt site");
    println!("{}{}", adopted.stdout, adopted.stderr);
    assert_eq!(adopted.code, Some(0));
    let file = machine.read("/home/joe/.config/steadfast/units.d/site.service.toml");
    assert!(has(&file, "http = \"http://127.0.0.1:8300/\"") && has(&file, "status = \"200-399\""), "{file}");
    let checked = machine.try_sh_as("joe", "steadfast --user check site");
    println!("{}{}", checked.stdout, checked.stderr);
    assert_eq!(checked.code, Some(0));
    // The system's own are not a user's to write about.
    let refused = machine.try_sh_as("joe", "steadfast adopt cron.service dbus.service");
    println!("{}{}", refused.stdout, refused.stderr);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stdout.contains("cannot write /etc/steadfast/units.d"), "{}", refused.stdout);
}
