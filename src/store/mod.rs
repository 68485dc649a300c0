//! Durable state in an embedded SQLite database. One thread owns the connection; a save is one synced transaction.

pub mod baselines;
mod database;
mod directory;
mod history;
mod keeper;
mod record;
mod records;
mod schema;
mod set_aside;
mod shelf;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::model::change::Change;
use crate::model::finding::Code;
use crate::model::history::{History, Question};
use crate::model::state::Durable;
use keeper::Keeper;

pub use directory::{spare_directory, state_directory};
pub use shelf::Shelf;

/// The database's file name within the state directory.
pub const DATABASE: &str = "steadfast.db";
/// What the store is, where it is told that it does not work.
pub const DURABLE: &str = "the durable state";
/// Saves that may wait; the loop has one in flight, so this is never reached.
const QUEUE: usize = 16;
/// How long a save may take, waiting included.
const SAVE_LIMIT: Duration = Duration::from_secs(10);

/// The way to the thread that owns the database.
#[derive(Debug)]
pub struct Store {
    jobs: mpsc::Sender<Job>,
    thread: std::thread::JoinHandle<()>,
}

/// What the thread is asked to do.
#[derive(Debug)]
enum Job {
    Save { changes: Vec<Change>, done: oneshot::Sender<Result<Vec<News>, StoreError>> },
    Answer { question: Question, done: oneshot::Sender<Result<History, StoreError>> },
}

/// The way to ask what is stored.
#[derive(Clone, Debug)]
pub struct Reader(mpsc::Sender<Job>);

impl Reader {
    /// One answer of the history.
    ///
    /// # Errors
    /// The file cannot be read, or does not answer within 10 s.
    pub async fn ask(&self, question: Question) -> Result<History, StoreError> {
        let (done, outcome) = oneshot::channel();
        let answered = async {
            self.0.send(Job::Answer { question, done }).await.map_err(|_| StoreError::Gone)?;
            outcome.await.map_err(|_| StoreError::Gone)?
        };
        timeout(SAVE_LIMIT, answered).await.unwrap_or(Err(StoreError::TimedOut))
    }
}

/// What is wrong with the place where the state is kept, in words; `None`: it is well again.
pub type News = (Code, Option<String>);

/// Why the state cannot be opened or saved.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory of the database cannot be made or written to.
    #[error("cannot use the state directory {path}: {source}")]
    Directory { path: PathBuf, source: io::Error },
    /// Another daemon works with this state; two would both act.
    #[error("cannot use the state {path}: another steadfast daemon holds it")]
    InUse { path: PathBuf },
    /// It is no fault of the file: disk full, read only, no permission, locked.
    #[error("cannot open the state {path}: {source}")]
    Open { path: PathBuf, source: rusqlite::Error },
    /// The file is broken and cannot be renamed either.
    #[error("cannot set the broken state {path} aside: {source}")]
    SetAside { path: PathBuf, source: io::Error },
    #[error("cannot start the thread that saves the state: {0}")]
    Thread(io::Error),
    /// Nothing of this save was stored.
    #[error("cannot save the state: {0}")]
    Save(#[from] rusqlite::Error),
    /// Given up. Nothing of this save is stored, unless it was being synced in this very moment.
    #[error("cannot save the state: not done within {} s", SAVE_LIMIT.as_secs())]
    TimedOut,
    #[error("cannot save the state: its thread has ended")]
    Gone,
}

impl Store {
    /// Opens the database, or begins one, and reads all of it. Blocks.
    ///
    /// A file that is broken, or of a newer version, is set aside and a new one begun: a supervisor without memory is
    /// better than none. The news say so, and name records that could not be read.
    ///
    /// While the disk refuses to be written (full, read only), the state is kept in `spare`, if there is one: it should
    /// survive our own crash. What an earlier life left there is taken up.
    ///
    /// # Errors
    /// When neither place can be used, or another daemon holds the state.
    pub fn open(path: &Path, spare: Option<&Path>) -> Result<(Self, Durable, Vec<News>), StoreError> {
        let (keeper, news) = Keeper::open(path, spare)?;
        let durable = keeper.durable().clone();
        let (jobs, queue) = mpsc::channel(QUEUE);
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || work(keeper, queue))
            .map_err(StoreError::Thread)?;
        Ok((Self { jobs, thread }, durable, news))
    }

    /// Saves all of the changes or none, synced to disk. Returns what changed about the place where the state is kept.
    ///
    /// # Errors
    /// When they are not stored: the disk's reason, or the limit of 10 s.
    pub async fn save(&self, changes: Vec<Change>) -> Result<Vec<News>, StoreError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let (done, outcome) = oneshot::channel();
        let saved = async {
            let job = Job::Save { changes, done };
            self.jobs.send(job).await.map_err(|_| StoreError::Gone)?;
            outcome.await.map_err(|_| StoreError::Gone)?
        };
        timeout(SAVE_LIMIT, saved).await.unwrap_or(Err(StoreError::TimedOut))
    }

    /// For those who only read.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader(self.jobs.clone())
    }

    /// Waits for what was ordered and closes the database. Blocks.
    pub fn close(self) {
        drop(self.jobs);
        // The thread does not panic; and if it did, there would be nothing left to close.
        self.thread.join().unwrap_or_default();
    }
}

/// What is stored at this place, where it can be read; nothing is changed, and nobody is kept from writing.
#[must_use]
pub fn peek(path: &Path) -> Option<Durable> {
    path.exists().then(|| database::peek(path)).flatten()
}

fn work(mut keeper: Keeper, mut queue: mpsc::Receiver<Job>) {
    while let Some(job) = queue.blocking_recv() {
        match job {
            Job::Save { changes, done } => {
                // A caller who gave up counts the save as failed: then it must not happen.
                let outcome = keeper.save(&changes, &|| done.is_closed());
                // It gave up just now: told to nobody.
                drop(done.send(outcome));
            }
            Job::Answer { question, done } => {
                if !done.is_closed() {
                    drop(done.send(keeper.answer(&question)));
                }
            }
        }
    }
}
