//! What npm installed: the packages of an application by their lock in `node_modules`, or one package by its manifest.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::model::installed::Content;

use super::print;
use super::{Found, Look, gone, is_recent};

/// Directories above a script in which its packages may be.
const ABOVE: usize = 8;
/// Packages whose age is looked at.
const ENTRIES: usize = 4096;
const MODULES: &str = "node_modules";
/// What npm, pnpm and yarn leave there when they are done, with all versions in it.
const LOCKS: [&str; 3] = [".package-lock.json", ".pnpm/lock.yaml", ".yarn-integrity"];
/// Programs that run what npm installs.
const PROGRAMS: [&str; 6] = ["node", "nodejs", "bun", "deno", "npm", "npx"];

/// It runs what npm installs.
pub(super) fn is_run_by(program: &OsStr) -> bool {
    PROGRAMS.iter().any(|name| program == OsStr::new(name))
}

/// Where the packages are that a script, or a process in this directory, uses.
pub(super) fn around(path: &Path) -> Option<PathBuf> {
    let real = fs::canonicalize(path).ok();
    let in_one = |path: &Path| {
        let mut above = path.ancestors().take(ABOVE).filter(|above| above.parent().is_some());
        above.find_map(|above| {
            let modules = above.join(MODULES);
            let held = above.parent().and_then(Path::file_name) == Some(OsStr::new(MODULES));
            if lock(&modules).is_some() {
                Some(modules)
            } else if held && above.join("package.json").is_file() && above.parent().and_then(lock).is_none()
            {
                Some(above.to_owned())
            } else {
                None
            }
        })
    };
    in_one(path).or_else(|| in_one(&real?))
}

fn lock(modules: &Path) -> Option<PathBuf> {
    LOCKS.iter().map(|name| modules.join(name)).find(|lock| lock.is_file())
}

/// Where a change shows that something was installed.
pub(super) fn watched(place: &Path) -> Vec<PathBuf> {
    let file = lock(place).unwrap_or_else(|| place.join("package.json"));
    // A package that was installed with `-g` is moved away whole.
    let around = place.parent().filter(|around| around.file_name() == Some(OsStr::new(MODULES)));
    [place.to_owned(), file].into_iter().chain(around.map(Path::to_owned)).collect()
}

pub(super) fn read(place: &Path, look: &Look<'_>) -> Option<Found> {
    let single = place.join("package.json");
    let whole = place.file_name() == Some(OsStr::new(MODULES));
    let file = lock(place).or_else(|| (!whole && single.is_file()).then_some(single));
    let opened = file.as_deref().and_then(print::open);
    let (Some(file), Some((opened, seen))) = (file, opened) else {
        let half = fs::metadata(place).is_ok_and(|seen| is_recent(&seen, look.now));
        let why = || format!("npm is at work: {} has no lock yet", place.display());
        return if half { Some(Found::Unsettled(why())) } else { gone(place, look) };
    };
    let stamp = print::stamp_of(&seen);
    if let Some(known) = look.known.filter(|known| known.stamp == stamp) {
        return Some(Found::Whole(known.clone()));
    }
    // The lock is written in place: since when the packages are there, the packages tell.
    let entries = fs::read_dir(place).into_iter().flatten().flatten().take(ENTRIES);
    let born = entries.filter_map(|entry| print::born(&entry.metadata().ok()?, look.now));
    let own = || fs::metadata(place).ok().and_then(|seen| print::born(&seen, look.now));
    let content = Content {
        print: print::of_file(opened, &seen)?,
        stamp,
        newest: file.to_string_lossy().into_owned(),
        made_at: if whole { born.max() } else { own() },
        changed_at: print::changed(&seen, look.now),
        ..Content::default()
    };
    Some(Found::Whole(content))
}
