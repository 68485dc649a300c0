//! How an order ends, and what is reported of each of its steps.

use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::millis;
use crate::model::operator::{Answer, Step, StepName, StepResult};
use crate::model::probe::{CommandEnd, CommandOutcome};
use crate::model::state::{LastAction, Recovery, SmokeFailure};
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;

impl Unit {
    /// Reports a step of the order in flight.
    pub(super) fn report(&mut self, name: StepName, result: StepResult, message: String, view: &View<'_>) {
        let because = self.kept.recovery.as_ref().and_then(|order| order.because);
        let text = format!("{} of {}: {}: {message}", name.as_str(), self.name, result.as_str());
        self.add_step(name, result, message, view);
        self.out.note(EventKind::Outcome, because, text);
    }

    fn add_step(&mut self, name: StepName, result: StepResult, message: String, view: &View<'_>) {
        if let Some(order) = &mut self.kept.recovery {
            // What was skipped took no time; the stage before it did.
            let took = u64::try_from(millis(view.now.since(order.phase_at))).unwrap_or(0);
            let took_ms = if result == StepResult::Skipped { 0 } else { took };
            order.steps.push(Step { name, result, message, took_ms });
        }
    }

    /// The order is over and what it was for is proven.
    pub(super) fn succeed(&mut self, view: &View<'_>) {
        let Some(order) = self.kept.recovery.take() else {
            return;
        };
        // What runs proven well is in no loop, whatever it did before.
        self.run.forget_restarts();
        if order.kind.disturbs() {
            self.free_slot();
            self.judge_release(order.release, true);
            self.kept.quarantine = None;
            self.kept.smoke_failure = None;
            self.kept.mismatch = None;
            if order.because.is_none() {
                // A person's order is no sign of an unstable unit.
                self.kept.spent.pop_if(|at| *at >= order.began_at);
            }
        }
        let took = view.now.since(order.began_at);
        let seconds = format!("{}.{} s", took.as_secs(), took.subsec_millis() / 100);
        let message = format!("{} of {} is proven after {seconds}", order.kind.as_str(), self.name);
        self.kept.last_action = Some(order.ended("done".to_owned(), true, view));
        self.out.note(EventKind::Outcome, order.because, message.clone());
        self.answer_callers(order.kind, &Answer::Done { message, steps: order.steps });
    }

    /// The order is over and failed at this step.
    pub(super) fn fail(&mut self, name: StepName, why: &str, view: &View<'_>) {
        self.add_step(name, StepResult::Failed, why.to_owned(), view);
        let Some(order) = self.kept.recovery.take() else {
            return;
        };
        // The release was not tried; a smoke test is remembered by itself.
        if order.kind.disturbs() && !name.is_before_job() {
            self.judge_release(order.release, false);
            self.doubt_slot();
        }
        self.prolong_quarantine(view.now);
        let what = format!("failed: {}: {why}", name.as_str());
        let message = format!("{} of {} {what}", order.kind.as_str(), self.name);
        self.kept.last_action = Some(order.ended(what, false, view));
        self.out.note(EventKind::Outcome, Some(Code::RecoveryFailed), message.clone());
        self.answer_callers(order.kind, &Answer::Failed { message, steps: order.steps });
    }

    /// The order is over, neither proven nor failed: the link leads elsewhere since, and that is followed in its turn.
    pub(super) fn supersede(&mut self, view: &View<'_>) {
        let Some(order) = self.kept.recovery.take() else {
            return;
        };
        let now = self.residents.target().map_or("another release", |target| target.path.as_str());
        let what = format!("superseded: {now} was deployed meanwhile");
        let message = format!("{} of {} is {what}", order.kind.as_str(), self.name);
        self.kept.last_action = Some(order.ended(what, true, view));
        self.out.note(EventKind::Outcome, order.because, message.clone());
        self.answer_callers(order.kind, &Answer::Failed { message, steps: order.steps });
    }

    /// The order is given up before it did anything.
    pub(super) fn abandon(&mut self, why: &str) {
        let Some(order) = self.kept.recovery.take() else {
            return;
        };
        let message = format!("{} of {} is not carried out: {why}", order.kind.as_str(), self.name);
        self.out.note(EventKind::Decided, order.because, message.clone());
        self.answer_callers(order.kind, &Answer::Refused { message });
    }

    /// The new code did not pass. What could not be run says nothing of it: it is tried again.
    pub(super) fn remember_test(&mut self, outcome: &CommandOutcome, message: &str, view: &View<'_>) {
        if matches!(outcome.ended, CommandEnd::NotRun(_)) {
            return;
        }
        let surplus = outcome.output.len().saturating_sub(limits::EVIDENCE_LINES);
        self.kept.smoke_failure = Some(SmokeFailure {
            at: view.now,
            release: self.release_now(),
            message: message.to_owned(),
            output: outcome.output.iter().skip(surplus).map(|line| clip(line)).collect(),
        });
    }
}

impl Recovery {
    fn ended(&self, outcome: String, ok: bool, view: &View<'_>) -> LastAction {
        let (action, because, steps) = (self.kind, self.because, self.steps.clone());
        LastAction { action, because, at: view.now, outcome, ok, steps }
    }
}

impl CommandOutcome {
    /// How it ended, and the line that says why.
    pub(super) fn sentence(&self) -> String {
        let ended = match &self.ended {
            CommandEnd::Exited(status) => format!("exited with status {status}"),
            CommandEnd::Signalled(signal) => format!("was killed by signal {signal}"),
            CommandEnd::TimedOut => "did not end in time".to_owned(),
            CommandEnd::Flooded => "wrote without end and was killed".to_owned(),
            CommandEnd::NotRun(why) => format!("could not be run: {why}"),
        };
        format!("{ended}{}", self.quoted())
    }

    /// The line of the output that says why: the last that names an error, else the last.
    fn quoted(&self) -> String {
        let written = || self.output.iter().rev().filter(|line| !line.trim().is_empty());
        let names_error = |line: &&String| line.contains("rror:") || line.contains("xception:");
        let line = written().find(names_error).or_else(|| written().next());
        line.map_or(String::new(), |line| format!(": {}", clip(line.trim())))
    }
}

/// A line for people, not longer than they read.
fn clip(line: &str) -> String {
    match line.char_indices().nth(limits::EVIDENCE_CHARACTERS) {
        Some((end, _)) => format!("{}…", line.get(..end).unwrap_or_default()),
        None => line.to_owned(),
    }
}
