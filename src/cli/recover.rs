//! `recover UNIT`: start, enable, endpoint check, now; each step is told.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval, timeout};

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::names::unit as named;
use super::render::details::{running, step};
use super::render::radius;
use super::render::text::{clean, cleaned};
use super::terminal::{Terminal, Waiting};
use super::{Options, complete};
use crate::api::client::{Client, Error};
use crate::api::wire::{Reply, ReplyResult};

/// How often the running line is written.
const PERIOD: Duration = Duration::from_millis(300);
/// A look at the unit takes no longer; the answer itself is waited for.
const LOOK: Duration = Duration::from_secs(2);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The unit
    #[arg(value_parser = named, add = ArgValueCandidates::new(complete::local_units))]
    unit: String,
    /// Change nothing; show what would be done and what else it would restart
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.dry_run {
        return preview(options, terminal, &arguments.unit).await;
    }
    let client = options.client()?;
    let mut waiting = Waiting::new();
    let reply = followed(&client, terminal, &arguments.unit, &mut waiting).await;
    waiting.end();
    tell(options, terminal, &reply?)
}

/// Asks for the recovery, and says meanwhile how far it is.
async fn followed(
    client: &Client,
    terminal: &Terminal,
    unit: &str,
    waiting: &mut Waiting,
) -> Result<Reply, Error> {
    let recovered = client.recover(unit);
    tokio::pin!(recovered);
    let mut looks = interval(PERIOD);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            // Asked before anything is looked at.
            biased;
            reply = &mut recovered => return reply,
            _ = looks.tick(), if waiting.is_watched() => {
                if let Ok(Ok(unit)) = timeout(LOOK, client.unit(unit)).await {
                    waiting.say(|| running(&terminal.look(), &unit));
                }
            }
        }
    }
}

async fn preview(options: &Options, terminal: &Terminal, unit: &str) -> anyhow::Result<Exit> {
    let unit = options.client()?.unit(unit).await?;
    let exit = if unit.preview.refused.is_none() { Exit::Ok } else { Exit::Warning };
    if options.json {
        terminal.print_json(&unit.preview)?;
    } else {
        terminal.print(&radius::preview(&terminal.look(), &cleaned(&unit)?))?;
    }
    Ok(exit)
}

/// Prints what became of a request.
pub fn tell(options: &Options, terminal: &Terminal, reply: &Reply) -> anyhow::Result<Exit> {
    let exit = Exit::of_reply(reply);
    if options.json {
        terminal.print_json(reply)?;
        return Ok(exit);
    }
    let look = terminal.look();
    let reply = cleaned(reply)?;
    let mut text = String::new();
    for one in &reply.steps {
        text.push_str(&step(&look, one));
        text.push('\n');
    }
    if reply.result == ReplyResult::Done {
        text.push_str(&reply.message);
        text.push('\n');
    }
    terminal.print(&text)?;
    if reply.result != ReplyResult::Done {
        terminal.remark(&format!("steadfast: {}", clean(&reply.message)));
    }
    Ok(exit)
}
