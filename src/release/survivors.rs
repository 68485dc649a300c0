//! Ends processes that an earlier run left, and no other: each is held by a descriptor while it is compared.

use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::cgroup;

use super::group;

/// Signals each of these processes (id and start time) that still is that one, and still of this control group.
///
/// # Errors
/// Which could not be signalled, and why.
pub fn end(control_group: &str, processes: &[(u32, i64)], kill: bool) -> Result<(), String> {
    let group = cgroup::directory(Path::new(cgroup::ROOT), control_group);
    let signal = if kill { Signal::KILL } else { Signal::TERM };
    let problems: Vec<String> = processes
        .iter()
        .filter_map(|(pid, started_ms)| {
            let why = end_one(group.as_ref(), *pid, *started_ms, signal).err()?;
            Some(format!("cannot end process {pid}: {why}"))
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(problems.join("; ")) }
}

fn end_one(group: Option<&PathBuf>, pid: u32, started_ms: i64, signal: Signal) -> Result<(), Errno> {
    let Some(raw) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return Err(Errno::INVAL);
    };
    let held = match pidfd_open(raw, PidfdFlags::empty()) {
        Err(Errno::SRCH) => return Ok(()),
        other => other?,
    };
    // From here on the number stays with whom the descriptor holds.
    let (members, _) = group::list(group.map(PathBuf::as_path), None);
    let same = members.iter().any(|known| known.pid == pid && known.started_ms == started_ms);
    if !same {
        return Ok(());
    }
    match pidfd_send_signal(held, signal) {
        Err(Errno::SRCH) => Ok(()),
        other => other,
    }
}
