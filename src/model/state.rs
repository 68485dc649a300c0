//! What survives our own crash: orders, holds, budgets, incidents, release history; and the plan that people read.

use std::collections::BTreeMap;

use super::audit::ProbeRecord;
use super::baseline::Worse;
use super::boot::Prediction;
use super::drill::Drill;
use super::finding::Code;
use super::fleet::Slot;
use super::incident::{Event, Incident};
use super::moment::{Moment, kept, timeless};
use super::operator::Step;
use super::outside::Program;
use super::release::{FileId, PastTarget};
use super::spec::SwitchedOff;
use super::unit::{UnitName, UnitReading};

timeless!(Code, FileId, HoldKind, OrderKind, Phase, Step);

kept! {
    /// Survives our own crash and reboot. Saved before anything that follows from it is done.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct Durable {
        pub meta: Meta,
        pub units: BTreeMap<UnitName, UnitDurable>,
        /// Open incidents, and the last closed ones within the limit.
        pub incidents: BTreeMap<u64, Incident>,
        /// Where each release link led, oldest first, within the limit.
        pub links: BTreeMap<String, Vec<PastTarget>>,
        /// The last lines of the history, within the limit. None is ever changed.
        pub events: BTreeMap<u64, Event>,
    }
}

kept! {
    /// Counters and the boot they belong to.
    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    pub struct Meta {
        /// The boot in which this was last saved; another one shifts every stored moment.
        pub boot_id: String,
        pub next_incident: u64,
        pub next_order: u64,
        /// What is worse than before an upgrade, until it is well again or accepted.
        pub worse: Option<Worse>,
    }
}

kept! {
    /// What is remembered of one unit.
    #[derive(Clone, Debug, Default, PartialEq)]
    pub struct UnitDurable {
        pub hold: Option<Hold>,
        /// The order in flight: at most one.
        pub recovery: Option<Recovery>,
        /// When restarts and starts were ordered, oldest first, within the budget's interval.
        pub spent: Vec<Moment>,
        pub quarantine: Option<Quarantine>,
        pub prediction: Option<Prediction>,
        /// The outcome of comparing the prediction with the last boot: the boot id, and what was wrong.
        pub mismatch: Option<Mismatch>,
        /// The last invocation that was seen active, to tell a stop that happened while we were away.
        pub last_active: Option<String>,
        /// It was seen to run, or being started, in this boot: that somebody wants it to run is not only a pattern's word.
        pub ran: bool,
        pub last_action: Option<LastAction>,
        pub smoke_failure: Option<SmokeFailure>,
        /// Releases that did not run under our orders, the last ones, one entry an order. One that ran is not among them.
        pub failed_releases: Vec<FileId>,
        /// The last drills, oldest first; the last may be under way.
        pub drills: Vec<Drill>,
        /// Its file is switched off.
        pub off: Option<SwitchedOff>,
        /// How often each probe answered and failed, as long as it is in the file.
        pub probes: BTreeMap<String, ProbeRecord>,
        /// It was enabled when that was read last.
        pub enabled: bool,
        /// A person disabled it.
        pub disabling: Option<Disabling>,
        /// What its main process was when it ran last.
        pub program: Option<Program>,
        /// When a daemon of it was first seen to stay, where systemd would call it active without one, too.
        pub daemon_seen: Option<Moment>,
        /// A person holds it, or did: what the Alertmanagers are told of that.
        pub silencing: Option<Silencing>,
        /// Its slot of the fleet.
        pub slot: Option<Slot>,
    }
}

kept! {
    /// Alerts of a held unit are silenced.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Silencing {
        /// With the names of host and unit, its key.
        pub since: Moment,
        /// Never later than the end of the hold.
        pub until: Moment,
        pub who: String,
        pub reason: String,
        /// The hold is over.
        pub over: bool,
        /// Sinks that may have a silence.
        pub sinks: BTreeMap<String, SilencedAt>,
    }
}

kept! {
    /// What one Alertmanager knows.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SilencedAt {
        /// A silence may be there until then.
        pub until: Moment,
        /// The end that it took last; `None`: what it took is not known.
        pub sure: Option<Moment>,
    }
}

kept! {
    /// A person disabled it: it is left so for as long as its file says.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Disabling {
        pub at: Moment,
    }
}

kept! {
    /// Leave it alone until then.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Hold {
        pub kind: HoldKind,
        pub since: Moment,
        /// `InvocationID=` of the run that was stopped. A newer run, even one that fails at its start, ends an implicit hold.
        /// `None`: no run, or it is not known.
        pub stopped_run: Option<String>,
        /// `None` only for a manual stop with `after_manual_stop = "never"`: until it runs again.
        pub until: Option<Moment>,
        /// What a person asked for, where a stop has made it longer: that counts again once it was started.
        pub asked: Option<Moment>,
    }
}

impl Hold {
    /// It was stopped, by a person or along with another unit, whoever holds it since.
    #[must_use]
    pub fn is_stop(&self) -> bool {
        self.kind.is_implicit() || self.stopped_run.is_some()
    }

    /// This reading shows that it is stopped no longer: it runs, or somebody started it in vain.
    #[must_use]
    pub fn was_started(&self, reading: &UnitReading) -> bool {
        let run = reading.run();
        let newer = self.stopped_run.is_some() && run.is_some() && self.stopped_run != run;
        reading.active.is_up() || (newer && reading.result.is_failure())
    }
}

/// Why a unit is held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HoldKind {
    Operator {
        who: String,
        reason: String,
    },
    /// A person's clean stop is an implicit hold.
    ManualStop,
    /// It was stopped along with this unit, and until that is up again; if both conflict, until that is down again.
    StoppedWith {
        unit: UnitName,
        conflicts: bool,
    },
}

impl HoldKind {
    /// Nobody told us of it: it follows from a stop, and ends when the unit runs.
    #[must_use]
    pub fn is_implicit(&self) -> bool {
        match self {
            Self::Operator { .. } => false,
            Self::ManualStop | Self::StoppedWith { .. } => true,
        }
    }
}

kept! {
    /// The budget is spent.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Quarantine {
        pub since: Moment,
        /// One more try then; it fails: twice as long.
        pub retry_at: Moment,
        pub round: u32,
        pub because: Code,
        /// One clause.
        pub why: String,
    }
}

kept! {
    /// The prediction for the last boot was wrong.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Mismatch {
        pub boot_id: String,
        pub message: String,
        pub at: Moment,
    }
}

kept! {
    /// The new code did not pass. Not tried again until the release or the unit changes.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct SmokeFailure {
        pub at: Moment,
        /// The release that failed; `None` where the unit has no link.
        pub release: Option<FileId>,
        /// How it ended, and the line that says why.
        pub message: String,
        /// The last lines it wrote.
        pub output: Vec<String>,
    }
}

kept! {
    /// What we did last.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct LastAction {
        /// `start`, `restart`, `enable`, `check`.
        pub action: OrderKind,
        pub because: Option<Code>,
        pub at: Moment,
        /// `done`, `failed: …`.
        pub outcome: String,
        pub ok: bool,
        pub steps: Vec<Step>,
    }
}

/// What an order does to the unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderKind {
    Start,
    Restart,
    /// Enable only.
    Enable,
    /// Nothing but enable (if needed) and the endpoint check: asked by a person for a unit that runs.
    Check,
}

impl OrderKind {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Restart => "restart",
            Self::Enable => "enable",
            Self::Check => "check",
        }
    }

    /// It ends the run that is, or begins one.
    #[must_use]
    pub fn disturbs(self) -> bool {
        matches!(self, Self::Start | Self::Restart)
    }
}

kept! {
    /// An order in flight, written as an intent before its first step.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Recovery {
        pub order: u64,
        pub kind: OrderKind,
        /// The finding that asks for it; `None`: a person.
        pub because: Option<Code>,
        pub began_at: Moment,
        pub phase: Phase,
        pub phase_at: Moment,
        /// The phase is given up then.
        pub phase_due: Moment,
        /// `InvocationID=` before the order; it must have changed afterwards.
        pub invocation_before: String,
        /// `NRestarts=` when the proof began; it must not rise.
        pub n_restarts: u32,
        /// The release in force when its job was given.
        pub release: Option<FileId>,
        pub steps: Vec<Step>,
    }
}

/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    SmokeTest,
    /// It finishes what it works on, and takes no more.
    Drain,
    /// Job ordered (or about to be: the intent is saved first), result awaited.
    Job,
    Enable,
    /// Active, no survivor, every process current, probes healthy, stable.
    Proof,
}

impl Phase {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SmokeTest => "smoke test",
            Self::Drain => "drain",
            Self::Job => "job",
            Self::Enable => "enable",
            Self::Proof => "proof",
        }
    }
}

/// The decision on a unit as it stands now; `explain` shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub next: Option<NextAction>,
    /// Why it is not done now; one sentence.
    pub blocked: Option<String>,
    /// The required unit that explains the trouble.
    pub explained_by: Option<UnitName>,
}

/// What will be done, unless something changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextAction {
    pub action: OrderKind,
    pub due_at: Moment,
    pub because: Code,
}
