//! Tells at once when a release link leads elsewhere or a release disappears. A hint: the slow scan finds it as well.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::files::{Changed, Changes, Watch};
use crate::model::finding::Code;
use crate::model::installed::{Installed, Kind, State};
use crate::model::observation::Observation;
use crate::model::release::{FileId, Search};
use crate::model::unit::UnitName;

use super::installed;
use super::links::{read_links, watch_directories};
use super::mounts::Mounts;

/// A flip is told once nothing followed for so long, five times this at the latest.
const DEBOUNCE: Duration = Duration::from_millis(10);
/// A file system that does not answer for so long is left to the slow scan.
const PATIENCE: Duration = Duration::from_secs(1);
/// What was not settled is looked at again so much later.
const AGAIN: Duration = Duration::from_millis(750);
/// Threads that may hang in such file systems; then nothing new is followed.
const HANGING: usize = 4;
/// Releases beside each other that are known by name.
const RELEASES: usize = 1024;
/// Looks again, when something changed between looking and watching.
const ROUNDS: usize = 3;

/// Follows the links on these units' paths and says `ReleaseSwitched` when one leads elsewhere, is touched, comes or
/// goes, or when a release beside the current one disappears. Ends when nobody wishes or listens any more, or when
/// there is no inotify, which it says once.
pub async fn watch(mut wishes: watch::Receiver<BTreeMap<UnitName, Search>>, out: mpsc::Sender<Observation>) {
    let (watch, mut changes) = match Watch::new(DEBOUNCE) {
        Ok(both) => both,
        Err(error) => {
            drop(out.send(unwatched(Some(error.to_string()))).await);
            return;
        }
    };
    let mut follower = Follower::new(watch);
    let mut mounts = Mounts::new();
    let mut units = follower.wish(&wishes.borrow_and_update());
    let mut told_lost = None;
    let mut anew = 0;
    loop {
        let Some(switched) = follower.settle(units).await else {
            // The watch is lost in a file system that hangs. Another one begins with a look that finds out whose it is.
            anew += 1;
            let Some((watch, others)) = Watch::new(DEBOUNCE).ok().filter(|_| anew <= HANGING) else {
                drop(out.send(unwatched(Some("a file system does not answer".to_owned()))).await);
                return;
            };
            changes = others;
            units = follower.begin_anew(watch);
            continue;
        };
        if follower.lost != told_lost {
            told_lost.clone_from(&follower.lost);
            if out.send(unwatched(follower.lost.clone())).await.is_err() {
                return;
            }
        }
        if !switched.is_empty() {
            let units = switched.into_iter().collect();
            let told = out.send(Observation::ReleaseSwitched { units }).await;
            if told.is_err() {
                return;
            }
        }
        let unsettled = follower.unsettled();
        let woken = tokio::select! {
            woken = next(&mut wishes, &mut changes, !unsettled.is_empty()) => woken,
            () = mounts.changed() => Some(Woken::Mounted),
        };
        units = match woken {
            Some(Woken::Mounted) => follower.at_home(),
            Some(Woken::Wishes) => follower.wish(&wishes.borrow_and_update()),
            Some(Woken::Changed(changed)) => follower.touched(&changed),
            Some(Woken::Quiet) => unsettled,
            None => return,
        };
    }
}

fn unwatched(why: Option<String>) -> Observation {
    let part = "release links";
    let why = why.map(|why| format!("{why}; {part} are followed by the slow reading only"));
    Observation::Impaired { code: Code::HostFilesUnwatched, part, why }
}

enum Woken {
    Wishes,
    Changed(Changed),
    /// Something was mounted or unmounted.
    Mounted,
    /// Nothing changed for a while.
    Quiet,
}

/// `unsettled`: something is to be looked at again even when nothing changes.
async fn next(
    wishes: &mut watch::Receiver<BTreeMap<UnitName, Search>>,
    changes: &mut Changes,
    unsettled: bool,
) -> Option<Woken> {
    tokio::select! {
        wished = wishes.changed() => wished.is_ok().then_some(Woken::Wishes),
        changed = changes.next() => changed.map(Woken::Changed),
        () = tokio::time::sleep(AGAIN), if unsettled => Some(Woken::Quiet),
    }
}

/// A link as it was seen. (A `LinkReading` differs with each look: its time is told on the boot clock as well.)
#[derive(Debug, PartialEq, Eq)]
struct Link {
    name: String,
    /// Path, and identities of the directory and of the one that holds it.
    target: Option<(String, FileId, FileId)>,
    /// Unix time in milliseconds.
    switched_ms: i64,
}

/// What is installed at one place.
#[derive(Debug, PartialEq, Eq)]
enum There {
    Whole(Option<FileId>),
    /// An installer is at work, or it was changed a moment ago: it is looked at again, whether or not a change shows.
    Unsettled,
    Gone,
}

/// What was seen on the paths of one unit.
#[derive(Debug, Default, PartialEq, Eq)]
struct Picture {
    directories: BTreeSet<PathBuf>,
    links: Vec<Link>,
    /// The directories beside the current release, by the directory that holds them.
    releases: BTreeMap<PathBuf, BTreeSet<OsString>>,
    /// What is installed in place.
    installed: BTreeMap<(Kind, String), There>,
    /// Of the lists of images, where the unit runs a container.
    images: Option<u64>,
}

impl Picture {
    /// Asks file systems, which may hang.
    fn read(search: &Search) -> Self {
        let links: Vec<Link> = read_links(search)
            .into_iter()
            .map(|link| Link {
                name: link.link,
                target: link.target.map(|target| (target.path, target.id, target.parent)),
                switched_ms: link.switched_at.wall_ms,
            })
            .collect();
        let holders = links.iter().filter_map(|link| Path::new(&link.target.as_ref()?.0).parent());
        Self {
            releases: holders.map(|holder| (holder.to_owned(), directories_in(holder))).collect(),
            directories: watch_directories(search).into_iter().chain(installed::watched(search)).collect(),
            installed: installed::read_again(search).iter().map(print).collect(),
            images: installed::images_of(search),
            links,
        }
    }

    /// A link leads elsewhere than before, or a directory beside the release is gone.
    fn differs(&self, before: &Self) -> bool {
        let vanished = before
            .releases
            .iter()
            .any(|(holder, names)| self.releases.get(holder).is_some_and(|now| !names.is_subset(now)));
        vanished
            || self.links != before.links
            || self.installed != before.installed
            || self.images != before.images
    }

    /// What is installed is not what the wish knows of.
    fn has_news(&self, search: &Search) -> bool {
        let in_place = search.installed.iter().filter(|one| one.kind != Kind::Container);
        self.installed != in_place.map(print).collect()
    }
}

fn print(installed: &Installed) -> ((Kind, String), There) {
    let there = match &installed.state {
        State::Whole => There::Whole(installed.content.as_ref().map(|content| content.print)),
        State::Unsettled(_) => There::Unsettled,
        State::Gone(_) => There::Gone,
    };
    ((installed.kind, installed.place.clone()), there)
}

fn directories_in(holder: &Path) -> BTreeSet<OsString> {
    std::fs::read_dir(holder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.file_name())
        .take(RELEASES)
        .collect()
}

#[derive(Debug)]
struct Follower {
    watch: Option<Watch>,
    watched: BTreeSet<PathBuf>,
    paths: BTreeMap<UnitName, Search>,
    pictures: BTreeMap<UnitName, Picture>,
    by_directory: BTreeMap<PathBuf, BTreeSet<UnitName>>,
    /// A watched directory itself may have been replaced.
    renew: bool,
    /// Units whose file system did not answer, each with the thread that waits there.
    hung: BTreeMap<UnitName, Weak<()>>,
    /// What cannot be watched.
    lost: Option<String>,
}

impl Follower {
    fn new(watch: Watch) -> Self {
        Self {
            watch: Some(watch),
            watched: BTreeSet::new(),
            paths: BTreeMap::new(),
            pictures: BTreeMap::new(),
            by_directory: BTreeMap::new(),
            renew: false,
            hung: BTreeMap::new(),
            lost: None,
        }
    }

    /// Goes on with another watch. Returns the units to look at: all.
    fn begin_anew(&mut self, watch: Watch) -> BTreeSet<UnitName> {
        self.watch = Some(watch);
        self.watched.clear();
        self.paths.keys().cloned().collect()
    }

    /// Takes over what is wished. Returns the units that are to be looked at for it.
    fn wish(&mut self, wished: &BTreeMap<UnitName, Search>) -> BTreeSet<UnitName> {
        self.pictures.retain(|unit, _| wished.get(unit) == self.paths.get(unit));
        let new = wished.keys().filter(|unit| !self.pictures.contains_key(*unit));
        let new = new.cloned().collect();
        self.paths.clone_from(wished);
        new
    }

    /// The units that are started in a directory of their own: another one may be mounted there now.
    fn at_home(&self) -> BTreeSet<UnitName> {
        let home = |search: &Search| search.directory.is_some() || search.declared.is_some();
        let units = self.paths.iter().filter(|(_, search)| home(search));
        units.map(|(unit, _)| unit.clone()).collect()
    }

    /// Units with something that an installer may not be done with.
    fn unsettled(&self) -> BTreeSet<UnitName> {
        let at_work = |picture: &Picture| picture.installed.values().any(|there| *there == There::Unsettled);
        let units = self.pictures.iter().filter(|(_, picture)| at_work(picture));
        units.map(|(unit, _)| unit.clone()).collect()
    }

    /// The units whose directories are concerned.
    fn touched(&mut self, changed: &Changed) -> BTreeSet<UnitName> {
        if changed.everything {
            self.renew = true;
            return self.paths.keys().cloned().collect();
        }
        let mut units = BTreeSet::new();
        for path in &changed.paths {
            let holder = path.parent().and_then(|parent| self.by_directory.get(parent));
            units.extend(holder.into_iter().flatten().cloned());
            let below = self
                .by_directory
                .range(path.clone()..)
                .take_while(|(directory, _)| directory.starts_with(path));
            for (_, concerned) in below {
                self.renew = true;
                units.extend(concerned.iter().cloned());
            }
        }
        units
    }

    /// Looks at these units and watches where they need it. Returns those whose releases switched; `None` when there
    /// is nothing left to watch with.
    async fn settle(&mut self, units: BTreeSet<UnitName>) -> Option<BTreeSet<UnitName>> {
        let mut switched = BTreeSet::new();
        for _ in 0..ROUNDS {
            for (unit, picture) in self.look(&units).await {
                let news = match self.pictures.get(&unit) {
                    Some(before) => picture.differs(before),
                    None => self.paths.get(&unit).is_some_and(|search| picture.has_news(search)),
                };
                if news {
                    switched.insert(unit.clone());
                }
                self.pictures.insert(unit, picture);
            }
            if !self.rewatch().await? {
                break;
            }
            // Between looking and watching something may have changed unseen: look again.
        }
        Some(switched)
    }

    /// Watches the directories of all pictures. Returns whether others than before are watched now.
    async fn rewatch(&mut self) -> Option<bool> {
        self.by_directory.clear();
        for (unit, picture) in self.pictures.iter().filter(|(unit, _)| !self.hung.contains_key(*unit)) {
            for directory in &picture.directories {
                let concerned = self.by_directory.entry(directory.clone()).or_default();
                concerned.insert(unit.clone());
            }
        }
        let wanted: BTreeSet<PathBuf> = self.by_directory.keys().cloned().collect();
        if wanted == self.watched && !self.renew {
            return Some(false);
        }
        self.renew = false;
        self.watched.clone_from(&wanted);
        let mut watch = self.watch.take()?;
        let (done, result) = oneshot::channel();
        let started = std::thread::Builder::new().name("watch-links".to_owned()).spawn(move || {
            let failed = watch.set(&wanted);
            // Nobody waits any more: then the watch goes with this thread.
            drop(done.send((watch, failed)));
        });
        let answer = timeout(PATIENCE * 5, result).await;
        let (Ok(_), Ok(Ok((watch, failed)))) = (started, answer) else {
            return None;
        };
        self.watch = Some(watch);
        self.lost = failed.first().map(|(path, why)| {
            format!("cannot watch {} directories: {}: {why}", failed.len(), path.display())
        });
        Some(true)
    }

    /// Reads the pictures of these units on a thread; who hangs is left out until its thread ends.
    async fn look(&mut self, units: &BTreeSet<UnitName>) -> Vec<(UnitName, Picture)> {
        self.hung.retain(|_, thread| thread.strong_count() > 0);
        let mut rest: Vec<(UnitName, Search)> = self
            .paths
            .iter()
            .filter(|(unit, _)| units.contains(*unit) && !self.hung.contains_key(*unit))
            .map(|(unit, paths)| (unit.clone(), paths.clone()))
            .collect();
        let mut pictures = Vec::new();
        while !rest.is_empty() && self.hung.len() < HANGING {
            let (tell, mut hear) = mpsc::channel(16);
            let alive = Arc::new(());
            let thread = Arc::downgrade(&alive);
            let job = rest.clone();
            let started = std::thread::Builder::new().name("follow-links".to_owned()).spawn(move || {
                for (unit, paths) in job {
                    let picture = Picture::read(&paths);
                    if tell.blocking_send((unit, picture)).is_err() {
                        break;
                    }
                }
                drop(alive);
            });
            let mut heard = 0;
            while let Ok(Some(picture)) = timeout(PATIENCE, hear.recv()).await {
                pictures.push(picture);
                heard += 1;
            }
            rest.drain(..heard.min(rest.len()));
            if started.is_err() || rest.is_empty() {
                break;
            }
            let (unit, _) = rest.remove(0);
            tracing::warn!(%unit, "the links of this unit are only found by the slow scan: their file system does not answer");
            self.hung.insert(unit, thread);
        }
        pictures
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    struct Seen(mpsc::Receiver<Observation>);

    impl Seen {
        async fn next(&mut self) -> Vec<UnitName> {
            let told = timeout(LIMIT, self.0.recv()).await.expect("in time");
            match told.expect("a word") {
                Observation::ReleaseSwitched { units } => units,
                other => panic!("unexpected: {other:?}"),
            }
        }
    }

    fn flip(app: &Path, to: &str) {
        symlink(to, app.join("tmp")).expect("a link");
        std::fs::rename(app.join("tmp"), app.join("current")).expect("a flip");
    }

    /// Flips until the first word comes: the watch is then known to be set.
    async fn wait_until_watched(seen: &mut Seen, app: &Path) {
        let until = std::time::Instant::now() + LIMIT;
        for to in ["releases/2", "releases/1"].iter().cycle() {
            flip(app, to);
            if timeout(Duration::from_millis(100), seen.0.recv()).await.is_ok() {
                break;
            }
            assert!(std::time::Instant::now() < until, "no word of any flip");
        }
        while timeout(Duration::from_millis(200), seen.0.recv()).await.is_ok() {}
    }

    #[tokio::test]
    async fn every_way_to_switch_is_told_and_what_lies_beside_is_not() {
        let root = tempfile::tempdir().expect("a scratch directory");
        let app = root.path().join("srv/app");
        for release in ["releases/1", "releases/2", "releases/3"] {
            std::fs::create_dir_all(app.join(release)).expect("a release");
        }
        symlink("releases/1", app.join("current")).expect("a link");
        symlink("srv", root.path().join("www")).expect("a link");
        let unit = UnitName::from("a.service");
        let path = root.path().join("www/app/current/artisan");
        let wished = BTreeMap::from([(
            unit.clone(),
            Search { others: vec![path.to_str().expect("text").to_owned()], ..Search::default() },
        )]);
        let wanted = std::slice::from_ref(&unit);
        let (wish, wishes) = watch::channel(wished);
        let (send, receive) = mpsc::channel(16);
        let mut seen = Seen(receive);
        let task = tokio::spawn(watch(wishes, send));
        wait_until_watched(&mut seen, &app).await;

        // Other files beside the link and the releases, and a new release, are no switch.
        std::fs::write(app.join("log"), "x").expect("a file");
        std::fs::create_dir(app.join("releases/4")).expect("a release");
        assert!(timeout(Duration::from_millis(300), seen.0.recv()).await.is_err());

        flip(&app, "releases/3");
        assert_eq!(seen.next().await, wanted);
        std::fs::remove_file(app.join("current")).expect("a link");
        assert_eq!(seen.next().await, wanted);
        symlink("releases/4", app.join("current")).expect("a link");
        assert_eq!(seen.next().await, wanted);
        std::fs::remove_dir_all(app.join("releases/3")).expect("a deletion");
        assert_eq!(seen.next().await, wanted);
        // The directory of the link is itself reached by a link, which is set anew.
        std::fs::create_dir_all(root.path().join("srv2/app/releases/9")).expect("a release");
        symlink("releases/9", root.path().join("srv2/app/current")).expect("a link");
        symlink("srv2", root.path().join("tmp")).expect("a link");
        std::fs::rename(root.path().join("tmp"), root.path().join("www")).expect("a flip");
        assert_eq!(seen.next().await, wanted);
        // And from then on it is watched there.
        std::fs::create_dir(root.path().join("srv2/app/releases/10")).expect("a release");
        flip(&root.path().join("srv2/app"), "releases/10");
        assert_eq!(seen.next().await, wanted);
        drop(wish);
        timeout(LIMIT, task).await.expect("it ends").expect("well");
    }

    #[tokio::test]
    async fn what_was_not_settled_is_looked_at_again_though_nothing_changes() {
        let root = tempfile::tempdir().expect("a scratch directory");
        let package = root.path().join("lib/python3/site-packages/flask-3.dist-info");
        std::fs::create_dir_all(&package).expect("half of a package");
        std::fs::write(root.path().join("pyvenv.cfg"), "home = /usr/bin\n").expect("a file");
        let before = Installed {
            kind: Kind::Venv,
            place: root.path().to_str().expect("text").to_owned(),
            of_unit: true,
            users: BTreeSet::new(),
            state: State::Whole,
            content: Some(crate::model::installed::Content::default()),
        };
        let unit = UnitName::from("a.service");
        let search =
            Search { installed: vec![before], kinds: BTreeSet::from(Kind::ALL), ..Search::default() };
        let (wish, wishes) = watch::channel(BTreeMap::from([(unit.clone(), search)]));
        let (send, receive) = mpsc::channel(16);
        let mut seen = Seen(receive);
        let task = tokio::spawn(watch(wishes, send));
        assert_eq!(seen.next().await, std::slice::from_ref(&unit));
        // It becomes whole in a directory that nobody watches.
        std::fs::write(package.join("RECORD"), "flask/app.py,sha256=a,9\n").expect("a file");
        assert_eq!(seen.next().await, std::slice::from_ref(&unit));
        drop(wish);
        timeout(LIMIT, task).await.expect("it ends").expect("well");
    }
}
