//! What is configured for a loaded unit: read after each load of it, never with each change of its state.

use std::path::Path;

use zbus::Variant;

use super::values::{self, INFINITY, Values};
use crate::model::boot::UnitBootFacts;
use crate::model::unit::{UnitName, UnitSettings};
use crate::model::will::{ExitSet, KillMode, Restart, ServiceType, Will};

/// What settings need of the `Unit` interface, always …
pub(super) const PROPERTIES: [&str; 12] = [
    "Id",
    "Names",
    "FragmentPath",
    "DropInPaths",
    "NeedDaemonReload",
    "CanStart",
    "CanStop",
    "TriggeredBy",
    "Conditions",
    "Asserts",
    "StartLimitBurst",
    "StartLimitIntervalUSec",
];
/// … and afterwards, since only so many answers may be outstanding. An older systemd does not know each of them.
pub(super) const LATER: [&str; 18] = [
    "ConsistsOf",
    "RequiredBy",
    "BoundBy",
    "RequisiteOf",
    "PartOf",
    "BindsTo",
    "Requires",
    "Requisite",
    "Conflicts",
    "ConflictedBy",
    "StopPropagatedFrom",
    "UpheldBy",
    "StopWhenUnneeded",
    "WantedBy",
    "StartLimitAction",
    "FailureAction",
    "SuccessAction",
    "JobTimeoutAction",
];
/// What a restart takes along.
const ALONG: [&str; 4] = ["ConsistsOf", "RequiredBy", "BoundBy", "RequisiteOf"];

/// Settings as far as the `Unit` interface tells them.
pub(super) fn of_unit(told: &Values<'_>) -> UnitSettings {
    let id = values::text_or_empty(told, "Id");
    let mut names = vec![UnitName(id.clone())];
    names.extend(values::texts(told, "Names").into_iter().filter(|name| *name != id).map(UnitName));
    let mut boot = UnitBootFacts::default();
    for (conditions, result, tried) in [
        ("Conditions", "ConditionResult", "ConditionTimestampMonotonic"),
        ("Asserts", "AssertResult", "AssertTimestampMonotonic"),
    ] {
        let met = values::number(told, tried).is_some_and(|at| at > 0) && values::flag(told, result);
        // A reload forgets the result of each condition, not the result of all.
        if !met {
            judge(&conditions_of(told, conditions), &mut boot);
        }
    }
    UnitSettings {
        names,
        fragment: values::text_or_empty(told, "FragmentPath"),
        need_daemon_reload: values::flag(told, "NeedDaemonReload"),
        // Both take the refusal of manual starts and stops into account.
        can_start: values::flag(told, "CanStart"),
        can_stop: values::flag(told, "CanStop"),
        allow_isolate: values::flag(told, "AllowIsolate"),
        start_limit_burst: values::small(told, "StartLimitBurst").unwrap_or(0),
        start_limit_interval_ms: values::number(told, "StartLimitIntervalUSec").unwrap_or(0) / 1000,
        triggered_by: named(told, &["TriggeredBy"]),
        stops_with: named(told, &["PartOf", "BindsTo", "Requires", "Requisite", "StopPropagatedFrom"]),
        binds_to: named(told, &["BindsTo", "StopPropagatedFrom"]),
        conflicts: named(told, &["Conflicts", "ConflictedBy"]),
        takes_along: named(told, &ALONG),
        pulls: named(told, &["Requires", "BindsTo"]),
        boot,
        will: Box::new(will(told)),
        ..UnitSettings::default()
    }
}

/// What the file wants of systemd, as far as the `Unit` interface tells it.
fn will(told: &Values<'_>) -> Will {
    let action = |name: &str| {
        let value = values::text(told, name).filter(|value| !matches!(*value, "" | "none"))?;
        Some(format!("{name}={value}"))
    };
    let device = |unit: &UnitName| unit.kind() == "device";
    let wanted_by = named(told, &["WantedBy", "RequiredBy"]).into_iter().filter(device);
    let mut lacks: Vec<UnitName> = named(told, &["BindsTo", "Requires"]).into_iter().filter(device).collect();
    lacks.extend(named(told, &["Requisite"]));
    Will {
        failure_action: action("FailureAction"),
        success_action: action("SuccessAction"),
        start_limit_action: action("StartLimitAction"),
        job_timeout_action: action("JobTimeoutAction"),
        upheld_by: named(told, &["UpheldBy"]),
        stop_when_unneeded: values::flag(told, "StopWhenUnneeded"),
        devices: wanted_by.map(|unit| unit.0).collect(),
        lacks,
        ..Will::default()
    }
}

/// The units that these lists name, each once.
fn named(told: &Values<'_>, lists: &[&str]) -> Vec<UnitName> {
    let mut units: Vec<UnitName> =
        lists.iter().flat_map(|list| values::texts(told, list)).map(UnitName).collect();
    units.sort();
    units.dedup();
    units
}

/// Adds what the interface of the unit's own kind tells.
pub(super) fn add_kind(settings: &mut UnitSettings, told: &Values<'_>) {
    settings.service_type = ServiceType::of(values::text(told, "Type").unwrap_or_default());
    settings.remain_after_exit = values::flag(told, "RemainAfterExit");
    settings.root_directory = values::text_or_empty(told, "RootDirectory").trim_end_matches('/').into();
    settings.root_image = !values::text_or_empty(told, "RootImage").is_empty();
    let more = ["BindPaths", "BindReadOnlyPaths", "MountImages", "ExtensionImages", "ExtensionDirectories"];
    settings.sees_more = more.iter().any(|name| values::items(told, name).next().is_some());
    settings.working_directory = values::text(told, "WorkingDirectory")
        .map(|directory| directory.trim_start_matches(['!', '-']).to_owned())
        .unwrap_or_default();
    settings.directory_optional = values::text(told, "WorkingDirectory")
        .is_some_and(|directory| directory.starts_with(['!', '-']))
        || is_made_by_systemd(told, &settings.working_directory);
    settings.exec_start = values::items(told, "ExecStart").filter_map(command).collect();
    let assigned = values::texts(told, "Environment");
    settings.environment_paths = assigned
        .iter()
        .filter_map(|assignment| assignment.split_once('=').map(|(_, value)| value.to_owned()))
        .chain(values::texts(told, "EnvironmentFiles"))
        .chain(["BindPaths", "BindReadOnlyPaths"].iter().flat_map(|name| sources(told, name)))
        .filter(|path| path.starts_with('/'))
        .collect();
    settings.control_group = values::text_or_empty(told, "ControlGroup");
    settings.kill_mode = KillMode::of(values::text(told, "KillMode").unwrap_or_default());
    settings.timeout_start_ms = limit_ms(told, "TimeoutStartUSec");
    settings.timeout_stop_ms = limit_ms(told, "TimeoutStopUSec");
    let will = &mut settings.will;
    will.restart = Restart::of(values::text(told, "Restart").unwrap_or_default());
    will.restart_ms = longest_wait(told);
    will.pid_file = values::text_or_empty(told, "PIDFile");
    will.user = values::text_or_empty(told, "User");
    will.prevents = exit_set(told, "RestartPreventExitStatus");
    will.forces = exit_set(told, "RestartForceExitStatus") != ExitSet::default();
    will.runtime_max_ms = limit_ms(told, "RuntimeMaxUSec").filter(|limit| *limit > 0);
}

/// Whether systemd makes this directory at each start.
fn is_made_by_systemd(told: &Values<'_>, directory: &str) -> bool {
    let made = [
        ("RuntimeDirectory", "/run"),
        ("StateDirectory", "/var/lib"),
        ("CacheDirectory", "/var/cache"),
        ("LogsDirectory", "/var/log"),
    ];
    made.iter().any(|(name, base)| {
        let named = values::texts(told, name);
        named.iter().any(|name| Path::new(directory).starts_with(Path::new(base).join(name)))
    })
}

/// The longest that systemd waits before a restart of its own. Steps and a longest delay came with systemd 254.
fn longest_wait(told: &Values<'_>) -> Option<u64> {
    let first = limit_ms(told, "RestartUSec");
    let steps = values::number(told, "RestartSteps").unwrap_or(0);
    match limit_ms(told, "RestartMaxDelayUSec").filter(|_| steps > 0) {
        Some(longest) => first.map(|first| first.max(longest)),
        None => first,
    }
}

/// A list of exit statuses and one of signals.
fn exit_set(told: &Values<'_>, name: &str) -> ExitSet {
    let Some(Variant::Structure(lists)) = told.get(name) else {
        return ExitSet::default();
    };
    let numbers = |list: Option<&Variant<'_>>| -> Vec<u32> {
        let Some(Variant::Array(items)) = list else { return Vec::new() };
        let number = |item: &Variant<'_>| match item {
            Variant::I32(number) => u32::try_from(*number).ok(),
            Variant::U8(number) => Some(u32::from(*number)),
            _ => None,
        };
        items.inner().iter().filter_map(number).collect()
    };
    ExitSet { codes: numbers(lists.fields().first()), signals: numbers(lists.fields().get(1)) }
}

/// Milliseconds; `None` is infinity, and what a kind of unit does not have.
fn limit_ms(told: &Values<'_>, name: &str) -> Option<u64> {
    values::number(told, name).filter(|micros| *micros != INFINITY).map(|micros| micros / 1000)
}

/// Path and arguments of one `ExecStart=`; its first argument, the name it goes by, is not one.
fn command(item: &Variant<'_>) -> Option<Vec<String>> {
    let Variant::Structure(fields) = item else {
        return None;
    };
    let [path, Variant::Array(arguments), ..] = fields.fields() else {
        return None;
    };
    let mut command = vec![values::as_text(path)?.to_owned()];
    command.extend(arguments.inner().iter().skip(1).filter_map(values::as_text).map(str::to_owned));
    Some(command)
}

/// The host's paths of what is mounted for the unit alone: they may lead over a release link.
fn sources(told: &Values<'_>, name: &str) -> impl Iterator<Item = String> {
    values::items(told, name).filter_map(|item| match item {
        Variant::Structure(fields) => fields.fields().first().and_then(values::as_text).map(str::to_owned),
        _ => None,
    })
}

/// One `Condition…=` or `Assert…=`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Condition {
    /// As it is written in the unit file.
    written: String,
    /// `|`: one of these is enough.
    triggering: bool,
    /// Positive: met when last tried; negative: unmet; zero: not tried.
    state: i32,
}

fn conditions_of(told: &Values<'_>, name: &str) -> Vec<Condition> {
    values::items(told, name).filter_map(condition).collect()
}

fn condition(item: &Variant<'_>) -> Option<Condition> {
    let Variant::Structure(fields) = item else {
        return None;
    };
    let [kind, Variant::Bool(triggering), Variant::Bool(negated), value, Variant::I32(state)] =
        fields.fields()
    else {
        return None;
    };
    let (kind, value) = (values::as_text(kind)?, values::as_text(value)?);
    let (pipe, bang) = (if *triggering { "|" } else { "" }, if *negated { "!" } else { "" });
    Some(Condition { written: format!("{kind}={pipe}{bang}{value}"), triggering: *triggering, state: *state })
}

/// Sorts out which conditions stand in the way: each plain one, and the triggering ones only while none of them is met.
fn judge(conditions: &[Condition], facts: &mut UnitBootFacts) {
    let triggered = conditions.iter().any(|condition| condition.triggering && condition.state > 0);
    let waiting = conditions.iter().any(|condition| condition.triggering && condition.state == 0);
    for condition in conditions {
        if condition.triggering && triggered {
            continue;
        }
        // One that is not tried could still be met, so that an unmet triggering one decides nothing.
        let undecided = condition.state == 0 || (condition.triggering && waiting);
        if undecided {
            facts.untried_conditions.push(condition.written.clone());
        } else if condition.state < 0 {
            facts.unmet_conditions.push(condition.written.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn facts(conditions: &[(&str, bool, i32)]) -> UnitBootFacts {
        let conditions: Vec<Condition> = conditions
            .iter()
            .map(|(written, triggering, state)| Condition {
                written: (*written).to_owned(),
                triggering: *triggering,
                state: *state,
            })
            .collect();
        let mut facts = UnitBootFacts::default();
        judge(&conditions, &mut facts);
        facts
    }

    #[test]
    fn plain_conditions_stand_each_for_itself() {
        let facts = facts(&[("a", false, 1), ("b", false, -1), ("c", false, 0)]);
        assert_eq!(facts.unmet_conditions, ["b"]);
        assert_eq!(facts.untried_conditions, ["c"]);
    }

    #[test]
    fn one_met_triggering_condition_is_enough() {
        let met = facts(&[("a", true, -1), ("b", true, 1), ("c", true, 0)]);
        assert_eq!(met, UnitBootFacts::default());
        let none = facts(&[("a", true, -1), ("b", true, -1), ("c", false, 1)]);
        assert_eq!(none.unmet_conditions, ["a", "b"]);
        let open = facts(&[("a", true, -1), ("b", true, 0)]);
        assert_eq!(open.unmet_conditions, Vec::<String>::new());
        assert_eq!(open.untried_conditions, ["a", "b"]);
    }

    #[test]
    fn conditions_are_written_as_in_the_file() {
        let item = Variant::from(("ConditionPathExists", true, true, "/x", -1_i32));
        assert_eq!(
            condition(&item),
            Some(Condition { written: "ConditionPathExists=|!/x".to_owned(), triggering: true, state: -1 })
        );
    }

    #[test]
    fn a_reload_does_not_forget_that_all_conditions_were_met() {
        let untried = vec![("ConditionPathExists", false, false, "/x", 0_i32)];
        let told = |met: bool, at: u64| -> Values<'static> {
            HashMap::from([
                ("Id", Variant::from("x.service")),
                ("Conditions", Variant::from(untried.clone())),
                ("ConditionResult", Variant::from(met)),
                ("ConditionTimestampMonotonic", Variant::from(at)),
            ])
        };
        assert_eq!(of_unit(&told(true, 7)).boot, UnitBootFacts::default());
        for told in [told(false, 7), told(false, 0), told(true, 0)] {
            assert_eq!(of_unit(&told).boot.untried_conditions, ["ConditionPathExists=/x"]);
        }
    }

    #[test]
    fn what_an_end_does_to_the_host_and_what_devices_do_is_read() {
        let told: Values<'_> = HashMap::from([
            ("FailureAction", Variant::from("reboot-force")),
            ("SuccessAction", Variant::from("none")),
            ("WantedBy", Variant::from(vec!["dev-a.device", "multi-user.target"])),
            ("BindsTo", Variant::from(vec!["dev-a.device", "db.service"])),
            ("Requisite", Variant::from(vec!["net.service"])),
        ]);
        let will = of_unit(&told).will;
        assert_eq!(will.failure_action.as_deref(), Some("FailureAction=reboot-force"));
        assert_eq!(will.success_action, None);
        assert_eq!(will.devices, ["dev-a.device"]);
        assert_eq!(will.lacks, ["dev-a.device".into(), "net.service".into()]);
    }

    #[test]
    fn settings_of_a_service_are_taken_over() {
        let exec = vec![("/usr/bin/php", vec!["php", "artisan", "horizon"], false, 0_u64)];
        let told: Values<'_> = HashMap::from([
            ("Type", Variant::from("notify")),
            ("Restart", Variant::from("on-failure")),
            ("WorkingDirectory", Variant::from("!/srv/app/current")),
            ("ExecStart", Variant::from(exec)),
            ("Environment", Variant::from(vec!["APP=/srv/app", "MODE=fast"])),
            ("EnvironmentFiles", Variant::from(vec![("/etc/app.env", true)])),
            ("TimeoutStartUSec", Variant::from(90_000_000_u64)),
            ("TimeoutStopUSec", Variant::from(INFINITY)),
            ("RestartPreventExitStatus", Variant::from((vec![78_i32, 2], vec![15_i32]))),
            ("RestartUSec", Variant::from(100_000_u64)),
            ("RestartSteps", Variant::from(3_u32)),
            ("RestartMaxDelayUSec", Variant::from(600_000_000_u64)),
        ]);
        let mut settings = UnitSettings::default();
        add_kind(&mut settings, &told);
        assert_eq!(settings.exec_start, [["/usr/bin/php", "artisan", "horizon"]]);
        assert_eq!(settings.environment_paths, ["/srv/app", "/etc/app.env"]);
        assert_eq!(settings.working_directory, "/srv/app/current");
        assert_eq!(settings.timeout_start_ms, Some(90_000));
        assert_eq!(settings.timeout_stop_ms, None);
        assert_eq!(settings.service_type, ServiceType::Notify);
        assert_eq!(settings.will.restart, Restart::OnFailure);
        assert_eq!(settings.will.prevents, ExitSet { codes: vec![78, 2], signals: vec![15] });
        assert_eq!(settings.will.restart_ms, Some(600_000));
    }
}
