//! What systemd says of the unit: the last reading, what is configured, and its restarts and starts of late.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::moment::Moment;
use crate::model::unit::{ActiveState, LoadState, UnitName, UnitReading, UnitSettings};
use crate::model::will::{Exit, UnitResult};
use crate::policy::limits;

/// What is read of one unit. A new reading replaces the one before.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    reading: Option<UnitReading>,
    settings: Option<UnitSettings>,
    /// Since when `ActiveState` and `SubState` are what they are.
    since: Moment,
    /// When systemd restarted it by itself, within the limit, oldest first.
    restarts: VecDeque<Moment>,
    /// When it was started, by systemd or anybody, within the limit, oldest first.
    starts: VecDeque<Moment>,
    /// The job that is to start it, and for whose jobs that waits.
    waits: Option<(u32, Vec<UnitName>)>,
    /// How long its run before this one was active.
    lasted: Duration,
    /// Its last end was as its file wants it: systemd's own restart after that is not a crash.
    ended_well: bool,
}

impl Run {
    #[must_use]
    pub fn new(now: Moment) -> Self {
        Self {
            reading: None,
            settings: None,
            since: now,
            restarts: VecDeque::new(),
            starts: VecDeque::new(),
            waits: None,
            lasted: Duration::ZERO,
            ended_well: false,
        }
    }

    #[must_use]
    pub fn reading(&self) -> Option<&UnitReading> {
        self.reading.as_ref()
    }

    #[must_use]
    pub fn settings(&self) -> Option<&UnitSettings> {
        self.settings.as_ref()
    }

    /// Since when its state is what it is.
    #[must_use]
    pub fn since(&self) -> Moment {
        self.since
    }

    /// Time that nobody had counts for nothing.
    pub fn stood_still(&mut self, now: Moment) {
        self.since = now;
    }

    /// How long its run before this one was active.
    #[must_use]
    pub fn lasted(&self) -> Duration {
        self.lasted
    }

    /// It is active or reloading.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.active.is_up())
    }

    /// It is inactive or failed.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.active.is_down())
    }

    /// Its processes stand still.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.frozen)
    }

    /// Its last end was as its file wants it.
    #[must_use]
    pub fn ended_well(&self) -> bool {
        self.ended_well
    }

    #[must_use]
    pub fn is_loaded(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.load == LoadState::Loaded)
    }

    #[must_use]
    pub fn main_pid(&self) -> Option<u32> {
        self.reading.as_ref().and_then(|reading| reading.main_pid)
    }

    /// Since when the present run is active.
    #[must_use]
    pub fn active_since(&self) -> Option<Moment> {
        self.reading.as_ref().and_then(|reading| reading.active_since)
    }

    /// Takes in a reading; returns the one before.
    pub fn read(&mut self, reading: &UnitReading, now: Moment) -> Option<UnitReading> {
        let before = self.reading.replace(reading.clone());
        let began =
            before.as_ref().filter(|before| before.active.is_up()).and_then(|before| before.active_since);
        if let Some(began) = began.filter(|_| !reading.active.is_up()) {
            self.lasted = now.since(began);
        }
        let same = |before: &UnitReading| before.active == reading.active && before.sub == reading.sub;
        if !before.as_ref().is_some_and(same) {
            self.since = now;
        }
        if reading.is_passing() || reading.active.is_down() {
            self.ended_well = reading.ended_well(self.settings.as_ref());
        }
        // A smaller count is a reset by a manual restart.
        let more = before.as_ref().map_or(0, |before| reading.n_restarts.saturating_sub(before.n_restarts));
        // To be restarted after an end that its file wants is no crash.
        remember(&mut self.restarts, now, if self.ended_well { 0 } else { more });
        let new_run = before.as_ref().is_none_or(|before| before.invocation != reading.invocation);
        if new_run && !reading.invocation.is_empty() {
            // As systemd counts them: each run, those between two readings included.
            let at = if before.is_none() { reading.active_since.unwrap_or(now) } else { now };
            remember(&mut self.starts, at, more.max(1));
        }
        before
    }

    /// Its start job waits for the jobs of these units.
    pub fn waits(&mut self, job: u32, on: Vec<UnitName>) {
        self.waits = Some((job, on));
    }

    /// For whose jobs this job of it waits, as far as it is known.
    #[must_use]
    pub fn waits_for(&self, job: u32) -> &[UnitName] {
        self.waits.as_ref().filter(|(known, _)| *known == job).map_or(&[], |(_, on)| on.as_slice())
    }

    /// Takes in what is configured; returns what was before, or nothing where nothing changed.
    pub fn configure(&mut self, mut settings: UnitSettings) -> Option<Option<UnitSettings>> {
        if let Some(before) = &self.settings {
            settings.date_by(before);
        }
        if self.settings.as_ref() == Some(&settings) {
            return None;
        }
        Some(self.settings.replace(settings))
    }

    /// systemd started it again after a failure, otherwise than by `Restart=`.
    pub fn restarted_by_systemd(&mut self, at: Moment) {
        remember(&mut self.restarts, at, 1);
    }

    /// What it did before says nothing any more of how it is.
    pub fn forget_restarts(&mut self) {
        self.restarts.clear();
    }

    /// When systemd restarted it within the last `window`, oldest first.
    pub fn restarts_within(&self, window: Duration, now: Moment) -> impl Iterator<Item = Moment> {
        within(&self.restarts, window, now)
    }

    /// When it was started within the last `window`, oldest first.
    pub fn starts_within(&self, window: Duration, now: Moment) -> impl Iterator<Item = Moment> {
        within(&self.starts, window, now)
    }
}

fn remember(times: &mut VecDeque<Moment>, at: Moment, count: u32) {
    let count = usize::try_from(count).unwrap_or(usize::MAX).min(limits::RESTARTS_REMEMBERED);
    times.extend(std::iter::repeat_n(at, count));
    let surplus = times.len().saturating_sub(limits::RESTARTS_REMEMBERED);
    times.drain(..surplus);
}

fn within(times: &VecDeque<Moment>, window: Duration, now: Moment) -> impl Iterator<Item = Moment> {
    times.iter().copied().filter(move |at| now.since(*at) < window)
}

impl UnitSettings {
    /// A file that was written anew and says the same as before is as old as it was: generators write at each reload. One
    /// that says something else is as new as it is on this disk.
    fn date_by(&mut self, before: &Self) {
        let Some(known) = before.content else {
            return;
        };
        if self.content.is_none_or(|content| content == known) {
            self.content = before.content;
            self.modified_at = before.modified_at;
            self.changed_at = before.changed_at;
        } else {
            self.modified_at = self.modified_at.max(self.changed_at);
        }
    }
}

impl UnitReading {
    /// systemd's own restart is under way: neither death nor life.
    #[must_use]
    pub fn is_passing(&self) -> bool {
        matches!(
            self.sub.as_str(),
            "auto-restart"
                | "auto-restart-queued"
                | "failed-before-auto-restart"
                | "dead-before-auto-restart"
        )
    }

    /// It ended by itself and well in less than ten seconds: it had nothing to do.
    #[must_use]
    pub fn ended_at_once(&self) -> bool {
        let ran = self.active_since.zip(self.inactive_since).map(|(began, ended)| ended.since(began));
        let clean = self.exit == Some(Exit::Code(0)) && self.result.is_success();
        clean && self.active == ActiveState::Inactive && ran.is_some_and(|ran| ran < limits::AT_ONCE)
    }

    /// A oneshot without `RemainAfterExit=` that ran in this boot and succeeded.
    #[must_use]
    pub fn is_done(&self, settings: Option<&UnitSettings>) -> bool {
        settings.is_some_and(UnitSettings::is_a_job)
            && self.active == ActiveState::Inactive
            && self.result.is_success()
            && !self.invocation.is_empty()
    }

    /// Its result, and how its main process ended, unless another command of its file is what failed.
    #[must_use]
    pub fn ending(&self) -> String {
        match self.exit {
            _ if self.is_of_command() => {
                format!("{}: a command of its file, not its main process", self.result)
            }
            Some(exit) => format!("{}: {exit}", self.result),
            None => self.result.to_string(),
        }
    }

    /// The exit code that makes it failed is not its main process's: that of `ExecStop=`, `ExecStopPost=` and the like.
    #[must_use]
    pub fn is_of_command(&self) -> bool {
        self.result == UnitResult::ExitCode && matches!(self.exit, Some(Exit::Code(0) | Exit::Signal { .. }))
    }

    /// What systemd says of it, for people.
    #[must_use]
    pub fn evidence(&self) -> Vec<String> {
        let mut lines = vec![format!(
            "ActiveState={} SubState={} Result={} NRestarts={}",
            self.active.as_str(),
            self.sub,
            self.result,
            self.n_restarts
        )];
        lines.extend(self.exit.as_ref().map(|exit| format!("main process: {exit}")));
        if !self.status_text.is_empty() {
            lines.push(format!("StatusText={}", self.status_text));
        }
        lines
    }
}
