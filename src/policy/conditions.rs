//! The seven conditions of a unit, gathered from the concerns, and the findings behind them.

use crate::model::boot::BootVerdict;
use crate::model::finding::ConditionKind::{Active, Boot, Enabled, Loaded, Progressing, Release, Serving};
use crate::model::finding::{Code, Condition, ConditionKind, Finding, Severity};
use crate::model::moment::Moment;
use crate::model::release::ProcessesReading;
use crate::model::spec::Reaction;
use crate::model::state::{State, UnitDurable, UnitSeen};
use crate::model::unit::{ActiveState, LoadState, UnitName, UnitReading, UnitSettings};
use crate::policy::active::{self, Case};
use crate::policy::judgement::{Judgement, finding, for_instance, proven};
use crate::policy::turn::sooner;
use crate::policy::{enablement, health, packages, progress, releases};

/// Judges all conditions anew and returns the findings, those of recovery included.
pub fn judge(state: &mut State, unit: &UnitName, now: Moment, wake: &mut Option<Moment>) -> Vec<Finding> {
    let (Some(seen), Some(durable)) = (state.seen.units.get(unit), state.durable.units.get(unit)) else {
        return Vec::new();
    };
    let quiet_until = packages::quiet(state, now).and_then(|(_, until)| until);
    let mut case = Case { unit, seen, durable, now, quiet_until, wake: None };
    if seen.spec.is_dependency() {
        let judgement = health::serving(&case);
        let findings = judgement.findings.clone();
        if let Some(seen) = state.seen.units.get_mut(unit) {
            keep(seen, Serving, judgement, now);
        }
        return findings;
    }
    let verdict = verdict(state, &case);
    let judgements = [
        (Loaded, active::loaded(&case)),
        (Active, active::active(&mut case)),
        (Enabled, enabled(state, &case, verdict.as_ref())),
        (Boot, boot(state, &case, verdict.as_ref())),
        (Release, release(state, &case)),
        (Serving, health::serving(&case)),
        (Progressing, progress::progressing(&mut case)),
    ];
    let mut findings: Vec<Finding> = Vec::new();
    findings.extend(of_recovery(seen, durable, now));
    if let Some(at) = case.wake {
        sooner(wake, at);
    }
    let mut conditions = Vec::new();
    for (kind, judgement) in judgements {
        findings.extend(judgement.findings.iter().cloned());
        conditions.push((kind, judgement));
    }
    for_instance(&mut findings, state.seen.host.user_instance);
    if let Some(seen) = state.seen.units.get_mut(unit) {
        for (kind, judgement) in conditions {
            keep(seen, kind, judgement, now);
        }
    }
    findings
}

/// A condition keeps its `since` while truth and reason stay.
fn keep(seen: &mut UnitSeen, kind: ConditionKind, judgement: Judgement, now: Moment) {
    let known = seen.conditions.get(&kind);
    let same = known.filter(|known| known.truth == judgement.truth && known.reason == judgement.reason);
    let since = same.map_or(now, |known| known.since);
    let Judgement { truth, reason, message, .. } = judgement;
    seen.conditions.insert(kind, Condition { kind, truth, reason, message, since });
}

/// What the next boot does with it. Of a unit that cannot be loaded the settings are not known, and do not matter.
fn verdict(state: &State, case: &Case<'_>) -> Option<BootVerdict> {
    // Just managed, enabled or disabled: what boot would have done before does not count.
    let reading = state.seen.boot.as_ref().filter(|boot| boot.read_at >= case.seen.enablement_since)?;
    let settings = case.seen.settings.as_ref();
    let bare = settings.is_none() && !loaded_now(case);
    let bare = bare.then(UnitSettings::default);
    let settings = settings.or(bare.as_ref())?;
    Some(enablement::boot_verdict(case.unit, settings, case.seen.enablement.as_ref(), reading))
}

fn loaded_now(case: &Case<'_>) -> bool {
    case.seen.reading.as_ref().is_some_and(|reading| reading.load == LoadState::Loaded)
}

fn enabled(state: &State, case: &Case<'_>, verdict: Option<&BootVerdict>) -> Judgement {
    if !loaded_now(case) {
        return Judgement::unknown("not-loaded", "the unit is not loaded");
    }
    let Some(read) = &case.seen.enablement else {
        return Judgement::unknown("unread", "its enablement was not read yet");
    };
    let user = state.seen.host.user_instance;
    enablement::enabled(case.unit, read, verdict, user).judgement(case.seen.spec.severity, case.now)
}

fn boot(state: &State, case: &Case<'_>, verdict: Option<&BootVerdict>) -> Judgement {
    let judgement = match (&case.seen.reading, verdict, &state.seen.boot) {
        (Some(_), Some(verdict), Some(reading)) => {
            enablement::boot(case.unit, case.seen.enablement.as_ref(), verdict, reading)
                .judgement(case.seen.spec.severity, case.now)
        }
        _ => Judgement::unknown("unread", "the next boot was not predicted yet"),
    };
    if !loaded_now(case) {
        // Loaded tells of the cause; that boot does not start it either is no second finding.
        return Judgement { findings: Vec::new(), ..judgement };
    }
    match &case.durable.mismatch {
        Some(mismatch) if mismatch.boot_id == state.seen.host.boot_id => {
            let found = finding(Code::BootMismatch, Severity::Warning, mismatch.message.clone(), mismatch.at);
            judgement.note(found)
        }
        Some(_) | None => judgement,
    }
}

fn release(state: &State, case: &Case<'_>) -> Judgement {
    let seen = case.seen;
    let (Some(reading), Some(settings)) = (&seen.reading, &seen.settings) else {
        return Judgement::unknown("unread", "the unit was not read yet");
    };
    let running = !matches!(reading.active, ActiveState::Inactive | ActiveState::Failed);
    let judgement = match &seen.processes {
        _ if !running => Judgement::unknown("not-active", "nothing of it runs"),
        None => Judgement::unknown("unread", "its processes were not looked at yet"),
        Some(processes) => residence(state, case, reading, settings, processes),
    };
    let judgement = if running { unit_file(case, reading, settings, judgement) } else { judgement };
    let Some(failure) = &case.durable.smoke_failure else {
        return judgement;
    };
    let message = format!("the smoke test of {} {}", case.unit, failure.message);
    let found = finding(Code::SmokeFailed, seen.spec.severity, message, failure.at);
    judgement.and(proven(found, failure.output.clone(), None))
}

/// Where the processes live.
fn residence(
    state: &State,
    case: &Case<'_>,
    reading: &UnitReading,
    settings: &UnitSettings,
    processes: &ProcessesReading,
) -> Judgement {
    let verdict = releases::verdict(&case.seen.residents, processes);
    let no_link = processes.links.is_empty() && processes.links_unread.is_none();
    let mut judgement = match (&verdict.unknown, &verdict.current) {
        _ if no_link => Judgement::good("no-link", "it runs from no release link"),
        (Some(why), _) => Judgement::unknown("unreadable", why.clone()),
        (None, Some(current)) => Judgement::good("current", format!("every process lives in {current}")),
        (None, None) => Judgement::unknown("unreadable", "the release link leads nowhere"),
    };
    let found = |named: releases::Named, severity: Severity| {
        let found = finding(named.code, severity, named.message, case.now);
        proven(found, named.evidence, Some(format!("systemctl restart {}", case.unit)))
    };
    if !no_link && verdict.cannot_tell().is_some() {
        // What was found of this run and cannot be told now is not over.
        let of_run = |known: &&Finding| reading.active_since.is_none_or(|began| known.since >= began);
        let found =
            case.seen.findings.iter().filter(|known| releases::CODES.contains(&known.code)).filter(of_run);
        judgement = found.cloned().fold(judgement, Judgement::note);
    }
    for named in verdict.named {
        judgement = judgement.and(found(named, case.seen.spec.severity));
    }
    if case.seen.spec.release.binaries != Reaction::Ignore
        && let Some(named) = releases::binaries(processes, reading.main_pid, &state.durable.links)
    {
        judgement = judgement.note(found(named, Severity::Warning));
    }
    let left: Vec<String> = releases::left_over(processes, reading.main_pid, settings)
        .iter()
        .map(|process| format!("{} ({})", process.pid, process.name))
        .collect();
    if left.is_empty() {
        return judgement;
    }
    let message = format!("left by an earlier run of {}: {}", case.unit, left.join(", "));
    let found = finding(Code::Survivors, case.seen.spec.severity, message, case.now);
    judgement.and(proven(found, vec![format!("KillMode={}", settings.kill_mode)], None))
}

/// The unit file or a drop-in is newer than what is loaded, or than the run.
fn unit_file(
    case: &Case<'_>,
    reading: &UnitReading,
    settings: &UnitSettings,
    judgement: Judgement,
) -> Judgement {
    let times = settings.modified_at.zip(reading.active_since);
    let newer = times.is_some_and(|(edited, began)| edited.wall_ms > began.wall_ms);
    let unit = case.unit;
    let (message, repair) = if settings.need_daemon_reload {
        let message = format!("the unit file of {unit} changed on disk and is not loaded");
        (message, "systemctl daemon-reload".to_owned())
    } else if newer {
        (format!("the unit file of {unit} is newer than its run"), format!("systemctl restart {unit}"))
    } else {
        return judgement;
    };
    let found = finding(Code::UnitFileOutdated, Severity::Warning, message, case.now);
    judgement.note(proven(found, vec![settings.fragment.clone()], Some(repair)))
}

/// What recovery itself has to tell: the budget, the last failure, the dependency that explains.
fn of_recovery(seen: &UnitSeen, durable: &UnitDurable, now: Moment) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(quarantine) = &durable.quarantine {
        let message = format!("{}; one more try comes later", quarantine.why);
        findings.push(finding(Code::Quarantined, Severity::Critical, message, quarantine.since));
    }
    if let Some(needed) = &seen.plan.explained_by {
        let blocked = seen.plan.blocked.clone();
        let message = blocked.unwrap_or_else(|| format!("{needed}, which it requires, is down"));
        let found = finding(Code::DependencyDown, Severity::Warning, message, now);
        findings.push(proven(found, Vec::new(), Some(format!("steadfast explain {needed}"))));
    }
    // The last try failed, and what it was for is still there.
    let last = durable.last_action.as_ref().filter(|last| !last.ok && durable.recovery.is_none());
    // A failed smoke test is told by itself.
    let last = last.filter(|_| durable.smoke_failure.is_none());
    if let Some(last) = last
        && let Some(because) = last.because
        && seen.findings.iter().any(|found| found.code == because)
    {
        let message = format!("the last {} {}", last.action.as_str(), last.outcome);
        let found = finding(Code::RecoveryFailed, seen.spec.severity, message, last.at);
        let lines = last
            .steps
            .iter()
            .map(|step| format!("{}: {}: {}", step.name.as_str(), step.result.as_str(), step.message))
            .collect();
        findings.push(proven(found, lines, None));
    }
    findings
}
