//! Reads many units at once over the connection for calls: the manager's state, the list, readings, then settings.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zbus::{Connection, ObjectPath, OwnedObjectPath};

use super::bus::{self, Instance, UNIT, words};
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
/// The disk has this long; without an answer, what it would have told stays unknown.
const FILES_LIMIT: Duration = Duration::from_secs(5);

/// How far to go for a unit. The greater includes the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    /// Read it if it is loaded. Loading it because it was just loaded or unloaded would never end.
    IfLoaded,
    /// Ask whether anything differs from what is known, and read it only then.
    Audit,
    /// Read it, whatever is known; load it for that.
    Load,
}

/// What is known of a unit already.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    /// The object by which it is known.
    pub(super) path: String,
    /// `None` when it was never read.
    pub(super) load: Option<LoadState>,
    /// `StateChangeTimestampMonotonic=`.
    pub(super) changed_us: u64,
    pub(super) need_daemon_reload: Option<bool>,
    /// systemd 252 tells of it in no signal.
    pub(super) frozen: bool,
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
    /// A unit that is as it is known to be.
    Unchanged,
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
}

/// Settings as far as they are known without the disk, which looks at the drop-ins too.
#[derive(Clone, Debug)]
struct Untold {
    unit: UnitName,
    settings: UnitSettings,
    drop_ins: Vec<String>,
    /// `BusName=`; empty where it has none.
    bus_name: String,
}

/// What a visit to a unit found out.
type Visit = zbus::Result<(Told, Option<Untold>)>;

impl Survey {
    /// Reads all that was asked for and tells it to `tell`.
    ///
    /// A unit that cannot be read is told as such; an error is returned only when the manager cannot be spoken to.
    pub(super) async fn carry_out(self, calls: Connection, tell: mpsc::Sender<Told>) -> zbus::Result<()> {
        let manager = ManagerProxy::new(&calls).await?;
        say(&tell, Told::Manager(manager_state(&calls).await?)).await;
        let listed = manager.list_units().await?;
        say(&tell, unit_list::jobs_and_matches(&listed, &self.patterns)).await;
        for waits in unit_list::waits(&calls, &listed, &self.asks).await {
            say(&tell, waits).await;
        }
        let loaded = Loaded::of(&listed);

        let asks = stream::iter(self.asks.clone())
            .map(|(unit, known, ask)| answer(&calls, &manager, &loaded, unit, known, ask));
        let mut visits = asks.buffered(UNITS).ready_chunks(FILES);
        while let Some(some) = visits.next().await {
            let mut batch = Vec::new();
            for visit in some {
                let (told, untold) = visit?;
                say(&tell, told).await;
                batch.extend(untold);
            }
            self.configured(batch, &tell).await;
        }
        Ok(())
    }

    /// Tells settings, with what the disk adds to them. It is looked at on a thread of its own: a hung file system must
    /// not hang us.
    async fn configured(&self, batch: Vec<Untold>, tell: &mpsc::Sender<Told>) {
        let (instance, began) = (self.instance, self.began);
        let mut looked = batch.clone();
        let looking = spawn_blocking(move || {
            let disk = Disk::read(instance);
            for Untold { settings, drop_ins, bus_name, .. } in &mut looked {
                fragment::complete(settings, drop_ins, &disk, began);
                disk.add_starters(settings, bus_name);
            }
            looked
        });
        let known = match timeout(FILES_LIMIT, looking).await {
            Ok(Ok(looked)) => looked,
            Ok(Err(_)) | Err(_) => batch,
        };
        for Untold { unit, settings, .. } in known {
            say(tell, Told::Configured(unit, Box::new(settings))).await;
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

/// The object of a unit that is loaded. An alias is not listed; what it is known to stand for may be.
fn among(loaded: &Loaded<'_>, unit: &UnitName, known: &str) -> Option<Found> {
    let own = bus::unit_path(unit.as_str());
    let path = if loaded.contains(own.as_str()) {
        own
    } else {
        let known = OwnedObjectPath::try_from(known).ok()?;
        loaded.contains(known.as_str()).then_some(known)?
    };
    Some(Found { unit: unit.clone(), path, unloaded: false })
}

/// Does what is asked of one unit.
async fn answer(
    calls: &Connection,
    manager: &ManagerProxy<'_>,
    loaded: &Loaded<'_>,
    unit: UnitName,
    known: Known,
    ask: Ask,
) -> Visit {
    match (among(loaded, &unit, &known.path), ask) {
        (Some(found), Ask::Audit) if is_same(calls, &found, &known).await? => Ok((Told::Unchanged, None)),
        (None, Ask::Audit) if is_still_idle(manager, &unit, &known).await? => Ok((Told::Unchanged, None)),
        (Some(found), _) => visit(calls, found, loaded).await,
        (None, Ask::Load | Ask::Audit) => load(calls, manager, loaded, unit).await,
        (None, Ask::IfLoaded) => Ok((Told::Unloaded(unit), None)),
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
    if let Some(interface) = interface(unit.kind()) {
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

/// The interface of a kind of unit; targets, devices and the like have nothing there for us.
fn interface(kind: &str) -> Option<&'static str> {
    Some(match kind {
        "service" => "org.freedesktop.systemd1.Service",
        "socket" => "org.freedesktop.systemd1.Socket",
        "timer" => "org.freedesktop.systemd1.Timer",
        "path" => "org.freedesktop.systemd1.Path",
        "mount" => "org.freedesktop.systemd1.Mount",
        "automount" => "org.freedesktop.systemd1.Automount",
        "swap" => "org.freedesktop.systemd1.Swap",
        "scope" => "org.freedesktop.systemd1.Scope",
        "slice" => "org.freedesktop.systemd1.Slice",
        _ => return None,
    })
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
