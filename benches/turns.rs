//! What a turn costs on hosts of 100, 1,000 and 10,000 managed units: a unit is read again, a unit dies, the first deadline is
//! reached. On a large host several units are due in one millisecond: what a deadline costs is divided by how many were. Prints ratios to the smallest host: a turn costs what it touches, not what there is.
#![expect(clippy::expect_used, reason = "a bench")]

#[path = "../tests/scenarios/people.rs"]
mod people;
#[path = "../tests/scenarios/script.rs"]
mod script;
#[path = "../tests/scenarios/told.rs"]
mod told;
#[path = "../tests/scenarios/words.rs"]
mod words;

use std::time::{Duration, Instant};

use script::Story;
use steadfast::model::action::Action;
use steadfast::model::moment::Moment;
use steadfast::model::observation::Observation;
use steadfast::policy;

const DAWN: Moment = Moment { boot_ms: 60_000, wall_ms: 1_795_168_800_000 };
const TURNS: usize = 50;

fn main() {
    println!("units    read again     dies    deadline   (median of {TURNS}, microseconds)");
    let costs: Vec<[Duration; 3]> = [100, 1_000, 10_000].map(measured).to_vec();
    for (units, cost) in ["   100", " 1,000", "10,000"].iter().zip(&costs) {
        let [read, died, due] = cost.map(|time| time.as_secs_f64() * 1e6);
        println!("{units}   {read:>10.1} {died:>8.1} {due:>11.1}");
    }
    let [first, _, last] = [0, 1, 2].map(|at| costs[at]);
    let ratio = |at: usize| last[at].as_secs_f64() / first[at].as_secs_f64();
    println!("ratio    {:>10.2} {:>8.2} {:>11.2}", ratio(0), ratio(1), ratio(2));
}

/// A host of so many units that are all well.
fn host(units: usize) -> Story {
    let mut text = String::new();
    for unit in 0..units {
        text.push_str(&format!("spec u{unit}.service\n"));
    }
    text.push_str("start\nmanager running\n");
    for unit in 0..units {
        text.push_str(&format!(
            "settings u{unit}.service\nenablement u{unit}.service enabled\nunit u{unit}.service active/running inv=a main=100\nprocesses u{unit}.service 100:/\n"
        ));
    }
    let mut story = Story::new(DAWN);
    for line in text.lines() {
        story.now = story.now.plus(Duration::from_millis(1));
        story.play(line).expect("a story");
    }
    story
}

/// The median costs of the three turns.
fn measured(units: usize) -> [Duration; 3] {
    let mut story = host(units);
    let every = units / TURNS;
    let read = median(|at| {
        let unit = format!("u{}.service", at * every);
        let reading = [unit.as_str(), "active/running", "inv=a", "main=100"];
        // The first time fetches it into the cache of the processor.
        one(&mut story, "unit", &reading);
        one(&mut story, "unit", &reading)
    });
    let died = median(|at| {
        let unit = format!("u{}.service", at * every);
        one(&mut story, "unit", &[&unit, "active/running", "inv=a", "main=100"]);
        one(&mut story, "unit", &[&unit, "failed/failed", "inv=a", "result=signal"])
    });
    let due = median(|_| {
        let due = policy::next_deadline(&story.state).expect("a deadline");
        story.now = story.now.at_boot_ms(due.boot_ms.max(story.now.boot_ms + 1));
        let (took, units) = timed(&mut story, Observation::DeadlineReached);
        took / u32::try_from(units.max(1)).expect("few")
    });
    [read, died, due]
}

fn one(story: &mut Story, verb: &str, rest: &[&str]) -> Duration {
    let observation = words::observation(verb, rest, story).expect("an observation");
    timed(story, observation).0
}

/// What a turn costs, and how many units it begins to inspect.
fn timed(story: &mut Story, observation: Observation) -> (Duration, usize) {
    let began = Instant::now();
    let actions = policy::decide(&mut story.state, observation, story.now);
    let took = began.elapsed();
    let inspects = |action: &&Action| matches!(action, Action::InspectProcesses { .. });
    (took, actions.iter().filter(inspects).count())
}

fn median(mut turn: impl FnMut(usize) -> Duration) -> Duration {
    let mut times: Vec<Duration> = (0..TURNS).map(&mut turn).collect();
    times.sort();
    times[times.len() / 2]
}
