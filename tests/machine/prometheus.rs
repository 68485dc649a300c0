//! Metrics and the shipped rules, read by the real Prometheus and passed on to the real Alertmanager.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::rig::Machine;
use crate::watched::{LIMIT, journal, manage, state, unit};

/// Scrapes and judges each second, so that the seconds below are those of the rules.
const PROMETHEUS: &str = r#"
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [/etc/prometheus/steadfast/short.yml]
alerting: { alertmanagers: [ { static_configs: [ { targets: ["127.0.0.1:9093"] } ] } ] }
scrape_configs:
  - job_name: steadfast
    static_configs: [ { targets: ["127.0.0.1:9631"] } ]
"#;

/// What `jq` makes of an answer of Prometheus or of Alertmanager.
fn ask(machine: &Machine, url: &str, filter: &str) -> String {
    machine.try_sh(&format!("curl -sgf 'http://127.0.0.1:{url}' | jq -r '{filter}'")).stdout
}

/// The alerts of this name that Alertmanager holds to be firing: their units, or `none`; empty if it does not answer.
fn firing(machine: &Machine, alert: &str) -> String {
    let url = format!("9093/api/v2/alerts?filter=alertname=\"{alert}\"");
    let active = "[.[] | select(.status.state == \"active\") | .labels.unit // \"host\"]";
    ask(machine, &url, &format!("{active} | if . == [] then \"none\" else join(\",\") end"))
}

fn until(machine: &Machine, alert: &str, fires: &str) -> Duration {
    machine.wait_until(&format!("{alert} of [{fires}]"), LIMIT, || firing(machine, alert) == fires)
}

fn prepare(machine: &Machine) {
    machine.write("/etc/prometheus/prometheus.yml", PROMETHEUS);
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/config/prometheus"));
    for name in ["steadfast.rules.yml", "steadfast.rules.test.yml", "scrape.yml"] {
        let text = fs::read_to_string(folder.join(name)).expect("a shipped file");
        machine.write(&format!("/etc/prometheus/steadfast/{name}"), &text);
    }
    machine.sh("cd /etc/prometheus/steadfast && sed 's/for: .*/for: 2s/' steadfast.rules.yml >short.yml");
    // A machine without a network of its own has no address for a cluster.
    machine.write("/etc/default/prometheus-alertmanager", "ARGS=\"--cluster.listen-address=\"\n");
    machine.write(
        "/etc/systemd/system/shop.service",
        "[Service]\nExecStart=/bin/sleep inf\n[Install]\nWantedBy=multi-user.target\n",
    );
    machine.write(
        "/etc/systemd/system/mail.service",
        "[Service]\nExecStart=/bin/sleep inf\n[Install]\nWantedBy=multi-user.target\n",
    );
    machine.sh("systemctl daemon-reload; systemctl enable -q --now shop mail");
}

#[test]
fn prometheus_alerts_by_the_shipped_rules_and_resolves() {
    let machine = Machine::boot_with_servers("prometheus");
    prepare(&machine);
    println!("{}", machine.sh("cd /etc/prometheus/steadfast && promtool check rules *.rules.yml"));
    println!("{}", machine.sh("cd /etc/prometheus/steadfast && promtool test rules *.test.yml"));
    println!(
        "{}",
        machine.sh("cd /etc/prometheus/steadfast && promtool check config --syntax-only scrape.yml")
    );

    // Somebody else has the address at first: units are kept all the same.
    machine.sh("systemd-run -q --unit squatter python3 -m http.server --bind 127.0.0.1 9631");
    machine.wait_until("the address is taken", LIMIT, || machine.try_sh("ss -ltn | grep -q :9631").ok());
    machine.write("/etc/steadfast/steadfast.toml", "listen = \"127.0.0.1:9631\"\n");
    machine.install_steadfast();
    let probe = "[probe.runs]\ncommand = [\"/bin/true\"]\nperiod = \"1s\"\ntimeout = \"900ms\"\n";
    manage(&machine, "shop.service", &format!("[recovery]\nstart = false\n{probe}"));
    manage(&machine, "mail.service", "[recovery]\nverify_within = \"4s\"\n");
    let said =
        "cannot listen on 127.0.0.1:9631: Address already in use (os error 98); trying again every 10 s";
    assert!(journal(&machine).contains(said), "{}", journal(&machine));
    machine.sh("systemctl stop squatter");
    let served = machine.wait_until("metrics are served", LIMIT, || {
        machine.try_sh("curl -sf http://127.0.0.1:9631/metrics | grep -q ^steadfast_ready").ok()
    });
    println!("served {:.1} s after the address was free", served.as_secs_f64());

    let classic =
        "curl -sf -H 'Accept: text/plain' http://127.0.0.1:9631/metrics | promtool check metrics 2>&1";
    assert_eq!(machine.sh(classic), "", "promtool has nothing to say of the names");
    machine.sh("systemctl start prometheus-alertmanager prometheus");
    machine.wait_until("Prometheus reads us", LIMIT, || {
        ask(&machine, "9090/api/v1/targets", ".data.activeTargets[] | .health + .lastError") == "up"
    });
    let told = "9090/api/v1/query?query=count({__name__=~\"steadfast_.*\"})";
    println!("series in Prometheus: {}", ask(&machine, told, ".data.result[].value[1]"));
    machine.wait_until("nothing fires", LIMIT, || ask(&machine, "9093/api/v2/alerts", "length") == "0");

    // A unit dies and may not be started; Alertmanager knows, and knows when it is back.
    machine.sh("systemctl kill -s KILL shop.service");
    let fired = until(&machine, "SteadfastUnitDown", "shop.service");
    println!("SteadfastUnitDown fires in Alertmanager after {:.1} s", fired.as_secs_f64());
    let runbook = ask(&machine, "9093/api/v2/alerts", ".[] | .annotations.runbook_url");
    assert!(runbook.ends_with("findings.md#unit-failed"), "{runbook}");
    machine.sh("systemctl start shop.service");
    let resolved = until(&machine, "SteadfastUnitDown", "none");
    println!("it is resolved there {:.1} s after the unit was started", resolved.as_secs_f64());

    // One that is brought back: the order is counted, and how soon it was found and over.
    machine.sh("systemctl kill -s KILL mail.service");
    machine.wait_until("an order is counted", LIMIT, || {
        let query =
            "9090/api/v1/query?query=steadfast_restarts_total{unit=\"mail.service\",reason=\"unit-failed\"}";
        ask(&machine, query, ".data.result[].value[1]") == "1"
    });
    state(&machine, "mail.service", "ok");
    assert_eq!(unit(&machine, "mail.service", ".restarts.spent"), "1");
    for name in ["detection", "recovery"] {
        machine.wait_until(&format!("{name} is counted"), LIMIT, || {
            let query = format!("9090/api/v1/query?query=steadfast_{name}_seconds_count");
            ask(&machine, &query, ".data.result[].value[1]") == "2"
        });
        let mean =
            format!("9090/api/v1/query?query=steadfast_{name}_seconds_sum/steadfast_{name}_seconds_count");
        println!("mean {name}: {} s", ask(&machine, &mean, ".data.result[].value[1]"));
    }

    // We die ourselves.
    machine.sh("systemctl stop steadfast");
    println!("SteadfastAbsent fires after {:.1} s", until(&machine, "SteadfastAbsent", "host").as_secs_f64());
    machine.sh("systemctl start steadfast");
    println!("and is resolved after {:.1} s", until(&machine, "SteadfastAbsent", "none").as_secs_f64());
}
