//! Takes in what happened: each observation goes to the object that it is for.

use std::time::Duration;

use crate::model::action::Action;
use crate::model::audit::Audited;
use crate::model::boot::BootReading;
use crate::model::cause::PackagesReading;
use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::observation::Observation;
use crate::model::release::ProcessesReading;
use crate::model::unit::{ManagerState, UnitFileState, UnitName, UnitReading, UnitSettings};
use crate::policy::gaps::{Ended, Settled};
use crate::policy::unit::Unit;
use crate::policy::{limits, releases};

use super::State;

impl State {
    pub(super) fn take_in(&mut self, observation: Observation) {
        let now = self.now;
        match observation {
            Observation::Started(here) => self.started(here),
            Observation::UnitFilesLoaded { settings, specs, problems } => {
                self.loaded(settings, specs, problems);
            }
            Observation::UnitsMatched { pattern, units } => self.matched(pattern, units),
            Observation::ManagerChanged(manager) => self.manager_changed(manager),
            Observation::UnitChanged { unit, reading } => self.unit_changed(&unit, reading),
            Observation::UnitsRead { began } => self.units_read(began),
            Observation::PackageManagerRead(reading) => self.packages_read(reading),
            Observation::WindowRead { unit, openings } => self.window_read(&unit, openings),
            Observation::Resumed { after } => self.resumed(after),
            Observation::UnitFilesChanged { units } => self.unit_files_changed(&units),
            Observation::EnablementRead { unit, state } => self.enablement_read(&unit, state),
            Observation::BootPredicted(reading) => self.predicted(reading),
            Observation::ProcessesInspected { unit, reading } => self.inspected(&unit, reading),
            Observation::AlertDelivered { sink, message, result } => self.delivered(&sink, message, result),
            Observation::EvidenceCaptured { incident, looked } => {
                self.incidents.captured(incident, looked, now);
                if let Some(unit) = self.incidents.get(incident).and_then(|known| known.unit.clone()) {
                    self.touch(&unit);
                }
                self.drain_incidents(None);
            }
            Observation::PostmortemDrafted { incident, file } => {
                self.incidents.drafted(incident, file);
                self.drain_incidents(None);
            }
            Observation::OperatorAsked(request) => self.asked(request),
            Observation::SaveFailed { why } => {
                self.touched_all |= self.host.save_failed(why, now);
                self.drain_host();
            }
            Observation::Saved => {
                self.alerts.wake();
                self.touched_all |= self.host.saved(now);
                self.drain_host();
            }
            Observation::Impaired { code, part, why } => {
                self.host.impaired(code, part, why, now);
                self.drain_host();
            }
            Observation::HostAudited(result) => self.audited(result),
            Observation::UnitsFailed(units) => self.units_failed(units),
            Observation::DeadlineReached => {}
            of_unit @ (Observation::JobPulled { .. }
            | Observation::JobWaits { .. }
            | Observation::UnitSettingsRead { .. }
            | Observation::ReleaseSwitched { .. }
            | Observation::ProbeFinished { .. }
            | Observation::ResourceRead { .. }
            | Observation::ProgressSampled { .. }
            | Observation::SmokeTestFinished { .. }
            | Observation::Drained { .. }
            | Observation::LockAnswered { .. }
            | Observation::JobFinished { .. }
            | Observation::EnableFinished { .. }
            | Observation::Silenced { .. }
            | Observation::PeersAnswered { .. }
            | Observation::MainProcessKilled { .. }) => self.of_unit(of_unit),
        }
    }

    /// What concerns one unit, or some, and nothing else.
    fn of_unit(&mut self, observation: Observation) {
        let now = self.now;
        match observation {
            Observation::JobPulled { unit, job, pull } => {
                self.with(&unit, |unit, _| unit.pulled(job, pull));
            }
            Observation::JobWaits { unit, job, on } => {
                self.touching(&unit, |unit, _| unit.waits(job, on));
            }
            Observation::UnitSettingsRead { unit, settings } => self.settings_read(&unit, settings),
            Observation::ReleaseSwitched { units } => {
                for unit in &units {
                    self.touching(unit, |unit, _| unit.look_at_processes(now));
                }
            }
            Observation::ProbeFinished { unit, probe, outcome } => {
                self.touching(&unit, |unit, view| unit.probe_answered(&probe, outcome, view));
            }
            Observation::ResourceRead { unit, probe, outcome, figure } => {
                self.touching(&unit, |unit, view| {
                    unit.measured(&probe, figure, view.now);
                    unit.probe_answered(&probe, outcome, view);
                });
            }
            Observation::ProgressSampled { unit, progress, answer } => {
                self.touching(&unit, |unit, _| unit.sampled(&progress, answer, now));
            }
            Observation::SmokeTestFinished { unit, order, outcome } => {
                // What waited for it can be told now.
                self.alerts.wake();
                self.touching(&unit, |unit, view| unit.tested(order, &outcome, view));
            }
            Observation::LockAnswered { unit, said } => self.lock_answered(&unit, said),
            Observation::Drained { unit, order, outcome } => self.drained(&unit, order, &outcome),
            Observation::JobFinished { unit, order, result } => {
                self.touching(&unit, |unit, view| unit.job_over(order, &result, view));
            }
            Observation::EnableFinished { unit, order, result } => {
                self.touching(&unit, |unit, view| unit.enabling_over(order, &result, view));
            }
            Observation::Silenced { unit, sink, until, result } => {
                self.silenced(&unit, &sink, (until, result))
            }
            Observation::PeersAnswered { unit, probe, saw } => self.peers_answered(&unit, &probe, &saw),
            Observation::MainProcessKilled { unit, result } => {
                self.touching(&unit, |unit, _| unit.killed(result, now));
            }
            Observation::Started(_)
            | Observation::UnitFilesLoaded { .. }
            | Observation::UnitsMatched { .. }
            | Observation::ManagerChanged(_)
            | Observation::UnitChanged { .. }
            | Observation::UnitsRead { .. }
            | Observation::PackageManagerRead(_)
            | Observation::WindowRead { .. }
            | Observation::Resumed { .. }
            | Observation::UnitFilesChanged { .. }
            | Observation::EnablementRead { .. }
            | Observation::BootPredicted(_)
            | Observation::ProcessesInspected { .. }
            | Observation::AlertDelivered { .. }
            | Observation::EvidenceCaptured { .. }
            | Observation::PostmortemDrafted { .. }
            | Observation::OperatorAsked(_)
            | Observation::SaveFailed { .. }
            | Observation::Saved
            | Observation::Impaired { .. }
            | Observation::HostAudited(_)
            | Observation::UnitsFailed(_)
            | Observation::DeadlineReached => {}
        }
    }

    fn settings_read(&mut self, name: &UnitName, settings: UnitSettings) {
        let now = self.now;
        if self.units.contains_key(name) {
            self.named(name, settings.names.first());
        }
        if self.with(name, |unit, _| unit.settings_read(settings, now)) == Some(true) {
            self.touch(name);
        }
    }

    fn window_read(&mut self, unit: &UnitName, openings: Vec<(Moment, Moment)>) {
        self.touching(unit, |unit, view| unit.window_read(openings, view.now));
    }

    fn predicted(&mut self, reading: BootReading) {
        self.host.predicted(reading, self.now);
        self.touched_all = true;
    }

    fn unit_changed(&mut self, name: &UnitName, reading: UnitReading) {
        self.release_others(name, &reading);
        self.regressions.read(name, &reading);
        self.drain_regressions();
        if self.with(name, |unit, view| unit.read(reading, view)) == Some(true) {
            self.touch(name);
        }
    }

    /// A unit with which others were stopped is up again, or one for which they were stopped is down: they are free.
    pub(super) fn release_others(&mut self, other: &UnitName, reading: &UnitReading) {
        if reading.job.is_some() {
            return;
        }
        let with_it =
            |unit: &&UnitName| self.units.get(*unit).is_some_and(|unit| unit.stopped_with() == Some(other));
        let held: Vec<UnitName> = self.stopped.iter().filter(with_it).cloned().collect();
        let now = self.now;
        for unit in held {
            if self.with(&unit, |unit, _| unit.release_from(other, reading, now)) == Some(true) {
                self.touch(&unit);
            }
        }
    }

    pub(super) fn drain_regressions(&mut self) {
        let out = self.regressions.out().take();
        self.drain(None, out);
    }

    fn manager_changed(&mut self, manager: ManagerState) {
        let Some(before) = self.host.manager_changed(manager, self.now) else {
            return;
        };
        self.touched_all = true;
        if manager == ManagerState::Unreachable {
            self.units.values_mut().for_each(Unit::lose_sight);
        }
        self.drain_host();
        if before == Some(ManagerState::Unreachable) {
            // What was read before an absence is old.
            self.actions.push(Action::ReadAllUnits);
            self.ask_enablement();
            self.wish_prediction();
        }
    }

    /// Everything was read, beginning then.
    fn units_read(&mut self, began: Moment) {
        self.units.values_mut().for_each(Unit::see_again);
        self.touched_all |= self.host.units_read(began);
    }

    /// The host slept, or stood still, for about this long: whatever was read before is old.
    fn resumed(&mut self, after: Duration) {
        self.host.resumed(self.now);
        self.packages.outdate(self.now);
        let names: Vec<UnitName> = self.units.keys().cloned().collect();
        for name in &names {
            let now = self.now;
            self.with(name, |unit, _| unit.resumed(after, now));
        }
        self.touched_all = true;
        self.actions.push(Action::ReadAllUnits);
        let seconds = after.as_secs();
        let message = format!("the host was suspended or stalled for {seconds} s: everything is read again");
        self.host.out().file(None, EventKind::Notice, message);
        self.drain_host();
    }

    /// Word of the package manager.
    pub(super) fn packages_read(&mut self, reading: PackagesReading) {
        let now = self.now;
        let before = self.packages.quiet(now);
        let last = self.packages.last_look().cloned();
        let waiting = self.packages.read(reading, now);
        if last.is_some_and(|last| self.packages.has_worked_since(&last)) {
            // What it replaced is in use: no path of the units tells of that.
            self.units.values_mut().for_each(|unit| unit.look_at_processes(now));
            self.touched_all = true;
        }
        for unit in &waiting {
            self.touching(unit, |unit, view| {
                unit.settle_transition(view.packages, now);
                unit.settle_disabling(view.packages);
            });
        }
        // Begin and end of its work change what may be done to every unit: whoever waits is to wait for what is known now.
        if self.packages.quiet(now) != before {
            self.touched_all = true;
            self.packages.note_begin(before.as_ref(), now);
        }
        self.drain_packages();
    }

    fn inspected(&mut self, name: &UnitName, mut reading: ProcessesReading) {
        let Some(unit) = self.units.get(name) else {
            return;
        };
        let mut switched = Vec::new();
        if let Some(settings) = unit.settings() {
            reading.links = releases::own_links(reading.links, unit.spec(), settings, &self.links);
            switched = releases::remember(&mut self.links, &reading.links, self.now);
            reading.links = releases::dated(reading.links, &self.links);
            self.changed_links.extend(reading.links.iter().map(|link| link.link.clone()));
            let (installed, seen) = (&reading.installed, unit.installed_seen_at());
            switched.extend(releases::remember_installed(&mut self.links, installed, seen, self.now));
            let execs = unit.execs(&reading, self.now);
            releases::own_starts(&mut self.links, &reading.installed, &execs);
            reading.installed = releases::dated_installed(reading.installed, &self.links);
            self.changed_links.extend(reading.installed.iter().map(|one| one.key()));
        }
        self.touching(name, |unit, view| unit.inspected(reading, switched, view));
    }

    /// The enablement of every unit is to be asked.
    pub(super) fn ask_enablement(&mut self) {
        let local = |unit: &&UnitName| !unit.is_dependency();
        let units: Vec<UnitName> =
            self.units.keys().filter(local).chain(self.regressions.disabled()).cloned().collect();
        if !units.is_empty() {
            self.actions.push(Action::ReadEnablement { units });
        }
        self.host.enablement_asked(self.now);
    }

    fn enablement_read(&mut self, name: &UnitName, read: UnitFileState) {
        self.regressions.enablement_read(name, &read);
        self.drain_regressions();
        // It is read of all units again and again: what is as it was changes nothing.
        if self.units.get(name).is_some_and(|unit| unit.enablement() == Some(&read)) {
            return;
        }
        let now = self.now;
        self.touching(name, |unit, _| unit.enablement_read(read, now));
    }

    pub(super) fn poll_gaps(&mut self) {
        if self.gaps.is_overdue(self.now) {
            self.audited(Err("it did not end in time".to_owned()));
            return;
        }
        let manager = self.host.manager();
        let reachable = matches!(manager, Some(ManagerState::Running | ManagerState::Starting));
        if self.gaps.poll(reachable, self.now) {
            let records = self.units.values().map(|unit| (unit.name().clone(), unit.records()));
            self.gaps.look(records.filter(|(_, all)| !all.is_empty()).collect());
            self.drain_gaps();
        }
    }

    fn drain_gaps(&mut self) {
        let out = self.gaps.out().take();
        self.drain(None, out);
    }

    /// A look over the whole host ended.
    fn audited(&mut self, result: Result<Audited, String>) {
        self.judge_failed();
        let settled = self.gaps.audited(result, &self.incidents.of_gaps(), self.now);
        self.settle_gaps(settled);
    }

    /// What a look changed of incidents.
    pub(super) fn settle_gaps(&mut self, settled: Settled) {
        self.drain_gaps();
        for ended in settled.ended {
            self.end_gaps(ended);
        }
        if let Some((cause, new)) = settled.new {
            let changes = self.changes_before(None);
            let id = self.incidents.open_of_host(&cause, changes, self.now);
            if let Some(incident) = self.incidents.get_mut(id) {
                incident.gaps = new.iter().map(|gap| gap.key.clone()).collect();
            }
            self.gaps.opened(id, new);
            self.drain_gaps();
        }
    }

    /// Some gaps of an incident are gone; it is over, when all are.
    fn end_gaps(&mut self, ended: Ended) {
        let Ended { incident: id, gone, left } = ended;
        for key in gone.iter().take(limits::GAPS_TOLD) {
            let failed = key.strip_prefix(Code::HostUnitFailed.as_str()).map(str::trim);
            let still = failed.and_then(|unit| self.units.get(&UnitName::from(unit)));
            let message = match (failed, still) {
                (Some(unit), Some(known)) => {
                    format!("{unit} is managed by {} now, and has findings of its own", known.spec().file)
                }
                (Some(unit), None) => format!("{unit} is not failed any more"),
                (None, _) => format!("no gap any more: {key}"),
            };
            self.gaps.out().file(Some(id), EventKind::Cleared, message);
        }
        self.drain_gaps();
        if left.is_empty() {
            // Its last gaps stay in it, so that it is known for what it was.
            self.resolve(id);
        } else if let Some(incident) = self.incidents.get_mut(id) {
            incident.gaps = left;
        }
    }
}
