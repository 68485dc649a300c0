//! `schema`: the JSON Schema of a unit file, or of the settings.

use super::exit::Exit;
use super::terminal::Terminal;
use crate::config;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Of steadfast.toml instead of a unit file
    #[arg(long)]
    settings: bool,
}

pub fn run(terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let schema = if arguments.settings { config::settings_schema() } else { config::schema() };
    terminal.print_json(&schema)?;
    Ok(Exit::Ok)
}
