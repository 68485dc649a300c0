//! A machine: booted, rebooted, cut off, and gone when dropped.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::power::{Run, tail};
use super::scratch::Scratch;
use super::wait::poll;

/// Longest time that a boot may take. A boot takes half a second; two busy cores and a slow service may stretch that.
const BOOT_LIMIT: Duration = Duration::from_secs(120);
/// Longest time that systemd-nspawn may take to end once its machine was killed.
const REAP_LIMIT: Duration = Duration::from_secs(10);
/// What the machine is asked when a test fails.
const LAST_WORDS: &str =
    "systemctl --failed --no-legend --plain; journalctl -b --no-pager -n 40 -o short-monotonic";

/// A throw-away machine with a real systemd. Dropping it removes it, in whatever state it is.
#[derive(Debug)]
pub struct Machine {
    hostname: String,
    merged: PathBuf,
    // before the scratch folder, whose removal kills what is left of the run
    run: Option<Run>,
    scratch: Option<Scratch>,
}

impl Machine {
    /// Makes a machine and boots it. Its host name is `name`.
    #[track_caller]
    pub fn boot(name: &str) -> Self {
        let mut machine = Self::switched_off(name);
        machine.start();
        machine
    }

    /// Makes a machine that was never booted, for a test that prepares its disk (see [`Machine::root`]) first.
    #[track_caller]
    pub fn switched_off(name: &str) -> Self {
        Self::of_kind(name, "plain")
    }

    /// Makes a machine that has brokers, caches and databases, all of them disabled, and boots it.
    #[track_caller]
    pub fn boot_with_servers(name: &str) -> Self {
        let mut machine = Self::of_kind(name, "servers");
        machine.start();
        machine
    }

    /// Makes a machine as the installer of this Debian release (`bookworm`, `trixie`) leaves a server, and boots it.
    #[track_caller]
    pub fn boot_as_installed(name: &str, release: &str) -> Self {
        let mut machine = Self::switched_off_as_installed(name, release);
        machine.start();
        machine
    }

    /// The same, for a test that prepares its disk first.
    #[track_caller]
    pub fn switched_off_as_installed(name: &str, release: &str) -> Self {
        Self::of_kind(name, release)
    }

    #[track_caller]
    fn of_kind(name: &str, kind: &str) -> Self {
        let scratch = Scratch::new(kind);
        Self { hostname: name.to_owned(), merged: scratch.merged(), run: None, scratch: Some(scratch) }
    }

    /// Boots a machine that is off; returns when the boot has finished (see [`Machine::state`]), with the time that it took.
    #[track_caller]
    pub fn start(&mut self) -> Duration {
        let start = Instant::now();
        self.switch_on(true);
        let state = self.run(&["systemctl", "is-system-running", "--wait"]);
        assert!(
            matches!(state.stdout.as_str(), "running" | "degraded"),
            "machine {} did not come up: {state:?}",
            self.hostname
        );
        start.elapsed()
    }

    /// Boots a machine that is off; returns as soon as its systemd answers. For a boot that never finishes, or to watch one.
    #[track_caller]
    pub fn start_unfinished(&mut self) {
        self.switch_on(false);
        self.wait_until("systemd answers", BOOT_LIMIT, || !self.state().is_empty());
    }

    /// Reboots the way that a person would, and returns when the next boot has finished.
    #[track_caller]
    pub fn reboot(&mut self) -> Duration {
        let start = Instant::now();
        let before = self.boot_id();
        self.stop("reboot", true);
        self.start();
        assert_ne!(before, self.boot_id(), "a reboot has a boot id of its own");
        start.elapsed()
    }

    /// Shuts the machine down in good order. [`Machine::start`] boots it again.
    #[track_caller]
    pub fn power_off(&mut self) {
        self.stop("poweroff", false);
    }

    /// Kills everything inside at once. What was written stays, synced or not: the host's cache does not lose power.
    #[track_caller]
    pub fn power_cut(&mut self) {
        self.take_run().cut(self.scratch());
    }

    /// The root file system as the host sees it, on or off. What the machine mounts itself (`/run`, `/tmp`) is not in it.
    pub fn root(&self) -> &Path {
        &self.merged
    }

    /// Process id, on the host, of the machine's PID 1.
    #[track_caller]
    pub fn pid1(&self) -> u32 {
        match &self.run {
            Some(run) => run.leader(),
            None => panic!("machine {} is off", self.hostname),
        }
    }

    /// The id of this boot.
    #[track_caller]
    pub fn boot_id(&self) -> String {
        self.sh("cat /proc/sys/kernel/random/boot_id")
    }

    /// What systemd says of itself: `running`, or `degraded` when a unit has failed.
    #[track_caller]
    pub fn state(&self) -> String {
        self.run(&["systemctl", "is-system-running"]).stdout
    }

    /// Waits until `condition` holds and returns how long that took; fails, naming `what`, when it does not within `limit`.
    #[track_caller]
    pub fn wait_until(&self, what: &str, limit: Duration, condition: impl FnMut() -> bool) -> Duration {
        self.wait_or_tell(what, limit, condition, String::new)
    }

    /// As `wait_until`; what `instead` says then is a part of the failure.
    #[track_caller]
    pub fn wait_or_tell(
        &self,
        what: &str,
        limit: Duration,
        mut condition: impl FnMut() -> bool,
        instead: impl FnOnce() -> String,
    ) -> Duration {
        let start = Instant::now();
        if poll(limit, || condition().then_some(())).is_none() {
            panic!("waited {limit:?} in vain until {what}\n{}", instead());
        }
        start.elapsed()
    }

    /// What this machine has on the host.
    pub(super) fn scratch(&self) -> &Scratch {
        match &self.scratch {
            Some(scratch) => scratch,
            None => panic!("machine {} is gone", self.hostname),
        }
    }

    /// Whether it is switched on.
    pub(super) fn is_on(&self) -> bool {
        self.run.is_some()
    }

    #[track_caller]
    fn switch_on(&mut self, finished: bool) {
        assert!(!self.is_on(), "machine {} is on", self.hostname);
        let run = Run::start(self.scratch(), &self.hostname, BOOT_LIMIT, finished);
        self.run = Some(run);
    }

    #[track_caller]
    fn stop(&mut self, verb: &str, reboot: bool) {
        // It may be killed by the shutdown that it asks for, so its status says nothing.
        self.run(&["systemctl", "--no-block", verb]);
        self.take_run().wait_stopped(self.scratch(), reboot);
    }

    #[track_caller]
    fn take_run(&mut self) -> Run {
        match self.run.take() {
            Some(run) => run,
            None => panic!("machine {} is off", self.hostname),
        }
    }

    /// Shows what a failed test will be asked about.
    fn last_words(&self) {
        eprintln!("--- machine {} at the end of the test", self.hostname);
        if self.is_on() && self.scratch().is_populated() {
            let said = self.try_sh(LAST_WORDS);
            eprintln!("{}\n{}", said.stdout, said.stderr);
        } else {
            eprintln!("{}", tail(&self.scratch().folder.join("console.log")));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() && self.scratch.is_some() {
            // a machine too sick to answer must not hide the failure that brought us here
            let _ = catch_unwind(AssertUnwindSafe(|| self.last_words()));
        }
        drop(self.scratch.take());
        if let Some(mut run) = self.run.take() {
            let _ = run.wait(REAP_LIMIT);
        }
    }
}
