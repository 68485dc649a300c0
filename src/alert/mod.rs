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
mod letter;
mod mail;
mod message;
mod sentry;
mod silence;
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
use tokio::time::timeout_at;

use crate::clock;
use crate::keys::{self, Kind, Wrong};
use crate::model::alert::{Message, Silence, SinkSpec};
use crate::model::moment::Moment;

pub use environment::environment;
pub use heartbeat::{HeartbeatKeys, beat};
pub use letter::{Carrier, Letter, Limit, send};

/// What a carrier says of its failure comes so long after the limit, at most.
const ANSWERS: Duration = Duration::from_secs(2);

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

    /// Has it know of a hold. `Err`: one clause, without any secret.
    fn silence<'a>(&'a self, _silence: &'a Silence, _by: Telling<'a>) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async { Err("it knows no silences".to_owned()) })
    }

    /// The command that the service manager runs, with `environment`.
    fn command(&self) -> Option<&[String]> {
        None
    }

    /// Writes it and has it carried, where it is not a command. `Err`: one clause, without any secret.
    fn deliver<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Result<(), String>>;
}

/// One message, until when it is delivered, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    pub message: &'a Message,
    pub now: Moment,
    pub limit: Limit,
    pub carrier: &'a dyn Carrier,
}

/// When, until when, and by whom something is told.
#[derive(Clone, Copy, Debug)]
pub struct Telling<'a> {
    pub now: Moment,
    pub limit: Limit,
    pub carrier: &'a dyn Carrier,
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
pub async fn deliver(
    sink: &dyn Sink,
    timeout: Duration,
    message: &Message,
    carrier: &dyn Carrier,
) -> Result<(), String> {
    if message.alerts.is_empty() {
        return Ok(());
    }
    let limit = Limit::new(timeout);
    let delivered = sink.deliver(Delivery { message, now: clock::now(), limit, carrier });
    // Whoever carries it keeps to the limit, and has a moment to say so; what is done before may hang.
    let delivered = timeout_at(limit.deadline + ANSWERS, delivered).await;
    delivered.unwrap_or_else(|_| Err(limit.late())).map_err(|why| told(&why))
}

/// Has an Alertmanager know of a hold, within the sink's timeout. Told again it is as if it were told once.
///
/// # Errors
/// One clause that says why it is not known to have taken it, without any secret.
pub async fn silence(sink: &SinkSpec, silence: &Silence, carrier: &dyn Carrier) -> Result<(), String> {
    let kind = of(sink)?;
    let limit = Limit::new(sink.timeout);
    let told_it = kind.silence(silence, Telling { now: clock::now(), limit, carrier });
    let ended = timeout_at(limit.deadline + ANSWERS, told_it).await;
    ended.unwrap_or_else(|_| Err(limit.late())).map_err(|why| told(&why))
}

/// The clause of a carrier, as one of ours is.
fn told(why: &str) -> String {
    text::line(why, failure::CLAUSE)
}
