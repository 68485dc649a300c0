//! What the next boot would start: readings of PID 1's own engine, and the verdict for one unit.

use std::collections::{BTreeMap, BTreeSet};

use super::moment::{Moment, kept, timeless};
use super::unit::UnitName;

timeless!(BootVerdict);

/// What PID 1's engine (`systemd --test`) computed as the initial transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BootReading {
    /// Every unit with a start job, under each of its names.
    pub starts: BTreeSet<UnitName>,
    /// Units of which the transaction does not tell for sure whether they come up, each with one sentence why: members of
    /// ordering cycles and of conflicts (which of them PID 1 drops is not stable), and whatever requires such a unit.
    pub doubts: BTreeMap<UnitName, String>,
    /// What keeps boot from starting a unit that some other unit, which boot may not start either, asks for; a clause.
    pub hindrances: BTreeMap<UnitName, Hindrance>,
    /// User instance: whether the user manager itself runs at boot. `None` in the system instance.
    pub lingering: Option<Lingering>,
    /// Why there is no transaction to read; `None` when there is one.
    pub failure: Option<String>,
    /// When the engine was asked: what changed since may not be in it.
    pub read_at: Moment,
}

/// Why boot does not start a unit that some other unit asks for; a clause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// Whatever wants it is not started by boot either.
    Unwanted(String),
    /// PID 1 drops it: it cannot be loaded, or something that it requires.
    Dropped(String),
}

impl Hindrance {
    /// The clause.
    #[must_use]
    pub fn why(&self) -> &str {
        match self {
            Self::Unwanted(why) | Self::Dropped(why) => why,
        }
    }
}

/// Whether a user's manager runs from boot on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lingering {
    /// The user's login name.
    pub user: String,
    pub on: bool,
}

/// What decides about boot besides the transaction, for one unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitBootFacts {
    /// The unit file (or its link's target) lives on this mount point, which comes later than PID 1 reads unit files.
    pub late_mount: Option<String>,
    /// The path of the unit file, or of what it is a link to, where that lies under `/run` and vanishes.
    pub vanishes: Option<String>,
    /// `Condition…=`/`Assert…=` that were unmet when last tried, as written (`ConditionPathExists=/x`).
    pub unmet_conditions: Vec<String>,
    /// Mount units below which its program or its directory lies, each with that path.
    pub mounts: Vec<(String, UnitName)>,
    /// Conditions that were never tried in this boot.
    pub untried_conditions: Vec<String>,
}

/// What the next boot will do with a unit. `Unknown` rather than a definite verdict that a reboot could refute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BootVerdict {
    /// Boot starts it.
    Starts,
    /// Boot arms this socket, timer or path, which starts it.
    Armed { by: UnitName },
    /// Boot does not start it; one sentence why.
    Unreachable { why: String },
    /// It cannot be told; one sentence why.
    Unknown { why: String },
}

impl BootVerdict {
    /// `starts`, `armed`, `unreachable` or `unknown`.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Starts => "starts",
            Self::Armed { .. } => "armed",
            Self::Unreachable { .. } => "unreachable",
            Self::Unknown { .. } => "unknown",
        }
    }
}

kept! {
    /// A stored prediction, to be compared with what the next boot really did.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Prediction {
        /// The boot in which it was made.
        pub boot_id: String,
        pub verdict: BootVerdict,
        pub made_at: Moment,
    }
}
