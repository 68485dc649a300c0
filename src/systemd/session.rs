//! One connected time with the manager: from listening and the first survey to the loss of the bus.

mod asks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use zbus::message::Message;
use zbus::{Connection, ObjectPath};

use super::bulk_read::{self, Survey, Told};
use super::bus::{self, BusError, Instance, SYSTEMD, Signals, words};
use super::compare::Ask;
use super::follow::Wish;
use super::manager::{self, Manager};
use super::patterns::Patterns;
use super::pending::Outbox;
use super::subscriptions::{self, KindAnswer, Unanswered};
use super::unit_table::Watched;
use super::values::Values;
use crate::clock;
use crate::model::moment::Moment;
use crate::model::observation::Observation;
use crate::model::unit::{ManagerState, UnitName};

/// Signals that may wait for us. A reload of 10,000 units sends 20,000, which we take as fast as the bus brings them.
const QUEUE: usize = 8192;
/// What a survey has read and we have not taken yet.
const TOLD: usize = 64;
/// Observations that nobody takes hold up further surveys, not signals.
const UNTAKEN: usize = 16 * 1024;
/// A reload that does not end is no reason to read nothing any more.
const RELOAD_LIMIT: Duration = Duration::from_secs(120);

/// Why a session is over.
#[derive(Debug)]
pub(super) enum Ended {
    /// Nobody wishes or listens any more.
    Unwanted,
    /// The bus or the manager was lost.
    Lost(String),
}

/// Work beside the signals, done.
#[derive(Debug)]
enum Done {
    Surveyed(zbus::Result<()>),
    Kind(u32, KindAnswer),
    State(zbus::Result<ManagerState>),
    Subscribed(zbus::Result<()>),
}

/// Connections, what is followed, what is to be read, and what is to be told.
#[derive(Debug)]
pub(super) struct Session {
    instance: Instance,
    listener: Connection,
    signals: Signals,
    calls: Connection,
    work: JoinSet<Done>,
    tell: mpsc::Sender<Told>,
    told: mpsc::Receiver<Told>,
    watched: Watched,
    patterns: Patterns,
    matched: BTreeMap<String, Vec<UnitName>>,
    outbox: Outbox,
    began: Moment,
    /// What the next survey reads, and when it is due.
    asks: BTreeMap<UnitName, Ask>,
    due: Option<Instant>,
    /// The unit that was asked last in turn.
    audited: Option<UnitName>,
    surveying: bool,
    /// The survey under way reads everything since then, and its end is told.
    whole: Option<Moment>,
    /// The first survey succeeded.
    proven: bool,
    last_survey: Instant,
    reloading_until: Option<Instant>,
    kinds: Arc<Semaphore>,
    unanswered: Unanswered,
    manager: Manager,
}

impl Session {
    /// Listens and subscribes. Nothing is read yet, so that nothing can change unnoticed between.
    pub(super) async fn open(instance: Instance) -> Result<Self, BusError> {
        let calls = bus::connect(instance).await?;
        let listener = bus::connect(instance).await?;
        let signals = Signals::open(&listener, subscriptions::rules()?, QUEUE).await?;
        // From the connection that listens: it lasts as long as its subscriber. Not subscribing fails what follows.
        subscriptions::subscribe(&listener).await?;
        let (tell, told) = mpsc::channel(TOLD);
        Ok(Self {
            instance,
            listener,
            signals,
            calls,
            work: JoinSet::new(),
            tell,
            told,
            watched: Watched::default(),
            patterns: Patterns::default(),
            matched: BTreeMap::new(),
            outbox: Outbox::default(),
            began: clock::now(),
            asks: BTreeMap::new(),
            due: None,
            audited: None,
            surveying: false,
            whole: None,
            proven: false,
            last_survey: Instant::now(),
            reloading_until: None,
            kinds: Arc::new(Semaphore::new(bulk_read::KINDS)),
            unanswered: Unanswered::default(),
            manager: Manager::default(),
        })
    }

    /// Follows until the end; also returns whether the manager was ever read in whole.
    pub(super) async fn run(
        mut self,
        wishes: &mut watch::Receiver<Wish>,
        rereads: &mut mpsc::Receiver<()>,
        out: &mpsc::Sender<Observation>,
    ) -> (Ended, bool) {
        let wish = wishes.borrow_and_update().clone();
        self.wish(&wish);
        self.due = Some(Instant::now());
        let ended = loop {
            let due = self.due_at();
            tokio::select! {
                signal = self.signals.next() => match signal {
                    Some(message) => self.signalled(&message),
                    None => break Ended::Lost("the connection to the bus was lost".to_owned()),
                },
                permit = out.reserve(), if !self.outbox.is_empty() => match permit {
                    Ok(permit) => if let Some(observation) = self.outbox.pop() {
                        permit.send(observation);
                    },
                    Err(_) => break Ended::Unwanted,
                },
                Some(told) = self.told.recv() => self.surveyed(told),
                Some(done) = self.work.join_next() => {
                    // Our tasks neither panic nor are aborted while we run.
                    if let Ok(done) = done && let Err(why) = self.done(done) {
                        break Ended::Lost(why);
                    }
                }
                changed = wishes.changed() => match changed {
                    Ok(()) => {
                        let wish = wishes.borrow_and_update().clone();
                        self.wish(&wish);
                    }
                    Err(_) => break Ended::Unwanted,
                },
                Some(()) = rereads.recv() => self.compare(),
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => self.survey(),
                () = out.closed() => break Ended::Unwanted,
            }
        };
        (ended, self.proven)
    }

    /// When the next survey is to begin, if one is wished and nothing stands against it.
    fn due_at(&self) -> Option<Instant> {
        if self.surveying || self.outbox.len() > UNTAKEN {
            return None;
        }
        let due = self.due?;
        Some(self.reloading_until.map_or(due, |until| due.max(until)))
    }

    fn wish(&mut self, wish: &Wish) {
        for unit in self.watched.set(&wish.units) {
            self.asks.insert(unit, Ask::Load);
            self.due = Some(Instant::now());
        }
        self.patterns = Patterns::new(&wish.patterns);
        let same = self.matched.keys().eq(&wish.patterns);
        if !same {
            self.matched.retain(|pattern, _| wish.patterns.contains(pattern));
            self.due = Some(Instant::now());
        }
    }

    fn survey(&mut self) {
        self.surveying = true;
        let whole = self.watched.units().all(|unit| self.asks.contains_key(unit));
        self.whole = whole.then(clock::now);
        self.due = None;
        self.last_survey = Instant::now();
        self.watched.survey_begins();
        self.unanswered.survey_begins();
        let asks = std::mem::take(&mut self.asks);
        let survey = Survey {
            instance: self.instance,
            asks: self.watched.known(asks),
            patterns: self.patterns.clone(),
            began: self.began,
        };
        let (calls, tell) = (self.calls.clone(), self.tell.clone());
        self.work.spawn(async move { Done::Surveyed(survey.carry_out(calls, tell).await) });
    }

    /// Takes one thing that a survey read.
    fn surveyed(&mut self, told: Told) {
        let outbox = &mut self.outbox;
        match told {
            Told::Manager(state) => {
                self.manager.read(state, outbox);
            }
            Told::Listed { jobs, matched } => {
                for id in self.unanswered.gone(&jobs) {
                    self.watched.kind(id, None, outbox);
                }
                for (id, kind) in jobs {
                    self.watched.kind(id, Some(kind), outbox);
                }
                for (pattern, units) in matched {
                    if self.matched.get(&pattern) != Some(&units) {
                        self.matched.insert(pattern.clone(), units.clone());
                        outbox.other(Observation::UnitsMatched { pattern, units });
                    }
                }
            }
            Told::Waits { unit, job, on } => outbox.other(Observation::JobWaits { unit, job, on }),
            Told::Unchanged(unit, print) => self.watched.unchanged(unit, print),
            Told::Unloaded(unit) => self.watched.not_loaded(&unit, None, outbox),
            Told::Unusable(unit, load) => self.watched.not_loaded(&unit, Some(load), outbox),
            Told::Read { unit, path, record, unloaded } => {
                let (moved, job) = self.watched.read(&unit, path.as_str(), *record, unloaded, outbox);
                if moved {
                    self.hint(vec![unit]);
                }
                self.ask_kind(job);
            }
            Told::Configured(unit, settings, print) => {
                self.watched.configured(unit, *settings, print, outbox);
            }
        }
    }

    /// Takes the end of some work; an error ends the session.
    fn done(&mut self, done: Done) -> Result<(), String> {
        match done {
            Done::Surveyed(Ok(())) => {
                // All that it read was said before it ended.
                while let Ok(told) = self.told.try_recv() {
                    self.surveyed(told);
                }
                self.surveying = false;
                self.proven = true;
                if let Some(began) = self.whole {
                    self.outbox.other(Observation::UnitsRead { began });
                }
            }
            Done::Kind(id, KindAnswer::Kind(kind)) => self.watched.kind(id, Some(kind), &mut self.outbox),
            Done::Kind(id, KindAnswer::Gone) => self.watched.kind(id, None, &mut self.outbox),
            Done::Kind(id, KindAnswer::Unanswered) => {
                self.unanswered.insert(id);
                self.hint(Vec::new());
            }
            Done::State(Ok(state)) => self.manager.read(state, &mut self.outbox),
            Done::Subscribed(Ok(())) => self.reread(Ask::Load),
            Done::Surveyed(Err(error)) | Done::State(Err(error)) | Done::Subscribed(Err(error)) => {
                return Err(words(&error));
            }
        }
        Ok(())
    }

    /// Takes a signal. What is not ours is dropped by its object, before its body is read.
    fn signalled(&mut self, message: &Message) {
        let header = message.header();
        let (Some(path), Some(member)) = (header.path(), header.member()) else {
            return;
        };
        match member.as_str() {
            "PropertiesChanged" if self.watched.knows(path.as_str()) => {
                let body = message.body();
                let told = body.deserialize::<(&str, Values<'_>, Vec<&str>)>();
                if let Ok((interface, values, _)) = told {
                    let noticed = self.watched.changed(path.as_str(), interface, &values, &mut self.outbox);
                    self.ask_kind(noticed.job);
                    if !noticed.tried.is_empty() {
                        self.hint(noticed.tried);
                    }
                }
            }
            "UnitNew" | "UnitRemoved" if self.reloading_until.is_none() => self.loaded(message),
            "JobNew" => self.job_new(message),
            "JobRemoved" => self.job_removed(message),
            "Reloading" => self.reloading(message),
            "StartupFinished" => self.ask_state(),
            "NameOwnerChanged" => self.owner_changed(message),
            "PrepareForShutdown" => {
                if let Ok(begins) = message.body().deserialize::<bool>() {
                    self.manager.shutdown(begins, &mut self.outbox);
                    self.ask_state();
                }
            }
            _ => {}
        }
    }

    /// A unit was loaded or unloaded. Only the list may be asked now: asking the unit would load it again.
    fn loaded(&mut self, message: &Message) {
        let body = message.body();
        let Ok((name, path)) = body.deserialize::<(&str, ObjectPath<'_>)>() else {
            return;
        };
        let units = self.watched.names(path.as_str());
        if !units.is_empty() || self.patterns.any(name) {
            self.hint(units);
        }
    }

    fn job_new(&mut self, message: &Message) {
        let body = message.body();
        if let Ok((id, _, unit)) = body.deserialize::<(u32, ObjectPath<'_>, &str)>() {
            self.watched.job_queued(id, unit);
            if manager::turns_by(unit) {
                self.ask_state();
            }
        }
    }

    fn job_removed(&mut self, message: &Message) {
        let body = message.body();
        if let Ok((id, _, unit, _)) = body.deserialize::<(u32, ObjectPath<'_>, &str, &str)>() {
            self.watched.job_over(id);
            if manager::turns_by(unit) {
                self.ask_state();
            }
        }
    }

    /// During a reload every unit is told to be removed and new again; only its end matters.
    fn reloading(&mut self, message: &Message) {
        match message.body().deserialize::<bool>() {
            Ok(true) => self.reloading_until = Some(Instant::now() + RELOAD_LIMIT),
            Ok(false) => {
                self.reloading_until = None;
                self.reread(Ask::Load);
            }
            Err(_) => {}
        }
    }

    /// The manager left the bus or came back to it, as it does when it executes itself anew.
    fn owner_changed(&mut self, message: &Message) {
        let body = message.body();
        let Ok((SYSTEMD, _, owner)) = body.deserialize::<(&str, &str, &str)>() else {
            return;
        };
        if owner.is_empty() {
            self.manager.read(ManagerState::Unreachable, &mut self.outbox);
            return;
        }
        self.reloading_until = None;
        let listener = self.listener.clone();
        self.work.spawn(async move { Done::Subscribed(subscriptions::subscribe(&listener).await) });
    }

    /// Asks for the kind of a job at once: a short job is gone before a later question.
    fn ask_kind(&mut self, job: Option<u32>) {
        let Some(id) = job else { return };
        let (calls, turns) = (self.calls.clone(), Arc::clone(&self.kinds));
        self.work.spawn(async move { Done::Kind(id, subscriptions::kind_in_turn(calls, turns, id).await) });
    }

    fn ask_state(&mut self) {
        let calls = self.calls.clone();
        self.work.spawn(async move { Done::State(bulk_read::manager_state(&calls).await) });
    }
}
