//! What a person asks through the status socket, and what they are answered.

use std::time::Duration;

use super::baseline::WorseLine;
use super::drill::{Drill, DrillKind, DrillPlan};
use super::unit::UnitName;

/// A request that changes something. Who may ask was settled by the socket's peer credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Names the waiting caller.
    pub id: u64,
    pub unit: UnitName,
    /// `root`, `anna (uid 1000)`.
    pub who: String,
    pub ask: Ask,
}

/// A request, of whatever kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    OfUnit(Request),
    OfAlerts(AlertRequest),
    OfBaseline(BaselineRequest),
}

impl Asked {
    /// Names the waiting caller.
    #[must_use]
    pub fn id(&self) -> u64 {
        match self {
            Self::OfUnit(request) => request.id,
            Self::OfAlerts(request) => request.id,
            Self::OfBaseline(request) => request.id,
        }
    }
}

/// A request about alerts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertRequest {
    /// Names the waiting caller.
    pub id: u64,
    /// `root`, `anna (uid 1000)`.
    pub who: String,
    pub ask: AlertAsk,
}

/// What people can do about alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertAsk {
    /// Somebody knows of this incident: it is not repeated, and told to nobody else.
    Acknowledge { incident: u64 },
    /// Tell every sink a test.
    Test,
}

/// A request about what is worse than a baseline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaselineRequest {
    /// Names the waiting caller.
    pub id: u64,
    /// `root`, `anna (uid 1000)`.
    pub who: String,
    pub ask: BaselineAsk,
}

/// What became of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaselineAsk {
    /// Compared with this baseline, this is worse; nothing: all is well again.
    Told { baseline: String, lines: Vec<WorseLine> },
    /// It is to be as it is now.
    Accept,
}

/// The operator's commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// start + enable + endpoint check, now.
    Recover,
    /// Observe only, for this long.
    Hold { length: Duration, reason: String },
    /// End a hold or a quarantine.
    Resume,
    /// Prove the whole path by a fault of this kind. `rehearse`: only say what it would do.
    Drill { kind: DrillKind, rehearse: bool },
}

/// The answer; exactly one for each request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done, with one line for each step.
    Done { message: String, steps: Vec<Step> },
    /// Tried, and it did not work.
    Failed { message: String, steps: Vec<Step> },
    /// Not tried: why.
    Refused { message: String },
    /// No such managed unit.
    NotManaged,
    /// No such incident.
    NoIncident,
    /// What a drill would do.
    DrillPlanned(DrillPlan),
    /// A drill is over; how, it says itself.
    Drilled { drill: Box<Drill>, message: String },
    /// What became of a test, by sink.
    Tested(Vec<(String, Result<(), String>)>),
}

/// One step of a recovery, reported by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub name: StepName,
    pub result: StepResult,
    /// One sentence.
    pub message: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// The steps that a recovery can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepName {
    SmokeTest,
    Start,
    Restart,
    Enable,
    /// Active, current, no survivor, stable.
    Proof,
    /// Every probe healthy.
    EndpointCheck,
}

impl StepName {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SmokeTest => "smoke test",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Enable => "enable",
            Self::Proof => "proof",
            Self::EndpointCheck => "endpoint check",
        }
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepResult {
    Done,
    Failed,
    /// Nothing to do, or not asked for.
    Skipped,
}

impl StepResult {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}
