//! What became of a unit, reading by reading: where it rested last, the job that moved it, and what that is put down to.

use crate::model::cause::{Evidence, Pull, Rest, Transition, What};
use crate::model::moment::Moment;
use crate::model::unit::{ActiveState, Job, JobKind, UnitReading};

/// What is remembered in order to attribute transitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    last: Option<Transition>,
    rest: Option<Rest>,
    /// `NRestarts=` when it was last up.
    restarts_up: u32,
    /// The last job since it rested, and when it was first seen.
    job: Option<(Job, Moment)>,
    /// The job with which somebody else stops the unit just now.
    stop_job: Option<Job>,
    /// Which job came along with which other unit.
    pull: Option<(u32, Pull)>,
    /// Our order to which a start or restart was put down: one order makes one.
    ours: Option<u64>,
    /// A transition that waits for word of the package manager.
    doubt: Option<Evidence>,
    /// A person's stop holds it until then, whether or not that could be saved; the inner `None`: until it runs again.
    stop_holds: Option<Option<Moment>>,
    /// How it failed, since it was last up.
    failed: Option<String>,
    /// The manager could not be reached since it was last read: what happened meanwhile was missed.
    unseen: bool,
}

/// What one reading says of a transition.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// `None`: nothing happened to it that is to be attributed.
    pub what: Option<What>,
    pub job: Option<(Job, Moment)>,
    pub by_stop_job: bool,
    pub missed: bool,
    /// `NRestarts=` rose since it was last up.
    pub restarted_itself: bool,
    /// It waited for systemd's own restart before, and was not started since.
    pub waited: bool,
}

impl Fate {
    /// What became of it last, and what did that.
    #[must_use]
    pub fn last(&self) -> Option<&Transition> {
        self.last.as_ref()
    }

    /// What made this transition is being looked up.
    #[must_use]
    pub fn doubts(&self, what: What) -> bool {
        self.doubt.as_ref().is_some_and(|doubt| doubt.what == what)
    }

    /// What made its last transition is being looked up.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    pub fn doubt(&mut self, evidence: Evidence) {
        self.doubt = Some(evidence);
    }

    /// The transition that waited for its cause.
    pub fn take_doubt(&mut self) -> Option<Evidence> {
        self.doubt.take()
    }

    pub fn settle(&mut self, transition: Transition) {
        self.last = Some(transition);
    }

    /// Since when this job of it is seen.
    #[must_use]
    pub fn job_since(&self, job: Job) -> Option<Moment> {
        self.job.filter(|(known, _)| known.id == job.id).map(|(_, since)| since)
    }

    /// This job of the unit came along with the fate of another unit.
    pub fn pulled(&mut self, job: u32, pull: Pull) {
        self.pull = Some((job, pull));
    }

    /// With whose fate this job came along.
    #[must_use]
    pub fn pull_of(&self, job: Option<Job>) -> Option<&Pull> {
        let (id, pull) = self.pull.as_ref()?;
        job.filter(|job| job.id == *id).map(|_| pull)
    }

    /// A run is put down to this order of ours. Says whether it is the first that is.
    pub fn is_first_of(&mut self, order: u64) -> bool {
        self.ours.replace(order) != Some(order)
    }

    /// How it had failed, once it is up again.
    pub fn take_failure(&mut self) -> Option<String> {
        self.failed.take()
    }

    pub fn hold_stop(&mut self, until: Option<Moment>) {
        self.stop_holds = Some(until);
    }

    #[must_use]
    pub fn stop_holds(&self) -> Option<Option<Moment>> {
        self.stop_holds
    }

    /// The manager cannot be reached: what happens is missed.
    pub fn lose_sight(&mut self) {
        self.unseen = true;
    }

    /// Everything was read. Where no change was reported, none had happened; what a job still does is seen when it is over.
    pub fn see_again(&mut self, has_job: bool) {
        self.unseen &= has_job;
    }

    /// Takes in a reading. `first`: of our life. `last_active`: the invocation that was last seen active in an earlier life.
    pub fn step(
        &mut self,
        reading: &UnitReading,
        first: bool,
        last_active: Option<&str>,
        now: Moment,
    ) -> Step {
        let by_stop_job = self.stopped_by_somebody(reading);
        let unseen = self.unseen || first;
        let up = reading.active.is_up();
        // As long as its stop job is not over, that it was stopped is not known yet.
        self.unseen = unseen && reading.job.is_some() && !up;
        let missed = unseen && !by_stop_job && last_active.is_some() && reading.is_cleanly_down();
        if reading.active == ActiveState::Failed && reading.result.is_failure() {
            let how =
                reading.exit.map_or_else(|| format!("result {}", reading.result), |exit| exit.to_string());
            self.failed = Some(how);
        }
        if let Some(job) = reading.job {
            let known = self.job.filter(|(known, _)| *known == job);
            self.job = Some(known.unwrap_or((job, now)));
        }
        let restarted_itself = reading.n_restarts > self.restarts_up && !first;
        let run = |rest: &Rest| rest.passing && rest.invocation == reading.invocation;
        let waited = self.rest.as_ref().is_some_and(run);
        let stepped = self.rest(reading);
        let what = if by_stop_job || missed { Some(What::Stopped) } else { stepped };
        let job = self.job;
        if reading.job.is_none() || (up && what.is_some()) {
            // It has done what it was for.
            self.job = None;
        }
        if up {
            self.restarts_up = reading.n_restarts;
            self.stop_holds = None;
        }
        Step { what, job, by_stop_job, missed, restarted_itself, waited }
    }

    /// Takes a reading in which the unit rests; says what became of it since it last did.
    fn rest(&mut self, reading: &UnitReading) -> Option<What> {
        let up = reading.active.is_up();
        let passing = reading.is_passing();
        let down = reading.active.is_down() || passing;
        if !up && (!down || reading.job.is_some()) {
            return None;
        }
        let (invocation, result) = (reading.invocation.clone(), reading.result.clone());
        let now = Rest { up, invocation, result, passing };
        let before = self.rest.replace(now.clone())?;
        let anew = before.invocation != now.invocation && !now.invocation.is_empty();
        match (before.up, up) {
            (true, false) => Some(What::Stopped),
            (false, true) => Some(What::Started),
            (true, true) => anew.then_some(What::Restarted),
            // A start that came to nothing, or systemd gave it up.
            (false, false) => {
                let given_up = before.passing && !passing;
                let failed = now.result.is_failure() && (anew || before.result != now.result);
                (given_up || failed).then_some(What::Stopped)
            }
        }
    }

    /// A stop job went to its end and left the unit down: somebody wanted that, however the processes ended. A unit that
    /// dies by itself has no job.
    fn stopped_by_somebody(&mut self, reading: &UnitReading) -> bool {
        let up = reading.active.is_up() || reading.active == ActiveState::Activating;
        let down = reading.active.is_down();
        let Some(job) = reading.job else {
            let clean = reading.active == ActiveState::Inactive && reading.result.is_success();
            // Where the kind of the job was not told, only a clean end counts as wanted.
            return self.stop_job.take().is_some_and(|job| down && (job.kind == JobKind::Stop || clean));
        };
        let stop = match job.kind {
            JobKind::Stop => true,
            JobKind::Other => !up,
            JobKind::Start | JobKind::Restart => false,
        };
        // Stopping what was down already says nothing of how it came down.
        let began = self.stop_job.is_some_and(|known| known.id == job.id) || !down;
        self.stop_job = (stop && began).then_some(job);
        false
    }
}

impl UnitReading {
    /// It ran in this boot and was stopped cleanly; it may have been started anew before that.
    fn is_cleanly_down(&self) -> bool {
        !self.invocation.is_empty()
            && self.active == ActiveState::Inactive
            && self.result.is_success()
            && self.job.is_none()
            && !self.is_passing()
    }
}
