//! Probes: what is asked of a service, and one answer. Words are kubelet's.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::moment::Moment;
use super::poll::Poll;

/// Memory that a pattern of `journal` may cost: whoever checks it allows what whoever runs it can.
pub const PATTERN_MEMORY: usize = 1 << 20;

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
}

/// What to do about a finding by ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnFailure {
    Restart,
    Alert,
}

/// The question. A new kind costs a variant here, its keys in `config`, and one file in `probe/`.
#[derive(Clone, Debug, PartialEq)]
pub enum ProbeKind {
    Http(HttpProbe),
    /// `host:port` accepts a connection.
    Tcp {
        address: String,
    },
    /// A stream socket at this path accepts a connection.
    Unix {
        path: String,
    },
    /// Exit status 0 healthy, 1 unhealthy, anything else unknown. Run by systemd as the unit's user.
    Command {
        argv: Vec<String>,
    },
    /// A Redis server answers `PING`, and its keys are as expected.
    Redis {
        server: Server,
        /// Key → text of a string, length of anything else; a missing key is null, or of length 0.
        keys: BTreeMap<String, Expected>,
    },
    /// A memcached server tells its version, and its `stats` are as expected.
    Memcached {
        address: String,
        stats: BTreeMap<String, Expected>,
    },
    /// An AMQP 0-9-1 broker greets, and lets in whom the URL names.
    Amqp {
        server: Server,
    },
    /// RabbitMQ's management API tells of running nodes without alarm, and of a queue.
    Rabbitmq(RabbitmqProbe),
    /// A database lets us in and answers a query.
    Sql(SqlProbe),
    /// A file was written lately.
    File {
        path: String,
        max_age: Duration,
    },
    /// The file system at this path has room.
    Disk {
        path: String,
        min_free: Free,
    },
    /// New lines of the unit's own log match; a regular expression.
    Journal {
        pattern: String,
    },
    /// What this timer starts last succeeded.
    Timer {
        timer: String,
        max_age: Duration,
    },
    /// The file system at this path has inodes.
    Inodes {
        path: String,
        min_free: Free,
    },
}

impl ProbeKind {
    /// A restart of the unit may put right what this asks. None frees a disk, renews a certificate, unwrites a line of the log,
    /// ends an alarm of a broker, or changes what stands in a database.
    #[must_use]
    pub fn is_curable(&self) -> bool {
        match self {
            Self::Http(http) => http.min_validity.is_none(),
            Self::Redis { keys, .. } => keys.is_empty(),
            Self::Memcached { stats, .. } => stats.is_empty(),
            Self::Sql(sql) => sql.expected.is_none(),
            Self::Rabbitmq(_)
            | Self::Disk { .. }
            | Self::Inodes { .. }
            | Self::Journal { .. }
            | Self::Timer { .. } => false,
            Self::Tcp { .. }
            | Self::Unix { .. }
            | Self::Command { .. }
            | Self::Amqp { .. }
            | Self::File { .. } => true,
        }
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

/// A server that may want a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// With a user where one is needed, never with a password.
    pub url: String,
    pub secret: Option<Secret>,
}

/// Where a password stands; it is read for each question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// A systemd credential of our own unit.
    Credential(String),
    /// A file of root's that nobody else may read.
    File(String),
}

/// `rabbitmq = …`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RabbitmqProbe {
    /// Of the management API.
    pub server: Server,
    pub queue: Option<RabbitmqQueue>,
    pub max_depth: Option<u64>,
    pub min_consumers: u64,
}

/// A queue of RabbitMQ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RabbitmqQueue {
    pub vhost: String,
    pub name: String,
}

/// `postgres = …` or `mysql = …`
#[derive(Clone, Debug, PartialEq)]
pub struct SqlProbe {
    pub engine: Engine,
    pub server: Server,
    /// Its first column in the first row is what is judged.
    pub query: Option<String>,
    pub expected: Option<Expected>,
}

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    Mysql,
}

impl Engine {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
        }
    }
}

/// How much must be free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Free {
    /// Bytes, or inodes.
    Count(u64),
    Percent(u8),
}

/// `GET` of a URL and what the answer must look like.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpProbe {
    pub url: String,
    /// Inclusive range of statuses that are right.
    pub status: (u16, u16),
    /// The media type, without parameters.
    pub content_type: Option<String>,
    /// JSON pointer → expectation.
    pub json: BTreeMap<String, Expected>,
    pub max_latency: Option<Duration>,
    /// The certificate must be valid for so long yet.
    pub min_validity: Option<Duration>,
    pub follow_redirects: bool,
}

/// What a value in a JSON body must be.
#[derive(Clone, Debug, PartialEq)]
pub enum Expected {
    Text(String),
    Number(f64),
    Boolean(bool),
    Null,
    Below(f64),
    AtMost(f64),
    Above(f64),
    AtLeast(f64),
    NotEqual(f64),
}

/// healthy, unhealthy, unknown. Unknown never restarts anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeStatus {
    Healthy,
    Unhealthy,
    /// Right, but later than `max_latency`.
    Slow,
    Unknown,
}

impl ProbeStatus {
    /// The answer was wrong, or too late.
    #[must_use]
    pub fn is_bad(self) -> bool {
        matches!(self, Self::Unhealthy | Self::Slow)
    }

    /// The word of the status JSON (a slow answer is unhealthy there).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Unhealthy | Self::Slow => "unhealthy",
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
    pub poll: Poll,
    pub latency: Latency,
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
