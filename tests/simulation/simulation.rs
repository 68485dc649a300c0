//! A seeded, made-up host behind `Outside`: units that require each other, deploys good and bad, people, drills, package managers,
//! reboots, sleep, lost and doubled signals, failed saves, and our own crash between any two steps. Invariants are checked at
//! every order; at the end the world calms down and must be well.
//!
//! `SEEDS=5000 cargo nextest run --test simulation`: how many instead of 2,000; `SEED=17`: only that one, shrunk if it fails;
//! `SHRINK=0`: not shrunk.
//! `make simulate HOURS=8` goes on for as long as that.
#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking; the lint sees only functions that bear #[test]"
)]

mod chance;
mod faults;
mod host;
mod invariants;
mod lock;
mod mailbox;
#[path = "../scenarios/people.rs"]
mod people;
mod run;
#[path = "../scenarios/script.rs"]
mod script;
mod shrink;
mod story;
#[path = "../scenarios/told.rs"]
mod told;
mod truth;
mod will;
#[path = "../scenarios/words.rs"]
mod words;

use std::time::Duration;

use run::{History, Played};
use steadfast::model::moment::Moment;

/// When a story that a history is written as begins.
const DAWN: Moment = Moment { boot_ms: 60_000, wall_ms: 1_795_168_800_000 };

/// Tests among which the seeds are divided, so that all processors have something to do.
const PARTS: u64 = 8;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays a part of the seeds, with what time other tests leave.
fn part(part: u64) {
    if let Err(error) = rustix::process::nice(19) {
        eprintln!("cannot be nicer: {error}");
    }
    let seeds: Vec<u64> = match number("SEED") {
        Some(seed) => Vec::from_iter((seed % PARTS == part).then_some(seed)),
        None => {
            let first = number("FIRST").unwrap_or(0);
            (first..first + number("SEEDS").unwrap_or(2000)).filter(|seed| seed % PARTS == part).collect()
        }
    };
    let mut sum = Played::default();
    let mut broken = Vec::new();
    for seed in &seeds {
        match run::play(*seed) {
            Ok(played) => sum.add(&played),
            Err(why) => {
                // Shrinking takes minutes.
                eprintln!("SEED={seed}: {why}");
                let history = History { seed: *seed, ..History::default() };
                let shrunk =
                    if number("SHRINK") == Some(0) { String::new() } else { shrink::shrunk(&history) };
                broken.push(format!("SEED={seed}: {why}\n{shrunk}"));
                if broken.len() >= 3 {
                    break;
                }
            }
        }
    }
    println!(
        "{} seeds, {} simulated hours, {} faults, {} orders, {} drills, {} durable writes, {} ends of incidents, {} invariants checked, {} violations",
        seeds.len(),
        sum.lasted.as_secs() / 3600,
        sum.faults,
        sum.orders,
        sum.drills,
        sum.saves,
        sum.ends,
        sum.orders * invariants::COUNT,
        broken.len()
    );
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n\n"));
    assert!(seeds.is_empty() || sum.orders > 0, "the simulation did something");
}

#[test]
fn no_seed_breaks_an_invariant() {
    part(0);
}

#[test]
fn no_seed_breaks_an_invariant_1() {
    part(1);
}

#[test]
fn no_seed_breaks_an_invariant_2() {
    part(2);
}

#[test]
fn no_seed_breaks_an_invariant_3() {
    part(3);
}

#[test]
fn no_seed_breaks_an_invariant_4() {
    part(4);
}

#[test]
fn no_seed_breaks_an_invariant_5() {
    part(5);
}

#[test]
fn no_seed_breaks_an_invariant_6() {
    part(6);
}

#[test]
fn no_seed_breaks_an_invariant_7() {
    part(7);
}

#[test]
fn the_same_seed_plays_the_same() {
    let first = run::play(42).expect("a sound run");
    let second = run::play(42).expect("a sound run");
    assert_eq!(first, second);
}

/// What a failing history is printed as can be played as a scenario, and the policy answers it alike. What the language of
/// scenarios has no exact words for (saving that fails, a reboot) is left out here; what it answers at once comes a moment later in the
/// simulation, so that a few end otherwise.
#[test]
fn a_history_is_told_as_a_scenario() {
    let (mut simulated, mut told) = (0, 0);
    for seed in 0..80 {
        let trouble = Some(Duration::from_secs(600));
        let history = History { seed, trouble, told: true, ..History::default() };
        let played = run::replay(&history).unwrap_or_else(|why| panic!("SEED={seed}: {why}"));
        if ["save-fails", "reboot"].iter().any(|word| played.story.contains(word)) {
            continue;
        }
        let answers =
            script::Story::new(DAWN).play(&played.story).unwrap_or_else(|why| panic!("SEED={seed}: {why}"));
        let orders = |line: &&str| line.contains(" StartUnit ") || line.contains(" RestartUnit ");
        simulated += played.orders;
        told += answers.lines().filter(orders).count() as u64;
    }
    println!("{simulated} orders in the simulation, {told} when played as scenarios");
    assert!(simulated > 15 && simulated.abs_diff(told) * 5 < simulated, "{simulated} and {told}");
}

/// Ten histories, each once for every durable write of it: we die right after the write, before anything that follows.
#[test]
fn dying_after_any_durable_write_loses_and_doubles_nothing() {
    let trouble = Some(Duration::from_secs(600));
    let mut deaths = 0;
    for seed in 0..10 {
        let history = History { seed, trouble, ..History::default() };
        let writes = run::replay(&history).unwrap_or_else(|why| panic!("SEED={seed}: {why}")).saves;
        for write in 1..=writes {
            let history = History { dies_after_save: Some(write), ..history.clone() };
            if run::replay(&history).is_err() {
                let why = run::replay(&History { told: true, ..history }).err().unwrap_or_default();
                panic!("SEED={seed}, dead after write {write}: {why}");
            }
            deaths += 1;
        }
    }
    println!("10 histories, {deaths} deaths, each after another durable write");
    assert!(deaths > 100, "{deaths}");
}

/// The checker can fail: what each invariant forbids is found in a world where it happens.
#[test]
fn a_wrong_order_is_found() {
    for (wrong, why) in invariants::wrong_worlds() {
        let found =
            invariants::of_order(&wrong, &"shop.service".into(), 7, steadfast::model::unit::JobKind::Restart);
        assert!(found.contains(&why), "{why}: found {found:?}");
    }
}
