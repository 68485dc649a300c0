//! Good and bad sinks and labels: what they make, and what people are told.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{diagnose, parse};
use crate::model::alert::{Alertmanager, Encryption, SinkKind, SinkSpec, Smtp, Webhook, WebhookFormat};
use crate::model::finding::Severity;
use crate::model::probe::Secret;
use crate::model::spec::Settings;

/// The settings, or what is wrong in them, sinks included.
fn settings_of(text: &str) -> Result<Settings, String> {
    let file = Path::new("steadfast.toml");
    let told = |mistakes: Vec<diagnose::Mistake>| {
        mistakes.iter().map(|one| diagnose::problem(file, text, one).rendered).collect::<Vec<_>>().join("\n")
    };
    let (settings, bad) = parse::settings(text, 0).map_err(told)?;
    if bad.is_empty() {
        Ok(settings)
    } else {
        Err(told(bad.into_iter().map(|(_, mistake)| mistake).collect()))
    }
}

fn sink_of(text: &str) -> SinkSpec {
    let settings = settings_of(text).unwrap_or_else(|why| panic!("{why}"));
    settings.sinks.into_iter().next().expect("a sink")
}

#[test]
fn a_sink_needs_little() {
    let usual = |kind| SinkSpec {
        name: "ops".to_owned(),
        kind,
        min_severity: Severity::Warning,
        matching: BTreeMap::new(),
        after: Duration::ZERO,
        repeat: Some(Duration::from_secs(4 * 3600)),
        burst: 10,
        interval: Duration::from_secs(600),
        timeout: Duration::from_secs(10),
    };
    let text = "[alert.ops]\ntype = \"webhook\"\nurl = \"https://hooks.example.org/steadfast\"\n";
    let hook = Webhook {
        url: "https://hooks.example.org/steadfast".to_owned(),
        format: WebhookFormat::Json,
        secret: None,
    };
    assert_eq!(sink_of(text), usual(SinkKind::Webhook(hook)));

    let text = "[alert.ops]\ntype = \"webhook\"\nformat = \"slack\"\ncredential = \"slack\"\n";
    let secret = Some(Secret::Credential("slack".to_owned()));
    let hook = Webhook { url: String::new(), format: WebhookFormat::Slack, secret };
    assert_eq!(sink_of(text), usual(SinkKind::Webhook(hook)));

    let text = "[alert.ops]\ntype = \"smtp\"\nfrom = \"Steadfast <steadfast@example.org>\"\nto = \"ops@example.org\"\n";
    let mail = Smtp {
        host: "localhost".to_owned(),
        port: 25,
        encryption: Encryption::Plain,
        user: None,
        secret: None,
        from: "Steadfast <steadfast@example.org>".to_owned(),
        to: vec!["ops@example.org".to_owned()],
    };
    assert_eq!(sink_of(text), usual(SinkKind::Smtp(mail.clone())));
    let abroad = "host = \"mail.example.org\"\nuser = \"joe\"\npassword_file = \"/etc/steadfast/mail\"\n";
    let mail = Smtp {
        host: "mail.example.org".to_owned(),
        port: 587,
        encryption: Encryption::StartTls,
        user: Some("joe".to_owned()),
        secret: Some(Secret::File("/etc/steadfast/mail".to_owned())),
        ..mail
    };
    assert_eq!(sink_of(&format!("{text}{abroad}")), usual(SinkKind::Smtp(mail)));

    let text = "[alert.ops]\ntype = \"alertmanager\"\nurls = [\"http://a:9093\", \"https://b:9093\"]\n";
    let urls = vec!["http://a:9093".to_owned(), "https://b:9093".to_owned()];
    let cluster = SinkKind::Alertmanager(Alertmanager { urls, user: None, secret: None });
    assert_eq!(sink_of(text), SinkSpec { repeat: Some(Duration::from_secs(60)), ..usual(cluster) });

    let text = "[alert.ops]\ntype = \"sentry\"\nurl = \"https://0123456789abcdef@sentry.example.org/42\"\n";
    let dsn = "https://0123456789abcdef@sentry.example.org/42".to_owned();
    assert_eq!(sink_of(text), usual(SinkKind::Sentry { dsn, secret: None }));

    let text = "[alert.ops]\ntype = \"command\"\ncommand = [\"/bin/true\", \"--page\"]\n";
    let command = vec!["/bin/true".to_owned(), "--page".to_owned()];
    assert_eq!(sink_of(text), usual(SinkKind::Command { command }));
}

#[test]
fn every_key_of_a_sink_has_an_effect() {
    let hook = "[alert.ops]\ntype = \"webhook\"\nurl = \"https://hooks.example.org/\"\n";
    let mail = "[alert.ops]\ntype = \"smtp\"\nhost = \"mail.example.org\"\nfrom = \"a@example.org\"\nto = [\"b@example.org\"]\n";
    let cluster = "[alert.ops]\ntype = \"alertmanager\"\nurl = \"http://a:9093\"\n";
    let keys = [
        (hook, "format = \"ntfy\""),
        (hook, "credential = \"token\""),
        (hook, "password_file = \"/etc/token\""),
        (hook, "min_severity = \"critical\""),
        (hook, "match = { unit = \"web-*.service\", team = \"media\" }"),
        (hook, "after = \"15m\""),
        (hook, "repeat = \"1h\""),
        (hook, "repeat = \"never\""),
        (hook, "burst = 3"),
        (hook, "interval = \"1h\""),
        (hook, "timeout = \"30s\""),
        (mail, "port = 2525"),
        (mail, "encryption = \"tls\""),
        (mail, "encryption = \"none\""),
        (mail, "user = \"u\"\ncredential = \"mail\""),
        (cluster, "repeat = \"2m\""),
        (cluster, "user = \"u\"\ncredential = \"am\""),
    ];
    for (table, key) in keys {
        assert_ne!(sink_of(&format!("{table}{key}\n")), sink_of(table), "{key}");
    }
    assert_eq!(sink_of(&format!("{mail}encryption = \"tls\"\n")).name, "ops");
    let labels = settings_of("[labels]\nteam = \"media\"\nsite_2 = \"Berlin\"\n").expect("labels").labels;
    assert_eq!(labels.get("site_2").map(String::as_str), Some("Berlin"));
}

#[test]
fn mistakes_of_sinks_are_told_with_their_place() {
    let hook = "[alert.ops]\ntype = \"webhook\"\nurl = \"https://hooks.example.org/\"\n";
    let mail = "[alert.ops]\ntype = \"smtp\"\nfrom = \"a@example.org\"\nto = \"b@example.org\"\n";
    let more = |table: &str, keys: &str| format!("{table}{keys}\n");
    let wrong = [
        "[alert.ops]\nurl = \"https://hooks.example.org/\"\n".to_owned(),
        "[alert.ops]\ntype = \"webhook\"\n".to_owned(),
        "[alert.ops]\ntype = \"mail\"\n".to_owned(),
        "[alert.Ops]\ntype = \"webhook\"\nurl = \"https://hooks.example.org/\"\n".to_owned(),
        "[alert]\ntype = \"webhook\"\n".to_owned(),
        "alert = 5\n".to_owned(),
        "[alrt.ops]\ntype = \"webhook\"\n".to_owned(),
        more(hook, "timout = \"5s\""),
        more(hook, "host = \"mail.example.org\""),
        more(hook, "urls = [\"https://hooks.example.org/\"]"),
        more(hook, "format = \"xml\""),
        more(hook, "timeout = \"2m\""),
        more(hook, "timeout = 5"),
        more(hook, "repeat = \"0s\""),
        more(hook, "burst = 0"),
        more(hook, "interval = \"0s\""),
        more(hook, "match = { Unit = \"*\" }"),
        more(hook, "match = { unit = \"web-[\" }"),
        more(hook, "credential = \"a\"\npassword_file = \"/b\""),
        "[alert.ops]\ntype = \"webhook\"\nurl = \"https://joe:s3cret@hooks.example.org/\"\n".to_owned(),
        "[alert.ops]\ntype = \"webhook\"\nurl = \"hooks.example.org\"\n".to_owned(),
        "[alert.ops]\ntype = \"smtp\"\nfrom = \"a@example.org\"\n".to_owned(),
        "[alert.ops]\ntype = \"smtp\"\nfrom = \"steadfast\"\nto = \"b@example.org\"\n".to_owned(),
        "[alert.ops]\ntype = \"smtp\"\nfrom = \"a@example.org\"\nto = []\n".to_owned(),
        "[alert.ops]\ntype = \"smtp\"\nfrom = \"a@example.org\"\nto = 5\n".to_owned(),
        more(mail, "encryption = \"ssl\""),
        more(mail, "port = 70000"),
        more(mail, "user = \"joe\""),
        more(mail, "credential = \"mail\""),
        more(
            mail,
            "host = \"mail.example.org\"\nencryption = \"none\"\nuser = \"joe\"\ncredential = \"mail\"",
        ),
        "[alert.ops]\ntype = \"alertmanager\"\nurls = []\n".to_owned(),
        "[alert.ops]\ntype = \"alertmanager\"\nurls = [\"http://a:9093\"]\nrepeat = \"never\"\n".to_owned(),
        "[alert.ops]\ntype = \"alertmanager\"\nurl = \"http://a:9093\"\nurls = [\"http://b:9093\"]\n"
            .to_owned(),
        "[alert.ops]\ntype = \"sentry\"\nurl = \"https://sentry.example.org/42\"\n".to_owned(),
        "[alert.ops]\ntype = \"sentry\"\nurl = \"https://key:s3cret@sentry.example.org/42\"\n".to_owned(),
        "[alert.ops]\ntype = \"sentry\"\nurl = \"https://key@s.example.org/42\"\ncredential = \"dsn\"\n"
            .to_owned(),
        "[alert.ops]\ntype = \"command\"\ncommand = [\"page\"]\n".to_owned(),
        "[alert.ops]\ntype = \"command\"\n".to_owned(),
        "[heartbeat]\nperiod = \"1m\"\n".to_owned(),
        "[heartbeat]\nurl = \"https://hc.example.org/1\"\ncredential = \"beat\"\n".to_owned(),
        "[heartbeat]\nurl = \"https://hc.example.org/1\"\nperiod = \"5ms\"\n".to_owned(),
        "[labels]\nTeam = \"media\"\n".to_owned(),
        "[labels]\nunit = \"all\"\n".to_owned(),
        "[labels]\nteam = \"\"\n".to_owned(),
    ];
    let told: Vec<String> = wrong.iter().map(|text| settings_of(text).expect_err(text)).collect();
    insta::assert_snapshot!(told.join("\n\n"));
}

#[test]
fn a_command_belongs_to_who_may_decide() {
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join("page");
    fs::write(&program, "").expect("a program");
    let text = format!("[alert.ops]\ntype = \"command\"\ncommand = [\"{}\"]\n", program.display());
    // Below a sticky /tmp others can write.
    let told = settings_of(&text).expect_err("refused");
    assert!(told.contains("cannot run") && told.contains("written by others"), "{told}");
}

#[test]
fn a_bad_sink_harms_no_other_and_keeps_its_last_good_version() {
    let (_root, directories) = super::tests::scratch();
    let write = |text: &str| fs::write(&directories.settings, text).expect("a file");
    let sinks = |loaded: &super::Loaded| -> Vec<String> {
        loaded.settings.sinks.iter().map(|sink| format!("{} {:?}", sink.name, sink.timeout)).collect()
    };
    let table = |name: &str, key: &str| {
        format!("[alert.{name}]\ntype = \"webhook\"\nurl = \"https://hooks.example.org/\"\n{key}\n")
    };
    let mut loader = super::Loader::new(directories.clone());
    write(&[table("a", "timeout = \"1s\""), table("b", "tmeout = \"1s\"")].concat());
    let loaded = loader.load();
    assert_eq!(sinks(&loaded), ["a 1s"]);
    assert_eq!(loaded.problems.len(), 1);
    assert!(
        !loaded.problems[0].last_good_in_force
            && loaded.problems[0].message.contains("did you mean `timeout`")
    );
    assert_eq!((loaded.problems[0].line, loaded.problems[0].column), (8, 1));

    write(&[table("a", "timeout = 5"), table("b", "timeout = \"2s\"")].concat());
    let loaded = loader.load();
    assert_eq!(sinks(&loaded), ["a 1s", "b 2s"], "the last good one of a, and the new one of b");
    assert!(loaded.problems.len() == 1 && loaded.problems[0].last_good_in_force, "{:?}", loaded.problems);

    write(&[table("a", "timeout = \"5s\""), "[labels]\nTeam = \"x\"\n".to_owned()].concat());
    let loaded = loader.load();
    assert_eq!(sinks(&loaded), ["a 1s", "b 2s"], "a mistake outside of the sinks keeps the whole file");
    assert!(loaded.problems.len() == 1 && loaded.problems[0].last_good_in_force, "{:?}", loaded.problems);

    write(&table("b", ""));
    let loaded = loader.load();
    assert_eq!((sinks(&loaded), loaded.problems), (vec!["b 10s".to_owned()], Vec::new()), "a is gone");
}
