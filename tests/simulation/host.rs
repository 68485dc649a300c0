//! The made-up host: units, releases, jobs, and what each reading of them shows.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use steadfast::model::action::Action;
use steadfast::model::boot::BootReading;
use steadfast::model::cause::PackagesReading;
use steadfast::model::change::Change;
use steadfast::model::moment::Moment;
use steadfast::model::observation::Observation;
use steadfast::model::probe::{CommandEnd, CommandOutcome, ProbeOutcome, ProbeStatus};
use steadfast::model::release::{FileId, LinkReading, Place, ProcessReading, ProcessesReading, Target};
use steadfast::model::state::{Durable, OrderKind, Phase};
use steadfast::model::unit::{
    ActiveState, Job, JobKind, JobResult, LoadState, ManagerState, UnitFileState, UnitName, UnitReading,
    UnitSettings,
};
use steadfast::runtime::Outside;

use crate::chance::Chance;

pub const UNITS: [&str; 3] = ["broker.service", "horizon.service", "shop.service"];

/// One unit of the made-up host.
#[derive(Clone, Debug)]
pub struct Unit {
    pub active: ActiveState,
    pub result: &'static str,
    pub invocation: u32,
    pub n_restarts: u32,
    pub started: Moment,
    pub enabled: bool,
    pub wedged: bool,
    /// Release of the main process; gone when it was deleted.
    pub runs: u64,
    /// Somebody's stop is respected until then.
    pub stopped_until: Option<Moment>,
    pub job: Option<(u32, JobKind)>,
    /// Which of our orders was carried out.
    pub carried_out: Vec<u64>,
    /// When we ordered a start or restart.
    pub ordered: Vec<Moment>,
    pub deploys: Vec<Moment>,
}

/// What will happen, at its time.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a few wait at a time")]
pub enum Event {
    Tell(Observation),
    JobEnds { unit: usize, order: u64, id: u32, kind: JobKind },
}

/// The world behind `Outside`.
#[derive(Debug)]
pub struct Host {
    pub chance: Chance,
    pub now: Moment,
    pub units: Vec<Unit>,
    /// The release that the link names, since when, and which releases are broken or deleted.
    pub current: u64,
    pub switched: Moment,
    pub broken: Vec<u64>,
    pub deleted: Vec<u64>,
    pub manager: ManagerState,
    pub events: BTreeMap<(i64, u64), Event>,
    sequence: u64,
    pub saved: Durable,
    pub saves_fail: bool,
    /// We die at the n-th step from now.
    pub dies_in: Option<u64>,
    pub dead: bool,
    pub violations: Vec<String>,
    pub orders: u64,
    pub calm: bool,
    pub told: VecDeque<String>,
}

impl Host {
    pub fn new(seed: u64) -> Self {
        let now = Moment { boot_ms: 600_000, wall_ms: 1_795_168_800_000 };
        let unit = Unit {
            active: ActiveState::Active,
            result: "success",
            invocation: 1,
            n_restarts: 0,
            started: now,
            enabled: true,
            wedged: false,
            runs: 1,
            stopped_until: None,
            job: None,
            carried_out: Vec::new(),
            ordered: Vec::new(),
            deploys: Vec::new(),
        };
        Self {
            chance: Chance::new(seed),
            now,
            units: vec![unit; UNITS.len()],
            current: 1,
            switched: now,
            broken: Vec::new(),
            deleted: Vec::new(),
            manager: ManagerState::Running,
            events: BTreeMap::new(),
            sequence: 0,
            saved: Durable::default(),
            saves_fail: false,
            dies_in: None,
            dead: false,
            violations: Vec::new(),
            orders: 0,
            calm: false,
            told: VecDeque::new(),
        }
    }

    pub fn note(&mut self, text: String) {
        if self.told.len() >= 60 {
            self.told.pop_front();
        }
        self.told.push_back(format!("{:>9.3} {text}", self.now.boot_ms as f64 / 1000.0));
    }

    pub fn later(&mut self, ms: u64, event: Event) {
        self.sequence += 1;
        let at = self.now.boot_ms + i64::try_from(ms).expect("short");
        self.events.insert((at, self.sequence), event);
    }

    /// Signals come a little late, sometimes twice, and unless the world is calm sometimes never.
    pub fn tell(&mut self, observation: Observation) {
        let ms = 1 + self.chance.below(20);
        if !self.calm && self.chance.percent(3) {
            return;
        }
        if self.chance.percent(3) {
            self.later(ms + 5, Event::Tell(observation.clone()));
        }
        self.later(ms, Event::Tell(observation));
    }

    /// An outcome is told exactly once, or never when we die meanwhile.
    fn outcome(&mut self, ms: u64, observation: Observation) {
        self.later(ms, Event::Tell(observation));
    }

    pub fn index(unit: &UnitName) -> usize {
        UNITS.iter().position(|name| *name == unit.as_str()).expect("a known unit")
    }

    pub fn reading(&self, at: usize) -> UnitReading {
        let unit = &self.units[at];
        let sub = match unit.active {
            ActiveState::Active => "running",
            ActiveState::Failed => "failed",
            ActiveState::Activating => "start",
            ActiveState::Deactivating => "stop-sigterm",
            _ => "dead",
        };
        UnitReading {
            load: LoadState::Loaded,
            active: unit.active,
            sub: sub.to_owned(),
            result: unit.result.to_owned(),
            job: unit.job.map(|(id, kind)| Job { id, kind }),
            invocation: format!("{at}-{}", unit.invocation),
            main_pid: (unit.active == ActiveState::Active).then(|| self.pid(at)),
            n_restarts: unit.n_restarts,
            active_since: Some(unit.started),
            inactive_since: None,
            changed_us: 0,
            exit: None,
            status_text: String::new(),
        }
    }

    fn pid(&self, at: usize) -> u32 {
        1000 * (u32::try_from(at).expect("few") + 1) + self.units[at].invocation
    }

    pub fn tell_unit(&mut self, at: usize) {
        let reading = self.reading(at);
        self.tell(Observation::UnitChanged { unit: UnitName::from(UNITS[at]), reading });
    }

    fn settings() -> UnitSettings {
        UnitSettings {
            can_start: true,
            can_stop: true,
            service_type: "simple".to_owned(),
            timeout_start_ms: Some(90_000),
            timeout_stop_ms: Some(90_000),
            control_group: "/system.slice/x".to_owned(),
            working_directory: "/srv/app/current".to_owned(),
            ..UnitSettings::default()
        }
    }

    fn processes(&self, at: usize) -> ProcessesReading {
        let release = |number: u64| FileId { dev: 1, ino: 100 + number };
        let unit = &self.units[at];
        let place = Place {
            path: format!("/srv/app/releases/{}", unit.runs),
            gone: self.deleted.contains(&unit.runs),
            id: Some(release(unit.runs)),
            above: vec![FileId { dev: 1, ino: 2 }, FileId { dev: 1, ino: 3 }],
        };
        let process = |pid: u32| ProcessReading {
            pid,
            started_ms: unit.started.boot_ms,
            name: "php".to_owned(),
            names_link: false,
            cwd: Ok(place.clone()),
            exe: Ok(Place {
                path: "/usr/bin/php".to_owned(),
                gone: false,
                id: Some(FileId { dev: 1, ino: 9 }),
                above: Vec::new(),
            }),
            files: Vec::new(),
            replaced: Vec::new(),
        };
        let running = unit.active == ActiveState::Active;
        ProcessesReading {
            read_at: self.now,
            processes: if running {
                vec![process(self.pid(at)), process(self.pid(at) + 500)]
            } else {
                Vec::new()
            },
            links: vec![LinkReading {
                link: "/srv/app/current".to_owned(),
                target: Some(Target {
                    path: format!("/srv/app/releases/{}", self.current),
                    id: release(self.current),
                    parent: FileId { dev: 1, ino: 2 },
                }),
                switched_at: self.switched,
                problem: None,
            }],
            ..ProcessesReading::default()
        }
    }

    pub fn read_all(&mut self) {
        for (at, name) in UNITS.iter().enumerate() {
            let unit = UnitName::from(*name);
            let reading = self.reading(at);
            self.outcome(2, Observation::UnitSettingsRead { unit: unit.clone(), settings: Self::settings() });
            self.outcome(2, Observation::UnitChanged { unit, reading });
        }
    }

    /// A job that we ordered: what must hold when we do.
    fn ordered(&mut self, unit: &UnitName, order: u64, kind: JobKind) {
        self.orders += 1;
        let at = Self::index(unit);
        let mut wrong = Vec::new();
        let intent = self.saved.units.get(unit).and_then(|durable| durable.recovery.as_ref());
        if !intent.is_some_and(|intent| intent.order == order && intent.phase == Phase::Job) {
            wrong.push("acted on an order that was not saved");
        }
        let asked = intent.is_some_and(|intent| intent.because.is_none());
        let deploy = intent.is_some_and(|intent| intent.kind == OrderKind::Restart);
        let known = &self.units[at];
        if known.carried_out.contains(&order) {
            wrong.push("gave an order twice that was carried out");
        }
        if known.job.is_some() && self.calm {
            wrong.push("ordered against a running job");
        }
        if self.manager == ManagerState::Stopping {
            wrong.push("ordered while the host shuts down");
        }
        if !asked && known.stopped_until.is_some_and(|until| until > self.now) {
            wrong.push("resurrected what a person stopped");
        }
        let flip_is_old = self.now.since(self.switched) > Duration::from_secs(40);
        if deploy
            && flip_is_old
            && self.broken.contains(&self.current)
            && known.active == ActiveState::Active
            && !known.wedged
        {
            wrong.push("a broken release costs a working process");
        }
        let window = Duration::from_secs(900);
        let recent = |times: &[Moment]| times.iter().filter(|time| self.now.since(**time) < window).count();
        if recent(&known.ordered) > 4 + recent(&known.deploys) {
            wrong.push("over the budget");
        }
        for why in wrong {
            self.violations.push(format!("{why}: {unit}, order {order}"));
        }
        self.units[at].ordered.push(self.now);
        if self.units[at].job.is_some() {
            let refused = JobResult::Refused("a job is running".to_owned());
            self.outcome(1, Observation::JobFinished { unit: unit.clone(), order, result: refused });
            return;
        }
        self.sequence += 1;
        let id = u32::try_from(self.sequence % 100_000).expect("small");
        self.units[at].job = Some((id, kind));
        self.units[at].carried_out.push(order);
        self.tell_unit(at);
        let slow = if self.chance.percent(10) { 30_000 } else { 50 };
        self.later(slow, Event::JobEnds { unit: at, order, id, kind });
    }

    /// The unit comes up in the current release; broken code dies at once.
    pub fn come_up(&mut self, at: usize) -> bool {
        let broken = self.broken.contains(&self.current);
        let (now, current) = (self.now, self.current);
        let unit = &mut self.units[at];
        unit.invocation += 1;
        unit.n_restarts = 0;
        unit.started = now;
        unit.runs = current;
        unit.wedged = false;
        unit.stopped_until = None;
        unit.active = if broken { ActiveState::Failed } else { ActiveState::Active };
        unit.result = if broken { "exit-code" } else { "success" };
        !broken
    }

    /// A step of ours: we may die right before it.
    fn step(&mut self) -> bool {
        if let Some(steps) = &mut self.dies_in {
            if *steps == 0 {
                self.dead = true;
            }
            *steps = steps.saturating_sub(1);
        }
        self.dead
    }
}

impl Outside for Host {
    fn now(&self) -> Moment {
        self.now
    }

    async fn save(&mut self, changes: Vec<Change>) -> Result<(), String> {
        if self.step() {
            return Err("we are dead".to_owned());
        }
        if self.saves_fail {
            return Err("disk full".to_owned());
        }
        for change in changes {
            self.saved.apply(&change);
        }
        Ok(())
    }

    fn perform(&mut self, action: Action) {
        if self.step() {
            return;
        }
        match action {
            Action::StartUnit { unit, order, .. } => {
                self.note(format!("StartUnit {unit} {order}"));
                self.ordered(&unit, order, JobKind::Start);
            }
            Action::RestartUnit { unit, order, .. } => {
                self.note(format!("RestartUnit {unit} {order}"));
                self.ordered(&unit, order, JobKind::Restart);
            }
            Action::EnableUnit { unit, order } => {
                self.units[Self::index(&unit)].enabled = true;
                self.outcome(
                    20,
                    Observation::EnableFinished { unit, order, result: Ok(vec!["link".to_owned()]) },
                );
            }
            Action::RunSmokeTest { unit, order, .. } => {
                let broken = self.broken.contains(&self.current);
                let outcome = CommandOutcome {
                    ended: CommandEnd::Exited(i32::from(broken)),
                    output: vec!["SyntaxError: invalid syntax".to_owned()],
                    took: Duration::from_millis(100),
                };
                self.outcome(100, Observation::SmokeTestFinished { unit, order, outcome });
            }
            Action::ReadAllUnits => self.read_all(),
            Action::ReadPackageManager => {
                self.outcome(1, Observation::PackageManagerRead(PackagesReading::default()));
            }
            Action::ReadEnablement { units } => {
                for unit in units {
                    let enabled = self.units[Self::index(&unit)].enabled;
                    let state = if enabled { UnitFileState::Enabled } else { UnitFileState::Disabled };
                    self.outcome(2, Observation::EnablementRead { unit, state });
                }
            }
            Action::PredictBoot => {
                let enabled = UNITS.iter().zip(&self.units).filter(|(_, unit)| unit.enabled);
                let starts = enabled.map(|(name, _)| UnitName::from(*name)).collect();
                let reading = BootReading { starts, read_at: self.now, ..BootReading::default() };
                self.outcome(200, Observation::BootPredicted(reading));
            }
            Action::InspectProcesses { unit, .. } => {
                let reading = self.processes(Self::index(&unit));
                self.outcome(3, Observation::ProcessesInspected { unit, reading });
            }
            Action::SampleProgress { .. } => {}
            Action::RunProbe { unit, probe } => {
                let known = &self.units[Self::index(&unit)];
                let healthy = known.active == ActiveState::Active && !known.wedged;
                let status = if healthy { ProbeStatus::Healthy } else { ProbeStatus::Unhealthy };
                let outcome = ProbeOutcome { status, message: "asked".to_owned(), latency: None };
                self.outcome(5, Observation::ProbeFinished { unit, probe: probe.name, outcome });
            }
            Action::Record(event) => self.note(format!("{} {}", event.kind.as_str(), event.message)),
            Action::WatchUnits { .. } => self.read_all(),
            Action::WatchLinks { .. } | Action::AnswerOperator { .. } => {}
        }
    }
}
