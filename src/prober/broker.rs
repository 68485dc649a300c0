//! What steadfast-prober.service runs: for each connection of the daemon a process that asks, inside of this unit's sandbox. It
//! reads nothing itself, so that nothing a stranger says can end it.

use std::os::unix::net::UnixListener as Listener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use rustix::process::geteuid;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::fate::Losses;
use super::keeper::keep;

/// Processes at once: one that asks, one that listens, some that end what they have, those that ask one question on its own, and
/// one for each alert that is under way.
const PROCESSES: usize = 33;
/// After an error that is not the caller's.
const AGAIN: Duration = Duration::from_millis(100);

/// Serves the listener for ever.
///
/// # Errors
/// The listener cannot be used.
pub fn run(listener: Listener) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(async {
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let free = Arc::new(Semaphore::new(PROCESSES));
        let losses = Arc::new(Losses::begin());
        loop {
            let turn = Arc::clone(&free).acquire_owned().await;
            let Ok((stream, _)) = listener.accept().await else {
                sleep(AGAIN).await;
                continue;
            };
            if !is_ours(&stream) {
                continue;
            }
            let losses = Arc::clone(&losses);
            tokio::spawn(async move {
                if let Err(error) = keep(stream, losses).await {
                    eprintln!("cannot start a process that asks: {error}");
                    sleep(AGAIN).await;
                }
                drop(turn);
            });
        }
    })
}

/// The socket's rights let in root alone; the kernel says who it was.
fn is_ours(stream: &UnixStream) -> bool {
    stream.peer_cred().is_ok_and(|caller| [0, geteuid().as_raw()].contains(&caller.uid()))
}
