//! A picture of the whole host to compare with, what differs from it, and what people were told of that.

use std::collections::BTreeMap;

use super::boot::BootVerdict;
use super::finding::Severity;
use super::host::Protocol;
use super::moment::{Moment, kept, timeless};
use super::unit::{ActiveState, UnitName};

timeless!(WorseLine);

/// The host as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Baseline {
    pub head: Head,
    /// By name.
    pub units: BTreeMap<String, UnitThen>,
    pub ports: Vec<Port>,
    pub strays: Vec<Stray>,
    /// Versions of installed packages, by name; with the state in brackets where one is not installed completely.
    pub packages: BTreeMap<String, String>,
    /// Ports that the kernel gives to whoever asks for any: the first and the last.
    pub ephemeral: (u32, u32),
    /// What could not be read, a sentence each: what differs there is not seen.
    pub untold: Vec<String>,
    /// What is never kept on a host like this, a sentence each.
    pub beyond: Vec<String>,
}

/// Which picture it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    pub name: String,
    pub host: String,
    pub boot_id: String,
    pub user_instance: bool,
    /// The wall clock, in milliseconds.
    pub taken_ms: i64,
    /// Who had it taken: `anna (uid 1000)`.
    pub by: String,
    /// It was taken by itself, before this (`apt`, `dnf`, `accept`); nobody asked for it by name.
    pub before: Option<String>,
}

/// One unit as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitThen {
    /// systemd could load it.
    pub found: bool,
    pub active: ActiveState,
    pub sub: String,
    pub result: String,
    /// `UnitFileState=`; empty where it was not told.
    pub enablement: String,
    /// `None`: it was not told.
    pub boot: Option<BootVerdict>,
    /// `Type=` of a service.
    pub service_type: String,
    pub remain_after_exit: bool,
    pub fragment: String,
    pub triggered_by: Vec<UnitName>,
    /// A file of ours manages it.
    pub managed: bool,
    /// Packages that its program and its unit file came with.
    pub packages: Vec<String>,
    pub releases: Vec<ReleaseThen>,
}

/// A release link of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseThen {
    pub link: String,
    /// `None`: it led nowhere.
    pub target: Option<String>,
}

/// A socket that waited for others.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    pub protocol: Protocol,
    pub address: String,
    /// The unit that held it, where it was one.
    pub unit: Option<UnitName>,
    /// The program that held it; empty where that could not be read.
    pub program: String,
    /// It was held in somebody's session: it goes with that.
    pub passing: bool,
}

/// A daemon outside every service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stray {
    /// Its program with its first arguments.
    pub command: String,
    pub uid: u32,
    /// Where it was: `session-3.scope`, or its control group.
    pub place: String,
}

/// How grave a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gravity {
    /// Worth knowing.
    Note,
    Warning,
    Critical,
}

impl Gravity {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What was lost, as far as the daemon can see that it is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// The unit does not run.
    Running,
    /// The unit is not enabled.
    Enabled,
    /// Another comparison has to say that it is back.
    Other,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub gravity: Gravity,
    /// One sentence.
    pub message: String,
    pub evidence: Vec<String>,
    pub unit: Option<UnitName>,
    pub lost: Lost,
    /// A command that repairs it, where one is known.
    pub repair: Option<String>,
}

/// What differs between two pictures, gravest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    pub before: Head,
    pub after: Head,
    pub differences: Vec<Difference>,
    /// What could not be compared, a sentence each.
    pub untold: Vec<String>,
    /// What is never compared on a host like this, a sentence each.
    pub beyond: Vec<String>,
}

kept! {
    /// What is worse than in a baseline, as long as it is.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Worse {
        pub baseline: String,
        pub since: Moment,
        pub lines: Vec<WorseLine>,
    }
}

/// One thing that is worse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorseLine {
    pub severity: Severity,
    pub message: String,
    pub evidence: Vec<String>,
    pub unit: Option<UnitName>,
    pub lost: Lost,
    pub repair: Option<String>,
}
