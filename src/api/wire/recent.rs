//! The last hours of one figure on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Time, Unit};
use crate::model::moment::Moment;
use crate::model::snapshot::UnitStatus;
use crate::model::trace::{Point, STRETCH, Trace};

/// The last hours of a latency (milliseconds) or a depth (items): the worst of each stretch of time, kept in memory alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recent {
    /// Length of a stretch, in seconds.
    pub every_s: u64,
    /// The end of the last stretch.
    pub until: Time,
    /// More than this is too much, as the unit's file says.
    pub limit: Option<f64>,
    /// Oldest first; `null`: nothing was heard, or the answer was wrong.
    pub worst: Vec<Option<f64>>,
    /// Places in `worst` at which an answer was wrong.
    pub wrong: Vec<usize>,
}

impl Recent {
    /// `scale`: figures to a unit of the wire. `None`: nothing was heard yet.
    fn of(trace: &Trace, now: Moment, scale: f64) -> Option<Self> {
        let points = trace.points(now);
        let wrong = points.iter().enumerate().filter(|(_, point)| **point == Point::Wrong);
        let shown = |point: &Point| match point {
            Point::Worst(figure) => Some(f64::from(*figure) / scale),
            Point::Nothing | Point::Wrong => None,
        };
        (!points.is_empty()).then(|| Self {
            every_s: STRETCH.as_secs(),
            until: now.into(),
            limit: trace.limit.map(|limit| f64::from(limit) / scale),
            worst: points.iter().map(shown).collect(),
            wrong: wrong.map(|(place, _)| place).collect(),
        })
    }

    /// The largest figure.
    #[must_use]
    pub fn most(&self) -> Option<f64> {
        self.worst.iter().flatten().copied().reduce(f64::max)
    }
}

impl Unit {
    /// Adds the last hours of its probes and queues.
    pub fn recall(&mut self, status: &UnitStatus, now: Moment) {
        for probe in &mut self.probes {
            probe.recent =
                status.probes.get(&probe.name).and_then(|seen| Recent::of(&seen.trace, now, 1000.0));
        }
        for one in &mut self.progress {
            one.recent = status.progress.get(&one.name).and_then(|seen| Recent::of(&seen.trace, now, 1.0));
        }
    }
}
