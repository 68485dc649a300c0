//! `hold UNIT --for 30m --reason "…"`: observe only, until then.

use super::Options;
use super::exit::Exit;
use super::recover::tell;
use super::terminal::Terminal;
use super::wait::duration;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The unit
    unit: String,
    /// How long, such as 30m; at most 24h
    #[arg(long = "for", value_name = "DURATION", value_parser = checked)]
    length: String,
    /// Why; shown to everybody who looks
    #[arg(long)]
    reason: String,
}

/// Passed on as it was written; the daemon says how long is too long.
fn checked(text: &str) -> Result<String, String> {
    duration(text).map(|_| text.to_owned())
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let client = options.client()?;
    let reply = client.hold(&arguments.unit, &arguments.length, &arguments.reason);
    tell(options, terminal, &reply.await?)
}
