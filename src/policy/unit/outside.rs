//! A unit that is down while its program runs outside of it: started by hand, or by a tool of its own. It is said, and no
//! second one is started.

use crate::model::action::Action;
use crate::model::finding::{Code, Severity};
use crate::model::moment::Moment;
use crate::model::outside::{Outsider, Program, Sought, command_of};
use crate::model::release::Search;
use crate::model::state::OrderKind;
use crate::model::unit::{ActiveState, UnitSettings};
use crate::model::will::ServiceType;
use crate::policy::gate::Gate;
use crate::policy::judgement::{Judgement, finding, proven};
use crate::policy::limits;
use crate::policy::releases;
use crate::policy::view::View;

use super::Unit;

impl Unit {
    /// What to look for outside of it, while it is down.
    pub(super) fn sought(&self) -> Option<Box<Sought>> {
        let settings = self.run.settings().filter(|_| self.run.is_down())?;
        // A oneshot's program ends, and may be run by anybody.
        if self.name.kind() != "service" || settings.service_type == ServiceType::Oneshot {
            return None;
        }
        let programs: Vec<Program> = self.kept.program.iter().cloned().chain(settings.programs()).collect();
        let pid_file = settings.will.pid_file.clone();
        if programs.is_empty() && pid_file.is_empty() {
            return None;
        }
        let words = settings.exec_start.iter().flatten();
        Some(Box::new(Sought {
            names: std::iter::once(&self.name).chain(&settings.names).cloned().collect(),
            pid_file,
            user: settings.will.user.clone(),
            programs,
            words: words.filter(|word| word.starts_with('/')).cloned().collect(),
            probes: self.spec.probes.iter().map(|probe| probe.kind.keys.clone()).collect(),
        }))
    }

    /// Its program as it is known to run outside, since it is down.
    fn outsider(&self) -> Option<&Outsider> {
        if !self.run.is_down() || self.residents.inspected_at()? < self.run.since() {
            return None;
        }
        self.residents.reading()?.outside.as_ref()?.first()
    }

    /// It is down, and does its work all the same.
    pub(super) fn runs_outside(&self, now: Moment) -> Option<Judgement> {
        let found = self.outsider()?;
        let unit = &self.name;
        let word =
            if self.run.reading()?.active == ActiveState::Failed { "has failed" } else { "is inactive" };
        let message = format!("{unit} {word}, but {}; no second one is started", runs(found));
        let told = finding(Code::OutsideUnit, Severity::Warning, message, now);
        let way = format!("stop it the way it was started, or with kill {}; then start {unit}", found.pid);
        let evidence = vec![found.command.clone(), way];
        Some(Judgement::bad(proven(told, evidence, Some(format!("systemctl start {unit}")))))
    }

    /// Nobody starts a second one, not for a person either.
    pub(super) fn doubled(&self, kind: OrderKind) -> Option<Gate> {
        let found = self.outsider().filter(|_| kind == OrderKind::Start)?;
        Some(Gate::because(format!("{}; stop that one first", runs(found))))
    }

    /// What it cannot run without and is not there, for people.
    pub(super) fn lacking(&self) -> Option<String> {
        let absent = self.absent()?;
        let directory = self.run.settings().is_some_and(|known| known.working_directory == absent);
        let what = if directory { "working directory" } else { "program" };
        Some(format!("its {what} {absent} is not there"))
    }

    /// A file that it runs, or its directory, is not there, as it was last looked since it went down, or in this run.
    fn absent(&self) -> Option<&str> {
        let looked = self.residents.inspected_at()?;
        let seen = self.run.is_up() || looked >= self.run.since();
        self.residents.reading()?.absent.as_deref().filter(|_| seen)
    }

    /// What is not there is not started, and what still runs is not ended for it: for a person neither.
    pub(super) fn programless(&self, kind: OrderKind) -> Option<Gate> {
        let lacking = self.lacking().filter(|_| kind.disturbs())?;
        Some(Gate::because(format!("{lacking}; it is tried again once that is back")))
    }

    /// Before a start: whether it must be awaited if its program runs outside. Without an answer it is started.
    pub(super) fn must_look_outside(&mut self, kind: OrderKind, view: &View<'_>) -> bool {
        let now = view.now;
        if kind != OrderKind::Start || self.sought().is_none() {
            return false;
        }
        let since = self.run.since();
        let seen = |at: Moment| at >= since && now.since(at) <= limits::OUTSIDE_PERIOD;
        let looked = self.residents.looked_outside();
        if looked.is_some_and(seen) {
            return false;
        }
        let asked = self.residents.ask_outside(since, now);
        let until = asked.plus(limits::OUTSIDE_LIMIT);
        self.look_again(until);
        until > now
    }

    /// What is blocked, or only observed, is looked at once, so that people are told the truth.
    pub(super) fn look_outside_once(&mut self, view: &View<'_>) {
        let down = matches!(
            self.plan.next.as_ref().map(|next| next.because),
            Some(Code::UnitInactive | Code::UnitFailed)
        );
        let since = self.run.since();
        let looked = self.residents.looked_outside().is_some_and(|at| at >= since);
        if down && !looked && !view.storm.is_on() && self.sought().is_some() {
            self.residents.ask_outside(since, view.now);
        }
    }

    /// The main process of a run shows what its program is, whatever wrapper began it.
    pub(super) fn learn_program(&mut self) {
        let Some(main) = self.run.main_pid().filter(|_| self.run.is_up()) else {
            return;
        };
        let processes = self.residents.reading().map(|reading| reading.processes.as_slice());
        let found = processes.unwrap_or_default().iter().find(|process| process.pid == main);
        let Some((path, process)) = found.and_then(|process| Some((process.exe.as_ref().ok()?, process)))
        else {
            return;
        };
        let program = Program { path: path.path.clone(), command: Some(process.command.clone()) };
        if !process.command.is_empty() && self.kept.program.as_ref() != Some(&program) {
            self.kept.program = Some(program);
        }
    }

    /// There is something to inspect: its settings were read, and it is loaded.
    pub(super) fn can_be_inspected(&self) -> bool {
        self.run.settings().is_some() && self.run.is_loaded()
    }

    pub(super) fn inspection_due(&self) -> Option<Moment> {
        self.residents.due(self.can_be_inspected())
    }

    /// Watches whatever links lie on its paths.
    pub fn watch_links(&mut self) {
        if let Some(settings) = self.run.settings() {
            let mut search = releases::search(&self.spec, settings);
            search.others.extend(self.residents.found_links().map(str::to_owned));
            search.installed = self.residents.installed().to_vec();
            let unit = self.name.clone();
            self.act(Action::WatchLinks { unit, search: Box::new(search) });
        }
    }

    /// Begins the inspection of its processes where that is due.
    pub fn inspect(&mut self, view: &View<'_>) {
        let possible = self.can_be_inspected();
        if !self.residents.start(possible, view.now) {
            return;
        }
        let outside = self.sought();
        if let Some(settings) = self.run.settings() {
            let search = releases::search(&self.spec, settings);
            let action = Action::InspectProcesses {
                unit: self.name.clone(),
                control_group: settings.control_group.clone(),
                invocation: self.run.reading().map(|run| run.invocation.clone()).unwrap_or_default(),
                main_pid: self.run.main_pid(),
                search: Box::new(Search {
                    outside,
                    installed: self.residents.installed().to_vec(),
                    ..search
                }),
            };
            self.act(action);
        }
    }
}

/// Who runs it, where, and how that is known.
fn runs(found: &Outsider) -> String {
    let Outsider { pid, user, place, how, .. } = found;
    format!("its program runs outside of it: pid {pid} of {user} {place} ({how})")
}

impl UnitSettings {
    /// What `ExecStart=` runs, each with its command line where that is told in full.
    fn programs(&self) -> impl Iterator<Item = Program> {
        let root = !self.root_directory.is_empty() || self.root_image;
        let own = self.exec_start.iter().filter(move |command| !root && !command.is_empty());
        own.map(|command| {
            let open = command.iter().any(|word| word.contains('$'));
            let line = command.join("\0");
            let command_line = (!open).then(|| command_of(line.as_bytes()));
            Program { path: command.first().cloned().unwrap_or_default(), command: command_line }
        })
    }

    /// The files that `ExecStart=` runs, and `WorkingDirectory=`, where the host must have them.
    pub(in crate::policy) fn programs_on_host(&self) -> impl Iterator<Item = String> {
        let apart = self.sees_more || self.root_image || !self.root_directory.is_empty();
        let programs = self.exec_start.iter().filter(move |_| !apart).filter_map(|command| command.first());
        let directory = Some(&self.working_directory).filter(|_| !apart && !self.directory_optional);
        programs.chain(directory).filter(|path| path.starts_with('/')).cloned()
    }
}
