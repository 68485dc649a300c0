//! One run: the loop over the made-up host, faults by chance, our own deaths, and the calm at the end.

use std::time::Duration;

use steadfast::model::finding::Severity;
use steadfast::model::moment::Moment;
use steadfast::model::observation::{Host as Where, Observation};
use steadfast::model::probe::{OnFailure, ProbeKind, ProbeSpec};
use steadfast::model::spec::{
    Mode, Reaction, RecoverySpec, ReleaseSpec, Selector, Settings, SmokeDirectory, SmokeSpec, Spec,
};
use steadfast::model::unit::{ActiveState, JobKind, JobResult, ManagerState, UnitName};
use steadfast::policy;
use steadfast::runtime::Loop;

use crate::host::{Event, Host, UNITS};

/// What a run amounted to.
#[derive(Debug, PartialEq, Eq)]
pub struct Played {
    pub faults: u64,
    pub orders: u64,
    pub ended_at: i64,
}

const TROUBLE: Duration = Duration::from_secs(3600);
const CALM: Duration = Duration::from_secs(3 * 3600);

/// Plays one seed to its end.
pub fn play(seed: u64) -> Result<Played, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|why| why.to_string())?;
    runtime.block_on(async {
        let mut run = Run { faults: 0, turns: 0 };
        let mut ours = run.reborn(Host::new(seed)).await;
        let trouble = ours.outside().now.plus(TROUBLE);
        ours = run.until(ours, trouble).await?;
        run.calm_down(ours.outside());
        let end = ours.outside().now.plus(CALM);
        ours = run.until(ours, end).await?;
        run.all_is_well(&mut ours)?;
        let host = ours.outside();
        Ok(Played { faults: run.faults, orders: host.orders, ended_at: host.now.boot_ms })
    })
}

struct Run {
    faults: u64,
    turns: u64,
}

impl Run {
    /// We start on this host, with what was saved.
    async fn reborn(&mut self, mut host: Host) -> Loop<Host> {
        host.dead = false;
        host.dies_in =
            if host.calm || !host.chance.percent(60) { None } else { Some(host.chance.below(400)) };
        // Outcomes of our earlier life are told to nobody.
        host.events.retain(|_, event| matches!(event, Event::JobEnds { .. }));
        let manager = host.manager;
        let (mut ours, _) = Loop::new(host.saved.clone(), host);
        let place = Where {
            name: "sim".to_owned(),
            boot_id: "boot".to_owned(),
            machine_id: "m".to_owned(),
            user_instance: false,
        };
        ours.turn(Observation::Started(place)).await;
        ours.turn(Observation::ManagerChanged(manager)).await;
        let loaded = Observation::UnitFilesLoaded {
            settings: Settings { resync: Duration::from_secs(60), ..Settings::default() },
            specs: UNITS.iter().map(|unit| spec(unit)).collect(),
            problems: Vec::new(),
        };
        ours.turn(loaded).await;
        ours
    }

    /// Turns the world until then.
    async fn until(&mut self, mut ours: Loop<Host>, end: Moment) -> Result<Loop<Host>, String> {
        loop {
            self.turns += 1;
            if self.turns > 400_000 {
                return Err("it never comes to rest".to_owned());
            }
            if ours.outside().dead {
                ours = self.die(ours).await;
            }
            if let Some(why) = ours.outside().violations.first().cloned() {
                let told: Vec<String> = ours.outside().told.iter().cloned().collect();
                return Err(format!("{why}\n{}", told.join("\n")));
            }
            let due = policy::next_deadline(ours.state()).map_or(i64::MAX, |due| due.boot_ms);
            let host = ours.outside();
            let next = host.events.keys().next().copied();
            let event_at = next.map_or(i64::MAX, |(at, _)| at);
            let fault_at = if host.calm { i64::MAX } else { host.now.boot_ms + 20_000 };
            let at = due.min(event_at).min(fault_at).max(host.now.boot_ms);
            if at > end.boot_ms {
                host.now = host.now.at_boot_ms(end.boot_ms);
                return Ok(ours);
            }
            // A deadline of this very millisecond must not stop the clock.
            let at = if due <= host.now.boot_ms && at == host.now.boot_ms { at + 1 } else { at };
            host.now = host.now.at_boot_ms(at);
            if !host.calm && host.chance.percent(8) {
                self.faults += 1;
                fault(host);
            }
            match next.filter(|_| event_at <= at).and_then(|key| host.events.remove(&key)) {
                Some(Event::Tell(observation)) => ours.turn(observation).await,
                Some(Event::JobEnds { unit, order, id, kind }) => job_ends(host, unit, order, id, kind),
                None if due <= at => ours.turn(Observation::DeadlineReached).await,
                None => {}
            }
        }
    }

    /// Our own crash: a second later systemd has us started again.
    async fn die(&mut self, ours: Loop<Host>) -> Loop<Host> {
        self.faults += 1;
        let mut host = ours.into_outside();
        host.note("we die".to_owned());
        host.now = host.now.plus(Duration::from_secs(1));
        self.reborn(host).await
    }

    fn calm_down(&self, host: &mut Host) {
        host.calm = true;
        host.broken.clear();
        host.saves_fail = false;
        host.dies_in = None;
        host.manager = ManagerState::Running;
        host.tell(Observation::ManagerChanged(ManagerState::Running));
        for at in 0..UNITS.len() {
            host.units[at].wedged = false;
            host.tell_unit(at);
        }
    }

    fn all_is_well(&self, ours: &mut Loop<Host>) -> Result<(), String> {
        let open: Vec<String> = ours
            .state()
            .durable
            .incidents
            .values()
            .filter(|incident| incident.resolved_at.is_none())
            .map(|incident| format!("{} {}", incident.unit, incident.cause.as_str()))
            .collect();
        let in_flight = ours.state().durable.units.values().filter(|unit| unit.recovery.is_some()).count();
        let host = ours.outside();
        let mut wrong = Vec::new();
        for (name, unit) in UNITS.iter().zip(&host.units) {
            if unit.active != ActiveState::Active || !unit.enabled || unit.runs != host.current {
                wrong.push(format!(
                    "{name}: {} enabled={} runs {} of {}",
                    unit.active.as_str(),
                    unit.enabled,
                    unit.runs,
                    host.current
                ));
            }
        }
        if !open.is_empty() || in_flight > 0 {
            wrong.push(format!("open incidents: {open:?}, orders in flight: {in_flight}"));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        let told: Vec<String> = host.told.iter().cloned().collect();
        Err(format!("the world is calm and not well: {}\n{}", wrong.join("; "), told.join("\n")))
    }
}

/// Something goes wrong, or somebody does something.
fn fault(host: &mut Host) {
    let at = usize::try_from(host.chance.below(3)).expect("small");
    let unit = UnitName::from(UNITS[at]);
    let idle = host.units[at].job.is_none();
    let kind = host.chance.below(11);
    host.note(format!("fault {kind} on {unit}"));
    match kind {
        0 | 1 if idle && host.units[at].active == ActiveState::Active => {
            host.units[at].active = ActiveState::Failed;
            host.units[at].result = "signal";
            host.tell_unit(at);
        }
        2 => {
            host.units[at].enabled = false;
            host.tell(Observation::UnitFilesChanged { units: vec![unit] });
        }
        3 => {
            host.current += 1;
            host.switched = host.now;
            let (now, current) = (host.now, host.current);
            if host.chance.percent(30) {
                host.broken.push(current);
            }
            host.units.iter_mut().for_each(|unit| unit.deploys.push(now));
            let units = UNITS.iter().map(|name| UnitName::from(*name)).collect();
            host.tell(Observation::ReleaseSwitched { units });
        }
        4 => {
            let old: Vec<u64> = (1..host.current).collect();
            host.deleted.extend(old);
        }
        5 if idle && host.units[at].active == ActiveState::Active => stop_by_hand(host, at),
        6 => host.units[at].wedged = host.units[at].active == ActiveState::Active,
        7 => host.saves_fail = !host.saves_fail,
        8 => {
            host.manager = match host.manager {
                ManagerState::Running => ManagerState::Unreachable,
                _ => ManagerState::Running,
            };
            let manager = host.manager;
            host.later(1, Event::Tell(Observation::ManagerChanged(manager)));
        }
        9 if idle && host.units[at].active != ActiveState::Active => {
            host.come_up(at);
            host.tell_unit(at);
        }
        _ => host.dies_in = host.dies_in.or(Some(3)),
    }
}

/// `systemctl stop` by a person; every signal of it arrives.
fn stop_by_hand(host: &mut Host, at: usize) {
    let unit = UnitName::from(UNITS[at]);
    let steps = [
        (ActiveState::Deactivating, Some((7, JobKind::Stop))),
        (ActiveState::Inactive, Some((7, JobKind::Stop))),
        (ActiveState::Inactive, None),
    ];
    for (step, (active, job)) in steps.into_iter().enumerate() {
        host.units[at].active = active;
        host.units[at].job = job;
        host.units[at].result = "success";
        let reading = host.reading(at);
        let ms = 1 + u64::try_from(step).expect("few");
        host.later(ms, Event::Tell(Observation::UnitChanged { unit: unit.clone(), reading }));
    }
    if host.manager == ManagerState::Running && host.dies_in.is_none() && !host.saves_fail {
        // Only what we can have seen binds us.
        host.units[at].stopped_until = Some(host.now.plus(Duration::from_secs(1700)));
    }
}

fn job_ends(host: &mut Host, at: usize, order: u64, id: u32, kind: JobKind) {
    if host.units[at].job != Some((id, kind)) {
        return;
    }
    host.units[at].job = None;
    let fails = !host.calm && host.chance.percent(10);
    let result = if fails {
        host.units[at].active = ActiveState::Failed;
        host.units[at].result = "exit-code";
        host.units[at].invocation += 1;
        JobResult::Ended("failed".to_owned())
    } else {
        host.come_up(at);
        JobResult::Done
    };
    host.tell_unit(at);
    let unit = UnitName::from(UNITS[at]);
    host.later(1, Event::Tell(Observation::JobFinished { unit, order, result }));
}

fn spec(unit: &str) -> Spec {
    Spec {
        selector: Selector::Unit(UnitName::from(unit)),
        file: format!("/etc/steadfast/units.d/{unit}.toml"),
        mode: Mode::Act,
        severity: Severity::Critical,
        owner: None,
        runbook: None,
        requires: if unit == "shop.service" { vec![UnitName::from("broker.service")] } else { Vec::new() },
        recovery: RecoverySpec {
            start: true,
            enable: true,
            after_manual_stop: Some(Duration::from_secs(1800)),
            burst: 3,
            interval: Duration::from_secs(900),
            delay: Duration::from_secs(5),
            max_delay: Duration::from_secs(300),
            verify_within: Duration::from_secs(60),
        },
        release: ReleaseSpec {
            link: None,
            on_stale: Reaction::Restart,
            settle: Duration::from_secs(60),
            binaries: Reaction::Alert,
        },
        smoke: Some(SmokeSpec {
            command: vec!["/usr/bin/smoke".to_owned()],
            directory: SmokeDirectory::Release,
            timeout: Duration::from_secs(30),
        }),
        progress: Vec::new(),
        probes: vec![ProbeSpec {
            name: "health".to_owned(),
            kind: ProbeKind::Tcp { address: "127.0.0.1:1".to_owned() },
            period: Duration::from_secs(30),
            timeout: Duration::from_secs(3),
            initial_delay: Duration::ZERO,
            failure_threshold: 2,
            success_threshold: 1,
            on_failure: OnFailure::Restart,
        }],
        disabled: None,
    }
}
