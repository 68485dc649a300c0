//! Where each process lives: by identity of what it holds, and where it holds nothing, by the time of its start.

use std::path::Path;

use crate::model::moment::Moment;
use crate::model::release::{
    LinkReading, PastTarget, Place, ProcessReading, ProcessesReading, Residence, Resident, Role, Target,
};
use crate::model::unit::UnitSettings;

use super::{History, TICK_MS};

/// Names of directories that hold releases and nothing else.
const HOLDERS: [&str; 9] = [
    "releases",
    "release",
    "versions",
    "deployments",
    "deploys",
    "builds",
    "revisions",
    "generations",
    "slots",
];

/// What is known besides the reading.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// `MainPID=`.
    pub main_pid: Option<u32>,
    pub history: &'a History,
    pub settings: &'a UnitSettings,
    pub now: Moment,
}

/// Judges every process of a unit against its links. A link without target judges nobody.
#[must_use]
pub fn judge(reading: &ProcessesReading, known: Known<'_>) -> Vec<Resident> {
    let mut links = yardsticks(&reading.links, known);
    let main = reading.processes.iter().find(|process| Some(process.pid) == known.main_pid);
    let main = main.map(|process| residence(process, true, &links, known));
    if let Some(Residence::Outdated { release, .. } | Residence::Deleted { release }) = main {
        links.iter_mut().for_each(|by| by.of_main = Some(release.clone()));
    }
    reading
        .processes
        .iter()
        .map(|process| {
            let main = Some(process.pid) == known.main_pid;
            Resident {
                pid: process.pid,
                started_ms: process.started_ms,
                name: process.name.clone(),
                role: if main { Role::Main } else { Role::Worker },
                residence: residence(process, main, &links, known),
            }
        })
        .collect()
}

/// A link that leads somewhere, and how far it can be used to judge.
struct Yardstick<'a> {
    link: &'a LinkReading,
    target: &'a Target,
    past: &'a [PastTarget],
    /// It lies in another release and leads out of it, as to shared data: only its own past counts.
    side: bool,
    /// Other links lie in it (`/srv` on another disk): to be in it says little.
    outer: bool,
    /// The directory that holds the target holds releases only.
    dedicated: bool,
    /// `WorkingDirectory=` runs through it.
    directory: bool,
    /// The old release in which the main process lives.
    of_main: Option<String>,
}

/// Where one place lies by one link.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lies {
    Elsewhere,
    Current,
    Old(String),
    Gone(String),
}

/// What kind of thing a place is; it decides how much its being gone says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    MainDirectory,
    Directory,
    File,
}

fn yardsticks<'a>(links: &'a [LinkReading], known: Known<'a>) -> Vec<Yardstick<'a>> {
    let leading = || links.iter().filter_map(|link| Some((link, link.target.as_ref()?)));
    let is_side = |link: &LinkReading, target: &Target| {
        leading().any(|(outer, around)| lies_in(link, outer, around) && !below(&target.path, &around.path))
    };
    leading()
        .map(|(link, target)| {
            let past = known.history.get(&link.link).map_or(&[][..], Vec::as_slice);
            let outer =
                leading().any(|(inner, leads)| lies_in(inner, link, target) && !is_side(inner, leads));
            Yardstick {
                link,
                target,
                past,
                side: is_side(link, target),
                outer,
                dedicated: is_dedicated(link, target, past, links, outer),
                directory: below(&known.settings.working_directory, &link.link),
                of_main: None,
            }
        })
        .collect()
}

/// `link` is another one than `outer` and lies inside of what that one leads to.
fn lies_in(link: &LinkReading, outer: &LinkReading, around: &Target) -> bool {
    link.link != outer.link && (below(&link.link, &outer.link) || below(&link.link, &around.path))
}

/// The path is that directory or lies below it.
fn below(path: &str, directory: &str) -> bool {
    !directory.is_empty() && Path::new(path).starts_with(directory)
}

/// The directory that holds the target holds releases and nothing else: it stands beside the link, bears a usual name,
/// or held another target before. Never the directory in which the link lies.
fn is_dedicated(
    link: &LinkReading,
    target: &Target,
    past: &[PastTarget],
    links: &[LinkReading],
    outer: bool,
) -> bool {
    let Some(holder) = Path::new(&target.path).parent() else {
        return false;
    };
    let place = real_parent(link, links);
    if holder == Path::new("/") || holder == Path::new(&place) {
        return false;
    }
    // `/srv -> /data/srv` has the same form and is a disk, as is whatever other links lie in.
    let beside = !outer && place != "/" && holder.parent() == Some(Path::new(&place));
    let named = holder.file_name().and_then(|name| name.to_str()).is_some_and(|name| HOLDERS.contains(&name));
    let held_another =
        past.iter().any(|old| old.path != target.path && Path::new(&old.path).parent() == Some(holder));
    beside || named || held_another
}

/// The directory in which a link lies, with the links on the way to it replaced by where they lead.
fn real_parent(link: &LinkReading, links: &[LinkReading]) -> String {
    let parent = Path::new(&link.link).parent().unwrap_or(Path::new("/"));
    let way = links
        .iter()
        .filter_map(|outer| Some((outer, outer.target.as_ref()?)))
        .filter(|(outer, _)| parent.starts_with(&outer.link))
        .max_by_key(|(outer, _)| outer.link.len());
    let real = way.and_then(|(outer, target)| {
        let rest = parent.strip_prefix(&outer.link).ok()?;
        let whole = Path::new(&target.path).join(rest);
        Some(whole.components().collect::<std::path::PathBuf>())
    });
    real.unwrap_or_else(|| parent.to_owned()).to_string_lossy().into_owned()
}

fn residence(process: &ProcessReading, main: bool, links: &[Yardstick<'_>], known: Known<'_>) -> Residence {
    if links.is_empty() {
        return Residence::Elsewhere;
    }
    let directory = if main { Held::MainDirectory } else { Held::Directory };
    let cwd = process.cwd.as_ref().map(|cwd| worst(cwd, directory, process, links));
    let exe = process.exe.as_ref().map(|exe| worst(exe, Held::File, process, links));
    let mut verdicts = vec![
        (cwd.clone().unwrap_or(Lies::Elsewhere), "it lives there"),
        (exe.unwrap_or(Lies::Elsewhere), "its executable is from there"),
    ];
    if verdicts.iter().all(|(lies, _)| *lies == Lies::Elsewhere) {
        verdicts.push((by_files(process, links), "it holds files of it open"));
    }
    let (lies, because) =
        verdicts.into_iter().max_by_key(|(lies, _)| rank(lies)).unwrap_or((Lies::Elsewhere, ""));
    match lies {
        Lies::Gone(release) => Residence::Deleted { release },
        Lies::Old(release) => Residence::Outdated { release, because: because.to_owned() },
        Lies::Current => Residence::Current,
        Lies::Elsewhere => {
            if let Err(why) = &process.cwd {
                return Residence::Unreadable { why: why.clone() };
            }
            let late = (main || process.names_link).then(|| by_time(process, links, known));
            late.flatten().unwrap_or_else(|| in_outer(process, links))
        }
    }
}

fn rank(lies: &Lies) -> u8 {
    match lies {
        Lies::Elsewhere => 0,
        Lies::Current => 1,
        Lies::Old(_) => 2,
        Lies::Gone(_) => 3,
    }
}

/// The worst that any link says of a place.
fn worst(place: &Place, held: Held, process: &ProcessReading, links: &[Yardstick<'_>]) -> Lies {
    links
        .iter()
        .map(|link| {
            let found = lies(place, held, process, link);
            let says_little = found == Lies::Current && (link.outer || link.side);
            if says_little { Lies::Elsewhere } else { found }
        })
        .max_by_key(rank)
        .unwrap_or(Lies::Elsewhere)
}

/// One file of the current release is enough to be current: a process may well read in an old one.
fn by_files(process: &ProcessReading, links: &[Yardstick<'_>]) -> Lies {
    let mut found: Vec<Lies> =
        process.files.iter().map(|file| worst(file, Held::File, process, links)).collect();
    if found.contains(&Lies::Current) {
        return Lies::Current;
    }
    found.sort_by_key(rank);
    found.pop().unwrap_or(Lies::Elsewhere)
}

fn lies(place: &Place, held: Held, process: &ProcessReading, by: &Yardstick<'_>) -> Lies {
    let within = |id| place.id == Some(id) || place.above.contains(&id);
    if within(by.target.id) {
        return Lies::Current;
    }
    let found = was_target(place, process, by)
        .or_else(|| {
            let release = (by.dedicated && !by.side).then(|| beside(place, held, by)).flatten()?;
            // A child that began after the last switch may well build or test a release that never was in force.
            let newcomer = held == Held::Directory && !before(process.started_ms, by.link.switched_at);
            (!newcomer || by.of_main.as_ref() == Some(&release)).then_some(release)
        })
        .or_else(|| (place.gone && held == Held::MainDirectory).then(|| followed(place, by)).flatten());
    match found {
        Some(release) if place.gone => Lies::Gone(release),
        Some(release) => Lies::Old(release),
        None => Lies::Elsewhere,
    }
}

/// The release of the link's past in which the place lies. An inode is given away anew once its directory is deleted, so
/// the name must agree too, or the process be older than the last switch (then the release was renamed).
fn was_target(place: &Place, process: &ProcessReading, by: &Yardstick<'_>) -> Option<String> {
    let older = before(process.started_ms, by.link.switched_at);
    let chain = place.id.into_iter().chain(place.above.iter().copied());
    let skip = usize::from(place.id.is_none());
    let names = Path::new(&place.path).ancestors().skip(skip).map(Some).chain(std::iter::repeat(None));
    chain.zip(names).find_map(|(id, name)| {
        by.past
            .iter()
            .rev()
            .filter(|old| old.id == id && old.id != by.target.id)
            .find(|old| older || name == Some(Path::new(&old.path)))
            .map(|old| old.path.clone())
    })
}

/// The release beside the current one in which the place lies, by the directory that holds them all.
fn beside(place: &Place, held: Held, by: &Yardstick<'_>) -> Option<String> {
    let at = place.above.iter().position(|id| *id == by.target.parent)?;
    let path = Path::new(&place.path);
    let holder = Path::new(&by.target.path).parent()?;
    let least = if held == Held::File { 2 } else { 1 };
    let Ok(inner) = path.strip_prefix(holder) else {
        // Known there by another path, as in another mount namespace: count the directories instead.
        let release = path.ancestors().nth(at)?;
        return (at + 1 >= least).then(|| release.to_string_lossy().into_owned());
    };
    if inner.components().count() < least {
        return None;
    }
    let release = holder.join(inner.components().next()?);
    Some(release.to_string_lossy().into_owned())
}

/// The main process was started in the directory to which the link led, and that directory is gone: it lay beside the
/// present one or bore its name, or all names are lost with its mount.
fn followed(place: &Place, by: &Yardstick<'_>) -> Option<String> {
    if !by.directory || by.side {
        return None;
    }
    let path = Path::new(&place.path);
    let target = Path::new(&by.target.path);
    let related = path == Path::new("/")
        || path.starts_with(target)
        || (path.parent() == target.parent() && place.above.first() == Some(&by.target.parent));
    related.then(|| place.path.clone())
}

/// Started so much before that no coarse clock explains it.
pub(super) fn before(started_ms: i64, moment: Moment) -> bool {
    started_ms.saturating_add(TICK_MS) < moment.boot_ms
}

/// Nothing places it, and a link of the unit was switched to another release after it started.
fn by_time(process: &ProcessReading, links: &[Yardstick<'_>], known: Known<'_>) -> Option<Residence> {
    let late = links
        .iter()
        .filter(|by| !by.side)
        // A switch in the future is a clock that was set back: it proves nothing.
        .filter(|by| by.link.switched_at.boot_ms <= known.now.boot_ms)
        .find(|by| before(process.started_ms, by.link.switched_at) && !led_here(process, by))?;
    let then = in_force(process, late).map(|(_, old)| old.path.clone());
    Some(Residence::Outdated {
        release: then.unwrap_or_else(|| "an earlier release".to_owned()),
        because: format!("it started before {} was switched", late.link.link),
    })
}

/// Where the link led when the process started, as far as remembered, with its position in the past.
fn in_force<'a>(process: &ProcessReading, by: &Yardstick<'a>) -> Option<(usize, &'a PastTarget)> {
    by.past
        .iter()
        .enumerate()
        .rev()
        .find(|(_, old)| old.from.boot_ms <= process.started_ms.saturating_add(TICK_MS))
}

/// The link led to the same release when the process started: switched back, set anew, or renamed meanwhile.
fn led_here(process: &ProcessReading, by: &Yardstick<'_>) -> bool {
    in_force(process, by).is_some_and(|(at, old)| {
        let renamed = || by.past.iter().skip(at).all(|later| later.id == by.target.id);
        old.id == by.target.id && (old.path == by.target.path || renamed())
    })
}

/// Nothing more is known than that it lives where all of the unit's links lie.
fn in_outer(process: &ProcessReading, links: &[Yardstick<'_>]) -> Residence {
    let in_it = process.cwd.as_ref().is_ok_and(|cwd| {
        links
            .iter()
            .filter(|by| by.outer && !by.side)
            .any(|by| cwd.id == Some(by.target.id) || cwd.above.contains(&by.target.id))
    });
    if in_it { Residence::Current } else { Residence::Elsewhere }
}
