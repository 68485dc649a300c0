//! What nobody watches: the gaps that a look over the whole host finds, and what it finds them by.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::finding::Finding;
use super::host::HostReading;
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

/// What a look over the whole host found, besides what systemd says of its units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    pub host: HostReading,
    /// Names of users, as far as this host itself knows them.
    pub users: BTreeMap<u32, String>,
    /// Every unit file there is, whether or not it is used.
    pub unit_files: BTreeSet<UnitName>,
    pub timers: Vec<TimerFacts>,
    pub off: Vec<OffFile>,
    pub claims: Vec<Claim>,
    pub records: BTreeMap<UnitName, BTreeMap<String, ProbeRecord>>,
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
}

/// A process that another supervisor on this host keeps up, by its own file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `monit`, `supervisord`, `god`
    pub supervisor: String,
    pub file: String,
    pub line: usize,
    /// `check process redis`
    pub what: String,
    /// What its pid file says.
    pub pid: Option<i32>,
    /// A pattern over command lines.
    pub matching: Option<String>,
    /// Commands of it; never run.
    pub commands: Vec<String>,
    /// Somebody made a comment of it: up to this line.
    pub commented_out: Option<usize>,
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
}
