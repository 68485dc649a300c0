//! A database that cannot be used is renamed, never deleted: a person may want what is in it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Files set aside that are kept, the newest; a disk that breaks a file a day must not fill.
const KEPT: usize = 5;

/// Renames the database and its log to `PATH.WHY-TIME`. Returns the new path.
pub fn set_aside(path: &Path, why: &str) -> io::Result<PathBuf> {
    let time = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S%3fZ");
    let aside = extended(path, &format!(".{why}-{time}"));
    fs::rename(path, &aside)?;
    // The log belongs to it: with it, `sqlite3` can still read what was not yet in the main file.
    existing(fs::rename(extended(path, "-wal"), extended(&aside, "-wal")))?;
    existing(fs::remove_file(extended(path, "-shm")))?;
    forget_old(path, why)?;
    Ok(aside)
}

/// Deletes all but the newest files set aside for the same reason; their names sort by time.
fn forget_old(path: &Path, why: &str) -> io::Result<()> {
    let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    let prefix = format!("{}.{why}-", name.to_string_lossy());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let text = name.to_string_lossy();
        if text.starts_with(&prefix) && !text.ends_with("-wal") {
            found.push(name);
        }
    }
    found.sort();
    let old = found.len().saturating_sub(KEPT);
    for name in found.iter().take(old) {
        let file = directory.join(name);
        existing(fs::remove_file(extended(&file, "-wal")))?;
        existing(fs::remove_file(file))?;
    }
    Ok(())
}

fn extended(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// What is not there needs no care.
fn existing(done: io::Result<()>) -> io::Result<()> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
