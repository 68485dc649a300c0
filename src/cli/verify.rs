//! `verify [FILE…]`: checks settings and unit files, as the daemon would read them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::Options;
use super::exit::Exit;
use super::render::text::{clean, count};
use super::terminal::{SeenEnough, Terminal};
use crate::api::wire::Problem;
use crate::config;
use crate::daemon;
use crate::model::unit::UnitName;

/// Matches of a pattern that are named.
const NAMED: usize = 2;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only these files; all that the daemon would read by default
    files: Vec<PathBuf>,
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let problems: Vec<Problem> =
        config::verify(options.user, &arguments.files).iter().map(Into::into).collect();
    let mut notes = config::remarks(options.user, &arguments.files);
    let patterns = config::patterns(options.user, &arguments.files);
    if !patterns.is_empty() && !options.json {
        notes.extend(matched(&patterns, daemon::matches(options.user, &patterns).await));
    }
    let read = config::files_read(options.user, &arguments.files);
    let exit = if problems.is_empty() { Exit::Ok } else { Exit::Config };
    let printed = if options.json {
        terminal.print_json(&problems)
    } else {
        terminal.print(&page(&problems, &notes, read))
    };
    SeenEnough::forgive(printed, exit)
}

/// A sentence for each pattern: what it matches now.
fn matched(
    patterns: &BTreeSet<String>,
    matches: Result<BTreeMap<String, Vec<UnitName>>, String>,
) -> Vec<String> {
    let matches = match matches {
        Ok(matches) => matches,
        Err(why) => {
            let unknown = |pattern| format!("cannot list the units that match {pattern}: {why}");
            return patterns.iter().map(unknown).collect();
        }
    };
    let sentence = |(pattern, units): (String, Vec<UnitName>)| match units.as_slice() {
        [] => format!("pattern {pattern} matches no unit that is loaded now"),
        units => {
            let named: Vec<&str> = units.iter().take(NAMED).map(UnitName::as_str).collect();
            let more = units.len().saturating_sub(named.len());
            let and = if more == 0 { String::new() } else { format!(" and {more} more") };
            format!("pattern {pattern} matches {}: {}{and}", count(units.len(), "unit"), named.join(", "))
        }
    };
    matches.into_iter().map(sentence).collect()
}

/// Each problem with its source line and caret, then what is no mistake, then the sum.
fn page(problems: &[Problem], notes: &[String], read: usize) -> String {
    let notes: String = notes.iter().map(|note| format!("note: {}\n", clean(note))).collect();
    let files = count(read, "file");
    if problems.is_empty() {
        return format!("{notes}{files} read, nothing to correct\n");
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
    text.push_str(&format!("{files} read, {} to correct\n", count(problems.len(), "problem")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_shows_how_much_it_matches() {
        let all = "*.service".to_owned();
        let patterns = BTreeSet::from([all.clone()]);
        let told = |names: &[&str]| {
            let units = names.iter().map(|name| UnitName::from(*name)).collect();
            matched(&patterns, Ok(BTreeMap::from([(all.clone(), units)]))).join("|")
        };
        assert_eq!(told(&[]), "pattern *.service matches no unit that is loaded now");
        assert_eq!(told(&["a.service"]), "pattern *.service matches 1 unit: a.service");
        let many = ["a.service", "b.service", "c.service"];
        assert_eq!(told(&many), "pattern *.service matches 3 units: a.service, b.service and 1 more");
        let unknown = matched(&patterns, Err("cannot connect to the system bus: no".to_owned()));
        let why = "cannot list the units that match *.service: cannot connect to the system bus: no";
        assert_eq!(unknown, [why]);
    }
}
