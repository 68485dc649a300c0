//! Probes: what is asked of a service, and one answer. Words are kubelet's.

use std::collections::VecDeque;
use std::time::Duration;

use super::moment::Moment;
use super::poll::Poll;
use super::trace::Trace;
use super::unit::UnitName;

/// One probe of a unit, as configured.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSpec {
    pub name: String,
    pub kind: ProbeKind,
    pub period: Duration,
    /// Always below the period.
    pub timeout: Duration,
    /// No verdict counts for this long after the unit became active.
    pub initial_delay: Duration,
    /// Unhealthy answers in a row that make the unit not serve.
    pub failure_threshold: u32,
    /// Healthy answers in a row that make it serve again.
    pub success_threshold: u32,
    pub on_failure: OnFailure,
    /// Units that require this one cannot work while it fails.
    pub vital: bool,
}

/// What to do about a finding by ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    Restart,
    Alert,
}

/// What a probe asks. The room `probe` wrote its keys and reads them again; here they are handed on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeKind {
    /// The kind and its keys as text, without a password.
    pub keys: String,
    /// See `is_curable`.
    pub curable: bool,
    /// Why its failure would never be seen, as the end of a sentence.
    pub weakness: Option<String>,
    /// An answer that takes longer is slow.
    pub limit: Option<Duration>,
    /// What the unit's file requires: those may be asked, with a password, besides the unit itself.
    pub requires: Vec<UnitName>,
    /// It asks what the unit itself uses.
    pub resource: bool,
    /// Its failure is no trouble: the restart that it asks for was planned, and waits for the unit's window.
    pub planned: bool,
    /// It asks over a network: another host can ask the same.
    pub remote: bool,
    /// What is known of the run, where it asks for that; filled in whenever it is asked.
    pub run: Option<Box<RunFacts>>,
}

/// What another host sees of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerSaw {
    Reaches,
    Down,
    /// It was not reached, does not ask the same, or has not looked since it fails here.
    CannotTell,
}

/// What is known of a unit's run when its resources are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFacts {
    /// `ControlGroup=`.
    pub control_group: String,
    pub active_since: Option<Moment>,
    /// When systemd restarted it by itself, oldest first; a bounded number.
    pub restarts: Vec<Moment>,
}

/// What is used of something, and how much may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    pub value: u64,
    /// From here on it is too much.
    pub limit: u64,
    pub kind: FigureKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FigureKind {
    Bytes,
    Count,
}

impl Figure {
    /// An amount as people say it: `512.0 MiB`, `31`.
    #[must_use]
    pub fn shown(self, amount: u64) -> String {
        let units = [(1_u64 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match (self.kind, units.iter().find(|(size, _)| amount >= *size)) {
            (FigureKind::Bytes, Some((size, unit))) => {
                format!("{}.{} {unit}", amount / size, amount % size * 10 / size)
            }
            (FigureKind::Bytes, None) => format!("{amount} B"),
            (FigureKind::Count, _) => amount.to_string(),
        }
    }
}

impl ProbeKind {
    /// A restart of the unit may put right what this asks. None frees a disk, renews a certificate, unwrites a line of the log,
    /// ends an alarm of a broker, or changes what stands in a database.
    #[must_use]
    pub fn is_curable(&self) -> bool {
        self.curable
    }
}

/// What a timer starts, and how that last ran. Times are Unix time in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimerReading {
    pub unit: String,
    /// It runs, since then.
    pub running_since: Option<i64>,
    /// `Result=` of the last run that ended in this boot.
    pub result: String,
    pub ended_at: Option<i64>,
    /// When the timer last started it, in an earlier boot perhaps.
    pub triggered_at: Option<i64>,
    /// When the timer became active.
    pub armed_at: Option<i64>,
}

/// healthy, unhealthy, unknown. Unknown never restarts anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeStatus {
    Healthy,
    Unhealthy,
    /// Right, but later than `max_latency`.
    Slow,
    /// It answers, and says something else than wished: a certificate that ends soon, a list that is too long. Whoever needs it
    /// can work all the same.
    Unmet,
    /// Its name does not resolve: nobody who needs it reaches it, and no restart helps.
    Unresolved,
    /// Somebody else holds its port, and was not asked: no restart takes it from him, and others may reach the service all the same.
    Squatted,
    Unknown,
}

impl ProbeStatus {
    /// A restart may put it right.
    #[must_use]
    pub fn is_curable(self) -> bool {
        !matches!(self, Self::Unresolved | Self::Squatted)
    }

    /// Nobody who needs the service can work.
    #[must_use]
    pub fn keeps_others(self) -> bool {
        self.is_bad() && !matches!(self, Self::Unmet | Self::Squatted)
    }

    /// The answer was wrong, or too late.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Unhealthy | Self::Slow | Self::Unmet | Self::Unresolved | Self::Squatted)
    }

    /// The word of the status JSON (a slow answer is unhealthy there).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy | Self::Slow | Self::Unmet | Self::Unresolved | Self::Squatted => "unhealthy",
            Self::Unknown => "unknown",
        }
    }
}

/// One answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeOutcome {
    pub status: ProbeStatus,
    /// One sentence: what was asked and what came.
    pub message: String,
    pub latency: Option<Duration>,
}

/// A probe's recent past, kept by the policy.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeSeen {
    pub last: Option<(Moment, ProbeOutcome)>,
    /// The status that the thresholds confirmed; `Unknown` until then.
    pub settled: ProbeStatus,
    /// Since when it is settled.
    pub settled_at: Moment,
    /// Answers in a row of the last kind.
    pub in_a_row: u32,
    /// When the last of them was counted.
    pub counted_at: Moment,
    /// Since when it cannot be asked.
    pub unknown_since: Option<Moment>,
    /// Of the last answers, oldest first, whether each was wrong; and whether too many of them were.
    pub window: VecDeque<bool>,
    pub flaky: bool,
    /// What the last wrong answer said.
    pub wrong: Option<String>,
    pub poll: Poll,
    pub latency: Latency,
    /// The last hours of it, in microseconds.
    pub trace: Trace,
    /// The answer that is awaited was asked of an earlier run: it counts for nothing.
    pub outdated: bool,
}

/// How long a probe's healthy answers take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Of the last answers, within the limit.
    pub recent: VecDeque<Duration>,
    /// Where the median mostly was.
    pub usual: Option<Duration>,
    /// Answers so far.
    pub answers: u32,
}

/// A command that systemd ran for us as a transient unit (smoke test, command probe, boot engine).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutcome {
    /// `exited 0`, `exited 1`, `killed by signal 9`, `timed out after 30s`, or why it could not be run.
    pub ended: CommandEnd,
    /// The last lines it wrote, within the limit.
    pub output: Vec<String>,
    pub took: Duration,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandEnd {
    Exited(i32),
    Signalled(i32),
    TimedOut,
    /// It wrote without end and was killed for it.
    Flooded,
    /// It was not run at all: the manager's reason.
    NotRun(String),
}
