//! What one concern says of one condition: its truth, the reason, and the findings behind it.

use crate::model::finding::{Code, Finding, Severity, Truth, Why};
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
    /// Time alone may change it then.
    pub recheck: Option<Moment>,
}

impl Judgement {
    /// All is well.
    #[must_use]
    pub fn good(reason: &str, message: impl Into<String>) -> Self {
        Self {
            truth: Truth::True,
            reason: reason.to_owned(),
            message: message.into(),
            findings: Vec::new(),
            recheck: None,
        }
    }

    /// It cannot be told now.
    #[must_use]
    pub fn unknown(why: Why, reason: &str, message: impl Into<String>) -> Self {
        Self { truth: Truth::Unknown(why), ..Self::good(reason, message) }
    }

    /// It is to be judged again then, at the latest.
    #[must_use]
    pub fn until(mut self, at: Moment) -> Self {
        self.recheck = Some(self.recheck.map_or(at, |known| known.min(at)));
        self
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
            recheck: None,
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

    /// Without the findings of this code: another condition has told them.
    #[must_use]
    pub fn without(mut self, code: Code) -> Self {
        self.findings.retain(|found| found.code != code);
        self
    }

    /// What is well now may be otherwise in a moment: a good condition cannot be told yet.
    #[must_use]
    pub fn not_true_yet(self, reason: &str, message: String) -> Self {
        if self.truth != Truth::True {
            return self;
        }
        Self { truth: Truth::Unknown(Why::CannotTell), reason: reason.to_owned(), message, ..self }
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
    Finding {
        code,
        subject: String::new(),
        severity,
        message: message.into(),
        since: now,
        evidence: Vec::new(),
        repair: None,
        early: false,
    }
}

impl Finding {
    /// The same about this probe or queue of the unit.
    #[must_use]
    pub fn about(self, subject: &str) -> Self {
        Self { subject: subject.to_owned(), ..self }
    }
}

/// A finding with evidence, bounded, and the command that repairs it.
#[must_use]
pub fn proven(finding: Finding, evidence: Vec<String>, repair: Option<String>) -> Finding {
    let mut evidence = evidence;
    evidence.truncate(limits::EVIDENCE_LINES);
    Finding { evidence, repair, ..finding }
}

/// Commands that repair are meant for the instance that finds.
pub fn for_instance(findings: &mut [Finding], user_instance: bool) {
    for found in findings.iter_mut().filter(|_| user_instance) {
        found.repair = found.repair.take().map(to_user_manager);
    }
}

/// The same command for the user's own manager.
fn to_user_manager(command: String) -> String {
    let program = command.split(' ').next().unwrap_or_default();
    let has_both = matches!(program, "systemctl" | "journalctl" | "steadfast" | "systemd-analyze");
    match command.split_once(' ') {
        Some((program, rest)) if has_both && !rest.starts_with("--user ") => {
            format!("{program} --user {rest}")
        }
        Some(_) | None => command,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repairs_are_meant_for_the_instance() {
        let of = |repair: &str, user| {
            let found = finding(Code::HostStorm, Severity::Critical, "", Moment::default());
            let mut found = [proven(found, Vec::new(), Some(repair.to_owned()))];
            for_instance(&mut found, user);
            found[0].repair.clone().unwrap_or_default()
        };
        assert_eq!(of("steadfast status", false), "steadfast status");
        assert_eq!(of("steadfast status", true), "steadfast --user status");
        assert_eq!(of("systemctl --user enable a.service", true), "systemctl --user enable a.service");
        assert_eq!(of("loginctl enable-linger joe", true), "loginctl enable-linger joe");
    }
}
