//! Run one probe once; a file per kind. A shell: it asks within the probe's timeout, says what came, and never asks again.
//!
//! kubelet's rules: what refuses a connection, hangs or answers wrongly is unhealthy. What could not even be tried, for a reason
//! on our own side, is unknown; and so is a server that refuses our user or password: it lives, and the mistake may be ours.

mod amqp;
mod blocking;
mod command;
mod failure;
mod file;
mod http;
mod http_answer;
mod journal;
mod json;
mod memcached;
mod mysql;
mod names;
mod postgres;
mod progress;
mod rabbitmq;
mod redis;
mod secret;
mod server;
mod sql;
mod tcp;
mod timer;
mod unix;
mod words;

use tokio::time::Instant;

use crate::model::probe::{ProbeKind, ProbeOutcome, ProbeSpec};
use failure::Failure;
use file::Room;

pub use command::judge_command;
pub use http::status;
pub use journal::{Log, run as read_log};
pub use progress::{judge_sample, sample};
pub use timer::judge as judge_timer;

/// Asks once, and answers within the probe's timeout.
pub async fn run(probe: &ProbeSpec) -> ProbeOutcome {
    let limit = Limit::new(probe.timeout);
    match &probe.kind {
        ProbeKind::Http(http) => http::run(http, limit).await,
        ProbeKind::Tcp { address } => tcp::run(address, limit).await,
        ProbeKind::Unix { path } => unix::run(path, limit).await,
        ProbeKind::Redis { server, keys } => redis::run(server, keys, limit).await,
        ProbeKind::Memcached { address, stats } => memcached::run(address, stats, limit).await,
        ProbeKind::Amqp { server } => amqp::run(server, limit).await,
        ProbeKind::Rabbitmq(rabbitmq) => rabbitmq::run(rabbitmq, limit).await,
        ProbeKind::Sql(sql) => sql::run(sql, limit).await,
        ProbeKind::File { path, max_age } => file::age(path, *max_age, limit).await,
        ProbeKind::Disk { path, min_free } => file::room(path, *min_free, Room::Bytes, limit).await,
        ProbeKind::Inodes { path, min_free } => file::room(path, *min_free, Room::Inodes, limit).await,
        ProbeKind::Command { .. } | ProbeKind::Journal { .. } | ProbeKind::Timer { .. } => {
            Failure::unknown("the daemon asks it with what it knows of the unit").of("probe")
        }
    }
}

/// How long a probe may take, and until when that is.
#[derive(Clone, Copy, Debug)]
struct Limit {
    timeout: std::time::Duration,
    deadline: Instant,
}

impl Limit {
    fn new(timeout: std::time::Duration) -> Self {
        Self { timeout, deadline: Instant::now() + timeout }
    }

    /// The future's output, or `None` when the limit came first.
    async fn within<F: Future>(self, future: F) -> Option<F::Output> {
        tokio::time::timeout_at(self.deadline, future).await.ok()
    }

    /// This part of the time; `3 s` is shown all the same.
    fn part(self, of: u32, whole: u32) -> Self {
        Self { deadline: self.deadline - self.timeout * (whole - of) / whole, ..self }
    }

    /// `3 s`
    fn shown(self) -> String {
        words::figure(self.timeout)
    }
}
