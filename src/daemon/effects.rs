//! The loop's `Outside` over the real shells: each action becomes a task that reports back as an observation.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use crate::audit;
use crate::check::{Readings, ask_lock, drained, run_as};
use crate::evidence::Look;
use crate::model::action::Action;
use crate::model::change::Change;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::observation::Observation;
use crate::model::operator::Answer;
use crate::prober::Courier;
use crate::redact::redacted;
use crate::release;
use crate::runtime::Outside;
use crate::store::{DURABLE, Store};
use crate::systemd::Instance;
use crate::systemd::failures::watch_failures;
use crate::systemd::unit_files::watch_unit_files;

use super::journal;
use super::requests::Answers;

/// Silences that are under way to Alertmanagers at the same time.
const SILENCES: usize = 4;

/// The shells and what leads to them.
#[derive(Debug)]
pub struct World {
    pub(super) readings: Readings,
    /// Takes alerts out.
    pub(super) courier: Courier,
    /// Silences go out a few at a time: alerts are not to wait behind them.
    pub(super) quiet: Arc<Semaphore>,
    pub(super) store: Store,
    /// The state directory: cursors of logs, evidence and post-mortems are kept in it.
    pub(super) kept: PathBuf,
    answers: mpsc::UnboundedSender<(u64, Answer)>,
}

impl World {
    /// Starts the shells of this instance. Their observations go to the inbox.
    pub fn new(
        instance: Instance,
        store: Store,
        kept: PathBuf,
        courier: Courier,
        inbox: mpsc::Sender<Observation>,
    ) -> (Self, Answers) {
        let (answers, answered) = mpsc::unbounded_channel();
        tokio::spawn(watch_unit_files(instance, inbox.clone()));
        tokio::spawn(watch_failures(instance, inbox.clone()));
        let readings = Readings::new(instance, Some(kept.join("cursors")), inbox);
        (
            Self { readings, courier, quiet: Arc::new(Semaphore::new(SILENCES)), store, kept, answers },
            answered,
        )
    }

    /// The user's own service manager is meant.
    pub(super) fn is_user(&self) -> bool {
        self.readings.orders().instance() == Instance::User
    }

    /// What changes something outside.
    fn order(&self, action: Action) {
        let orders = self.readings.orders().clone();
        match action {
            Action::StartUnit { unit, order, limit } => self.readings.spawn(async move {
                let result = orders.start(&unit, limit).await;
                Observation::JobFinished { unit, order, result }
            }),
            Action::RestartUnit { unit, order, limit } => self.readings.spawn(async move {
                let result = orders.restart(&unit, limit).await;
                Observation::JobFinished { unit, order, result }
            }),
            Action::EnableUnit { unit, order } => self.readings.spawn(async move {
                let result = orders.enable(&unit).await;
                Observation::EnableFinished { unit, order, result }
            }),
            Action::RunSmokeTest { unit, order, command, directory, timeout } => {
                self.readings.spawn(async move {
                    let mut outcome = run_as(&orders, &unit, command, directory, timeout).await;
                    // What it wrote is told to whoever may read the status.
                    outcome.output.iter_mut().for_each(|line| *line = redacted(line));
                    Observation::SmokeTestFinished { unit, order, outcome }
                })
            }
            Action::Drain { unit, order, drain, main_pid } => self.readings.spawn(async move {
                let mut outcome = drained(&orders, &unit, drain, main_pid).await;
                outcome.output.iter_mut().for_each(|line| *line = redacted(line));
                Observation::Drained { unit, order, outcome }
            }),
            Action::AskLock { unit, lock, group, holder, ask } => {
                let prober = self.readings.prober().clone();
                self.readings.spawn(async move {
                    let said = ask_lock(&prober, &lock, (&group, &holder), ask).await;
                    Observation::LockAnswered { unit, said }
                });
            }
            Action::KillMainProcess { unit } => self.readings.spawn(async move {
                let result = orders.kill_main(&unit).await;
                Observation::MainProcessKilled { unit, result }
            }),
            // What became of them is seen by the inspection that follows.
            Action::EndProcesses { unit, control_group, processes, kill } => {
                tokio::task::spawn_blocking(move || {
                    if let Err(why) = release::survivors::end(&control_group, &processes, kill) {
                        tracing::warn!(%unit, "{why}");
                    }
                });
            }
            _ => {}
        }
    }
}

impl Outside for World {
    fn now(&self) -> Moment {
        self.readings.now()
    }

    async fn save(&mut self, changes: Vec<Change>) -> Result<(), String> {
        for (code, why) in self.store.save(changes).await.map_err(|why| why.to_string())? {
            // The loop that waits for us empties its inbox later: telling it must not wait.
            self.readings.spawn(async move { Observation::Impaired { code, part: DURABLE, why } });
        }
        Ok(())
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::AuditHost { records } => {
                let user = self.is_user();
                let look = async move { Observation::HostAudited(audit::gaps(user, records).await) };
                self.readings.spawn(look);
            }
            Action::SendAlert { sink, message } => self.send_alert(sink, message),
            Action::Silence { sink, silence } => self.silence(sink, *silence),
            Action::CaptureEvidence { incident, unit, control_group, run, known, changed_since } => {
                let user = self.is_user();
                self.capture(Look { incident, unit, control_group, run, known, changed_since, user });
            }
            Action::DraftPostmortem { incident } => self.draft(incident),
            Action::AnswerOperator { request, answer } => drop(self.answers.send((request, answer))),
            // Figures are for the history: once a minute they would fill the journal.
            Action::Record(event) if event.kind != EventKind::Measured => journal::record(&event),
            Action::Record(_) => {}
            Action::StartUnit { .. }
            | Action::RestartUnit { .. }
            | Action::EnableUnit { .. }
            | Action::EndProcesses { .. }
            | Action::KillMainProcess { .. }
            | Action::Drain { .. }
            | Action::AskLock { .. }
            | Action::RunSmokeTest { .. } => self.order(action),
            Action::WatchUnits { .. }
            | Action::ReadAllUnits
            | Action::ReadPackageManager
            | Action::ReadEnablement { .. }
            | Action::PredictBoot
            | Action::ReadWindow { .. }
            | Action::WatchLinks { .. }
            | Action::InspectProcesses { .. }
            | Action::RunProbe { .. }
            | Action::AskPeers { .. }
            | Action::SampleProgress { .. } => self.readings.perform(action),
        }
    }
}
