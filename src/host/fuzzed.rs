//! The door for `fuzz/`: the readers of the kernel's tables, for any bytes.

use std::path::Path;

use super::{control_group, held, managers, sockets};

/// Lines that are read.
const LINES: usize = 64;

/// What the lines of `/proc/net/unix`, `/proc/net/tcp`, `/proc/PID/cgroup` and `/etc/passwd` would say, were these their bytes.
#[must_use]
pub fn tables(bytes: &[u8]) -> String {
    let text = sockets::first_lines(bytes, LINES).unwrap_or_default();
    let root = Path::new("/nonexistent");
    let mut told = String::new();
    for line in text.lines() {
        let read = (sockets::unix(line), held::listener(line), managers::of_user(root, line));
        if !matches!(read, (None, None, None)) {
            told.push_str(&format!("{read:?}"));
        }
    }
    format!("{told}{:?}", held::place_in(&text))
}

/// What this control group tells of a process in it.
#[must_use]
pub fn group(path: &str) -> String {
    format!("{:?}", control_group::of(path))
}
