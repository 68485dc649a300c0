//! What a person asks for: one unit file, and the settings.

// An address alone is a fact; what `std::net` has besides is not for this room.
use core::net::SocketAddr;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::alert::{Heartbeat, SinkSpec};
use super::finding::Severity;
use super::fleet::{LockSpec, SlotSpec};
use super::installed::Kind;
use super::moment::{Moment, kept};
use super::probe::ProbeSpec;
use super::progress::ProgressSpec;
use super::unit::UnitName;

/// act, or only say what would be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Act,
    Observe,
}

impl Mode {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Observe => "observe",
        }
    }
}

/// Which units a file manages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    Unit(UnitName),
    /// A shell pattern over unit names; a template `worker@.service` arrives as `worker@*.service`.
    Pattern(String),
}

/// One unit file, complete with defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Spec {
    pub selector: Selector,
    /// The file that says so.
    pub file: String,
    pub mode: Mode,
    pub severity: Severity,
    pub owner: Option<String>,
    pub runbook: Option<String>,
    /// Managed units that this one needs.
    pub requires: Vec<UnitName>,
    pub recovery: RecoverySpec,
    pub release: ReleaseSpec,
    pub smoke: Option<SmokeSpec>,
    pub probes: Vec<ProbeSpec>,
    pub progress: Vec<ProgressSpec>,
    pub disabled: Option<DisabledSpec>,
    pub slot: SlotSpec,
}

impl Spec {
    /// Something that is no unit of this host: it has only probes.
    #[must_use]
    pub fn is_dependency(&self) -> bool {
        matches!(&self.selector, Selector::Unit(unit) if unit.is_dependency())
    }

    /// What a file without a single key says.
    #[must_use]
    pub fn of_empty_file(selector: Selector, file: String) -> Self {
        Self {
            selector,
            file,
            mode: Mode::Act,
            severity: Severity::Critical,
            owner: None,
            runbook: None,
            requires: Vec::new(),
            recovery: RecoverySpec::default(),
            release: ReleaseSpec::default(),
            smoke: None,
            probes: Vec::new(),
            progress: Vec::new(),
            disabled: None,
            slot: SlotSpec::Usual,
        }
    }
}

/// `[recovery]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoverySpec {
    pub start: bool,
    pub enable: bool,
    /// `None` is "never": a person's stop is only told.
    pub after_manual_stop: Option<Duration>,
    /// The same for a person's `disable`.
    pub after_manual_disable: Option<Duration>,
    /// What follows when it ends by itself, and well.
    pub clean_exit: CleanExit,
    /// How long a tool's own restart is awaited after such an end.
    pub clean_exit_delay: Duration,
    pub burst: u32,
    pub interval: Duration,
    pub delay: Duration,
    pub max_delay: Duration,
    pub verify_within: Duration,
    /// Processes that an earlier run left are ended.
    pub end_survivors: bool,
    /// Of the units of its group no more may be away at once for a restart of ours; `None`: any number.
    pub max_unavailable: Option<Share>,
    /// What it finishes before a restart ends it.
    pub drain: Option<DrainSpec>,
}

/// `drain`: how a unit is told to take no more work, and when it has finished what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrainSpec {
    pub command: Vec<String>,
    /// A command whose status is 0 when nothing is in work any more; none: `command` returns only then.
    pub until: Option<Vec<String>>,
    /// It is restarted then, whatever it still does.
    pub timeout: Duration,
}

impl Default for RecoverySpec {
    fn default() -> Self {
        Self {
            start: true,
            enable: true,
            after_manual_stop: Some(Duration::from_secs(1800)),
            after_manual_disable: Some(Duration::from_secs(1800)),
            clean_exit: CleanExit::Start,
            clean_exit_delay: Duration::from_secs(30),
            burst: 3,
            interval: Duration::from_secs(900),
            delay: Duration::from_secs(5),
            max_delay: Duration::from_secs(300),
            verify_within: Duration::from_secs(60),
            end_survivors: false,
            max_unavailable: None,
            drain: None,
        }
    }
}

/// A part of a group, as people write it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    Count(usize),
    /// Of all, rounded down, and never less than one.
    PerCent(usize),
}

impl Share {
    /// How many of so many.
    #[must_use]
    pub fn of(self, all: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::PerCent(part) => (all.saturating_mul(part) / 100).max(1),
        }
    }
}

/// What follows when a service ends by itself, and well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CleanExit {
    /// It is told, and started after a while.
    Start,
    /// It is held, as after a person's stop.
    Hold,
}

/// What to do about a finding of `[release]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    Restart,
    Alert,
    Ignore,
}

/// `[release]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseSpec {
    /// Declared link; others are found in the unit's own paths.
    pub link: Option<String>,
    pub on_stale: Reaction,
    pub settle: Duration,
    /// After a handover, processes of the old release may go on this long.
    pub drain_within: Duration,
    pub binaries: Reaction,
    /// What can wait is restarted only then, as written: days and hours.
    pub window: Option<String>,
    /// People are told when a new release has waited this long for its window.
    pub max_wait: Option<Duration>,
    /// What tells of a new release.
    pub kinds: BTreeSet<Kind>,
}

impl Default for ReleaseSpec {
    fn default() -> Self {
        Self {
            link: None,
            on_stale: Reaction::Restart,
            settle: Duration::from_secs(60),
            drain_within: Duration::from_secs(1800),
            binaries: Reaction::Alert,
            window: None,
            max_wait: None,
            kinds: BTreeSet::from(Kind::ALL),
        }
    }
}

/// `[smoke]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmokeSpec {
    pub command: Vec<String>,
    pub directory: SmokeDirectory,
    pub timeout: Duration,
}

/// Where the smoke test runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmokeDirectory {
    /// The target of the release link now; the unit's own directory where it has no link.
    Release,
    Unit,
    Path(String),
}

/// `[disabled]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DisabledSpec {
    pub reason: String,
    /// Unix time in milliseconds.
    pub until_ms: i64,
}

kept! {
    /// A unit's file is switched off, as it was told.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SwitchedOff {
        pub since: Moment,
        pub until: Moment,
        pub reason: String,
    }
}

/// `steadfast.toml`, complete with defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Members may change things through the status socket, besides root.
    pub admin_group: Option<String>,
    /// The slow steady period at which everything is read again.
    pub resync: Duration,
    /// Nothing is acted on before this long after a start of ours within boot.
    pub startup_hold: Duration,
    /// Ways to tell people.
    pub sinks: Vec<SinkSpec>,
    /// Labels that every alert has.
    pub labels: BTreeMap<String, String>,
    /// How far back it is told what changed before an incident.
    pub changes_within: Duration,
    /// An outage that took longer has its post-mortem drafted.
    pub postmortem_after: Duration,
    pub heartbeat: Option<Heartbeat>,
    /// The status is served there as well, for reading only.
    pub listen: Option<SocketAddr>,
    /// Names that `listen` answers to, besides the loopback's, every address and this host's name.
    pub allowed_hosts: Vec<String>,
    /// Lines of journals are shown at `listen`, too.
    pub log_lines: bool,
    /// Where people find the status page: an address that alerts link to, without a slash at its end.
    pub page_url: Option<String>,
    /// The whole host is looked over this often; `None`: never.
    pub audit_every: Option<Duration>,
    pub ignored: Option<Ignored>,
    /// Where other hosts show their status for reading, without a slash at the end.
    pub peers: Vec<String>,
    /// Restarts need a slot of this lock server.
    pub lock: Option<LockSpec>,
}

/// `[coverage]`: what is left alone on purpose, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// Shell patterns over names of units and of programs.
    pub patterns: Vec<String>,
    pub reason: String,
    /// Unix time in milliseconds.
    pub until_ms: i64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            admin_group: None,
            resync: Duration::from_secs(30),
            startup_hold: Duration::from_secs(0),
            sinks: Vec::new(),
            labels: BTreeMap::new(),
            changes_within: Duration::from_secs(30 * 60),
            postmortem_after: Duration::from_secs(10 * 60),
            heartbeat: None,
            listen: None,
            allowed_hosts: Vec::new(),
            log_lines: false,
            page_url: None,
            audit_every: Some(Duration::from_secs(6 * 3600)),
            ignored: None,
            peers: Vec::new(),
            lock: None,
        }
    }
}

/// A mistake in a file that a person wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub file: String,
    /// 1-based; 0 where the whole file is meant.
    pub line: usize,
    pub column: usize,
    /// One sentence, "cannot X: cause".
    pub message: String,
    /// The same with source line, caret and suggestion, for a terminal without colour.
    pub rendered: String,
    /// The last good version of the file stays in force.
    pub last_good_in_force: bool,
}
