//! The two kinds of state: what survives our own crash, and what the first readings tell again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::alert::{SinkSeen, TestAsked};
use super::baseline::Worse;
use super::boot::{BootReading, Prediction};
use super::cause::{Fate, Packages};
use super::coverage::{Coverage, ProbeRecord};
use super::drill::Drill;
use super::finding::{Code, Condition, ConditionKind, Finding};
use super::incident::{Event, Incident};
use super::moment::Moment;
use super::observation::{Host, Matches};
use super::operator::Step;
use super::probe::ProbeSeen;
use super::progress::ProgressSeen;
use super::release::{Ending, FileId, PastTarget, ProcessesReading, Resident};
use super::spec::{Problem, Settings, Spec, SwitchedOff};
use super::tally::{HostTally, UnitTally};
use super::unit::{Job, ManagerState, UnitFileState, UnitName, UnitReading, UnitSettings};

/// All that the policy knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub durable: Durable,
    pub seen: Seen,
}

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

/// Counters and the boot they belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The boot in which this was last saved; another one shifts every stored moment.
    pub boot_id: String,
    /// The next order or incident.
    pub next_id: u64,
    /// What is worse than before an upgrade, until it is well again or accepted.
    pub worse: Option<Worse>,
}

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
    /// Releases to which the unit was started or restarted by us, the last ones.
    pub followed: Vec<FileId>,
    /// The last drills, oldest first; the last may be under way.
    pub drills: Vec<Drill>,
    pub off: Option<SwitchedOff>,
    /// How often each probe answered and failed, as long as it is in the file.
    pub probes: BTreeMap<String, ProbeRecord>,
}

/// Leave it alone until then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub kind: HoldKind,
    pub since: Moment,
    /// `None` only for a manual stop with `after_manual_stop = "never"`: until it runs again.
    pub until: Option<Moment>,
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

/// The prediction for the last boot was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    pub boot_id: String,
    pub message: String,
    pub at: Moment,
}

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
    pub steps: Vec<Step>,
}

/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    SmokeTest,
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
            Self::Job => "job",
            Self::Enable => "enable",
            Self::Proof => "proof",
        }
    }
}

/// Told to us again by the first readings after a start.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    pub host: Host,
    pub started_at: Moment,
    pub manager: Option<ManagerState>,
    /// Since when the manager is in that state.
    pub manager_since: Moment,
    pub settings: Settings,
    pub specs: Vec<Spec>,
    pub problems: Vec<Problem>,
    pub configured: bool,
    pub matches: Matches,
    pub units: BTreeMap<UnitName, UnitSeen>,
    pub boot: Option<BootReading>,
    /// When the boot is to be predicted (again); `None`: not wished.
    pub boot_due: Option<Moment>,
    pub boot_in_flight_until: Option<Moment>,
    pub resync_due: Option<Moment>,
    /// The whole enablement is read again then.
    pub enablement_due: Option<Moment>,
    /// Since when too much is being restarted on this host, and when fewer orders count.
    pub storm_since: Option<Moment>,
    pub storm_due: Option<Moment>,
    pub save_failure: Option<SaveFailure>,
    /// What of our own works only in part, since when and why.
    pub impaired: BTreeMap<(Code, &'static str), (Moment, String)>,
    pub packages: Packages,
    /// The host slept or stood still: since when, and until when at most, everything is being read afresh.
    pub rereading_until: Option<(Moment, Moment)>,
    /// Units whose picture changed since the last publication.
    pub touched: BTreeSet<UnitName>,
    /// The last events, within the limit.
    pub events: VecDeque<Event>,
    pub next_event: u64,
    /// Each way to tell people, by its name.
    pub sinks: BTreeMap<String, SinkSeen>,
    /// The host's own findings of which incidents were made; `None`: to be looked at anew.
    pub host_codes: Option<Vec<Code>>,
    /// Those that were found since we started.
    pub host_found: BTreeSet<Code>,
    /// When the next of them is to be looked at.
    pub alerts_due: Option<Moment>,
    pub next_message: u64,
    /// Tests of the sinks that people wait for, by request.
    pub tests: BTreeMap<u64, TestAsked>,
    /// Incidents whose sick unit is being looked at closely, and until when that is awaited.
    pub capturing: BTreeMap<u64, Moment>,
    pub tally: HostTally,
    pub coverage: Coverage,
}

/// The durable state cannot be saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaveFailure {
    pub since: Moment,
    pub tried_at: Moment,
    pub why: String,
}

/// What is seen of one managed unit.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitSeen {
    pub spec: Spec,
    /// When we began to manage it.
    pub managed_since: Moment,
    pub reading: Option<UnitReading>,
    pub settings: Option<UnitSettings>,
    pub enablement: Option<UnitFileState>,
    /// When it was first read as what it is; a prediction of the next boot that is older knows nothing of it.
    pub enablement_since: Moment,
    pub processes: Option<ProcessesReading>,
    /// When the reading of them began.
    pub inspected_at: Option<Moment>,
    pub inspect_due: Option<Moment>,
    pub inspect_in_flight_until: Option<Moment>,
    /// The processes, judged.
    pub residents: Vec<Resident>,
    pub probes: BTreeMap<String, ProbeSeen>,
    pub progress: BTreeMap<String, ProgressSeen>,
    /// While it is in trouble: when figures of it were told last, and wrong answers of probes since.
    pub measured_at: Option<Moment>,
    pub probes_failed: BTreeMap<String, u32>,
    /// What it requires is down.
    pub outage: bool,
    /// Since when `ActiveState` is what it is.
    pub active_state_since: Moment,
    /// Recent automatic restarts by systemd: (when, `NRestarts`), within the limit.
    pub restarts_seen: VecDeque<(Moment, u32)>,
    /// When it was started lately, by whomever, within the limit; oldest first.
    pub starts: VecDeque<Moment>,
    pub conditions: BTreeMap<ConditionKind, Condition>,
    pub findings: Vec<Finding>,
    /// Callers who wait for the order in flight.
    pub asked: Vec<u64>,
    /// The caller who waits for the drill under way.
    pub asked_drill: Option<u64>,
    /// The job with which somebody else stops the unit just now.
    pub stop_job: Option<Job>,
    /// What became of it last, and what did that.
    pub fate: Fate,
    /// An order of our earlier life is in flight and must be taken up with the first reading.
    pub resume: bool,
    /// What an earlier run left is being ended.
    pub ending: Option<Ending>,
    /// When this unit must be looked at again, whatever happens.
    pub wake: Option<Moment>,
    /// What is to be done next and when, or why nothing is.
    pub plan: Plan,
    pub tally: UnitTally,
}

impl UnitSeen {
    /// A unit of which nothing is known yet. `resume`: an order of our earlier life is in flight.
    #[must_use]
    pub fn new(spec: Spec, now: Moment, resume: bool) -> Self {
        Self {
            spec,
            managed_since: now,
            reading: None,
            settings: None,
            enablement: None,
            enablement_since: now,
            processes: None,
            inspected_at: None,
            inspect_due: None,
            inspect_in_flight_until: None,
            residents: Vec::new(),
            probes: BTreeMap::new(),
            progress: BTreeMap::new(),
            measured_at: None,
            probes_failed: BTreeMap::new(),
            outage: false,
            active_state_since: now,
            restarts_seen: VecDeque::new(),
            starts: VecDeque::new(),
            conditions: BTreeMap::new(),
            findings: Vec::new(),
            asked: Vec::new(),
            asked_drill: None,
            stop_job: None,
            fate: Fate::default(),
            resume,
            ending: None,
            wake: None,
            plan: Plan::default(),
            tally: UnitTally::default(),
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
