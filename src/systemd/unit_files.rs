//! Notices links and unit files that are made, changed or removed by whatever hand: no signal of systemd's tells of that.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use super::bus::Instance;
use super::unit_paths::{Lasting, unit_dirs};
use crate::files::{Changed, Watch};
use crate::model::finding::Code;
use crate::model::observation::Observation;
use crate::model::unit::{KINDS, UnitName};

/// Changes are told once none followed for this long.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// Directories that are watched; those beyond are read again at the slow steady period only.
const DIRS: usize = 16 * 1024;
/// Units named in one hint; beyond, anything may have changed.
const UNITS: usize = 1024;
/// Start links of init scripts, by runlevel: by these boot starts what a generator made of a script.
const RUNLEVELS: [&str; 4] = ["/etc/rc2.d", "/etc/rc3.d", "/etc/rc4.d", "/etc/rc5.d"];
/// Users whose manager runs from boot on, a file each.
const LINGER: &str = "/var/lib/systemd/linger";

/// Watches the unit files of a manager and tells which units' files, links or drop-ins changed, whoever changed them, until
/// nobody listens any more. An empty list: any may have. Where inotify cannot be had it warns and ends; the slow readings remain.
pub async fn watch_unit_files(instance: Instance, out: mpsc::Sender<Observation>) {
    let (watch, mut changes) = match Watch::new(DEBOUNCE) {
        Ok(watching) => watching,
        Err(why) => {
            // A loop that has ended wants to know nothing.
            drop(out.send(unwatched(Some(why.to_string()))).await);
            return;
        }
    };
    let mut watched = Watched::of(watched_dirs(instance), instance == Instance::User);
    if instance == Instance::System {
        watched.runlevels = RUNLEVELS.iter().map(PathBuf::from).filter(|dir| dir.is_dir()).collect();
    }
    let mut looking = Looking { watch, watched, plan: BTreeSet::new() };
    let mut lost = None;
    let mut changed = None;
    loop {
        // A file system that hangs holds up this task alone.
        let looked = tokio::task::spawn_blocking(move || {
            let (failed, units) = looking.look(changed.as_ref());
            (looking, failed, units)
        });
        let Ok((back, failed, units)) = looked.await else {
            return;
        };
        looking = back;
        if tell_failures(&failed, &mut lost, &out).await.is_err() {
            return;
        }
        if let Some(units) = units {
            let units = units.into_iter().collect();
            if out.send(Observation::UnitFilesChanged { units }).await.is_err() {
                return;
            }
        }
        changed = changes.next().await;
        if changed.is_none() {
            return;
        }
    }
}

/// The watch, what is to be watched, and what was.
#[derive(Debug)]
struct Looking {
    watch: Watch,
    watched: Watched,
    plan: BTreeSet<PathBuf>,
}

impl Looking {
    /// Watches what there is now. Returns what cannot be watched, and the units that the change concerns.
    fn look(&mut self, changed: Option<&Changed>) -> (Vec<(PathBuf, String)>, Option<BTreeSet<UnitName>>) {
        let before = std::mem::replace(&mut self.plan, self.watched.plan());
        let failed = self.watch.set(&self.plan);
        // A link may have been made in a new directory before it was watched.
        let new: Vec<PathBuf> = self.plan.difference(&before).cloned().collect();
        (failed, changed.and_then(|changed| self.watched.concerned(changed, &new)))
    }
}

/// Generators write at each reload, which tells of itself, and transient units come and go with our own commands.
fn watched_dirs(instance: Instance) -> Vec<PathBuf> {
    let dirs = unit_dirs(instance).into_iter();
    let dirs = dirs.filter(|dir| dir.lasting != Lasting::Generated && !dir.path.ends_with("transient"));
    dirs.map(|dir| dir.path).collect()
}

/// Tells once what cannot be watched, and when it can be again.
async fn tell_failures(
    failed: &[(PathBuf, String)],
    lost: &mut Option<String>,
    out: &mpsc::Sender<Observation>,
) -> Result<(), mpsc::error::SendError<Observation>> {
    let now = failed
        .first()
        .map(|(path, why)| format!("cannot watch {} directories: {}: {why}", failed.len(), path.display()));
    if now == *lost {
        return Ok(());
    }
    lost.clone_from(&now);
    out.send(unwatched(now)).await
}

fn unwatched(why: Option<String>) -> Observation {
    let part = "unit files and links of systemd";
    let why =
        why.map(|why| format!("{why}; {part} that are changed by hand are noticed by the slow reading only"));
    Observation::Impaired { code: Code::HostFilesUnwatched, part, why }
}

/// What is watched, and what a change of it means.
#[derive(Debug)]
struct Watched {
    /// Directories of unit files.
    dirs: Vec<PathBuf>,
    /// Directories of start links of init scripts.
    runlevels: Vec<PathBuf>,
    /// Directory of lingering users, where that matters.
    linger: Option<PathBuf>,
    /// Too many directories was told.
    told: bool,
}

impl Watched {
    fn of(dirs: Vec<PathBuf>, user_instance: bool) -> Self {
        Self { dirs, runlevels: Vec::new(), linger: user_instance.then(|| LINGER.into()), told: false }
    }

    /// Every directory to watch as things stand: of unit files, and those of links and drop-ins in them.
    fn plan(&mut self) -> BTreeSet<PathBuf> {
        let mut plan: BTreeSet<PathBuf> =
            self.dirs.iter().chain(&self.linger).chain(&self.runlevels).cloned().collect();
        for dir in &self.dirs {
            let found = names(dir)
                .into_iter()
                .map(|name| dir.join(name))
                .filter(|path| owner(path.file_name().unwrap_or_default()).is_some() && path.is_dir());
            plan.extend(found.take((DIRS + 1).saturating_sub(plan.len())));
        }
        if plan.len() > DIRS && !self.told {
            self.told = true;
            tracing::warn!("cannot watch more than {DIRS} directories of unit files");
        }
        plan.into_iter().take(DIRS).collect()
    }

    /// The units that a change concerns, none for all; `None` when it concerns no unit file. `new`: directories that are
    /// watched since this change.
    fn concerned(&self, changed: &Changed, new: &[PathBuf]) -> Option<BTreeSet<UnitName>> {
        let mut units = BTreeSet::new();
        let inside = new.iter().flat_map(|dir| names(dir).into_iter().map(|name| dir.join(name)));
        let mut concerns = false;
        for path in changed.paths.iter().cloned().chain(inside) {
            match self.meaning(&path) {
                Meaning::Nothing => {}
                Meaning::Anything => return Some(BTreeSet::new()),
                Meaning::Units(named) => {
                    concerns = true;
                    units.extend(named);
                }
            }
        }
        if changed.everything || units.len() > UNITS {
            return Some(BTreeSet::new());
        }
        concerns.then_some(units)
    }

    fn meaning(&self, path: &Path) -> Meaning {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return Meaning::Nothing;
        };
        if self.linger.as_deref() == Some(parent) {
            return Meaning::Anything;
        }
        if self.runlevels.iter().any(|dir| dir == parent) {
            return of_script(name).map_or(Meaning::Nothing, |unit| Meaning::Units(vec![unit]));
        }
        if self.dirs.iter().any(|dir| dir == parent) {
            return in_unit_dir(path, name);
        }
        let in_unit_dir = parent.parent().is_some_and(|dir| self.dirs.iter().any(|known| known == dir));
        if let Some(owner) = parent.file_name().and_then(owner).filter(|_| in_unit_dir) {
            return in_owned_dir(&owner, name);
        }
        // One of ours, or what stands for one that is missing.
        let above = self.dirs.iter().chain(&self.linger).any(|dir| dir.starts_with(path));
        if above { Meaning::Anything } else { Meaning::Nothing }
    }
}

/// What a changed path means.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    Nothing,
    /// It cannot be told for which units.
    Anything,
    Units(Vec<UnitName>),
}

/// The unit that is made of an init script, by a start or stop link of it: `S01tftpd-hpa`.
fn of_script(link: &OsStr) -> Option<UnitName> {
    let rest = link.to_str()?.strip_prefix(['S', 'K'])?;
    let script = rest.strip_prefix(|first: char| first.is_ascii_digit())?;
    let script = script.strip_prefix(|second: char| second.is_ascii_digit())?;
    unit(OsStr::new(&format!("{script}.service")))
}

/// A unit file or a link, or a directory of links or drop-ins.
fn in_unit_dir(path: &Path, name: &OsStr) -> Meaning {
    if let Some(owner) = owner(name) {
        // What was in a directory that is gone cannot be told.
        let known = path.is_dir() && owner.unit.is_some();
        return if known { Meaning::Units(owner.unit.into_iter().collect()) } else { Meaning::Anything };
    }
    let Some(unit) = unit(name) else {
        return Meaning::Nothing;
    };
    match std::fs::read_link(path) {
        // An alias makes its unit enabled, too.
        Ok(target) => {
            let real = target.file_name().and_then(self::unit);
            Meaning::Units(std::iter::once(unit).chain(real).collect())
        }
        Err(_) if path.exists() => Meaning::Units(vec![unit]),
        // Gone: it may have been an alias of any unit.
        Err(_) => Meaning::Anything,
    }
}

/// A link in `X.wants/` concerns the unit of its name, a drop-in in `X.d/` concerns X.
fn in_owned_dir(owner: &Owner, name: &OsStr) -> Meaning {
    if hidden(name) {
        return Meaning::Nothing;
    }
    if owner.drop_ins {
        let drop_in = Path::new(name).extension().is_some_and(|kind| kind == "conf");
        return match (&owner.unit, drop_in) {
            (_, false) => Meaning::Nothing,
            (Some(owner), true) => Meaning::Units(vec![owner.clone()]),
            (None, true) => Meaning::Anything,
        };
    }
    unit(name).map_or(Meaning::Nothing, |unit| Meaning::Units(vec![unit]))
}

/// A directory that belongs to a unit.
#[derive(Debug)]
struct Owner {
    /// `None`: to all units of a kind (`service.d`), or of a prefix (`web-.service.d`).
    unit: Option<UnitName>,
    drop_ins: bool,
}

/// Whose links or drop-ins a directory of this name in a directory of unit files holds.
fn owner(name: &OsStr) -> Option<Owner> {
    let (owner, what) = name.to_str()?.rsplit_once('.')?;
    let drop_ins = what == "d";
    if !drop_ins && !matches!(what, "wants" | "requires" | "upholds") {
        return None;
    }
    let all = KINDS.contains(&owner) || owner.rsplit_once('.').is_some_and(|(stem, _)| stem.ends_with('-'));
    let unit = unit(OsStr::new(owner)).filter(|_| !all);
    (unit.is_some() || all).then_some(Owner { unit, drop_ins })
}

/// A unit's name; not an editor's or a package manager's temporary file.
fn unit(name: &OsStr) -> Option<UnitName> {
    let text = name.to_str().filter(|_| !hidden(name))?;
    let (_, kind) = text.rsplit_once('.')?;
    KINDS.contains(&kind).then(|| text.into())
}

fn hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Names in a directory, none when it is not there.
fn names(dir: &Path) -> Vec<std::ffi::OsString> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries.flatten().map(|entry| entry.file_name()).collect()
}

#[cfg(test)]
mod tests;
