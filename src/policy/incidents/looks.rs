//! The close look at what an incident is about: asked for once, awaited for a while, and what it brought.

use crate::model::incident::{Change, EventKind, Incident, Looked};
use crate::model::moment::Moment;
use crate::model::unit::UnitName;
use crate::policy::effects::Out;
use crate::policy::limits;

use super::Incidents;

/// How the close look at what an incident is about stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// One was taken lately, or is not worth waiting for.
    Enough,
    /// One is under way, and awaited until then.
    Awaited(Moment),
    /// One is to be asked for.
    Missing,
}

impl Incidents {
    /// A close look is to be taken, unless one is under way.
    pub fn wish_look(&mut self, id: u64) {
        self.out.push(Out::Capture(id));
    }

    /// A close look begins. Says whether none was under way.
    pub fn begin_look(&mut self, id: u64, now: Moment) -> bool {
        let idle = self.capturing.get(&id).is_none_or(|until| *until <= now);
        let begins = self.all.contains_key(&id) && idle;
        if begins {
            self.capturing.insert(id, now.plus(limits::EVIDENCE));
        }
        begins
    }

    /// The look that was begun is not taken: what asked for it could not be saved.
    pub fn cancel_look(&mut self, id: u64) {
        self.capturing.remove(&id);
    }

    /// Before a restart ends what there is to see: how the close look at this unit stands.
    #[must_use]
    pub fn look_at(&self, unit: &UnitName, now: Moment) -> (Look, Option<u64>) {
        // What is explained by another unit is looked at there.
        let Some(id) = self.own(unit) else {
            return (Look::Enough, None);
        };
        let captured = self.all.get(&id).and_then(|incident| incident.captured_at);
        if captured.is_some_and(|at| now.since(at) < limits::EVIDENCE_FRESH) {
            return (Look::Enough, Some(id));
        }
        let look = match self.capturing.get(&id).copied() {
            Some(until) if until > now => Look::Awaited(until),
            // It did not come in time: what there was to see is not worth waiting for.
            Some(until) if now.since(until) < limits::EVIDENCE_FRESH => Look::Enough,
            Some(_) | None => Look::Missing,
        };
        (look, Some(id))
    }

    /// A look is under way, and awaited until then.
    #[must_use]
    pub fn look_until(&self, id: u64, now: Moment) -> Option<Moment> {
        self.capturing.get(&id).copied().filter(|until| *until > now)
    }

    /// The look is over.
    pub fn captured(&mut self, id: u64, looked: Looked, now: Moment) {
        let Looked { file, changes, said } = looked;
        self.capturing.remove(&id);
        let Some(known) = self.get_mut(id) else {
            return;
        };
        let first = known.captured_at.is_none();
        known.captured_at = Some(now);
        if !said.is_empty() {
            known.said = said;
        }
        let message = match file {
            Ok(file) => {
                known.evidence_file = Some(file.clone());
                format!("evidence saved to {file}")
            }
            Err(why) => format!("cannot save evidence: {why}"),
        };
        if first {
            known.add_changes(changes);
        }
        self.out.file(Some(id), EventKind::Notice, message);
    }

    /// The draft of a post-mortem is there, or could not be written.
    pub fn drafted(&mut self, id: u64, file: Result<String, String>) {
        let message = match file {
            Ok(file) => format!("a post-mortem is drafted: {file}"),
            Err(why) => format!("cannot draft a post-mortem: {why}"),
        };
        self.out.file(Some(id), EventKind::Notice, message);
    }
}

impl Incident {
    /// What was read of changed packages comes right behind what the unit itself underwent.
    fn add_changes(&mut self, read: Vec<Change>) {
        let unit = self.unit.clone();
        let of_unit =
            |change: &&Change| unit.as_ref().is_some_and(|unit| change.what.contains(unit.as_str()));
        let own = self.changes.iter().take_while(of_unit).count();
        self.changes.splice(own..own, read.into_iter().take(limits::CHANGES));
        self.changes.truncate(limits::CHANGES.saturating_mul(2));
    }
}
