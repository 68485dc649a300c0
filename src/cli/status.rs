//! `status [UNIT…]`: the table, or the details of one unit; `--watch` redraws it.

use std::pin::pin;
use std::time::Duration;

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Style;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::names::{is_match, is_pattern, unit_or_pattern};
use super::render::text::{clean, cleaned};
use super::render::{Look, Sort, Table, details, overview_of};
use super::screen::{Screen, canvas, ended, inputs, sheet};
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
    state: Vec<State>,
    /// Order of the table
    #[arg(long, value_name = "ORDER", value_enum, default_value_t)]
    sort: Sort,
    /// Format: wide has every column, name prints only names
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Format,
    /// Show all units, including healthy ones that do not fit the terminal
    #[arg(long)]
    all: bool,
    /// Redraw on every change until q, or interrupted
    #[arg(short, long)]
    watch: bool,
}

impl Arguments {
    /// It goes on until it is ended.
    pub fn watches(&self) -> bool {
        self.watch
    }

    pub fn is_json(&self) -> bool {
        self.output == Format::Json
    }

    pub fn is_names(&self) -> bool {
        self.output == Format::Name
    }

    /// For a table of several hosts: whether units that are well have a line each, and the order; `None`: another format.
    pub fn of_hosts(&self) -> Option<(bool, Sort)> {
        let chosen = self.all || !self.units.is_empty() || !self.state.is_empty();
        matches!(self.output, Format::Table | Format::Json).then_some((chosen, self.sort))
    }
}

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// How the units are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    #[default]
    Table,
    Wide,
    Name,
    Json,
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
    if arguments.watch && terminal.is_interactive() && !json {
        return watch_screen(&client, terminal, arguments).await;
    }
    if arguments.watch {
        let interrupted = tokio::signal::ctrl_c();
        return tokio::select! {
            ended = watch(&client, json, terminal, arguments) => ended,
            _ = interrupted => Ok(Exit::Ok),
        };
    }
    let picture = take(&client, arguments).await?;
    let printed = if json {
        picture.print_json(terminal)
    } else {
        terminal.print(&picture.draw(&terminal.look(), arguments)?)
    };
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
        status.units.retain(|unit| arguments.state.contains(&unit.state));
    }
    let of = (filtered || !arguments.units.is_empty()).then_some(all);
    Ok(Picture::Many { status: Box::new(status), of })
}

impl Picture {
    fn draw(&self, look: &Look, arguments: &Arguments) -> anyhow::Result<String> {
        Ok(match self {
            Self::One(unit) => details::details(look, &cleaned(unit.as_ref())?),
            Self::Many { status, .. } if arguments.output == Format::Name => {
                let units = arguments.sort.sorted(&status.units);
                units.iter().map(|unit| format!("{}\n", clean(&unit.unit))).collect()
            }
            Self::Many { status, of } => {
                let wide = arguments.output == Format::Wide;
                let table = Table { all: arguments.all, wide, sort: arguments.sort, of: *of };
                overview_of(look, &cleaned(status.as_ref())?, table)
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
        let page = page(client, json, terminal, arguments).await?;
        if page != drawn {
            let printed = terminal.print(&page);
            if printed.as_ref().is_err_and(|error| error.is::<SeenEnough>()) {
                return Ok(Exit::Ok);
            }
            printed?;
            drawn = page;
        }
        sleep(WATCH_PERIOD).await;
    }
}

async fn page(
    client: &Client,
    json: bool,
    terminal: &Terminal,
    arguments: &Arguments,
) -> anyhow::Result<String> {
    Ok(match timeout(PATIENCE, take(client, arguments)).await {
        Ok(Ok(picture)) if json => {
            serde_json::to_string(&match picture {
                Picture::One(unit) => serde_json::to_value(unit)?,
                Picture::Many { status, .. } => serde_json::to_value(status)?,
            })? + "\n"
        }
        Ok(Ok(picture)) => picture.draw(&terminal.look(), arguments)?,
        Ok(Err(error)) => format!("{}\n", clean(&error.to_string())),
        Err(_) => "no answer from the supervisor\n".to_owned(),
    })
}

/// The same on a screen of its own, which follows the terminal's size; until `q`, Esc or Ctrl-C.
async fn watch_screen(client: &Client, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut inputs = inputs();
    let mut screen = Screen::open()?;
    let mut stop = pin!(ended());
    let (mut top, mut picture) = (0_usize, None);
    let mut next = Instant::now();
    loop {
        if next <= Instant::now() {
            picture = Some(timeout(PATIENCE, take(client, arguments)).await);
            next = Instant::now() + WATCH_PERIOD;
        }
        screen.draw(|frame| {
            let area = frame.area();
            let look = Look { size: Some((area.width, area.height)), ..terminal.look() };
            let text = match &picture {
                None => Ok(String::new()),
                Some(Ok(Ok(picture))) => picture.draw(&look, arguments),
                Some(Ok(Err(error))) => Ok(clean(&error.to_string())),
                Some(Err(_)) => Ok("no answer from the supervisor".to_owned()),
            };
            let text = text.unwrap_or_else(|error| error.to_string());
            top = sheet(frame, canvas(&text), (top, Style::new()), area);
        })?;
        tokio::select! {
            input = inputs.recv() => match input {
                Some(Event::Key(key)) => match scrolled(key, top) {
                    Some(line) => top = line,
                    None => return Ok(Exit::Ok),
                },
                // Another size is drawn at once.
                Some(_) => {}
                None => return Ok(Exit::Ok),
            },
            () = sleep_until(next) => {}
            ended = &mut stop => {
                ended?;
                return Ok(Exit::Ok);
            }
        }
    }
}

/// The first line after this key; `None`: enough.
fn scrolled(key: KeyEvent, top: usize) -> Option<usize> {
    match (key.modifiers.contains(KeyModifiers::CONTROL), key.code) {
        (false, KeyCode::Char('q') | KeyCode::Esc) | (true, KeyCode::Char('c')) => None,
        (false, KeyCode::Down) => Some(top.saturating_add(1)),
        (false, KeyCode::Up) => Some(top.saturating_sub(1)),
        (false, KeyCode::PageDown) => Some(top.saturating_add(10)),
        (false, KeyCode::PageUp) => Some(top.saturating_sub(10)),
        _ => Some(top),
    }
}
