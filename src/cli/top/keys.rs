//! What keys and the mouse do.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

use super::app::{App, Choice, Mode, Pane};
use super::ask::{Field, Order, Question};

/// Lines that PgUp and PgDn scroll, and the wheel.
const LEAP: usize = 10;
const WHEEL: usize = 3;

/// What is to be done beyond the screen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    Nothing,
    Quit,
    /// Draw all of it anew.
    Redraw,
    Give(Order),
}

impl App {
    /// A key was pressed.
    pub fn key(&mut self, key: KeyEvent) -> Wish {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match (control, key.code) {
            (true, KeyCode::Char('c')) => return Wish::Quit,
            (true, KeyCode::Char('l')) => return Wish::Redraw,
            (true, _) => return Wish::Nothing,
            (false, _) => {}
        }
        match std::mem::replace(&mut self.mode, Mode::Usual) {
            Mode::Usual => self.usual(key.code),
            Mode::Filter => self.typed(key.code),
            Mode::Help(top) => self.helped(key.code, top),
            Mode::Ask(question) => self.asked(key.code, question),
        }
    }

    fn usual(&mut self, key: KeyCode) -> Wish {
        // What became of the last order was read.
        if key != KeyCode::Esc {
            self.said = None;
        }
        match key {
            KeyCode::Char('q') => return Wish::Quit,
            KeyCode::Esc => self.back(),
            KeyCode::Char('?') => self.mode = Mode::Help(0),
            KeyCode::Char('/') => self.mode = Mode::Filter,
            KeyCode::Char('s') => self.next_state(),
            KeyCode::Char('f') => self.fold(),
            KeyCode::Enter | KeyCode::Char(' ') => {
                if let Choice::Head(_) = self.chosen {
                    self.fold();
                }
            }
            KeyCode::Char('l') => {
                self.log = if self.log.is_none() { Some(Default::default()) } else { None };
                self.foot_back = 0;
            }
            KeyCode::Tab => {
                self.focus = match self.focus {
                    Pane::List => Pane::Detail,
                    Pane::Detail => Pane::Foot,
                    Pane::Foot => Pane::List,
                };
            }
            KeyCode::Up | KeyCode::Char('k') => self.scroll(self.focus, -1),
            KeyCode::Down | KeyCode::Char('j') => self.scroll(self.focus, 1),
            KeyCode::PageUp => self.scroll(Pane::Detail, -(LEAP as isize)),
            KeyCode::PageDown => self.scroll(Pane::Detail, LEAP as isize),
            KeyCode::Home => self.scroll(self.focus, -(isize::MAX / 2)),
            KeyCode::End => self.scroll(self.focus, isize::MAX / 2),
            KeyCode::Char(letter @ ('r' | 'h' | 'R' | 'a')) => self.question(letter),
            _ => {}
        }
        Wish::Nothing
    }

    /// Filters end, one after the other.
    fn back(&mut self) {
        if self.said.take().is_some() {
            return;
        }
        if self.filter.is_empty() {
            self.state = None;
        }
        self.filter.clear();
        self.filtered();
    }

    /// Asks about an order for the chosen unit.
    fn question(&mut self, letter: char) {
        let Some(unit) = self.whole() else {
            self.said = Some("choose a unit first".to_owned());
            return;
        };
        let asked = match letter {
            'r' => Ok(Question::recover(&self.look, unit)),
            'h' => Ok(Question::hold(&self.look, unit)),
            'R' => {
                Question::resume(&self.look, unit).ok_or("neither held nor quarantined: nothing to resume")
            }
            _ => {
                let incidents = self.status.iter().flat_map(|status| &status.incidents);
                let mut open = incidents.filter(|incident| Some(incident.id) == unit.incident);
                open.next().map(Question::acknowledge).ok_or("no open incident: nothing to acknowledge")
            }
        };
        match asked {
            Ok(question) => self.mode = Mode::Ask(question),
            Err(why) => self.said = Some(format!("{}: {why}", unit.unit)),
        }
    }

    fn typed(&mut self, key: KeyCode) -> Wish {
        match key {
            KeyCode::Enter => return Wish::Nothing,
            KeyCode::Esc => {
                self.filter.clear();
                self.filtered();
                return Wish::Nothing;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(letter) if !crate::escape::steers(letter) => self.filter.push(letter),
            KeyCode::Up => self.step(-1),
            KeyCode::Down => self.step(1),
            _ => {}
        }
        self.mode = Mode::Filter;
        self.filtered();
        Wish::Nothing
    }

    fn helped(&mut self, key: KeyCode, top: usize) -> Wish {
        let top = match key {
            KeyCode::Up | KeyCode::Char('k') => top.saturating_sub(1),
            KeyCode::Down | KeyCode::Char('j') => top.saturating_add(1),
            KeyCode::PageUp => top.saturating_sub(LEAP),
            KeyCode::PageDown | KeyCode::Char(' ') => top.saturating_add(LEAP),
            KeyCode::Home => 0,
            KeyCode::End => usize::MAX,
            KeyCode::Esc | KeyCode::Char('q' | '?') | KeyCode::Enter => return Wish::Nothing,
            _ => top,
        };
        self.mode = Mode::Help(top);
        Wish::Nothing
    }

    fn asked(&mut self, key: KeyCode, mut question: Question) -> Wish {
        if key == KeyCode::Esc {
            return Wish::Nothing;
        }
        if let Some(field) = question.field {
            match key {
                KeyCode::Backspace => drop(question.text().and_then(|text| text.pop())),
                KeyCode::Tab | KeyCode::Up | KeyCode::Down => {
                    let other = if field == Field::Length { Field::Reason } else { Field::Length };
                    question.field = Some(other);
                }
                KeyCode::Enter => match field {
                    Field::Length => question.field = Some(Field::Reason),
                    // Nobody holds a unit without saying why.
                    Field::Reason if question.text().is_some_and(|reason| reason.trim().is_empty()) => {}
                    Field::Reason => question.field = None,
                },
                KeyCode::Char(letter) if !crate::escape::steers(letter) => {
                    if let Some(text) = question.text() {
                        text.push(letter);
                    }
                }
                _ => {}
            }
            self.mode = Mode::Ask(question);
            return Wish::Nothing;
        }
        match key {
            KeyCode::Char('y' | 'Y') => {
                self.said = Some(format!("{} ...", question.order.said()));
                Wish::Give(question.order)
            }
            KeyCode::Char('n' | 'N' | 'q') => Wish::Nothing,
            _ => {
                self.mode = Mode::Ask(question);
                Wish::Nothing
            }
        }
    }

    /// The mouse did something.
    pub fn mouse(&mut self, mouse: MouseEvent) {
        let at = Position { x: mouse.column, y: mouse.row };
        let by = match mouse.kind {
            MouseEventKind::ScrollUp => -(WHEEL as isize),
            MouseEventKind::ScrollDown => WHEEL as isize,
            MouseEventKind::Down(MouseButton::Left) if self.mode == Mode::Usual => return self.clicked(at),
            _ => return,
        };
        if let Mode::Help(top) = self.mode {
            self.mode = Mode::Help(top.saturating_add_signed(by));
            return;
        }
        let inside = |place: Rect| place.contains(at);
        if inside(self.places.list) {
            self.scroll(Pane::List, by.signum());
        } else if inside(self.places.detail) {
            self.scroll(Pane::Detail, by);
        } else if inside(self.places.foot) {
            self.scroll(Pane::Foot, by);
        }
    }

    fn clicked(&mut self, at: Position) {
        let list = self.places.list;
        if self.places.detail.contains(at) {
            self.focus = Pane::Detail;
        } else if self.places.foot.contains(at) {
            self.focus = Pane::Foot;
        }
        if !list.contains(at) {
            return;
        }
        self.focus = Pane::List;
        let number = self.list_top.saturating_add(usize::from(at.y.saturating_sub(list.y)));
        let Some(choice) = self.rows().get(number).map(super::app::Row::choice) else {
            return;
        };
        if choice == Choice::Head(super::app::Group::Well) {
            self.fold();
        }
        self.choose(choice);
    }

    /// So many lines further down.
    fn scroll(&mut self, pane: Pane, by: isize) {
        match pane {
            Pane::List => self.step(by),
            Pane::Detail => self.detail_top = self.detail_top.saturating_add_signed(by),
            Pane::Foot => self.foot_back = self.foot_back.saturating_add_signed(-by),
        }
    }
}
