//! Unit files and their links on disk, watched: a link made or removed by hand raises no signal.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::files::Watch;
use crate::model::observation::Observation;
use crate::model::unit::UnitName;

use super::bus::Instance;
use super::unit_paths::{Lasting, unit_dirs};

/// Many links are made and removed together.
const DEBOUNCE: Duration = Duration::from_millis(100);
/// Directories that are watched; of more, the slow readings tell.
const DIRECTORIES: usize = 4096;
/// Users who linger have a file here.
const LINGER: &str = "/var/lib/systemd/linger";
/// Endings of directories that hold links or drop-ins of the unit they are named for.
const ATTACHED: [&str; 4] = [".wants", ".requires", ".upholds", ".d"];

/// Tells which units' files, links or drop-ins changed, whoever changed them. An empty list: any may have. Ends with
/// its receiver. Where inotify cannot be had it warns and ends; the slow readings remain.
pub async fn watch_unit_files(instance: Instance, out: mpsc::Sender<Observation>) {
    let (mut watch, mut changes) = match Watch::new(DEBOUNCE) {
        Ok(watching) => watching,
        Err(why) => {
            tracing::warn!("{why}; links made or removed by hand are noticed late");
            return;
        }
    };
    loop {
        for (folder, why) in watch.set(&watched(instance)) {
            tracing::warn!("cannot watch {}: {why}", folder.display());
        }
        let Some(changed) = changes.next().await else {
            return;
        };
        let lingering = changed.paths.iter().any(|path| path.starts_with(LINGER));
        let named: BTreeSet<UnitName> = changed.paths.iter().flat_map(|path| units_of(path)).collect();
        if named.is_empty() && !changed.everything && !lingering {
            continue;
        }
        let units = if changed.everything { Vec::new() } else { named.into_iter().collect() };
        if out.send(Observation::UnitFilesChanged { units }).await.is_err() {
            return;
        }
    }
}

/// The directories of unit files, what is attached to units in them, and who lingers. Transient units come and go all the
/// time (ours among them), and generators write at each reload, which signals tell.
fn watched(instance: Instance) -> BTreeSet<PathBuf> {
    let mut watched = BTreeSet::from([PathBuf::from(LINGER)]);
    for dir in unit_dirs(instance) {
        if dir.lasting == Lasting::Generated || dir.path.ends_with("transient") {
            continue;
        }
        let inside = fs::read_dir(&dir.path).into_iter().flatten().flatten().map(|entry| entry.path());
        watched.extend(inside.filter(|path| attached_to(path).is_some() && path.is_dir()));
        watched.insert(dir.path);
    }
    watched.into_iter().take(DIRECTORIES).collect()
}

/// `multi-user.target` for `…/multi-user.target.wants`.
fn attached_to(folder: &Path) -> Option<&str> {
    let name = folder.file_name()?.to_str()?;
    ATTACHED.iter().find_map(|ending| name.strip_suffix(ending))
}

/// The units whose files these are: the link's or file's own name, and of a drop-in directory the unit that it is for.
fn units_of(path: &Path) -> Vec<UnitName> {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    if name.starts_with('.') || name.ends_with('~') {
        return Vec::new();
    }
    if let Some(unit) = attached_to(path) {
        return vec![UnitName::from(unit)];
    }
    let drop_in = path.parent().filter(|parent| parent.extension().is_some_and(|kind| kind == "d"));
    match drop_in.and_then(attached_to) {
        Some(unit) => vec![UnitName::from(unit)],
        None if name.contains('.') => vec![UnitName::from(name)],
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_its_unit() {
        let of = |path: &str| {
            units_of(Path::new(path)).iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
        };
        assert_eq!(of("/etc/systemd/system/a.service"), "a.service");
        assert_eq!(of("/etc/systemd/system/multi-user.target.wants/a.service"), "a.service");
        assert_eq!(of("/etc/systemd/system/a.service.d/10.conf"), "a.service");
        assert_eq!(of("/etc/systemd/system/a.service.d"), "a.service");
        assert_eq!(of("/etc/systemd/system/.#a.serviceXYZ"), "");
        assert_eq!(of("/etc/systemd/system/x.target.wants"), "x.target");
    }
}
