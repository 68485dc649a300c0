//! `check [UNIT…]`: one round of readings without the daemon, through the same policy.

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::holds::respected;
use super::names::unit as named;
use super::render::text::cleaned;
use super::render::{overview, plugin, probes};
use super::terminal::{SeenEnough, Terminal, Waiting};
use super::{Options, complete};
use crate::api::wire::Status;
use crate::check;

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only these units
    #[arg(value_name = "UNIT", value_parser = named, add = ArgValueCandidates::new(complete::units))]
    units: Vec<String>,
    /// Print one line for a monitoring plugin, with performance data
    #[arg(long, conflicts_with = "json")]
    nagios: bool,
}

impl Arguments {
    /// It prints one line.
    pub fn is_one_line(&self) -> bool {
        self.nagios
    }
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut waiting = Waiting::new();
    let checked = check::check(options.user, &arguments.units, |read, all| waiting.tell(read, all)).await;
    waiting.end();
    let snapshot = checked?;
    let mut status = Status::of(&snapshot);
    respected(&mut status, &super::holds::known(options).await);
    let exit = Exit::of_status(&status);
    let printed = if options.json {
        terminal.print_json(&status)
    } else if arguments.nagios {
        terminal.print(&plugin(&cleaned(&status)?, exit.word()))
    } else {
        let look = terminal.look();
        let status = cleaned(&status)?;
        let mut text = overview(&look, &status, true);
        text.push_str(&probes::probes(&look, &status));
        terminal.print(&text)
    };
    SeenEnough::forgive(printed, exit)
}
