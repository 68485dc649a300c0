//! A server behind a URL: who is asked, and the connection to it.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use percent_encoding::percent_decode_str;
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::keys::{self, Credential, FullPath, Wrong};
use crate::secret::Secret;

use super::failure::Failure;
use super::secured::Tls;
use super::{Limit, names, secret, text};

/// A server that may want a password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// With a user where one is needed, never with a password.
    pub url: String,
    pub secret: Option<Secret>,
    /// Whom to trust, where the connection is encrypted.
    pub tls: Tls,
}

/// The keys `credential` and `password_file`.
pub type Password<'a> = (&'a Option<Credential>, &'a Option<FullPath>);

impl Server {
    /// From keys that were checked.
    pub fn of(url: &str, (credential, file): Password<'_>) -> Self {
        let secret = keys::password(credential.as_ref(), file.as_ref()).unwrap_or_default();
        Self { url: url.to_owned(), secret, tls: Tls::default() }
    }
}

/// Whether the key has the URL of a server with one of these schemes, and its password stands in one place.
pub fn check(
    key: &'static str,
    url: &str,
    schemes: &[&str],
    (credential, file): Password<'_>,
) -> Result<(), Wrong> {
    keys::server_url(key, url, schemes)?;
    keys::password(credential.as_ref(), file.as_ref()).map(drop)
}

/// A server whose name is resolved and whose password is read.
#[derive(Debug)]
pub struct Known {
    pub url: Url,
    pub addresses: Vec<SocketAddr>,
    pub password: Option<String>,
}

/// The URL as it is shown: it has no password.
pub fn shown(server: &Server) -> String {
    text::name(&server.url)
}

/// Resolves the server's name and reads its password. `port`: where the URL names none.
pub async fn known(server: &Server, port: u16, limit: Limit) -> Result<Known, Failure> {
    let url = Url::parse(&server.url).map_err(|error| Failure::unknown(format!("it is no URL ({error})")))?;
    let host = url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost").to_owned();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let addresses = names::resolve(bare, url.port().unwrap_or(port), limit).await?;
    let password = secret::of(server, limit).await?;
    Ok(Known { url, addresses, password })
}

/// What one server may say to one probe.
const ANSWER: u64 = 1 << 20;

/// Bytes of an answer that are quoted where it is not what it should be.
const FIRST: usize = 64;

/// The first bytes that a server said.
pub type First = Arc<OnceLock<Vec<u8>>>;

/// A stream of which no more is read than a limit, since a server must not fill our memory, and whose first bytes are kept.
pub fn bounded<S>(stream: S) -> (impl AsyncRead + AsyncWrite + Unpin + Send + 'static, First)
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let first = First::default();
    let (reads, writes) = tokio::io::split(stream);
    let reads = Overheard { reads: reads.take(ANSWER), first: Arc::clone(&first) };
    (tokio::io::join(reads, writes), first)
}

/// Keeps the first bytes that are read.
struct Overheard<R> {
    reads: R,
    first: First,
}

impl<R: AsyncRead + Unpin> AsyncRead for Overheard<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.reads).poll_read(context, buffer);
        let read = buffer.filled().get(before..).unwrap_or_default();
        if !read.is_empty() {
            self.first.get_or_init(|| read.iter().copied().take(FIRST).collect());
        }
        polled
    }
}

/// Whether what listens there speaks this protocol, told by the first byte that it said, if it said any.
pub fn speaks(protocol: &str, first: &First, begins: impl FnOnce(u8) -> bool) -> Result<(), Failure> {
    let said = first.get().map(Vec::as_slice).unwrap_or_default();
    match said.first() {
        Some(byte) if !begins(*byte) => Err(stranger(protocol, said)),
        Some(_) | None => Ok(()),
    }
}

/// Something else listens there.
pub fn stranger(protocol: &str, said: &[u8]) -> Failure {
    let said = text::quoted(said);
    Failure::unhealthy(format!("what listens there does not speak {protocol}, it said {said}"))
}

/// Connects to the first address that accepts.
pub async fn connect(addresses: &[SocketAddr], limit: Limit) -> Result<TcpStream, Failure> {
    limit
        .within(TcpStream::connect(addresses))
        .await
        .ok_or_else(|| Failure::late("no connection", limit))?
        .map_err(|error| Failure::connection(&error))
}

impl Known {
    /// The name that its certificate must be for.
    pub fn host(&self) -> &str {
        self.url.host_str().filter(|host| !host.is_empty()).unwrap_or("localhost")
    }

    /// The user of the URL, without its escapes.
    pub fn user(&self) -> Option<String> {
        let user = self.url.username();
        (!user.is_empty()).then(|| percent(user))
    }

    /// The path of the URL without its first slash and its escapes.
    pub fn path(&self) -> String {
        percent(self.url.path().trim_start_matches('/'))
    }

    /// The path of the URL as a vhost of AMQP: what follows its first slash, and "/" where there is nothing.
    pub fn vhost(&self) -> String {
        let path = self.url.path();
        let vhost = percent(path.strip_prefix('/').unwrap_or(path));
        if vhost.is_empty() { "/".to_owned() } else { vhost }
    }
}

/// Without percent escapes.
fn percent(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
