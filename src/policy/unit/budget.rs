//! How often we may act: burst within an interval, doubling delays, quarantine with a timed retry.

use std::time::Duration;

use crate::model::finding::{Code, Finding};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::operator::StepName;
use crate::model::release::FileId;
use crate::model::span::span;
use crate::model::state::{LastAction, OrderKind, Quarantine};
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;
use super::wants::Want;

impl Unit {
    /// Orders older than the interval do not count any more.
    pub(super) fn age_budget(&mut self, now: Moment) {
        let interval = self.spec.recovery.interval;
        self.kept.spent.retain(|at| now.since(*at) < interval);
        self.look_again_if(self.kept.spent.first().map(|oldest| oldest.plus(interval)));
    }

    /// Nothing is asked for: quarantine is over where nothing is spent any more, or the unit has been well for a while.
    pub(super) fn forgive(&mut self, now: Moment) {
        if self.kept.spent.is_empty() || self.has_proven_itself(now) {
            self.kept.quarantine = None;
        }
        self.kept.smoke_failure = None;
    }

    /// It runs, for a while already, and nothing is wrong with it but what our own orders came to.
    fn has_proven_itself(&mut self, now: Moment) -> bool {
        let ours = |found: &Finding| matches!(found.code, Code::Quarantined | Code::RecoveryFailed);
        let well =
            self.run.is_up() && !self.findings.iter().any(|found| self.is_trouble(found) && !ours(found));
        let lasts_at = self.run.since().plus(self.steady_for());
        if well && lasts_at > now {
            self.look_again(lasts_at);
        }
        well && lasts_at <= now
    }

    /// When systemd restarted it of late. What another release did says nothing of this one.
    pub(super) fn restarts_of_late(&self, window: Duration, now: Moment) -> Vec<Moment> {
        let switched = self.residents.switched_at();
        let counts = |at: &Moment| switched.is_none_or(|switched| *at >= switched);
        self.run.restarts_within(window, now).filter(counts).collect()
    }

    fn burst(&self) -> usize {
        usize::try_from(self.spec.recovery.burst).unwrap_or(usize::MAX)
    }

    /// How long the next order is put off: it doubles with each order within the interval.
    pub(super) fn delay(&self, spent: usize) -> Duration {
        let spec = &self.spec.recovery;
        let doublings = u32::try_from(spent.saturating_sub(1)).unwrap_or(u32::MAX).min(16);
        spec.delay.saturating_mul(2_u32.saturating_pow(doublings)).min(spec.max_delay)
    }

    /// The wish, not before its turn.
    pub(super) fn delayed(&self, want: Want, view: &View<'_>) -> Want {
        let longest = self.spec.recovery.max_delay;
        let mut due = want.due;
        if want.kind == OrderKind::Enable {
            let failed = self.kept.last_action.as_ref().filter(|last| !last.ok && last.action == want.kind);
            due = failed.map_or(due, |last| due.max(last.at.plus(longest)));
            return Want { due, ..want };
        }
        let spent = if want.because.is_stale_release() {
            // What was deployed and did not run is tried again later; what crashed before says nothing of it.
            let failed =
                self.kept.last_action.as_ref().filter(|last| !last.ok && last.because == Some(want.because));
            failed.map(|last| last.at).zip(Some(self.failures()).filter(|failures| *failures > 0))
        } else {
            self.kept.spent.last().copied().zip(Some(self.kept.spent.len()))
        };
        if let Some((last, count)) = spent {
            let delay = self.delay(count);
            due = due.max(last.plus(delay.saturating_add(self.jitter(&view.host.here().machine_id, delay))));
        }
        let failed = self.kept.smoke_failure.as_ref();
        if let Some(failure) = failed.filter(|failure| failure.release == self.release_now()) {
            due = due.max(failure.at.plus(longest));
        }
        Want { due, ..want }
    }

    /// Up to a quarter of the delay, the same for a unit on a host: a fleet does not act in step.
    fn jitter(&self, machine_id: &str, delay: Duration) -> Duration {
        let bytes = machine_id.bytes().chain(self.name.as_str().bytes());
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let quarter = u64::try_from(delay.as_millis() / 4).unwrap_or(0);
        Duration::from_millis(hash.checked_rem(quarter.saturating_add(1)).unwrap_or(0))
    }

    /// This wish would exceed the budget, or the last restart for the same reason cured nothing: quarantine begins.
    pub(super) fn quarantine_if_spent(&mut self, want: &Want, now: Moment) {
        let follows = want.because.is_stale_release();
        let another = !follows && self.has_another_chance();
        if self.kept.quarantine.is_some() || !want.kind.disturbs() || another {
            return;
        }
        let Some(why) = self.spent_up(want, now) else {
            return;
        };
        let retry_at = now.plus(limits::QUARANTINE);
        let pause = span(limits::QUARANTINE);
        let message = format!("{}: {why}; one more try in {pause}", self.name);
        self.kept.quarantine =
            Some(Quarantine { since: now, retry_at, round: 1, because: want.because, why });
        self.out.note(EventKind::Decided, Some(Code::Quarantined), message);
    }

    fn spent_up(&self, want: &Want, now: Moment) -> Option<String> {
        let because = want.because.as_str();
        if want.because.is_stale_release() {
            let burst = self.burst();
            if self.changes_itself() && self.kept.spent.len() >= burst {
                let within = span(self.spec.recovery.interval);
                return Some(format!(
                    "what it runs is changed within a minute of each start, as if by itself: its budget of {burst} in {within} is spent ({because})"
                ));
            }
            // To follow a deploy is no sign of an unstable unit: crashes have an account of their own.
            return self.cured_nothing(want).then(|| format!("the restart did not cure it ({because})"));
        }
        let (burst, theirs) = (self.burst(), self.restarts_by_systemd(now));
        if self.kept.spent.len().saturating_add(theirs) >= burst {
            let theirs = if theirs > 0 { format!(", {theirs} of them by systemd") } else { String::new() };
            let within = span(self.spec.recovery.interval);
            let restarts = if burst == 1 { "restart" } else { "restarts" };
            return Some(format!(
                "its budget of {burst} {restarts} in {within} is spent{theirs} ({because})"
            ));
        }
        None
    }

    /// How much of its budget is spent: by us, and by systemd itself.
    pub(super) fn spent_of_budget(&self, now: Moment) -> usize {
        self.burst().saturating_sub(self.restarts_left(now))
    }

    /// Restarts that its budget allows now.
    pub(super) fn restarts_left(&self, now: Moment) -> usize {
        let interval = self.spec.recovery.interval;
        let ours = self.kept.spent.iter().filter(|at| now.since(**at) < interval).count();
        self.burst().saturating_sub(ours.saturating_add(self.restarts_by_systemd(now)))
    }

    /// An order is given now. To follow a deploy costs nothing, nor does what a person let go on.
    pub(super) fn spend(&mut self, now: Moment) {
        let release = self.release_now();
        if let Some(order) = &mut self.kept.recovery {
            order.release = release;
        }
        let because = self.kept.recovery.as_ref().and_then(|recovery| recovery.because);
        let follows = because.is_some_and(Code::is_stale_release) && !self.changes_itself();
        if !follows && self.bidden.is_none() {
            self.kept.spent.push(now);
        }
    }

    /// What ran under an order of ours: the release is not, or is, among those that fail.
    pub(super) fn judge_release(&mut self, release: Option<FileId>, ran: bool) {
        let Some(release) = release else {
            return;
        };
        let failed = &mut self.kept.failed_releases;
        if ran {
            failed.retain(|known| *known != release);
        } else {
            failed.push(release);
            failed.drain(..failed.len().saturating_sub(limits::FAILED_RELEASES));
        }
    }

    /// How often the release in force did not run under our orders.
    fn failures(&self) -> usize {
        let release = self.release_now();
        self.kept.failed_releases.iter().filter(|known| Some(**known) == release).count()
    }

    /// The release in force did not run under our orders, more than once.
    fn is_failing(&self) -> bool {
        self.failures() >= limits::FAILING
    }

    /// A release was deployed since that is not known to fail: what the old one did says nothing of it.
    fn has_another_chance(&self) -> bool {
        let quarantine = self.kept.quarantine.as_ref().map(|known| known.since);
        let last = self.kept.spent.last().copied().max(quarantine);
        let switched = last.is_none_or(|last| self.is_switched_since(last));
        let by_itself = self.kept.quarantine.as_ref().is_some_and(|known| known.because.is_stale_release());
        let by_another = !(by_itself && self.changes_itself());
        switched && self.release_now().is_some() && !self.is_failing() && by_another
    }

    /// What it runs was changed right after a start that had followed such a change: most likely it does that itself, each time.
    fn changes_itself(&self) -> bool {
        let followed = |last: &LastAction| last.because.is_some_and(Code::is_stale_release);
        let begun = self.run.active_since().filter(|_| self.kept.last_action.as_ref().is_some_and(followed));
        let after = |switched: Moment| {
            begun.is_some_and(|begun| begun <= switched && switched <= begun.plus(limits::OWN_CHANGE))
        };
        self.residents.rewritten_at().is_some_and(after)
    }

    fn is_switched_since(&self, at: Moment) -> bool {
        self.residents.switched_at().is_some_and(|switched| switched > at)
    }

    /// A deploy ends a quarantine.
    pub(super) fn release_by_deploy(&mut self) {
        if self.has_another_chance() {
            self.kept.quarantine = None;
        }
    }

    /// What systemd restarted by itself within the interval counts as well: together it is not tried more often.
    fn restarts_by_systemd(&self, now: Moment) -> usize {
        self.restarts_of_late(self.spec.recovery.interval, now).len()
    }

    /// The last restart was for this finding, its processes ran anew, and live in an old release all the same; no link was
    /// switched since, or it leads to what failed again and again. Another one would do the same.
    fn cured_nothing(&self, want: &Want) -> bool {
        let failed = |last: &&LastAction| !last.ok && last.because == Some(want.because);
        let Some(last) = self.kept.last_action.as_ref().filter(failed) else {
            return false;
        };
        let proof = last.steps.last().is_some_and(|step| step.name == StepName::Proof);
        self.is_failing() || (proof && !self.is_switched_since(last.at))
    }

    /// The one try out of quarantine failed: wait twice as long.
    pub(super) fn prolong_quarantine(&mut self, now: Moment) {
        if let Some(quarantine) = &mut self.kept.quarantine {
            let factor = 2_u32.saturating_pow(quarantine.round.min(8));
            let wait = limits::QUARANTINE.saturating_mul(factor).min(limits::LONGEST_QUARANTINE);
            quarantine.round = quarantine.round.saturating_add(1);
            quarantine.retry_at = now.plus(wait);
        }
    }
}
