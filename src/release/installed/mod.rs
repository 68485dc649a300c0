//! Code that is installed in place: found from the paths of a unit and the command lines of its processes, and read.

mod file;
mod git;
mod images;
mod jars;
mod npm;
mod print;
#[cfg(test)]
mod tests;
mod told;
mod venv;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

use crate::clock;
use crate::model::installed::{Content, Installed, Kind, State};
use crate::model::moment::Moment;
use crate::model::release::{FileId, Search};

use super::process::Listed;
use super::trail;
use told::Told;

/// Processes of one unit whose command lines are looked at.
const PROCESSES: usize = 64;
/// What began so much later than the first process of a unit did not begin with it. Milliseconds.
const EARLY_MS: i64 = 2 * 60 * 1000;
/// Places of one unit that are told.
const PLACES: usize = 256;
/// What an installer left half done longer ago than this, it does not go on with. Milliseconds.
const AT_WORK_MS: i64 = 10 * 60 * 1000;
/// After a change this long without another one, the update is over. Milliseconds.
const QUIET_MS: i64 = 700;

/// What a look at one place knows beforehand.
struct Look<'a> {
    now: Moment,
    known: Option<&'a Content>,
    users: &'a BTreeSet<u32>,
}

/// Where code may be, and who leads there.
type Places = BTreeMap<(Kind, PathBuf), (bool, BTreeSet<u32>)>;

/// Everything that is installed in place and that the unit runs.
///
/// Asks file systems, which may hang: not for the loop's thread.
pub(super) fn read(search: &Search, listed: &[Listed]) -> Vec<Installed> {
    let mut places = Places::new();
    if !search.kinds.iter().any(|kind| matches!(kind, Kind::Venv | Kind::Npm | Kind::File | Kind::Git)) {
        return Vec::new();
    }
    let root = root_of(search);
    let named = search.paths().map(|path| root.join(path.trim_start_matches('/'))).collect();
    let own = Seeker { pid: None, kinds: &search.kinds, named: &named, early: false };
    for path in &named {
        own.path(path, &mut places);
    }
    let began = listed.iter().map(|known| known.started_ms).min().unwrap_or(0);
    for known in listed.iter().take(PROCESSES) {
        let early = known.started_ms <= began.saturating_add(EARLY_MS);
        of_process(known.pid, &root, Seeker { pid: Some(known.pid), early, ..own }, &mut places);
    }
    // What is gone is found nowhere any more; whoever led there still does.
    for before in &search.installed {
        let key = (before.kind, PathBuf::from(&before.place));
        let users: BTreeSet<u32> =
            before.users.iter().copied().filter(|pid| listed.iter().any(|known| known.pid == *pid)).collect();
        if !places.contains_key(&key)
            && search.kinds.contains(&before.kind)
            && (before.of_unit || !users.is_empty())
        {
            places.insert(key, (before.of_unit, users));
        }
    }
    places.into_iter().take(PLACES).filter_map(|(at, who)| installed(at, who, search)).collect()
}

/// What was found before, as it is now; nothing is looked for anew.
pub(super) fn read_again(search: &Search) -> Vec<Installed> {
    let again = |before: &Installed| {
        let at = (before.kind, PathBuf::from(&before.place));
        installed(at, (before.of_unit, before.users.clone()), search)
    };
    search.installed.iter().filter_map(again).collect()
}

/// A stamp of the lists of images, where one of these is a container.
pub(super) fn images_of(search: &Search) -> Option<u64> {
    search.installed.iter().any(|known| known.kind == Kind::Container).then(images::stamp)
}

/// Where a change shows that something was installed: files and directories.
pub(super) fn watched(search: &Search) -> BTreeSet<PathBuf> {
    let of = |known: &Installed| {
        let place = Path::new(&known.place);
        match known.kind {
            Kind::Venv => venv::watched(place),
            Kind::Npm => npm::watched(place),
            Kind::File if jars::is_place(place) => jars::watched(place),
            Kind::File => file::watched(place),
            Kind::Git => git::watched(place),
            Kind::Container => images::lists(),
            Kind::Link | Kind::Directory | Kind::Package => Vec::new(),
        }
    };
    search.installed.iter().flat_map(of).collect()
}

fn installed(at: (Kind, PathBuf), who: (bool, BTreeSet<u32>), search: &Search) -> Option<Installed> {
    let ((kind, path), (of_unit, users)) = (at, who);
    let place = path.to_string_lossy().into_owned();
    let before = search.installed.iter().find(|known| known.kind == kind && known.place == place);
    let known = before.and_then(|known| known.content.as_ref());
    let look = Look { now: clock::now(), known, users: &users };
    let found = match kind {
        Kind::Venv => venv::read(&path, &look),
        Kind::Npm => npm::read(&path, &look),
        Kind::File if jars::is_place(&path) => jars::read(&path, &look),
        Kind::File => file::read(&path, &look),
        Kind::Git => git::read(&path, &look),
        Kind::Link | Kind::Directory | Kind::Container | Kind::Package => None,
    }?;
    let kept = || known.cloned();
    let (state, content) = match found {
        Found::Whole(content) if look.is_moving(&content) => {
            (State::Unsettled(format!("{} was changed a moment ago", content.newest)), kept())
        }
        Found::Whole(content) => (State::Whole, Some(content)),
        Found::Unsettled(why) => (State::Unsettled(why), kept()),
        Found::Gone(since) => (State::Gone(since), kept()),
    };
    Some(Installed { kind, place, of_unit, users, state, content })
}

/// What one look found.
enum Found {
    Whole(Content),
    Unsettled(String),
    Gone(Moment),
}

impl Look<'_> {
    /// It differs from what is known, and was changed so little ago that more may follow.
    fn is_moving(&self, content: &Content) -> bool {
        let quiet = self.now.boot_ms.saturating_sub(content.changed_at.boot_ms);
        self.known.is_some_and(|known| !content.is(known.print)) && (0..QUIET_MS).contains(&quiet)
    }
}

/// The print of some bytes, as those of files are made.
#[must_use]
pub fn print_of(bytes: &[u8]) -> FileId {
    print::of(bytes)
}

fn root_of(search: &Search) -> PathBuf {
    if search.root.is_empty() { PathBuf::from("/") } else { PathBuf::from(&search.root) }
}

/// Who looks for a place: the unit itself, or one of its processes.
#[derive(Clone, Copy)]
struct Seeker<'a> {
    pid: Option<u32>,
    kinds: &'a BTreeSet<Kind>,
    /// The unit's own paths.
    named: &'a BTreeSet<PathBuf>,
    /// The process began with its service.
    early: bool,
}

impl Seeker<'_> {
    /// The script that an interpreter was started with. `first`: no option stands before it.
    fn script(self, path: &Path, first: bool, places: &mut Places) {
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if !is_own(path) || !is_own(&real) || venv::is_program_of(path) {
            return;
        }
        // A job that a service runs now and then (a build, a backup) is not the service.
        let of_service = (self.early && !path.starts_with("/etc")) || self.named.contains(path);
        let is_code = file::is_script(path) || (of_service && (first || file::says_its_interpreter(path)));
        self.found(places, Kind::File, is_code.then(|| path.to_owned()));
    }

    /// Archives that no word names: a manifest does, or a class loader.
    fn open_archives(self, pid: u32, places: &mut Places) {
        let named = |places: &Places, directory: &Path| {
            let inside = |place: &Path| {
                place.parent() == Some(directory) && (file::is_archive(place) || jars::is_class_path(place))
            };
            places.keys().any(|(kind, place)| *kind == Kind::File && inside(place))
        };
        for directory in jars::open_in(pid) {
            let code = !in_packages(&directory) && !trail::is_system(&directory);
            if code && directory.is_dir() && !named(places, &directory) {
                self.found(places, Kind::File, Some(directory));
            }
        }
    }

    fn found(self, places: &mut Places, kind: Kind, place: Option<PathBuf>) {
        if let Some(place) = place.filter(|place| self.kinds.contains(&kind) && place.to_str().is_some()) {
            let known = places.entry((kind, place)).or_default();
            known.0 |= self.pid.is_none();
            known.1.extend(self.pid);
        }
    }

    /// What a path leads to.
    fn path(self, path: &Path, places: &mut Places) {
        self.found(places, Kind::Venv, venv::around(path));
        if !trail::is_system(path) && path.is_file() {
            self.found(places, Kind::Git, git::around(path, true));
            let archive = file::is_archive(path) && !in_packages(path);
            self.found(places, Kind::File, archive.then(|| path.to_owned()));
        }
        if !trail::is_system(path) && jars::is_class_path(path) {
            self.found(places, Kind::File, Some(path.to_owned()));
        }
    }
}

/// What the command line, the executable, the search path and the directory of a process lead to.
fn of_process(pid: u32, root: &Path, seeker: Seeker<'_>, places: &mut Places) {
    let Some(told) = Told::of(pid, root) else {
        return;
    };
    let npm = npm::is_run_by(told.exe.file_name().unwrap_or_default());
    let interpreter = file::is_interpreter(&told.exe);
    if told.is_shell() {
        // What its lines name is code of what it begins. Before that it may install it.
        if let Some((script, first)) = told.script(root) {
            seeker.script(&script, first, places);
        }
        return;
    }
    for (number, word) in told.words.iter().enumerate() {
        let option = word.starts_with('-') || number == 0;
        for path in told.paths(word, root) {
            seeker.path(&path, places);
            let packages = (npm && !option).then(|| npm::around(&path)).flatten();
            seeker.found(places, Kind::Npm, packages);
        }
    }
    seeker.found(places, Kind::Venv, told.called().and_then(|python| venv::around(&python)));
    if let Some((script, first)) = told.script(root).filter(|_| interpreter) {
        seeker.found(places, Kind::Git, git::around(&script, true));
        seeker.script(&script, first, places);
    }
    let cwd = told.cwd.as_deref();
    seeker.found(places, Kind::Npm, cwd.filter(|_| npm).and_then(npm::around));
    seeker.found(places, Kind::Git, cwd.and_then(|cwd| git::around(cwd, false)));
    if file::is_java(&told.exe) && seeker.kinds.contains(&Kind::File) {
        seeker.open_archives(pid, places);
    }
    let exe = Some(told.exe).filter(|exe| !interpreter && is_own(exe));
    seeker.found(places, Kind::File, exe);
}

/// A regular file that neither the system nor a package manager of a language put there.
fn is_own(path: &Path) -> bool {
    !in_packages(path) && !trail::is_system(path) && path.is_file()
}

/// What package managers of a language put there is told by them.
fn in_packages(path: &Path) -> bool {
    path.components()
        .any(|part| [OsStr::new("site-packages"), OsStr::new("node_modules")].contains(&part.as_os_str()))
}

/// It was changed so little ago that an installer may still be at work on it.
fn is_recent(seen: &Metadata, now: Moment) -> bool {
    print::changed(seen, now).wall_ms.saturating_add(AT_WORK_MS) > now.wall_ms
}

/// Nothing is there any more, since the directory changed that held it. What cannot be told is `None`.
fn gone(place: &Path, look: &Look<'_>) -> Option<Found> {
    let why = std::fs::metadata(place).err()?;
    (why.kind() == std::io::ErrorKind::NotFound).then_some(())?;
    let holder = place.ancestors().skip(1).find_map(|above| std::fs::metadata(above).ok());
    Some(Found::Gone(holder.map_or(look.now, |seen| print::written(&seen, look.now))))
}
