//! The kinds of probes: a file per kind has its keys, says whether a restart helps, and runs it once. A shell: it asks within the
//! probe's timeout, says what came, and never asks again.
//!
//! kubelet's rules: what refuses a connection, hangs or answers wrongly is unhealthy. What could not even be tried, for a reason
//! on our own side, is unknown; and so is a server that refuses our user or password: it lives, and the mistake may be ours.

mod amqp;
mod blocking;
mod command;
mod confides;
mod expected;
mod failure;
mod file;
#[doc(hidden)]
pub mod fuzzed;
mod greeting;
mod handed;
mod handing;
mod http;
mod http_answer;
mod journal;
mod json;
mod lock;
mod memcached;
mod mysql;
mod names;
mod peer;
mod postgres;
mod progress;
mod rabbitmq;
mod redis;
mod relay;
mod resource;
mod room;
mod secret;
mod secured;
mod server;
mod sql;
mod tcp;
mod text;
mod timer;
mod unix;

use std::fmt;
use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::keys::{self, Kind, Wrong};
use crate::model::probe::{ProbeKind, ProbeOutcome};
use failure::Failure;

pub use command::judge as judge_command;
pub use confides::{confides, confides_surely};
pub use handed::{Handed, with as with_handed};
pub use handing::{Wants, open as hand_over};
pub use http::{status, wants as wants_of_page};
pub use journal::{Log, log_since, run as read_log};
pub use lock::{ADDRESSES, Lock, LockAsked, LockSaid, lock};
pub use peer::peer;
pub use progress::{KINDS as SOURCES, Source, judge_sample, source};
pub use resource::{Resource, ask as read_resource};
pub use timer::judge as judge_timer;

/// Every kind of probe. A new one is a line here and a file.
pub static PROBES: [Kind<dyn Probe>; 29] = [
    kind::<http::Http>("http"),
    kind::<tcp::Tcp>("tcp"),
    kind::<unix::Unix>("unix"),
    kind::<command::Command>("command"),
    kind::<redis::Redis>("redis"),
    kind::<memcached::Memcached>("memcached"),
    kind::<amqp::Amqp>("amqp"),
    kind::<rabbitmq::Rabbitmq>("rabbitmq"),
    kind::<postgres::Postgres>("postgres"),
    kind::<mysql::Mysql>("mysql"),
    kind::<greeting::Smtp>("smtp"),
    kind::<greeting::Imap>("imap"),
    kind::<greeting::Pop3>("pop3"),
    kind::<greeting::Ssh>("ssh"),
    kind::<file::File>("file"),
    kind::<room::Disk>("disk"),
    kind::<room::Inodes>("inodes"),
    kind::<journal::Journal>("journal"),
    kind::<timer::Timer>("timer"),
    kind::<resource::Memory>("memory"),
    kind::<resource::Tasks>("tasks"),
    kind::<resource::Fds>("fds"),
    kind::<resource::Threads>("threads"),
    kind::<resource::Cpu>("cpu"),
    kind::<resource::Pressure>("pressure"),
    kind::<resource::Swap>("swap"),
    kind::<resource::OomKills>("oom_kills"),
    kind::<resource::Restarts>("restarts"),
    kind::<resource::Age>("age"),
];

/// What every kind of probe can do. Its fields are its keys, and the first one names it.
pub trait Probe: fmt::Debug + Send + Sync {
    /// Whether its keys fit together; each value was checked when it was read.
    ///
    /// # Errors
    /// They do not.
    fn check(&self) -> Result<(), Wrong> {
        Ok(())
    }

    /// A restart of the unit may put right what it asks.
    fn is_curable(&self) -> bool {
        true
    }

    /// While it fails, those who need the service cannot work, most likely; except where it answers, and says something else
    /// than wished.
    fn is_vital(&self) -> bool {
        true
    }

    /// Why its failure would never be seen, as the end of a sentence: "cannot fail: …".
    fn weakness(&self, _timeout: Duration) -> Option<String> {
        None
    }

    /// An answer that takes longer is slow, where the file says so.
    fn slow_after(&self) -> Option<Duration> {
        None
    }

    /// Unhealthy answers in a row that count, and healthy ones after them, where the file does not say.
    fn thresholds(&self) -> (u32, u32) {
        (2, 1)
    }

    /// What only the daemon can do for it.
    fn needs(&self) -> Needs<'_> {
        Needs::Nothing
    }

    /// What is handed over with each question, where it is asked in the prober.
    fn wants(&self) -> Wants {
        Wants::default()
    }

    /// Asks once within the limit. Whoever calls it has done what it needs.
    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome>;
}

/// What a probe needs of the daemon.
#[derive(Clone, Copy, Debug)]
pub enum Needs<'a> {
    /// It reads what a stranger says: the prober asks it.
    Nothing,
    /// It only looks at this host, and reads nothing that somebody says: the daemon asks it itself.
    Looking,
    /// The service manager runs it as the unit's user; `judge_command` says what its end means.
    Command(&'a [String]),
    /// The new lines of the unit's log, as `read_log` reads them, that match this regular expression.
    Log(&'a str),
    /// The service manager tells how what this timer starts last ran; `judge_timer` says what that means.
    Timer { timer: &'a str, max_age: Duration },
    /// What is known of the unit's run; `read_resource` reads and judges.
    Resource(&'a Resource),
}

const fn kind<T>(name: &'static str) -> Kind<dyn Probe>
where
    T: Probe + Serialize + DeserializeOwned + JsonSchema + 'static,
{
    Kind {
        name,
        keys: keys::names::<T>,
        schema: T::json_schema,
        read: |table| {
            let (probe, keys) = keys::read::<T>(table)?;
            Ok((Box::new(probe), keys))
        },
    }
}

/// The probe whose keys were read before; it is asked within the timeout.
///
/// # Errors
/// What is known of it then: nothing.
pub fn of(kind: &ProbeKind) -> Result<Box<dyn Probe>, ProbeOutcome> {
    keys::read_again(&PROBES, &kind.keys)
        .map_err(|why| Failure::unknown(format!("its keys cannot be read ({why})")).of("probe"))
}

/// Nothing is known of what was asked, for this reason, one clause.
#[must_use]
pub fn unknown(asked: &str, clause: impl Into<String>) -> ProbeOutcome {
    Failure::unknown(clause).of(asked)
}

/// A sentence that somebody else made, as one of ours is: of bounded length, without control characters.
#[must_use]
pub fn sentence(text: &str) -> String {
    text::sentence(text)
}

/// What the daemon alone can do was not done.
fn not_here<'a>() -> BoxFuture<'a, ProbeOutcome> {
    Box::pin(async { Failure::unknown("only the daemon can ask it").of("probe") })
}

/// Where a late answer is still worth something, it is awaited for so long beyond the timeout, within the period.
const PATIENCE: Duration = Duration::from_secs(4);

/// How long a probe may take, and until when that is.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    timeout: Duration,
    deadline: Instant,
    /// How long a late answer is awaited.
    longest: Duration,
}

impl Limit {
    /// It begins now.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, deadline: Instant::now() + timeout, longest: timeout }
    }

    /// It begins now; the next question comes after the period.
    #[must_use]
    pub fn within_period(timeout: Duration, period: Duration) -> Self {
        let longest = timeout.saturating_add(PATIENCE).min(period / 10 * 9).max(timeout);
        Self { longest, ..Self::new(timeout) }
    }

    /// How long it may take at all, a late answer included.
    #[must_use]
    pub fn longest(self) -> Duration {
        self.longest
    }

    /// The same where a late answer is awaited.
    fn patient(self) -> Self {
        let more = self.longest.saturating_sub(self.timeout);
        Self { timeout: self.longest, deadline: self.deadline + more, ..self }
    }

    /// The future's output, or `None` when the limit came first.
    async fn within<F: Future>(self, future: F) -> Option<F::Output> {
        tokio::time::timeout_at(self.deadline, future).await.ok()
    }

    /// `3 s`
    fn shown(self) -> String {
        text::figure(self.timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_of_a_kind_names_it() {
        for kind in &PROBES {
            assert_eq!((kind.keys)().first(), Some(&kind.name));
        }
    }
}
