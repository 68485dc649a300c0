//! `incident ID`: the whole story.

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::render::incidents::story;
use super::render::text::cleaned;
use super::terminal::Terminal;
use super::{Options, complete};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The incident's number
    #[arg(add = ArgValueCandidates::new(complete::incidents))]
    pub incident: u64,
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let details = options.client()?.incident(arguments.incident).await?;
    if options.json {
        terminal.print_json(&details)?;
    } else {
        terminal.print(&story(&terminal.look(), &cleaned(&details)?))?;
    }
    Ok(Exit::Ok)
}
