//! What is asked of the stored history, and what it answers.

use super::baseline::Head;
use super::incident::{Event, Incident};
use super::unit::UnitName;

/// Lines of one incident that are told.
pub const TIMELINE: usize = 5000;

/// A question of somebody who reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Which incidents there were.
    Incidents(Wanted),
    /// One of them, whole.
    Incident(u64),
    /// Which baselines are kept. They are files, which the database does not know.
    Baselines,
}

/// Which incidents are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Of this unit, or affecting it.
    pub unit: Option<UnitName>,
    /// Not over before this wall time, in milliseconds.
    pub since_ms: Option<i64>,
    pub open: bool,
}

impl Wanted {
    #[must_use]
    pub fn fits(&self, incident: &Incident) -> bool {
        let of_unit =
            |unit: &UnitName| incident.unit.as_ref() == Some(unit) || incident.affected.contains(unit);
        let over = incident.resolved_at.map(|at| at.wall_ms);
        self.unit.as_ref().is_none_or(of_unit)
            && self.since_ms.is_none_or(|since| over.is_none_or(|over| over >= since))
            && !(self.open && over.is_some())
    }
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum History {
    /// Newest first.
    Incidents(Vec<Incident>),
    /// With its timeline, oldest first. `None`: there is none of that number, or not any more.
    Incident(Option<Box<(Incident, Vec<Event>)>>),
    /// Newest first.
    Baselines(Vec<Head>),
}
