//! `[disabled]`: a file that is switched off until its end, and back in force by itself then.

use std::time::Duration;

use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::span::span;
use crate::model::spec::{Spec, SwitchedOff};
use crate::policy::limits;

use super::Unit;

impl Spec {
    /// Until when this file is switched off, if it is now.
    #[must_use]
    pub fn off_until(&self, now: Moment) -> Option<Moment> {
        let until_ms = self.disabled.as_ref()?.until_ms;
        (until_ms > now.wall_ms).then(|| now.at_wall_ms(until_ms))
    }
}

impl Unit {
    /// Says once that it is switched off, or in force again, and looks again when it will be. Says whether it was just
    /// switched off: its incident ends with that.
    pub(super) fn follow_switch(&mut self, now: Moment) -> bool {
        let until = self.spec.off_until(now);
        // The end is given by the wall clock, which may be set.
        self.look_again_if(until.map(|until| until.min(now.plus(limits::WALL_CLOCK))));
        let reason = self.spec.disabled.as_ref().map(|known| known.reason.clone()).unwrap_or_default();
        match (until, self.kept.off.take()) {
            (None, None) => false,
            (Some(until), Some(known)) if known.until.wall_ms == until.wall_ms && known.reason == reason => {
                self.kept.off = Some(known);
                false
            }
            (Some(until), known) => {
                let length = span(off(now, until));
                let message = format!("{} is switched off for {length}: {reason}", self.name);
                let since = known.map_or(now, |known| known.since);
                self.kept.off = Some(SwitchedOff { since, until, reason });
                self.out.note(EventKind::Changed, None, message);
                true
            }
            (None, Some(SwitchedOff { since, reason, .. })) => {
                let length = span(off(since, now));
                let message =
                    format!("{} is in force again; it was switched off for {length}: {reason}", self.name);
                self.out.note(EventKind::Changed, None, message);
                self.forget_findings();
                false
            }
        }
    }
}

/// By the wall clock, as its end is written.
fn off(from: Moment, to: Moment) -> Duration {
    Duration::from_millis(u64::try_from(to.wall_ms.saturating_sub(from.wall_ms)).unwrap_or(0))
}
