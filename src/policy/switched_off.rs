//! `[disabled]`: a file that is switched off until its end, and back in force by itself then.

use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::spec::{Spec, SwitchedOff};
use crate::model::state::State;
use crate::model::unit::UnitName;
use crate::policy::turn::{Turn, sooner};
use crate::policy::{incidents, limits};

/// Until when this file is switched off, if it is now.
#[must_use]
pub fn until(spec: &Spec, now: Moment) -> Option<Moment> {
    let until_ms = spec.disabled.as_ref()?.until_ms;
    (until_ms > now.wall_ms).then(|| now.at_wall_ms(until_ms))
}

/// As it was judged last.
#[must_use]
pub fn is_off(state: &State, unit: &UnitName) -> bool {
    state.durable.units.get(unit).is_some_and(|durable| durable.off.is_some())
}

/// Tells once that it is switched off, or in force again, and wakes when it will be.
pub fn follow(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let Some(spec) = state.seen.units.get(unit).map(|seen| &seen.spec) else {
        return;
    };
    let until = until(spec, turn.now);
    let reason = spec.disabled.as_ref().map(|disabled| disabled.reason.clone()).unwrap_or_default();
    if let Some(until) = until {
        // The end is told by the wall clock, which may be set.
        sooner(wake, until.min(turn.now.plus(limits::WALL_CLOCK)));
    }
    let Some(durable) = state.durable.units.get_mut(unit) else {
        return;
    };
    match (until, durable.off.take()) {
        (None, None) => {}
        (Some(until), known) => {
            let same = known
                .as_ref()
                .is_some_and(|known| known.until.wall_ms == until.wall_ms && known.reason == reason);
            if same {
                durable.off = known;
                return;
            }
            let since = known.as_ref().map_or(turn.now, |known| known.since);
            let message = format!("{unit} is switched off for {}: {reason}", days(turn.now, until));
            durable.off = Some(SwitchedOff { since, until, reason });
            turn.record(state, Some(unit), EventKind::Changed, None, message);
            // Nobody is told of it any more.
            incidents::close(state, unit, turn);
        }
        (None, Some(known)) => {
            let SwitchedOff { since, reason, .. } = known;
            let message = format!(
                "{unit} is in force again; it was switched off for {}: {reason}",
                days(since, turn.now)
            );
            turn.record(state, Some(unit), EventKind::Changed, None, message);
            if let Some(seen) = state.seen.units.get_mut(unit) {
                // What is wrong by now is news.
                seen.findings.clear();
            }
        }
    }
}

/// `3 days`, `2 h`, `10 min`, `40 s`.
fn days(from: Moment, to: Moment) -> String {
    let seconds = to.wall_ms.saturating_sub(from.wall_ms).max(0) / 1000;
    match seconds {
        172_800.. => format!("{} days", seconds / 86_400),
        7200.. => format!("{} h", seconds / 3600),
        120.. => format!("{} min", seconds / 60),
        _ => format!("{seconds} s"),
    }
}
