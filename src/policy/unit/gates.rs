//! What speaks against acting now. The first closed gate is told.

use std::time::Duration;

use crate::model::cause::What;
use crate::model::code::Concern;
use crate::model::finding::ConditionKind::Loaded;
use crate::model::finding::{Code, Truth};
use crate::model::moment::Moment;
use crate::model::operator::StepName;
use crate::model::span::{span, times};
use crate::model::spec::Mode;
use crate::model::state::{HoldKind, OrderKind};
use crate::model::unit::{ActiveState, UnitName};
use crate::policy::gate::Gate;
use crate::policy::limits;
use crate::policy::peers::{Explanation, Ordered};
use crate::policy::view::View;

use super::Unit;
use super::wants::Want;

impl Unit {
    /// The first reason not to act now, if any.
    pub(super) fn closed(&self, want: &Want, view: &View<'_>) -> Option<Gate> {
        let disturbs = want.kind.disturbs();
        let now = view.now;
        view.host
            .closed(now)
            .or_else(|| view.packages.quiet(now))
            .or_else(|| self.switched_off(now))
            .or_else(|| self.observed())
            .or_else(|| self.pattern(want.kind))
            .or_else(|| (want.kind == OrderKind::Enable).then(|| repairs(view)).flatten())
            .or_else(|| self.held())
            .or_else(|| self.own_will(want))
            .or_else(|| self.programless(want.kind))
            .or_else(|| self.quarantined(now).filter(|_| disturbs))
            .or_else(|| self.in_vain(want.because, now).filter(|_| disturbs))
            .or_else(|| self.busy_with(want))
            .or_else(|| self.barred(want.kind, now))
            .or_else(|| disturbs.then(|| self.dependency(want, view)).flatten())
            .or_else(|| (want.kind == OrderKind::Restart).then(|| self.radius(view)).flatten())
            .or_else(|| disturbs.then(|| self.conflict(view)).flatten())
            .or_else(|| disturbs.then(|| self.pull(view)).flatten())
            .or_else(|| self.start_limit(now).filter(|_| disturbs))
            .or_else(|| self.starting(want, now))
            .or_else(|| self.staggered(want, view))
            .or_else(|| self.awaits_turn(want, view))
            .or_else(|| (disturbs && want.due <= now).then(|| self.crowded(want, view)).flatten())
    }

    /// What a person's order must respect, too: the host, and a job that runs.
    pub(super) fn closed_for_people(&self, kind: OrderKind, view: &View<'_>) -> Option<String> {
        let want = Want { kind, because: Code::UnitInactive, due: view.now };
        let gate = view.host.closed(view.now).or_else(|| self.busy_with(&want));
        let gate = gate.or_else(|| self.barred(kind, view.now));
        let rival = || self.rival(view).filter(|_| kind.disturbs()).map(Gate::because);
        gate.or_else(rival)
            .or_else(|| self.doubled(kind))
            .or_else(|| self.programless(kind))
            .map(|gate| gate.why)
    }

    /// A person does not want us to act on it: switched off, observed only, or held.
    pub(super) fn unwanted(&self, now: Moment) -> Option<String> {
        self.switched_off(now).or_else(|| self.observed()).or_else(|| self.held()).map(|gate| gate.why)
    }

    /// What keeps us from acting on it for a while, whatever is found: then a drill shows nothing.
    pub(super) fn closed_to_drill(&self, view: &View<'_>) -> Option<String> {
        let gate = view.host.closed(view.now).or_else(|| view.packages.quiet(view.now));
        gate.map(|gate| gate.why).or_else(|| self.unwanted(view.now))
    }

    /// What would keep us from putting right what a drill is to break; `kind`: the order that would be given.
    pub(super) fn closed_for_drill(&self, kind: OrderKind, view: &View<'_>) -> Option<String> {
        let want = Want { kind, because: Code::UnitFailed, due: view.now };
        let storm = || view.storm.is_on().then(|| "too many restarts are under way on this host".to_owned());
        self.closed_to_drill(view).or_else(storm).or_else(|| {
            self.quarantined(view.now)
                .or_else(|| self.pattern(kind))
                .or_else(|| self.busy_with(&want))
                .or_else(|| self.barred(kind, view.now))
                .or_else(|| self.programless(kind))
                .or_else(|| (kind == OrderKind::Restart).then(|| self.radius(view)).flatten())
                .or_else(|| kind.disturbs().then(|| self.conflict(view)).flatten())
                .or_else(|| self.start_limit(view.now).filter(|_| kind.disturbs()))
                .or_else(|| self.awaits_turn_to_drill(view))
                .or_else(|| self.drills_without_slot(view))
                .map(|gate| gate.why)
        })
    }

    fn switched_off(&self, now: Moment) -> Option<Gate> {
        let until = self.spec.off_until(now)?;
        let reason = self.spec.disabled.as_ref().map_or("", |disabled| disabled.reason.as_str());
        Some(Gate::because(format!("switched off in {}: {reason}", self.spec.file)).until(until))
    }

    fn observed(&self) -> Option<Gate> {
        (self.spec.mode == Mode::Observe).then(|| Gate::because("mode is observe"))
    }

    fn held(&self) -> Option<Gate> {
        if self.fate.doubts(What::Stopped) {
            return Some(Gate::because("it was just stopped; who did it is being looked up"));
        }
        let hold = self.kept.hold.as_ref()?;
        let gate = Gate::because(match &hold.kind {
            HoldKind::Operator { who, reason } => format!("held by {who}: {reason}"),
            HoldKind::ManualStop => match hold.until {
                Some(_) => "it was stopped on purpose; it stays down until its hold ends".to_owned(),
                None => "it was stopped on purpose; it stays down until somebody starts it".to_owned(),
            },
            HoldKind::StoppedWith { unit, conflicts: false } => {
                format!("it was stopped along with {unit}, which is not up again")
            }
            HoldKind::StoppedWith { unit, conflicts: true } => {
                format!("it was stopped for {unit}, with which it conflicts")
            }
        });
        Some(Gate { until: hold.until, ..gate })
    }

    fn quarantined(&self, now: Moment) -> Option<Gate> {
        let quarantine = self.kept.quarantine.as_ref().filter(|known| known.retry_at > now)?;
        let why = format!("in quarantine, round {}", quarantine.round);
        Some(Gate::because(why).until(quarantine.retry_at))
    }

    /// The last restart for a stall brought no progress. Another one would do the same, and lose what is in work once more.
    pub(super) fn in_vain(&self, because: Code, now: Moment) -> Option<Gate> {
        let last = self.kept.last_action.as_ref().filter(|last| !last.ok && last.because.is_some())?;
        let without = last.steps.last().is_some_and(|step| step.name == StepName::Progress);
        let queues = because.row().concern == Concern::Progressing && self.queues.are_still(because, now);
        let why = "the last restart brought no progress, and another one would lose the work in progress";
        (without && queues).then(|| Gate::because(why))
    }

    /// It became active a moment ago and its probes have not answered well yet: it may be a slow starter, as a JVM is. It gets
    /// the time that a restart of ours would get.
    fn starting(&self, want: &Want, now: Moment) -> Option<Gate> {
        let probes = matches!(want.because, Code::ProbeFailed | Code::ProbeSlow | Code::ResourceHigh);
        let begun = self.run.active_since().filter(|_| probes && want.kind == OrderKind::Restart)?;
        let patience = self.spec.recovery.verify_within;
        let why = format!(
            "it has not answered well yet since it became active, and has {} for that (verify_within)",
            span(patience)
        );
        let until = begun.plus(patience);
        let open = until <= now || self.probes.were_well(want.because, begun);
        (!open).then(|| Gate::because(why).until(until))
    }

    /// systemd works on the unit itself, or cannot do what is wished.
    fn busy_with(&self, want: &Want) -> Option<Gate> {
        let reading = self.run.reading()?;
        if let Some(job) = reading.job {
            return Some(Gate::because(format!("systemd runs job {} for it", job.id)));
        }
        if reading.is_passing() && want.kind != OrderKind::Enable {
            return Some(Gate::because("systemd restarts it by itself"));
        }
        if self.truth(Loaded) == Some(Truth::False) {
            return Some(Gate::because("the unit is not loaded"));
        }
        let settings = self.run.settings();
        if settings.is_none() && want.kind.disturbs() {
            // It may refuse the order, or end the host when it fails.
            return Some(Gate::because("its unit file has not been read yet"));
        }
        let refuses = match want.kind {
            OrderKind::Start => settings.is_some_and(|known| !known.can_start),
            OrderKind::Restart => settings.is_some_and(|known| !known.can_start || !known.can_stop),
            OrderKind::Enable | OrderKind::Check => false,
        };
        if refuses {
            let why = "its unit file refuses manual starts or stops (RefuseManualStart=, RefuseManualStop=)";
            return Some(Gate::because(why));
        }
        let uncertain = want.because.is_stale_release().then(|| self.release_uncertain());
        uncertain.flatten().map(Gate::because)
    }

    /// What it requires is down, or may turn out to be.
    fn dependency(&self, want: &Want, view: &View<'_>) -> Option<Gate> {
        let found = self.findings.iter().find(|finding| finding.code == want.because)?;
        // What was skipped keeps nothing from starting, as for systemd; a restart of what runs does not bring it, either.
        let work = matches!(want.because.row().concern, Concern::Serving | Concern::Progressing);
        let skipped = || view.peers.skipped(&self.name).filter(|_| work);
        match view.peers.explanation(&self.name, found.since, view.now).or_else(skipped)? {
            Explanation::Down { cause, why } => {
                Some(Gate { explained_by: Some(cause), ..Gate::because(why) })
            }
            Explanation::Open { why, until } => Some(Gate::because(why).until(until)),
        }
    }

    /// A restart takes others along (`PartOf=`, `Requires=`, `BindsTo=`). What a person holds, or only observes, is not
    /// restarted that way either.
    fn radius(&self, view: &View<'_>) -> Option<Gate> {
        self.run.settings()?.takes_along.iter().find_map(|other| {
            let why = view.peers.spared(other)?;
            Some(Gate::because(format!("its restart would take {other} along, which {why}")))
        })
    }

    /// A start stops what it conflicts with (`Conflicts=`): what a person holds, or only observes, is not stopped that way.
    fn conflict(&self, view: &View<'_>) -> Option<Gate> {
        let spared = self.run.settings()?.conflicts.iter().find_map(|other| {
            let why = view.peers.spared(other)?;
            Some(Gate::because(format!("its start would stop {other} (Conflicts=), which {why}")))
        });
        spared.or_else(|| self.rival(view).map(Gate::because))
    }

    /// A managed unit runs with which it conflicts. What is enabled and failed takes the place of what is not, as of a page for its
    /// absence; nothing else of ours ends what runs.
    pub(super) fn rival(&self, view: &View<'_>) -> Option<String> {
        let settings = self.run.settings().filter(|_| !self.run.is_up())?;
        let failed = self.run.reading().is_some_and(|reading| reading.active == ActiveState::Failed);
        let displaces = failed && self.is_enabled();
        let stays = |other: &&UnitName| view.peers.runs(other).is_some_and(|enabled| enabled || !displaces);
        let other = settings.conflicts.iter().find(stays)?;
        Some(format!("{other} runs, and the two cannot run together (Conflicts=)"))
    }

    /// Why it is not to be restarted along with another unit, where it runs and a person wants that.
    pub(super) fn spared(&self) -> Option<String> {
        let runs = self.run.reading().is_some_and(|reading| !reading.active.is_down());
        let why = match self.kept.hold.as_ref().map(|hold| &hold.kind) {
            Some(HoldKind::Operator { who, reason }) => format!("is held by {who}: {reason}"),
            _ if self.spec.mode == Mode::Observe => "is only observed".to_owned(),
            _ => return None,
        };
        runs.then_some(why)
    }

    /// A start starts what it requires: what a person stopped, holds or only observes is not started that way.
    fn pull(&self, view: &View<'_>) -> Option<Gate> {
        self.run.settings()?.pulls.iter().find_map(|other| {
            let (why, until) = view.peers.kept_down(other)?;
            let why = format!("its start would start {other}, which it requires and which {why}");
            Some(Gate { until: *until, ..Gate::because(why) })
        })
    }

    /// Why it is not to be started along with another unit, where it is down and a person wants that, and until when.
    pub(super) fn kept_down(&self) -> Option<(String, Option<Moment>)> {
        let down = self.run.reading().is_some_and(|reading| reading.active.is_down());
        let hold = self.kept.hold.as_ref();
        let why = match hold.map(|hold| &hold.kind) {
            Some(HoldKind::Operator { who, reason }) => format!("is held by {who}: {reason}"),
            Some(HoldKind::ManualStop) => "was stopped on purpose".to_owned(),
            _ if self.spec.mode == Mode::Observe => "is only observed".to_owned(),
            Some(HoldKind::StoppedWith { .. }) | None => return None,
        };
        down.then(|| (why, hold.and_then(|hold| hold.until)))
    }

    /// systemd starts a unit only so often (`StartLimitBurst=`). The last of these starts is left to people: one more, and
    /// nobody could start it.
    fn start_limit(&self, now: Moment) -> Option<Gate> {
        let settings = self.run.settings()?;
        let interval = Duration::from_millis(settings.start_limit_interval_ms);
        let burst = usize::try_from(settings.start_limit_burst).ok().filter(|burst| *burst > 1)?;
        let starts: Vec<Moment> = self.run.starts_within(interval, now).collect();
        let oldest = starts.first().filter(|_| starts.len() + 1 >= burst)?;
        let why = format!(
            "it was started {} within {}, and systemd allows {burst} (StartLimitBurst=): the last one is left for a person",
            times(starts.len() as u64),
            span(interval)
        );
        Some(Gate::because(why).until(oldest.plus(interval)))
    }

    /// After an outage the workers of stuck queues are restarted one after the other.
    fn staggered(&self, want: &Want, view: &View<'_>) -> Option<Gate> {
        let of_outage = |order: &Ordered| order.because == Some(Code::DrainOverdue);
        let another = || view.peers.other_orders(&self.name).any(of_outage);
        let why = "the worker of another queue is being restarted; one at a time after an outage";
        (want.because == Code::DrainOverdue && another())
            .then(|| Gate::because(why).until(view.now.plus(limits::SECOND_LOOK)))
    }

    /// Too much is being restarted on this host, or too many orders are under way at once.
    fn crowded(&self, want: &Want, view: &View<'_>) -> Option<Gate> {
        view.storm.closed((&self.name, want.kind), view.peers, view.now)
    }
}

/// A person prepares a boot for repairs: to enable units would not help, and would outlast it.
fn repairs(view: &View<'_>) -> Option<Gate> {
    let starts = &view.host.boot()?.starts;
    let target = ["rescue.target", "emergency.target"]
        .into_iter()
        .find(|target| starts.contains(&UnitName::from(*target)))?;
    Some(Gate::because(format!(
        "the next boot goes to {target} (systemctl set-default), and starts no service"
    )))
}
