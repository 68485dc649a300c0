//! A listener and those who come in there: each is let in, limited in time and size, or turned away in words.

use std::io;
use std::time::Duration;

use axum::{Extension, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::time::{sleep, timeout};

use super::guests::{Full, Guests, Origin};
use super::patience::{Patient, STANDSTILL};
use super::peer::Peer;
use super::{CONNECTION_TIME, CONNECTIONS_MAX, CONNECTIONS_RESERVED, HEAD_MAX, HEAD_TIME};

/// Where we may have few descriptors, connections take this part of them at most: the bus and probes need theirs.
const DESCRIPTORS_SHARE: u64 = 4;
/// After a failed `accept` (no descriptors left), so that it does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// A connection, whatever socket it came through.
pub trait Caller: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Reads what is there, without waiting.
    fn take(&self, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes what fits, without waiting.
    fn put(&self, bytes: &[u8]) -> io::Result<usize>;
}

impl Caller for UnixStream {
    fn take(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.try_read(buffer)
    }

    fn put(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(bytes)
    }
}

impl Caller for TcpStream {
    fn take(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.try_read(buffer)
    }

    fn put(&self, bytes: &[u8]) -> io::Result<usize> {
        self.try_write(bytes)
    }
}

/// A listener.
pub trait Door: Sync {
    type Stream: Caller;
    /// For the journal.
    const NAME: &'static str;

    /// The next who knocks.
    fn next(&self) -> impl Future<Output = io::Result<Self::Stream>> + Send;

    /// What this caller meets, where there are so many places.
    ///
    /// # Errors
    /// Who it is cannot be told.
    fn welcome(&self, stream: &Self::Stream, router: &Router, most: usize) -> io::Result<Welcome>;
}

/// What a caller meets.
#[derive(Debug)]
pub struct Welcome {
    router: Router,
    /// So many connections must not be there yet.
    limit: usize,
    /// From where the caller comes; `None`: they own the daemon.
    origin: Option<Origin>,
}

impl Door for UnixListener {
    type Stream = UnixStream;
    const NAME: &'static str = "the status socket";

    async fn next(&self) -> io::Result<UnixStream> {
        self.accept().await.map(|(stream, _)| stream)
    }

    fn welcome(&self, stream: &UnixStream, router: &Router, most: usize) -> io::Result<Welcome> {
        let peer = Peer::of(stream)?;
        let router = router.clone().layer(Extension(peer));
        Ok(if peer.owns_daemon() {
            Welcome { router, limit: most, origin: None }
        } else {
            Welcome { router, limit: most - reserved(most), origin: Some(peer.origin()) }
        })
    }
}

impl Door for TcpListener {
    type Stream = TcpStream;
    const NAME: &'static str = "the address of `listen`";

    async fn next(&self) -> io::Result<TcpStream> {
        self.accept().await.map(|(stream, _)| stream)
    }

    fn welcome(&self, stream: &TcpStream, router: &Router, most: usize) -> io::Result<Welcome> {
        // Whoever comes here is a stranger.
        let origin = Some(Origin::of(stream.peer_addr()?.ip()));
        Ok(Welcome { router: router.clone(), limit: most - reserved(most), origin })
    }
}

/// Serves all who come in until it is dropped, and with it every connection.
pub async fn serve<D: Door>(door: D, router: Router) {
    let mut guests = Guests::default();
    let most = connections_most(rustix::process::getrlimit(rustix::process::Resource::Nofile).current);
    let mut failing = false;
    loop {
        tokio::select! {
            came = door.next() => match came {
                Ok(stream) => {
                    failing = false;
                    admit(&door, stream, &router, &mut guests, most);
                }
                Err(error) => {
                    // Once, until it works again: it would fill the journal.
                    if !failing {
                        tracing::warn!(%error, "cannot accept a connection on {}", D::NAME);
                    }
                    failing = true;
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(()) = guests.gone() => {}
        }
    }
}

/// Connections at one time, where so many descriptors may be open.
fn connections_most(descriptors: Option<u64>) -> usize {
    let share = descriptors.map_or(u64::MAX, |all| all / DESCRIPTORS_SHARE);
    usize::try_from(share).unwrap_or(CONNECTIONS_MAX).min(CONNECTIONS_MAX)
}

fn reserved(most: usize) -> usize {
    most * CONNECTIONS_RESERVED / CONNECTIONS_MAX
}

/// Starts serving a caller, unless there are too many.
fn admit<D: Door>(door: &D, stream: D::Stream, router: &Router, guests: &mut Guests, most: usize) {
    let Welcome { router, limit, origin } = match door.welcome(&stream, router, most) {
        Ok(welcome) => welcome,
        Err(error) => {
            // One that went away meanwhile is no trouble.
            if error.kind() != io::ErrorKind::NotConnected {
                tracing::warn!(%error, "cannot identify the client of {}", D::NAME);
            }
            return;
        }
    };
    if let Err(full) = guests.place(origin, limit) {
        turn_away(&stream, full);
        return;
    }
    guests.serve(origin, async move {
        // A caller that went away or talks nonsense is its own trouble, not ours.
        let _ended = timeout(CONNECTION_TIME, converse(stream, router)).await;
    });
}

async fn converse(stream: impl Caller, router: Router) -> hyper::Result<()> {
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(Patient::new(stream, STANDSTILL)), TowerToHyperService::new(router))
        .await
}

/// One attempt to say why, without waiting for anything.
fn turn_away(stream: &impl Caller, full: Full) {
    let from = if full == Full::Origin { " from your address" } else { "" };
    let body = format!(r#"{{"error":"cannot serve the request: too many connections{from}"}}"#);
    let answer = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
    // To close a socket with something unread would take back what is written to it.
    let unread: io::Result<usize> = stream.take(&mut [0; 4096]);
    if let Err(error) = unread.and_then(|_| stream.put(answer.as_bytes())) {
        tracing::debug!(%error, "cannot turn a caller away in words");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_to_the_rest_of_us() {
        assert_eq!(connections_most(None), CONNECTIONS_MAX);
        assert_eq!(connections_most(Some(65_536)), CONNECTIONS_MAX);
        assert_eq!(connections_most(Some(48)), 12);
    }
}
