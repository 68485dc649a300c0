//! Findings: named problems with evidence. The codes are part of the contract.

use super::moment::Moment;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    Critical,
}

impl Severity {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The seven conditions of a managed unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConditionKind {
    Loaded,
    Active,
    Enabled,
    Boot,
    Release,
    Serving,
    Progressing,
}

impl ConditionKind {
    /// All of them, in the order in which people read them.
    pub const ALL: [Self; 7] = [
        Self::Loaded,
        Self::Active,
        Self::Enabled,
        Self::Boot,
        Self::Release,
        Self::Serving,
        Self::Progressing,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "Loaded",
            Self::Active => "Active",
            Self::Enabled => "Enabled",
            Self::Boot => "Boot",
            Self::Release => "Release",
            Self::Serving => "Serving",
            Self::Progressing => "Progressing",
        }
    }
}

/// `true`, `false` or `unknown`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    True,
    False,
    Unknown,
}

impl Truth {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "true",
            Self::False => "false",
            Self::Unknown => "unknown",
        }
    }
}

/// One condition of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    pub kind: ConditionKind,
    pub truth: Truth,
    /// A finding code, or a short word where all is well (`running`, `enabled`, `current`).
    pub reason: String,
    /// One sentence.
    pub message: String,
    pub since: Moment,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal),+ $(,)?) => {
        /// A finding code. Spelled as in the contract; documented in docs/findings.md.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code { $($(#[doc = $doc])* $name),+ }

        impl Code {
            /// Every code that this version can report.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The code as the contract spells it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text),+ }
            }
        }
    };
}

codes! {
    /// No unit file of that name.
    UnitMissing = "unit-missing",
    UnitMasked = "unit-masked",
    UnitLoadError = "unit-load-error",
    UnitInactive = "unit-inactive",
    UnitFailed = "unit-failed",
    UnitCrashLooping = "unit-crash-looping",
    /// Activating, deactivating or reloading far too long.
    UnitStuck = "unit-stuck",
    /// A clean stop that was not ours.
    UnitStoppedByOperator = "unit-stopped-by-operator",
    NotEnabled = "not-enabled",
    EnabledRuntimeOnly = "enabled-runtime-only",
    BootUnreachable = "boot-unreachable",
    NoLinger = "no-linger",
    /// Predicted to start at the last boot, and did not.
    BootMismatch = "boot-mismatch",
    ReleaseDeleted = "release-deleted",
    ReleaseOutdated = "release-outdated",
    WorkersOnlyRestart = "workers-only-restart",
    /// Processes of an earlier run are left.
    Survivors = "survivors",
    BinaryOutdated = "binary-outdated",
    UnitFileOutdated = "unit-file-outdated",
    SmokeFailed = "smoke-failed",
    ProbeFailed = "probe-failed",
    ProbeSlow = "probe-slow",
    ProbeUnknown = "probe-unknown",
    /// Items wait, and none is completed.
    Stalled = "stalled",
    /// Too many items wait, or one for too long.
    Backlog = "backlog",
    NoConsumer = "no-consumer",
    /// Somebody paused the work.
    Paused = "paused",
    /// What it requires came back, and it did not get through what had piled up.
    DrainOverdue = "drain-overdue",
    /// Explained by a failing unit that this one requires.
    DependencyDown = "dependency-down",
    Quarantined = "quarantined",
    RecoveryFailed = "recovery-failed",
    /// Runs or is enabled, and no unit file manages it.
    Unmanaged = "unmanaged",
    /// A daemon outside any service.
    StrayProcess = "stray-process",
    /// A unit file that somebody switched off or renamed away.
    SwitchedOff = "switched-off",
    ConfigInvalid = "config-invalid",
    /// Nothing reaches a sink any more.
    AlertUndeliverable = "alert-undeliverable",
    /// A managed unit listens, and no probe asks it.
    HostUnprobed = "host-unprobed",
    /// A probe that cannot fail, or a limit that cannot be met.
    HostProbeUnfit = "host-probe-unfit",
    /// What a timer starts has not succeeded for far longer than its period.
    HostTimerOverdue = "host-timer-overdue",
    /// Somebody else keeps the same unit up, or processes of its own.
    HostOtherSupervisor = "host-other-supervisor",
    /// The server elsewhere does not hear us.
    HostHeartbeatUnheard = "host-heartbeat-unheard",
    /// The service manager cannot be reached.
    HostManagerUnreachable = "host-manager-unreachable",
    /// Too much is being restarted: one unit at a time.
    HostStorm = "host-storm",
    /// The durable state cannot be saved; nothing is acted on meanwhile.
    HostStateUnsaved = "host-state-unsaved",
    /// The state directory cannot be written: the state is kept where it survives our crash and no reboot.
    HostStateVolatile = "host-state-volatile",
    /// The stored state was broken: set aside, and begun or written anew.
    HostStateDamaged = "host-state-damaged",
    /// The kernel does not tell of changed files: they are noticed by the slow readings only.
    HostFilesUnwatched = "host-files-unwatched",
    /// Something that worked before an upgrade does not any more.
    HostWorseThanBaseline = "host-worse-than-baseline",
}

/// A named problem with evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub code: Code,
    pub severity: Severity,
    /// One sentence with names and numbers.
    pub message: String,
    pub since: Moment,
    pub evidence: Vec<String>,
    /// A command that repairs it, where one is known.
    pub repair: Option<String>,
}
