//! `explain UNIT`: the chain of reasons; `explain CODE`: what a finding means.

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::manual::{finding, text};
use super::names::unit as named;
use super::render::explain::explain;
use super::render::text::cleaned;
use super::terminal::Terminal;
use super::{Options, complete};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// A unit, or the code of a finding such as release-outdated
    #[arg(value_name = "UNIT|CODE", value_parser = named, add = ArgValueCandidates::new(complete::units_and_codes))]
    unit: String,
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    // A unit of that name has a suffix.
    if let Some(page) = finding(&arguments.unit) {
        if options.json {
            anyhow::bail!("cannot print the page of a finding as JSON");
        }
        terminal.print(&text(&terminal.look(), &page))?;
        return Ok(Exit::Ok);
    }
    let unit = options.client()?.unit(&arguments.unit).await?;
    if options.json {
        terminal.print_json(&unit)?;
    } else {
        terminal.print(&explain(&terminal.look(), &cleaned(&unit)?))?;
    }
    Ok(Exit::Ok)
}
