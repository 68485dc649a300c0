//! The drain of an order: before a restart takes its process away, a unit finishes what it works on.

use crate::model::action::Action;
use crate::model::code::{Concern, Remedy};
use crate::model::operator::{StepName, StepResult};
use crate::model::probe::{CommandEnd, CommandOutcome};
use crate::model::spec::DrainSpec;
use crate::model::state::{OrderKind, Phase, Recovery};
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;
use super::order::{Event, Next};

impl Unit {
    /// What drains it before this order: nothing is lost by the start of what is down, and what completes nothing any more would
    /// be waited for in vain.
    fn drain_of(&self, order: &Recovery) -> Option<&DrainSpec> {
        let in_vain = order.because.is_some_and(|code| code.row().concern == Concern::Progressing);
        let runs = order.kind == OrderKind::Restart && self.run.is_up() && !in_vain;
        self.spec.recovery.drain.as_ref().filter(|_| runs)
    }

    pub(super) fn enter_drain(&mut self, order: &Recovery, view: &View<'_>) {
        let Some(drain) = self.drain_of(order).cloned() else {
            self.enter(Phase::Job, view);
            return;
        };
        let limit = drain.timeout.saturating_mul(2).saturating_add(limits::SMOKE_SLACK);
        self.enter_stage(Phase::Drain, limit, view);
        let tested = self.release_now();
        if let Some(order) = &mut self.kept.recovery {
            order.release = tested;
        }
        let main_pid = self.run.reading().and_then(|reading| reading.main_pid);
        self.act(Action::Drain { unit: self.name.clone(), order: order.order, drain, main_pid });
    }

    pub(super) fn after_drain(
        &self,
        order: &Recovery,
        (ended, said): (&CommandEnd, String),
        view: &View<'_>,
    ) -> Next {
        if let Some(why) = self.closed_meanwhile(order, view) {
            let idle = self.run.is_up() && !self.is_new_run(order);
            let hint = if idle { "; it was told to take no more work, and waits for a restart" } else { "" };
            return Next::Abandon(None, format!("{why}{hint}"));
        }
        let (result, message) = match ended {
            _ if !self.run.is_up() => (StepResult::Done, "it ended by itself".to_owned()),
            CommandEnd::Exited(0) => (StepResult::Done, "nothing is in work any more".to_owned()),
            CommandEnd::TimedOut => {
                let why = "it did not finish in time (timeout), and is restarted all the same";
                (StepResult::Failed, why.to_owned())
            }
            // What works, on an old release, goes on: the restart would lose its work.
            _ if order.because.is_some_and(|code| code.row().remedy == Remedy::Follow) => {
                return Next::Fail(StepName::Drain, said);
            }
            CommandEnd::Exited(_)
            | CommandEnd::Signalled(_)
            | CommandEnd::Flooded
            | CommandEnd::NotRun(_) => (StepResult::Failed, said),
        };
        // What was tested before is not what would run now.
        let another = self.spec.smoke.is_some() && order.release != self.release_now();
        let next = if another { Phase::SmokeTest } else { Phase::Job };
        Next::Enter(Some((StepName::Drain, result, message)), next)
    }

    /// It takes no more work, on our word: what its probes and queues say of that is no trouble.
    pub(super) fn is_draining(&self) -> bool {
        self.kept.recovery.as_ref().is_some_and(|order| {
            let drained = || order.steps.iter().any(|step| step.name == StepName::Drain);
            let goes = order.phase == Phase::Job && drained() && !self.is_new_run(order);
            order.phase == Phase::Drain || goes
        })
    }

    /// There is nothing left that could be drained.
    pub(super) fn ended_while_draining(&self, order: &Recovery) -> bool {
        order.phase == Phase::Drain && (!self.run.is_up() || self.is_new_run(order))
    }

    /// The drain of an order ended.
    pub fn drain_over(&mut self, order: u64, outcome: &CommandOutcome, view: &View<'_>) {
        if self.awaits(order) {
            self.on(Event::Drained(outcome), view);
        }
    }
}
