//! The sockets of TCP that a process holds: they tell a session, and what listens beside its successor.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::Dir;

use crate::model::release::Sockets;

use super::location;
use super::process;

/// Open files of a process that are looked at.
const OPEN_FILES: usize = 4096;
/// Bytes of a table of sockets that are read.
const TABLE: usize = 16 * 1024 * 1024;
/// States in such a table.
const LISTENS: &str = "0A";
const CONNECTED: &str = "01";

/// Reads the sockets of a process; what cannot be read is left out.
pub(super) fn read(process: BorrowedFd<'_>) -> Sockets {
    let mut sockets = Sockets::default();
    let held = inodes(process);
    if held.is_empty() {
        return sockets;
    }
    for table in ["net/tcp", "net/tcp6"] {
        let Ok(text) = process::content(process, table, TABLE) else {
            continue;
        };
        for (inode, (port, state)) in rows(&String::from_utf8_lossy(&text)) {
            if held.contains(&inode) {
                match state.as_str() {
                    LISTENS => sockets.listens.insert(port),
                    CONNECTED => sockets.connected.insert(port),
                    _ => false,
                };
            }
        }
    }
    sockets
}

/// Inodes of the sockets that it holds open.
fn inodes(process: BorrowedFd<'_>) -> BTreeSet<u64> {
    let Ok(directory) = process::file(process, "fd") else {
        return BTreeSet::new();
    };
    let Ok(entries) = Dir::read_from(&directory) else {
        return BTreeSet::new();
    };
    let inode = |name: &[u8]| {
        let text = location::text(directory.as_fd(), Path::new(std::ffi::OsStr::from_bytes(name))).ok()?;
        text.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    let entries = entries.filter_map(Result::ok).take(OPEN_FILES);
    entries.filter_map(|entry| inode(entry.file_name().to_bytes())).collect()
}

/// Inode, local port and state of each row of `/proc/PID/net/tcp`.
pub(super) fn rows(table: &str) -> BTreeMap<u64, (u16, String)> {
    let row = |line: &str| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (_, port) = fields.get(1)?.rsplit_once(':')?;
        let port = u16::from_str_radix(port, 16).ok()?;
        Some((fields.get(9)?.parse().ok()?, (port, (*fields.get(3)?).to_owned())))
    };
    table.lines().skip(1).filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_process_is_known_by_what_it_listens_on_and_what_it_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let client = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
        let own = process::open(std::process::id()).expect("ourselves");
        let accepted = listener.accept().expect("the other end");
        let sockets = read(own.as_fd());
        assert!(sockets.listens.contains(&port), "{sockets:?}");
        assert!(sockets.connected.contains(&port), "{sockets:?}");
        drop((client, accepted));
    }
}
