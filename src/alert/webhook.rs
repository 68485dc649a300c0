//! `type = "webhook"`: a POST of our JSON, of Slack's, or of a text for ntfy.

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::keys::{Credential, FullPath, PostUrl, Wrong, password};
use crate::model::alert::{Alert, AlertStatus, Message};
use crate::model::finding::Severity;
use crate::model::moment::Moment;

use super::http::{Login, Post};
use super::letter::Letter;
use super::{Delivery, Sink, blocking, json, message, text};

/// Longest JSON of ours, in bytes.
const JSON: usize = 256 * 1024;
/// Longest keys of a message, in characters.
const KEYS: usize = 1000;
/// Slack's limits, in characters: of a header, and of a section.
const SLACK_HEADER: usize = 150;
const SLACK_SECTION: usize = 2900;
/// Sections of one message; Slack takes 50 blocks, people fewer.
const SLACK_SECTIONS: usize = 12;
/// Bytes of a section's text before it is escaped.
const SLACK_TEXT: usize = 2500;
/// Longest body of ntfy, in bytes: what is longer becomes an attachment.
const NTFY: usize = 4000;

/// Its keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where it is told.
    url: Option<PostUrl>,
    /// json, slack or ntfy. Default: json.
    #[serde(default)]
    format: Format,
    /// The systemd credential of steadfast.service that holds the whole URL where that is secret (Slack's is), else a token.
    credential: Option<Credential>,
    /// A file that holds it, readable for its owner alone.
    password_file: Option<FullPath>,
}

/// Whose JSON a webhook is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Format {
    /// The alert as the contract has it.
    #[default]
    Json,
    Slack,
    Ntfy,
}

impl Sink for Webhook {
    fn check(&self) -> Result<(), Wrong> {
        let secret = password(self.credential.as_ref(), self.password_file.as_ref())?;
        if self.url.is_none() && secret.is_none() {
            return Err(Wrong::table("`url` is missing").help(
                "add url = \"https://…\", or credential = \"NAME\" or password_file = \"PATH\" where the URL is secret",
            ));
        }
        Ok(())
    }

    fn deliver<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(deliver(self, delivery))
    }
}

/// Delivers it.
async fn deliver(webhook: &Webhook, delivery: Delivery<'_>) -> Result<(), String> {
    let Delivery { message, now, limit, carrier } = delivery;
    let secret = blocking::secret(&webhook.credential, &webhook.password_file).await?;
    let (url, login) = match (webhook.url.clone().map(String::from), secret.clone()) {
        (None, secret) => (secret.unwrap_or_default(), Login::None),
        (Some(url), Some(token)) => (url, Login::Bearer(token)),
        (Some(url), None) => (url, Login::None),
    };
    let (content_type, body) = match webhook.format {
        Format::Json => ("application/json", json::within(message, JSON)),
        Format::Slack => ("application/json", slack(message, now).to_string()),
        Format::Ntfy => ("text/plain; charset=utf-8", ntfy_body(message, now)),
    };
    let keys: Vec<&str> = message.alerts.iter().map(|alert| alert.key.as_str()).collect();
    let mut headers = vec![("x-steadfast-key", text::line(&keys.join(","), KEYS))];
    if webhook.format == Format::Ntfy {
        headers.extend(ntfy_headers(message, now));
    }
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let post = Post { url, content_type: content_type.to_owned(), headers, login, secret, body };
    carrier.carry(Letter::Posts(vec![post]), limit).await
}

/// A text for notifications, and blocks to read.
fn slack(message: &Message, now: Moment) -> Value {
    let subject = message::subject(message, now);
    let head = text::line(&subject, SLACK_HEADER);
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "text": head, "emoji": false },
    })];
    let section = |alert: &Alert| {
        let text = match message.alerts.len() {
            1 => message::of_alert(message, alert, now, SLACK_TEXT),
            _ => message::among_others(message, alert, now, SLACK_TEXT / 2),
        };
        json!({ "type": "section", "text": { "type": "mrkdwn", "text": escaped(&text, SLACK_SECTION) } })
    };
    blocks.extend(message.alerts.iter().take(SLACK_SECTIONS).map(section));
    let more = message.alerts.len().saturating_sub(SLACK_SECTIONS);
    if more > 0 {
        let text = format!("… and {more} more: {}", message::command(message, "status"));
        blocks.push(json!({ "type": "section", "text": { "type": "plain_text", "text": text } }));
    }
    json!({ "text": escaped(&subject, SLACK_SECTION), "blocks": blocks })
}

/// Slack's three special characters, escaped; whole ones within the limit.
fn escaped(text: &str, limit: usize) -> String {
    let mut escaped = String::new();
    let mut length = 0;
    for c in text.chars() {
        let (part, chars) = match c {
            '&' => ("&amp;", 5),
            '<' => ("&lt;", 4),
            '>' => ("&gt;", 4),
            _ => ("", 1),
        };
        length += chars;
        if length > limit {
            break;
        }
        if part.is_empty() { escaped.push(c) } else { escaped.push_str(part) }
    }
    escaped
}

fn ntfy_body(message: &Message, now: Moment) -> String {
    text::bytes(
        &match message.alerts.as_slice() {
            [alert] => message::of_alert(message, alert, now, NTFY),
            _ => message::body(message, now),
        },
        NTFY,
    )
}

fn ntfy_headers(message: &Message, now: Moment) -> [(&'static str, String); 3] {
    let firing = message.alerts.iter().filter(|alert| alert.status == AlertStatus::Firing);
    let (priority, tags) = match firing.map(|alert| alert.severity).max() {
        Some(Severity::Critical) => ("urgent", "rotating_light"),
        Some(Severity::Warning) => ("high", "warning"),
        None => ("default", "white_check_mark"),
    };
    [
        ("title", message::subject(message, now)),
        ("priority", priority.to_owned()),
        ("tags", format!("{tags},steadfast")),
    ]
}
