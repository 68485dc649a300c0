//! What can hang on a dead file system, kept to a few threads: the secret of a sink, the certificates of the system.

use tokio::sync::Semaphore;

use crate::keys::{Credential, FullPath, password};
use crate::secret;

use super::text;

/// Calls that may hang at the same time.
const SLOTS: usize = 8;
/// Longest path in a message, in characters.
const PATH: usize = 120;

static FREE: Semaphore = Semaphore::const_new(SLOTS);

/// Runs the call on a thread of the blocking pool; it keeps its slot until it returns, whoever stops waiting.
///
/// # Errors
/// It did not run to its end.
pub async fn call<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, String> {
    let gone = || "it could not be run on a thread of its own".to_owned();
    // The semaphore is never closed.
    let slot = FREE.acquire().await.map_err(|_| gone())?;
    let done = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(slot);
        result
    });
    done.await.map_err(|_| gone())
}

/// The secret of a sink; `None` where it has none.
///
/// # Errors
/// One clause with its path: it cannot be read, or is empty.
pub async fn secret(
    credential: &Option<Credential>,
    password_file: &Option<FullPath>,
) -> Result<Option<String>, String> {
    let secret = password(credential.as_ref(), password_file.as_ref()).map_err(|wrong| wrong.message)?;
    let Some(secret) = secret else {
        return Ok(None);
    };
    let path = secret::path(&secret)?;
    let shown = text::line(&path.to_string_lossy(), PATH);
    let read = call(move || secret::read(&secret)).await.and_then(|read| read);
    match read {
        Ok(read) if read.is_empty() => Err(format!("its secret cannot be read from {shown}, it is empty")),
        Ok(read) => Ok(Some(read)),
        Err(why) => Err(format!("its secret cannot be read from {shown}, {why}")),
    }
}
