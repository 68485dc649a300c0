//! A made-up crowd of units that dies, and a service manager that works on one job after the other: what is ordered when.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::action::Action;
use crate::model::cause::PackagesReading;
use crate::model::moment::Moment;
use crate::model::observation::{Host, Observation};
use crate::model::release::ProcessesReading;
use crate::model::spec::{Selector, Settings, Spec};
use crate::model::state::Durable;
use crate::model::unit::{
    ActiveState, JobResult, LoadState, ManagerState, UnitFileState, UnitName, UnitReading, UnitSettings,
};
use crate::model::will::{ServiceType, UnitResult, Will};
use crate::policy::{State, decide, limits, next_deadline};

/// Milliseconds that a job takes systemd: it does one thing at a time.
const JOB: i64 = 4;

/// What becomes of a unit that is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Lives,
    /// Its job fails.
    Fails,
    /// Its job is done, and it dies so much later.
    Dies(u64),
    /// Its job takes so long, in seconds, and fails.
    Hangs(u64),
}

struct Member {
    name: UnitName,
    user: &'static str,
    needs: Option<usize>,
    fate: Fate,
    up: bool,
    runs: u32,
    /// The job of ours that is not over.
    job: Option<u64>,
}

enum Event {
    JobOver(usize, u64, bool),
    Dies(usize, u32),
}

struct Crowd {
    state: State,
    now: Moment,
    began: Moment,
    members: Vec<Member>,
    by_name: BTreeMap<UnitName, usize>,
    events: BTreeMap<(i64, usize), Event>,
    manager_free_at: i64,
    /// Starts that were ordered: when, in milliseconds since all died, and of whom.
    starts: Vec<(i64, usize)>,
    /// The most jobs of ours at once.
    most: usize,
    turns: usize,
}

/// A unit of a user, and what becomes of it.
type Part = (&'static str, Fate);

impl Crowd {
    /// All of these run; those of no fate go on running.
    fn new(parts: &[(Part, Option<usize>)], bystanders: usize) -> Self {
        let now = Moment { boot_ms: 60_000, wall_ms: 1_795_168_800_000 };
        let all = parts.iter().copied().chain(std::iter::repeat_n((("", Fate::Lives), None), bystanders));
        let members: Vec<Member> = all
            .enumerate()
            .map(|(at, ((user, fate), needs))| Member {
                name: UnitName(format!("u{at:04}.service")),
                user,
                needs,
                fate,
                up: true,
                runs: 1,
                job: None,
            })
            .collect();
        let by_name = members.iter().enumerate().map(|(at, known)| (known.name.clone(), at)).collect();
        let mut crowd = Self {
            state: State::default(),
            now,
            began: now,
            members,
            by_name,
            events: BTreeMap::new(),
            manager_free_at: 0,
            starts: Vec::new(),
            most: 0,
            turns: 0,
        };
        crowd.begin();
        crowd
    }

    fn begin(&mut self) {
        let host = Host { boot_id: "b".to_owned(), machine_id: "m".to_owned(), ..Host::default() };
        self.tell(Observation::Started(host));
        self.tell(Observation::ManagerChanged(ManagerState::Running));
        let specs = self.members.iter().map(|member| {
            let selector = Selector::Unit(member.name.clone());
            let needs = member.needs.map(|needs| self.members[needs].name.clone());
            let file = format!("{}.toml", member.name);
            Spec { requires: needs.into_iter().collect(), ..Spec::of_empty_file(selector, file) }
        });
        let specs = specs.collect();
        self.tell(Observation::UnitFilesLoaded {
            settings: Settings::default(),
            specs,
            problems: Vec::new(),
        });
        for at in 0..self.members.len() {
            let unit = self.members[at].name.clone();
            let will = Will { user: self.members[at].user.to_owned(), ..Will::default() };
            let settings = UnitSettings {
                names: vec![unit.clone()],
                can_start: true,
                can_stop: true,
                service_type: ServiceType::of("simple"),
                will: Box::new(will),
                ..UnitSettings::default()
            };
            self.tell(Observation::UnitSettingsRead { unit: unit.clone(), settings });
            self.tell(Observation::EnablementRead { unit, state: UnitFileState::Enabled });
            self.read(at);
        }
        self.pass(Duration::from_secs(30));
    }

    /// These die, all in one moment.
    fn die(&mut self, count: usize) {
        self.began = self.now;
        for at in 0..count {
            self.members[at].up = false;
            self.read(at);
        }
    }

    fn read(&mut self, at: usize) {
        let member = &self.members[at];
        let mut reading = UnitReading::unloaded(LoadState::Loaded);
        reading.invocation = format!("{}", member.runs);
        reading.changed_us = u64::try_from(self.now.boot_ms).unwrap_or(0) * 1000;
        if member.up {
            (reading.active, reading.sub) = (ActiveState::Active, "running".to_owned());
            reading.active_since = Some(self.now);
        } else {
            (reading.active, reading.sub) = (ActiveState::Failed, "failed".to_owned());
            (reading.result, reading.inactive_since) = (UnitResult::ExitCode, Some(self.now));
        }
        self.tell(Observation::UnitChanged { unit: member.name.clone(), reading });
    }

    fn tell(&mut self, observation: Observation) {
        self.turns += 1;
        // What was saved may be forgotten.
        self.state.saved(&Durable::default(), &[]);
        let mut waiting = vec![observation];
        while let Some(observation) = waiting.pop() {
            for action in decide(&mut self.state, observation, self.now) {
                waiting.extend(self.carry_out(action));
            }
        }
    }

    fn carry_out(&mut self, action: Action) -> Option<Observation> {
        if action == Action::ReadPackageManager {
            return Some(Observation::PackageManagerRead(PackagesReading::default()));
        }
        if let Action::InspectProcesses { unit, invocation, search, .. } = action {
            let outside = search.outside.map(|_| Vec::new());
            let reading = ProcessesReading { read_at: self.now, invocation, outside, ..Default::default() };
            return Some(Observation::ProcessesInspected { unit, reading });
        }
        if let Action::StartUnit { unit, order, .. } = action {
            self.start(&unit, order);
        }
        None
    }

    fn start(&mut self, unit: &UnitName, order: u64) {
        let at = self.by_name[unit];
        self.starts.push((self.now.boot_ms - self.began.boot_ms, at));
        let member = &mut self.members[at];
        assert_eq!(member.job, None, "a second start of {unit}");
        member.job = Some(order);
        let fate = member.fate;
        if let Some(needs) = member.needs {
            assert!(self.members[needs].up, "{unit} is started before what it requires");
        }
        self.manager_free_at = self.manager_free_at.max(self.now.boot_ms) + JOB;
        let takes = if let Fate::Hangs(seconds) = fate { i64::try_from(seconds).unwrap() * 1000 } else { 0 };
        let ok = matches!(fate, Fate::Lives | Fate::Dies(_));
        self.happens(self.manager_free_at + takes, Event::JobOver(at, order, ok));
        self.most = self.most.max(self.members.iter().filter(|member| member.job.is_some()).count());
    }

    fn happens(&mut self, at: i64, event: Event) {
        let place = self.events.len() + self.turns * 10_000;
        self.events.insert((at, place), event);
    }

    /// Time passes, with all that happens in it.
    fn pass(&mut self, time: Duration) {
        let end = self.now.plus(time);
        loop {
            let event = self.events.first_key_value().map(|((at, _), _)| *at);
            let due = next_deadline(&self.state).map(|due| due.boot_ms.max(self.now.boot_ms));
            let Some(next) = event.into_iter().chain(due).min().filter(|next| *next <= end.boot_ms) else {
                break;
            };
            let before = self.now;
            self.now = self.now.at_boot_ms(next);
            if event == Some(next) {
                let (_, event) = self.events.pop_first().expect("an event");
                self.happen(event);
            } else {
                self.tell(Observation::DeadlineReached);
                let again = next_deadline(&self.state).is_some_and(|due| due <= self.now);
                // A loop that turns without end would stand still here.
                if again && self.now == before {
                    self.now = self.now.plus(Duration::from_millis(1));
                }
            }
            assert!(self.turns < 200_000, "it turns for ever");
        }
        self.now = end;
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::JobOver(at, order, ok) => {
                let member = &mut self.members[at];
                (member.up, member.job, member.runs) = (ok, None, member.runs + 1);
                if let Fate::Dies(after) = member.fate {
                    let (at_ms, run) = (self.now.boot_ms + i64::try_from(after).unwrap(), member.runs);
                    self.happens(at_ms, Event::Dies(at, run));
                }
                self.read(at);
                let result = if ok { JobResult::Done } else { JobResult::Ended("failed".to_owned()) };
                let unit = self.members[at].name.clone();
                self.tell(Observation::JobFinished { unit, order, result });
            }
            Event::Dies(at, run) => {
                if self.members[at].runs == run && self.members[at].up {
                    self.members[at].up = false;
                    self.read(at);
                }
            }
        }
    }

    /// Milliseconds after which all of these were ordered to start for the last time, if they are up.
    fn up_after(&self, of: impl Fn(&Member) -> bool) -> i64 {
        let down = self.members.iter().filter(|member| of(member) && !member.up).count();
        assert_eq!(down, 0, "units that could be up are down");
        let theirs = self.starts.iter().filter(|(_, at)| of(&self.members[*at]));
        theirs.map(|(ms, _)| *ms).max().unwrap_or(0)
    }

    fn starts_until(&self, seconds: i64) -> usize {
        self.starts.iter().filter(|(ms, _)| *ms <= seconds * 1000).count()
    }
}

fn parts(count: usize, user: &'static str, fate: Fate) -> Vec<(Part, Option<usize>)> {
    vec![((user, fate), None); count]
}

#[test]
fn five_hundred_dead_of_a_thousand_are_up_within_seconds() {
    let mut crowd = Crowd::new(&parts(500, "", Fate::Lives), 500);
    crowd.die(500);
    crowd.pass(Duration::from_secs(60));
    let last = crowd.up_after(|_| true);
    assert!(last < 12_000, "the last one is started after {last} ms");
    assert_eq!(crowd.starts.len(), 500, "each is started once");
    assert!(crowd.most <= limits::STARTS_AT_ONCE, "{} at once", crowd.most);
    // Nobody begins with all at once: the first second is a handful.
    assert!(crowd.starts_until(1) <= 8, "{} in the first second", crowd.starts_until(1));
}

#[test]
fn a_storm_whose_starts_fail_is_as_tame_as_ever() {
    let mut crowd = Crowd::new(&parts(60, "", Fate::Fails), 0);
    crowd.die(60);
    crowd.pass(Duration::from_secs(610));
    // Until it is a storm, four at once; then one a minute.
    let (first, all) = (crowd.starts_until(30), crowd.starts_until(600));
    let limit = 60 / 4;
    assert!(first <= limit + 4, "{first} in the first 30 s");
    assert!(all <= first + 10, "{all} in ten minutes, {first} of them at once");
    assert!(all >= first + 5, "it goes on trying: {all}");
}

#[test]
fn what_dies_moments_after_its_start_is_no_success() {
    for after in [300, 1_500, 4_000] {
        let mut crowd = Crowd::new(&parts(60, "", Fate::Dies(after)), 0);
        crowd.die(60);
        crowd.pass(Duration::from_secs(610));
        let (first, all) = (crowd.starts_until(60), crowd.starts_until(600));
        assert!(
            first <= limits::UNPROVEN + 4,
            "{first} in the first minute, where each dies after {after} ms"
        );
        assert!(all <= first + 10, "{all} in ten minutes, {first} in the first, dying after {after} ms");
    }
}

#[test]
fn whose_units_fail_slows_down_those_and_not_the_others() {
    for fate in [Fate::Fails, Fate::Dies(2_000), Fate::Hangs(80)] {
        let mut all = parts(60, "joe", fate);
        all.extend(parts(100, "", Fate::Lives));
        all.extend(parts(5, "postgres", Fate::Lives));
        let mut crowd = Crowd::new(&all, 200);
        crowd.die(165);
        crowd.pass(Duration::from_secs(100));
        let last = crowd.up_after(|member| member.user != "joe");
        assert!(last < 15_000, "the last of the others is started after {last} ms beside {fate:?}");
        let joes = crowd.starts.iter().filter(|(_, at)| crowd.members[*at].user == "joe").count();
        assert!(joes > 0, "his are tried, too");
    }
}

#[test]
fn a_few_that_fail_among_many_do_not_stop_the_rest() {
    let mut all = Vec::new();
    for at in 0..300 {
        all.push((("", if at % 20 == 7 { Fate::Fails } else { Fate::Lives }), None));
    }
    let mut crowd = Crowd::new(&all, 300);
    crowd.die(300);
    crowd.pass(Duration::from_secs(120));
    let last = crowd.up_after(|member| member.fate == Fate::Lives);
    assert!(last < 60_000, "the last one that can run is started after {last} ms");
}

#[test]
fn what_others_require_comes_first() {
    // The last one in the order of names is what half of them require.
    let mut all = parts(50, "", Fate::Lives);
    for part in all.iter_mut().take(25) {
        part.1 = Some(49);
    }
    let mut crowd = Crowd::new(&all, 0);
    crowd.die(50);
    crowd.pass(Duration::from_secs(60));
    assert!(crowd.up_after(|_| true) < 30_000);
    let first: Vec<usize> = crowd.starts.iter().take(4).map(|(_, at)| *at).collect();
    assert!(first.contains(&49), "the first four: {first:?}");
}

/// Dice that fall alike each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn whatever_crowd_dies_what_can_run_is_up_again_and_no_more_is_tried_than_fits() {
    for seed in 0..25 {
        let mut dice = Dice(seed);
        let bad = dice.below(101);
        let units = usize::try_from(10 + dice.below(70)).unwrap();
        let mut all = Vec::new();
        for at in 0..units {
            let user = ["", "joe", "ann", "www-data"][usize::try_from(dice.below(4)).unwrap()];
            let fails = [Fate::Fails, Fate::Dies(300), Fate::Dies(3_000), Fate::Hangs(20)];
            let fails = fails[usize::try_from(dice.below(4)).unwrap()];
            let fate = if dice.below(100) < bad { fails } else { Fate::Lives };
            let needs =
                (at > 0 && dice.below(4) == 0).then(|| usize::try_from(dice.below(at as u64)).unwrap());
            all.push(((user, fate), needs));
        }
        let mut crowd = Crowd::new(&all, usize::try_from(dice.below(50)).unwrap());
        crowd.die(units);
        crowd.pass(Duration::from_secs(2 * 3600));
        assert!(crowd.most <= limits::STARTS_AT_ONCE);
        // What requires what fails waits for it; all others are up.
        let can = |at: usize| {
            let mut next = Some(at);
            while let Some(member) = next {
                if crowd.members[member].fate != Fate::Lives {
                    return false;
                }
                next = crowd.members[member].needs;
            }
            true
        };
        let left: Vec<usize> = (0..units).filter(|at| can(*at) && !crowd.members[*at].up).collect();
        assert!(left.is_empty(), "seed {seed}: {left:?} are down after two hours");
    }
}
