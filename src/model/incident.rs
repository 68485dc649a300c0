//! A stretch of trouble of one unit, from its first finding to its last.

use super::finding::Code;
use super::moment::Moment;
use super::unit::UnitName;

/// One incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    pub id: u64,
    pub unit: UnitName,
    /// The finding that opened it.
    pub cause: Code,
    pub opened_at: Moment,
    /// `None` while it is open.
    pub resolved_at: Option<Moment>,
    /// Units that require this one, and whose trouble it explains.
    pub affected: Vec<UnitName>,
    /// The incident that turned out to explain this one.
    pub part_of: Option<u64>,
}

/// One line of the timeline: a finding, a decision or an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Grows by one; survives our own restart.
    pub id: u64,
    pub at: Moment,
    /// `None` concerns the host.
    pub unit: Option<UnitName>,
    pub kind: EventKind,
    pub code: Option<Code>,
    pub incident: Option<u64>,
    /// One sentence.
    pub message: String,
}

/// What an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A finding appeared.
    Found,
    /// A finding is gone.
    Cleared,
    /// A decision that is not an action: held, quarantined, would have.
    Decided,
    /// An action began.
    Acted,
    /// An action's outcome.
    Outcome,
    /// Configuration or life cycle.
    Notice,
}

impl EventKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Cleared => "cleared",
            Self::Decided => "decided",
            Self::Acted => "acted",
            Self::Outcome => "outcome",
            Self::Notice => "notice",
        }
    }
}
