//! Waiting for something to become true, with a limit.

use std::time::{Duration, Instant};

/// How often a condition is looked at. Fine enough to measure with, coarse enough to leave the machine its processor.
const STEP: Duration = Duration::from_millis(5);

/// Looks at `condition` until it gives a value, and returns that value; `None` when `limit` passed without one.
pub(super) fn poll<T>(limit: Duration, mut condition: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return Some(value);
        }
        if start.elapsed() >= limit {
            return None;
        }
        std::thread::sleep(STEP);
    }
}
