//! Looks at file systems that may not answer.

use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

/// What a look finds, on one of as many threads as there are `turns`; `None`: not within `limit`. A look that hangs keeps its turn.
pub async fn look<T: Send + 'static>(
    limit: Duration,
    turns: &'static Semaphore,
    look: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let found = async {
        let turn = turns.acquire().await.ok()?;
        let thread = tokio::task::spawn_blocking(move || {
            let seen = look();
            drop(turn);
            seen
        });
        thread.await.ok()
    };
    timeout(limit, found).await.ok().flatten()
}
