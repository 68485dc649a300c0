//! Whether units are as they are known to be: by the manager's list and by the disk, without a question for each of them.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::timeout;
use zbus::OwnedObjectPath;

use super::bus::{self, Instance};
use super::catalog::Catalog;
use super::reading;
use super::unit_list::Loaded;
use crate::cgroup;
use crate::model::unit::{ActiveState, Job, LoadState, UnitName};

/// The disk has this long; without an answer, what it would have told stays unknown.
pub(super) const FILES_LIMIT: Duration = Duration::from_secs(5);

/// How far to go for a unit. The greater includes the smaller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Ask {
    /// Read it if it is loaded. Loading it because it was just loaded or unloaded would never end.
    IfLoaded,
    /// Compare it with the list and with the disk; ask only about what differs.
    Compare,
    /// Ask whether anything differs from what is known, and read it only then.
    Audit,
    /// Read it, whatever is known; load it for that.
    Load,
}

impl Ask {
    /// What is as it was is not read.
    pub(super) fn compares(self) -> bool {
        matches!(self, Self::Compare | Self::Audit)
    }
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
    pub(super) active: Option<ActiveState>,
    pub(super) sub: String,
    pub(super) job: Option<Job>,
    /// Its unit file and its control group.
    pub(super) fragment: Box<str>,
    pub(super) control_group: Box<str>,
    /// Of its files, when they were last known to be what the manager has loaded, or to be newer.
    pub(super) print: Option<u64>,
}

/// How the disk shows a unit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    /// Of its files; `None` where they changed a moment ago, or where the disk does not answer.
    pub(super) print: Option<u64>,
    frozen: Option<bool>,
}

/// A unit that can be read at its object.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) unit: UnitName,
    pub(super) path: OwnedObjectPath,
    /// It was loaded only to be read.
    pub(super) unloaded: bool,
}

/// Looks at the disk for all units that are to be compared; in the order given.
pub(super) async fn look(instance: Instance, asks: &[(UnitName, Known, Ask)]) -> Vec<Seen> {
    let blind = || vec![Seen::default(); asks.len()];
    if !asks.iter().any(|(.., ask)| ask.compares()) {
        return blind();
    }
    let asks = asks.to_vec();
    let looking = spawn_blocking(move || {
        let (catalog, root, now) = (Catalog::read(instance), Path::new(cgroup::ROOT), SystemTime::now());
        let look = |(unit, known, _): &(UnitName, Known, Ask)| Seen {
            print: catalog.print(unit, &known.fragment, now),
            frozen: cgroup::directory(root, &known.control_group)
                .and_then(|group| cgroup::field(&group, "cgroup.events", "frozen"))
                .map(|frozen| frozen > 0),
        };
        asks.iter().map(look).collect()
    });
    timeout(FILES_LIMIT, looking).await.ok().and_then(Result::ok).unwrap_or_else(blind)
}

/// Whether a unit is as it was, by the list and by the disk.
pub(super) fn is_as_listed(loaded: &Loaded<'_>, unit: &UnitName, known: &Known, seen: Seen) -> bool {
    let same_files = seen.print.is_some() && seen.print == known.print;
    let down = known.active.is_some_and(ActiveState::is_down);
    let Some(listed) = among(loaded, unit, &known.path).and_then(|found| loaded.listed(found.path.as_str()))
    else {
        // It is not loaded: nothing but its files can be another.
        return same_files && down && known.load.is_some();
    };
    let job = known.job.map_or(0, |job| job.id);
    let same = known.active.is_some_and(|active| active.as_str() == listed.3) && known.sub == listed.4;
    let load = known.load.as_ref() == Some(&reading::load_state(&listed.2));
    let told = known.need_daemon_reload.is_some();
    let frozen = seen.frozen.is_none_or(|frozen| frozen == known.frozen);
    same_files && same && load && told && frozen && job == listed.7
}

/// The object of a unit that is loaded. An alias is not listed; what it is known to stand for may be.
pub(super) fn among(loaded: &Loaded<'_>, unit: &UnitName, known: &str) -> Option<Found> {
    let own = bus::unit_path(unit.as_str());
    let path = if loaded.contains(own.as_str()) {
        own
    } else {
        let known = OwnedObjectPath::try_from(known).ok()?;
        loaded.contains(known.as_str()).then_some(known)?
    };
    Some(Found { unit: unit.clone(), path, unloaded: false })
}
