//! `baseline`: the host as it was, and what differs from that: before and after an upgrade.

use clap_complete::engine::ArgValueCandidates;

use super::exit::Exit;
use super::recover::tell;
use super::render::baseline::{compared, list, picture};
use super::render::text::{clean, cleaned, count};
use super::terminal::{SeenEnough, Terminal};
use super::wait::duration;
use super::{Options, complete};
use crate::api::wire::{BaselineDiff, BaselineGravity, BaselineHead, BaselineList, Reply};
use crate::baseline::{self, Taking, Which};

#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Save the current state: units, ports, releases, packages
    Save(Save),
    /// Report what is worse than in a baseline, most severe first
    Diff(Diff),
    /// List saved baselines, newest first
    List,
    /// Show a baseline (default: the newest)
    Show {
        /// The baseline
        #[arg(value_parser = baseline::name, add = ArgValueCandidates::new(complete::baselines))]
        name: Option<String>,
    },
    /// Remove a baseline
    Delete {
        /// The baseline
        #[arg(value_parser = baseline::name, add = ArgValueCandidates::new(complete::baselines))]
        name: String,
    },
    /// Accept the current state: clears the finding and becomes the new reference
    Accept,
}

impl Arguments {
    /// It writes, or tells the daemon.
    pub fn changes(&self) -> bool {
        match &self.command {
            Command::Save(_) | Command::Delete { .. } | Command::Accept => true,
            Command::Diff(diff) => diff.tell || diff.settle.is_some(),
            Command::List | Command::Show { .. } => false,
        }
    }
}

#[derive(Debug, clap::Args)]
struct Save {
    /// Its name (default: the time)
    #[arg(value_parser = baseline::name, add = ArgValueCandidates::new(complete::baselines))]
    name: Option<String>,
    /// Replace an existing baseline of this name
    #[arg(long)]
    replace: bool,
    /// Mark it as taken automatically before this runs, such as apt; the oldest of these are deleted
    #[arg(long, value_name = "WHAT", conflicts_with = "name", value_parser = short)]
    before: Option<String>,
}

#[derive(Debug, clap::Args)]
struct Diff {
    /// The baseline to compare with (default: the newest)
    #[arg(value_parser = baseline::name, add = ArgValueCandidates::new(complete::baselines))]
    name: Option<String>,
    /// Compare with this baseline instead of with the current state
    #[arg(long, value_name = "OTHER", value_parser = baseline::name, add = ArgValueCandidates::new(complete::baselines), conflicts_with_all = ["tell", "settle"])]
    against: Option<String>,
    /// Use the newest one taken before this, such as apt
    #[arg(long, value_name = "WHAT", conflicts_with = "name")]
    newest: Option<String>,
    /// Wait until no package manager has run for this long, such as 30s
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    settle: Option<std::time::Duration>,
    /// Send the result to the daemon, which alerts if it is worse
    #[arg(long)]
    tell: bool,
}

/// A word that names what comes after.
fn short(text: &str) -> Result<String, String> {
    let plain = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    if plain && (1..=16).contains(&text.len()) {
        Ok(text.to_owned())
    } else {
        Err("a word of at most 16 small letters, such as apt".to_owned())
    }
}

pub async fn run(options: &Options, terminal: &Terminal, arguments: Arguments) -> anyhow::Result<Exit> {
    match arguments.command {
        Command::Save(save) => self::save(options, terminal, save).await,
        Command::Diff(diff) => self::diff(options, terminal, diff).await,
        Command::List => kept(options, terminal).await,
        Command::Show { name } => show(options, terminal, name).await,
        Command::Delete { name } => {
            baseline::delete(options.user, name.clone()).await?;
            terminal.print(&format!("{} is removed\n", clean(&name)))?;
            Ok(Exit::Ok)
        }
        Command::Accept => accept(options, terminal).await,
    }
}

async fn save(options: &Options, terminal: &Terminal, save: Save) -> anyhow::Result<Exit> {
    let taking = Taking { name: save.name, before: save.before, replace: save.replace };
    let (taken, path, bytes) = baseline::save(options.user, taking).await?;
    if options.json {
        terminal.print_json(&BaselineHead::from(&taken.head))?;
        return Ok(Exit::Ok);
    }
    let program = terminal.look().program();
    let counts = [
        count(taken.units.len(), "unit"),
        count(taken.ports.len(), "port"),
        count(taken.packages.len(), "package"),
    ];
    let name = &taken.head.name;
    let mut text =
        format!("{name}: {} are kept in {path} ({} kB)\n", counts.join(", "), bytes.div_ceil(1000));
    for sentence in taken.untold.iter().chain(&taken.beyond) {
        text.push_str(&format!("not in it: {}\n", clean(sentence)));
    }
    text.push_str(&format!("after the upgrade: {program} baseline diff {name}\n"));
    terminal.print(&text)?;
    Ok(Exit::Ok)
}

async fn diff(options: &Options, terminal: &Terminal, diff: Diff) -> anyhow::Result<Exit> {
    let which = match (diff.name, diff.newest) {
        (Some(name), _) => Which::Named(name),
        (None, Some(before)) => Which::NewestBefore(before),
        (None, None) => Which::Newest,
    };
    if let Some(quiet) = diff.settle {
        baseline::settle(quiet).await;
    }
    let found = BaselineDiff::of(&baseline::diff(options.user, which, diff.against).await?);
    let exit = exit_of(&found);
    let told = if diff.tell { Some(tell_daemon(options, terminal, &found).await) } else { None };
    let printed = if options.json {
        terminal.print_json(&found)
    } else {
        terminal.print(&compared(&terminal.look(), &cleaned(&found)?, told.flatten().as_deref()))
    };
    SeenEnough::forgive(printed, exit)
}

/// What cannot be told is unknown, unless what can is bad enough.
fn exit_of(found: &BaselineDiff) -> Exit {
    match found.differences.iter().map(|one| one.gravity).max() {
        Some(BaselineGravity::Critical) => Exit::Critical,
        Some(BaselineGravity::Warning) => Exit::Warning,
        Some(BaselineGravity::Note) | None if found.untold.is_empty() => Exit::Ok,
        Some(BaselineGravity::Note) | None => Exit::Unknown,
    }
}

/// A daemon that is away changes nothing of what was found.
async fn tell_daemon(options: &Options, terminal: &Terminal, found: &BaselineDiff) -> Option<String> {
    let told = async { anyhow::Ok(options.client()?.tell_baseline(&found.body()).await?) };
    match told.await {
        Ok(Reply { message, .. }) => Some(message),
        Err(why) => {
            terminal.remark(&format!("steadfast: no alert was sent: {why:#}"));
            None
        }
    }
}

async fn kept(options: &Options, terminal: &Terminal) -> anyhow::Result<Exit> {
    let heads = baseline::list(options.user).await?;
    let found = BaselineList { baselines: heads.iter().map(Into::into).collect() };
    if options.json {
        terminal.print_json(&found)?;
    } else {
        terminal.print(&list(&terminal.look(), &cleaned(&found)?))?;
    }
    Ok(Exit::Ok)
}

async fn show(options: &Options, terminal: &Terminal, name: Option<String>) -> anyhow::Result<Exit> {
    let which = name.map_or(Which::Newest, Which::Named);
    if options.json {
        let text = baseline::text(options.user, which).await?;
        let stored: serde_json::Value = serde_json::from_str(&text)?;
        terminal.print_json(&stored)?;
    } else {
        let stored = baseline::stored(options.user, which).await?;
        terminal.print(&picture(&terminal.look(), &stored))?;
    }
    Ok(Exit::Ok)
}

/// The daemon first: whoever may not accept leaves no baseline behind.
async fn accept(options: &Options, terminal: &Terminal) -> anyhow::Result<Exit> {
    let reply = options.client()?.accept_baseline().await?;
    let taking = Taking { before: Some("accept".to_owned()), ..Taking::default() };
    let saved = baseline::save(options.user, taking).await;
    if let Err(why) = saved {
        terminal.remark(&format!("steadfast: accepted, but no new baseline was kept: {why:#}"));
    }
    tell(options, terminal, &reply)
}
