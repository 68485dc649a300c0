//! Waits until package managers are done, and what they restarted had time to come up.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::clock;
use crate::packages;

/// How often it is looked.
const PERIOD: Duration = Duration::from_secs(1);
/// One that waits for an answer to its question all day long is not awaited.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Returns when no package manager has been at work for `quiet`; at the latest after an hour.
pub async fn settle(quiet: Duration) {
    let began = Instant::now();
    let mut calm = Instant::now();
    while began.elapsed() < PATIENCE {
        let read = packages::read().await;
        let now = clock::now();
        // What was written in the future was written by a clock that was wrong.
        let written = read.worked_at.filter(|at| *at <= now).map(|at| now.since(at));
        if read.busy.is_some() {
            calm = Instant::now();
        } else if calm.elapsed() >= quiet && written.is_none_or(|ago| ago >= quiet) {
            return;
        }
        sleep(PERIOD.min(quiet)).await;
    }
}
