//! Where a process is: a directory or file that it holds, by identity, and whether it is proven to be gone.

use std::collections::BTreeMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, readlinkat};
use rustix::io::Errno;

use crate::model::release::{FileId, Place};

use super::identity::{self, Seen};

/// Directories above a place that are told.
const ABOVE: usize = 64;
/// Chains of directories that are kept for the next process.
const KEPT: usize = 1024;
/// What the kernel appends to the path of what has no name any more.
const GONE: &str = " (deleted)";

/// The chains of directories met so far: workers of one master live in the same places.
pub(super) type Chains = BTreeMap<(FileId, PathBuf), Vec<FileId>>;

/// The text of a link in `/proc/PID`, such as `cwd`; the kernel answers without asking the file system.
pub(super) fn text(process: BorrowedFd<'_>, name: &Path) -> Result<PathBuf, Errno> {
    let text = readlinkat(process, name, Vec::new())?;
    Ok(PathBuf::from(std::ffi::OsStr::from_bytes(text.as_bytes())))
}

/// The place behind a link in `/proc/PID`. `below`: the root directory that the kernel's texts do not tell. Asks the file
/// system, which may hang.
///
/// # Errors
/// Why it cannot be looked at, as the kernel says.
pub(super) fn read(
    process: BorrowedFd<'_>,
    name: &Path,
    below: &Path,
    chains: &mut Chains,
) -> Result<Place, Errno> {
    let text = text(process, name)?;
    let held = identity::handle(process, name)?;
    let seen = identity::of_fd(&held)?;
    let root = identity::handle(process, Path::new("root")).ok();
    let gone = is_gone(&text, seen, root.as_ref());
    let path = if gone { bare(&text) } else { text };
    let above = above(&path, seen, &held, root.as_ref(), gone, chains);
    let anew = gone && exists(&path, root.as_ref());
    let detached = !gone && seen.is_directory() && is_detached(seen, &above, root.as_ref());
    let path = on_host(path, below);
    Ok(Place { path: path.to_string_lossy().into_owned(), gone, anew, detached, id: Some(seen.id), above })
}

/// What can be said of a link in `/proc/PID` without asking the file system: its text, with the kernel's ending left on.
pub(super) fn by_text(process: BorrowedFd<'_>, name: &Path) -> Option<Place> {
    Some(Place { path: text(process, name).ok()?.to_string_lossy().into_owned(), ..Place::default() })
}

/// The unit's root directory, where the texts of this process are paths inside of it: the kernel tells them so once the
/// process has a root of its own in another mount namespace.
pub(super) fn below(process: BorrowedFd<'_>, root: Option<&(PathBuf, FileId)>) -> PathBuf {
    let slash = PathBuf::from("/");
    let Some((path, id)) = root else {
        return slash;
    };
    let own = identity::handle(process, Path::new("root")).and_then(|root| identity::of_fd(&root));
    let told = text(process, Path::new("root"));
    let inner = own.is_ok_and(|own| own.id == *id) && told.is_ok_and(|told| told == slash);
    if inner { path.clone() } else { slash }
}

/// The path without the kernel's ending.
pub(super) fn bare(text: &Path) -> PathBuf {
    let bytes = text.as_os_str().as_bytes();
    let bare = bytes.strip_suffix(GONE.as_bytes()).unwrap_or(bytes);
    PathBuf::from(std::ffi::OsStr::from_bytes(bare))
}

/// The path ends as the kernel ends the path of what is gone; a real name can do so as well.
pub(super) fn looks_gone(text: &Path) -> bool {
    text.as_os_str().as_bytes().ends_with(GONE.as_bytes())
}

/// Gone is what has lost its name: the literal text leads to nothing, or to something else, in the root of the process
/// and in ours. (A link count of zero alone is not asked: overlayfs keeps 1, some file systems always show 0.)
fn is_gone(text: &Path, seen: Seen, root: Option<&OwnedFd>) -> bool {
    if seen.links != 0 && !looks_gone(text) {
        return false;
    }
    let mut unsure = false;
    for root in [root, None] {
        match lookup(root, text) {
            Ok(there) if there.id == seen.id => return false,
            Ok(_) | Err(Errno::NOENT | Errno::NOTDIR) => {}
            Err(_) => unsure = true,
        }
    }
    !unsure || seen.links == 0
}

/// The way up ends in neither root: it is the root of what was mounted, and that is mounted nowhere any more.
fn is_detached(seen: Seen, above: &[FileId], root: Option<&OwnedFd>) -> bool {
    let roots = [root.map(identity::of_fd), Some(identity::of_path(Path::new("/")))];
    let below = |root: Seen| root.id == seen.id || above.contains(&root.id);
    above.len() < ABOVE
        && roots.into_iter().all(|root| root.is_some_and(|root| root.is_ok_and(|root| !below(root))))
}

/// What lies at an absolute path in the root of the process, or in ours. The kernel's own text has no symlink in it.
fn lookup(root: Option<&OwnedFd>, path: &Path) -> Result<Seen, Errno> {
    match root {
        Some(root) => identity::of_path_at(root, inside(path)),
        None => identity::of_path(path),
    }
}

/// The path on the host of what a process with this root directory knows by that path.
pub(super) fn on_host(path: PathBuf, root: &Path) -> PathBuf {
    match path.strip_prefix("/") {
        Ok(inner) if root != Path::new("/") => root.join(inner).components().collect(),
        Ok(_) | Err(_) => path,
    }
}

/// The path relative to a root directory.
fn inside(path: &Path) -> &Path {
    match path.strip_prefix("/") {
        Ok(inner) if inner.as_os_str().is_empty() => Path::new("."),
        Ok(inner) => inner,
        Err(_) => path,
    }
}

/// Identities of the directories above, nearest first.
fn above(
    path: &Path,
    seen: Seen,
    held: &OwnedFd,
    root: Option<&OwnedFd>,
    gone: bool,
    chains: &mut Chains,
) -> Vec<FileId> {
    let key = (seen.id, path.to_owned());
    if let Some(known) = chains.get(&key) {
        return known.clone();
    }
    let mut found = if seen.is_directory() { walk_up(held) } else { holder(path, seen, root, gone) };
    if gone && found.is_empty() {
        found = by_names(path, root);
    }
    if chains.len() < KEPT {
        chains.insert(key, found.clone());
    }
    found
}

/// From a directory up to the root, over `..`: names do not matter, and a deleted directory still knows its parent.
fn walk_up(from: &OwnedFd) -> Vec<FileId> {
    let mut found: Vec<FileId> = Vec::new();
    let Ok(mut below) = identity::of_fd(from) else {
        return found;
    };
    let mut next = identity::handle(from, Path::new(".."));
    while let Ok(directory) = next {
        let Ok(seen) = identity::of_fd(&directory) else {
            break;
        };
        if seen.id == below.id || found.len() >= ABOVE {
            break;
        }
        found.push(seen.id);
        below = seen;
        next = identity::handle(&directory, Path::new(".."));
    }
    found
}

/// The directory that holds a file, and those above it. A file knows no parent, so its name is asked, and believed when
/// it leads to this very file (or when the file is gone).
fn holder(path: &Path, seen: Seen, root: Option<&OwnedFd>, gone: bool) -> Vec<FileId> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Vec::new();
    };
    let opened = match root {
        Some(root) => identity::handle(root, inside(parent)),
        None => identity::handle(CWD, parent),
    };
    let Ok(directory) = opened else {
        return Vec::new();
    };
    let here = identity::of_path_at(&directory, Path::new(name));
    if !gone && !here.is_ok_and(|there| there.id == seen.id) {
        return Vec::new();
    }
    let Ok(parent) = identity::of_fd(&directory) else {
        return Vec::new();
    };
    let mut found = vec![parent.id];
    found.extend(walk_up(&directory));
    found
}

/// The directories that still exist above a gone path, by its text.
fn by_names(path: &Path, root: Option<&OwnedFd>) -> Vec<FileId> {
    path.ancestors()
        .skip(1)
        .take(ABOVE)
        .filter_map(|parent| lookup(root, parent).ok().map(|seen| seen.id))
        .collect()
}

/// Something lies at that path, in the root of the process or in ours.
pub(super) fn exists(path: &Path, root: Option<&OwnedFd>) -> bool {
    [root, None].into_iter().any(|root| lookup(root, path).is_ok())
}

/// The literal text leads to a file with this inode: then it is a name, and nothing is gone.
pub(super) fn is_literal(text: &Path, ino: u64, root: Option<&OwnedFd>) -> bool {
    [root, None].into_iter().any(|root| lookup(root, text).is_ok_and(|seen| seen.id.ino == ino))
}
