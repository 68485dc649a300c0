//! A seeded, made-up host behind `Outside`: faults, operators, deploys, lost and doubled signals, failed saves, and our own
//! crash between any two steps. Invariants are checked at every action; at the end the world calms down and must be well.
//! `SEEDS=5000 SEED=17 cargo nextest run --test simulation`: how many, or which one.
#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking; the lint sees only functions that bear #[test]"
)]

mod chance;
mod host;
mod run;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn no_seed_breaks_an_invariant() {
    let seeds = match number("SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("SEEDS").unwrap_or(60),
    };
    let mut broken = Vec::new();
    let mut faults = 0;
    let mut orders = 0;
    for seed in seeds.clone() {
        match run::play(seed) {
            Ok(played) => {
                faults += played.faults;
                orders += played.orders;
            }
            Err(why) => broken.push(format!("SEED={seed}: {why}")),
        }
    }
    println!("{} seeds, {faults} faults, {orders} orders", seeds.count());
    assert!(broken.is_empty(), "{} broken:\n{}", broken.len(), broken.join("\n"));
    assert!(orders > 0, "the simulation did something");
}

#[test]
fn the_same_seed_plays_the_same() {
    let first = run::play(42).expect("a sound run");
    let second = run::play(42).expect("a sound run");
    assert_eq!(first, second);
}
