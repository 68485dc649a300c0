//! The second process. Whatever reads what a stranger says over a network runs in it, apart from the daemon: without its rights,
//! files and memory. Its end ends no supervision; what it was asking then is unknown, and is asked on its own from then on.

mod broker;
mod confine;
mod courier;
mod desk;
mod door;
mod ends;
mod fate;
#[doc(hidden)]
pub mod fuzzed;
mod keeper;
mod line;
mod listener;
mod suspects;
mod wire;
mod worker;

use std::io::stdin;
use std::net::SocketAddr;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::net::AddressFamily;
use rustix::net::sockopt::socket_domain;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::model::observation::Observation;
use crate::model::probe::{ProbeOutcome, ProbeSpec};
use crate::model::progress::{ProgressSpec, Sample};
use crate::model::unit::UnitName;
use crate::probe::{self, Limit, LockAsked, LockSaid, Wants};

use desk::Ask;
use suspects::Subject;
use wire::{Answer, Asked, Question};

pub use courier::Courier;
pub use door::{Door, StandIn};

/// Questions that are asked at the same time.
const AT_ONCE: usize = 512;
/// An answer is on its way for so long at most.
const GRACE: Duration = Duration::from_millis(600);

/// The daemon's end. The process is started with the first question.
#[derive(Clone, Debug)]
pub struct Prober {
    asks: mpsc::Sender<Ask>,
    free: Arc<Semaphore>,
}

/// What is asked, how, and for whom.
struct Order {
    subject: Subject,
    asked: Asked,
    timeout: Duration,
    period: Duration,
    wants: Wants,
}

impl Prober {
    /// By this door. What is wrong with the prober goes to the inbox, where there is one.
    #[must_use]
    pub fn new(door: Door, inbox: Option<mpsc::Sender<Observation>>) -> Self {
        let (asks, asked) = mpsc::channel(AT_ONCE);
        tokio::spawn(desk::serve(door, asked, inbox));
        Self { asks, free: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Asks a probe once.
    pub async fn probe(&self, unit: &UnitName, spec: &ProbeSpec, wants: Wants) -> ProbeOutcome {
        let what = format!("probe {}", spec.name);
        let order = Order {
            subject: Subject { unit: unit.to_string(), what: what.clone() },
            asked: Asked::Probe(spec.kind.keys.clone()),
            timeout: spec.timeout,
            period: spec.period,
            wants,
        };
        match self.ask(order).await {
            Ok(Answer::Probe(outcome)) => outcome.into(),
            Ok(_) => probe::unknown(&what, ASTRAY),
            Err(why) => probe::unknown(&what, why),
        }
    }

    /// Takes one sample of a queue.
    ///
    /// # Errors
    /// Why nothing is known, one sentence.
    pub async fn sample(&self, unit: &UnitName, spec: &ProgressSpec, wants: Wants) -> Result<Sample, String> {
        let what = format!("progress {}", spec.name);
        let order = Order {
            subject: Subject { unit: unit.to_string(), what: what.clone() },
            asked: Asked::Sample(spec.source.clone()),
            timeout: spec.timeout,
            period: spec.timeout,
            wants,
        };
        match self.ask(order).await {
            Ok(Answer::Sample(sample)) => sample.map(Sample::from).map_err(|why| probe::sentence(&why)),
            Ok(_) => Err(format!("{what}: {ASTRAY}")),
            Err(why) => Err(format!("{what}: {why}")),
        }
    }

    /// The status with which this URL answers.
    ///
    /// # Errors
    /// Why there is none, one sentence.
    pub async fn page(&self, unit: &UnitName, url: &str, timeout: Duration) -> Result<u16, String> {
        let order = Order {
            subject: Subject { unit: unit.to_string(), what: format!("page {url}") },
            asked: Asked::Page(url.to_owned()),
            timeout,
            period: timeout,
            wants: probe::wants_of_page(url),
        };
        match self.ask(order).await? {
            Answer::Page(status) => status.map_err(|why| probe::sentence(&why)),
            _ => Err(ASTRAY.to_owned()),
        }
    }

    /// Whether another host reaches what this probe asks, and looked lately; `None`: it cannot tell.
    pub async fn peer(
        &self,
        unit: &UnitName,
        probe: &str,
        (peer, fresh): (&str, Duration),
        timeout: Duration,
    ) -> Option<bool> {
        let url = format!("{peer}/v1/units/{unit}");
        let order = Order {
            subject: Subject { unit: unit.to_string(), what: format!("peer {peer}") },
            wants: probe::wants_of_page(&url),
            asked: Asked::Peer { url, probe: probe.to_owned(), fresh },
            timeout,
            period: timeout,
        };
        match self.ask(order).await {
            Ok(Answer::Peer(saw)) => saw,
            Ok(_) | Err(_) => None,
        }
    }

    /// Asks the lock server of these keys once.
    ///
    /// # Errors
    /// Why nothing is known, one clause.
    pub async fn lock(
        &self,
        who: &str,
        (keys, group): (&str, &str),
        asked: LockAsked,
        limit: Duration,
    ) -> Result<LockSaid, String> {
        let lock: probe::Lock = toml::from_str(keys).map_err(|why| why.message().to_owned())?;
        let order = Order {
            subject: Subject { unit: who.to_owned(), what: "lock server".to_owned() },
            wants: lock.wants(),
            asked: Asked::Lock { keys: keys.to_owned(), group: group.to_owned(), asked },
            timeout: limit,
            period: limit,
        };
        match self.ask(order).await? {
            Answer::Lock(said) => said.map_err(|why| probe::sentence(&why)),
            _ => Err(ASTRAY.to_owned()),
        }
    }

    /// The addresses of this host to which a question with these keys sends a password.
    ///
    /// # Errors
    /// Why it is not known, one clause.
    pub async fn confides(
        &self,
        unit: &UnitName,
        keys: &str,
        timeout: Duration,
    ) -> Result<Vec<SocketAddr>, String> {
        let order = Order {
            subject: Subject { unit: unit.to_string(), what: "address of a server".to_owned() },
            asked: Asked::Confides(keys.to_owned()),
            timeout,
            period: timeout,
            wants: Wants::default(),
        };
        match self.ask(order).await? {
            Answer::Confides(addresses) => Ok(addresses),
            _ => Err(ASTRAY.to_owned()),
        }
    }

    /// `Err`: why nothing is known, one clause.
    async fn ask(&self, order: Order) -> Result<Answer, String> {
        let Order { subject, asked, timeout, period, wants } = order;
        let limit = Limit::within_period(timeout, period);
        let due = Instant::now() + limit.longest() + GRACE;
        let answer = async {
            let turn = self.free.acquire().await;
            let (handed, connections) = probe::hand_over(wants, limit).await;
            let question = Question { id: 0, asked, timeout, period, handed };
            let (reply, answer) = oneshot::channel();
            let ask = Ask { subject, question, connections, due, reply };
            self.asks.send(ask).await.map_err(|_| OVER)?;
            let answer = answer.await.map_err(|_| OVER)?;
            drop(turn);
            answer
        };
        timeout_at(due + GRACE / 6, answer).await.unwrap_or_else(|_| Err(desk::LATE.to_owned()))
    }
}

/// What systemd tells each unit, and nobody tells a process that asks: this one is the unit itself, in the place of another.
const UNIT: &str = "INVOCATION_ID";
/// It answered something else than was asked.
const ASTRAY: &str = "the prober answered something else";
const OVER: &str = "nobody asks any more";

/// The process itself: one that asks, where its standard input is a socket; or one that starts those, for the socket that systemd
/// passed.
///
/// # Errors
/// It is neither, or could not give up what it has to.
pub fn run() -> anyhow::Result<()> {
    let passed = listenfd::ListenFd::from_env().take_unix_listener(0);
    if let Some(listener) = passed.context("cannot use the socket that systemd passed")? {
        return broker::run(listener);
    }
    let input = stdin().as_fd().try_clone_to_owned().context("cannot use standard input")?;
    if socket_domain(&input).ok() != Some(AddressFamily::UNIX) {
        bail!("cannot serve: Steadfast starts this by itself, with a socket");
    }
    if std::env::var_os(UNIT).is_some() {
        return keeper::keep_one(UnixStream::from(input));
    }
    let apart = confine::confine().context("cannot give up the rights that are not needed")?;
    worker::run(UnixStream::from(input), apart)
}
