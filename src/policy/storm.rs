//! What bounds our orders over the whole host. Starts of what is dead: a window that grows as long as they go well. Restarts
//! of what runs: a few at a time. And the breaker: when too much was ordered at once, something is wrong that restarts do not
//! mend. Then restarts go one at a time, each after the proof of the one before, and starts stop at a burst of failures.
//!
//! All is counted for the units of each user (`User=`) and for the host, in which one user is never more than half of what
//! closes a gate: whose units fail slows down those.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::finding::{Code, Finding, Severity};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::span::span;
use crate::model::state::OrderKind;
use crate::model::unit::UnitName;
use crate::policy::effects::Outbox;
use crate::policy::gate::Gate;
use crate::policy::judgement::{finding, proven};
use crate::policy::limits;
use crate::policy::peers::{Ordered, Peers};
use crate::policy::window::{Went, Window};

const STOPPED: &str = "a storm of restarts on this host, and the last one failed: the next is tried later";
const ITS_TURN: &str = "other units are being restarted; it waits for its turn";

/// Whose orders are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Host,
    User(String),
}

/// Whether too much is being restarted on this host, and what may be started at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Storm {
    since: Option<Moment>,
    /// Where it is on.
    on: BTreeSet<Scope>,
    /// What the last orders have taught, where there were any.
    windows: BTreeMap<Scope, Window>,
    /// What is counted is as of these news of the orders …
    as_of: u64,
    /// … and until then.
    until: Option<Moment>,
    out: Outbox,
}

impl Storm {
    pub fn out(&mut self) -> &mut Outbox {
        &mut self.out
    }

    #[must_use]
    pub fn is_on(&self) -> bool {
        self.since.is_some()
    }

    /// When it may be over, or somebody who waits for room may have it.
    #[must_use]
    pub fn due(&self, peers: &Peers, now: Moment) -> Option<Moment> {
        let waits = peers.waiting().next().is_some();
        let room = waits && !self.admitted(peers, now).is_empty();
        if room { Some(now) } else { self.until.filter(|_| waits || self.is_on()) }
    }

    /// Of the units that wait for room, those for which there is some now.
    #[must_use]
    pub fn admitted(&self, peers: &Peers, now: Moment) -> Vec<UnitName> {
        if peers.waiting().next().is_none() || self.is_full(&Scope::Host, (peers, None), now) {
            return Vec::new();
        }
        let mut open: BTreeMap<&str, bool> = BTreeMap::new();
        let is_open = |unit: &&UnitName| {
            let closed = || self.closed((unit, OrderKind::Start), peers, now);
            *open.entry(peers.owner(unit)).or_insert_with(|| closed().is_none())
        };
        // Each asks again when it is its turn: who is first takes the room.
        let most = self.window(&Scope::Host).size();
        peers.waiting().filter(is_open).take(most.max(limits::ORDERS_AT_ONCE)).cloned().collect()
    }

    /// What keeps an order of this kind for this unit back.
    #[must_use]
    pub fn closed(&self, of: (&UnitName, OrderKind), peers: &Peers, now: Moment) -> Option<Gate> {
        let (unit, kind) = of;
        let scopes = [Scope::User(peers.owner(unit).to_owned()), Scope::Host];
        let stopped = || scopes.iter().find_map(|scope| self.stopped(scope, kind, now));
        if kind == OrderKind::Restart {
            let others = |scope: &&Scope| {
                self.on.contains(scope) && others(scope, peers, unit).any(|order| order.kind.disturbs())
            };
            let storm = scopes.iter().find(others).map(|_| {
                let why =
                    "a storm of restarts on this host: one unit at a time, and it is another one's turn";
                Gate::because(why).until(now.plus(limits::SECOND_LOOK))
            });
            let works = |order: &&Ordered| order.works();
            let full = || {
                scopes
                    .iter()
                    .any(|scope| at_once(scope, (peers, Some(unit)), works) >= limits::ORDERS_AT_ONCE)
            };
            let its_turn = || Gate::because(ITS_TURN).until(now.plus(limits::SECOND_LOOK));
            return storm.or_else(stopped).or_else(|| full().then(its_turn));
        }
        let full = || scopes.iter().any(|scope| self.is_full(scope, (peers, Some(unit)), now));
        let fails = |scope: &Scope| self.on.contains(scope) && self.window(scope).is_stopped();
        let room = || {
            let why = if scopes.iter().any(fails) { STOPPED } else { ITS_TURN };
            Gate { room: true, ..Gate::because(why).until(now.plus(limits::ROOM_LOOK)) }
        };
        stopped().or_else(|| full().then(room))
    }

    /// In a storm, orders that go wrong stop the others for a while: a restart after each, starts after a burst.
    fn stopped(&self, scope: &Scope, kind: OrderKind, now: Moment) -> Option<Gate> {
        let window = self.windows.get(scope).filter(|_| self.on.contains(scope))?;
        let until = window.pause().filter(|until| *until > now)?;
        (kind == OrderKind::Restart || window.is_stopped()).then(|| Gate::because(STOPPED).until(until))
    }

    fn window(&self, scope: &Scope) -> Window {
        self.windows.get(scope).copied().unwrap_or_default()
    }

    /// No more starts are to be under way there, besides that of this unit.
    fn is_full(&self, scope: &Scope, of: (&Peers, Option<&UnitName>), now: Moment) -> bool {
        let window = self.window(scope);
        let on = self.on.contains(scope);
        let size = if on { window.size() } else { window.size().max(limits::ORDERS_AT_ONCE) };
        let needs_proof = on && window.is_stopped();
        let under_way = |order: &&Ordered| match order.lives_at() {
            Some(at) => needs_proof || at > now,
            None => order.works(),
        };
        let starts = |order: &&Ordered| order.kind == OrderKind::Start;
        let full = |size, counts: &dyn Fn(&&Ordered) -> bool| at_once_of(scope, of, size, counts) >= size;
        full(size, &under_way) || full(window.unproven(), &starts)
    }

    /// Notices that a storm begins or is over, and says so once. Says whether it is over now.
    pub fn watch(&mut self, peers: &Peers, now: Moment) -> bool {
        if self.as_of == peers.news() && self.until.is_none_or(|until| until > now) {
            return false;
        }
        self.as_of = peers.news();
        self.windows = windows(peers, now);
        self.until = changes(peers).filter(|at| *at > now).min();
        self.on = self.storms(peers, now);
        let mut over = false;
        match (self.since, self.on.is_empty()) {
            (None, false) => {
                self.since = Some(now);
                let message = self.sentence(peers, now);
                self.out.file_code(None, (EventKind::Found, Some(Code::HostStorm)), message);
            }
            (Some(since), true) => {
                self.since = None;
                let message = format!("the storm of restarts is over after {}", span(now.since(since)));
                self.out.file_code(None, (EventKind::Cleared, Some(Code::HostStorm)), message);
                over = true;
            }
            (None, true) | (Some(_), false) => {}
        }
        over
    }

    /// Where there is a storm. It ends not as soon as one unit less counts, nor while what is tried fails.
    fn storms(&self, peers: &Peers, now: Moment) -> BTreeSet<Scope> {
        let limit = limits::STORM_LEAST.max(peers.count() / 4);
        // Of deploys that went well, and of people, no order counts.
        let counts = counts(peers, now);
        let of_host = counts.values().map(|units| (*units).min(limit / 2)).sum();
        let of_users = counts.iter().map(|(user, units)| (Scope::User((*user).to_owned()), *units));
        let all = of_users.chain([(Scope::Host, of_host)]);
        let goes_on = |scope: &Scope, units: usize| {
            let stopped = self.windows.get(scope).is_some_and(Window::is_stopped);
            self.on.contains(scope) && (units >= limit / 2 || (stopped && units > 0))
        };
        all.filter(|(scope, units)| *units >= limit || goes_on(scope, *units))
            .map(|(scope, _)| scope)
            .collect()
    }

    /// The finding, as long as it lasts.
    #[must_use]
    pub fn finding(&self, peers: &Peers, now: Moment) -> Option<Finding> {
        let found = finding(Code::HostStorm, Severity::Critical, self.sentence(peers, now), self.since?);
        Some(proven(found, Vec::new(), Some("steadfast status".to_owned())))
    }

    fn sentence(&self, peers: &Peers, now: Moment) -> String {
        let counts = counts(peers, now);
        let users = || {
            self.on.iter().map(|scope| match scope {
                Scope::User(user) if !user.is_empty() => Some(user.as_str()),
                Scope::User(_) | Scope::Host => None,
            })
        };
        let users: Option<Vec<&str>> = users().collect();
        let (units, whose) = match users.as_deref() {
            Some([user]) => (counts.get(user).copied().unwrap_or(0), format!("user {user}")),
            Some(_) | None => (counts.values().sum(), "this host".to_owned()),
        };
        format!(
            "{units} units of {whose} were started or restarted within {}: more than single faults explain; restarts now run one at a time, and starts pause when they fail",
            span(limits::STORM_WINDOW)
        )
    }
}

/// Orders of other units there.
fn others<'a>(scope: &'a Scope, peers: &'a Peers, unit: &'a UnitName) -> impl Iterator<Item = &'a Ordered> {
    let there = move |other: &UnitName| match scope {
        Scope::Host => true,
        Scope::User(user) => peers.owner(other) == user,
    };
    peers.in_flight().filter(move |(other, _)| *other != unit && there(other)).map(|(_, order)| order)
}

fn at_once(scope: &Scope, of: (&Peers, Option<&UnitName>), counts: impl Fn(&&Ordered) -> bool) -> usize {
    at_once_of(scope, of, limits::ORDERS_AT_ONCE, counts)
}

/// Orders under way there that count, besides that of this unit. Of the host's room for so many, the units of one user take
/// half at most.
fn at_once_of(
    scope: &Scope,
    of: (&Peers, Option<&UnitName>),
    room: usize,
    counts: impl Fn(&&Ordered) -> bool,
) -> usize {
    let (peers, unit) = of;
    let mut users: BTreeMap<&str, usize> = BTreeMap::new();
    for (other, _) in peers.in_flight().filter(|(other, order)| Some(*other) != unit && counts(order)) {
        let known = users.entry(peers.owner(other)).or_default();
        *known = known.saturating_add(1);
    }
    match scope {
        Scope::Host => users.values().map(|orders| (*orders).min((room / 2).max(1))).sum(),
        Scope::User(user) => users.get(user.as_str()).copied().unwrap_or(0),
    }
}

/// Units of each user that had an order of ours lately.
fn counts(peers: &Peers, now: Moment) -> BTreeMap<&str, usize> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (unit, _) in peers.spent().filter(|(_, at)| now.since(*at) < limits::STORM_WINDOW) {
        let known = counts.entry(peers.owner(unit)).or_default();
        *known = known.saturating_add(1);
    }
    counts
}

/// What the orders of the last minutes teach.
fn windows(peers: &Peers, now: Moment) -> BTreeMap<Scope, Window> {
    let lately = |at: Moment| now.since(at) < limits::STORM_WINDOW;
    let ends = peers.last_orders().filter(|(_, at, _)| lately(*at));
    let ends = ends.map(|(unit, at, ok)| (at, if ok { Went::Well } else { Went::Wrong }, unit));
    let lives = peers.in_flight().filter_map(|(unit, order)| {
        let at = order.lives_at().filter(|at| *at <= now && lately(*at))?;
        Some((at, Went::Up, unit))
    });
    let mut all: Vec<(Moment, Went, &UnitName)> = ends.chain(lives).collect();
    all.sort();
    let mut windows: BTreeMap<Scope, Window> = BTreeMap::new();
    let mut blamed = BTreeSet::new();
    for (at, went, unit) in all {
        let user = peers.owner(unit);
        windows.entry(Scope::User(user.to_owned())).or_default().learn(at, went);
        // That the units of one user fail says something of the host once.
        if went != Went::Wrong || blamed.insert(user) {
            windows.entry(Scope::Host).or_default().learn(at, went);
        }
    }
    windows
}

/// When what is counted changes by itself.
fn changes(peers: &Peers) -> impl Iterator<Item = Moment> {
    let spent = peers.spent().map(|(_, at)| at.plus(limits::STORM_WINDOW));
    let ends = peers.last_orders().map(|(_, at, _)| at.plus(limits::STORM_WINDOW));
    let lives = peers.orders().filter_map(Ordered::lives_at);
    spent.chain(ends).chain(lives)
}

#[cfg(test)]
mod tests;
