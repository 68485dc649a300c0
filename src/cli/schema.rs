//! `schema`: the JSON Schema of a unit file.

use super::exit::Exit;
use super::terminal::Terminal;
use crate::config;

pub fn run(terminal: &Terminal) -> anyhow::Result<Exit> {
    terminal.print_json(&config::schema())?;
    Ok(Exit::Ok)
}
