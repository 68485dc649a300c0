//! Drift: a service that only got slow. The median of the last answers against what is usual for this probe.

use std::time::Duration;

use crate::model::probe::Latency;
use crate::policy::limits;

impl Latency {
    /// Takes in the latency of a healthy answer.
    pub fn took(&mut self, latency: Duration) {
        if self.recent.len() >= limits::LATENCIES {
            self.recent.pop_front();
        }
        self.recent.push_back(latency);
        self.answers = self.answers.saturating_add(1);
        let Some(median) = self.median() else {
            return;
        };
        let usual = self.usual.unwrap_or(median);
        // Quick to learn what is usual, slow to get used to something else: hours, at usual periods.
        let weight = if self.is_known() { limits::LATENCY_INERTIA } else { limits::LATENCY_LEARNING };
        let next = if median > usual {
            usual.saturating_add(median.saturating_sub(usual) / weight)
        } else {
            usual.saturating_sub(usual.saturating_sub(median) / weight)
        };
        self.usual = Some(next);
    }

    /// The median of the last answers, what is usual, and of how many answers the median is, where they are much slower than
    /// usual: most of the last ones are, or every one of the very last.
    #[must_use]
    pub fn drift(&self) -> Option<(Duration, Duration, usize)> {
        let usual = self.usual.filter(|_| self.is_known())?;
        let far = |took: Duration| {
            took > usual.saturating_mul(limits::DRIFT) && took > usual.saturating_add(limits::DRIFT_LEAST)
        };
        if let Some(median) = self.median().filter(|median| far(*median)) {
            return Some((median, usual, limits::LATENCIES));
        }
        let mut last: Vec<Duration> = self.recent.iter().rev().take(limits::SLOW_ROW).copied().collect();
        last.sort_unstable();
        let slow = last.len() == limits::SLOW_ROW && last.first().is_some_and(|fastest| far(*fastest));
        let median = last.get(last.len() / 2).copied().filter(|_| slow)?;
        Some((median, usual, limits::SLOW_ROW))
    }

    fn is_known(&self) -> bool {
        self.answers > limits::LATENCY_KNOWN
    }

    fn median(&self) -> Option<Duration> {
        if self.recent.len() < limits::LATENCIES {
            return None;
        }
        let mut sorted: Vec<Duration> = self.recent.iter().copied().collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn drift_of(known: Latency) -> Option<(Duration, Duration)> {
        known.drift().map(|(median, usual, _)| (median, usual))
    }

    fn of(latencies: impl IntoIterator<Item = u64>) -> Latency {
        let mut known = Latency::default();
        latencies.into_iter().for_each(|latency| known.took(ms(latency)));
        known
    }

    #[test]
    fn slower_for_a_while_is_told_and_a_spike_is_not() {
        let usual = (0..200).map(|answer| 30 + answer % 20);
        assert_eq!(drift_of(of(usual.clone())), None);
        let spike = usual.clone().chain([900; 5]).chain([35; 2]);
        assert_eq!(drift_of(of(spike)), None);
        let (median, usual) = drift_of(of(usual.chain([400; 15]))).expect("it got slow");
        assert_eq!(median, ms(400));
        assert!((ms(30)..ms(60)).contains(&usual), "{usual:?}");
    }

    /// O46: 1 ms becomes 250 ms; at the usual period of ten seconds that is told within a minute.
    #[test]
    fn slower_answers_are_told_after_five_of_them() {
        let usual = std::iter::repeat_n(1, 40);
        assert_eq!(drift_of(of(usual.clone().chain([250; 4]))), None);
        let (median, _) = drift_of(of(usual.chain([250; 5]))).expect("it got slow");
        assert_eq!(median, ms(250));
    }

    #[test]
    fn what_lasts_becomes_usual_and_what_is_new_is_not_judged() {
        assert_eq!(drift_of(of((0..40).map(|answer| answer * 50))), None, "nothing is usual yet");
        assert_eq!(
            drift_of(of([3; 200].into_iter().chain([60; 15]))),
            None,
            "twenty times as long, and nobody minds"
        );
        let day = std::iter::repeat_n(400, 8640);
        assert_eq!(drift_of(of([30; 200].into_iter().chain(day))), None, "after a day it is usual");
    }
}
