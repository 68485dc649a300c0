//! Sockets of the host's network: those that listen, and the connections that were made to others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, Read};
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt;

use procfs::net::{TcpNetEntry, TcpState, UdpNetEntries, UdpNetEntry, UdpState};
use procfs::{FromBufReadSI, current_system_info};

use super::network;
use super::processes::Holders;
use crate::model::host::{Connection, Listener, Protocol};

/// Sockets of each kind that are looked at.
pub(super) const SOCKETS: usize = 40_000;
/// Shorter names of a socket that are tried, and processes whose view of the disk is asked for each.
const NAMES: usize = 4;
const VIEWS: usize = 4;
/// Bytes of a line of a table.
const LINE: u64 = 4096;
/// `__SO_ACCEPTCON`: the flag of a unix socket that listens.
const ACCEPTS: u32 = 1 << 16;

/// Sockets by inode.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    listening: BTreeMap<u64, (Protocol, String)>,
    made: BTreeMap<u64, String>,
}

impl Sockets {
    pub(super) fn read(untold: &mut Vec<String>) -> Self {
        let mut all = Self::default();
        let listens = |entry: &&TcpNetEntry| entry.state == TcpState::Listen;
        let tcp = ["tcp", "tcp6"].map(network::tcp);
        let tcp = taken(tcp, "TCP", |entry| listens(&entry), untold);
        let ports: BTreeSet<u16> =
            tcp.iter().filter(listens).map(|entry| entry.local_address.port()).collect();
        for entry in &tcp {
            if entry.state == TcpState::Listen {
                let told = (Protocol::Tcp, entry.local_address.to_string());
                all.listening.insert(entry.inode, told);
            } else if matches!(entry.state, TcpState::Established | TcpState::SynSent)
                && !ports.contains(&entry.local_address.port())
            {
                all.made.insert(entry.inode, plain(entry.remote_address).to_string());
            }
        }
        let waits = |entry: &UdpNetEntry| entry.state == UdpState::Close;
        let udp = ["udp", "udp6"].map(|name| {
            let text = network::text(name)?;
            Some(UdpNetEntries::from_buf_read(text.as_bytes(), current_system_info()).ok()?.0)
        });
        let udp = taken(udp, "UDP", waits, untold);
        for entry in udp {
            if entry.state == UdpState::Close {
                let told = (Protocol::Udp, entry.local_address.to_string());
                all.listening.insert(entry.inode, told);
            }
        }
        match network::text("unix") {
            Some(text) => all.add_unix(&text, untold),
            None => untold.push("the unix sockets of this host: /proc/net cannot be read".to_owned()),
        }
        all
    }

    /// Names of sockets stand there as their makers wrote them, line breaks included: a made-up line tells of an inode that is
    /// told anyway, and then none of them is believed.
    fn add_unix(&mut self, text: &str, untold: &mut Vec<String>) {
        let mut inodes: BTreeSet<u64> = self.listening.keys().chain(self.made.keys()).copied().collect();
        let lines: Vec<&str> = text.lines().skip(1).take(SOCKETS).collect();
        let of_line = |line: &str| line.split_ascii_whitespace().nth(6)?.parse::<u64>().ok();
        // One that nobody has accepted yet bears 0.
        let new = |line: &&str| of_line(line).is_some_and(|inode| inode == 0 || inodes.insert(inode));
        if !lines.iter().all(new) {
            untold.push("the unix sockets of this host: somebody made up some of them".to_owned());
            return;
        }
        if lines.len() == SOCKETS {
            untold.push(format!("more than {SOCKETS} unix sockets: the others were not looked at"));
        }
        self.listening.extend(lines.into_iter().filter_map(unix));
    }

    pub(super) fn has(&self, inode: u64) -> bool {
        self.listening.contains_key(&inode) || self.made.contains_key(&inode)
    }

    /// Each with those that hold it; one address is told once.
    pub(super) fn held(self, holders: &Holders) -> (Vec<Listener>, Vec<Connection>) {
        let mut listeners: BTreeMap<(Protocol, String), BTreeSet<i32>> = BTreeMap::new();
        for (inode, (protocol, address)) in self.listening {
            let pids = holders.get(&inode).map(Vec::as_slice).unwrap_or_default();
            let address = if protocol == Protocol::Unix { name_now(&address, pids) } else { Some(address) };
            if let Some(address) = address {
                listeners.entry((protocol, address)).or_default().extend(pids);
            }
        }
        let listener = |((protocol, address), pids): ((Protocol, String), BTreeSet<i32>)| Listener {
            protocol,
            address,
            pids: pids.into_iter().collect(),
        };
        let mut connections = BTreeSet::new();
        for (inode, remote) in self.made {
            for pid in holders.get(&inode).into_iter().flatten() {
                connections.insert(Connection { pid: *pid, remote: remote.clone() });
            }
        }
        (listeners.into_iter().map(listener).collect(), connections.into_iter().collect())
    }
}

pub(super) fn first_lines(mut from: impl BufRead, lines: usize) -> std::io::Result<String> {
    let mut text = Vec::new();
    for _ in 0..lines {
        if from.by_ref().take(LINE).read_until(b'\n', &mut text)? == 0 {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn taken<T>(
    tables: [Option<Vec<T>>; 2],
    name: &str,
    first: impl Fn(&T) -> bool,
    untold: &mut Vec<String>,
) -> Vec<T> {
    if tables.iter().all(Option::is_none) {
        untold.push(format!("the {name} sockets of this host: /proc/net cannot be read"));
    }
    let mut all: Vec<T> = tables.into_iter().flatten().flatten().collect();
    // Those that listen matter most, however many connections there are.
    all.sort_by_key(|entry| !first(entry));
    if all.len() > SOCKETS {
        all.truncate(SOCKETS);
        untold.push(format!("more than {SOCKETS} {name} sockets: the others were not looked at"));
    }
    all
}

/// An IPv4 address that a socket for both families shows as IPv6.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// The name of a socket as it is now: the kernel keeps the one under which it was bound, and programs bind it under a name of a
/// moment (`admin.sock.1234.tmp`) and rename it. `None`: its name leads nowhere.
fn name_now(path: &str, holders: &[i32]) -> Option<String> {
    if !path.starts_with('/') || is_there(path, holders) {
        return Some(path.to_owned());
    }
    let (folder, name) = path.rsplit_once('/')?;
    let cuts = name.rmatch_indices('.').map(|(at, _)| at).filter(|at| *at > 0);
    let shorter = cuts.take(NAMES).filter_map(|at| Some(format!("{folder}/{}", name.get(..at)?)));
    shorter.into_iter().find(|name| is_there(name, holders))
}

/// Seen by those who hold it: they may live in a file system of their own. What may not be looked at is believed.
fn is_there(path: &str, holders: &[i32]) -> bool {
    let seen = |path: String| match fs::symlink_metadata(path) {
        Ok(seen) => seen.file_type().is_socket(),
        Err(why) => why.kind() != std::io::ErrorKind::NotFound,
    };
    seen(path.to_owned()) || holders.iter().take(VIEWS).any(|pid| seen(format!("/proc/{pid}/root{path}")))
}

/// A line of `/proc/net/unix` (the crate leaves out the flags): `Num RefCount Protocol Flags Type St Inode Path`.
pub(super) fn unix(line: &str) -> Option<(u64, (Protocol, String))> {
    let mut words = line.split_ascii_whitespace();
    let flags = u32::from_str_radix(words.nth(3)?, 16).ok()?;
    let inode = words.nth(2)?.parse().ok()?;
    let path = words.next()?;
    // A path with blanks goes on to the end of the line.
    let path = line.find(path).and_then(|at| line.get(at..)).unwrap_or(path);
    (flags & ACCEPTS != 0).then(|| (inode, (Protocol::Unix, path.to_owned())))
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;
    use std::net::{TcpListener, TcpStream};

    use super::*;
    use crate::host;

    #[test]
    fn a_listener_and_who_is_connected_to_it_are_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a b.sock");
        let _unix = std::os::unix::net::UnixListener::bind(&path).expect("a socket");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let _stream = TcpStream::connect(address).expect("a connection");
        let seen = host::read();
        let pid = i32::try_from(std::process::id()).expect("small");
        let at = |address: &str| {
            seen.listeners.iter().find(|known| known.address == address).map(|known| known.pids.clone())
        };
        assert_eq!(at(&address.to_string()), Some(vec![pid]));
        assert_eq!(at(&path.display().to_string()), Some(vec![pid]));
        assert!(seen.connections.contains(&Connection { pid, remote: address.to_string() }));
        let ours = seen.processes.iter().find(|process| process.pid == pid).expect("ourselves");
        assert_eq!(ours.executable, std::env::current_exe().ok().map(|path| path.display().to_string()));
        assert_eq!(ours.parent, i32::try_from(std::os::unix::process::parent_id()).expect("small"));
    }

    #[test]
    fn a_socket_is_known_by_the_name_that_it_has_now() {
        // B5: haproxy binds under a name of a moment and renames; supervisor links.
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let moment = path("admin.sock.1234.tmp");
        let _listens = std::os::unix::net::UnixListener::bind(&moment).expect("a socket");
        fs::rename(&moment, path("admin.sock")).expect("renamed");
        let gone = path("gone.sock");
        let _unlinked = std::os::unix::net::UnixListener::bind(&gone).expect("a socket");
        fs::remove_file(&gone).expect("unlinked");
        let seen = host::read();
        let of_us = |name: &str| {
            let name = path(name).display().to_string();
            seen.listeners.iter().any(|known| known.address == name && !known.pids.is_empty())
        };
        assert!(of_us("admin.sock") && !of_us("admin.sock.1234.tmp") && !of_us("gone.sock"));
    }

    #[test]
    fn row_17_a_table_is_read_as_far_as_it_is_looked_at() {
        let endless = std::io::repeat(b'x');
        let text = first_lines(BufReader::new(endless), 3).expect("text");
        assert_eq!(text.len(), 3 * usize::try_from(LINE).expect("small"));
        let lines = "a\nb\nc\nd\n".repeat(SOCKETS);
        assert_eq!(first_lines(lines.as_bytes(), SOCKETS).expect("text").lines().count(), SOCKETS);
        assert_eq!(first_lines(&b"a\nb"[..], 5).expect("text"), "a\nb");
    }

    #[test]
    fn a_unix_socket_that_only_talks_does_not_listen() {
        let line = "0000: 00000003 00000000 00000000 0001 03 24512 /run/dbus/system_bus_socket";
        assert_eq!(unix(line), None);
        let line = "0000: 00000002 00000000 00010000 0001 01 16391 /run/dbus/system_bus_socket";
        assert_eq!(unix(line), Some((16391, (Protocol::Unix, "/run/dbus/system_bus_socket".to_owned()))));
        assert_eq!(unix("Num RefCount Protocol Flags Type St Inode Path"), None);
    }
}
