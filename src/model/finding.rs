//! Findings: named problems with evidence. The codes are part of the contract.

pub use super::code::Code;
use super::moment::Moment;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Critical,
}

impl Severity {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The seven conditions of a managed unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionKind {
    Loaded,
    Active,
    Enabled,
    Boot,
    Release,
    Serving,
    Progressing,
}

impl ConditionKind {
    /// All of them, in the order in which people read them.
    pub const ALL: [Self; 7] = [
        Self::Loaded,
        Self::Active,
        Self::Enabled,
        Self::Boot,
        Self::Release,
        Self::Serving,
        Self::Progressing,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "Loaded",
            Self::Active => "Active",
            Self::Enabled => "Enabled",
            Self::Boot => "Boot",
            Self::Release => "Release",
            Self::Serving => "Serving",
            Self::Progressing => "Progressing",
        }
    }
}

/// Why a condition is neither true nor false.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was not read or answered yet.
    NotRead,
    /// No file asks for it.
    NotConfigured,
    /// The unit does not run, so that there is nothing to judge.
    NotRunning,
    /// systemd leaves it so by the will of the unit's own file: that is as it should be.
    ByWill,
    /// It was read, and both outcomes are possible.
    Open,
    /// It was asked for, and cannot be known now.
    CannotTell,
}

/// `true`, `false` or `unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    True,
    False,
    Unknown(Why),
}

impl Truth {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// One condition of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub kind: ConditionKind,
    pub truth: Truth,
    /// A finding code, or a short word where all is well (`running`, `enabled`, `current`).
    pub reason: String,
    /// One sentence.
    pub message: String,
    pub since: Moment,
}

/// A named problem with evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub code: Code,
    /// Which probe or queue of the unit it is about, by its name; empty: the unit itself. Code and subject make a finding one.
    pub subject: String,
    pub severity: Severity,
    /// One sentence with names and numbers.
    pub message: String,
    pub since: Moment,
    pub evidence: Vec<String>,
    /// A command that repairs it, where one is known.
    pub repair: Option<String>,
    /// It is shown, and nobody is told of it before it has lasted for a while.
    pub early: bool,
}

impl Finding {
    /// The other one is about the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.code == other.code && self.subject == other.subject
    }

    /// It opens an incident.
    #[must_use]
    pub fn is_trouble(&self) -> bool {
        self.code.row().trouble && !self.early
    }
}
