//! What speaks against acting now. The first closed gate is told.

use std::time::Duration;

use crate::model::boot::BootVerdict;
use crate::model::cause::What;
use crate::model::finding::ConditionKind::Loaded;
use crate::model::finding::{Code, Truth};
use crate::model::moment::Moment;
use crate::model::release::LinkReading;
use crate::model::spec::{Mode, Selector};
use crate::model::state::{HoldKind, OrderKind, Phase, Recovery, State, UnitSeen};
use crate::model::unit::{ActiveState, ManagerState, UnitName};
use crate::policy::active::passing;
use crate::policy::dependencies::{self, Explanation};
use crate::policy::turn::sooner;
use crate::policy::{limits, packages, releases, switched_off};

use super::Want;
use super::pattern::Matched;

/// A closed gate.
#[derive(Debug)]
pub struct Gate {
    pub why: String,
    /// The required unit that explains the trouble.
    pub explained_by: Option<UnitName>,
}

impl Gate {
    fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), explained_by: None }
    }
}

/// The first reason not to act now, if any.
pub fn closed(
    state: &State,
    unit: &UnitName,
    want: &Want,
    now: Moment,
    wake: &mut Option<Moment>,
) -> Option<Gate> {
    let seen = state.seen.units.get(unit)?;
    host(state, now, wake)
        .or_else(|| package_work(state, now, wake))
        .or_else(|| disabled(seen, now, wake))
        .or_else(|| (seen.spec.mode == Mode::Observe).then(|| Gate::because("mode is observe")))
        .or_else(|| pattern(state, unit, seen, want.kind))
        .or_else(|| held(state, unit, wake))
        .or_else(|| want.kind.disturbs().then(|| quarantined(state, unit, now, wake)).flatten())
        .or_else(|| busy(seen, want))
        .or_else(|| want.kind.disturbs().then(|| dependency(state, unit, want, now, wake)).flatten())
        .or_else(|| (want.kind == OrderKind::Restart).then(|| radius(state, seen)).flatten())
        .or_else(|| want.kind.disturbs().then(|| start_limit(seen, now, wake)).flatten())
        .or_else(|| staggered(state, unit, want, now, wake))
        .or_else(|| {
            (want.kind.disturbs() && want.due <= now).then(|| storm(state, unit, now, wake)).flatten()
        })
        .or_else(|| full(state, unit, want, now, wake))
}

/// What a person's order must respect, too: the host, and a job that runs.
pub fn closed_for_people(state: &State, unit: &UnitName, kind: OrderKind, now: Moment) -> Option<String> {
    let seen = state.seen.units.get(unit)?;
    let want = Want { kind, because: Code::UnitInactive, due: now };
    host(state, now, &mut None).or_else(|| busy(seen, &want)).map(|gate| gate.why)
}

/// A person does not want us to act on it: switched off, observed only, or held.
pub fn unwanted(state: &State, unit: &UnitName, now: Moment) -> Option<String> {
    let seen = state.seen.units.get(unit)?;
    disabled(seen, now, &mut None)
        .or_else(|| (seen.spec.mode == Mode::Observe).then(|| Gate::because("mode is observe")))
        .or_else(|| held(state, unit, &mut None))
        .map(|gate| gate.why)
}

/// What keeps us from acting on it for a while, whatever is found: then a drill shows nothing.
pub fn closed_to_drill(state: &State, unit: &UnitName, now: Moment) -> Option<String> {
    host(state, now, &mut None)
        .or_else(|| package_work(state, now, &mut None))
        .map(|gate| gate.why)
        .or_else(|| unwanted(state, unit, now))
}

/// What would keep us from putting right what a drill is to break; `kind`: the order that would be given.
pub fn closed_for_drill(state: &State, unit: &UnitName, kind: OrderKind, now: Moment) -> Option<String> {
    let seen = state.seen.units.get(unit)?;
    let want = Want { kind, because: Code::UnitFailed, due: now };
    let storm =
        || state.seen.storm_since.map(|_| "too much is being restarted on this host already".to_owned());
    closed_to_drill(state, unit, now).or_else(storm).or_else(|| {
        quarantined(state, unit, now, &mut None)
            .or_else(|| pattern(state, unit, seen, kind))
            .or_else(|| busy(seen, &want))
            .or_else(|| (kind == OrderKind::Restart).then(|| radius(state, seen)).flatten())
            .or_else(|| kind.disturbs().then(|| start_limit(seen, now, &mut None)).flatten())
            .map(|gate| gate.why)
    })
}

pub fn host(state: &State, now: Moment, wake: &mut Option<Moment>) -> Option<Gate> {
    if let Some(failure) = &state.seen.save_failure {
        return Some(Gate::because(format!("the durable state cannot be saved: {}", failure.why)));
    }
    let ready = state.seen.started_at.plus(state.seen.settings.startup_hold);
    if ready > now {
        sooner(wake, ready);
        return Some(Gate::because("startup_hold of steadfast.toml is not over"));
    }
    if let Some((_, until)) = state.seen.rereading_until.filter(|(_, until)| *until > now) {
        sooner(wake, until);
        return Some(Gate::because("the host slept or stood still; everything is read anew first"));
    }
    match state.seen.manager {
        Some(ManagerState::Running) => None,
        Some(ManagerState::Starting) => {
            let patience = state.seen.manager_since.plus(limits::LONGEST_BOOT);
            (patience > now).then(|| {
                sooner(wake, patience);
                Gate::because("boot is not finished")
            })
        }
        Some(ManagerState::Stopping) => Some(Gate::because("the host shuts down")),
        Some(ManagerState::Maintenance) => Some(Gate::because("the host is in rescue or emergency mode")),
        Some(ManagerState::Unreachable) | None => {
            Some(Gate::because("the service manager cannot be reached"))
        }
    }
}

/// A package manager stops, replaces and starts units itself, and must not be met half way. People may, at their own risk.
pub fn package_work(state: &State, now: Moment, wake: &mut Option<Moment>) -> Option<Gate> {
    let (why, until) = packages::quiet(state, now)?;
    if let Some(until) = until {
        sooner(wake, until);
    }
    Some(Gate::because(why))
}

fn pattern(state: &State, unit: &UnitName, seen: &UnitSeen, kind: OrderKind) -> Option<Gate> {
    let Selector::Pattern(pattern) = &seen.spec.selector else {
        return None;
    };
    let durable = state.durable.units.get(unit)?;
    let verdict = durable.prediction.as_ref().map(|known| &known.verdict);
    let matched = Matched {
        pattern,
        settings: seen.settings.as_ref(),
        enablement: seen.enablement.as_ref(),
        boot_starts: verdict == Some(&BootVerdict::Starts),
        ran: durable.ran,
    };
    super::pattern::closed(unit, matched, kind).map(Gate::because)
}

fn disabled(seen: &UnitSeen, now: Moment, wake: &mut Option<Moment>) -> Option<Gate> {
    let until = switched_off::until(&seen.spec, now)?;
    sooner(wake, until);
    let reason = seen.spec.disabled.as_ref().map_or("", |disabled| disabled.reason.as_str());
    Some(Gate::because(format!("switched off in {}: {reason}", seen.spec.file)))
}

fn held(state: &State, unit: &UnitName, wake: &mut Option<Moment>) -> Option<Gate> {
    if state.seen.units.get(unit)?.fate.doubt.as_ref().is_some_and(|doubt| doubt.what == What::Stopped) {
        return Some(Gate::because("it was just stopped, and who did that is being looked up"));
    }
    let hold = state.durable.units.get(unit)?.hold.as_ref()?;
    if let Some(until) = hold.until {
        sooner(wake, until);
    }
    Some(Gate::because(match &hold.kind {
        HoldKind::Operator { who, reason } => format!("held by {who}: {reason}"),
        HoldKind::ManualStop => "it was stopped on purpose; that is a hold".to_owned(),
        HoldKind::StoppedWith { unit, conflicts: false } => {
            format!("it was stopped along with {unit}, which is not up again")
        }
        HoldKind::StoppedWith { unit, conflicts: true } => {
            format!("it was stopped for {unit}, with which it conflicts")
        }
    }))
}

fn quarantined(state: &State, unit: &UnitName, now: Moment, wake: &mut Option<Moment>) -> Option<Gate> {
    let quarantine = state.durable.units.get(unit)?.quarantine.as_ref()?;
    if quarantine.retry_at <= now {
        return None;
    }
    sooner(wake, quarantine.retry_at);
    Some(Gate::because(format!("in quarantine, round {}", quarantine.round)))
}

/// systemd works on the unit itself, or cannot do what is wished.
fn busy(seen: &UnitSeen, want: &Want) -> Option<Gate> {
    let reading = seen.reading.as_ref()?;
    if let Some(job) = reading.job {
        return Some(Gate::because(format!("systemd runs job {} for it", job.id)));
    }
    if passing(&reading.sub) && want.kind != OrderKind::Enable {
        return Some(Gate::because("systemd restarts it by itself"));
    }
    if seen.conditions.get(&Loaded).is_some_and(|known| known.truth == Truth::False) {
        return Some(Gate::because("the unit is not loaded"));
    }
    let settings = seen.settings.as_ref();
    let refuses = match want.kind {
        OrderKind::Start => settings.is_some_and(|known| !known.can_start),
        OrderKind::Restart => settings.is_some_and(|known| !known.can_start || !known.can_stop),
        OrderKind::Enable | OrderKind::Check => false,
    };
    if refuses {
        return Some(Gate::because(
            "its unit file refuses manual starts or stops (RefuseManualStart=, RefuseManualStop=)",
        ));
    }
    releases::CODES.contains(&want.because).then(|| untold(seen)).flatten().map(Gate::because)
}

/// Where a restart would lead, or whether anything is stale, cannot be told now.
fn untold(seen: &UnitSeen) -> Option<String> {
    let Some(reading) = seen.processes.as_ref() else {
        return Some("its processes were not looked at yet".to_owned());
    };
    let missing = reading.links.iter().find(|link| link.target.is_none()).map(missing);
    missing.or_else(|| releases::verdict(&seen.residents, reading).cannot_tell().map(str::to_owned))
}

fn missing(link: &LinkReading) -> String {
    format!("{} leads nowhere now", link.link)
}

/// What it requires is down, or may turn out to be.
fn dependency(
    state: &State,
    unit: &UnitName,
    want: &Want,
    now: Moment,
    wake: &mut Option<Moment>,
) -> Option<Gate> {
    let found = state.seen.units.get(unit)?.findings.iter().find(|finding| finding.code == want.because)?;
    match dependencies::explanation(state, unit, found.since, now)? {
        Explanation::Down { cause, why } => Some(Gate { why, explained_by: Some(cause) }),
        Explanation::Open { why, until } => {
            sooner(wake, until);
            Some(Gate::because(why))
        }
    }
}

/// A restart takes others along (`PartOf=`, `Requires=`, `BindsTo=`). What a person holds, or only observes, is not
/// restarted that way either.
fn radius(state: &State, seen: &UnitSeen) -> Option<Gate> {
    seen.settings.as_ref()?.takes_along.iter().find_map(|other| {
        let known = state.seen.units.get(other)?;
        let runs = known
            .reading
            .as_ref()
            .is_some_and(|reading| !matches!(reading.active, ActiveState::Inactive | ActiveState::Failed));
        let hold = state.durable.units.get(other).and_then(|durable| durable.hold.as_ref());
        let why = match hold.map(|hold| &hold.kind) {
            Some(HoldKind::Operator { who, reason }) => format!("is held by {who}: {reason}"),
            _ if known.spec.mode == Mode::Observe => "is only observed".to_owned(),
            _ => return None,
        };
        runs.then(|| Gate::because(format!("its restart would take {other} along, which {why}")))
    })
}

/// systemd starts a unit only so often (`StartLimitBurst=`). The last of these starts is left to people: one more, and
/// nobody could start it.
fn start_limit(seen: &UnitSeen, now: Moment, wake: &mut Option<Moment>) -> Option<Gate> {
    let settings = seen.settings.as_ref()?;
    let interval = Duration::from_millis(settings.start_limit_interval_ms);
    let burst = usize::try_from(settings.start_limit_burst).ok().filter(|burst| *burst > 1)?;
    let counted = || seen.starts.iter().filter(|at| now.since(**at) < interval);
    if counted().count() + 1 < burst {
        return None;
    }
    let oldest = counted().next()?;
    sooner(wake, oldest.plus(interval));
    let seconds = interval.as_secs();
    Some(Gate::because(format!(
        "it was started {} times within {seconds} s, and systemd allows {burst} (StartLimitBurst=): the last one is left to people",
        counted().count()
    )))
}

fn storm(state: &State, unit: &UnitName, now: Moment, wake: &mut Option<Moment>) -> Option<Gate> {
    super::storm::closed(state, unit, now, wake).map(Gate::because)
}

/// After an outage the workers of stuck queues are restarted one after the other.
fn staggered(
    state: &State,
    unit: &UnitName,
    want: &Want,
    now: Moment,
    wake: &mut Option<Moment>,
) -> Option<Gate> {
    let mut orders = super::others_in_flight(state, unit);
    let another = orders.any(|order| order.because == Some(Code::DrainOverdue));
    if want.because != Code::DrainOverdue || !another {
        return None;
    }
    sooner(wake, now.plus(limits::SECOND_LOOK));
    Some(Gate::because("the worker of another queue is being restarted; one at a time after an outage"))
}

/// Too many orders at once, over the host.
fn full(state: &State, unit: &UnitName, want: &Want, now: Moment, wake: &mut Option<Moment>) -> Option<Gate> {
    let working = |order: &&Recovery| matches!(order.phase, Phase::SmokeTest | Phase::Job);
    let others = super::others_in_flight(state, unit).filter(working).count();
    if want.due <= now && want.kind.disturbs() && others >= limits::ORDERS_AT_ONCE {
        sooner(wake, now.plus(limits::SECOND_LOOK));
        return Some(Gate::because("other units are being restarted; it is its turn in a moment"));
    }
    None
}
