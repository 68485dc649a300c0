//! The status page: HTML of the same picture and in the same words as `status` and `explain`, complete without script.
//!
//! Pure functions of what is given to them. Every text goes through `render::text` first, and maud escapes whatever it is handed.

mod card;
mod front;
mod graph;
mod html;
mod of_incident;
mod rows;
mod shell;
mod strip;
mod unit;

use crate::api::client::encoded;
use crate::api::render::Look;
use crate::api::render::text::cleaned;
use crate::api::wire::{Event, Incident, Time, Unit};
use crate::model::incident;
use crate::model::snapshot::{Snapshot, UnitStatus};

pub use front::front;
pub use of_incident::incident;
pub use shell::{no_unit, policy, refused};
pub use unit::unit;

/// A history strip goes so far back, in milliseconds.
pub const DAY_MS: i64 = 24 * 3600 * 1000;

/// What a page is made of.
#[derive(Debug)]
pub struct Sight<'a> {
    pub snapshot: &'a Snapshot,
    /// Incidents that were open within the last day, newest first; or why they are not known.
    pub past: Result<Vec<Incident>, String>,
    /// The readers may see lines of journals.
    pub log: bool,
    pub look: Look,
}

impl Sight<'_> {
    /// A unit as it may be shown: harmless text, without what these readers may not see.
    fn unit(&self, status: &UnitStatus) -> serde_json::Result<Unit> {
        let mut unit = Unit::of(status);
        if !self.log {
            unit.hide_log();
        }
        cleaned(&unit)
    }

    /// The same with its part of the timeline.
    fn whole(&self, status: &UnitStatus) -> serde_json::Result<Unit> {
        let mut unit = self.unit(status)?;
        unit.recall(status, self.snapshot.at);
        let concerns = |event: &&incident::Event| event.unit.as_ref() == Some(&status.unit);
        let events: Vec<Event> = self.snapshot.events.iter().filter(concerns).map(Into::into).collect();
        unit.events = cleaned(&events)?;
        Ok(unit)
    }

    /// Incidents of this unit within the last day.
    fn incidents_of(&self, unit: &str) -> Vec<&Incident> {
        let concerns = |incident: &&Incident| {
            incident.unit.as_deref() == Some(unit) || incident.affected.iter().any(|one| one == unit)
        };
        self.past.iter().flatten().filter(concerns).collect()
    }

    fn now(&self) -> Time {
        self.look.now
    }
}

/// Where a unit's page is, seen from `root`.
fn to_unit(root: &str, name: &str) -> String {
    format!("{root}units/{}", encoded(name))
}
