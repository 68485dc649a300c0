//! Enabled and boot-proof: what each `UnitFileState` means, and what the next boot does with a unit.

use crate::model::boot::{BootReading, BootVerdict, Lingering, Prediction};
use crate::model::finding::{Code, Severity};
use crate::model::moment::Moment;
use crate::model::unit::{UnitFileState, UnitName, UnitSettings};
use crate::policy::judgement::{Judgement, finding, proven};

/// What this concern says of a condition, before it is known how severe a finding is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// All is well: a short word and a sentence.
    Good(&'static str, String),
    /// It cannot be told: a short word and a sentence.
    Unknown(&'static str, String),
    /// These are wrong, the most important first.
    Bad(Problem, Vec<Problem>),
}

/// Something that is wrong, and the command that repairs it, where one is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    pub message: String,
    pub repair: Option<String>,
}

impl Opinion {
    /// The judgement with findings of this severity.
    #[must_use]
    pub fn judgement(self, severity: Severity, now: Moment) -> Judgement {
        let found = |problem: Problem| {
            proven(finding(problem.code, severity, problem.message, now), Vec::new(), problem.repair)
        };
        match self {
            Self::Good(word, message) => Judgement::good(word, message),
            Self::Unknown(word, message) => Judgement::unknown(word, message),
            Self::Bad(first, more) => {
                more.into_iter().fold(Judgement::bad(found(first)), |judged, next| judged.and(found(next)))
            }
        }
    }

    fn bad(code: Code, message: String, repair: Option<String>) -> Self {
        Self::Bad(Problem { code, message, repair }, Vec::new())
    }
}

/// What the next boot does with the unit. `state` is its enablement where it was told.
#[must_use]
pub fn boot_verdict(
    unit: &UnitName,
    settings: &UnitSettings,
    state: Option<&UnitFileState>,
    reading: &BootReading,
) -> BootVerdict {
    if let Some(failure) = &reading.failure {
        return unknown(format!("the next boot could not be computed: {failure}"));
    }
    if let Some(doubt) = reading.doubts.get(unit) {
        return unknown(format!("boot may start it or not: {doubt}"));
    }
    if reading.starts.contains(unit) {
        return started(settings);
    }
    if let Some(why) = never(settings, state) {
        return BootVerdict::Unreachable { why };
    }
    if let Some(trigger) = settings.triggered_by.iter().find(|trigger| reading.starts.contains(trigger)) {
        return armed(trigger, settings, reading);
    }
    if let Some(why) = on_demand(unit, settings, reading) {
        return unknown(why);
    }
    BootVerdict::Unreachable { why: not_wanted(unit, settings, state) }
}

fn unknown(why: String) -> BootVerdict {
    BootVerdict::Unknown { why }
}

/// The transaction has a start job for it. What can still come between?
fn started(settings: &UnitSettings) -> BootVerdict {
    let facts = &settings.boot;
    if let Some(mount) = &facts.late_mount {
        let why =
            format!("its unit file lies on {mount}, which is mounted after systemd has read the unit files");
        return BootVerdict::Unreachable { why };
    }
    // The engine does not see systemd's own volatile directories: what it found is another file of that name. It follows a
    // lasting link to a file elsewhere in /run, which is gone at boot.
    let hidden = |path: &str| path == settings.fragment && in_volatile_unit_path(path);
    if let Some(path) = facts.vanishes.as_ref().filter(|path| !hidden(path)) {
        return unknown(format!("boot has a start job for it, but {path} will not outlast the reboot"));
    }
    match doubtful_condition(settings) {
        Some(why) => unknown(why),
        None => BootVerdict::Starts,
    }
}

/// Unit files in these directories are hidden from the engine.
fn in_volatile_unit_path(fragment: &str) -> bool {
    fragment.starts_with("/run/systemd/")
        || (fragment.starts_with("/run/user/") && fragment.contains("/systemd/"))
}

/// A condition of boot is that of today, so that an unmet one says nothing certain of the next boot.
fn doubtful_condition(settings: &UnitSettings) -> Option<String> {
    let facts = &settings.boot;
    if let Some(unmet) = facts.unmet_conditions.first() {
        return Some(format!(
            "boot starts it only if {unmet} holds, which it did not when it was last tried"
        ));
    }
    let untried = facts.untried_conditions.first()?;
    Some(format!("boot starts it only if {untried} holds, which was not tried in this boot yet"))
}

/// Reasons that hold whatever the transaction says of others.
fn never(settings: &UnitSettings, state: Option<&UnitFileState>) -> Option<String> {
    if state == Some(&UnitFileState::Masked) {
        return Some("it is masked".to_owned());
    }
    if state == Some(&UnitFileState::Transient) {
        return Some("it was made at run time and is gone after a reboot".to_owned());
    }
    let vanishes = settings.boot.vanishes.as_ref();
    vanishes.map(|path| format!("{path} is gone after a reboot"))
}

/// Boot starts `trigger`, and that starts the unit.
fn armed(trigger: &UnitName, settings: &UnitSettings, reading: &BootReading) -> BootVerdict {
    if let Some(doubt) = reading.doubts.get(trigger) {
        return unknown(format!("{trigger}, which starts it, may be started by boot or not: {doubt}"));
    }
    if let Some(mount) = &settings.boot.late_mount {
        return unknown(format!(
            "boot starts {trigger}, but the unit file lies on {mount}, which is mounted late"
        ));
    }
    match doubtful_condition(settings) {
        Some(why) => unknown(why.replacen("boot starts it", &format!("{trigger} starts it"), 1)),
        None => BootVerdict::Armed { by: trigger.clone() },
    }
}

/// Started by other means than the boot transaction: it may run soon after boot, or not.
fn on_demand(unit: &UnitName, settings: &UnitSettings, reading: &BootReading) -> Option<String> {
    let names = || std::iter::once(unit).chain(&settings.names);
    if let Some(name) = names().find(|name| reading.starts.contains(*name)) {
        return Some(format!("boot starts {name}, but may not know it by the name {unit}"));
    }
    if settings.service_type == "dbus" || names().any(|name| name.as_str().starts_with("dbus-")) {
        return Some("boot does not start it, but whoever calls its bus name does".to_owned());
    }
    if unit.as_str().starts_with("user@") || unit.as_str().starts_with("user-runtime-dir@") {
        return Some("it is started by logind for a user who logs in or lingers".to_owned());
    }
    if matches!(unit.kind(), "device" | "scope") || (settings.fragment.is_empty() && unit.kind() != "service")
    {
        return Some("it has no unit file: it follows what the kernel or a program makes".to_owned());
    }
    None
}

/// Why nothing that boot starts wants it.
fn not_wanted(unit: &UnitName, settings: &UnitSettings, state: Option<&UnitFileState>) -> String {
    let what = match state {
        Some(UnitFileState::Enabled) => {
            "it is enabled, but only by links under units that boot does not start, or by an Alias= alone"
        }
        Some(UnitFileState::EnabledRuntime) => "it is enabled only until the next reboot (--runtime)",
        Some(UnitFileState::Linked) => "it is only linked, and no unit that boot starts wants it",
        Some(UnitFileState::LinkedRuntime) => "it is linked only until the next reboot (--runtime)",
        Some(UnitFileState::Alias) => "it is an alias of a unit that boot does not start",
        Some(UnitFileState::MaskedRuntime) => {
            "it is masked only until the next reboot, but no unit that boot starts wants it"
        }
        Some(UnitFileState::Static) => "it has no [Install] section, and no unit that boot starts wants it",
        Some(UnitFileState::Disabled) => "it is disabled, and no unit that boot starts wants it",
        Some(UnitFileState::Indirect) => "it is not enabled itself, and no unit that boot starts wants it",
        Some(UnitFileState::Generated) => "its generator made it, but no unit that boot starts wants it",
        Some(UnitFileState::Bad) => "its unit file cannot be used",
        Some(UnitFileState::NotFound) => "it has no unit file",
        Some(UnitFileState::Masked | UnitFileState::Transient | UnitFileState::Unknown(_)) | None => {
            "no unit that boot starts wants it"
        }
    };
    match settings.triggered_by.as_slice() {
        [] => what.to_owned(),
        triggers => {
            let triggers: Vec<&str> = triggers.iter().map(UnitName::as_str).collect();
            format!("{what}, and boot does not start {}, which would start {unit}", triggers.join(", "))
        }
    }
}

/// The condition `Enabled`. `verdict` is what the next boot does with it, once that was computed.
#[must_use]
pub fn enabled(
    unit: &UnitName,
    state: &UnitFileState,
    verdict: Option<&BootVerdict>,
    user_instance: bool,
) -> Opinion {
    let systemctl = systemctl(user_instance);
    let enable = || Some(format!("{systemctl} enable {unit}"));
    match state {
        UnitFileState::Enabled => Opinion::Good("enabled", format!("{unit} is enabled")),
        UnitFileState::Static => {
            Opinion::Good("static", format!("{unit} has no [Install] section: there is nothing to enable"))
        }
        UnitFileState::Generated => {
            Opinion::Good("generated", format!("{unit} is made by a generator at each boot"))
        }
        UnitFileState::Masked | UnitFileState::MaskedRuntime => Opinion::bad(
            Code::UnitMasked,
            format!("{unit} is {}", masked(state)),
            Some(format!("{systemctl} unmask {}{unit}", runtime(state))),
        ),
        UnitFileState::Bad => Opinion::Unknown("bad", format!("the unit file of {unit} cannot be used")),
        UnitFileState::NotFound => Opinion::Unknown("not-found", format!("{unit} has no unit file")),
        UnitFileState::Unknown(why) => {
            Opinion::Unknown("unread", format!("cannot tell whether {unit} is enabled: {why}"))
        }
        UnitFileState::Transient => {
            let message = format!("{unit} was made at run time: there is no unit file to enable");
            Opinion::bad(Code::NotEnabled, message, None)
        }
        UnitFileState::EnabledRuntime => by_others(unit, state, verdict).unwrap_or_else(|| {
            let message = format!("{unit} is enabled only until the next reboot");
            Opinion::bad(Code::EnabledRuntimeOnly, message, enable())
        }),
        UnitFileState::LinkedRuntime => by_others(unit, state, verdict).unwrap_or_else(|| {
            let message = format!("{unit} is only linked, and only until the next reboot");
            Opinion::bad(Code::EnabledRuntimeOnly, message, None)
        }),
        UnitFileState::Alias => by_others(unit, state, verdict).unwrap_or_else(|| {
            let message = format!("{unit} is an alias of a unit that boot does not start");
            Opinion::bad(Code::NotEnabled, message, None)
        }),
        UnitFileState::Indirect if unit.template().is_none() => {
            let message = format!("{unit} has no links of its own: it only enables others");
            Opinion::Good("indirect", message)
        }
        UnitFileState::Linked | UnitFileState::Indirect | UnitFileState::Disabled => {
            by_others(unit, state, verdict).unwrap_or_else(|| {
                let message = format!("{unit} is {}", state.as_str());
                Opinion::bad(Code::NotEnabled, message, enable())
            })
        }
    }
}

/// A unit that is not enabled itself is as good as enabled where boot starts it all the same.
fn by_others(unit: &UnitName, state: &UnitFileState, verdict: Option<&BootVerdict>) -> Option<Opinion> {
    let state = state.as_str();
    match verdict {
        None => {
            let message = format!("{unit} is {state}; whether boot starts it was not computed yet");
            Some(Opinion::Unknown("unread", message))
        }
        Some(BootVerdict::Starts) => {
            let message = format!("{unit} is {state}, but boot starts it: another unit wants it");
            Some(Opinion::Good("pulled-in", message))
        }
        Some(BootVerdict::Armed { by }) => {
            Some(Opinion::Good("armed", format!("{unit} is {state}; boot starts {by}, which starts it")))
        }
        Some(BootVerdict::Unreachable { .. } | BootVerdict::Unknown { .. }) => None,
    }
}

/// Whether the unit could have links that enable it and has none that last.
#[must_use]
pub fn lacks_links(state: &UnitFileState) -> bool {
    match state {
        UnitFileState::Disabled | UnitFileState::EnabledRuntime | UnitFileState::Linked => true,
        UnitFileState::Enabled
        | UnitFileState::LinkedRuntime
        | UnitFileState::Alias
        | UnitFileState::Masked
        | UnitFileState::MaskedRuntime
        | UnitFileState::Static
        | UnitFileState::Indirect
        | UnitFileState::Generated
        | UnitFileState::Transient
        | UnitFileState::Bad
        | UnitFileState::NotFound
        | UnitFileState::Unknown(_) => false,
    }
}

/// The condition `Boot`.
#[must_use]
pub fn boot(
    unit: &UnitName,
    state: Option<&UnitFileState>,
    verdict: &BootVerdict,
    reading: &BootReading,
) -> Opinion {
    let unreachable = unreachable(unit, state, verdict, reading);
    if let Some(Lingering { user, on: false }) = &reading.lingering {
        let first = Problem {
            code: Code::NoLinger,
            message: format!("no manager of {user} runs at boot to start {unit}: lingering is off"),
            repair: Some(format!("loginctl enable-linger {user}")),
        };
        return Opinion::Bad(first, unreachable.into_iter().collect());
    }
    match (unreachable, verdict) {
        (Some(problem), _) => Opinion::Bad(problem, Vec::new()),
        (None, BootVerdict::Armed { by }) => {
            Opinion::Good("armed", format!("boot starts {by}, which starts {unit}"))
        }
        (None, BootVerdict::Unknown { why }) => {
            Opinion::Unknown("unpredictable", format!("whether boot starts {unit} cannot be told: {why}"))
        }
        (None, BootVerdict::Starts | BootVerdict::Unreachable { .. }) => {
            Opinion::Good("starts", format!("boot starts {unit}"))
        }
    }
}

fn unreachable(
    unit: &UnitName,
    state: Option<&UnitFileState>,
    verdict: &BootVerdict,
    reading: &BootReading,
) -> Option<Problem> {
    let BootVerdict::Unreachable { why } = verdict else {
        return None;
    };
    let user_instance = reading.lingering.is_some();
    let systemctl = systemctl(user_instance);
    let target = if user_instance { "default.target" } else { "multi-user.target" };
    let repair = match state {
        Some(UnitFileState::Disabled | UnitFileState::EnabledRuntime | UnitFileState::Linked) => {
            Some(format!("{systemctl} enable {unit}"))
        }
        Some(UnitFileState::Indirect) if unit.template().is_some() => {
            Some(format!("{systemctl} enable {unit}"))
        }
        Some(UnitFileState::Masked) => Some(format!("{systemctl} unmask {unit}")),
        Some(UnitFileState::Static) => Some(format!("{systemctl} add-wants {target} {unit}")),
        Some(
            UnitFileState::Enabled
            | UnitFileState::LinkedRuntime
            | UnitFileState::Alias
            | UnitFileState::MaskedRuntime
            | UnitFileState::Indirect
            | UnitFileState::Generated
            | UnitFileState::Transient
            | UnitFileState::Bad
            | UnitFileState::NotFound
            | UnitFileState::Unknown(_),
        )
        | None => None,
    };
    let message = format!("boot does not start {unit}: {why}");
    Some(Problem { code: Code::BootUnreachable, message, repair })
}

fn masked(state: &UnitFileState) -> &'static str {
    if *state == UnitFileState::MaskedRuntime { "masked until the next reboot" } else { "masked" }
}

fn runtime(state: &UnitFileState) -> &'static str {
    if *state == UnitFileState::MaskedRuntime { "--runtime " } else { "" }
}

fn systemctl(user_instance: bool) -> &'static str {
    if user_instance { "systemctl --user" } else { "systemctl" }
}

/// Compares a prediction, made in an earlier boot, with what this boot did: a sentence when it was wrong.
///
/// Only a unit that was to start and did not counts: one that runs although it was not to start may have been asked for.
#[must_use]
pub fn compare(prediction: &Prediction, started_in_this_boot: bool) -> Option<String> {
    match &prediction.verdict {
        BootVerdict::Starts if !started_in_this_boot => {
            Some("it was predicted to start at this boot, and did not".to_owned())
        }
        BootVerdict::Starts
        | BootVerdict::Armed { .. }
        | BootVerdict::Unreachable { .. }
        | BootVerdict::Unknown { .. } => None,
    }
}

#[cfg(test)]
mod tests;
