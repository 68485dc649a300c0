//! `completions SHELL`: a completion script.

use clap::CommandFactory;
use clap_complete::Shell;

use super::Line;
use super::exit::Exit;
use super::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The shell
    shell: Shell,
}

pub fn run(terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Line::command(), "steadfast", &mut script);
    terminal.print(&String::from_utf8(script)?)?;
    Ok(Exit::Ok)
}
