//! A link as a measure: where it leads and led, and how much it says of what lies elsewhere.

use std::path::Path;

use crate::model::moment::Moment;
use crate::model::release::{HOLDERS, LinkReading, PastTarget, Target};
use crate::model::unit::UnitSettings;

use super::{History, TICK_MS};

/// What is known besides the reading.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// `MainPID=`.
    pub main_pid: Option<u32>,
    /// When the unit was down last: what began later is of the present run. `None` where it never was.
    pub rested_at: Option<Moment>,
    /// Since when the run is active.
    pub active_since: Option<Moment>,
    pub history: &'a History,
    pub settings: &'a UnitSettings,
    pub now: Moment,
}

/// Whose start tells which release they run, where nothing else does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ByStart<'a> {
    Main,
    /// Processes of this name.
    Workers(&'a str),
    Nobody,
}

/// A link, and how far it can be used to judge.
pub(super) struct Yardstick<'a> {
    pub link: &'a LinkReading,
    /// Where it leads; `None`: nowhere now, and only its past and what is deleted counts.
    pub target: Option<&'a Target>,
    pub past: &'a [PastTarget],
    /// It lies in another release and leads out of it, as to shared data: only its own past counts.
    pub side: bool,
    /// Other links lie in it (`/srv` on another disk): to be in it says little.
    pub outer: bool,
    /// The directory that holds the target holds releases only.
    pub dedicated: bool,
    /// `WorkingDirectory=` runs through it.
    pub directory: bool,
    /// The old release in which the main process lives.
    pub of_main: Option<String>,
    /// Whose start tells which release they run.
    pub by_start: ByStart<'a>,
}

/// Started so much before that no coarse clock explains it.
pub(super) fn before(started_ms: i64, moment: Moment) -> bool {
    started_ms.saturating_add(TICK_MS) < moment.boot_ms
}

/// How far each link can be used.
pub(super) fn yardsticks<'a>(links: &'a [LinkReading], known: Known<'a>) -> Vec<Yardstick<'a>> {
    let leading =
        || links.iter().filter(|link| !link.plain).filter_map(|link| Some((link, link.target.as_ref()?)));
    let is_side = |link: &LinkReading, target: &Target| {
        leading().any(|(outer, around)| lies_in(link, outer, around) && !below(&target.path, &around.path))
    };
    let directory = super::on_host(&known.settings.working_directory, known.settings);
    links
        .iter()
        .map(|link| {
            let target = link.target.as_ref();
            let leads = target.filter(|_| !link.plain);
            let past = known.history.get(&link.link).map_or(&[][..], Vec::as_slice);
            let outer = leads.is_some_and(|target| {
                leading().any(|(inner, leads)| lies_in(inner, link, target) && !is_side(inner, leads))
            });
            Yardstick {
                link,
                target,
                past,
                side: leads.is_some_and(|target| is_side(link, target)),
                outer,
                dedicated: leads.is_some_and(|target| is_dedicated(link, target, past, links, outer)),
                directory: below(&directory, &link.link),
                of_main: None,
                by_start: ByStart::Main,
            }
        })
        .collect()
}

/// `link` is another one than `outer` and lies inside of what that one leads to.
fn lies_in(link: &LinkReading, outer: &LinkReading, around: &Target) -> bool {
    link.link != outer.link && (below(&link.link, &outer.link) || below(&link.link, &around.path))
}

/// The path is that directory or lies below it.
pub(super) fn below(path: &str, directory: &str) -> bool {
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
