//! `unix`: a stream socket at a path accepts a connection.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use nix::sys::stat::fstat;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keys::FullPath;
use crate::model::probe::{ProbeOutcome, ProbeStatus};
use crate::ownership;

use super::blocking::{self, Stuck};
use super::failure::Failure;
use super::{Limit, Needs, Probe, text};

/// `unix = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Unix {
    /// A stream socket at this path accepts a connection.
    unix: FullPath,
}

impl Probe for Unix {
    /// Nothing is read of what answers, and only root or its user may open it.
    fn needs(&self) -> Needs<'_> {
        Needs::Looking
    }

    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(run(&self.unix, limit))
    }
}

async fn run(path: &str, limit: Limit) -> ProbeOutcome {
    let asked = format!("connecting to {}", text::name(path));
    let target = path.to_owned();
    // Not blocking is not enough: looking up the path can hang where its file system does.
    let tried = blocking::call(limit, move || try_connect(&target)).await;
    let failure = match tried {
        Ok(Ok(latency)) => {
            return ProbeOutcome {
                status: ProbeStatus::Healthy,
                message: text::sentence(&format!(
                    "{} accepted a connection in {}",
                    text::name(path),
                    text::figure(latency)
                )),
                latency: Some(latency),
            };
        }
        Ok(Err(failure)) => failure,
        Err(Stuck::Late) => Failure::unknown(format!(
            "the path was not looked up within {}, its file system hangs",
            limit.shown()
        )),
        Err(Stuck::NoSlot) => Failure::unknown("earlier probes still hang on their paths"),
    };
    failure.of(&asked)
}

fn try_connect(path: &str) -> Result<Duration, Failure> {
    let began = Instant::now();
    to_socket(path).map(|_| began.elapsed())
}

/// A connection that does not block.
pub fn to_socket(path: &str) -> Result<OwnedFd, Failure> {
    let address = UnixAddr::new(path)
        .map_err(|errno| Failure::unknown(format!("it is no socket path ({})", errno.desc())))?;
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let end = socket(AddressFamily::Unix, SockType::Stream, flags, None)
        .map_err(|errno| Failure::connection(&errno.into()))?;
    // The very socket that was looked at: nobody can turn the way to it meanwhile.
    let found = ownership::open_asked(Path::new(path)).map_err(|error| unopened(path, &error))?;
    if found.turned && is_roots_alone(&found.file) {
        let why = "it leads to a socket of root's that those who may turn the way may not open";
        return Err(Failure::unknown(why));
    }
    let way = UnixAddr::new(format!("/proc/self/fd/{}", found.file.as_raw_fd()).as_str()).unwrap_or(address);
    match connect(end.as_raw_fd(), &way) {
        Ok(()) => Ok(end),
        Err(errno) => Err(judge(path, errno)),
    }
}

fn is_roots_alone(socket: &OwnedFd) -> bool {
    fstat(socket).map_or(true, |seen| seen.st_uid == 0 && seen.st_mode & 0o002 == 0)
}

/// Why the way to it was not gone.
fn unopened(path: &str, error: &std::io::Error) -> Failure {
    match error.raw_os_error() {
        Some(errno) => judge(path, Errno::from_raw(errno)),
        None => Failure::unknown(error.to_string()),
    }
}

/// Why nobody answers at a socket.
pub fn refused(path: &Path, error: &std::io::Error) -> Failure {
    match (path.to_str(), error.raw_os_error()) {
        (Some(path), Some(errno)) => judge(path, Errno::from_raw(errno)),
        _ => Failure::connection(error),
    }
}

/// Why a socket does not take a connection.
pub fn judge(path: &str, errno: Errno) -> Failure {
    match errno {
        Errno::ENOENT | Errno::ENOTDIR => Failure::unhealthy("there is no such socket"),
        Errno::ECONNREFUSED if !is_socket(path) => Failure::unhealthy("it is not a socket"),
        Errno::ECONNREFUSED => Failure::unhealthy("connection refused, nothing listens on it"),
        Errno::EAGAIN => Failure::unhealthy("its backlog is full, nothing accepts"),
        Errno::EPROTOTYPE => Failure::unhealthy("it is not a stream socket"),
        other => Failure::connection(&other.into()),
    }
}

fn is_socket(path: &str) -> bool {
    std::fs::metadata(path).is_ok_and(|seen| seen.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::{UnixDatagram, UnixListener};

    use super::*;

    async fn probe(path: &Path) -> (ProbeStatus, String) {
        let path = path.to_str().expect("a path in UTF-8");
        let outcome = run(path, Limit::new(Duration::from_secs(5))).await;
        let clause = outcome.message.replace(path, "PATH");
        (outcome.status, clause)
    }

    fn unhealthy(clause: &str) -> (ProbeStatus, String) {
        let message = format!("connecting to PATH: {clause}");
        (ProbeStatus::Unhealthy, message)
    }

    #[tokio::test]
    async fn what_a_path_can_be() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("s");
        assert_eq!(probe(&path).await, unhealthy("there is no such socket"));

        std::fs::write(&path, "").expect("a file");
        assert_eq!(probe(&path).await, unhealthy("it is not a socket"));

        std::fs::remove_file(&path).expect("no file");
        let listener = UnixListener::bind(&path).expect("a socket");
        let (status, message) = probe(&path).await;
        assert_eq!(status, ProbeStatus::Healthy);
        assert!(message.starts_with("PATH accepted a connection in "), "{message}");

        drop(listener);
        let refused = unhealthy("connection refused, nothing listens on it");
        assert_eq!(probe(&path).await, refused);

        std::fs::remove_file(&path).expect("no socket");
        let _datagrams = UnixDatagram::bind(&path).expect("a socket");
        assert_eq!(probe(&path).await, unhealthy("it is not a stream socket"));

        let long = dir.path().join("x".repeat(200));
        assert_eq!(probe(&long).await.0, ProbeStatus::Unknown);
    }

    #[tokio::test]
    async fn a_full_backlog_is_told_at_once() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("s");
        let server =
            socket(AddressFamily::Unix, SockType::Stream, SockFlag::empty(), None).expect("a socket");
        let at = UnixAddr::new(&path).expect("an address");
        nix::sys::socket::bind(server.as_raw_fd(), &at).expect("a path");
        let none = nix::sys::socket::Backlog::new(0).expect("a backlog");
        nix::sys::socket::listen(&server, none).expect("a listener");
        let _fills_it = std::os::unix::net::UnixStream::connect(&path).expect("the only place");
        let full = unhealthy("its backlog is full, nothing accepts");
        assert_eq!(probe(&path).await, full);
    }
}
