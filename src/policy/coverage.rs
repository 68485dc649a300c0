//! What of a look over the whole host is worth telling: no noise about units that are as their authors meant them.

use std::sync::Arc;

use crate::model::finding::{Code, ConditionKind, Finding, Severity, Truth};
use crate::model::snapshot::{Snapshot, UnitStatus};
use crate::model::unit::{ActiveState, UnitFileState};
use crate::policy::judgement::{finding, proven};

/// Units that one finding names.
const NAMED: usize = 12;

/// Keeps the findings that are true and worth reading, and adds what nobody watches. A unit without a file of ours has
/// an empty `file`.
#[must_use]
pub fn worth_telling(mut snapshot: Snapshot, switched_off: &[String]) -> Snapshot {
    let unmanaged = unmanaged(&snapshot);
    snapshot.findings.extend(unmanaged);
    for file in switched_off {
        let message =
            format!("{file} was renamed away: what it managed is watched by nobody, and nothing says why");
        let found = finding(Code::SwitchedOff, Severity::Warning, message, snapshot.at);
        let repair = "rename it back, and switch it off by [disabled] with a reason and an end";
        snapshot.findings.push(proven(found, Vec::new(), Some(repair.to_owned())));
    }
    for status in snapshot.units.values_mut() {
        let kept: Vec<Finding> = status
            .findings
            .iter()
            .filter(|found| !status.file.is_empty() || worth(status, found.code))
            .cloned()
            .map(|found| Finding { severity: severity(found.code, found.severity), ..found })
            .map(|found| Finding { repair: repair(status, found.code, found.repair.clone()), ..found })
            .collect();
        Arc::make_mut(status).findings = kept;
    }
    snapshot.units.retain(|_, status| !status.findings.is_empty());
    snapshot
}

/// What has stopped working already is critical; what will, at the next boot, is a warning.
fn severity(code: Code, usual: Severity) -> Severity {
    let broken = matches!(
        code,
        Code::UnitFailed | Code::UnitCrashLooping | Code::ReleaseDeleted | Code::WorkersOnlyRestart
    );
    if broken { Severity::Critical } else { usual }
}

/// Without a daemon nobody recovers: systemd's own command.
fn repair(status: &UnitStatus, code: Code, usual: Option<String>) -> Option<String> {
    if code == Code::UnitFailed {
        return Some(format!("journalctl -u {} -n 20", status.unit));
    }
    if code == Code::UnitInactive {
        return Some(format!("systemctl start {}", status.unit));
    }
    usual
}

fn worth(status: &UnitStatus, code: Code) -> bool {
    let active = status.reading.as_ref().is_some_and(|reading| reading.active == ActiveState::Active);
    let enabled = matches!(status.enablement, Some(UnitFileState::Enabled | UnitFileState::EnabledRuntime));
    let boots = condition(status, ConditionKind::Boot) == Truth::True;
    match code {
        // Enabled, reached by boot, nothing arms it, no condition keeps it away: it should run and does not.
        Code::UnitInactive => enabled && boots && !armed(status) && conditions_met(status),
        // Runs now and will not after the next boot.
        Code::NotEnabled | Code::EnabledRuntimeOnly => active && !boots && !armed(status),
        Code::BootUnreachable => enabled && status.enablement != Some(UnitFileState::EnabledRuntime),
        Code::UnitFailed
        | Code::UnitCrashLooping
        | Code::UnitStuck
        | Code::UnitLoadError
        | Code::NoLinger
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
        | Code::DependencyDown
        | Code::Quarantined
        | Code::RecoveryFailed
        | Code::Unmanaged
        | Code::SwitchedOff
        | Code::ConfigInvalid
        | Code::HostManagerUnreachable
        | Code::HostStateUnsaved => false,
    }
}

fn condition(status: &UnitStatus, kind: ConditionKind) -> Truth {
    let known = status.conditions.iter().find(|condition| condition.kind == kind);
    known.map_or(Truth::Unknown, |condition| condition.truth)
}

fn armed(status: &UnitStatus) -> bool {
    status.settings.as_ref().is_some_and(|settings| !settings.triggered_by.is_empty())
}

fn conditions_met(status: &UnitStatus) -> bool {
    status.settings.as_ref().is_some_and(|settings| settings.boot.unmet_conditions.is_empty())
}

/// Services of this host's own making that run or are enabled, and that no file manages.
fn unmanaged(snapshot: &Snapshot) -> Option<Finding> {
    let names: Vec<&str> = snapshot
        .units
        .values()
        .filter(|status| status.file.is_empty() && status.unit.kind() == "service" && ours(status))
        .map(|status| status.unit.as_str())
        .collect();
    let first = names.first()?;
    let shown = names.iter().take(NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = if names.len() > NAMED {
        format!(" and {} more", names.len().saturating_sub(NAMED))
    } else {
        String::new()
    };
    let (count, verb) = if names.len() == 1 {
        ("1 service".to_owned(), "is")
    } else {
        (format!("{} services", names.len()), "are")
    };
    let message = format!("{count} of this host's own {verb} managed by nobody: {shown}{more}");
    let found = finding(Code::Unmanaged, Severity::Warning, message, snapshot.at);
    Some(proven(found, Vec::new(), Some(format!("touch /etc/steadfast/units.d/{first}.toml"))))
}

/// Written by people here, not by the distribution; running or enabled, and meant to stay (no oneshot, nothing transient).
fn ours(status: &UnitStatus) -> bool {
    let Some(settings) = &status.settings else {
        return false;
    };
    let local = ["/etc/", "/usr/local/", "/opt/", "/srv/", "/home/"]
        .iter()
        .any(|place| settings.fragment.starts_with(place));
    let active = status.reading.as_ref().is_some_and(|reading| reading.active == ActiveState::Active);
    let enabled = status.enablement == Some(UnitFileState::Enabled);
    local && settings.service_type != "oneshot" && (active || enabled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_renamed_away_is_told_and_nothing_else_of_an_empty_host() {
        let file = "/etc/steadfast/units.d/shop.service.toml.disabled".to_owned();
        let told = worth_telling(Snapshot::default(), &[file]);
        assert_eq!(told.findings.len(), 1);
        assert_eq!(told.findings[0].code.as_str(), "switched-off");
        assert!(told.units.is_empty());
    }
}
