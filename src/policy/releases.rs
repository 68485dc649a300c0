//! Releases: which paths to look at, what was read of links remembered, processes judged, and what follows for the unit.

mod residence;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::moment::Moment;
use crate::model::release::{LinkReading, PastTarget, ProcessReading, ProcessesReading};
use crate::model::spec::Spec;
use crate::model::unit::UnitSettings;
use crate::model::will::ServiceType::{Dbus, Exec, Notify, NotifyReload, Simple};

pub use residence::{Known, judge};
pub use verdict::{Named, Verdict, binaries, relevant, target, verdict};

/// Where release links led, by the link's path; oldest first.
pub type History = BTreeMap<String, Vec<PastTarget>>;

/// Paths of one unit that are looked at.
pub const PATHS: usize = 64;
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

/// The absolute paths on which a unit's release links lie: the declared link first, then `WorkingDirectory=`, the words
/// of `ExecStart=`, and the paths of its environment.
#[must_use]
pub fn paths(spec: &Spec, settings: &UnitSettings) -> Vec<String> {
    let declared = spec.release.link.iter().map(String::as_str);
    let directory = std::iter::once(settings.working_directory.as_str());
    let words = settings.exec_start.iter().flatten().flat_map(|word| in_word(word));
    let environment = settings.environment_paths.iter().flat_map(|word| in_word(word));
    let mut seen = BTreeSet::new();
    declared
        .chain(directory)
        .chain(words)
        .chain(environment)
        .filter(|path| path.starts_with('/') && path.len() > 1 && path.len() < PATH_LENGTH)
        .filter(|path| seen.insert(*path))
        .take(PATHS)
        .map(str::to_owned)
        .collect()
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
    let directory = Path::new(&settings.working_directory);
    links
        .into_iter()
        .filter(|link| {
            link.target.is_some()
                || spec.release.link.as_deref() == Some(link.link.as_str())
                || history.contains_key(&link.link)
                || directory.starts_with(&link.link)
        })
        .collect()
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
        // The link's own time tells when it was switched, unless something else than the link changed, or a clock did.
        let later = last.is_none_or(|last| link.switched_at.boot_ms > last.from.boot_ms);
        let from = if later && link.switched_at.boot_ms <= now.boot_ms { link.switched_at } else { now };
        if let Some(last) = last {
            let who = link.owner.map_or(String::new(), |owner| format!("; the link belongs to user {owner}"));
            let (link, before, after) = (&link.link, &last.path, &target.path);
            switched.push(format!("{link} was switched from {before} to {after}{who}"));
        }
        targets.push(PastTarget { path: target.path.clone(), id: target.id, from });
        let surplus = targets.len().saturating_sub(TARGETS);
        targets.drain(..surplus);
    }
    switched
}

/// Processes of the control group that an earlier run left, where that can be said for sure, and which bear the main
/// process's name.
///
/// Daemons that leave sessions running on purpose (sshd) are not told.
#[must_use]
pub fn left_over<'a>(
    reading: &'a ProcessesReading,
    main_pid: Option<u32>,
    settings: &UnitSettings,
) -> Vec<&'a ProcessReading> {
    let main = reading.processes.iter().find(|process| Some(process.pid) == main_pid);
    let Some(main) = main.filter(|main| !main.name.starts_with("sshd")) else {
        return Vec::new();
    };
    let spared = spared(reading, main_pid, settings);
    spared.into_iter().filter(|process| process.name == main.name).collect()
}

/// Processes that a restart leaves on purpose, where that can be said for sure: the unit's `KillMode=` lets them live, its
/// type starts nothing before the main process, and they began well before that. No restart ends them.
#[must_use]
pub fn spared<'a>(
    reading: &'a ProcessesReading,
    main_pid: Option<u32>,
    settings: &UnitSettings,
) -> Vec<&'a ProcessReading> {
    let lets_live = settings.leaves_processes();
    let main_first = matches!(settings.service_type, Simple | Exec | Notify | NotifyReload | Dbus);
    let main = reading.processes.iter().find(|process| Some(process.pid) == main_pid);
    let (true, true, Some(main)) = (lets_live, main_first, main) else {
        return Vec::new();
    };
    let earlier = |process: &&ProcessReading| process.started_ms.saturating_add(EARLIER_MS) < main.started_ms;
    reading.processes.iter().filter(earlier).collect()
}
