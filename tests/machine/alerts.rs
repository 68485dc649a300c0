//! People are told: whatever happens to the receiver or to Steadfast, nothing is lost and no end comes before its beginning.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::receiver;
use crate::rig::Machine;
use crate::watched::{LIMIT, state, status};

const SETTINGS: &str = "audit_every = \"never\"\n[alert.hook]\ntype = \"webhook\"\nurl = \"http://127.0.0.1:8099/hook\"\ntimeout = \"1s\"\nburst = 1000\n";
/// How often Steadfast is killed.
const KILLS: u32 = 100;

fn host(name: &str) -> Machine {
    let machine = Machine::boot(name);
    receiver::web(&machine);
    machine.write(
        "/etc/systemd/system/shop.service",
        "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n",
    );
    machine.write("/etc/systemd/system/steadfast.service.d/quick.conf", "[Service]\nRestartSec=100ms\n");
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop");
    machine.write("/etc/steadfast/steadfast.toml", SETTINGS);
    machine.install_steadfast();
    machine.write("/etc/steadfast/units.d/shop.service.toml", "mode = \"observe\"\n");
    state(&machine, "shop.service", "ok");
    machine
}

/// What arrived: for each key its statuses in order, and its incident.
fn arrived(machine: &Machine) -> BTreeMap<String, (u64, Vec<String>)> {
    let mut told: BTreeMap<String, (u64, Vec<String>)> = BTreeMap::new();
    for line in machine.read("/srv/got.jsonl").lines() {
        let line: Value = serde_json::from_str(line).expect("a line");
        let body: Value = serde_json::from_str(line["body"].as_str().expect("a body")).expect("JSON");
        for alert in body["alerts"].as_array().expect("alerts") {
            let key = alert["key"].as_str().expect("a key").to_owned();
            let of_key = told.entry(key).or_default();
            of_key.0 = alert["incident"].as_u64().expect("a number");
            of_key.1.push(alert["status"].as_str().expect("a status").to_owned());
        }
    }
    told
}

fn incidents(machine: &Machine) -> Vec<Value> {
    let text = machine.try_sh("steadfast --json incidents").stdout;
    let all: Value = serde_json::from_str(&text).unwrap_or_default();
    all["incidents"].as_array().cloned().unwrap_or_default()
}

/// Every incident is over, and its end was told.
fn settled(machine: &Machine) -> bool {
    let all = incidents(machine);
    let told = |incident: &Value| {
        let sinks = incident["told"].as_array().expect("a list");
        let over = !incident["resolved_at"].is_null();
        over && !sinks.is_empty() && sinks.iter().all(|sink| sink["resolved"] == true)
    };
    !all.is_empty() && all.iter().all(told)
}

#[test]
fn nothing_is_lost_and_no_end_comes_before_its_beginning() {
    let machine = host("alerts");
    let mut seed = 7_u64;
    let mut random = |below: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % below
    };
    for round in 0..KILLS {
        // The receiver takes all, refuses, is slow, and is away, in turn.
        match round % 20 {
            0 => machine.sh("echo 200 >/srv/answer; systemctl start receiver"),
            5 => machine.sh("echo 500 >/srv/answer"),
            10 => machine.sh("echo slow >/srv/answer"),
            15 => machine.sh("systemctl stop receiver"),
            _ => String::new(),
        };
        let (before, between) = (random(700), random(700));
        machine.sh(&format!(
            "systemctl kill -s KILL shop; sleep 0.{before:03}; \
             systemctl kill -s KILL --kill-whom=main steadfast; sleep 0.{between:03}; \
             systemctl reset-failed shop; systemctl start shop; sleep 0.2"
        ));
    }
    machine.sh("echo 200 >/srv/answer; systemctl start receiver");
    let began = Instant::now();
    machine.wait_until("every end was told", Duration::from_secs(150), || settled(&machine));
    let all = incidents(&machine);
    let told = arrived(&machine);
    let mut repeats = 0;
    for (key, (incident, statuses)) in &told {
        assert_eq!(statuses.first().map(String::as_str), Some("firing"), "{key} of {incident}: {statuses:?}");
        assert_eq!(
            statuses.last().map(String::as_str),
            Some("resolved"),
            "{key} of {incident}: {statuses:?}"
        );
        let ends = statuses.iter().position(|status| status == "resolved").expect("an end");
        assert!(statuses[ends..].iter().all(|status| status == "resolved"), "{key}: {statuses:?}");
        repeats += statuses.len() - 2;
    }
    let heard: BTreeSet<u64> = told.values().map(|(incident, _)| *incident).collect();
    let had: BTreeSet<u64> = all.iter().filter_map(|incident| incident["id"].as_u64()).collect();
    assert_eq!(told.len(), heard.len(), "one key for each incident");
    assert!(had.is_subset(&heard), "told of {heard:?}, had {had:?}");
    println!(
        "{KILLS} kills: {} incidents, all told in order; {repeats} messages came twice with the same key; the last {:.1} s after the receiver was back",
        had.len(),
        began.elapsed().as_secs_f64()
    );
}

/// Beats that were heard so far.
fn beats(machine: &Machine) -> usize {
    machine.read("/srv/got.jsonl").lines().filter(|line| line.contains("\"/beat\"")).count()
}

#[test]
fn the_heart_beats_only_while_the_work_can_be_done() {
    let machine = host("heartbeat");
    machine.write(
        "/etc/steadfast/steadfast.toml",
        "[heartbeat]\nurl = \"http://127.0.0.1:8099/beat\"\nperiod = \"1s\"\n",
    );
    machine.wait_until("it beats", LIMIT, || beats(&machine) > 2);
    // Without the bus nothing can be done about anything.
    machine.sh("systemctl stop dbus.socket dbus.service");
    let silent = || {
        let before = beats(&machine);
        machine.sh("sleep 3");
        beats(&machine) == before
    };
    let took = machine.wait_until("it is silent", LIMIT, silent);
    println!("silent {:.1} s after the bus went away", took.as_secs_f64());
    machine.sh("systemctl start dbus.socket dbus.service");
    let before = beats(&machine);
    let took = machine.wait_until("it beats again", LIMIT, || beats(&machine) > before + 1);
    println!("beats again {:.1} s after the bus was back", took.as_secs_f64());
    // A server elsewhere that does not hear us is a finding of the host.
    machine.sh("echo 500 >/srv/answer");
    machine.wait_until("it is told", LIMIT, || {
        status(&machine, ".findings[] | .code + \" \" + .message").contains(
            "host-heartbeat-unheard the heartbeat is not heard: http://127.0.0.1:8099/… answered 500",
        )
    });
    machine.sh("echo 200 >/srv/answer");
    machine.wait_until("it is over", LIMIT, || status(&machine, ".findings | length") == "0");
}

#[test]
fn the_journal_of_a_unit_tells_and_explains_what_we_did() {
    let machine = host("catalogue");
    machine.sh("journalctl --update-catalog");
    machine.write("/etc/steadfast/units.d/shop.service.toml", "[recovery]\nverify_within = \"4s\"\n");
    machine.sh("systemctl kill -s KILL shop");
    machine.wait_until("it was healed", LIMIT, || {
        machine.sh("journalctl -u shop.service -o cat").contains("is proven after")
    });
    let journal = machine.sh("journalctl -x -u shop.service");
    for part in [
        "unit-failed: shop.service failed with result signal",
        "Subject: Something is wrong with shop.service: unit-failed",
        "start shop.service because of unit-failed",
        "Subject: Steadfast acts on shop.service",
        "steadfast explain shop.service",
        "Subject: What became of an order for shop.service",
    ] {
        assert!(journal.contains(part), "{part}\n{journal}");
    }
    // What is found, decided and done has its incident, so that one story is one query.
    let id = incidents(&machine)[0]["id"].as_u64().expect("a number");
    let story = machine.sh(&format!("journalctl STEADFAST_INCIDENT={id} -o cat"));
    assert!(story.contains("unit-failed") && story.contains("is proven after"), "{story}");
}
