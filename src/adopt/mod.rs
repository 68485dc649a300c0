//! `adopt`: reads live units, asks on the spot, writes the unit files that follow; needs no running daemon. `judge` says what
//! is worth asking, and what the file says.

mod foreign;
mod gather;
mod judge;
mod trial;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::bail;

use crate::config::{self, Directories, Loader};
use crate::model::adopt::{Draft, Recipe};
use crate::model::spec::{Selector, Spec};
use crate::model::unit::UnitName;
use crate::policy::alerts;
use crate::systemd::orders::Orders;
use crate::systemd::{Instance, inventory};
use crate::tls;

pub use foreign::{Imported, from_file};
use gather::{Facts, gather};
use judge::{Live, Neighbours};
pub use judge::{Matched, unit_text};

/// Units of one call.
const UNITS: usize = 500;

/// What is done with the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    Write,
    /// Only shown, as it is or against the file that is there.
    Show,
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
    purpose: Purpose,
) -> anyhow::Result<(Vec<Adopted>, Vec<String>)> {
    let mut ours = Ours::new(user, purpose);
    let mut wanted: BTreeSet<UnitName> = names.iter().map(|name| UnitName::meant(name)).collect();
    if all {
        let present = inventory::read(ours.instance).await?;
        let kinds = |unit: &UnitName| matches!(unit.kind(), "service" | "timer");
        wanted.extend(present.into_iter().filter(|unit| kinds(unit) && !ours.manages(unit)).take(UNITS));
    }
    let facts = gather(user, wanted).await?;
    let Facts { lives, enabled, missing, host } = facts;
    let named = |unit: &UnitName| names.iter().any(|name| UnitName::meant(name) == *unit);
    let lives: Vec<Live> = lives
        .into_iter()
        .filter(|live| !all || named(&live.unit) || live.is_worth_a_file(enabled.contains(&live.unit)))
        .collect();
    let mut adopted: Vec<Adopted> = missing
        .into_iter()
        .filter(|(unit, _)| named(unit))
        .map(|(unit, why)| ours.refused(unit, why))
        .collect();
    adopted.extend(ours.adopt(&lives).await);
    if adopted.is_empty() {
        bail!("there is nothing to adopt: every service and timer of this host's own is managed");
    }
    Ok((adopted, host.missing(false)))
}

/// What one call works with.
struct Ours {
    instance: Instance,
    directories: Directories,
    specs: Vec<Spec>,
    neighbours: Neighbours,
    orders: Orders,
    recipes: Vec<Recipe>,
    purpose: Purpose,
}

impl Ours {
    fn new(user: bool, purpose: Purpose) -> Self {
        tls::init();
        let (instance, directories) = (Instance::of(user), Directories::of(user));
        let specs = Loader::new(directories.clone()).load().specs;
        let mut neighbours = Neighbours::default();
        for spec in &specs {
            if let Selector::Unit(unit) = &spec.selector {
                neighbours.0.insert(unit.clone(), spec.requires.clone());
            }
        }
        let orders = Orders::new(instance);
        Self { instance, directories, specs, neighbours, orders, recipes: config::recipes(), purpose }
    }

    fn manages(&self, unit: &UnitName) -> bool {
        self.specs.iter().any(|spec| match &spec.selector {
            Selector::Unit(known) => known == unit,
            Selector::Pattern(pattern) => alerts::matches(pattern, unit.as_str()),
        })
    }

    fn refused(&self, unit: UnitName, why: String) -> Adopted {
        let file = config::place(&self.directories, unit.as_str());
        Adopted { unit, file, text: String::new(), watched: Vec::new(), fate: Fate::Refused(why) }
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
            let file = config::place(&self.directories, unit.as_str());
            if self.purpose == Purpose::Write && file.exists() {
                let (text, watched) = (String::new(), Vec::new());
                adopted.push(Adopted { unit, file, text, watched, fate: Fate::Exists });
                continue;
            }
            let groups = judge::groups(live, &self.recipes);
            let asked = trial::try_all(&self.orders, &self.directories, &unit, &groups).await;
            let requires = judge::requires(live, &mut self.neighbours);
            let draft = judge::drafted(live, requires, asked);
            adopted.push(self.put(&draft, file, judge::watched(&draft, live)));
        }
        adopted
    }

    /// Checks the text as `verify` would, and puts it in its place.
    fn put(&self, draft: &Draft, file: PathBuf, watched: Vec<String>) -> Adopted {
        let text = config::render(draft);
        let fate = self.fate(&file, &text);
        Adopted { unit: draft.unit.clone(), file, text, watched, fate }
    }

    fn fate(&self, file: &Path, text: &str) -> Fate {
        if let Err(problems) = config::spec_of_text(file, text, &self.directories) {
            let first = problems.into_iter().next().map(|problem| problem.message).unwrap_or_default();
            return Fate::Refused(format!("its file would not be valid: {first}"));
        }
        match self.purpose {
            Purpose::Show => Fate::Shown,
            Purpose::Write if file.exists() => Fate::Exists,
            Purpose::Write => match config::put(&self.directories, file, text) {
                Ok(()) => Fate::Written,
                Err(why) => Fate::Refused(why),
            },
        }
    }
}
