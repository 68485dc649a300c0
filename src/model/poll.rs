//! A question that is asked from time to time, once at a time, and given up after a limit.

use std::time::Duration;

use super::moment::Moment;

/// When a question is due, or until when its answer is awaited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Poll {
    /// Nothing is to be asked.
    #[default]
    Idle,
    /// It is to be asked then.
    Due(Moment),
    /// It was asked. Without an answer it is given up at `until`; `again` is when it is due next.
    Running { until: Moment, again: Option<Moment> },
}

impl Poll {
    /// It is due then, or earlier where it was to be asked earlier. While it runs, it is asked once more afterwards.
    pub fn wish(&mut self, at: Moment) {
        match self {
            Self::Idle => *self = Self::Due(at),
            Self::Due(due) => *due = at.min(*due),
            Self::Running { again, .. } => *again = Some(again.map_or(at, |known| known.min(at))),
        }
    }

    /// It is due then, whatever was wished before.
    pub fn put_off(&mut self, at: Moment) {
        match self {
            Self::Idle | Self::Due(_) => *self = Self::Due(at),
            Self::Running { again, .. } => *again = Some(at),
        }
    }

    /// Begins to ask where that is due, for as long as `limit`. Says whether it did.
    pub fn start(&mut self, now: Moment, limit: Duration) -> bool {
        let begins = matches!(self, Self::Due(due) if *due <= now);
        if begins {
            *self = Self::Running { until: now.plus(limit), again: None };
        }
        begins
    }

    /// The answer is here.
    pub fn finish(&mut self) {
        if let Self::Running { again, .. } = *self {
            *self = again.map_or(Self::Idle, Self::Due);
        }
    }

    /// Gives up an answer that did not come in time: it is asked again at once, or when it was due next. Says whether it did.
    pub fn expire(&mut self, now: Moment) -> bool {
        let Self::Running { until, again } = *self else {
            return false;
        };
        let over = until <= now;
        if over {
            *self = Self::Due(again.unwrap_or(now));
        }
        over
    }

    #[must_use]
    pub fn is_running(self) -> bool {
        matches!(self, Self::Running { .. })
    }

    /// When something is to be done about it.
    #[must_use]
    pub fn due(self) -> Option<Moment> {
        match self {
            Self::Idle => None,
            Self::Due(at) => Some(at),
            Self::Running { until, .. } => Some(until),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: i64) -> Moment {
        Moment { boot_ms: ms, wall_ms: ms }
    }

    #[test]
    fn a_wish_during_the_question_is_asked_afterwards() {
        let mut poll = Poll::Due(at(5));
        assert!(!poll.start(at(4), Duration::from_millis(10)));
        assert!(poll.start(at(5), Duration::from_millis(10)));
        assert_eq!(poll.due(), Some(at(15)));
        poll.wish(at(30));
        poll.wish(at(20));
        assert!(!poll.expire(at(14)));
        poll.finish();
        assert_eq!(poll, Poll::Due(at(20)));
    }

    #[test]
    fn an_answer_that_does_not_come_is_asked_for_again() {
        let mut poll = Poll::Running { until: at(9), again: None };
        assert!(poll.expire(at(9)));
        assert_eq!(poll, Poll::Due(at(9)));
        poll.put_off(at(40));
        poll.wish(at(12));
        assert_eq!(poll, Poll::Due(at(12)));
    }
}
