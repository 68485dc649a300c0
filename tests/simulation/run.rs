//! One run: the loop over the made-up host, faults by chance, our own deaths, and the calm at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use steadfast::model::finding::Severity;
use steadfast::model::moment::Moment;
use steadfast::model::observation::{Host as Where, Observation};
use steadfast::model::probe::{OnFailure, ProbeKind, ProbeSpec};
use steadfast::model::progress::{ProgressSource, ProgressSpec};
use steadfast::model::spec::{
    Mode, Reaction, RecoverySpec, ReleaseSpec, Selector, Settings, SmokeDirectory, SmokeSpec, Spec,
};
use steadfast::model::unit::{ActiveState, JobKind, JobResult, ManagerState, UnitName};
use steadfast::policy;
use steadfast::runtime::Loop;

use crate::faults::fault;
use crate::host::{Event, Host, UNITS};
use crate::invariants;

/// What a run amounted to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Played {
    pub faults: u64,
    pub orders: u64,
    /// Durable writes.
    pub saves: u64,
    /// Simulated time.
    pub lasted: Duration,
}

impl Played {
    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        self.faults += other.faults;
        self.orders += other.orders;
        self.saves += other.saves;
        self.lasted += other.lasted;
    }
}

const TROUBLE: Duration = Duration::from_secs(3600);
const CALM: Duration = Duration::from_secs(3 * 3600);

/// A history: the dice, which of its faults do not happen, and the durable write after which we die.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub seed: u64,
    pub spared: BTreeSet<u64>,
    pub dies_after_save: Option<u64>,
    /// How long trouble lasts, instead of an hour.
    pub trouble: Option<Duration>,
}

/// Plays one seed to its end.
pub fn play(seed: u64) -> Result<Played, String> {
    replay(&History { seed, ..History::default() })
}

/// Plays a history to its end.
pub fn replay(history: &History) -> Result<Played, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|why| why.to_string())?;
    runtime.block_on(async {
        let mut run = Run { faults: 0, turns: 0, spared: history.spared.clone() };
        let mut host = Host::new(history.seed);
        host.dies_after_save = history.dies_after_save;
        let began = host.now;
        let mut ours = run.reborn(host).await;
        let trouble = ours.outside().now.plus(history.trouble.unwrap_or(TROUBLE));
        ours = run.until(ours, trouble).await?;
        run.calm_down(ours.outside());
        let end = ours.outside().now.plus(CALM);
        ours = run.until(ours, end).await?;
        run.all_is_well(&mut ours)?;
        let host = ours.outside();
        let lasted = host.now.since(began);
        Ok(Played { faults: run.faults, orders: host.orders, saves: host.saves, lasted })
    })
}

struct Run {
    faults: u64,
    turns: u64,
    /// Faults that do not happen: what is left when a history is shrunk.
    spared: BTreeSet<u64>,
}

impl Run {
    /// We start on this host, with what was saved.
    async fn reborn(&mut self, mut host: Host) -> Loop<Host> {
        host.dead = false;
        host.dies_in =
            if host.calm || !host.chance.percent(60) { None } else { Some(host.chance.below(400)) };
        // Outcomes of our earlier life are told to nobody.
        host.events.retain(|_, event| !matches!(event, Event::Tell(_) | Event::Read { .. }));
        for (at, _) in std::mem::take(&mut host.asked).into_values() {
            // Whether a hold came to be is told to nobody.
            host.units[at].held_until = None;
        }
        let manager = host.manager;
        let boot_id = format!("boot-{}", host.boot);
        let (mut ours, _) = Loop::new(host.saved.clone(), host);
        let place =
            Where { name: "sim".to_owned(), boot_id, machine_id: "m".to_owned(), user_instance: false };
        ours.turn(Observation::Started(place)).await;
        ours.turn(Observation::ManagerChanged(manager)).await;
        let loaded = Observation::UnitFilesLoaded {
            settings: Settings { resync: Duration::from_secs(60), ..Settings::default() },
            specs: UNITS.iter().map(|unit| spec(unit)).collect(),
            problems: Vec::new(),
        };
        ours.turn(loaded).await;
        ours
    }

    /// Turns the world until then.
    async fn until(&mut self, mut ours: Loop<Host>, end: Moment) -> Result<Loop<Host>, String> {
        loop {
            self.turns += 1;
            if self.turns > 400_000 {
                return Err("it never comes to rest".to_owned());
            }
            if ours.outside().dead {
                ours = self.die(ours).await;
            }
            if let Some(why) = ours.outside().violations.first().cloned() {
                let told: Vec<String> = ours.outside().told.iter().cloned().collect();
                return Err(format!("{why}\n{}", told.join("\n")));
            }
            let due = policy::next_deadline(ours.state()).map_or(i64::MAX, |due| due.boot_ms);
            let host = ours.outside();
            let next = host.events.keys().next().copied();
            let event_at = next.map_or(i64::MAX, |(at, _)| at);
            if host.goes_down_at.is_some_and(|at| at <= host.now) {
                host.dead = true;
                continue;
            }
            let down_at = host.goes_down_at.map_or(i64::MAX, |at| at.boot_ms);
            let fault_at = if host.calm { i64::MAX } else { host.now.boot_ms + 20_000 };
            let at = due.min(event_at).min(fault_at).min(down_at).max(host.now.boot_ms);
            if at > end.boot_ms {
                // A sleep may have gone beyond the end.
                host.now = host.now.at_boot_ms(end.boot_ms.max(host.now.boot_ms));
                return Ok(ours);
            }
            // A deadline of this very millisecond must not stop the clock.
            let at = if due <= host.now.boot_ms && at == host.now.boot_ms { at + 1 } else { at };
            host.now = host.now.at_boot_ms(at);
            if !host.calm && host.chance.percent(8) {
                self.faults += 1;
                fault(host, self.spared.contains(&self.faults));
                if let Some(after) = host.sleeps.take() {
                    host.now = host.now.plus(after);
                    ours.turn(Observation::Resumed { after }).await;
                    continue;
                }
            }
            match next.filter(|_| event_at <= at).and_then(|key| host.events.remove(&key)) {
                Some(Event::Tell(observation)) => ours.turn(observation).await,
                Some(Event::JobEnds { unit, order, id, kind }) => job_ends(host, unit, order, id, kind),
                Some(Event::ComesUp { unit, by_itself }) => comes_up(host, unit, by_itself),
                Some(Event::Read { unit: at }) => {
                    let (unit, reading) = (UnitName::from(UNITS[at]), host.reading(at));
                    ours.turn(Observation::UnitChanged { unit, reading }).await;
                }
                Some(Event::Stops { unit }) => stops(host, unit),
                Some(Event::Turns(manager)) => {
                    host.manager = manager;
                    ours.turn(Observation::ManagerChanged(manager)).await;
                }
                None if due <= at => ours.turn(Observation::DeadlineReached).await,
                None => {}
            }
        }
    }

    /// Our own crash: a second later systemd has us started again.
    async fn die(&mut self, ours: Loop<Host>) -> Loop<Host> {
        self.faults += 1;
        let mut host = ours.into_outside();
        host.note("we die".to_owned());
        if host.goes_down_at.is_some() {
            host.reboot();
            host.note("reboot".to_owned());
        }
        host.now = host.now.plus(Duration::from_secs(1));
        self.reborn(host).await
    }

    fn calm_down(&self, host: &mut Host) {
        host.calm = true;
        host.broken.clear();
        host.saves_fail = false;
        host.dies_in = None;
        host.busy_since = None;
        host.link_away_since = None;
        host.goes_down_at = None;
        host.events.retain(|_, event| !matches!(event, Event::Turns(_)));
        host.manager = ManagerState::Running;
        host.tell(Observation::ManagerChanged(ManagerState::Running));
        host.mute_until = host.now;
        for at in 0..UNITS.len() {
            host.tell_unit(at);
        }
    }

    fn all_is_well(&self, ours: &mut Loop<Host>) -> Result<(), String> {
        let open: Vec<String> = ours
            .state()
            .durable
            .incidents
            .values()
            .filter(|incident| incident.resolved_at.is_none())
            .map(|incident| format!("{} {}", incident.unit, incident.cause.as_str()))
            .collect();
        let in_flight = ours.state().durable.units.values().filter(|unit| unit.recovery.is_some()).count();
        let host = ours.outside();
        let mut wrong = invariants::at_rest(host);
        for (name, unit) in UNITS.iter().zip(&host.units) {
            let works = unit.active == ActiveState::Active && !unit.wedged && !unit.stuck;
            if !works || !unit.enabled || unit.runs != host.current {
                wrong.push(format!(
                    "{name}: {} wedged={} stuck={} enabled={} runs {} of {}",
                    unit.active.as_str(),
                    unit.wedged,
                    unit.stuck,
                    unit.enabled,
                    unit.runs,
                    host.current
                ));
            }
        }
        if !open.is_empty() || in_flight > 0 {
            wrong.push(format!("open incidents: {open:?}, orders in flight: {in_flight}"));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let told: Vec<String> = host.told.iter().cloned().collect();
        Err(format!("the world is calm and not well: {}\n{}", wrong.join("; "), told.join("\n")))
    }
}

/// A stop by hand: first its processes end, then its job.
fn stops(host: &mut Host, at: usize) {
    let unit = &mut host.units[at];
    match unit.active {
        ActiveState::Deactivating => {
            unit.active = ActiveState::Inactive;
            host.later(2, Event::Stops { unit: at });
        }
        ActiveState::Inactive => unit.job = None,
        _ => return,
    }
    host.surely_tell(at);
}

fn comes_up(host: &mut Host, at: usize, by_itself: bool) {
    if host.units[at].active != ActiveState::Activating {
        return;
    }
    let restarts = host.units[at].n_restarts;
    host.units[at].job = None;
    host.come_up(at);
    host.units[at].n_restarts = if by_itself { restarts + 1 } else { 0 };
    host.tell_unit(at);
}

fn job_ends(host: &mut Host, at: usize, order: u64, id: u32, kind: JobKind) {
    if host.units[at].job != Some((id, kind)) {
        return;
    }
    host.units[at].job = None;
    host.units[at].our_job = None;
    let fails = !host.calm && host.chance.percent(10);
    let result = if fails {
        host.units[at].active = ActiveState::Failed;
        host.units[at].result = "exit-code";
        host.units[at].invocation += 1;
        host.units[at].fresh = false;
        JobResult::Ended("failed".to_owned())
    } else {
        host.come_up(at);
        JobResult::Done
    };
    host.tell_unit(at);
    let unit = UnitName::from(UNITS[at]);
    host.perhaps(1, Observation::JobFinished { unit, order, result });
}

fn queue() -> ProgressSpec {
    ProgressSpec {
        name: "jobs".to_owned(),
        source: ProgressSource::Command { argv: vec!["/usr/bin/depth".to_owned()] },
        period: Duration::from_secs(30),
        timeout: Duration::from_secs(3),
        max_depth: None,
        max_age: None,
        stalled_after: Duration::from_secs(300),
        drain_within: Duration::from_secs(600),
        on_stall: OnFailure::Restart,
    }
}

fn health() -> ProbeSpec {
    ProbeSpec {
        name: "health".to_owned(),
        kind: ProbeKind::Tcp { address: "127.0.0.1:1".to_owned() },
        period: Duration::from_secs(30),
        timeout: Duration::from_secs(3),
        initial_delay: Duration::ZERO,
        failure_threshold: 2,
        success_threshold: 1,
        on_failure: OnFailure::Restart,
    }
}

fn spec(unit: &str) -> Spec {
    // What it does is seen at its queue alone.
    let works = unit == "worker.service";
    Spec {
        selector: Selector::Unit(UnitName::from(unit)),
        file: format!("/etc/steadfast/units.d/{unit}.toml"),
        mode: Mode::Act,
        severity: Severity::Critical,
        owner: None,
        runbook: None,
        requires: if works || unit == "shop.service" {
            vec![UnitName::from("broker.service")]
        } else {
            Vec::new()
        },
        recovery: RecoverySpec {
            start: true,
            enable: true,
            after_manual_stop: Some(Duration::from_secs(1800)),
            burst: 3,
            interval: Duration::from_secs(900),
            delay: Duration::from_secs(5),
            max_delay: Duration::from_secs(300),
            verify_within: Duration::from_secs(60),
            end_survivors: false,
        },
        release: ReleaseSpec {
            link: None,
            on_stale: Reaction::Restart,
            settle: Duration::from_secs(60),
            binaries: Reaction::Alert,
        },
        smoke: Some(SmokeSpec {
            command: vec!["/usr/bin/smoke".to_owned()],
            directory: SmokeDirectory::Release,
            timeout: Duration::from_secs(30),
        }),
        progress: works.then(queue).into_iter().collect(),
        probes: (!works).then(health).into_iter().collect(),
        disabled: None,
    }
}
