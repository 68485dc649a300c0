//! Sockets of this network namespace: those that listen, and the connections that were made to others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;

use procfs::net::{TcpNetEntry, TcpState, UdpNetEntry, UdpState};

use super::processes::Holders;
use crate::model::host::{Connection, Listener, Protocol};

/// Sockets of each kind that are looked at.
const SOCKETS: usize = 20_000;
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
        let tcp: Vec<TcpNetEntry> = taken(procfs::net::tcp(), procfs::net::tcp6(), "TCP", untold);
        let listens = |entry: &&TcpNetEntry| entry.state == TcpState::Listen;
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
        let udp: Vec<UdpNetEntry> = taken(procfs::net::udp(), procfs::net::udp6(), "UDP", untold);
        for entry in udp {
            if entry.state == UdpState::Close {
                let told = (Protocol::Udp, entry.local_address.to_string());
                all.listening.insert(entry.inode, told);
            }
        }
        match fs::read_to_string("/proc/net/unix") {
            Ok(text) => all.listening.extend(text.lines().filter_map(unix).take(SOCKETS)),
            Err(why) => untold.push(format!("the unix sockets of this host: {why}")),
        }
        all
    }

    pub(super) fn has(&self, inode: u64) -> bool {
        self.listening.contains_key(&inode) || self.made.contains_key(&inode)
    }

    /// Each with those that hold it; one address is told once.
    pub(super) fn held(self, holders: &Holders) -> (Vec<Listener>, Vec<Connection>) {
        let mut listeners: BTreeMap<(Protocol, String), BTreeSet<i32>> = BTreeMap::new();
        for (inode, known) in self.listening {
            listeners.entry(known).or_default().extend(holders.get(&inode).into_iter().flatten());
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

fn taken<T>(
    four: procfs::ProcResult<Vec<T>>,
    six: procfs::ProcResult<Vec<T>>,
    name: &str,
    untold: &mut Vec<String>,
) -> Vec<T> {
    if four.is_err() && six.is_err() {
        untold.push(format!("the {name} sockets of this host: /proc/net cannot be read"));
    }
    let all: Vec<T> = [four, six].into_iter().flatten().flatten().take(SOCKETS + 1).collect();
    if all.len() > SOCKETS {
        untold.push(format!("more than {SOCKETS} {name} sockets: the others were not looked at"));
    }
    all
}

/// An IPv4 address that a socket for both families shows as IPv6.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A line of `/proc/net/unix` (the crate leaves out the flags): `Num RefCount Protocol Flags Type St Inode Path`.
fn unix(line: &str) -> Option<(u64, (Protocol, String))> {
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
    fn a_unix_socket_that_only_talks_does_not_listen() {
        let line = "0000: 00000003 00000000 00000000 0001 03 24512 /run/dbus/system_bus_socket";
        assert_eq!(unix(line), None);
        let line = "0000: 00000002 00000000 00010000 0001 01 16391 /run/dbus/system_bus_socket";
        assert_eq!(unix(line), Some((16391, (Protocol::Unix, "/run/dbus/system_bus_socket".to_owned()))));
        assert_eq!(unix("Num RefCount Protocol Flags Type St Inode Path"), None);
    }
}
