//! A message as people read it, at three in the morning on a phone: a subject, and a body of plain text.

use crate::model::alert::{Alert, AlertStatus, Message};
use crate::model::moment::Moment;
use crate::model::span::{span, times};

use super::text;

/// Longest subject, in characters: what a phone shows of it.
const SUBJECT: usize = 70;
/// Longest subject that a digest's body and a command are given.
const HEADLINE: usize = 180;
/// Longest body, in bytes.
pub const BODY: usize = 8 * 1024;
/// Longest line of a body, in characters.
const LINE: usize = 400;
/// Items of a list: of an alert that comes alone, and of one of several.
const ALONE: usize = 8;
const AMONG_OTHERS: usize = 2;
/// Alerts that a subject names, and that a body describes.
const NAMED: usize = 3;
const DESCRIBED: usize = 12;

/// One line, short enough for a phone.
pub fn subject(message: &Message, now: Moment) -> String {
    let subject = match message.alerts.as_slice() {
        [alert] => headline(&message.host, alert, now),
        several => of_several(&message.host, several),
    };
    text::line(&subject, SUBJECT)
}

/// `[firing] web1 horizon.service: the main process … (release-outdated)`
fn headline(host: &str, alert: &Alert, now: Moment) -> String {
    let who = alert.unit.as_ref().map_or_else(|| host.to_owned(), |unit| format!("{host} {unit}"));
    let drill = if is_drill(alert) { "[DRILL] " } else { "" };
    let word = word(alert);
    let rest = match alert.status {
        AlertStatus::Firing => format!("{} ({})", sentence(alert), alert.code),
        AlertStatus::Resolved => format!("over after {} ({})", span(took(alert, now)), alert.code),
        AlertStatus::Test => alert.summary.clone(),
    };
    text::line(&format!("{drill}[{word}] {who}: {rest}"), HEADLINE)
}

fn is_drill(alert: &Alert) -> bool {
    alert.labels.contains_key("drill")
}

/// What it says, without what stands before it anyway, and without the markup of an answer that it quotes.
fn sentence(alert: &Alert) -> String {
    let summary = alert.summary.strip_prefix("DRILL: ").unwrap_or(&alert.summary);
    let own = alert.unit.as_ref().and_then(|unit| summary.strip_prefix(unit.as_str()));
    let rest = own.and_then(|rest| rest.strip_prefix(' ')).unwrap_or(summary);
    plain(rest)
}

/// Without tags.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, tagged)) = rest.split_once('<') {
        plain.push_str(before);
        let opens = tagged.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
        match tagged.split_once('>').filter(|_| opens) {
            Some((_, after)) => {
                if !plain.ends_with(' ') {
                    plain.push(' ');
                }
                rest = after.trim_start();
            }
            None => {
                plain.push('<');
                rest = tagged;
            }
        }
    }
    plain.push_str(rest);
    plain
}

/// `firing`, `resolved`; of what was never told while it fired, and is over by now, that.
fn word(alert: &Alert) -> &'static str {
    match (alert.status, alert.ended_at) {
        (AlertStatus::Firing, Some(_)) => "over",
        (status, _) => status.as_str(),
    }
}

/// `[3 firing, 1 resolved] web1: horizon.service, shop.service, …`
fn of_several(host: &str, alerts: &[Alert]) -> String {
    let count = |named: &str| {
        let count = alerts.iter().filter(|alert| word(alert) == named).count();
        (count > 0).then(|| format!("{count} {named}"))
    };
    let counts: Vec<String> = ["firing", "over", "resolved", "test"].into_iter().filter_map(count).collect();
    let drill = if alerts.iter().all(is_drill) { "[DRILL] " } else { "" };
    let mut units: Vec<&str> = Vec::new();
    for alert in alerts {
        let unit = alert.unit.as_deref().unwrap_or(&alert.code);
        if !units.contains(&unit) {
            units.push(unit);
        }
    }
    let more = if units.len() > NAMED { ", …" } else { "" };
    units.truncate(NAMED);
    format!("{drill}[{}] {host}: {}{more}", counts.join(", "), units.join(", "))
}

/// How long it lasted, or lasts.
fn took(alert: &Alert, now: Moment) -> std::time::Duration {
    alert.ended_at.unwrap_or(now).since(alert.started_at)
}

/// Plain text within the limit.
pub fn body(message: &Message, now: Moment) -> String {
    if let [alert] = message.alerts.as_slice() {
        return of_alert(message, alert, now, BODY);
    }
    let described = message.alerts.len().min(DESCRIBED);
    let room = BODY / (described.max(1) + 1);
    let mut parts: Vec<String> =
        message.alerts.iter().take(described).map(|alert| among_others(message, alert, now, room)).collect();
    let rest: Vec<&Alert> = message.alerts.iter().skip(described).collect();
    if !rest.is_empty() {
        let names: Vec<String> = rest.iter().map(|alert| format!("#{}", alert.incident)).collect();
        let names = text::line(&names.join(", "), LINE);
        let all = command(message, "status");
        parts.push(format!("And {} more: {names}\nAll of them: {all}\n", rest.len()));
    }
    parts.join("\n")
}

/// All that is known of one alert. What does not fit is cut in the middle: what to do next stands at the end.
pub fn of_alert(message: &Message, alert: &Alert, now: Moment, room: usize) -> String {
    let state = state(&message.host, alert, now);
    let text = format!("{}\n{state}\n{}", lines(&alert.summary), details(alert, ALONE));
    with_end(&text, &end(message, alert), room)
}

/// One of several, shorter: of what is over only that it is.
pub fn among_others(message: &Message, alert: &Alert, now: Moment, room: usize) -> String {
    let mut text = headline(&message.host, alert, now);
    if alert.status == AlertStatus::Firing {
        text.push('\n');
        list(&mut text, "Evidence", &alert.evidence, AMONG_OTHERS);
        text.extend(next(alert));
    }
    with_end(&lines(&text), &end(message, alert), room)
}

fn with_end(text: &str, end: &str, room: usize) -> String {
    let head = text::bytes(text.trim_end(), room.saturating_sub(end.len() + 2));
    format!("{head}\n\n{end}")
}

/// `Firing for 4 min, since 2026-11-20 10:00:00 UTC; critical; release-outdated; web1 horizon.service.`
fn state(host: &str, alert: &Alert, now: Moment) -> String {
    let since = text::utc(alert.started_at.wall_ms);
    let took = span(took(alert, now));
    let told = match (alert.status, alert.ended_at) {
        (AlertStatus::Test, _) => "A test: nothing is wrong".to_owned(),
        (AlertStatus::Resolved, Some(ended)) => {
            format!("Resolved at {} after {took}; it began at {since}", text::utc(ended.wall_ms))
        }
        (AlertStatus::Resolved, None) => format!("Resolved; it began at {since}"),
        (AlertStatus::Firing, Some(ended)) => {
            format!("Over since {}; it fired for {took}, from {since}", text::utc(ended.wall_ms))
        }
        (AlertStatus::Firing, None) => format!("Firing for {took}, since {since}"),
    };
    let repeats = match alert.repeats {
        0 => String::new(),
        before => format!("; alerted {} before", times(before)),
    };
    let unit = alert.unit.as_ref().map(|unit| format!(" {unit}")).unwrap_or_default();
    text::line(&format!("{told}{repeats}; {}; {}; {host}{unit}.", alert.severity.as_str(), alert.code), LINE)
}

/// Evidence, what was done, what comes next, what changed, whom it affects.
fn details(alert: &Alert, items: usize) -> String {
    let mut text = String::new();
    list(&mut text, "Evidence", &alert.evidence, items);
    list(&mut text, "Done", &alert.done, items);
    text.extend(next(alert));
    list(&mut text, "Changed before, most suspect first", &alert.changes, items);
    if !alert.affected.is_empty() {
        text.push_str(&format!("\nAffected: {}\n", text::line(&alert.affected.join(", "), LINE)));
    }
    text
}

/// What comes next; of what is over nothing does.
fn next(alert: &Alert) -> Option<String> {
    let next = alert.next.as_ref().filter(|_| alert.status != AlertStatus::Resolved);
    next.map(|next| format!("\nNext: {}\n", text::line(next, LINE)))
}

fn list(text: &mut String, title: &str, items: &[String], most: usize) {
    if items.is_empty() {
        return;
    }
    text.push_str(&format!("\n{title}:\n"));
    for item in items.iter().take(most) {
        text.push_str(&format!("- {}\n", text::line(item, LINE)));
    }
    let more = items.len().saturating_sub(most);
    if more > 0 {
        text.push_str(&format!("- … and {more} more\n"));
    }
}

/// What the reader can do.
fn end(message: &Message, alert: &Alert) -> String {
    let mut rows = Vec::new();
    let mut row = |name: &str, value: &Option<String>| {
        rows.extend(value.as_ref().map(|value| format!("{name}: {}\n", text::line(value, LINE))));
    };
    if alert.status != AlertStatus::Resolved {
        row("Repair", &alert.repair);
    }
    row("Runbook", &alert.runbook);
    row("Page", &alert.link);
    row("Owner", &alert.owner);
    let call = |verb: &str| format!("{} {}\n", command(message, verb), alert.incident);
    match alert.status {
        AlertStatus::Test => {}
        AlertStatus::Resolved => rows.push(format!("More: {}", call("incident"))),
        AlertStatus::Firing => {
            rows.push(format!("More: {}Acknowledge: {}", call("incident"), call("ack")));
        }
    }
    rows.concat()
}

/// A command of ours, for the instance that tells.
pub fn command(message: &Message, verb: &str) -> String {
    format!("steadfast{} {verb}", if message.user_instance { " --user" } else { "" })
}

/// Each line within its limit, without control characters.
fn lines(text: &str) -> String {
    text.lines().map(|line| text::line(line, LINE)).collect::<Vec<_>>().join("\n") + "\n"
}
