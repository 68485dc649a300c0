//! `Loaded` and `Active`: what systemd says of a unit, with its passing states told apart from trouble.

use std::time::Duration;

use crate::model::cause::{Cause, What};
use crate::model::finding::Code;
use crate::model::moment::Moment;
use crate::model::state::{HoldKind, UnitDurable, UnitSeen};
use crate::model::unit::{ActiveState, JobKind, LoadState, UnitName, UnitReading, UnitSettings};
use crate::policy::judgement::{Judgement, finding, proven};
use crate::policy::limits;
use crate::policy::turn::sooner;

/// What the conditions of one unit are judged by.
#[derive(Debug)]
pub struct Case<'a> {
    pub unit: &'a UnitName,
    pub seen: &'a UnitSeen,
    pub durable: &'a UnitDurable,
    pub now: Moment,
    /// A package manager is at work, or was just now; what it stopped is left to it until then.
    pub quiet_until: Option<Moment>,
    /// When to look again.
    pub wake: Option<Moment>,
}

impl Case<'_> {
    fn bad(&self, code: Code, message: String) -> Judgement {
        Judgement::bad(finding(code, self.seen.spec.severity, message, self.now))
    }

    /// The state has lasted `limit`; if not, wake then.
    fn lasted(&mut self, limit: Duration) -> bool {
        let due = self.seen.active_state_since.plus(limit);
        if due > self.now {
            sooner(&mut self.wake, due);
        }
        due <= self.now
    }
}

/// The unit exists and can be used.
#[must_use]
pub fn loaded(case: &Case<'_>) -> Judgement {
    let unit = case.unit;
    let Some(reading) = &case.seen.reading else {
        return Judgement::unknown("unread", format!("{unit} was not read yet"));
    };
    match &reading.load {
        LoadState::Loaded => Judgement::good("loaded", "the unit file is loaded"),
        LoadState::NotFound => case.bad(
            Code::UnitMissing,
            format!("there is no unit {unit}; the file {} manages nothing", case.seen.spec.file),
        ),
        LoadState::Masked => {
            let message = format!("{unit} is masked: systemd refuses to start it");
            let found = finding(Code::UnitMasked, case.seen.spec.severity, message, case.now);
            let repair = Some(format!("systemctl unmask {unit}"));
            Judgement::bad(proven(found, Vec::new(), repair))
        }
        LoadState::Bad(why) => {
            let message = format!("systemd cannot load {unit}: {why}");
            let found = finding(Code::UnitLoadError, case.seen.spec.severity, message, case.now);
            let repair = Some(format!("systemd-analyze verify {unit}"));
            Judgement::bad(proven(found, Vec::new(), repair))
        }
    }
}

/// The unit is active, or has done what it is for.
#[must_use]
pub fn active(case: &mut Case<'_>) -> Judgement {
    let Some(reading) = case.seen.reading.clone() else {
        return Judgement::unknown("unread", "the unit was not read yet");
    };
    if reading.load != LoadState::Loaded {
        return Judgement::unknown("not-loaded", "the unit is not loaded");
    }
    if let Some(judgement) = crash_loop(case, &reading) {
        return judgement;
    }
    if passing(&reading.sub) {
        return systemd_restarts(case, &reading);
    }
    match reading.active {
        ActiveState::Active => Judgement::good(&reading.sub, format!("active ({})", reading.sub)),
        ActiveState::Reloading => {
            let limit = timeout(case.seen.settings.as_ref(), |known| known.timeout_start_ms);
            busy(case, &reading, limit.or(Some(limits::USUAL_TIMEOUT)))
        }
        ActiveState::Activating => {
            let limit = timeout(case.seen.settings.as_ref(), |known| known.timeout_start_ms);
            busy(case, &reading, limit)
        }
        ActiveState::Deactivating => {
            let limit = timeout(case.seen.settings.as_ref(), |known| known.timeout_stop_ms);
            busy(case, &reading, limit.map(|limit| limit.saturating_mul(2)))
        }
        ActiveState::Other => Judgement::unknown(&reading.sub, format!("systemd says {}", reading.sub)),
        ActiveState::Inactive | ActiveState::Failed => dead(case, &reading),
    }
}

/// systemd's own restart is under way: neither death nor life.
#[must_use]
pub fn passing(sub: &str) -> bool {
    matches!(
        sub,
        "auto-restart" | "auto-restart-queued" | "failed-before-auto-restart" | "dead-before-auto-restart"
    )
}

fn systemd_restarts(case: &mut Case<'_>, reading: &UnitReading) -> Judgement {
    let unit = case.unit;
    if case.lasted(limits::LONG_AUTO_RESTART) {
        let minutes = limits::LONG_AUTO_RESTART.as_secs() / 60;
        return case.bad(
            Code::UnitStuck,
            format!("{unit} has waited for systemd's own restart for over {minutes} minutes (RestartSec=)"),
        );
    }
    Judgement::passing(
        "auto-restart",
        format!("systemd restarts it by itself (restart {})", reading.n_restarts),
    )
}

fn crash_loop(case: &mut Case<'_>, reading: &UnitReading) -> Option<Judgement> {
    let window = limits::CRASH_LOOP_WINDOW;
    let recent: Vec<Moment> =
        case.seen.restarts_seen.iter().map(|(at, _)| *at).filter(|at| case.now.since(*at) < window).collect();
    let oldest = recent.first()?;
    sooner(&mut case.wake, oldest.plus(window));
    if recent.len() < limits::CRASH_LOOP_RESTARTS {
        return None;
    }
    let message = format!(
        "systemd restarted {} {} times within {} minutes (NRestarts={})",
        case.unit,
        recent.len(),
        window.as_secs() / 60,
        reading.n_restarts
    );
    let found = finding(Code::UnitCrashLooping, case.seen.spec.severity, message, case.now);
    let repair = Some(format!("journalctl -u {} -n 50", case.unit));
    Some(Judgement::bad(proven(found, evidence(reading), repair)))
}

fn timeout(settings: Option<&UnitSettings>, of: impl Fn(&UnitSettings) -> Option<u64>) -> Option<Duration> {
    settings.and_then(of).map(Duration::from_millis)
}

/// A job or a reload is under way. No limit (`infinity`): it may take for ever.
fn busy(case: &mut Case<'_>, reading: &UnitReading, limit: Option<Duration>) -> Judgement {
    let word = reading.active.as_str();
    let stuck = limit.is_some_and(|limit| case.lasted(limit.saturating_add(limits::STUCK_SLACK)));
    if stuck {
        let seconds = case.now.since(case.seen.active_state_since).as_secs();
        return case
            .bad(Code::UnitStuck, format!("{} is {word} ({}) for {seconds} s", case.unit, reading.sub));
    }
    if reading.active == ActiveState::Reloading {
        return Judgement::good("reloading", "active, and reloading");
    }
    Judgement::unknown(word, format!("{word} ({})", reading.sub))
}

/// Inactive or failed: done, stopped by somebody, or dead.
fn dead(case: &mut Case<'_>, reading: &UnitReading) -> Judgement {
    let unit = case.unit;
    let starting = reading.job.is_some_and(|job| matches!(job.kind, JobKind::Start | JobKind::Restart));
    if starting {
        let limit = timeout(case.seen.settings.as_ref(), |known| known.timeout_start_ms);
        return busy(case, reading, limit.or(Some(limits::USUAL_TIMEOUT)));
    }
    if done(reading, case.seen.settings.as_ref()) {
        return Judgement::good("done", "a oneshot that has done its work");
    }
    let armed = case.seen.settings.as_ref().is_some_and(|known| {
        known.service_type == "oneshot" && !known.triggered_by.is_empty() && reading.result == "success"
    });
    if armed && reading.invocation.is_empty() {
        return Judgement::good("armed", "a oneshot that waits for its timer, path or socket");
    }
    if let Some(passing) = left_alone(case) {
        return passing;
    }
    let stopped = |kind: &HoldKind| *kind == HoldKind::ManualStop;
    if case.durable.hold.as_ref().is_some_and(|hold| stopped(&hold.kind)) {
        let last = case.seen.fate.last.as_ref();
        let message = match last.filter(|last| last.cause == Cause::Unknown) {
            Some(last) => format!("{unit} is down: {}", last.message),
            None => format!("{unit} was stopped by a stop job that was not ours"),
        };
        let found = finding(Code::UnitStoppedByOperator, case.seen.spec.severity, message, case.now);
        let repair = Some(format!("steadfast recover {unit}"));
        return Judgement::bad(proven(found, Vec::new(), repair));
    }
    if !case.lasted(limits::DEATH_DEBOUNCE) {
        return Judgement::passing(
            reading.active.as_str(),
            format!("{} ({})", reading.active.as_str(), reading.sub),
        );
    }
    let (code, message) = if reading.active == ActiveState::Failed {
        let exit = reading.exit.as_ref().map_or(String::new(), |exit| format!(": {exit}"));
        (Code::UnitFailed, format!("{unit} failed with result {}{exit}", reading.result))
    } else if reading.invocation.is_empty() {
        (Code::UnitInactive, format!("{unit} was not started in this boot"))
    } else {
        (Code::UnitInactive, format!("{unit} is inactive ({})", reading.sub))
    };
    let found = finding(code, case.seen.spec.severity, message, case.now);
    Judgement::bad(proven(found, evidence(reading), Some(format!("steadfast recover {unit}"))))
}

/// Down for a reason that is no trouble: somebody brings it up again, or it is to be down now.
fn left_alone(case: &mut Case<'_>) -> Option<Judgement> {
    let fate = &case.seen.fate;
    if fate.doubt.as_ref().is_some_and(|doubt| doubt.what == What::Stopped) {
        return Some(Judgement::passing("stopped", "it was just stopped; by whom is being looked up"));
    }
    let packages = fate.last.as_ref().filter(|last| last.cause == Cause::PackageManager);
    if let (Some(last), Some(until)) = (packages, case.quiet_until) {
        let message = format!("stopped by a package manager, which starts it again: {}", last.message);
        sooner(&mut case.wake, until);
        return Some(Judgement::passing("package-manager", message));
    }
    match &case.durable.hold.as_ref()?.kind {
        HoldKind::StoppedWith { unit, conflicts } => {
            let how = if *conflicts { "for" } else { "along with" };
            Some(Judgement::passing("stopped-with", format!("it was stopped {how} {unit}")))
        }
        HoldKind::Operator { .. } | HoldKind::ManualStop => None,
    }
}

/// A oneshot without `RemainAfterExit=` that ran in this boot and succeeded.
#[must_use]
pub fn done(reading: &UnitReading, settings: Option<&UnitSettings>) -> bool {
    let oneshot = settings.is_some_and(|known| known.service_type == "oneshot" && !known.remain_after_exit);
    oneshot
        && reading.active == ActiveState::Inactive
        && reading.result == "success"
        && !reading.invocation.is_empty()
}

fn evidence(reading: &UnitReading) -> Vec<String> {
    let mut lines = vec![format!(
        "ActiveState={} SubState={} Result={} NRestarts={}",
        reading.active.as_str(),
        reading.sub,
        reading.result,
        reading.n_restarts
    )];
    lines.extend(reading.exit.as_ref().map(|exit| format!("main process: {exit}")));
    if !reading.status_text.is_empty() {
        lines.push(format!("StatusText={}", reading.status_text));
    }
    lines
}
