//! `adopt`: reads live units, asks on the spot, writes the unit files that follow; needs no running daemon. `judge` says what
//! is worth asking, and what the file says.

mod configs;
mod foreign;
mod gather;
mod judge;
mod traces;
mod trial;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::clock;
use crate::config::{self, Directories, Loaded, Loader};
use crate::model::adopt::{Draft, Recipe};
use crate::model::spec::{Ignored, Selector, Spec};
use crate::model::unit::UnitName;
use crate::prober::{Door, Prober};
use crate::systemd::orders::Orders;
use crate::systemd::{Instance, inventory};
use crate::tls;

pub use foreign::{Imported, from_file};
use gather::{Facts, gather};
use judge::{Live, Neighbours};
pub use judge::{Matched, unit_text};
use traces::Traces;
use trial::Through;

/// Units of one call.
const UNITS: usize = 500;

/// What is done with the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Write,
    /// Only shown, as it is or against the file that is there.
    Show,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    pub purpose: Purpose,
    /// The files only observe.
    pub observe: bool,
}

/// What became of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    Written,
    Shown,
    /// There is a file of it already.
    Exists,
    /// Why no file was written.
    Refused(String),
}

/// A unit, and the file that follows from it.
#[derive(Clone, Debug)]
pub struct Adopted {
    pub unit: UnitName,
    pub file: PathBuf,
    pub text: String,
    /// What the file watches, a few words each.
    pub watched: Vec<String>,
    /// What Steadfast does by this file, a sentence each.
    pub from_now_on: Vec<String>,
    pub fate: Fate,
}

/// Adopts these units, or all that are worth it. What could not be read of the host is told besides.
///
/// # Errors
/// The service manager cannot be reached, or there is nothing to adopt.
pub async fn units(
    user: bool,
    names: &[String],
    all: bool,
    wish: Wish,
) -> anyhow::Result<(Vec<Adopted>, Vec<String>)> {
    let mut ours = Ours::new(user, wish);
    let meant: BTreeSet<UnitName> = names.iter().map(|name| UnitName::meant(name)).collect();
    let templates: BTreeSet<UnitName> = meant.iter().filter(|unit| unit.is_template()).cloned().collect();
    let mut named: BTreeSet<UnitName> = meant.difference(&templates).cloned().collect();
    let mut instances = BTreeSet::new();
    let mut present = BTreeSet::new();
    if all || !templates.is_empty() {
        present = inventory::read(ours.instance).await?;
        // One instance shows what all of them are.
        let first =
            |template: &UnitName| present.iter().find(|unit| unit.template().as_ref() == Some(template));
        instances = templates.iter().filter_map(first).cloned().collect();
        named.extend(instances.iter().cloned());
    }
    let facts = if all {
        gather::unmanaged(user, &ours.specs, present, &named).await?
    } else {
        gather(user, named.clone()).await?
    };
    let Facts { mut lives, missing, host } = facts;
    lives.retain(|live| named.contains(&live.unit) || !ours.is_ignored(&live.unit));
    lives.truncate(UNITS);
    for live in &mut lives {
        live.observe = wish.observe;
        if let Some(template) = live.unit.template().filter(|_| instances.contains(&live.unit)) {
            // Ports and sockets are those of one instance.
            *live = Live { unit: template, names: Vec::new(), listeners: Vec::new(), ..live.clone() };
        }
    }
    let unseen = templates.iter().filter(|unit| !lives.iter().any(|live| live.unit == **unit));
    let mut adopted: Vec<Adopted> = missing
        .into_iter()
        .filter(|(unit, _)| named.contains(unit))
        .chain(unseen.map(|unit| (unit.clone(), "no instance of it runs or is enabled".to_owned())))
        .map(|(unit, why)| ours.refused(unit, why))
        .collect();
    adopted.extend(ours.adopt(&lives).await);
    if adopted.is_empty() {
        bail!("there is nothing to adopt: audit finds no unit that nobody manages");
    }
    Ok((adopted, host.missing(false)))
}

/// What one call works with.
struct Ours {
    instance: Instance,
    directories: Directories,
    specs: Vec<Spec>,
    ignored: Option<Ignored>,
    neighbours: Neighbours,
    orders: Orders,
    prober: Prober,
    recipes: Vec<Recipe>,
    wish: Wish,
}

impl Ours {
    fn new(user: bool, wish: Wish) -> Self {
        tls::init();
        let (instance, directories) = (Instance::of(user), Directories::of(user));
        let Loaded { specs, settings, .. } = Loader::new(directories.clone()).load();
        let mut neighbours = Neighbours::default();
        for spec in &specs {
            if let Selector::Unit(unit) = &spec.selector {
                neighbours.0.insert(unit.clone(), spec.requires.clone());
            }
        }
        let orders = Orders::new(instance);
        let prober = Prober::new(Door::Child, None);
        let (recipes, ignored) = (config::recipes(), settings.ignored);
        Self { instance, directories, specs, ignored, neighbours, orders, prober, recipes, wish }
    }

    fn through(&self) -> Through<'_> {
        Through { orders: &self.orders, prober: &self.prober, directories: &self.directories }
    }

    /// `[coverage]` of steadfast.toml leaves it alone, for now.
    fn is_ignored(&self, unit: &UnitName) -> bool {
        self.ignored.as_ref().is_some_and(|known| known.covers(unit.as_str(), clock::now().wall_ms))
    }

    /// The file that manages it already, perhaps by another of its names.
    fn file_of(&self, live: &Live) -> Option<PathBuf> {
        let file = config::place(&self.directories, live.unit.as_str());
        let by_name =
            |spec: &&Spec| matches!(&spec.selector, Selector::Unit(known) if live.names.contains(known));
        let known = || self.specs.iter().find(by_name).map(|spec| PathBuf::from(&spec.file));
        if file.exists() { Some(file) } else { known() }
    }

    fn refused(&self, unit: UnitName, why: String) -> Adopted {
        let file = config::place(&self.directories, unit.as_str());
        let (text, watched, from_now_on) = Default::default();
        Adopted { unit, file, text, watched, from_now_on, fate: Fate::Refused(why) }
    }

    /// One after the other: what is adopted is there for the next to require.
    async fn adopt(&mut self, lives: &[Live]) -> Vec<Adopted> {
        for live in lives.iter().filter(|live| live.refusal().is_none()) {
            self.neighbours.0.entry(live.unit.clone()).or_default();
        }
        let mut adopted = Vec::new();
        for live in lives {
            let unit = live.unit.clone();
            if let Some(why) = live.refusal() {
                adopted.push(self.refused(unit, why));
                continue;
            }
            if let Some(file) = self.file_of(live).filter(|_| self.wish.purpose == Purpose::Write) {
                adopted.push(Adopted { file, fate: Fate::Exists, ..self.refused(unit, String::new()) });
                continue;
            }
            let file = config::place(&self.directories, unit.as_str());
            let groups = judge::groups(live, &self.recipes);
            let pids = live.processes.iter().map(|process| process.pid).collect();
            let mut traces = Traces::new(unit.clone(), self.instance == Instance::User, pids);
            let asked = trial::try_all(self.through(), (&unit, &mut traces), &groups).await;
            let requires = judge::requires(live, &mut self.neighbours);
            let draft = judge::drafted(live, requires, asked);
            adopted.push(self.put(&draft, file, judge::watched(&draft, live)));
        }
        adopted
    }

    /// Checks the text as `verify` would, and puts it in its place.
    fn put(&self, draft: &Draft, file: PathBuf, watched: Vec<String>) -> Adopted {
        let (unit, text) = (draft.unit.clone(), config::render(draft));
        let spec = match config::spec_of_text(&file, &text, &self.directories) {
            Ok(spec) => spec,
            Err(problems) => {
                let first = problems.into_iter().next().map(|problem| problem.message).unwrap_or_default();
                return self.refused(unit, format!("its file would not be valid: {first}"));
            }
        };
        let fate = self.fate(&file, &text);
        let has_link = watched.iter().any(|what| what.starts_with("release "));
        let from_now_on = judge::from_now_on(&spec, has_link);
        Adopted { unit, file, text, watched, from_now_on, fate }
    }

    fn fate(&self, file: &Path, text: &str) -> Fate {
        match self.wish.purpose {
            Purpose::Show => Fate::Shown,
            Purpose::Write if file.exists() => Fate::Exists,
            Purpose::Write => match config::put(&self.directories, file, text) {
                Ok(()) => Fate::Written,
                Err(why) => Fate::Refused(why),
            },
        }
    }
}
