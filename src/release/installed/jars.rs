//! The archives in a directory: of a class path that ends in `/*`, or those that a virtual machine holds open there.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::model::installed::Content;
use crate::model::moment::Moment;
use crate::model::release::FileId;
use crate::release::location;

use super::print::{self, Print};
use super::{Found, Look, file, gone};

/// Archives in one directory that are compared.
const ARCHIVES: usize = 512;
/// Directories of open archives of one process.
const DIRECTORIES: usize = 16;
/// The word of a class path for all archives of a directory.
const ALL: &str = "*";

/// A word of a class path that means all archives of its directory.
pub(super) fn is_class_path(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == ALL)
        && path.parent().is_some_and(|directory| archives(directory).next().is_some())
}

/// A place that stands for the archives of a directory: `/srv/app/lib/*`, or `/srv/app/lib/` for those that are open.
pub(super) fn is_place(place: &Path) -> bool {
    place.as_os_str().as_encoded_bytes().ends_with(b"/") || place.file_name().is_some_and(|name| name == ALL)
}

/// The directories of the archives that a process holds open, deleted ones too.
pub(super) fn open_in(pid: u32) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for link in file::open_files(&PathBuf::from(format!("/proc/{pid}"))) {
        let path = location::bare(&fs::read_link(link).unwrap_or_default());
        let directory = path.parent().filter(|_| is_jar(&path) && path.is_absolute());
        if let Some(directory) = directory.filter(|known| !found.iter().any(|before| before == known)) {
            found.push(directory.join(""));
        }
    }
    found.truncate(DIRECTORIES);
    found
}

fn is_jar(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("jar"))
}

fn archives(directory: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| is_jar(path)).take(ARCHIVES)
}

/// The directory, and whether all archives in it are meant.
fn directory(place: &Path) -> Option<(&Path, bool)> {
    let all = place.file_name()? == ALL;
    Some(if all { (place.parent()?, true) } else { (place, false) })
}

pub(super) fn watched(place: &Path) -> Vec<PathBuf> {
    let files = directory(place).into_iter().flat_map(|(directory, _)| archives(directory));
    directory(place).map(|(directory, _)| directory.to_owned()).into_iter().chain(files).collect()
}

pub(super) fn read(place: &Path, look: &Look<'_>) -> Option<Found> {
    let (directory, all) = directory(place)?;
    let Some(own) = fs::metadata(directory).ok().filter(Metadata::is_dir) else {
        // What was merely open there may have been closed with it.
        return gone(directory, look).filter(|_| all);
    };
    let seen = |path: PathBuf| fs::metadata(&path).ok().map(|seen| (path, seen));
    let files: BTreeMap<PathBuf, Metadata> = archives(directory).filter_map(seen).collect();
    let mut stamp = Print::new();
    for (path, seen) in &files {
        stamp.add(path.as_os_str().as_encoded_bytes());
        print::stamp(&mut stamp, seen);
    }
    let stamp = stamp.done().dev;
    let known = look.known.filter(|known| known.stamp == stamp).cloned();
    let content = known.or_else(|| content(place, &files, &own, look.now))?;
    let of = |pid: &u32| {
        let other = held(directory, *pid);
        // Archives that are opened and closed while it runs: only what it holds tells.
        Some((*pid, other.or_else(|| (!all).then_some(content.print))?))
    };
    let held = look.users.iter().filter_map(of).collect();
    Some(Found::Whole(Content { stamp, held, ..content }))
}

fn content(
    place: &Path,
    files: &BTreeMap<PathBuf, Metadata>,
    own: &Metadata,
    now: Moment,
) -> Option<Content> {
    let mut print = Print::new();
    for (path, seen) in files {
        print.add(path.file_name()?.as_encoded_bytes());
        let (file, _) = print::open(path)?;
        let of_file = print::of_file(file, seen)?;
        print.number(of_file.dev);
        print.number(of_file.ino);
    }
    let newest = files.iter().max_by_key(|(_, seen)| print::changed(seen, now));
    let changed = newest.map(|(_, seen)| print::changed(seen, now));
    Some(Content {
        print: print.done(),
        newest: newest.map_or(place, |(path, _)| path.as_path()).to_string_lossy().into_owned(),
        made_at: files.values().filter_map(|seen| print::born(seen, now)).max(),
        changed_at: print::written(own, now).max(changed.unwrap_or_default()),
        ..Content::default()
    })
}

/// The print of an archive that this process still holds, where another one has its path now.
fn held(directory: &Path, pid: u32) -> Option<FileId> {
    file::open_files(&PathBuf::from(format!("/proc/{pid}"))).find_map(|link| {
        let path = location::bare(&fs::read_link(&link).ok()?);
        (path.parent() == Some(directory) && is_jar(&path)).then_some(())?;
        let (file, there) = print::open(&path)?;
        let (held, seen) = print::open(&link)?;
        if (seen.dev(), seen.ino()) == (there.dev(), there.ino()) {
            return None;
        }
        let print = print::of_file(held, &seen)?;
        (Some(print) != print::of_file(file, &there)).then_some(print)
    })
}
