//! `GET /v1/status`: the picture as text, written once for all who ask for it meanwhile, and shared by them.
//!
//! Of a crowd of units the text is megabytes. It is written by a thread that supervision does not wait for, one at a time; who
//! reads slowly keeps alive the text that they read, and of those there are a few.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::api::wire::{Incident, Status, Unit};
use crate::escape;
use crate::model::snapshot::Snapshot;

/// Older texts that are being read at one time, besides the latest.
pub const TEXTS: usize = 4;
/// Where strangers read, a text is good for so long: to ask more often makes nothing newer.
const AGE: Duration = Duration::from_millis(500);
/// Readers who wait for a text.
const WAITING: usize = 256;

/// Whose text it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Who may read the socket.
    Known,
    /// Whoever comes to `listen`: without what units wrote themselves.
    Strangers,
}

/// Asks for the text.
#[derive(Clone, Debug)]
pub struct Pictures(mpsc::Sender<Wanted>);

/// One who waits. `owner`: of the daemon, who is never refused.
#[derive(Debug)]
struct Wanted {
    owner: bool,
    answer: oneshot::Sender<Result<Bytes, String>>,
}

impl Pictures {
    /// Starts the task that writes, which ends once nobody can ask any more.
    pub fn start(snapshots: watch::Receiver<Snapshot>, readers: Readers) -> Self {
        let (wanted, asked) = mpsc::channel(WAITING);
        tokio::spawn(Desk { snapshots, readers, latest: None, held: Vec::new() }.serve(asked));
        Self(wanted)
    }

    /// The picture as it is now, or was a moment ago.
    ///
    /// # Errors
    /// There are too many who read; a cause.
    pub async fn text(&self, owner: bool) -> Result<Bytes, String> {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.try_send(Wanted { owner, answer });
        asked.map_err(|_| "too many others wait for it just now".to_owned())?;
        answered.await.unwrap_or_else(|_| Err("the supervisor is stopping".to_owned()))
    }
}

/// Where texts are written.
struct Desk {
    snapshots: watch::Receiver<Snapshot>,
    readers: Readers,
    /// The last one, and when it was written.
    latest: Option<(Bytes, Instant)>,
    /// Texts that somebody may be reading.
    held: Vec<Weak<()>>,
}

/// A text, and the sign that it is still there.
struct Text {
    bytes: Vec<u8>,
    _held: Arc<()>,
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Desk {
    async fn serve(mut self, mut asked: mpsc::Receiver<Wanted>) {
        let mut all = Vec::new();
        while asked.recv_many(&mut all, WAITING).await > 0 {
            if let Some(bytes) = self.still_good() {
                for wanted in all.drain(..) {
                    drop(wanted.answer.send(Ok(bytes.clone())));
                }
                continue;
            }
            self.latest = None;
            self.held.retain(|held| held.strong_count() > 0);
            if self.held.len() >= TEXTS {
                let (owners, others): (Vec<_>, Vec<_>) = all.drain(..).partition(|wanted| wanted.owner);
                for wanted in others {
                    let why = "too many others read older ones just now, slowly";
                    drop(wanted.answer.send(Err(why.to_owned())));
                }
                all = owners;
            }
            if all.is_empty() {
                continue;
            }
            let written = self.write().await;
            for wanted in all.drain(..) {
                drop(wanted.answer.send(written.clone()));
            }
        }
    }

    /// The latest, where nothing has changed since, or too little time is over.
    fn still_good(&self) -> Option<Bytes> {
        let (bytes, at) = self.latest.as_ref()?;
        let young = self.readers == Readers::Strangers && at.elapsed() < AGE;
        let changed = self.snapshots.has_changed().unwrap_or(false);
        (young || !changed).then(|| bytes.clone())
    }

    async fn write(&mut self) -> Result<Bytes, String> {
        let at = Instant::now();
        let snapshot = self.snapshots.borrow_and_update().clone();
        let readers = self.readers;
        let written = spawn_blocking(move || text(&snapshot, readers)).await;
        let text = written.map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
        let held = Arc::new(());
        self.held.push(Arc::downgrade(&held));
        let bytes = Bytes::from_owner(Text { bytes: text.into_bytes(), _held: held });
        self.latest = Some((bytes.clone(), at));
        Ok(bytes)
    }
}

fn text(snapshot: &Snapshot, readers: Readers) -> serde_json::Result<String> {
    let mut status = Status::of(snapshot);
    if readers == Readers::Strangers {
        status.units.iter_mut().for_each(Unit::hide_log);
        status.incidents.iter_mut().for_each(Incident::hide_log);
    }
    serde_json::to_string(&status).map(escape::json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn row_7_a_picture_is_written_once_for_all_who_read_it() {
        let (publish, snapshots) = watch::channel(Snapshot::default());
        let pictures = Pictures::start(snapshots, Readers::Known);
        let readers = (0..48).map(|_| {
            let pictures = pictures.clone();
            tokio::spawn(async move { pictures.text(false).await })
        });
        let mut texts = Vec::new();
        for reader in readers.collect::<Vec<_>>() {
            texts.push(reader.await.expect("a reader").expect("a text"));
        }
        let first = texts[0].as_ptr();
        assert!(texts.iter().all(|text| text.as_ptr() == first), "one text is shared by all");
        // Another picture is another text, at once.
        publish.send_modify(|snapshot| snapshot.ready = true);
        let next = pictures.text(false).await.expect("a text");
        assert_ne!(next.as_ptr(), first);
        assert!(next.windows(12).any(|part| part == b"\"ready\":true"), "{next:?}");
    }

    #[tokio::test]
    async fn row_8_slow_readers_of_older_pictures_keep_a_few_of_them_and_the_owner_reads_on() {
        let (publish, snapshots) = watch::channel(Snapshot::default());
        let pictures = Pictures::start(snapshots, Readers::Known);
        let mut slow = Vec::new();
        let refused = loop {
            publish.send_modify(|snapshot| snapshot.ready = !snapshot.ready);
            match pictures.text(false).await {
                Ok(text) => slow.push(text.slice(1..2)),
                Err(why) => break why,
            }
            assert!(slow.len() <= TEXTS, "a few are kept");
        };
        assert!(refused.contains("too many others read older ones"), "{refused}");
        assert!(pictures.text(true).await.is_ok(), "the owner reads");
        slow.clear();
        publish.send_modify(|snapshot| snapshot.ready = !snapshot.ready);
        assert!(pictures.text(false).await.is_ok(), "and so does everybody once they are done");
    }
}
