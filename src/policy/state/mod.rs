//! All that the policy knows, and one turn of it: an observation is taken in, the units that it touches are judged, all before
//! any acts, and what they put out is filed.

/// What units see of the rest. A macro: it borrows these fields alone, so that a unit can be changed beside it.
macro_rules! view {
    ($state:ident) => {
        View {
            now: $state.now,
            host: &$state.host,
            peers: &$state.peers,
            incidents: &$state.incidents,
            packages: &$state.packages,
            storm: &$state.storm,
            next_order: $state.next_order,
            links: &$state.links,
        }
    };
}

mod alerting;
mod boot;
mod failed;
mod files;
mod people;
mod published;
mod saving;
mod take_in;
mod trouble;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::action::Action;
use crate::model::finding::Code;
use crate::model::moment::Moment;
use crate::model::observation::{Matches, Observation};
use crate::model::spec::Spec;
use crate::model::state::{Phase, UnitDurable};
use crate::model::tally::HostTally;
use crate::model::unit::UnitName;
use crate::policy::agenda::Agenda;
use crate::policy::alerts::Alerts;
use crate::policy::effects::{File, Note, Out};
use crate::policy::gaps::Gaps;
use crate::policy::host::Host;
use crate::policy::incidents::Incidents;
use crate::policy::limits;
use crate::policy::log::Log;
use crate::policy::packages::Packages;
use crate::policy::peers::Peers;
use crate::policy::regressions::Regressions;
use crate::policy::releases::History;
use crate::policy::storm::Storm;
use crate::policy::unit::Unit;
use crate::policy::view::View;

/// All that the policy knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    /// The moment of the present turn.
    now: Moment,
    /// The boot in which the durable state was last saved.
    boot_id: String,
    next_order: u64,
    host: Host,
    specs: Vec<Spec>,
    matches: Matches,
    units: BTreeMap<UnitName, Unit>,
    /// Managed names that are not a unit's own: alias → the unit.
    aliases: BTreeMap<UnitName, UnitName>,
    /// What is kept of units that no file manages.
    strangers: BTreeMap<UnitName, UnitDurable>,
    peers: Peers,
    agenda: Agenda,
    /// When the probes of a unit have been silent for too long.
    silence: Agenda,
    /// Units that were not read yet, and those that were stopped along with another one, or for it.
    unread: BTreeSet<UnitName>,
    stopped: BTreeSet<UnitName>,
    /// Units of which we have given up to try more for now.
    given_up: BTreeSet<UnitName>,
    /// Where release links led.
    links: History,
    incidents: Incidents,
    /// The host's own findings of which incidents were made; `None`: to be looked at anew.
    host_codes: Option<Vec<Code>>,
    /// Those that were found since we started.
    host_found: BTreeSet<Code>,
    alerts: Alerts,
    packages: Packages,
    storm: Storm,
    gaps: Gaps,
    regressions: Regressions,
    log: Log,
    tally: HostTally,
    /// Units to be judged at the end of this turn.
    touched: BTreeSet<UnitName>,
    touched_all: bool,
    /// Units whose record may have changed since the last save, and links.
    changed_units: BTreeSet<UnitName>,
    changed_links: BTreeSet<String>,
    /// Units whose picture changed since the last publication.
    repainted: BTreeSet<UnitName>,
    actions: Vec<Action>,
}

impl State {
    /// One turn: takes in what happened and says what is to be done. The same input gives the same output.
    pub fn turn(&mut self, observation: Observation, now: Moment) -> Vec<Action> {
        self.now = now;
        self.take_in(observation);
        self.poll();
        let mut touched = self.take_touched();
        // All are judged before any acts: what one requires may be judged in the same turn.
        for unit in &touched {
            self.judge(unit);
        }
        if touched.len() > limits::ORDERS_AT_ONCE {
            // There may not be room for all: what others wait for comes first.
            touched.sort_by_key(|unit| !self.peers.is_required(unit));
        }
        for unit in &touched {
            self.act(unit);
        }
        self.repainted.extend(touched);
        self.update_host_incidents();
        self.alert();
        std::mem::take(&mut self.actions)
    }

    /// When it wants another turn although nothing happened.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        let due = [
            self.agenda.first(),
            self.host.due(),
            self.packages.due(self.is_before_job()),
            self.gaps.due(),
            self.storm.due(&self.peers, self.now),
            self.incidents.due(),
            self.alerts.due(),
        ];
        let left = (!self.touched.is_empty()).then_some(self.now);
        due.into_iter().flatten().chain(left).min()
    }

    /// This unit is to be judged at the end of the turn.
    fn touch(&mut self, unit: &UnitName) {
        self.touched.insert(unit.clone());
    }

    /// The managed units to judge: the touched ones, those whose time has come, and those that require a touched one.
    fn take_touched(&mut self) -> Vec<UnitName> {
        let mut touched = std::mem::take(&mut self.touched);
        if std::mem::take(&mut self.touched_all) {
            return self.units.keys().cloned().collect();
        }
        // Of a chain, too: what its last link explains is explained of all.
        let dependents: Vec<UnitName> = touched.iter().flat_map(|unit| self.peers.reaching(unit)).collect();
        touched.extend(dependents);
        touched.extend(self.agenda.due(self.now).cloned());
        touched.retain(|unit| self.units.contains_key(unit));
        touched.into_iter().collect()
    }

    /// Some order is about to be given: whether a package manager works is to be known then.
    fn is_before_job(&self) -> bool {
        self.peers.orders().any(|order| matches!(order.phase, Phase::SmokeTest | Phase::Drain))
    }

    /// Starts the readings of the host that are due, whatever happened.
    fn poll(&mut self) {
        if self.host.poll(!self.units.is_empty(), self.now) {
            self.ask_enablement();
        }
        self.drain_host();
        if self.packages.is_silent(self.now) {
            self.packages_read(Default::default());
        } else {
            self.packages.poll(self.is_before_job(), self.now);
        }
        self.drain_packages();
        self.poll_gaps();
        if self.storm.watch(&self.peers, self.now) {
            self.touched_all = true;
        }
        self.touched.extend(self.storm.admitted(&self.peers, self.now));
        let out = self.storm.out().take();
        self.drain(None, out);
        for id in self.incidents.left(self.now) {
            self.resolve(id);
        }
    }

    /// Lets a unit do something, and files what it puts out.
    fn with<T>(&mut self, name: &UnitName, act: impl FnOnce(&mut Unit, &View<'_>) -> T) -> Option<T> {
        let unit = self.units.get_mut(name)?;
        let view = view!(self);
        let result = act(unit, &view);
        let order = unit.kept().recovery.as_ref().map_or(0, |order| order.order.saturating_add(1));
        self.next_order = self.next_order.max(order);
        let out = unit.take_out();
        if !self.changed_units.contains(name) {
            self.changed_units.insert(name.clone());
        }
        self.drain(Some(name), out);
        Some(result)
    }

    /// Lets a unit take something in; it is judged at the end of the turn.
    fn touching(&mut self, name: &UnitName, take: impl FnOnce(&mut Unit, &View<'_>)) {
        self.touch(name);
        self.with(name, take);
    }

    /// Files what an object has put out.
    fn drain(&mut self, unit: Option<&UnitName>, out: Vec<Out>) {
        for out in out {
            match (out, unit) {
                (Out::Act(action), _) => self.actions.push(action),
                (Out::Note(note), _) => self.write(unit, note),
                (Out::AskPackages, Some(unit)) => {
                    self.packages.ask(unit, self.now);
                    self.drain_packages();
                }
                (Out::AskNeeds(since), Some(unit)) => self.ask_needs(unit, since),
                (Out::Follow, _) => self.follow(),
                (Out::PredictBoot, _) => self.wish_prediction(),
                (Out::Capture(incident), _) => self.capture(incident),
                (Out::EndDrill(incident), _) => self.incidents.end_drill(incident, self.now),
                (Out::AskPackages | Out::AskNeeds(_), None) => {}
            }
        }
    }

    fn drain_host(&mut self) {
        let out = self.host.out().take();
        self.drain(None, out);
    }

    fn drain_packages(&mut self) {
        let out = self.packages.out().take();
        self.drain(None, out);
    }

    /// `unit`: whose trouble the incidents' lines are about.
    fn drain_incidents(&mut self, unit: Option<&UnitName>) {
        let out = self.incidents.out().take();
        self.drain(unit, out);
    }

    /// Writes a line of the history, under its incident.
    fn write(&mut self, unit: Option<&UnitName>, note: Note) {
        let incident = match note.file {
            File::Under(incident) => incident,
            File::OfUnit => unit.and_then(|unit| self.incident_of(unit)),
        };
        let of_incident = incident.and_then(|id| self.incidents.get(id)).and_then(|known| known.unit.clone());
        let unit = unit.cloned().or(of_incident);
        // What cannot be saved is taken back, and decided again with each turn.
        let failing = self.host.save_failure().is_some();
        if failing && self.log.has_lately(unit.as_ref(), &note.message, self.now) {
            return;
        }
        if let Some(id) = incident {
            self.incidents.decided(id, note.kind, self.now);
        }
        let event = self.log.write(unit.as_ref(), incident, note, self.now);
        self.actions.push(Action::Record(event));
    }

    /// The open incident of a unit, its own or that of what explains its trouble.
    fn incident_of(&self, unit: &UnitName) -> Option<u64> {
        let troubled = self.units.get(unit).is_some_and(Unit::is_troubled);
        self.incidents.of_unit(unit, troubled)
    }

    /// Judges a unit by all that is known, and files what is new.
    fn judge(&mut self, name: &UnitName) {
        if self.with(name, Unit::prepare) == Some(true)
            && let Some(id) = self.incidents.own(name)
        {
            // Nobody is told of it any more.
            self.resolve(id);
        }
        self.judge_anew(name);
    }

    fn judge_anew(&mut self, name: &UnitName) {
        let before = self.incident_of(name);
        if let Some(news) = self.with(name, Unit::judge) {
            self.show(name);
            self.file_trouble(name, before, news);
        }
    }

    /// Brings a unit's order forward, decides, and starts the readings that are due.
    fn act(&mut self, name: &UnitName) {
        if self.with(name, Unit::advance) == Some(true) {
            // What the order was for is judged anew before anything else is wished; what requires the unit waits for that.
            self.judge_anew(name);
            self.touched.extend(self.peers.reaching(name));
        }
        self.with(name, Unit::take_up_waiting);
        if self.with(name, Unit::decide) == Some(true) {
            self.judge_anew(name);
        }
        self.with(name, |unit, view| {
            unit.end_survivors(view);
            unit.inspect(view);
            unit.ask(view.now);
            unit.answer_lookers(view.now);
            unit.silence(view);
            unit.ask_peers(view);
            unit.keep_slot(view);
        });
        if self.with(name, Unit::advance_drill) == Some(true) {
            // What it leaves wrong is wrong in earnest.
            self.judge_anew(name);
        }
        self.with(name, Unit::measure);
        self.show(name);
    }

    /// What others need to know of the unit, and when it is due, is as it is now.
    fn show(&mut self, name: &UnitName) {
        let Some(unit) = self.units.get(name) else {
            return;
        };
        if self.peers.show(name, unit.peer()) {
            self.touched.extend(self.peers.mates(name).map(|(mate, _)| mate.clone()));
        }
        self.agenda.set(name, unit.due());
        self.silence.set(name, unit.silent_at().map(|(at, _)| at));
        mark(&mut self.unread, name, !unit.is_read());
        mark(&mut self.stopped, name, unit.stopped_with().is_some());
        if mark(&mut self.given_up, name, unit.has_given_up(self.now)) {
            self.alerts.wake();
        }
    }

    /// What this unit requires is to answer, where it has not since then.
    fn ask_needs(&mut self, unit: &UnitName, since: Moment) {
        for need in self.peers.needs(unit) {
            if let Some(needed) = self.units.get_mut(&need) {
                needed.hurry(since, self.now);
                self.agenda.set(&need, needed.due());
            }
        }
    }

    fn wish_prediction(&mut self) {
        if !self.units.is_empty() {
            self.host.wish_prediction(self.now);
        }
    }
}

/// The unit is in the set where `holds`, and else not. Says whether that is news.
fn mark(set: &mut BTreeSet<UnitName>, unit: &UnitName, holds: bool) -> bool {
    let news = set.contains(unit) != holds;
    if news && holds {
        set.insert(unit.clone());
    } else if news {
        set.remove(unit);
    }
    news
}
