//! Reads many units at once: the manager's state, the list, readings, then settings.
//!
//! The list is one call. A unit that is as the list and the disk knew it before is not asked at all, but for a few in turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zbus::{Connection, ObjectPath, OwnedObjectPath};

use super::bus::{self, Instance, UNIT, words};
use super::catalog::Catalog;
use super::compare::{self, Ask, FILES_LIMIT, Found, Known, among, is_as_listed};
use super::fragment::{self, Disk};
use super::patterns::Patterns;
use super::proxies::ManagerProxy;
use super::reading::{self, Record};
use super::settings;
use super::unit_list::{self, Loaded};
use super::values::{self, Values};
use crate::model::moment::Moment;
use crate::model::unit::{JobKind, LoadState, ManagerState, UnitName, UnitSettings};

/// Units read at once, up to 29 questions each; the bus lets 128 answers be outstanding. Those that are loaded to be
/// read are no more: PID 1 watches the bus for each, and is cut off from it when these are more than 512.
const UNITS: usize = 4;
/// Kinds of jobs asked for at once, over the same connection.
pub(super) const KINDS: usize = 8;
/// The bus refuses to carry more questions than it waits for answers; one of the manager itself comes on top.
const OUTSTANDING: usize = 128;
const _: () = assert!(
    UNITS * (reading::PROPERTIES.len() + settings::PROPERTIES.len()) + KINDS + 4 <= OUTSTANDING,
    "the bus does not let so many answers be outstanding"
);
/// Units whose files are looked at in one go.
const FILES: usize = 64;

/// What one survey has seen of the disk.
#[derive(Debug)]
struct Looked {
    /// When it began to ask.
    asked: SystemTime,
    files: Option<Arc<(Disk, Catalog)>>,
}

/// What to read.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) instance: Instance,
    pub(super) asks: Vec<(UnitName, Known, Ask)>,
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
    /// A unit whose start is queued, its job, and the units whose jobs that waits for.
    Waits {
        unit: UnitName,
        job: u32,
        on: Vec<UnitName>,
    },
    /// A unit that is as it is known to be, and the print of its files.
    Unchanged(UnitName, Option<u64>),
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
    /// A unit's settings, and the print of the files that they come from.
    Configured(UnitName, Box<UnitSettings>, Option<u64>),
}

/// Settings as far as they are known without the disk, which looks at the drop-ins too.
#[derive(Clone, Debug)]
struct Untold {
    unit: UnitName,
    settings: UnitSettings,
    drop_ins: Vec<String>,
    /// `BusName=`; empty where it has none.
    bus_name: String,
    /// Of its files, once they were looked at.
    print: Option<u64>,
}

/// What a visit to a unit found out.
type Visit = zbus::Result<(Told, Option<Untold>)>;

impl Survey {
    /// Reads all that was asked for and tells it to `tell`.
    ///
    /// A unit that cannot be read is told as such; an error is returned only when the manager cannot be spoken to.
    pub(super) async fn carry_out(self, calls: Connection, tell: mpsc::Sender<Told>) -> zbus::Result<()> {
        let asked = SystemTime::now();
        let manager = ManagerProxy::new(&calls).await?;
        say(&tell, Told::Manager(manager_state(&calls).await?)).await;
        let listed = manager.list_units().await?;
        let (jobs, matched) = unit_list::jobs_and_matches(&listed, &self.patterns);
        say(&tell, Told::Listed { jobs, matched }).await;
        let mut asked_for: BTreeMap<&str, Vec<&UnitName>> = BTreeMap::new();
        for (unit, known, _) in &self.asks {
            asked_for.entry(known.path.as_str()).or_default().push(unit);
        }
        for (unit, job, on) in unit_list::waits(&calls, &listed, &asked_for).await {
            say(&tell, Told::Waits { unit, job, on }).await;
        }
        let loaded = Loaded::of(&listed);
        let seen = compare::look(self.instance, &self.asks).await;
        let (calls, manager, loaded) = (&calls, &manager, &loaded);
        let asks =
            stream::iter(self.asks.iter().cloned().zip(seen)).map(|((unit, known, ask), seen)| async move {
                if ask == Ask::Compare && is_as_listed(loaded, &unit, &known, seen) {
                    return Ok((Told::Unchanged(unit, seen.print), None));
                }
                answer(calls, manager, loaded, (unit, known, ask), seen.print).await
            });
        let mut visits = asks.buffered(UNITS).ready_chunks(FILES);
        let mut disk = Looked { asked, files: None };
        while let Some(some) = visits.next().await {
            let mut batch = Vec::new();
            for visit in some {
                let (told, untold) = visit?;
                say(&tell, told).await;
                batch.extend(untold);
            }
            if !batch.is_empty() {
                self.configured(batch, &mut disk, &tell).await;
            }
        }
        Ok(())
    }

    /// Tells settings, with what the disk adds to them. It is looked at on a thread of its own: a hung file system must
    /// not hang us.
    async fn configured(&self, batch: Vec<Untold>, disk: &mut Looked, tell: &mpsc::Sender<Told>) {
        let (instance, began, asked, known) = (self.instance, self.began, disk.asked, disk.files.clone());
        let mut looked = batch.clone();
        let looking = spawn_blocking(move || {
            let disk = known.unwrap_or_else(|| Arc::new((Disk::read(instance), Catalog::read(instance))));
            for Untold { unit, settings, drop_ins, bus_name, print } in &mut looked {
                fragment::complete(settings, drop_ins, &disk.0, began);
                disk.0.add_starters(settings, bus_name);
                *print = disk.1.print(unit, &settings.fragment, asked);
            }
            (looked, disk)
        });
        let known = match timeout(FILES_LIMIT, looking).await {
            Ok(Ok((looked, read))) => {
                disk.files = Some(read);
                looked
            }
            Ok(Err(_)) | Err(_) => batch,
        };
        for Untold { unit, settings, print, .. } in known {
            say(tell, Told::Configured(unit, Box::new(settings), print)).await;
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

/// Does what is asked of one unit. `print`: of its files, as they were before.
async fn answer(
    calls: &Connection,
    manager: &ManagerProxy<'_>,
    loaded: &Loaded<'_>,
    (unit, known, ask): (UnitName, Known, Ask),
    print: Option<u64>,
) -> Visit {
    let same = || Ok((Told::Unchanged(unit.clone(), print), None));
    let found = match among(loaded, &unit, &known.path) {
        Some(found) if !goes_by(calls, &found).await? => None,
        found => found,
    };
    match (found, ask) {
        (Some(found), _) if ask.compares() && is_same(calls, &found, &known).await? => same(),
        (None, _) if ask.compares() && is_still_idle(manager, &unit, &known).await? => same(),
        (Some(found), _) => visit(calls, found, loaded).await,
        (None, Ask::Load | Ask::Audit | Ask::Compare) => load(calls, manager, loaded, unit).await,
        (None, Ask::IfLoaded) => Ok((Told::Unloaded(unit), None)),
    }
}

/// Whether an object still stands for the unit: the link of an alias may be gone.
async fn goes_by(calls: &Connection, found: &Found) -> zbus::Result<bool> {
    if found.path == bus::unit_path(found.unit.as_str()) {
        return Ok(true);
    }
    match bus::property::<Vec<String>>(calls, &found.path, UNIT, "Names").await {
        Ok(names) => Ok(names.iter().any(|name| name == found.unit.as_str())),
        Err(error) if is_lost(&error) => Err(error),
        Err(_) => Ok(false),
    }
}

/// Whether a loaded unit did what no signal told us of: changed its state, or its files.
async fn is_same(calls: &Connection, found: &Found, known: &Known) -> zbus::Result<bool> {
    const CHANGED: &str = "StateChangeTimestampMonotonic";
    const RELOAD: &str = "NeedDaemonReload";
    const FREEZER: &str = "FreezerState";
    match bus::properties(calls, &found.path, UNIT, &[CHANGED, RELOAD, FREEZER]).await {
        Ok(told) => Ok(known.load.is_some()
            && values::number(&told, CHANGED) == Some(known.changed_us)
            && known.need_daemon_reload == Some(values::flag(&told, RELOAD))
            && known.frozen == values::text(&told, FREEZER).is_some_and(reading::is_frozen)),
        Err(error) if is_lost(&error) => Err(error),
        Err(_) => Ok(false),
    }
}

/// Whether a unit that is not loaded can be loaded, or not, as before.
async fn is_still_idle(manager: &ManagerProxy<'_>, unit: &UnitName, known: &Known) -> zbus::Result<bool> {
    let load = match manager.ref_unit(unit.as_str()).await {
        Ok(()) => {
            manager.unref_unit(unit.as_str()).await?;
            Some(LoadState::Loaded)
        }
        Err(error) if is_lost(&error) => return Err(error),
        Err(error) => unusable(&error),
    };
    Ok(load.is_some() && load == known.load)
}

/// Loads a unit, reads it, and lets go of it again.
async fn load(calls: &Connection, manager: &ManagerProxy<'_>, loaded: &Loaded<'_>, unit: UnitName) -> Visit {
    // Each question to a unit that nothing needs would load it again, so it is kept loaded where we may.
    let pinned = match manager.ref_unit(unit.as_str()).await {
        Ok(()) => true,
        Err(error) if is_lost(&error) => return Err(error),
        Err(error) => match unusable(&error) {
            Some(load) => return Ok((Told::Unusable(unit, load), None)),
            None => false,
        },
    };
    let path = match manager.load_unit(unit.as_str()).await {
        Ok(path) => path,
        Err(error) if is_lost(&error) => return Err(error),
        Err(error) => {
            let load = unusable(&error).unwrap_or_else(|| LoadState::Bad(words(&error)));
            return Ok((Told::Unusable(unit, load), None));
        }
    };
    let unloaded = !loaded.contains(path.as_str());
    let found = Found { unit: unit.clone(), path, unloaded };
    let visited = visit(calls, found, loaded).await;
    if pinned {
        manager.unref_unit(unit.as_str()).await?;
    }
    visited
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

/// Reads a unit; what fails is told of the unit unless it is the bus that failed.
async fn visit(calls: &Connection, found: Found, loaded: &Loaded<'_>) -> Visit {
    match read(calls, &found, loaded).await {
        Ok(read) => Ok(read),
        Err(error) if is_lost(&error) => Err(error),
        Err(error) => {
            let why = format!("cannot be read: {}", words(&error));
            Ok((Told::Unusable(found.unit, LoadState::Bad(why)), None))
        }
    }
}

/// Reads state and settings together: they share most questions, and every question costs the bus more than PID 1.
async fn read(calls: &Connection, found: &Found, loaded: &Loaded<'_>) -> Visit {
    let unit = &found.unit;
    let names = [&reading::PROPERTIES[..], &settings::PROPERTIES[..]].concat();
    let mut told = bus::properties(calls, &found.path, UNIT, &names).await?;
    told.extend(bus::known_properties(calls, &found.path, UNIT, &settings::LATER).await?);
    let mut record = Record::unloaded(LoadState::Loaded);
    record.take_unit(&told);
    let mut settings = settings::of_unit(&told);
    let mut bus_name = String::new();
    if let Some(interface) = reading::interface(unit.kind()) {
        // All at once: its 250 properties cost less than the twenty that we need one by one.
        let get =
            calls.call_method(Some(bus::SYSTEMD), &found.path, Some(bus::PROPERTIES), "GetAll", &interface);
        let body = get.await?.body();
        let told: Values<'_> = body.deserialize()?;
        record.take_kind(&told);
        settings::add_kind(&mut settings, &told);
        bus_name = values::text_or_empty(&told, "BusName");
    }
    beside(calls, unit, &mut settings, loaded).await;
    let id = values::text(&told, "Id").unwrap_or(unit.as_str());
    let path = bus::unit_path(id);
    let untold = (record.reading.load != LoadState::NotFound).then(|| Untold {
        unit: unit.clone(),
        settings,
        drop_ins: values::texts(&told, "DropInPaths"),
        bus_name,
        print: None,
    });
    let told = Told::Read { unit: unit.clone(), path, record: Box::new(record), unloaded: found.unloaded };
    Ok((told, untold))
}

/// How those stand that start the unit, or that it needs; whether it is started for each connection of a socket.
async fn beside(calls: &Connection, unit: &UnitName, settings: &mut UnitSettings, loaded: &Loaded<'_>) {
    let starters = settings.triggered_by.iter().chain(&settings.will.upheld_by);
    settings.will.awake = starters.filter(|unit| loaded.is_active(unit)).cloned().collect();
    settings.will.lacks.retain(|unit| !loaded.is_active(unit));
    // Only while the connection lasts does systemd list the socket among the triggers.
    let prefix = unit.template().and_then(|template| Some(template.0.strip_suffix("@.service")?.to_owned()));
    let Some(socket) = prefix.map(|prefix| UnitName(format!("{prefix}.socket"))) else {
        return;
    };
    let path = bus::unit_path(socket.as_str());
    if loaded.contains(path.as_str()) {
        let accepts = bus::property::<bool>(calls, &path, "org.freedesktop.systemd1.Socket", "Accept").await;
        settings.will.accepted_by = accepts.unwrap_or(false).then_some(socket);
    }
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
