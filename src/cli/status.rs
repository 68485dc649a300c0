//! `status [UNIT…]`: the table, or the details of one unit; `--watch` redraws it.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::Options;
use super::exit::Exit;
use super::render::text::cleaned;
use super::render::{details, overview};
use super::terminal::{SeenEnough, Terminal};
use crate::api::client::{Client, Error};
use crate::api::wire::{Status, Unit};

/// How often `--watch` looks.
const WATCH_PERIOD: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only these units; one unit is shown in detail
    units: Vec<String>,
    /// Show all units, including healthy ones that do not fit the terminal
    #[arg(long)]
    all: bool,
    /// Redraw on every change until interrupted
    #[arg(short, long)]
    watch: bool,
}

/// One unit, or many.
#[derive(Debug)]
enum Picture {
    One(Box<Unit>),
    Many(Box<Status>),
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let client = options.client()?;
    if arguments.watch {
        let interrupted = tokio::signal::ctrl_c();
        return tokio::select! {
            ended = watch(&client, options, terminal, arguments) => ended,
            _ = interrupted => Ok(Exit::Ok),
        };
    }
    let picture = take(&client, arguments).await?;
    let printed = if options.json {
        picture.print_json(terminal)
    } else {
        terminal.print(&picture.draw(terminal, arguments.all)?)
    };
    SeenEnough::forgive(printed, picture.exit())
}

async fn take(client: &Client, arguments: &Arguments) -> Result<Picture, Error> {
    if let [unit] = arguments.units.as_slice() {
        return Ok(Picture::One(Box::new(client.unit(unit).await?)));
    }
    let mut status = client.status().await?;
    if !arguments.units.is_empty() {
        // Asked one by one, so that a name that is none is told, and aliases are found.
        let mut units = Vec::new();
        for name in &arguments.units {
            units.push(client.unit(name).await?.unit);
        }
        status.units.retain(|unit| units.contains(&unit.unit));
    }
    Ok(Picture::Many(Box::new(status)))
}

impl Picture {
    fn draw(&self, terminal: &Terminal, all: bool) -> anyhow::Result<String> {
        let look = terminal.look();
        Ok(match self {
            Self::One(unit) => details::details(&look, &cleaned(unit.as_ref())?),
            Self::Many(status) => overview(&look, &cleaned(status.as_ref())?, all),
        })
    }

    fn print_json(&self, terminal: &Terminal) -> anyhow::Result<()> {
        match self {
            Self::One(unit) => terminal.print_json(unit),
            Self::Many(status) => terminal.print_json(status),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::One(unit) => Exit::of_unit(unit),
            Self::Many(status) => Exit::of_status(status),
        }
    }
}

/// Draws until the reader has seen enough. A daemon that is away is told in place of the picture.
async fn watch(
    client: &Client,
    options: &Options,
    terminal: &Terminal,
    arguments: &Arguments,
) -> anyhow::Result<Exit> {
    let mut drawn = String::new();
    loop {
        let looked = timeout(Duration::from_secs(10), take(client, arguments)).await;
        let page = match looked {
            Ok(Ok(picture)) if options.json => {
                serde_json::to_string(&match picture {
                    Picture::One(unit) => serde_json::to_value(unit)?,
                    Picture::Many(status) => serde_json::to_value(status)?,
                })? + "\n"
            }
            Ok(Ok(picture)) => picture.draw(terminal, arguments.all)?,
            Ok(Err(error)) => format!("{}\n", super::render::text::clean(&error.to_string())),
            Err(_) => "no answer from the supervisor\n".to_owned(),
        };
        if page != drawn {
            let printed = terminal.print(&frame(terminal, options, &page));
            if printed.as_ref().is_err_and(|error| error.is::<SeenEnough>()) {
                return Ok(Exit::Ok);
            }
            printed?;
            drawn = page;
        }
        sleep(WATCH_PERIOD).await;
    }
}

/// On a terminal each page overwrites the last one without flicker; in a pipe they follow each other.
fn frame(terminal: &Terminal, options: &Options, page: &str) -> String {
    if !terminal.is_interactive() || options.json {
        return page.to_owned();
    }
    let height = terminal.look().size.map_or(24, |(_, height)| usize::from(height));
    let mut frame = String::from("\x1b[H");
    for (number, line) in page.lines().take(height.saturating_sub(1)).enumerate() {
        if number > 0 {
            frame.push('\n');
        }
        frame.push_str(line);
        frame.push_str("\x1b[K");
    }
    frame.push_str("\n\x1b[J");
    frame
}
