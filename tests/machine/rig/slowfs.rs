//! A file system that stops answering on request, as a dead network mount does.

use std::time::Duration;

use super::Machine;

const PROGRAM: &str = include_str!("slowfs.py");
const PROGRAM_PATH: &str = "/usr/local/lib/rig/slowfs.py";
/// While this file exists, no slow file system of the machine answers.
const SWITCH: &str = "/run/rig-slowfs-hangs";
const MOUNT_LIMIT: Duration = Duration::from_secs(10);

impl Machine {
    /// Mounts a read-only mirror of the folder `source` at `target`, which [`Machine::hang_slow_mounts`] makes hang.
    #[track_caller]
    pub fn mount_slow(&self, source: &str, target: &str) {
        self.write_program(PROGRAM_PATH, PROGRAM);
        self.sh(&format!(
            "mkdir -p '{target}' && systemd-run --quiet '{PROGRAM_PATH}' '{source}' '{target}' '{SWITCH}'"
        ));
        self.wait_until("the slow file system is mounted", MOUNT_LIMIT, || {
            self.run(&["mountpoint", "--quiet", target]).ok()
        });
    }

    /// Makes every slow mount of the machine hang, or answer again. Who hangs in it stays killable.
    #[track_caller]
    pub fn hang_slow_mounts(&self, hang: bool) {
        let verb = if hang { "touch" } else { "rm -f" };
        self.sh(&format!("{verb} {SWITCH}"));
    }
}
