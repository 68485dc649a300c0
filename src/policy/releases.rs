//! Releases: which paths to look at, what was read of links remembered, processes judged, and what follows for the unit.

mod containers;
mod handover;
mod installed;
mod masters;
mod residence;
#[cfg(test)]
mod tests;
mod verdict;
mod yardstick;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::installed::Kind;
use crate::model::moment::Moment;
use crate::model::release::{LinkReading, PastTarget, ProcessReading, ProcessesReading, Resident, Search};
use crate::model::spec::Spec;
use crate::model::unit::UnitSettings;
use crate::model::will::ServiceType::{Dbus, Exec, Notify, NotifyReload, Simple};

pub use handover::drain;
pub use installed::{
    dated_installed, is_gone, judge_installed, named_installed, own_starts, remember_installed,
};
pub use masters::manager;
pub use residence::judge;
pub use verdict::{Named, Verdict, binaries, relevant, target, verdict};
pub use yardstick::Known;

/// Where release links led, by the link's path; oldest first.
pub type History = BTreeMap<String, Vec<PastTarget>>;

/// Paths of one unit that are looked at.
pub const PATHS: usize = 64;
/// Unit files that came with a package.
const PACKAGED: [&str; 2] = ["/usr/lib/systemd/", "/lib/systemd/"];
/// The longest path of Linux.
const PATH_LENGTH: usize = 4096;
/// Targets that are remembered per link.
pub const TARGETS: usize = 20;
/// Links that are remembered on a host.
pub const LINKS: usize = 4096;
/// Clock ticks are 10 ms, the times of links a little coarser: so much later is "later".
pub(super) const TICK_MS: i64 = 20;
/// A process that began so much before the main process belongs to an earlier run.
const EARLIER_MS: i64 = 2000;

/// Where a unit's release links lie: the declared link, `WorkingDirectory=`, the words of `ExecStart=`, and the paths of its
/// environment. What cannot be seen from the host (`RootImage=`) is not looked for.
#[must_use]
pub fn search(spec: &Spec, settings: &UnitSettings) -> Search {
    let mut search = Search {
        root: settings.root_directory.to_string(),
        sockets: settings.leaves_processes(),
        kinds: spec.release.kinds.clone(),
        ..Search::default()
    };
    if PACKAGED.iter().any(|place| settings.fragment.starts_with(place)) {
        // What came with a package is replaced by its package: that is `binary-outdated`.
        search.kinds.remove(&Kind::File);
    }
    search.container = search.kinds.contains(&Kind::Container).then(|| settings.container()).flatten();
    if settings.root_image {
        return search;
    }
    search.programs = settings.programs_on_host().take(PATHS).collect();
    let usable = |path: &&str| path.starts_with('/') && path.len() > 1 && path.len() < PATH_LENGTH;
    let declared = spec.release.link.as_deref().map(|link| inside(link, &search.root));
    let directory = Some(settings.working_directory.as_str());
    let words = settings.exec_start.iter().flatten().flat_map(|word| in_word(word));
    let environment = settings.environment_paths.iter().flat_map(|word| in_word(word));
    let mut seen: BTreeSet<&str> = declared.into_iter().chain(directory).collect();
    let others = words.chain(environment).filter(usable).filter(|path| seen.insert(*path));
    search.others = others.take(PATHS).map(str::to_owned).collect();
    search.declared = declared.filter(usable).map(str::to_owned);
    search.directory = directory.filter(usable).map(str::to_owned);
    search
}

/// A path as the unit knows it; a person may write it as the host does.
#[must_use]
pub fn inside<'a>(path: &'a str, root: &str) -> &'a str {
    let inner = (!root.is_empty()).then(|| path.strip_prefix(root)).flatten();
    inner.filter(|inner| inner.starts_with('/')).unwrap_or(path)
}

/// `WorkingDirectory=` or a word of `ExecStart=` lies in this release by its own name, over no link.
#[must_use]
pub fn started_in(settings: &UnitSettings, release: &str) -> bool {
    let words = settings.exec_start.iter().flatten().flat_map(|word| in_word(word));
    let mut named = std::iter::once(settings.working_directory.as_str()).chain(words);
    named.any(|path| !path.is_empty() && Path::new(&on_host(path, settings)).starts_with(release))
}

/// The host's path of what the unit knows by this path.
fn on_host(path: &str, settings: &UnitSettings) -> String {
    format!("{}{path}", settings.root_directory)
}

/// Absolute paths in a word of a command line: `/a`, `--x=/a`, `unix:/a`, and those in `sh -c "cd /a && exec b"`.
fn in_word(word: &str) -> impl Iterator<Item = &str> {
    word.split(|c: char| c.is_whitespace() || "\"'`;|&()<>,{}".contains(c))
        .filter_map(|part| {
            if part.starts_with('/') {
                return Some(part);
            }
            let (at, _) = part.char_indices().find(|(_, c)| matches!(c, '=' | ':' | '@'))?;
            let rest = part.get(at + 1..)?;
            rest.starts_with('/').then_some(rest)
        })
        // A list such as `/a:/b` is looked at by its first path.
        .filter_map(|path| path.split(':').next())
}

/// Keeps the links that are the unit's: those that lead somewhere, and of those that do not, the ones known to be links.
/// (A path of a command line that does not exist is mostly a file to be made.)
#[must_use]
pub fn own_links(
    links: Vec<LinkReading>,
    spec: &Spec,
    settings: &UnitSettings,
    history: &History,
) -> Vec<LinkReading> {
    let search = search(spec, settings);
    let home = |path: &Option<String>| path.as_deref().map(|path| on_host(path, settings));
    let (declared, directory) = (home(&search.declared), home(&search.directory));
    let directory = directory.filter(|_| !settings.directory_optional);
    let kind = |link: &LinkReading| if link.plain { Kind::Directory } else { Kind::Link };
    let wanted =
        |link: &LinkReading| search.kinds.contains(&kind(link)) || declared.as_ref() == Some(&link.link);
    links
        .into_iter()
        .filter(wanted)
        .filter(|link| {
            link.target.is_some()
                || declared.as_ref() == Some(&link.link)
                || history.contains_key(&link.link)
                || directory.as_ref().is_some_and(|directory| Path::new(directory).starts_with(&link.link))
        })
        .collect()
}

/// The links with the time since when they lead there, as far as remembered: one that was touched, or set anew to the same
/// target, was not switched.
#[must_use]
pub fn dated(links: Vec<LinkReading>, history: &History) -> Vec<LinkReading> {
    let since = |link: &LinkReading| {
        let (last, target) = (history.get(&link.link)?.last()?, link.target.as_ref()?);
        (last.id == target.id && last.path == target.path).then_some(last.from)
    };
    let dated =
        |link: LinkReading| LinkReading { switched_at: since(&link).unwrap_or(link.switched_at), ..link };
    links.into_iter().map(dated).collect()
}

/// Remembers where the links lead now. Says which were switched, a sentence each.
pub fn remember(history: &mut History, links: &[LinkReading], now: Moment) -> Vec<String> {
    let mut switched = Vec::new();
    for link in links {
        let Some(target) = &link.target else {
            continue;
        };
        if !history.contains_key(&link.link) && history.len() >= LINKS {
            continue;
        }
        let targets = history.entry(link.link.clone()).or_default();
        let last = targets.last();
        if last.is_some_and(|last| last.id == target.id && last.path == target.path) {
            continue;
        }
        // The link's own time tells when it was switched, unless something else than the link changed, or a clock did; a
        // directory may be older than its name.
        let later = last.is_none_or(|last| !link.plain && link.switched_at.boot_ms > last.from.boot_ms);
        let from = if later && link.switched_at.boot_ms <= now.boot_ms { link.switched_at } else { now };
        switched.extend(last.map(|last| was_switched(link, &last.path, &target.path)));
        targets.push(PastTarget { path: target.path.clone(), id: target.id, from });
        let surplus = targets.len().saturating_sub(TARGETS);
        targets.drain(..surplus);
    }
    switched
}

fn was_switched(link: &LinkReading, before: &str, after: &str) -> String {
    let name = &link.link;
    if before == after {
        return format!("{after} was replaced by another directory of that name");
    }
    let who = link.owner.map_or(String::new(), |owner| format!("; the link belongs to user {owner}"));
    if link.plain {
        format!("{name} led to {before}, and is a directory of its own now")
    } else if before == name {
        format!("{name} was a directory of its own, and leads to {after} now{who}")
    } else {
        format!("{name} was switched from {before} to {after}{who}")
    }
}

/// Processes of the control group that an earlier run left and that should not be there: they hold an old release, listen
/// where the main process listens, or do its work beside it. Sessions that are meant to outlive a restart (sshd, dropbear)
/// are none, nor is what was begun in one. `residents`: where each lives.
#[must_use]
pub fn left_over(
    reading: &ProcessesReading,
    residents: &[Resident],
    known: Known<'_>,
) -> BTreeSet<(u32, i64)> {
    let Some(main) = reading.processes.iter().find(|process| Some(process.pid) == known.main_pid) else {
        return BTreeSet::new();
    };
    let spared = spared(reading, known);
    let is_session = |process: &ProcessReading| {
        process.name.starts_with("sshd") || !process.sockets.connected.is_disjoint(&main.sockets.listens)
    };
    let in_session = |process: &ProcessReading| {
        let above = |of: &&ProcessReading| spared.iter().copied().find(|other| other.pid == of.parent);
        let line = std::iter::successors(Some(process), |of| above(of)).take(spared.len());
        line.into_iter().any(is_session)
    };
    let stale = |process: &ProcessReading| {
        residents.iter().any(|resident| resident.pid == process.pid && resident.is_stale())
    };
    let listens = |process: &ProcessReading| !process.sockets.listens.is_disjoint(&main.sockets.listens);
    let beside = |process: &ProcessReading| process.name == main.name && !in_session(process);
    let left = spared.iter().filter(|process| stale(process) || listens(process) || beside(process));
    left.map(|process| (process.pid, process.started_ms)).collect()
}

/// Processes that a restart leaves on purpose, where that can be said for sure: the unit's `KillMode=` lets them live, its
/// type starts nothing before the main process, and they began well before that. No restart ends them.
#[must_use]
pub fn spared<'a>(reading: &'a ProcessesReading, known: Known<'_>) -> Vec<&'a ProcessReading> {
    let settings = known.settings;
    let lets_live = settings.leaves_processes();
    let main_first = matches!(settings.service_type, Simple | Exec | Notify | NotifyReload | Dbus);
    let main = reading.processes.iter().find(|process| Some(process.pid) == known.main_pid);
    let (true, true, Some(main)) = (lets_live, main_first, main) else {
        return Vec::new();
    };
    // What began since the unit rested last is of this run: a main process may hand over to another one.
    let of_run =
        |process: &ProcessReading| known.rested_at.is_some_and(|at| process.started_ms >= at.boot_ms);
    let earlier = |process: &&ProcessReading| {
        !of_run(process) && process.started_ms.saturating_add(EARLIER_MS) < main.started_ms
    };
    reading.processes.iter().filter(earlier).collect()
}
