//! Where each process lives: by identity of what it holds, and where it holds nothing, by the time of its start.

use std::path::Path;

use crate::model::moment::Moment;
use crate::model::release::{
    FileId, PastTarget, Place, ProcessReading, ProcessesReading, Residence, Resident, Role, Target,
};

use super::masters::Master;
use super::yardstick::{ByStart, Known, Yardstick, before, below, yardsticks};
use super::{TICK_MS, handover};

/// What is there is made and deleted all the time.
const SCRATCH: [&str; 4] = ["/tmp", "/var/tmp", "/run", "/dev/shm"];

/// Judges every process of a unit against its links. A link without target tells only of what is deleted.
#[must_use]
pub fn judge(reading: &ProcessesReading, known: Known<'_>) -> Vec<Resident> {
    let mut links = yardsticks(&reading.links, known);
    if let Some(master) = Master::of(reading, known) {
        let placed = |process: &ProcessReading| lies(process, false, &links).0 != Lies::Elsewhere;
        let told: Vec<_> = links.iter().map(|by| master.by_start(by.link, placed)).collect();
        links.iter_mut().zip(told).for_each(|(by, told)| by.by_start = told);
    }
    let main = reading.processes.iter().find(|process| Some(process.pid) == known.main_pid);
    let of_main = main.map(|process| residence(process, true, &links, known));
    let mut main_pid = known.main_pid;
    if let Some(Residence::Outdated { release, .. } | Residence::Deleted { release }) = of_main {
        let is_current = |heir: &ProcessReading| residence(heir, true, &links, known) == Residence::Current;
        let heir = main.and_then(|main| handover::successor(reading, main, is_current));
        main_pid = heir.map(|heir| heir.pid).or(main_pid);
        links.iter_mut().for_each(|by| by.of_main = Some(release.clone()));
    }
    reading
        .processes
        .iter()
        .map(|process| {
            let main = Some(process.pid) == main_pid;
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

/// Where one place lies by one link.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Lies {
    Elsewhere,
    Current,
    /// In the release to which the link leads, which was filled anew since.
    Refilled(String),
    Old(String),
    Gone(String),
}

impl Lies {
    /// Of two, the higher one is believed.
    fn rank(&self) -> u8 {
        match self {
            Self::Elsewhere => 0,
            Self::Current => 1,
            Self::Refilled(_) => 2,
            Self::Old(_) => 3,
            Self::Gone(_) => 4,
        }
    }
}

/// What kind of thing a place is; it decides how much its being gone says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    MainDirectory,
    Directory,
    File,
}

/// Where a process lies by what it holds, and by what of it.
fn lies(process: &ProcessReading, main: bool, links: &[Yardstick<'_>]) -> (Lies, &'static str) {
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
    verdicts.into_iter().max_by_key(|(lies, _)| lies.rank()).unwrap_or((Lies::Elsewhere, ""))
}

fn residence(process: &ProcessReading, main: bool, links: &[Yardstick<'_>], known: Known<'_>) -> Residence {
    let (lies, because) = lies(process, main, links);
    match lies {
        Lies::Gone(release) => Residence::Deleted { release },
        Lies::Old(release) => Residence::Outdated { release, because: because.to_owned() },
        Lies::Refilled(release) => {
            let because = "it was filled again after that process started".to_owned();
            Residence::Outdated { release, because }
        }
        Lies::Current => Residence::Current,
        Lies::Elsewhere => {
            if let Some(release) = process.cwd.as_ref().ok().filter(|_| main).and_then(replaced) {
                return Residence::Deleted { release };
            }
            match &process.cwd {
                Err(why) if links.iter().any(|by| !by.link.plain) => {
                    Residence::Unreadable { why: why.clone() }
                }
                _ => by_time(process, main, links, known).unwrap_or_else(|| in_outer(process, links)),
            }
        }
    }
}

/// The main process lives in a directory that was deleted, and another one of that name stands in its place.
fn replaced(cwd: &Place) -> Option<String> {
    let scratch = SCRATCH.iter().any(|place| below(&cwd.path, place));
    (cwd.gone && cwd.anew && !scratch && cwd.path != "/").then(|| cwd.path.clone())
}

/// The worst that any link says of a place.
fn worst(place: &Place, held: Held, process: &ProcessReading, links: &[Yardstick<'_>]) -> Lies {
    links
        .iter()
        .map(|link| {
            let found = link.lies(place, held, process);
            // To be in a plain directory is nothing that anybody has to know.
            let says_little = found == Lies::Current && (link.outer || link.side || link.link.plain);
            if says_little { Lies::Elsewhere } else { found }
        })
        .max_by_key(Lies::rank)
        .unwrap_or(Lies::Elsewhere)
}

/// One file of the current release is enough to be current: a process may well read in an old one.
fn by_files(process: &ProcessReading, links: &[Yardstick<'_>]) -> Lies {
    let mut found: Vec<Lies> =
        process.files.iter().map(|file| worst(file, Held::File, process, links)).collect();
    if found.contains(&Lies::Current) {
        return Lies::Current;
    }
    found.sort_by_key(Lies::rank);
    found.pop().unwrap_or(Lies::Elsewhere)
}

impl Yardstick<'_> {
    /// Where the place lies by this link.
    fn lies(&self, place: &Place, held: Held, process: &ProcessReading) -> Lies {
        let within = |id| place.id == Some(id) || place.above.contains(&id);
        if let Some(target) = self.target.filter(|target| within(target.id)) {
            let anew = self.refilled(process, target);
            return if anew { Lies::Refilled(target.path.clone()) } else { Lies::Current };
        }
        let main = held == Held::MainDirectory;
        if place.detached {
            return self.unmounted(place, main).map_or(Lies::Elsewhere, Lies::Old);
        }
        let found = self
            .was_target(place, process)
            .or_else(|| {
                let usable = self.dedicated && !self.side;
                let release =
                    self.target.filter(|_| usable).and_then(|target| beside(place, held, target))?;
                // A child that began after the last switch may well build or test a release that never was in force.
                let newcomer = held == Held::Directory && !before(process.started_ms, self.link.switched_at);
                (!newcomer || self.of_main.as_ref() == Some(&release)).then_some(release)
            })
            .or_else(|| (place.gone && main).then(|| self.followed(place)).flatten())
            .or_else(|| (!place.gone && main).then(|| self.before_birth(place, process)).flatten());
        match found {
            Some(release) if place.gone => Lies::Gone(release),
            Some(release) if self.target.is_some() => Lies::Old(release),
            Some(_) | None => Lies::Elsewhere,
        }
    }

    /// The link was switched away and back while the process ran, and what it leads to was filled anew in between.
    fn refilled(&self, process: &ProcessReading, target: &Target) -> bool {
        let away = self.past.windows(2).filter_map(|pair| match pair {
            [left, back] if left.id != target.id && back.id == target.id => Some((left.from, back.from)),
            _ => None,
        });
        let mut away = away.filter(|(left, _)| before(process.started_ms, *left));
        away.any(|(left, back)| {
            let in_between = |at: &&Moment| {
                at.boot_ms >= left.boot_ms.saturating_sub(TICK_MS)
                    && at.boot_ms <= back.boot_ms.saturating_add(TICK_MS)
            };
            target.made.iter().chain(&target.written).any(|at| in_between(&at))
        })
    }

    /// The main process began in the directory of that path, and what stands there now was made later: it was moved aside.
    fn before_birth(&self, place: &Place, process: &ProcessReading) -> Option<String> {
        let target = self.target.filter(|_| self.link.plain && self.directory)?;
        let moved = before(process.started_ms, target.born_at?) && place.above.contains(&target.parent);
        let top = Path::new(&target.path).parent() == Some(Path::new("/"));
        (moved && !top).then(|| place.path.clone())
    }

    /// The release of the link's past in which the place lies. An inode is given away anew once its directory is deleted, so
    /// the name must agree too, or the process be older than the last switch (then the release was renamed).
    fn was_target(&self, place: &Place, process: &ProcessReading) -> Option<String> {
        let older = before(process.started_ms, self.link.switched_at);
        let chain = place.id.into_iter().chain(place.above.iter().copied());
        let skip = usize::from(place.id.is_none());
        let names = Path::new(&place.path).ancestors().skip(skip).map(Some).chain(std::iter::repeat(None));
        chain.zip(names).find_map(|(id, name)| {
            self.past
                .iter()
                .rev()
                .filter(|old| old.id == id && self.target.is_none_or(|target| old.id != target.id))
                .find(|old| older || name == Some(Path::new(&old.path)))
                // A directory that was moved aside is known by its new name.
                .map(|old| if self.link.plain { place.path.clone() } else { old.path.clone() })
        })
    }

    /// The main process was started in the directory to which the link led, and that directory is gone: it lay beside the
    /// present one or bore its name, or all names are lost with its mount; or the link leads nowhere now.
    fn followed(&self, place: &Place) -> Option<String> {
        let path = Path::new(&place.path);
        let dangling = self.link.dangling.as_ref().filter(|dangling| path.starts_with(dangling)).cloned();
        if dangling.is_some() || !self.directory || self.side {
            return dangling;
        }
        let related = self.target.is_none_or(|target| {
            path == Path::new("/")
                || path.starts_with(&target.path)
                || (path.parent() == Path::new(&target.path).parent()
                    && place.above.first() == Some(&target.parent))
        });
        related.then(|| place.path.clone())
    }

    /// What it lives in was mounted here, and is mounted nowhere any more; what is there now is another directory.
    fn unmounted(&self, place: &Place, main: bool) -> Option<String> {
        let target = self.target.filter(|_| !self.side)?;
        let within = |id: FileId| place.id == Some(id) || place.above.contains(&id);
        let known = self.past.iter().any(|old| old.id != target.id && within(old.id));
        let at = if self.link.plain { &self.link.link } else { &target.path };
        (known || (main && self.directory)).then(|| format!("what was mounted at {at} before"))
    }

    /// Where the link led when the process started, as far as remembered, with its position in the past.
    fn in_force(&self, process: &ProcessReading) -> Option<(usize, &PastTarget)> {
        self.past
            .iter()
            .enumerate()
            .rev()
            .find(|(_, old)| old.from.boot_ms <= process.started_ms.saturating_add(TICK_MS))
    }

    /// The process began when the link led elsewhere. Where nobody remembers that day, the time of the link proves nothing (it
    /// may have been touched, or set anew to the same target); a release that was made later does.
    fn is_late(&self, process: &ProcessReading, target: &Target) -> bool {
        let began = before(process.started_ms, self.link.switched_at);
        if self.in_force(process).is_some() {
            return began && !self.led_here(process, target);
        }
        let seen = self.past.iter().any(|old| old.id != target.id);
        match target.born_at.filter(|_| !seen) {
            Some(born) => began && before(process.started_ms, born),
            None => began,
        }
    }

    /// The link led to the same release when the process started: switched back, or renamed meanwhile.
    fn led_here(&self, process: &ProcessReading, target: &Target) -> bool {
        self.in_force(process).is_some_and(|(at, old)| {
            let renamed = || self.past.iter().skip(at).all(|later| later.id == target.id);
            old.id == target.id && (old.path == target.path || renamed())
        })
    }
}

/// The release beside the current one in which the place lies, by the directory that holds them all.
fn beside(place: &Place, held: Held, target: &Target) -> Option<String> {
    let at = place.above.iter().position(|id| *id == target.parent)?;
    let path = Path::new(&place.path);
    let holder = Path::new(&target.path).parent()?;
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

/// Nothing places it, and a link of the unit was switched to another release after it started.
fn by_time(
    process: &ProcessReading,
    main: bool,
    links: &[Yardstick<'_>],
    known: Known<'_>,
) -> Option<Residence> {
    let late = links
        .iter()
        .filter(|by| match by.by_start {
            ByStart::Main if main => true,
            ByStart::Workers(name) if !main => process.names_link || process.name == name,
            ByStart::Main | ByStart::Workers(_) | ByStart::Nobody => !main && process.names_link,
        })
        .filter(|by| !by.side && !by.link.plain)
        // A switch in the future is a clock that was set back: it proves nothing.
        .filter(|by| by.link.switched_at.boot_ms <= known.now.boot_ms)
        .find(|by| by.target.is_some_and(|target| by.is_late(process, target)))?;
    let then = late.in_force(process).map(|(_, old)| old.path.clone());
    Some(Residence::Outdated {
        release: then.unwrap_or_else(|| "an earlier release".to_owned()),
        because: format!("it started before {} was switched", late.link.link),
    })
}

/// Nothing more is known than that it lives where all of the unit's links lie.
fn in_outer(process: &ProcessReading, links: &[Yardstick<'_>]) -> Residence {
    let in_it = process.cwd.as_ref().is_ok_and(|cwd| {
        links
            .iter()
            .filter(|by| by.outer && !by.side)
            .filter_map(|by| by.target)
            .any(|target| cwd.id == Some(target.id) || cwd.above.contains(&target.id))
    });
    if in_it { Residence::Current } else { Residence::Elsewhere }
}
