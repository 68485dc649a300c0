//! `help [TOPIC]`: help for a command, or an explanation of what the commands are about.

use clap::CommandFactory;
use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::manual::{Topic, command_help, finding, text, topics};
use super::terminal::{SeenEnough, Terminal};
use super::{Line, complete};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A command, a finding code, or a topic: conditions, unit-file, settings, findings, exit-status, files, environment
    #[arg(value_name = "TOPIC", add = ArgValueCandidates::new(complete::topics))]
    topic: Vec<String>,
}

pub fn run(terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let look = terminal.look();
    let page = match arguments.topic.as_slice() {
        [] => command_help(Line::command(), &[]).map(|help| format!("{help}\n{}", list())),
        [word] => command_help(Line::command(), &arguments.topic)
            .or_else(|| {
                topics()
                    .into_iter()
                    .find(|topic| topic.name == word)
                    .map(|topic| text(&look, &(topic.page)()))
            })
            .or_else(|| finding(word).map(|page| text(&look, &page))),
        words => command_help(Line::command(), words),
    };
    let Some(page) = page else {
        let words = arguments.topic.join(" ");
        let near = nearest(&words).map_or(String::new(), |near| format!("; did you mean {near}?"));
        terminal.remark(&format!("steadfast: there is no help on {words}{near}"));
        list().lines().for_each(|line| terminal.remark(line));
        return Ok(Exit::Usage);
    };
    SeenEnough::forgive(terminal.print(&page), Exit::Ok)
}

/// The topics, a line each.
fn list() -> String {
    let line = |Topic { name, about, .. }: Topic| format!("  {name:<13} {about}\n");
    format!("Topics (steadfast help TOPIC):\n{}", topics().into_iter().map(line).collect::<String>())
}

fn nearest(word: &str) -> Option<String> {
    let known = complete::topics();
    let names = known.iter().map(|candidate| candidate.get_value().to_string_lossy().into_owned());
    let best = names.map(|name| (strsim::jaro_winkler(word, &name), name));
    let best = best.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= 0.8).then_some(best.1)
}
