//! An order in flight, as the other units see it.

use crate::model::finding::Code;
use crate::model::moment::Moment;
use crate::model::state::{OrderKind, Phase, Recovery};
use crate::policy::limits;

/// An order in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ordered {
    pub kind: OrderKind,
    pub phase: Phase,
    /// When it entered that phase.
    pub since: Moment,
    pub because: Option<Code>,
}

impl From<&Recovery> for Ordered {
    fn from(order: &Recovery) -> Self {
        Self { kind: order.kind, phase: order.phase, since: order.phase_at, because: order.because }
    }
}

impl Ordered {
    /// Its smoke test or its job is awaited.
    #[must_use]
    pub fn works(&self) -> bool {
        matches!(self.phase, Phase::SmokeTest | Phase::Job)
    }

    /// When a start counts as a success although its proof goes on: its job was done a moment ago, and it is up since.
    #[must_use]
    pub fn lives_at(&self) -> Option<Moment> {
        let started = self.kind == OrderKind::Start && self.phase == Phase::Proof;
        started.then(|| self.since.plus(limits::LIVES))
    }
}
