//! A library that connects to a socket by its path is led into connections that are there already: over an abstract socket that
//! lets in this process alone.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::net::{SocketAddr, UnixListener as Listener};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{UnixListener, UnixStream};

use super::Limit;
use super::failure::Failure;

/// Numbers the sockets.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A path that leads into these streams, one after the other, until the limit.
pub fn to(mut streams: Vec<UnixStream>, limit: Limit) -> Result<PathBuf, Failure> {
    let ours = std::process::id();
    let name = format!("steadfast-prober/{ours}/{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let listener = SocketAddr::from_abstract_name(&name)
        .and_then(|address| Listener::bind_addr(&address))
        .and_then(|listener| {
            listener.set_nonblocking(true)?;
            UnixListener::from_std(listener)
        })
        .map_err(|error| Failure::unknown(format!("cannot pass its socket on ({error})")))?;
    streams.reverse();
    tokio::spawn(async move {
        while let Some(mut stream) = streams.pop() {
            let Some(Ok((mut caller, _))) = limit.within(listener.accept()).await else {
                return;
            };
            let pid = caller.peer_cred().ok().and_then(|known| known.pid());
            if pid.and_then(|pid| u32::try_from(pid).ok()) == Some(ours) {
                // Whoever asks ends it, and so does the limit.
                tokio::spawn(async move { limit.within(copy_bidirectional(&mut caller, &mut stream)).await });
            } else {
                streams.push(stream);
            }
        }
    });
    let path = [b"\0", name.as_bytes()].concat();
    Ok(PathBuf::from(std::ffi::OsString::from_vec(path)))
}
