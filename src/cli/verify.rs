//! `verify [FILE…]`: checks settings and unit files, as the daemon would read them.

use std::path::PathBuf;

use super::Options;
use super::exit::Exit;
use super::render::text::{clean, count};
use super::terminal::{SeenEnough, Terminal};
use crate::api::wire::Problem;
use crate::config;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only these files; all that the daemon would read by default
    files: Vec<PathBuf>,
}

pub fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let problems: Vec<Problem> =
        config::verify(options.user, &arguments.files).iter().map(Into::into).collect();
    let notes = config::remarks(options.user, &arguments.files);
    let exit = if problems.is_empty() { Exit::Ok } else { Exit::Config };
    let printed =
        if options.json { terminal.print_json(&problems) } else { terminal.print(&page(&problems, &notes)) };
    SeenEnough::forgive(printed, exit)
}

/// Each problem with its source line and caret, then what is no mistake, then the sum.
fn page(problems: &[Problem], notes: &[String]) -> String {
    let notes: String = notes.iter().map(|note| format!("note: {}\n", clean(note))).collect();
    if problems.is_empty() {
        return format!("{notes}nothing to correct\n");
    }
    let mut text = String::new();
    for problem in problems {
        for line in problem.rendered.lines() {
            text.push_str(&clean(line));
            text.push('\n');
        }
        text.push('\n');
    }
    text.push_str(&notes);
    text.push_str(&format!("{} to correct\n", count(problems.len(), "problem")));
    text
}
