//! systemd's own will for a unit, by its file: what it skipped, what it leaves down, what it starts by itself, and which
//! start would end the host. It is the first word; ours comes after.

use std::time::Duration;

use crate::model::cause::Cause;
use crate::model::finding::{Code, Why};
use crate::model::moment::Moment;
use crate::model::spec::{CleanExit, Mode};
use crate::model::state::OrderKind;
use crate::model::unit::{ActiveState, UnitFileState, UnitName, UnitReading, UnitSettings};
use crate::model::will::{Exit, Restart, ServiceType, Tried, UnitResult, Will};
use crate::policy::gate::Gate;
use crate::policy::judgement::Judgement;
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;
use super::wants::Want;

impl Unit {
    pub(super) fn will(&self) -> Option<&Will> {
        self.run.settings().map(|known| known.will.as_ref())
    }

    /// systemd did not run it at the last try, by what its file demands: what was not met.
    pub(super) fn skipped(&self) -> Option<String> {
        let reading = self.run.reading().filter(|reading| reading.active.is_down())?;
        let by_command = reading.result == UnitResult::ExecCondition;
        let (word, kind) = match reading.tried {
            Tried::AssertUnmet => ("refused by systemd", "Assert"),
            Tried::ConditionUnmet => ("skipped", "Condition"),
            Tried::Met if by_command => ("skipped", "Condition"),
            Tried::Met => return None,
        };
        let facts = self.run.settings().map(|known| &known.boot);
        let written = |of: Option<&Vec<String>>| -> Vec<String> {
            of.into_iter().flatten().filter(|written| written.starts_with(kind)).cloned().collect()
        };
        let unmet = written(facts.map(|facts| &facts.unmet_conditions));
        let untried = written(facts.map(|facts| &facts.untried_conditions));
        Some(match (unmet.as_slice(), untried.as_slice()) {
            // systemd calls that an unmet condition, too.
            ([], []) if by_command => format!("{word}: its ExecCondition= does not let it run now"),
            ([], []) => format!("{word}: a {kind}…= of its unit file was not met"),
            ([], [one]) => format!("{word}: {one} not met"),
            ([], several) => format!("{word}: one of {} not met", several.join(", ")),
            (unmet, _) => format!("{word}: {} not met", unmet.join(", ")),
        })
    }

    /// Down as its file wants it: skipped, at rest, or the handler of a connection that is over.
    pub(super) fn down_by_will(&self, reading: &UnitReading) -> Option<Judgement> {
        if let Some(why) = self.skipped() {
            return Some(Judgement::unknown(Why::ByWill, Code::UnitSkipped.as_str(), why));
        }
        let socket = self.will()?.accepted_by.as_ref()?;
        let ended = reading.exit.map_or(String::new(), |exit| format!("; this one ended with {exit}"));
        let message = format!("{socket} starts an instance like this for each connection{ended}");
        Some(Judgement::unknown(Why::ByWill, "per-connection", message))
    }

    /// It ended well, or has not run yet, and something else starts it when it is needed: a device, socket, timer, path, or
    /// a call of its bus name.
    pub(super) fn at_rest(&self, reading: &UnitReading, view: &View<'_>) -> Option<Judgement> {
        let settings = self.run.settings()?;
        if reading.active != ActiveState::Inactive || !reading.result.is_success() {
            return None;
        }
        if settings.will.stop_when_unneeded {
            let message = "not running: systemd runs it while a unit that is up needs it (StopWhenUnneeded=)";
            return Some(Judgement::good("unneeded", message));
        }
        if let Some(rival) = self.rival(view) {
            return Some(Judgement::unknown(Why::ByWill, "conflicts", format!("not running: {rival}")));
        }
        if self.is_of_device(view) {
            let devices = settings.will.devices.join(", ");
            let message = format!("not running: started when its device appears ({devices})");
            return Some(Judgement::good("by-device", message));
        }
        let never = reading.invocation.is_empty();
        if never && self.is_left_to_others() {
            let why = match self.spec.mode {
                Mode::Observe => "not started in this boot: it is disabled, and only observed",
                Mode::Act => {
                    "not started in this boot: it is disabled, and its file says start = false, enable = false"
                }
            };
            return Some(Judgement::unknown(Why::ByWill, "left-to-others", why));
        }
        let due = self.enabled_from(view.now);
        if never && self.kept.disabling.is_some() && due.is_none_or(|due| due > view.now) {
            let why = "not started in this boot: it was disabled by a person or a script";
            let judgement = Judgement::unknown(Why::ByWill, "disabled-by-hand", why);
            return Some(due.into_iter().fold(judgement, Judgement::until));
        }
        if never && self.kept.enabled && self.enablement.is_none() {
            // It may have been disabled while we were away: then nobody wants it to run.
            return Some(Judgement::unknown(
                Why::NotRead,
                "unread",
                "whether it is still enabled has not been read yet",
            ));
        }
        // What boot starts by itself is meant to run until it ends by itself.
        if (never && self.is_enabled()) || reading.exit.is_some_and(Exit::is_signal) {
            return None;
        }
        let how = if never { "not started yet" } else { "ended by itself when it had nothing to do" };
        if let Some(trigger) = settings.will.awake_among(&settings.triggered_by) {
            return Some(Judgement::good("armed", format!("{how}; waits for {trigger}, which starts it")));
        }
        let called = settings.will.bus_activated && !never;
        called.then(|| Judgement::good("armed", format!("{how}; a call of its bus name starts it")))
    }

    /// A device starts it, and boot does not.
    pub(super) fn is_of_device(&self, view: &View<'_>) -> bool {
        let by_boot = view.host.boot().is_some_and(|boot| boot.starts.contains(&self.name));
        !by_boot && self.will().is_some_and(|will| !will.devices.is_empty())
    }

    /// Another unit that is up upholds it: systemd starts it, and is awaited for a moment.
    pub(super) fn upheld(&self, now: Moment) -> Option<Judgement> {
        let by = self.upholder()?;
        let until = self.run.since().plus(limits::UPHELD);
        (until > now).then(|| {
            Judgement::passing("upheld", format!("{by} upholds it: systemd starts it (Upholds=)"))
                .until(until)
        })
    }

    /// A unit that is up and upholds it.
    pub(super) fn upholder(&self) -> Option<&UnitName> {
        let will = self.will()?;
        will.awake_among(&will.upheld_by)
    }

    /// A service that ended by itself, without a stop job, and well: how.
    pub(super) fn ended_by_itself(&self) -> Option<String> {
        let reading =
            self.run.reading().filter(|reading| reading.active.is_down() && reading.job.is_none())?;
        let exit = reading.exit.filter(|_| !reading.is_passing())?;
        if self.run.ended_well() && reading.result == UnitResult::Timeout {
            return Some("has run as long as RuntimeMaxSec= lets it".to_owned());
        }
        let cause = &self.fate.last()?.cause;
        let alone = *cause == Cause::Exit || (*cause == Cause::Unknown && exit.is_signal());
        let clean = reading.active == ActiveState::Inactive && reading.result.is_success();
        let clean = clean || (*cause == Cause::Exit && exit == Exit::Code(0));
        (alone && clean).then(|| format!("ended by itself with {exit}"))
    }

    /// What is said of an end that was no failure, with what follows and how to keep it down.
    pub(super) fn clean_end(&self) -> Option<String> {
        let how = self.ended_by_itself()?;
        let unit = &self.name;
        if !self.acts() || self.forbidden().is_some() {
            return Some(format!("{unit} {how}"));
        }
        let seconds = self.spec.recovery.clean_exit_delay.as_secs();
        Some(format!(
            "{unit} {how}; it is started again {seconds} s after that. To keep it down: steadfast hold {unit}"
        ))
    }

    /// What is down may be started.
    pub(super) fn acts(&self) -> bool {
        self.spec.mode == Mode::Act && self.spec.recovery.start
    }

    /// An end by itself is a hold, where the file says so.
    pub(super) fn holds_clean_exit(&self) -> bool {
        self.spec.recovery.clean_exit == CleanExit::Hold && self.ended_by_itself().is_some()
    }

    /// From when on it is started: after an end that was no failure, a tool's own restart is awaited.
    pub(super) fn start_due(&self, now: Moment) -> Moment {
        match self.ended_by_itself() {
            Some(_) => self.run.since().plus(self.spec.recovery.clean_exit_delay),
            None => now,
        }
    }

    /// Its file wants no restart after such an end, or none would help: why.
    pub(super) fn forbidden(&self) -> Option<String> {
        let reading = self.run.reading().filter(|reading| reading.active.is_down())?;
        let settings = self.run.settings()?;
        let will = &settings.will;
        if let Some(trigger) = self.left_to_trigger().filter(|_| reading.active == ActiveState::Failed) {
            return Some(format!("its unit file leaves its runs to {trigger}"));
        }
        if reading.active == ActiveState::Failed && will.restart == Restart::No && settings.is_a_job() {
            return Some(
                "its unit file makes it a job that runs once (Type=oneshot): a failed run is left for a person"
                    .to_owned(),
            );
        }
        if let Some(exit) = reading.exit.filter(|exit| will.prevents.contains(*exit)) {
            return Some(format!("its unit file wants no restart after {exit} (RestartPreventExitStatus=)"));
        }
        let ended =
            reading.exit.map_or_else(|| format!("result {}", reading.result), |exit| exit.to_string());
        let (restart, excluded) = (will.restart, will.restart.excludes(&reading.result));
        let limits = ["unit-start-limit-hit", "trigger-limit-hit"];
        if limits.contains(&reading.result.to_string().as_str()) {
            let why = "what it starts ends at once, again and again, and would again: repair that one first";
            return Some(why.to_owned());
        }
        excluded
            .then(|| format!("its unit file wants no restart after {ended} (Restart={})", restart.as_str()))
    }

    /// It failed, and by its file systemd does not restart it after that: this is no passing state.
    pub(super) fn is_final(&self, reading: &UnitReading) -> bool {
        let failed = reading.active == ActiveState::Failed && reading.job.is_none();
        failed
            && self.will().is_some_and(|will| {
                let excluded = will.restart == Restart::No || will.restart.excludes(&reading.result);
                !will.forces && (excluded || reading.exit.is_some_and(|exit| will.prevents.contains(exit)))
            })
    }

    /// Boot is told to start it.
    pub(super) fn is_enabled(&self) -> bool {
        matches!(self.enablement, Some(UnitFileState::Enabled | UnitFileState::EnabledRuntime))
    }

    /// It is disabled, and Steadfast is neither to enable nor to start it: another manager does, on this host or on another; or it
    /// is only observed, as its admin left it.
    fn is_left_to_others(&self) -> bool {
        let recovery = &self.spec.recovery;
        self.lacks_links() && (self.spec.mode == Mode::Observe || (!recovery.start && !recovery.enable))
    }

    /// What it does, it does when its trigger says so: a backup that failed at night is not made at noon.
    fn left_to_trigger(&self) -> Option<&UnitName> {
        let settings = self.run.settings()?;
        let ends = settings.is_a_job();
        let timed = |trigger: &UnitName| trigger.kind() == "timer" && !self.is_enabled();
        settings.triggered_by.iter().find(|trigger| ends || timed(trigger))
    }

    /// systemd leaves it down after such an end, and so do we.
    pub(super) fn own_will(&self, want: &Want) -> Option<Gate> {
        let start =
            want.kind == OrderKind::Start && matches!(want.because, Code::UnitFailed | Code::UnitInactive);
        let why = self.forbidden().filter(|_| start)?;
        Some(Gate::because(why))
    }

    /// What makes an order impossible, or too dangerous, whoever wishes it.
    pub(super) fn barred(&self, kind: OrderKind, now: Moment) -> Option<Gate> {
        let reading = self.run.reading()?;
        if reading.frozen {
            let why =
                format!("it is frozen, and left alone until somebody thaws it: systemctl thaw {}", self.name);
            return Some(Gate::because(why));
        }
        let settings = self.run.settings()?;
        if !kind.disturbs() {
            return None;
        }
        if let Some(socket) = &settings.will.accepted_by {
            return Some(Gate::because(format!(
                "{socket} starts it for each connection, and nothing else does"
            )));
        }
        if let Some(lacking) = settings.will.lacks.first() {
            let why = if lacking.kind() == "device" {
                format!("its device {lacking} is not there")
            } else {
                format!("{lacking}, which must be up before it is started (Requisite=), is not")
            };
            return Some(Gate::because(why));
        }
        self.ends_host(settings, now)
    }

    /// An order of ours never reboots, powers off or leaves the host.
    fn ends_host(&self, settings: &UnitSettings, now: Moment) -> Option<Gate> {
        let will = &settings.will;
        let by_hand = format!("systemctl start {}, if that is meant", self.name);
        let told = |setting: &String, when: &str| {
            Gate::because(format!("systemd would act on the whole host {when} ({setting}); {by_hand}"))
        };
        let failure = will.failure_action.as_ref().map(|setting| told(setting, "if it failed"));
        let success = || will.success_action.as_ref().map(|setting| told(setting, "when it ends"));
        let waits =
            || will.job_timeout_action.as_ref().map(|setting| told(setting, "if its job took too long"));
        failure.or_else(success).or_else(waits).or_else(|| {
            let setting = will.start_limit_action.as_ref()?;
            let interval = Duration::from_millis(settings.start_limit_interval_ms);
            let counted_from = self.managed_since.plus(interval);
            if counted_from > now {
                let when = "if it was started too often before Steadfast looked";
                return Some(told(setting, when).until(counted_from));
            }
            let burst = usize::try_from(settings.start_limit_burst).ok().filter(|burst| *burst > 0)?;
            let starts: Vec<Moment> = self.run.starts_within(interval, now).collect();
            let last = starts.len().saturating_add(1) >= burst && !interval.is_zero();
            let gate = last.then(|| told(setting, "if it failed after one more start"))?;
            Some(Gate { until: starts.first().map(|oldest| oldest.plus(interval)), ..gate })
        })
    }
}

impl Restart {
    /// It is set, and does not cover such a failure.
    fn excludes(self, result: &UnitResult) -> bool {
        // The start limit is no end of a run.
        if !result.is_failure() || *result == UnitResult::StartLimitHit {
            return false;
        }
        match self {
            Self::Unset | Self::No | Self::Always | Self::OnFailure => false,
            Self::OnSuccess => true,
            Self::OnAbnormal => *result == UnitResult::ExitCode,
            Self::OnAbort => !matches!(result, UnitResult::Signal | UnitResult::CoreDump),
            Self::OnWatchdog => *result != UnitResult::Watchdog,
        }
    }
}

impl UnitReading {
    /// It ended as its file wants it: well, or after as long as it lets it run.
    #[must_use]
    pub fn ended_well(&self, settings: Option<&UnitSettings>) -> bool {
        let limit = settings.and_then(|known| known.will.runtime_max_ms).map(Duration::from_millis);
        let ran = self.active_since.zip(self.inactive_since).map(|(began, ended)| ended.since(began));
        let over = limit.zip(ran).is_some_and(|(limit, ran)| ran >= limit);
        self.result.is_success() || (self.result == UnitResult::Timeout && over)
    }
}

impl UnitSettings {
    /// A oneshot whose trigger is all that starts it.
    #[must_use]
    pub fn is_triggered_oneshot(&self) -> bool {
        self.service_type == ServiceType::Oneshot && !self.triggered_by.is_empty()
    }

    /// It does something and ends: a backup, a migration. What was done by half may not be fit to be done again.
    #[must_use]
    pub fn is_a_job(&self) -> bool {
        self.service_type == ServiceType::Oneshot && !self.remain_after_exit
    }

    /// How long systemd may wait before a restart of its own; `None`: for ever.
    #[must_use]
    pub fn restart_wait(&self) -> Option<Duration> {
        self.will.restart_ms.map(Duration::from_millis)
    }
}

/// Names for people.
pub(super) fn listed(units: &[UnitName]) -> String {
    let names: Vec<&str> = units.iter().map(UnitName::as_str).collect();
    names.join(", ")
}
