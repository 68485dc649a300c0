//! The window of a unit: what can wait is restarted only then.

use crate::model::action::Action;
use crate::model::finding::{Code, Finding};
use crate::model::moment::Moment;
use crate::policy::limits;

use super::Unit;
use super::wants::Want;

/// When the window is open, as it was worked out last.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Openings {
    /// The window as written: another one is worked out anew.
    of: String,
    told: Vec<(Moment, Moment)>,
    told_at: Option<Moment>,
    asked_at: Option<Moment>,
}

impl Openings {
    /// The first moment from then on at which it is open.
    fn first(&self, from: Moment) -> Option<Moment> {
        self.told.iter().find(|(_, end)| *end > from).map(|(begin, _)| (*begin).max(from))
    }
}

impl Code {
    /// What it asks for can wait: what runs works, and is only old.
    fn can_wait(self) -> bool {
        self.settles() || self == Self::BinaryOutdated
    }
}

impl Unit {
    /// When its window is open was worked out.
    pub fn window_read(&mut self, told: Vec<(Moment, Moment)>, now: Moment) {
        self.openings.told = told;
        self.openings.told_at = Some(now);
        self.openings.asked_at = None;
    }

    /// Asks for that from time to time, while something waits for it: clocks are set, and zones change.
    pub(super) fn ask_window(&mut self, now: Moment) {
        let waits = self.findings.iter().any(|found| found.code.can_wait());
        let Some(window) = self.spec.release.window.clone().filter(|_| waits) else {
            return;
        };
        if self.openings.of != window {
            self.openings = Openings { of: window.clone(), ..Openings::default() };
        }
        let told = self.openings.told_at.map(|at| at.plus(limits::WINDOW_KNOWN));
        let asked = self.openings.asked_at.map(|at| at.plus(limits::INSPECTION_LIMIT));
        if let Some(again) = asked.or(told).filter(|again| *again > now) {
            self.look_again(again);
            return;
        }
        self.openings.asked_at = Some(now);
        self.act(Action::ReadWindow { unit: self.name.clone(), window });
    }

    /// The first moment from then on at which what can wait may be restarted.
    pub(super) fn in_window(&self, from: Moment) -> Moment {
        if self.spec.release.window.is_none() {
            return from;
        }
        self.openings.first(from).unwrap_or(from.plus(limits::WINDOW_UNKNOWN))
    }

    /// Until then nobody is told of what a deploy, or our order in its window, puts right.
    pub(super) fn quiet_until(&self, found: &Finding, now: Moment) -> Moment {
        let settled = self.settled_at(found);
        let opens = self.in_window(settled.max(now));
        let patience = self.spec.release.max_wait.map(|longest| found.since.plus(longest).max(settled));
        let until = patience.map_or(opens, |patience| patience.min(opens));
        if opens > now { until } else { settled }
    }

    /// What is wished is due, and its window is closed: what is said of that.
    pub(super) fn awaits_window(&self, want: &Want, now: Moment) -> Option<String> {
        let window = self.spec.release.window.as_ref().filter(|_| want.because.can_wait())?;
        (self.in_window(now) > now).then(|| format!("it waits for its window: {window}"))
    }
}
