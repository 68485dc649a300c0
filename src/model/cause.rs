//! What happened to a unit, and who or what did it: plain data. `policy::attribution` decides.

use std::time::Duration;

use super::moment::Moment;
use super::unit::{Job, ManagerState, UnitName, UnitReading};
use super::will::UnitResult;

/// What a transition of a unit comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Started,
    /// It went down, or did not come up.
    Stopped,
    /// It runs anew, and was not seen to rest in between.
    Restarted,
}

impl What {
    /// `started`, `stopped` or `restarted`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Stopped => "stopped",
            Self::Restarted => "restarted",
        }
    }
}

/// Who or what made a transition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A job of ours.
    Ours,
    /// systemd's own `Restart=`.
    Systemd,
    /// It failed: exit code, signal, memory, watchdog, time limit, start limit.
    Crash,
    /// It ended by itself, and well.
    Exit,
    /// A job that was not from Steadfast: a person or a script.
    Operator,
    /// A job while a package manager was at work.
    PackageManager,
    /// A job that was not from Steadfast, shortly after a release link was switched.
    Deploy,
    /// A job that came with the fate of this other unit.
    Dependency(UnitName),
    Boot,
    Shutdown,
    /// It cannot be told; the message says why.
    Unknown,
}

impl Cause {
    /// The word of the contract.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ours => "steadfast",
            Self::Systemd => "systemd",
            Self::Crash => "crash",
            Self::Exit => "exit",
            Self::Operator => "operator",
            Self::PackageManager => "package-manager",
            Self::Deploy => "deploy",
            Self::Dependency(_) => "dependency",
            Self::Boot => "boot",
            Self::Shutdown => "shutdown",
            Self::Unknown => "unknown",
        }
    }
}

/// A transition with its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    pub what: What,
    pub cause: Cause,
    /// One clause that says how it is known, or why it is not.
    pub message: String,
    pub at: Moment,
}

/// Another unit with whose fate a job came along.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pull {
    pub unit: UnitName,
    pub how: Tie,
}

/// How the other unit pulled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tie {
    /// A job of the other unit, queued just before, brought this one along (`PartOf=`, `BindsTo=`, `Requires=`).
    Job,
    /// The other unit failed, and this one is bound to it (`BindsTo=`, `StopPropagatedFrom=`).
    Death,
    /// The same, and the other unit did not fail: unmounted, unplugged, ended.
    End,
    /// A job of the other unit, queued just before, and the two cannot run together (`Conflicts=`).
    Conflict,
}

/// All that a transition is judged by, as it was when it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    pub what: What,
    pub at: Moment,
    /// When its job was first seen; where none was, when it was seen itself.
    pub ordered_at: Moment,
    /// The reading that completed the transition.
    pub after: UnitReading,
    /// The last job that was seen on the unit meanwhile.
    pub job: Option<Job>,
    /// A stop job that was not from Steadfast went to its end and left the unit down; or, without any job, it was unmounted.
    pub by_stop_job: bool,
    /// systemd itself stops it when no unit needs it.
    pub unneeded: bool,
    /// It was found stopped when we came back.
    pub missed: bool,
    /// An order of ours whose job this is.
    pub ours: bool,
    /// It failed only in that it ran as long as its file lets it (`RuntimeMaxSec=`).
    pub ran_out: bool,
    /// It waited for systemd's own restart, and that did not come.
    pub given_up: bool,
    /// `NRestarts=` rose since it was last up.
    pub restarted_itself: bool,
    pub pull: Option<Pull>,
    /// The job of the other unit is an order of ours.
    pub pull_is_ours: bool,
    pub manager: Option<ManagerState>,
    /// The unit's release link that was switched last, and how long before; `None` when that is long ago.
    pub flip: Option<(String, Duration)>,
    /// It had failed, and this unit, which is up, upholds it (`Upholds=`); and how it had ended.
    pub revived: Option<(UnitName, String)>,
    /// Sockets, timers and paths that start the unit.
    pub triggers: Vec<UnitName>,
}

/// A unit as it last rested: up or down, and no job about to change that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    pub up: bool,
    pub invocation: String,
    pub result: UnitResult,
    /// It waits for systemd's own restart.
    pub passing: bool,
}

/// Whether a package manager is at work: one look at its locks and its database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackagesReading {
    /// Who holds its lock, for people: `apt-get (pid 812)`.
    pub busy: Option<String>,
    /// When the process that holds it began.
    pub began_at: Option<Moment>,
    /// When its database was last written.
    pub worked_at: Option<Moment>,
}
