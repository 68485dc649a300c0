//! What npm installed: the packages of an application by their lock in `node_modules`, or one package by its manifest.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::model::installed::Content;
use crate::model::release::FileId;

use super::print::{self, Print};
use super::{Found, Look, gone, is_recent};

/// Directories above a script in which its packages may be.
const ABOVE: usize = 8;
/// Packages whose age is looked at.
const ENTRIES: usize = 4096;
/// Files of one package that are compared, and directories in which they are looked for.
const FILES: usize = 2048;
const DIRECTORIES: usize = 512;
/// What of a package is code: what it writes itself is none.
const CODE: [&str; 6] = ["js", "mjs", "cjs", "node", "wasm", "ts"];
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
    let stamp = if whole { print::stamp_of(&seen) } else { stamp_of_one(place, &seen) };
    if let Some(known) = look.known.filter(|known| known.stamp == stamp) {
        return Some(Found::Whole(known.clone()));
    }
    // The lock is written in place: since when the packages are there, the packages tell.
    let entries = fs::read_dir(place).into_iter().flatten().flatten().take(ENTRIES);
    let born = entries.filter_map(|entry| print::born(&entry.metadata().ok()?, look.now));
    let own = || fs::metadata(place).ok().and_then(|seen| print::born(&seen, look.now));
    let manifest = print::of_file(opened, &seen)?;
    let content = Content {
        print: if whole { manifest } else { of_one(place, manifest) },
        // By its manifest alone it was known before its code was compared.
        same: if whole { BTreeSet::new() } else { BTreeSet::from([manifest]) },
        stamp,
        newest: file.to_string_lossy().into_owned(),
        made_at: if whole { born.max() } else { own() },
        changed_at: print::changed(&seen, look.now),
        ..Content::default()
    };
    Some(Found::Whole(content))
}

/// The stamp of one package: npm puts another directory there, whatever the manifest says.
fn stamp_of_one(place: &Path, manifest: &fs::Metadata) -> u64 {
    let mut stamp = Print::new();
    print::stamp(&mut stamp, manifest);
    if let Ok(own) = fs::metadata(place) {
        stamp.number(own.dev());
        stamp.number(own.ino());
    }
    stamp.done().dev
}

/// The print of one package: of its manifest and of its own code. (What it needs is told by the versions in that.)
fn of_one(place: &Path, manifest: FileId) -> FileId {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut rest = vec![place.to_owned()];
    let mut looked = 0;
    while let Some(directory) = rest.pop().filter(|_| looked < DIRECTORIES) {
        looked += 1;
        let mut entries: Vec<fs::DirEntry> =
            fs::read_dir(directory).into_iter().flatten().flatten().take(ENTRIES).collect();
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let (path, kind) = (entry.path(), entry.file_type());
            let code = path.extension().and_then(OsStr::to_str).is_some_and(|ending| CODE.contains(&ending));
            match kind {
                Ok(kind) if kind.is_dir() && entry.file_name() != MODULES => rest.push(path),
                Ok(kind) if kind.is_file() && code && files.len() < FILES => files.push(path),
                Ok(_) | Err(_) => {}
            }
        }
    }
    let mut print = Print::new();
    print.number(manifest.dev);
    print.number(manifest.ino);
    for path in &files {
        let name = path.strip_prefix(place).unwrap_or(path);
        print.add(name.as_os_str().as_encoded_bytes());
        let of = print::open(path).and_then(|(file, seen)| print::of_file(file, &seen)).unwrap_or_default();
        print.number(of.dev);
        print.number(of.ino);
    }
    print.done()
}
