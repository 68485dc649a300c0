//! The host: the manager as a whole, the readings of everything at a slow steady period, and what of our own does not work.

use std::collections::BTreeMap;

use crate::model::action::Action;
use crate::model::boot::BootReading;
use crate::model::finding::{Code, Finding, Severity};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::observation;
use crate::model::poll::Poll;
use crate::model::spec::{Problem, Settings};
use crate::model::unit::ManagerState;
use crate::policy::effects::Outbox;
use crate::policy::gate::Gate;
use crate::policy::judgement::{finding, proven};
use crate::policy::limits;

/// The durable state cannot be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveFailure {
    since: Moment,
    tried_at: Moment,
    pub why: String,
}

/// What is known of the host and of ourselves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Host {
    here: observation::Host,
    started_at: Moment,
    settings: Settings,
    problems: Vec<Problem>,
    /// Files that manage a unit by another of its names than a file that is in force.
    doubles: Vec<Problem>,
    /// The configuration was read.
    configured: bool,
    manager: Option<ManagerState>,
    /// Since when the manager is in that state.
    manager_since: Moment,
    /// Every unit is read again then.
    resync: Poll,
    /// The enablement of every unit is asked again then.
    enablement: Poll,
    boot: Option<BootReading>,
    prediction: Poll,
    /// Since when the next boot could not be computed.
    unpredicted_since: Option<Moment>,
    save_failure: Option<SaveFailure>,
    /// What of our own works only in part, since when and why.
    impaired: BTreeMap<(Code, &'static str), (Moment, String)>,
    /// Parts that have reported, well or not, since we started.
    heard: BTreeMap<Code, bool>,
    /// The host slept or stood still: since when, and until when at most, everything is being read afresh.
    rereading: Option<(Moment, Moment)>,
    out: Outbox,
}

impl Host {
    #[must_use]
    pub fn new(here: observation::Host, now: Moment) -> Self {
        Self { here, started_at: now, ..Self::default() }
    }

    pub fn out(&mut self) -> &mut Outbox {
        &mut self.out
    }

    #[must_use]
    pub fn here(&self) -> &observation::Host {
        &self.here
    }

    #[must_use]
    pub fn is_of_user(&self) -> bool {
        self.here.user_instance
    }

    #[must_use]
    pub fn started_at(&self) -> Moment {
        self.started_at
    }

    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// These files manage what others manage already; what is new of them is written down.
    pub fn set_doubles(&mut self, doubles: Vec<Problem>) {
        for problem in doubles.iter().filter(|problem| !self.doubles.contains(problem)) {
            self.out.file(None, EventKind::Notice, format!("{}: {}", problem.place(), problem.message));
        }
        self.doubles = doubles;
    }

    #[must_use]
    pub fn is_configured(&self) -> bool {
        self.configured
    }

    #[must_use]
    pub fn manager(&self) -> Option<ManagerState> {
        self.manager
    }

    #[must_use]
    pub fn boot(&self) -> Option<&BootReading> {
        self.boot.as_ref()
    }

    #[must_use]
    pub fn save_failure(&self) -> Option<&SaveFailure> {
        self.save_failure.as_ref()
    }

    /// The configuration was read; new mistakes in it are written down.
    pub fn configure(&mut self, settings: Settings, problems: Vec<Problem>, now: Moment) {
        for problem in problems.iter().filter(|problem| !self.problems.contains(problem)) {
            self.out.file(None, EventKind::Notice, format!("{}: {}", problem.place(), problem.message));
        }
        self.resync = Poll::Due(now.plus(settings.resync));
        self.settings = settings;
        self.problems = problems;
        self.configured = true;
    }

    /// The manager's own state changed. Returns the state before, unless it is the same.
    pub fn manager_changed(&mut self, manager: ManagerState, now: Moment) -> Option<Option<ManagerState>> {
        if self.manager == Some(manager) {
            return None;
        }
        let before = self.manager.replace(manager);
        self.manager_since = now;
        let message = match manager {
            ManagerState::Unreachable => "the service manager cannot be reached: no orders are given",
            ManagerState::Stopping => "the host shuts down: no orders are given",
            ManagerState::Starting => "boot is not finished: no orders are given yet",
            ManagerState::Maintenance => "the host is in rescue or emergency mode: no orders are given",
            ManagerState::Running => "the service manager runs",
        };
        self.out.file(None, EventKind::Notice, message);
        Some(before)
    }

    /// The host slept, or stood still: everything is being read anew.
    pub fn resumed(&mut self, now: Moment) {
        self.rereading = Some((now, now.plus(limits::LONGEST_REREADING)));
    }

    /// Everything was read, beginning then. Says whether that ends the waiting after a sleep.
    pub fn units_read(&mut self, began: Moment) -> bool {
        // What was begun before the sleep may show what was before the sleep.
        self.rereading.take_if(|(since, _)| *since <= began).is_some()
    }

    /// What speaks against acting on any unit.
    #[must_use]
    pub fn closed(&self, now: Moment) -> Option<Gate> {
        if let Some(failure) = &self.save_failure {
            return Some(Gate::because(format!("the durable state cannot be saved: {}", failure.why)));
        }
        let ready = self.started_at.plus(self.settings.startup_hold);
        if ready > now {
            return Some(Gate::because("startup_hold of steadfast.toml is not over").until(ready));
        }
        if let Some((_, until)) = self.rereading.filter(|(_, until)| *until > now) {
            let why = "the host was suspended or stalled; everything is read again first";
            return Some(Gate::because(why).until(until));
        }
        match self.manager {
            Some(ManagerState::Running) => None,
            Some(ManagerState::Starting) => {
                let patience = self.manager_since.plus(limits::LONGEST_BOOT);
                (patience > now).then(|| Gate::because("boot is not finished").until(patience))
            }
            Some(ManagerState::Stopping) => Some(Gate::because("the host shuts down")),
            Some(ManagerState::Maintenance) => Some(Gate::because("the host is in rescue or emergency mode")),
            Some(ManagerState::Unreachable) | None => {
                Some(Gate::because("the service manager cannot be reached"))
            }
        }
    }

    /// The enablement of everything is being asked.
    pub fn enablement_asked(&mut self, now: Moment) {
        self.enablement = Poll::Due(now.plus(limits::ENABLEMENT_PERIOD));
    }

    /// It is asked at the slow period, from now on.
    pub fn follow_enablement(&mut self, now: Moment) {
        if self.enablement == Poll::Idle {
            self.enablement_asked(now);
        }
    }

    /// The prediction of the next boot is to be made (again) once changes have settled.
    pub fn wish_prediction(&mut self, now: Moment) {
        self.prediction.wish(now.plus(limits::BOOT_SETTLE));
    }

    /// What the next boot would start. What failed is asked again soon, and then ever more seldom.
    pub fn predicted(&mut self, reading: BootReading, now: Moment) {
        self.prediction.finish();
        self.unpredicted_since = reading.failure.as_ref().and(self.unpredicted_since.or(Some(now)));
        let again = self.unpredicted_since.map_or(limits::BOOT_PERIOD, |since| {
            (now.since(since) / 4).clamp(limits::BOOT_RETRY, limits::LONGEST_BOOT_RETRY)
        });
        self.prediction.wish(now.plus(again));
        self.boot = Some(reading);
    }

    /// Orders the readings that are due. Says whether the enablement of all units is to be asked. `managed`: there are units.
    pub fn poll(&mut self, managed: bool, now: Moment) -> bool {
        if self.resync.due().is_some_and(|due| due <= now) {
            self.resync = Poll::Due(now.plus(self.settings.resync));
            if managed {
                self.out.act(Action::ReadAllUnits);
            }
        }
        self.prediction.expire(now);
        if self.prediction.start(now, limits::BOOT_LIMIT) {
            self.out.act(Action::PredictBoot);
        }
        self.enablement.due().is_some_and(|due| due <= now)
    }

    /// When something of this is due.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        let retry = self.save_failure.as_ref().map(SaveFailure::retry_at);
        let polls =
            [self.resync.due(), self.enablement.due(), self.prediction.due(), retry, self.unreachable_at()];
        polls.into_iter().flatten().min()
    }

    /// From when on it is told that the manager cannot be reached: a restart of the bus is over in a second.
    fn unreachable_at(&self) -> Option<Moment> {
        let lost = self.manager == Some(ManagerState::Unreachable);
        lost.then(|| self.manager_since.plus(limits::UNREACHABLE))
    }

    /// The durable state could not be saved. Says whether that is new.
    pub fn save_failed(&mut self, why: String, now: Moment) -> bool {
        let known = self.save_failure.as_ref().map(|known| known.since);
        if known.is_none() {
            let message = format!("cannot save the durable state: {why}; no orders until it is saved");
            self.out.file(None, EventKind::Notice, message);
        }
        self.save_failure = Some(SaveFailure { since: known.unwrap_or(now), tried_at: now, why });
        known.is_none()
    }

    /// The durable state is saved again. Says whether it was not before.
    pub fn saved(&mut self, now: Moment) -> bool {
        let Some(failure) = self.save_failure.take() else {
            return false;
        };
        let seconds = now.since(failure.since).as_secs();
        self.out.file(
            None,
            EventKind::Notice,
            format!("the durable state is saved again, after {seconds} s"),
        );
        true
    }

    /// A part of our own does not work, or works again. Everything else goes on, and we say what is lost.
    pub fn impaired(&mut self, code: Code, part: &'static str, why: Option<String>, now: Moment) {
        self.heard.insert(code, why.is_none());
        let known = self.impaired.get(&(code, part));
        if known.map(|(_, why)| why) == why.as_ref() {
            return;
        }
        let since = known.map_or(now, |(since, _)| *since);
        let Some(why) = why else {
            self.impaired.remove(&(code, part));
            let message = format!("{part}: all is well again");
            self.out.file_code(None, (EventKind::Cleared, Some(code)), message);
            return;
        };
        self.out.file_code(None, (EventKind::Found, Some(code)), why.clone());
        self.impaired.insert((code, part), (since, why));
    }

    /// The part that this code is about has reported since we started.
    #[must_use]
    pub fn has_heard(&self, code: Code) -> bool {
        self.heard.contains_key(&code)
    }

    /// What is wrong with the host and with ourselves, as far as this object knows: first, and last.
    #[must_use]
    pub fn findings(&self, now: Moment) -> (Vec<Finding>, Vec<Finding>) {
        let problems = self.problems.iter().chain(&self.doubles);
        let mut first: Vec<Finding> = problems.map(|problem| problem.finding(now)).collect();
        if self.unreachable_at().is_some_and(|at| at <= now) {
            let message = "the service manager cannot be reached over D-Bus";
            let found =
                finding(Code::HostManagerUnreachable, Severity::Critical, message, self.manager_since);
            first.push(proven(found, Vec::new(), Some("systemctl status dbus".to_owned())));
        }
        if let Some(failure) = &self.save_failure {
            let message =
                format!("cannot save the durable state: {}; no orders until it is saved", failure.why);
            first.push(finding(Code::HostStateUnsaved, Severity::Critical, message, failure.since));
        }
        let last = self.impaired.iter();
        let last = last.map(|((code, _), (at, why))| finding(*code, Severity::Warning, why.clone(), *at));
        (first, last.collect())
    }
}

impl SaveFailure {
    /// When saving is tried again.
    #[must_use]
    pub fn retry_at(&self) -> Moment {
        self.tried_at.plus(limits::SAVE_RETRY)
    }
}

impl Problem {
    /// `FILE:LINE:COLUMN`, or the file alone.
    #[must_use]
    pub fn place(&self) -> String {
        match self.line {
            0 => self.file.clone(),
            line => format!("{}:{line}:{}", self.file, self.column),
        }
    }

    fn finding(&self, now: Moment) -> Finding {
        let kept = if self.last_good_in_force { " (its last good version stays in force)" } else { "" };
        let message = format!("{}: {}{kept}", self.place(), self.message);
        let found = finding(Code::ConfigInvalid, Severity::Warning, message, now);
        let lines = self.rendered.lines().map(str::to_owned).collect();
        proven(found, lines, Some("steadfast verify".to_owned()))
    }
}
