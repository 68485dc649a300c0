//! Who or what made a transition of a unit: one pure decision on what was read before and after it, on the jobs that were
//! seen, on our own orders, and on the state of the manager and of the package manager. What cannot be told is `Unknown`.

use crate::model::cause::{Cause, Evidence, Pull, Tie, What};
use crate::model::span::span;
use crate::model::unit::{JobKind, LoadState, ManagerState, UnitReading};
use crate::model::will::{Exit, Tried, UnitResult};

impl Evidence {
    /// Whether the answer depends on whether a package manager is at work.
    #[must_use]
    pub fn asks_for_packages(&self) -> bool {
        let theirs = self.job.is_some() || self.by_stop_job || self.missed;
        let by_itself = self.what != What::Stopped && self.restarted_itself;
        let manager = self.manager.is_some_and(|manager| manager != ManagerState::Stopping);
        theirs && manager && !self.ours && !by_itself && !self.crashed()
    }

    /// The cause, and one clause that says how it is known. `packages`: the package manager that is at work.
    #[must_use]
    pub fn attribute(&self, packages: Option<&str>) -> (Cause, String) {
        if self.missed {
            return missed(packages);
        }
        match self.what {
            What::Stopped => self.stopped(packages),
            What::Started | What::Restarted => self.started(packages),
        }
    }

    fn stopped(&self, packages: Option<&str>) -> (Cause, String) {
        if self.manager == Some(ManagerState::Stopping) && !self.crashed() {
            return (Cause::Shutdown, "the host shuts down".to_owned());
        }
        if self.by_stop_job && self.job.is_none() && packages.is_none() {
            let why = "it was unmounted without a job of systemd: by a person or a script (umount, swapoff)";
            return (Cause::Unknown, why.to_owned());
        }
        if self.by_stop_job {
            return self.by_job(packages, "stop");
        }
        let after = &self.after;
        if after.tried != Tried::Met || after.result == UnitResult::ExecCondition {
            let why = "systemd skipped it: a condition of its unit file is not met";
            return (Cause::Systemd, why.to_owned());
        }
        if self.ran_out {
            return (Cause::Exit, "it has run as long as its file lets it (RuntimeMaxSec=)".to_owned());
        }
        if self.tool_ended_it() {
            let why = "its main process ended by itself with exit code 0, and a command of its file failed after that (ExecStop=, ExecStopPost=)";
            return (Cause::Exit, why.to_owned());
        }
        if after.result.is_failure() {
            let flip = self.flip().map_or(String::new(), |flip| format!(", {flip}"));
            let given_up = if self.given_up { "systemd no longer restarts it (start limit): " } else { "" };
            return (Cause::Crash, format!("{given_up}{}{flip}", failure(after)));
        }
        if let Some(job) = self.job.filter(|job| job.kind != JobKind::Other) {
            let why = format!("job {} ended and left it down with result success", job.id);
            return (Cause::Unknown, why);
        }
        match after.exit {
            Some(exit) if exit.is_signal() => {
                let why = "without a job: the sender of the signal is unknown";
                (Cause::Unknown, format!("its main process ended with {exit}, {why}"))
            }
            Some(exit) => (Cause::Exit, format!("its main process ended by itself with {exit}")),
            None if after.load == LoadState::NotFound => {
                (Cause::Unknown, "systemd knows no unit of this name any more".to_owned())
            }
            None => (Cause::Unknown, "it went down without a job, and nothing says how it ended".to_owned()),
        }
    }

    fn started(&self, packages: Option<&str>) -> (Cause, String) {
        let after = &self.after;
        if self.restarted_itself {
            let why = format!("systemd restarted it by itself (Restart=, NRestarts={})", after.n_restarts);
            return (Cause::Systemd, why);
        }
        let word = if self.what == What::Restarted { "restart" } else { "start" };
        if self.ours {
            return (Cause::Ours, format!("Steadfast ordered the {word}"));
        }
        if self.manager == Some(ManagerState::Starting) {
            return (Cause::Boot, "boot started it".to_owned());
        }
        if let Some((by, how)) = self.revived.as_ref().filter(|_| !self.restarted_itself) {
            let why = format!("systemd started it again after {how}, as {by} upholds it (Upholds=)");
            return (Cause::Systemd, why);
        }
        if self.job.is_none() {
            return (Cause::Unknown, format!("no job of its {word} was seen"));
        }
        self.by_job(packages, word)
    }

    /// A job that was queued by somebody: us, a package manager, another unit's fate, a deploy, a person or a script.
    fn by_job(&self, packages: Option<&str>, word: &str) -> (Cause, String) {
        let job = self.job.map_or(String::new(), |job| format!(" {}", job.id));
        if self.ours {
            return (Cause::Ours, format!("{word} job{job} was from Steadfast"));
        }
        let pulled = self.pull.as_ref().map(|pull| along(pull, self.pull_is_ours));
        if let Some(who) = packages {
            let along = pulled.map_or(String::new(), |(_, along)| format!("; {along}"));
            return (Cause::PackageManager, format!("{word} job{job} came while {who} was at work{along}"));
        }
        if let Some((cause, along)) = pulled {
            return (cause, format!("{word} job{job}: {along}"));
        }
        if let Some(flip) = self.flip() {
            return (Cause::Deploy, format!("{word} job{job} was not from Steadfast and came {flip}"));
        }
        let triggers: Vec<&str> = self.triggers.iter().map(|unit| unit.as_str()).collect();
        if self.what == What::Started && !triggers.is_empty() {
            let triggers = triggers.join(", ");
            let why = format!("{word} job{job} was not from Steadfast; it may be one of {triggers}");
            return (Cause::Unknown, why);
        }
        if self.what == What::Stopped && self.unneeded {
            let why = "of systemd, as no unit needs it any more (StopWhenUnneeded=), or of a person";
            return (Cause::Unknown, format!("{word} job{job} was not from Steadfast: {why}"));
        }
        (Cause::Operator, format!("{word} job{job} was not from Steadfast: a person or a script"))
    }

    /// It failed, whatever job was there; a stop job that ends badly is a stop all the same.
    fn crashed(&self) -> bool {
        let failed = self.after.result.is_failure() && !self.ran_out;
        self.what == What::Stopped && !self.by_stop_job && !self.missed && failed
    }

    /// Its own tool ended it (`pg_ctl stop`), and nothing was left for its `ExecStop=` to stop. No job: it was up before.
    fn tool_ended_it(&self) -> bool {
        let after = &self.after;
        after.result == UnitResult::ExitCode && after.exit == Some(Exit::Code(0)) && self.job.is_none()
    }

    /// `3 s after /srv/app/current was switched`.
    fn flip(&self) -> Option<String> {
        let (link, ago) = self.flip.as_ref()?;
        Some(format!("{} after {link} was switched", span(*ago)))
    }
}

fn missed(packages: Option<&str>) -> (Cause, String) {
    match packages {
        Some(who) => (Cause::PackageManager, format!("it was found stopped while {who} was at work")),
        None => {
            let why = "it was stopped cleanly while Steadfast was not there to see who did it";
            (Cause::Unknown, why.to_owned())
        }
    }
}

fn along(pull: &Pull, ours: bool) -> (Cause, String) {
    let unit = &pull.unit;
    let text = match pull.how {
        Tie::Job if ours => format!("it came along with {unit}, as Steadfast ordered for that"),
        Tie::Job => format!("it came along with a job of {unit}"),
        Tie::Death => format!("it is bound to {unit}, which went down (BindsTo=)"),
        Tie::End => format!("it is bound to {unit}, which is no longer there (BindsTo=)"),
        Tie::Conflict => format!("it conflicts with {unit}, which was started (Conflicts=)"),
    };
    (Cause::Dependency(unit.clone()), text)
}

/// systemd's `Result=` in words, with how the main process ended.
fn failure(after: &UnitReading) -> String {
    let what = match &after.result {
        UnitResult::OomKill => "the kernel killed it: out of memory".to_owned(),
        UnitResult::Watchdog => "it missed its watchdog deadline (WatchdogSec=)".to_owned(),
        UnitResult::Timeout => "it exceeded a time limit of its unit file".to_owned(),
        UnitResult::StartLimitHit => "it was started too often, and systemd gave up (start limit)".to_owned(),
        UnitResult::CoreDump => "it crashed with a core dump".to_owned(),
        UnitResult::ExitCode if after.is_of_command() => {
            return "a command of its file failed, not its main process (Result=exit-code)".to_owned();
        }
        UnitResult::ExitCode => "its process reported a failure".to_owned(),
        UnitResult::Signal => "a signal killed it".to_owned(),
        UnitResult::Protocol => "it did not report as its Type= demands".to_owned(),
        UnitResult::Resources => "systemd could not set up what it needs to run".to_owned(),
        UnitResult::ExecCondition => "its ExecCondition= does not let it run now".to_owned(),
        other @ (UnitResult::Success | UnitResult::Other(_)) => format!("it failed with result {other}"),
    };
    let exit = after.exit.as_ref().map_or(String::new(), |exit| format!(": {exit}"));
    format!("{what} (Result={}){exit}", after.result)
}
