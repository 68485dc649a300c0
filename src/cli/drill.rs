//! `drill UNIT`: proves the whole path by a fault, after asking; each step is shown as it happens.

use std::time::Duration;

use tokio::time::timeout;

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::names::unit as named;
use super::render::drill::{drill, live, plan};
use super::render::text::{clean, cleaned};
use super::terminal::Terminal;
use super::{Options, complete};
use crate::api::client::{Client, Error, Events};
use crate::api::wire::{Reply, ReplyResult, Unit};

/// What happened last may be told a moment after the answer.
const LAST_EVENTS: Duration = Duration::from_millis(300);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The unit
    #[arg(value_parser = named, add = ArgValueCandidates::new(complete::local_units))]
    unit: String,
    /// Kill the unit's main process (default)
    #[arg(long, conflicts_with = "probe")]
    kill: bool,
    /// Simulate a failure of this probe; only the restart that follows touches the unit
    #[arg(long, value_name = "NAME", add = ArgValueCandidates::new(complete::probes))]
    probe: Option<String>,
    /// Change nothing; show what would be done, who would be alerted, and how long it would take
    #[arg(long)]
    dry_run: bool,
    /// Do not ask for confirmation
    #[arg(short, long)]
    yes: bool,
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    if !arguments.yes && !arguments.dry_run && !terminal.can_ask() {
        terminal
            .remark("steadfast: cannot ask whether to drill: this is not a terminal (--yes does not ask)");
        return Ok(Exit::Usage);
    }
    let client = options.client()?;
    let probe = arguments.probe.as_deref();
    let unit = client.unit(&arguments.unit).await?;
    let planned = client.drill(&arguments.unit, probe, true).await?;
    if planned.result != ReplyResult::Done || (options.json && arguments.dry_run) {
        return told(options, terminal, &planned);
    }
    if !options.json {
        terminal.print(&plan(&terminal.look(), &cleaned(&unit)?, &cleaned(&planned)?))?;
    }
    if arguments.dry_run {
        return Ok(Exit::Ok);
    }
    if !arguments.yes && !terminal.ask("Go on? [y/N] ") {
        terminal.remark("steadfast: nothing was done");
        return Ok(Exit::Warning);
    }
    let reply = if options.json {
        client.drill(&arguments.unit, probe, false).await?
    } else {
        watched(&client, terminal, &unit, probe).await?
    };
    told(options, terminal, &reply)
}

/// Carries it out, and shows what happens to the unit meanwhile.
async fn watched(
    client: &Client,
    terminal: &Terminal,
    unit: &Unit,
    probe: Option<&str>,
) -> anyhow::Result<Reply> {
    let mut events = client.events(Some(&unit.unit), None).await.ok();
    let drilled = client.drill(&unit.unit, probe, false);
    tokio::pin!(drilled);
    let reply = loop {
        tokio::select! {
            reply = &mut drilled => break reply?,
            told = next(&mut events), if events.is_some() => show(terminal, &mut events, told)?,
        }
    };
    while let Ok(told) = timeout(LAST_EVENTS, next(&mut events)).await {
        show(terminal, &mut events, told)?;
        if events.is_none() {
            break;
        }
    }
    Ok(reply)
}

type Told = Result<Option<crate::api::wire::Event>, Error>;

async fn next(events: &mut Option<Events>) -> Told {
    match events {
        Some(events) => events.next().await,
        None => Ok(None),
    }
}

/// A stream that broke off is not waited for: what it would have told stands in the answer as well.
fn show(terminal: &Terminal, events: &mut Option<Events>, told: Told) -> anyhow::Result<()> {
    match told {
        Ok(Some(event)) => terminal.print(&live(&terminal.look(), &cleaned(&event)?)),
        Ok(None) | Err(_) => {
            *events = None;
            Ok(())
        }
    }
}

fn told(options: &Options, terminal: &Terminal, reply: &Reply) -> anyhow::Result<Exit> {
    let exit = Exit::of_reply(reply);
    if options.json {
        terminal.print_json(reply)?;
        return Ok(exit);
    }
    if let Some(measured) = &reply.drill {
        terminal.print(&drill(&terminal.look(), &cleaned(measured)?))?;
    }
    match reply.result {
        ReplyResult::Done => terminal.print(&format!("{}\n", clean(&reply.message)))?,
        ReplyResult::Failed | ReplyResult::Refused => {
            terminal.remark(&format!("steadfast: {}", clean(&reply.message)));
        }
    }
    Ok(exit)
}
