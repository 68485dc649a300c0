//! A server behind a URL: who is asked, and the connection to it.

use std::net::SocketAddr;

use percent_encoding::percent_decode_str;
use reqwest::Url;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use crate::model::probe::Server;

use super::failure::Failure;
use super::{Limit, names, secret, words};

/// A server whose name is resolved and whose password is read.
#[derive(Debug)]
pub struct Known {
    pub url: Url,
    pub addresses: Vec<SocketAddr>,
    pub password: Option<String>,
}

/// The URL as it is shown: it has no password.
pub fn shown(server: &Server) -> String {
    words::name(&server.url)
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

/// A stream of which no more is read than that: a server must not fill our memory.
pub fn bounded<S>(stream: S) -> impl AsyncRead + AsyncWrite + Unpin + Send + 'static
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let (reads, writes) = tokio::io::split(stream);
    tokio::io::join(reads.take(ANSWER), writes)
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
    /// The address that accepts a connection, for clients that connect themselves.
    pub async fn accepting(&self, limit: Limit) -> Result<SocketAddr, Failure> {
        let stream = connect(&self.addresses, limit).await?;
        stream.peer_addr().map_err(|error| Failure::connection(&error))
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
}

/// Without percent escapes.
fn percent(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
