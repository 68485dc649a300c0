//! "This path changed", debounced, for config, release and unit files. A change is a hint to read again.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

/// Events that may wait between two reads; beyond, a change of everything is told.
const QUEUE: usize = 1024;
/// Paths named in one change; beyond, a change of everything is told.
const PATHS_PER_CHANGE: usize = 1024;
/// A stream of changes is told after this many debounce times at the latest.
const LONGEST_DEBOUNCE: u32 = 5;

/// Watches directories, each for itself (not what is below), and single files.
#[derive(Debug)]
pub struct Watch {
    watcher: RecommendedWatcher,
    /// Wanted directory → the one that is really watched (itself, or its nearest existing ancestor) and its identity.
    watched: BTreeMap<PathBuf, (PathBuf, (u64, u64))>,
}

/// The receiving end of a `Watch`.
#[derive(Debug)]
pub struct Changes {
    events: mpsc::Receiver<Vec<PathBuf>>,
    overflow: Arc<AtomicBool>,
    debounce: Duration,
    /// What is gathered now, and when it is told at the latest.
    gathered: Option<(Changed, Instant)>,
}

/// What changed since the last time.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Paths directly below the watched directories, or the directories themselves.
    pub paths: BTreeSet<PathBuf>,
    /// Events were lost: anything may have changed.
    pub everything: bool,
}

/// inotify could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot watch files: {0}")]
pub struct WatchError(#[from] notify::Error);

impl Watch {
    /// Starts watching nothing. Changes are told once none followed for `debounce`.
    ///
    /// # Errors
    /// When the kernel gives no inotify instance.
    pub fn new(debounce: Duration) -> Result<(Self, Changes), WatchError> {
        let (send, events) = mpsc::channel(QUEUE);
        let overflow = Arc::new(AtomicBool::new(false));
        let lost = Arc::clone(&overflow);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let told = match event {
                Ok(event) if event.need_rescan() => None,
                Ok(event) if matters(event.kind) => Some(event.paths),
                Ok(_) => return,
                Err(_) => None,
            };
            if told.is_none() {
                lost.store(true, Ordering::Release);
            }
            // A full queue wakes its reader anyway; only the loss must be remembered.
            if send.try_send(told.unwrap_or_default()).is_err() {
                lost.store(true, Ordering::Release);
            }
        })?;
        let watch = Self { watcher, watched: BTreeMap::new() };
        Ok((watch, Changes { events, overflow, debounce, gathered: None }))
    }

    /// Watches exactly these directories from now on. Call it again after each change: a directory that is missing is
    /// stood for by its nearest existing ancestor until it appears, one that was replaced is watched anew.
    ///
    /// Returns the directories that cannot be watched, each with the reason.
    pub fn set(&mut self, wanted: &BTreeSet<PathBuf>) -> Vec<(PathBuf, String)> {
        let plan: BTreeMap<PathBuf, (PathBuf, (u64, u64))> =
            wanted.iter().filter_map(|dir| existing(dir).map(|found| (dir.clone(), found))).collect();
        let before: BTreeSet<(PathBuf, (u64, u64))> = self.watched.values().cloned().collect();
        let after: BTreeSet<(PathBuf, (u64, u64))> = plan.values().cloned().collect();
        for (path, _) in before.difference(&after) {
            // Already gone with its directory: then there is nothing to take back.
            drop(self.watcher.unwatch(path));
        }
        let mut failed: BTreeMap<PathBuf, String> = BTreeMap::new();
        for (path, _) in after.difference(&before) {
            if let Err(error) = self.watcher.watch(path, RecursiveMode::NonRecursive) {
                failed.insert(path.clone(), error.to_string());
            }
        }
        self.watched = plan
            .iter()
            .filter(|(_, (path, _))| !failed.contains_key(path))
            .map(|(dir, found)| (dir.clone(), found.clone()))
            .collect();
        plan.into_iter()
            .filter_map(|(dir, (path, _))| failed.get(&path).map(|why| (dir, why.clone())))
            .collect()
    }
}

impl Changes {
    /// The next change, once it has settled; `None` when the `Watch` is gone. May be dropped while it waits: what was gathered
    /// until then is told the next time.
    pub async fn next(&mut self) -> Option<Changed> {
        if self.gathered.is_none() {
            let first = self.events.recv().await?;
            let latest = Instant::now() + self.debounce * LONGEST_DEBOUNCE;
            let changed = Changed { paths: first.into_iter().collect(), everything: false };
            self.gathered = Some((changed, latest));
        }
        while let Some((changed, latest)) = &mut self.gathered {
            let quiet = (Instant::now() + self.debounce).min(*latest);
            match timeout_at(quiet, self.events.recv()).await {
                Ok(Some(paths)) if changed.paths.len() < PATHS_PER_CHANGE => changed.paths.extend(paths),
                Ok(Some(_)) => changed.everything = true,
                Ok(None) | Err(_) => break,
            }
            if Instant::now() >= *latest {
                break;
            }
        }
        let (mut changed, _) = self.gathered.take()?;
        changed.everything |= self.overflow.swap(false, Ordering::AcqRel);
        Some(changed)
    }
}

/// Reading a file is not a change of it.
fn matters(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

/// The directory (or file) itself or its nearest existing ancestor, with its identity.
fn existing(dir: &Path) -> Option<(PathBuf, (u64, u64))> {
    dir.ancestors().find_map(|path| {
        let seen = std::fs::metadata(path).ok()?;
        let wanted = seen.is_dir() || (path == dir && seen.is_file());
        // The number of what was deleted is soon given to something else: its birth tells them apart.
        let born = seen.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let born = born.map_or(0, |born| u64::from(born.subsec_nanos()) ^ born.as_secs().rotate_left(32));
        wanted.then(|| (path.to_owned(), (seen.dev(), seen.ino() ^ born)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test]
    async fn tells_of_a_renamed_link_and_of_a_directory_that_appears_later() {
        let root = tempfile::tempdir().expect("a scratch directory");
        let later = root.path().join("later");
        let (mut watch, mut changes) = Watch::new(Duration::from_millis(10)).expect("inotify");
        let wanted = BTreeSet::from([root.path().to_owned(), later.clone()]);
        assert_eq!(watch.set(&wanted), []);

        let link = root.path().join("current");
        std::os::unix::fs::symlink("releases/1", root.path().join("tmp")).expect("a link");
        std::fs::rename(root.path().join("tmp"), &link).expect("a flip");
        let changed = tokio::time::timeout(LIMIT, changes.next()).await.expect("in time");
        assert!(changed.expect("a change").paths.contains(&link));

        std::fs::create_dir(&later).expect("a directory");
        let changed = tokio::time::timeout(LIMIT, changes.next()).await.expect("in time");
        assert!(changed.expect("a change").paths.contains(&later));
        assert_eq!(watch.set(&wanted), []);
        std::fs::write(later.join("x.toml"), "").expect("a file");
        let changed = tokio::time::timeout(LIMIT, changes.next()).await.expect("in time");
        assert!(changed.expect("a change").paths.contains(&later.join("x.toml")));
    }

    #[tokio::test]
    async fn who_gives_up_waiting_loses_nothing() {
        let root = tempfile::tempdir().expect("a scratch directory");
        let (mut watch, mut changes) = Watch::new(Duration::from_secs(1)).expect("inotify");
        assert_eq!(watch.set(&BTreeSet::from([root.path().to_owned()])), []);
        let file = root.path().join("current");
        std::fs::write(&file, "").expect("a file");
        // It has begun to gather, and is dropped before it tells.
        let waits = async {
            while changes.gathered.is_none() && timeout_at(soon(), changes.next()).await.is_err() {}
        };
        tokio::time::timeout(LIMIT, waits).await.expect("in time");
        let changed = tokio::time::timeout(LIMIT, changes.next()).await.expect("in time");
        assert!(changed.expect("a change").paths.contains(&file));
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[tokio::test]
    async fn a_replaced_directory_is_watched_anew() {
        let root = tempfile::tempdir().expect("a scratch directory");
        let dir = root.path().join("units.d");
        std::fs::create_dir(&dir).expect("a directory");
        let (mut watch, mut changes) = Watch::new(Duration::from_millis(10)).expect("inotify");
        let wanted = BTreeSet::from([root.path().to_owned(), dir.clone()]);
        watch.set(&wanted);
        std::fs::rename(&dir, root.path().join("old")).expect("a rename");
        std::fs::create_dir(&dir).expect("a directory");
        tokio::time::timeout(LIMIT, changes.next()).await.expect("in time");
        assert_eq!(watch.set(&wanted), []);
        std::fs::write(dir.join("x.toml"), "").expect("a file");
        let changed = tokio::time::timeout(LIMIT, changes.next()).await.expect("in time");
        assert!(changed.expect("a change").paths.contains(&dir.join("x.toml")));
    }
}
