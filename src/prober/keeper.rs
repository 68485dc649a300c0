//! Starts a process that asks, and says of its end what the connection alone would not tell. It reads nothing of what comes.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::frames::{frame, send};

use super::door;
use super::fate::Losses;
use super::wire::{ANSWER, Said};

/// The daemon takes it within this time, or is not told.
const TELLS: Duration = Duration::from_secs(1);

/// Until it has ended.
///
/// # Errors
/// It cannot be started.
pub async fn keep(stream: UnixStream, losses: Arc<Losses>) -> std::io::Result<()> {
    let mut child = door::command(stream.as_fd().try_clone_to_owned()?).spawn()?;
    let status = child.wait().await?;
    if let Ok(last) = frame(&Said::Ended(losses.how(status)), ANSWER) {
        // Who closed the connection wants to know nothing.
        drop(timeout(TELLS, send(&stream, &last, &[])).await);
    }
    Ok(())
}

/// The only one of a unit of the moment.
///
/// # Errors
/// It cannot be started.
pub fn keep_one(stream: std::os::unix::net::UnixStream) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        stream.set_nonblocking(true)?;
        keep(UnixStream::from_std(stream)?, Arc::new(Losses::begin())).await?;
        Ok(())
    })
}
