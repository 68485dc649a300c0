//! The processes of a control group, sub-groups included.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::cgroup;

use super::process::{self, Listed};

/// Processes of one unit that are looked at.
pub(super) const PROCESSES: usize = 4096;
/// Groups of one unit that are looked at.
const GROUPS: usize = 1024;

/// The processes of a group and its sub-groups, and whether there were too many. `main`: the main process, which a login (`su -l`)
/// or a scope may have taken elsewhere, with all that it began.
pub(super) fn list(group: Option<&Path>, main: Option<u32>) -> (Arc<[Listed]>, bool) {
    let (mut pids, truncated) = group.map(|group| cgroup::pids(group, GROUPS)).unwrap_or_default();
    let mut elsewhere: Vec<u32> = main.filter(|main| !pids.contains(main)).into_iter().collect();
    while let Some(pid) = elsewhere.pop() {
        if pids.len() <= PROCESSES && pids.insert(pid) {
            elsewhere.extend(children(pid));
        }
    }
    let too_many = truncated || pids.len() > PROCESSES;
    (pids.into_iter().take(PROCESSES).filter_map(process::list).collect(), too_many)
}

/// The children of all threads of a process.
fn children(pid: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let told = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    told.flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_main_process_in_another_group_is_found_with_what_it_began() {
        let mut shell = Command::new("sh").args(["-c", "sleep 1000 & wait"]).spawn().expect("a shell");
        let pids = || list(None, Some(shell.id())).0.iter().map(|known| known.pid).collect::<Vec<_>>();
        let begins = std::time::Instant::now();
        while pids().len() < 2 && begins.elapsed().as_secs() < 10 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let found = pids();
        assert!(found.len() == 2 && found.contains(&shell.id()), "{found:?}");
        let sleeps = found.into_iter().find(|pid| *pid != shell.id()).and_then(|pid| i32::try_from(pid).ok());
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(sleeps.expect("a child")),
            nix::sys::signal::Signal::SIGKILL,
        )
        .expect("killed");
        shell.wait().expect("reaped");
        assert_eq!(list(None, None).0.len(), 0);
    }
}
