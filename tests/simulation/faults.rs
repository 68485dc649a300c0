//! What goes wrong, and what people and programs do, by chance.

use std::time::Duration;

use steadfast::model::drill::DrillKind;
use steadfast::model::moment::Moment;
use steadfast::model::observation::Observation;
use steadfast::model::operator::UnitAsk;
use steadfast::model::unit::{ActiveState, JobKind, ManagerState, UnitName};
use steadfast::model::will::Exit;

use crate::host::{Event, Host, UNITS};
use crate::will::{Drain, PREVENTED};

const KINDS: u64 = 32;

/// Something goes wrong, or somebody does something. `spared`: it does not happen, though the dice are cast.
pub fn fault(host: &mut Host, spared: bool) {
    let at = usize::try_from(host.chance.below(UNITS.len() as u64)).expect("small");
    let kind = host.chance.below(KINDS);
    let broken = host.chance.percent(30);
    let length = Duration::from_secs(60 + host.chance.below(900));
    if spared {
        return;
    }
    let unit = UNITS[at];
    let idle = host.units[at].job.is_none() && host.manager == ManagerState::Running;
    let runs = idle && host.units[at].active == ActiveState::Active;
    let told = match kind {
        0 | 1 if runs => died(host, at),
        2 => disabled(host, at),
        3 | 4 => deployed(host, broken),
        5 => pruned(host),
        6 if host.current > 1 && !host.deleted.contains(&(host.current - 1)) => rolled_back(host),
        7 => link_away(host),
        8 if runs => stopped_by_hand(host, at),
        9 if idle && host.units[at].active != ActiveState::Active => started_by_hand(host, at),
        10 if runs => restarting(host, at, false),
        11 if runs => restarting(host, at, true),
        12 if runs => {
            host.units[at].wedged = true;
            format!("{unit} answers no more")
        }
        13 => {
            host.saves_fail = !host.saves_fail;
            host.saves_failed_at = Some(host.now);
            format!("saving fails: {}", host.saves_fail)
        }
        14 => bus(host),
        15 => packages(host),
        16 if host.goes_down_at.is_none() && host.manager == ManagerState::Running => goes_down(host),
        17 => {
            host.sleeps = Some(length);
            format!("the host sleeps for {} s", length.as_secs())
        }
        18 => asked(host, at, UnitAsk::Hold { length, reason: "work".to_owned() }),
        19 => asked(host, at, UnitAsk::Recover),
        21 if unit == "worker.service" && host.units[at].active == ActiveState::Active => {
            host.units[at].stuck = true;
            format!("{unit} completes nothing any more")
        }
        22 => {
            host.mute_until = host.now.plus(length);
            format!("nothing can be asked for {} s", length.as_secs())
        }
        23 => {
            host.mailbox.down = !host.mailbox.down;
            format!("nobody can be told: {}", host.mailbox.down)
        }
        24 => asked(host, at, UnitAsk::Drill { kind: DrillKind::Kill, rehearse: false }),
        25 => {
            asked(host, at, UnitAsk::Drill { kind: DrillKind::Probe("health".to_owned()), rehearse: false })
        }
        26 if runs => ended(host, at, Exit::Code(0)),
        27 if runs => ended(host, at, PREVENTED),
        28 if runs => frozen(host, at),
        29 => demands(host, at),
        30 if idle && host.units[at].active.is_down() => waits(host, at, length),
        31 if runs => handed_over(host, at, length),
        _ if kind == 20 && broken => asked(host, at, UnitAsk::Resume),
        _ => {
            host.dies_in = host.dies_in.or(Some(3));
            "we are about to die".to_owned()
        }
    };
    write_down(host, kind, &told);
    host.note(format!("*** {told}"));
}

fn write_down(host: &mut Host, kind: u64, told: &str) {
    let (now, busy, fails) = (host.now, host.busy_since.is_some(), host.saves_fail);
    let down = host.mailbox.down;
    let Some(story) = &mut host.story else {
        return;
    };
    story.comment(told);
    match kind {
        13 => story.line(now, if fails { "save-fails disk full" } else { "saved" }),
        23 => story.line(now, if down { "sink-fails mail connection refused" } else { "sink-works mail" }),
        15 => story.line(now, if busy { "packages busy \"dpkg (pid 7)\"" } else { "packages idle" }),
        _ => {}
    }
}

fn died(host: &mut Host, at: usize) -> String {
    host.ends(at, Exit::Signal { number: 9, core: false });
    format!("{} dies", UNITS[at])
}

fn ended(host: &mut Host, at: usize, exit: Exit) -> String {
    host.ends(at, exit);
    format!("{} ends by itself with {exit}", UNITS[at])
}

fn frozen(host: &mut Host, at: usize) -> String {
    let since = host.units[at].frozen_since;
    host.units[at].frozen_since = if since.is_some() { None } else { Some(host.now) };
    host.tell_unit(at);
    format!("systemctl {} {}", if since.is_some() { "thaw" } else { "freeze" }, UNITS[at])
}

/// What the unit's file demands before a start comes or goes; nobody tells that.
fn demands(host: &mut Host, at: usize) -> String {
    host.units[at].unmet = !host.units[at].unmet;
    format!("a condition of {} is met: {}", UNITS[at], !host.units[at].unmet)
}

/// Somebody starts it, and that waits for other units.
fn waits(host: &mut Host, at: usize, length: Duration) -> String {
    let id = 60_000 + u32::try_from(host.chance.below(5000)).expect("small");
    let unit = &mut host.units[at];
    unit.job = Some((id, JobKind::Start));
    unit.waits_since = Some(host.now);
    host.tell_unit(at);
    let on = vec![UnitName::from("network-online.target")];
    host.tell(Observation::JobWaits { unit: UnitName::from(UNITS[at]), job: id, on });
    host.later(u64::try_from(length.as_millis()).expect("short"), Event::Awaited { unit: at, id });
    format!("systemctl start {} waits for {} s", UNITS[at], length.as_secs())
}

/// A new main process takes the sockets over in the current release; the old one drains.
fn handed_over(host: &mut Host, at: usize, length: Duration) -> String {
    let known = &host.units[at];
    let sound = !host.broken.contains(&host.current) && host.link_away_since.is_none();
    // What was begun in the same hundredth of a second cannot be told apart by age, and nothing hands over that soon.
    let begun = host.now.since(known.main_started) > Duration::from_secs(1);
    if !sound || !begun || known.runs == host.current || known.handed > 3 || known.frozen_since.is_some() {
        return format!("{} has nothing to hand over", UNITS[at]);
    }
    let until = host.now.plus(length.min(Duration::from_secs(500)));
    let drain = Drain { release: known.runs, pid: host.pid(at), handed_at: host.now, until };
    let (now, current) = (host.now, host.current);
    let unit = &mut host.units[at];
    unit.drain = Some(drain);
    unit.handed += 1;
    unit.main_started = now;
    unit.runs = current;
    host.tell_unit(at);
    format!("{} hands over to a new main process, the old one drains for {} s", UNITS[at], length.as_secs())
}

fn packages(host: &mut Host) -> String {
    host.busy_since = if host.busy_since.is_some() { None } else { Some(host.now) };
    host.packages_at = Some(host.now);
    let just = |since: Moment| host.now.since(since) < Duration::from_secs(5);
    for unit in &mut host.units {
        // A stop of this very moment cannot be told from one of the package manager.
        unit.stopped_until.take_if(|_| unit.down_since.is_some_and(just));
    }
    format!("packages {}", if host.busy_since.is_some() { "busy" } else { "idle" })
}

fn disabled(host: &mut Host, at: usize) -> String {
    host.units[at].enabled = false;
    host.tell(Observation::UnitFilesChanged { units: vec![UnitName::from(UNITS[at])] });
    format!("systemctl disable {}", UNITS[at])
}

fn deployed(host: &mut Host, broken: bool) -> String {
    // Numbers of releases are not given twice, after a rollback neither.
    host.released += 1;
    host.current = host.released;
    if broken {
        host.broken.push(host.current);
    }
    switched(host);
    format!("release {} is deployed, broken: {broken}", host.current)
}

fn rolled_back(host: &mut Host) -> String {
    host.current -= 1;
    switched(host);
    format!("rolled back to release {}", host.current)
}

fn switched(host: &mut Host) {
    let now = host.now;
    host.switched = now;
    host.link_away_since = None;
    host.units.iter_mut().for_each(|unit| unit.deploys.push(now));
    let units = UNITS.iter().map(|name| UnitName::from(*name)).collect();
    host.tell(Observation::ReleaseSwitched { units });
}

fn pruned(host: &mut Host) -> String {
    let current = host.current;
    let old: Vec<u64> = (1..=host.released).filter(|release| *release != current).collect();
    host.deleted = old;
    "every release but the current one is deleted".to_owned()
}

fn link_away(host: &mut Host) -> String {
    host.link_away_since = if host.link_away_since.is_some() { None } else { Some(host.now) };
    let units = UNITS.iter().map(|name| UnitName::from(*name)).collect();
    host.tell(Observation::ReleaseSwitched { units });
    format!("the link is away: {}", host.link_away_since.is_some())
}

/// `systemctl stop` by a person; every signal of it arrives.
fn stopped_by_hand(host: &mut Host, at: usize) -> String {
    host.units[at].active = ActiveState::Deactivating;
    host.units[at].job = Some((7, JobKind::Stop));
    host.units[at].result = "success";
    host.surely_tell(at);
    host.later(2, Event::Stops { unit: at });
    host.units[at].down_since = host.units[at].down_since.or(Some(host.now));
    // While a package manager is at work, or a release was just switched, a stop may be theirs.
    let plain =
        host.busy_since.is_none() && host.packages_at.is_none_or(|at| host.now.since(at).as_secs() > 90);
    let saved = host.saves_failed_at.is_none_or(|at| host.now.since(at).as_secs() > 10) && !host.saves_fail;
    let known =
        host.saved.units.get(&UnitName::from(UNITS[at])).is_some_and(|unit| unit.last_active.is_some());
    if host.manager == ManagerState::Running && host.dies_in.is_none() && saved && plain && known {
        // Only what we can have seen binds us.
        host.units[at].stopped_until = Some(host.now.plus(Duration::from_secs(1700)));
    }
    format!("systemctl stop {}", UNITS[at])
}

fn started_by_hand(host: &mut Host, at: usize) -> String {
    host.come_up(at);
    host.tell_unit(at);
    format!("systemctl start {}", UNITS[at])
}

fn restarting(host: &mut Host, at: usize, by_itself: bool) -> String {
    host.units[at].active = ActiveState::Activating;
    host.units[at].exit = by_itself.then_some(Exit::Signal { number: 9, core: false });
    host.units[at].ends_run();
    host.units[at].job = (!by_itself).then_some((8, JobKind::Restart));
    host.tell_unit(at);
    host.later(100, Event::ComesUp { unit: at, by_itself });
    if by_itself {
        format!("{} dies, systemd restarts it", UNITS[at])
    } else {
        format!("systemctl restart {}", UNITS[at])
    }
}

fn bus(host: &mut Host) -> String {
    host.manager = match host.manager {
        ManagerState::Running => ManagerState::Unreachable,
        ManagerState::Unreachable => ManagerState::Running,
        other => other,
    };
    let manager = host.manager;
    host.later(1, Event::Tell(Observation::ManagerChanged(manager)));
    format!("manager {manager:?}")
}

fn goes_down(host: &mut Host) -> String {
    host.manager = ManagerState::Stopping;
    host.later(1, Event::Tell(Observation::ManagerChanged(ManagerState::Stopping)));
    host.goes_down_at = Some(host.now.plus(Duration::from_secs(5)));
    "the host shuts down".to_owned()
}

fn asked(host: &mut Host, at: usize, ask: UnitAsk) -> String {
    let told = format!("ask {} {ask:?}", UNITS[at]);
    host.ask(at, ask);
    told
}
