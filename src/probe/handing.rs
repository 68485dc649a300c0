//! Opens what the prober may not open by itself, to be handed over with the question.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use crate::keys::{self, FullPath};
use crate::model::probe::ProbeStatus;
use crate::secret::Secret;

use super::blocking::{self, Stuck};
use super::failure::Failure;
use super::handed::{Handed, Refused};
use super::server::Password;
use super::{Limit, secret, text, unix};

/// Longest file of certificates that is handed over, in bytes.
const AUTHORITIES: u64 = 512 * 1024;

/// What is to be handed over with a question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    pub(super) secret: Option<Secret>,
    pub(super) ca_file: Option<PathBuf>,
    /// A socket, and how often it is connected to.
    pub(super) socket: Option<(PathBuf, usize)>,
}

impl Wants {
    /// The password of a server.
    pub(super) fn password(password: Password<'_>) -> Self {
        let secret = keys::password(password.0.as_ref(), password.1.as_ref()).unwrap_or_default();
        Self { secret, ..Self::default() }
    }

    /// Besides, the authorities in this file.
    pub(super) fn and_authorities(self, ca_file: &Option<FullPath>) -> Self {
        Self { ca_file: ca_file.as_ref().map(|path| PathBuf::from(&**path)), ..self }
    }

    /// Besides, one connection to this socket.
    pub(super) fn and_socket(self, path: Option<PathBuf>) -> Self {
        Self { socket: path.map(|path| (path, 1)), ..self }
    }
}

/// Opens what is wanted, within the limit.
pub async fn open(wants: Wants, limit: Limit) -> (Handed, Vec<OwnedFd>) {
    let mut handed = Handed::default();
    if let Some(secret) = wants.secret {
        handed.password = Some(secret::fetch(secret, limit).await);
    }
    if let Some(path) = wants.ca_file {
        let shown = text::name(&path.to_string_lossy());
        let read = blocking::call(limit, move || certificates(&path)).await;
        let read = read.unwrap_or_else(|_: Stuck| Err("its file system hangs".to_owned()));
        handed.authorities = Some(read.map_err(|why| format!("cannot read {shown}: {why}")));
    }
    let mut connections = Vec::new();
    if let Some((path, count)) = wants.socket {
        for _ in 0..count {
            match connected(&path, limit).await {
                Ok(connection) => connections.push(connection),
                Err(failure) => {
                    let (status, clause) = failure.parts();
                    handed.refused = Some(Refused { ours: status == ProbeStatus::Unknown, clause });
                    break;
                }
            }
        }
    }
    handed.connections = connections.len();
    (handed, connections)
}

fn certificates(path: &Path) -> Result<String, String> {
    let told = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !told.is_file() || told.len() > AUTHORITIES {
        return Err(format!("it is no file of at most {AUTHORITIES} bytes"));
    }
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    // What is no text is no certificate; what stands around one may be in any encoding.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn connected(path: &Path, limit: Limit) -> Result<OwnedFd, Failure> {
    let target = path.to_string_lossy().into_owned();
    // Looking up the path can hang where its file system does.
    let tried = blocking::call(limit, move || unix::to_socket(&target)).await;
    tried.map_err(|stuck| match stuck {
        Stuck::Late => Failure::unknown("the path was not looked up in time, its file system hangs"),
        Stuck::NoSlot => Failure::unknown("earlier probes still hang on their paths"),
    })?
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixStream;

    use super::*;
    use crate::probe::handed::{authorities, password, path, with};

    fn limit() -> Limit {
        Limit::new(Duration::from_secs(10))
    }

    #[tokio::test]
    async fn a_socket_is_reached_by_what_was_handed_over() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = folder.path().join("s");
        let listener = tokio::net::UnixListener::bind(&at).expect("a socket");
        let echo = tokio::spawn(async move {
            for _ in 0..2 {
                let (mut peer, _) = listener.accept().await.expect("a caller");
                let mut said = [0; 4];
                peer.read_exact(&mut said).await.expect("four bytes");
                peer.write_all(&said).await.expect("a caller that listens");
            }
        });
        let wants = Wants { socket: Some((at.clone(), 2)), ..Wants::default() };
        let (handed, connections) = open(wants, limit()).await;
        assert_eq!((handed.connections, connections.len()), (2, 2));
        let talk = async {
            // Nobody else comes to the socket that leads there.
            let leads = path(Path::new("/nowhere"), limit()).await.unwrap_or_default();
            for said in [b"ping", b"pong"] {
                let mut stream = UnixStream::connect(&leads).await.expect("a way");
                let mut heard = [0; 4];
                stream.write_all(said).await.expect("written");
                stream.read_exact(&mut heard).await.expect("read");
                assert_eq!(&heard, said);
            }
        };
        with(handed, connections, talk).await;
        echo.await.expect("an end");
    }

    #[tokio::test]
    async fn what_cannot_be_opened_is_told_where_it_is_needed() {
        let wants = Wants {
            secret: Some(Secret::File("/nowhere/password".to_owned())),
            ca_file: Some(PathBuf::from("/nowhere/ca.pem")),
            socket: Some((PathBuf::from("/nowhere/socket"), 1)),
        };
        let (handed, connections) = open(wants, limit()).await;
        assert!(!format!("{handed:?}").contains("nowhere"));
        let told = with(handed, connections, async {
            let path = path(Path::new("/nowhere/socket"), limit()).await.err();
            [password().and_then(Result::err), authorities().and_then(Result::err), path]
                .map(|failure| failure.map(|failure| failure.of("x")).expect("a failure"))
        });
        let [password, authorities, socket] = told.await;
        assert!(password.message.contains("cannot be read from /nowhere/password"), "{}", password.message);
        assert!(authorities.message.contains("cannot read /nowhere/ca.pem"), "{}", authorities.message);
        assert_eq!(
            (socket.status, socket.message.as_str()),
            (ProbeStatus::Unhealthy, "x: there is no such socket")
        );
        assert_eq!(password.status, ProbeStatus::Unknown);
    }
}
