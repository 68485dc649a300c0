//! Behaviour as text: each `*.txt` beside this file is a story of observations and, behind `->`, what the policy does.
//! `UPDATE_EXPECT=1` rewrites the answers; they are reviewed as prose. `README.md` here explains the language.
#![expect(
    clippy::expect_used,
    reason = "a test fails by panicking; the lint sees only functions that bear #[test]"
)]

mod people;
mod script;
mod told;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use script::Story;
use steadfast::model::moment::Moment;
use steadfast::model::operator::Answer;

/// The made-up day on which every scenario begins: 2026-11-20T10:00:00Z, a minute after boot.
const DAWN: Moment = Moment { boot_ms: 60_000, wall_ms: 1_795_168_800_000 };

fn stories() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .expect("the folder of scenarios")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "txt"))
        .collect();
    files.sort();
    files
}

#[test]
fn every_scenario_plays_as_written() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    let files = stories();
    assert!(files.len() >= 25, "at least 25 scenarios, found {}", files.len());
    for path in files {
        let text = fs::read_to_string(&path).expect("a readable scenario");
        let played = Story::new(DAWN).play(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        if played != text {
            if update {
                fs::write(&path, &played).expect("a writable scenario");
            } else {
                wrong.push(format!("{}:\n{}", path.display(), first_difference(&text, &played)));
            }
        }
    }
    assert!(wrong.is_empty(), "UPDATE_EXPECT=1 rewrites the answers\n{}", wrong.join("\n"));
}

/// What `explain` offers, and what it does not, at the end of every story. Where nothing can be saved, that is what is said.
#[test]
fn a_recovery_is_offered_where_it_is_accepted() {
    let mut offers = [0, 0];
    for path in stories() {
        let text = fs::read_to_string(&path).expect("a readable scenario");
        let play = || {
            let mut story = Story::new(DAWN);
            story.play(&text).expect("a story");
            story
        };
        for (unit, status) in play().snapshot().clone().units {
            let mut story = play();
            let answered = story.replies.len();
            story.play(&format!("ask {unit} recover\n")).expect("a request");
            let at_once = match story.replies.get(answered) {
                Some(Answer::Refused { message } | Answer::Failed { message, .. }) => Some(message.clone()),
                Some(_) | None => None,
            };
            let place = path.display();
            match (status.recovery.is_some(), status.preview.1.clone(), at_once) {
                (true, _, _) => {}
                (false, _, Some(said)) if said.starts_with("cannot save") => {}
                (false, None, None) => offers[0] += 1,
                (false, Some(why), Some(said)) if said.contains(&why) => offers[1] += 1,
                (false, offered, said) => panic!("{place}: {unit}: {offered:?}, and then {said:?}"),
            }
        }
    }
    assert!(offers.iter().all(|met| *met > 10), "too few: {offers:?}");
}

fn first_difference(written: &str, played: &str) -> String {
    let pairs = written.lines().chain(std::iter::once("(end)"));
    let played: Vec<&str> = played.lines().chain(std::iter::once("(end)")).collect();
    for (number, line) in pairs.enumerate() {
        let now = played.get(number).copied().unwrap_or("(end)");
        if line != now {
            return format!("  line {}\n  written: {line}\n  played:  {now}", number + 1);
        }
    }
    "  more lines are played than written".to_owned()
}
