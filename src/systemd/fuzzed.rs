//! The door for `fuzz/`: what systemd's engine and the kernel write for this room, for any text.

use std::path::PathBuf;

use super::{boot, fragment};

pub use boot::fuzzed::{target, transcript};

/// The mount point of these that a unit file would come too late from, were this the table of mounts.
#[must_use]
pub fn mounts(table: &str) -> Option<String> {
    let files = ["/srv/x.service", "/etc/systemd/system/x.service"].map(PathBuf::from);
    fragment::late_mount(&files, &fragment::Mounts::parse(table))
}
