//! Release links that a unit does not name: beside the directories in which its processes live.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::model::manager::Manager;
use crate::model::release::{HOLDERS, LinkReading, Search};

use super::links::read_links;
use super::location;
use super::process::{self, COMMAND_LINE, Listed};
use super::trail;

/// Entries of one directory that are looked at.
const ENTRIES: usize = 1000;
/// Directories above a process's own that may be a release.
const ABOVE: usize = 6;
/// `/` and a directory right below it: no release.
const TOP: usize = 2;
/// Words of a command line that are looked at.
const WORDS: usize = 64;
/// Names of links that lead to the release in force.
const IN_FORCE: [&str; 8] =
    ["current", "live", "active", "latest", "stable", "release", "production", "prod"];
/// Directories of processes of one unit from which links are looked for.
const PLACES: usize = 64;
/// Programs that do nothing but begin another one, where they have one child.
const WRAPPERS: [&str; 14] = [
    "sh",
    "bash",
    "dash",
    "busybox",
    "su",
    "sudo",
    "runuser",
    "setpriv",
    "tini",
    "dumb-init",
    "catatonit",
    "timeout",
    "flock",
    "chpst",
];
/// Interpreters, without their versions: two processes of one may run anything.
const INTERPRETERS: [&str; 13] = [
    "python", "node", "nodejs", "ruby", "perl", "java", "php", "sh", "bash", "dash", "busybox", "bun", "deno",
];

/// A directory, and the words of a command line that look like paths in it.
type AtWork = (PathBuf, Vec<String>);

/// The links beside which the processes of a unit live. `known`: those on its own paths. Of `usable` processes the file systems
/// answer.
///
/// The main process tells it where it lives in a release; where it lives elsewhere, what it began as its own does: its like (a
/// pool of php-fpm), and what a mere wrapper runs. Programs of a manager have releases of their own, whatever else is known.
///
/// Asks file systems, which may hang: not for the loop's thread.
pub(super) fn of_unit(
    listed: &[Listed],
    main: Option<u32>,
    known: &[LinkReading],
    usable: impl Fn(&Listed) -> bool,
) -> Vec<LinkReading> {
    let Some(main) = listed.iter().find(|process| Some(process.pid) == main).filter(|main| usable(main))
    else {
        return Vec::new();
    };
    let leads = known.iter().any(|link| !link.plain && link.target.is_some());
    let own = if leads { Vec::new() } else { read(at_work(main.pid)) };
    let manager = manager(listed, main.pid);
    if manager.is_none() && (leads || !own.is_empty()) {
        return own;
    }
    let others = match manager {
        Some(_) => listed.iter().filter(|process| process.pid != main.pid).collect(),
        None => begun_as_own(listed, main),
    };
    let places: BTreeSet<AtWork> = others
        .into_iter()
        .filter(|process| usable(process))
        .filter_map(|process| at_work(process.pid))
        .collect();
    let mut found = own;
    for link in places.into_iter().take(PLACES).flat_map(|place| read(Some(place))) {
        if !found.iter().any(|other| other.link == link.link) {
            found.push(link);
        }
    }
    found
}

/// What manages the programs of a unit.
pub(super) fn manager(listed: &[Listed], main: u32) -> Option<Manager> {
    let processes: Vec<(u32, u32, &str)> =
        listed.iter().map(|one| (one.pid, one.parent, one.name.as_str())).collect();
    let line = process::open(main).and_then(|held| process::content(held.as_fd(), "cmdline", COMMAND_LINE));
    let line = line.unwrap_or_default();
    let words = line.split(|byte| *byte == 0).take(WORDS).filter_map(|word| std::str::from_utf8(word).ok());
    Manager::among(main, &processes, words)
}

/// What a main process began and what cannot be anything else than a part of it.
fn begun_as_own<'a>(listed: &'a [Listed], main: &'a Listed) -> Vec<&'a Listed> {
    let mut own = Vec::new();
    let mut wrapper = main;
    while WRAPPERS.contains(&wrapper.name.as_str()) && own.len() < listed.len() {
        let mut children = listed.iter().filter(|process| process.parent == wrapper.pid);
        let (Some(only), None) = (children.next(), children.next()) else {
            break;
        };
        own.push(only);
        wrapper = only;
    }
    let Some(exe) = executable(main.pid).filter(|exe| !is_interpreter(exe)) else {
        return own;
    };
    let like = |process: &&Listed| {
        process.pid != main.pid && process.name == main.name && executable(process.pid).as_ref() == Some(&exe)
    };
    own.extend(listed.iter().filter(like));
    own
}

fn executable(pid: u32) -> Option<PathBuf> {
    location::text(process::open(pid).ok()?.as_fd(), Path::new("exe")).ok()
}

fn is_interpreter(exe: &Path) -> bool {
    let name = exe.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    INTERPRETERS.contains(&name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.'))
}

/// The links of what works there that lead somewhere: beside the release in which it lives, whether they lead to it or to
/// another one beside it, and words of its command line that are relative to its directory.
fn read(place: Option<AtWork>) -> Vec<LinkReading> {
    let Some((directory, words)) = place.filter(|(directory, _)| !trail::is_system(directory)) else {
        return Vec::new();
    };
    let named = words.iter().map(|word| directory.join(word)).filter(|path| path.exists());
    let found: BTreeSet<PathBuf> = named.chain(beside(&directory)).collect();
    let others = found.into_iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let links = read_links(&Search { others, ..Search::default() }).into_iter();
    links.filter(|link| link.target.is_some()).map(|link| LinkReading { found: true, ..link }).collect()
}

/// The directory of a process, and the words of its command line that look like paths in it.
fn at_work(pid: u32) -> Option<AtWork> {
    let process = process::open(pid).ok()?;
    let directory = location::text(process.as_fd(), Path::new("cwd")).ok()?;
    let directory = if location::looks_gone(&directory) { location::bare(&directory) } else { directory };
    let line = process::content(process.as_fd(), "cmdline", COMMAND_LINE).ok()?;
    let words = line.split(|byte| *byte == 0).take(WORDS).filter_map(|word| std::str::from_utf8(word).ok());
    let relative = |word: &&str| word.contains('/') && !word.starts_with(['/', '-']) && !word.contains(':');
    Some((directory, words.filter(relative).map(str::to_owned).collect()))
}

/// The link beside a release, or one level higher, that leads to it or to another one beside it.
fn beside(directory: &Path) -> Option<PathBuf> {
    for release in directory.ancestors().take(ABOVE).filter(|path| path.components().count() > TOP) {
        let holder = release.parent()?;
        for folder in [Some(holder), holder.parent()].into_iter().flatten() {
            let here = folder == holder;
            if folder == Path::new("/") || trail::is_system(folder) {
                continue;
            }
            let mut links: Vec<PathBuf> =
                links_in(folder).filter(|link| in_force(link, holder, here)).collect();
            links.sort();
            let leads = |link: &PathBuf| fs::canonicalize(link).is_ok_and(|to| to.parent() == Some(holder));
            if let Some(link) = links.into_iter().find(leads) {
                return Some(link);
            }
        }
    }
    None
}

/// By its name, or by that of the directory it leads into, a link to the release in force.
fn in_force(link: &Path, holder: &Path, here: bool) -> bool {
    let name = |path: &Path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned);
    let named = name(link).is_some_and(|name| IN_FORCE.contains(&name.as_str()));
    let held = name(holder).is_some_and(|name| HOLDERS.contains(&name.as_str()));
    named || (held && !here)
}

fn links_in(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(ENTRIES);
    entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_symlink())).map(|entry| entry.path())
}

/// A link that leads to this directory, or to one above it, and stands beside it or one level higher: `/srv/app/current`
/// for `/srv/app/releases/66/public`.
///
/// Asks file systems, which may hang: not for the loop's thread.
#[must_use]
pub fn link_to(directory: &Path) -> Option<String> {
    if !directory.is_absolute() || trail::is_system(directory) {
        return None;
    }
    let identity = |path: &Path| fs::metadata(path).ok().map(|seen| (seen.dev(), seen.ino()));
    for release in directory.ancestors().take(ABOVE).filter(|path| path.components().count() > TOP) {
        let Some(wanted) = identity(release) else {
            continue;
        };
        for folder in release.ancestors().skip(1).take(2).filter(|folder| folder.parent().is_some()) {
            let mut links: Vec<_> = links_in(folder).filter(|link| identity(link) == Some(wanted)).collect();
            links.sort();
            if let Some(link) = links.first() {
                return Some(link.to_string_lossy().into_owned());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::fs::create_dir_all;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_link_beside_a_release_is_found_from_inside_it() {
        let root = tempfile::tempdir().expect("a scratch directory");
        let app = root.path().join("srv/app");
        create_dir_all(app.join("releases/66/public")).expect("a release");
        create_dir_all(app.join("releases/65")).expect("a release");
        assert_eq!(link_to(&app.join("releases/66/public")), None);
        symlink("releases/66", app.join("current")).expect("a link");
        let current = app.join("current").to_string_lossy().into_owned();
        assert_eq!(link_to(&app.join("releases/66/public")), Some(current));
        assert_eq!(link_to(&app.join("releases/65")), None);
        assert_eq!(link_to(Path::new("/usr/lib/x")), None);
    }

    #[test]
    fn o7_a_link_to_a_sibling_is_found_where_it_is_one_to_releases() {
        let root = tempfile::tempdir().expect("a scratch directory");
        let app = root.path().join("srv/app");
        for name in ["releases/1/public", "releases/2", "data/db", "data/log", "plain/1", "plain/2"] {
            create_dir_all(app.join(name)).expect("a directory");
        }
        symlink("releases/2", app.join("current")).expect("a link");
        symlink("data/log", app.join("logs")).expect("a link");
        symlink("1", app.join("plain/live")).expect("a link");
        assert_eq!(beside(&app.join("releases/1/public")), Some(app.join("current")));
        assert_eq!(beside(&app.join("plain/2")), Some(app.join("plain/live")));
        // A link into a directory that holds anything says nothing of what lives beside its target.
        fs::remove_file(app.join("current")).expect("no link any more");
        assert_eq!(beside(&app.join("data/db")), None);
    }
}
