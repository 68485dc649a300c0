//! One run: the loop over the made-up host, faults by chance, our own deaths, and the calm at the end.

use std::collections::BTreeSet;
use std::time::Duration;

use steadfast::model::fleet::LockSpec;
use steadfast::model::moment::Moment;
use steadfast::model::observation::{Host as Where, Observation};
use steadfast::model::operator::UnitAsk;
use steadfast::model::spec::{Settings, Spec};
use steadfast::model::unit::{ActiveState, JobKind, JobResult, ManagerState, UnitName};
use steadfast::model::will::Exit;
use steadfast::policy;
use steadfast::runtime::Loop;

use crate::faults::fault;
use crate::host::{Event, Host, UNITS, Unit};
use crate::story::Story;
use crate::will::{PREVENTED, Wish};
use crate::{invariants, people, words};

/// What each unit's file asks for, in the words of the scenarios; in the order of `UNITS`. What the worker does is seen at its
/// queue alone.
pub const WORDS: [&str; 4] = [
    "broker.service smoke probe-restart=health period=30s",
    "horizon.service smoke probe-restart=health period=30s",
    "shop.service requires=broker.service smoke drain=2m slot=web probe-restart=health period=30s",
    "worker.service requires=broker.service smoke progress=jobs period=30s",
];

/// What a run amounted to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Played {
    pub faults: u64,
    pub orders: u64,
    pub drills: u64,
    /// Durable writes.
    pub saves: u64,
    /// Ends of incidents that were looked at.
    pub ends: u64,
    /// Simulated time.
    pub lasted: Duration,
    /// As a scenario, where that was asked for.
    pub story: String,
}

impl Played {
    /// Adds another run.
    pub fn add(&mut self, other: &Self) {
        self.faults += other.faults;
        self.orders += other.orders;
        self.drills += other.drills;
        self.saves += other.saves;
        self.ends += other.ends;
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
    /// The story is written down.
    pub told: bool,
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
        host.story = history.told.then(|| Story::new(host.now));
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
        let story = host.story.as_ref().map_or(String::new(), |story| story.text().to_owned());
        let (orders, drills, saves, ends) = (host.orders, host.drills, host.saves, host.truth.ends);
        Ok(Played { faults: run.faults, orders, drills, saves, ends, lasted, story })
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
        host.heard.clear();
        host.truth.started_at = host.now;
        host.dies_in =
            if host.calm || !host.chance.percent(60) { None } else { Some(host.chance.below(400)) };
        // Outcomes of our earlier life are told to nobody.
        host.events.retain(|_, event| !matches!(event, Event::Tell(_) | Event::Read { .. }));
        for (at, ask) in std::mem::take(&mut host.asked).into_values() {
            // Whether a hold came to be, or ended, is told to nobody.
            host.units[at].held_until = None;
            if ask == UnitAsk::Resume {
                host.units[at].stopped_until = None;
            }
        }
        let manager = host.manager;
        let boot_id = format!("boot-{}", host.boot);
        let (mut ours, _) = Loop::new(host.saved.clone(), host);
        let place =
            Where { name: "sim".to_owned(), boot_id, machine_id: "m".to_owned(), user_instance: false };
        turn(&mut ours, Observation::Started(place)).await;
        turn(&mut ours, Observation::ManagerChanged(manager)).await;
        let loaded = Observation::UnitFilesLoaded {
            settings: Settings {
                resync: Duration::from_secs(60),
                sinks: vec![people::sink("mail", &["burst=5"]).expect("a sink")],
                lock: Some(LockSpec {
                    keys: String::new(),
                    group: None,
                    patience: Duration::from_secs(600),
                    limit: Duration::from_secs(4),
                }),
                audit_every: Some(Duration::from_secs(100)),
                ..Settings::default()
            },
            specs: WORDS.iter().map(|words| spec(words)).collect(),
            problems: Vec::new(),
        };
        turn(&mut ours, loaded).await;
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
            ours.outside().look();
            if let Some(why) = ours.outside().violations.first().cloned() {
                let told: Vec<String> = ours.outside().told.iter().cloned().collect();
                return Err(format!("{why}\n{}{}", told.join("\n"), as_scenario(ours.outside())));
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
                    turn(&mut ours, Observation::Resumed { after }).await;
                    continue;
                }
            }
            match next.filter(|_| event_at <= at).and_then(|key| host.events.remove(&key)) {
                Some(Event::Tell(observation)) => turn(&mut ours, observation).await,
                Some(Event::JobEnds { unit, order, id, kind }) => job_ends(host, unit, order, id, kind),
                Some(Event::ComesUp { unit, by_itself }) => comes_up(host, unit, by_itself),
                Some(Event::Read { unit: at }) => {
                    let (unit, reading) = (UnitName::from(UNITS[at]), host.reading(at));
                    turn(&mut ours, Observation::UnitChanged { unit, reading }).await;
                }
                Some(Event::LockServed(asked)) => host.lock_served(asked),
                Some(Event::Stops { unit }) => stops(host, unit),
                Some(Event::Awaited { unit, id }) => awaited(host, unit, id),
                Some(Event::Turns(manager)) => {
                    host.manager = manager;
                    turn(&mut ours, Observation::ManagerChanged(manager)).await;
                }
                None if due <= at => turn(&mut ours, Observation::DeadlineReached).await,
                None => {}
            }
        }
    }

    /// Our own crash: a second later systemd has us started again.
    async fn die(&mut self, ours: Loop<Host>) -> Loop<Host> {
        self.faults += 1;
        let mut host = ours.into_outside();
        host.note("we die".to_owned());
        let now = host.now;
        if host.goes_down_at.is_some() {
            host.reboot();
            let now = host.now;
            host.story.iter_mut().for_each(|story| story.rebooted(now));
            host.note("reboot".to_owned());
        } else {
            host.story.iter_mut().for_each(|story| story.line(now, "crash"));
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
        let now = host.now;
        host.story.iter_mut().for_each(|story| story.line(now, "packages idle"));
        host.link_away_since = None;
        host.goes_down_at = None;
        host.events.retain(|_, event| !matches!(event, Event::Turns(_)));
        host.manager = ManagerState::Running;
        host.tell(Observation::ManagerChanged(ManagerState::Running));
        host.mute_until = host.now;
        host.mailbox.down = false;
        host.story.iter_mut().for_each(|story| story.line(now, "sink-works mail"));
        for at in 0..UNITS.len() {
            let unit = &mut host.units[at];
            unit.unmet = false;
            unit.frozen_since = None;
            // What systemd and we leave down by the will of its file, people start.
            let left = unit.skipped_since.is_some() || by_will(unit);
            if left && !unit.active.is_up() && unit.job.is_none() {
                host.come_up(at);
            }
            host.tell_unit(at);
        }
    }

    fn all_is_well(&self, ours: &mut Loop<Host>) -> Result<(), String> {
        let open: Vec<String> = ours
            .state()
            .durable()
            .incidents
            .values()
            .filter(|incident| incident.resolved_at.is_none())
            .map(|incident| format!("{:?} {}", incident.unit, incident.cause.as_str()))
            .collect();
        let in_flight = ours.state().durable().units.values().filter(|unit| unit.recovery.is_some()).count();
        let durable = ours.state().durable();
        let host = ours.outside();
        let mut wrong = invariants::at_rest(host);
        wrong.extend(host.mailbox.lost(&durable));
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
        let story = as_scenario(host);
        Err(format!("the world is calm and not well: {}\n{}{story}", wrong.join("; "), told.join("\n")))
    }
}

fn as_scenario(host: &Host) -> String {
    host.story.as_ref().map_or(String::new(), |story| format!("\n\nas a scenario:\n{}", story.text()))
}

/// It ended as its file wants no restart after.
pub fn by_will(unit: &Unit) -> bool {
    unit.wish == Wish::Prevents && unit.active == ActiveState::Failed && unit.exit == Some(PREVENTED)
}

/// A stop by hand: first its processes end, then its job.
fn stops(host: &mut Host, at: usize) {
    let unit = &mut host.units[at];
    match unit.active {
        ActiveState::Deactivating => {
            unit.active = ActiveState::Inactive;
            unit.exit = Some(Exit::Signal { number: 15, core: false });
            unit.ends_run();
            host.later(2, Event::Stops { unit: at });
        }
        ActiveState::Inactive => unit.job = None,
        _ => return,
    }
    host.surely_tell(at);
}

/// A start of somebody's waits no longer.
fn awaited(host: &mut Host, at: usize, id: u32) {
    if host.units[at].job == Some((id, JobKind::Start)) && host.units[at].waits_since.is_some() {
        host.units[at].job = None;
        host.units[at].waits_since = None;
        host.come_up(at);
        host.tell_unit(at);
    }
}

fn comes_up(host: &mut Host, at: usize, by_itself: bool) {
    if host.units[at].active != ActiveState::Activating {
        return;
    }
    let restarts = host.units[at].n_restarts;
    // It overtakes whatever job there was.
    host.units[at].job = None;
    host.units[at].our_job = None;
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
        host.units[at].exit = Some(Exit::Code(1));
        host.units[at].skipped_since = None;
        host.units[at].ends_run();
        let now = host.now;
        host.units[at].starts.push(now);
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

fn spec(words: &str) -> Spec {
    let words: Vec<&str> = words.split_whitespace().collect();
    let (unit, keys) = words.split_first().expect("a unit");
    words::spec(unit, keys, super::DAWN).expect("words of the language")
}

/// One turn of the loop, written down where the story is wanted.
async fn turn(ours: &mut Loop<Host>, observation: Observation) {
    let host = ours.outside();
    let now = host.now;
    if let Some(story) = &mut host.story {
        story.observed(now, &observation);
    }
    ours.turn(observation).await;
}
