//! Release links: every symlink on a unit's paths that leads to a directory, and the directories to watch for its flips.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::clock;
use crate::model::moment::Moment;
use crate::model::release::{LinkReading, Target};

use super::identity;
use super::trail::{self, Hop, Trail, follow};

/// Paths of one unit that are followed; further ones are left out.
pub const PATHS: usize = 64;
/// Links of one unit that are told.
const LINKS: usize = 64;

/// Reads every release link on these absolute paths, in their order, each real link once.
///
/// A symlink counts when it leads to a directory and neither it nor that directory belongs to the system (`/usr`,
/// `/etc/alternatives`, …). A path that breaks off is told as well, named by its first missing component (or by the
/// dangling symlink), without target and with the problem: whether a link is missing there, or just a file that
/// need not exist, is not for this function to say.
///
/// Asks file systems, which may hang: not for the loop's thread.
#[must_use]
pub fn read_links(paths: &[String]) -> Vec<LinkReading> {
    let now = clock::now();
    let mut told = Vec::new();
    let mut places = BTreeSet::new();
    for path in paths.iter().take(PATHS).map(Path::new) {
        if !path.is_absolute() {
            continue;
        }
        let trail = follow(path);
        for (at, reading) in of_trail(&trail, now) {
            if told.len() < LINKS && places.insert(at) {
                told.push(reading);
            }
        }
    }
    told
}

/// The directories in which a change can make one of these paths lead elsewhere: those that hold a symlink of the way,
/// those that hold a release, and where a path breaks off, the last directory before.
///
/// Asks file systems, which may hang: not for the loop's thread.
#[must_use]
pub fn watch_directories(paths: &[String]) -> BTreeSet<PathBuf> {
    let mut directories = BTreeSet::new();
    for path in paths.iter().take(PATHS).map(Path::new) {
        if !path.is_absolute() {
            continue;
        }
        let trail = follow(path);
        for hop in trail.hops.iter().filter(|hop| !hop.system) {
            directories.extend(hop.at.parent().map(Path::to_owned));
            if let Some(target) = hop.target.as_deref().filter(|path| is_release(path)) {
                directories.extend(target.parent().map(Path::to_owned));
            }
        }
        if trail.broken.is_some() && !trail::is_system(&trail.end) {
            directories.insert(trail.end);
        }
    }
    directories
}

/// The links of one path, each with its real place.
fn of_trail(trail: &Trail, now: Moment) -> Vec<(PathBuf, LinkReading)> {
    let mut told = Vec::new();
    let mut latest = None;
    for (index, hop) in trail.hops.iter().enumerate() {
        if hop.system {
            continue;
        }
        let around = within(trail, index);
        latest = around.iter().filter(|inner| !inner.system).map(|inner| inner.ctime_ms).max().max(latest);
        let switched_at = now.at_wall_ms(latest.unwrap_or(hop.ctime_ms));
        if let Some(target) = hop.target.as_deref().and_then(target) {
            // A link that merely hands on to the same directory says nothing of its own.
            let handed_on = hop.inner
                && trail.hops.iter().take(index).any(|outer| {
                    !outer.system && !outer.inner && outer.target.as_deref() == Some(Path::new(&target.path))
                });
            if !handed_on {
                told.push((hop.at.clone(), reading(hop, Some(target), switched_at, None)));
            }
        } else if hop.target.is_none() && !hop.inner {
            let reason = trail.broken.as_ref().map(|(_, why)| why.clone());
            let problem = Some(reason.unwrap_or_else(|| "leads nowhere".to_owned()));
            told.push((hop.at.clone(), reading(hop, None, switched_at, problem)));
        }
    }
    let dangling = trail.hops.iter().any(|hop| hop.target.is_none());
    if let Some((name, why)) = trail.broken.as_ref().filter(|_| !dangling)
        && !trail::is_system(&trail.end)
    {
        told.push((name.clone(), missing(trail, name, why, now)));
    }
    told
}

/// The hop and those met in its text.
fn within(trail: &Trail, index: usize) -> &[Hop] {
    let rest = trail.hops.get(index..).unwrap_or_default();
    let len = rest.iter().skip(1).take_while(|hop| hop.inner).count() + 1;
    rest.get(..len).unwrap_or(rest)
}

fn reading(hop: &Hop, target: Option<Target>, switched_at: Moment, problem: Option<String>) -> LinkReading {
    LinkReading { link: hop.name.to_string_lossy().into_owned(), target, switched_at, problem }
}

/// The component at which a path breaks off: it went at the last change of its directory, or was never there.
fn missing(trail: &Trail, name: &Path, why: &str, now: Moment) -> LinkReading {
    let changed = identity::of_path(&trail.end).map_or(now.wall_ms, |seen| seen.mtime_ms);
    LinkReading {
        link: name.to_string_lossy().into_owned(),
        target: None,
        switched_at: now.at_wall_ms(changed),
        problem: Some(why.to_owned()),
    }
}

fn is_release(path: &Path) -> bool {
    !trail::is_system(path)
        && path.parent().is_some()
        && identity::of_path(path).is_ok_and(|seen| seen.is_directory())
}

/// Identity of the directory a link leads to; `None` when it is no directory that can be a release.
fn target(path: &Path) -> Option<Target> {
    if !is_release(path) {
        return None;
    }
    Some(Target {
        path: path.to_string_lossy().into_owned(),
        id: identity::of_path(path).ok()?.id,
        parent: identity::of_path(path.parent()?).ok()?.id,
    })
}
