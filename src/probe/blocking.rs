//! Calls that can hang in the kernel or the C library, kept to a few threads: a dead file system or name server must
//! not eat the thread pool, probe by probe.

use tokio::sync::Semaphore;

use super::Limit;

/// Calls that may hang at the same time.
const SLOTS: usize = 16;

static FREE: Semaphore = Semaphore::const_new(SLOTS);

/// Why there is no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// Earlier calls hang in every slot.
    NoSlot,
    /// The call did not return within the limit. It keeps its slot until it does.
    Late,
}

/// Runs the call on a thread of the blocking pool.
pub async fn call<T: Send + 'static>(
    limit: Limit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stuck> {
    call_in(&FREE, limit, work).await
}

async fn call_in<T: Send + 'static>(
    free: &'static Semaphore,
    limit: Limit,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stuck> {
    let slot = match limit.within(free.acquire()).await {
        Some(Ok(slot)) => slot,
        // The semaphore is never closed.
        Some(Err(_)) | None => return Err(Stuck::NoSlot),
    };
    let done = tokio::task::spawn_blocking(move || {
        let result = work();
        drop(slot);
        result
    });
    match limit.within(done).await {
        Some(Ok(result)) => Ok(result),
        Some(Err(_)) | None => Err(Stuck::Late),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_hanging_call_keeps_its_slot_until_it_returns() {
        static ONE: Semaphore = Semaphore::const_new(1);
        let short = || Limit::new(Duration::from_millis(50));
        let (release, hang) = mpsc::channel::<()>();
        let first = call_in(&ONE, short(), move || hang.recv().is_err());
        assert_eq!(first.await, Err(Stuck::Late));
        assert_eq!(call_in(&ONE, short(), || ()).await, Err(Stuck::NoSlot));
        drop(release);
        let long = Limit::new(Duration::from_secs(10));
        assert_eq!(call_in(&ONE, long, || 7).await, Ok(7));
    }
}
