//! Incidents: a stretch of trouble from its first finding until a reading shows that it is over. What is open, which units it
//! touches, and the close look that is awaited of each.

mod index;
mod looks;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::action::Action;
use crate::model::finding::{Code, Finding, Severity};
use crate::model::incident::{Acknowledgement, Change, EventKind, Incident};
use crate::model::moment::{Moment, Moments};
use crate::model::operator::Answer;
use crate::model::span::span;
use crate::model::unit::UnitName;
use crate::policy::effects::Outbox;
use crate::policy::limits;

use index::Index;
pub use looks::Look;

/// What is known besides its finding when an incident opens.
#[derive(Clone, Debug, Default)]
pub struct Opening {
    pub owner: Option<String>,
    /// When the fault itself came about, as far as that is known.
    pub began_at: Option<Moment>,
    /// What changed before, most suspect first.
    pub changes: Vec<Change>,
    /// A drill made the trouble.
    pub drill: bool,
}

/// All incidents that are remembered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Incidents {
    all: BTreeMap<u64, Incident>,
    open: BTreeSet<u64>,
    /// Those that are open by their own unit, and by the units whose trouble they explain.
    own: Index,
    explaining: Index,
    next: u64,
    /// Those that changed since they were last saved.
    changed: BTreeSet<u64>,
    /// Grows with each change.
    revision: u64,
    /// A close look is under way, and awaited until then.
    capturing: BTreeMap<u64, Moment>,
    /// Units that are not managed any more, and whose incident ends then.
    leaving: BTreeMap<UnitName, Moment>,
    out: Outbox,
}

impl Incidents {
    /// Continues what was saved.
    #[must_use]
    pub fn resume(all: BTreeMap<u64, Incident>, next: u64) -> Self {
        let mut resumed = Self { next, ..Self::default() };
        for known in all.values().filter(|known| known.resolved_at.is_none()) {
            resumed.open.insert(known.id);
            known.unit.iter().for_each(|unit| resumed.own.add(unit, known.id));
            known.affected.iter().for_each(|unit| resumed.explaining.add(unit, known.id));
        }
        Self { all, ..resumed }
    }

    pub fn out(&mut self) -> &mut Outbox {
        &mut self.out
    }

    #[must_use]
    pub fn all(&self) -> &BTreeMap<u64, Incident> {
        &self.all
    }

    #[must_use]
    pub fn get(&self, id: u64) -> Option<&Incident> {
        self.all.get(&id)
    }

    /// An incident that is being changed.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Incident> {
        let known = self.all.get_mut(&id)?;
        self.changed.insert(id);
        self.revision = self.revision.wrapping_add(1);
        Some(known)
    }

    fn open_mut(&mut self, id: u64) -> Option<&mut Incident> {
        if self.open.contains(&id) { self.get_mut(id) } else { None }
    }

    /// The number that the next incident gets.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Another value means that something changed.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Those that are open, oldest first.
    pub fn open(&self) -> impl DoubleEndedIterator<Item = &Incident> {
        self.open.iter().filter_map(|id| self.all.get(id))
    }

    /// Those of gaps of the host that are open, oldest first.
    #[must_use]
    pub fn of_gaps(&self) -> Vec<&Incident> {
        self.open().filter(|incident| !incident.gaps.is_empty()).collect()
    }

    /// The open incident of this unit itself.
    #[must_use]
    pub fn own(&self, unit: &UnitName) -> Option<u64> {
        self.own.of(unit).next_back()
    }

    /// Open incidents of other units that explain this unit's trouble.
    pub fn explaining(&self, unit: &UnitName) -> impl Iterator<Item = u64> + use<'_> {
        self.explaining.of(unit)
    }

    /// The open incident of a unit: its own, or that of what explains its trouble.
    #[must_use]
    pub fn of_unit(&self, unit: &UnitName, troubled: bool) -> Option<u64> {
        self.own(unit).or_else(|| self.explaining(unit).next().filter(|_| troubled))
    }

    /// Opens the incident of a unit, unless one is open. Returns its number.
    pub fn open_of_unit(
        &mut self,
        unit: &UnitName,
        cause: &Finding,
        opening: Opening,
        now: Moment,
    ) -> Option<u64> {
        if self.own(unit).is_some() {
            return None;
        }
        let mut incident = Incident::new(0, Some(unit.clone()), cause, now);
        if opening.drill {
            incident.drill = true;
            incident.summary = format!("DRILL: {}", incident.summary);
        }
        incident.owner = opening.owner;
        incident.began_at = opening.began_at;
        incident.changes = opening.changes;
        Some(self.add(incident))
    }

    /// Opens an incident of the host.
    pub fn open_of_host(&mut self, cause: &Finding, changes: Vec<Change>, now: Moment) -> u64 {
        // What keeps us from saving anything is an incident only when it is over.
        let incident = Incident::new(0, None, cause, cause.since.min(now));
        self.add(Incident { changes, ..incident })
    }

    /// A new incident; the oldest that is over goes beyond the limit.
    fn add(&mut self, incident: Incident) -> u64 {
        let id = self.next.max(1);
        self.next = id.saturating_add(1);
        incident.unit.iter().for_each(|unit| self.own.add(unit, id));
        incident.affected.iter().for_each(|unit| self.explaining.add(unit, id));
        self.all.insert(id, Incident { id, ..incident });
        self.open.insert(id);
        self.changed.insert(id);
        self.revision = self.revision.wrapping_add(1);
        while self.all.len() > limits::INCIDENTS {
            let told = |incident: &&Incident| incident.told.values().all(|told| told.resolved || !told.tried);
            let full = self.all.len() > limits::INCIDENTS.saturating_mul(2);
            // One whose end somebody has still to hear of goes last.
            let mut over = self.all.values().filter(|incident| incident.resolved_at.is_some());
            let oldest = over.find(|incident| full || told(incident)).map(|incident| incident.id);
            let Some(oldest) = oldest else {
                break;
            };
            self.all.remove(&oldest);
            self.changed.insert(oldest);
        }
        id
    }

    /// A unit's trouble is explained by that of another one: it belongs to the other one's incident.
    ///
    /// `known`: its trouble was found before. Says whether no incident of its own is to be opened.
    pub fn join(
        &mut self,
        unit: &UnitName,
        cause: Option<UnitName>,
        known: bool,
        now: Moment,
    ) -> Option<u64> {
        let Some(cause) = cause else {
            // What it left behind is part of it.
            return self.explaining(unit).next().filter(|_| known && self.own(unit).is_none());
        };
        let Some(id) = self.own(&cause) else {
            // It is down since a moment, and has no incident yet: what belonged to another one waits there for it.
            return self.explaining(unit).next().filter(|_| known && self.own(unit).is_none());
        };
        let began = self.all.get(&id).map_or(now, |incident| incident.opened_at);
        if let Some(before) = self.own(unit) {
            let opened_at = self.all.get(&before).map_or(now, |incident| incident.opened_at);
            if opened_at.plus(limits::REATTRIBUTION) < began {
                return Some(before);
            }
            let severity = self.all.get(&before).map(|incident| incident.severity);
            self.end(before, now);
            if let Some(incident) = self.get_mut(before) {
                incident.part_of = Some(id);
            }
            // Whoever was to know of the one is to know of the other.
            if let Some(severity) = severity {
                self.raise(id, severity);
            }
            let message =
                format!("incident {before} of {unit} is explained by {cause}: part of incident {id}");
            self.out.note(EventKind::Decided, Some(Code::DependencyDown), message);
        }
        if let Some(incident) = self.get_mut(id)
            && !incident.affected.contains(unit)
        {
            incident.affected.push(unit.clone());
            self.explaining.add(unit, id);
        }
        Some(id)
    }

    /// Its trouble is worse than what opened it. Says whether that is news.
    pub fn raise(&mut self, id: u64, severity: Severity) -> bool {
        let worse = self.all.get(&id).is_some_and(|known| known.severity < severity);
        if worse && let Some(incident) = self.get_mut(id) {
            incident.severity = severity;
        }
        worse
    }

    /// It is about this now. What is graver than what somebody acknowledged is news for everybody.
    pub fn turn(&mut self, id: u64, present: Code, graver: bool) {
        let full = |known: &Incident| known.news.len() >= limits::INCIDENT_NEWS;
        if self.all.get(&id).is_none_or(full) {
            return;
        }
        let Some(incident) = self.open_mut(id) else {
            return;
        };
        incident.news.push(present);
        let known = incident.acknowledged.take_if(|_| graver);
        if let Some(known) = known {
            let (who, code) = (known.who, present.as_str());
            let message = format!(
                "incident {id} got worse since {who} acknowledged it ({code}): alerts are sent again"
            );
            self.out.file(Some(id), EventKind::Told, message);
        }
    }

    fn end(&mut self, id: u64, now: Moment) {
        self.capturing.remove(&id);
        if let Some(incident) = self.get_mut(id) {
            incident.resolved_at = Some(now);
        }
        if let Some(incident) = self.all.get(&id) {
            incident.unit.iter().for_each(|unit| self.own.remove(unit, id));
            incident.affected.iter().for_each(|unit| self.explaining.remove(unit, id));
        }
        self.open.remove(&id);
    }

    /// It is over. What took long has its post-mortem drafted. `saving`: its end can be saved.
    pub fn resolve(&mut self, id: u64, draft: bool, saving: bool, now: Moment) {
        let Some(incident) = self.all.get(&id) else {
            return;
        };
        let took = now.since(incident.opened_at);
        // What nobody watched has no course that could be described.
        if draft && incident.gaps.is_empty() {
            self.out.act(Action::DraftPostmortem { incident: id });
        }
        self.end(id, now);
        // While nothing can be saved it is over anew with each turn.
        if saving {
            let message = format!("incident {id} is resolved after {}", span(took));
            self.out.file(Some(id), EventKind::Notice, message);
        }
    }

    /// The drill that made it is over: what is still found is no drill, and opens another one.
    pub fn end_drill(&mut self, id: u64, now: Moment) {
        if self.open.contains(&id) {
            self.end(id, now);
        }
    }

    /// A unit is not managed any more. Its incident ends soon, unless it is managed again by then.
    pub fn leave(&mut self, unit: &UnitName, now: Moment) {
        if self.own(unit).is_some() {
            self.leaving.entry(unit.clone()).or_insert(now.plus(limits::LEAVING));
        }
    }

    /// A unit is managed (again).
    pub fn stay(&mut self, unit: &UnitName) {
        self.leaving.remove(unit);
    }

    /// Incidents of units that were not managed again in time.
    pub fn left(&mut self, now: Moment) -> Vec<u64> {
        let left: Vec<UnitName> =
            self.leaving.iter().filter(|(_, at)| **at <= now).map(|(unit, _)| unit.clone()).collect();
        for unit in &left {
            self.leaving.remove(unit);
        }
        left.iter().filter_map(|unit| self.own(unit)).collect()
    }

    /// When one of them is over.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        self.leaving.values().copied().min()
    }

    /// A decision or an action was written into its history.
    pub fn decided(&mut self, id: u64, kind: EventKind, now: Moment) {
        let acted = kind == EventKind::Acted;
        let Some(known) = self.all.get(&id).filter(|_| acted || kind == EventKind::Decided) else {
            return;
        };
        let (decided_at, acted_at) = (known.decided_at, known.acted_at);
        if (decided_at.is_none() || (acted && acted_at.is_none()))
            && let Some(incident) = self.get_mut(id)
        {
            incident.decided_at = decided_at.or(Some(now));
            incident.acted_at = acted_at.or(acted.then_some(now));
        }
    }

    /// Somebody knows of it.
    pub fn acknowledge(&mut self, id: u64, who: String, now: Moment) -> Answer {
        let Some(incident) = self.all.get(&id) else {
            return Answer::NoIncident;
        };
        if incident.resolved_at.is_some() {
            return Answer::Refused { message: format!("incident {id} is over") };
        }
        let message =
            format!("{who} acknowledged incident {id}: no reminders and no escalation unless it gets worse");
        if let Some(incident) = self.open_mut(id) {
            incident.acknowledged.get_or_insert(Acknowledgement { at: now, who });
        }
        self.out.file(Some(id), EventKind::Told, message.clone());
        Answer::Done { message, steps: Vec::new() }
    }

    /// The incident that explains this one in the end; itself, where none does any more.
    #[must_use]
    pub fn whole<'a>(&'a self, incident: &'a Incident) -> &'a Incident {
        let mut whole = incident;
        // Each is part of one that was opened later or earlier, never of itself; the bound is for what a damaged file may say.
        for _ in 0..limits::INCIDENTS {
            match whole.part_of.and_then(|id| self.all.get(&id)) {
                Some(next) => whole = next,
                None => break,
            }
        }
        whole
    }

    /// Those that changed since this was asked last, and what they are now; `None`: forgotten.
    pub fn take_changed(&mut self) -> BTreeSet<u64> {
        std::mem::take(&mut self.changed)
    }

    /// What could not be saved did not come about.
    pub fn take_back(&mut self, saved: &BTreeMap<u64, Incident>, next: u64) {
        let kept = std::mem::take(self);
        *self =
            Self { capturing: kept.capturing, leaving: kept.leaving, ..Self::resume(saved.clone(), next) };
        self.revision = kept.revision.wrapping_add(1);
    }

    /// This boot's clock is another one.
    pub fn shift(&mut self, change: &mut dyn FnMut(&mut Moment)) {
        self.all.each_moment(change);
        self.changed.extend(self.all.keys());
    }
}
