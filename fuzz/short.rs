//! The short run: a test for each target, of a few inputs that are the same each time. It speaks with nextest as libtest does.

use std::process::ExitCode;
use std::time::Instant;

use crate::chance::Chance;
use crate::child::{Broken, count_panics, play};
use crate::corpus::Corpus;
use crate::mutate;
use crate::targets::{self, TARGETS, Target};

/// The usual run has always the same inputs.
const SEED: u64 = 14;

pub fn tests(words: &[&str]) -> ExitCode {
    if words.contains(&"--list") {
        // None is ignored.
        for target in TARGETS.iter().filter(|target| target.short > 0 && !words.contains(&"--ignored")) {
            println!("{}: test", target.name);
        }
        return ExitCode::SUCCESS;
    }
    count_panics();
    let exact = words.contains(&"--exact");
    let wanted: Vec<&str> = words.iter().copied().filter(|word| !word.starts_with('-')).collect();
    let chosen = |target: &&Target| {
        target.short > 0 && wanted.is_empty()
            || wanted.iter().any(|word| if exact { target.name == *word } else { target.name.contains(word) })
    };
    let mut good = true;
    for target in TARGETS.iter().filter(chosen) {
        good &= short(target);
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn short(target: &'static Target) -> bool {
    let began = Instant::now();
    let mut chance = Chance::new(SEED);
    let mut corpus = Corpus::of(target);
    let mut player = (target.make)();
    for number in 0..target.short + corpus.given {
        let given = corpus.inputs.get(number).filter(|_| number < corpus.given).cloned();
        let input = given.unwrap_or_else(|| mutate::next(target, &corpus, &mut chance));
        match play(target, player.as_mut(), &input) {
            Ok(outcome) => corpus.led(&input, outcome, &mut chance),
            Err(Broken { contained: true, .. }) => player = (target.make)(),
            Err(Broken { why, .. }) => {
                eprintln!("{}: {why}\nthe input, number {number}: {}", target.name, input.escape_ascii());
                return false;
            }
        }
    }
    let (inputs, outcomes, took) = (target.short + corpus.given, corpus.outcomes(), began.elapsed());
    println!("{}: {inputs} inputs, {outcomes} outcomes, {} ms", target.name, took.as_millis());
    true
}

/// Plays files that were kept.
pub fn again(name: &str, files: &[&str]) -> ExitCode {
    let target = targets::named(name).expect("a target of this name");
    count_panics();
    let mut player = (target.make)();
    let mut good = true;
    for file in files {
        let began = Instant::now();
        let played = play(target, player.as_mut(), &std::fs::read(file).expect("a file"));
        println!("{file}: {} µs, {played:?}", began.elapsed().as_micros());
        good &= played.is_ok();
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
