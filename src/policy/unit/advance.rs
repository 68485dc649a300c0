//! Proves an order, and takes up one of our earlier life.

use crate::model::finding::ConditionKind;
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
            self.abandon("it could not be taken up again in time");
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
            if let Some(why) = self.unwanted(view.now) {
                self.abandon(&why);
                return;
            }
            // What probes and queues said in our earlier life, perhaps before a long sleep of the host, and say no more.
            let asked = matches!(
                because.row().concern.condition(),
                Some(ConditionKind::Serving | ConditionKind::Progressing)
            );
            let found = self.findings.iter().any(|finding| finding.code == because);
            if order.phase == Phase::SmokeTest && asked && !found {
                self.abandon("what asked for it is not found any more");
                return;
            }
            if self.must_ask_packages(view) {
                return;
            }
        }
        self.resume = false;
        let message = format!(
            "takes up the {} of {} that was in flight ({}) when Steadfast ended",
            order.kind.as_str(),
            self.name,
            order.phase.as_str()
        );
        self.out.note(EventKind::Decided, order.because, message);
        self.on(Event::TakenUp, view);
    }

    /// Looks whether what the order was for is proven by now, or cannot be any more.
    pub(super) fn prove(&mut self, order: &Recovery, view: &View<'_>) {
        let over = order.phase_due <= view.now;
        let endpoints = self.probes.all_healthy();
        let proof = self.proof(order, view.now);
        self.look_again_if(proof.steady_at);
        let checked = order.steps.iter().any(|step| step.name == StepName::EndpointCheck);
        if let (Ok(message), false, true) = (&endpoints, checked, proof.runs) {
            let (result, message) = if self.probes.is_empty() {
                (StepResult::Skipped, "no probe is configured".to_owned())
            } else {
                (StepResult::Done, message.clone())
            };
            self.report(StepName::EndpointCheck, result, message, view);
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
            self.report(StepName::Proof, StepResult::Done, message, view);
            self.succeed(view);
        } else {
            self.look_again(order.phase_due);
            if proof.look_again {
                self.residents.wish(view.now.plus(limits::SECOND_LOOK));
            }
        }
    }
}
