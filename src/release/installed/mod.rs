//! Code that is installed in place: found from the paths of a unit and the command lines of its processes, and read.

mod file;
mod git;
mod images;
mod npm;
mod print;
#[cfg(test)]
mod tests;
mod venv;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use crate::clock;
use crate::model::installed::{Content, Installed, Kind, State};
use crate::model::moment::Moment;
use crate::model::release::{FileId, Search};

use super::identity;
use super::location;
use super::process::{self, COMMAND_LINE, Listed};
use super::trail;

/// Processes of one unit whose command lines are looked at.
const PROCESSES: usize = 64;
/// Words of a command line that are looked at.
const WORDS: usize = 128;
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
    let own = Seeker { pid: None, kinds: &search.kinds };
    for path in search.paths() {
        own.path(&root.join(path.trim_start_matches('/')), &mut places);
    }
    for known in listed.iter().take(PROCESSES) {
        of_process(known.pid, &root, Seeker { pid: Some(known.pid), ..own }, &mut places);
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
        self.known.is_some_and(|known| known.print != content.print) && (0..QUIET_MS).contains(&quiet)
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
}

impl Seeker<'_> {
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
    }
}

/// A process, as far as it tells of code.
struct Told {
    exe: PathBuf,
    cwd: Option<PathBuf>,
    words: Vec<String>,
}

impl Told {
    /// `None` where its paths are none of this root: those of a container are no paths of this host.
    fn of(pid: u32, root: &Path) -> Option<Self> {
        let process = process::open(pid).ok()?;
        let process = process.as_fd();
        let id = |handle: rustix::io::Result<std::os::fd::OwnedFd>| {
            handle.and_then(|held| identity::of_fd(&held)).map(|seen| seen.id).ok()
        };
        let own = id(identity::handle(process, Path::new("root")))?;
        (Some(own) == id(identity::handle(rustix::fs::CWD, root))).then_some(())?;
        let inside = |path: PathBuf| root.join(path.strip_prefix("/").unwrap_or(&path));
        let cwd = location::text(process, Path::new("cwd")).ok();
        let line = process::content(process, "cmdline", COMMAND_LINE).unwrap_or_default();
        let words = line.split(|byte| *byte == 0).filter_map(|word| std::str::from_utf8(word).ok());
        Some(Self {
            exe: inside(location::bare(&location::text(process, Path::new("exe")).unwrap_or_default())),
            cwd: cwd.filter(|cwd| !location::looks_gone(cwd)).map(inside),
            words: words.take(WORDS).map(str::to_owned).collect(),
        })
    }

    /// The paths in one word: `/a`, `--x=/a`, `/a.jar:/b.jar`, and what is relative to its directory.
    fn paths<'a>(&'a self, word: &'a str, root: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
        let parts = word.split(['=', ':']).filter(|part| !part.is_empty() && !part.starts_with('-'));
        parts.filter_map(move |part| {
            let named = Path::new(part);
            if named.is_absolute() {
                return Some(root.join(named.strip_prefix("/").unwrap_or(named)));
            }
            let code = part.contains('/') || file::is_archive(named) || file::is_script(named);
            self.cwd.as_ref().filter(|_| code).map(|cwd| cwd.join(named))
        })
    }
}

/// What the command line, the executable and the directory of a process lead to.
fn of_process(pid: u32, root: &Path, seeker: Seeker<'_>, places: &mut Places) {
    let Some(told) = Told::of(pid, root) else {
        return;
    };
    let npm = npm::is_run_by(told.exe.file_name().unwrap_or_default());
    let interpreter = file::is_interpreter(&told.exe);
    let own = |path: &Path| !in_packages(path) && !trail::is_system(path) && path.is_file();
    // The first word that is no option is the script of an interpreter.
    let mut script = interpreter;
    for (number, word) in told.words.iter().enumerate() {
        let option = word.starts_with('-') || number == 0;
        for path in told.paths(word, root) {
            seeker.path(&path, places);
            let is_script = script && !option && file::is_script(&path) && own(&path);
            seeker.found(places, Kind::File, is_script.then(|| path.clone()));
            seeker.found(
                places,
                Kind::Npm,
                Some(&path).filter(|_| npm && !option).and_then(|path| npm::around(path)),
            );
        }
        script &= option;
    }
    let cwd = told.cwd.as_deref();
    seeker.found(places, Kind::Npm, cwd.filter(|_| npm).and_then(npm::around));
    seeker.found(places, Kind::Git, cwd.and_then(|cwd| git::around(cwd, false)));
    let exe = Some(told.exe).filter(|exe| !interpreter && own(exe));
    seeker.found(places, Kind::File, exe);
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
