//! What each finding code means, one row a code. Whoever needs to know asks the row.

use super::finding::{ConditionKind, Severity};

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    Loaded,
    Active,
    Enabled,
    Boot,
    Release,
    Serving,
    Progressing,
    /// Our own orders for the unit.
    Recovery,
    /// The host, or Steadfast itself.
    Host,
}

impl Concern {
    /// The condition of a unit that the finding makes false; `None` where it makes none false.
    #[must_use]
    pub fn condition(self) -> Option<ConditionKind> {
        match self {
            Self::Loaded => Some(ConditionKind::Loaded),
            Self::Active => Some(ConditionKind::Active),
            Self::Enabled => Some(ConditionKind::Enabled),
            Self::Boot => Some(ConditionKind::Boot),
            Self::Release => Some(ConditionKind::Release),
            Self::Serving => Some(ConditionKind::Serving),
            Self::Progressing => Some(ConditionKind::Progressing),
            Self::Recovery | Self::Host => None,
        }
    }
}

/// How bad a finding is by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// As bad as the unit file says.
    OfUnit,
    Warning,
    Critical,
}

impl Weight {
    /// The severity of a finding of a unit whose file says `of_unit`.
    #[must_use]
    pub fn severity(self, of_unit: Severity) -> Severity {
        match self {
            Self::OfUnit => of_unit,
            Self::Warning => Severity::Warning,
            Self::Critical => Severity::Critical,
        }
    }
}

/// The order of ours that mends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// No order of ours does.
    Nothing,
    Start,
    Restart,
    /// A restart, so that every process lives in the current release.
    Follow,
    Enable,
}

/// What `audit` makes of it for a unit that no file of ours manages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audit {
    /// It does not report it, or reports it once for the host.
    No,
    Yes,
    /// It reports it as critical: something has stopped working already.
    Broken,
    /// It judges it by a single look, in its own way, as critical.
    OneLook,
    /// Only where the unit is enabled, boot reaches it and nothing else starts it.
    MeantToRun,
    /// Only where the unit runs and the next boot will surely not start it.
    LostAtBoot,
    /// Only where the unit is enabled for good.
    Enabled,
}

/// All that a code means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub concern: Concern,
    pub weight: Weight,
    /// It opens an incident; else it is only shown.
    pub trouble: bool,
    /// A failing dependency explains it.
    pub explained: bool,
    pub remedy: Remedy,
    pub audit: Audit,
}

macro_rules! codes {
    (@trouble trouble) => { true };
    (@trouble note) => { false };
    (@explained explained) => { true };
    (@explained own) => { false };
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal:
        $concern:ident, $weight:ident, $trouble:ident, $explained:ident, $remedy:ident, $audit:ident;)+) => {
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

            /// What it means.
            #[must_use]
            pub fn row(self) -> Row {
                match self {
                    $(Self::$name => Row {
                        concern: Concern::$concern,
                        weight: Weight::$weight,
                        trouble: codes!(@trouble $trouble),
                        explained: codes!(@explained $explained),
                        remedy: Remedy::$remedy,
                        audit: Audit::$audit,
                    }),+
                }
            }
        }
    };
}

// concern, severity, does it open an incident, does a failing dependency explain it, remedy, audit
codes! {
    /// No unit file of that name.
    UnitMissing = "unit-missing": Loaded, OfUnit, trouble, own, Nothing, No;
    /// systemd refuses to start it.
    UnitMasked = "unit-masked": Loaded, OfUnit, trouble, own, Nothing, No;
    /// systemd cannot use the unit file.
    UnitLoadError = "unit-load-error": Loaded, OfUnit, trouble, own, Nothing, Yes;
    /// It does not run, and nobody stopped it.
    UnitInactive = "unit-inactive": Active, OfUnit, trouble, explained, Start, MeantToRun;
    /// It ended with a failure.
    UnitFailed = "unit-failed": Active, OfUnit, trouble, explained, Start, Broken;
    /// It is active, and none of its processes is left.
    ProcessesGone = "processes-gone": Active, OfUnit, trouble, explained, Restart, No;
    /// systemd restarts it again and again.
    UnitCrashLooping = "unit-crash-looping": Active, OfUnit, trouble, explained, Nothing, OneLook;
    /// Activating, deactivating or reloading far too long.
    UnitStuck = "unit-stuck": Active, OfUnit, trouble, explained, Nothing, Yes;
    /// A condition of its own was not met: systemd did not start it. A reason, and no finding.
    UnitSkipped = "unit-skipped": Active, Warning, note, own, Nothing, No;
    /// Somebody froze it: its processes stand still.
    UnitFrozen = "unit-frozen": Active, Warning, note, own, Nothing, Yes;
    /// A signal stopped its main process, and none lets it go on.
    ProcessStopped = "process-stopped": Active, Warning, trouble, own, Nothing, No;
    /// It is down, and its program runs outside of it.
    OutsideUnit = "outside-unit": Active, Warning, trouble, own, Nothing, MeantToRun;
    /// A clean stop that was not from Steadfast.
    UnitStoppedByOperator = "unit-stopped-by-operator": Active, OfUnit, note, own, Start, No;
    /// Boot will not start it.
    NotEnabled = "not-enabled": Enabled, OfUnit, trouble, own, Enable, LostAtBoot;
    /// It is enabled until the next reboot only.
    EnabledRuntimeOnly = "enabled-runtime-only": Enabled, OfUnit, trouble, own, Enable, LostAtBoot;
    /// It is enabled, and boot does not reach it.
    BootUnreachable = "boot-unreachable": Boot, OfUnit, trouble, own, Nothing, Enabled;
    /// No manager of the user runs at boot.
    NoLinger = "no-linger": Boot, OfUnit, trouble, own, Nothing, No;
    /// Predicted to start at the last boot, and did not.
    BootMismatch = "boot-mismatch": Boot, Warning, note, own, Nothing, No;
    /// A process lives in a release that was deleted.
    ReleaseDeleted = "release-deleted": Release, OfUnit, trouble, own, Follow, Broken;
    /// A process lives in a release that is not the current one.
    ReleaseOutdated = "release-outdated": Release, OfUnit, trouble, own, Follow, Yes;
    /// New workers under an old master.
    WorkersOnlyRestart = "workers-only-restart": Release, OfUnit, trouble, own, Follow, Broken;
    /// Processes of an earlier run are left.
    Survivors = "survivors": Release, OfUnit, trouble, own, Nothing, Yes;
    /// A process uses files that were replaced on disk.
    BinaryOutdated = "binary-outdated": Release, Warning, note, own, Restart, Yes;
    /// The unit file is newer than what runs.
    UnitFileOutdated = "unit-file-outdated": Release, Warning, note, own, Restart, Yes;
    /// The new code did not pass its smoke test.
    SmokeFailed = "smoke-failed": Release, OfUnit, trouble, own, Nothing, No;
    /// A probe is answered wrongly, or not at all.
    ProbeFailed = "probe-failed": Serving, OfUnit, trouble, explained, Restart, No;
    /// A probe is answered too late, or later than usual.
    ProbeSlow = "probe-slow": Serving, OfUnit, trouble, explained, Restart, No;
    /// It uses more of something than a probe allows.
    ResourceHigh = "resource-high": Serving, OfUnit, trouble, own, Restart, No;
    /// It uses more and more of something, and will be at its limit before long.
    ResourceGrowing = "resource-growing": Serving, Warning, trouble, own, Nothing, No;
    /// A probe cannot be judged.
    ProbeUnknown = "probe-unknown": Serving, Warning, trouble, explained, Nothing, No;
    /// Items wait, and none is completed.
    Stalled = "stalled": Progressing, OfUnit, trouble, explained, Restart, No;
    /// Too many items wait, or one for too long.
    Backlog = "backlog": Progressing, OfUnit, trouble, explained, Nothing, No;
    /// Items wait, and nothing consumes them.
    NoConsumer = "no-consumer": Progressing, OfUnit, trouble, explained, Restart, No;
    /// Somebody paused the work.
    Paused = "paused": Progressing, Warning, trouble, own, Nothing, No;
    /// What it requires came back, and it did not get through what had piled up.
    DrainOverdue = "drain-overdue": Progressing, OfUnit, trouble, explained, Restart, No;
    /// A queue that was there is gone.
    QueueMissing = "queue-missing": Progressing, OfUnit, trouble, explained, Nothing, No;
    /// A source of progress cannot be asked.
    ProgressUnknown = "progress-unknown": Progressing, Warning, trouble, explained, Nothing, No;
    /// Explained by a failing unit that this one requires.
    DependencyDown = "dependency-down": Recovery, Warning, trouble, own, Nothing, No;
    /// The budget is spent.
    Quarantined = "quarantined": Recovery, Critical, trouble, explained, Nothing, No;
    /// The last order failed.
    RecoveryFailed = "recovery-failed": Recovery, OfUnit, trouble, explained, Nothing, No;
    /// The lock server of the fleet does not answer: restarts of what works wait.
    FleetUnreachable = "fleet-unreachable": Recovery, Warning, trouble, own, Nothing, No;
    /// No slot of the fleet has been free for long.
    FleetSlotStuck = "fleet-slot-stuck": Recovery, Warning, trouble, own, Nothing, No;
    /// Runs or is enabled, and no unit file manages it.
    Unmanaged = "unmanaged": Host, Warning, trouble, own, Nothing, No;
    /// A daemon outside any service.
    StrayProcess = "stray-process": Host, Warning, trouble, own, Nothing, No;
    /// A unit file that somebody switched off or renamed away.
    SwitchedOff = "switched-off": Host, Warning, trouble, own, Nothing, No;
    /// A file of ours has mistakes.
    ConfigInvalid = "config-invalid": Host, Warning, trouble, own, Nothing, No;
    /// Nothing reaches a sink any more.
    AlertUndeliverable = "alert-undeliverable": Host, Critical, trouble, own, Nothing, No;
    /// A managed unit listens, and no probe asks it.
    HostUnprobed = "host-unprobed": Host, Warning, trouble, own, Nothing, No;
    /// A probe that cannot fail, or a limit that cannot be met.
    HostProbeUnfit = "host-probe-unfit": Host, Warning, trouble, own, Nothing, No;
    /// What a timer starts has not succeeded for far longer than its period.
    HostTimerOverdue = "host-timer-overdue": Host, Warning, trouble, own, Nothing, No;
    /// A unit that no file manages has failed.
    HostUnitFailed = "host-unit-failed": Host, Critical, trouble, own, Nothing, No;
    /// Somebody else keeps the same unit up, or processes of its own.
    HostOtherSupervisor = "host-other-supervisor": Host, Warning, trouble, own, Nothing, No;
    /// The server elsewhere does not hear us.
    HostHeartbeatUnheard = "host-heartbeat-unheard": Host, Warning, trouble, own, Nothing, No;
    /// The process that asks does not begin, or ends again and again; a question that ends it is named.
    HostProberFailing = "host-prober-failing": Host, Warning, trouble, own, Nothing, No;
    /// The service manager cannot be reached.
    HostManagerUnreachable = "host-manager-unreachable": Host, Critical, trouble, own, Nothing, No;
    /// Too much is being restarted: one unit at a time.
    HostStorm = "host-storm": Host, Critical, trouble, own, Nothing, No;
    /// The durable state cannot be saved; no orders until it is saved.
    HostStateUnsaved = "host-state-unsaved": Host, Critical, trouble, own, Nothing, No;
    /// The state directory cannot be written: the state is kept where it survives our crash and no reboot.
    HostStateVolatile = "host-state-volatile": Host, Warning, trouble, own, Nothing, No;
    /// The stored state was broken: set aside, and begun or written anew.
    HostStateDamaged = "host-state-damaged": Host, Warning, trouble, own, Nothing, No;
    /// The kernel does not tell of changed files: they are noticed by the slow readings only.
    HostFilesUnwatched = "host-files-unwatched": Host, Warning, trouble, own, Nothing, No;
    /// Something that worked before an upgrade does not any more.
    HostWorseThanBaseline = "host-worse-than-baseline": Host, Warning, trouble, own, Nothing, No;
}

impl Code {
    /// A process lives in a release that is not the current one.
    #[must_use]
    pub fn is_stale_release(self) -> bool {
        self.row().remedy == Remedy::Follow
    }

    /// A deploy that restarts the unit itself mends it within its settle time: nobody is told before that is over.
    #[must_use]
    pub fn settles(self) -> bool {
        self.is_stale_release() && self != Self::ReleaseDeleted
    }

    /// How much of the unit it takes away: of several the highest is what people are told first.
    #[must_use]
    pub fn gravity(self) -> u8 {
        match (self, self.row().concern) {
            (_, Concern::Loaded | Concern::Active) => 6,
            (_, Concern::Serving) => 5,
            (_, Concern::Progressing) => 4,
            (Self::ReleaseDeleted | Self::SmokeFailed, _) => 3,
            (_, Concern::Release) => 2,
            (_, Concern::Enabled | Concern::Boot) => 1,
            (_, Concern::Recovery | Concern::Host) => 0,
        }
    }
}
