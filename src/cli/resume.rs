//! `resume UNIT…`: ends holds and quarantines.

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::names::{Chosen, unit_or_pattern};
use super::terminal::Terminal;
use super::{Options, complete};
use crate::api::wire::Unit;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Units, or patterns such as 'web-*'
    #[arg(value_name = "UNIT", required_unless_present = "all", conflicts_with = "all", value_parser = unit_or_pattern, add = ArgValueCandidates::new(complete::local_units))]
    units: Vec<String>,
    /// Every managed unit that is held or quarantined. A unit that a person stopped stays down: name it to start it
    #[arg(long)]
    all: bool,
}

/// A person holds it, or its restarts are spent. Whoever ends many holds at once does not mean the units that somebody stopped.
fn is_held(unit: &Unit) -> bool {
    unit.quarantine.is_some() || unit.hold.as_ref().is_some_and(|hold| hold.kind == "operator")
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let client = options.client()?;
    let chosen = Chosen::of(&client, &arguments.units, arguments.all, is_held).await?;
    if chosen.units.is_empty() && !options.json {
        terminal.print("nothing to resume: none of these units is held or quarantined\n")?;
    }
    chosen.each(options, terminal, async |unit| client.resume(unit).await).await
}
