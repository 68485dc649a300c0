//! The kinds of sinks: a file per kind has its keys and delivers one message once. A shell: it tries within its limit, and says
//! why it failed.

mod alertmanager;
mod blocking;
mod bounded;
mod command;
mod environment;
mod failure;
mod heartbeat;
mod http;
mod json;
mod message;
mod sentry;
mod smtp;
#[cfg(test)]
mod tests;
mod text;
mod webhook;

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use crate::clock;
use crate::keys::{self, Kind, Wrong};
use crate::model::alert::{Message, SinkSpec};
use crate::model::moment::Moment;
use crate::model::span::span;

pub use environment::environment;
pub use heartbeat::{HeartbeatKeys, beat};

/// Every kind of sink, as `type` names it. A new one is a line here and a file.
pub static SINKS: [Kind<dyn Sink>; 5] = [
    kind::<webhook::Webhook>("webhook"),
    kind::<smtp::Smtp>("smtp"),
    kind::<alertmanager::Alertmanager>("alertmanager"),
    kind::<sentry::Sentry>("sentry"),
    kind::<command::Command>("command"),
];

/// What every kind of sink can do. Its fields are its keys.
pub trait Sink: fmt::Debug + Send + Sync {
    /// Whether its keys fit together; each value was checked when it was read.
    ///
    /// # Errors
    /// They do not.
    fn check(&self) -> Result<(), Wrong> {
        Ok(())
    }

    /// It wants to hear of all that fires, again and again, in one message.
    fn takes_all(&self) -> bool {
        false
    }

    /// Whether it can be told again this often; `None` is never.
    ///
    /// # Errors
    /// It cannot.
    fn check_repeat(&self, _every: Option<Duration>) -> Result<(), Wrong> {
        Ok(())
    }

    /// The command that the service manager runs, with `environment`.
    fn command(&self) -> Option<&[String]> {
        None
    }

    /// Delivers it, where it is not a command. `Err`: one clause, without any secret.
    fn deliver<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Result<(), String>>;
}

/// One message, and until when it is delivered.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    pub message: &'a Message,
    pub now: Moment,
    pub timeout: Duration,
    pub deadline: Instant,
}

const fn kind<T>(name: &'static str) -> Kind<dyn Sink>
where
    T: Sink + Serialize + DeserializeOwned + JsonSchema + 'static,
{
    Kind {
        name,
        keys: keys::names::<T>,
        schema: T::json_schema,
        read: |table| {
            let (sink, keys) = keys::read::<T>(table)?;
            Ok((Box::new(sink), keys))
        },
    }
}

/// The sink whose keys were read before.
///
/// # Errors
/// One clause: another version wrote them.
pub fn of(sink: &SinkSpec) -> Result<Box<dyn Sink>, String> {
    keys::read_again(&SINKS, &sink.kind.keys).map_err(|why| format!("its keys cannot be read ({why})"))
}

/// Tells what the message says, once, within the sink's timeout.
///
/// # Errors
/// One clause that says why it was not delivered, without any secret. What a sink answers may be lost: told again is better than
/// not told. A command is always an error: systemd runs it, so the daemon does, with `environment`.
pub async fn deliver(sink: &dyn Sink, timeout: Duration, message: &Message) -> Result<(), String> {
    if message.alerts.is_empty() {
        return Ok(());
    }
    let deadline = Instant::now() + timeout;
    let told = sink.deliver(Delivery { message, now: clock::now(), timeout, deadline });
    let told = timeout_at(deadline, told).await.unwrap_or_else(|_| Err(late(timeout)));
    told.map_err(|why| text::line(&why, failure::CLAUSE))
}

fn late(timeout: Duration) -> String {
    format!("no answer within {}", span(timeout))
}
