//! The units that are followed: by which object each is known, how it was last seen, and what of it was told.

mod known;

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::hash::{Hash, Hasher};

use super::bus;
use super::job_causes::Kin;
use super::pending::Outbox;
use super::reading::Record;
use super::values::{self, Values};
use crate::model::observation::Observation;
use crate::model::unit::{ActiveState, JobKind, LoadState, UnitName, UnitSettings};
use crate::model::will::UnitResult;

/// Kinds of jobs that are remembered; a job that is over is forgotten anyway.
const KINDS: usize = 16 * 1024;
/// Readings that wait for the kind of a job.
const HELD: usize = 16;

/// One object that is followed.
#[derive(Debug, Default)]
struct Entry {
    /// The names by which it was asked for.
    names: BTreeSet<UnitName>,
    record: Option<Record>,
    /// A signal told of it since the last survey began: newer than what that survey read.
    signalled: bool,
    told: Option<Record>,
    /// What waits until the kind of its job is known, in order.
    held: VecDeque<Record>,
}

/// What a signal means for those who read more.
#[derive(Debug, Default)]
pub(super) struct Noticed {
    /// The kind of this job is to be asked for.
    pub(super) job: Option<u32>,
    /// A start was tried or is queued, the unit ended, or what starts it changed: what comes with that is to be read again.
    pub(super) tried: Vec<UnitName>,
}

/// What was told of the settings of a unit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ToldSettings {
    fingerprint: u64,
    need_daemon_reload: bool,
    fragment: Box<str>,
    /// Empty for a unit that is down.
    control_group: Box<str>,
}

/// All units that are followed.
#[derive(Debug, Default)]
pub(super) struct Watched {
    entries: HashMap<String, Entry>,
    paths: BTreeMap<UnitName, String>,
    /// What was told of settings.
    settings: BTreeMap<UnitName, ToldSettings>,
    /// Prints of the files of units, as they were when nothing differed from what is known.
    prints: BTreeMap<UnitName, u64>,
    kinds: HashMap<u32, Kind>,
    kin: Kin,
}

/// The kind of a job.
#[derive(Debug)]
enum Kind {
    /// It is being asked for; readings of this object wait.
    Asked {
        path: String,
    },
    /// It was over before it could be asked for; what became of the unit tells.
    Gone,
    Known(JobKind),
}

impl Watched {
    /// Follows exactly `units` from now on; returns those that are new.
    pub(super) fn set(&mut self, units: &BTreeSet<UnitName>) -> Vec<UnitName> {
        self.kin.keep(units);
        let gone: Vec<UnitName> = self.paths.keys().filter(|unit| !units.contains(*unit)).cloned().collect();
        for unit in gone {
            self.leave(&unit);
            self.paths.remove(&unit);
            self.settings.remove(&unit);
            self.prints.remove(&unit);
        }
        let new: Vec<UnitName> =
            units.iter().filter(|unit| !self.paths.contains_key(*unit)).cloned().collect();
        for unit in &new {
            // Until it was read it may be an alias of another; its own object is the best guess.
            self.place(unit, bus::unit_path(unit.as_str()).as_str());
        }
        new
    }

    /// Every unit that is followed.
    pub(super) fn units(&self) -> impl Iterator<Item = &UnitName> {
        self.paths.keys()
    }

    /// Whether signals of this object matter.
    pub(super) fn knows(&self, path: &str) -> bool {
        self.entries.contains_key(path) || self.kin.knows(path)
    }

    /// A job was queued for any unit.
    pub(super) fn job_queued(&mut self, id: u32, unit: &str) {
        self.kin.queued(id, unit);
    }

    /// The names by which an object was asked for.
    pub(super) fn names(&self, path: &str) -> Vec<UnitName> {
        self.entries.get(path).map(|entry| entry.names.iter().cloned().collect()).unwrap_or_default()
    }

    /// From now on, what is signalled is newer than what is read.
    pub(super) fn survey_begins(&mut self) {
        for entry in self.entries.values_mut() {
            entry.signalled = false;
        }
    }

    /// Takes a changed interface of a unit: of its kind first, then `Unit`, which completes the reading.
    pub(super) fn changed(
        &mut self,
        path: &str,
        interface: &str,
        told: &Values<'_>,
        outbox: &mut Outbox,
    ) -> Noticed {
        let active = values::text(told, "ActiveState").filter(|_| interface == bus::UNIT);
        let mut tried = active.map(|active| self.kin.changed(path, active)).unwrap_or_default();
        let Some(entry) = self.entries.get_mut(path) else {
            return Noticed { job: None, tried };
        };
        entry.signalled = true;
        let record = entry.record.get_or_insert_with(|| Record::unloaded(LoadState::Loaded));
        if interface != bus::UNIT {
            record.take_kind(told);
            return Noticed::default();
        }
        let (tried_us, was_up) = (record.tried_us, is_up(record));
        record.take_unit(told);
        let (record, up) = (record.clone(), is_up(record));
        if record.tried_us != tried_us || was_up != up || (!up && record.reading.job.is_some()) {
            tried.extend(entry.names.iter().cloned());
        }
        let job = self.tell(path, record, outbox);
        Noticed { job, tried }
    }

    /// Takes what a survey read, unless a signal was newer; `unloaded`: nothing but our reading had it loaded. Returns whether the unit is known by a new object now:
    /// then it must be read once more, since signals of that object were not listened to.
    pub(super) fn read(
        &mut self,
        unit: &UnitName,
        path: &str,
        read: Record,
        unloaded: bool,
        outbox: &mut Outbox,
    ) -> (bool, Option<u32>) {
        if !self.paths.contains_key(unit) {
            return (false, None);
        }
        let moved = self.paths.get(unit).is_none_or(|known| known != path);
        if moved {
            self.leave(unit);
            self.place(unit, path);
        }
        let Some(entry) = self.entries.get_mut(path) else {
            return (moved, None);
        };
        // Unloading forgets how a unit ended; what was seen of that is still true.
        let forgot = unloaded || is_untried(&read);
        let keep =
            |record: &Record| entry.signalled || (forgot && record.reading.active == ActiveState::Inactive);
        let record = match &mut entry.record {
            Some(record) if keep(record) => {
                record.reading.load = read.reading.load;
                record.clone()
            }
            record => record.insert(read).clone(),
        };
        (moved, self.tell(path, record, outbox))
    }

    /// A unit that is not loaded has no state but its load state: `load` if it is known anew.
    pub(super) fn not_loaded(&mut self, unit: &UnitName, load: Option<LoadState>, outbox: &mut Outbox) {
        let own = bus::unit_path(unit.as_str());
        if load.is_some() && self.paths.get(unit).is_some_and(|path| *path != own.as_str()) {
            // What it was another name of goes on without it.
            self.leave(unit);
            self.place(unit, own.as_str());
        }
        let Some(path) = self.paths.get(unit).cloned() else {
            return;
        };
        let Some(entry) = self.entries.get_mut(&path) else {
            return;
        };
        let known = entry.record.as_ref().map(|record| &record.reading);
        let dead = known
            .is_some_and(|reading| matches!(reading.active, ActiveState::Inactive | ActiveState::Failed));
        let load = match (load, known) {
            // Unloading follows a stop, and what was seen of that stop is still true.
            (None, Some(_)) if dead => return,
            (None, Some(reading)) => reading.load.clone(),
            // Not loaded, and not asked why: what it is, the next survey tells.
            (None, None) => return,
            (Some(load), _) => load,
        };
        let record = Record::unloaded(load);
        entry.record = Some(record.clone());
        self.tell(&path, record, outbox);
    }

    /// Takes settings, and the print of their files; the same ones are told once.
    pub(super) fn configured(
        &mut self,
        unit: UnitName,
        settings: UnitSettings,
        print: Option<u64>,
        outbox: &mut Outbox,
    ) {
        if !self.paths.contains_key(&unit) {
            return;
        }
        self.unchanged(unit.clone(), print);
        self.kin.tie(&unit, &settings);
        let mut hasher = DefaultHasher::new();
        format!("{settings:?}").hash(&mut hasher);
        let told = ToldSettings {
            fingerprint: hasher.finish(),
            need_daemon_reload: settings.need_daemon_reload,
            fragment: settings.fragment.as_str().into(),
            control_group: settings.control_group.as_str().into(),
        };
        if self.settings.get(&unit) != Some(&told) {
            self.settings.insert(unit.clone(), told);
            outbox.other(Observation::UnitSettingsRead { unit, settings });
        }
    }

    /// The kind of a job is known now, or cannot be known any more (`None`); what waited for it is told.
    pub(super) fn kind(&mut self, id: u32, kind: Option<JobKind>, outbox: &mut Outbox) {
        if self.kinds.len() >= KINDS {
            self.kinds.retain(|_, kind| matches!(kind, Kind::Asked { .. }));
        }
        let Some(Kind::Asked { path }) = self.kinds.remove(&id) else {
            self.kinds.extend(kind.map(|kind| (id, Kind::Known(kind))));
            return;
        };
        let kind = match kind {
            // Half way, once the unit is stopped, systemd calls the rest of a restart a start.
            Some(JobKind::Start) if self.begins_active(&path, id) => Kind::Known(JobKind::Restart),
            kind => kind.map_or(Kind::Gone, Kind::Known),
        };
        self.kinds.insert(id, kind);
        self.release(&path, outbox);
    }

    /// Whether the unit was active when it was first seen with this job. To start it would be done at once.
    fn begins_active(&self, path: &str, id: u32) -> bool {
        let held = self.entries.get(path).map(|entry| &entry.held);
        let mut records = held.into_iter().flatten();
        records
            .find(|record| record.reading.job.is_some_and(|job| job.id == id))
            .is_some_and(|first| first.reading.active == ActiveState::Active)
    }

    /// A job is over. Readings that name it were told before.
    pub(super) fn job_over(&mut self, id: u32) {
        if matches!(self.kinds.get(&id), Some(Kind::Known(_))) {
            self.kinds.remove(&id);
        }
    }

    /// Queues a reading if it differs from the last one; returns the job whose kind must be asked for first.
    fn tell(&mut self, path: &str, record: Record, outbox: &mut Outbox) -> Option<u32> {
        let job = record.reading.job.map(|job| job.id);
        let unknown = job.filter(|id| !self.kinds.contains_key(id));
        if let Some(id) = unknown {
            let path = path.to_owned();
            self.kinds.insert(id, Kind::Asked { path });
        }
        let entry = self.entries.get_mut(path)?;
        if entry.held.len() >= HELD {
            entry.held.pop_front();
        }
        entry.held.push_back(record);
        self.release(path, outbox);
        unknown
    }

    /// Tells the readings that wait for nothing more.
    fn release(&mut self, path: &str, outbox: &mut Outbox) {
        let Some(entry) = self.entries.get_mut(path) else {
            return;
        };
        while let Some(record) = entry.held.front() {
            let mut reading = record.reading.clone();
            if let Some(job) = &mut reading.job {
                let kind = match self.kinds.get(&job.id) {
                    Some(Kind::Asked { .. }) => return,
                    Some(Kind::Known(kind)) => *kind,
                    Some(Kind::Gone) => match inferred(job.id, entry) {
                        Some(kind) => kind,
                        None => return,
                    },
                    None => JobKind::Other,
                };
                self.kinds.insert(job.id, Kind::Known(kind));
                job.kind = kind;
            }
            let Some(mut record) = entry.held.pop_front() else {
                return;
            };
            record.reading = reading;
            let job = record.reading.job.map(|job| job.id);
            for (unit, job) in entry.names.iter().zip(std::iter::repeat(job)) {
                if let Some((job, pull)) = job.and_then(|job| Some((job, self.kin.pull(unit, job)?))) {
                    outbox.other(Observation::JobPulled { unit: unit.clone(), job, pull });
                }
            }
            if entry.told.as_ref().map(|told| &told.reading) != Some(&record.reading) {
                for unit in &entry.names {
                    outbox.reading(unit.clone(), record.reading.clone());
                }
            }
            // Also when nothing is new to others: when a start was tried is.
            entry.told = Some(record);
        }
    }

    /// Knows a unit by an object.
    fn place(&mut self, unit: &UnitName, path: &str) {
        self.paths.insert(unit.clone(), path.to_owned());
        let entry = self.entries.entry(path.to_owned()).or_default();
        entry.names.insert(unit.clone());
        // Whoever joins must be told even if nothing changes.
        entry.told = None;
    }

    /// Forgets by which object a unit is known.
    fn leave(&mut self, unit: &UnitName) {
        let Some(path) = self.paths.get(unit) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(path) {
            entry.names.remove(unit);
            if entry.names.is_empty() {
                self.entries.remove(path);
            }
        }
    }
}

/// The kind of a job that was over too soon, by the unit before and after it; `None` until it is known what came after.
fn inferred(id: u32, entry: &Entry) -> Option<JobKind> {
    let is_of = |record: &&Record| record.reading.job.is_some_and(|job| job.id == id);
    let after = entry.held.iter().find(|record| !is_of(record))?;
    let Some(before) = &entry.told else {
        return Some(JobKind::Other);
    };
    let refused = after.reading.result == UnitResult::StartLimitHit && after.reading != before.reading;
    // Its own restart, given up: a start limit leaves no other trace since systemd 254. A stop would leave it inactive.
    let given_up = before.reading.is_passing() && after.reading.active == ActiveState::Failed;
    let tried = after.tried_us != before.tried_us || refused || given_up;
    Some(match (tried, is_up(before), is_up(after)) {
        (true, true, _) => JobKind::Restart,
        (true, false, _) => JobKind::Start,
        (false, _, false) => JobKind::Stop,
        // A reload, or the start of what was started already.
        (false, _, true) => JobKind::Other,
    })
}

/// The manager knows of no try to start it: it loaded it anew since, or nobody has tried.
fn is_untried(record: &Record) -> bool {
    let reading = &record.reading;
    let idle = reading.active == ActiveState::Inactive && reading.job.is_none();
    idle && record.tried_us == 0 && reading.invocation.is_empty()
}

fn is_up(record: &Record) -> bool {
    !matches!(record.reading.active, ActiveState::Inactive | ActiveState::Failed)
}

#[cfg(test)]
mod tests {
    use zbus::{ObjectPath, Variant};

    use super::*;
    use crate::model::unit::UnitReading;

    const PATH: &str = "/org/freedesktop/systemd1/unit/x_2eservice";

    /// A unit that is followed, and what is told of it.
    struct Bench {
        watched: Watched,
        outbox: Outbox,
    }

    impl Bench {
        fn new(units: &[&str]) -> Self {
            let mut watched = Watched::default();
            let units: BTreeSet<UnitName> = units.iter().map(|unit| (*unit).into()).collect();
            assert_eq!(watched.set(&units).len(), units.len());
            Self { watched, outbox: Outbox::default() }
        }

        fn signal(&mut self, state: &'static str, job: u32, tried: u64) -> Noticed {
            let (active, sub) = state.split_once('/').unwrap_or((state, ""));
            let values: Values<'_> = HashMap::from([
                ("ActiveState", Variant::from(active)),
                ("SubState", Variant::from(sub)),
                ("Job", Variant::from((job, ObjectPath::from_static_str_unchecked("/")))),
                ("ConditionTimestampMonotonic", Variant::from(tried)),
            ]);
            self.watched.changed(PATH, bus::UNIT, &values, &mut self.outbox)
        }

        fn told(&mut self) -> Vec<(String, ActiveState, Option<JobKind>)> {
            std::iter::from_fn(|| self.outbox.pop())
                .filter_map(|observation| match observation {
                    Observation::UnitChanged { unit, reading } => {
                        Some((unit.0, reading.active, reading.job.map(|job| job.kind)))
                    }
                    _ => None,
                })
                .collect()
        }

        /// The kinds of job that were told, for a job that was over before it could be asked for.
        fn inferred(mut self, states: &[(&'static str, u32, u64)]) -> Vec<JobKind> {
            let mut asked = Vec::new();
            for (active, job, tried) in states {
                asked.extend(self.signal(active, *job, *tried).job);
            }
            for id in asked {
                self.watched.kind(id, None, &mut self.outbox);
            }
            let told = self.told();
            assert_eq!(told.len(), states.len(), "every state is told");
            told.into_iter().filter_map(|(_, _, kind)| kind).collect()
        }
    }

    #[test]
    fn readings_wait_for_the_kind_of_their_job() {
        let mut bench = Bench::new(&["x.service"]);
        bench.signal("active", 0, 5);
        assert_eq!(bench.signal("active", 7, 5).job, Some(7));
        assert_eq!(bench.signal("deactivating", 7, 5).job, None);
        assert_eq!(bench.told().len(), 1);
        bench.watched.kind(7, Some(JobKind::Stop), &mut bench.outbox);
        let stop = Some(JobKind::Stop);
        assert_eq!(
            bench.told(),
            [
                ("x.service".to_owned(), ActiveState::Active, stop),
                ("x.service".to_owned(), ActiveState::Deactivating, stop),
            ]
        );
        bench.signal("inactive", 7, 5);
        assert_eq!(bench.told(), [("x.service".to_owned(), ActiveState::Inactive, stop)]);
    }

    #[test]
    fn what_was_skipped_is_known_although_the_unit_was_loaded_anew() {
        // Skipped while nothing needed it, unloaded, enabled, and loaded with the reload of that.
        let mut bench = Bench::new(&["x.service"]);
        let values: Values<'_> = HashMap::from([
            ("ActiveState", Variant::from("inactive")),
            ("ConditionResult", Variant::from(false)),
            ("ConditionTimestampMonotonic", Variant::from(5_u64)),
        ]);
        bench.watched.changed(PATH, bus::UNIT, &values, &mut bench.outbox);
        bench.watched.survey_begins();
        let anew = Record::unloaded(LoadState::Loaded);
        bench.watched.read(&"x.service".into(), PATH, anew, false, &mut bench.outbox);
        let last = std::iter::from_fn(|| bench.outbox.pop()).filter_map(|observation| match observation {
            Observation::UnitChanged { reading, .. } => Some(reading.tried),
            _ => None,
        });
        assert_eq!(last.last(), Some(crate::model::will::Tried::ConditionUnmet));
    }

    #[test]
    fn what_became_of_the_unit_tells_the_kind_of_a_job_that_is_gone() {
        let bench = || Bench::new(&["x.service"]);
        let stop = [("active", 0, 5), ("inactive", 7, 5), ("inactive", 0, 5)];
        assert_eq!(bench().inferred(&stop), [JobKind::Stop]);
        let restart = [("active", 0, 5), ("inactive", 7, 5), ("active", 0, 6)];
        assert_eq!(bench().inferred(&restart), [JobKind::Restart]);
        let start = [("failed", 0, 5), ("activating", 7, 6), ("active", 0, 6)];
        assert_eq!(bench().inferred(&start), [JobKind::Start]);
        let limit = [
            ("activating/auto-restart", 0, 5),
            ("activating/auto-restart-queued", 7, 5),
            ("failed/failed", 7, 5),
            ("failed/failed", 0, 5),
        ];
        assert_eq!(bench().inferred(&limit), [JobKind::Restart; 2], "the start limit was reached");
        let stopped = [("activating/auto-restart", 0, 5), ("inactive/dead", 7, 5), ("inactive/dead", 0, 5)];
        assert_eq!(bench().inferred(&stopped), [JobKind::Stop]);
        let reload = [("active", 0, 5), ("reloading", 7, 5), ("active", 0, 5)];
        assert_eq!(bench().inferred(&reload), [JobKind::Other]);
    }

    #[test]
    fn a_restart_that_is_called_a_start_half_way_is_a_restart() {
        let mut bench = Bench::new(&["x.service"]);
        bench.signal("active", 0, 5);
        bench.signal("active", 7, 5);
        bench.watched.kind(7, Some(JobKind::Start), &mut bench.outbox);
        assert_eq!(bench.told().last().and_then(|last| last.2), Some(JobKind::Restart));
    }

    #[test]
    fn an_alias_is_told_what_it_stands_for() {
        let mut bench = Bench::new(&["x.service", "alias.service"]);
        let alias = UnitName::from("alias.service");
        let read = Record::unloaded(LoadState::Loaded);
        let (moved, _) = bench.watched.read(&alias, PATH, read.clone(), false, &mut bench.outbox);
        assert!(moved, "its own object was not listened to for nothing");
        let (moved, _) = bench.watched.read(&alias, PATH, read, false, &mut bench.outbox);
        assert!(!moved);
        bench.told();
        bench.signal("active", 0, 5);
        let names: Vec<String> = bench.told().into_iter().map(|told| told.0).collect();
        assert_eq!(names, ["alias.service", "x.service"]);
        bench.watched.set(&BTreeSet::from(["x.service".into()]));
        bench.signal("failed", 0, 5);
        assert_eq!(bench.told().len(), 1);
    }

    #[test]
    fn a_signal_is_newer_than_what_a_survey_read_meanwhile() {
        let mut bench = Bench::new(&["x.service"]);
        let unit = UnitName::from("x.service");
        bench.watched.survey_begins();
        bench.signal("failed", 0, 5);
        let mut read = Record::unloaded(LoadState::Masked);
        read.reading.active = ActiveState::Active;
        bench.watched.read(&unit, PATH, read.clone(), false, &mut bench.outbox);
        let told: Vec<UnitReading> = std::iter::from_fn(|| bench.outbox.pop())
            .filter_map(|observation| match observation {
                Observation::UnitChanged { reading, .. } => Some(reading),
                _ => None,
            })
            .collect();
        let last = told.last().expect("a reading");
        assert_eq!(last.active, ActiveState::Failed);
        assert_eq!(last.load, LoadState::Masked, "no signal tells the load state");
        bench.watched.survey_begins();
        bench.watched.read(&unit, PATH, read, false, &mut bench.outbox);
        assert_eq!(bench.told().last().map(|last| last.1), Some(ActiveState::Active));
    }

    #[test]
    fn unloading_does_not_undo_how_a_unit_ended() {
        let mut bench = Bench::new(&["x.service"]);
        let unit = UnitName::from("x.service");
        bench.signal("inactive", 0, 5);
        bench.told();
        bench.watched.not_loaded(&unit, None, &mut bench.outbox);
        bench.watched.survey_begins();
        let blank = Record::unloaded(LoadState::Loaded);
        bench.watched.read(&unit, PATH, blank, true, &mut bench.outbox);
        assert_eq!(bench.told(), []);
        bench.signal("active", 0, 6);
        bench.told();
        bench.watched.not_loaded(&unit, None, &mut bench.outbox);
        assert_eq!(bench.told(), [("x.service".to_owned(), ActiveState::Inactive, None)]);
    }
}
