//! The published picture: what everybody outside may read of the state.

use crate::model::boot::BootReading;
use crate::model::finding::{Code, Finding};
use crate::model::moment::Moment;
use crate::model::snapshot::Snapshot;
use crate::model::spec::Selector;
use crate::policy::unit::Unit;
use crate::policy::view::View;

use std::sync::Arc;

use super::State;

impl State {
    /// Brings the picture up to date. Costs what the turns since the last time have touched.
    pub fn publish(&mut self, picture: &mut Snapshot, now: Moment) {
        self.now = now;
        let view = view!(self);
        for name in &std::mem::take(&mut self.repainted) {
            match self.units.get(name) {
                Some(unit) => picture.units.insert(name.clone(), Arc::new(unit.status(&view))),
                None => picture.units.remove(name),
            };
        }
        let last = picture.events.last().map(|event| event.id);
        if last != self.log.recent().back().map(|event| event.id) {
            picture.events = self.log.recent().iter().cloned().collect();
        }
        let silent = self.silent();
        let findings = self.host_findings();
        let settings = self.host.settings();
        picture.at = now;
        picture.host = self.host.here().clone();
        picture.ready = self.is_ready();
        picture.manager = self.host.manager();
        picture.unfit = self.unfit(&findings, silent.as_deref());
        picture.findings = [findings.as_slice(), self.gaps.findings()].concat();
        picture.problems = self.host.problems().to_vec();
        picture.incidents = self.incidents.open().cloned().collect();
        picture.silent = silent.is_some();
        picture.heartbeat.clone_from(&settings.heartbeat);
        picture.admin_group.clone_from(&settings.admin_group);
        picture.listen = settings.listen;
        picture.allowed_hosts.clone_from(&settings.allowed_hosts);
        picture.log_lines = settings.log_lines;
        picture.tally = self.tally.clone();
    }

    /// A unit's probes do not run any more: the sentence that says so.
    fn silent(&self) -> Option<String> {
        let unit = self.silence.due(self.now).next()?;
        self.units.get(unit)?.silent_at().map(|(_, sentence)| sentence)
    }

    /// Why we cannot do our work: what others are told by our silence.
    fn unfit(&self, findings: &[Finding], silent: Option<&str>) -> Vec<String> {
        let mut reasons = Vec::new();
        if !self.is_ready() {
            reasons.push("not every managed unit has been read yet".to_owned());
        }
        let own = [Code::HostManagerUnreachable, Code::HostStateUnsaved];
        let findings = findings.iter().filter(|found| own.contains(&found.code));
        reasons.extend(findings.map(|found| found.message.clone()));
        reasons.extend(silent.map(str::to_owned));
        reasons
    }

    /// The configuration was read, and every managed unit at least once.
    fn is_ready(&self) -> bool {
        self.host.is_configured() && self.unread.is_empty()
    }

    /// Everything that one look can know has been read.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let patterns_known = self.specs.iter().all(|spec| match &spec.selector {
            Selector::Unit(_) => true,
            Selector::Pattern(pattern) => self.matches.contains_key(pattern),
        });
        let boot_known = self.host.boot().is_some() || self.units.is_empty();
        let all = self.units.values().all(Unit::is_known);
        patterns_known && boot_known && self.host.manager().is_some() && all
    }

    /// How many units one look has read, and how many there are.
    #[must_use]
    pub fn progress(&self) -> (usize, usize) {
        (self.units.values().filter(|unit| unit.is_known()).count(), self.units.len())
    }

    /// What the next boot would start, once it was computed.
    #[must_use]
    pub fn boot(&self) -> Option<&BootReading> {
        self.host.boot()
    }
}
