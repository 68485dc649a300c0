//! What must hold whenever we order something of the host, whatever went wrong before.

use std::time::Duration;

use steadfast::model::drill::{Drill, DrillKind};
use steadfast::model::finding::Code;
use steadfast::model::moment::Moment;
use steadfast::model::operator::StepName;
use steadfast::model::state::{OrderKind, Phase, Recovery};
use steadfast::model::unit::{ActiveState, JobKind, ManagerState, UnitName};

use crate::host::{Host, needs_broker};
use crate::run::by_will;
use crate::will::{Drain, PREVENTED, Wish};

/// The unit whose file says `drain` and `slot`.
const DRAINED: usize = 2;
/// Signals may be lost; by then a slow reading has made good for it.
const KNOWN_AFTER: Duration = Duration::from_secs(90);

/// What is wrong with this order.
pub fn of_order(host: &Host, unit: &UnitName, order: u64, kind: JobKind) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    let mut check = |holds: bool, why: &'static str| {
        if !holds {
            wrong.push(why);
        }
    };
    let intent = host.intent(unit);
    let saved = intent.is_some_and(|intent| intent.order == order && intent.phase == Phase::Job);
    check(saved, "acted on an order that was not saved");
    let because = intent.and_then(|intent| intent.because);
    let by_person = because.is_none();
    let at = Host::index(unit);
    let known = &host.units[at];
    let long = |since: Option<Moment>| since.is_some_and(|since| host.now.since(since) > KNOWN_AFTER);
    check(!known.carried_out.contains(&order), "gave an order twice that was carried out");
    check(!(known.job.is_some() && host.calm), "ordered against a running job");
    // The announcement takes a moment to reach us.
    let just = host.goes_down_at.is_some_and(|at| at.since(host.now) > Duration::from_millis(4900));
    check(host.manager != ManagerState::Stopping || just, "ordered while the host shuts down");
    check(host.manager != ManagerState::Starting, "ordered before boot was finished");
    let later = |until: Option<Moment>| until.is_some_and(|until| until > host.now);
    // While the stop's own job runs, ours is refused: of that moment nobody can have told us yet.
    let refused = known.job.is_some();
    check(by_person || refused || !later(known.stopped_until), "resurrected what a person stopped");
    check(by_person || !later(known.held_until), "acted on what a person holds");
    let busy = host.busy_since.is_some_and(|since| host.now.since(since) > Duration::from_secs(5));
    check(by_person || !busy, "ordered while a package manager is at work");
    let stale =
        matches!(because, Some(Code::ReleaseOutdated | Code::ReleaseDeleted | Code::WorkersOnlyRestart));
    check(!(stale && long(host.link_away_since)), "restarted for a release while the link leads nowhere");
    let steps = intent.map(|intent| intent.steps.as_slice()).unwrap_or_default();
    let lost = at == DRAINED && known.active == ActiveState::Active && kind == JobKind::Restart;
    let drained = steps.iter().any(|step| step.name == StepName::Drain);
    let same = intent.is_some_and(|intent| intent.invocation_before == host.reading(at).invocation);
    // Of what completes nothing there is nothing to be finished.
    check(!lost || drained || !same, "restarted without a drain what works");
    let slot = host.lock.holder.as_ref().is_some_and(|holder| holder.ends_with(unit.as_str()));
    check(!lost || !same || slot, "took what works away without a slot");
    let queue = matches!(because, Some(Code::Stalled | Code::NoConsumer | Code::DrainOverdue));
    let explained = needs_broker(at) && (queue || because == Some(Code::ProbeFailed));
    check(!(explained && long(host.units[0].down_since)), "restarted for what a dependency explains");
    let restart = kind == JobKind::Restart && intent.is_some_and(|known| known.kind == OrderKind::Restart);
    let old_flip = host.now.since(host.switched) > Duration::from_secs(40);
    let works = known.active == ActiveState::Active && !known.wedged;
    let broken = host.broken.contains(&host.current) && host.link_away_since.is_none();
    let served = !needs_broker(at) || host.units[0].active == ActiveState::Active;
    check(!(restart && old_flip && broken && works && served), "a broken release costs a working process");
    check(known.our_job.is_none(), "gave a second order while the first one's job runs");
    let told = known.unhealthy_at.is_some_and(|at| host.now.since(at) < Duration::from_secs(300));
    let drills = host.saved.units.get(unit).map(|known| known.drills.as_slice()).unwrap_or_default();
    let feigned = |drill: &Drill| drill.end.is_none() && matches!(drill.kind, DrillKind::Probe(_));
    let told = told || drills.last().is_some_and(feigned);
    check(because != Some(Code::ProbeFailed) || told, "restarted for a probe that did not say unhealthy");
    let fails = known.stuck || known.wedged || !long(Some(known.started));
    check(!queue || fails, "restarted for its queue what works on it");
    check(!long(known.frozen_since), "ordered of what somebody has frozen");
    check(by_person || !long(known.skipped_since), "started what its own condition keeps down");
    check(by_person || !long(known.waits_since), "ordered although a start of somebody's waits");
    let down = long(known.down_since);
    check(by_person || !down || !by_will(known), "started what RestartPreventExitStatus= keeps down");
    let handed = known.drain.filter(|drain| drain.until > host.now && known.runs == host.current);
    let handed = handed.map(|drain| drain.handed_at);
    check(!(stale && long(handed)), "restarted what handed over to the current release");
    let window = Duration::from_secs(900);
    let recent = |times: &[Moment]| times.iter().filter(|time| host.now.since(**time) < window).count();
    check(by_person || recent(&known.ordered) <= 4 + recent(&known.deploys), "over the budget");
    wrong
}

/// What is wrong when the world has been calm for long.
pub fn at_rest(host: &Host) -> Vec<String> {
    let mut wrong = Vec::new();
    if !host.asked.is_empty() {
        wrong.push(format!("nobody answered {:?}", host.asked));
    }
    if host.lock.holder.as_ref().is_some_and(|holder| holder.starts_with("sim/")) {
        wrong.push("a slot of the fleet is stranded".to_owned());
    }
    wrong
}

/// How many things are looked at for each order.
pub const COUNT: u64 = 23;

/// Worlds in which a restart of `shop.service` by order 7 is wrong, each with the sentence that must be found.
pub fn wrong_worlds() -> Vec<(Host, &'static str)> {
    let mut worlds = worlds_of_people();
    worlds.extend(worlds_of_files());
    worlds
}

fn world(because: Option<Code>, change: &dyn Fn(&mut Host)) -> Host {
    let mut host = Host::new(1);
    let shop: UnitName = "shop.service".into();
    host.saved.units.entry(shop).or_default().recovery = Some(Recovery {
        order: 7,
        kind: OrderKind::Restart,
        because,
        began_at: host.now,
        phase: Phase::Job,
        phase_at: host.now,
        phase_due: host.now,
        invocation_before: String::new(),
        n_restarts: 0,
        release: None,
        steps: Vec::new(),
    });
    host.now = host.now.plus(Duration::from_secs(3600));
    change(&mut host);
    host
}

fn long_ago(host: &Host) -> Option<Moment> {
    Some(host.now.at_boot_ms(host.now.boot_ms - 600_000))
}

const FAILED: Option<Code> = Some(Code::ProbeFailed);
const STALE: Option<Code> = Some(Code::ReleaseOutdated);

/// What people and programs do forbids the order.
fn worlds_of_people() -> Vec<(Host, &'static str)> {
    let soon = |host: &Host| Some(host.now.plus(Duration::from_secs(60)));
    vec![
        (world(FAILED, &|host| host.saved.units.clear()), "acted on an order that was not saved"),
        (
            world(FAILED, &|host| host.units[2].carried_out.push(7)),
            "gave an order twice that was carried out",
        ),
        (
            world(FAILED, &|host| {
                host.calm = true;
                host.units[2].job = Some((1, JobKind::Start));
            }),
            "ordered against a running job",
        ),
        (world(FAILED, &|host| host.manager = ManagerState::Stopping), "ordered while the host shuts down"),
        (world(FAILED, &|host| host.manager = ManagerState::Starting), "ordered before boot was finished"),
        (
            world(FAILED, &|host| host.units[2].stopped_until = soon(host)),
            "resurrected what a person stopped",
        ),
        (world(FAILED, &|host| host.units[2].held_until = soon(host)), "acted on what a person holds"),
        (
            world(FAILED, &|host| host.busy_since = long_ago(host)),
            "ordered while a package manager is at work",
        ),
        (
            world(STALE, &|host| host.link_away_since = long_ago(host)),
            "restarted for a release while the link leads nowhere",
        ),
        (
            world(FAILED, &|host| host.units[0].down_since = long_ago(host)),
            "restarted for what a dependency explains",
        ),
        (world(STALE, &|host| host.broken.push(1)), "a broken release costs a working process"),
        (
            world(FAILED, &|host| host.units[2].our_job = Some(6)),
            "gave a second order while the first one's job runs",
        ),
        (world(FAILED, &|_| {}), "restarted for a probe that did not say unhealthy"),
        (world(Some(Code::Stalled), &|_| {}), "restarted for its queue what works on it"),
        (world(FAILED, &|host| host.units[2].ordered = vec![host.now; 5]), "over the budget"),
    ]
}

/// A restart of what works: `same` run, active.
fn works(host: &mut Host) {
    let invocation = host.reading(DRAINED).invocation;
    if let Some(unit) = host.saved.units.get_mut(&UnitName::from("shop.service")) {
        unit.recovery.iter_mut().for_each(|order| order.invocation_before.clone_from(&invocation));
    }
}

/// What its own file wants, or became of it, forbids the order.
fn worlds_of_files() -> Vec<(Host, &'static str)> {
    vec![
        (world(STALE, &works), "restarted without a drain what works"),
        (world(STALE, &works), "took what works away without a slot"),
        (
            world(FAILED, &|host| host.units[2].frozen_since = long_ago(host)),
            "ordered of what somebody has frozen",
        ),
        (
            world(FAILED, &|host| host.units[2].skipped_since = long_ago(host)),
            "started what its own condition keeps down",
        ),
        (
            world(FAILED, &|host| host.units[2].waits_since = long_ago(host)),
            "ordered although a start of somebody's waits",
        ),
        (
            world(FAILED, &|host| {
                let down_since = long_ago(host);
                let unit = &mut host.units[2];
                (unit.wish, unit.active, unit.exit) = (Wish::Prevents, ActiveState::Failed, Some(PREVENTED));
                unit.down_since = down_since;
            }),
            "started what RestartPreventExitStatus= keeps down",
        ),
        (
            world(STALE, &|host| {
                let handed_at = long_ago(host).expect("a time");
                let until = host.now.plus(Duration::from_secs(60));
                host.units[2].drain = Some(Drain { release: 0, pid: 7, handed_at, until });
            }),
            "restarted what handed over to the current release",
        ),
    ]
}
