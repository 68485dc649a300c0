//! With whose fate a unit's job came along. A job does not say who queued it, but all jobs of one transaction are queued at
//! once, the one that was asked for first; so the kin of followed units are watched: their jobs, and their deaths.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::bus;
use crate::model::cause::{Pull, Tie};
use crate::model::unit::{UnitName, UnitSettings};

/// Jobs of followed units and of their kin that are remembered.
const JOBS: usize = 4096;
/// Jobs of one transaction are told within this time; two calls of a person are further apart.
const TOGETHER: Duration = Duration::from_millis(250);
/// A unit that is bound to another is stopped at once when that dies.
const AT_ONCE: Duration = Duration::from_secs(2);

/// What ties a unit to others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Ties {
    stops_with: Vec<UnitName>,
    binds_to: Vec<UnitName>,
    conflicts: Vec<UnitName>,
    /// What starts it, or must be there for it: how these stand is read with its settings.
    beside: BTreeSet<UnitName>,
}

/// The kin of all followed units.
#[derive(Debug, Default)]
pub(super) struct Kin {
    ties: HashMap<UnitName, Ties>,
    /// Objects of the kin, and when they were last told to go down.
    objects: HashMap<String, UnitName>,
    /// Which units have it beside them.
    beside: HashMap<UnitName, Vec<UnitName>>,
    /// Whether it was last told to be active, or on its way there.
    up: HashMap<UnitName, bool>,
    /// When it went down, and whether it is known not to have failed.
    deaths: HashMap<UnitName, (Instant, bool)>,
    jobs: VecDeque<(u32, UnitName, Instant)>,
    /// What was told of the last job of each unit.
    told: HashMap<UnitName, u32>,
}

impl Kin {
    /// What ties this unit to others, as it is configured now.
    pub(super) fn tie(&mut self, unit: &UnitName, settings: &UnitSettings) {
        // Every unit conflicts with the shutdown, which is told by other means.
        let shutdown = |unit: &UnitName| matches!(unit.as_str(), "shutdown.target" | "umount.target");
        let ties = Ties {
            stops_with: settings.stops_with.clone(),
            binds_to: settings.binds_to.clone(),
            conflicts: settings.conflicts.iter().filter(|unit| !shutdown(unit)).cloned().collect(),
            beside: settings
                .triggered_by
                .iter()
                .chain(&settings.will.upheld_by)
                .chain(settings.stops_with.iter().filter(|unit| unit.kind() == "device"))
                .chain(&settings.will.lacks)
                .cloned()
                .collect(),
        };
        if self.ties.get(unit) == Some(&ties) {
            return;
        }
        self.ties.insert(unit.clone(), ties);
        self.follow_kin();
    }

    /// Follows only these units' kin from now on.
    pub(super) fn keep(&mut self, units: &BTreeSet<UnitName>) {
        let before = self.ties.len();
        self.ties.retain(|unit, _| units.contains(unit));
        self.told.retain(|unit, _| units.contains(unit));
        if self.ties.len() != before {
            self.follow_kin();
        }
    }

    fn follow_kin(&mut self) {
        self.beside.clear();
        for (unit, ties) in &self.ties {
            for other in &ties.beside {
                self.beside.entry(other.clone()).or_default().push(unit.clone());
            }
        }
        let of = |ties: &Ties| {
            let mut kin = [&ties.stops_with[..], &ties.binds_to, &ties.conflicts].concat();
            kin.extend(ties.beside.iter().cloned());
            kin
        };
        let kin = self.ties.values().flat_map(of).chain(self.ties.keys().cloned());
        self.objects = kin.map(|unit| (bus::unit_path(unit.as_str()).to_string(), unit)).collect();
        let objects = &self.objects;
        let known = |unit: &UnitName| objects.contains_key(bus::unit_path(unit.as_str()).as_str());
        self.deaths.retain(|unit, _| known(unit));
        self.up.retain(|unit, _| known(unit));
    }

    /// Whether signals of this object matter.
    pub(super) fn knows(&self, path: &str) -> bool {
        self.objects.contains_key(path)
    }

    /// An object of the kin told its `ActiveState=`. Returns the units for which that changes who stands beside them.
    pub(super) fn changed(&mut self, path: &str, active: &str) -> Vec<UnitName> {
        let Some(unit) = self.objects.get(path) else {
            return Vec::new();
        };
        let up = !matches!(active, "inactive" | "failed" | "deactivating");
        if up {
            self.deaths.remove(unit);
        } else {
            let death = self.deaths.entry(unit.clone()).or_insert_with(|| (Instant::now(), false));
            death.1 = active == "inactive";
        }
        let same = self.up.insert(unit.clone(), up) == Some(up);
        self.beside.get(unit).filter(|_| !same).cloned().unwrap_or_default()
    }

    /// A job was queued.
    pub(super) fn queued(&mut self, id: u32, unit: &str) {
        if !self.objects.contains_key(bus::unit_path(unit).as_str()) {
            return;
        }
        if self.jobs.len() >= JOBS {
            self.jobs.pop_front();
        }
        self.jobs.push_back((id, UnitName::from(unit), Instant::now()));
    }

    /// With whose fate this job of the unit came along, as far as is known by now; told once for each job.
    pub(super) fn pull(&mut self, unit: &UnitName, job: u32) -> Option<Pull> {
        if self.told.get(unit) == Some(&job) {
            return None;
        }
        let pull = self.find(unit, job)?;
        self.told.insert(unit.clone(), job);
        Some(pull)
    }

    fn find(&self, unit: &UnitName, job: u32) -> Option<Pull> {
        let ties = self.ties.get(unit)?;
        let own = self.jobs.iter().rev().find(|(id, name, _)| *id == job && name == unit);
        let queued = own.map_or_else(Instant::now, |(_, _, at)| *at);
        let apart = |at: Instant| queued.max(at).duration_since(queued.min(at));
        let with = |other: &UnitName| {
            let earlier = |(id, name, at): &(u32, UnitName, Instant)| {
                name == other && *id < job && apart(*at) <= TOGETHER
            };
            self.jobs.iter().rev().any(earlier)
        };
        let gone = |other: &UnitName, well: bool| {
            let death = self.deaths.get(other).filter(|(at, _)| apart(*at) <= AT_ONCE);
            death.is_some_and(|(_, ended)| *ended == well)
        };
        let (dead, ended) = (|other: &UnitName| gone(other, false), |other: &UnitName| gone(other, true));
        let first = |units: &[UnitName], how: Tie, is: &dyn Fn(&UnitName) -> bool| {
            units.iter().find(|other| is(other)).map(|other| Pull { unit: other.clone(), how })
        };
        first(&ties.stops_with, Tie::Job, &with)
            .or_else(|| first(&ties.binds_to, Tie::Death, &dead))
            .or_else(|| first(&ties.binds_to, Tie::End, &ended))
            .or_else(|| first(&ties.conflicts, Tie::Conflict, &with))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kin() -> Kin {
        let mut kin = Kin::default();
        let settings = UnitSettings {
            stops_with: vec!["db.service".into(), "disk.mount".into()],
            binds_to: vec!["disk.mount".into()],
            conflicts: vec!["shutdown.target".into(), "other.service".into()],
            ..UnitSettings::default()
        };
        kin.tie(&"x.service".into(), &settings);
        kin
    }

    fn pull(unit: &str, how: Tie) -> Option<Pull> {
        Some(Pull { unit: unit.into(), how })
    }

    #[test]
    fn the_first_job_of_a_transaction_pulls_the_others() {
        let mut kin = kin();
        // The manager tells the last job first.
        kin.queued(12, "x.service");
        kin.queued(11, "unrelated.service");
        kin.queued(10, "db.service");
        assert_eq!(kin.pull(&"x.service".into(), 12), pull("db.service", Tie::Job));
        assert_eq!(kin.pull(&"x.service".into(), 12), None, "told once");
    }

    #[test]
    fn a_job_of_its_own_came_along_with_nothing() {
        let mut kin = kin();
        kin.queued(10, "x.service");
        kin.queued(11, "db.service");
        assert_eq!(kin.pull(&"x.service".into(), 10), None, "it was asked for first");
        let mut kin = self::kin();
        kin.queued(9, "shutdown.target");
        kin.queued(10, "x.service");
        assert_eq!(kin.pull(&"x.service".into(), 10), None, "the shutdown is no other unit");
    }

    #[test]
    fn what_it_is_bound_to_pulls_by_dying() {
        let mut kin = kin();
        kin.queued(10, "x.service");
        assert_eq!(kin.pull(&"x.service".into(), 10), None);
        kin.changed("/org/freedesktop/systemd1/unit/disk_2emount", "failed");
        assert_eq!(kin.pull(&"x.service".into(), 10), pull("disk.mount", Tie::Death));
        kin.changed("/org/freedesktop/systemd1/unit/disk_2emount", "active");
        kin.queued(12, "x.service");
        kin.changed("/org/freedesktop/systemd1/unit/disk_2emount", "inactive");
        assert_eq!(kin.pull(&"x.service".into(), 12), pull("disk.mount", Tie::End), "it did not fail");
        kin.changed("/org/freedesktop/systemd1/unit/disk_2emount", "active");
        assert_eq!(kin.pull(&"x.service".into(), 11), None);
    }

    #[test]
    fn what_starts_a_unit_is_followed() {
        let mut kin = Kin::default();
        let settings = UnitSettings { triggered_by: vec!["x.socket".into()], ..UnitSettings::default() };
        kin.tie(&"x.service".into(), &settings);
        let path = "/org/freedesktop/systemd1/unit/x_2esocket";
        assert_eq!(kin.changed(path, "active"), ["x.service".into()]);
        assert!(kin.changed(path, "active").is_empty(), "nothing changed");
        assert_eq!(kin.changed(path, "inactive"), ["x.service".into()]);
    }

    #[test]
    fn a_start_pulls_down_what_it_conflicts_with() {
        let mut kin = kin();
        kin.queued(10, "other.service");
        kin.queued(11, "x.service");
        assert_eq!(kin.pull(&"x.service".into(), 11), pull("other.service", Tie::Conflict));
        kin.keep(&BTreeSet::new());
        assert!(!kin.knows("/org/freedesktop/systemd1/unit/db_2eservice"));
    }
}
