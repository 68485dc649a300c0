//! Progress of queues: where it is asked, one sample, and what is remembered. Demand without progress is trouble; idle is not.

use std::time::Duration;

use super::moment::Moment;

use super::poll::Poll;
use super::probe::OnFailure;
use super::trace::Trace;

/// One source of progress of a unit, as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgressSpec {
    pub name: String,
    /// Where it is asked: the kind and its keys as text. The room `probe` wrote it and reads it again; here it is handed on.
    pub source: String,
    pub period: Duration,
    /// Always below the period.
    pub timeout: Duration,
    /// More items than this are a backlog.
    pub max_depth: Option<u64>,
    /// An oldest item older than this is a backlog.
    pub max_age: Option<Duration>,
    /// Items wait and none was completed for this long: stalled.
    pub stalled_after: Duration,
    /// After what the unit requires recovered, the queue must have been empty, or drain, within this time.
    pub drain_within: Duration,
    pub on_stall: OnFailure,
}

/// What a source said once. What it does not know is `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Items that wait.
    pub depth: u64,
    /// Items that are being worked on, and not completed.
    pub in_work: u64,
    /// Items completed so far; any change is progress, a smaller count a new beginning.
    pub completed: Option<u64>,
    /// Of the oldest item.
    pub age: Option<Duration>,
    pub consumers: Option<u64>,
    /// Somebody stopped the work on purpose.
    pub paused: bool,
    /// The source answers, and there is no such queue: what it said.
    pub missing: Option<String>,
}

impl Sample {
    /// There is work to do.
    #[must_use]
    pub fn demand(&self) -> bool {
        self.depth > 0 || self.in_work > 0
    }
}

/// A source's recent past, kept by the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct ProgressSeen {
    /// The last sample, or why there was none.
    pub last: Option<(Moment, Result<Sample, String>)>,
    /// The last sample that was one.
    pub known: Option<Sample>,
    /// When something was last completed, or there was nothing to do.
    pub moved_at: Moment,
    /// Since when something waits.
    pub waits_since: Moment,
    /// Samples since then, at most as many as count.
    pub unmoved: u32,
    /// Samples in a row without a consumer, that were paused, over a limit, and without an answer.
    pub unconsumed: u32,
    pub paused: u32,
    pub over: u32,
    pub unanswered: u32,
    /// Since when it cannot be asked.
    pub unanswered_since: Option<Moment>,
    /// It was there once; and samples in a row that did not find it any more.
    pub existed: bool,
    pub missing: u32,
    /// What the unit requires has recovered: the queue has until then to drain.
    pub drain: Option<Drain>,
    /// A sample showed it idle, or that something was completed, since the counting began.
    pub shown_well: bool,
    /// The last hours of its depth.
    pub trace: Trace,
    pub poll: Poll,
}

/// A queue after an outage of what its unit requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drain {
    pub since: Moment,
    pub until: Moment,
    /// Items that the first sample found, and how many had been completed until then.
    pub backlog: Option<u64>,
    pub completed: Option<u64>,
}
