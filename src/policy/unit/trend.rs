//! What grows: a figure over time, and when it will be at its limit if it goes on like that.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::moment::Moment;
use crate::model::probe::Figure;
use crate::policy::limits;

/// The last figures of one run, thinned out as they get older than the row is long.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trend {
    points: VecDeque<(Moment, u64)>,
    /// Of so many figures one is kept.
    every: u32,
    skipped: u32,
    last: Option<Figure>,
}

/// A growth that goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Growth {
    pub figure: Figure,
    /// What came in within that time.
    pub grown: u64,
    pub within: Duration,
    /// When it will be at its limit.
    pub full_in: Duration,
}

impl Trend {
    /// One more figure.
    pub fn note(&mut self, figure: Figure, now: Moment) {
        if self.last.is_some_and(|last| last.limit != figure.limit || last.kind != figure.kind) {
            *self = Self::default();
        }
        self.last = Some(figure);
        self.skipped = self.skipped.saturating_add(1);
        if self.skipped < self.every {
            return;
        }
        self.skipped = 0;
        self.points.push_back((now, figure.value));
        if self.points.len() > limits::TREND_POINTS {
            let thinned = std::mem::take(&mut self.points).into_iter().enumerate();
            self.points = thinned.filter(|(number, _)| number % 2 == 0).map(|(_, point)| point).collect();
            self.every = self.every.max(1).saturating_mul(2);
        }
    }

    /// It has grown for long enough, most of the time and without getting slower, and will be at its limit before long. What
    /// only fills itself at the beginning, or goes up and down, does not grow.
    #[must_use]
    pub fn growth(&self) -> Option<Growth> {
        let figure = self.last?;
        let (first, last) = (self.points.front()?, self.points.back()?);
        let middle = self.points.get(self.points.len() / 2)?;
        if self.points.len() < limits::TREND_LEAST || figure.value >= figure.limit {
            return None;
        }
        let (early, late) = (middle.1.checked_sub(first.1)?, last.1.checked_sub(middle.1)?);
        let (early_ms, late_ms) = (middle.0.since(first.0).as_millis(), last.0.since(middle.0).as_millis());
        let steps = self.points.iter().zip(self.points.iter().skip(1));
        let moved =
            steps.fold(0_u64, |moved, (before, after)| moved.saturating_add(before.1.abs_diff(after.1)));
        let grown = early.saturating_add(late);
        // late / late_ms is at least three quarters of early / early_ms.
        let slower = u128::from(late).saturating_mul(early_ms).saturating_mul(4)
            < u128::from(early).saturating_mul(late_ms).saturating_mul(3);
        let most = figure.limit / limits::TREND_SHARE;
        if grown.saturating_mul(3) < moved || slower || grown < most.max(1) {
            return None;
        }
        let left = u128::from(figure.limit.saturating_sub(last.1));
        let full_ms = left.saturating_mul(late_ms).checked_div(u128::from(late))?;
        let full_in = Duration::from_millis(u64::try_from(full_ms).unwrap_or(u64::MAX));
        let within = last.0.since(first.0);
        let near = full_in <= limits::TREND_AHEAD && full_in <= within.saturating_mul(limits::TREND_REACH);
        near.then_some(Growth { figure, grown, within, full_in })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::probe::FigureKind;

    const MIB: u64 = 1 << 20;

    /// A figure every ten seconds.
    fn trend(values: impl IntoIterator<Item = u64>, limit: u64) -> Trend {
        let mut trend = Trend::default();
        let mut now = Moment { boot_ms: 1_000_000, wall_ms: 1_000_000 };
        for value in values {
            trend.note(Figure { value, limit, kind: FigureKind::Bytes }, now);
            now = now.plus(Duration::from_secs(10));
        }
        trend
    }

    #[test]
    fn a_leak_is_told_ahead() {
        let steady = trend((0..40).map(|n| (100 + 10 * n) * MIB), 1024 * MIB);
        let growth = steady.growth().expect("it grows");
        assert!((500..560).contains(&growth.full_in.as_secs()), "{growth:?}");
        // With ups and downs, and over hours, thinned out.
        let slow = trend((0..3000).map(|n| 100 * MIB + n * 40_000 + n % 7 * 30_000), 240 * MIB);
        let growth = slow.growth().expect("it grows");
        assert!((5000..8000).contains(&growth.full_in.as_secs()), "{growth:?}");
    }

    #[test]
    fn what_fills_itself_or_goes_up_and_down_does_not_grow() {
        let limit = 1024 * MIB;
        let filling = trend((0..60).map(|n| 500 * MIB - 500 * MIB / (n + 1)), limit);
        assert_eq!(filling.growth(), None);
        let waves = trend((0..200).map(|n| 200 * MIB + n % 10 * 20 * MIB), limit);
        assert_eq!(waves.growth(), None);
        assert_eq!(trend((0..200).map(|_| 200 * MIB), limit).growth(), None);
        assert_eq!(trend((0..10).map(|n| n * 50 * MIB), limit).growth(), None, "too few");
        // So slowly that it will not be full for weeks.
        assert_eq!(trend((0..400).map(|n| 200 * MIB + n * 1000), limit).growth(), None);
    }
}
