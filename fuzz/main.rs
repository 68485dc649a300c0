//! Fuzzing with a stable toolchain: hostile input for every parser of what others write or send. fuzz/README.md says how.
//!
//! `run`: for minutes, each target in a process of its own. Without arguments: a few inputs each, as tests of the usual run.
#![expect(clippy::expect_used, reason = "the harness fails by panicking, as tests do")]

#[path = "../tests/simulation/chance.rs"]
mod chance;
mod child;
mod corpus;
mod mutate;
mod parent;
#[expect(dead_code, reason = "the tests of the socket and the commands use the rest")]
#[path = "../tests/pictures/mod.rs"]
mod pictures;
mod short;
mod targets;

use std::env;
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["run", minutes, named @ ..] => parent::run(minutes, named),
        ["child", name, seconds, seed, note] => child::run(name, seconds, seed, Path::new(note)),
        ["again", name, files @ ..] => short::again(name, files),
        _ => short::tests(&words),
    }
}
