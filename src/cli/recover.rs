//! `recover UNIT`: start, enable, endpoint check, now; each step is told.

use super::Options;
use super::exit::Exit;
use super::render::details::step;
use super::render::radius;
use super::render::text::{clean, cleaned};
use super::terminal::Terminal;
use crate::api::wire::{Reply, ReplyResult};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The unit
    unit: String,
    /// Change nothing; show what would be done and what else it would restart
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    if arguments.dry_run {
        return preview(options, terminal, &arguments.unit).await;
    }
    if terminal.is_interactive() && !options.json {
        terminal.remark(&format!("recovering {} ...", arguments.unit));
    }
    let reply = options.client()?.recover(&arguments.unit).await?;
    tell(options, terminal, &reply)
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
