//! `explain UNIT`: the chain of reasons.

use super::Options;
use super::exit::Exit;
use super::render::explain::explain;
use super::render::text::cleaned;
use super::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The unit
    unit: String,
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let unit = options.client()?.unit(&arguments.unit).await?;
    if options.json {
        terminal.print_json(&unit)?;
    } else {
        terminal.print(&explain(&terminal.look(), &cleaned(&unit)?))?;
    }
    Ok(Exit::Ok)
}
