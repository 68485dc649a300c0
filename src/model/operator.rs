//! The commands of people through the status socket, and the answers to them.

use std::time::Duration;

use super::baseline::WorseLine;
use super::drill::{Drill, DrillKind, DrillPlan};
use super::unit::UnitName;

/// A command of a person. Who may give one was settled by the socket's peer credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// Names the waiting caller.
    pub id: u64,
    /// `root`, `anna (uid 1000)`.
    pub who: String,
    pub ask: Ask,
}

/// The commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// About one managed unit.
    OfUnit { unit: UnitName, ask: UnitAsk },
    /// Somebody knows of this incident: it is not repeated, and told to nobody else.
    Acknowledge { incident: u64 },
    /// Send a test through every sink.
    TestAlerts,
    /// Compared with this baseline, these lines are worse; none: all is well again.
    Compared { baseline: String, lines: Vec<WorseLine> },
    /// What is worse than the baseline is to stay so.
    AcceptBaseline,
}

impl Ask {
    /// What the answer is about: `horizon.service`, `incident 9`.
    #[must_use]
    pub fn subject(&self) -> String {
        match self {
            Self::OfUnit { unit, .. } => unit.to_string(),
            Self::Acknowledge { incident } => format!("incident {incident}"),
            Self::TestAlerts => "the test".to_owned(),
            Self::Compared { .. } | Self::AcceptBaseline => "the comparison".to_owned(),
        }
    }
}

/// The commands about one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitAsk {
    /// start + enable + endpoint check, now.
    Recover,
    /// Observe only, for this long.
    Hold { length: Duration, reason: String },
    /// End a hold or a quarantine.
    Resume,
    /// Read it once more; answers when that is judged. Changes nothing, and everybody who may read may ask it.
    Look,
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
    Drain,
    Start,
    Restart,
    Enable,
    /// Active, current, no survivor, stable.
    Proof,
    /// Every probe healthy.
    EndpointCheck,
    /// Something of the queue was completed again.
    Progress,
}

impl StepName {
    /// When it fails, the unit is as it was.
    #[must_use]
    pub fn is_before_job(self) -> bool {
        matches!(self, Self::SmokeTest | Self::Drain)
    }

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SmokeTest => "smoke test",
            Self::Drain => "drain",
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Enable => "enable",
            Self::Proof => "proof",
            Self::EndpointCheck => "endpoint check",
            Self::Progress => "progress",
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
