//! What systemd says of one unit. Names and values are systemd's own.

use std::fmt;

use super::moment::{Moment, timeless};
use super::will::{Exit, KillMode, ServiceType, Tried, UnitResult, Will};

timeless!(UnitName);

/// What a unit's name may end in.
pub const KINDS: [&str; 11] = [
    "service",
    "socket",
    "target",
    "timer",
    "path",
    "mount",
    "automount",
    "swap",
    "slice",
    "scope",
    "device",
];
/// What the name of something ends in that is no unit of this host.
const DEPENDENCY: &str = "dependency";

/// A unit's full name, such as `horizon.service`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitName(pub String);

impl UnitName {
    /// The unit that a person means: without a suffix it is a service, as for systemctl.
    #[must_use]
    pub fn meant(name: &str) -> Self {
        let known =
            name.rsplit_once('.').is_some_and(|(_, kind)| KINDS.contains(&kind) || kind == DEPENDENCY);
        if known { Self::from(name) } else { Self(format!("{name}.service")) }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the last dot (`service`, `socket`, `timer` …), empty when there is none.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(_, kind)| kind)
    }

    /// It names something that units of this host need and that is no unit itself (`broker.dependency`): it has only probes.
    #[must_use]
    pub fn is_dependency(&self) -> bool {
        self.kind() == DEPENDENCY
    }

    /// It names no unit but the file of many: `worker@.service`.
    #[must_use]
    pub fn is_template(&self) -> bool {
        self.0.contains("@.")
    }

    /// The template of an instance: `worker@.service` for `worker@a.service`.
    #[must_use]
    pub fn template(&self) -> Option<Self> {
        let (prefix, rest) = self.0.split_once('@')?;
        let (instance, kind) = rest.rsplit_once('.')?;
        (!instance.is_empty()).then(|| Self(format!("{prefix}@.{kind}")))
    }
}

impl UnitName {
    /// What stands between `@` and the kind: `blue` of `app@blue.service`.
    #[must_use]
    pub fn instance(&self) -> Option<&str> {
        let (_, rest) = self.0.split_once('@')?;
        rest.rsplit_once('.').map(|(instance, _)| instance).filter(|instance| !instance.is_empty())
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for UnitName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

/// `LoadState=`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadState {
    /// The unit file was read.
    Loaded,
    /// There is no such unit file.
    NotFound,
    /// The unit file is masked.
    Masked,
    /// `bad-setting` or `error`: the unit file exists and cannot be used.
    Bad(String),
}

/// `ActiveState=`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ActiveState {
    Active,
    Reloading,
    Inactive,
    Failed,
    Activating,
    Deactivating,
    /// `maintenance`, `refreshing` and whatever a newer systemd adds.
    Other,
}

impl ActiveState {
    /// The unit runs: it can be asked, and has processes.
    #[must_use]
    pub fn is_up(self) -> bool {
        matches!(self, Self::Active | Self::Reloading)
    }

    /// Nothing of it runs, and nothing is about to.
    #[must_use]
    pub fn is_down(self) -> bool {
        matches!(self, Self::Inactive | Self::Failed)
    }

    /// systemd's word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Reloading => "reloading",
            Self::Inactive => "inactive",
            Self::Failed => "failed",
            Self::Activating => "activating",
            Self::Deactivating => "deactivating",
            Self::Other => "other",
        }
    }
}

/// What a job is to do, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobKind {
    Start,
    Stop,
    Restart,
    /// `reload`, `verify-active`, `nop` …, or a kind that was not told.
    Other,
}

/// A job that is queued or running for a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    pub id: u32,
    pub kind: JobKind,
}

/// One reading of a unit; it replaces the reading before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnitReading {
    pub load: LoadState,
    pub active: ActiveState,
    /// `SubState=`, e.g. `running`, `auto-restart`, `exited`.
    pub sub: String,
    /// `Result=` of the unit's own interface; success where the type has none.
    pub result: UnitResult,
    /// `ConditionResult=` and `AssertResult=` of the last try to start it.
    pub tried: Tried,
    /// `FreezerState=`: its processes stand still.
    pub frozen: bool,
    pub job: Option<Job>,
    /// `InvocationID=` in hexadecimal; empty when the unit has not run in this boot.
    pub invocation: String,
    pub main_pid: Option<u32>,
    pub n_restarts: u32,
    /// `ActiveEnterTimestamp=`.
    pub active_since: Option<Moment>,
    /// `InactiveEnterTimestamp=`.
    pub inactive_since: Option<Moment>,
    /// `StateChangeTimestampMonotonic=` in microseconds: orders readings of one unit.
    pub changed_us: u64,
    /// How the last main process ended, where the type has one and it ended.
    pub exit: Option<Exit>,
    /// `StatusText=`: what the service says of itself.
    pub status_text: String,
}

impl UnitReading {
    /// A unit that does not run and of which nothing else is known.
    #[must_use]
    pub fn unloaded(load: LoadState) -> Self {
        Self {
            load,
            active: ActiveState::Inactive,
            sub: "dead".to_owned(),
            result: UnitResult::Success,
            tried: Tried::Met,
            frozen: false,
            job: None,
            invocation: String::new(),
            main_pid: None,
            n_restarts: 0,
            active_since: None,
            inactive_since: None,
            changed_us: 0,
            exit: None,
            status_text: String::new(),
        }
    }

    /// The run that it is of, by `InvocationID=`; `None` when it has not run in this boot.
    #[must_use]
    pub fn run(&self) -> Option<String> {
        Some(self.invocation.clone()).filter(|run| !run.is_empty())
    }
}

/// What is configured for a loaded unit. Read after each (re)load, not with each change of state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitSettings {
    /// `Names=`: every name of the unit, its `Id=` first.
    pub names: Vec<UnitName>,
    /// `FragmentPath=`; empty for a unit without one.
    pub fragment: String,
    /// `NeedDaemonReload=`: unit file or drop-in is newer than what the manager has loaded.
    pub need_daemon_reload: bool,
    /// Newest modification time of unit file and drop-ins, without those in `/run`: these are written anew at each reload.
    pub modified_at: Option<Moment>,
    /// When the newest of them came to be on this disk as it is (ctime), those in `/run` included.
    pub changed_at: Option<Moment>,
    /// A fingerprint of what they say; `None` where that cannot be read.
    pub content: Option<u64>,
    /// `Type=` of a service.
    pub service_type: ServiceType,
    pub remain_after_exit: bool,
    /// `CanStart=` and not `RefuseManualStart=`.
    pub can_start: bool,
    /// `CanStop=` and not `RefuseManualStop=`: together with `can_start`, a restart is possible.
    pub can_stop: bool,
    /// `AllowIsolate=`: `systemctl isolate` makes it the only thing that runs.
    pub allow_isolate: bool,
    /// `RootDirectory=`: paths of the unit are paths inside of it; empty when unset.
    pub root_directory: Box<str>,
    /// `RootImage=` is set: paths of the unit are not to be found on the host.
    pub root_image: bool,
    /// `BindPaths=`, `ExtensionImages=` and the like: it may see files that the host does not have.
    pub sees_more: bool,
    /// `WorkingDirectory=`, without the `!` or `-` prefix; empty when unset.
    pub working_directory: String,
    /// `WorkingDirectory=-…`, or made by systemd (`RuntimeDirectory=`): it need not exist.
    pub directory_optional: bool,
    /// Path and arguments of every `ExecStart=` command.
    pub exec_start: Vec<Vec<String>>,
    /// Values of `Environment=`, paths of `EnvironmentFile=`, and sources of `BindPaths=` that are absolute paths.
    pub environment_paths: Vec<String>,
    /// `ControlGroup=`, e.g. `/system.slice/horizon.service`; empty when not realised.
    pub control_group: String,
    /// `KillMode=`.
    pub kill_mode: KillMode,
    /// `TimeoutStartUSec=` and `TimeoutStopUSec=` in milliseconds; `None` is infinity.
    pub timeout_start_ms: Option<u64>,
    pub timeout_stop_ms: Option<u64>,
    /// `StartLimitBurst=`; 0 when there is no limit.
    pub start_limit_burst: u32,
    /// `StartLimitIntervalUSec=` in milliseconds; 0 when there is no limit.
    pub start_limit_interval_ms: u64,
    /// `TriggeredBy=`: sockets, timers, paths that start the unit.
    pub triggered_by: Vec<UnitName>,
    /// `PartOf=`, `BindsTo=`, `Requires=`, `Requisite=` and `StopPropagatedFrom=`: a stop of these units stops this one.
    pub stops_with: Vec<UnitName>,
    /// `BindsTo=` and `StopPropagatedFrom=`: the death of these units stops this one.
    pub binds_to: Vec<UnitName>,
    /// `ConsistsOf=`, `RequiredBy=`, `BoundBy=` and `RequisiteOf=`: a stop or restart of this unit is theirs as well.
    pub takes_along: Vec<UnitName>,
    /// `Requires=` and `BindsTo=`: a start of this unit starts these.
    pub pulls: Vec<UnitName>,
    /// `Conflicts=` and `ConflictedBy=`: a start of these units stops this one.
    pub conflicts: Vec<UnitName>,
    /// Unmet or untried `Condition…=`/`Assert…=` and where the unit file lives: what `Boot` needs besides PID 1's transaction.
    pub boot: super::boot::UnitBootFacts,
    /// What its file wants systemd to do with it.
    pub will: Box<Will>,
}

/// `UnitFileState=`, asked afresh.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitFileState {
    Enabled,
    EnabledRuntime,
    Linked,
    LinkedRuntime,
    Alias,
    Masked,
    MaskedRuntime,
    Static,
    Disabled,
    Indirect,
    Generated,
    /// An init script without a start link in `/etc/rc?.d`: systemd's D-Bus says `generated`, `systemctl is-enabled` says `disabled`.
    InitScriptOff,
    Transient,
    Bad,
    NotFound,
    /// The manager did not say, with its reason.
    Unknown(String),
}

impl UnitFileState {
    /// systemd's word for it; `unknown` where it did not say.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Enabled => "enabled",
            Self::EnabledRuntime => "enabled-runtime",
            Self::Linked => "linked",
            Self::LinkedRuntime => "linked-runtime",
            Self::Alias => "alias",
            Self::Masked => "masked",
            Self::MaskedRuntime => "masked-runtime",
            Self::Static => "static",
            Self::Disabled => "disabled",
            Self::Indirect => "indirect",
            Self::Generated => "generated",
            Self::InitScriptOff => "disabled",
            Self::Transient => "transient",
            Self::Bad => "bad",
            Self::NotFound => "not-found",
            Self::Unknown(_) => "unknown",
        }
    }
}

/// The manager as a whole: `SystemState=`, and whether it can be spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManagerState {
    /// `initializing` or `starting`: boot is not finished.
    Starting,
    /// `running` or `degraded`.
    Running,
    /// `stopping`, or logind has announced a shutdown.
    Stopping,
    /// `maintenance`: rescue or emergency mode.
    Maintenance,
    /// The bus or the manager cannot be reached.
    Unreachable,
}

/// How a job that we asked for ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobResult {
    /// `done`: carried out, which is not the same as healthy.
    Done,
    /// `failed`, `timeout`, `dependency`, `canceled`, `skipped` …, systemd's word.
    Ended(String),
    /// The manager refused the order; the D-Bus error in words.
    Refused(String),
    /// No result came within the limit, or the bus was lost meanwhile.
    Lost(String),
}

/// Distributions and generators put unit files there. Those elsewhere are of this host's own making.
#[must_use]
pub fn is_of_vendor(fragment: &str) -> bool {
    ["/usr/lib/", "/lib/", "/run/"].iter().any(|place| fragment.starts_with(place))
}
