//! What is counted since we started: orders per unit and reason, how long probes took, how soon trouble was found and over.
//! It begins at zero with our process, as every counter may.

use std::collections::BTreeMap;
use std::time::Duration;

use super::finding::Code;

/// Buckets of a histogram that have a bound.
pub const BOUNDS: usize = 14;

/// How long an answer took.
const ANSWERS: [u64; BOUNDS] = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000];
/// How soon trouble was found.
const FOUND: [u64; BOUNDS] =
    [50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 120_000, 300_000, 900_000, 3_600_000];
/// How long trouble lasted.
const LASTED: [u64; BOUNDS] = [
    1000, 2500, 5000, 10_000, 20_000, 30_000, 60_000, 120_000, 300_000, 600_000, 1_800_000, 3_600_000,
    14_400_000, 86_400_000,
];

/// Times, counted in fixed buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    /// Upper bounds in milliseconds.
    bounds: &'static [u64; BOUNDS],
    /// One for each bound.
    counts: [u64; BOUNDS],
    /// Above the last bound.
    above: u64,
    pub sum: Duration,
}

impl Histogram {
    fn new(bounds: &'static [u64; BOUNDS]) -> Self {
        Self { bounds, counts: [0; BOUNDS], above: 0, sum: Duration::ZERO }
    }

    /// Counts one time.
    pub fn observe(&mut self, took: Duration) {
        let mut buckets = self.bounds.iter().zip(&mut self.counts);
        let bucket = buckets.find(|(bound, _)| took <= Duration::from_millis(**bound));
        let count = bucket.map_or(&mut self.above, |(_, count)| count);
        *count = count.saturating_add(1);
        self.sum = self.sum.saturating_add(took);
    }

    /// How many were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(self.above, |all, count| all.saturating_add(*count))
    }

    /// Each upper bound and what lies below it and above the one before; `None` is without bound.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<Duration>, u64)> {
        let bounded = self.bounds.iter().zip(self.counts);
        bounded.map(|(bound, count)| (Some(Duration::from_millis(*bound)), count)).chain([(None, self.above)])
    }
}

/// What is counted of one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitTally {
    /// Starts and restarts that we ordered; `None`: a person asked.
    pub restarts: BTreeMap<Option<Code>, u64>,
    /// How long each probe's answers took.
    pub probes: BTreeMap<String, Histogram>,
    /// Answers and wrong answers of probes that are not yet in what is remembered of them.
    pub unrecorded: BTreeMap<String, (u64, u64)>,
}

impl UnitTally {
    /// A probe answered.
    pub fn answered(&mut self, probe: &str, took: Duration) {
        if let Some(known) = self.probes.get_mut(probe) {
            known.observe(took);
            return;
        }
        let mut first = Histogram::new(&ANSWERS);
        first.observe(took);
        self.probes.insert(probe.to_owned(), first);
    }

    /// A start or a restart was ordered.
    pub fn ordered(&mut self, because: Option<Code>) {
        let count = self.restarts.entry(because).or_default();
        *count = count.saturating_add(1);
    }
}

/// What is counted of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostTally {
    /// From the beginning of trouble, where it is known, to its incident.
    pub detection: Histogram,
    /// From the opening of an incident to its end.
    pub recovery: Histogram,
}

impl Default for HostTally {
    fn default() -> Self {
        Self { detection: Histogram::new(&FOUND), recovery: Histogram::new(&LASTED) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_time_is_counted_in_the_bucket_that_it_fits() {
        let mut histogram = Histogram::new(&ANSWERS);
        for micros in [0, 1000, 1001, 700_000, 30_000_000, 30_000_001] {
            histogram.observe(Duration::from_micros(micros));
        }
        let filled: Vec<_> = histogram.buckets().filter(|(_, count)| *count > 0).collect();
        let ms = |ms| Some(Duration::from_millis(ms));
        assert_eq!(filled, [(ms(1), 2), (ms(2), 1), (ms(1000), 1), (ms(30_000), 1), (None, 1)]);
        assert_eq!(histogram.count(), 6);
        assert_eq!(histogram.sum, Duration::from_micros(60_702_002));
    }

    #[test]
    fn bounds_grow() {
        for bounds in [ANSWERS, FOUND, LASTED] {
            assert!(bounds.is_sorted_by(|a, b| a < b), "{bounds:?}");
        }
    }
}
