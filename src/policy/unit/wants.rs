//! What the findings of a unit ask for, if nothing speaks against it.

use crate::model::code::Remedy;
use crate::model::finding::{Code, Finding};
use crate::model::moment::Moment;
use crate::model::operator::StepResult;
use crate::model::spec::Reaction;
use crate::model::state::OrderKind;
use crate::model::unit::UnitFileState;
use crate::policy::limits;

use super::Unit;

/// A wish for an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    pub kind: OrderKind,
    pub because: Code,
    pub due: Moment,
}

impl OrderKind {
    /// Of two wishes at the same time the smaller one is first.
    fn urgency(self) -> u8 {
        match self {
            Self::Start => 0,
            Self::Restart => 1,
            Self::Enable => 2,
            Self::Check => 3,
        }
    }
}

impl Unit {
    fn wants(&self, now: Moment) -> impl Iterator<Item = Want> {
        self.findings.iter().filter_map(move |finding| self.want(finding, now))
    }

    /// The wish that is due first.
    pub(super) fn most_urgent(&self, now: Moment) -> Option<Want> {
        let retry = self.smoke_retry();
        let not_before = |want: Want| match retry {
            Some(retry) if want.kind.disturbs() => Want { due: want.due.max(retry), ..want },
            Some(_) | None => want,
        };
        let wants = self.wants(now).map(not_before);
        wants.min_by_key(|want| (want.due.max(now), want.kind.urgency(), want.because))
    }

    /// The wish to be enabled, whatever else is wished.
    pub(super) fn wants_enabling(&self, now: Moment) -> Option<Want> {
        self.wants(now).find(|want| want.kind == OrderKind::Enable)
    }

    /// The last order ended with a smoke test that said nothing: not before this moment again.
    fn smoke_retry(&self) -> Option<Moment> {
        let said_nothing = self.kept.smoke_failure.is_none();
        let last = self.kept.last_action.as_ref().filter(|last| said_nothing && !last.ok)?;
        let step = last.steps.last().filter(|step| step.name.is_before_job())?;
        (step.result == StepResult::Failed).then(|| last.at.plus(limits::SMOKE_RETRY))
    }

    /// What its remedy is, where the file lets us act on this finding, and from when on.
    fn want(&self, finding: &Finding, now: Moment) -> Option<Want> {
        let code = finding.code;
        let kind = match code.row().remedy {
            Remedy::Nothing => return None,
            Remedy::Start => OrderKind::Start,
            Remedy::Restart | Remedy::Follow => OrderKind::Restart,
            Remedy::Enable => OrderKind::Enable,
        };
        let due = self.wanted_at(finding, now)?;
        Some(Want { kind, because: code, due })
    }

    fn wanted_at(&self, finding: &Finding, now: Moment) -> Option<Moment> {
        let spec = &self.spec;
        let follows = spec.release.on_stale == Reaction::Restart;
        match (finding.code, finding.code.row().remedy) {
            // A person stopped it, and the file is a person's business.
            (Code::UnitStoppedByOperator | Code::UnitFileOutdated, _) => None,
            (_, Remedy::Follow) if self.is_fixed() => None,
            (Code::ReleaseDeleted, _) => {
                // A finding that does not wait must at least be seen twice, and a directory that is being filled anew must be
                // there whole.
                let again = self.second_look(finding);
                let filled =
                    self.residents.filled_at().map(|at| at.plus(spec.release.settle.min(limits::REFILL)));
                let due = again.map_or(now, |again| again.max(now.plus(limits::SECOND_LOOK)));
                follows.then(|| filled.map_or(due, |filled| due.max(filled)))
            }
            (_, Remedy::Follow) => follows.then(|| self.in_window(self.settled_at(finding).max(now))),
            (Code::BinaryOutdated, _) => {
                let settled = finding.since.plus(spec.release.settle).max(now);
                (spec.release.binaries == Reaction::Restart).then(|| self.in_window(settled))
            }
            (Code::ProbeFailed | Code::ProbeSlow | Code::ResourceHigh, _) => {
                let due = if self.probes.ask_as_planned(finding.code) { self.in_window(now) } else { now };
                self.probes.ask_for_restart(finding.code).then_some(due)
            }
            (Code::ProcessesGone, _) => self.refilled_at(),
            (code, Remedy::Restart) => self.queues.ask_for_restart(code, now).then_some(now),
            (_, Remedy::Start) => spec.recovery.start.then(|| self.start_due(now)),
            // There is no unit file that links could lead to; an init script is enabled by a tool of its own.
            (_, Remedy::Enable)
                if matches!(
                    self.enablement,
                    Some(UnitFileState::Transient | UnitFileState::InitScriptOff)
                ) =>
            {
                None
            }
            (_, Remedy::Enable) => self.enabled_from(now).filter(|_| spec.recovery.enable),
            (_, Remedy::Nothing) => None,
        }
    }
}
