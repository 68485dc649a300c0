//! One run of systemd-nspawn: from power on to power off, or to the reboot that ends it.

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use super::scratch::Scratch;
use super::wait::poll;

/// How systemd-nspawn says that the machine asked for a reboot.
const REBOOT_STATUS: i32 = 133;
/// Longest time that the machine may take to stop: systemd's own limit for a service that ignores SIGTERM, and some.
const STOP_LIMIT: Duration = Duration::from_secs(120);
/// How long one look at the notification socket lasts.
const NOTIFY_STEP: Duration = Duration::from_millis(50);
/// Bytes of the console that a failure quotes.
const CONSOLE_TAIL: i64 = 4_000;

/// Enters the control groups named before `--`, then becomes the command after it.
pub(super) const ENTER_CGROUPS: &str = r#"
while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs" || exit 125; shift; done
shift
exec "$@"
"#;

/// A machine that is switched on.
#[derive(Debug)]
pub(super) struct Run {
    nspawn: Child,
    leader: u32,
}

impl Run {
    /// Boots the machine, and returns when its PID 1 says that all jobs of the boot are done; or, unless `finished` is asked
    /// for, as soon as there is a PID 1.
    pub fn start(scratch: &Scratch, hostname: &str, limit: Duration, finished: bool) -> Self {
        scratch.renew_cgroups();
        let notify = notify_socket(&scratch.id);
        let console = scratch.folder.join("console.log");
        let log = File::create(&console)
            .unwrap_or_else(|error| panic!("cannot make {}: {error}", console.display()));
        let mut run = Self { nspawn: nspawn(scratch, hostname, log), leader: 0 };
        let deadline = Instant::now() + limit;
        let mut ready = !finished;
        while !(ready && run.leader != 0) {
            for line in next_message(&notify).lines() {
                if let Some(pid) = line.strip_prefix("X_NSPAWN_LEADER_PID=") {
                    run.leader = pid.parse().unwrap_or_default();
                }
                ready |= line == "READY=1";
            }
            if let Ok(Some(status)) = run.nspawn.try_wait() {
                let tail = tail(&console);
                panic!("cannot boot {hostname}: systemd-nspawn ended with {status}:\n{tail}");
            }
            if Instant::now() > deadline {
                let tail = tail(&console);
                panic!("cannot boot {hostname}: not ready after {limit:?}; its console:\n{tail}");
            }
        }
        run
    }

    /// Process id, on the host, of the machine's PID 1.
    pub fn leader(&self) -> u32 {
        self.leader
    }

    /// Waits until the machine has gone down by itself, and fails unless it went the way that `reboot` says.
    pub fn wait_stopped(mut self, scratch: &Scratch, reboot: bool) {
        let Some(status) = self.wait(STOP_LIMIT) else {
            let tail = tail(&scratch.folder.join("console.log"));
            panic!("machine still up {STOP_LIMIT:?} after it was told to stop; its console:\n{tail}");
        };
        let wanted = if reboot { REBOOT_STATUS } else { 0 };
        assert_eq!(
            status.code(),
            Some(wanted),
            "the machine was to go down with status {wanted} ({REBOOT_STATUS} is a reboot)"
        );
        wait_empty(scratch);
    }

    /// Kills all its processes at once.
    pub fn cut(mut self, scratch: &Scratch) {
        let kill = scratch.payload().join("cgroup.kill");
        fs::write(&kill, "1").unwrap_or_else(|error| panic!("cannot write {}: {error}", kill.display()));
        if self.wait(STOP_LIMIT).is_none() {
            panic!("systemd-nspawn did not end when its machine was killed");
        }
        wait_empty(scratch);
    }

    /// Collects the exit status of systemd-nspawn, within the limit.
    pub fn wait(&mut self, limit: Duration) -> Option<ExitStatus> {
        poll(limit, || self.nspawn.try_wait().ok().flatten())
    }
}

fn wait_empty(scratch: &Scratch) {
    let empty = poll(STOP_LIMIT, || (!scratch.is_populated()).then_some(()));
    assert!(empty.is_some(), "processes of the machine outlived it");
}

fn nspawn(scratch: &Scratch, hostname: &str, console: File) -> Child {
    let errors = console.try_clone().unwrap_or_else(|error| panic!("cannot share the console: {error}"));
    let mut command = Command::new("sh");
    command.args(["-c", ENTER_CGROUPS, "enter"]);
    command.args(&scratch.cgroups).args(["--", "systemd-nspawn"]);
    command.args([
        "--quiet",
        "--boot",
        // the host may run no systemd-machined, and need not know of us
        "--register=no",
        "--keep-unit",
        "--settings=no",
        // nothing of the host's leaks in
        "--private-network",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--notify-ready=yes",
        // what a real host has; the caller's own limit may be far lower
        "--rlimit=NOFILE=1024:524288",
    ]);
    if Path::new("/dev/fuse").exists() {
        command.arg("--bind=/dev/fuse");
    }
    command
        .arg(format!("--directory={}", scratch.merged().display()))
        .arg(format!("--machine={}", scratch.id))
        .arg(format!("--hostname={hostname}"))
        .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "1")
        .env("NOTIFY_SOCKET", format!("@{}", scratch.id))
        .stdin(Stdio::null())
        .stdout(console)
        .stderr(errors)
        .spawn()
        .unwrap_or_else(|error| panic!("cannot run systemd-nspawn: {error}"))
}

/// An abstract socket, since the path of a scratch folder may be longer than a socket's address.
fn notify_socket(id: &str) -> UnixDatagram {
    let socket = SocketAddr::from_abstract_name(id)
        .and_then(|address| UnixDatagram::bind_addr(&address))
        .and_then(|socket| socket.set_read_timeout(Some(NOTIFY_STEP)).map(|()| socket));
    socket.unwrap_or_else(|error| panic!("cannot listen for the machine's readiness: {error}"))
}

fn next_message(socket: &UnixDatagram) -> String {
    let mut buffer = [0; 4096];
    match socket.recv(&mut buffer) {
        Ok(length) => String::from_utf8_lossy(buffer.get(..length).unwrap_or_default()).into_owned(),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => String::new(),
        Err(error) => panic!("cannot hear of the machine's readiness: {error}"),
    }
}

/// The end of a log.
pub(super) fn tail(path: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = i64::try_from(file.metadata()?.len()).unwrap_or(i64::MAX);
        file.seek(SeekFrom::End(-length.min(CONSOLE_TAIL)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| format!("(cannot read {}: {error})", path.display()))
}
