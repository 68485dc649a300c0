//! Everything that can happen: the only input of the policy.

use std::collections::BTreeMap;
use std::time::Duration;

use super::audit::{Audited, FailedUnit};
use super::boot::BootReading;
use super::cause::{PackagesReading, Pull};
use super::finding::Code;
use super::fleet::SlotSaid;
use super::incident::Looked;
use super::moment::Moment;
use super::operator::Request;
use super::probe::{CommandOutcome, Figure, PeerSaw, ProbeOutcome};
use super::progress::Sample;
use super::release::ProcessesReading;
use super::spec::{Problem, Settings, Spec};
use super::unit::{JobResult, ManagerState, UnitFileState, UnitName, UnitReading, UnitSettings};

/// Something that happened, told by a shell. Readings replace earlier readings; hints only cause one.
#[derive(Clone, Debug, PartialEq)]
pub enum Observation {
    /// We started. First of all observations.
    Started(Host),
    /// The whole configuration, with what was wrong in it.
    UnitFilesLoaded {
        settings: Settings,
        specs: Vec<Spec>,
        problems: Vec<Problem>,
    },
    /// The service manager's own state changed, or it came or went.
    ManagerChanged(ManagerState),
    /// Units that match the watched patterns now.
    UnitsMatched {
        pattern: String,
        units: Vec<UnitName>,
    },
    /// A reading of one unit. A unit that does not exist is read as `LoadState::NotFound`.
    UnitChanged {
        unit: UnitName,
        reading: UnitReading,
    },
    /// Hint: this job of the unit came along with the fate of another unit. Told before the job is over.
    JobPulled {
        unit: UnitName,
        job: u32,
        pull: Pull,
    },
    /// A unit's start job is queued, and waits for the jobs of these units; of none that is known: it is its turn.
    JobWaits {
        unit: UnitName,
        job: u32,
        on: Vec<UnitName>,
    },
    /// Everything was read again as asked (`ReadAllUnits`); what differs was told before this.
    UnitsRead {
        began: Moment,
    },
    /// Whether a package manager is at work.
    PackageManagerRead(PackagesReading),
    /// When the window of a unit is open from now on: each beginning and end. Empty: never.
    WindowRead {
        unit: UnitName,
        openings: Vec<(Moment, Moment)>,
    },
    /// Nothing was taken in for this long although the time was there for it: the host slept, or stood still.
    /// Whatever was read before is old.
    Resumed {
        after: Duration,
    },
    /// What is configured for a unit; after each load of it.
    UnitSettingsRead {
        unit: UnitName,
        settings: UnitSettings,
    },
    /// Hint: links or unit files changed on disk, by whatever hand. Empty: anything may have changed.
    UnitFilesChanged {
        units: Vec<UnitName>,
    },
    /// Enablement, asked afresh.
    EnablementRead {
        unit: UnitName,
        state: UnitFileState,
    },
    /// What the next boot would start.
    BootPredicted(BootReading),
    /// Hint: a release link of these units, or a directory on its way, changed.
    ReleaseSwitched {
        units: Vec<UnitName>,
    },
    /// All processes of a unit and its links.
    ProcessesInspected {
        unit: UnitName,
        reading: ProcessesReading,
    },
    /// A probe's answer.
    ProbeFinished {
        unit: UnitName,
        probe: String,
        outcome: ProbeOutcome,
    },
    /// The same of what the unit uses, with the figure behind it.
    ResourceRead {
        unit: UnitName,
        probe: String,
        outcome: ProbeOutcome,
        figure: Figure,
    },
    /// The smoke test of an order ended.
    SmokeTestFinished {
        unit: UnitName,
        order: u64,
        outcome: CommandOutcome,
    },
    /// What the lock server said; `Err`: why nothing is known, one clause.
    LockAnswered {
        unit: UnitName,
        said: Result<SlotSaid, String>,
    },
    Drained {
        unit: UnitName,
        order: u64,
        outcome: CommandOutcome,
    },
    /// The job of an order ended.
    JobFinished {
        unit: UnitName,
        order: u64,
        result: JobResult,
    },
    /// The enabling that an order asked for ended: the links made, or why not.
    EnableFinished {
        unit: UnitName,
        order: u64,
        result: Result<Vec<String>, String>,
    },
    /// The main process was killed for a drill: when, or why not.
    MainProcessKilled {
        unit: UnitName,
        result: Result<Moment, String>,
    },
    /// A person asks.
    OperatorAsked(Request),
    /// A message arrived, or why it did not.
    AlertDelivered {
        sink: String,
        message: u64,
        result: Result<(), String>,
    },
    /// An Alertmanager took what it was told of a hold, or why it did not. `until`: the end that it was told.
    Silenced {
        unit: UnitName,
        sink: String,
        until: Option<Moment>,
        result: Result<(), String>,
    },
    /// A sick unit was looked at: the file with what was seen, or why there is none; packages that were changed; the unit's own last lines.
    EvidenceCaptured {
        incident: u64,
        looked: Looked,
    },
    /// A draft was written to this file, or why it was not.
    PostmortemDrafted {
        incident: u64,
        file: Result<String, String>,
    },
    /// What other hosts see of this probe, one after the other.
    PeersAnswered {
        unit: UnitName,
        probe: String,
        saw: Vec<PeerSaw>,
    },
    /// A source of progress said this, or why it said nothing.
    ProgressSampled {
        unit: UnitName,
        progress: String,
        answer: Result<Sample, String>,
    },
    /// The durable state could not be saved; what was decided in that turn did not happen.
    SaveFailed {
        why: String,
    },
    /// The durable state was saved again.
    Saved,
    /// A part of our own does not work (`None`: it works again): what it does, and the sentence that says what is lost.
    Impaired {
        code: Code,
        part: &'static str,
        why: Option<String>,
    },
    /// Every unit that is failed now, managed or not.
    UnitsFailed(Vec<FailedUnit>),
    /// The whole host was looked over, or why not.
    HostAudited(Result<Audited, String>),
    /// The time that `next_deadline` named has come.
    DeadlineReached,
}

/// Where we run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Host {
    pub name: String,
    /// `/proc/sys/kernel/random/boot_id`.
    pub boot_id: String,
    /// Spreads timers over a fleet.
    pub machine_id: String,
    /// The user instance of the service manager.
    pub user_instance: bool,
}

/// All that one unit's spec found matching, by pattern.
pub type Matches = BTreeMap<String, Vec<UnitName>>;
