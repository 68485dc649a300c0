//! What goes out over a network, ready to be sent: whoever carries it needs nothing else, and learns nothing else.

use std::fmt;
use std::time::Duration;

use futures_util::future::{BoxFuture, try_join_all};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

use crate::model::span::span;

use super::http::{self, Post};
use super::mail::Mail;
use super::silence::Quiet;

/// Bytes of text in one letter, about: so much fits into one question to the prober, however it is escaped.
pub const LENGTH: usize = 256 * 1024;

/// One letter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Letter {
    /// All of them at the same time; each must be accepted.
    Posts(Vec<Post>),
    Mail(Box<Mail>),
    /// A silence in an Alertmanager, made or ended.
    Quiet(Box<Quiet>),
}

/// Until when something is sent.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// As it is told.
    pub timeout: Duration,
    pub deadline: Instant,
}

impl Limit {
    /// It begins now.
    #[must_use]
    pub fn new(timeout: Duration) -> Self {
        Self { timeout, deadline: Instant::now() + timeout }
    }

    /// A part of what is left, where so many share it.
    #[must_use]
    pub fn part(self, of: u32) -> Self {
        let left = self.deadline.saturating_duration_since(Instant::now());
        let part = left / of.max(1);
        Self { timeout: part.min(self.timeout), deadline: Instant::now() + part }
    }

    /// Nobody answered until then.
    pub fn late(self) -> String {
        format!("no answer within {}", span(self.timeout))
    }
}

/// Who takes letters over the network. What reads a stranger's answer is no part of the daemon.
pub trait Carrier: fmt::Debug + Send + Sync {
    /// Sends it once within the limit. `Err`: one clause, without any secret.
    fn carry(&self, letter: Letter, limit: Limit) -> BoxFuture<'_, Result<(), String>>;
}

/// Sends it from here.
///
/// # Errors
/// Why it was not delivered, or is not known to be: one clause, without any secret.
pub async fn send(letter: Letter, limit: Limit) -> Result<(), String> {
    let sent = async {
        match letter {
            Letter::Posts(posts) => try_join_all(posts.into_iter().map(http::post)).await.map(drop),
            Letter::Mail(mail) => mail.send().await,
            Letter::Quiet(quiet) => quiet.tell().await,
        }
    };
    timeout_at(limit.deadline, sent).await.unwrap_or_else(|_| Err(limit.late()))
}
