//! Findings as they appear and go, filed under incidents: what a unit's judgement opens, joins and ends.

use crate::model::action::Action;
use crate::model::finding::{Code, Finding, Severity};
use crate::model::incident::{Change, EventKind, Incident};
use crate::model::moment::millis;
use crate::model::unit::UnitName;
use crate::policy::changes::Suspects;
use crate::policy::effects::{File, Note};
use crate::policy::incidents::Opening;
use crate::policy::judgement::for_instance;
use crate::policy::limits;
use crate::policy::lists::listed;
use crate::policy::unit::{News, Unit};

use super::State;

impl State {
    /// Files what a judgement of the unit has changed. `before`: its open incident until then.
    pub(super) fn file_trouble(&mut self, name: &UnitName, before: Option<u64>, news: News) {
        let Some(unit) = self.units.get(name).filter(|unit| !unit.is_off()) else {
            // Its findings are shown, and nobody is told of them.
            return;
        };
        let (worst, cause) = (unit.worst(), unit.trouble().cloned());
        self.follow_news(name, worst, &news);
        if let Some(cause) = cause
            && !self.join(name, news.troubled)
        {
            self.open(name, &cause);
        }
        for found in news.found {
            let Finding { code, message, .. } = found;
            self.write(
                Some(name),
                Note { file: File::OfUnit, kind: EventKind::Found, code: Some(code), message },
            );
        }
        if news.in_flight {
            return;
        }
        for gone in news.gone {
            let Some(message) = self.units.get(name).map(|unit| unit.gone_sentence(&gone)) else {
                continue;
            };
            let (file, code) = (File::Under(before), Some(gone.code));
            self.write(Some(name), Note { file, kind: EventKind::Cleared, code, message });
        }
        self.settle(name);
    }

    /// What its open incident is about changes: something graver came, or is over and something smaller is left. What an order
    /// of ours in flight may put right is told when it did not. `worst`: of its trouble now.
    fn follow_news(&mut self, name: &UnitName, worst: Option<Severity>, news: &News) {
        let (Some(worst), Some(id)) = (worst, self.incidents.own(name)) else {
            return;
        };
        if news.in_flight {
            return;
        }
        let raised = self.incidents.raise(id, worst);
        let unit = self.units.get(name);
        let (Some(unit), Some(incident)) = (unit, self.incidents.get(id).filter(|known| !known.drill)) else {
            return;
        };
        let Some(gravest) = unit.gravest() else {
            return;
        };
        let known = incident.present();
        let is_new = |code: Code| news.found.iter().any(|found| found.code == code);
        let beside = |code: Code| {
            code.gravity() == gravest.code.gravity() && code != known && code.is_told_beside(known)
        };
        // What is as grave and comes later is told by its own name.
        let later = news.found.iter().map(|found| found.code).find(|code| beside(*code));
        // A second contract of the unit breaks while the first is broken still.
        let broken =
            |found: &Finding| found.code == known && !news.found.iter().any(|new| new.is_same(found));
        let second = news.found.iter().any(|found| found.code == known) && unit.findings().iter().any(broken);
        let present = later.unwrap_or(if second { known } else { gravest.code });
        let (is, was) = (present.gravity(), known.gravity());
        let graver = raised || is > was || (is == was && (later.is_some() || second));
        let smaller = is < was && is > Code::RecoveryFailed.gravity() && unit.is_past(known, self.now);
        let looks = is_new(Code::RecoveryFailed)
            || is_new(Code::Quarantined)
            || (graver && is > Code::SmokeFailed.gravity());
        if graver || smaller {
            self.incidents.turn(id, present, graver);
            self.drain_incidents(Some(name));
        }
        if looks {
            // What it fails of now may be another thing than what it died of first.
            self.capture(id);
        }
    }

    /// A trouble that is explained belongs to the incident of its cause, even where it was seen shortly before. `known`: it
    /// was in trouble before; else what is found now is news.
    fn join(&mut self, name: &UnitName, known: bool) -> bool {
        let Some(unit) = self.units.get(name).filter(|unit| unit.may_be_explained()) else {
            return false;
        };
        let worst = unit.findings().iter().map(|finding| finding.severity).max();
        let cause = self.peers.cause(name).map(|(cause, _)| cause);
        let own = self.incidents.own(name);
        let explained = cause.is_some();
        let joined = self.incidents.join(name, cause, known, self.now);
        self.drain_incidents(Some(name));
        if let (Some(id), Some(worst)) = (joined.filter(|id| explained && own != Some(*id)), worst) {
            // Whoever is to know of this unit is to know of what explains its trouble.
            self.incidents.raise(id, worst);
        }
        joined.is_some()
    }

    fn open(&mut self, name: &UnitName, cause: &Finding) {
        let Some(unit) = self.units.get(name) else {
            return;
        };
        let drill = unit.is_made_by_drill(cause.code);
        let opening = Opening {
            owner: unit.spec().owner.clone(),
            began_at: unit.began(cause),
            changes: self.changes_before(Some(name)),
            drill,
        };
        let Some(id) = self.incidents.open_of_unit(name, cause, opening, self.now) else {
            return;
        };
        if drill {
            self.with(name, |unit, view| unit.drill_is_found(id, view.now));
        }
        self.spare(name, id);
        self.incidents.wish_look(id);
        self.drain_incidents(Some(name));
    }

    /// Says who requires the unit: what its trouble explains of them is not acted on.
    fn spare(&mut self, name: &UnitName, incident: u64) {
        let dependents = self.peers.explained_by(name);
        let names: Vec<&str> = dependents.iter().map(UnitName::as_str).collect();
        if names.is_empty() {
            return;
        }
        let verb = if names.len() == 1 { "requires" } else { "require" };
        let message = format!(
            "{} {verb} {name}: observed meanwhile, and not restarted for what this explains",
            listed(&names, limits::DEPENDENTS_NAMED)
        );
        let (file, kind) = (File::Under(Some(incident)), EventKind::Decided);
        self.write(Some(name), Note { file, kind, code: None, message });
    }

    /// What changed within the configured time before now, for trouble of this unit (`None`: of the host).
    pub(super) fn changes_before(&self, unit: Option<&UnitName>) -> Vec<Change> {
        let known = unit.and_then(|unit| self.units.get(unit));
        let needs = known.map(|unit| unit.spec().requires.as_slice()).unwrap_or_default();
        let links = known.map(Unit::release_links).unwrap_or_default();
        let within = self.host.settings().changes_within;
        Suspects { unit, needs, links, within }.before(&self.log, self.now)
    }

    /// The unit was judged: incidents that it is part of are over where a reading shows that, of all that they affect.
    fn settle(&mut self, name: &UnitName) {
        let open: Vec<u64> =
            self.incidents.own(name).into_iter().chain(self.incidents.explaining(name)).collect();
        for id in open {
            if self.incidents.get(id).is_some_and(|incident| self.is_over(incident)) {
                self.resolve(id);
            }
        }
    }

    fn is_over(&self, incident: &Incident) -> bool {
        let main = incident.unit.as_ref().and_then(|unit| self.units.get(unit));
        let affected = incident.affected.iter().filter_map(|unit| self.units.get(unit));
        main.is_none_or(|unit| unit.is_over(incident, self.now)) && { affected }.all(Unit::is_calm)
    }

    /// It is over.
    pub(super) fn resolve(&mut self, id: u64) {
        let took = self.incidents.get(id).map(|incident| self.now.since(incident.opened_at));
        let draft = took.is_some_and(|took| took >= self.host.settings().postmortem_after);
        let saving = self.host.save_failure().is_none();
        if let Some(unit) = self.incidents.get(id).and_then(|incident| incident.unit.clone()) {
            self.with(&unit, |unit, _| unit.measure_last(id));
        }
        self.incidents.resolve(id, draft, saving, self.now);
        self.drain_incidents(None);
    }

    /// Begins a close look at what an incident is about, unless one is under way.
    pub(super) fn capture(&mut self, incident: u64) {
        if !self.incidents.begin_look(incident, self.now) {
            return;
        }
        let unit = self.incidents.get(incident).and_then(|known| known.unit.clone());
        let seen = unit.as_ref().and_then(|unit| self.units.get(unit));
        let within = millis(self.host.settings().changes_within);
        self.actions.push(Action::CaptureEvidence {
            incident,
            control_group: seen.map(Unit::control_group).unwrap_or_default(),
            run: seen.map(Unit::run_that_is_up).unwrap_or_default(),
            known: seen.map(|unit| self.known_lines(unit)).unwrap_or_default(),
            changed_since: self.now.at_boot_ms(self.now.boot_ms.saturating_sub(within)),
            unit,
        });
    }

    fn known_lines(&self, unit: &Unit) -> Vec<String> {
        let mut lines = unit.known_lines();
        for need in &unit.spec().requires {
            let known = self.units.get(need).map_or("not read".to_owned(), |needed| {
                let worst = needed.findings().first().map(|finding| finding.message.clone());
                worst.unwrap_or_else(|| "nothing is found to be wrong with it".to_owned())
            });
            lines.push(format!("requires {need}: {known}"));
        }
        lines.truncate(limits::KNOWN_LINES);
        lines
    }

    /// What is wrong with the host, and with ourselves.
    pub(super) fn host_findings(&self) -> Vec<Finding> {
        let (mut findings, last) = self.host.findings(self.now);
        findings.extend(self.storm.finding(&self.peers, self.now));
        findings.extend(self.alerts.undeliverable(self.now));
        findings.extend(self.regressions.finding());
        findings.extend(last);
        for_instance(&mut findings, self.host.is_of_user());
        findings
    }

    /// The host's own findings: each is an incident as long as it is there.
    pub(super) fn update_host_incidents(&mut self) {
        if !self.host.is_configured() || self.host.manager().is_none() {
            return;
        }
        let findings = self.host_findings();
        let codes: Vec<Code> = findings.iter().map(|found| found.code).collect();
        if self.host_codes.as_ref() == Some(&codes) {
            return;
        }
        self.host_found.extend(&codes);
        let of_host = |incident: &&Incident| incident.unit.is_none() && incident.gaps.is_empty();
        let gone = self.incidents.open().filter(of_host).filter(|incident| !codes.contains(&incident.cause));
        let (waits, over): (Vec<&Incident>, Vec<&Incident>) = gone.partition(|known| self.is_awaited(known));
        let over: Vec<u64> = over.into_iter().map(|incident| incident.id).collect();
        self.host_codes = waits.is_empty().then_some(codes);
        for id in over {
            self.resolve(id);
        }
        for cause in &findings {
            let known = self.incidents.open().filter(of_host).any(|incident| incident.cause == cause.code);
            if !known {
                let changes = self.changes_before(None);
                self.incidents.open_of_host(cause, changes, self.now);
            }
        }
    }

    /// What was wrong in our earlier life has time to be found again; once it was, it is over when it is gone.
    fn is_awaited(&self, incident: &Incident) -> bool {
        let started_at = self.host.started_at();
        if incident.opened_at >= started_at || self.host_found.contains(&incident.cause) {
            return false;
        }
        let early = self.now < started_at.plus(limits::HOST_FOUND_AGAIN);
        let beats = self.host.settings().heartbeat.is_some();
        let unheard =
            incident.cause == Code::HostHeartbeatUnheard && beats && !self.host.has_heard(incident.cause);
        let unsent = incident.cause == Code::AlertUndeliverable && !self.alerts.are_sound();
        early || unheard || unsent
    }
}
