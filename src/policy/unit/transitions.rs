//! The transitions of a unit as its readings show them: what became of it, who did that, and which stops are holds.

use std::time::Duration;

use crate::model::cause::{Cause, Evidence, Pull, Tie, Transition, What};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::state::{Hold, HoldKind, Phase};
use crate::model::unit::{ActiveState, JobKind, ManagerState, UnitName, UnitReading, UnitSettings};
use crate::policy::effects::Out;
use crate::policy::limits;
use crate::policy::packages::Packages;
use crate::policy::view::View;

use super::Unit;

impl Unit {
    /// A reading has replaced the one before: what became of the unit is put down to somebody, at once or as soon as it is
    /// known whether a package manager is at work.
    pub(super) fn follow_transition(&mut self, first: bool, reading: &UnitReading, view: &View<'_>) {
        let held = self.kept.hold.as_ref().is_some_and(|hold| hold.kind.is_implicit());
        // A stop that is a hold already was seen in an earlier life.
        let last_active = self.kept.last_active.clone().filter(|_| !held);
        let step = self.fate.step(reading, first, last_active.as_deref(), view.now);
        let manager = view.host.manager();
        let stopping = manager == Some(ManagerState::Stopping);
        let up = reading.active.is_up();
        let failed = up.then(|| self.fate.take_failure()).flatten();
        let booted = first && up && manager == Some(ManagerState::Starting);
        let what = step.what.or(booted.then_some(What::Started));
        let Some(what) = what.filter(|_| !reading.is_done(self.run.settings())) else {
            return;
        };
        // Only while our own job runs is a stop ours. We order starts and restarts: a stop job is never ours.
        let given = self.kept.recovery.as_ref().is_some_and(|order| order.phase == Phase::Job);
        let theirs = step.job.is_some_and(|(job, _)| job.kind == JobKind::Stop);
        let ours = given && !theirs && !self.resume && !stopping;
        let job = step.job.map(|(job, _)| job);
        let pull = self.fate.pull_of(job).cloned().or_else(|| {
            let unit = view.peers.pulled_by(&self.name).filter(|_| what == What::Started)?.clone();
            Some(Pull { unit, how: Tie::Job })
        });
        let order = pull.as_ref().and_then(|pull| view.peers.order(&pull.unit));
        let evidence = Evidence {
            what,
            at: view.now,
            ordered_at: step.job.map_or(view.now, |(_, since)| since),
            after: reading.clone(),
            job,
            by_stop_job: (step.by_stop_job || self.unmounted(what, reading)) && !ours,
            unneeded: self.will().is_some_and(|will| will.stop_when_unneeded),
            missed: step.missed && !ours && !stopping,
            ours: if what == What::Stopped { ours } else { self.is_started_by_us(reading) },
            ran_out: reading.result.is_failure() && reading.ended_well(self.run.settings()),
            given_up: step.waited && !step.by_stop_job && !up && !reading.is_passing(),
            restarted_itself: step.restarted_itself,
            pull_is_ours: order.is_some_and(|order| order.phase == Phase::Job),
            pull,
            manager,
            flip: self.flipped_lately(view.now),
            revived: failed.and_then(|how| Some((self.upholder()?.clone(), how))),
            triggers: self.starters(),
        };
        self.weigh_transition(evidence, view);
    }

    /// Names the cause now, or waits for word of the package manager.
    fn weigh_transition(&mut self, evidence: Evidence, view: &View<'_>) {
        // One that still waits was overtaken.
        self.settle_transition(view.packages, view.now);
        let open = evidence.asks_for_packages() && !view.packages.is_of_user();
        self.fate.doubt(evidence);
        if open {
            self.out.push(Out::AskPackages);
        } else {
            self.settle_transition(view.packages, view.now);
        }
    }

    /// What made its last transition is being looked up.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.fate.is_in_doubt()
    }

    /// Word of the package manager has come, or will not come: the transition that waits for it is put down to somebody.
    pub fn settle_transition(&mut self, packages: &Packages, now: Moment) {
        let Some(evidence) = self.fate.take_doubt() else {
            return;
        };
        let at_work = packages.at_work(&evidence).filter(|_| evidence.asks_for_packages());
        let (cause, message) = evidence.attribute(at_work.as_deref());
        let text = format!("{} {} ({}): {message}", self.name, evidence.what.as_str(), cause.as_str());
        let kind = match cause {
            Cause::Ours | Cause::Systemd | Cause::Crash | Cause::Exit => EventKind::Ran,
            Cause::Operator
            | Cause::Deploy
            | Cause::PackageManager
            | Cause::Dependency(_)
            | Cause::Boot
            | Cause::Shutdown
            | Cause::Unknown => EventKind::Operated,
        };
        if evidence.revived.is_some() && cause == Cause::Systemd {
            self.run.restarted_by_systemd(evidence.at);
        }
        if evidence.what != What::Stopped && matches!(cause, Cause::Operator | Cause::Deploy) {
            self.begun_by_people();
        }
        if evidence.what == What::Stopped {
            // What is put down to somebody now is not to be found as missed after a crash of ours.
            self.kept.last_active.take_if(|known| *known == evidence.after.invocation);
        }
        let (what, at) = (evidence.what, evidence.at);
        self.fate.settle(Transition { what, cause: cause.clone(), message, at });
        self.hold_after(&evidence, &cause, now);
        self.out.note(kind, None, text);
    }

    /// Somebody started it: it is given another chance, and how it did before counts no more. What we spent still counts.
    fn begun_by_people(&mut self) {
        self.run.forget_restarts();
        if self.kept.quarantine.take().is_some() {
            let message = format!("the quarantine of {} has ended: somebody started it", self.name);
            self.out.note(EventKind::Decided, None, message);
        }
    }

    /// A stop that somebody wanted is a hold; one of the package manager, of the host, or of a dead unit is not.
    fn hold_after(&mut self, evidence: &Evidence, cause: &Cause, now: Moment) {
        let wanted = (evidence.by_stop_job || evidence.missed) && !evidence.ours;
        let down = self.run.reading().is_some_and(|reading| !reading.active.is_up());
        if !down || evidence.unneeded || !(wanted || self.holds_clean_exit()) {
            return;
        }
        let kind = match (cause, &evidence.pull) {
            (Cause::Exit, _) => HoldKind::ManualStop,
            (Cause::Operator | Cause::Deploy | Cause::Unknown, _) => HoldKind::ManualStop,
            (Cause::Dependency(_), Some(Pull { unit, how: Tie::Job | Tie::End })) => {
                HoldKind::StoppedWith { unit: unit.clone(), conflicts: false }
            }
            (Cause::Dependency(_), Some(Pull { how: Tie::Death, .. })) => {
                // The other one is told; this one only if it does not come back.
                self.bidden = Some(now);
                return;
            }
            (Cause::Dependency(_), Some(Pull { unit, how: Tie::Conflict })) => {
                HoldKind::StoppedWith { unit: unit.clone(), conflicts: true }
            }
            (
                Cause::Ours
                | Cause::Systemd
                | Cause::Crash
                | Cause::PackageManager
                | Cause::Dependency(_)
                | Cause::Boot
                | Cause::Shutdown,
                _,
            ) => return,
        };
        // To start it would stop the other one, or mount a disk that somebody works on: that is no question of time.
        let unmounted = evidence.by_stop_job && evidence.job.is_none();
        let forever = match &kind {
            HoldKind::StoppedWith { conflicts: true, .. } => true,
            HoldKind::StoppedWith { unit, .. } => matches!(unit.kind(), "mount" | "swap"),
            HoldKind::ManualStop | HoldKind::Operator { .. } => unmounted,
        };
        let until = self.spec.recovery.after_manual_stop.map(|length| now.plus(length));
        let until = until.filter(|_| !forever);
        let follow_other = matches!(kind, HoldKind::StoppedWith { .. });
        self.kept.hold = Some(match self.kept.hold.take() {
            None => Hold { kind, since: now, stopped_run: evidence.after.run(), until, asked: None },
            // It is only made longer.
            Some(hold) => Hold {
                stopped_run: evidence.after.run(),
                until: hold.until.zip(until).map(|(known, until)| known.max(until)),
                ..hold
            },
        });
        self.fate.hold_stop(until);
        if follow_other {
            self.out.push(Out::Follow);
        }
    }

    /// A mount or swap that went down well and without a job: systemd has only read that it is gone. What an automount made
    /// goes by itself.
    fn unmounted(&self, what: What, reading: &UnitReading) -> bool {
        let mount = matches!(self.name.kind(), "mount" | "swap") && what == What::Stopped;
        let automatic = self.run.settings().is_some_and(|known| !known.triggered_by.is_empty());
        let gone = reading.active == ActiveState::Inactive && reading.result.is_success();
        mount && gone && !automatic && reading.job.is_none()
    }

    /// Units that may start it by themselves.
    fn starters(&self) -> Vec<UnitName> {
        let of = |known: &UnitSettings| [&known.triggered_by[..], &known.will.upheld_by].concat();
        self.run.settings().map(of).unwrap_or_default()
    }

    /// An order of ours is in flight whose job has made this run, and no other.
    fn is_started_by_us(&mut self, reading: &UnitReading) -> bool {
        let order = self.kept.recovery.as_ref().filter(|order| {
            order.kind.disturbs()
                && !matches!(order.phase, Phase::SmokeTest | Phase::Drain)
                && order.invocation_before != reading.invocation
        });
        let order = order.map(|order| order.order).filter(|_| !self.resume);
        order.is_some_and(|order| self.fate.is_first_of(order))
    }

    /// The link that was switched last, if that was lately.
    fn flipped_lately(&self, now: Moment) -> Option<(String, Duration)> {
        let (link, at) = self.residents.flip()?;
        let ago = now.since(*at);
        (ago <= limits::DEPLOY_SOON).then(|| (link.clone(), ago))
    }
}
