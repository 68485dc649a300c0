//! Everything that we can do: the only output of the policy. Each outcome comes back as an observation.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::alert::{Message, Silence, SinkSpec};
use super::audit::ProbeRecord;
use super::fleet::{LockSpec, SlotAsk};
use super::incident::Event;
use super::moment::Moment;
use super::operator::Answer;
use super::probe::ProbeSpec;
use super::progress::ProgressSpec;
use super::release::Search;
use super::spec::DrainSpec;
use super::unit::UnitName;

/// An order to a shell, which tries it once within a limit.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Follow exactly these units and patterns from now on; what is new is read at once.
    WatchUnits {
        units: BTreeSet<UnitName>,
        patterns: BTreeSet<String>,
    },
    /// Read every watched unit again (slow steady period, after loss).
    ReadAllUnits,
    /// Look whether a package manager is at work.
    ReadPackageManager,
    /// Ask the enablement of these units afresh.
    ReadEnablement {
        units: Vec<UnitName>,
    },
    /// Ask PID 1's engine what the next boot would start.
    PredictBoot,
    /// Work out when the window of this unit is open.
    ReadWindow {
        unit: UnitName,
        window: String,
    },
    /// Watch whatever links lie on these paths, for this unit; replaces what was watched for it.
    WatchLinks {
        unit: UnitName,
        search: Box<Search>,
    },
    /// Look at each process of the unit's control group and at the links on its paths.
    InspectProcesses {
        unit: UnitName,
        control_group: String,
        /// The run that is known, and its main process; the reading says of which run it is.
        invocation: String,
        main_pid: Option<u32>,
        search: Box<Search>,
    },
    RunProbe {
        unit: UnitName,
        probe: ProbeSpec,
    },
    /// Ask other hosts what they see of this probe of a dependency, once.
    AskPeers {
        unit: UnitName,
        probe: String,
        peers: Vec<String>,
        /// Who reaches it must have looked so lately.
        fresh: Duration,
    },
    /// Ask the lock server, once.
    AskLock {
        unit: UnitName,
        lock: LockSpec,
        group: String,
        /// By this name the lock server knows the unit of this host.
        holder: String,
        ask: SlotAsk,
    },
    SampleProgress {
        unit: UnitName,
        progress: ProgressSpec,
    },
    /// Run the command as the unit's user, in this directory (`None`: the unit's own), by systemd.
    RunSmokeTest {
        unit: UnitName,
        order: u64,
        command: Vec<String>,
        directory: Option<String>,
        timeout: Duration,
    },
    /// Run this as the unit's user, in its own directory, so that it takes no more work; then ask `until` again and again until
    /// its status is 0. `$MAINPID` is the unit's main process.
    Drain {
        unit: UnitName,
        order: u64,
        drain: DrainSpec,
        main_pid: Option<u32>,
    },
    /// Start as a job in mode `fail`, and await its result this long.
    StartUnit {
        unit: UnitName,
        order: u64,
        limit: Duration,
    },
    /// Restart the whole unit as a job in mode `fail`, and await its result this long.
    RestartUnit {
        unit: UnitName,
        order: u64,
        limit: Duration,
    },
    /// Enable persistently.
    EnableUnit {
        unit: UnitName,
        order: u64,
    },
    /// Signal these processes (id and start time in ms after boot), each only if it still is that one and of this group.
    EndProcesses {
        unit: UnitName,
        control_group: String,
        processes: Vec<(u32, i64)>,
        /// `SIGKILL` instead of `SIGTERM`.
        kill: bool,
    },
    /// For a drill: `SIGKILL` to the unit's main process.
    KillMainProcess {
        unit: UnitName,
    },
    /// Tell people, once, within the sink's limit.
    SendAlert {
        sink: SinkSpec,
        message: Message,
    },
    /// Tell an Alertmanager of a hold, within the sink's limit.
    Silence {
        sink: SinkSpec,
        silence: Box<Silence>,
    },
    /// Look closely at a sick unit (`None`: at the host) and write down what is seen.
    CaptureEvidence {
        incident: u64,
        unit: Option<UnitName>,
        control_group: String,
        /// `InvocationID=` of the run that is up: what an earlier run wrote is not to be taken for its words. Empty: it is down.
        run: String,
        /// What we know, a line each.
        known: Vec<String>,
        /// Packages that were changed since then are told, too.
        changed_since: Moment,
    },
    /// Write the draft of a post-mortem.
    DraftPostmortem {
        incident: u64,
    },
    /// Look over the whole host for what nobody watches.
    AuditHost {
        /// What is remembered of each probe.
        records: BTreeMap<UnitName, BTreeMap<String, ProbeRecord>>,
    },
    AnswerOperator {
        request: u64,
        answer: Answer,
    },
    /// One structured entry in the journal and in the event stream.
    Record(Event),
}
