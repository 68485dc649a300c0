//! Tests of enablement and of the boot verdict, kind by kind.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::model::boot::{Hindrance, UnitBootFacts};
use crate::model::finding::{Truth, Why};
use crate::model::unit::UnitSettings;
use crate::model::will::ServiceType;

const NOW: Moment = Moment { boot_ms: 1_000, wall_ms: 2_000 };

fn reading(starts: &[&str]) -> BootReading {
    BootReading {
        starts: starts.iter().map(|unit| UnitName::from(*unit)).collect::<BTreeSet<_>>(),
        ..BootReading::default()
    }
}

fn settings(unit: &str) -> UnitSettings {
    UnitSettings {
        names: vec![unit.into()],
        fragment: format!("/etc/systemd/system/{unit}"),
        service_type: ServiceType::Simple,
        ..UnitSettings::default()
    }
}

fn verdict(settings: &UnitSettings, state: UnitFileState, reading: &BootReading) -> BootVerdict {
    boot_verdict(&"a.service".into(), settings, Some(&state), reading)
}

fn word(settings: &UnitSettings, state: UnitFileState, starts: &[&str]) -> &'static str {
    verdict(settings, state, &reading(starts)).as_str()
}

fn why(verdict: BootVerdict) -> String {
    match verdict {
        BootVerdict::Unreachable { why } | BootVerdict::Unknown { why } => why,
        BootVerdict::Starts | BootVerdict::Armed { .. } => String::new(),
    }
}

#[test]
fn the_transaction_decides_whatever_the_enablement_says() {
    let plain = settings("a.service");
    for state in [
        UnitFileState::Enabled,
        UnitFileState::EnabledRuntime,
        UnitFileState::Static,
        UnitFileState::Disabled,
        UnitFileState::MaskedRuntime,
        UnitFileState::Generated,
        UnitFileState::Alias,
    ] {
        assert_eq!(word(&plain, state.clone(), &["a.service"]), "starts", "{state:?}");
        assert_eq!(word(&plain, state.clone(), &["b.service"]), "unreachable", "{state:?}");
    }
}

#[test]
fn triggers_arm_a_unit_only_where_boot_starts_them() {
    let socket = UnitSettings { triggered_by: vec!["a.socket".into()], ..settings("a.service") };
    assert_eq!(word(&socket, UnitFileState::Static, &["a.socket"]), "armed");
    let unarmed = verdict(&socket, UnitFileState::Disabled, &reading(&["b.service"]));
    assert_eq!(
        why(unarmed),
        "it is disabled, and no unit that boot starts wants it, nor does boot start a.socket, which would start it"
    );
    assert_eq!(word(&socket, UnitFileState::Masked, &["a.socket"]), "unreachable");
    let mut doubtful = reading(&["a.socket"]);
    doubtful.doubts = BTreeMap::from([("a.socket".into(), "x".to_owned())]);
    assert_eq!(verdict(&socket, UnitFileState::Static, &doubtful).as_str(), "unknown");
}

#[test]
fn of_two_triggers_the_sure_one_counts() {
    let both =
        UnitSettings { triggered_by: vec!["a.path".into(), "a.timer".into()], ..settings("a.service") };
    let mut doubtful = reading(&["a.path", "a.timer"]);
    doubtful.doubts = BTreeMap::from([("a.path".into(), "x".to_owned())]);
    let armed = BootVerdict::Armed { by: "a.timer".into() };
    assert_eq!(verdict(&both, UnitFileState::Static, &doubtful), armed);
}

#[test]
fn the_reason_is_as_precise_as_it_is_known() {
    let plain = settings("a.service");
    let mut known = reading(&["b.service"]);
    known.hindrances = BTreeMap::from([(
        "a.service".into(),
        Hindrance::Unwanted("only never.target, which boot does not start, wants it".to_owned()),
    )]);
    let judged = boot(
        &"a.service".into(),
        Some(&UnitFileState::Enabled),
        &verdict(&plain, UnitFileState::Enabled, &known),
        &known,
    );
    let judged = judged.judgement(Severity::Critical, NOW);
    assert_eq!(judged.findings[0].repair.as_deref(), Some("systemctl add-wants multi-user.target a.service"));
    assert_eq!(
        why(verdict(&plain, UnitFileState::Enabled, &known)),
        "it is enabled, but only never.target, which boot does not start, wants it"
    );
    assert_eq!(
        why(verdict(&plain, UnitFileState::Static, &known)),
        "it has no [Install] section, and only never.target, which boot does not start, wants it"
    );
    let alias = verdict(&plain, UnitFileState::Enabled, &reading(&["b.service"]));
    assert_eq!(why(alias), "it is enabled, but by an Alias= alone, which nothing asks for");
    let vanishing = UnitSettings {
        boot: UnitBootFacts {
            vanishes: Some("/run/systemd/system/a.service".to_owned()),
            ..Default::default()
        },
        ..plain
    };
    assert_eq!(
        why(verdict(&vanishing, UnitFileState::MaskedRuntime, &reading(&["b.service"]))),
        "it is masked only until the next reboot, but no unit that boot starts wants it"
    );
}

#[test]
fn what_a_reboot_could_refute_is_unknown() {
    let plain = settings("a.service");
    let failed = BootReading { failure: Some("no engine".to_owned()), ..reading(&[]) };
    assert_eq!(
        why(verdict(&plain, UnitFileState::Enabled, &failed)),
        "the next boot could not be computed: no engine"
    );
    let mut doubted = reading(&["a.service"]);
    doubted.doubts = BTreeMap::from([("a.service".into(), "an ordering cycle with b.service".to_owned())]);
    assert_eq!(verdict(&plain, UnitFileState::Enabled, &doubted).as_str(), "unknown");
    doubted.starts.clear();
    assert_eq!(verdict(&plain, UnitFileState::Enabled, &doubted).as_str(), "unknown");

    let facts =
        UnitBootFacts { unmet_conditions: vec!["ConditionPathExists=/x".to_owned()], ..Default::default() };
    let conditional = UnitSettings { boot: facts, triggered_by: vec!["a.timer".into()], ..plain.clone() };
    assert_eq!(word(&conditional, UnitFileState::Enabled, &["a.service"]), "unknown");
    let by_timer = verdict(&conditional, UnitFileState::Static, &reading(&["a.timer"]));
    assert!(why(by_timer).starts_with("a.timer starts it only if ConditionPathExists=/x holds"));
    assert_eq!(word(&conditional, UnitFileState::Disabled, &["b.service"]), "unreachable");
    let facts =
        UnitBootFacts { untried_conditions: vec!["AssertPathExists=/x".to_owned()], ..Default::default() };
    let untried = UnitSettings { boot: facts, ..plain.clone() };
    assert_eq!(word(&untried, UnitFileState::Enabled, &["a.service"]), "unknown");

    let on_bus = UnitSettings { service_type: ServiceType::Dbus, ..plain.clone() };
    assert_eq!(word(&on_bus, UnitFileState::Static, &["b.service"]), "unknown");
    let alias = UnitSettings { names: vec!["b.service".into(), "a.service".into()], ..plain };
    assert_eq!(word(&alias, UnitFileState::Alias, &["b.service"]), "unknown");
}

#[test]
fn files_that_are_not_there_at_boot_start_nothing() {
    let facts = UnitBootFacts { late_mount: Some("/srv".to_owned()), ..Default::default() };
    let late = UnitSettings { boot: facts, ..settings("a.service") };
    assert_eq!(word(&late, UnitFileState::Enabled, &["a.service"]), "unreachable");
    let volatile = |path: &str| UnitSettings {
        fragment: path.to_owned(),
        boot: UnitBootFacts { vanishes: Some(path.to_owned()), ..Default::default() },
        ..settings("a.service")
    };
    let runtime = volatile("/run/systemd/system/a.service");
    let gone = verdict(&runtime, UnitFileState::Enabled, &reading(&["b.service"]));
    assert_eq!(why(gone), "/run/systemd/system/a.service is gone after a reboot");
    // The engine, which does not see /run/systemd/system, found another file of that name.
    assert_eq!(word(&runtime, UnitFileState::Enabled, &["a.service"]), "starts");
    for path in ["/run/app/a.service", "/run/systemd/system/a.service"] {
        let linked = UnitSettings { fragment: "/etc/systemd/system/a.service".to_owned(), ..volatile(path) };
        assert_eq!(word(&linked, UnitFileState::Enabled, &["a.service"]), "unknown", "{path}");
    }
    assert_eq!(word(&settings("a.service"), UnitFileState::Transient, &["b.service"]), "unreachable");
}

fn condition(state: &UnitFileState, verdict: Option<&BootVerdict>) -> (Truth, String, Option<String>) {
    let unit = UnitName::from("a.service");
    let judged = enabled(&unit, state, verdict, false).judgement(Severity::Critical, NOW);
    (judged.truth, judged.reason, judged.findings.first().and_then(|found| found.repair.clone()))
}

#[test]
fn every_enablement_is_interpreted() {
    let starts = BootVerdict::Starts;
    let armed = BootVerdict::Armed { by: "a.socket".into() };
    let never = BootVerdict::Unreachable { why: "x".to_owned() };
    let told = |state, verdict| {
        let (truth, reason, _) = condition(&state, verdict);
        format!("{} {reason}", truth.as_str())
    };
    assert_eq!(told(UnitFileState::Enabled, Some(&never)), "true enabled");
    assert_eq!(told(UnitFileState::Static, Some(&never)), "true static");
    assert_eq!(told(UnitFileState::Generated, None), "true generated");
    assert_eq!(told(UnitFileState::Disabled, Some(&never)), "false not-enabled");
    assert_eq!(told(UnitFileState::Disabled, Some(&starts)), "true pulled-in");
    assert_eq!(told(UnitFileState::Disabled, Some(&armed)), "true armed");
    assert_eq!(told(UnitFileState::Disabled, None), "unknown unread");
    assert_eq!(told(UnitFileState::EnabledRuntime, Some(&never)), "false enabled-runtime-only");
    assert_eq!(told(UnitFileState::LinkedRuntime, Some(&never)), "false enabled-runtime-only");
    assert_eq!(told(UnitFileState::Linked, Some(&never)), "false not-enabled");
    assert_eq!(told(UnitFileState::Alias, Some(&starts)), "true pulled-in");
    assert_eq!(told(UnitFileState::Alias, Some(&never)), "false not-enabled");
    assert_eq!(told(UnitFileState::Indirect, Some(&never)), "true indirect");
    assert_eq!(told(UnitFileState::Masked, Some(&never)), "false unit-masked");
    assert_eq!(told(UnitFileState::MaskedRuntime, Some(&starts)), "false unit-masked");
    assert_eq!(told(UnitFileState::Transient, Some(&never)), "false not-enabled");
    assert_eq!(told(UnitFileState::Bad, Some(&never)), "unknown bad");
    assert_eq!(told(UnitFileState::NotFound, Some(&never)), "unknown not-found");
    assert_eq!(told(UnitFileState::Unknown("x".to_owned()), Some(&never)), "unknown unread");
    assert_eq!(
        condition(&UnitFileState::Disabled, Some(&never)).2.as_deref(),
        Some("systemctl enable a.service")
    );
    let instance = enabled(&"w@a.service".into(), &UnitFileState::Indirect, Some(&never), true);
    let found = instance.judgement(Severity::Warning, NOW).findings;
    assert_eq!(found[0].repair.as_deref(), Some("systemctl --user enable w@a.service"));
}

#[test]
fn boot_names_the_reason_and_the_repair() {
    let unit = UnitName::from("a.service");
    let never = BootVerdict::Unreachable { why: "it is disabled".to_owned() };
    let judged = boot(&unit, Some(&UnitFileState::Disabled), &never, &reading(&["b.service"]))
        .judgement(Severity::Critical, NOW);
    assert_eq!(judged.reason, "boot-unreachable");
    assert_eq!(judged.message, "boot does not start a.service: it is disabled");
    assert_eq!(judged.findings[0].repair.as_deref(), Some("systemctl enable a.service"));

    let lingering = Some(Lingering { user: "joe".to_owned(), on: false });
    let off = BootReading { lingering, ..reading(&["a.service"]) };
    let judged = boot(&unit, None, &BootVerdict::Starts, &off).judgement(Severity::Critical, NOW);
    assert_eq!(judged.reason, "no-linger");
    assert_eq!(judged.findings[0].repair.as_deref(), Some("loginctl enable-linger joe"));
    let both = boot(&unit, None, &never, &off).judgement(Severity::Critical, NOW);
    let codes: Vec<&str> = both.findings.iter().map(|found| found.code.as_str()).collect();
    assert_eq!(codes, ["no-linger", "boot-unreachable"]);

    let judged = boot(&unit, None, &BootVerdict::Starts, &reading(&["a.service"]));
    assert_eq!(judged.judgement(Severity::Critical, NOW).truth, Truth::True);
    let unsure = BootVerdict::Unknown { why: "x".to_owned() };
    let judged = boot(&unit, None, &unsure, &reading(&["a.service"])).judgement(Severity::Critical, NOW);
    assert_eq!((judged.truth, judged.findings.len()), (Truth::Unknown(Why::Open), 0));
}

#[test]
fn a_refuted_promise_is_told_and_nothing_else() {
    let made = |verdict| Prediction { boot_id: "x".to_owned(), verdict, made_at: NOW };
    let starts = made(BootVerdict::Starts);
    assert_eq!(starts.compare(false).as_deref(), Some("it was predicted to start at this boot, and did not"));
    assert_eq!(starts.compare(true), None);
    for verdict in [
        BootVerdict::Armed { by: "a.socket".into() },
        BootVerdict::Unreachable { why: String::new() },
        BootVerdict::Unknown { why: String::new() },
    ] {
        assert_eq!(made(verdict.clone()).compare(false), None);
        assert_eq!(made(verdict).compare(true), None);
    }
}
