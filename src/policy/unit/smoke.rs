//! The smoke test of an order: before its job, new code is tried.

use crate::model::action::Action;
use crate::model::operator::{StepName, StepResult};
use crate::model::probe::{CommandEnd, CommandOutcome};
use crate::model::spec::SmokeDirectory;
use crate::model::state::{Phase, Recovery};
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;
use super::order::Next;
use super::wants::Want;

impl Unit {
    pub(super) fn enter_test(&mut self, order: &Recovery, view: &View<'_>) {
        let Some(smoke) = self.spec.smoke.clone() else {
            self.enter(Phase::Drain, view);
            return;
        };
        let directory = match &smoke.directory {
            SmokeDirectory::Release => self.release_directory(),
            SmokeDirectory::Unit => None,
            SmokeDirectory::Path(path) => Some(path.clone()),
        };
        // The shell waits that long for its turn, and as long for the command.
        let limit = smoke.timeout.saturating_mul(2).saturating_add(limits::SMOKE_SLACK);
        self.enter_stage(Phase::SmokeTest, limit, view);
        let (unit, order) = (self.name.clone(), order.order);
        let (command, timeout) = (smoke.command, smoke.timeout);
        self.act(Action::RunSmokeTest { unit, order, command, directory, timeout });
    }

    pub(super) fn after_test(&self, order: &Recovery, outcome: &CommandOutcome, view: &View<'_>) -> Next {
        if outcome.ended != CommandEnd::Exited(0) {
            return Next::Fail(StepName::SmokeTest, outcome.sentence());
        }
        let passed = Some((StepName::SmokeTest, StepResult::Done, "passed".to_owned()));
        match self.closed_meanwhile(order, view) {
            Some(why) => Next::Abandon(passed, why),
            None => Next::Enter(passed, Phase::Drain),
        }
    }

    /// The world changed while the smoke test or the drain ran: what speaks against the job now.
    pub(super) fn closed_meanwhile(&self, order: &Recovery, view: &View<'_>) -> Option<String> {
        let Some(because) = order.because else {
            return self.closed_for_people(order.kind, view);
        };
        if self.is_new_run(order) {
            return Some("somebody else has started it meanwhile".to_owned());
        }
        if let Some(why) = self.skipped() {
            return Some(why);
        }
        if view.packages.is_unknown(view.now) {
            return Some("whether a package manager is at work must be read again".to_owned());
        }
        let want = Want { kind: order.kind, because, due: view.now };
        self.closed(&want, view).map(|gate| gate.why)
    }
}
