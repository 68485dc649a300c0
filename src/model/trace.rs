//! The last hours of one figure, for people to look at: a bounded ring of the worst of each stretch of time. Nothing is judged by it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::moment::{Moment, millis};
use super::probe::{ProbeOutcome, ProbeStatus};

/// Length of a stretch.
pub const STRETCH: Duration = Duration::from_secs(120);
/// Stretches that are remembered: six hours, 720 bytes.
pub const STRETCHES: usize = 180;

/// Nothing was heard in a stretch, and an answer in it was wrong: no figure is so large.
const NOTHING: u32 = u32::MAX;
const WRONG: u32 = u32::MAX - 1;

/// A figure's recent past. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The last stretch, counted from boot.
    last: i64,
    /// Oldest first; the last one is `last`.
    points: Arc<VecDeque<u32>>,
    /// What is beyond this is too much.
    pub limit: Option<u32>,
}

/// A latency in the figures of a trace.
#[must_use]
pub fn micros(latency: Duration) -> u32 {
    u32::try_from(latency.as_micros()).unwrap_or(u32::MAX)
}

/// A count in the figures of a trace.
#[must_use]
pub fn bounded(count: u64) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// What a stretch brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    Nothing,
    /// The largest figure.
    Worst(u32),
    /// An answer was wrong, or did not come.
    Wrong,
}

impl Trace {
    /// Takes in a figure; `None`: a wrong answer.
    pub fn take(&mut self, figure: Option<u32>, now: Moment) {
        let stretch = now.boot_ms.div_euclid(millis(STRETCH));
        let points = Arc::make_mut(&mut self.points);
        let passed = if points.is_empty() { 1 } else { stretch.saturating_sub(self.last).max(0) };
        for _ in 0..passed.min(STRETCHES as i64) {
            points.push_back(NOTHING);
        }
        self.last = self.last.max(stretch);
        let more = points.len().saturating_sub(STRETCHES);
        points.drain(..more);
        let figure = figure.map_or(WRONG, |figure| figure.min(WRONG - 1));
        if let Some(point) = points.back_mut() {
            *point = if *point == NOTHING { figure } else { figure.max(*point) };
        }
    }

    /// Takes in how long an answer took, or that it was wrong. One that says nothing of the service leaves nothing.
    pub fn answered(&mut self, outcome: &ProbeOutcome, now: Moment) {
        let late = outcome.status == ProbeStatus::Slow;
        if outcome.status.is_bad() && !late {
            self.take(None, now);
        } else if let Some(took) = outcome.latency.filter(|_| outcome.status != ProbeStatus::Unknown) {
            self.take(Some(micros(took)), now);
        }
    }

    /// Each stretch up to now, oldest first. Empty: nothing was ever heard.
    #[must_use]
    pub fn points(&self, now: Moment) -> Vec<Point> {
        let stretch = now.boot_ms.div_euclid(millis(STRETCH));
        let since = usize::try_from(stretch.saturating_sub(self.last)).unwrap_or(0);
        let known = self.points.iter().map(|point| match *point {
            NOTHING => Point::Nothing,
            WRONG => Point::Wrong,
            figure => Point::Worst(figure),
        });
        let silent = std::iter::repeat_n(Point::Nothing, since.min(STRETCHES));
        let mut kept: Vec<Point> = known.chain(silent).collect();
        kept.drain(..kept.len().saturating_sub(STRETCHES));
        if kept.iter().all(|point| *point == Point::Nothing) { Vec::new() } else { kept }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Moment {
        Moment { boot_ms: minutes * 60_000, wall_ms: 0 }
    }

    #[test]
    fn the_worst_of_each_stretch_is_kept_for_some_hours() {
        let mut trace = Trace::default();
        assert!(trace.points(at(0)).is_empty());
        trace.take(Some(3), at(10));
        trace.take(Some(9), at(11));
        trace.take(Some(5), at(11));
        assert_eq!(trace.points(at(11)), [Point::Worst(9)]);
        trace.take(None, at(14));
        trace.take(Some(u32::MAX), at(15));
        assert_eq!(
            trace.points(at(19)),
            [Point::Worst(9), Point::Nothing, Point::Wrong, Point::Nothing, Point::Nothing]
        );
        for minute in 16..2000 {
            trace.take(Some(u32::try_from(minute).unwrap_or(0)), at(minute));
        }
        assert_eq!((trace.points(at(1999)).len(), trace.points.len()), (STRETCHES, STRETCHES));
        assert_eq!(trace.points(at(1999)).last(), Some(&Point::Worst(1999)));
        // A clock that goes back, or a long silence, is no trouble.
        trace.take(Some(7), at(5));
        assert_eq!(trace.points(at(1999)).len(), STRETCHES);
        trace.take(Some(8), at(1_000_000));
        assert_eq!(trace.points(at(1_000_000)).iter().filter(|point| **point != Point::Nothing).count(), 1);
        assert!(trace.points(at(2_000_000)).is_empty(), "what is long ago is not shown");
    }
}
