//! Tables of the host's network. The daemon lives in a network of its own, where nothing is: the host's is that of process 1.

use std::fs::File;
use std::io::{self, BufReader};

use procfs::net::{TcpNetEntries, TcpNetEntry};
use procfs::{FromBufReadSI, current_system_info};

use super::sockets::{SOCKETS, first_lines};

/// A table of the kernel: `tcp`.
pub(super) fn table(name: &str) -> io::Result<File> {
    File::open(format!("/proc/1/net/{name}")).or_else(|error| {
        // Ordinary users may not see process 1, and have the host's network.
        if nix::unistd::geteuid().is_root() { Err(error) } else { File::open(format!("/proc/net/{name}")) }
    })
}

/// The same as text, as far as it is looked at: whoever opens sockets makes it as long as they like.
pub(super) fn text(name: &str) -> Option<String> {
    // One more than is told of, so that it can be said that there are more.
    first_lines(BufReader::new(table(name).ok()?), SOCKETS + 2).ok()
}

/// Sockets of TCP; those that listen come first. `None`: the table cannot be read.
pub(super) fn tcp(name: &str) -> Option<Vec<TcpNetEntry>> {
    Some(TcpNetEntries::from_buf_read(text(name)?.as_bytes(), current_system_info()).ok()?.0)
}
