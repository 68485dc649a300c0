//! Reads many units at once over the connection for calls: the manager's state, the list, readings, then settings.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zbus::{Connection, ObjectPath, OwnedObjectPath};

use super::bus::{self, Instance, UNIT, words};
use super::fragment::{self, Mounts};
use super::patterns::Patterns;
use super::proxies::{Listed, ManagerProxy};
use super::reading::{self, Record};
use super::settings::{self, Loaded};
use super::values;
use crate::model::moment::Moment;
use crate::model::unit::{JobKind, LoadState, ManagerState, UnitName, UnitSettings};

/// Units loaded at once: PID 1 reads their files meanwhile.
const LOADS: usize = 8;
/// Units read at once, some 18 questions each; the bus allows 128 answers to be outstanding.
const READINGS: usize = 4;
/// Units whose settings are read at once, some 19 questions each.
const SETTINGS: usize = 4;
/// Units whose files are looked at in one go.
const FILES: usize = 64;
/// The disk has this long; without an answer, what it would have told stays unknown.
const FILES_LIMIT: Duration = Duration::from_secs(5);

/// How far to go for a unit. The greater includes the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    /// Read it if it is loaded. Loading it because it was just loaded or unloaded would never end.
    IfLoaded,
    /// Load it to be read.
    Load,
}

/// What to read.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) instance: Instance,
    /// Each with the object by which it is known so far.
    pub(super) asks: Vec<(UnitName, String, Ask)>,
    pub(super) patterns: Patterns,
    /// Stands for both clocks where only the wall clock is known.
    pub(super) began: Moment,
}

/// What was read, in this order.
#[derive(Debug)]
pub(super) enum Told {
    Manager(ManagerState),
    /// Queued jobs, and the loaded units that each pattern matches.
    Listed {
        jobs: Vec<(u32, JobKind)>,
        matched: BTreeMap<String, Vec<UnitName>>,
    },
    /// A unit that was to be read only if it is loaded, and is not.
    Unloaded(UnitName),
    /// A unit that cannot be loaded.
    Unusable(UnitName, LoadState),
    /// A unit's state, and its object: that of the unit it is an alias of.
    Read {
        unit: UnitName,
        path: OwnedObjectPath,
        record: Box<Record>,
        /// It was loaded only to be read.
        unloaded: bool,
    },
    Configured(UnitName, Box<UnitSettings>),
}

/// A unit that can be read at its object.
#[derive(Clone, Debug)]
struct Found {
    unit: UnitName,
    path: OwnedObjectPath,
    /// It was loaded only to be read.
    unloaded: bool,
    /// We keep it loaded meanwhile.
    pinned: bool,
}

impl Survey {
    /// Reads all that was asked for and tells it to `tell`.
    ///
    /// A unit that cannot be read is told as such; an error is returned only when the manager cannot be spoken to.
    pub(super) async fn carry_out(self, calls: Connection, tell: mpsc::Sender<Told>) -> zbus::Result<()> {
        let manager = ManagerProxy::new(&calls).await?;
        say(&tell, Told::Manager(manager_state(&calls).await?)).await;
        let listed = manager.list_units().await?;
        say(&tell, list(&listed, &self.patterns)).await;
        let loaded: HashSet<&str> = listed.iter().map(|unit| unit.6.as_str()).collect();

        let mut found = Vec::new();
        let mut finds = stream::iter(self.asks.clone())
            .map(|(unit, known, ask)| find(&manager, &loaded, unit, known, ask))
            .buffered(LOADS);
        while let Some(outcome) = finds.next().await {
            match outcome? {
                Ok(unit) => found.push(unit),
                Err(told) => say(&tell, told).await,
            }
        }
        let mut records = stream::iter(found.clone()).map(|unit| record(&calls, unit)).buffered(READINGS);
        while let Some(told) = records.next().await {
            say(&tell, told?).await;
        }
        self.configure(&calls, &found, &tell).await?;
        for unit in found.iter().filter(|unit| unit.pinned) {
            // It ends with the connection at the latest.
            let _ = manager.unref_unit(unit.unit.as_str()).await;
        }
        Ok(())
    }

    /// Reads the settings of what was found.
    async fn configure(
        &self,
        calls: &Connection,
        found: &[Found],
        tell: &mpsc::Sender<Told>,
    ) -> zbus::Result<()> {
        for some in found.chunks(FILES) {
            let mut batch: Vec<(UnitName, Loaded)> = Vec::with_capacity(some.len());
            let mut reads = stream::iter(some.to_vec())
                .map(|found| async move {
                    let read = settings::read(calls, &found.unit, &found.path).await;
                    (found.unit, read)
                })
                .buffered(SETTINGS);
            while let Some((unit, read)) = reads.next().await {
                match read {
                    Ok(loaded) => batch.push((unit, loaded)),
                    Err(error) if is_lost(&error) => return Err(error),
                    // It was unloaded meanwhile; its reading says so.
                    Err(_) => {}
                }
            }
            for (unit, settings) in self.look_at_files(batch).await {
                say(tell, Told::Configured(unit, Box::new(settings))).await;
            }
        }
        Ok(())
    }

    /// Adds what the disk tells, on a thread of its own: a hung file system must not hang us.
    async fn look_at_files(&self, batch: Vec<(UnitName, Loaded)>) -> Vec<(UnitName, UnitSettings)> {
        let (instance, began) = (self.instance, self.began);
        let untold: Vec<(UnitName, UnitSettings)> =
            batch.iter().map(|(unit, loaded)| (unit.clone(), loaded.settings.clone())).collect();
        let looking = spawn_blocking(move || {
            let mounts = Mounts::read();
            batch
                .into_iter()
                .map(|(unit, mut loaded)| {
                    fragment::complete(&mut loaded, instance, &mounts, began);
                    (unit, loaded.settings)
                })
                .collect()
        });
        match timeout(FILES_LIMIT, looking).await {
            Ok(Ok(told)) => told,
            Ok(Err(_)) | Err(_) => untold,
        }
    }
}

/// Nobody listens any more only when the survey itself is about to be aborted.
async fn say(tell: &mpsc::Sender<Told>, told: Told) {
    drop(tell.send(told).await);
}

/// The connection or the manager is gone or silent; anything else concerns one unit.
fn is_lost(error: &zbus::Error) -> bool {
    match error {
        zbus::Error::InputOutput(_) => true,
        zbus::Error::FDO(error) => matches!(
            **error,
            zbus::fdo::Error::NoReply(_)
                | zbus::fdo::Error::ServiceUnknown(_)
                | zbus::fdo::Error::NameHasNoOwner(_)
                | zbus::fdo::Error::Disconnected(_)
                | zbus::fdo::Error::Timeout(_)
                | zbus::fdo::Error::TimedOut(_)
        ),
        _ => false,
    }
}

/// The object of a unit: one that is loaded, or by loading it. The inner error is all that can be told of it.
async fn find(
    manager: &ManagerProxy<'_>,
    loaded: &HashSet<&str>,
    unit: UnitName,
    known: String,
    ask: Ask,
) -> zbus::Result<Result<Found, Told>> {
    let found = |unit, path, unloaded, pinned| Found { unit, path, unloaded, pinned };
    let own = bus::unit_path(unit.as_str());
    if loaded.contains(own.as_str()) {
        return Ok(Ok(found(unit, own, false, false)));
    }
    if ask < Ask::Load {
        // An alias is not in the list. What it stands for may be.
        return Ok(match OwnedObjectPath::try_from(known) {
            Ok(path) if loaded.contains(path.as_str()) => Ok(found(unit, path, false, false)),
            _ => Err(Told::Unloaded(unit)),
        });
    }
    // Each question to a unit that nothing needs would load it again, so it is kept loaded where we may.
    let pinned = match manager.ref_unit(unit.as_str()).await {
        Ok(()) => true,
        Err(error) if is_lost(&error) => return Err(error),
        Err(error) => match unusable(&error) {
            Some(load) => return Ok(Err(Told::Unusable(unit, load))),
            None => false,
        },
    };
    match manager.load_unit(unit.as_str()).await {
        Ok(path) => {
            let unloaded = !loaded.contains(path.as_str());
            Ok(Ok(found(unit, path, unloaded, pinned)))
        }
        Err(error) if is_lost(&error) => Err(error),
        Err(error) => {
            let load = unusable(&error).unwrap_or_else(|| LoadState::Bad(words(&error)));
            Ok(Err(Told::Unusable(unit, load)))
        }
    }
}

/// The load state that an error of loading stands for.
fn unusable(error: &zbus::Error) -> Option<LoadState> {
    let zbus::Error::MethodError(name, _, _) = error else {
        return None;
    };
    match name.strip_prefix("org.freedesktop.systemd1.")? {
        "NoSuchUnit" => Some(LoadState::NotFound),
        "UnitMasked" => Some(LoadState::Masked),
        "BadUnitSetting" => Some(LoadState::Bad("bad-setting".to_owned())),
        "LoadFailed" => Some(LoadState::Bad("error".to_owned())),
        _ => None,
    }
}

/// Reads the state of a unit.
async fn record(calls: &Connection, found: Found) -> zbus::Result<Told> {
    match read(calls, &found).await {
        Ok((path, record)) => {
            Ok(Told::Read { unit: found.unit, path, record: Box::new(record), unloaded: found.unloaded })
        }
        Err(error) if is_lost(&error) => Err(error),
        Err(error) => {
            Ok(Told::Unusable(found.unit, LoadState::Bad(format!("cannot be read: {}", words(&error)))))
        }
    }
}

async fn read(calls: &Connection, found: &Found) -> zbus::Result<(OwnedObjectPath, Record)> {
    let told = bus::properties(calls, &found.path, UNIT, &reading::UNIT_PROPERTIES).await?;
    let mut record = Record::unloaded(LoadState::Loaded);
    record.take_unit(&told);
    if let Some((interface, names)) = reading::kind_properties(found.unit.kind()) {
        let told = bus::properties(calls, &found.path, interface, names).await?;
        record.take_kind(&told);
    }
    let id = values::text(&told, "Id").unwrap_or(found.unit.as_str());
    Ok((bus::unit_path(id), record))
}

/// `SystemState=` as a state.
pub(super) async fn manager_state(calls: &Connection) -> zbus::Result<ManagerState> {
    let path = ObjectPath::from_static_str_unchecked("/org/freedesktop/systemd1");
    let word: String = bus::property(calls, &path, bus::MANAGER, "SystemState").await?;
    Ok(match word.as_str() {
        "initializing" | "starting" => ManagerState::Starting,
        "stopping" => ManagerState::Stopping,
        "maintenance" => ManagerState::Maintenance,
        _ => ManagerState::Running,
    })
}

fn list(listed: &[Listed], patterns: &Patterns) -> Told {
    let jobs =
        listed.iter().filter(|unit| unit.7 != 0).map(|unit| (unit.7, reading::job_kind(&unit.8))).collect();
    let names = listed.iter().filter(|unit| unit.2 != "not-found").map(|unit| unit.0.as_str());
    Told::Listed { jobs, matched: patterns.sort_out(names) }
}
