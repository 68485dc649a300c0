//! Tells that something was mounted or unmounted, which no watch on a directory does. A hint: the slow scan finds it as well.

use std::fs::File;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, poll};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// So long what follows is waited for: `umount` and `mount` of a deploy are one change.
const GATHER: Duration = Duration::from_millis(500);
/// Not told more often than this: a host of containers mounts a lot.
const APART: Duration = Duration::from_secs(5);
/// So often the thread looks whether anybody listens still, in milliseconds.
const LISTENING: u16 = 5000;

/// The table of mounts of our own namespace; those of the host reach it.
#[derive(Debug)]
pub(super) struct Mounts {
    noticed: mpsc::Receiver<()>,
    /// Something changed, and is told then.
    due: Option<Instant>,
    /// When it was told last.
    told: Option<Instant>,
}

impl Mounts {
    /// Begins to follow it on a thread of its own; where that cannot be, nothing is ever told.
    pub(super) fn new() -> Self {
        let (tell, noticed) = mpsc::channel(1);
        if let Ok(table) = File::open("/proc/self/mountinfo") {
            let thread = std::thread::Builder::new().name("mounts".to_owned());
            drop(thread.spawn(move || follow(&table, &tell)));
        }
        Self { noticed, due: None, told: None }
    }

    /// Waits until something was mounted or unmounted. May be dropped while it waits: nothing is lost.
    pub(super) async fn changed(&mut self) {
        let due = match (self.due, self.told) {
            (Some(due), _) => due,
            (None, told) => {
                if self.noticed.recv().await.is_none() {
                    std::future::pending::<()>().await;
                }
                let soon = Instant::now() + GATHER;
                told.map_or(soon, |told| soon.max(told + APART))
            }
        };
        self.due = Some(due);
        sleep_until(due).await;
        (self.due, self.told) = (None, Some(due));
    }
}

/// Until nobody listens any more. The kernel tells each change of the table once to each who holds it open.
fn follow(table: &File, tell: &mpsc::Sender<()>) {
    while !tell.is_closed() {
        match poll(&mut [PollFd::new(table.as_fd(), PollFlags::POLLPRI)], LISTENING) {
            Ok(0) | Err(Errno::EINTR) => {}
            // One that waits already stands for this one, too.
            Ok(_) => drop(tell.try_send(())),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_mount_is_told_and_a_quiet_table_is_not() {
        let place = tempfile::tempdir().expect("a scratch directory");
        let run = |program: &str, args: &[&str]| {
            Command::new(program).args(args).arg(place.path()).status().is_ok_and(|status| status.success())
        };
        let mut mounts = Mounts::new();
        if !run("mount", &["-t", "tmpfs", "tmpfs"]) {
            eprintln!("needs the right to mount");
            return;
        }
        timeout(Duration::from_secs(10), mounts.changed()).await.expect("a word of the mount");
        assert!(run("umount", &["-l"]));
        // Who waits may give up and ask again.
        assert!(timeout(Duration::from_millis(1), mounts.changed()).await.is_err());
        timeout(APART * 3, mounts.changed()).await.expect("a word of its end");
    }
}
