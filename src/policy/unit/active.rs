//! `Loaded` and `Active`: what systemd says of a unit, with its passing states told apart from trouble.

use std::time::Duration;

use crate::model::cause::{Cause, What};
use crate::model::finding::{Code, Severity, Why};
use crate::model::moment::Moment;
use crate::model::span::{span, times};
use crate::model::state::HoldKind;
use crate::model::unit::{ActiveState, Job, JobKind, LoadState, UnitReading, UnitSettings};
use crate::policy::judgement::{Judgement, finding, proven};
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;
use super::will::listed;

impl Unit {
    /// A finding of this unit, and the command that repairs it.
    pub(super) fn bad(&self, code: Code, message: String, repair: Option<String>, now: Moment) -> Judgement {
        let found = finding(code, self.spec.severity, message, now);
        let evidence = self.run.reading().filter(|_| code.row().explained).map(UnitReading::evidence);
        Judgement::bad(proven(found, evidence.unwrap_or_default(), repair))
    }

    /// The unit exists and can be used.
    pub(super) fn loaded(&self, now: Moment) -> Judgement {
        let unit = &self.name;
        let Some(reading) = self.run.reading() else {
            return Judgement::unknown(Why::NotRead, "unread", format!("{unit} has not been read yet"));
        };
        match &reading.load {
            LoadState::Loaded => Judgement::good("loaded", "the unit file is loaded"),
            LoadState::NotFound => {
                let message = self.missing_sentence(reading);
                let stem = unit.as_str().split(['.', '@']).next().unwrap_or_default();
                let repair = format!("systemctl list-unit-files '*{stem}*'");
                self.bad(Code::UnitMissing, message, Some(repair), now)
            }
            LoadState::Masked => {
                let message = format!("{unit} is masked: systemd refuses to start it");
                self.bad(Code::UnitMasked, message, Some(format!("systemctl unmask {unit}")), now)
            }
            LoadState::Bad(why) => {
                let message = format!("systemd cannot load {unit}: {why}");
                self.bad(Code::UnitLoadError, message, Some(format!("systemd-analyze verify {unit}")), now)
            }
        }
    }

    /// The unit is active, or has done what it is for.
    pub(super) fn active(&self, view: &View<'_>) -> Judgement {
        let Some(reading) = self.run.reading() else {
            return Judgement::unknown(Why::NotRead, "unread", "the unit has not been read yet");
        };
        if reading.load != LoadState::Loaded && reading.active.is_down() {
            return Judgement::unknown(Why::NotRunning, "not-loaded", "the unit is not loaded");
        }
        let now = view.now;
        let recent = self.restarts_of_late(limits::CRASH_LOOP_WINDOW, now);
        if recent.len() >= limits::CRASH_LOOP_RESTARTS {
            return self.crash_loop(reading, &recent, now);
        }
        let judgement = self.active_now(reading, view);
        match recent.first() {
            Some(oldest) => judgement.until(oldest.plus(limits::CRASH_LOOP_WINDOW)),
            None => judgement,
        }
    }

    fn active_now(&self, reading: &UnitReading, view: &View<'_>) -> Judgement {
        if reading.is_passing() {
            return self.systemd_restarts(reading, view.now);
        }
        if reading.frozen && !reading.active.is_down() {
            let unit = &self.name;
            let message = format!("{unit} is frozen: its processes are suspended, and it is left alone");
            let found = finding(Code::UnitFrozen, Severity::Warning, message.clone(), view.now);
            let repair = Some(format!("systemctl thaw {unit}"));
            let judgement = Judgement::unknown(Why::CannotTell, Code::UnitFrozen.as_str(), message);
            return judgement.note(proven(found, Vec::new(), repair));
        }
        if let Some(emptied) = self.emptied(reading, view.now) {
            return emptied;
        }
        match reading.active {
            ActiveState::Active => {
                let good = Judgement::good(&reading.sub, format!("active ({})", reading.sub));
                self.halted(good, view.now)
            }
            ActiveState::Reloading => {
                self.busy(reading, self.start_timeout().or(Some(limits::USUAL_TIMEOUT)), view.now)
            }
            ActiveState::Activating => self.busy(reading, self.start_timeout(), view.now),
            ActiveState::Deactivating => {
                let limit = self.timeout(|known| known.timeout_stop_ms);
                self.busy(reading, limit.map(|limit| limit.saturating_mul(2)), view.now)
            }
            ActiveState::Other => {
                Judgement::unknown(Why::CannotTell, &reading.sub, format!("systemd says {}", reading.sub))
            }
            ActiveState::Inactive | ActiveState::Failed => self.dead(reading, view),
        }
    }

    fn timeout(&self, of: impl Fn(&UnitSettings) -> Option<u64>) -> Option<Duration> {
        self.run.settings().and_then(of).map(Duration::from_millis)
    }

    fn start_timeout(&self) -> Option<Duration> {
        self.timeout(|known| known.timeout_start_ms)
    }

    fn systemd_restarts(&self, reading: &UnitReading, now: Moment) -> Judgement {
        let (unit, since) = (&self.name, self.run.since());
        // Without settings it is not known how long that may take.
        let wait = self.run.settings().and_then(UnitSettings::restart_wait);
        let longest = wait.map_or(limits::LONG_AUTO_RESTART, |wait| wait.saturating_add(limits::STUCK_SLACK));
        let over = since.plus(longest.max(limits::LONG_AUTO_RESTART));
        if over <= now {
            let long = span(now.since(since));
            let message = format!("{unit} has waited for systemd's own restart for {long} (RestartSec=)");
            return Judgement::bad(finding(Code::UnitStuck, self.spec.severity, message, now));
        }
        let at = wait.map(|wait| since.plus(wait));
        let long = since.plus(limits::LONG_AUTO_RESTART);
        let told = |at: &Moment| *at > long && long <= now && !self.run.ended_well();
        if let Some(at) = at.filter(told) {
            let (ending, after) = (reading.ending(), span(at.since(since)));
            let message = format!(
                "{unit} failed with result {ending}; systemd restarts it by itself {after} after that (RestartSec=)"
            );
            return self.bad(Code::UnitFailed, message, None, now).until(over);
        }
        if self.run.ended_well() {
            let message =
                "it ended as its file wants it, and systemd restarts it by itself (Restart=, RestartSec=)";
            return Judgement::unknown(Why::ByWill, "auto-restart", message).until(over);
        }
        let message = format!("systemd restarts it by itself (restart {})", reading.n_restarts);
        let judgement = Judgement::passing("auto-restart", message).until(over);
        if long > now { judgement.until(long) } else { judgement }
    }

    /// Its start is queued, and has not begun: it waits for others, however long these take.
    fn waiting(&self, reading: &UnitReading, job: Job, now: Moment) -> Judgement {
        // A sleep of the host is no waiting.
        let since = self.fate.job_since(job).map_or(self.run.since(), |at| at.max(self.run.since()));
        let on = self.run.waits_for(job.id);
        let what = if on.is_empty() { "its turn".to_owned() } else { listed(on) };
        let limit = if on.is_empty() {
            let own = self.start_timeout().unwrap_or(limits::USUAL_TIMEOUT);
            own.saturating_add(limits::STUCK_SLACK)
        } else {
            limits::LONGEST_JOB
        };
        let over = since.plus(limit);
        if over <= now {
            let (unit, long) = (&self.name, span(now.since(since)));
            let message = format!("the start of {unit} (job {}) has waited for {what} for {long}", job.id);
            return self.bad(Code::UnitStuck, message, Some("systemctl list-jobs".to_owned()), now);
        }
        let word = reading.active.as_str();
        let message = format!("{word}: its start (job {}) waits for {what}", job.id);
        Judgement::unknown(Why::CannotTell, "waiting", message).until(over)
    }

    fn crash_loop(&self, reading: &UnitReading, recent: &[Moment], now: Moment) -> Judgement {
        let window = limits::CRASH_LOOP_WINDOW;
        let least = if recent.len() >= limits::RESTARTS_REMEMBERED { "at least " } else { "" };
        let counted = match reading.n_restarts {
            0 => String::new(),
            counted => format!(" (NRestarts={counted})"),
        };
        let often = times(recent.len() as u64);
        let left = if reading.active == ActiveState::Failed { ", and has given up" } else { "" };
        let message =
            format!("systemd restarted {} {least}{often} within {}{counted}{left}", self.name, span(window));
        let repair = Some(format!("journalctl -u {} -n 50", self.name));
        let judgement = self.bad(Code::UnitCrashLooping, message, repair, now);
        recent.first().map_or(judgement.clone(), |oldest| judgement.until(oldest.plus(window)))
    }

    /// A job or a reload is under way. No limit (`infinity`): it may take for ever.
    fn busy(&self, reading: &UnitReading, limit: Option<Duration>, now: Moment) -> Judgement {
        let word = reading.active.as_str();
        let over = limit.map(|limit| self.run.since().plus(limit.saturating_add(limits::STUCK_SLACK)));
        if over.is_some_and(|over| over <= now) {
            let long = span(now.since(self.run.since()));
            let message = format!("{} is {word} ({}) for {long}", self.name, reading.sub);
            return Judgement::bad(finding(Code::UnitStuck, self.spec.severity, message, now));
        }
        let judgement = if reading.active == ActiveState::Reloading {
            Judgement::good("reloading", "active, and reloading")
        } else {
            Judgement::unknown(Why::CannotTell, word, format!("{word} ({})", reading.sub))
        };
        match over {
            Some(over) => judgement.until(over),
            None => judgement,
        }
    }

    /// Inactive or failed: done, stopped by somebody, or dead.
    fn dead(&self, reading: &UnitReading, view: &View<'_>) -> Judgement {
        let (unit, now) = (&self.name, view.now);
        let starts = |job: &Job| matches!(job.kind, JobKind::Start | JobKind::Restart);
        if let Some(job) = reading.job.filter(starts) {
            return self.waiting(reading, job, now);
        }
        if let Some(willed) = self.down_by_will(reading) {
            return willed;
        }
        if reading.is_done(self.run.settings()) {
            return Judgement::good("done", "a oneshot that has done its work");
        }
        let armed = self.run.settings().is_some_and(UnitSettings::is_triggered_oneshot);
        if armed && reading.result.is_success() && reading.invocation.is_empty() {
            return Judgement::good("armed", "a oneshot that waits for its timer, path or socket");
        }
        if let Some(passing) = self.left_alone(view) {
            return passing;
        }
        if self.is_stopped_by_people() {
            return self.stopped_by_somebody(now);
        }
        if let Some(passing) = self.at_rest(reading, view).or_else(|| self.upheld(now)) {
            return passing;
        }
        let freed = self.freed_at.map(|at| at.plus(limits::SECOND_LOOK));
        let patience = if self.is_final(reading) { Duration::ZERO } else { limits::DEATH_DEBOUNCE };
        let settled = self.run.since().plus(patience);
        let settled = freed.map_or(settled, |freed| freed.max(settled));
        if settled > now {
            let word = reading.active.as_str();
            return Judgement::passing(word, format!("{word} ({})", reading.sub)).until(settled);
        }
        if let Some(outside) = self.runs_outside(now) {
            return outside;
        }
        let (code, message) = if let Some(message) = self.clean_end() {
            (Code::UnitInactive, message)
        } else if reading.active == ActiveState::Failed {
            let will = self.forbidden().map_or(String::new(), |why| format!("; {why}"));
            (Code::UnitFailed, format!("{unit} failed with result {}{will}", reading.ending()))
        } else if reading.invocation.is_empty() {
            (Code::UnitInactive, format!("{unit} was not started in this boot"))
        } else {
            (Code::UnitInactive, format!("{unit} is inactive ({})", reading.sub))
        };
        match self.lacking() {
            Some(lacking) => {
                let message = format!("{message}: {lacking}");
                self.bad(code, message, Some(format!("systemctl cat {unit}")), now)
            }
            None => self.bad(code, message, Some(format!("steadfast recover {unit}")), now),
        }
    }

    fn stopped_by_somebody(&self, now: Moment) -> Judgement {
        let unit = &self.name;
        let message = match self.fate.last().filter(|last| matches!(last.cause, Cause::Unknown | Cause::Exit))
        {
            Some(last) => format!("{unit} is down: {}", last.message),
            None => format!("{unit} was stopped by a stop job that was not from Steadfast"),
        };
        let message = match self.stop_ends_in() {
            Some(then) => format!("{message}; {then}"),
            None => message,
        };
        self.bad(Code::UnitStoppedByOperator, message, Some(format!("steadfast recover {unit}")), now)
    }

    /// Down for a reason that is no trouble: somebody brings it up again, or it is to be down now.
    fn left_alone(&self, view: &View<'_>) -> Option<Judgement> {
        if self.fate.doubts(What::Stopped) {
            return Some(Judgement::passing("stopped", "it was just stopped; who did it is being looked up"));
        }
        let packages = self.fate.last().filter(|last| last.cause == Cause::PackageManager);
        let quiet_until = view.packages.quiet(view.now).and_then(|gate| gate.until);
        if let (Some(last), Some(until)) = (packages, quiet_until) {
            let message = format!("stopped by a package manager, which starts it again: {}", last.message);
            return Some(Judgement::passing("package-manager", message).until(until));
        }
        match &self.kept.hold.as_ref()?.kind {
            HoldKind::StoppedWith { unit, conflicts } => {
                let how = if *conflicts { "for" } else { "along with" };
                Some(Judgement::passing("stopped-with", format!("it was stopped {how} {unit}")))
            }
            HoldKind::Operator { .. } | HoldKind::ManualStop => None,
        }
    }
}
