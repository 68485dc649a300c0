//! Telling people: who is told what, and what they are sent.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::finding::Severity;
use super::moment::Moment;
use super::unit::UnitName;

/// One `[alert.NAME]`: a way to tell people, and what it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkSpec {
    pub name: String,
    pub kind: SinkKind,
    pub min_severity: Severity,
    /// Labels that an alert must have, and the shell pattern that each must match.
    pub matching: BTreeMap<String, String>,
    /// Told only of what has fired for this long, and nobody acknowledged.
    pub after: Duration,
    /// Told again this often while it fires and nobody acknowledged it.
    pub repeat: Option<Duration>,
    /// So many messages within `interval`; what comes beyond is told together, as one.
    pub burst: u32,
    pub interval: Duration,
    /// A delivery that takes longer has failed.
    pub timeout: Duration,
}

impl SinkSpec {
    /// A sink of which only this is written.
    #[must_use]
    pub fn usual(name: String, kind: SinkKind) -> Self {
        // Alertmanager takes for resolved what it is not told again within minutes.
        let repeat = Duration::from_secs(if kind.takes_all() { 60 } else { 4 * 3600 });
        Self {
            name,
            kind,
            min_severity: Severity::Warning,
            matching: BTreeMap::new(),
            after: Duration::ZERO,
            repeat: Some(repeat),
            burst: 10,
            interval: Duration::from_secs(600),
            timeout: Duration::from_secs(10),
        }
    }
}

/// How a sink is reached. The room `alert` wrote its keys and reads them again; here they are handed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SinkKind {
    /// The kind and its keys as text, without a secret.
    pub keys: String,
    /// See `takes_all`.
    pub all: bool,
}

impl SinkKind {
    /// It wants to hear of all that fires, again and again, in one message.
    #[must_use]
    pub fn takes_all(&self) -> bool {
        self.all
    }

    /// It can be told not to alert people of a unit for a while: an Alertmanager.
    #[must_use]
    pub fn silences(&self) -> bool {
        self.all
    }
}

/// `[heartbeat]`: a server elsewhere that raises the alarm when nothing is heard of us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// How it is reached: keys as text, without a secret. The room `alert` wrote them and reads them again.
    pub keys: String,
    pub period: Duration,
}

/// What one delivery carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// Names this delivery; grows by one.
    pub id: u64,
    pub host: String,
    /// Of the user instance: the commands that it names are meant for that.
    pub user_instance: bool,
    /// One alert; several where they are told together.
    pub alerts: Vec<Alert>,
}

/// What people are told of one incident.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// The same for all that is ever told of this incident to whomever: who gets it twice can tell.
    pub key: String,
    pub status: AlertStatus,
    /// How often this sink was told before that it fires.
    pub repeats: u32,
    pub incident: u64,
    /// `None` concerns the host.
    pub unit: Option<String>,
    /// The code of what is found now; of what is over, of the finding that opened the incident.
    pub code: String,
    pub severity: Severity,
    /// One sentence.
    pub summary: String,
    pub evidence: Vec<String>,
    /// What was decided and done so far, a sentence each, oldest first.
    pub done: Vec<String>,
    /// What comes next, or why nothing does.
    pub next: Option<String>,
    /// What changed before it began, most suspect first.
    pub changes: Vec<String>,
    /// A command that repairs it, where one is known.
    pub repair: Option<String>,
    /// Units whose trouble it explains.
    pub affected: Vec<String>,
    pub owner: Option<String>,
    pub runbook: Option<String>,
    /// The page of the incident, where the settings say where pages are.
    pub link: Option<String>,
    /// `host`, `unit`, `code`, `severity`, `owner`, and what the files add.
    pub labels: BTreeMap<String, String>,
    pub started_at: Moment,
    /// `None` while it fires.
    pub ended_at: Option<Moment>,
}

impl Alert {
    /// It is critical, and fires.
    #[must_use]
    pub fn is_pressing(&self) -> bool {
        self.status == AlertStatus::Firing && self.ended_at.is_none() && self.severity == Severity::Critical
    }
}

/// What an Alertmanager is to know of a unit that a person holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Silence {
    pub host: String,
    pub unit: UnitName,
    /// The same for all that is told of this silence.
    pub key: String,
    pub who: String,
    pub reason: String,
    /// It ends then; `None`: now.
    pub until: Option<Moment>,
}

/// What is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AlertStatus {
    Firing,
    Resolved,
    /// Somebody tries whether it arrives.
    Test,
}

impl AlertStatus {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Test => "test",
        }
    }
}

/// What is known of one sink.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SinkSeen {
    /// The delivery under way.
    pub in_flight: Option<InFlight>,
    /// Since when nothing arrives, how often it was tried, and why not.
    pub failing: Option<Failing>,
    /// When messages arrived, within the interval of the rate cap, and whether one told of something critical that fires.
    pub sent: VecDeque<(Moment, bool)>,
    /// Alerts that wait to be told.
    pub waiting: usize,
}

/// A delivery under way.
#[derive(Clone, Debug, PartialEq)]
pub struct InFlight {
    pub message: u64,
    /// Given up then.
    pub until: Moment,
    /// The incidents that are told of, and what.
    pub news: Vec<News>,
    /// Who waits to hear whether a test arrived.
    pub test: Option<u64>,
    /// It tells of something critical that fires.
    pub critical: bool,
}

/// One incident in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct News {
    pub incident: u64,
    pub status: AlertStatus,
    /// It says that we gave up.
    pub gave_up: bool,
    /// So much of what the incident came to be about since it opened is told with it.
    pub news: u32,
}

/// A sink that cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failing {
    pub since: Moment,
    pub tries: u32,
    pub retry_at: Moment,
    pub why: String,
}

/// Somebody asked for a test, and waits for what the sinks say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TestAsked {
    /// Sinks that were not tried yet.
    pub left: Vec<String>,
    pub results: Vec<(String, Result<(), String>)>,
}
