//! A file that is the code: an archive in the command line, the script that an interpreter runs, or the executable itself.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::model::installed::Content;
use crate::model::release::FileId;

use super::print;
use super::{Found, Look, gone};

/// Archives and programs that an interpreter is given, wherever they stand in the command line.
const ARCHIVES: [&str; 8] = ["jar", "war", "ear", "phar", "pyz", "dll", "nupkg", "beam"];
/// Scripts: only the one that an interpreter is started with. Others are often configuration.
const SCRIPTS: [&str; 12] = ["py", "js", "mjs", "cjs", "ts", "rb", "php", "pl", "lua", "tcl", "r", "exs"];
/// Programs that run code of others: that they were replaced says nothing of that code.
const INTERPRETERS: [&str; 23] = [
    "python", "pypy", "node", "bun", "deno", "ruby", "perl", "php", "java", "dotnet", "mono", "lua", "tclsh",
    "beam", "erl", "sh", "bash", "dash", "zsh", "ksh", "busybox", "guile", "Rscript",
];
/// Open files of a process that are looked at.
const OPEN_FILES: usize = 512;

pub(super) fn is_archive(path: &Path) -> bool {
    has_extension(path, &ARCHIVES)
}

pub(super) fn is_script(path: &Path) -> bool {
    has_extension(path, &SCRIPTS)
}

fn has_extension(path: &Path, known: &[&str]) -> bool {
    path.extension().and_then(|text| text.to_str()).is_some_and(|text| known.contains(&text))
}

/// A program by that path runs code of others.
pub(super) fn is_interpreter(program: &Path) -> bool {
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let bare = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    INTERPRETERS.contains(&bare) || name.contains("python")
}

/// It takes its environment from where it was found.
pub(super) fn is_python(program: &Path) -> bool {
    let name = program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.contains("python") || name.starts_with("pypy")
}

/// It opens archives that its command line need not name.
pub(super) fn is_java(program: &Path) -> bool {
    program.file_name().is_some_and(|name| name == "java")
}

/// It begins with `#!`.
pub(super) fn says_its_interpreter(path: &Path) -> bool {
    let mut beginning = [0_u8; 2];
    let read = print::open(path).and_then(|(mut file, _)| file.read_exact(&mut beginning).ok());
    read.is_some() && beginning == *b"#!"
}

/// Where a change shows that it was replaced.
pub(super) fn watched(place: &Path) -> Vec<PathBuf> {
    let link = fs::symlink_metadata(place).is_ok_and(|seen| seen.is_symlink());
    let around = place.parent().filter(|_| link).map(Path::to_owned);
    std::iter::once(place.to_owned()).chain(around).collect()
}

pub(super) fn read(place: &Path, look: &Look<'_>) -> Option<Found> {
    let Some((file, seen)) = print::open(place) else {
        return gone(place, look);
    };
    let stamp = print::stamp_of(&seen);
    let content = match look.known.filter(|known| known.stamp == stamp) {
        Some(known) => known.clone(),
        None => Content {
            print: print::of_file(file, &seen)?,
            stamp,
            newest: place.to_string_lossy().into_owned(),
            // What was written into the same file shows only to those who saw it before.
            made_at: print::born(&seen, look.now),
            changed_at: print::changed(&seen, look.now),
            ..Content::default()
        },
    };
    Some(Found::Whole(Content { held: held(place, &seen, look), ..content }))
}

/// The prints of what these processes still hold of another file that had this path.
fn held(place: &Path, now: &fs::Metadata, look: &Look<'_>) -> BTreeMap<u32, FileId> {
    let other = |path: &Path| {
        let seen = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
        ((seen.dev(), seen.ino()) != (now.dev(), now.ino())).then_some(())
    };
    let print = |path: &Path| {
        let (file, seen) = print::open(path)?;
        print::of_file(file, &seen)
    };
    let of = |pid: &u32| {
        let own = PathBuf::from(format!("/proc/{pid}"));
        let at = std::iter::once(own.join("exe")).chain(open_files(&own)).find(|path| leads(path, place))?;
        other(&at)?;
        let known = look.known.and_then(|known| known.held.get(pid)).copied();
        known.or_else(|| print(&at))
    };
    look.users.iter().filter_map(|pid| Some((*pid, of(pid)?))).collect()
}

pub(super) fn open_files(process: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten().take(OPEN_FILES);
    files.map(|file| file.path())
}

/// This link of /proc leads to the path, or to what had it.
fn leads(link: &Path, place: &Path) -> bool {
    let text = fs::read_link(link).unwrap_or_default();
    text == place || super::super::location::bare(&text) == place
}
