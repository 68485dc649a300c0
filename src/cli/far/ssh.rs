//! One run of the user's own ssh: limited in time and bytes.

use std::cell::Cell;
use std::io::ErrorKind;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Bytes of one host's answer that are kept.
const OUTPUT_MAX: usize = 16 * 1024 * 1024;
/// Bytes of what it says besides.
const REMARKS_MAX: usize = 64 * 1024;
/// Connecting takes no longer.
const CONNECT_SECONDS: u64 = 10;
/// A master connection that ssh leaves behind keeps its standard error open: what it is to say was said by then.
const DRAIN: Duration = Duration::from_millis(300);
/// After it was told to end, ssh has so long.
const END: Duration = Duration::from_secs(1);

/// How hosts are asked.
#[derive(Debug)]
pub struct Ssh {
    /// Somebody can be asked for a password, or whether a host's key is right.
    pub attended: bool,
    /// The whole conversation with one host.
    pub limit: Duration,
    /// Bytes that may still be kept, of all hosts.
    pub room: Cell<usize>,
}

/// What came back.
#[derive(Debug, Default)]
pub struct Heard {
    /// As ssh ended; `None`: by a signal, or it was ended because it was late.
    pub code: Option<i32>,
    pub output: Vec<u8>,
    pub remarks: Vec<u8>,
    /// More was said than is kept.
    pub cut: bool,
    pub late: bool,
}

impl Ssh {
    /// Runs a line of a shell on a host.
    ///
    /// # Errors
    /// There is no ssh here.
    pub async fn run(&self, host: &str, line: &str) -> anyhow::Result<Heard> {
        let mut child = self.spawn(host, line)?;
        let (output, remarks) = (child.stdout.take(), child.stderr.take());
        let mut heard = Heard::default();
        let most = OUTPUT_MAX.min(self.room.get());
        let (cut, ended) = {
            let reading = async {
                let (cut, _) = tokio::join!(
                    pull(output, &mut heard.output, most),
                    pull(remarks, &mut heard.remarks, REMARKS_MAX)
                );
                cut
            };
            let mut reading = pin!(reading);
            let talk = async {
                tokio::select! {
                    status = child.wait() => {
                        let cut = timeout(DRAIN, &mut reading).await.unwrap_or(false);
                        (cut, status)
                    }
                    cut = &mut reading => (cut, child.wait().await),
                }
            };
            match timeout(self.limit, talk).await {
                Ok((cut, status)) => (cut, Some(status.context("cannot wait for ssh")?)),
                Err(_) => (false, None),
            }
        };
        heard.cut = cut;
        match ended {
            Some(status) => heard.code = status.code(),
            None => {
                heard.late = true;
                end(&mut child).await;
            }
        }
        self.room.set(self.room.get().saturating_sub(heard.output.len()));
        Ok(heard)
    }

    fn spawn(&self, host: &str, line: &str) -> anyhow::Result<Child> {
        let connect = self.limit.as_secs().clamp(1, CONNECT_SECONDS);
        let mut ssh = Command::new("ssh");
        if !self.attended {
            ssh.args(["-o", "BatchMode=yes"]);
        }
        // No terminal, no agent, no screen, no ports for the other side, whatever the user's configuration says.
        ssh.args(["-T", "-a", "-x", "-o", "ClearAllForwardings=yes", "-o", "RemoteCommand=none"]);
        ssh.args(["-o", "LogLevel=ERROR", "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"]);
        ssh.arg("-o").arg(format!("ConnectTimeout={connect}"));
        ssh.args(["--", host, line]);
        ssh.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        ssh.spawn().map_err(|error| match error.kind() {
            ErrorKind::NotFound => {
                anyhow::anyhow!("cannot run ssh: it is not installed (package openssh-client)")
            }
            _ => anyhow::anyhow!("cannot run ssh: {error}"),
        })
    }
}

/// Reads to the end, and keeps the beginning; whether there was more. What is kept stays so when nobody waits any longer.
async fn pull(from: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>, most: usize) -> bool {
    let Some(mut from) = from else {
        return false;
    };
    let mut cut = false;
    let mut piece = vec![0; 16 * 1024];
    loop {
        match from.read(&mut piece).await {
            Ok(0) | Err(_) => return cut,
            Ok(read) => {
                let fits = read.min(most.saturating_sub(kept.len()));
                kept.extend(piece.iter().take(fits));
                cut |= fits < read;
            }
        }
    }
}

/// Ends ssh, so that it ends what it started, too.
async fn end(child: &mut Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended just now.
        let _ended = kill(Pid::from_raw(pid), Signal::SIGTERM);
        if timeout(END, child.wait()).await.is_err() {
            let _killed = child.kill().await;
        }
    }
}
