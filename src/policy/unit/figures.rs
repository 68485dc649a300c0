//! What is counted of a unit: figures of a trouble while it lasts, and how often each probe answered and failed.

use std::collections::BTreeMap;

use crate::model::audit::ProbeRecord;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;

impl Unit {
    /// When its figures are to be written next.
    pub(super) fn figures_due(&self) -> Option<Moment> {
        self.measured_at.map(|last| last.plus(limits::MEASURED))
    }

    /// Writes the figures of a unit in trouble, once in a while; a unit that is well has none.
    pub fn measure(&mut self, view: &View<'_>) {
        if self.findings.is_empty() {
            self.measured_at = None;
            // Until its incident is over, what failed belongs to that.
            if view.incidents.own(&self.name).is_none() {
                self.probes.count_anew();
            }
            return;
        }
        if self.figures_due().is_some_and(|due| due > view.now) {
            return;
        }
        let mut figures = self.queues.figures();
        figures.extend(self.probes.figures());
        let incident = view.incidents.of_unit(&self.name, true);
        if figures.is_empty() || incident.is_none() {
            // There is nothing to write until something comes in.
            self.measured_at = None;
            return;
        }
        self.measured_at = Some(view.now);
        self.probes.count_anew();
        self.out.file(incident, EventKind::Measured, figures.join("; "));
    }

    /// An incident of it is over: what failed since its figures were last written belongs to it.
    pub fn measure_last(&mut self, incident: u64) {
        let figures = self.probes.figures();
        self.probes.count_anew();
        if !figures.is_empty() {
            self.out.file(Some(incident), EventKind::Measured, figures.join("; "));
        }
    }

    /// A probe answered. What is remembered is written when it has doubled, so that counting costs a few writes in all.
    pub(super) fn remember_answer(&mut self, probe: &str, failed: bool, now: Moment) {
        let (answers, failures) = self.tally.unrecorded.entry(probe.to_owned()).or_default();
        *answers = answers.saturating_add(1);
        *failures = failures.saturating_add(u64::from(failed));
        let first = ProbeRecord { asked_since: now, ..ProbeRecord::default() };
        let known = self.kept.probes.get(probe).unwrap_or(&first);
        if *answers >= known.answers || (*failures > 0 && *failures >= known.failures) {
            let record = known.with(*answers, *failures);
            self.kept.probes.insert(probe.to_owned(), record);
            self.tally.unrecorded.remove(probe);
        }
    }

    /// What is remembered of each probe, with what was counted since.
    #[must_use]
    pub fn records(&self) -> BTreeMap<String, ProbeRecord> {
        let mut records = self.kept.probes.clone();
        for (name, (answers, failures)) in &self.tally.unrecorded {
            if let Some(record) = records.get_mut(name) {
                *record = record.with(*answers, *failures);
            }
        }
        records
    }
}

impl ProbeRecord {
    /// With so many answers and failures more.
    fn with(&self, answers: u64, failures: u64) -> Self {
        Self {
            asked_since: self.asked_since,
            answers: self.answers.saturating_add(answers),
            failures: self.failures.saturating_add(failures),
        }
    }
}
