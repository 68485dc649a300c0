//! Baselines: what differs, what is kept, and what the daemon is told of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Severity, Time};
use crate::model::baseline::{Comparison, Difference, Gravity, Head, Lost, WorseLine};
use crate::model::unit::UnitName;

/// Lines that the daemon is told, lines of evidence of each, and characters of each: a request has a limit.
const TOLD: usize = 40;
const TOLD_EVIDENCE: usize = 4;
const TOLD_LONG: usize = 250;

fn cut(text: &str) -> String {
    text.chars().take(TOLD_LONG).collect()
}

/// `baseline diff --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineDiff {
    /// Version of the contract: 1.
    pub version: u32,
    pub host: String,
    /// The baseline that was compared with.
    pub before: BaselineHead,
    /// What was compared: another one, or the host as it is now.
    pub after: BaselineHead,
    /// The host was rebooted in between.
    pub rebooted: bool,
    /// Gravest first.
    pub differences: Vec<BaselineDifference>,
    /// What could not be compared, a sentence each.
    pub untold: Vec<String>,
    /// What is never compared on a host like this, a sentence each.
    pub beyond: Vec<String>,
}

/// `baseline list --json`: newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineList {
    pub baselines: Vec<BaselineHead>,
}

/// Which baseline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineHead {
    pub name: String,
    pub host: String,
    pub boot_id: String,
    pub taken_at: Time,
    /// Who had it taken.
    pub by: String,
    /// It was taken by itself before this: `apt`, `dnf`, `accept`.
    pub before: Option<String>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BaselineDifference {
    /// `critical`, `warning` or `note`.
    pub gravity: BaselineGravity,
    pub unit: Option<String>,
    /// `running`, `enabled` or `other`.
    pub lost: BaselineLost,
    /// One sentence.
    pub message: String,
    pub evidence: Vec<String>,
    /// A command that repairs it, where one is known.
    pub repair: Option<String>,
}

/// How grave a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BaselineGravity {
    Note,
    Warning,
    Critical,
}

/// What was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BaselineLost {
    Running,
    Enabled,
    Other,
}

/// The body of `POST /v1/baseline`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaselineBody {
    /// The baseline that was compared with.
    pub baseline: String,
    /// What is worse now; empty: nothing is worse any more.
    pub worse: Vec<BaselineWorse>,
}

/// One thing that is worse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BaselineWorse {
    pub severity: Severity,
    pub unit: Option<String>,
    pub lost: BaselineLost,
    pub message: String,
    pub evidence: Vec<String>,
    pub repair: Option<String>,
}

impl BaselineDiff {
    #[must_use]
    pub fn of(comparison: &Comparison) -> Self {
        let Comparison { before, after, differences, untold, beyond } = comparison;
        Self {
            version: super::VERSION,
            host: after.host.clone(),
            rebooted: before.boot_id != after.boot_id,
            before: before.into(),
            after: after.into(),
            differences: differences.iter().map(Into::into).collect(),
            untold: untold.clone(),
            beyond: beyond.clone(),
        }
    }

    /// What of it the daemon is to know.
    #[must_use]
    pub fn body(&self) -> BaselineBody {
        let worse = self.differences.iter().filter_map(|one| {
            let severity = match one.gravity {
                BaselineGravity::Note => return None,
                BaselineGravity::Warning => Severity::Warning,
                BaselineGravity::Critical => Severity::Critical,
            };
            Some(BaselineWorse {
                severity,
                unit: one.unit.clone(),
                lost: one.lost,
                message: cut(&one.message),
                evidence: one.evidence.iter().take(TOLD_EVIDENCE).map(|line| cut(line)).collect(),
                repair: one.repair.as_deref().map(cut),
            })
        });
        BaselineBody { baseline: self.before.name.clone(), worse: worse.take(TOLD).collect() }
    }
}

impl From<&Head> for BaselineHead {
    fn from(head: &Head) -> Self {
        Self {
            name: head.name.clone(),
            host: head.host.clone(),
            boot_id: head.boot_id.clone(),
            taken_at: Time(head.taken_ms),
            by: head.by.clone(),
            before: head.before.clone(),
        }
    }
}

impl From<&Difference> for BaselineDifference {
    fn from(one: &Difference) -> Self {
        Self {
            gravity: match one.gravity {
                Gravity::Note => BaselineGravity::Note,
                Gravity::Warning => BaselineGravity::Warning,
                Gravity::Critical => BaselineGravity::Critical,
            },
            unit: one.unit.as_ref().map(ToString::to_string),
            lost: match one.lost {
                Lost::Running => BaselineLost::Running,
                Lost::Enabled => BaselineLost::Enabled,
                Lost::Other => BaselineLost::Other,
            },
            message: one.message.clone(),
            evidence: one.evidence.clone(),
            repair: one.repair.clone(),
        }
    }
}

impl From<BaselineWorse> for WorseLine {
    fn from(one: BaselineWorse) -> Self {
        use crate::model::finding;
        Self {
            severity: match one.severity {
                Severity::Warning => finding::Severity::Warning,
                Severity::Critical => finding::Severity::Critical,
            },
            unit: one.unit.as_deref().map(UnitName::from),
            lost: match one.lost {
                BaselineLost::Running => Lost::Running,
                BaselineLost::Enabled => Lost::Enabled,
                BaselineLost::Other => Lost::Other,
            },
            message: one.message,
            evidence: one.evidence,
            repair: one.repair,
        }
    }
}
