//! Good and bad sinks and labels: what they make, and what people are told.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{diagnose, parse};
use crate::model::alert::{SinkKind, SinkSpec};
use crate::model::finding::Severity;
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
    let usual = |keys: &str| SinkSpec {
        name: "ops".to_owned(),
        kind: SinkKind { keys: keys.to_owned(), all: false },
        min_severity: Severity::Warning,
        matching: BTreeMap::new(),
        after: Duration::ZERO,
        repeat: Some(Duration::from_secs(4 * 3600)),
        burst: 10,
        interval: Duration::from_secs(600),
        timeout: Duration::from_secs(10),
    };
    let hook = "url = \"https://hooks.example.org/steadfast\"\n";
    let read = sink_of(&format!("[alert.ops]\ntype = \"webhook\"\n{hook}"));
    assert_eq!(read, usual(&format!("[webhook]\nformat = \"json\"\n{hook}")));

    let slack = "credential = \"slack\"\nformat = \"slack\"\n";
    let read = sink_of(&format!("[alert.ops]\ntype = \"webhook\"\n{slack}"));
    assert_eq!(read, usual(&format!("[webhook]\n{slack}")));

    let mail =
        "from = \"Steadfast <steadfast@example.org>\"\nhost = \"localhost\"\nto = \"ops@example.org\"\n";
    let little = mail.replace("host = \"localhost\"\n", "");
    let read = sink_of(&format!("[alert.ops]\ntype = \"smtp\"\n{little}"));
    assert_eq!(read, usual(&format!("[smtp]\n{mail}")));

    let urls = "urls = [\"http://a:9093\", \"https://b:9093\"]\n";
    let read = sink_of(&format!("[alert.ops]\ntype = \"alertmanager\"\n{urls}"));
    let cluster = usual(&format!("[alertmanager]\n{urls}"));
    let kind = SinkKind { all: true, ..cluster.kind };
    assert_eq!(read, SinkSpec { kind, repeat: Some(Duration::from_secs(60)), ..cluster });

    let dsn = "url = \"https://0123456789abcdef@sentry.example.org/42\"\n";
    let read = sink_of(&format!("[alert.ops]\ntype = \"sentry\"\n{dsn}"));
    assert_eq!(read, usual(&format!("[sentry]\n{dsn}")));

    let command = "command = [\"/bin/true\", \"--page\"]\n";
    let read = sink_of(&format!("[alert.ops]\ntype = \"command\"\n{command}"));
    assert_eq!(read, usual(&format!("[command]\n{command}")));
}

#[test]
fn what_is_handed_on_is_read_again() {
    for (name, keys) in [
        ("webhook", "url = \"https://hooks.example.org/\"\nformat = \"ntfy\"\ncredential = \"token\""),
        (
            "smtp",
            "host = \"mail\"\nfrom = \"a@b.c\"\nto = [\"d@e.f\", \"g@h.i\"]\nencryption = \"tls\"\nport = 2525",
        ),
        ("alertmanager", "url = \"http://a:9093\"\nuser = \"u\"\npassword_file = \"/p\""),
        ("sentry", "password_file = \"/p\""),
        ("command", "command = [\"/bin/true\"]"),
    ] {
        let spec = sink_of(&format!("[alert.ops]\ntype = \"{name}\"\n{keys}\n"));
        let again = crate::alert::of(&spec).expect("it is read again");
        let text = spec.kind.keys.replace(&format!("[{name}]"), &format!("[alert.ops]\ntype = \"{name}\""));
        assert_eq!(sink_of(&text).kind, spec.kind, "{again:?}");
    }
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
