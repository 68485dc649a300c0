//! What changed before an incident: of all that was seen to change, what is most suspect first.

use std::cmp::Reverse;
use std::time::Duration;

use crate::model::incident::{Change, Event, EventKind};
use crate::model::moment::{Moment, millis};
use crate::model::release::LinkReading;
use crate::model::unit::UnitName;
use crate::policy::limits;
use crate::policy::log::Log;

/// Whose trouble the changes may explain.
#[derive(Clone, Copy, Debug)]
pub struct Suspects<'a> {
    /// `None`: the host.
    pub unit: Option<&'a UnitName>,
    /// What the unit requires.
    pub needs: &'a [UnitName],
    /// Its release links: a deploy may have been seen first at another unit of the same application.
    pub links: &'a [LinkReading],
    /// Only what changed within this time before.
    pub within: Duration,
}

impl Suspects<'_> {
    /// What changed, most suspect first.
    #[must_use]
    pub fn before(&self, log: &Log, now: Moment) -> Vec<Change> {
        let recent = log.kept().values().rev().take_while(|event| self.is_lately(event, now));
        let mut ranked: Vec<(u8, Reverse<i64>, &Event)> =
            recent.filter_map(|event| Some((self.rank(event)?, Reverse(event.at.wall_ms), event))).collect();
        ranked.sort_by_key(|(rank, newest, _)| (*rank, *newest));
        let first = ranked.into_iter().take(limits::CHANGES);
        first.map(|(_, _, event)| Change { at: event.at, what: event.message.clone() }).collect()
    }

    fn is_lately(&self, event: &Event, now: Moment) -> bool {
        now.wall_ms.saturating_sub(event.at.wall_ms) <= millis(self.within)
    }

    fn is_of_its_link(&self, event: &Event) -> bool {
        let mut links = self.links.iter();
        links.any(|link| {
            event.message.strip_prefix(link.link.as_str()).is_some_and(|rest| rest.starts_with(' '))
        })
    }

    /// 0 is the first suspect; `None`: it is no change. A deploy comes first, other units' fate last.
    fn rank(&self, event: &Event) -> Option<u8> {
        let own = event.unit.is_some() && event.unit.as_ref() == self.unit;
        // What became of another unit because of this one (`BindsTo=`, `Conflicts=`) is a consequence.
        let named = |unit: &UnitName| event.message.split([' ', ',', ';']).any(|word| word == unit.as_str());
        let follows = || event.kind == EventKind::Operated && self.unit.is_some_and(named);
        if !own && follows() {
            return None;
        }
        let needed = || event.unit.as_ref().is_some_and(|unit| self.needs.contains(unit));
        let rank = match event.kind {
            EventKind::Deployed if own || self.is_of_its_link(event) => 0,
            EventKind::Changed if own => 1,
            EventKind::Changed if event.unit.is_none() => 2,
            EventKind::Deployed => 3,
            EventKind::Operated if own => 4,
            EventKind::Operated if needed() => 5,
            EventKind::Changed => 6,
            EventKind::Operated => 7,
            EventKind::Found
            | EventKind::Cleared
            | EventKind::Decided
            | EventKind::Acted
            | EventKind::Outcome
            | EventKind::Notice
            | EventKind::Ran
            | EventKind::Measured
            | EventKind::Told => return None,
        };
        Some(rank)
    }
}
