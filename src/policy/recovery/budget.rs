//! How often we may act: burst within an interval, doubling delays, quarantine with a timed retry.

use std::time::Duration;

use crate::model::moment::Moment;
use crate::model::operator::StepName;
use crate::model::state::{OrderKind, Quarantine, State, UnitDurable, UnitSeen};
use crate::model::unit::UnitName;
use crate::policy::turn::sooner;
use crate::policy::{limits, releases};

use super::Want;
use super::phases::release_now;

/// Orders older than the interval do not count any more.
pub fn age(state: &mut State, unit: &UnitName, now: Moment, wake: &mut Option<Moment>) {
    let Some(interval) = state.seen.units.get(unit).map(|seen| seen.spec.recovery.interval) else {
        return;
    };
    let Some(durable) = state.durable.units.get_mut(unit) else {
        return;
    };
    durable.spent.retain(|at| now.since(*at) < interval);
    if let Some(oldest) = durable.spent.first() {
        sooner(wake, oldest.plus(interval));
    }
}

/// Nothing is asked for, and nothing is spent any more: quarantine is over.
pub fn forgive(state: &mut State, unit: &UnitName) {
    if let Some(durable) = state.durable.units.get_mut(unit) {
        if durable.spent.is_empty() {
            durable.quarantine = None;
        }
        durable.smoke_failure = None;
    }
}

/// The wish, not before its turn: the delay doubles with each order within the interval.
pub fn delayed(state: &State, unit: &UnitName, want: Want) -> Want {
    let (Some(seen), Some(durable)) = (state.seen.units.get(unit), state.durable.units.get(unit)) else {
        return want;
    };
    let spec = &seen.spec.recovery;
    let mut due = want.due;
    if want.kind == OrderKind::Enable {
        let failed = durable.last_action.as_ref().filter(|last| !last.ok && last.action == want.kind);
        due = failed.map_or(due, |last| due.max(last.at.plus(spec.max_delay)));
    } else if let Some(last) = durable.spent.last() {
        let doublings = u32::try_from(durable.spent.len().saturating_sub(1)).unwrap_or(u32::MAX);
        let factor = 2_u32.saturating_pow(doublings.min(16));
        let delay = spec.delay.saturating_mul(factor).min(spec.max_delay);
        due = due.max(last.plus(delay.saturating_add(jitter(&state.seen.host.machine_id, unit, delay))));
    }
    let failed = durable.smoke_failure.as_ref();
    if want.kind != OrderKind::Enable
        && let Some(failure) = failed.filter(|failure| failure.release == release_now(seen))
    {
        due = due.max(failure.at.plus(spec.max_delay));
    }
    Want { due, ..want }
}

/// Up to a quarter of the delay, the same for a unit on a host: a fleet does not act in step.
fn jitter(machine_id: &str, unit: &UnitName, delay: Duration) -> Duration {
    let hash =
        machine_id.bytes().chain(unit.as_str().bytes()).fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
    let quarter = u64::try_from(delay.as_millis() / 4).unwrap_or(0);
    Duration::from_millis(hash.checked_rem(quarter.saturating_add(1)).unwrap_or(0))
}

/// This wish would exceed the budget, or the last restart for the same reason cured nothing: the quarantine to set.
pub fn spent(state: &State, unit: &UnitName, want: &Want, now: Moment) -> Option<Quarantine> {
    let seen = state.seen.units.get(unit)?;
    let durable = state.durable.units.get(unit)?;
    let burst = usize::try_from(seen.spec.recovery.burst).unwrap_or(usize::MAX);
    if durable.quarantine.is_some() || !want.kind.disturbs() || another_chance(seen, durable) {
        return None;
    }
    let theirs = by_systemd(seen, now);
    let because = want.because.as_str();
    let why = if durable.spent.len().saturating_add(theirs) >= burst {
        let theirs = if theirs > 0 { format!(", {theirs} of them by systemd") } else { String::new() };
        let minutes = seen.spec.recovery.interval.as_secs() / 60;
        let restarts = if burst == 1 { "restart" } else { "restarts" };
        format!("its budget of {burst} {restarts} in {minutes} min is spent{theirs} ({because})")
    } else if cured_nothing(seen, durable, want) {
        format!("the restart did not cure it ({because})")
    } else {
        return None;
    };
    let retry_at = now.plus(limits::QUARANTINE);
    Some(Quarantine { since: now, retry_at, round: 1, because: want.because, why })
}

/// Restarts that its budget allows now.
#[must_use]
pub fn restarts_left(state: &State, unit: &UnitName, now: Moment) -> usize {
    let (Some(seen), Some(durable)) = (state.seen.units.get(unit), state.durable.units.get(unit)) else {
        return 0;
    };
    let interval = seen.spec.recovery.interval;
    let ours = durable.spent.iter().filter(|at| now.since(**at) < interval).count();
    let burst = usize::try_from(seen.spec.recovery.burst).unwrap_or(usize::MAX);
    burst.saturating_sub(ours.saturating_add(by_systemd(seen, now)))
}

/// An order is given now. To follow a deploy is no sign of an unstable unit, once for each release.
pub fn spend(state: &mut State, unit: &UnitName, now: Moment) {
    let release = state.seen.units.get(unit).and_then(release_now);
    let Some(durable) = state.durable.units.get_mut(unit) else {
        return;
    };
    let because = durable.recovery.as_ref().and_then(|recovery| recovery.because);
    let first = release.filter(|release| !durable.followed.contains(release));
    if let Some(release) = first {
        durable.followed.push(release);
        let surplus = durable.followed.len().saturating_sub(limits::FOLLOWED);
        durable.followed.drain(..surplus);
    }
    let deploy = because.is_some_and(|because| releases::CODES.contains(&because));
    if !(deploy && first.is_some()) {
        durable.spent.push(now);
    }
}

/// A release that was never tried was deployed since: what the old one did says nothing of it. A link that is switched to
/// and fro brings nothing new.
fn another_chance(seen: &UnitSeen, durable: &UnitDurable) -> bool {
    let last = durable.spent.last().copied().max(durable.quarantine.as_ref().map(|known| known.since));
    let mut links = seen.processes.iter().flat_map(|reading| &reading.links);
    let switched = last.is_none_or(|last| links.any(|link| link.switched_at > last));
    switched && release_now(seen).is_some_and(|release| !durable.followed.contains(&release))
}

/// A deploy ends a quarantine.
pub fn release(state: &mut State, unit: &UnitName) {
    if let (Some(seen), Some(durable)) = (state.seen.units.get(unit), state.durable.units.get_mut(unit))
        && another_chance(seen, durable)
    {
        durable.quarantine = None;
    }
}

/// What systemd restarted by itself within the interval counts as well: together it is not tried more often.
fn by_systemd(seen: &UnitSeen, now: Moment) -> usize {
    let interval = seen.spec.recovery.interval;
    seen.restarts_seen.iter().filter(|(at, _)| now.since(*at) < interval).count()
}

/// The last restart was for this finding, its processes ran anew, and live in an old release all the same; no link was
/// switched since. Another one would do the same.
fn cured_nothing(seen: &UnitSeen, durable: &UnitDurable, want: &Want) -> bool {
    let last = durable.last_action.as_ref().filter(|last| !last.ok && last.because == Some(want.because));
    let Some(last) = last.filter(|_| releases::CODES.contains(&want.because)) else {
        return false;
    };
    let proof = last.steps.last().is_some_and(|step| step.name == StepName::Proof);
    let mut links = seen.processes.iter().flat_map(|reading| &reading.links);
    proof && !links.any(|link| link.switched_at > last.at)
}

/// The one try out of quarantine failed: wait twice as long.
pub fn prolong(quarantine: &mut Quarantine, now: Moment) {
    let doublings = quarantine.round.min(8);
    let wait =
        limits::QUARANTINE.saturating_mul(2_u32.saturating_pow(doublings)).min(limits::LONGEST_QUARANTINE);
    quarantine.round = quarantine.round.saturating_add(1);
    quarantine.retry_at = now.plus(wait);
}
