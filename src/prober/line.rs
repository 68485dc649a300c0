//! One process that asks, as the daemon sees it: what is said to it, what it says, and that it is gone.

use std::os::fd::OwnedFd;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};

use crate::frames::{Reader, send};

use super::door::{Door, End};
use super::fate::How;
use super::wire::{ANSWER, Answer, Said};

/// Frames that wait to be sent: more than questions are asked at once.
const QUEUE: usize = 1024;
/// A process that said so little for so long hangs: one that turns says so every two seconds.
const SILENT: Duration = Duration::from_secs(8);
/// Until it begins, the host may be busy.
const BEGINS: Duration = Duration::from_secs(20);

/// A frame, and what is handed over with it.
pub type Outgoing = (Vec<u8>, Vec<OwnedFd>);

/// What is heard of the process of this number; `None`: it is gone.
pub type Heard = (u64, Option<Said>);

/// The process. It ends with this.
#[derive(Debug)]
pub struct Line {
    pub number: u64,
    outgoing: Option<mpsc::Sender<Outgoing>>,
    task: AbortHandle,
    heard: Instant,
    pub has_begun: bool,
    /// Whose doing its end was; `None`: it has not ended, or nobody knows.
    pub ended: Option<How>,
}

impl Line {
    /// What it says goes to `heard`.
    #[must_use]
    pub fn new(number: u64, mut end: End, heard: mpsc::Sender<Heard>) -> Self {
        let (outgoing, frames) = mpsc::channel(QUEUE);
        let task = tokio::spawn(async move {
            drop(talk(number, &end, frames, &heard).await);
            if let Some(how) = end.how().await {
                drop(heard.send((number, Some(Said::Ended(how)))).await);
            }
            drop(end);
            drop(heard.send((number, None)).await);
        });
        Self {
            number,
            outgoing: Some(outgoing),
            task: task.abort_handle(),
            heard: Instant::now(),
            has_begun: false,
            ended: None,
        }
    }

    /// Sends a question. Says whether it could: it takes no more, or hangs.
    pub fn send(&self, frame: Outgoing) -> bool {
        self.outgoing.as_ref().is_some_and(|outgoing| outgoing.try_send(frame).is_ok())
    }

    /// It said something.
    pub fn said(&mut self, said: &Said) {
        self.heard = Instant::now();
        match said {
            Said::Hello { .. } => self.has_begun = true,
            Said::Ended(how) => self.ended = Some(*how),
            Said::Alive | Said::Sends | Said::Answer { .. } | Said::Leaving => {}
        }
    }

    /// It is asked nothing more.
    pub fn leave(&mut self) {
        self.outgoing = None;
    }

    /// It was asked to end.
    #[must_use]
    pub fn leaves(&self) -> bool {
        self.outgoing.is_none()
    }

    /// It hangs.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.heard.elapsed() > if self.has_begun { SILENT } else { BEGINS }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn talk(
    number: u64,
    end: &End,
    mut frames: mpsc::Receiver<Outgoing>,
    heard: &mpsc::Sender<Heard>,
) -> std::io::Result<()> {
    let writes = async {
        while let Some((frame, handed)) = frames.recv().await {
            send(&end.stream, &frame, &handed).await?;
        }
        // It sees that nothing more comes.
        rustix::net::shutdown(&end.stream, rustix::net::Shutdown::Write)?;
        std::future::pending::<std::io::Result<()>>().await
    };
    let reads = async {
        let mut reader = Reader::new(ANSWER, false);
        while let Some(said) = reader.next::<Said>(&end.stream).await? {
            if heard.send((number, Some(said))).await.is_err() {
                break;
            }
        }
        Ok(())
    };
    // What is left to read is read, whatever became of writing.
    tokio::select! {
        biased;
        read = reads => read,
        written = writes => written,
    }
}

/// What became of a question that was asked on its own.
#[derive(Debug)]
pub enum Alone {
    Answered(Answer),
    /// The process ended by its own doing, or hung.
    Ended,
    /// Somebody ended it, or nobody knows who did.
    Killed,
    /// There was none.
    NotBegun(String),
}

/// Asks one question in a process of its own. Nobody may wait for the answer until then: what hangs is seen by that.
pub async fn alone(door: &Door, (frame, handed): Outgoing, until: Instant) -> Alone {
    let mut end = match door.open().await {
        Ok(end) => end,
        Err(why) => return Alone::NotBegun(why),
    };
    let (mut has_begun, mut ended) = (false, None);
    let talk = async {
        send(&end.stream, &frame, &handed).await?;
        let mut reader = Reader::new(ANSWER, false);
        while let Some(said) = reader.next::<Said>(&end.stream).await? {
            match said {
                Said::Answer { answer, .. } => return Ok(Some(answer)),
                Said::Ended(how) => ended = Some(how),
                Said::Hello { .. } | Said::Alive | Said::Sends | Said::Leaving => has_begun = true,
            }
        }
        Ok::<_, std::io::Error>(None)
    };
    let talked = timeout_at(until, talk).await;
    if ended.is_none() && talked.is_ok() {
        ended = end.how().await;
    }
    match talked {
        Ok(Ok(Some(answer))) => Alone::Answered(answer),
        Ok(_) if has_begun && !ended.is_some_and(How::is_by_an_answer) => Alone::Killed,
        // One that hangs, too.
        _ if has_begun => Alone::Ended,
        Ok(_) => Alone::NotBegun("it ended before it began".to_owned()),
        Err(_) => Alone::NotBegun("it did not begin in time".to_owned()),
    }
}
