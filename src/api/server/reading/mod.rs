//! The same routes on `listen`, for reading only: nobody can be identified there. Another process listens, reads what strangers
//! send, and asks for pages; whoever reads slowly or all the time costs nobody but that process. The setting is followed as it
//! changes.

mod answering;
mod asks;
mod front;
mod names;
mod page;
mod report;
mod router;
mod words;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::pictures::Readers;
use super::{HistoryQuestion, Question, Shared};
use crate::frames::{Frames, Reader};
use crate::model::snapshot::Snapshot;

use answering::{Ended, talk};
use report::Report;

pub use front::serve as listen;
pub use words::{HEARD, TOLD};

/// An address that cannot be had is tried again after this long.
const AGAIN: Duration = Duration::from_secs(10);
/// After a process that ended, another one is begun; doubled with each that did not last.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// One that lived so long lasted.
const LASTED: Duration = Duration::from_secs(10);

/// How a process that listens is come by.
pub trait Fronts: Sync {
    /// The connection to it; the process ends with it.
    type End: AsRef<UnixStream> + Send;

    /// Begins one.
    ///
    /// # Errors
    /// Why there is none, one clause.
    fn open(&self) -> impl Future<Output = Result<Opened<Self::End>, String>> + Send;
}

/// A process that waits to be told where to listen.
#[derive(Debug)]
pub struct Opened<E> {
    pub end: E,
    /// With what it has said already; frames of at most `HEARD` bytes.
    pub reader: Reader,
}

/// Has served what the settings ask for, until the supervisor stops. `socket`: where changes are asked for instead.
pub async fn serve_reading_by(
    fronts: impl Fronts,
    mut snapshots: watch::Receiver<Snapshot>,
    ask: mpsc::Sender<Question>,
    history: mpsc::Sender<HistoryQuestion>,
    socket: PathBuf,
) {
    let shared = Shared::new(snapshots.clone(), ask, history, Readers::Strangers);
    let socket = socket.display().to_string();
    let (mut report, mut pause) = (Report::default(), PAUSE);
    loop {
        let Ok(address) = address(&mut snapshots).await else {
            return;
        };
        let began = Instant::now();
        let lost = match fronts.open().await {
            Err(why) => why,
            Ok(opened) => match talk(opened, &shared, &socket, &mut report).await {
                Ended::Stopped => return,
                Ended::Unwanted => {
                    report = Report::default();
                    continue;
                }
                Ended::Lost(why) => why,
            },
        };
        report.lost(address, &lost);
        pause = if began.elapsed() > LASTED { PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        let elsewhere = snapshots.wait_for(|snapshot| snapshot.listen != Some(address));
        tokio::select! {
            () = sleep(pause) => {}
            changed = elsewhere => if changed.is_err() {
                return;
            },
        }
    }
}

/// The address, once one is wanted; `Err`: the supervisor stops.
async fn address(snapshots: &mut watch::Receiver<Snapshot>) -> Result<SocketAddr, watch::error::RecvError> {
    loop {
        let wanted = snapshots.wait_for(|snapshot| snapshot.listen.is_some()).await?;
        if let Some(address) = wanted.listen {
            return Ok(address);
        }
    }
}

/// For `fuzz/`: how many words the daemon hears in these bytes of a process that listens and was taken over.
#[doc(hidden)]
#[must_use]
pub fn heard(bytes: &[u8]) -> usize {
    let mut frames = Frames::new(HEARD);
    let mut words = 0;
    for part in bytes.chunks(1000) {
        frames.push(part);
        while let Ok(Some(_)) = frames.word::<words::Heard>() {
            words += 1;
        }
    }
    words
}

/// The same by a task of this process: for those who have nothing to lose.
pub async fn serve_reading(
    snapshots: watch::Receiver<Snapshot>,
    ask: mpsc::Sender<Question>,
    history: mpsc::Sender<HistoryQuestion>,
    socket: PathBuf,
) {
    serve_reading_by(Here, snapshots, ask, history, socket).await;
}

struct Here;

/// The end of a task of this process.
#[derive(Debug)]
struct Task(UnixStream);

impl AsRef<UnixStream> for Task {
    fn as_ref(&self) -> &UnixStream {
        &self.0
    }
}

impl Fronts for Here {
    type End = Task;

    async fn open(&self) -> Result<Opened<Task>, String> {
        let (ours, theirs) = UnixStream::pair().map_err(|why| why.to_string())?;
        tokio::spawn(listen(theirs, Reader::new(TOLD, false), || ()));
        Ok(Opened { end: Task(ours), reader: Reader::new(HEARD, false) })
    }
}
