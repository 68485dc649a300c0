//! What the prober may not open by itself is handed over with the question: a password, the certificates of a file of root's, a
//! connection to a socket. `handing` opens it in the daemon; here the prober finds it beside the question that it asks.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use super::failure::Failure;
use super::{Limit, relay, text, unix};

/// What is handed over with one question, besides the connections themselves.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handed {
    /// The password, or why it cannot be read.
    pub(super) password: Option<Result<String, String>>,
    /// Certificates (PEM), or why they cannot be read.
    pub(super) authorities: Option<Result<String, String>>,
    /// Why there is no connection.
    pub(super) refused: Option<Refused>,
    /// Connections that come with it.
    pub connections: usize,
}

/// Never with what is secret.
impl fmt::Debug for Handed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Handed").field("connections", &self.connections).finish_non_exhaustive()
    }
}

/// Why a socket was not connected to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused {
    /// For a reason on our own side.
    pub ours: bool,
    pub clause: String,
}

/// Beside a question that is asked in the prober.
struct Given {
    handed: Handed,
    connections: RefCell<VecDeque<OwnedFd>>,
}

tokio::task_local! {
    static GIVEN: Given;
}

/// Asks with what was handed over.
pub async fn with<F: Future>(handed: Handed, connections: Vec<OwnedFd>, question: F) -> F::Output {
    let given = Given { handed, connections: RefCell::new(connections.into()) };
    GIVEN.scope(given, question).await
}

/// The password that was handed over; `None`: nothing is handed over here, it is read.
pub fn password() -> Option<Result<String, Failure>> {
    GIVEN
        .try_with(|given| match &given.handed.password {
            Some(Ok(password)) => Ok(password.clone()),
            Some(Err(why)) => Err(Failure::unknown(text::sentence(why))),
            None => Err(Failure::unknown("its password was not handed over")),
        })
        .ok()
}

/// The certificates that were handed over; `None`: nothing is handed over here, they are read.
pub fn authorities() -> Option<Result<String, Failure>> {
    GIVEN
        .try_with(|given| match &given.handed.authorities {
            Some(Ok(pem)) => Ok(pem.clone()),
            Some(Err(why)) => Err(Failure::unknown(text::sentence(why))),
            None => Err(Failure::unknown("its ca_file was not handed over")),
        })
        .ok()
}

/// The next connection that was handed over; `None`: nothing is handed over here, the path is connected to.
fn connection() -> Option<Result<UnixStream, Failure>> {
    let taken = |given: &Given| -> Result<UnixStream, Failure> {
        if let Some(Refused { ours, clause }) = &given.handed.refused {
            let told = if *ours { Failure::unknown } else { Failure::unhealthy };
            return Err(told(text::sentence(clause)));
        }
        let next = given.connections.borrow_mut().pop_front();
        let next = next.ok_or_else(|| Failure::unknown("no connection was handed over"))?;
        let stream = std::os::unix::net::UnixStream::from(next);
        stream
            .set_nonblocking(true)
            .and_then(|()| UnixStream::from_std(stream))
            .map_err(|error| Failure::connection(&error))
    };
    GIVEN.try_with(taken).ok()
}

/// A stream to the socket at this path.
pub async fn stream(path: &Path, limit: Limit) -> Result<UnixStream, Failure> {
    if let Some(given) = connection() {
        return given;
    }
    limit
        .within(UnixStream::connect(path))
        .await
        .ok_or_else(|| Failure::late("no connection", limit))?
        .map_err(|error| match error.raw_os_error() {
            Some(errno) => unix::judge(&path.to_string_lossy(), Errno::from_raw(errno)),
            None => Failure::connection(&error),
        })
}

/// The path of a socket for a library that connects by itself: this one, or one that leads into what was handed over. As many
/// connections lead there as were handed over.
pub async fn path(path: &Path, limit: Limit) -> Result<PathBuf, Failure> {
    let mut streams = Vec::new();
    while let Some(given) = connection() {
        match given {
            Ok(stream) => streams.push(stream),
            Err(failure) if streams.is_empty() => return Err(failure),
            Err(_) => return relay::to(streams, limit),
        }
    }
    Ok(path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn outside_of_the_prober_nothing_is_handed_over() {
        let limit = || Limit::new(Duration::from_secs(10));
        assert!(password().is_none() && authorities().is_none());
        assert_eq!(path(Path::new("/run/x"), limit()).await, Ok(PathBuf::from("/run/x")));
    }
}
