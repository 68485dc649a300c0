//! What the residents of a unit say about it: deleted, outdated, workers-only restart, or nothing that can be said.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::model::finding::Code;
use crate::model::moment::Moment;
use crate::model::release::{LinkReading, ProcessesReading, Residence, Resident, Role, Target};

use super::History;
use super::masters::is_pool;
use super::yardstick::before;

/// Lines of evidence of one finding.
const EVIDENCE: usize = 20;

/// A problem, named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    pub code: Code,
    /// One sentence with names and numbers.
    pub message: String,
    pub evidence: Vec<String>,
    /// The old releases that it is about.
    pub releases: BTreeSet<String>,
}

/// The judgement on a unit's release.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Worst first; empty: nothing stale was seen.
    pub named: Vec<Named>,
    /// Why "not stale" cannot be said. Counts only where nothing is named.
    pub unknown: Option<String>,
    /// The release that the link names.
    pub current: Option<String>,
    /// The release that runs: of the main process, or of a worker where the main process tells nothing.
    pub running: Option<String>,
}

impl Verdict {
    /// Why nothing can be said of the release now.
    #[must_use]
    pub fn cannot_tell(&self) -> Option<&str> {
        self.unknown.as_deref().filter(|_| self.named.is_empty())
    }
}

/// Sums up the residents of a unit (of `judge`) and its links (of `own_links`).
#[must_use]
pub fn verdict(residents: &[Resident], reading: &ProcessesReading) -> Verdict {
    let link = relevant(&reading.links, residents);
    let leading = link.filter(|link| !link.plain);
    let current = leading.and_then(|link| link.target.as_ref()).map(|target| target.path.clone());
    let mut named = Vec::new();
    let stale: Vec<&Resident> = residents.iter().filter(|one| is_stale(one)).collect();
    let of = |wanted: fn(&Residence) -> bool| -> Vec<&Resident> {
        stale.iter().copied().filter(|one| wanted(&one.residence)).collect()
    };
    let deleted = of(|residence| matches!(residence, Residence::Deleted { .. }));
    let outdated = of(|residence| matches!(residence, Residence::Outdated { .. }));
    let link = link.or_else(|| reading.links.first());
    named.extend(told(Code::ReleaseDeleted, &deleted, residents, link));
    named.extend(told(Code::ReleaseOutdated, &outdated, residents, link));
    named.extend(leading.and_then(|link| workers_only(residents, link)));
    // One cause gives one finding: where a link tells it already, what was replaced besides adds nothing.
    let others = super::named_installed(residents, &reading.installed).into_iter();
    let new: Vec<Named> = others.filter(|other| named.iter().all(|known| known.code != other.code)).collect();
    named.extend(new);
    Verdict {
        running: running(residents, current.as_deref()),
        unknown: unknown(residents, reading),
        named,
        current,
    }
}

fn is_stale(resident: &Resident) -> bool {
    release(resident).is_some()
}

/// The old release of a stale process.
fn release(resident: &Resident) -> Option<&str> {
    match &resident.residence {
        Residence::Outdated { release, .. } | Residence::Deleted { release } => Some(release),
        Residence::Current
        | Residence::Replaced { .. }
        | Residence::Draining { .. }
        | Residence::Elsewhere
        | Residence::Unreadable { .. } => None,
    }
}

/// The release that the unit's link names now, of several links the one to speak of; without any link, the directory in
/// which the unit is started.
#[must_use]
pub fn target<'a>(links: &'a [LinkReading], residents: &[Resident]) -> Option<&'a Target> {
    let plain = || links.iter().find(|link| link.plain);
    relevant(links, residents).or_else(plain)?.target.as_ref()
}

/// The link to speak of: the one beside whose target the stale release lies, else the last one (the innermost) of those
/// that lead somewhere; a plain directory only where something lived in it that was replaced.
#[must_use]
pub fn relevant<'a>(links: &'a [LinkReading], residents: &[Resident]) -> Option<&'a LinkReading> {
    let leading = || links.iter().filter(|link| link.target.is_some() && !link.plain);
    let stale: BTreeSet<&Path> = residents.iter().filter_map(release).map(Path::new).collect();
    let releases: BTreeSet<&Path> = stale.iter().filter_map(|release| release.parent()).collect();
    let beside = leading().find(|link| {
        let target = link.target.as_ref().map(|target| Path::new(&target.path));
        target.and_then(Path::parent).is_some_and(|holder| releases.contains(holder))
    });
    let plain = links.iter().filter(|link| link.plain && !stale.is_empty()).find(|link| {
        let around = Path::new(&link.link).parent();
        leading().next().is_none()
            || around.is_some_and(|around| stale.iter().any(|one| one.starts_with(around)))
    });
    // `/srv` on another disk is met before `/srv/app/current`; what lies inside of another link comes after it.
    let first = leading().next();
    let inner = first.and_then(|first| {
        leading().filter(|link| Path::new(&link.link).starts_with(&first.link)).find(|link| {
            let inside = |link: &LinkReading| link.target.as_ref().map(|target| target.path.clone());
            link.link != first.link
                && inside(link)
                    .zip(inside(first))
                    .is_some_and(|(path, around)| Path::new(&path).starts_with(around))
        })
    });
    beside.or(plain).or(inner).or(first)
}

fn told(code: Code, stale: &[&Resident], all: &[Resident], link: Option<&LinkReading>) -> Option<Named> {
    if stale.is_empty() {
        return None;
    }
    let releases: BTreeSet<String> = stale.iter().filter_map(|one| release(one)).map(str::to_owned).collect();
    let names = releases.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let who = whom(stale, all.len());
    let verb = if stale.len() == 1 { "runs" } else { "run" };
    let deleted = code == Code::ReleaseDeleted;
    Some(Named {
        code,
        message: format!("{who} {verb} {names}{}", now_there(link, &releases, deleted)),
        evidence: evidence(all),
        releases,
    })
}

/// What became of the old releases, and what is in their place: the end of a sentence.
fn now_there(link: Option<&LinkReading>, releases: &BTreeSet<String>, deleted: bool) -> String {
    let fate = if deleted { ", which was deleted" } else { "" };
    let Some(link) = link else {
        return format!("{fate}; another directory of that name stands there now");
    };
    let name = &link.link;
    match &link.target {
        None if link.dangling.is_none() => format!("{fate}, and there is no {name} now"),
        None => format!("{fate}, and {name} leads nowhere"),
        Some(_) if link.plain && releases.contains(name) => {
            format!("{fate}; another directory of that name stands there now")
        }
        Some(_) if link.plain => format!("{fate}; {name} is another directory now"),
        Some(target) if releases.contains(&target.path) && !deleted => {
            format!(" as it was before it was filled again; {name} leads to it")
        }
        Some(target) => format!("{fate}; {name} leads to {}", target.path),
    }
}

/// `the main process 4242 (php) and 2 workers, 3 of 5 processes,`.
pub(super) fn whom(stale: &[&Resident], all: usize) -> String {
    let main = stale.iter().find(|one| one.role == Role::Main);
    let workers = stale.iter().filter(|one| one.role == Role::Worker).count();
    let main = main.map(|one| format!("the main process {} ({})", one.pid, one.name));
    let workers = match (workers, stale.iter().find(|one| one.role == Role::Worker)) {
        (1, Some(one)) => Some(format!("worker {} ({})", one.pid, one.name)),
        (0, _) | (_, None) => None,
        (many, Some(_)) => Some(format!("{many} workers")),
    };
    let names: Vec<String> = main.into_iter().chain(workers).collect();
    let names = names.join(" and ");
    if stale.len() == all { names } else { format!("{names} ({} of {all} processes)", stale.len()) }
}

/// New workers under an old master: only the workers were restarted.
fn workers_only(residents: &[Resident], link: &LinkReading) -> Option<Named> {
    let is_old = |one: &&Resident| one.role == Role::Main && is_stale(one);
    let main = residents.iter().find(is_old).filter(|main| !is_pool(&main.name))?;
    let workers = || residents.iter().filter(|one| one.role == Role::Worker);
    let new = workers()
        .filter(|one| before(link.switched_at.boot_ms, Moment { boot_ms: one.started_ms, wall_ms: 0 }))
        .count();
    // A master that started after the switch has no old workers to be told from new ones.
    if new == 0 || !before(main.started_ms, link.switched_at) {
        return None;
    }
    Some(Named {
        code: Code::WorkersOnlyRestart,
        message: format!(
            "new workers under an old master: {new} of {} workers started after {} was switched, the main process {} ({}) still runs {}",
            workers().count(),
            link.link,
            main.pid,
            main.name,
            release(main).unwrap_or("an earlier release"),
        ),
        evidence: evidence(residents),
        releases: release(main).map(str::to_owned).into_iter().collect(),
    })
}

/// A line for each process, the main process first.
pub(super) fn evidence(residents: &[Resident]) -> Vec<String> {
    let by_role = |role: Role| residents.iter().filter(move |one| one.role == role);
    let all = by_role(Role::Main).chain(by_role(Role::Worker));
    let mut lines: Vec<String> = all
        .take(EVIDENCE)
        .map(|one| {
            let who = format!("{} {} ({})", one.role.as_str(), one.pid, one.name);
            match &one.residence {
                Residence::Current => format!("{who}: current"),
                Residence::Outdated { release, because } => format!("{who}: {release}, {because}"),
                Residence::Deleted { release } => format!("{who}: {release}, deleted"),
                Residence::Replaced { because, .. } => format!("{who}: {because}"),
                Residence::Draining { release } => format!("{who}: {release}, it drains"),
                Residence::Elsewhere => format!("{who}: elsewhere"),
                Residence::Unreadable { why } => format!("{who}: unreadable, {why}"),
            }
        })
        .collect();
    let more = residents.len().saturating_sub(EVIDENCE);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

fn running(residents: &[Resident], current: Option<&str>) -> Option<String> {
    let runs = |one: &Resident| match &one.residence {
        Residence::Current => current.map(str::to_owned),
        Residence::Outdated { .. } | Residence::Deleted { .. } => release(one).map(str::to_owned),
        Residence::Replaced { .. }
        | Residence::Draining { .. }
        | Residence::Elsewhere
        | Residence::Unreadable { .. } => None,
    };
    let main = residents.iter().filter(|one| one.role == Role::Main).find_map(runs);
    let stale = || residents.iter().filter(|one| is_stale(one)).find_map(runs);
    main.or_else(stale).or_else(|| residents.iter().find_map(runs))
}

fn unknown(residents: &[Resident], reading: &ProcessesReading) -> Option<String> {
    let broken = reading.links.iter().find(|link| link.target.is_none()).map(|link| {
        let problem = link.problem.as_deref().unwrap_or("it leads nowhere");
        format!("{} leads to no release: {problem}", link.link)
    });
    let unread: Vec<&str> = residents
        .iter()
        .filter_map(|one| match &one.residence {
            Residence::Unreadable { why } => Some(why.as_str()),
            Residence::Current
            | Residence::Outdated { .. }
            | Residence::Deleted { .. }
            | Residence::Replaced { .. }
            | Residence::Draining { .. }
            | Residence::Elsewhere => None,
        })
        .collect();
    let unread = unread
        .first()
        .map(|why| format!("{} of {} processes cannot be judged: {why}", unread.len(), residents.len()));
    let incomplete = reading.incomplete.as_ref().map(|why| format!("not all was looked at: {why}"));
    reading.links_unread.clone().or(broken).or(unread).or(incomplete)
}

/// `binary-outdated`: executables or libraries that were deleted or replaced while in use. What belongs to an old release is
/// left to the release findings; what was replaced inside of the current one is not.
#[must_use]
pub fn binaries(reading: &ProcessesReading, residents: &[Resident], history: &History) -> Option<Named> {
    let is_stale = |pid: u32| residents.iter().any(|one| one.pid == pid && is_stale(one));
    let links = || reading.links.iter().filter(|link| !link.plain);
    let of_release = |pid: u32, path: &str| {
        let path = Path::new(path);
        let current = links().filter_map(|link| link.target.as_ref()).any(|now| path.starts_with(&now.path));
        let held = links().any(|link| {
            let holder = link.target.as_ref().and_then(|target| Path::new(&target.path).parent());
            let past = history.get(&link.link).into_iter().flatten();
            holder.is_some_and(|holder| holder != Path::new("/") && path.starts_with(holder))
                || past.into_iter().any(|old| path.starts_with(&old.path))
        });
        held && (!current || is_stale(pid))
    };
    let main_pid = residents.iter().find(|one| one.role == Role::Main).map(|one| one.pid);
    let mut users: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let mut processes = BTreeSet::new();
    for process in &reading.processes {
        let own = reading.installed.iter().filter(|one| one.users.contains(&process.pid));
        let in_place: BTreeSet<&str> = own.map(|one| one.place.as_str()).collect();
        let others = process.replaced.iter().filter(|path| !in_place.contains(path.as_str()));
        for path in others.filter(|path| !of_release(process.pid, path)) {
            let role = if Some(process.pid) == main_pid { Role::Main } else { Role::Worker };
            let who = format!("{} {} ({})", role.as_str(), process.pid, process.name);
            users.entry(path).or_default().push(who);
            processes.insert(process.pid);
        }
    }
    let (first, _) = users.first_key_value()?;
    let more = users.len() - 1;
    let others = if more == 0 { String::new() } else { format!(" and {more} more") };
    Some(Named {
        releases: BTreeSet::new(),
        code: Code::BinaryOutdated,
        message: format!(
            "{} of {} processes use files that were replaced on disk: {first}{others}",
            processes.len(),
            reading.processes.len(),
        ),
        evidence: users
            .iter()
            .take(EVIDENCE)
            .map(|(path, who)| {
                let shown: Vec<&str> = who.iter().take(5).map(String::as_str).collect();
                let rest = who.len().saturating_sub(shown.len());
                let rest = if rest == 0 { String::new() } else { format!(" and {rest} more") };
                format!("{path}: {}{rest}", shown.join(", "))
            })
            .collect(),
    })
}
