//! The daemon's end of the connection to the process that listens: what it asks is answered, part by part, as it takes them.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use axum::http::header::CONTENT_LENGTH;
use futures_util::StreamExt;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::super::Shared;
use super::report::Report;
use super::words::{AT_ONCE, Head, Heard, PART, Settings, TOLD, Told};
use super::{Opened, page::Page};
use crate::frames::{frame, framed, send};
use crate::model::snapshot::Snapshot;

/// Frames that wait to be sent.
const QUEUE: usize = 8;
/// A process that says nothing for so long hangs: one that turns says so every two seconds.
const SILENT: Duration = Duration::from_secs(8);

const ENDED: &str = "the process that listens ended";
/// So it ended, where it was somebody's doing.
const OUTSIDE: &str = "Outside";

/// Why the connection is over.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// Nobody is to be listened to any more.
    Unwanted,
    /// The supervisor stops.
    Stopped,
    /// The process is gone, one clause.
    Lost(String),
}

/// Talks to it until that is over.
pub async fn talk<E: AsRef<UnixStream> + Send>(
    opened: Opened<E>,
    shared: &Shared,
    socket: &str,
    report: &mut Report,
) -> Ended {
    let Opened { end, mut reader } = opened;
    let stream = end.as_ref();
    let (out, frames) = mpsc::channel(QUEUE);
    let reads = async {
        let mut answers = Answers { shared, out: &out, open: BTreeMap::new() };
        loop {
            let heard = match timeout(SILENT, reader.next::<Heard>(stream)).await {
                Ok(Ok(Some(heard))) => heard,
                Ok(Ok(None)) => return ENDED.to_owned(),
                Ok(Err(_)) => return "the process that listens cannot be understood".to_owned(),
                Err(_) => return "the process that listens hangs".to_owned(),
            };
            let wanted = shared.snapshots.borrow().listen;
            match heard {
                Heard::Listens { address } if wanted == Some(address) => report.listens(address),
                Heard::Cannot { address, errno } if wanted == Some(address) => report.cannot(address, errno),
                Heard::Alive | Heard::Listens { .. } | Heard::Cannot { .. } => {}
                Heard::Asks { id, page } => {
                    if !answers.begin(id, page) {
                        return "the process that listens asks for too much at once".to_owned();
                    }
                }
                Heard::More { id } => answers.more(id),
                Heard::Leaves { id } => drop(answers.open.remove(&id)),
                Heard::Ended(how) if how == OUTSIDE => {
                    return "somebody killed the process that listens".to_owned();
                }
                Heard::Ended(_) => return ENDED.to_owned(),
            }
        }
    };
    tokio::select! {
        ended = tells(shared.snapshots.clone(), socket, &out) => ended,
        why = reads => Ended::Lost(why),
        written = writes(stream, frames) => Ended::Lost(match written {
            Ok(()) => "nothing is said to it any more".to_owned(),
            Err(why) => format!("the process that listens is gone ({why})"),
        }),
    }
}

async fn writes(stream: &UnixStream, mut frames: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    while let Some(frame) = frames.recv().await {
        send(stream, &frame, &[]).await?;
    }
    Ok(())
}

/// Says where to listen, as that changes.
async fn tells(mut snapshots: watch::Receiver<Snapshot>, socket: &str, out: &mpsc::Sender<Vec<u8>>) -> Ended {
    let mut told = None;
    loop {
        let Some(wanted) = wanted(&snapshots.borrow_and_update(), socket) else {
            return Ended::Unwanted;
        };
        if told.as_ref() != Some(&wanted) {
            if let Err(why) = say(out, &Told::Listen(wanted.clone())).await {
                return Ended::Lost(why);
            }
            told = Some(wanted);
        }
        if snapshots.changed().await.is_err() {
            return Ended::Stopped;
        }
    }
}

/// What the settings ask for.
fn wanted(snapshot: &Snapshot, socket: &str) -> Option<Settings> {
    Some(Settings {
        address: snapshot.listen?,
        host: snapshot.host.name.clone(),
        allowed: snapshot.allowed_hosts.clone(),
        socket: socket.to_owned(),
    })
}

async fn say(out: &mpsc::Sender<Vec<u8>>, told: &Told) -> Result<(), String> {
    let frame = frame(told, TOLD)?;
    out.send(frame).await.map_err(|_| "nobody listens".to_owned())
}

/// Those that are under way.
struct Answers<'a> {
    shared: &'a Shared,
    out: &'a mpsc::Sender<Vec<u8>>,
    open: BTreeMap<u64, Open>,
}

/// One of them; it ends with this.
struct Open {
    more: mpsc::Sender<()>,
    task: AbortHandle,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Answers<'_> {
    /// Whether there is room for one more.
    fn begin(&mut self, id: u64, page: Page) -> bool {
        self.open.retain(|_, open| !open.task.is_finished());
        if self.open.len() >= AT_ONCE {
            return false;
        }
        let (more, wishes) = mpsc::channel(1);
        let task = tokio::spawn(answer(id, page, self.shared.clone(), (self.out.clone(), wishes)));
        self.open.insert(id, Open { more, task: task.abort_handle() });
        true
    }

    fn more(&self, id: u64) {
        // One wish is enough.
        let _full = self.open.get(&id).map(|open| open.more.try_send(()));
    }
}

/// Gives the answer, each part once the last one was taken.
async fn answer(
    id: u64,
    page: Page,
    shared: Shared,
    (out, mut wishes): (mpsc::Sender<Vec<u8>>, mpsc::Receiver<()>),
) -> Result<(), String> {
    let (parts, body) = page.answer(shared).await.into_parts();
    let header = parts.headers.iter().filter(|(name, _)| *name != CONTENT_LENGTH);
    let text = |value: &axum::http::HeaderValue| value.to_str().ok().map(str::to_owned);
    let header = header.filter_map(|(name, value)| Some((name.to_string(), text(value)?))).collect();
    say(&out, &Told::Head { id, head: Head { status: parts.status.as_u16(), header } }).await?;
    let mut body = body.into_data_stream();
    let mut whole = true;
    while let Some(read) = body.next().await {
        let Ok(mut bytes) = read else {
            whole = false;
            break;
        };
        while !bytes.is_empty() {
            let part = bytes.split_to(bytes.len().min(PART));
            // Both as one, so that nothing comes between them.
            let frames = [frame(&Told::Part { id }, TOLD)?, framed(&part, TOLD)?].concat();
            out.send(frames).await.map_err(|_| "nobody listens")?;
            wishes.recv().await.ok_or("nobody reads it")?;
        }
    }
    say(&out, &Told::Over { id, whole }).await
}
