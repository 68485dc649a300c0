//! What one concern says of one condition: its truth, the reason, and the findings behind it.

use crate::model::finding::{Code, Finding, Severity, Truth};
use crate::model::moment::Moment;
use crate::policy::limits;

/// The judgement on one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    pub truth: Truth,
    /// A finding code, or a short word.
    pub reason: String,
    pub message: String,
    pub findings: Vec<Finding>,
}

impl Judgement {
    /// All is well.
    #[must_use]
    pub fn good(reason: &str, message: impl Into<String>) -> Self {
        Self { truth: Truth::True, reason: reason.to_owned(), message: message.into(), findings: Vec::new() }
    }

    /// It cannot be told now.
    #[must_use]
    pub fn unknown(reason: &str, message: impl Into<String>) -> Self {
        Self { truth: Truth::Unknown, ..Self::good(reason, message) }
    }

    /// Not so, without being a finding: a passing state.
    #[must_use]
    pub fn passing(reason: &str, message: impl Into<String>) -> Self {
        Self { truth: Truth::False, ..Self::good(reason, message) }
    }

    /// Not so, and this is why.
    #[must_use]
    pub fn bad(finding: Finding) -> Self {
        Self {
            truth: Truth::False,
            reason: finding.code.as_str().to_owned(),
            message: finding.message.clone(),
            findings: vec![finding],
        }
    }

    /// Adds a finding. It makes a good condition false and leaves the reason of a bad one.
    #[must_use]
    pub fn and(mut self, finding: Finding) -> Self {
        if self.truth != Truth::False {
            self.truth = Truth::False;
            self.reason = finding.code.as_str().to_owned();
            self.message.clone_from(&finding.message);
        }
        self.findings.push(finding);
        self
    }

    /// Adds a finding that leaves the condition as it is.
    #[must_use]
    pub fn note(mut self, finding: Finding) -> Self {
        self.findings.push(finding);
        self
    }
}

/// A finding that begins now; `incidents` keeps the beginning of one that was there before.
#[must_use]
pub fn finding(code: Code, severity: Severity, message: impl Into<String>, now: Moment) -> Finding {
    Finding { code, severity, message: message.into(), since: now, evidence: Vec::new(), repair: None }
}

/// A finding with evidence, bounded, and the command that repairs it.
#[must_use]
pub fn proven(finding: Finding, evidence: Vec<String>, repair: Option<String>) -> Finding {
    let mut evidence = evidence;
    evidence.truncate(limits::EVIDENCE_LINES);
    Finding { evidence, repair, ..finding }
}
