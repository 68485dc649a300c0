//! What `top` shows and how that changes: plain data, so that tests draw it without a terminal.

use std::cmp::Reverse;
use std::collections::VecDeque;

use ratatui::layout::Rect;

use super::ask::Question;
use crate::api::render::Look;
use crate::api::wire::{Event, State, Status, Time, Unit};

/// Events, and lines of a log, that can be scrolled back.
const KEPT: usize = 500;

/// Everything that is on the screen.
#[derive(Debug)]
pub struct App {
    pub look: Look,
    /// The last picture; texts are harmless.
    pub status: Option<Status>,
    /// The chosen unit with its timeline.
    pub unit: Option<Unit>,
    pub events: VecDeque<Event>,
    /// Lines of the chosen unit's journal, while they are shown instead of the events.
    pub log: Option<VecDeque<String>>,
    /// Why there is no answer.
    pub away: Option<String>,
    pub chosen: Choice,
    /// Part of the names that are shown.
    pub filter: String,
    /// Only units in this state.
    pub state: Option<State>,
    /// Units that are well are listed; `None`: where nothing needs attention.
    pub open: Option<bool>,
    pub mode: Mode,
    pub focus: Pane,
    /// What became of the last order.
    pub said: Option<String>,
    /// First lines that are shown.
    pub list_top: usize,
    pub detail_top: usize,
    /// Lines below those that are shown.
    pub foot_back: usize,
    /// Where the parts stood when they were last drawn.
    pub places: Places,
}

/// What is chosen on the left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    Unit(String),
    Head(Group),
}

/// Units of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    Attention,
    Alone,
    Well,
}

/// A line on the left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Row<'a> {
    Head { group: Group, count: usize, open: bool },
    Unit(&'a Unit),
}

/// What keys mean just now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    Usual,
    /// Letters go into the filter.
    Filter,
    /// The words are explained, from this line on.
    Help(usize),
    /// An order waits for a yes.
    Ask(Question),
}

/// Which part the arrows move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pane {
    List,
    Detail,
    Foot,
}

/// Where the parts are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Places {
    pub list: Rect,
    pub detail: Rect,
    pub foot: Rect,
}

impl Group {
    fn of(state: State) -> Self {
        match state {
            State::Ok => Self::Well,
            State::Held | State::Disabled => Self::Alone,
            State::Degraded | State::Down | State::Recovering | State::Quarantined | State::Unknown => {
                Self::Attention
            }
        }
    }
}

impl Row<'_> {
    pub fn choice(&self) -> Choice {
        match self {
            Self::Head { group, .. } => Choice::Head(*group),
            Self::Unit(unit) => Choice::Unit(unit.unit.clone()),
        }
    }
}

impl App {
    #[must_use]
    pub fn new(look: Look, filter: String) -> Self {
        Self {
            look,
            status: None,
            unit: None,
            events: VecDeque::new(),
            log: None,
            away: None,
            chosen: Choice::Head(Group::Attention),
            filter,
            state: None,
            open: None,
            mode: Mode::Usual,
            focus: Pane::List,
            said: None,
            list_top: 0,
            detail_top: 0,
            foot_back: 0,
            places: Places::default(),
        }
    }

    /// Another picture came.
    pub fn take_status(&mut self, status: Status) {
        self.away = None;
        let first = self.status.is_none();
        self.status = Some(status);
        let rows = self.rows();
        let there = rows.iter().any(|row| row.choice() == self.chosen);
        // A supervisor that has just started does not know every unit yet: a unit that is missing comes back.
        let starting = self.status.as_ref().is_some_and(|status| !status.ready);
        let awaited = starting && self.chosen_unit().is_some();
        if first || !(there || awaited) {
            let unit = rows.iter().find(|row| matches!(row, Row::Unit(_))).or(rows.first());
            if let Some(choice) = unit.map(Row::choice) {
                self.choose(choice);
            }
        }
    }

    /// The chosen unit was read.
    pub fn take_unit(&mut self, unit: Unit) {
        if self.chosen_unit() == Some(unit.unit.as_str()) {
            self.unit = Some(unit);
        }
    }

    /// Something happened.
    pub fn take_event(&mut self, event: Event) {
        if self.events.back().is_some_and(|last| last.id >= event.id) {
            return;
        }
        self.events.push_back(event);
        let more = self.events.len().saturating_sub(KEPT);
        self.events.drain(..more);
        if self.log.is_none() && self.foot_back > 0 {
            self.foot_back = self.foot_back.saturating_add(1);
        }
    }

    /// The chosen unit wrote a line.
    pub fn take_line(&mut self, line: String) {
        if let Some(log) = &mut self.log {
            log.push_back(line);
            let more = log.len().saturating_sub(KEPT);
            log.drain(..more);
        }
    }

    pub fn chosen_unit(&self) -> Option<&str> {
        match &self.chosen {
            Choice::Unit(name) => Some(name),
            Choice::Head(_) => None,
        }
    }

    /// The chosen unit as the last picture has it.
    pub fn seen(&self) -> Option<&Unit> {
        let name = self.chosen_unit()?;
        self.status.as_ref()?.units.iter().find(|unit| unit.unit == name)
    }

    /// The chosen unit, whole where it was read.
    pub fn whole(&self) -> Option<&Unit> {
        let name = self.chosen_unit()?;
        self.unit.as_ref().filter(|unit| unit.unit == name).or_else(|| self.seen())
    }

    /// The lines on the left: what needs attention, what is left alone, what is well.
    pub fn rows(&self) -> Vec<Row<'_>> {
        let units = self.status.iter().flat_map(|status| &status.units);
        let part = self.filter.to_lowercase();
        let fits = |unit: &&Unit| {
            unit.unit.to_lowercase().contains(&part) && self.state.is_none_or(|state| state == unit.state)
        };
        let mut units: Vec<&Unit> = units.filter(fits).collect();
        // A cause stands before what it explains.
        units.sort_by_key(|unit| (Reverse(unit.state.rank()), unit.explained_by.is_some(), &unit.unit));
        let mut rows = Vec::new();
        for group in [Group::Attention, Group::Alone, Group::Well] {
            let of_it: Vec<&&Unit> = units.iter().filter(|unit| Group::of(unit.state) == group).collect();
            if of_it.is_empty() {
                continue;
            }
            let open = group != Group::Well || self.is_open(&units);
            rows.push(Row::Head { group, count: of_it.len(), open });
            rows.extend(of_it.into_iter().filter(|_| open).map(|unit| Row::Unit(unit)));
        }
        rows
    }

    /// Whether units that are well are listed.
    fn is_open(&self, shown: &[&Unit]) -> bool {
        let picked = !self.filter.is_empty() || self.state.is_some();
        let calm = shown.iter().all(|unit| Group::of(unit.state) != Group::Attention);
        // The one that people look at is not folded away because another one fails.
        let looked_at = self.seen().is_some_and(|unit| Group::of(unit.state) == Group::Well);
        picked || self.open.unwrap_or(calm || looked_at)
    }

    /// Lists the units that are well, or folds them.
    pub fn fold(&mut self) {
        let open =
            self.rows().iter().any(|row| matches!(row, Row::Head { group: Group::Well, open: true, .. }));
        self.open = Some(!open);
        if open && self.seen().is_some_and(|unit| unit.state == State::Ok) {
            self.choose(Choice::Head(Group::Well));
        }
    }

    /// Another line of the left is chosen.
    pub fn choose(&mut self, choice: Choice) {
        if self.chosen != choice {
            self.chosen = choice;
            self.unit = None;
            self.detail_top = 0;
            if let Some(log) = &mut self.log {
                log.clear();
                self.foot_back = 0;
            }
        }
    }

    /// The line so many further down.
    pub fn step(&mut self, by: isize) {
        let rows = self.rows();
        let at = rows.iter().position(|row| row.choice() == self.chosen).unwrap_or(0);
        let last = rows.len().saturating_sub(1);
        let choice = rows.get(at.saturating_add_signed(by).min(last)).map(Row::choice);
        if let Some(choice) = choice {
            self.choose(choice);
        }
    }

    /// The filter has changed: the choice stays where it is still shown.
    pub fn filtered(&mut self) {
        let rows = self.rows();
        let there = |row: &Row<'_>| matches!(row, Row::Unit(_)) && row.choice() == self.chosen;
        if rows.iter().any(there) {
            return;
        }
        let unit = rows.iter().find(|row| matches!(row, Row::Unit(_))).or(rows.first());
        if let Some(choice) = unit.map(Row::choice) {
            self.choose(choice);
        }
    }

    /// The next state of which there are units, and then all.
    pub fn next_state(&mut self) {
        let Some(status) = &self.status else {
            return;
        };
        let mut there: Vec<State> =
            status.summary.iter().filter(|(_, many)| **many > 0).map(|(state, _)| *state).collect();
        there.sort_by_key(|state| Reverse(state.rank()));
        let next = match self.state {
            None => there.first().copied(),
            Some(now) => there.iter().skip_while(|state| **state != now).nth(1).copied(),
        };
        self.state = next;
        self.filtered();
    }

    /// Something is due so soon that people wait for it.
    pub fn counts_down(&self) -> bool {
        let soon = |at: Time| (0..120_000).contains(&at.0.saturating_sub(self.look.now.0));
        self.whole().is_some_and(|unit| {
            unit.recovery.is_some() || unit.next_action.as_ref().is_some_and(|next| soon(next.due_at))
        })
    }
}
