//! `incidents`: what went wrong, newest first.

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::names::unit as named;
use super::render::incidents::list;
use super::render::text::cleaned;
use super::terminal::Terminal;
use super::wait::duration;
use super::{Options, complete};
use crate::api::wire::Time;
use crate::model::moment::millis;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only incidents of this unit, or that affect it
    #[arg(value_parser = named, add = ArgValueCandidates::new(complete::units))]
    unit: Option<String>,
    /// Only open incidents
    #[arg(long)]
    open: bool,
    /// Only incidents that were open within this time, such as 24h
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    since: Option<std::time::Duration>,
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let look = terminal.look();
    let since = arguments.since.map(|ago| Time(look.now.0.saturating_sub(millis(ago))));
    let client = options.client()?;
    let found = client.incidents(arguments.unit.as_deref(), since, arguments.open).await?;
    if options.json {
        terminal.print_json(&found)?;
    } else {
        terminal.print(&list(&look, &cleaned(&found)?))?;
    }
    Ok(Exit::Ok)
}
