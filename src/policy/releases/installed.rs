//! Code that is installed in place: what was there when a process began, against what is there now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::finding::Code;
use crate::model::installed::{Content, Installed, Kind, State};
use crate::model::moment::Moment;
use crate::model::release::{
    FileId, PastTarget, ProcessReading, ProcessesReading, Residence, Resident, Role,
};
use crate::model::unit::UnitSettings;
use crate::policy::limits;

use super::verdict::{Named, evidence, whom};
use super::yardstick::before;
use super::{History, Known, LINKS, TARGETS, TICK_MS};

/// Programs that run others: what they begin from is none of their code.
const SHELLS: [&str; 6] = ["sh", "bash", "dash", "zsh", "ksh", "busybox"];
/// Masters that begin their workers from what is on disk, so that the workers alone tell what runs …
const LOADED_BY_WORKERS: [&str; 3] = ["gunicorn", "uvicorn", "hypercorn"];
/// … unless they are told to load it before.
const PRELOAD: &str = "--preload";

/// Remembers what is installed now, by what kind and where. `seen`: when it was seen last as it was remembered. Says what was
/// changed, a sentence each.
pub fn remember_installed(
    history: &mut History,
    installed: &[Installed],
    seen: Option<Moment>,
    now: Moment,
) -> Vec<String> {
    let mut told = Vec::new();
    for one in installed {
        let Some(content) = one.whole() else {
            continue;
        };
        let key = one.key();
        if !history.contains_key(&key) && history.len() >= LINKS {
            continue;
        }
        let past = history.entry(key).or_default();
        if let Some(last) = past.last_mut().filter(|last| content.is(last.id)) {
            // By its newest print: those before may be forgotten where it lies.
            last.id = content.print;
            continue;
        }
        let last = past.last();
        let from = content.since(last, seen, now);
        if last.is_some() {
            let (noun, place) = (one.noun(), &one.place);
            let file = match &content.removed {
                Some(gone) => format!(" ({gone} is gone)"),
                None if content.newest == *place => String::new(),
                None => format!(" ({})", content.newest),
            };
            told.push(format!("{noun} {place} was changed{file}"));
        }
        past.push(PastTarget { path: content.newest.clone(), id: content.print, from });
        let surplus = past.len().saturating_sub(TARGETS);
        past.drain(..surplus);
    }
    told
}

/// What a start script installed before it became the program itself belongs to the start: the program loaded it. `execs`: those
/// processes, when each began, and when it was seen as another program.
pub fn own_starts(history: &mut History, installed: &[Installed], execs: &BTreeMap<(u32, i64), Moment>) {
    for one in installed {
        let past = history.get_mut(&one.key()).map(Vec::as_mut_slice).unwrap_or_default();
        for ((pid, began), seen) in execs {
            let own = one.of_unit || one.users.contains(pid);
            let during =
                |known: &&mut PastTarget| known.from.boot_ms > *began && known.from.boot_ms <= seen.boot_ms;
            let ours = past.iter_mut().filter(|_| own).filter(during);
            ours.for_each(|known| known.from = seen.at_boot_ms(*began));
        }
    }
}

/// What is installed, with the time since when it is there, as far as remembered.
#[must_use]
pub fn dated_installed(installed: Vec<Installed>, history: &History) -> Vec<Installed> {
    let dated = |mut one: Installed| {
        let since = history.get(&one.key()).and_then(|past| past.last()).map(|last| last.from);
        if let (Some(content), Some(since)) = (&mut one.content, since) {
            content.changed_at = since;
        }
        one
    };
    installed.into_iter().map(dated).collect()
}

/// Judges processes by what is installed in place, where their links say nothing against them.
pub fn judge_installed(residents: &mut [Resident], reading: &ProcessesReading, known: Known<'_>) {
    for one in &reading.installed {
        let past = known.history.get(&one.key()).map_or(&[][..], Vec::as_slice);
        let users = one.users_in(reading, known);
        for resident in residents.iter_mut().filter(|resident| users.contains(&resident.pid)) {
            let open = matches!(resident.residence, Residence::Current | Residence::Elsewhere);
            if let Some(replaced) = one.replaced(past, resident, known.now).filter(|_| open) {
                resident.residence = replaced;
            }
        }
        one.forgive_master(residents, known.settings);
    }
}

/// What is to be told of processes whose code was replaced in place, or is gone.
#[must_use]
pub fn named_installed(residents: &[Resident], installed: &[Installed]) -> Vec<Named> {
    let of = |wanted: bool| -> Vec<&Resident> {
        let is =
            |one: &&Resident| matches!(one.residence, Residence::Replaced { gone, .. } if gone == wanted);
        residents.iter().filter(is).collect()
    };
    let told = |gone: bool| {
        let stale = of(gone);
        let place = stale.iter().find_map(|one| one.place())?;
        let one = installed.iter().find(|one| one.place == place)?;
        Some(one.sentence(gone, (&stale, residents)))
    };
    told(true).into_iter().chain(told(false)).collect()
}

/// Something of it is gone: a restart would fail.
#[must_use]
pub fn is_gone(residents: &[Resident]) -> bool {
    residents.iter().any(|one| matches!(one.residence, Residence::Replaced { gone: true, .. }))
}

impl Content {
    /// The newest file was there already when the process began: something else changed.
    fn is_older_than(&self, began_ms: i64) -> bool {
        self.newest_at.is_some_and(|at| at.boot_ms <= began_ms)
    }

    /// Since when this content is there.
    fn since(&self, last: Option<&PastTarget>, seen: Option<Moment>, now: Moment) -> Moment {
        let Some(last) = last else {
            // Nobody saw what was there before: since it was made, or ever.
            return self.made_at.unwrap_or(now.at_boot_ms(0)).min(now);
        };
        // What was moved there bears times of its own; but the look before saw that it was not there yet.
        let floor = seen.unwrap_or(last.from);
        let changed = self.changed_at;
        if changed.boot_ms > floor.boot_ms && changed.boot_ms <= now.boot_ms {
            changed
        } else {
            seen.unwrap_or(now)
        }
    }
}

impl Installed {
    /// What people call it, before its path.
    fn noun(&self) -> &'static str {
        if self.is_one_of_many() { "an archive in" } else { self.kind.noun() }
    }

    /// It is no file, but the archives of a directory.
    fn is_one_of_many(&self) -> bool {
        let many = self.content.as_ref().is_some_and(|content| content.newest != self.place);
        self.kind == Kind::File && many
    }

    /// The processes that run what is installed there.
    fn users_in(&self, reading: &ProcessesReading, known: Known<'_>) -> BTreeSet<u32> {
        let main = reading.processes.iter().find(|process| Some(process.pid) == known.main_pid);
        let shell = |main: &&ProcessReading| {
            let path = main.exe.as_ref().map(|exe| exe.path.as_str()).unwrap_or_default();
            SHELLS.iter().any(|name| path.rsplit('/').next() == Some(*name))
        };
        let own = main.filter(|main| self.of_unit || self.users.contains(&main.pid));
        // It waits for what it began, or is about to become it.
        let own = own.filter(|main| self.kind == Kind::File || !shell(main));
        let exe = |process: &ProcessReading| process.exe.as_ref().ok().map(|exe| exe.path.clone());
        // Workers rename themselves; what the main process began from the same executable runs the same code.
        let program = own.filter(|_| self.kind != Kind::File).and_then(exe);
        let same = reading.processes.iter().filter(|process| program.is_some() && exe(process) == program);
        let named = self.users.iter().copied();
        named.chain(own.map(|main| main.pid)).chain(same.map(|process| process.pid)).collect()
    }

    /// What became of the code of this process, if it is not what is there now.
    fn replaced(&self, past: &[PastTarget], resident: &Resident, now: Moment) -> Option<Residence> {
        let place = self.place.clone();
        if let State::Gone(since) = self.state {
            // An update may take away before it puts there.
            let lasts = since.plus(limits::REFILL) <= now && before(resident.started_ms, since);
            let because = format!("{} {place} is gone", self.noun());
            return lasts.then_some(Residence::Replaced { place, because, gone: true });
        }
        let current = past.last()?;
        let began = |old: &&PastTarget| old.from.boot_ms <= resident.started_ms.saturating_add(TICK_MS);
        let held = self.content.as_ref().and_then(|content| content.held.get(&resident.pid));
        let same = |id: FileId| {
            id == current.id || self.content.as_ref().is_some_and(|content| content.same.contains(&id))
        };
        let stale = match held {
            Some(held) => *held != current.id,
            None => past.iter().rev().find(began).is_none_or(|then| !same(then.id)),
        };
        let because = match self.kind {
            Kind::File if self.is_one_of_many() => {
                format!("an archive in {place} was replaced after it started")
            }
            Kind::File => format!("{place} was replaced after it started"),
            Kind::Container => format!("{place} names another image than when it started"),
            Kind::Git => format!("another commit was checked out after it started ({})", current.path),
            Kind::Venv | Kind::Npm | Kind::Link | Kind::Directory | Kind::Package => {
                let content = self.content.as_ref();
                match content.and_then(|content| content.removed.as_ref()) {
                    Some(gone) => format!("{gone} was removed after it started"),
                    None if content.is_some_and(|content| content.is_older_than(resident.started_ms)) => {
                        format!("{place} was changed after it started")
                    }
                    None => format!("{} was written after it started", current.path),
                }
            }
        };
        stale.then_some(Residence::Replaced { place, because, gone: false })
    }

    /// A master whose workers load the code, and were all begun anew, runs nothing old.
    fn forgive_master(&self, residents: &mut [Resident], settings: &UnitSettings) {
        let words = || settings.exec_start.iter().flatten();
        let by_workers = words().any(|word| {
            let name = Path::new(word).file_name().and_then(|name| name.to_str());
            name.is_some_and(|name| LOADED_BY_WORKERS.contains(&name))
        });
        let replaced = |resident: &Resident| matches!(&resident.residence, Residence::Replaced { place, gone: false, .. } if *place == self.place);
        let workers = || residents.iter().filter(|one| one.role == Role::Worker);
        let all_new = workers().next().is_some() && !workers().any(replaced);
        let lazy = by_workers && !words().any(|word| word.starts_with(PRELOAD));
        if lazy && all_new && self.kind != Kind::File {
            let masters = residents.iter_mut().filter(|resident| replaced(resident));
            masters.for_each(|master| master.residence = Residence::Elsewhere);
        }
    }

    /// What the last update did, as against these processes, and the evidence of it.
    fn change(&self, stale: &[&Resident]) -> (String, String) {
        let content = self.content.as_ref();
        let newest = content.map(|content| content.newest.as_str()).unwrap_or_default();
        let began = stale.iter().map(|one| one.started_ms).max().unwrap_or_default();
        match content.and_then(|content| content.removed.as_ref()) {
            Some(gone) => (format!("{gone} is gone"), format!("removed: {gone}")),
            None if content.is_some_and(|content| content.is_older_than(began)) => (
                "it was changed since, though nothing in it is newer".to_owned(),
                format!("changed: {}", self.place),
            ),
            None => (format!("{newest} is newer"), format!("changed: {newest}")),
        }
    }

    /// What is to be told of processes that run something else than what is there.
    fn sentence(&self, gone: bool, (stale, all): (&[&Resident], &[Resident])) -> Named {
        let who = whom(stale, all.len());
        let verb = if stale.len() == 1 { "runs" } else { "run" };
        let (noun, place) = (self.kind.noun(), &self.place);
        let newest = self.content.as_ref().map(|content| content.newest.as_str()).unwrap_or_default();
        let (change, file) = self.change(stale);
        let archive = [".jar", ".war", ".ear"].iter().any(|ending| newest.ends_with(ending));
        let later = if archive { "; classes that it loads from now on may be missing" } else { "" };
        let (code, message) = match (gone, self.kind) {
            (true, _) => (
                Code::ReleaseDeleted,
                format!(
                    "{who} {verb} what was in {place}, which is gone; a restart would fail until it is back"
                ),
            ),
            (false, Kind::File) if self.is_one_of_many() => (
                Code::ReleaseOutdated,
                format!("{who} {verb} older code than {place} holds: {change}{later}"),
            ),
            (false, Kind::File) => {
                (Code::ReleaseOutdated, format!("{who} {verb} an older {place} than the one on disk{later}"))
            }
            (false, Kind::Container) => {
                (Code::ReleaseOutdated, format!("{who} {verb} an older image than {place} names now"))
            }
            (false, _) => (
                Code::ReleaseOutdated,
                format!("{who} {verb} older code than {noun} {place} holds: {change}"),
            ),
        };
        let changed = std::iter::once(file).filter(|_| !newest.is_empty());
        Named { code, message, evidence: changed.chain(evidence(all)).collect(), releases: BTreeSet::new() }
    }
}

impl Resident {
    /// Where what it runs was replaced.
    fn place(&self) -> Option<&str> {
        match &self.residence {
            Residence::Replaced { place, .. } => Some(place),
            Residence::Current
            | Residence::Outdated { .. }
            | Residence::Deleted { .. }
            | Residence::Draining { .. }
            | Residence::Elsewhere
            | Residence::Unreadable { .. } => None,
        }
    }
}
