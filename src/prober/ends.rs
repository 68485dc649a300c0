//! The ends of processes that ask, of late: whether several came together, and whether they come too often.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// So many ends within such a time are a finding, whatever they come from.
const OFTEN: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);
/// Processes that end within such a time end together.
const TOGETHER: Duration = Duration::from_millis(100);

/// When they ended, and whether that was an answer's doing, as far as is known.
#[derive(Debug, Default)]
pub struct Ends {
    all: VecDeque<(Instant, bool)>,
    /// Of those that an answer may have ended, one that was asked a single question included.
    last: Option<Instant>,
}

impl Ends {
    /// One that was asked many questions, or that nobody's answer ended.
    pub fn add(&mut self, at: Instant, by_an_answer: bool) {
        self.all.push_back((at, by_an_answer));
        if by_an_answer {
            self.last = Some(at);
        }
    }

    /// One that was asked a single question, by its answer.
    pub fn add_alone(&mut self, at: Instant) {
        self.last = Some(at);
    }

    /// One ended just now, by an answer.
    #[must_use]
    pub fn is_one_of_several(&self) -> bool {
        self.last.is_some_and(|at| at.elapsed() < TOGETHER)
    }

    /// Forgets what is long over.
    pub fn forget(&mut self, now: Instant) {
        self.all.retain(|(at, _)| now.saturating_duration_since(*at) < WINDOW);
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// What is to be told of them.
    #[must_use]
    pub fn trouble(&self) -> Option<&'static str> {
        let by_answers = self.all.iter().any(|(_, by_an_answer)| *by_an_answer);
        (self.all.len() >= OFTEN).then_some(if by_answers {
            "the prober ended again and again within a minute: what it was asking is unknown"
        } else {
            "somebody kills the prober again and again: what it was asking is asked anew, as long as there is time"
        })
    }
}
