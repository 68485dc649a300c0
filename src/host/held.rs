//! Who listens at an address of this host, looked up for one question.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{control_group, network};
use crate::model::host::Place;

/// Listeners, processes, and open files of each that are looked at.
const LISTENERS: usize = 20_000;
const PROCESSES: usize = 20_000;
/// Listeners at the addresses of one question whose holders are looked for.
const HOLDERS: usize = 16;
const FILES: usize = 4096;
/// State of a TCP socket in the kernel's table: it listens.
const LISTENS: &str = "0A";

/// A socket that listens, and a process that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Who made it.
    pub uid: u32,
    /// Not root's; `None`: not found, or not ours to see.
    pub by: Option<Holder>,
}

/// A process with a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: i32,
    pub uid: u32,
    pub place: Place,
}

/// Whoever listens at one of these addresses; of root's sockets the holder is not looked for. `None`: the table of sockets was not
/// read to the end of those that listen. Blocks.
#[must_use]
pub fn held(addresses: &[SocketAddr]) -> Option<Vec<Held>> {
    let mut sockets: Vec<(u64, u32)> = Vec::new();
    for name in ["tcp", "tcp6"] {
        let file = match network::table(name) {
            Ok(file) => file,
            // A host without IPv6.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(_) => return None,
        };
        // Those that listen come first.
        for (at, line) in BufReader::new(file).lines().skip(1).enumerate() {
            let Some((local, uid, inode)) = listener(&line.ok()?) else {
                break;
            };
            if at >= LISTENERS {
                return None;
            }
            if addresses.iter().any(|address| answers(local, *address)) {
                sockets.push((inode, uid));
            }
        }
    }
    let held = |(inode, uid)| Held { uid, by: if uid == 0 { None } else { holder(inode, uid) } };
    Some(sockets.into_iter().take(HOLDERS).map(held).collect())
}

/// `sl local_address rem_address st tx:rx tr:when retrnsmt uid timeout inode`
pub(super) fn listener(line: &str) -> Option<(SocketAddr, u32, u64)> {
    let words: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, local, _, LISTENS, _, _, _, uid, _, inode, ..] = words.as_slice() else {
        return None;
    };
    let (ip, port) = local.split_once(':')?;
    let word = |at: usize| Some(u32::from_str_radix(ip.get(at..at + 8)?, 16).ok()?.to_ne_bytes());
    let ip = if ip.len() == 8 {
        IpAddr::V4(Ipv4Addr::from(word(0)?))
    } else {
        let mut bytes = [0; 16];
        for (part, at) in bytes.chunks_exact_mut(4).zip([0, 8, 16, 24]) {
            part.copy_from_slice(&word(at)?);
        }
        IpAddr::V6(Ipv6Addr::from(bytes))
    };
    let port = u16::from_str_radix(port, 16).ok()?;
    Some((SocketAddr::new(ip, port), uid.parse().ok()?, inode.parse().ok()?))
}

/// Whoever asks there reaches this listener, or may.
fn answers(local: SocketAddr, address: SocketAddr) -> bool {
    let bound = local.ip().to_canonical();
    local.port() == address.port() && (bound.is_unspecified() || bound == address.ip().to_canonical())
}

/// A process that has the socket open: most likely one of whoever made it.
fn holder(inode: u64, uid: u32) -> Option<Holder> {
    let all: Vec<(i32, u32)> = fs::read_dir("/proc")
        .ok()?
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            Some((pid, entry.metadata().ok()?.uid()))
        })
        .take(PROCESSES)
        .collect();
    let wanted = format!("socket:[{inode}]");
    let has = |pid: i32| {
        let files = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten().take(FILES);
        files.into_iter().any(|file| fs::read_link(file.path()).is_ok_and(|to| to == Path::new(&wanted)))
    };
    let own = all.iter().filter(|(_, owner)| *owner == uid);
    let others = all.iter().filter(|(_, owner)| *owner != uid);
    let (pid, uid) = own.chain(others).find(|(pid, _)| has(*pid))?;
    Some(Holder { pid: *pid, uid: *uid, place: place_of(*pid) })
}

fn place_of(pid: i32) -> Place {
    place_in(&fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default())
}

/// The place that the text of `/proc/PID/cgroup` tells.
pub(super) fn place_in(groups: &str) -> Place {
    let unified = groups.lines().find_map(|line| line.strip_prefix("0::")).filter(|group| *group != "/");
    let named = || groups.lines().find_map(|line| line.split_once(":name=systemd:").map(|(_, group)| group));
    control_group::of(unified.or_else(named).unwrap_or("/"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn row_15_whoever_listens_at_an_address_is_found() {
        for bound in ["127.0.0.1:0", "[::]:0"] {
            let Ok(listens) = TcpListener::bind(bound) else {
                continue;
            };
            let port = listens.local_addr().expect("an address").port();
            let asked = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            let uid = nix::unistd::geteuid().as_raw();
            let found = held(&[asked]).expect("a table");
            assert_eq!(found.len(), 1, "{bound}: {found:?}");
            assert_eq!(found[0].uid, uid);
            let inode = fs::read_dir("/proc/self/fd").expect("ours").flatten().find_map(|file| {
                let to = fs::read_link(file.path()).ok()?.to_string_lossy().into_owned();
                to.strip_prefix("socket:[")?.strip_suffix(']')?.parse::<u64>().ok()
            });
            let holder = holder(inode.expect("a socket"), uid).expect("ourselves");
            assert_eq!(holder.pid, i32::try_from(std::process::id()).expect("small"));
            drop(listens);
            assert_eq!(held(&[asked]), Some(Vec::new()));
        }
    }

    #[test]
    fn a_line_of_the_kernels_table_is_read() {
        let line = "   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 81234 1 0";
        let wanted = ("127.0.0.1:6379".parse().expect("an address"), 1000, 81234);
        assert_eq!(listener(line), Some(wanted));
        let line = "   1: 00000000000000000000000001000000:18EB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 7 1 0";
        assert_eq!(listener(line), Some(("[::1]:6379".parse().expect("an address"), 0, 7)));
        assert_eq!(listener(&line.replace(" 0A ", " 01 ")), None);
    }
}
