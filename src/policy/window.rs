//! How many units may be started at once, learnt from how the last starts went, as congestion control learns what a network
//! bears: one more with each that went well, so that every round is twice the one before; half with each that failed.

use crate::model::moment::Moment;
use crate::policy::limits;

/// How an order went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Went {
    Wrong,
    /// Its job is done and it is up, as far as is known by now.
    Up,
    /// Proven.
    Well,
}

/// What may be started at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    size: usize,
    /// Since a burst of failures nothing was proven: one at a time, and each needs its proof.
    stopped: bool,
    /// Starts that were proven lately.
    proven: usize,
    /// The last order that ended went wrong: then.
    wrong_at: Option<Moment>,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: limits::ORDERS_AT_ONCE, stopped: false, proven: 0, wrong_at: None }
    }
}

impl Window {
    /// An order went so. To be told in the order of time.
    pub fn learn(&mut self, at: Moment, went: Went) {
        match went {
            Went::Wrong => {
                self.size = (self.size / 2).max(1);
                self.stopped |= self.size == 1;
                self.proven /= 2;
                self.wrong_at = Some(at);
            }
            Went::Up if self.stopped => {}
            Went::Up => self.grow(),
            Went::Well => {
                self.stopped = false;
                self.wrong_at = None;
                self.proven = self.proven.saturating_add(1);
                self.grow();
            }
        }
    }

    fn grow(&mut self) {
        self.size = self.size.saturating_add(1).min(limits::STARTS_AT_ONCE);
    }

    /// How many may be under way.
    #[must_use]
    pub fn size(&self) -> usize {
        self.size
    }

    /// How many may be under way or up without a proof: what dies seconds after its start looks well until then.
    #[must_use]
    pub fn unproven(&self) -> usize {
        limits::UNPROVEN.saturating_add(self.proven.saturating_mul(limits::UNPROVEN / 2))
    }

    /// Since a burst of failures nothing was proven.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// After an order that went wrong, the next is not tried before this.
    #[must_use]
    pub fn pause(&self) -> Option<Moment> {
        self.wrong_at.map(|at| at.plus(limits::STORM_PAUSE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(went: &[Went]) -> Window {
        let mut window = Window::default();
        for went in went {
            window.learn(Moment::default(), *went);
        }
        window
    }

    #[test]
    fn every_round_that_goes_well_is_twice_the_one_before() {
        let mut window = Window::default();
        let sizes: Vec<usize> = (0..7)
            .map(|_| {
                let size = window.size();
                (0..size).for_each(|_| window.learn(Moment::default(), Went::Up));
                size
            })
            .collect();
        assert_eq!(sizes, [4, 8, 16, 32, 64, 128, 128]);
    }

    #[test]
    fn after_a_burst_of_failures_only_a_proof_counts() {
        let burst = [Went::Wrong, Went::Wrong];
        assert!(after(&burst).is_stopped());
        assert_eq!(after(&burst).size(), 1);
        assert_eq!(after(&[Went::Wrong, Went::Wrong, Went::Up, Went::Up]).size(), 1);
        let proven = after(&[Went::Wrong, Went::Wrong, Went::Up, Went::Well]);
        assert_eq!((proven.size(), proven.is_stopped(), proven.pause()), (2, false, None));
    }

    #[test]
    fn one_failure_among_many_starts_costs_half_and_stops_nothing() {
        let mut went = vec![Went::Up; 60];
        went.push(Went::Wrong);
        assert_eq!((after(&went).size(), after(&went).is_stopped()), (32, false));
    }
}
