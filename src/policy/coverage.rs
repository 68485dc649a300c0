//! What of a look over the whole host is worth telling: no noise about units that are as their authors meant them.

use std::sync::Arc;
use std::time::Duration;

use crate::model::boot::{BootReading, Lingering};
use crate::model::finding::{Code, Condition, ConditionKind, Finding, Severity, Truth};
use crate::model::moment::Moment;
use crate::model::snapshot::{Snapshot, UnitStatus};
use crate::model::unit::{ActiveState, UnitFileState};
use crate::policy::active::passing;
use crate::policy::judgement::{finding, proven};
use crate::policy::limits;

/// Units that one finding names.
const NAMED: usize = 12;
/// Where distributions and generators put unit files. Those elsewhere are of this host's own making.
const VENDORS: [&str; 3] = ["/usr/lib/", "/lib/", "/run/"];
/// Names that systemd-run gives by itself: a command, not a service.
const ANONYMOUS: &str = "run-";
/// A run that is younger, after restarts by systemd, counts as one more round of a crash loop.
const YOUNG: Duration = Duration::from_secs(60);

/// A look over the whole host.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Units with a finding, and findings of the host.
    pub snapshot: Snapshot,
    /// What could not be told, and why; a sentence each.
    pub untold: Vec<String>,
    /// What is good to know and no trouble; a sentence each.
    pub notes: Vec<String>,
}

/// Keeps the findings that are true and worth reading, and adds what nobody watches. A unit without a file of ours has
/// an empty `file`.
#[must_use]
pub fn worth_telling(mut snapshot: Snapshot, boot: Option<&BootReading>, switched_off: &[String]) -> Audit {
    let untold = untold(&snapshot, boot);
    let lingering = boot.and_then(|reading| reading.lingering.as_ref()).filter(|known| !known.on);
    let of_host = unmanaged(&snapshot).into_iter().chain(lingering.and_then(|off| no_linger(&snapshot, off)));
    let of_host: Vec<Finding> =
        of_host.chain(switched_off.iter().map(|file| renamed(file, snapshot.at))).collect();
    snapshot.findings.extend(of_host);
    let at = snapshot.at;
    let user = if snapshot.host.user_instance { " --user" } else { "" };
    for status in snapshot.units.values_mut() {
        let looping = looping(status, at, user);
        let kept = status.findings.iter().filter(|found| !status.file.is_empty() || worth(status, found));
        let kept: Vec<Finding> =
            kept.cloned().chain(looping).map(|found| worded(status, found, user)).collect();
        Arc::make_mut(status).findings = kept;
    }
    snapshot.units.retain(|_, status| !status.findings.is_empty());
    // One look opens no incident: nobody follows it.
    snapshot.incidents.clear();
    Audit { snapshot, untold, notes: Vec::new() }
}

/// A sentence for each kind of fact that the look did not get.
fn untold(snapshot: &Snapshot, boot: Option<&BootReading>) -> Vec<String> {
    let mut untold = Vec::new();
    if let Some(why) = boot.and_then(|reading| reading.failure.as_ref()) {
        untold.push(format!("what the next boot will start: {why}"));
    }
    let hidden = snapshot.units.values().filter(|status| {
        let release = condition(status, ConditionKind::Release);
        running(status) && release.is_some_and(|known| known.reason == "unreadable")
    });
    match hidden.count() {
        0 => {}
        1 => untold.push("where one service lives: its processes are not ours to read".to_owned()),
        many => untold.push(format!("where {many} services live: their processes are not ours to read")),
    }
    if !snapshot.ready {
        untold.push("the state of every unit: some did not answer in time".to_owned());
    }
    untold
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
        Code::UnitInactive => enabled && boots == Truth::True && !armed(status) && conditions_met(status),
        // Runs now and will surely not after the next boot. A command that somebody runs by systemd-run is not to.
        Code::NotEnabled | Code::EnabledRuntimeOnly => {
            running(status)
                && boots == Truth::False
                && !armed(status)
                && !status.unit.as_str().starts_with(ANONYMOUS)
        }
        Code::BootUnreachable => enabled && status.enablement != Some(UnitFileState::EnabledRuntime),
        // `looping` says it for a single look.
        Code::UnitCrashLooping => false,
        // Told once, of the host.
        Code::NoLinger => false,
        Code::UnitFailed
        | Code::UnitStuck
        | Code::UnitLoadError
        | Code::ReleaseDeleted
        | Code::ReleaseOutdated
        | Code::WorkersOnlyRestart
        | Code::Survivors
        | Code::BinaryOutdated
        | Code::UnitFileOutdated => true,
        Code::UnitMissing
        | Code::UnitMasked
        | Code::UnitStoppedByOperator
        | Code::BootMismatch
        | Code::SmokeFailed
        | Code::ProbeFailed
        | Code::ProbeSlow
        | Code::ProbeUnknown
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
        | Code::HostManagerUnreachable
        | Code::HostStorm
        | Code::HostStateUnsaved
        | Code::HostStateVolatile
        | Code::HostStateDamaged
        | Code::HostFilesUnwatched
        | Code::HostWorseThanBaseline => false,
    }
}

/// The boot of the service manager starts it; for a user's manager, whenever that begins.
fn boots(status: &UnitStatus) -> Truth {
    let found = |code| status.findings.iter().any(|found| found.code == code);
    if found(Code::NoLinger) {
        return if found(Code::BootUnreachable) { Truth::False } else { Truth::True };
    }
    condition(status, ConditionKind::Boot).map_or(Truth::Unknown, |known| known.truth)
}

fn condition(status: &UnitStatus, kind: ConditionKind) -> Option<&Condition> {
    status.conditions.iter().find(|condition| condition.kind == kind)
}

fn running(status: &UnitStatus) -> bool {
    status.reading.as_ref().is_some_and(|reading| reading.active == ActiveState::Active)
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
    let young = reading.active_since.filter(|_| running(status)).is_some_and(|began| at.since(began) < YOUNG);
    let between = passing(&reading.sub) || reading.active == ActiveState::Activating;
    if !often || !(young || between) {
        return None;
    }
    let unit = &status.unit;
    let how = reading.exit.as_ref().map_or(String::new(), |exit| format!("; it last ended with {exit}"));
    let message = format!("systemd restarted {unit} {} times so far{how}", reading.n_restarts);
    let found = finding(Code::UnitCrashLooping, Severity::Critical, message, at);
    Some(proven(found, status_text(status), Some(format!("journalctl{user} -u {unit} -n 50"))))
}

/// Services of this host's own making that run or are enabled, and that no file manages.
fn unmanaged(snapshot: &Snapshot) -> Option<Finding> {
    let names = names(snapshot, |status| status.file.is_empty());
    let first = names.first()?;
    let (count, verb) = match names.len() {
        1 => ("1 service".to_owned(), "is"),
        many => (format!("{many} services"), "are"),
    };
    let message = format!("{count} of this host's own {verb} managed by nobody: {}", listed(&names));
    let found = finding(Code::Unmanaged, Severity::Warning, message, snapshot.at);
    let folder = if snapshot.host.user_instance { "~/.config/steadfast" } else { "/etc/steadfast" };
    Some(proven(found, Vec::new(), Some(format!("touch {folder}/units.d/{first}.toml"))))
}

/// A user's services whose manager boot does not start.
fn no_linger(snapshot: &Snapshot, off: &Lingering) -> Option<Finding> {
    let user = &off.user;
    let names = names(snapshot, |_| true);
    if names.is_empty() {
        return None;
    }
    let message = format!(
        "no manager of {user} runs at boot, lingering is off: {} will not start before {user} logs in",
        listed(&names)
    );
    let found = finding(Code::NoLinger, Severity::Warning, message, snapshot.at);
    Some(proven(found, Vec::new(), Some(format!("loginctl enable-linger {user}"))))
}

/// A file of ours that was made ineffective by its name.
fn renamed(file: &str, at: Moment) -> Finding {
    let message = format!("{file} has no effect under this name: what it managed is watched by nobody");
    let found = finding(Code::SwitchedOff, Severity::Warning, message, at);
    let name = file.rsplit_once(".toml").map(|(name, _)| format!("mv {file} {name}.toml"));
    proven(found, Vec::new(), name)
}

/// Services of this host's own that match.
fn names(snapshot: &Snapshot, matches: impl Fn(&UnitStatus) -> bool) -> Vec<&str> {
    let own = snapshot.units.values().filter(|status| status.unit.kind() == "service" && ours(status));
    own.filter(|status| matches(status)).map(|status| status.unit.as_str()).collect()
}

fn listed(names: &[&str]) -> String {
    let shown = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Written by people here, not by the distribution; running or enabled, and meant to stay (no oneshot, nothing transient).
fn ours(status: &UnitStatus) -> bool {
    let Some(settings) = &status.settings else {
        return false;
    };
    let fragment = &settings.fragment;
    let local = !fragment.is_empty() && !VENDORS.iter().any(|place| fragment.starts_with(place));
    let enabled = status.enablement == Some(UnitFileState::Enabled);
    local && settings.service_type != "oneshot" && (running(status) || enabled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_renamed_away_is_told_and_nothing_else_of_an_empty_host() {
        let file = "/etc/steadfast/units.d/shop.service.toml.disabled".to_owned();
        let told = worth_telling(Snapshot::default(), None, &[file]).snapshot;
        assert_eq!(told.findings.len(), 1);
        assert_eq!(told.findings[0].code.as_str(), "switched-off");
        assert!(told.units.is_empty());
    }
}
