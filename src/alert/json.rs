//! A message as JSON: what a webhook is sent, and a command is told.

use serde_json::{Value, json};

use crate::model::alert::{Alert, AlertStatus, Message};
use crate::model::moment::Moment;

use super::text;

/// Of the shape; it grows when a key changes its meaning.
const VERSION: u32 = 1;
/// Longest text, in characters.
const TEXT: usize = 500;
/// Labels of an alert, and longest name and value of one, in characters.
const LABELS: (usize, usize, usize) = (32, 100, 200);
/// How much is told until it fits: alerts, and items of each list.
const DETAIL: [(usize, usize); 6] = [(100, 20), (100, 3), (20, 3), (20, 0), (1, 3), (1, 0)];

/// The JSON on one line in at most so many bytes: what does not fit is left out, lists first.
pub fn within(message: &Message, bytes: usize) -> String {
    let mut fits = String::new();
    for (alerts, items) in DETAIL {
        fits = of(message, alerts, items).to_string();
        if fits.len() <= bytes {
            break;
        }
    }
    fits
}

fn of(message: &Message, alerts: usize, items: usize) -> Value {
    let mut told = json!({
        "version": VERSION,
        "host": text::line(&message.host, TEXT),
        "status": status(message),
        "alerts": message.alerts.iter().take(alerts).map(|alert| one(alert, items)).collect::<Vec<_>>(),
    });
    let left_out = message.alerts.len().saturating_sub(alerts);
    if let Some(told) = told.as_object_mut().filter(|_| left_out > 0) {
        told.insert("left_out".to_owned(), left_out.into());
    }
    told
}

/// Firing while anything of it fires.
fn status(message: &Message) -> &'static str {
    let firing = message.alerts.iter().find(|alert| alert.status == AlertStatus::Firing);
    firing.or(message.alerts.first()).map_or("", |alert| alert.status.as_str())
}

fn one(alert: &Alert, items: usize) -> Value {
    let line = |text: &String| text::line(text, TEXT);
    let maybe = |text: &Option<String>| text.as_ref().map(line);
    let list = |lines: &[String]| lines.iter().take(items).map(line).collect::<Vec<_>>();
    let time = |moment: Moment| text::rfc3339(moment.wall_ms);
    let (most, name, value) = LABELS;
    let label = |(n, v): (&String, &String)| (text::line(n, name), Value::from(text::line(v, value)));
    let labels: serde_json::Map<String, Value> = alert.labels.iter().take(most).map(label).collect();
    let mut told = json!({
        "key": line(&alert.key),
        "status": alert.status.as_str(),
        "incident": alert.incident,
        "unit": maybe(&alert.unit),
        "code": line(&alert.code),
        "severity": alert.severity.as_str(),
        "summary": line(&alert.summary),
        "evidence": list(&alert.evidence),
        "done": list(&alert.done),
        "next": maybe(&alert.next),
        "changes": list(&alert.changes),
        "repair": maybe(&alert.repair),
        "affected": list(&alert.affected),
        "owner": maybe(&alert.owner),
        "runbook": maybe(&alert.runbook),
        "labels": labels,
        "started_at": time(alert.started_at),
        "ended_at": alert.ended_at.map(time),
    });
    if let (Some(link), Some(told)) = (maybe(&alert.link), told.as_object_mut()) {
        told.insert("link".to_owned(), link.into());
    }
    told
}
