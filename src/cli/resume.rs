//! `resume UNIT`: ends a hold or a quarantine.

use super::Options;
use super::exit::Exit;
use super::recover::tell;
use super::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The unit
    unit: String,
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let reply = options.client()?.resume(&arguments.unit).await?;
    tell(options, terminal, &reply)
}
