//! Follows a path component by component and notes every symlink on the way, as the kernel would resolve it.

use std::ffi::OsString;
use std::path::{Component, Path, PathBuf};

use super::identity;
use super::sight::may_search;

/// Symlinks that one resolution may meet; the kernel's own limit.
const HOPS: usize = 40;
/// Where the system itself keeps symlinks: never a release, unless a person says so.
const SYSTEM: [&str; 15] = [
    "/bin",
    "/sbin",
    "/usr",
    "/boot",
    "/proc",
    "/sys",
    "/dev",
    "/etc/alternatives",
    "/var/run",
    "/var/lock",
    "/run/lock",
    "/run/systemd",
    "/run/udev",
    "/run/current-system",
    "/run/booted-system",
];
/// Inside of these places, but everybody's own.
const ORDINARY: &str = "/usr/local";

/// A symlink that was met.
#[derive(Debug)]
pub(super) struct Hop {
    /// As the path names it; inside another link's text, its real place.
    pub name: PathBuf,
    /// Its real place, no symlink in it.
    pub at: PathBuf,
    /// Unix time in milliseconds of the last change of the link itself.
    pub ctime_ms: i64,
    /// Whose the link is, as a number.
    pub owner: Option<u32>,
    /// Where it leads, no symlink in it; `None` when that cannot be told.
    pub target: Option<PathBuf>,
    /// It was met in the text of another symlink.
    pub inner: bool,
    /// The system's own.
    pub system: bool,
    /// A person says that it is a release link.
    pub declared: bool,
}

/// A followed path.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// The root directory inside of which it was followed.
    pub root: PathBuf,
    pub hops: Vec<Hop>,
    /// What was reached, or the last directory before it broke off; no symlink in it.
    pub end: PathBuf,
    /// Where it broke off (as the path names it) and why.
    pub broken: Option<(PathBuf, String)>,
    /// Where it broke off, no symlink in it.
    pub missing: PathBuf,
}

impl Trail {
    /// The place lies where the system keeps its own, inside of this root.
    pub(super) fn is_system(&self, place: &Path) -> bool {
        is_system_in(&self.root, place)
    }
}

enum Step {
    /// A component; `true`: of the path as it was given.
    Part(OsString, bool),
    Up(bool),
    /// The text of this hop is done.
    Done(usize),
}

/// Follows an absolute path inside of a root directory to its end, or to where it breaks off. All that is told are paths
/// of the host.
pub(super) fn follow(root: &Path, path: &Path) -> Trail {
    let mut trail = Trail { root: root.to_owned(), end: root.to_owned(), ..Trail::default() };
    let mut named = root.to_owned();
    let mut steps = Vec::new();
    let mut sight = Sight::default();
    push(&mut steps, path, true);
    while let Some(step) = steps.pop() {
        if !matches!(step, Step::Done(_)) {
            if let Some(blind) = blind(&sight.inside, &trail.end) {
                // Neither where it leads nor what is there is told.
                trail.broken =
                    Some((named, format!("it leads to where its owner, user {blind}, may not look")));
                break;
            }
            if blind(&sight.behind, &trail.end).is_some() {
                break;
            }
        }
        let (part, outer) = match step {
            Step::Part(part, outer) => (part, outer),
            Step::Up(outer) => {
                up(&mut trail.end, root);
                if outer {
                    up(&mut named, root);
                }
                continue;
            }
            Step::Done(hop) => {
                sight.behind.extend(sight.inside.pop());
                if let Some(hop) = trail.hops.get_mut(hop) {
                    hop.target = Some(trail.end.clone());
                }
                continue;
            }
        };
        let at = trail.end.join(&part);
        if outer {
            named.push(&part);
        }
        let name = if outer { named.clone() } else { at.clone() };
        let seen = match identity::of_path(&at) {
            Ok(seen) => seen,
            Err(error) => {
                trail.broken = Some((name, why(&at, error)));
                trail.missing = at;
                break;
            }
        };
        if !seen.kind.is_symlink() {
            trail.end = at;
            continue;
        }
        match enter(&mut trail, &mut steps, name.clone(), &at, outer) {
            Ok(()) => {
                sight.inside.push(seen.owner);
                if let Some(hop) = trail.hops.last_mut() {
                    hop.ctime_ms = seen.ctime_ms;
                    hop.owner = Some(seen.owner);
                }
            }
            Err(reason) => {
                trail.broken = Some((name, reason));
                break;
            }
        }
    }
    trail
}

/// Whose symlinks led there: the text of some is being followed, that of others was.
#[derive(Default)]
struct Sight {
    inside: Vec<u32>,
    behind: Vec<u32>,
}

/// The first of these users who may not go through the directory.
fn blind(users: &[u32], directory: &Path) -> Option<u32> {
    users.iter().copied().find(|user| !may_search(directory, *user))
}

/// Goes on with the text of the symlink at `at`.
fn enter(
    trail: &mut Trail,
    steps: &mut Vec<Step>,
    name: PathBuf,
    at: &Path,
    outer: bool,
) -> Result<(), String> {
    if trail.hops.len() >= HOPS {
        return Err("the symlinks go round in circles".to_owned());
    }
    let text = std::fs::read_link(at)
        .map_err(|error| format!("cannot read the symlink {}: {error}", at.display()))?;
    steps.push(Step::Done(trail.hops.len()));
    push(steps, &text, false);
    if text.is_absolute() {
        trail.end.clone_from(&trail.root);
    }
    let system = trail.is_system(at);
    trail.hops.push(Hop {
        name,
        at: at.to_owned(),
        ctime_ms: 0,
        owner: None,
        target: None,
        inner: !outer,
        system,
        declared: false,
    });
    Ok(())
}

/// To the directory above, which for the root is the root.
fn up(path: &mut PathBuf, root: &Path) {
    if path.as_path() != root {
        path.pop();
    }
}

/// Puts the components on top, the first one uppermost.
fn push(steps: &mut Vec<Step>, path: &Path, outer: bool) {
    for component in path.components().rev() {
        match component {
            Component::Normal(part) => steps.push(Step::Part(part.to_owned(), outer)),
            Component::ParentDir => steps.push(Step::Up(outer)),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
}

/// The path lies where the system keeps its own symlinks and files.
pub(super) fn is_system(path: &Path) -> bool {
    let library = path
        .components()
        .nth(1)
        .is_some_and(|top| top.as_os_str().to_str().is_some_and(|name| name.starts_with("lib")));
    library || (SYSTEM.iter().any(|place| path.starts_with(place)) && !path.starts_with(ORDINARY))
}

fn is_system_in(root: &Path, place: &Path) -> bool {
    place.strip_prefix(root).is_ok_and(|inner| is_system(&Path::new("/").join(inner)))
}

fn why(at: &Path, error: rustix::io::Errno) -> String {
    if error == rustix::io::Errno::NOENT {
        format!("{} does not exist", at.display())
    } else {
        format!("cannot look at {}: {error}", at.display())
    }
}
