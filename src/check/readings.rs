//! The shells that read: each wish becomes a task that reports back as an observation. What is not a reading is not done.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::calendar::Window;
use crate::clock;
use crate::host;
use crate::model::action::Action;
use crate::model::change::Change;
use crate::model::moment::Moment;
use crate::model::observation::Observation;
use crate::model::outside::{Outsider, Sought};
use crate::model::probe::ProbeSpec;
use crate::model::progress::ProgressSpec;
use crate::model::release::{ProcessesReading, Search};
use crate::model::unit::UnitName;
use crate::packages;
use crate::prober::{Door, Prober, StandIn};
use crate::release;
use crate::release::processes::Subject;
use crate::runtime::Outside;
use crate::systemd::follow::{Wish, follow};
use crate::systemd::orders::Orders;
use crate::systemd::{Instance, boot, enablement, stand_in};

use super::{containers, patience, probes};

/// An inspection of one unit's processes; the policy gives it up a little later.
const INSPECTION: Duration = Duration::from_secs(4);
/// Looking whether programs are there, where a file system may not answer.
const LOOK: Duration = Duration::from_secs(1);
/// Threads that may look at once, those that hang included.
static LOOKS: Semaphore = Semaphore::const_new(4);
/// Units whose enablement waits to be asked.
const ENABLEMENTS: usize = 16_384;
/// Whoever wants to know the enablement of a unit waits this long for others: one look at the disk tells of all.
const GATHER: Duration = Duration::from_millis(20);
/// Units that share one look at what runs.
const BATCH: usize = 256;

/// Who wants to know what runs.
type Asks = mpsc::Sender<oneshot::Sender<Arc<host::Running>>>;

/// The shells that read, and what leads to them.
#[derive(Debug)]
pub struct Readings {
    orders: Orders,
    prober: Prober,
    /// The folder that keeps up to which line each log was read; `None`: nothing is kept.
    cursors: Option<PathBuf>,
    inbox: mpsc::Sender<Observation>,
    wishes: watch::Sender<Wish>,
    rereads: mpsc::Sender<()>,
    links: watch::Sender<BTreeMap<UnitName, Search>>,
    enablements: mpsc::Sender<UnitName>,
    running: Asks,
}

/// How the daemon comes to a process that asks.
#[must_use]
pub fn door(instance: Instance) -> Door {
    match instance {
        Instance::System => Door::of_daemon(StandIn::new(stand_in::begin)),
        Instance::User => Door::Child,
    }
}

impl Readings {
    /// Starts the shells of this instance. Their observations go to the inbox.
    #[must_use]
    pub fn new(instance: Instance, cursors: Option<PathBuf>, inbox: mpsc::Sender<Observation>) -> Self {
        let orders = Orders::new(instance);
        // Whoever keeps nothing is no daemon.
        let prober = match &cursors {
            Some(_) => Prober::new(door(instance), Some(inbox.clone())),
            None => Prober::new(Door::Child, None),
        };
        let (wishes, wished) = watch::channel(Wish::default());
        let (rereads, reread) = mpsc::channel(1);
        let (links, linked) = watch::channel(BTreeMap::new());
        let (enablements, queue) = mpsc::channel(ENABLEMENTS);
        tokio::spawn(follow(instance, wished, reread, inbox.clone()));
        tokio::spawn(release::watch::watch(linked, inbox.clone()));
        tokio::spawn(read_enablements(instance, queue, inbox.clone()));
        let (running, asks) = mpsc::channel(BATCH);
        tokio::spawn(read_running(asks));
        Self { orders, prober, cursors, inbox, wishes, rereads, links, enablements, running }
    }

    /// The way to this instance of the service manager.
    #[must_use]
    pub fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Whoever asks for us.
    #[must_use]
    pub fn prober(&self) -> &Prober {
        &self.prober
    }

    /// Runs a shell; its outcome is an observation.
    pub fn spawn(&self, shell: impl Future<Output = Observation> + Send + 'static) {
        let inbox = self.inbox.clone();
        tokio::spawn(async move {
            let observation = shell.await;
            // A loop that has ended wants no outcome.
            drop(inbox.send(observation).await);
        });
    }

    fn watch_links(&self, unit: UnitName, search: Search) {
        self.links.send_if_modified(|links| {
            if search.is_empty() {
                links.remove(&unit).is_some()
            } else if links.get(&unit) == Some(&search) {
                false
            } else {
                links.insert(unit, search);
                true
            }
        });
    }

    fn ask_peers(&self, unit: UnitName, probe: String, peers: Vec<String>, fresh: Duration) {
        let prober = self.prober.clone();
        self.spawn(async move {
            let saw = probes::peers(&prober, &unit, &probe, (&peers, fresh)).await;
            Observation::PeersAnswered { unit, probe, saw }
        });
    }

    fn sample_progress(&self, unit: UnitName, spec: ProgressSpec) {
        let (orders, prober) = (self.orders.clone(), self.prober.clone());
        self.spawn(async move {
            let answer = probes::sample(&orders, &prober, &unit, &spec).await;
            Observation::ProgressSampled { unit, progress: spec.name, answer }
        });
    }

    fn run_probe(&self, unit: UnitName, spec: ProbeSpec) {
        let (orders, prober) = (self.orders.clone(), self.prober.clone());
        let cursor = self.cursors.as_ref().map(|folder| folder.join(format!("{unit}.{}", spec.name)));
        self.spawn(async move {
            if let Some((outcome, Some(figure))) = probes::measure(&spec).await {
                return Observation::ResourceRead { unit, probe: spec.name, outcome, figure };
            }
            let outcome = probes::ask(&orders, &prober, &unit, &spec, cursor).await;
            Observation::ProbeFinished { unit, probe: spec.name, outcome }
        });
    }
}

impl Outside for Readings {
    fn now(&self) -> Moment {
        clock::now()
    }

    async fn save(&mut self, _: Vec<Change>) -> Result<(), String> {
        Ok(())
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
            Action::ReadWindow { unit, window } => {
                self.spawn(async move {
                    let window = Window::parse(&window);
                    let openings = window.map_or_else(|_| Vec::new(), |window| window.openings(clock::now()));
                    Observation::WindowRead { unit, openings }
                });
            }
            Action::WatchLinks { unit, search } => self.watch_links(unit, *search),
            Action::InspectProcesses { unit, control_group, invocation, main_pid, search } => {
                let orders = self.orders.clone();
                let user = orders.instance() == Instance::User;
                let running = self.running.clone();
                self.spawn(async move {
                    let (control_group, invocation) = (control_group.as_str(), invocation.as_str());
                    let subject = Subject { unit: &unit, control_group, invocation, main_pid };
                    let mut reading = release::processes::inspect(subject, &search, INSPECTION).await;
                    if let Some(container) = &search.container {
                        reading
                            .installed
                            .extend(containers::image(&orders, &unit, container, main_pid).await);
                    }
                    let outside = match search.outside {
                        Some(sought) => look_outside(*sought, user, running).await,
                        None => None,
                    };
                    // Where its links do not answer, its directory would not either, and each look keeps its place.
                    let asks = reading.links_unread.is_none();
                    let absent = if asks { absent(search.programs).await } else { None };
                    let reading = ProcessesReading { outside, absent, ..reading };
                    Observation::ProcessesInspected { unit, reading }
                });
            }
            Action::RunProbe { unit, probe } => self.run_probe(unit, probe),
            Action::SampleProgress { unit, progress } => self.sample_progress(unit, progress),
            Action::AskPeers { unit, probe, peers, fresh } => self.ask_peers(unit, probe, peers, fresh),
            Action::AuditHost { .. }
            | Action::SendAlert { .. }
            | Action::Silence { .. }
            | Action::CaptureEvidence { .. }
            | Action::DraftPostmortem { .. }
            | Action::AnswerOperator { .. }
            | Action::Record(_)
            | Action::StartUnit { .. }
            | Action::RestartUnit { .. }
            | Action::EnableUnit { .. }
            | Action::EndProcesses { .. }
            | Action::KillMainProcess { .. }
            | Action::Drain { .. }
            | Action::AskLock { .. }
            | Action::RunSmokeTest { .. } => {}
        }
    }
}

/// Looks whether the program of a unit that is down runs outside of it.
async fn look_outside(sought: Sought, user: bool, asks: Asks) -> Option<Vec<Outsider>> {
    let ports: BTreeSet<u16> = sought.probes.iter().flat_map(|keys| probes::local_ports(keys)).collect();
    let (ask, answer) = oneshot::channel();
    asks.send(ask).await.ok()?;
    let running = answer.await.ok()?;
    // A PID file may lie on a file system that hangs: that holds up this look alone.
    tokio::task::spawn_blocking(move || host::look_outside(&sought, &ports, user, &running)).await.ok()
}

/// Reads what runs, once for all who want to know it at one time: when half the host dies, everybody does.
async fn read_running(mut asks: mpsc::Receiver<oneshot::Sender<Arc<host::Running>>>) {
    let mut waiting = Vec::new();
    while asks.recv_many(&mut waiting, BATCH).await > 0 {
        if let Ok(running) = tokio::task::spawn_blocking(host::Running::read).await {
            let running = Arc::new(running);
            for ask in waiting.drain(..) {
                drop(ask.send(Arc::clone(&running)));
            }
        }
        waiting.clear();
    }
}

/// The first of these files that is not there; what cannot be told is not told.
async fn absent(programs: Vec<String>) -> Option<String> {
    let gone = |path: &String| {
        let missing = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
        std::fs::metadata(path).is_err_and(|why| missing.contains(&why.kind()))
    };
    patience::look(LOOK, &LOOKS, move || programs.into_iter().find(gone)).await.flatten()
}

/// Reads the enablement of what waits, all at a time.
async fn read_enablements(
    instance: Instance,
    mut queue: mpsc::Receiver<UnitName>,
    inbox: mpsc::Sender<Observation>,
) {
    while let Some(first) = queue.recv().await {
        tokio::time::sleep(GATHER).await;
        let mut units = vec![first];
        while units.len() < ENABLEMENTS
            && let Ok(next) = queue.try_recv()
        {
            units.push(next);
        }
        units.sort();
        units.dedup();
        for (unit, state) in enablement::read(instance, &units).await {
            if inbox.send(Observation::EnablementRead { unit, state }).await.is_err() {
                return;
            }
        }
    }
}
