//! `ack INCIDENT`: somebody knows.

use super::Options;
use super::exit::Exit;
use super::incident::Arguments;
use super::recover::tell;
use super::terminal::Terminal;

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let reply = options.client()?.acknowledge(arguments.incident).await?;
    tell(options, terminal, &reply)
}
