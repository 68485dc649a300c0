//! `adopt --from`: the file of another supervisor, brought together with the units of this host.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use regex::Regex;
use tokio::task::spawn_blocking;

use crate::config;
use crate::import;
use crate::model::adopt::{About, Entry, Foreign, Format};
use crate::model::host::{HostProcess, HostReading};
use crate::model::unit::UnitName;
use crate::policy::alerts;
use crate::systemd::inventory;

use super::gather::gather;
use super::judge::{self, Group, Live, Matched, matched};
use super::traces::Traces;
use super::{Adopted, Ours, Wish, trial};

/// A pid file is a line.
const PID_BYTES: u64 = 64;
/// Included files that are read.
const INCLUDED: usize = 200;

/// A foreign file, and what became of it.
#[derive(Debug)]
pub struct Imported {
    pub foreign: Foreign,
    /// In the order of its entries.
    pub matched: Vec<Matched>,
    pub adopted: Vec<Adopted>,
    pub untold: Vec<String>,
}

/// Reads the file and adopts the units that it is about.
///
/// # Errors
/// It cannot be read, it is no such file, or the service manager cannot be reached.
pub async fn from_file(user: bool, format: Format, file: &Path, wish: Wish) -> anyhow::Result<Imported> {
    let path = file.to_owned();
    let reading = spawn_blocking(move || config::read_foreign(&path, import::BYTES));
    let text = reading.await.context("cannot read the file")?.map_err(anyhow::Error::msg)?;
    let name = format.as_str();
    let main = file.to_owned();
    let patterns = import::included(format, &text);
    let more =
        spawn_blocking(move || included(format, &main, &patterns)).await.context("cannot read the files")?;
    let foreign = match import::read(format, &text) {
        Ok(foreign) => together(foreign, more),
        // Debian's own file has none but those that it includes.
        Err(_) if more.iter().any(|one| !one.entries.is_empty()) => together(Foreign::default(), more),
        Err(why) => return Err(anyhow!("cannot read {} as a file of {name}: {why}", file.display())),
    };

    let mut ours = Ours::new(user, wish);
    let present = inventory::read(ours.instance).await?;
    let mut units: BTreeSet<UnitName> = present.into_iter().filter(|unit| unit.kind() == "service").collect();
    let processes = || foreign.entries.iter().filter(|entry| entry.about == About::Process);
    units.extend(processes().filter(|entry| plain(&entry.name)).map(|entry| UnitName::meant(&entry.name)));
    let facts = gather(user, units).await?;

    let matched: Vec<Matched> =
        foreign.entries.iter().map(|entry| of_entry(entry, &facts.host, &facts.lives)).collect();
    let lives = chosen(&foreign, &matched, facts.lives, wish.observe);
    let mut adopted = ours.adopt(&lives).await;
    for entry in foreign.entries.iter().filter(|entry| entry.about == About::Thing) {
        adopted.extend(dependency(&ours, entry).await);
    }
    Ok(Imported { foreign, matched, adopted, untold: facts.host.missing(false) })
}

/// What the included files say. Blocks.
fn included(format: Format, main: &Path, patterns: &[String]) -> Vec<Foreign> {
    let base = main.parent().unwrap_or(Path::new("/"));
    let mut files = Vec::new();
    for pattern in patterns {
        let path = base.join(pattern);
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            continue;
        };
        let name = name.to_string_lossy().into_owned();
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let fits = |file: &PathBuf| {
            file.file_name().is_some_and(|known| alerts::matches(&name, &known.to_string_lossy()))
        };
        files.extend(entries.map(|entry| entry.path()).filter(fits).take(INCLUDED));
    }
    files.sort();
    files.dedup();
    let read = |file: &PathBuf| {
        let text = config::read_foreign(file, import::BYTES).ok()?;
        let mut foreign = import::read(format, &text).ok()?;
        for entry in &mut foreign.entries {
            entry.kind = format!("{} in {},", entry.kind, file.display());
        }
        for off in &mut foreign.commented_out {
            off.what = format!("{} in {}", off.what, file.display());
        }
        Some(foreign)
    };
    files.iter().take(INCLUDED).filter_map(read).collect()
}

/// One file of several.
fn together(mut all: Foreign, more: Vec<Foreign>) -> Foreign {
    for one in more {
        all.entries.extend(one.entries);
        all.commented_out.extend(one.commented_out);
        all.left.extend(one.left);
    }
    all
}

/// Could be the name of a unit.
fn plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-.@:".contains(c))
}

fn of_entry(entry: &Entry, host: &HostReading, lives: &[Live]) -> Matched {
    let pid = entry.pidfile.as_ref().and_then(|file| pid(Path::new(file)));
    let owner = pid.and_then(|pid| host.processes.iter().find(|process| process.pid == pid));
    // As monit does: the pattern anywhere in the command line. One that is no pattern matches nothing.
    let pattern = entry.matching.as_deref().and_then(|pattern| Regex::new(pattern).ok());
    let alike: Vec<&HostProcess> = pattern.map_or_else(Vec::new, |pattern| {
        let like = |process: &&HostProcess| pattern.is_match(&process.arguments.join(" "));
        host.processes.iter().filter(like).collect()
    });
    matched(entry, owner, &alike, lives)
}

fn pid(file: &Path) -> Option<i32> {
    config::read_foreign(file, PID_BYTES).ok()?.trim().parse().ok()
}

/// The live units of the file, with what it says of each.
fn chosen(foreign: &Foreign, matched: &[Matched], lives: Vec<Live>, observe: bool) -> Vec<Live> {
    let of_name: BTreeMap<&str, &UnitName> = foreign
        .entries
        .iter()
        .zip(matched)
        .filter_map(|(entry, found)| Some((entry.name.as_str(), found.unit.as_ref()?)))
        .collect();
    let mut chosen = Vec::new();
    for mut live in lives {
        live.observe = observe;
        for (entry, found) in foreign.entries.iter().zip(matched) {
            if found.unit.as_ref() == Some(&live.unit) {
                live.told_needs.extend(entry.depends.iter().filter_map(|(line, name)| {
                    let need = of_name.get(name.as_str())?;
                    Some(((*need).clone(), format!("depends on {name}, line {line}")))
                }));
                live.told.push(entry.clone());
            }
        }
        if !live.told.is_empty() {
            chosen.push(live);
        }
    }
    chosen
}

/// The file of something that is no unit, where a question about it is well now.
async fn dependency(ours: &Ours, entry: &Entry) -> Option<Adopted> {
    let groups: Vec<Group> = entry.tables.iter().cloned().map(Group::one_way).collect();
    if groups.is_empty() {
        return None;
    }
    let unit = judge::dependency_unit(entry);
    let mut traces = Traces::new(unit.clone(), false, Vec::new());
    let asked = trial::try_all(ours.through(), (&unit, &mut traces), &groups).await;
    let draft = judge::dependency(entry, asked);
    let file: PathBuf = config::place(&ours.directories, unit.as_str());
    if !draft.tables.iter().any(|written| written.in_force) {
        let why =
            draft.tables.first().and_then(|written| written.remarks.first().cloned()).unwrap_or_default();
        return Some(ours.refused(unit, format!("nothing could be asked of it: {why}")));
    }
    let watched = judge::watched_by_tables(&draft);
    Some(ours.put(&draft, file, watched))
}
