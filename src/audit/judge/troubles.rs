//! Units without a file of ours that do not do what they were written for. No noise about those that do.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::audit::Gap;
use crate::model::finding::{Code, Condition, ConditionKind, Finding, Severity, Truth, Why};
use crate::model::moment::Moment;
use crate::model::snapshot::UnitStatus;
use crate::model::span::times;
use crate::model::unit::{ActiveState, UnitFileState, UnitName};
use crate::model::will::ServiceType;
use crate::policy::coverage::ANONYMOUS;
use crate::policy::judgement::{finding, proven};
use crate::policy::limits;
use crate::policy::lists::listed;

use super::{Look, NAMED};

/// Units that we make ourselves.
const OURS: &str = "steadfast-";
/// A run that is younger, after restarts by systemd, counts as one more round of a crash loop.
const YOUNG: Duration = Duration::from_secs(60);

/// What is wrong with this unit and worth telling, as a newcomer reads it.
pub fn of_unit(look: &Look, status: &UnitStatus) -> Vec<Finding> {
    let user = look.user_option();
    let looping = looping(status, look.at(), user);
    let kept = status.findings.iter().filter(|found| !status.file.is_empty() || worth(status, found));
    kept.cloned().chain(looping).map(|found| worded(status, found, user)).collect()
}

/// A sentence for each kind of fact that the look did not get.
pub fn untold(look: &Look) -> Vec<String> {
    let snapshot = &look.snapshot;
    let mut untold = Vec::new();
    if let Some(why) = look.boot.as_ref().and_then(|reading| reading.failure.as_ref()) {
        untold.push(format!("what the next boot will start: {why}"));
    }
    if !snapshot.ready {
        untold.push("the state of every unit: some did not answer in time".to_owned());
    }
    untold
}

/// The same of processes that could not be read.
pub fn hidden(look: &Look) -> Option<String> {
    match unread(look).len() {
        0 => None,
        1 => Some("where one service lives: its processes are not ours to read".to_owned()),
        many => Some(format!("where {many} services live: their processes are not ours to read")),
    }
}

/// The units of which the processes could not be read.
pub fn unread(look: &Look) -> BTreeSet<UnitName> {
    let hidden = look.snapshot.units.values().filter(|status| {
        let release = condition(status, ConditionKind::Release);
        status.is_running() && release.is_some_and(|known| known.reason == "unreadable")
    });
    hidden.map(|status| status.unit.clone()).collect()
}

/// The finding as a newcomer reads it, without a daemon that would act on it.
fn worded(status: &UnitStatus, found: Finding, user: &str) -> Finding {
    if !status.file.is_empty() {
        return found;
    }
    let unit = &status.unit;
    let reading = status.reading.as_ref();
    let ended = reading.and_then(|reading| reading.inactive_since);
    let state = match &status.enablement {
        Some(UnitFileState::EnabledRuntime) => "enabled by --runtime only",
        Some(known) => known.as_str(),
        None => "not enabled",
    };
    let severity = severity(found.code, found.severity);
    let found = Finding { severity, ..found };
    if found.code == Code::UnitFailed {
        let repair = Some(format!("journalctl{user} -u {unit} -n 20"));
        return Finding {
            since: ended.unwrap_or(found.since),
            evidence: status_text(status),
            repair,
            ..found
        };
    }
    if found.code == Code::UnitInactive
        && let Some(exit) = reading.filter(|reading| reading.ended_at_once()).and_then(|reading| reading.exit)
    {
        let message = format!(
            "{unit} is enabled, and ended by itself with {exit} right after its start: its own configuration may say that it is not to run"
        );
        let repair = Some(format!("journalctl{user} -u {unit} -n 20"));
        let since = ended.unwrap_or(found.since);
        return Finding {
            severity: Severity::Warning,
            since,
            message,
            evidence: status_text(status),
            repair,
            ..found
        };
    }
    if found.code == Code::UnitInactive {
        let message = format!("{unit} is enabled and boot starts it, but it is not running");
        let exit = reading.and_then(|reading| reading.exit.as_ref());
        let evidence = exit.map(|exit| format!("main process ended with {exit}")).into_iter().collect();
        let repair = Some(format!("systemctl{user} start {unit}"));
        return Finding { since: ended.unwrap_or(found.since), message, evidence, repair, ..found };
    }
    let lost = matches!(found.code, Code::NotEnabled | Code::EnabledRuntimeOnly);
    if lost && status.enablement == Some(UnitFileState::Transient) {
        let message = format!("{unit} runs, but was made at run time: a reboot ends it for good");
        return Finding { message, ..found };
    }
    if lost {
        let message = format!("{unit} runs, but is {state}: the next boot will not start it");
        return Finding { message, ..found };
    }
    found
}

fn status_text(status: &UnitStatus) -> Vec<String> {
    let text = status.reading.as_ref().map(|reading| reading.status_text.clone());
    text.filter(|text| !text.is_empty()).map(|text| format!("it said: {text}")).into_iter().collect()
}

/// What has stopped working already is critical; what will, at the next boot, is a warning.
fn severity(code: Code, usual: Severity) -> Severity {
    let broken = matches!(
        code,
        Code::UnitFailed | Code::UnitCrashLooping | Code::ReleaseDeleted | Code::WorkersOnlyRestart
    );
    if broken { Severity::Critical } else { usual }
}

fn worth(status: &UnitStatus, found: &Finding) -> bool {
    let enabled = matches!(status.enablement, Some(UnitFileState::Enabled | UnitFileState::EnabledRuntime));
    let boots = boots(status);
    match found.code {
        // Enabled, reached by boot, nothing arms it, no condition keeps it away: it should run and does not.
        Code::UnitInactive | Code::OutsideUnit => {
            enabled && boots == Truth::True && !armed(status) && conditions_met(status)
        }
        // Runs now and will surely not after the next boot. A command that somebody runs by systemd-run is not to.
        Code::NotEnabled | Code::EnabledRuntimeOnly => {
            status.is_running() && boots == Truth::False && !armed(status) && !is_passing(status)
        }
        Code::BootUnreachable => enabled && status.enablement != Some(UnitFileState::EnabledRuntime),
        // `looping` says it for a single look.
        Code::UnitCrashLooping => false,
        // It needs a history.
        Code::ProcessesGone => false,
        // Told once, of the host.
        Code::NoLinger => false,
        Code::UnitFailed
        | Code::UnitStuck
        | Code::UnitFrozen
        | Code::ProcessStopped
        | Code::UnitLoadError
        | Code::ReleaseDeleted
        | Code::ReleaseOutdated
        | Code::WorkersOnlyRestart
        | Code::Survivors
        | Code::BinaryOutdated
        | Code::UnitFileOutdated => true,
        Code::UnitMissing
        | Code::UnitSkipped
        | Code::FleetUnreachable
        | Code::FleetSlotStuck
        | Code::StrayProcess
        | Code::HostUnprobed
        | Code::HostProbeUnfit
        | Code::HostTimerOverdue
        | Code::HostUnitFailed
        | Code::HostOtherSupervisor
        | Code::UnitMasked
        | Code::UnitStoppedByOperator
        | Code::BootMismatch
        | Code::SmokeFailed
        | Code::ProbeFailed
        | Code::ProbeSlow
        | Code::ResourceHigh
        | Code::ResourceGrowing
        | Code::ProbeUnknown
        | Code::QueueMissing
        | Code::ProgressUnknown
        | Code::Stalled
        | Code::Backlog
        | Code::NoConsumer
        | Code::Paused
        | Code::DrainOverdue
        | Code::DependencyDown
        | Code::Quarantined
        | Code::RecoveryFailed
        | Code::Unmanaged
        | Code::SwitchedOff
        | Code::ConfigInvalid
        | Code::AlertUndeliverable
        | Code::HostHeartbeatUnheard
        | Code::HostProberFailing
        | Code::HostManagerUnreachable
        | Code::HostStorm
        | Code::HostStateUnsaved
        | Code::HostStateVolatile
        | Code::HostStateDamaged
        | Code::HostFilesUnwatched
        | Code::HostWorseThanBaseline => false,
    }
}

/// A command that runs as a unit and ends by itself: one that nobody named, one of ours, or one whose end is set.
fn is_passing(status: &UnitStatus) -> bool {
    let name = status.unit.as_str();
    let ends = status.settings.as_ref().is_some_and(|settings| settings.will.runtime_max_ms.is_some());
    let transient = status.enablement == Some(UnitFileState::Transient);
    name.starts_with(ANONYMOUS) || (transient && (name.starts_with(OURS) || ends))
}

/// The boot of the service manager starts it; for a user's manager, whenever that begins.
fn boots(status: &UnitStatus) -> Truth {
    let found = |code| status.findings.iter().any(|found| found.code == code);
    if found(Code::NoLinger) {
        return if found(Code::BootUnreachable) { Truth::False } else { Truth::True };
    }
    condition(status, ConditionKind::Boot).map_or(Truth::Unknown(Why::NotRead), |known| known.truth)
}

fn condition(status: &UnitStatus, kind: ConditionKind) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.kind == kind)
}

fn armed(status: &UnitStatus) -> bool {
    status.settings.as_ref().is_some_and(|settings| !settings.triggered_by.is_empty())
}

fn conditions_met(status: &UnitStatus) -> bool {
    status.settings.as_ref().is_some_and(|settings| settings.boot.unmet_conditions.is_empty())
}

/// A crash loop, as far as one look can tell: restarted several times, and down again or up for a moment only.
fn looping(status: &UnitStatus, at: Moment, user: &str) -> Option<Finding> {
    let reading = status.reading.as_ref().filter(|_| status.file.is_empty())?;
    let often = usize::try_from(reading.n_restarts).is_ok_and(|many| many >= limits::CRASH_LOOP_RESTARTS);
    let young =
        reading.active_since.filter(|_| status.is_running()).is_some_and(|began| at.since(began) < YOUNG);
    let between = reading.is_passing() || reading.active == ActiveState::Activating;
    if !often || !(young || between) {
        return None;
    }
    let unit = &status.unit;
    let how = reading.exit.as_ref().map_or(String::new(), |exit| format!("; it last ended with {exit}"));
    let message = format!("systemd restarted {unit} {} so far{how}", times(reading.n_restarts));
    let found = finding(Code::UnitCrashLooping, Severity::Critical, message, at);
    Some(proven(found, status_text(status), Some(format!("journalctl{user} -u {unit} -n 50"))))
}

/// A user's services whose manager boot does not start.
pub fn no_linger(look: &Look) -> Option<Gap> {
    let off = look.boot.as_ref().and_then(|reading| reading.lingering.as_ref()).filter(|known| !known.on)?;
    let user = &off.user;
    let own = look.snapshot.units.values().filter(|status| status.unit.kind() == "service" && ours(status));
    let names: Vec<&str> = own.map(|status| status.unit.as_str()).collect();
    if names.is_empty() {
        return None;
    }
    let message = format!(
        "no manager of {user} runs at boot, lingering is off: {} will not start before {user} logs in",
        listed(&names, NAMED)
    );
    let gap = Gap::new(Code::NoLinger, ("user", "no-linger"), message, look.at());
    Some(gap.proven(Vec::new(), format!("loginctl enable-linger {user}")))
}

/// Written by people here, not by the distribution; running or enabled, and meant to stay (no oneshot, nothing transient).
fn ours(status: &UnitStatus) -> bool {
    let enabled = status.enablement == Some(UnitFileState::Enabled);
    let stays =
        status.settings.as_ref().is_some_and(|settings| settings.service_type != ServiceType::Oneshot);
    stays && status.is_local() && (status.is_running() || enabled)
}
