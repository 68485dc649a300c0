//! How the daemon comes to a process that asks: over the socket of steadfast-prober.service, or by a child of its own.

use std::io;
use std::io::{IsTerminal, stderr};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;

use tokio::net::UnixStream;
use tokio::process::{Child, Command};

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

/// The way to a process that asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// The unit that has this socket; a child where there is no such socket.
    Unit(PathBuf),
    Child,
}

/// Our end of the connection to a process that asks. A child ends with it.
#[derive(Debug)]
pub struct End {
    pub stream: UnixStream,
    child: Option<Child>,
}

impl Door {
    /// The daemon's. That of a user has no unit: it would have no more rights to give up.
    #[must_use]
    pub fn of_daemon(user: bool) -> Self {
        if user { Self::Child } else { Self::Unit(PathBuf::from(SOCKET)) }
    }

    /// Begins a process that asks.
    ///
    /// # Errors
    /// Why there is none, one clause.
    pub async fn open(&self) -> Result<End, String> {
        if let Self::Unit(path) = self {
            match UnixStream::connect(path).await {
                Ok(stream) => return Ok(End { stream, child: None }),
                Err(error) if absent(&error) => {}
                Err(error) => return Err(format!("{} cannot be reached ({error})", path.display())),
            }
        }
        child().map_err(|error| error.to_string())
    }
}

fn absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
}

fn child() -> io::Result<End> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let child = command(OwnedFd::from(theirs)).spawn()?;
    Ok(End { stream: UnixStream::from_std(ours)?, child: Some(child) })
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

impl Drop for End {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It has ended, or it hangs.
            drop(child.start_kill());
        }
    }
}
