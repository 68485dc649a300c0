//! How a handler in the process that listens gets its answer from the daemon: once for all who want the same meanwhile, or part by
//! part as it is read.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::{Semaphore, mpsc};

use super::super::fail::Fail;
use super::super::patience::in_pieces;
use super::super::texts::{Source, Texts};
use super::page::Page;
use super::words::Head;

/// Answers that nobody shares and that are fetched at one time.
const FETCHED: usize = 8;
/// Bytes of an answer: that of a crowd of units is megabytes.
const LONGEST: usize = 64 << 20;
/// What comes and was not taken yet: a part comes only after the last one was asked for.
const COMES: usize = 4;
const STOPPING: &str = "the supervisor is stopping";
const CANNOT: &str = "cannot answer";

/// What is said to the daemon.
#[derive(Debug)]
pub enum Call {
    Asks { id: u64, page: Page, answer: mpsc::Sender<Came> },
    More(u64),
    Leaves(u64),
}

/// What comes of an answer.
#[derive(Debug)]
pub enum Came {
    Head(Head),
    Part(Bytes),
    /// Whether nothing is missing.
    Over(bool),
}

/// The way to the daemon.
#[derive(Clone, Debug)]
pub struct Asks {
    calls: mpsc::UnboundedSender<Call>,
    next: Arc<AtomicU64>,
    free: Arc<Semaphore>,
    shared: Arc<BTreeMap<Page, Texts<Head>>>,
}

impl Asks {
    /// Calls are answered by whoever has the other end. As many wait as callers are let in.
    pub fn new(calls: mpsc::UnboundedSender<Call>) -> Self {
        let free = Arc::new(Semaphore::new(FETCHED));
        let alone = Self { calls, next: Arc::default(), free, shared: Arc::default() };
        let text = |page: Page| (page.clone(), Texts::start(Fetched { asks: alone.clone(), page }));
        let shared = Page::shared().into_iter().map(text).collect();
        Self { shared: Arc::new(shared), ..alone }
    }

    /// The whole answer.
    pub async fn page(&self, page: Page) -> Result<Response, Fail> {
        if let Some(texts) = self.shared.get(&page) {
            let (head, bytes) = texts.text(false).await.map_err(|cause| refused(&page, &cause))?;
            let length = bytes.len();
            return Ok(shown(&head, Some(length), in_pieces(bytes)));
        }
        let _turn = self.free.acquire().await.map_err(|_| Fail::stopping(CANNOT))?;
        let (head, bytes) = self.fetch(page.clone()).await.map_err(|cause| refused(&page, &cause))?;
        Ok(shown(&head, Some(bytes.len()), Body::from(bytes)))
    }

    /// The answer as it grows.
    pub async fn stream(&self, page: Page) -> Result<Response, Fail> {
        let (head, talk) = self.begin(page).await.map_err(|_| Fail::stopping(CANNOT))?;
        let parts = stream::unfold(talk, async |mut talk| {
            talk.next().await.map_err(std::io::Error::other).transpose().map(|part| (part, talk))
        });
        Ok(shown(&head, None, Body::from_stream(parts)))
    }

    async fn fetch(&self, page: Page) -> Result<(Head, Vec<u8>), String> {
        let (head, mut talk) = self.begin(page).await?;
        let mut all = Vec::new();
        while let Some(part) = talk.next().await? {
            all.extend_from_slice(&part);
            if all.len() > LONGEST {
                return Err(format!("it is more than {} MiB", LONGEST >> 20));
            }
        }
        Ok((head, all))
    }

    async fn begin(&self, page: Page) -> Result<(Head, Talk), String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, came) = mpsc::channel(COMES);
        let mut talk = Talk { id, came, calls: self.calls.clone(), wants: false, over: false };
        self.calls.send(Call::Asks { id, page, answer }).map_err(|_| STOPPING)?;
        match talk.came.recv().await {
            Some(Came::Head(head)) => Ok((head, talk)),
            Some(Came::Part(_) | Came::Over(_)) | None => Err(STOPPING.to_owned()),
        }
    }
}

/// One answer. Who drops it wants no more of it.
#[derive(Debug)]
struct Talk {
    id: u64,
    came: mpsc::Receiver<Came>,
    calls: mpsc::UnboundedSender<Call>,
    /// A part was taken: the next is to be asked for.
    wants: bool,
    over: bool,
}

impl Talk {
    async fn next(&mut self) -> Result<Option<Bytes>, String> {
        if self.over {
            return Ok(None);
        }
        if std::mem::take(&mut self.wants) {
            self.calls.send(Call::More(self.id)).map_err(|_| STOPPING)?;
        }
        match self.came.recv().await {
            Some(Came::Part(bytes)) => {
                self.wants = true;
                Ok(Some(bytes))
            }
            Some(Came::Over(true)) => {
                self.over = true;
                Ok(None)
            }
            Some(Came::Over(false) | Came::Head(_)) | None => Err("it was broken off".to_owned()),
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        if !self.over {
            drop(self.calls.send(Call::Leaves(self.id)));
        }
    }
}

/// A page that is fetched for all who read it.
struct Fetched {
    asks: Asks,
    page: Page,
}

impl Source for Fetched {
    type Head = Head;

    fn is_good(&self, age: Duration) -> bool {
        age < Page::age()
    }

    async fn write(&mut self) -> Result<(Head, Vec<u8>), String> {
        self.asks.fetch(self.page.clone()).await
    }
}

fn refused(page: &Page, cause: &str) -> Fail {
    let cannot = match page {
        Page::Status => "cannot write the status",
        Page::Metrics(_) => "cannot write the metrics",
        _ => CANNOT,
    };
    Fail::unavailable(format!("{cannot}: {cause}"))
}

fn shown(head: &Head, length: Option<usize>, body: Body) -> Response {
    let mut all = HeaderMap::new();
    for (name, value) in &head.header {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            all.append(name, value);
        }
    }
    if let Some(length) = length {
        all.insert(header::CONTENT_LENGTH, length.into());
    }
    let status = StatusCode::from_u16(head.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, all, body).into_response()
}
