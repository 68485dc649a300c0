//! The package manager: asked when the answer matters, followed while it works, and out of its way until it is done.

use std::collections::BTreeSet;

use crate::model::action::Action;
use crate::model::cause::{Evidence, PackagesReading};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::poll::Poll;
use crate::model::unit::UnitName;
use crate::policy::effects::Outbox;
use crate::policy::gate::Gate;
use crate::policy::limits;

/// What is known of the package manager.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Packages {
    last: PackagesReading,
    /// Since when it is at work without a pause.
    busy_since: Option<Moment>,
    /// When it was last seen at work.
    seen_at: Option<Moment>,
    read_at: Option<Moment>,
    poll: Poll,
    /// Units that wait for the answer.
    waiting: BTreeSet<UnitName>,
    /// A user's manager has nothing to do with packages.
    of_user: bool,
    out: Outbox,
}

impl Packages {
    /// What a manager of this kind knows at its start.
    #[must_use]
    pub fn new(of_user: bool) -> Self {
        Self { of_user, ..Self::default() }
    }

    pub fn out(&mut self) -> &mut Outbox {
        &mut self.out
    }

    /// Makes sure that word of the package manager is on its way; the unit is judged anew when it is here.
    pub fn ask(&mut self, unit: &UnitName, now: Moment) {
        self.waiting.insert(unit.clone());
        self.look(now);
    }

    fn look(&mut self, now: Moment) {
        if !self.poll.is_running() {
            self.poll = Poll::Running { until: now.plus(limits::PACKAGES_LIMIT), again: None };
            self.out.act(Action::ReadPackageManager);
        }
    }

    /// What was read before is old, and so is an answer that is under way.
    pub fn outdate(&mut self, now: Moment) {
        self.read_at = None;
        if self.poll.is_running() {
            self.poll.wish(now);
        }
    }

    /// What is known is fresh enough for an order.
    #[must_use]
    pub fn is_fresh(&self, now: Moment) -> bool {
        self.of_user || self.read_at.is_some_and(|at| now.since(at) <= limits::PACKAGES_PERIOD)
    }

    /// While an order is tested it is looked at all the time, but not while the host sleeps.
    #[must_use]
    pub fn is_unknown(&self, now: Moment) -> bool {
        !self.of_user && self.read_at.is_none_or(|at| now.since(at) > limits::PACKAGES_LIMIT)
    }

    /// A user's manager has nothing to do with packages.
    #[must_use]
    pub fn is_of_user(&self) -> bool {
        self.of_user
    }

    /// What the last look said; `None` before the first.
    #[must_use]
    pub fn last_look(&self) -> Option<&PackagesReading> {
        self.read_at.map(|_| &self.last)
    }

    /// Its work has ended since that look.
    #[must_use]
    pub fn has_worked_since(&self, look: &PackagesReading) -> bool {
        let (now, written) = (&self.last, |look: &PackagesReading| look.worked_at.map(|at| at.wall_ms));
        now.busy.is_none() && (look.busy.is_some() || written(now) > written(look))
    }

    /// Takes in a look; returns the units that waited for it.
    pub fn read(&mut self, reading: PackagesReading, now: Moment) -> BTreeSet<UnitName> {
        let old = matches!(self.poll, Poll::Running { again: Some(_), .. });
        self.poll.finish();
        if old {
            self.look(now);
            return BTreeSet::new();
        }
        self.read_at = Some(now);
        let was_busy = self.last.busy.is_some();
        if reading.busy.is_some() {
            self.busy_since = self.busy_since.or(Some(now));
            self.seen_at = Some(now);
        } else {
            if was_busy {
                self.seen_at = Some(now);
            }
            self.busy_since = None;
        }
        self.last = reading;
        std::mem::take(&mut self.waiting)
    }

    /// Writes down that its work has begun. `before`: why nothing was acted on before this look.
    pub fn note_begin(&mut self, before: Option<&Gate>, now: Moment) {
        if let (None, Some(_), Some(who)) = (before, self.quiet(now), self.last.busy.clone()) {
            let message = format!("{who} is at work: no orders are given until a minute after it is done");
            self.out.file(None, EventKind::Notice, message);
        }
    }

    /// A package manager stops, replaces and starts units itself, and must not be met half way.
    #[must_use]
    pub fn quiet(&self, now: Moment) -> Option<Gate> {
        if self.of_user {
            return None;
        }
        if let (Some(who), Some(since)) = (&self.last.busy, self.busy_since) {
            // One that waits for an answer to its question all night long does not keep everything down.
            let patience = since.plus(limits::LONGEST_PACKAGES);
            return (patience > now).then(|| Gate::because(format!("{who} is at work")).until(patience));
        }
        let last = [self.seen_at, self.last.worked_at].into_iter().flatten().max()?;
        let until = last.plus(limits::PACKAGES_SETTLE);
        // A database that was written in the future was written by a clock that was wrong.
        let trusted = last <= now.plus(limits::PACKAGES_PERIOD);
        let gate = || Gate::because("a package manager was at work less than a minute ago").until(until);
        (trusted && until > now).then(gate)
    }

    /// Who was at work when this came about, as far as is known now.
    #[must_use]
    pub fn at_work(&self, evidence: &Evidence) -> Option<String> {
        self.was_at_work(evidence.ordered_at, evidence.at)
    }

    /// Who was at work when something was ordered and seen, as far as is known now.
    #[must_use]
    pub fn was_at_work(&self, ordered_at: Moment, seen_at: Moment) -> Option<String> {
        if self.of_user {
            return None;
        }
        if let Some(who) = &self.last.busy {
            let there = self.last.began_at.is_none_or(|there| there <= ordered_at);
            return there.then(|| who.clone());
        }
        // It has let go of its lock since, but wrote its database after that moment.
        let written = self.last.worked_at?.plus(limits::PACKAGES_SLACK);
        (written > seen_at).then(|| "a package manager".to_owned())
    }

    /// An answer did not come in time. A disk that hangs must not keep units down: no answer means no package manager.
    #[must_use]
    pub fn is_silent(&self, now: Moment) -> bool {
        matches!(self.poll, Poll::Running { until, .. } if until <= now)
    }

    /// Looks again where that is due. `testing`: an order is tested.
    pub fn poll(&mut self, testing: bool, now: Moment) {
        if self.next_look(testing).is_some_and(|due| due <= now) {
            self.look(now);
        }
    }

    /// When the next look, or the end of patience, is due.
    #[must_use]
    pub fn due(&self, testing: bool) -> Option<Moment> {
        self.poll.due().or_else(|| self.next_look(testing))
    }

    /// While it works, and while an order is tested that comes after it: each period.
    fn next_look(&self, testing: bool) -> Option<Moment> {
        let matters = !self.of_user && (self.last.busy.is_some() || testing);
        self.read_at.filter(|_| matters).map(|at| at.plus(limits::PACKAGES_PERIOD))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_the_host_slept_over_is_asked_for_again() {
        let at = |ms: i64| Moment { boot_ms: ms, wall_ms: ms };
        let mut packages = Packages::new(false);
        let unit = UnitName::from("shop.service");
        packages.ask(&unit, at(0));
        packages.outdate(at(900_000));
        assert!(packages.read(PackagesReading::default(), at(900_001)).is_empty(), "it is of before");
        assert!(packages.is_unknown(at(900_001)));
        let asked = packages.out().take();
        assert_eq!(asked.len(), 2, "{asked:?}");
        let waited = packages.read(PackagesReading::default(), at(900_002));
        assert!(waited.contains(&unit) && packages.is_fresh(at(900_002)));
    }
}
