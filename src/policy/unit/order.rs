//! One order from intent to proof, as a state machine. The stages are those of `Phase`; `next` is the whole table: what an
//! event means in a stage. Each stage has an end, so that a lost outcome cannot wedge a unit.

use std::time::Duration;

use crate::model::action::Action;
use crate::model::code::Concern;
use crate::model::finding::{Code, ConditionKind};
use crate::model::incident::EventKind;
use crate::model::operator::{StepName, StepResult};
use crate::model::probe::{CommandEnd, CommandOutcome};
use crate::model::state::{OrderKind, Phase, Recovery};
use crate::model::unit::{ActiveState, JobKind, JobResult};
use crate::policy::effects::Out;
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;

/// Something that happened to an order.
#[derive(Clone, Copy, Debug)]
pub enum Event<'a> {
    /// It was written as an intent.
    Begun,
    Tested(&'a CommandOutcome),
    Drained(&'a CommandOutcome),
    JobOver(&'a JobResult),
    Enabled(&'a Result<Vec<String>, String>),
    /// We ended in the middle of it, and take it up again.
    TakenUp,
    /// What was awaited did not come in time.
    Overdue,
}

/// A step that is over, and its sentence.
type Made = (StepName, StepResult, String);

/// What follows from an event.
#[derive(Debug)]
pub(super) enum Next {
    /// It came too late, or is not for this stage.
    Stay,
    /// A step is over; the next stage is entered.
    Enter(Option<Made>, Phase),
    /// The job is given again: it was not carried out.
    GiveAgain,
    /// The order is over, and what it was for is done.
    Done(StepName, String),
    /// The order is over, and failed at this step.
    Fail(StepName, String),
    /// The order is given up before it did anything.
    Abandon(Option<Made>, String),
}

impl Next {
    pub(super) fn enter(name: StepName, message: impl Into<String>, phase: Phase) -> Self {
        Self::Enter(Some((name, StepResult::Done, message.into())), phase)
    }
}

/// The result of a stage did not come.
const LATE: &str = "its result did not come in time";

impl OrderKind {
    fn step(self) -> StepName {
        match self {
            Self::Start => StepName::Start,
            Self::Restart | Self::Enable | Self::Check => StepName::Restart,
        }
    }
}

impl Unit {
    /// What an event means for the order in flight, by its stage.
    fn next(&self, order: &Recovery, event: Event<'_>, view: &View<'_>) -> Next {
        match (order.phase, event) {
            (_, Event::Begun) if order.kind.disturbs() => Next::Enter(None, Phase::SmokeTest),
            (_, Event::Begun) => Next::Enter(None, Phase::Enable),

            (Phase::SmokeTest, Event::Tested(outcome)) => self.after_test(order, outcome, view),
            (Phase::SmokeTest, Event::Overdue) => Next::Fail(StepName::SmokeTest, LATE.to_owned()),
            (Phase::SmokeTest, Event::TakenUp) => Next::Enter(None, Phase::SmokeTest),

            (Phase::Drain, Event::Drained(outcome)) => {
                self.after_drain(order, (&outcome.ended, outcome.sentence()), view)
            }
            (Phase::Drain, Event::Overdue) => {
                self.after_drain(order, (&CommandEnd::TimedOut, LATE.to_owned()), view)
            }
            (Phase::Drain, Event::TakenUp) if self.is_new_run(order) => {
                Next::Abandon(None, "somebody else has started it meanwhile".to_owned())
            }
            (Phase::Drain, Event::TakenUp) => Next::Enter(None, Phase::Drain),

            // A job is ours until it ends, however long it waits.
            (Phase::Job, Event::JobOver(JobResult::Lost(_)) | Event::Overdue) if self.is_job_queued() => {
                Next::Stay
            }
            (Phase::Job, Event::JobOver(result)) => self.after_job(order, result),
            (Phase::Job, Event::Overdue) => self.after_job(order, &JobResult::Lost(LATE.to_owned())),
            (Phase::Job, Event::TakenUp) if !self.is_new_run(order) => {
                match self.skipped() {
                    // It was carried out, most likely: systemd tried, and began no new run.
                    Some(why) => Next::Fail(order.kind.step(), why),
                    None => Next::GiveAgain,
                }
            }
            (Phase::Job, Event::TakenUp) => {
                let why = "its result came while Steadfast was away";
                self.after_job(order, &JobResult::Lost(why.to_owned()))
            }

            (Phase::Enable, Event::Enabled(result)) => after_enabling(order, result),
            (Phase::Enable, Event::Overdue) => Next::Fail(StepName::Enable, LATE.to_owned()),
            (Phase::Enable, Event::TakenUp) => Next::Enter(None, Phase::Enable),

            (Phase::Proof, Event::TakenUp) => Next::Enter(None, Phase::Proof),

            (_, Event::Tested(_) | Event::Drained(_) | Event::JobOver(_) | Event::Enabled(_)) => Next::Stay,
            // The proof looks at its own end.
            (Phase::Proof, Event::Overdue) => Next::Stay,
        }
    }

    fn after_job(&self, order: &Recovery, result: &JobResult) -> Next {
        let name = order.kind.step();
        match result {
            JobResult::Done => Next::enter(name, "the job is done", Phase::Enable),
            JobResult::Lost(why) if self.is_carried_out(order) => {
                Next::enter(name, format!("it runs again ({why})"), Phase::Enable)
            }
            JobResult::Ended(word) => Next::Fail(name, format!("the job ended with result {word}")),
            JobResult::Refused(why) => Next::Fail(name, format!("systemd refused it: {why}")),
            JobResult::Lost(why) => Next::Fail(name, why.clone()),
        }
    }

    /// Another run than the one before the order was seen.
    pub(super) fn is_new_run(&self, order: &Recovery) -> bool {
        self.run.reading().is_some_and(|reading| reading.invocation != order.invocation_before)
    }

    /// By the readings, a job that starts it is still there.
    fn is_job_queued(&self) -> bool {
        let job = self.run.reading().and_then(|reading| reading.job);
        job.is_some_and(|job| job.kind != JobKind::Stop)
    }

    /// By the readings: a new run that lives.
    fn is_carried_out(&self, order: &Recovery) -> bool {
        let lives = self.run.is_up()
            || self.run.reading().is_some_and(|reading| reading.active == ActiveState::Activating);
        lives && self.is_new_run(order)
    }

    /// Something happened to the order in flight.
    pub(super) fn on(&mut self, event: Event<'_>, view: &View<'_>) {
        let Some(order) = self.kept.recovery.clone() else {
            return;
        };
        match self.next(&order, event, view) {
            Next::Stay => {}
            Next::Enter(step, phase) => {
                step.into_iter().for_each(|(name, result, text)| self.report(name, result, text, view));
                self.enter(phase, view);
            }
            Next::GiveAgain => self.give_job(&order, view),
            Next::Done(name, message) => {
                self.report(name, StepResult::Done, message, view);
                self.succeed(view);
            }
            Next::Fail(name, why) => {
                if let Event::Tested(outcome) = event {
                    self.remember_test(outcome, &why, view);
                }
                self.fail(name, &why, view);
            }
            Next::Abandon(step, why) => {
                step.into_iter().for_each(|(name, result, text)| self.report(name, result, text, view));
                self.abandon(&why);
            }
        }
    }

    /// Enters a stage; one that has nothing to do leads on to the next.
    pub(super) fn enter(&mut self, phase: Phase, view: &View<'_>) {
        let Some(order) = self.kept.recovery.clone() else {
            return;
        };
        match phase {
            Phase::SmokeTest => self.enter_test(&order, view),
            Phase::Drain => self.enter_drain(&order, view),
            Phase::Job => {
                self.spend(view.now);
                self.use_slot();
                self.give_job(&order, view);
            }
            Phase::Enable => self.enter_enabling(&order, view),
            Phase::Proof => self.enter_proof(view),
        }
    }

    pub(super) fn enter_stage(&mut self, phase: Phase, limit: Duration, view: &View<'_>) {
        if let Some(order) = &mut self.kept.recovery {
            order.phase = phase;
            order.phase_at = view.now;
            order.phase_due = view.now.plus(limit);
            let due = order.phase_due;
            self.look_again(due);
        }
    }

    fn give_job(&mut self, order: &Recovery, view: &View<'_>) {
        let limit = self.job_limit(order.kind);
        self.enter_stage(Phase::Job, limit.saturating_add(limits::LOST_OUTCOME), view);
        let (unit, number) = (self.name.clone(), order.order);
        self.act(if order.kind == OrderKind::Start {
            Action::StartUnit { unit, order: number, limit }
        } else {
            Action::RestartUnit { unit, order: number, limit }
        });
    }

    /// How long its job may take: the unit's own timeouts and some slack.
    pub(super) fn job_limit(&self, kind: OrderKind) -> Duration {
        let Some(settings) = self.run.settings() else {
            return limits::LONGEST_JOB;
        };
        let own = |ms: Option<u64>| ms.map_or(limits::LONGEST_JOB, Duration::from_millis);
        let stop = match kind {
            OrderKind::Restart => own(settings.timeout_stop_ms).saturating_mul(2),
            OrderKind::Start | OrderKind::Enable | OrderKind::Check => Duration::ZERO,
        };
        let limit = own(settings.timeout_start_ms).saturating_add(stop);
        limit.saturating_add(limits::JOB_SLACK).min(limits::LONGEST_JOB)
    }

    fn enter_enabling(&mut self, order: &Recovery, view: &View<'_>) {
        if self.is_to_enable(order) {
            let limit = limits::ENABLE_LIMIT.saturating_add(limits::LOST_OUTCOME);
            self.enter_stage(Phase::Enable, limit, view);
            let (unit, order) = (self.name.clone(), order.order);
            self.act(Action::EnableUnit { unit, order });
            return;
        }
        let enabled = self.conditions.get(&ConditionKind::Enabled);
        let message = enabled.map_or("not read yet".to_owned(), |known| known.message.clone());
        self.report(StepName::Enable, StepResult::Skipped, message, view);
        self.enter(Phase::Proof, view);
    }

    fn enter_proof(&mut self, view: &View<'_>) {
        self.probes.begin_anew(view.now);
        self.residents.put_off(view.now.plus(limits::INSPECTION_DELAY));
        let n_restarts = self.run.reading().map_or(0, |reading| reading.n_restarts);
        let because = self.kept.recovery.as_ref().and_then(|order| order.because);
        let stall = because.is_some_and(|code| code.row().concern == Concern::Progressing);
        let progress = if stall { self.queues.proof_takes() } else { Duration::ZERO };
        self.enter_stage(Phase::Proof, self.spec.recovery.verify_within.max(progress), view);
        if let Some(order) = &mut self.kept.recovery {
            order.n_restarts = n_restarts;
        }
    }

    /// Writes the order as an intent and takes its first step.
    pub(super) fn begin(&mut self, kind: OrderKind, because: Option<Code>, view: &View<'_>) {
        let Some(reading) = self.run.reading() else {
            return;
        };
        self.kept.recovery = Some(Recovery {
            order: view.next_order,
            kind,
            because,
            began_at: view.now,
            phase: Phase::SmokeTest,
            phase_at: view.now,
            phase_due: view.now,
            invocation_before: reading.invocation.clone(),
            n_restarts: reading.n_restarts,
            release: None,
            steps: Vec::new(),
        });
        // An order of an earlier life that ended meanwhile is not to be taken up any more.
        self.resume = false;
        let (word, unit) = (kind.as_str(), &self.name);
        let message = match because {
            Some(code) => format!("{word} {unit} because of {}", code.as_str()),
            None => format!("{word} {unit} as a person asked"),
        };
        self.out.note(EventKind::Acted, because, message);
        self.on(Event::Begun, view);
    }

    pub(super) fn awaits(&self, order: u64) -> bool {
        self.kept.recovery.as_ref().is_some_and(|known| known.order == order)
    }

    /// The smoke test of an order ended.
    pub fn tested(&mut self, order: u64, outcome: &CommandOutcome, view: &View<'_>) {
        if self.awaits(order) {
            self.on(Event::Tested(outcome), view);
        }
    }

    /// The job of an order ended.
    pub fn job_over(&mut self, order: u64, result: &JobResult, view: &View<'_>) {
        if self.awaits(order) {
            self.on(Event::JobOver(result), view);
        }
    }

    /// The enabling that an order asked for ended.
    pub fn enabling_over(&mut self, order: u64, result: &Result<Vec<String>, String>, view: &View<'_>) {
        let enabling = self.kept.recovery.as_ref().is_some_and(|known| known.phase == Phase::Enable);
        if !self.awaits(order) || !enabling {
            return;
        }
        self.ask_enablement();
        self.out.push(Out::PredictBoot);
        if result.as_ref().is_ok_and(|links| !links.is_empty()) {
            // What was read before is over, and what boot would have done; the fresh readings are on their way.
            self.enablement = None;
            self.enablement_since = view.now;
        }
        self.on(Event::Enabled(result), view);
    }

    /// Brings the order in flight forward. Says whether it is over.
    pub fn advance(&mut self, view: &View<'_>) -> bool {
        // What cannot be saved did not happen, and would be tried and told again with each turn.
        let Some(order) = self.kept.recovery.clone().filter(|_| view.host.save_failure().is_none()) else {
            return false;
        };
        if self.resume {
            self.take_up(&order, view);
        } else if order.phase == Phase::Proof {
            self.prove(&order, view);
        } else if order.phase_due <= view.now || self.ended_while_draining(&order) {
            self.on(Event::Overdue, view);
            if order.phase == Phase::Job && self.is_job_queued() {
                self.look_again(view.now.plus(limits::LOST_OUTCOME));
            }
        } else {
            self.look_again(order.phase_due);
        }
        self.kept.recovery.is_none()
    }
}

fn after_enabling(order: &Recovery, result: &Result<Vec<String>, String>) -> Next {
    match result {
        Ok(links) if links.is_empty() => {
            let why = "systemd made no link: its [Install] section names nothing";
            Next::Fail(StepName::Enable, why.to_owned())
        }
        Ok(links) if order.kind == OrderKind::Enable => Next::Done(StepName::Enable, links.join(", ")),
        Ok(links) => Next::enter(StepName::Enable, links.join(", "), Phase::Proof),
        Err(why) => Next::Fail(StepName::Enable, why.clone()),
    }
}
