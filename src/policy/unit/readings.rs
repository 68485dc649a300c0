//! What comes in of one unit: each reading and answer goes to the part that it is for.

use std::time::Duration;

use crate::model::action::Action;
use crate::model::cause::Pull;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::probe::{Figure, ProbeOutcome, ProbeSpec, RunFacts};
use crate::model::progress::Sample;
use crate::model::release::ProcessesReading;
use crate::model::spec::Spec;
use crate::model::state::Phase;
use crate::model::unit::{ActiveState, UnitFileState, UnitName, UnitReading, UnitSettings};
use crate::policy::effects::Out;
use crate::policy::limits;
use crate::policy::releases::Known;
use crate::policy::view::View;

use super::Unit;
use super::probe::Asked;

impl Unit {
    /// It was read; the reading replaces the last one. Says whether it differs.
    pub fn read(&mut self, reading: UnitReading, view: &View<'_>) -> bool {
        if self.run.reading() == Some(&reading) {
            return false;
        }
        let now = view.now;
        let before = self.run.read(&reading, now);
        self.learn_daemon(before.as_ref(), now);
        self.follow_transition(before.is_none(), &reading, view);
        let new_run = before.as_ref().is_none_or(|before| before.invocation != reading.invocation);
        if new_run && before.is_some() {
            // What was seen of the last run says nothing of this one.
            self.residents.forget();
            self.probes.begin_anew(now);
            self.queues.begin_anew(now);
        }
        if new_run {
            self.residents.put_off(now.plus(limits::INSPECTION_DELAY));
        }
        if before.as_ref().is_some_and(|before| before.load != reading.load) {
            // What was read of its file, and predicted of it, was another file, or none.
            self.enablement = None;
            self.enablement_since = now;
            self.ask_enablement();
            self.follow_load(&reading);
        }
        let running = reading.active.is_up();
        self.kept.ran |=
            running || matches!(reading.active, ActiveState::Activating | ActiveState::Deactivating);
        if running || reading.active == ActiveState::Deactivating {
            self.kept.last_active = Some(reading.invocation.clone());
        }
        self.kept.see_started(&reading);
        true
    }

    /// Its enablement is to be asked afresh.
    pub fn ask_enablement(&mut self) {
        if !self.spec.is_dependency() {
            let units = vec![self.name.clone()];
            self.act(Action::ReadEnablement { units });
        }
    }

    /// Its enablement, as it was read last.
    #[must_use]
    pub fn enablement(&self) -> Option<&UnitFileState> {
        self.enablement.as_ref()
    }

    /// Its enablement, asked afresh.
    pub fn enablement_read(&mut self, read: UnitFileState, now: Moment) {
        if self.enablement.as_ref().is_some_and(|known| *known != read) {
            self.enablement_since = now;
            self.out.push(Out::PredictBoot);
        }
        self.follow_enablement(&read, now);
        self.seen_enabled |= read == UnitFileState::Enabled;
        if !matches!(read, UnitFileState::Unknown(_)) {
            self.kept.enabled = read == UnitFileState::Enabled;
        }
        self.enablement = Some(read);
    }

    /// What is configured for it was read. Says whether it differs.
    pub fn settings_read(&mut self, settings: UnitSettings, now: Moment) -> bool {
        let (modified, fragment) = (settings.modified_at.map(|at| at.wall_ms), settings.fragment.clone());
        let group = settings.control_group.clone();
        let of_boot = |known: &UnitSettings| {
            let UnitSettings { boot, content, names, triggered_by, .. } = known;
            (boot.clone(), *content, names.clone(), triggered_by.clone())
        };
        let boots = of_boot(&settings);
        let Some(before) = self.run.configure(settings) else {
            return false;
        };
        // Whether it runs, and what else runs, is no matter to the next boot.
        if before.as_ref().is_none_or(|known| of_boot(known) != boots || known.fragment != fragment) {
            self.out.push(Out::PredictBoot);
        }
        if before.as_ref().is_none_or(|known| known.control_group != group) {
            self.residents.wish(now);
        }
        if before.is_some_and(|known| known.modified_at.map(|at| at.wall_ms) < modified) {
            let message =
                format!("the unit file of {}, or a drop-in of it, was changed ({fragment})", self.name);
            self.out.note(EventKind::Changed, None, message);
        }
        self.watch_links();
        true
    }

    /// Its processes and links were read. `switched`: a sentence for each link that was switched since.
    pub fn inspected(&mut self, reading: ProcessesReading, switched: Vec<String>, view: &View<'_>) {
        for message in switched {
            self.out.note(EventKind::Deployed, None, message);
        }
        let run = self.run.reading();
        if run.is_some_and(|run| !reading.invocation.is_empty() && run.invocation != reading.invocation) {
            self.residents.discard(view.now);
            return;
        }
        let (main_pid, rested_at) = (self.run.main_pid(), run.and_then(|run| run.inactive_since));
        let known = self.run.settings().map(|settings| Known {
            main_pid,
            rested_at,
            active_since: run.and_then(|run| run.active_since),
            history: view.links,
            settings,
            now: view.now,
        });
        let before: Vec<String> = self.residents.found_links().map(str::to_owned).collect();
        let prints = self.residents.prints();
        self.residents.inspected(reading, known, view.host.settings().resync, view.now);
        self.learn_program();
        if !self.residents.found_links().eq(before.iter()) || self.residents.prints() != prints {
            self.watch_links();
        }
    }

    /// This job of it came along with the fate of another unit.
    pub fn pulled(&mut self, job: u32, pull: Pull) {
        self.fate.pulled(job, pull);
    }

    /// Its start job waits for the jobs of these units.
    pub fn waits(&mut self, job: u32, on: Vec<UnitName>) {
        self.run.waits(job, on);
    }

    /// A probe answered. Says whether there is such a probe.
    pub fn probe_answered(&mut self, name: &str, outcome: ProbeOutcome, view: &View<'_>) {
        let outcome = self.feign(name, outcome, view);
        let (up, begun) = (self.is_asked(), self.run.active_since());
        let Some(counted) = self.probes.answered(name, outcome, Asked { now: view.now, up, begun }) else {
            return;
        };
        if let Some(took) = counted.took {
            self.tally.answered(name, took);
        }
        if let Some(failed) = counted.failed {
            self.remember_answer(name, failed, view.now);
        }
    }

    /// What it uses was measured.
    pub fn measured(&mut self, name: &str, figure: Figure, now: Moment) {
        self.probes.measured(name, figure, now);
    }

    /// A source of progress answered, or did not.
    pub fn sampled(&mut self, name: &str, answer: Result<Sample, String>, now: Moment) {
        self.queues.sampled(name, answer, now);
    }

    /// The manager cannot be reached: what happens to it is missed.
    pub fn lose_sight(&mut self) {
        self.fate.lose_sight();
    }

    /// Everything was read again.
    pub fn see_again(&mut self) {
        self.fate.see_again(self.run.reading().is_some_and(|reading| reading.job.is_some()));
    }

    /// The host slept, or stood still, for so long: time that nobody had makes nothing stuck, steady or silent.
    pub fn resumed(&mut self, after: Duration, now: Moment) {
        self.run.stood_still(now);
        self.residents.forget();
        self.residents.wish(now);
        self.probes.begin_anew(now);
        self.queues.begin_anew(now);
        if let Some(order) = &mut self.kept.recovery {
            order.phase_due = order.phase_due.plus(after);
        }
    }

    /// Another file of ours is in force.
    pub fn follow_spec(&mut self, spec: Spec, now: Moment) {
        if self.spec == spec {
            return;
        }
        self.probes.follow(&spec.probes, now);
        self.queues.follow(&spec.progress, now);
        self.residents.wish(now);
        let before = std::mem::replace(&mut self.spec, spec);
        let probes = &self.spec.probes;
        let same = |name: &String| probes.iter().any(|one| one.name == *name && before.probes.contains(one));
        self.tally.unrecorded.retain(|name, _| same(name));
        self.kept.probes.retain(|name, _| same(name));
        self.tally.probes.retain(|name, _| probes.iter().any(|one| one.name == *name));
        self.watch_links();
        self.out.note(EventKind::Changed, None, format!("{}: {} is in force", self.name, self.spec.file));
    }

    /// What its requirements answer is counted from the end of an outage of theirs; each queue gets its time to drain.
    pub(super) fn follow_outage(&mut self, view: &View<'_>) {
        if self.queues.is_empty() {
            return;
        }
        let is = view.peers.cause(&self.name).is_some();
        let was = std::mem::replace(&mut self.outage, is);
        if is || was {
            self.queues.begin_anew(view.now);
        }
        if was && !is {
            self.queues.drain(view.now);
        }
    }

    /// Asks the probes and sources of progress that are due.
    pub fn ask(&mut self, now: Moment) {
        self.probes.expire(now);
        self.queues.expire(now);
        if !self.is_asked() {
            return;
        }
        let proving = self.kept.recovery.as_ref().is_some_and(|order| order.phase == Phase::Proof);
        for probe in self.probes.start(proving, self.run.active_since(), now) {
            let (unit, probe) = (self.name.clone(), self.with_run(probe, now));
            self.act(Action::RunProbe { unit, probe });
        }
        for progress in self.queues.start(proving, now) {
            let unit = self.name.clone();
            self.act(Action::SampleProgress { unit, progress });
        }
    }

    /// The probe, with what is known of the run, where it asks for what the unit uses.
    fn with_run(&self, mut probe: ProbeSpec, now: Moment) -> ProbeSpec {
        if probe.kind.resource {
            probe.kind.run = Some(Box::new(RunFacts {
                control_group: self
                    .run
                    .settings()
                    .map(|known| known.control_group.clone())
                    .unwrap_or_default(),
                active_since: self.run.active_since(),
                restarts: self.run.restarts_within(limits::RESTARTS_WITHIN, now).collect(),
            }));
        }
        probe
    }

    /// Its probes that have not answered well since then are asked at once.
    pub fn hurry(&mut self, since: Moment, now: Moment) {
        if self.is_asked() {
            self.probes.hurry(since, now);
        }
    }
}
