//! Drills: ten of them on real units, each with its four times; what they leave, what refuses them, and what is switched off.

use std::time::Duration;

use serde_json::Value;

use crate::receiver;
use crate::rig::Machine;
use crate::watched::{LIMIT, manage, state, status, unit};

const SETTINGS: &str = r#"
[alert.hook]
type = "webhook"
url = "http://127.0.0.1:8099/hook"
timeout = "2s"
burst = 1000
[alert.mail]
type = "smtp"
from = "steadfast@localhost"
to = ["ops@localhost"]
timeout = "2s"
burst = 1000
[alert.boss]
type = "webhook"
url = "http://127.0.0.1:8099/boss"
after = "15m"
"#;
/// Only of these units: nothing listens there.
const DEAD_SINK: &str = r#"
[alert.dead]
type = "webhook"
url = "http://127.0.0.1:9/"
timeout = "2s"
match = { unit = "unheard.service" }
"#;
const PROBE: &str = "[probe.page]\nhttp = \"http://127.0.0.1:8080/\"\nperiod = \"1s\"\ntimeout = \"500ms\"\n";
const QUEUE: &str = r#"
[progress.jobs]
command = ["/opt/depth"]
period = "1s"
timeout = "500ms"
"#;
/// Starts once, and never again.
const ONCE: &str = "#!/bin/sh\nmkdir /run/once || exit 7\nexec sleep inf\n";

/// One line of the table.
struct Drilled {
    what: &'static str,
    reply: Value,
    code: Option<i32>,
}

fn service(machine: &Machine, name: &str, lines: &str) {
    let text = format!("[Service]\n{lines}\n[Install]\nWantedBy=multi-user.target\n");
    machine.write(&format!("/etc/systemd/system/{name}.service"), &text);
}

fn host() -> Machine {
    let machine = Machine::boot_with_servers("drills");
    receiver::web(&machine);
    receiver::mail(&machine);
    let sleeps = "ExecStart=/bin/sleep inf";
    for name in ["plain", "both", "unheard"] {
        service(&machine, name, sleeps);
    }
    service(&machine, "always", "ExecStart=/bin/sleep inf\nRestart=always");
    service(&machine, "web", "ExecStart=/usr/bin/python3 -m http.server --bind 127.0.0.1 8080");
    machine.write_program("/opt/depth", "#!/bin/sh\necho depth=0 completed=7\n");
    service(&machine, "worker", sleeps);
    machine.write_program("/opt/once", ONCE);
    service(&machine, "once", "ExecStart=/opt/once");
    machine.sh(
        "printf 'events {}\\nhttp { server { listen 80; return 200 fine; } }\\n' >/etc/nginx/nginx.conf; \
         systemctl daemon-reload; systemctl enable -q --now plain both unheard always web worker once nginx redis-server memcached",
    );
    machine.write("/etc/steadfast/steadfast.toml", &format!("{SETTINGS}{DEAD_SINK}"));
    machine.install_steadfast();
    let quick = "[recovery]\nverify_within = \"20s\"\n";
    for name in ["plain", "both", "unheard", "always", "once"] {
        manage(&machine, &format!("{name}.service"), quick);
    }
    manage(&machine, "web.service", &format!("{quick}{PROBE}"));
    manage(&machine, "worker.service", &format!("{quick}{QUEUE}"));
    let redis = "[probe.ping]\nredis = \"redis://127.0.0.1/0\"\nperiod = \"1s\"\ntimeout = \"500ms\"\n";
    manage(&machine, "redis-server.service", &format!("{quick}{redis}"));
    let stats = "[probe.stats]\nmemcached = \"127.0.0.1:11211\"\nperiod = \"1s\"\ntimeout = \"500ms\"\n";
    manage(&machine, "memcached.service", &format!("{quick}{stats}"));
    let page = "[probe.page]\nhttp = \"http://127.0.0.1/\"\nperiod = \"1s\"\ntimeout = \"500ms\"\n";
    manage(&machine, "nginx.service", &format!("{quick}{page}"));
    machine
}

fn drill(machine: &Machine, what: &'static str, arguments: &str) -> Drilled {
    let output = machine.try_sh(&format!("steadfast --json drill {arguments} --yes"));
    let reply = serde_json::from_str(&output.stdout).expect(arguments);
    Drilled { what, reply, code: output.code }
}

impl Drilled {
    fn drill(&self) -> &Value {
        &self.reply["drill"]
    }

    fn outcome(&self) -> &str {
        self.drill()["outcome"].as_str().unwrap_or("refused")
    }

    fn line(&self) -> String {
        let time = |name: &str| {
            let seconds = self.drill()[name].as_f64();
            seconds.map_or("-".to_owned(), |seconds| format!("{seconds:.3}"))
        };
        let alerts = self.drill()["alerts"].as_array().cloned().unwrap_or_default();
        let alerts = alerts.iter().map(|one| {
            let sink = one["sink"].as_str().unwrap_or_default();
            match (one["arrived_s"].as_f64(), one["error"].as_str()) {
                (Some(seconds), _) => format!("{sink} {seconds:.3}"),
                (None, why) => format!("{sink} FAILED ({})", why.unwrap_or("not in time")),
            }
        });
        format!(
            "{:<42} {:>7} {:>7} {:>8} {:>7}  {:<10} {}",
            self.what,
            time("detect_s"),
            time("decide_s"),
            time("recover_s"),
            time("alert_s"),
            self.outcome(),
            alerts.collect::<Vec<String>>().join(", ")
        )
    }
}

/// What reached the web server, as labels and summaries.
fn hooks(machine: &Machine) -> Vec<Value> {
    let lines = machine.read("/srv/got.jsonl");
    let alerts = lines.lines().flat_map(|line| {
        let line: Value = serde_json::from_str(line).expect("a line");
        let body: Value = serde_json::from_str(line["body"].as_str().expect("a body")).expect("JSON");
        body["alerts"].as_array().expect("alerts").clone()
    });
    alerts.collect()
}

#[test]
fn ten_drills_and_their_four_times() {
    let machine = host();
    let drills = [
        drill(&machine, "sleep, killed", "plain"),
        drill(&machine, "Restart=always, killed", "always"),
        drill(&machine, "http, a failing probe feigned", "web --probe page"),
        drill(&machine, "http, killed", "web"),
        drill(&machine, "redis-server of Debian, killed", "redis-server"),
        drill(&machine, "nginx of Debian, killed", "nginx"),
        drill(&machine, "memcached of Debian, killed", "memcached"),
        drill(&machine, "worker with a queue, killed", "worker"),
        drill(&machine, "one sink of three is down", "unheard"),
        drill(&machine, "starts no more", "once"),
    ];
    println!(
        "{:<42} {:>7} {:>7} {:>8} {:>7}  {:<10} alerts",
        "seconds after the fault", "DETECT", "DECIDE", "RECOVER", "ALERT", "outcome"
    );
    for one in &drills {
        println!("{}", one.line());
    }
    for one in &drills {
        println!("{}: {}", one.what, one.reply["message"].as_str().unwrap_or_default());
    }
    for (at, one) in drills.iter().enumerate() {
        let systemd = one.outcome() == "by-systemd";
        let wanted = match at {
            1 => systemd,
            // Debian's own units say Restart= in one release and not in the other.
            4..=6 => systemd || one.outcome() == "proven",
            8 | 9 => one.outcome() == "failed",
            _ => one.outcome() == "proven",
        };
        assert!(wanted, "{}: {}", one.what, one.reply);
        assert_eq!(one.code, Some(if matches!(at, 8 | 9) { 2 } else { 0 }), "{}", one.what);
        let times = ["detect_s", "decide_s", "recover_s", "alert_s"].map(|name| one.drill()[name].as_f64());
        if one.outcome() == "proven" {
            assert!(times.iter().all(Option::is_some), "{}: {}", one.what, one.reply);
            assert_eq!(
                one.drill()["alerts"].as_array().map(Vec::len),
                Some(2),
                "hook and mail: {}",
                one.reply
            );
        } else if systemd {
            assert!(times[0].is_some() && times[2].is_some() && times[3].is_none(), "{}", one.reply);
        }
    }
    let message = |at: usize| drills[at].reply["message"].as_str().unwrap_or_default().to_owned();
    assert!(message(1).contains("systemd restarted it after"), "{}", message(1));
    assert!(message(8).contains("dead was not alerted: "), "{}", message(8));
    assert!(message(9).contains("the start failed"), "{}", message(9));
    told(&machine);
    kept(&machine);
}

/// People read that it is a drill; what is left of one in earnest bears no such mark.
fn told(machine: &Machine) {
    let heard = |unit: &str, drill: bool, status: &str| {
        let fits = |alert: &&Value| {
            let marked = alert["labels"]["drill"] == "true";
            alert["unit"] == unit && marked == drill && alert["status"] == status
        };
        hooks(machine).iter().find(fits).cloned()
    };
    let fired = heard("web.service", true, "firing").expect("the drill was told");
    let summary = fired["summary"].as_str().unwrap_or_default();
    assert!(summary.starts_with("DRILL: probe page: a failure simulated by a drill"), "{summary}");
    machine.wait_until("its end is told", LIMIT, || heard("web.service", true, "resolved").is_some());
    // The last of them can never start again: that is no drill any more.
    machine.wait_until("what a drill left is told in earnest", LIMIT, || {
        heard("once.service", false, "firing").is_some()
    });
    assert!(heard("once.service", true, "resolved").is_some(), "its drill is over");
    let mails = machine.sh("cat /srv/mails/*");
    assert!(mails.contains("DRILL"), "{mails}");
    let boss = machine.read("/srv/got.jsonl").contains("/boss");
    assert!(!boss, "who hears of it only after a while did not");
}

/// Each is recorded, told by `status`, `explain` and `audit`, and survives us.
fn kept(machine: &Machine) {
    machine.sh("systemctl restart steadfast");
    state(machine, "plain.service", "ok");
    assert_eq!(unit(machine, "plain.service", ".drill.outcome"), "proven");
    assert_eq!(unit(machine, "both.service", ".drill"), "null");
    let page = machine.try_sh("steadfast status plain").stdout;
    assert!(page.contains("Drilled: kill by root"), "{page}");
    let page = machine.try_sh("steadfast explain once").stdout;
    assert!(page.contains("last drill: kill by root") && page.contains(": failed"), "{page}");
    let notes = machine.try_sh("steadfast --json audit | jq -r '.notes[]'").stdout;
    assert_eq!(notes, "never drilled: both.service (steadfast drill both.service)");
    let page = machine.try_sh("steadfast audit").stdout;
    println!("{page}");
    assert!(page.contains("NOTES\n  never drilled: both.service"), "{page}");
    // Whoever is not root knows nothing of that, and is not told that nothing is known.
    let page = machine.try_sh("setpriv --reuid=nobody --clear-groups steadfast audit").stdout;
    assert!(!page.contains("drilled"), "{page}");
    let metrics = machine.sh("curl -s --unix-socket /run/steadfast/steadfast.sock http://localhost/metrics");
    let metric = "steadfast_drill_timestamp_seconds{unit=\"plain.service\",outcome=\"proven\"}";
    assert!(metrics.contains(metric), "{metrics}");
}

#[test]
fn a_drill_asks_first_shows_each_step_and_outlives_our_crash() {
    let machine = Machine::boot("drill");
    service(&machine, "shop", "ExecStart=/bin/sleep inf");
    service(&machine, "slow", "ExecStartPre=/bin/sleep 4\nExecStart=/bin/sleep inf");
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop slow");
    machine.write("/etc/systemd/system/steadfast.service.d/quick.conf", "[Service]\nRestartSec=100ms\n");
    machine.install_steadfast();
    manage(&machine, "shop.service", "[recovery]\nverify_within = \"6s\"\n");
    manage(&machine, "slow.service", "[recovery]\nverify_within = \"6s\"\n");

    let asked = machine.try_sh("steadfast drill shop </dev/null");
    assert_eq!(asked.code, Some(64), "{asked:?}");
    let main = machine.sh("systemctl show -P MainPID shop");
    // On a terminal it asks, and takes only a yes for one.
    let no = machine.try_sh("echo n | script -qec 'steadfast drill shop' /dev/null");
    println!("{}", no.stdout);
    assert!(no.stdout.contains("Go on? [y/N]") && no.stdout.contains("nothing was done"), "{no:?}");
    let rehearsed = machine.try_sh("steadfast drill shop --dry-run");
    assert_eq!(rehearsed.code, Some(0));
    assert_eq!(machine.sh("systemctl show -P MainPID shop"), main, "nothing was touched");
    let yes = machine.try_sh("(sleep 1; echo y) | script -qec 'steadfast --no-color drill shop' /dev/null");
    println!("{}", yes.stdout);
    for part in ["DRILL: root kills the main process of shop.service", "StartUnit", "DETECT", "proven after"]
    {
        let part = if part == "StartUnit" { "start shop.service because of unit-failed" } else { part };
        assert!(yes.stdout.contains(part), "{part}: {}", yes.stdout);
    }
    // Refusals, each with its reason.
    for (before, arguments, why) in [
        ("true", "shop --probe page", "it has no probe page"),
        ("steadfast hold shop --for 5m --reason work", "shop", "held by root: work"),
        ("steadfast resume shop; systemctl stop shop", "shop", "it was stopped on purpose"),
    ] {
        machine.sh(before);
        machine.wait_until(why, LIMIT, || {
            let refused = machine.try_sh(&format!("steadfast drill {arguments} --yes"));
            refused.code == Some(1) && refused.stderr.contains(why)
        });
    }
    // We die in the middle of it: the unit is healed all the same, and the drill says nothing.
    machine.sh("systemd-run -q --unit drilling steadfast drill slow --yes");
    machine.wait_until("the drill is under way", LIMIT, || {
        status(&machine, ".incidents[] | select(.drill) | .unit") == "slow.service"
    });
    machine.sh("systemctl kill -s KILL --kill-whom=main steadfast");
    machine.wait_until("it is interrupted", LIMIT, || {
        unit(&machine, "slow.service", ".drill.outcome") == "interrupted"
    });
    let took = state(&machine, "slow.service", "ok");
    println!("healed {:.1} s after we died in the middle of its drill", took.as_secs_f64());
    assert!(took < Duration::from_secs(40), "{took:?}");
}

#[test]
fn a_file_that_is_switched_off_is_shown_until_its_end_and_in_force_by_itself_then() {
    let machine = Machine::boot("disabled");
    receiver::web(&machine);
    service(&machine, "shop", "ExecStart=/bin/sleep inf");
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop");
    machine.write("/etc/steadfast/steadfast.toml", SETTINGS.split("[alert.mail]").next().expect("a part"));
    machine.install_steadfast();
    manage(&machine, "shop.service", "");
    let verify = |text: &str| {
        machine.write("/root/shop.service.toml", text);
        machine.try_sh("steadfast verify /root/shop.service.toml").stdout
    };
    let half = verify("[disabled]\nreason = \"flaps\"\n");
    assert!(half.contains("until"), "{half}");
    let half = verify("[disabled]\nuntil = 2099-01-01T00:00:00Z\n");
    assert!(half.contains("reason"), "{half}");
    let long = verify("[disabled]\nreason = \"flaps\"\nuntil = 2099-01-01T00:00:00Z\n");
    assert!(long.contains("note: ") && long.contains("nobody will remember why: flaps"), "{long}");
    assert!(long.ends_with("nothing to correct"), "{long}");

    let until = machine.sh("date -u -d '+14 seconds' +%Y-%m-%dT%H:%M:%SZ");
    let off = format!("[disabled]\nreason = \"flaps, ticket 1234\"\nuntil = {until}\n");
    machine.write("/etc/steadfast/units.d/shop.service.toml", &off);
    state(&machine, "shop.service", "disabled");
    machine.sh("systemctl kill -s KILL shop");
    machine.wait_until("it is seen to be down", LIMIT, || {
        unit(&machine, "shop.service", ".findings[].code") == "unit-failed"
    });
    for command in ["status", "status shop", "explain shop", "check", "incidents", "audit"] {
        let output = machine.try_sh(&format!("steadfast {command}"));
        println!("$ steadfast {command}\n{}", output.stdout);
        assert!(output.stdout.contains("flaps, ticket 1234"), "{command}: {output:?}");
        // That nobody manages the receiver is all that is worth a warning.
        let wanted = i32::from(command == "audit");
        assert_eq!(output.code, Some(wanted), "{command}: {output:?}");
    }
    let metrics = machine.sh("curl -s --unix-socket /run/steadfast/steadfast.sock http://localhost/metrics");
    let metric = "steadfast_unit_disabled_until_timestamp_seconds{unit=\"shop.service\",reason=\"flaps, ticket 1234\"}";
    assert!(metrics.contains(metric), "{metrics}");
    assert_eq!(machine.read("/srv/got.jsonl"), "", "no sink was alerted");
    assert_eq!(machine.try_sh("systemctl is-failed shop").stdout, "failed", "nothing was done");

    // Nothing is loaded again: its own end brings it back, and what is wrong by then is put right and told.
    let end: i64 = machine.sh(&format!("date -d {until} +%s%3N")).parse().expect("a time");
    state(&machine, "shop.service", "ok");
    let journal = machine.sh("journalctl -t steadfast -o json --output-fields=MESSAGE --no-pager");
    let back = journal.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|line| {
        line["MESSAGE"].as_str().is_some_and(|text| text.contains("shop.service is in force again"))
    });
    let back = back.expect("it is told");
    let at = back["__REALTIME_TIMESTAMP"].as_str().and_then(|at| at.parse::<i64>().ok()).expect("a time");
    println!("in force again {} ms after its end", at / 1000 - end);
    assert!((0..2000).contains(&(at / 1000 - end)), "{at} and {end}");
    machine.wait_until("it is told", LIMIT, || {
        hooks(&machine).iter().any(|alert| alert["unit"] == "shop.service" && alert["status"] == "firing")
    });
    let audit = machine.try_sh("steadfast audit").stdout;
    assert!(audit.contains("the end of [disabled] has passed"), "{audit}");
}
