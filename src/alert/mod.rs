//! Deliver one message through one sink, once; a file per sink. A shell: it tries within its limit, and says why it failed.

mod alertmanager;
mod blocking;
mod bounded;
mod environment;
mod failure;
mod http;
mod json;
mod sentry;
mod smtp;
#[cfg(test)]
mod tests;
mod text;
mod webhook;
mod words;

use tokio::time::{Instant, timeout, timeout_at};

use crate::clock;
use crate::model::alert::{Heartbeat, Message, SinkKind, SinkSpec};

pub use environment::environment;

/// Tells what the message says, once, within the sink's timeout.
///
/// # Errors
/// One clause that says why it was not delivered, without any secret. What a sink answers may be lost: told again is better than
/// not told. A command is always an error: systemd runs it, so the daemon does, with `environment`.
pub async fn deliver(sink: &SinkSpec, message: &Message) -> Result<(), String> {
    if message.alerts.is_empty() {
        return Ok(());
    }
    let (now, deadline) = (clock::now(), Instant::now() + sink.timeout);
    let told = async {
        match &sink.kind {
            SinkKind::Webhook(webhook) => webhook::deliver(webhook, message, now).await,
            SinkKind::Smtp(smtp) => smtp::deliver(smtp, message, now).await,
            SinkKind::Alertmanager(cluster) => {
                alertmanager::deliver(cluster, message, now, deadline, sink.timeout).await
            }
            SinkKind::Sentry { dsn, secret } => sentry::deliver(dsn, secret.as_ref(), message, now).await,
            SinkKind::Command { .. } => Err("a command needs the service manager".to_owned()),
        }
    };
    let told = timeout_at(deadline, told).await.unwrap_or_else(|_| Err(late(sink.timeout)));
    told.map_err(|why| text::line(&why, failure::CLAUSE))
}

/// A heartbeat that takes longer is not heard.
const BEAT: std::time::Duration = std::time::Duration::from_secs(10);

/// Tells the server elsewhere that we are well: one POST without content.
///
/// # Errors
/// One clause that says why it was not heard, without any secret.
pub async fn beat(heartbeat: &Heartbeat) -> Result<(), String> {
    let told = async {
        let secret = blocking::secret(heartbeat.secret.as_ref()).await?;
        let url = secret.clone().unwrap_or_else(|| heartbeat.url.clone());
        let (content_type, login) = ("text/plain; charset=utf-8", http::Login::None);
        http::post(http::Post { url, content_type, headers: Vec::new(), login, secret, body: Vec::new() })
            .await
    };
    timeout(BEAT, told).await.unwrap_or_else(|_| Err(late(BEAT)))
}

fn late(timeout: std::time::Duration) -> String {
    format!("no answer within {}", text::length(timeout))
}
