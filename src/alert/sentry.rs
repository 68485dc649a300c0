//! `type = "sentry"`: an event per alert, each in an envelope of its own.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::{Duration, SystemTime};

use futures_util::{StreamExt, TryStreamExt, stream};
use sentry_types::protocol::v7::{Envelope, EnvelopeHeaders, Event, Level, Map, Value};
use sentry_types::{Dsn, Uuid};

use crate::model::alert::{Alert, AlertStatus, Message};
use crate::model::finding::Severity;
use crate::model::moment::Moment;
use crate::model::probe::Secret;

use super::http::{self, Login, Post};
use super::{blocking, text};

/// Events that are sent at one time.
const EVENTS_AT_ONCE: usize = 8;
/// Sentry's limits, in characters: name and value of a tag, and a message.
const TAG: (usize, usize) = (32, 200);
const MESSAGE: usize = 1000;
/// Longest line of what is told besides, in characters, and lines of each list.
const LINE: usize = 500;
const LINES: usize = 20;

/// Delivers it; an event for each alert, named so that it counts once however often it is sent.
pub async fn deliver(
    dsn: &str,
    secret: Option<&Secret>,
    message: &Message,
    now: Moment,
) -> Result<(), String> {
    let secret = blocking::secret(secret).await?;
    // What the library says is left out: it may quote the DSN.
    let dsn: Dsn = secret
        .as_deref()
        .unwrap_or(dsn)
        .trim()
        .parse()
        .map_err(|_| "its DSN is not https://KEY@HOST/PROJECT".to_owned())?;
    let login = format!(
        "Sentry sentry_version=7, sentry_client={}, sentry_key={}",
        http::USER_AGENT,
        dsn.public_key()
    );
    let mut posts = Vec::new();
    for alert in &message.alerts {
        posts.push(Post {
            url: dsn.envelope_api_url().to_string(),
            content_type: "application/x-sentry-envelope",
            headers: vec![("x-sentry-auth", login.clone())],
            login: Login::None,
            secret: Some(dsn.public_key().to_owned()),
            body: envelope(message, alert, now)?,
        });
    }
    // Some at once: one after the other they might never end in time.
    let sent = stream::iter(posts.into_iter().map(http::post)).buffer_unordered(EVENTS_AT_ONCE);
    sent.try_collect::<Vec<()>>().await.map(|_| ())
}

/// Its three lines.
fn envelope(message: &Message, alert: &Alert, now: Moment) -> Result<Vec<u8>, String> {
    let id = event_id(message, alert);
    let mut envelope =
        Envelope::new().with_headers(EnvelopeHeaders::new().with_event_id(id).with_sent_at(system_time(now)));
    envelope.add_item(event(id, message, alert));
    let mut lines = Vec::new();
    envelope.to_writer(&mut lines).map_err(|why| format!("cannot write the event: {why}"))?;
    Ok(lines)
}

fn event(id: Uuid, message: &Message, alert: &Alert) -> Event<'static> {
    let level = match (alert.status, alert.severity) {
        (AlertStatus::Firing, Severity::Critical) => Level::Error,
        (AlertStatus::Firing, Severity::Warning) => Level::Warning,
        (AlertStatus::Resolved | AlertStatus::Test, _) => Level::Info,
    };
    let who = alert.unit.as_deref().unwrap_or(&message.host);
    let status = match alert.status {
        AlertStatus::Firing => "",
        AlertStatus::Resolved => "resolved: ",
        AlertStatus::Test => "test: ",
    };
    let told = format!("{status}{who}: {}: {}", alert.code, alert.summary);
    let (name, value) = TAG;
    let tags = alert.labels.iter().filter(|(_, value)| !value.is_empty());
    Event {
        event_id: id,
        level,
        fingerprint: vec![text::line(&alert.key, LINE).into()].into(),
        message: Some(text::line(&told, MESSAGE)),
        logger: Some("steadfast".to_owned()),
        platform: "other".into(),
        server_name: Some(text::line(&message.host, value).into()),
        timestamp: system_time(alert.ended_at.unwrap_or(alert.started_at)),
        tags: tags.map(|(label, of)| (text::line(label, name), text::line(of, value))).collect(),
        extra: extra(alert),
        ..Event::default()
    }
}

fn extra(alert: &Alert) -> Map<String, Value> {
    let mut extra = Map::new();
    let lists = [
        ("evidence", &alert.evidence),
        ("done", &alert.done),
        ("changes", &alert.changes),
        ("affected", &alert.affected),
    ];
    for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
        let lines: Vec<String> = list.iter().take(LINES).map(|line| text::line(line, LINE)).collect();
        extra.insert(name.to_owned(), lines.into());
    }
    let texts = [("next", &alert.next), ("repair", &alert.repair), ("runbook", &alert.runbook)];
    for (name, told) in texts {
        extra.extend(told.as_ref().map(|told| (name.to_owned(), text::line(told, LINE).into())));
    }
    extra.insert("incident".to_owned(), alert.incident.into());
    extra
}

/// The same for the same delivery of the same alert: who gets it twice counts it once.
fn event_id(message: &Message, alert: &Alert) -> Uuid {
    let part = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, message.id, &message.host, &alert.key, alert.status.as_str()).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    Uuid::from_u128(part(1) << 64 | part(2))
}

fn system_time(moment: Moment) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(moment.wall_ms).unwrap_or(0));
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}
