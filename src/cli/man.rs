//! `man DIRECTORY`: writes the man pages; run by `make install` and by packages.

use std::path::PathBuf;

use clap::CommandFactory;

use super::exit::Exit;
use super::render::text::count;
use super::terminal::Terminal;
use super::{Line, manual};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where man1, man5 and man7 are made
    directory: PathBuf,
    /// Write the reference part of the book instead
    #[arg(long)]
    markdown: bool,
}

pub fn run(terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let directory = &arguments.directory;
    let (written, what) = if arguments.markdown {
        (manual::write_markdown(directory, &Line::command())?, "page")
    } else {
        (manual::write(directory, Line::command())?, "man page")
    };
    terminal.print(&format!("{} written below {}\n", count(written, what), directory.display()))?;
    Ok(Exit::Ok)
}
