//! What the next survey is to read, and when.

use std::time::Duration;

use tokio::time::Instant;

use super::Session;
use crate::model::unit::UnitName;
use crate::systemd::compare::Ask;

/// Hints of a burst are followed up together …
const HINT: Duration = Duration::from_millis(100);
/// … and no sooner than this after the survey before.
const PACE: Duration = Duration::from_secs(1);
/// Units that are asked at each slow reading, one after another: what changed without a signal, a file or a word in the list is
/// found this way.
const ROLLING: usize = 16;

impl Session {
    /// Everything is to be read again, now.
    pub(super) fn reread(&mut self, ask: Ask) {
        for unit in self.watched.units() {
            let asked = self.asks.entry(unit.clone()).or_insert(ask);
            *asked = ask.max(*asked);
        }
        self.due = Some(Instant::now());
    }

    /// Everything is to be compared with what is known, now; what no list and no file tells is asked of some, in turn.
    pub(super) fn compare(&mut self) {
        self.reread(Ask::Compare);
        for unit in self.watched.next(ROLLING, &mut self.audited) {
            let asked = self.asks.entry(unit).or_insert(Ask::Audit);
            *asked = Ask::Audit.max(*asked);
        }
    }

    /// These units may have to be read again, together with what a burst of signals adds to them.
    pub(super) fn hint(&mut self, units: Vec<UnitName>) {
        for unit in units {
            self.asks.entry(unit).or_insert(Ask::IfLoaded);
        }
        let soon = (Instant::now() + HINT).max(self.last_survey + PACE);
        self.due = Some(self.due.map_or(soon, |due| due.min(soon)));
    }
}
