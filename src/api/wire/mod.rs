//! The JSON of the status socket, version 1: what the server writes and the client reads.
//!
//! Names are the contract's; fields may be added, none renamed. The model has no serde on purpose:
//! `convert` and `fields` are the one place where it meets the wire.

mod baseline;
mod convert;
mod drill;
mod fields;
mod incident;
mod recent;
mod reply;
mod time;
mod unit;
mod usage;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use baseline::{
    BaselineBody, BaselineDiff, BaselineDifference, BaselineGravity, BaselineHead, BaselineList,
    BaselineLost, BaselineWorse,
};
pub use convert::worst;
pub use drill::{Drill, DrillAlert, DrillBody, DrillPlan, Untold};
pub use incident::{
    Acknowledged, Changed, Durations, Incident, IncidentDetails, Incidents, SwitchedOffUnit, Tested,
    TestedSink, ToldSink,
};
pub use recent::Recent;
pub use reply::{Failure, Health, HoldBody, Reply, ReplyResult};
pub use time::Time;
pub use unit::{
    Condition, Disabled, Hold, LastAction, LastTransition, Link, NextAction, Preview, Probe, Process,
    Progress, Quarantine, Recovery, Release, Restarts, Slot, Step, Unit,
};
pub use usage::Usage;

/// The version of the contract that these types speak.
pub const VERSION: u32 = 1;

/// `GET /v1/status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Version of the contract: 1.
    pub version: u32,
    pub generated_at: Time,
    pub host: String,
    pub boot_id: String,
    /// The worst of the units and of the host's findings.
    pub state: State,
    /// Units by state; every state is listed.
    pub summary: BTreeMap<State, usize>,
    pub units: Vec<Unit>,
    /// Findings about the host: configuration, coverage, the service manager.
    pub findings: Vec<Finding>,
    pub incidents_open: usize,
    /// Open incidents, and those that closed lately.
    pub incidents: Vec<Incident>,
    /// Every managed unit was read at least once.
    pub ready: bool,
    /// Mistakes in unit files and settings.
    pub problems: Vec<Problem>,
}

/// A unit's state, or the whole host's.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema, clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Ok,
    Degraded,
    Down,
    Recovering,
    Held,
    Quarantined,
    Unknown,
    Disabled,
}

impl State {
    /// The word of the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Recovering => "recovering",
            Self::Held => "held",
            Self::Quarantined => "quarantined",
            Self::Unknown => "unknown",
            Self::Disabled => "disabled",
        }
    }

    /// 0 is best; people read the worst first.
    #[must_use]
    pub fn rank(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Disabled => 1,
            Self::Held => 2,
            Self::Recovering => 3,
            Self::Unknown => 4,
            Self::Degraded => 5,
            Self::Quarantined => 6,
            Self::Down => 7,
        }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Warning,
    Critical,
}

/// `true`, `false` or `unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    /// The word of the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Unknown => "unknown",
        }
    }
}

/// Whether a service serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProbeStatus {
    Healthy,
    Unhealthy,
    Unknown,
}

impl ProbeStatus {
    /// The word of the contract.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Unknown => "unknown",
        }
    }
}

/// How a step of a recovery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StepResult {
    Done,
    Failed,
    Skipped,
}

/// A named problem with evidence. Each code is documented in docs/findings.md.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    pub code: String,
    /// The probe or queue that it is about; left out: the unit itself, or the host.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subject: String,
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    pub since: Time,
    pub evidence: Vec<String>,
    /// A command that repairs it, where one is known.
    pub repair: Option<String>,
}

/// One line of the timeline; also the data of one server-sent event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Event {
    /// Grows by one.
    pub id: u64,
    pub at: Time,
    /// `null` concerns the host.
    pub unit: Option<String>,
    /// `found`, `cleared`, `decided`, `acted`, `outcome` or `notice`.
    pub kind: String,
    /// The finding code that it is about.
    pub code: Option<String>,
    pub incident: Option<u64>,
    /// One sentence.
    pub message: String,
}

/// A mistake in a file that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Problem {
    pub file: String,
    /// 1-based; 0 where the whole file is meant.
    pub line: usize,
    /// 1-based; 0 where the whole file is meant.
    pub column: usize,
    pub message: String,
    /// The same with source line, caret and suggestion.
    pub rendered: String,
    /// The last good version of the file stays in force.
    pub last_good_in_force: bool,
}
