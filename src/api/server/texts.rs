//! A text that is written once for all who ask for it meanwhile, and shared by them.
//!
//! Of a crowd of units it is megabytes. Who reads slowly keeps alive the text that they read, and of those there are a few.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Older texts that are being read at one time, besides the latest.
pub const TEXTS: usize = 4;
/// Readers who wait for a text.
const WAITING: usize = 256;

/// Whence a text comes.
pub trait Source: Send + 'static {
    /// What is told beside the text.
    type Head: Clone + Send + Sync + 'static;

    /// The last one still says what is so; it was written so long ago.
    fn is_good(&self, age: Duration) -> bool;

    /// Writes it.
    ///
    /// # Errors
    /// A cause.
    fn write(&mut self) -> impl Future<Output = Result<(Self::Head, Vec<u8>), String>> + Send;
}

/// Asks for the text.
#[derive(Debug)]
pub struct Texts<H>(mpsc::Sender<Wanted<H>>);

impl<H> Clone for Texts<H> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// One who waits. `owner`: of the daemon, who is never refused.
#[derive(Debug)]
struct Wanted<H> {
    owner: bool,
    answer: oneshot::Sender<Result<(H, Bytes), String>>,
}

impl<H: Clone + Send + Sync + 'static> Texts<H> {
    /// Starts the task that writes, which ends once nobody can ask any more.
    pub fn start<S: Source<Head = H>>(source: S) -> Self {
        let (wanted, asked) = mpsc::channel(WAITING);
        tokio::spawn(Desk { source, latest: None, held: Vec::new() }.serve(asked));
        Self(wanted)
    }

    /// The text as it is now, or was a moment ago.
    ///
    /// # Errors
    /// There are too many who read; a cause.
    pub async fn text(&self, owner: bool) -> Result<(H, Bytes), String> {
        let (answer, answered) = oneshot::channel();
        let asked = self.0.try_send(Wanted { owner, answer });
        asked.map_err(|_| "too many others wait for it just now".to_owned())?;
        answered.await.unwrap_or_else(|_| Err("the supervisor is stopping".to_owned()))
    }
}

/// Where texts are written.
struct Desk<S: Source> {
    source: S,
    /// The last one, and when it was written.
    latest: Option<(S::Head, Bytes, Instant)>,
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

impl<S: Source> Desk<S> {
    async fn serve(mut self, mut asked: mpsc::Receiver<Wanted<S::Head>>) {
        let mut all = Vec::new();
        while asked.recv_many(&mut all, WAITING).await > 0 {
            if let Some(good) = self.still_good() {
                for wanted in all.drain(..) {
                    drop(wanted.answer.send(Ok(good.clone())));
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

    fn still_good(&self) -> Option<(S::Head, Bytes)> {
        let (head, bytes, at) = self.latest.as_ref()?;
        self.source.is_good(at.elapsed()).then(|| (head.clone(), bytes.clone()))
    }

    async fn write(&mut self) -> Result<(S::Head, Bytes), String> {
        let at = Instant::now();
        let (head, bytes) = self.source.write().await?;
        let held = Arc::new(());
        self.held.push(Arc::downgrade(&held));
        let bytes = Bytes::from_owner(Text { bytes, _held: held });
        self.latest = Some((head.clone(), bytes.clone(), at));
        Ok((head, bytes))
    }
}
