//! What a unit's own file wants of systemd: its type, how its ends count, when systemd restarts it, and what an end of it
//! does to the host. Names and words are systemd's own.

use std::fmt;

use super::unit::UnitName;

/// An enumeration of systemd's words; the first variant stands for a kind of unit without the setting, and for new words.
macro_rules! words {
    ($(#[doc = $doc:literal])* $name:ident { $first:ident, $($(#[doc = $word:literal])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name {
            #[default]
            $first,
            $($(#[doc = $word])* $variant),+
        }

        impl $name {
            /// systemd's word as a value.
            #[must_use]
            pub fn of(word: &str) -> Self {
                match word {
                    $($text => Self::$variant,)+
                    _ => Self::$first,
                }
            }

            /// systemd's word; empty where there is none.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    Self::$first => "",
                    $(Self::$variant => $text),+
                }
            }
        }
    };
}

words! {
    /// `Type=` of a service.
    ServiceType {
        NoService,
        Simple = "simple",
        Exec = "exec",
        Forking = "forking",
        Oneshot = "oneshot",
        Dbus = "dbus",
        Notify = "notify",
        NotifyReload = "notify-reload",
        Idle = "idle",
    }
}

words! {
    /// `KillMode=`.
    KillMode {
        Unset,
        ControlGroup = "control-group",
        Mixed = "mixed",
        /// Only the main process is ended.
        Process = "process",
        /// No process is ended.
        None = "none",
    }
}

words! {
    /// `Restart=` of a service.
    Restart {
        Unset,
        No = "no",
        Always = "always",
        OnSuccess = "on-success",
        OnFailure = "on-failure",
        OnAbnormal = "on-abnormal",
        OnAbort = "on-abort",
        OnWatchdog = "on-watchdog",
    }
}

/// `Result=` of a unit's own interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum UnitResult {
    #[default]
    Success,
    /// `ExecCondition=` ended with 1 to 254: the service is not to run now.
    ExecCondition,
    ExitCode,
    Signal,
    CoreDump,
    Watchdog,
    Timeout,
    OomKill,
    StartLimitHit,
    Protocol,
    Resources,
    /// A result of another kind of unit, or of a newer systemd.
    Other(String),
}

impl UnitResult {
    /// systemd's word as a value.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "" | "success" => Self::Success,
            "exec-condition" => Self::ExecCondition,
            "exit-code" => Self::ExitCode,
            "signal" => Self::Signal,
            "core-dump" => Self::CoreDump,
            "watchdog" => Self::Watchdog,
            "timeout" => Self::Timeout,
            "oom-kill" => Self::OomKill,
            "start-limit-hit" => Self::StartLimitHit,
            "protocol" => Self::Protocol,
            "resources" => Self::Resources,
            other => Self::Other(other.to_owned()),
        }
    }

    /// systemd's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Success => "success",
            Self::ExecCondition => "exec-condition",
            Self::ExitCode => "exit-code",
            Self::Signal => "signal",
            Self::CoreDump => "core-dump",
            Self::Watchdog => "watchdog",
            Self::Timeout => "timeout",
            Self::OomKill => "oom-kill",
            Self::StartLimitHit => "start-limit-hit",
            Self::Protocol => "protocol",
            Self::Resources => "resources",
            Self::Other(word) => word,
        }
    }

    /// Neither a failure nor a start that was not to be.
    #[must_use]
    pub fn is_success(&self) -> bool {
        *self == Self::Success
    }

    /// It counts as a failure for systemd.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        !matches!(self, Self::Success | Self::ExecCondition)
    }
}

impl fmt::Display for UnitResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a main process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended by itself with this status.
    Code(u32),
    Signal {
        number: u32,
        /// It dumped its core.
        core: bool,
    },
}

/// Names of signals 1 to 31 on Linux, without `SIG`.
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// The steps at which systemd gives up to run a process, by the exit code that it then has: 200 to 245.
const STEPS: [&str; 46] = [
    "CHDIR",
    "NICE",
    "FDS",
    "EXEC",
    "MEMORY",
    "LIMITS",
    "OOM_ADJUST",
    "SIGNAL_MASK",
    "STDIN",
    "STDOUT",
    "CHROOT",
    "IOPRIO",
    "TIMERSLACK",
    "SECUREBITS",
    "SETSCHEDULER",
    "CPUAFFINITY",
    "GROUP",
    "USER",
    "CAPABILITIES",
    "CGROUP",
    "SETSID",
    "CONFIRM",
    "STDERR",
    "",
    "PAM",
    "NETWORK",
    "NAMESPACE",
    "NO_NEW_PRIVILEGES",
    "SECCOMP",
    "SELINUX_CONTEXT",
    "PERSONALITY",
    "APPARMOR_PROFILE",
    "ADDRESS_FAMILIES",
    "RUNTIME_DIRECTORY",
    "",
    "CHOWN",
    "SMACK_PROCESS_LABEL",
    "KEYRING",
    "STATE_DIRECTORY",
    "CACHE_DIRECTORY",
    "LOGS_DIRECTORY",
    "CONFIGURATION_DIRECTORY",
    "NUMA_POLICY",
    "CREDENTIALS",
    "",
    "BPF",
];

impl Exit {
    /// A signal ended it.
    #[must_use]
    pub fn is_signal(self) -> bool {
        matches!(self, Self::Signal { .. })
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Code(status) => {
                write!(f, "exit code {status}")?;
                let index = usize::try_from(status).ok().and_then(|status| status.checked_sub(200));
                match index.and_then(|index| STEPS.get(index)).filter(|step| !step.is_empty()) {
                    Some(step) => write!(f, " ({step})"),
                    None => Ok(()),
                }
            }
            Self::Signal { number, core } => {
                write!(f, "signal {number}")?;
                let index = usize::try_from(number).ok().and_then(|number| number.checked_sub(1));
                if let Some(name) = index.and_then(|index| SIGNALS.get(index)) {
                    write!(f, " ({name})")?;
                }
                f.write_str(if core { ", core dumped" } else { "" })
            }
        }
    }
}

/// A list of exit statuses and signals, as `RestartPreventExitStatus=` has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExitSet {
    pub codes: Vec<u32>,
    pub signals: Vec<u32>,
}

impl ExitSet {
    /// This end is in the list.
    #[must_use]
    pub fn contains(&self, exit: Exit) -> bool {
        match exit {
            Exit::Code(status) => self.codes.contains(&status),
            Exit::Signal { number, .. } => self.signals.contains(&number),
        }
    }
}

/// What the last try to start a unit came to, before anything of it ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tried {
    /// It was not tried in this boot, or what its file demands was met.
    #[default]
    Met,
    /// A `Condition…=` was not met: systemd skipped it.
    ConditionUnmet,
    /// An `Assert…=` was not met: systemd refused it.
    AssertUnmet,
}

/// What a unit's file wants systemd to do with it and after its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Will {
    pub restart: Restart,
    /// The longest that systemd waits before a restart of its own, in milliseconds: `RestartSec=`, or `RestartMaxDelaySec=`
    /// with `RestartSteps=`; `None` is infinity.
    pub restart_ms: Option<u64>,
    /// `RestartPreventExitStatus=`.
    pub prevents: ExitSet,
    /// `RestartForceExitStatus=` is set: after some ends systemd restarts it whatever `Restart=` says.
    pub forces: bool,
    /// `RuntimeMaxSec=` in milliseconds; `None` is infinity.
    pub runtime_max_ms: Option<u64>,
    /// Settings that reboot, power off or leave the host, with their value: `FailureAction=reboot`.
    pub failure_action: Option<String>,
    pub success_action: Option<String>,
    pub start_limit_action: Option<String>,
    pub job_timeout_action: Option<String>,
    /// `PIDFile=`, and `User=`; empty where there is none.
    pub pid_file: String,
    pub user: String,
    /// The socket with `Accept=yes` that starts an instance like this for each connection.
    pub accepted_by: Option<UnitName>,
    /// A call of its bus name starts it.
    pub bus_activated: bool,
    /// `UpheldBy=`: while one of these is up, systemd starts it.
    pub upheld_by: Vec<UnitName>,
    /// Of its triggers and of what upholds it: those that were active when it was read.
    pub awake: Vec<UnitName>,
    /// `StopWhenUnneeded=`: systemd stops it when no unit that is up needs it.
    pub stop_when_unneeded: bool,
    /// What starts it when a device appears: `.device` units that want it, or rules of udev.
    pub devices: Vec<String>,
    /// What it needs, cannot be started by a start of it, and was not there when it was read: devices, `Requisite=` units.
    pub lacks: Vec<UnitName>,
}

impl Will {
    /// The first of these that is active.
    #[must_use]
    pub fn awake_among<'a>(&self, units: &'a [UnitName]) -> Option<&'a UnitName> {
        units.iter().find(|unit| self.awake.contains(unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_told_in_words() {
        assert_eq!(Exit::Code(3).to_string(), "exit code 3");
        assert_eq!(Exit::Code(203).to_string(), "exit code 203 (EXEC)");
        assert_eq!(Exit::Code(217).to_string(), "exit code 217 (USER)");
        assert_eq!(Exit::Code(245).to_string(), "exit code 245 (BPF)");
        assert_eq!(Exit::Code(255).to_string(), "exit code 255");
        assert_eq!(Exit::Signal { number: 11, core: true }.to_string(), "signal 11 (SEGV), core dumped");
        assert_eq!(Exit::Signal { number: 9, core: false }.to_string(), "signal 9 (KILL)");
        assert_eq!(Exit::Signal { number: 31, core: false }.to_string(), "signal 31 (SYS)");
        assert_eq!(Exit::Signal { number: 99, core: false }.to_string(), "signal 99");
    }

    #[test]
    fn words_are_systemds() {
        for word in ["simple", "oneshot", "notify-reload", ""] {
            assert_eq!(ServiceType::of(word).as_str(), word);
        }
        for word in ["success", "exec-condition", "mount-start-limit-hit"] {
            assert_eq!(UnitResult::of(word).as_str(), word);
        }
        assert!(!UnitResult::of("exec-condition").is_failure());
        assert!(UnitResult::of("service-start-limit-hit").is_failure());
    }
}
