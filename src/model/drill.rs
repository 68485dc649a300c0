//! A drill: a fault on request, and what was measured of the path that follows it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::moment::{Moment, kept, timeless};
use super::state::OrderKind;
use super::unit::UnitName;

timeless!(DrillKind, Verdict);

/// The fault that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrillKind {
    /// The main process is killed.
    Kill,
    /// A failing answer of this probe is feigned.
    Probe(String),
}

impl DrillKind {
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::Probe(_) => "probe",
        }
    }
}

kept! {
    /// One drill of a unit, under way or over.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Drill {
        pub kind: DrillKind,
        /// `root`, `anna (uid 1000)`.
        pub who: String,
        /// When it was asked for, and when it is given up.
        pub at: Moment,
        pub due: Moment,
        /// `InvocationID=` before the fault.
        pub invocation: String,
        /// When the fault came about.
        pub struck_at: Option<Moment>,
        /// When systemd had restarted it by itself (`Restart=`).
        pub by_systemd_at: Option<Moment>,
        pub detected_at: Option<Moment>,
        /// When it was first decided what to do, and when it was proven to work again.
        pub decided_at: Option<Moment>,
        pub recovered_at: Option<Moment>,
        /// The incident that was opened for it.
        pub incident: Option<u64>,
        /// What became of telling each sink that is to hear of it at once.
        pub told: BTreeMap<String, Hearing>,
        /// `None` while it is under way.
        pub end: Option<DrillEnd>,
    }
}

kept! {
    /// Whether a sink heard of it.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Hearing {
        /// When the first message arrived.
        pub arrived_at: Option<Moment>,
        /// Why the last try failed.
        pub failure: Option<String>,
    }
}

kept! {
    /// How a drill ended.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct DrillEnd {
        pub at: Moment,
        pub verdict: Verdict,
        /// One sentence.
        pub message: String,
    }
}

/// What a drill has shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Found, put right by us, proven, and told to all that are to hear of it at once.
    Proven,
    /// systemd was quicker: it works again, and nothing was to be told.
    BySystemd,
    /// Found and told; nothing was to be put right.
    Told,
    /// A part of the path does not work.
    Failed,
    /// It could not be carried to its end, and says nothing.
    Interrupted,
}

impl Verdict {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::BySystemd => "by-systemd",
            Self::Told => "told",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// It shows that the path works, as far as it leads.
    #[must_use]
    pub fn is_good(self) -> bool {
        matches!(self, Self::Proven | Self::BySystemd | Self::Told)
    }
}

/// What a drill would do, for whoever has to agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillPlan {
    pub kind: DrillKind,
    /// One sentence: the fault.
    pub fault: String,
    /// What we would order then; `None`: it would only be told.
    pub order: Option<OrderKind>,
    /// How long it takes as a rule, and when it is given up.
    pub expected: Duration,
    pub limit: Duration,
    /// Who would be told at once, and who would not, with the reason.
    pub told: Vec<String>,
    pub untold: Vec<(String, String)>,
    /// Managed units that require it.
    pub needed_by: Vec<UnitName>,
    /// Restarts that are left of its budget.
    pub left: usize,
}
