//! From the model's plain data to the wire, field by field.

use crate::model::cause::Transition;
use crate::model::release::LinkReading;
use crate::model::state::HoldKind;
use crate::model::{finding, fleet, incident, operator, spec, state};

use super::*;

impl From<&finding::Condition> for Condition {
    fn from(condition: &finding::Condition) -> Self {
        Self {
            kind: condition.kind.as_str().to_owned(),
            status: condition.truth.into(),
            reason: condition.reason.clone(),
            message: condition.message.clone(),
            since: condition.since.into(),
        }
    }
}

impl From<&finding::Finding> for Finding {
    fn from(finding: &finding::Finding) -> Self {
        Self {
            code: finding.code.as_str().to_owned(),
            subject: finding.subject.clone(),
            severity: finding.severity.into(),
            message: finding.message.clone(),
            since: finding.since.into(),
            evidence: finding.evidence.clone(),
            repair: finding.repair.clone(),
        }
    }
}

impl From<&incident::Event> for Event {
    fn from(event: &incident::Event) -> Self {
        Self {
            id: event.id,
            at: event.at.into(),
            unit: event.unit.as_ref().map(ToString::to_string),
            kind: event.kind.as_str().to_owned(),
            code: event.code.map(|code| code.as_str().to_owned()),
            incident: event.incident,
            message: event.message.clone(),
        }
    }
}

impl From<&spec::Problem> for Problem {
    fn from(problem: &spec::Problem) -> Self {
        Self {
            file: problem.file.clone(),
            line: problem.line,
            column: problem.column,
            message: problem.message.clone(),
            rendered: problem.rendered.clone(),
            last_good_in_force: problem.last_good_in_force,
        }
    }
}

impl From<&LinkReading> for Link {
    fn from(reading: &LinkReading) -> Self {
        Self {
            link: reading.link.clone(),
            current: reading.target.as_ref().map(|target| target.path.clone()),
            switched_at: reading.switched_at.into(),
            problem: reading.problem.clone(),
        }
    }
}

impl From<&state::NextAction> for NextAction {
    fn from(next: &state::NextAction) -> Self {
        Self {
            action: next.action.as_str().to_owned(),
            due_at: next.due_at.into(),
            because: next.because.as_str().to_owned(),
        }
    }
}

impl From<&state::LastAction> for LastAction {
    fn from(last: &state::LastAction) -> Self {
        Self {
            action: last.action.as_str().to_owned(),
            at: last.at.into(),
            outcome: last.outcome.clone(),
            ok: last.ok,
            because: last.because.map(|code| code.as_str().to_owned()),
            steps: last.steps.iter().map(Into::into).collect(),
        }
    }
}

impl From<&Transition> for LastTransition {
    fn from(last: &Transition) -> Self {
        Self {
            what: last.what.as_str().to_owned(),
            cause: last.cause.as_str().to_owned(),
            message: last.message.clone(),
            at: last.at.into(),
        }
    }
}

impl From<&operator::Step> for Step {
    fn from(step: &operator::Step) -> Self {
        Self {
            step: step.name.as_str().to_owned(),
            result: match step.result {
                operator::StepResult::Done => StepResult::Done,
                operator::StepResult::Failed => StepResult::Failed,
                operator::StepResult::Skipped => StepResult::Skipped,
            },
            message: step.message.clone(),
            took_ms: step.took_ms,
        }
    }
}

impl From<&state::Recovery> for Recovery {
    fn from(recovery: &state::Recovery) -> Self {
        Self {
            action: recovery.kind.as_str().to_owned(),
            because: recovery.because.map(|code| code.as_str().to_owned()),
            began_at: recovery.began_at.into(),
            phase: recovery.phase.as_str().to_owned(),
            phase_at: recovery.phase_at.into(),
            phase_due: recovery.phase_due.into(),
            steps: recovery.steps.iter().map(Into::into).collect(),
        }
    }
}

impl From<&state::Hold> for Hold {
    fn from(hold: &state::Hold) -> Self {
        let with;
        let (kind, who, reason) = match &hold.kind {
            HoldKind::Operator { who, reason } => ("operator", Some(who), Some(reason)),
            HoldKind::ManualStop => ("manual-stop", None, None),
            HoldKind::StoppedWith { unit, conflicts } => {
                with = match conflicts {
                    false => format!("it was stopped along with {unit}"),
                    true => format!("it was stopped for {unit}, with which it conflicts"),
                };
                ("stopped-with", None, Some(&with))
            }
        };
        Self {
            kind: kind.to_owned(),
            since: hold.since.into(),
            until: hold.until.map(Into::into),
            then: None,
            who: who.cloned(),
            reason: reason.cloned(),
        }
    }
}

impl From<&spec::DisabledSpec> for Disabled {
    fn from(disabled: &spec::DisabledSpec) -> Self {
        Self { reason: disabled.reason.clone(), until: Time(disabled.until_ms) }
    }
}

impl From<&fleet::Slot> for Slot {
    fn from(slot: &fleet::Slot) -> Self {
        Self {
            group: slot.group.clone(),
            since: slot.since.into(),
            state: slot.state.as_str().to_owned(),
            used: slot.used,
        }
    }
}

impl From<&state::Quarantine> for Quarantine {
    fn from(quarantine: &state::Quarantine) -> Self {
        Self {
            since: quarantine.since.into(),
            retry_at: quarantine.retry_at.into(),
            round: quarantine.round,
            because: quarantine.because.as_str().to_owned(),
        }
    }
}
