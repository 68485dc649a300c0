//! The process that asks: each question that comes over its socket once, within its limit. It watches over itself: a loop that
//! stands still is ended, and what libraries leave behind is left behind for good, in a process that ends when it has answered.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Stream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use nix::time::{ClockId, clock_gettime};
use procfs::process::Process;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, timeout};

use crate::alert;
use crate::api::server::listen;
use crate::frames::{CONNECTIONS, Reader, frame, send};
use crate::model::probe::ProbeKind;
use crate::probe::{self, Limit};
use crate::tls;

use super::wire::{ANSWER, Answer, Asked, Figures, QUESTION, Question, Said};

/// Threads for calls that may hang.
const BLOCKING: usize = 32;
/// How often it says that it turns, and looks at itself.
const TURN: Duration = Duration::from_secs(2);
/// Turns that a loop may miss before it stands still for good.
const MISSED: u32 = 5;
/// A question is over so long after its limit.
const MARGIN: Duration = Duration::from_millis(300);
/// Answers that wait to be sent.
const QUEUE: usize = 64;
/// What it may have beside what its open questions need: threads, descriptors, bytes, questions answered.
const THREADS: usize = BLOCKING + 16;
const DESCRIPTORS: usize = 64;
const RESIDENT: u64 = 192 << 20;
const QUESTIONS: u64 = 50_000;
/// Processor time between two looks at itself that so few questions do not need: a library goes on with what is over. So often in
/// a row it is no chance.
const BUSY: Duration = Duration::from_millis(600);
const BUSY_TURNS: u32 = 2;
/// What one open question needs of each, at most.
const THREADS_EACH: usize = 2;
const DESCRIPTORS_EACH: usize = 6;

/// Asks until the socket says that nothing more comes.
///
/// # Errors
/// It cannot begin, or the other end does not keep to what was agreed.
pub fn run(socket: Stream, apart: bool) -> anyhow::Result<()> {
    // A panic of a library is an end like any other; what it says may be a stranger's.
    std::panic::set_hook(Box::new(|why| {
        let place = why.location().map_or_else(|| "somewhere".to_owned(), ToString::to_string);
        eprintln!("the prober panicked at {place}");
        std::process::abort();
    }));
    tls::init();
    let turns = Arc::new(AtomicU64::new(0));
    let watched = Arc::clone(&turns);
    std::thread::Builder::new().name("watch".to_owned()).spawn(move || watch(&watched))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING)
        .build()
        .context("cannot start the runtime")?;
    socket.set_nonblocking(true)?;
    let ended = runtime.block_on(async {
        let stream = UnixStream::from_std(socket)?;
        let mut work = Work::new(stream, turns);
        if work.run(apart).await? == Then::Listens {
            let turns = work.turns;
            let turned = || {
                turns.fetch_add(1, Ordering::Relaxed);
            };
            return listen(work.stream, work.reader, turned).await;
        }
        Ok(())
    });
    // Threads that hang are left behind.
    runtime.shutdown_background();
    ended.context("cannot go on")
}

/// Ends the process when its loop stands still: a library is caught in a question.
fn watch(turns: &AtomicU64) {
    let (mut last, mut missed) = (0, 0);
    loop {
        std::thread::sleep(TURN);
        let now = turns.load(Ordering::Relaxed);
        missed = if now == last { missed + 1 } else { 0 };
        last = now;
        if missed >= MISSED {
            eprintln!("the prober stands still");
            std::process::abort();
        }
    }
}

/// What the process does once nothing more is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Ends,
    /// It serves whoever comes to the address of `listen`.
    Listens,
}

/// What is being asked.
struct Work {
    stream: UnixStream,
    turns: Arc<AtomicU64>,
    reader: Reader,
    running: JoinSet<()>,
    answers: mpsc::Sender<Said>,
    said: mpsc::Receiver<Said>,
    questions: u64,
    /// Processor time until the last look, and how many looks in a row found too much.
    used: Duration,
    busy: u32,
    leaves: bool,
}

impl Work {
    fn new(stream: UnixStream, turns: Arc<AtomicU64>) -> Self {
        let (answers, said) = mpsc::channel(QUEUE);
        let reader = Reader::new(QUESTION, true);
        Self {
            stream,
            turns,
            reader,
            running: JoinSet::new(),
            answers,
            said,
            questions: 0,
            used: Duration::ZERO,
            busy: 0,
            leaves: false,
        }
    }

    async fn run(&mut self, apart: bool) -> std::io::Result<Then> {
        let mut turn = interval(TURN);
        let mut listens = true;
        self.say(&Said::Hello { apart }).await?;
        while listens || !self.running.is_empty() || !self.said.is_empty() {
            tokio::select! {
                Some(said) = self.said.recv() => self.say(&said).await?,
                question = self.reader.next(&self.stream), if listens => match question? {
                    Some(Question { asked: Asked::Listen, .. }) => return Ok(Then::Listens),
                    Some(question) => self.begin(question).await?,
                    None => listens = false,
                },
                Some(_) = self.running.join_next() => {}
                _ = turn.tick() => self.turn().await?,
            }
        }
        Ok(Then::Ends)
    }

    async fn say(&self, said: &Said) -> std::io::Result<()> {
        let frame = frame(said, ANSWER).map_err(std::io::Error::other)?;
        send(&self.stream, &frame, &[]).await
    }

    async fn begin(&mut self, question: Question) -> std::io::Result<()> {
        // Before the first byte goes out: whoever hears of our end knows what that means for it.
        if matches!(question.asked, Asked::Letter { .. }) {
            self.say(&Said::Sends).await?;
        }
        let count = question.handed.connections.min(CONNECTIONS).min(self.reader.handed.len());
        let connections = self.reader.handed.drain(..count).collect();
        self.questions += 1;
        self.running.spawn(answer(question, connections, self.answers.clone()));
        Ok(())
    }

    async fn turn(&mut self) -> std::io::Result<()> {
        self.turns.fetch_add(1, Ordering::Relaxed);
        self.say(&Said::Alive).await?;
        let used = clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(self.used, Duration::from);
        self.busy = if used.saturating_sub(self.used) > BUSY { self.busy + 1 } else { 0 };
        self.used = used;
        if !self.leaves && (self.busy >= BUSY_TURNS || self.is_heavy()) {
            self.leaves = true;
            self.say(&Said::Leaving).await?;
        }
        Ok(())
    }

    /// Libraries left behind more than another process costs.
    fn is_heavy(&self) -> bool {
        let open = self.running.len();
        let Ok(process) = Process::myself() else {
            return self.questions > QUESTIONS;
        };
        let status = process.status().ok();
        let threads = status.as_ref().and_then(|status| usize::try_from(status.threads).ok()).unwrap_or(0);
        let resident = status.and_then(|status| status.vmrss).unwrap_or(0).saturating_mul(1024);
        let descriptors = process.fd_count().unwrap_or(0);
        self.questions > QUESTIONS
            || threads > THREADS + THREADS_EACH * open
            || descriptors > DESCRIPTORS + DESCRIPTORS_EACH * open
            || resident > RESIDENT
    }
}

/// Whatever becomes of the question, its end is its end: what it began is dropped with it.
async fn answer(question: Question, connections: Vec<OwnedFd>, answers: mpsc::Sender<Said>) {
    let Question { id, asked, timeout: within, period, handed } = question;
    let limit = Limit::within_period(within, period);
    let late = late(&asked);
    let asking = probe::with_handed(handed, connections, ask(asked, limit));
    let answer = timeout(limit.longest() + MARGIN, asking).await.unwrap_or(late);
    // Where nobody waits for it any more, the socket is closed.
    drop(answers.send(Said::Answer { id, answer }).await);
}

async fn ask(asked: Asked, limit: Limit) -> Answer {
    match asked {
        Asked::Probe(keys) => {
            let kind = ProbeKind { keys, ..ProbeKind::default() };
            let outcome = match probe::of(&kind) {
                Ok(probe) => probe.run(limit).await,
                Err(outcome) => outcome,
            };
            Answer::Probe(outcome.into())
        }
        Asked::Sample(source) => {
            let sample = match probe::source(&source) {
                Ok(source) => source.sample(limit).await,
                Err(why) => Err(why),
            };
            Answer::Sample(sample.map(Figures::from))
        }
        Asked::Listen => Answer::Carried(Ok(())),
        Asked::Confides(keys) => Answer::Confides(probe::confides(&keys, limit.longest()).await),
        Asked::Peer { url, probe, fresh } => Answer::Peer(probe::peer(&url, &probe, fresh, limit).await),
        Asked::Lock { keys, group, asked } => Answer::Lock(probe::lock(&keys, &group, &asked).await),
        Asked::Page(url) => Answer::Page(probe::status(&url, limit.longest()).await),
        Asked::Letter { letter, timeout } => {
            let deadline = Instant::now() + limit.longest();
            Answer::Carried(alert::send(letter, alert::Limit { timeout, deadline }).await)
        }
    }
}

fn late(asked: &Asked) -> Answer {
    let why = "it did not end in time";
    match asked {
        Asked::Probe(_) => Answer::Probe(probe::unknown("the question", why).into()),
        Asked::Sample(_) => Answer::Sample(Err(why.to_owned())),
        Asked::Confides(_) => Answer::Confides(Vec::new()),
        Asked::Peer { .. } => Answer::Peer(None),
        Asked::Page(_) => Answer::Page(Err(why.to_owned())),
        Asked::Lock { .. } => Answer::Lock(Err(why.to_owned())),
        Asked::Letter { .. } | Asked::Listen => Answer::Carried(Err(why.to_owned())),
    }
}
