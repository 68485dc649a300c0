//! How a process that asks ended: by what it was told, or by somebody outside. Only who started it can know, and only while that
//! lives.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::cgroup;

/// Signals by which people and the system end processes, and no fault does.
const FROM_OUTSIDE: [Signal; 6] =
    [Signal::HUP, Signal::INT, Signal::QUIT, Signal::TERM, Signal::PIPE, Signal::ALARM];

/// Whose doing an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum How {
    /// Its own: a fault, a limit, or it was over.
    Itself,
    /// The kernel took it, since the memory of its group was used up: it holds what it was told.
    Memory,
    /// Somebody killed it.
    Outside,
}

impl How {
    /// An answer may be the cause.
    #[must_use]
    pub fn is_by_an_answer(self) -> bool {
        matches!(self, Self::Itself | Self::Memory)
    }
}

/// Ends for want of memory that the kernel counted in our group, and of which it is known whose they were.
#[derive(Debug, Default)]
pub struct Losses(AtomicU64);

impl Losses {
    /// All until now are nobody's.
    #[must_use]
    pub fn begin() -> Self {
        Self(AtomicU64::new(counted()))
    }

    /// How a process that ended so came to its end.
    #[must_use]
    pub fn how(&self, status: ExitStatus) -> How {
        self.how_with(status, counted())
    }

    fn how_with(&self, status: ExitStatus, counted: u64) -> How {
        match status.signal().and_then(Signal::from_named_raw) {
            Some(Signal::KILL) => {
                let claim = |known: u64| (known < counted).then_some(known + 1);
                match self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim) {
                    Ok(_) => How::Memory,
                    Err(_) => How::Outside,
                }
            }
            Some(signal) if FROM_OUTSIDE.contains(&signal) => How::Outside,
            Some(_) | None => How::Itself,
        }
    }
}

/// `oom_kill` of our own group; 0 where the kernel does not count.
fn counted() -> u64 {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let group = groups.lines().find_map(|line| line.strip_prefix("0::"));
    let folder = group.and_then(|group| cgroup::directory(Path::new(cgroup::ROOT), group));
    let events = folder.and_then(|folder| fs::read_to_string(folder.join("memory.events")).ok());
    events.and_then(|events| kills(&events)).unwrap_or(0)
}

fn kills(events: &str) -> Option<u64> {
    events.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The raw status of a process that a signal ended, or that ended with a code.
    fn ended(signal: i32, code: i32) -> ExitStatus {
        ExitStatus::from_raw(signal | (code << 8))
    }

    #[test]
    fn a_kill_is_an_answers_doing_only_where_the_kernel_counted_one_for_memory() {
        let losses = Losses::default();
        assert_eq!(losses.how_with(ended(9, 0), 0), How::Outside);
        // Two were counted: so many of the killed were the kernel's, and no more.
        assert_eq!(losses.how_with(ended(9, 0), 2), How::Memory);
        assert_eq!(losses.how_with(ended(9, 0), 2), How::Memory);
        assert_eq!(losses.how_with(ended(9, 0), 2), How::Outside);
        assert_eq!(losses.how_with(ended(15, 0), 9), How::Outside);
        // SIGABRT, SIGSEGV, SIGSYS, an error, an end.
        for status in [ended(6, 0), ended(11, 0), ended(31, 0), ended(0, 1), ended(0, 0)] {
            assert_eq!(losses.how_with(status, 2), How::Itself, "{status}");
        }
        assert_eq!(kills("low 0\nhigh 3\noom 2\noom_kill 7\noom_group_kill 0\n"), Some(7));
        assert_eq!(kills("low 0\n"), None);
    }
}
