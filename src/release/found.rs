//! A release link that a unit does not name: one beside the directory in which its process lives.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::model::release::HOLDERS;

use super::location;
use super::process::{self, COMMAND_LINE};
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
/// Paths that lead over a release link of this process: a link beside the release in which it lives, whether it leads to it
/// or to another one beside it, and words of its command line that are relative to its directory.
///
/// Asks file systems, which may hang: not for the loop's thread.
pub(super) fn of_process(pid: u32) -> Vec<String> {
    let Some((directory, words)) = at_work(pid).filter(|(directory, _)| !trail::is_system(directory)) else {
        return Vec::new();
    };
    let named = words.iter().map(|word| directory.join(word)).filter(|path| path.exists());
    let found: BTreeSet<PathBuf> = named.chain(beside(&directory)).collect();
    found.into_iter().map(|path| path.to_string_lossy().into_owned()).collect()
}

/// The directory of a process, and the words of its command line that look like paths in it.
fn at_work(pid: u32) -> Option<(PathBuf, Vec<String>)> {
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
