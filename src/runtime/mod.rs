//! The loop: take an observation, decide, save, act, publish. It meets the world through `Outside` alone.

use std::future::Future;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::model::action::Action;
use crate::model::change::Change;
use crate::model::moment::Moment;
use crate::model::observation::Observation;
use crate::model::snapshot::Snapshot;
use crate::model::state::Durable;
use crate::policy::{self, State};

/// Observations that may wait to be taken in.
pub const INBOX: usize = 4096;
/// The loop turns at least this often, or more often if a watchdog asks for it, so that its progress can be seen.
pub const HEARTBEAT: Duration = Duration::from_secs(5);
/// The loop did not turn for this many heartbeats: the host slept, or stood still.
const STANDSTILL: u32 = 4;
/// Turns that wait are saved, acted on and published together, at most this many: a thousand units that are read at once
/// cost a few transactions, and not thousands.
const TURNS_TOGETHER: usize = 64;

/// The world, as the loop meets it. The daemon implements it over the shells, the simulation over a made-up world.
pub trait Outside {
    /// Both clocks.
    fn now(&self) -> Moment;
    /// Writes the changes durably, all or none.
    ///
    /// # Errors
    /// Why they were not written; one sentence.
    fn save(&mut self, changes: Vec<Change>) -> impl Future<Output = Result<(), String>>;
    /// Starts an action; its outcome comes back as an observation.
    fn perform(&mut self, action: Action);
}

/// The owner of the state.
#[derive(Debug)]
pub struct Loop<O> {
    state: State,
    saved: Durable,
    outside: O,
    snapshots: watch::Sender<Snapshot>,
}

impl<O: Outside> Loop<O> {
    /// Begins with what was durable. The receiver sees each published picture.
    #[must_use]
    pub fn new(durable: Durable, outside: O) -> (Self, watch::Receiver<Snapshot>) {
        let (snapshots, receiver) = watch::channel(Snapshot::default());
        let state = State::new(durable.clone());
        (Self { state, saved: durable, outside, snapshots }, receiver)
    }

    /// What the policy knows.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The world.
    pub fn outside(&mut self) -> &mut O {
        &mut self.outside
    }

    /// Ends the loop and gives the world back.
    #[must_use]
    pub fn into_outside(self) -> O {
        self.outside
    }

    /// Turns until every sender of the inbox is gone, and each `heartbeat` at the latest.
    pub async fn run(mut self, mut inbox: mpsc::Receiver<Observation>, heartbeat: Duration) {
        let mut together = Vec::with_capacity(TURNS_TOGETHER);
        let mut last = self.outside.now();
        loop {
            let now = self.outside.now();
            let due = policy::next_deadline(&self.state).map_or(heartbeat, |due| due.since(now));
            let came = timeout(due.min(heartbeat), inbox.recv_many(&mut together, TURNS_TOGETHER)).await;
            // The boot clock runs on while the host sleeps; before anything else is believed, that must be known.
            let woke = self.outside.now();
            let after = woke.since(last);
            last = woke;
            if after > heartbeat.saturating_mul(STANDSTILL) {
                self.turn(Observation::Resumed { after }).await;
            }
            match came {
                Ok(0) => return,
                Ok(_) => self.turns(together.drain(..)).await,
                Err(_) => self.turn(Observation::DeadlineReached).await,
            }
            self.publish();
        }
    }

    /// One turn: decide, save what changed, act. Nothing acts on an unsaved decision.
    pub async fn turn(&mut self, observation: Observation) {
        self.turns([observation]).await;
    }

    /// Some turns in a row: one transaction, then all that they ordered.
    async fn turns(&mut self, observations: impl IntoIterator<Item = Observation>) {
        let failing = self.state.is_failing();
        let saved = self.together(observations).await;
        if failing && saved {
            self.together([Observation::Saved]).await;
        }
    }

    /// Says whether something was saved.
    async fn together(&mut self, observations: impl IntoIterator<Item = Observation>) -> bool {
        let mut actions = Vec::new();
        for observation in observations {
            let told = trace_name(&observation);
            let ordered = policy::decide(&mut self.state, observation, self.outside.now());
            tracing::trace!(observation = told, actions = ordered.len(), "turn");
            actions.extend(ordered);
        }
        let now = self.outside.now();
        let changes = self.state.changes(&self.saved);
        if changes.is_empty() {
            self.perform(actions);
            return false;
        }
        if let Err(why) = self.state.may_save(now) {
            self.take_back(actions, &why, now);
            return false;
        }
        if let Err(why) = self.outside.save(changes.clone()).await {
            self.take_back(actions, &why, now);
            let told = policy::decide(&mut self.state, Observation::SaveFailed { why: why.clone() }, now);
            // Whatever that turn wished to be durable has to wait as well.
            self.take_back(told, &why, now);
            return false;
        }
        self.state.saved(&self.saved, &changes);
        for change in &changes {
            self.saved.apply(change);
        }
        self.saved.forget();
        self.perform(actions);
        true
    }

    fn perform(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.state.performed(&action);
            self.outside.perform(action);
        }
    }

    /// What was decided is not durable, so it did not happen: only what changes nothing outside is done.
    fn take_back(&mut self, actions: Vec<Action>, why: &str, now: Moment) {
        for action in self.state.take_back(&self.saved, actions, why, now) {
            self.outside.perform(action);
        }
    }

    /// Publishes the picture of this moment.
    pub fn publish(&mut self) {
        let now = self.outside.now();
        self.snapshots.send_modify(|picture| self.state.publish(picture, now));
    }
}

/// The name of an observation, for the trace.
fn trace_name(observation: &Observation) -> &'static str {
    match observation {
        Observation::Started(_) => "Started",
        Observation::UnitFilesLoaded { .. } => "UnitFilesLoaded",
        Observation::ManagerChanged(_) => "ManagerChanged",
        Observation::UnitsMatched { .. } => "UnitsMatched",
        Observation::UnitChanged { .. } => "UnitChanged",
        Observation::JobPulled { .. } => "JobPulled",
        Observation::JobWaits { .. } => "JobWaits",
        Observation::UnitsRead { .. } => "UnitsRead",
        Observation::PackageManagerRead(_) => "PackageManagerRead",
        Observation::WindowRead { .. } => "WindowRead",
        Observation::Resumed { .. } => "Resumed",
        Observation::UnitSettingsRead { .. } => "UnitSettingsRead",
        Observation::UnitFilesChanged { .. } => "UnitFilesChanged",
        Observation::EnablementRead { .. } => "EnablementRead",
        Observation::BootPredicted(_) => "BootPredicted",
        Observation::ReleaseSwitched { .. } => "ReleaseSwitched",
        Observation::ProcessesInspected { .. } => "ProcessesInspected",
        Observation::ProbeFinished { .. } => "ProbeFinished",
        Observation::ResourceRead { .. } => "ResourceRead",
        Observation::ProgressSampled { .. } => "ProgressSampled",
        Observation::SmokeTestFinished { .. } => "SmokeTestFinished",
        Observation::LockAnswered { .. } => "LockAnswered",
        Observation::Drained { .. } => "Drained",
        Observation::JobFinished { .. } => "JobFinished",
        Observation::EnableFinished { .. } => "EnableFinished",
        Observation::PeersAnswered { .. } => "PeersAnswered",
        Observation::Silenced { .. } => "Silenced",
        Observation::MainProcessKilled { .. } => "MainProcessKilled",
        Observation::OperatorAsked(_) => "OperatorAsked",
        Observation::AlertDelivered { .. } => "AlertDelivered",
        Observation::EvidenceCaptured { .. } => "EvidenceCaptured",
        Observation::PostmortemDrafted { .. } => "PostmortemDrafted",
        Observation::SaveFailed { .. } => "SaveFailed",
        Observation::Saved => "Saved",
        Observation::Impaired { .. } => "Impaired",
        Observation::HostAudited(_) => "HostAudited",
        Observation::UnitsFailed(_) => "UnitsFailed",
        Observation::DeadlineReached => "DeadlineReached",
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    /// A world of which nothing but the clock moves.
    #[derive(Debug)]
    struct Sleeper {
        boot_ms: Rc<Cell<i64>>,
        ordered: mpsc::UnboundedSender<Action>,
    }

    impl Outside for Sleeper {
        fn now(&self) -> Moment {
            Moment { boot_ms: self.boot_ms.get(), wall_ms: self.boot_ms.get() }
        }

        async fn save(&mut self, _: Vec<Change>) -> Result<(), String> {
            Ok(())
        }

        fn perform(&mut self, action: Action) {
            drop(self.ordered.send(action));
        }
    }

    #[tokio::test]
    async fn a_sleep_of_the_host_is_noticed_before_what_came_meanwhile() {
        let boot_ms = Rc::new(Cell::new(1000));
        let (ordered, mut orders) = mpsc::unbounded_channel();
        let (inbox, came) = mpsc::channel(4);
        let (ours, _snapshots) =
            Loop::new(Durable::default(), Sleeper { boot_ms: Rc::clone(&boot_ms), ordered });
        let heartbeat = Duration::from_secs(5);
        let host = async {
            // The loop waits by now; the host sleeps for an hour, and a signal is there when it wakes.
            tokio::task::yield_now().await;
            boot_ms.set(boot_ms.get() + 3_600_000);
            inbox
                .send(Observation::ManagerChanged(crate::model::unit::ManagerState::Running))
                .await
                .expect("it listens");
            let first = orders.recv().await;
            assert_eq!(first, Some(Action::ReadAllUnits));
            drop(inbox);
        };
        tokio::join!(ours.run(came, heartbeat), host);
    }

    /// A world whose disk is full until it is told otherwise.
    #[derive(Debug, Default)]
    struct Full {
        boot_ms: Rc<Cell<i64>>,
        full: Rc<Cell<bool>>,
        told: Vec<String>,
    }

    impl Outside for Full {
        fn now(&self) -> Moment {
            Moment { boot_ms: self.boot_ms.get(), wall_ms: 1_000_000 + self.boot_ms.get() }
        }

        async fn save(&mut self, _: Vec<Change>) -> Result<(), String> {
            if self.full.get() { Err("disk full".to_owned()) } else { Ok(()) }
        }

        fn perform(&mut self, action: Action) {
            if let Action::Record(event) = action {
                self.told.push(event.message);
            }
        }
    }

    #[tokio::test]
    async fn what_cannot_be_saved_is_tried_again_and_told_once() {
        let (boot_ms, full) = (Rc::new(Cell::new(1000)), Rc::new(Cell::new(true)));
        let outside = Full { boot_ms: Rc::clone(&boot_ms), full: Rc::clone(&full), ..Full::default() };
        let mut durable = Durable::default();
        durable.meta.boot_id = "the last boot".to_owned();
        let unit = crate::model::unit::UnitName::from("shop.service");
        let kept = durable.units.entry(unit.clone()).or_default();
        kept.spent.push(Moment { boot_ms: 900_000, wall_ms: 1_000_500 });
        let (mut ours, _snapshots) = Loop::new(durable, outside);
        let host = crate::model::observation::Host { boot_id: "this boot".to_owned(), ..Default::default() };
        ours.turn(Observation::Started(host)).await;
        for _ in 0..3 {
            // Nothing of the last boot is taken for this one's, though none of that could be saved.
            assert_eq!(ours.state().durable().meta.boot_id, "this boot");
            assert_eq!(ours.state().durable().units[&unit].spent[0].boot_ms, 500);
            let due = policy::next_deadline(ours.state()).expect("it is tried again");
            assert!(due.boot_ms > boot_ms.get(), "and not before its time");
            boot_ms.set(due.boot_ms);
            ours.turn(Observation::DeadlineReached).await;
        }
        full.set(false);
        boot_ms.set(boot_ms.get() + 60_000);
        ours.turn(Observation::DeadlineReached).await;
        assert!(!ours.state().is_failing());
        assert_eq!(
            ours.into_outside().told,
            [
                "the host was rebooted",
                "cannot save the durable state: disk full; no orders until it is saved",
                "the durable state is saved again, after 75 s"
            ]
        );
    }
}
