//! Enabled and boot-proof: what each `UnitFileState` means, and what is said of the next boot.

mod verdict;

use verdict::NOT_COMPUTED;
pub use verdict::boot_verdict;

use crate::model::boot::{BootReading, BootVerdict, Hindrance, Lingering, Prediction};
use crate::model::finding::{Code, Severity, Why};
use crate::model::moment::Moment;
use crate::model::unit::{UnitFileState, UnitName, UnitSettings};
use crate::policy::judgement::{Judgement, finding, proven};

/// What this concern says of a condition, before it is known how severe a finding is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// All is well: a short word and a sentence.
    Good(&'static str, String),
    /// It cannot be told: a short word and a sentence.
    Unknown(Why, &'static str, String),
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
            Self::Unknown(why, word, message) => Judgement::unknown(why, word, message),
            Self::Bad(first, more) => {
                more.into_iter().fold(Judgement::bad(found(first)), |judged, next| judged.and(found(next)))
            }
        }
    }

    fn bad(code: Code, message: String, repair: Option<String>) -> Self {
        Self::Bad(Problem { code, message, repair }, Vec::new())
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
        UnitFileState::InitScriptOff => by_others(unit, state, verdict).unwrap_or_else(|| {
            let message =
                format!("{unit} is disabled: its init script has no start link in /etc/rc2.d to rc5.d");
            Opinion::bad(Code::NotEnabled, message, enable())
        }),
        UnitFileState::Masked | UnitFileState::MaskedRuntime => Opinion::bad(
            Code::UnitMasked,
            format!("{unit} is {}", masked(state)),
            Some(format!("{systemctl} unmask {}{unit}", runtime(state))),
        ),
        UnitFileState::Bad => {
            Opinion::Unknown(Why::CannotTell, "bad", format!("the unit file of {unit} cannot be used"))
        }
        UnitFileState::NotFound => {
            Opinion::Unknown(Why::CannotTell, "not-found", format!("{unit} has no unit file"))
        }
        UnitFileState::Unknown(why) => Opinion::Unknown(
            Why::CannotTell,
            "unread",
            format!("cannot tell whether {unit} is enabled: {why}"),
        ),
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
            let message = format!("{unit} is {state}; whether boot starts it has not been computed yet");
            Some(Opinion::Unknown(Why::NotRead, "unread", message))
        }
        Some(BootVerdict::Starts) => {
            let message = format!("{unit} is {state}, but boot starts it: another unit wants it");
            Some(Opinion::Good("pulled-in", message))
        }
        Some(BootVerdict::Armed { by }) => {
            Some(Opinion::Good("armed", format!("{unit} is {state}; boot starts {by}, which starts it")))
        }
        // Who could not learn what boot starts cannot tell that nothing else does.
        Some(BootVerdict::Unknown { why }) if why.starts_with(NOT_COMPUTED) => {
            let message = format!("{unit} is {state}; whether boot starts it all the same is unknown: {why}");
            Some(Opinion::Unknown(Why::CannotTell, "unread", message))
        }
        Some(BootVerdict::Unreachable { .. } | BootVerdict::Unknown { .. }) => None,
    }
}

/// Whether that it is not enabled is all that keeps boot from starting it: then that is told once, by `Enabled`.
#[must_use]
pub fn explains_boot(
    unit: &UnitName,
    state: &UnitFileState,
    settings: &UnitSettings,
    boot: &BootReading,
) -> bool {
    let facts = &settings.boot;
    let dropped = matches!(boot.hindrances.get(unit), Some(Hindrance::Dropped(_)));
    let other = dropped || facts.late_mount.is_some() || facts.vanishes.is_some();
    match state {
        UnitFileState::Disabled
        | UnitFileState::Linked
        | UnitFileState::Alias
        | UnitFileState::InitScriptOff => !other,
        // An instance that nothing enables.
        UnitFileState::Indirect => unit.template().is_some() && !other,
        // What is gone after the reboot is the link, the mask, or the unit itself.
        UnitFileState::EnabledRuntime
        | UnitFileState::LinkedRuntime
        | UnitFileState::Masked
        | UnitFileState::Transient => true,
        UnitFileState::Enabled
        | UnitFileState::MaskedRuntime
        | UnitFileState::Static
        | UnitFileState::Generated
        | UnitFileState::Bad
        | UnitFileState::NotFound
        | UnitFileState::Unknown(_) => false,
    }
}

/// Whether the unit could have links that enable it and has none that last.
#[must_use]
pub fn lacks_links(state: &UnitFileState) -> bool {
    match state {
        UnitFileState::Disabled
        | UnitFileState::EnabledRuntime
        | UnitFileState::Linked
        | UnitFileState::InitScriptOff => true,
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
            // An engine that fails says nothing; one that finds a condition or a cycle says that both may happen.
            let kind = if reading.failure.is_some() { Why::CannotTell } else { Why::Open };
            Opinion::Unknown(kind, "unpredictable", format!("whether boot starts {unit} is unknown: {why}"))
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
        Some(
            UnitFileState::Disabled
            | UnitFileState::EnabledRuntime
            | UnitFileState::Linked
            | UnitFileState::InitScriptOff,
        ) => Some(format!("{systemctl} enable {unit}")),
        Some(UnitFileState::Indirect) if unit.template().is_some() => {
            Some(format!("{systemctl} enable {unit}"))
        }
        Some(UnitFileState::Masked) => Some(format!("{systemctl} unmask {unit}")),
        Some(UnitFileState::Static) => Some(format!("{systemctl} add-wants {target} {unit}")),
        Some(UnitFileState::Enabled)
            if matches!(reading.hindrances.get(unit), Some(Hindrance::Unwanted(_))) =>
        {
            Some(format!("{systemctl} add-wants {target} {unit}"))
        }
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

impl Prediction {
    /// Compares the prediction, made in an earlier boot, with what this boot did: a sentence when it was wrong.
    ///
    /// Only a unit that was to start and did not counts: one that runs although it was not to start may have been asked for.
    #[must_use]
    pub fn compare(&self, started_in_this_boot: bool) -> Option<String> {
        match &self.verdict {
            BootVerdict::Starts if !started_in_this_boot => {
                Some("it was predicted to start at this boot, and did not".to_owned())
            }
            BootVerdict::Starts
            | BootVerdict::Armed { .. }
            | BootVerdict::Unreachable { .. }
            | BootVerdict::Unknown { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
