//! The made-up host: units, releases, jobs, and what each reading of them shows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use steadfast::model::action::Action;
use steadfast::model::audit::{Audited, Gap};
use steadfast::model::boot::BootReading;
use steadfast::model::cause::PackagesReading;
use steadfast::model::change::Change;
use steadfast::model::finding::{Code, Finding, Severity};
use steadfast::model::incident::Looked;
use steadfast::model::moment::Moment;
use steadfast::model::observation::Observation;
use steadfast::model::operator::{Answer, Ask, Request, UnitAsk};
use steadfast::model::probe::{CommandEnd, CommandOutcome, ProbeOutcome, ProbeStatus};
use steadfast::model::progress::Sample;
use steadfast::model::release::{
    FileId, LinkReading, Place, ProcessReading, ProcessesReading, Sockets, Target,
};
use steadfast::model::state::{Durable, Recovery};
use steadfast::model::unit::{
    ActiveState, Job, JobKind, JobResult, LoadState, ManagerState, UnitFileState, UnitName, UnitReading,
    UnitSettings,
};
use steadfast::model::will::{Exit, ServiceType, Tried, UnitResult};
use steadfast::runtime::Outside;

use crate::chance::Chance;
use crate::lock::{Asked, LockServer};
use crate::mailbox::Mailbox;
use crate::story::Story;
use crate::truth::Truth;
use crate::will::{Drain, Wish};

/// The last two need the first: one serves, one works on a queue.
pub const UNITS: [&str; 4] = ["broker.service", "horizon.service", "shop.service", "worker.service"];

/// What needs the broker.
pub fn needs_broker(at: usize) -> bool {
    at >= 2
}

/// The same line more often than this within a minute is noise.
const OFTEN: usize = 12;

/// One unit of the made-up host.
#[derive(Clone, Debug)]
pub struct Unit {
    pub active: ActiveState,
    pub result: &'static str,
    /// What its file wants.
    pub wish: Wish,
    /// How its main process ended.
    pub exit: Option<Exit>,
    /// What its file demands before a start is not met now; and since when systemd has skipped it for that.
    pub unmet: bool,
    pub skipped_since: Option<Moment>,
    /// Since when somebody has it frozen.
    pub frozen_since: Option<Moment>,
    /// Since when a start of somebody's waits for other units.
    pub waits_since: Option<Moment>,
    /// How often this run handed its sockets over, when the main process of now began, and what drains.
    pub handed: u32,
    pub main_started: Moment,
    pub drain: Option<Drain>,
    /// Each start of this boot.
    pub starts: Vec<Moment>,
    pub invocation: u32,
    pub n_restarts: u32,
    pub started: Moment,
    pub enabled: bool,
    pub wedged: bool,
    /// It answers, and completes nothing.
    pub stuck: bool,
    /// When a probe of it last said unhealthy.
    pub unhealthy_at: Option<Moment>,
    /// The order of ours whose job runs.
    pub our_job: Option<u64>,
    /// It has not run in this boot.
    pub fresh: bool,
    /// Since when it does not run.
    pub down_since: Option<Moment>,
    /// An operator's hold, told as done.
    pub held_until: Option<Moment>,
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
    JobEnds {
        unit: usize,
        order: u64,
        id: u32,
        kind: JobKind,
    },
    /// systemd's own restart, or one by hand, brings the unit up.
    ComesUp {
        unit: usize,
        by_itself: bool,
    },
    /// The unit is read, as it is then.
    Read {
        unit: usize,
    },
    /// A stop by hand comes to its end.
    Stops {
        unit: usize,
    },
    /// What a start of somebody's waited for is up.
    Awaited {
        unit: usize,
        id: u32,
    },
    /// The lock server does what it is asked.
    LockServed(Asked),
    /// The manager gets into this state.
    Turns(ManagerState),
}

/// The world behind `Outside`.
#[derive(Debug)]
pub struct Host {
    pub lock: LockServer,
    pub chance: Chance,
    pub now: Moment,
    pub units: Vec<Unit>,
    /// The release that the link names, since when, and which releases are broken or deleted.
    pub current: u64,
    /// The newest release.
    pub released: u64,
    pub switched: Moment,
    pub broken: Vec<u64>,
    pub deleted: Vec<u64>,
    pub manager: ManagerState,
    /// Which boot it is, and when the host goes down.
    pub boot: u32,
    pub goes_down_at: Option<Moment>,
    /// The host sleeps now, for so long.
    pub sleeps: Option<Duration>,
    /// A package manager is at work; the link is away.
    pub busy_since: Option<Moment>,
    /// When a package manager was last at work.
    pub packages_at: Option<Moment>,
    pub link_away_since: Option<Moment>,
    /// Probes and sources of progress cannot be asked until then.
    pub mute_until: Moment,
    /// The worker's queue: what waits, and what was completed.
    pub depth: u64,
    pub completed: u64,
    /// Questions of people that are not answered yet.
    pub asked: BTreeMap<u64, (usize, UnitAsk)>,
    pub mailbox: Mailbox,
    pub requests: u64,
    pub events: BTreeMap<(i64, u64), Event>,
    sequence: u64,
    pub saved: Durable,
    pub truth: Truth,
    pub saves_fail: bool,
    pub saves_failed_at: Option<Moment>,
    /// We die at the n-th step from now, or right after this durable write.
    pub dies_in: Option<u64>,
    pub dies_after_save: Option<u64>,
    pub saves: u64,
    pub dead: bool,
    pub violations: Vec<String>,
    pub orders: u64,
    /// Drills that went to an end.
    pub drills: u64,
    pub calm: bool,
    pub story: Option<Story>,
    pub told: VecDeque<String>,
    /// When we said what.
    pub heard: BTreeMap<String, Vec<Moment>>,
}

impl Unit {
    /// It has run since now.
    fn new(now: Moment, wish: Wish) -> Self {
        Self {
            active: ActiveState::Active,
            result: "success",
            wish,
            exit: None,
            unmet: false,
            skipped_since: None,
            frozen_since: None,
            waits_since: None,
            handed: 0,
            main_started: now,
            drain: None,
            starts: vec![now],
            invocation: 1,
            n_restarts: 0,
            started: now,
            enabled: true,
            wedged: false,
            stuck: false,
            unhealthy_at: None,
            our_job: None,
            fresh: false,
            down_since: None,
            held_until: None,
            runs: 1,
            stopped_until: None,
            job: None,
            carried_out: Vec::new(),
            ordered: Vec::new(),
            deploys: Vec::new(),
        }
    }

    /// Its processes are gone: nothing of them stands still or drains any more.
    pub fn ends_run(&mut self) {
        self.frozen_since = None;
        self.drain = None;
    }
}

impl Host {
    pub fn new(seed: u64) -> Self {
        let now = Moment { boot_ms: 600_000, wall_ms: 1_795_168_800_000 };
        let mut chance = Chance::new(seed);
        let units = UNITS.map(|_| Unit::new(now, Wish::of(&mut chance))).to_vec();
        Self {
            lock: LockServer::default(),
            chance,
            now,
            units,
            current: 1,
            released: 1,
            switched: now,
            broken: Vec::new(),
            deleted: Vec::new(),
            manager: ManagerState::Running,
            boot: 1,
            goes_down_at: None,
            sleeps: None,
            busy_since: None,
            packages_at: None,
            link_away_since: None,
            mute_until: now,
            depth: 0,
            completed: 0,
            asked: BTreeMap::new(),
            mailbox: Mailbox::default(),
            requests: 0,
            events: BTreeMap::new(),
            sequence: 0,
            saved: Durable::default(),
            truth: Truth::default(),
            saves_fail: false,
            saves_failed_at: None,
            dies_in: None,
            dies_after_save: None,
            saves: 0,
            dead: false,
            violations: Vec::new(),
            orders: 0,
            drills: 0,
            calm: false,
            story: None,
            told: VecDeque::new(),
            heard: BTreeMap::new(),
        }
    }

    pub fn note(&mut self, text: String) {
        if self.told.len() >= 200 {
            self.told.pop_front();
        }
        self.told.push_back(format!("{:>9.3} {text}", self.now.boot_ms as f64 / 1000.0));
    }

    /// We say something; nobody wants to hear it again and again.
    fn hear(&mut self, line: String) {
        let times = self.heard.entry(line.clone()).or_default();
        times.retain(|at| self.now.since(*at) < Duration::from_secs(60));
        times.push(self.now);
        if times.len() > OFTEN {
            self.violations.push(format!("told {} times within a minute: {line}", times.len()));
        }
        self.note(line);
    }

    pub fn later(&mut self, ms: u64, event: Event) {
        self.sequence += 1;
        let at = self.now.boot_ms + i64::try_from(ms).expect("short");
        self.events.insert((at, self.sequence), event);
    }

    /// Signals come a little late, sometimes twice, and unless the world is calm sometimes never.
    pub fn tell(&mut self, observation: Observation) {
        for ms in self.lateness() {
            self.later(ms, Event::Tell(observation.clone()));
        }
    }

    /// After how long a signal arrives; it may do so twice, or never.
    fn lateness(&mut self) -> Vec<u64> {
        let ms = 1 + self.chance.below(20);
        if !self.calm && self.chance.percent(3) {
            return Vec::new();
        }
        if self.chance.percent(3) { vec![ms, ms + 5] } else { vec![ms] }
    }

    /// The outcome of an action that others take part in; one in a hundred gets lost.
    pub fn perhaps(&mut self, ms: u64, observation: Observation) {
        if self.calm || !self.chance.percent(1) {
            self.outcome(ms, observation);
        }
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
            ActiveState::Activating if unit.job.is_none() => "auto-restart",
            ActiveState::Failed => "failed",
            ActiveState::Activating => "start",
            ActiveState::Deactivating => "stop-sigterm",
            _ => "dead",
        };
        UnitReading {
            load: LoadState::Loaded,
            active: unit.active,
            sub: sub.to_owned(),
            result: UnitResult::of(unit.result),
            tried: if unit.skipped_since.is_some() { Tried::ConditionUnmet } else { Tried::Met },
            frozen: unit.frozen_since.is_some(),
            job: unit.job.map(|(id, kind)| Job { id, kind }),
            invocation: if unit.fresh { String::new() } else { format!("{at}-{}", unit.invocation) },
            main_pid: (unit.active == ActiveState::Active).then(|| self.pid(at)),
            n_restarts: unit.n_restarts,
            active_since: Some(unit.started),
            inactive_since: None,
            changed_us: 0,
            exit: unit.exit,
            status_text: String::new(),
        }
    }

    pub fn pid(&self, at: usize) -> u32 {
        let unit = &self.units[at];
        100_000 * (u32::try_from(at).expect("few") + 1) + 100 * unit.invocation + 10 * unit.handed
    }

    pub fn tell_unit(&mut self, at: usize) {
        let (now, unit) = (self.now, &mut self.units[at]);
        let up = unit.active == ActiveState::Active;
        unit.down_since = if up { None } else { unit.down_since.or(Some(now)) };
        // What is read is what is then: of one unit, no reading overtakes another.
        for ms in self.lateness() {
            self.later(ms, Event::Read { unit: at });
        }
    }

    /// Its state as it is now, by a signal that arrives.
    pub fn surely_tell(&mut self, at: usize) {
        let reading = self.reading(at);
        self.outcome(1, Observation::UnitChanged { unit: UnitName::from(UNITS[at]), reading });
    }

    fn settings(&self, at: usize) -> UnitSettings {
        let mut settings = UnitSettings {
            can_start: true,
            can_stop: true,
            service_type: ServiceType::Simple,
            timeout_start_ms: Some(90_000),
            timeout_stop_ms: Some(90_000),
            control_group: "/system.slice/x".to_owned(),
            working_directory: "/srv/app/current".to_owned(),
            ..UnitSettings::default()
        };
        self.units[at].wish.write(&mut settings);
        settings
    }

    fn processes(&self, at: usize) -> ProcessesReading {
        let release = |number: u64| FileId { dev: 1, ino: 100 + number };
        let unit = &self.units[at];
        let place = |runs: u64| Place {
            path: format!("/srv/app/releases/{runs}"),
            gone: self.deleted.contains(&runs),
            id: Some(release(runs)),
            above: vec![FileId { dev: 1, ino: 2 }, FileId { dev: 1, ino: 3 }],
            ..Place::default()
        };
        let process = |pid: u32, runs: u64, started: Moment| ProcessReading {
            command: String::new(),
            pid,
            started_ms: started.boot_ms,
            name: "php".to_owned(),
            names_link: false,
            cwd: Ok(place(runs)),
            exe: Ok(Place {
                path: "/usr/bin/php".to_owned(),
                id: Some(FileId { dev: 1, ino: 9 }),
                ..Place::default()
            }),
            files: Vec::new(),
            replaced: Vec::new(),
            parent: 1,
            program: None,
            sockets: Sockets::default(),
            stopped: false,
        };
        let running = unit.active == ActiveState::Active;
        ProcessesReading {
            read_at: self.now,
            processes: if running {
                let (main, began) = (self.pid(at), unit.main_started);
                let old = unit.drain.filter(|drain| drain.until > self.now);
                let old = old.map(|drain| process(drain.pid, drain.release, unit.started));
                let now = [process(main, unit.runs, began), process(main + 5, unit.runs, began)];
                now.into_iter().chain(old).collect()
            } else {
                Vec::new()
            },
            links: vec![LinkReading {
                link: "/srv/app/current".to_owned(),
                target: self.link_away_since.is_none().then(|| Target {
                    path: format!("/srv/app/releases/{}", self.current),
                    id: release(self.current),
                    parent: FileId { dev: 1, ino: 2 },
                    ..Target::default()
                }),
                switched_at: self.switched,
                problem: self.link_away_since.map(|_| "it does not exist".to_owned()),
                ..LinkReading::default()
            }],
            ..ProcessesReading::default()
        }
    }

    pub fn read_all(&mut self) {
        for (at, name) in UNITS.iter().enumerate() {
            let unit = UnitName::from(*name);
            self.outcome(2, Observation::UnitSettingsRead { unit, settings: self.settings(at) });
            self.later(2, Event::Read { unit: at });
        }
        self.outcome(3, Observation::UnitsRead { began: self.now });
    }

    /// A job that we ordered: what must hold when we do.
    fn ordered(&mut self, unit: &UnitName, order: u64, kind: JobKind) {
        self.orders += 1;
        let at = Self::index(unit);
        let wrong = crate::invariants::of_order(self, unit, order, kind);
        self.violations.extend(wrong.into_iter().map(|why| format!("{why}: {unit}, order {order}")));
        let by_person = self.intent(unit).is_some_and(|intent| intent.because.is_none());
        if !by_person {
            self.units[at].ordered.push(self.now);
        }
        if self.units[at].job.is_some() {
            let refused = JobResult::Refused("a job is running".to_owned());
            self.outcome(1, Observation::JobFinished { unit: unit.clone(), order, result: refused });
            return;
        }
        self.sequence += 1;
        let id = u32::try_from(self.sequence % 100_000).expect("small");
        self.units[at].job = Some((id, kind));
        self.units[at].our_job = Some(order);
        self.units[at].carried_out.push(order);
        if self.units[at].wish.reboots(&self.units[at].starts, self.now) {
            self.violations.push(format!("a start that reboots the host: {unit}, order {order}"));
        }
        self.tell_unit(at);
        let slow = if self.chance.percent(10) { 30_000 } else { 50 };
        self.later(slow, Event::JobEnds { unit: at, order, id, kind });
    }

    /// The order that is saved for the unit.
    pub fn intent(&self, unit: &UnitName) -> Option<&Recovery> {
        self.saved.units.get(unit)?.recovery.as_ref()
    }

    fn smoke_tested(&mut self, unit: UnitName, order: u64) {
        let broken = self.broken.contains(&self.current);
        let outcome = CommandOutcome {
            ended: CommandEnd::Exited(i32::from(broken)),
            output: vec!["SyntaxError: invalid syntax".to_owned()],
            took: Duration::from_millis(100),
        };
        self.perhaps(100, Observation::SmokeTestFinished { unit, order, outcome });
    }

    fn drained(&mut self, unit: UnitName, order: u64) {
        let (ended, after) = match self.chance.below(10) {
            0 => (CommandEnd::Exited(1), 100),
            1 => (CommandEnd::TimedOut, 120_000),
            _ => (CommandEnd::Exited(0), 100 + self.chance.below(60_000)),
        };
        let outcome = CommandOutcome { ended, output: Vec::new(), took: Duration::ZERO };
        self.perhaps(after, Observation::Drained { unit, order, outcome });
    }

    /// What people are told, and what is written for them.
    fn told_by(&mut self, action: Action) {
        match action {
            Action::CaptureEvidence { incident, .. } => {
                let file = Ok(format!("/state/{incident}.txt"));
                let changes = Vec::new();
                self.perhaps(
                    50,
                    Observation::EvidenceCaptured {
                        incident,
                        looked: Looked { file, changes, said: Vec::new() },
                    },
                );
            }
            Action::DraftPostmortem { incident } => {
                let file = Ok(format!("/state/{incident}.md"));
                self.perhaps(50, Observation::PostmortemDrafted { incident, file });
            }
            Action::SendAlert { sink, message } => {
                let (result, wrong) = self.mailbox.receive(&message);
                self.violations.extend(wrong);
                let (sink, message) = (sink.name, message.id);
                self.perhaps(20, Observation::AlertDelivered { sink, message, result });
            }
            Action::AuditHost { .. } => {
                // Somebody starts something by hand now and then, and ends it.
                let audited = Audited { gaps: self.gaps(), whole: true, unread: BTreeSet::new() };
                self.perhaps(500, Observation::HostAudited(Ok(audited)));
            }
            _ => {}
        }
    }

    /// What nobody watches now: it comes and goes with the releases.
    fn gaps(&self) -> Vec<Gap> {
        let gap = |subject: String| {
            let message = format!("{subject} is managed by nobody");
            let (severity, since) = (Severity::Warning, self.now);
            let finding = Finding {
                code: Code::Unmanaged,
                subject: String::new(),
                severity,
                message,
                since,
                evidence: Vec::new(),
                repair: None,
                early: false,
            };
            Gap { key: format!("unmanaged {subject}"), subject, finding }
        };
        let count = if self.calm { 0 } else { self.current % 3 };
        (0..count).map(|number| gap(format!("left-{number}.service"))).collect()
    }

    /// The main process is killed for a drill, if it runs.
    fn killed(&mut self, unit: UnitName) {
        let at = Self::index(&unit);
        let runs = self.units[at].active == ActiveState::Active && self.units[at].job.is_none();
        let result = if runs { Ok(self.now) } else { Err("it has no main process".to_owned()) };
        if runs {
            self.note(format!("*** {unit} is killed"));
            self.ends(at, Exit::Signal { number: 9, core: false });
        }
        self.perhaps(1, Observation::MainProcessKilled { unit, result });
    }

    /// A person asks; the answer must come.
    pub fn ask(&mut self, at: usize, ask: UnitAsk) {
        if ask == UnitAsk::Recover {
            // Whoever asks for that wants it up again.
            self.units[at].stopped_until = None;
        }
        self.requests += 1;
        self.asked.insert(self.requests, (at, ask.clone()));
        let unit = UnitName::from(UNITS[at]);
        let ask = Ask::OfUnit { unit, ask };
        let request = Request { id: self.requests, who: "anna (uid 1000)".to_owned(), ask };
        self.outcome(1, Observation::OperatorAsked(request));
    }

    fn answered(&mut self, request: u64, answer: &Answer) {
        let Some((at, ask)) = self.asked.remove(&request) else {
            self.violations.push(format!("request {request} was answered twice"));
            return;
        };
        self.drills += u64::from(matches!(answer, Answer::Drilled { .. }));
        match (ask, answer) {
            (UnitAsk::Hold { length, .. }, Answer::Done { .. }) => {
                self.units[at].held_until = Some(self.now.plus(length));
            }
            (UnitAsk::Resume, Answer::Done { .. }) => {
                self.units[at].held_until = None;
                self.units[at].stopped_until = None;
            }
            _ => {}
        }
    }

    /// The next boot: everything that is enabled comes up.
    pub fn reboot(&mut self) {
        self.boot += 1;
        self.goes_down_at = None;
        self.events.clear();
        self.manager = ManagerState::Starting;
        self.busy_since = None;
        self.story.iter_mut().for_each(|story| story.line(self.now, "packages idle"));
        self.now = self.now.plus(Duration::from_secs(20));
        for at in 0..UNITS.len() {
            self.units[at].job = None;
            self.units[at].our_job = None;
            self.units[at].stopped_until = None;
            self.units[at].carried_out.clear();
            self.units[at].fresh = true;
            self.units[at].starts.clear();
            self.units[at].skipped_since = None;
            self.units[at].frozen_since = None;
            self.units[at].waits_since = None;
            self.units[at].exit = None;
            self.units[at].active = ActiveState::Inactive;
            self.units[at].result = "success";
            if self.units[at].enabled {
                self.come_up(at);
            }
        }
        self.later(10_000, Event::Turns(ManagerState::Running));
    }

    /// Its main process ends by itself; systemd restarts it where its file wants that.
    pub fn ends(&mut self, at: usize, exit: Exit) {
        let unit = &mut self.units[at];
        let well = exit == Exit::Code(0);
        unit.exit = Some(exit);
        unit.result = match exit {
            Exit::Code(0) => "success",
            Exit::Code(_) => "exit-code",
            Exit::Signal { .. } => "signal",
        };
        unit.active = match unit.wish {
            Wish::Always => ActiveState::Activating,
            _ if well => ActiveState::Inactive,
            _ => ActiveState::Failed,
        };
        unit.ends_run();
        let again = unit.wish == Wish::Always;
        self.tell_unit(at);
        if again {
            self.later(100, Event::ComesUp { unit: at, by_itself: true });
        }
    }

    /// What its file demands is not met: systemd skips the start, and what failed is failed as before.
    fn skip(&mut self, at: usize) {
        let (now, unit) = (self.now, &mut self.units[at]);
        unit.skipped_since = unit.skipped_since.or(Some(now));
        unit.down_since = unit.down_since.or(Some(now));
        unit.ends_run();
        if unit.active != ActiveState::Failed {
            unit.active = ActiveState::Inactive;
            unit.result = "success";
        }
    }

    /// The unit comes up in the current release; broken code dies at once, and what its file demands must be met.
    pub fn come_up(&mut self, at: usize) -> bool {
        if self.units[at].unmet {
            self.skip(at);
            return false;
        }
        let broken = self.broken.contains(&self.current);
        let (now, current) = (self.now, self.current);
        let unit = &mut self.units[at];
        unit.exit = broken.then_some(Exit::Code(1));
        unit.skipped_since = None;
        unit.ends_run();
        unit.waits_since = None;
        unit.handed = 0;
        unit.main_started = now;
        unit.starts.push(now);
        unit.invocation += 1;
        unit.n_restarts = 0;
        unit.fresh = false;
        unit.down_since = if broken { unit.down_since.or(Some(now)) } else { None };
        unit.started = now;
        unit.runs = current;
        unit.wedged = false;
        unit.stuck = false;
        unit.stopped_until = None;
        unit.active = if broken { ActiveState::Failed } else { ActiveState::Active };
        unit.result = if broken { "exit-code" } else { "success" };
        !broken
    }

    /// It does what it is there for.
    fn serves(&self, at: usize) -> bool {
        let unit = &self.units[at];
        // What requires the broker does not work without it.
        let served = !needs_broker(at) || self.units[0].active == ActiveState::Active;
        unit.active == ActiveState::Active && !unit.wedged && unit.frozen_since.is_none() && served
    }

    fn probed(&mut self, at: usize) -> ProbeStatus {
        if self.mute_until > self.now {
            return ProbeStatus::Unknown;
        }
        if self.serves(at) {
            return ProbeStatus::Healthy;
        }
        self.units[at].unhealthy_at = Some(self.now);
        ProbeStatus::Unhealthy
    }

    /// The broker tells of the worker's queue, where it can be asked.
    fn sample(&mut self, at: usize) -> Result<Sample, String> {
        if self.mute_until > self.now || self.units[0].active != ActiveState::Active || self.units[0].wedged {
            return Err("connection refused".to_owned());
        }
        let come = self.chance.below(20);
        if self.serves(at) && !self.units[at].stuck {
            self.completed += self.depth;
            self.depth = come;
        } else {
            self.depth += come + 1;
        }
        Ok(Sample { depth: self.depth, completed: Some(self.completed), ..Sample::default() })
    }

    /// Notes which units are well now.
    pub fn look(&mut self) {
        let mut truth = std::mem::take(&mut self.truth);
        truth.look(self);
        self.truth = truth;
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
        let mut truth = std::mem::take(&mut self.truth);
        truth.look(self);
        let wrong = truth.wrong(self, &changes, &self.saved.incidents);
        self.violations.extend(wrong);
        self.truth = truth;
        for change in changes {
            self.saved.apply(&change);
        }
        self.saves += 1;
        // The write is durable, and nothing that follows from it was done.
        self.dead |= self.dies_after_save == Some(self.saves);
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
                self.perhaps(
                    20,
                    Observation::EnableFinished { unit, order, result: Ok(vec!["link".to_owned()]) },
                );
            }
            Action::RunSmokeTest { unit, order, .. } => self.smoke_tested(unit, order),
            Action::AskLock { unit, holder, ask, .. } => self.ask_lock(unit, holder, ask),
            Action::Drain { unit, order, .. } => self.drained(unit, order),
            Action::ReadAllUnits => self.read_all(),
            Action::ReadPackageManager => {
                let busy = self.busy_since.map(|_| "dpkg (pid 7)".to_owned());
                let began_at = self.busy_since;
                let reading = PackagesReading { worked_at: self.busy_since, busy, began_at };
                self.outcome(1, Observation::PackageManagerRead(reading));
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
                self.perhaps(200, Observation::BootPredicted(reading));
            }
            Action::InspectProcesses { unit, .. } => {
                let reading = self.processes(Self::index(&unit));
                self.perhaps(3, Observation::ProcessesInspected { unit, reading });
            }
            Action::KillMainProcess { unit } => self.killed(unit),
            Action::AuditHost { .. } | Action::CaptureEvidence { .. } => self.told_by(action),
            Action::DraftPostmortem { .. } | Action::SendAlert { .. } => self.told_by(action),
            Action::Silence { sink, silence } => {
                let (sink, unit, until) = (sink.name, silence.unit, silence.until);
                self.perhaps(20, Observation::Silenced { unit, sink, until, result: Ok(()) });
            }
            Action::SampleProgress { unit, progress } => {
                let answer = self.sample(Self::index(&unit));
                self.perhaps(5, Observation::ProgressSampled { unit, progress: progress.name, answer });
            }
            Action::RunProbe { unit, probe } => {
                let status = self.probed(Self::index(&unit));
                let outcome = ProbeOutcome { status, message: "asked".to_owned(), latency: None };
                self.perhaps(5, Observation::ProbeFinished { unit, probe: probe.name, outcome });
            }
            Action::Record(event) => self.hear(format!("{} {}", event.kind.as_str(), event.message)),
            Action::WatchUnits { .. } => self.read_all(),
            Action::AnswerOperator { request, answer } => self.answered(request, &answer),
            // It has no peers, and none of its units has a window.
            Action::AskPeers { .. } | Action::ReadWindow { .. } => {}
            Action::WatchLinks { .. } | Action::EndProcesses { .. } => {}
        }
    }
}
