//! `ack INCIDENT`: somebody knows.

use super::Options;
use super::exit::Exit;
use super::recover::tell;
use super::terminal::Terminal;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The incident's number
    incident: u64,
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let reply = options.client()?.acknowledge(arguments.incident).await?;
    tell(options, terminal, &reply)
}
