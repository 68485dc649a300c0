//! Proves an order, and takes up one of our earlier life.

use crate::model::code::Concern;
use crate::model::finding::{Code, ConditionKind};
use crate::model::incident::EventKind;
use crate::model::operator::{StepName, StepResult};
use crate::model::state::{Phase, Recovery};
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;
use super::order::Event;

impl Unit {
    /// Takes up an order of our earlier life, once the unit was read: by the invocation it is known whether its job was
    /// carried out.
    pub(super) fn take_up(&mut self, order: &Recovery, view: &View<'_>) {
        let patience = view.host.started_at().plus(limits::LONGEST_RESUME).max(order.phase_due);
        if patience <= view.now {
            self.abandon("it could not be resumed in time");
            return;
        }
        self.look_again(patience);
        let read = self.run.reading().filter(|_| self.run.settings().is_some() && self.enablement.is_some());
        // Ours, most likely: its end is the next reading.
        let ours = |job: Option<_>| job.is_some() && order.phase == Phase::Job;
        if read.is_none_or(|reading| ours(reading.job)) || self.closed_for_people(order.kind, view).is_some()
        {
            return;
        }
        if let Some(because) = order.because {
            if let Some(gate) = view.packages.quiet(view.now) {
                self.look_again_if(gate.until);
                return;
            }
            if let Some(why) = self.unwanted(view.now).or_else(|| self.forbidden()) {
                self.abandon(&why);
                return;
            }
            // What probes and queues said in our earlier life, perhaps before a long sleep of the host, and say no more.
            let asked = matches!(
                because.row().concern.condition(),
                Some(ConditionKind::Serving | ConditionKind::Progressing)
            );
            let found = self.findings.iter().any(|finding| finding.code == because);
            // A job that was saved and not given is no more done than a test. It may have been a drill that asked for it.
            let undone =
                order.phase == Phase::SmokeTest || (order.phase == Phase::Job && !self.is_new_run(order));
            if undone && asked && !found {
                self.abandon("the finding that asked for it is gone");
                return;
            }
            if self.must_ask_packages(view) {
                return;
            }
        }
        self.resume = false;
        let message = format!(
            "resumes the {} of {} that was in flight ({}) when Steadfast ended",
            order.kind.as_str(),
            self.name,
            order.phase.as_str()
        );
        self.out.note(EventKind::Decided, order.because, message);
        self.on(Event::TakenUp, view);
    }

    /// Looks whether what the order was for is proven by now, or cannot be any more.
    pub(super) fn prove(&mut self, order: &Recovery, view: &View<'_>) {
        let over = order.phase_at.plus(self.spec.recovery.verify_within) <= view.now;
        let endpoints = self.probes.all_healthy();
        let proof = self.proof(order, view.now);
        self.look_again_if(proof.steady_at);
        if let (Ok(message), true) = (&endpoints, proof.runs) {
            self.report_endpoints(order, message, view);
        }
        if proof.lacking.is_some() && self.is_superseded(order) {
            self.supersede(view);
        } else if let Some(why) = proof.broken {
            self.fail(StepName::Proof, &why, view);
        } else if let (true, Err(why)) = (over, endpoints.as_ref()) {
            self.fail(StepName::EndpointCheck, why, view);
        } else if let Some(why) = proof.lacking.filter(|_| over) {
            self.fail(StepName::Proof, &why, view);
        } else if let (Some(message), Ok(_)) = (proof.proven, &endpoints) {
            self.prove_progress(order, message, view);
        } else {
            self.await_proof(order, view);
            if proof.look_again {
                self.residents.wish(view.now.plus(limits::SECOND_LOOK));
            }
        }
    }

    fn report_endpoints(&mut self, order: &Recovery, message: &str, view: &View<'_>) {
        if order.steps.iter().any(|step| step.name == StepName::EndpointCheck) {
            return;
        }
        let (result, message) = if self.probes.is_empty() {
            (StepResult::Skipped, "no probe is configured")
        } else {
            (StepResult::Done, message)
        };
        self.report(StepName::EndpointCheck, result, message.to_owned(), view);
    }

    /// It runs as it should. A restart for a stall is proven by progress alone: a worker that waits for a lock runs well, too.
    fn prove_progress(&mut self, order: &Recovery, message: String, view: &View<'_>) {
        let of_queue = |code: &Code| code.row().concern == Concern::Progressing;
        match order.because.filter(of_queue).map(|code| self.queues.work_again(code)) {
            Some(Err(why)) if order.phase_due <= view.now => self.fail(StepName::Progress, &why, view),
            Some(Err(_)) => self.await_proof(order, view),
            Some(Ok(())) | None if self.was_disabled_meanwhile(order) => self.enable_after_all(view),
            Some(Ok(())) | None => {
                self.report(StepName::Proof, StepResult::Done, message, view);
                self.succeed(view);
            }
        }
    }

    fn await_proof(&mut self, order: &Recovery, view: &View<'_>) {
        let ends = [order.phase_at.plus(self.spec.recovery.verify_within), order.phase_due];
        self.look_again_if(ends.into_iter().filter(|at| *at > view.now).min());
    }
}
