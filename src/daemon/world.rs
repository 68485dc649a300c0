//! The loop's `Outside` over the real shells: each action becomes a task that reports back as an observation.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::clock;
use crate::evidence::Look;
use crate::model::action::Action;
use crate::model::change::Change;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::observation::Observation;
use crate::model::operator::Answer;
use crate::model::probe::ProbeSpec;
use crate::model::progress::ProgressSpec;
use crate::model::unit::UnitName;
use crate::packages;
use crate::release;
use crate::runtime::Outside;
use crate::store::{DURABLE, Store};
use crate::systemd::follow::{Wish, follow};
use crate::systemd::orders::Orders;
use crate::systemd::unit_files::watch_unit_files;
use crate::systemd::{Instance, boot};

use super::asking;
use super::audit::look_over;
use super::commands::run_as;
use super::journal;
use super::operators::Answers;
use super::place;

/// An inspection of one unit's processes; the policy gives it up a little later.
const INSPECTION: Duration = Duration::from_secs(4);
/// Units whose enablement waits to be asked.
const ENABLEMENTS: usize = 16_384;
/// Units whose enablement is asked in one go.
const BATCH: usize = 256;

/// The shells and what leads to them.
#[derive(Debug)]
pub struct World {
    pub(super) orders: Orders,
    /// `None`: nothing is saved, and nothing is acted on (the commands that look once).
    pub(super) store: Option<Store>,
    /// The state directory: cursors of logs, evidence and post-mortems are kept in it.
    pub(super) kept: Option<PathBuf>,
    inbox: mpsc::Sender<Observation>,
    wishes: watch::Sender<Wish>,
    rereads: mpsc::Sender<()>,
    links: watch::Sender<BTreeMap<UnitName, Vec<String>>>,
    enablements: mpsc::Sender<UnitName>,
    answers: mpsc::UnboundedSender<(u64, Answer)>,
}

impl World {
    /// Starts the shells of this instance. Their observations go to the inbox.
    pub fn new(
        instance: Instance,
        store: Option<Store>,
        inbox: mpsc::Sender<Observation>,
    ) -> (Self, Answers) {
        let orders = Orders::new(instance);
        let (wishes, wished) = watch::channel(Wish::default());
        let (rereads, reread) = mpsc::channel(1);
        let (links, linked) = watch::channel(BTreeMap::new());
        let (enablements, queue) = mpsc::channel(ENABLEMENTS);
        let (answers, answered) = mpsc::unbounded_channel();
        tokio::spawn(follow(instance, wished, reread, inbox.clone()));
        tokio::spawn(release::watch::watch(linked, inbox.clone()));
        tokio::spawn(read_enablements(orders.clone(), queue, inbox.clone()));
        if store.is_some() {
            tokio::spawn(watch_unit_files(instance, inbox.clone()));
        }
        let user = instance == Instance::User;
        let kept = store.as_ref().and_then(|_| place::state_directory(user).ok());
        let world = Self { orders, store, kept, inbox, wishes, rereads, links, enablements, answers };
        (world, answered)
    }

    /// Runs a shell; its outcome is an observation.
    pub(super) fn spawn(&self, shell: impl Future<Output = Observation> + Send + 'static) {
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            let observation = shell.await;
            // A loop that has ended wants no outcome.
            drop(inbox.send(observation).await);
        });
    }

    fn watch_links(&self, unit: UnitName, paths: Vec<String>) {
        self.links.send_if_modified(|links| {
            if paths.is_empty() {
                links.remove(&unit).is_some()
            } else if links.get(&unit) == Some(&paths) {
                false
            } else {
                links.insert(unit, paths);
                true
            }
        });
    }

    /// What changes something outside; `false` if this world only looks.
    fn order(&self, action: Action) {
        let orders = self.orders.clone();
        match action {
            Action::StartUnit { unit, order, limit } => self.spawn(async move {
                let result = orders.start(&unit, limit).await;
                Observation::JobFinished { unit, order, result }
            }),
            Action::RestartUnit { unit, order, limit } => self.spawn(async move {
                let result = orders.restart(&unit, limit).await;
                Observation::JobFinished { unit, order, result }
            }),
            Action::EnableUnit { unit, order } => self.spawn(async move {
                let result = orders.enable(&unit).await;
                Observation::EnableFinished { unit, order, result }
            }),
            Action::RunSmokeTest { unit, order, command, directory, timeout } => self.spawn(async move {
                let outcome = run_as(&orders, &unit, command, directory, timeout).await;
                Observation::SmokeTestFinished { unit, order, outcome }
            }),
            Action::KillMainProcess { unit } => self.spawn(async move {
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

    fn sample_progress(&self, unit: UnitName, spec: ProgressSpec) {
        let orders = self.orders.clone();
        self.spawn(async move {
            let answer = asking::sample(&orders, &unit, &spec).await;
            Observation::ProgressSampled { unit, progress: spec.name, answer }
        });
    }

    fn run_probe(&self, unit: UnitName, spec: ProbeSpec) {
        let orders = self.orders.clone();
        let cursor =
            self.kept.as_ref().map(|kept| kept.join("cursors").join(format!("{unit}.{}", spec.name)));
        self.spawn(async move {
            let outcome = asking::ask(&orders, &unit, &spec, cursor).await;
            Observation::ProbeFinished { unit, probe: spec.name, outcome }
        });
    }
}

impl Outside for World {
    fn now(&self) -> Moment {
        clock::now()
    }

    async fn save(&mut self, changes: Vec<Change>) -> Result<(), String> {
        match &self.store {
            Some(store) => {
                for (code, why) in store.save(changes).await.map_err(|why| why.to_string())? {
                    // The loop that waits for us empties its inbox later: telling it must not wait.
                    self.spawn(async move { Observation::Impaired { code, part: DURABLE, why } });
                }
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::WatchUnits { units, patterns } => {
                self.wishes.send_replace(Wish { units, patterns });
            }
            // A reading that is asked for already serves this wish, too.
            Action::ReadAllUnits => {
                let _full = self.rereads.try_send(());
            }
            Action::ReadPackageManager => {
                self.spawn(async { Observation::PackageManagerRead(packages::read().await) });
            }
            Action::ReadEnablement { units } => {
                for unit in units {
                    // What does not fit is read with the next slow reading.
                    drop(self.enablements.try_send(unit));
                }
            }
            Action::PredictBoot => {
                let orders = self.orders.clone();
                let user = orders.instance() == Instance::User;
                self.spawn(async move { Observation::BootPredicted(boot::predict(&orders, user).await) });
            }
            Action::AuditHost { records } => {
                let user = self.orders.instance() == Instance::User;
                self.spawn(async move { Observation::HostAudited(look_over(user, records).await) });
            }
            Action::WatchLinks { unit, paths } => self.watch_links(unit, paths),
            Action::InspectProcesses { unit, control_group, paths } => self.spawn(async move {
                let reading = release::processes::inspect(&unit, &control_group, &paths, INSPECTION).await;
                Observation::ProcessesInspected { unit, reading }
            }),
            Action::RunProbe { unit, probe } => self.run_probe(unit, probe),
            Action::SampleProgress { unit, progress } => self.sample_progress(unit, progress),
            Action::SendAlert { sink, message } => self.send_alert(sink, message),
            Action::CaptureEvidence { incident, unit, control_group, known, changed_since } => {
                let user = self.orders.instance() == Instance::User;
                self.capture(Look { incident, unit, control_group, known, changed_since, user });
            }
            Action::DraftPostmortem { incident } => self.draft(incident),
            Action::AnswerOperator { request, answer } => drop(self.answers.send((request, answer))),
            // Figures are for the history: once a minute they would fill the journal.
            Action::Record(event) if self.store.is_some() && event.kind != EventKind::Measured => {
                journal::record(&event);
            }
            Action::Record(_) => {}
            Action::StartUnit { .. }
            | Action::RestartUnit { .. }
            | Action::EnableUnit { .. }
            | Action::EndProcesses { .. }
            | Action::KillMainProcess { .. }
            | Action::RunSmokeTest { .. } => {
                if self.store.is_some() {
                    self.order(action);
                }
            }
        }
    }
}

/// Asks the enablement of what waits, many at a time.
async fn read_enablements(
    orders: Orders,
    mut queue: mpsc::Receiver<UnitName>,
    inbox: mpsc::Sender<Observation>,
) {
    let mut units = Vec::new();
    while queue.recv_many(&mut units, BATCH).await > 0 {
        units.sort();
        units.dedup();
        for (unit, state) in orders.enablements(&units).await {
            if inbox.send(Observation::EnablementRead { unit, state }).await.is_err() {
                return;
            }
        }
        units.clear();
    }
}
