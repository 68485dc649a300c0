//! What a command is told: a message as environment variables.

use std::collections::BTreeSet;

use crate::clock;
use crate::model::alert::{Alert, AlertStatus, Message};
use crate::model::finding::Severity;

use super::{json, message, text};

/// Longest value, in characters; the JSON has its own limit.
const VALUE: usize = 1000;
/// Longest JSON, in bytes: the kernel takes 128 KiB for one variable.
const JSON: usize = 64 * 1024;

/// The variables for a command. Each is one line within a limit; of several alerts they name each thing once, separated by commas.
#[must_use]
pub fn environment(message: &Message) -> Vec<(String, String)> {
    let each = |of: fn(&Alert) -> String| {
        let mut seen = BTreeSet::new();
        let parts: Vec<String> = message
            .alerts
            .iter()
            .map(of)
            .filter(|part| !part.is_empty() && seen.insert(part.clone()))
            .collect();
        parts.join(",")
    };
    let fires = message.alerts.iter().any(|alert| alert.status == AlertStatus::Firing);
    let status = if fires { Some(AlertStatus::Firing) } else { message.alerts.first().map(|one| one.status) };
    let summary = match message.alerts.as_slice() {
        [alert] => alert.summary.clone(),
        _ => message::subject(message, clock::now()),
    };
    let worst = message.alerts.iter().map(|alert| alert.severity).max();
    let values = [
        ("STATUS", status.map(AlertStatus::as_str).unwrap_or_default().to_owned()),
        ("KEY", each(|alert| alert.key.clone())),
        ("INCIDENT", each(|alert| alert.incident.to_string())),
        ("UNIT", each(|alert| alert.unit.clone().unwrap_or_default())),
        ("CODE", each(|alert| alert.code.clone())),
        ("SEVERITY", worst.map(Severity::as_str).unwrap_or_default().to_owned()),
        ("SUMMARY", summary),
        ("HOST", message.host.clone()),
    ];
    let lines = values.map(|(name, value)| (format!("STEADFAST_{name}"), text::line(&value, VALUE)));
    let json = ("STEADFAST_ALERT".to_owned(), json::within(message, JSON));
    lines.into_iter().chain([json]).collect()
}
