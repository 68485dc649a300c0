//! What people are told: for each sink what is due of the incidents, in words.

use std::collections::BTreeMap;

use crate::model::alert::{Alert, AlertStatus, News, SinkSpec};
use crate::model::finding::{Code, Finding, Severity};
use crate::model::fleet::SlotSaid;
use crate::model::incident::{EventKind, Incident, Told};
use crate::model::probe::{CommandOutcome, PeerSaw};
use crate::model::unit::UnitName;
use crate::policy::alerts::{Agenda, Due, Parcel};
use crate::policy::effects::{File, Note};
use crate::policy::host::Host;
use crate::policy::limits;
use crate::policy::unit::{Unit, Wish};

use super::State;

impl State {
    /// Sends what is due: one message at a time through each sink.
    pub(super) fn alert(&mut self) {
        let revision = self.incidents.revision();
        // An incident that is not saved may be taken back: who was told of it would never hear its end.
        let possible = self.host.save_failure().is_none();
        if !self.alerts.is_due(revision, self.now) {
            return;
        }
        let sinks = self.host.settings().sinks.clone();
        self.alerts.begin(&sinks);
        if !possible {
            return;
        }
        for sink in &sinks {
            self.enter(sink);
        }
        for sink in &sinks {
            self.alert_through(sink);
        }
        self.alerts.end(self.incidents.revision());
        self.drain_alerts();
    }

    pub(super) fn drain_alerts(&mut self) {
        let out = self.alerts.out().take();
        self.drain(None, out);
    }

    /// Every open incident is entered for each sink that is meant to know of it; one that was over before a sink was
    /// configured is never told to that.
    fn enter(&mut self, sink: &SinkSpec) {
        let failing = self.alerts.is_failing(&sink.name);
        let wanted = |incident: &&Incident| {
            let of_itself = incident.cause == Code::AlertUndeliverable && failing;
            incident.part_of.is_none()
                && !incident.told.contains_key(&sink.name)
                && !of_itself
                && sink.wants(incident, &self.host.labels(incident))
        };
        let wanted: Vec<u64> = self.incidents.open().filter(wanted).map(|incident| incident.id).collect();
        for id in wanted {
            if let Some(incident) = self.incidents.get_mut(id) {
                incident.told.insert(sink.name.clone(), Told::nothing(self.now));
            }
        }
    }

    fn alert_through(&mut self, sink: &SinkSpec) {
        if let Some(flight) = self.alerts.flight(&sink.name) {
            if flight.until > self.now {
                let until = flight.until;
                self.alerts.again_at(until);
                return;
            }
            let message = flight.message;
            self.delivered(&sink.name, message, Err("the send did not end in time".to_owned()));
        }
        if let Some(request) = self.alerts.next_test(&sink.name) {
            let parcel = Parcel { alerts: vec![self.test_alert()], news: Vec::new(), test: Some(request) };
            self.alerts.send(sink, parcel, self.host.here(), self.now);
            return;
        }
        let agenda = Agenda {
            incidents: &self.incidents,
            sink,
            given_up: &self.given_up,
            peers: &self.peers,
            failing: self.alerts.is_failing(&sink.name),
            now: self.now,
        };
        let (due, later) = agenda.due();
        if let Some(at) = later {
            self.alerts.again_at(at);
        }
        let chosen = self.alerts.choose(sink, due, self.now);
        if chosen.is_empty() {
            return;
        }
        let alerts = chosen.iter().filter_map(|due| self.alert_of(due)).collect();
        for due in &chosen {
            if let Some(incident) = self.incidents.get_mut(due.news.incident)
                && let Some(told) = incident.told.get_mut(&sink.name)
            {
                told.tried = true;
            }
        }
        let news = chosen.iter().map(|due| due.news).collect();
        self.alerts.send(sink, Parcel { alerts, news, test: None }, self.host.here(), self.now);
    }

    /// A delivery ended.
    pub(super) fn delivered(&mut self, sink: &str, message: u64, result: Result<(), String>) {
        let news = self.alerts.delivered(sink, message, &result, self.now);
        self.drain_alerts();
        for news in news {
            if result.is_ok() {
                self.remember_told(sink, news);
            }
            let unit = self.incidents.get(news.incident).filter(|incident| incident.drill);
            if let Some(unit) = unit.and_then(|incident| incident.unit.clone()) {
                let heard = result.as_ref().copied().map_err(String::as_str);
                let of_drill =
                    self.with(&unit, |unit, view| unit.drill_is_heard(news.incident, sink, heard, view.now));
                if of_drill == Some(true) {
                    self.touch(&unit);
                }
            }
        }
    }

    /// An Alertmanager took what it was told of a hold, or did not.
    pub(super) fn silenced(&mut self, unit: &UnitName, sink: &str, told: (Wish, Result<(), String>)) {
        self.touching(unit, |unit, view| unit.silence_told(sink, told, view.now));
    }

    /// The lock server of the fleet answered.
    pub(super) fn lock_answered(&mut self, unit: &UnitName, said: Result<SlotSaid, String>) {
        self.touching(unit, |unit, view| unit.lock_answered(said, view.now));
    }

    /// A unit has finished what it worked on, or not.
    pub(super) fn drained(&mut self, unit: &UnitName, order: u64, outcome: &CommandOutcome) {
        self.touching(unit, |unit, view| unit.drain_over(order, outcome, view));
    }

    /// Other hosts say what they see of a dependency.
    pub(super) fn peers_answered(&mut self, unit: &UnitName, probe: &str, saw: &[PeerSaw]) {
        self.touching(unit, |unit, _| unit.peers_answered(probe, saw));
    }

    /// What arrived is not told again.
    fn remember_told(&mut self, sink: &str, news: News) {
        let now = self.now;
        let Some(incident) = self.incidents.get_mut(news.incident) else {
            return;
        };
        let told = incident.told.entry(sink.to_owned()).or_insert_with(|| Told::nothing(now));
        told.at = now;
        let first = told.firing == 0 || told.news.unwrap_or(0) < news.news;
        match news.status {
            AlertStatus::Firing => {
                told.firing = told.firing.saturating_add(1);
                told.gave_up = told.gave_up || news.gave_up;
                told.fired_at = told.fired_at.or(Some(now));
                told.news = Some(news.news);
            }
            AlertStatus::Resolved => {
                told.resolved = true;
                told.over_at = Some(now);
            }
            AlertStatus::Test => {}
        }
        if first || news.status == AlertStatus::Resolved || news.gave_up {
            let message = format!("{sink}: sent \"{}\" for incident {}", news.status.as_str(), news.incident);
            let file = File::Under(Some(news.incident));
            self.write(None, Note { file, kind: EventKind::Told, code: None, message });
        }
    }

    /// One alert as it is to be told now.
    fn alert_of(&self, due: &Due) -> Option<Alert> {
        let incident = self.incidents.get(due.news.incident)?;
        let unit = incident.unit.as_ref().and_then(|unit| self.units.get(unit));
        let firing = incident.resolved_at.is_none();
        let finding = unit.and_then(|unit| unit.finding_of(incident.present())).filter(|_| firing);
        let code =
            finding.map_or(if firing { incident.present() } else { incident.cause }, |found| found.code);
        let host = &self.host.here().name;
        Some(Alert {
            // Numbers begin anew with a database that was lost.
            key: format!("{host}/{}-{}", incident.opened_at.wall_ms / 1000, incident.id),
            status: due.news.status,
            repeats: due.repeats,
            incident: incident.id,
            unit: incident.unit.as_ref().map(ToString::to_string),
            code: code.as_str().to_owned(),
            severity: incident.severity,
            summary: self.summary(incident, finding, due.news.gave_up),
            evidence: finding.map_or_else(|| incident.evidence.clone(), |finding| finding.evidence.clone()),
            done: self.done(incident),
            next: unit.filter(|_| firing).map(|unit| unit.next_sentence(self.now)),
            changes: incident.changes.iter().map(|change| change.what.clone()).collect(),
            repair: finding.map_or_else(|| incident.repair.clone(), |finding| finding.repair.clone()),
            affected: incident.affected.iter().map(UnitName::to_string).collect(),
            owner: unit.and_then(|unit| unit.spec().owner.clone()),
            runbook: unit.and_then(|unit| unit.spec().runbook.clone()),
            link: self.host.page_of(incident.id),
            labels: self.host.labels(incident),
            started_at: incident.began_at.unwrap_or(incident.opened_at),
            ended_at: incident.resolved_at.and(self.incidents.whole(incident).resolved_at),
        })
    }

    /// What is true of it at this moment.
    fn summary(&self, incident: &Incident, found: Option<&Finding>, gave_up: bool) -> String {
        let Some(found) = found else {
            return incident.summary.clone();
        };
        let quarantine = incident.unit.as_ref().and_then(|unit| self.units.get(unit)).and_then(Unit::gave_up);
        let why = quarantine.filter(|_| gave_up).map_or(String::new(), |why| format!("; gave up: {why}"));
        let drill = if incident.drill { "DRILL: " } else { "" };
        format!("{drill}{}{why}", found.message)
    }

    /// What was decided and done, the last of it. What was only considered is no deed.
    fn done(&self, incident: &Incident) -> Vec<String> {
        let done = self.log.kept().values().rev().filter(|event| {
            let kind = matches!(event.kind, EventKind::Acted | EventKind::Outcome | EventKind::Decided);
            let considered = event.kind == EventKind::Decided && event.message.starts_with("would ");
            event.incident == Some(incident.id) && kind && !considered
        });
        let mut lines: Vec<String> =
            done.take(limits::DONE_LINES).map(|event| event.message.clone()).collect();
        lines.reverse();
        lines
    }

    /// Somebody tries whether it arrives.
    fn test_alert(&self) -> Alert {
        let host = &self.host.here().name;
        let mut labels = self.host.settings().labels.clone();
        labels.insert("host".to_owned(), host.clone());
        Alert {
            key: format!("{host}/test"),
            status: AlertStatus::Test,
            repeats: 0,
            incident: 0,
            unit: None,
            code: "test".to_owned(),
            severity: Severity::Warning,
            summary: "this is a test: nothing is wrong".to_owned(),
            evidence: Vec::new(),
            done: Vec::new(),
            next: None,
            changes: Vec::new(),
            repair: None,
            affected: Vec::new(),
            owner: None,
            runbook: None,
            link: self.host.settings().page_url.clone(),
            labels,
            started_at: self.now,
            ended_at: None,
        }
    }
}

impl Host {
    /// Where people read of an incident.
    fn page_of(&self, incident: u64) -> Option<String> {
        self.settings().page_url.as_ref().map(|page| format!("{page}/incidents/{incident}"))
    }

    /// All labels of an incident's alerts.
    #[must_use]
    pub fn labels(&self, incident: &Incident) -> BTreeMap<String, String> {
        let mut labels = self.settings().labels.clone();
        let mut set = |name: &str, value: &str| labels.insert(name.to_owned(), value.to_owned());
        set("host", &self.here().name);
        set("code", incident.cause.as_str());
        // What may change while it fires would be another alert to whoever tells alerts apart by their labels.
        set("severity", incident.opened_severity.as_str());
        if let Some(unit) = &incident.unit {
            set("unit", unit.as_str());
        }
        if incident.drill {
            set("drill", "true");
        }
        if let Some(owner) = &incident.owner {
            set("owner", owner);
        }
        labels
    }
}
