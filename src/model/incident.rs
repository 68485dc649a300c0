//! A stretch of trouble of one unit, or of the host, from its first finding to its last.

use std::collections::BTreeMap;

use super::finding::{Code, Finding, Severity};
use super::moment::{Moment, kept, timeless};
use super::unit::UnitName;

timeless!(Severity, EventKind);

kept! {
    /// One incident.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Incident {
        pub id: u64,
        /// `None`: it concerns the host.
        pub unit: Option<UnitName>,
        /// The finding that opened it.
        pub cause: Code,
        /// The worst that was seen of it, and how bad it was when it opened.
        pub severity: Severity,
        pub opened_severity: Severity,
        /// Whose its unit was then.
        pub owner: Option<String>,
        /// The finding's sentence.
        pub summary: String,
        pub evidence: Vec<String>,
        /// A command that repairs it, where one is known.
        pub repair: Option<String>,
        /// When the fault itself came about, as far as systemd, a link or the last good answer tells.
        pub began_at: Option<Moment>,
        pub opened_at: Moment,
        /// When its finding was first there; it may have waited for the settle time of a deploy.
        pub found_at: Option<Moment>,
        /// When we first decided about it, and when we first did something.
        pub decided_at: Option<Moment>,
        pub acted_at: Option<Moment>,
        /// `None` while it is open.
        pub resolved_at: Option<Moment>,
        /// Units that require this one, and whose trouble it explains.
        pub affected: Vec<UnitName>,
        /// The incident that turned out to explain this one.
        pub part_of: Option<u64>,
        /// Somebody knows: who, and since when.
        pub acknowledged: Option<Acknowledgement>,
        /// What changed before it, most suspect first.
        pub changes: Vec<Change>,
        /// The sick unit was looked at closely, or that was given up.
        pub captured_at: Option<Moment>,
        /// The file with what was seen.
        pub evidence_file: Option<String>,
        /// What each sink was told, by its name.
        pub told: BTreeMap<String, Told>,
        /// A drill made it: nothing was wrong in earnest.
        pub drill: bool,
        /// What nobody watches, where it is about that: keys of the gaps that are left of it. It is told once.
        pub gaps: Vec<String>,
        /// What it came to be about since, oldest first: something graver, or what is left of it.
        pub news: Vec<Code>,
        /// What its unit wrote last, as the last close look found it.
        pub said: Vec<String>,
    }
}

impl Incident {
    /// One that this finding opens now.
    #[must_use]
    pub fn new(id: u64, unit: Option<UnitName>, cause: &Finding, now: Moment) -> Self {
        Self {
            id,
            unit,
            cause: cause.code,
            severity: cause.severity,
            opened_severity: cause.severity,
            owner: None,
            summary: cause.message.clone(),
            evidence: cause.evidence.clone(),
            repair: cause.repair.clone(),
            began_at: None,
            opened_at: now,
            found_at: Some(cause.since.min(now)),
            decided_at: None,
            acted_at: None,
            resolved_at: None,
            affected: Vec::new(),
            part_of: None,
            acknowledged: None,
            changes: Vec::new(),
            captured_at: None,
            evidence_file: None,
            told: BTreeMap::new(),
            drill: false,
            gaps: Vec::new(),
            news: Vec::new(),
            said: Vec::new(),
        }
    }

    /// What it is about now.
    #[must_use]
    pub fn present(&self) -> Code {
        self.news.last().copied().unwrap_or(self.cause)
    }
}

/// What a close look brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Looked {
    /// The file with what was seen, or why there is none.
    pub file: Result<String, String>,
    /// What was changed lately on the host, as it was read.
    pub changes: Vec<Change>,
    /// What the unit itself wrote last, most telling lines only.
    pub said: Vec<String>,
}

kept! {
    /// Somebody said that they know.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Acknowledgement {
        pub at: Moment,
        pub who: String,
    }
}

kept! {
    /// Something that changed on the host.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Change {
        pub at: Moment,
        /// One sentence.
        pub what: String,
    }
}

kept! {
    /// What one sink was told of an incident.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Told {
        /// The last delivery that arrived.
        pub at: Moment,
        /// A message that it fires was sent; whether it arrived may have been told to nobody.
        pub tried: bool,
        /// How often it was told that it fires.
        pub firing: u32,
        /// It was told that it is over.
        pub resolved: bool,
        /// It was told that we gave up.
        pub gave_up: bool,
        /// When it was first told that it fires, and when that it is over.
        pub fired_at: Option<Moment>,
        pub over_at: Option<Moment>,
        /// How much of what came later (`Incident::news`) it was told.
        pub news: Option<u32>,
    }
}

kept! {
    /// One line of the timeline: a finding, a decision or an action.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Event {
        /// Grows by one; survives our own restart.
        pub id: u64,
        pub at: Moment,
        /// `None` concerns the host.
        pub unit: Option<UnitName>,
        pub kind: EventKind,
        pub code: Option<Code>,
        pub incident: Option<u64>,
        /// One sentence.
        pub message: String,
    }
}

/// What an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A finding appeared.
    Found,
    /// A finding is gone.
    Cleared,
    /// A decision that is not an action: held, quarantined, would have.
    Decided,
    /// An action began.
    Acted,
    /// An action's outcome.
    Outcome,
    /// Configuration or life cycle.
    Notice,
    /// A release link leads elsewhere.
    Deployed,
    /// Files, packages, settings: something changed on the host, by whatever hand.
    Changed,
    /// It started, stopped or restarted by somebody's hand, or with another unit.
    Operated,
    /// It did so by itself, or by ours.
    Ran,
    /// Figures of a trouble: what waits, what failed.
    Measured,
    /// People were told, or could not be.
    Told,
}

impl EventKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::Cleared => "cleared",
            Self::Decided => "decided",
            Self::Acted => "acted",
            Self::Outcome => "outcome",
            Self::Notice => "notice",
            Self::Deployed => "deployed",
            Self::Changed => "changed",
            Self::Operated => "operated",
            Self::Ran => "ran",
            Self::Measured => "measured",
            Self::Told => "told",
        }
    }
}
