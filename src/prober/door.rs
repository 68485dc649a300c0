//! How the daemon comes to a process that asks: over the socket of steadfast-prober.service, where that is not there by a unit of
//! the moment, or by a child of its own.

use std::fmt;
use std::io::{self, IsTerminal, stderr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::fate::{How, Losses};

/// Where systemd listens for the daemon.
const SOCKET: &str = "/run/steadfast/prober.sock";
/// This program, even where an upgrade replaced its file.
const PROGRAM: &str = "/proc/self/exe";
/// What it is called among the processes.
const NAME: &str = "steadfast";
/// The command of it.
const COMMAND: &str = "prober";
/// What a process that asks may know of our environment: whom it trusts, and how names are resolved.
const KEPT: [&str; 3] = ["SSL_CERT_FILE", "RES_OPTIONS", "LOCALDOMAIN"];

/// A child that closed its socket has ended so soon.
const ENDS: Duration = Duration::from_secs(1);

/// The way to a process that asks.
#[derive(Clone, Debug)]
pub enum Door {
    /// The unit that has this socket; what stands in for it where there is no such socket.
    Unit(PathBuf, StandIn),
    StandIn(StandIn),
    Child,
}

/// Has a process that asks begun at the other end of this socket, outside of our own confines.
#[derive(Clone)]
pub struct StandIn(Arc<Begin>);

type Begin = dyn Fn(OwnedFd) -> BoxFuture<'static, Result<(), String>> + Send + Sync;

impl StandIn {
    /// By this.
    pub fn new<F>(begin: impl Fn(OwnedFd) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        Self(Arc::new(move |socket| Box::pin(begin(socket))))
    }

    async fn open(&self) -> Result<End, String> {
        let (ours, theirs) = UnixStream::pair().map_err(|error| error.to_string())?;
        let theirs = theirs.into_std().and_then(|theirs| theirs.set_nonblocking(false).map(|()| theirs));
        let theirs = theirs.map_err(|error| error.to_string())?;
        let begun = (self.0)(OwnedFd::from(theirs)).await;
        begun.map_err(|why| {
            format!("steadfast-prober.socket is not there, and no other unit begins ({why})")
        })?;
        Ok(End { stream: ours, stands_in: true, child: None })
    }
}

impl fmt::Debug for StandIn {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StandIn")
    }
}

/// Our end of the connection to a process that asks. A child ends with it.
#[derive(Debug)]
pub struct End {
    pub stream: UnixStream,
    /// It is a unit of the moment, as there is no other.
    pub stands_in: bool,
    child: Option<(Child, Losses)>,
}

impl Door {
    /// The system daemon's. That of a user has no unit: it would have no more rights to give up.
    #[must_use]
    pub fn of_daemon(stand_in: StandIn) -> Self {
        Self::Unit(PathBuf::from(SOCKET), stand_in)
    }

    /// The same where the unit itself may be what is broken.
    #[must_use]
    pub fn last_resort(&self) -> Self {
        match self {
            Self::Unit(_, stand_in) | Self::StandIn(stand_in) => Self::StandIn(stand_in.clone()),
            Self::Child => Self::Child,
        }
    }

    /// Begins a process that asks.
    ///
    /// # Errors
    /// Why there is none, one clause.
    pub async fn open(&self) -> Result<End, String> {
        match self {
            Self::Unit(path, stand_in) => match UnixStream::connect(path).await {
                Ok(stream) => Ok(End { stream, stands_in: false, child: None }),
                Err(error) if absent(&error) => stand_in.open().await,
                Err(error) => Err(format!("{} cannot be reached ({error})", path.display())),
            },
            Self::StandIn(stand_in) => stand_in.open().await,
            Self::Child => child().map_err(|error| error.to_string()),
        }
    }
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn child() -> io::Result<End> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let losses = Losses::begin();
    let child = command(OwnedFd::from(theirs)).spawn()?;
    Ok(End { stream: UnixStream::from_std(ours)?, stands_in: false, child: Some((child, losses)) })
}

/// A process that asks, at the other end of this socket.
pub fn command(socket: OwnedFd) -> Command {
    let mut command = Command::new(PROGRAM);
    let environment = KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    // Its last words are for the journal, and not for a person who sees what became of the question.
    let last_words = if stderr().is_terminal() { Stdio::null() } else { Stdio::inherit() };
    command
        .arg0(NAME)
        .arg(COMMAND)
        .env_clear()
        .envs(environment)
        .current_dir("/")
        .stdin(socket)
        .stdout(Stdio::null())
        .stderr(last_words)
        .kill_on_drop(true);
    command
}

impl End {
    /// How a child of ours ended, where it did; who else began it says so itself.
    pub async fn how(&mut self) -> Option<How> {
        let (child, losses) = self.child.as_mut()?;
        let ended = timeout(ENDS, child.wait()).await;
        ended.ok()?.ok().map(|status| losses.how(status))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        if let Some((child, _)) = &mut self.child {
            // It has ended, or it hangs.
            drop(child.start_kill());
        }
    }
}
