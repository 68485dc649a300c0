//! The processes of a unit and its release links, as the last inspection showed them.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::installed::{Content, Installed, State};
use crate::model::moment::Moment;
use crate::model::poll::Poll;
use crate::model::release::{
    Ending, FileId, LinkReading, ProcessReading, ProcessesReading, Residence, Resident, Role, Target,
};
use crate::policy::limits;
use crate::policy::releases::{self, Known, Verdict};

/// A process that is seen first so soon after it began. Milliseconds.
const JUST_BEGUN_MS: i64 = 1000;

/// By process and when it began.
pub type Execs = BTreeMap<(u32, i64), Moment>;

/// What is known of the processes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Residents {
    reading: Option<ProcessesReading>,
    /// When the last inspection of this run began.
    inspected_at: Option<Moment>,
    poll: Poll,
    /// When it was last looked whether its program runs outside, and since when that is awaited.
    outside_at: Option<Moment>,
    outside_asked: Option<Moment>,
    /// The processes, judged.
    judged: Vec<Resident>,
    /// Those that an earlier run left and that should not be there.
    left: BTreeSet<(u32, i64)>,
    /// What an earlier run left is being ended.
    ending: Option<Ending>,
    /// The link that was switched last, and when.
    flip: Option<(String, Moment)>,
    /// Processes that became another program since they began, and when that was seen first.
    execs: Execs,
    /// The main process that a signal stopped, and since when that is seen.
    halted: Option<(u32, Moment)>,
    /// What is installed in place, over all runs, and when that was looked at last.
    installed: Vec<Installed>,
    seen_at: Option<Moment>,
    /// Since when an installer is seen at work on it, without an end in between.
    unsettled_since: Option<Moment>,
}

impl Residents {
    #[must_use]
    pub fn reading(&self) -> Option<&ProcessesReading> {
        self.reading.as_ref()
    }

    #[must_use]
    pub fn inspected_at(&self) -> Option<Moment> {
        self.inspected_at
    }

    #[must_use]
    pub fn judged(&self) -> &[Resident] {
        &self.judged
    }

    #[must_use]
    pub fn flip(&self) -> Option<&(String, Moment)> {
        self.flip.as_ref()
    }

    #[must_use]
    pub fn links(&self) -> &[LinkReading] {
        self.reading.as_ref().map(|reading| reading.links.as_slice()).unwrap_or_default()
    }

    /// The main process, where a signal stopped it, and since when that is seen.
    #[must_use]
    pub fn halted(&self) -> Option<(u32, Moment)> {
        self.halted
    }

    /// Where the unit's release link leads now.
    #[must_use]
    pub fn target(&self) -> Option<&Target> {
        releases::target(self.links(), &self.judged)
    }

    /// The last switch of any of its links, or change of what is installed in place.
    #[must_use]
    pub fn switched_at(&self) -> Option<Moment> {
        self.links().iter().map(|link| link.switched_at).chain(self.rewritten_at()).max()
    }

    /// When what is installed in place was changed last.
    #[must_use]
    pub fn rewritten_at(&self) -> Option<Moment> {
        self.installed().iter().filter_map(|one| Some(one.content.as_ref()?.changed_at)).max()
    }

    /// What is installed in place, as it was found last.
    #[must_use]
    pub fn installed(&self) -> &[Installed] {
        &self.installed
    }

    /// What is installed where: the print of each, and the stamp by which it need not be read again.
    #[must_use]
    pub fn prints(&self) -> BTreeSet<(String, Option<(FileId, u64)>)> {
        let of = |content: &Content| (content.print, content.stamp);
        let print = |one: &Installed| (one.key(), one.content.as_ref().map(of));
        self.installed.iter().map(print).collect()
    }

    /// When what is installed was looked at last, in whatever run.
    #[must_use]
    pub fn seen_at(&self) -> Option<Moment> {
        self.seen_at
    }

    /// An installer is at work on what it runs, and does not come to an end.
    #[must_use]
    pub fn is_long_unsettled(&self, now: Moment) -> bool {
        self.unsettled_since.is_some_and(|since| since.plus(limits::LONG_UNSETTLED) <= now)
    }

    /// An installer is at work on what it runs.
    #[must_use]
    pub fn unsettled(&self) -> Option<&str> {
        self.installed.iter().find_map(|one| match &one.state {
            State::Unsettled(why) => Some(why.as_str()),
            State::Whole | State::Gone(_) => None,
        })
    }

    /// Those of this reading that became another program since they began: a start script that is the program by now. And
    /// since when that is so at the latest.
    #[must_use]
    pub fn execs(&self, reading: &ProcessesReading, now: Moment) -> Execs {
        let key = |process: &ProcessReading| (process.pid, process.started_ms);
        let program = |process: &ProcessReading| process.exe.as_ref().ok().map(|exe| exe.path.clone());
        let all = self.reading.iter().flat_map(|reading| &reading.processes);
        let before: BTreeMap<_, _> =
            all.filter_map(|process| Some((key(process), program(process)?))).collect();
        let of = |process: &ProcessReading| {
            let other = || {
                let (was, is) = (before.get(&key(process))?, program(process)?);
                (*was != is).then_some(now)
            };
            // What began a moment ago may have been another program before anybody looked.
            let young = now.boot_ms.saturating_sub(process.started_ms) < JUST_BEGUN_MS;
            let first = || (young && !before.contains_key(&key(process))).then_some(now);
            let known = || self.execs.get(&key(process)).copied();
            Some((key(process), other().or_else(known).or_else(first)?))
        };
        reading.processes.iter().filter_map(of).collect()
    }

    /// What the processes say of the release.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.reading.as_ref().map(|reading| releases::verdict(&self.judged, reading))
    }

    /// What was seen of the last run says nothing of this one.
    pub fn forget(&mut self) {
        self.reading = None;
        self.execs.clear();
        self.halted = None;
        self.judged.clear();
        self.left.clear();
        self.inspected_at = None;
    }

    /// When it was last looked whether its program runs outside.
    #[must_use]
    pub fn looked_outside(&self) -> Option<Moment> {
        self.outside_at
    }

    /// It is to be looked whether its program runs outside, since it went down at `since`. Says since when that is awaited.
    pub fn ask_outside(&mut self, since: Moment, now: Moment) -> Moment {
        let asked = self.outside_asked.filter(|asked| *asked >= since);
        if asked.is_none() {
            self.outside_asked = Some(now);
            self.poll.wish(now);
        }
        asked.unwrap_or(now)
    }

    /// They are to be inspected then, or earlier.
    pub fn wish(&mut self, at: Moment) {
        self.poll.wish(at);
    }

    /// They are to be inspected then, and not before.
    pub fn put_off(&mut self, at: Moment) {
        self.poll.put_off(at);
    }

    /// Whether an inspection is to begin. `possible`: there is something to inspect.
    pub fn start(&mut self, possible: bool, now: Moment) -> bool {
        self.poll.expire(now);
        possible && self.poll.start(now, limits::INSPECTION_LIMIT)
    }

    /// When something is to be done. `possible`: there is something to inspect.
    #[must_use]
    pub fn due(&self, possible: bool) -> Option<Moment> {
        self.poll.due().filter(|_| possible || self.poll.is_running())
    }

    /// They were inspected. `known`: what they are judged by, once the unit's settings were read. `slow`: how often they are
    /// inspected where nothing is stale.
    pub fn inspected(
        &mut self,
        reading: ProcessesReading,
        known: Option<Known<'_>>,
        slow: std::time::Duration,
        now: Moment,
    ) {
        self.poll.finish();
        self.inspected_at = Some(reading.read_at);
        if let Some(known) = known {
            self.judged = releases::judge(&reading, known);
            releases::judge_installed(&mut self.judged, &reading, known);
            self.left = releases::left_over(&reading, &self.judged, known);
            // They are found as survivors: as stale ones they would ask for a restart, which would leave them again.
            let spared = releases::spared(&reading, known);
            for resident in &mut self.judged {
                if spared.iter().any(|process| process.pid == resident.pid) {
                    resident.residence = Residence::Elsewhere;
                }
            }
            releases::drain(&mut self.judged, &reading, known);
        }
        // What is not there was not switched.
        let there = reading.links.iter().filter(|link| link.target.is_some() || link.dangling.is_some());
        let last = there.max_by_key(|link| link.switched_at);
        self.flip = last.map(|link| (link.link.clone(), link.switched_at)).or(self.flip.take());
        let no_link = reading.links.iter().all(|link| link.plain) && reading.links_unread.is_none();
        if reading.outside.is_some() {
            self.outside_at = Some(reading.read_at);
            self.outside_asked = None;
        }
        if reading.invocation.is_empty() || !reading.processes.is_empty() {
            self.installed.clone_from(&reading.installed);
            // While an installer is at work, what is there is neither the old nor the new.
            let whole = self.installed.iter().all(|one| one.state == State::Whole);
            self.seen_at = Some(reading.read_at).filter(|_| whole).or(self.seen_at);
            let since = self.unsettled_since.unwrap_or(reading.read_at);
            self.unsettled_since = self.unsettled().is_some().then_some(since);
        }
        let outside = reading.outside.as_ref().is_some_and(|found| !found.is_empty());
        // What it begins a moment after its start (a wrapper's child, a container) was not there to be seen.
        let begun = known.and_then(|known| known.active_since);
        let age = begun.map_or(limits::SLOW_INSPECTION, |since| now.since(since));
        let young = age.max(limits::YOUNG_INSPECTION);
        let mains = self.judged.iter().filter(|one| one.role == Role::Main).map(|one| one.pid);
        let mut all = mains.flat_map(|pid| reading.processes.iter().filter(move |one| one.pid == pid));
        let stopped = all.find(|one| one.stopped).map(|one| one.pid);
        let known = self.halted.filter(|known| Some(known.0) == stopped);
        self.halted = known.or(stopped.map(|pid| (pid, reading.read_at)));
        let period = if outside || reading.absent.is_some() || self.halted.is_some() {
            limits::OUTSIDE_PERIOD
        } else if self.unsettled().is_some() {
            limits::UNSETTLED
        } else if self.judged.iter().any(Resident::is_stale) || self.is_leaving() {
            limits::STALE_INSPECTION
        } else if no_link {
            limits::SLOW_INSPECTION.min(young)
        } else {
            slow.min(young)
        };
        // What was wished meanwhile stands.
        self.poll.wish(now.plus(period));
        self.execs = self.execs(&reading, now);
        self.reading = Some(reading);
    }

    /// Something of it was taken away: whether it comes back is to be seen.
    fn is_leaving(&self) -> bool {
        self.installed.iter().any(|one| matches!(one.state, State::Gone(_)))
    }

    /// Processes that an earlier run left and that should not be there.
    pub fn left_over(&self) -> impl Iterator<Item = &ProcessReading> {
        let all = self.reading.iter().flat_map(|reading| &reading.processes);
        all.filter(|process| self.left.contains(&(process.pid, process.started_ms)))
    }

    /// Those of an old release that drain, and since when: the main process that took over began then.
    #[must_use]
    pub fn draining(&self, now: Moment) -> Option<(Vec<&Resident>, Moment)> {
        let drains = |one: &&Resident| matches!(one.residence, Residence::Draining { .. });
        let drained: Vec<&Resident> = self.judged.iter().filter(drains).collect();
        let main = self.judged.iter().find(|one| one.role == Role::Main)?;
        (!drained.is_empty()).then(|| (drained, now.at_boot_ms(main.started_ms)))
    }

    /// When the newest entry of the directory was made in which it would be started now; `None` where there is a link, or
    /// where the file system does not tell.
    #[must_use]
    pub fn filled_at(&self) -> Option<Moment> {
        let plain = self.links().iter().find(|link| link.plain)?.target.as_ref()?;
        plain.made.iter().copied().chain(plain.born_at).max()
    }

    /// One of its processes lives in the directory that stands at this path itself.
    #[must_use]
    pub fn lives_in(&self, link: &LinkReading) -> bool {
        let target = link.target.as_ref().filter(|_| link.plain);
        let mut cwds = self
            .reading
            .iter()
            .flat_map(|reading| &reading.processes)
            .filter_map(|one| one.cwd.as_ref().ok());
        target
            .is_some_and(|target| cwds.any(|cwd| cwd.id == Some(target.id) || cwd.above.contains(&target.id)))
    }

    /// Nothing is stale: who lives in the current release, as a sentence.
    #[must_use]
    pub fn living_in(&self, current: &str) -> String {
        // Those that drain are told besides.
        let counted = |one: &&Resident| !matches!(one.residence, Residence::Draining { .. });
        let living = self.judged.iter().filter(|one| one.residence == Residence::Current).count();
        match (living, self.judged.iter().filter(counted).count()) {
            (living, all) if living == all => format!("every process lives in {current}"),
            (0, _) => format!("no process lives in another release than {current}"),
            (1, all) => format!("1 of {all} processes lives in {current}, the others in no release"),
            (living, all) => {
                format!("{living} of {all} processes live in {current}, the others in no release")
            }
        }
    }

    /// What it lives in was mounted at this path; it is not any more, and nothing is there: a start would find nothing.
    #[must_use]
    pub fn emptied(&self) -> Option<&str> {
        let mut all = self.reading.iter().flat_map(|reading| &reading.processes);
        let detached = all.any(|process| process.cwd.as_ref().is_ok_and(|cwd| cwd.detached));
        let is_empty = |link: &&LinkReading| {
            let target = link.target.as_ref().filter(|_| link.plain && detached);
            target.is_some_and(|target| target.made.is_empty() && target.written.is_empty())
        };
        self.links().iter().find(is_empty).map(|link| link.link.as_str())
    }

    /// Links that were found beside where it lives.
    pub fn found_links(&self) -> impl Iterator<Item = &str> {
        self.links().iter().filter(|link| link.found).map(|link| link.link.as_str())
    }

    /// What was read is of another run: it is to be read again.
    pub fn discard(&mut self, now: Moment) {
        self.poll.finish();
        self.poll.wish(now.plus(limits::INSPECTION_DELAY));
    }

    /// The ending of these processes that is under way.
    #[must_use]
    pub fn ending(&self, left: &BTreeSet<(u32, i64)>) -> Option<&Ending> {
        self.ending.as_ref().filter(|known| left.is_subset(&known.asked))
    }

    /// These processes were asked to end.
    pub fn end(&mut self, ending: Option<Ending>) {
        self.ending = ending;
    }
}

impl Resident {
    /// It lives in a release that is not the current one.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(
            self.residence,
            Residence::Outdated { .. } | Residence::Deleted { .. } | Residence::Replaced { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::installed::Kind;

    #[test]
    fn what_is_watched_is_told_anew_with_each_other_content_though_it_has_no_stamp() {
        let known = |print: u64| {
            let content = Content { print: FileId { dev: 1, ino: print }, ..Content::default() };
            let one = Installed {
                kind: Kind::Git,
                place: "/srv/app".to_owned(),
                of_unit: true,
                users: BTreeSet::new(),
                state: State::Whole,
                content: Some(content),
            };
            Residents { installed: vec![one], ..Residents::default() }.prints()
        };
        assert_eq!(known(1), known(1));
        assert_ne!(known(1), known(2));
    }
}
