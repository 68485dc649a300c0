//! Whoever is told of incidents: what reached them, and what is wrong with that.

use std::collections::BTreeMap;

use steadfast::model::alert::{AlertStatus, Message};
use steadfast::model::state::Durable;

/// One receiver. It never forgets.
#[derive(Debug, Default)]
pub struct Mailbox {
    /// Nothing arrives.
    pub down: bool,
    /// What it got of each incident, in order, by key.
    got: BTreeMap<String, Vec<AlertStatus>>,
    numbers: BTreeMap<u64, String>,
}

impl Mailbox {
    /// A message arrives, or does not; what is wrong with it.
    pub fn receive(&mut self, message: &Message) -> (Result<(), String>, Vec<String>) {
        if self.down {
            return (Err("connection refused".to_owned()), Vec::new());
        }
        let mut wrong = Vec::new();
        for alert in &message.alerts {
            let before = self.got.entry(alert.key.clone()).or_default();
            if alert.status == AlertStatus::Resolved && !before.contains(&AlertStatus::Firing) {
                wrong.push(format!("incident {} was resolved before it fired", alert.incident));
            }
            if alert.status == AlertStatus::Firing && before.contains(&AlertStatus::Resolved) {
                wrong.push(format!("incident {} fired after it was resolved", alert.incident));
            }
            let key = self.numbers.entry(alert.incident).or_insert_with(|| alert.key.clone());
            if *key != alert.key {
                wrong.push(format!("two keys for incident {}", alert.incident));
            }
            before.push(alert.status);
        }
        (Ok(()), wrong)
    }

    /// What was lost, when all that was to be told has been.
    pub fn lost(&self, durable: &Durable) -> Vec<String> {
        let mut lost = Vec::new();
        for incident in durable.incidents.values().filter(|incident| !incident.told.is_empty()) {
            let got = self.numbers.get(&incident.id).and_then(|key| self.got.get(key));
            let has = |status| got.is_some_and(|got| got.contains(&status));
            let unheard = incident.part_of.is_some() && got.is_none();
            if !unheard && !has(AlertStatus::Firing) {
                lost.push(format!("nobody heard of incident {}", incident.id));
            }
            if !unheard && incident.resolved_at.is_some() && !has(AlertStatus::Resolved) {
                lost.push(format!("nobody heard of the end of incident {}", incident.id));
            }
        }
        lost
    }
}
