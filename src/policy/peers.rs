//! What units need to know of each other: who is down and why, who requires whom, and the orders in flight. Each unit writes
//! its own entry when it was judged or has acted; the others only read.

mod ordered;
mod turns;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use crate::model::moment::Moment;
use crate::model::state::{LastAction, Phase};
use crate::model::unit::UnitName;
use crate::policy::limits;

pub use ordered::Ordered;
pub use turns::{Member, Presence};

/// What one unit shows to the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Managed units that it needs.
    pub requires: Vec<UnitName>,
    /// It is down: why.
    pub down: Option<String>,
    /// It is up or about to be, whether or not it serves: whether it is enabled.
    pub up: Option<bool>,
    /// It does not run, by the will of its own file: why.
    pub skipped: Option<String>,
    /// Whether it serves cannot be known: why, and since when.
    pub uncertain: Option<(String, Moment)>,
    /// Of each of its probes, where they run.
    pub answers: Vec<Answer>,
    pub order: Option<Ordered>,
    /// Its last start or restart by us: when it ended, and whether well.
    pub last_order: Option<(Moment, bool)>,
    /// Its last order that counts.
    pub spent: Option<Moment>,
    /// A person does not want it to be restarted along with another unit: why.
    pub spared: Option<String>,
    /// A person does not want it to be started along with another unit: why, and until when.
    pub kept_down: Option<(String, Option<Moment>)>,
    /// A start of it starts these.
    pub pulls: Vec<UnitName>,
    pub drilled: bool,
    /// It is about to be restarted into new code, which is tested first.
    pub tests: bool,
    /// `User=`: whose it is; empty: the service manager's own user.
    pub owner: String,
    /// It is to be started, and waits only for room among the orders under way.
    pub waits: bool,
    /// How it stands among those that are restarted in turn.
    pub member: Option<Member>,
}

/// The last answer of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub at: Option<Moment>,
    /// It was bad, and not yet often enough to count: what it said.
    pub bad: Option<String>,
    /// Another one is here within this time.
    pub within: Duration,
}

impl Peer {
    /// The end of its last start or restart.
    #[must_use]
    pub fn of_last(last: Option<&LastAction>) -> Option<(Moment, bool)> {
        last.filter(|last| last.action.disturbs()).map(|last| (last.at, last.ok))
    }

    /// It cannot be known, it just answered badly, or was not asked since: that ends by itself.
    fn open(&self, since: Moment) -> Option<(String, Moment)> {
        if let Some((why, at)) = &self.uncertain {
            return Some((format!("is unknown: {why}"), at.plus(limits::UNKNOWN_DEPENDENCY)));
        }
        self.answers.iter().find_map(|answer| match (&answer.bad, answer.at) {
            (_, at) if at.is_none_or(|at| at < since) => {
                Some(("is asked first".to_owned(), since.plus(answer.within)))
            }
            (Some(bad), Some(at)) => Some((format!("answered badly: {bad}"), at.plus(answer.within))),
            (Some(_) | None, _) => None,
        })
    }
}

/// What a unit requires, and how it stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Explanation {
    /// It is down, and that explains the trouble.
    Down { cause: UnitName, why: String },
    /// Until then it may turn out to be down.
    Open { why: String, until: Moment },
}

/// The entries of all managed units, and what is counted over them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peers {
    units: BTreeMap<UnitName, Peer>,
    /// Who requires a unit, itself.
    required_by: BTreeMap<UnitName, BTreeSet<UnitName>>,
    in_flight: BTreeMap<UnitName, Ordered>,
    drilled: Option<UnitName>,
    /// Ends of starts and restarts by us; the last is what counts in a storm.
    last_orders: BTreeMap<UnitName, (Moment, bool)>,
    /// The last order that counts, where there is one.
    spent: BTreeMap<UnitName, Moment>,
    /// Units that wait for room among the orders under way.
    waiting: BTreeSet<UnitName>,
    /// Units that are restarted in turn, by group.
    groups: BTreeMap<String, BTreeSet<UnitName>>,
    /// How often something of the orders changed.
    news: u64,
}

impl Peers {
    /// The unit shows this from now on. Says whether it stands otherwise in its group.
    pub fn show(&mut self, unit: &UnitName, peer: Peer) -> bool {
        let before = self.units.get(unit);
        if before == Some(&peer) {
            return false;
        }
        let turned = before.is_some_and(|known| known.member != peer.member);
        let ordered = |peer: &Peer| (peer.order, peer.last_order, peer.spent);
        let news = before.is_none_or(|known| ordered(known) != ordered(&peer) || known.owner != peer.owner);
        self.news = self.news.wrapping_add(u64::from(news));
        if before.is_none_or(|before| before.requires != peer.requires) {
            self.forget_needs(unit);
            for need in &peer.requires {
                self.required_by.entry(need.clone()).or_default().insert(unit.clone());
            }
        }
        put(&mut self.in_flight, unit, peer.order);
        put(&mut self.last_orders, unit, peer.last_order);
        put(&mut self.spent, unit, peer.spent);
        if peer.waits {
            self.waiting.insert(unit.clone());
        } else {
            self.waiting.remove(unit);
        }
        self.drilled.take_if(|known| known == unit);
        if peer.drilled {
            self.drilled = Some(unit.clone());
        }
        self.enrol(unit, &peer);
        self.units.insert(unit.clone(), peer);
        turned
    }

    /// The unit is not managed any more.
    pub fn forget(&mut self, unit: &UnitName) {
        self.forget_needs(unit);
        self.enrol(unit, &Peer::default());
        self.units.remove(unit);
        self.in_flight.remove(unit);
        self.waiting.remove(unit);
        self.news = self.news.wrapping_add(1);
        self.drilled.take_if(|known| known == unit);
    }

    /// What is kept of a unit that no file selects: its orders count for the host all the same.
    pub fn remember(&mut self, unit: &UnitName, last: Option<(Moment, bool)>, spent: Option<Moment>) {
        put(&mut self.last_orders, unit, last);
        put(&mut self.spent, unit, spent);
        self.news = self.news.wrapping_add(1);
    }

    fn forget_needs(&mut self, unit: &UnitName) {
        let needs = self.units.get(unit).map(|peer| peer.requires.as_slice()).unwrap_or_default();
        for need in needs {
            if let Some(by) = self.required_by.get_mut(need) {
                by.remove(unit);
            }
        }
    }

    /// The units that require this one, themselves.
    fn required_by(&self, unit: &UnitName) -> impl Iterator<Item = &UnitName> + use<'_> {
        self.required_by.get(unit).into_iter().flatten()
    }

    /// All units that require this one, themselves or through others.
    #[must_use]
    pub fn reaching(&self, unit: &UnitName) -> Vec<UnitName> {
        walk(unit, |from| self.required_by(from))
    }

    /// Whether what the unit requires explains a trouble that began then.
    #[must_use]
    pub fn explanation(&self, unit: &UnitName, since: Moment, now: Moment) -> Option<Explanation> {
        if let Some((cause, why)) = self.cause(unit) {
            return Some(Explanation::Down { cause, why });
        }
        self.needs(unit).into_iter().find_map(|need| {
            let (why, until) = self.units.get(&need)?.open(since)?;
            (until > now)
                .then(|| Explanation::Open { why: format!("{need}, which it requires, {why}"), until })
        })
    }

    /// The required unit that is down and the sentence that says so; of a chain of them the last.
    #[must_use]
    pub fn cause(&self, unit: &UnitName) -> Option<(UnitName, String)> {
        self.needs(unit).into_iter().rev().find_map(|need| {
            let down = self.units.get(&need)?.down.as_ref()?;
            let itself = self.required(unit).any(|known| *known == need);
            let through = if itself { "" } else { " through others" };
            let why = format!("{need}, which it requires{through}, is down: {down}");
            Some((need, why))
        })
    }

    /// What the unit requires and systemd has skipped: nothing of that runs, although it keeps no start from happening.
    #[must_use]
    pub fn skipped(&self, unit: &UnitName) -> Option<Explanation> {
        self.needs(unit).into_iter().find_map(|need| {
            let why = self.units.get(&need)?.skipped.as_ref()?;
            let why = format!("{need}, which it requires, does not run: {why}");
            Some(Explanation::Down { cause: need, why })
        })
    }

    /// Why this one of the units that it requires explains its trouble, if it does.
    #[must_use]
    pub fn why_down(&self, unit: &UnitName, needed: &UnitName) -> Option<String> {
        let down = self.cause(unit).map(|(cause, why)| Explanation::Down { cause, why });
        match down.or_else(|| self.skipped(unit))? {
            Explanation::Down { cause, why } if cause == *needed => Some(why),
            Explanation::Down { .. } | Explanation::Open { .. } => None,
        }
    }

    /// All that the unit requires, itself or through others, nearest first. What requires the unit in turn explains nothing.
    #[must_use]
    pub fn needs(&self, unit: &UnitName) -> Vec<UnitName> {
        let mut found = self.reached(unit);
        found.retain(|need| !self.reached(need).contains(unit));
        found
    }

    fn reached(&self, unit: &UnitName) -> Vec<UnitName> {
        walk(unit, |from| self.required(from))
    }

    /// The managed units that this one requires, itself.
    fn required(&self, unit: &UnitName) -> impl Iterator<Item = &UnitName> + use<'_> {
        let requires = self.units.get(unit).map(|peer| peer.requires.as_slice()).unwrap_or_default();
        requires.iter().filter(|need| self.units.contains_key(*need))
    }

    /// The managed units that need this one, themselves or through others, nearest first. A ring explains nothing.
    #[must_use]
    pub fn dependents(&self, unit: &UnitName) -> Vec<UnitName> {
        let mut found = self.reaching(unit);
        found.retain(|dependent| self.needs(dependent).contains(unit));
        found.sort();
        found
    }

    /// Those of them whose trouble this one explains now.
    #[must_use]
    pub fn explained_by(&self, unit: &UnitName) -> Vec<UnitName> {
        let mut found = self.dependents(unit);
        found.retain(|dependent| self.cause(dependent).is_some_and(|(cause, _)| cause == *unit));
        found
    }

    /// All orders in flight.
    pub fn orders(&self) -> impl Iterator<Item = &Ordered> {
        self.in_flight.values()
    }

    /// Orders in flight of other units.
    pub fn other_orders<'a>(&'a self, unit: &'a UnitName) -> impl Iterator<Item = &'a Ordered> {
        self.in_flight.iter().filter(move |(other, _)| *other != unit).map(|(_, order)| order)
    }

    /// An order in flight, of whichever unit.
    #[must_use]
    pub fn any_order(&self) -> Option<(&UnitName, Ordered)> {
        self.in_flight.iter().next().map(|(unit, order)| (unit, *order))
    }

    /// The order in flight of this unit.
    #[must_use]
    pub fn order(&self, unit: &UnitName) -> Option<Ordered> {
        self.in_flight.get(unit).copied()
    }

    /// It is about to be restarted into new code, which is tested first.
    #[must_use]
    pub fn is_testing(&self, unit: &UnitName) -> bool {
        self.units.get(unit).is_some_and(|peer| peer.tests)
    }

    /// The unit that is being drilled.
    #[must_use]
    pub fn drilled(&self) -> Option<&UnitName> {
        self.drilled.as_ref()
    }

    /// Orders in flight, each with its unit.
    pub fn in_flight(&self) -> impl Iterator<Item = (&UnitName, &Ordered)> {
        self.in_flight.iter()
    }

    /// The start or restart by us that ended last, of each unit: when, and whether well.
    pub fn last_orders(&self) -> impl Iterator<Item = (&UnitName, Moment, bool)> {
        self.last_orders.iter().map(|(unit, (at, ok))| (unit, *at, *ok))
    }

    /// When each unit had its last order that counts.
    pub fn spent(&self) -> impl Iterator<Item = (&UnitName, Moment)> {
        self.spent.iter().map(|(unit, at)| (unit, *at))
    }

    /// Whose unit it is (`User=`); empty: the service manager's own user.
    #[must_use]
    pub fn owner(&self, unit: &UnitName) -> &str {
        self.units.get(unit).map_or("", |peer| peer.owner.as_str())
    }

    /// Units that wait for room among the orders under way: first those that others require.
    pub fn waiting(&self) -> impl Iterator<Item = &UnitName> {
        let first = self.waiting.iter().filter(|unit| self.is_required(unit));
        first.chain(self.waiting.iter().filter(|unit| !self.is_required(unit)))
    }

    /// Another managed unit requires it.
    #[must_use]
    pub fn is_required(&self, unit: &UnitName) -> bool {
        self.required_by.get(unit).is_some_and(|by| !by.is_empty())
    }

    /// Another number: something of the orders, or of whose units there are, changed.
    #[must_use]
    pub fn news(&self) -> u64 {
        self.news
    }

    /// Why this unit is not to be restarted along with another one, where a person wants that.
    #[must_use]
    pub fn spared(&self, unit: &UnitName) -> Option<&str> {
        self.units.get(unit)?.spared.as_deref()
    }

    /// Why this unit is not to be started along with another one, where a person wants that, and until when.
    #[must_use]
    pub fn kept_down(&self, unit: &UnitName) -> Option<&(String, Option<Moment>)> {
        self.units.get(unit)?.kept_down.as_ref()
    }

    /// It is managed, and is up or about to be: whether it is enabled.
    #[must_use]
    pub fn runs(&self, unit: &UnitName) -> Option<bool> {
        self.units.get(unit)?.up
    }

    /// The unit whose job of ours starts this one, too.
    #[must_use]
    pub fn pulled_by(&self, unit: &UnitName) -> Option<&UnitName> {
        let jobs = self.in_flight.iter().filter(|(_, order)| order.phase == Phase::Job);
        let pulls = |other: &UnitName| self.units.get(other).is_some_and(|peer| peer.pulls.contains(unit));
        jobs.map(|(other, _)| other).find(|other| pulls(other))
    }

    /// Units that are managed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.units.len()
    }
}

fn put<T>(map: &mut BTreeMap<UnitName, T>, unit: &UnitName, value: Option<T>) {
    match value {
        Some(value) => map.insert(unit.clone(), value),
        None => map.remove(unit),
    };
}

/// All units that are reached from this one, nearest first, without itself.
fn walk<'a, I: Iterator<Item = &'a UnitName>>(
    unit: &UnitName,
    next: impl Fn(&UnitName) -> I,
) -> Vec<UnitName> {
    let mut found = Vec::new();
    let mut known = BTreeSet::from([unit.clone()]);
    let mut waiting = VecDeque::from([unit.clone()]);
    while let Some(from) = waiting.pop_front() {
        for reached in next(&from) {
            if known.insert(reached.clone()) {
                waiting.push_back(reached.clone());
            }
        }
        if from != *unit {
            found.push(from);
        }
    }
    found
}
