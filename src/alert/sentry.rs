//! `type = "sentry"`: an event per alert, each in an envelope of its own.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use sentry_types::protocol::v7::{Envelope, EnvelopeHeaders, Event, Level, Map, Value};
use sentry_types::{Dsn, Uuid};
use serde::{Deserialize, Serialize};

use crate::keys::{Credential, FullPath, Wrong, authority, password};
use crate::model::alert::{Alert, AlertStatus, Message};
use crate::model::finding::Severity;
use crate::model::moment::Moment;

use super::http::{self, Login, Post};
use super::letter::{self, Letter};
use super::{Delivery, Sink, blocking, text};

/// Events that are sent at one time.
const EVENTS_AT_ONCE: usize = 8;
/// Sentry's limits, in characters: name and value of a tag, and a message.
const TAG: (usize, usize) = (32, 200);
const MESSAGE: usize = 1000;
/// Longest line of what is told besides, in characters, and lines of each list.
const LINE: usize = 500;
const LINES: usize = 20;

/// Its keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sentry {
    /// The DSN, https://KEY@HOST/PROJECT.
    url: Option<String>,
    /// The systemd credential of steadfast.service that holds the whole DSN.
    credential: Option<Credential>,
    /// A file that holds it, readable for its owner alone.
    password_file: Option<FullPath>,
}

impl Sink for Sentry {
    fn check(&self) -> Result<(), Wrong> {
        let secret = password(self.credential.as_ref(), self.password_file.as_ref())?;
        let Some(url) = &self.url else {
            return if secret.is_some() {
                Ok(())
            } else {
                Err(Wrong::table("its DSN is missing").help(
                    "add url = \"https://KEY@HOST/PROJECT\", or credential or password_file with the whole of it",
                ))
            };
        };
        let wrong = |message: &str, help: &str| Err(Wrong::at("url", message).help(help));
        if secret.is_some() {
            return wrong("cannot take the DSN from two places", "the secret is the whole DSN: remove url");
        }
        if authority(url).rsplit_once('@').is_some_and(|(key, _)| key.contains(':')) {
            let help = "put the whole DSN into a file, and add password_file = \"PATH\"";
            return wrong("cannot take a password from a DSN: others read it", help);
        }
        if url.parse::<Dsn>().is_err() {
            // Not quoted: messages are read by more people than this file.
            return wrong("cannot use `url`: it is no DSN", "write url = \"https://KEY@HOST/PROJECT\"");
        }
        Ok(())
    }

    fn deliver<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(deliver(self, delivery))
    }
}

/// Delivers it; an event for each alert, named so that it counts once however often it is sent.
async fn deliver(sentry: &Sentry, delivery: Delivery<'_>) -> Result<(), String> {
    let Delivery { message, now, limit, carrier } = delivery;
    let secret = blocking::secret(&sentry.credential, &sentry.password_file).await?;
    // What the library says is left out: it may quote the DSN.
    let dsn: Dsn = secret
        .as_deref()
        .or(sentry.url.as_deref())
        .unwrap_or_default()
        .trim()
        .parse()
        .map_err(|_| "its DSN is not https://KEY@HOST/PROJECT".to_owned())?;
    let login = format!(
        "Sentry sentry_version=7, sentry_client={}, sentry_key={}",
        http::USER_AGENT,
        dsn.public_key()
    );
    // Some at once: one after the other they might never end in time.
    let (mut posts, mut length) = (Vec::new(), 0);
    for (number, alert) in message.alerts.iter().enumerate() {
        let body = envelope(message, alert, now)?;
        length += body.len();
        posts.push(Post {
            url: dsn.envelope_api_url().to_string(),
            content_type: "application/x-sentry-envelope".to_owned(),
            headers: vec![("x-sentry-auth".to_owned(), login.clone())],
            login: Login::None,
            secret: Some(dsn.public_key().to_owned()),
            body,
        });
        let last = number + 1 == message.alerts.len();
        if last || posts.len() == EVENTS_AT_ONCE || length > letter::LENGTH / 2 {
            carrier.carry(Letter::Posts(std::mem::take(&mut posts)), limit).await?;
            length = 0;
        }
    }
    Ok(())
}

/// Its three lines.
fn envelope(message: &Message, alert: &Alert, now: Moment) -> Result<String, String> {
    let id = event_id(message, alert);
    let mut envelope =
        Envelope::new().with_headers(EnvelopeHeaders::new().with_event_id(id).with_sent_at(system_time(now)));
    envelope.add_item(event(id, message, alert));
    let mut lines = Vec::new();
    envelope.to_writer(&mut lines).map_err(|why| format!("cannot write the event: {why}"))?;
    String::from_utf8(lines).map_err(|why| format!("cannot write the event: {why}"))
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
    let told = format!("{status}{who}: {} ({})", alert.summary, alert.code);
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
    let texts = [
        ("next", &alert.next),
        ("repair", &alert.repair),
        ("runbook", &alert.runbook),
        ("link", &alert.link),
    ];
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
