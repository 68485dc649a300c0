//! `Release`: every process lives in the current release, nothing of an earlier run is left, and the unit file is the one that
//! is loaded.

use std::path::Path;

use crate::model::finding::{Code, Finding, Severity, Truth, Why};
use crate::model::installed::Kind;
use crate::model::manager::Manager;
use crate::model::moment::Moment;
use crate::model::release::{FileId, LinkReading, ProcessesReading, Residence, Resident, Role};
use crate::model::span::span;
use crate::model::spec::Reaction;
use crate::model::state::Phase;
use crate::model::unit::{UnitReading, UnitSettings};
use crate::policy::judgement::{Judgement, finding, proven};
use crate::policy::limits;
use crate::policy::releases::{self, Named};
use crate::policy::view::View;

use super::Unit;
use super::residents::Execs;

impl Unit {
    pub(super) fn release(&self, view: &View<'_>) -> Judgement {
        let (Some(reading), Some(settings)) = (self.run.reading(), self.run.settings()) else {
            return Judgement::unknown(Why::NotRead, "unread", "the unit has not been read yet");
        };
        let running = !reading.active.is_down();
        let judgement = match self.residents.reading() {
            _ if !running => Judgement::unknown(Why::NotRunning, "not-active", "the unit is not running"),
            None => Judgement::unknown(Why::NotRead, "unread", "its processes have not been looked at yet"),
            Some(processes) => {
                let judgement = self.residence(reading, settings, processes, view);
                // Between two runs nothing shows which release the next one lives in.
                let word = reading.active.as_str();
                let why = format!("it is {word}: what it will run cannot be seen yet");
                if reading.active.is_up() { judgement } else { judgement.not_true_yet(word, why) }
            }
        };
        let judgement =
            if running { self.unit_file(reading, settings, judgement, view.now) } else { judgement };
        let Some(failure) = &self.kept.smoke_failure else {
            return judgement;
        };
        let message = format!("the smoke test of {} {}", self.name, failure.message);
        let found = finding(Code::SmokeFailed, self.spec.severity, message, failure.at);
        judgement.and(proven(found, failure.output.clone(), self.way_back()))
    }

    /// It is about to be restarted into new code, or would be but for what is still to be looked at, and the test comes first.
    pub(super) fn tests_new_code(&self) -> bool {
        let Some(order) = &self.kept.recovery else {
            let next = self.plan.next.as_ref().filter(|_| self.plan.blocked.is_none());
            let stale = next.is_some_and(|next| next.because.is_stale_release());
            return self.spec.smoke.is_some() && self.kept.smoke_failure.is_none() && stale;
        };
        order.phase == Phase::SmokeTest
    }

    /// New code that does not pass is not to be run: a restart would end what still works.
    fn fails_its_test(&self) -> bool {
        self.kept.smoke_failure.as_ref().is_some_and(|failure| failure.release == self.release_now())
    }

    /// A restart as a repair, where it does no harm.
    fn restart_command(&self) -> Option<String> {
        let harmless = !self.fails_its_test() && self.residents.emptied().is_none();
        harmless.then(|| format!("systemctl restart {}", self.name))
    }

    /// The command that points the link back to what runs, where that is still there.
    fn way_back(&self) -> Option<String> {
        let link = releases::relevant(self.residents.links(), self.residents.judged())?;
        let runs = self.residents.judged().iter().find_map(|one| match &one.residence {
            Residence::Outdated { release, .. } => Some(release).filter(|release| release.starts_with('/')),
            Residence::Current
            | Residence::Draining { .. }
            | Residence::Deleted { .. }
            | Residence::Replaced { .. }
            | Residence::Elsewhere
            | Residence::Unreadable { .. } => None,
        })?;
        Some(format!("ln -sfn {runs} {}", link.link))
    }

    /// What to do about a release that fails its smoke test.
    pub(super) fn release_advice(&self, now: Moment) -> Option<String> {
        let next = self.plan.next.as_ref().filter(|_| self.fails_its_test())?;
        let again = span(next.due_at.since(now));
        Some(match self.run.is_up() {
            true => format!(
                "the running processes are left alone; repair the release, or point the link back (the test is run again in {again})"
            ),
            false => format!("repair the release, or point the link back (the test is run again in {again})"),
        })
    }

    /// Where the processes live.
    fn residence(
        &self,
        reading: &UnitReading,
        settings: &UnitSettings,
        processes: &ProcessesReading,
        view: &View<'_>,
    ) -> Judgement {
        let verdict = releases::verdict(self.residents.judged(), processes);
        let plain = processes.links.iter().all(|link| link.plain);
        let no_link = plain && processes.links_unread.is_none();
        let mut judgement = match (&verdict.unknown, &verdict.current) {
            _ if no_link => self.in_place(processes, settings, view.now),
            (Some(why), _) => Judgement::unknown(Why::CannotTell, "unreadable", why.clone()),
            // It cannot be seen, or began just now.
            _ if reading.main_pid.is_some() && self.residents.judged().is_empty() => {
                Judgement::unknown(Why::CannotTell, "unreadable", "its main process was not found")
            }
            (None, Some(current)) => Judgement::good("current", self.residents.living_in(current)),
            (None, None) => {
                Judgement::unknown(Why::CannotTell, "unreadable", "the release link leads nowhere")
            }
        };
        if !no_link && verdict.cannot_tell().is_some() {
            // What was found of this run and cannot be told now is not over.
            let of_run = |known: &&Finding| reading.active_since.is_none_or(|began| known.since >= began);
            let known = self.findings.iter().filter(|known| known.code.is_stale_release()).filter(of_run);
            judgement = known.cloned().fold(judgement, Judgement::note);
        }
        for named in verdict.named {
            judgement = self.stale(named, judgement, view.now);
        }
        if let Some((drained, since)) = self.residents.draining(view.now) {
            judgement = self.drained(&drained, since, judgement, view.now);
        }
        if self.spec.release.binaries != Reaction::Ignore
            && self.spec.release.kinds.contains(&Kind::Package)
            && let Some(named) = releases::binaries(processes, self.residents.judged(), view.links)
        {
            judgement = judgement.note(self.named(named, Severity::Warning, view.now));
        }
        match self.survivors_finding(settings, view.now) {
            Some(found) => judgement.and(found),
            None => judgement,
        }
    }

    fn named(&self, named: Named, severity: Severity, now: Moment) -> Finding {
        let found = finding(named.code, severity, named.message, now);
        let gone = named.code == Code::ReleaseDeleted && releases::is_gone(self.residents.judged());
        proven(found, named.evidence, self.restart_command().filter(|_| !gone))
    }

    /// A process lives in an old release. Where the unit itself names that release, a restart would not help.
    fn stale(&self, named: Named, judgement: Judgement, now: Moment) -> Judgement {
        if let Some(manager) = self.manages_stale() {
            return judgement.and(self.of_programs(named, manager, now));
        }
        let fixed = named.releases.iter().find_map(|release| self.fixes(release));
        let Some(fixed) = fixed else {
            return judgement.and(self.named(named, self.spec.severity, now));
        };
        // One of two that take turns (blue, green), or an instance of its own: it is meant to stay there.
        let name = fixed.rsplit('/').next().unwrap_or_default();
        let declared = self.spec.release.link.is_some();
        let meant = !name.contains(|c: char| c.is_ascii_digit()) || self.name.instance() == Some(name);
        if meant && !declared {
            return judgement;
        }
        let message = format!("{}; a restart will not help: the unit names {fixed}", named.message);
        let severity =
            if named.code == Code::ReleaseDeleted { self.spec.severity } else { Severity::Warning };
        let found = finding(named.code, severity, message, now);
        let repair = format!("systemctl edit --full {}", self.name);
        judgement.and(proven(found, named.evidence, Some(repair)))
    }

    /// All that is stale are programs of a manager, which runs nothing old itself: a restart of the unit would end every
    /// other program as well. Where a person declared the link for the unit and nothing else runs below it, that ends nothing
    /// that is well.
    fn manages_stale(&self) -> Option<Manager> {
        let (reading, settings) = (self.residents.reading()?, self.run.settings()?);
        let all = self.residents.judged();
        let manager = releases::manager(reading, self.run.reading()?.main_pid, settings)?;
        let programs = all.iter().all(|one| one.role == Role::Worker || !one.is_stale());
        let others = all.iter().any(|one| one.role == Role::Worker && !one.is_stale());
        (programs && (others || self.spec.release.link.is_none())).then_some(manager)
    }

    /// Programs of a manager are stale: it is told how to have these begun anew, and the unit is left alone.
    fn of_programs(&self, named: Named, manager: Manager, now: Moment) -> Finding {
        let processes = self.residents.reading().map(|reading| reading.processes.as_slice());
        let stale = |pid: u32| self.residents.judged().iter().any(|one| one.pid == pid && one.is_stale());
        let programs = processes.unwrap_or_default().iter().filter(|process| stale(process.pid));
        let programs = programs.filter_map(|process| process.program.as_deref()).collect();
        let words = self.run.settings().into_iter().flat_map(|settings| settings.exec_start.iter().flatten());
        let repair = manager.command(&programs, words.map(String::as_str));
        let (unit, noun) = (&self.name, manager.noun());
        let message = format!(
            "{}; {unit} is not restarted, which would end every {noun} of {}",
            named.message,
            manager.name()
        );
        let severity =
            if named.code == Code::ReleaseDeleted { self.spec.severity } else { Severity::Warning };
        proven(finding(named.code, severity, message, now), named.evidence, Some(repair))
    }

    /// The old release, where the unit's own settings lead to it and not over a link.
    fn fixes(&self, release: &str) -> Option<String> {
        let settings = self.run.settings()?;
        let mut links = self.residents.links().iter();
        // A path that leads elsewhere now, as a link or because another directory stands there, fixes nothing.
        let free = |link: &LinkReading| {
            let led = link.target.as_ref().is_some_and(|target| !link.plain && target.path == release);
            led || (Path::new(&link.link).starts_with(release) && !self.residents.lives_in(link))
        };
        if links.any(free) {
            return None;
        }
        releases::started_in(settings, release).then(|| release.to_owned())
    }

    /// It would be started in the same old release again, or end what is well: no order follows from that.
    pub(super) fn is_fixed(&self) -> bool {
        let named = self.residents.verdict().map(|verdict| verdict.named).unwrap_or_default();
        let mut stale = named.iter().flat_map(|named| &named.releases);
        releases::is_gone(self.residents.judged())
            || self.manages_stale().is_some()
            || stale.any(|release| self.fixes(release).is_some())
    }

    /// The main process lives in the current release, and what it took over from is not gone yet.
    fn drained(&self, drained: &[&Resident], since: Moment, judgement: Judgement, now: Moment) -> Judgement {
        let limit = self.spec.release.drain_within;
        let names: Vec<String> =
            drained.iter().take(5).map(|one| format!("{} ({})", one.pid, one.name)).collect();
        let more = drained.len().saturating_sub(names.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names = format!("{}{more}", names.join(", "));
        let due = since.plus(limit);
        if due > now {
            let message =
                format!("{}; {names} of the old release still drain after the handover", judgement.message);
            let good = judgement.truth == Truth::True;
            let judgement = judgement.until(due);
            return if good { Judgement { message, ..judgement } } else { judgement };
        }
        let limit = span(limit);
        let message = format!(
            "{names} of the old release of {} still run {limit} after they handed over to the new main process",
            self.name
        );
        judgement.and(finding(Code::Survivors, Severity::Warning, message, now))
    }

    fn survivors_finding(&self, settings: &UnitSettings, now: Moment) -> Option<Finding> {
        let left: Vec<String> =
            self.residents.left_over().map(|process| format!("{} ({})", process.pid, process.name)).collect();
        let message = format!("processes left by an earlier run of {}: {}", self.name, left.join(", "));
        let found = finding(Code::Survivors, self.spec.severity, message, now);
        (!left.is_empty())
            .then(|| proven(found, vec![format!("KillMode={}", settings.kill_mode.as_str())], None))
    }

    /// The unit file or a drop-in is newer than what is loaded, or than the run.
    fn unit_file(
        &self,
        reading: &UnitReading,
        settings: &UnitSettings,
        judgement: Judgement,
        now: Moment,
    ) -> Judgement {
        let times = settings.modified_at.zip(reading.active_since);
        let newer = times.is_some_and(|(edited, began)| edited.wall_ms > began.wall_ms);
        let unit = &self.name;
        let written = settings.changed_at.filter(|at| at.wall_ms <= now.wall_ms);
        let load_due = written.map(|at| now.at_wall_ms(at.wall_ms).plus(limits::UNLOADED));
        let told = self.has(Code::UnitFileOutdated);
        if let Some(due) = load_due.filter(|due| settings.need_daemon_reload && !told && *due > now) {
            return judgement.until(due);
        }
        let (message, repair) = if settings.need_daemon_reload {
            let generated = settings.fragment.contains("/systemd/generator");
            let message = match generated {
                true => format!("what {unit} is generated from changed on disk and is not loaded"),
                false => format!("the unit file of {unit} changed on disk and is not loaded"),
            };
            (message, Some("systemctl daemon-reload".to_owned()))
        } else if newer {
            (format!("the unit file of {unit} is newer than its run"), self.restart_command())
        } else {
            return judgement;
        };
        let found = finding(Code::UnitFileOutdated, Severity::Warning, message, now);
        judgement.note(proven(found, vec![settings.fragment.clone()], repair))
    }

    /// The identity of what would run now: where the link leads, and what is installed in place.
    pub(super) fn release_now(&self) -> Option<FileId> {
        let link = self.residents.target().map(|target| target.id);
        let installed = self.residents.installed().iter().filter_map(|one| one.content.as_ref());
        let mixed = |known: Option<FileId>, next: FileId| match known {
            Some(known) => Some(FileId {
                dev: known.dev.rotate_left(7) ^ next.dev,
                ino: known.ino.rotate_left(7) ^ next.ino,
            }),
            None => Some(next),
        };
        installed.map(|content| content.print).fold(link, mixed)
    }

    /// The release that would run now, by the path that the unit itself knows.
    pub(super) fn release_directory(&self) -> Option<String> {
        let path = &self.residents.target()?.path;
        let root = self.run.settings().map_or("", |settings| &settings.root_directory);
        Some(releases::inside(path, root).to_owned())
    }

    /// Where a restart would lead, or whether anything is stale, cannot be told now: why.
    pub(super) fn release_uncertain(&self) -> Option<String> {
        let Some(verdict) = self.residents.verdict() else {
            return Some("its processes have not been looked at yet".to_owned());
        };
        let missing = self.residents.links().iter().find(|link| link.target.is_none());
        missing
            .map(|link| format!("{} leads nowhere now", link.link))
            .or_else(|| self.residents.emptied().map(|place| format!("nothing is mounted at {place} now")))
            .or_else(|| self.residents.unsettled().map(str::to_owned))
            .or_else(|| verdict.cannot_tell().map(str::to_owned))
    }

    /// When what is installed in place was looked at last and found whole.
    #[must_use]
    pub fn installed_seen_at(&self) -> Option<Moment> {
        self.residents.seen_at()
    }

    /// Processes of this reading that became another program since they began.
    #[must_use]
    pub fn execs(&self, reading: &ProcessesReading, now: Moment) -> Execs {
        self.residents.execs(reading, now)
    }

    /// A link of it changed, or its processes are to be looked at for another reason.
    pub fn look_at_processes(&mut self, now: Moment) {
        self.residents.wish(now);
    }

    /// The moment from which an inspection confirms this finding; `None` once one did.
    pub(super) fn second_look(&self, finding: &Finding) -> Option<Moment> {
        let again = finding.since.plus(limits::SECOND_LOOK);
        self.residents.inspected_at().is_none_or(|at| at < again).then_some(again)
    }
}

impl Unit {
    /// Nothing stale, and no link: what else its code is known by.
    fn in_place(&self, processes: &ProcessesReading, settings: &UnitSettings, now: Moment) -> Judgement {
        match self.residents.unsettled() {
            Some(why) if self.residents.is_long_unsettled(now) => {
                return Judgement::unknown(Why::CannotTell, "unsettled", why.to_owned());
            }
            Some(why) => {
                return Judgement::good("unsettled", format!("it is compared once it is done: {why}"));
            }
            None => {}
        }
        let places: Vec<&str> = processes.installed.iter().map(|one| one.place.as_str()).collect();
        match places.as_slice() {
            [] => match settings.container().filter(|_| self.spec.release.kinds.contains(&Kind::Container)) {
                Some(container) => Judgement::good(
                    "no-link",
                    format!("the image of its container {} is not known", container.name),
                ),
                None => Judgement::good("no-link", "it runs from no release link"),
            },
            [one] => Judgement::good("current", format!("every process runs what {one} holds")),
            [first, others @ ..] => {
                let others = match others {
                    [other] => (*other).to_owned(),
                    more => format!("{} other places", more.len()),
                };
                Judgement::good("current", format!("every process runs what {first} and {others} hold"))
            }
        }
    }
}
