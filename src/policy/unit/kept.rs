//! What is kept of a unit when the boot is another one, or when it could not be saved.

use crate::model::finding::Finding;
use crate::model::moment::{Moment, Moments};
use crate::model::operator::Answer;
use crate::model::state::UnitDurable;
use crate::model::unit::UnitReading;

use super::Unit;

impl Unit {
    /// What is kept of it is this.
    pub fn restore(&mut self, kept: UnitDurable) {
        self.kept = kept;
    }

    /// What is kept of it is of another boot.
    pub fn enter_boot(&mut self, now: Moment) {
        self.kept.each_moment(&mut |at| *at = now.at_wall_ms(at.wall_ms));
        self.kept.forget_last_boot(now);
    }

    /// What was decided could not be saved: what is kept was restored. Callers are answered so.
    pub fn take_back(&mut self, decided: UnitDurable, refused: &Answer) {
        self.kept.ran |= decided.ran;
        // That a person stopped a unit is not forgotten because a disk is full.
        if let Some(stop) = decided.hold.filter(|hold| hold.kind.is_implicit()) {
            self.kept.hold.get_or_insert(stop);
        }
        if let Some(reading) = self.run.reading() {
            self.kept.see_started(reading);
        }
        if let (Some(hold), Some(until)) = (&mut self.kept.hold, self.fate.stop_holds()) {
            hold.until = hold.until.zip(until).map(|(known, until)| known.max(until));
        }
        self.refuse_callers(refused);
    }

    /// Its budget is spent, or what was tried was in vain: nothing more is tried for now.
    #[must_use]
    pub fn has_given_up(&self, now: Moment) -> bool {
        let vain = |found: &Finding| self.in_vain(found.code, now).is_some();
        self.kept.quarantine.is_some() || self.findings.iter().any(vain)
    }

    /// Why nothing more is tried for now.
    #[must_use]
    pub fn gave_up(&self) -> Option<&str> {
        self.kept.quarantine.as_ref().map(|quarantine| quarantine.why.as_str())
    }

    /// This order of ours is carried out: it counts under the finding that asked for it, which may be over already.
    pub fn count_order(&mut self, order: u64) {
        let in_flight = self.kept.recovery.as_ref().filter(|known| known.order == order);
        let last = || self.kept.last_action.as_ref().and_then(|last| last.because);
        let because = in_flight.map_or_else(last, |known| known.because);
        self.tally.ordered(because);
    }
}

impl UnitDurable {
    /// Who started what was stopped ends that stop: nobody told us of such a hold.
    pub(super) fn see_started(&mut self, reading: &UnitReading) {
        self.hold.take_if(|hold| hold.kind.is_implicit() && hold.was_started(reading));
        if let Some(hold) = self.hold.as_mut().filter(|hold| hold.was_started(reading)) {
            // It was started although somebody holds it: it is no stop any more.
            hold.stopped_run = None;
            hold.until = hold.asked.or(hold.until);
        }
    }
}
