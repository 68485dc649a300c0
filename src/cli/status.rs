//! `status [UNIT…]`: the table, or the details of one unit; `--watch` redraws it.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::names::{is_match, is_pattern, unit_or_pattern};
use super::render::text::{clean, cleaned};
use super::render::{Sort, Table, details, overview_of};
use super::terminal::{SeenEnough, Terminal};
use super::{Options, complete};
use crate::api::client::{Client, Error};
use crate::api::wire::{State, Status, Unit};

/// How often `--watch` looks.
const WATCH_PERIOD: Duration = Duration::from_millis(500);

#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Only these units, or patterns such as 'web-*'; one unit is shown in detail
    #[arg(value_name = "UNIT", value_parser = unit_or_pattern, add = ArgValueCandidates::new(complete::units))]
    units: Vec<String>,
    /// Only units in these states, such as down,degraded
    #[arg(long, value_name = "STATE", value_delimiter = ',')]
    state: Vec<OfState>,
    /// Order of the table
    #[arg(long, value_name = "ORDER", value_enum, default_value_t)]
    sort: Sort,
    /// Format: wide has every column, name prints only names
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Format,
    /// Show all units, including healthy ones that do not fit the terminal
    #[arg(long)]
    all: bool,
    /// Redraw on every change until interrupted
    #[arg(short, long)]
    watch: bool,
}

/// How the units are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Table,
    Wide,
    Name,
    Json,
}

/// A state as people type it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum OfState {
    Ok,
    Degraded,
    Down,
    Recovering,
    Held,
    Quarantined,
    Unknown,
    Disabled,
}

impl From<OfState> for State {
    fn from(state: OfState) -> Self {
        match state {
            OfState::Ok => Self::Ok,
            OfState::Degraded => Self::Degraded,
            OfState::Down => Self::Down,
            OfState::Recovering => Self::Recovering,
            OfState::Held => Self::Held,
            OfState::Quarantined => Self::Quarantined,
            OfState::Unknown => Self::Unknown,
            OfState::Disabled => Self::Disabled,
        }
    }
}

/// One unit, or many. `of`: so many there are, of which these were asked for.
#[derive(Debug)]
enum Picture {
    One(Box<Unit>),
    Many { status: Box<Status>, of: Option<usize> },
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let client = options.client()?;
    let json = options.json || arguments.output == Format::Json;
    if arguments.watch {
        let interrupted = tokio::signal::ctrl_c();
        return tokio::select! {
            ended = watch(&client, json, terminal, arguments) => ended,
            _ = interrupted => Ok(Exit::Ok),
        };
    }
    let picture = take(&client, arguments).await?;
    let printed =
        if json { picture.print_json(terminal) } else { terminal.print(&picture.draw(terminal, arguments)?) };
    SeenEnough::forgive(printed, picture.exit())
}

async fn take(client: &Client, arguments: &Arguments) -> Result<Picture, Error> {
    let filtered = !arguments.state.is_empty();
    if let ([unit], false) = (arguments.units.as_slice(), filtered)
        && !is_pattern(unit)
        && matches!(arguments.output, Format::Table | Format::Json)
    {
        return Ok(Picture::One(Box::new(client.unit(unit).await?)));
    }
    let mut status = client.status().await?;
    let all = status.units.len();
    if !arguments.units.is_empty() {
        let mut units = Vec::new();
        for name in &arguments.units {
            if is_pattern(name) {
                let matching = status.units.iter().map(|unit| &unit.unit).filter(|unit| is_match(name, unit));
                let before = units.len();
                units.extend(matching.cloned());
                if units.len() == before {
                    return Err(Error::NotManaged(format!("cannot find a managed unit that matches {name}")));
                }
            } else {
                // Asked one by one, so that a name that is none is told, and aliases are found.
                units.push(client.unit(name).await?.unit);
            }
        }
        status.units.retain(|unit| units.contains(&unit.unit));
    }
    if filtered {
        let wanted: Vec<State> = arguments.state.iter().map(|state| (*state).into()).collect();
        status.units.retain(|unit| wanted.contains(&unit.state));
    }
    let of = (filtered || !arguments.units.is_empty()).then_some(all);
    Ok(Picture::Many { status: Box::new(status), of })
}

impl Picture {
    fn draw(&self, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<String> {
        let look = terminal.look();
        Ok(match self {
            Self::One(unit) => details::details(&look, &cleaned(unit.as_ref())?),
            Self::Many { status, .. } if arguments.output == Format::Name => {
                let units = arguments.sort.sorted(&status.units);
                units.iter().map(|unit| format!("{}\n", clean(&unit.unit))).collect()
            }
            Self::Many { status, of } => {
                let wide = arguments.output == Format::Wide;
                let table = Table { all: arguments.all, wide, sort: arguments.sort, of: *of };
                overview_of(&look, &cleaned(status.as_ref())?, table)
            }
        })
    }

    fn print_json(&self, terminal: &Terminal) -> anyhow::Result<()> {
        match self {
            Self::One(unit) => terminal.print_json(unit),
            Self::Many { status, .. } => terminal.print_json(status),
        }
    }

    fn exit(&self) -> Exit {
        match self {
            Self::One(unit) => Exit::of_unit(unit),
            Self::Many { status, .. } => Exit::of_status(status),
        }
    }
}

/// Draws until the reader has seen enough. A daemon that is away is told in place of the picture.
async fn watch(
    client: &Client,
    json: bool,
    terminal: &Terminal,
    arguments: &Arguments,
) -> anyhow::Result<Exit> {
    let mut drawn = String::new();
    loop {
        let looked = timeout(Duration::from_secs(10), take(client, arguments)).await;
        let page = match looked {
            Ok(Ok(picture)) if json => {
                serde_json::to_string(&match picture {
                    Picture::One(unit) => serde_json::to_value(unit)?,
                    Picture::Many { status, .. } => serde_json::to_value(status)?,
                })? + "\n"
            }
            Ok(Ok(picture)) => picture.draw(terminal, arguments)?,
            Ok(Err(error)) => format!("{}\n", clean(&error.to_string())),
            Err(_) => "no answer from the supervisor\n".to_owned(),
        };
        if page != drawn {
            let printed = terminal.print(&frame(terminal, json, &page));
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
fn frame(terminal: &Terminal, json: bool, page: &str) -> String {
    if !terminal.is_interactive() || json {
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
