//! Bodies of requests that change something, and of every answer that is not the picture itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Drill, DrillPlan, Step, Time};
use crate::api::Build;

/// The body of `POST /v1/units/UNIT/hold`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HoldBody {
    /// How long, such as `30m`; at most `24h`.
    #[serde(rename = "for")]
    pub length: String,
    /// Why; shown to everybody who looks.
    pub reason: String,
}

/// The answer to `recover`, `hold`, `resume` and `drill`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reply {
    pub result: ReplyResult,
    pub message: String,
    /// One for each step of a recovery.
    pub steps: Vec<Step>,
    /// The same as `message` where the result is not `done`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What a drill measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Drill>,
    /// What a drill would do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<DrillPlan>,
}

/// Whether it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReplyResult {
    Done,
    /// Tried, and it did not work.
    Failed,
    /// Not tried.
    Refused,
}

/// Every error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// "cannot X: cause".
    pub error: String,
}

/// `GET /healthz`: how Steadfast itself is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Health {
    /// `ok`, or `not ready`.
    pub status: String,
    /// One sentence each; empty when all is well.
    pub reasons: Vec<String>,
    pub generated_at: Time,
    /// What the daemon was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
}
