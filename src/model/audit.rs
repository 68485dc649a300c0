//! What nobody watches: the gaps that a look over the whole host finds, and what it finds them by.

use std::collections::BTreeSet;
use std::time::Duration;

use super::finding::{Code, Finding, Severity};
use super::moment::{Moment, kept};
use super::probe::TimerReading;
use super::unit::UnitName;

/// Something that nobody watches, or that cannot be watched as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Names it over time: what was told of it is not told again.
    pub key: String,
    /// The unit, program or file that it is about.
    pub subject: String,
    /// Told by itself; some are told together.
    pub finding: Finding,
}

impl Gap {
    /// A warning that is told by itself. `about`: what names it over time, and its subject.
    #[must_use]
    pub fn new(code: Code, about: (&str, &str), message: String, since: Moment) -> Self {
        let (key, subject) = about;
        let severity = Severity::Warning;
        let finding = Finding {
            code,
            subject: String::new(),
            severity,
            message,
            since,
            evidence: Vec::new(),
            repair: None,
            early: false,
        };
        Self { key: format!("{} {key}", code.as_str()), subject: subject.to_owned(), finding }
    }

    /// The same with evidence and a command that repairs it.
    #[must_use]
    pub fn proven(mut self, evidence: Vec<String>, repair: impl Into<Option<String>>) -> Self {
        self.finding.evidence = evidence;
        self.finding.repair = repair.into();
        self
    }
}

/// A timer, how often it fires, and how what it starts last ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerFacts {
    pub timer: UnitName,
    pub last: TimerReading,
    /// `OnCalendar=` as systemd normalises it: `Mon *-*-* 00:00:00`.
    pub calendars: Vec<String>,
    /// `OnUnitActiveSec=`, `OnBootSec=` and their kin.
    pub spans: Vec<(String, Duration)>,
    /// What it starts is to end by itself.
    pub oneshot: bool,
    /// A condition kept what it starts from running.
    pub kept_away: bool,
    /// `AccuracySec=` and `RandomizedDelaySec=` together.
    pub tolerance: Duration,
}

/// A unit file of ours, or a part of one, that is not in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffFile {
    pub file: String,
    pub how: Off,
    /// When the file was last written.
    pub modified_at: Option<Moment>,
}

/// A unit that is failed, managed or not, once systemd is done with restarting it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedUnit {
    pub unit: UnitName,
    /// `Result=`, such as `exit-code`; empty where it was not read.
    pub result: String,
    /// What the unit itself wrote last.
    pub lines: Vec<String>,
}

impl FailedUnit {
    /// That no file manages it, as a gap.
    #[must_use]
    pub fn gap(self, of_user: bool, now: Moment) -> Gap {
        let Self { unit, result, lines } = self;
        let how =
            if result.is_empty() || result == "success" { String::new() } else { format!(" ({result})") };
        let message = format!("{unit} has failed{how}, and no file manages it");
        let user = if of_user { " --user" } else { "" };
        let gap = Gap::new(Code::HostUnitFailed, (unit.as_str(), unit.as_str()), message, now);
        let mut gap = gap.proven(lines, format!("journalctl{user} -u {unit} -n 50"));
        gap.finding.severity = Severity::Critical;
        gap
    }
}

/// What makes it so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Off {
    /// Its name is none that is read.
    Renamed,
    /// It lies in a folder that is not read.
    Misplaced,
    /// A drop-in of a file that is not there.
    Orphan,
    /// A link to /dev/null: no reason, no end.
    Masked,
    /// Comments that would be keys in force: from line to line, and the table or key that they begin with.
    CommentedOut { first: usize, last: usize, what: String },
    /// It is in force and tells us not to act, without a word why: the line, and what it says.
    Half { line: usize, what: String },
}

kept! {
    /// What is remembered of a probe, over our own restarts.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct ProbeRecord {
        pub asked_since: Moment,
        /// At least so many: written when they have doubled.
        pub answers: u64,
        pub failures: u64,
    }
}

/// What a look found, or why it could not be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    pub gaps: Vec<Gap>,
    /// Nothing was left out: what is not among the gaps is none.
    pub whole: bool,
    /// Units of which the processes could not be read: their gaps may be there still.
    pub unread: BTreeSet<UnitName>,
}
