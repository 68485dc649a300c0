//! What systemd is told of us: READY, STATUS, and a watchdog fed only by real progress of the loop.

use std::fmt::Write as _;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;

use crate::model::moment::Moment;
use crate::model::snapshot::{Snapshot, UnitState};
use crate::runtime::HEARTBEAT;

/// `STATUS=` names this many units in trouble.
const NAMED: usize = 3;

/// How often the loop must turn: more often than usual where `WatchdogSec=` was set short.
pub fn heartbeat() -> Duration {
    // A third, so that one late turn is no hang.
    sd_notify::watchdog_enabled().map_or(HEARTBEAT, |limit| HEARTBEAT.min(limit / 3))
}

/// What of a published picture is told to systemd.
#[derive(Debug)]
struct Picture {
    ready: bool,
    silent: bool,
    at: Moment,
    status: String,
}

impl Picture {
    fn of(snapshot: &Snapshot) -> Self {
        let Snapshot { ready, silent, at, .. } = *snapshot;
        Self { ready, silent, at, status: summary(snapshot) }
    }
}

/// Tells systemd how we are with each published picture; the loop publishes at least every heartbeat.
pub async fn tell_systemd(mut snapshots: watch::Receiver<Snapshot>) {
    let mut ready = false;
    let mut told = String::new();
    let mut last_at = None;
    while snapshots.changed().await.is_ok() {
        let picture = Picture::of(&snapshots.borrow_and_update());
        let mut states = Vec::new();
        let becomes_ready = picture.ready && !ready;
        if becomes_ready {
            states.push(NotifyState::Ready);
        }
        // Where probes do not run any more a new start helps; where the bus is away or a disk is full it does not.
        let turned = last_at != Some(picture.at) && !picture.silent;
        if turned {
            states.push(NotifyState::Watchdog);
        }
        let status = picture.status;
        if status != told {
            states.push(NotifyState::Status(&status));
        }
        // What a busy manager does not take just now is told with the next picture.
        if !states.is_empty() && notify(&states) {
            ready |= becomes_ready;
            last_at = Some(picture.at).filter(|_| turned).or(last_at);
            told.clone_from(&status);
        }
    }
}

/// We are about to end.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

/// Whether it is told. Never waits: a manager that hangs must not hold up the loop, which has to go on by itself.
fn notify(states: &[NotifyState<'_>]) -> bool {
    match tell(states) {
        Ok(()) => true,
        Err(why) => {
            tracing::debug!("cannot notify systemd: {why}");
            // Where it is not a matter of waiting, it will not be told with the next picture either.
            why.kind() != io::ErrorKind::WouldBlock
        }
    }
}

fn tell(states: &[NotifyState<'_>]) -> io::Result<()> {
    // Without it nobody listens, and that is fine.
    let Some(path) = std::env::var_os("NOTIFY_SOCKET") else {
        return Ok(());
    };
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    send(&socket, &address, states)
}

fn send(socket: &UnixDatagram, address: &SocketAddr, states: &[NotifyState<'_>]) -> io::Result<()> {
    let mut text = String::new();
    for state in states {
        let _infallible = writeln!(text, "{state}");
    }
    socket.send_to_addr(text.as_bytes(), address).map(drop)
}

/// `12 units: 11 ok, 1 degraded (horizon.service)`.
fn summary(snapshot: &Snapshot) -> String {
    let count = |state: UnitState| snapshot.units.values().filter(|unit| unit.state == state).count();
    let counts: Vec<String> = UnitState::ALL
        .iter()
        .map(|state| (count(*state), state.as_str()))
        .filter(|(count, _)| *count > 0)
        .map(|(count, state)| format!("{count} {state}"))
        .collect();
    let trouble: Vec<&str> = snapshot
        .units
        .values()
        .filter(|unit| !matches!(unit.state, UnitState::Ok | UnitState::Disabled))
        .map(|unit| unit.unit.as_str())
        .take(NAMED)
        .collect();
    let named = if trouble.is_empty() { String::new() } else { format!(" ({})", trouble.join(", ")) };
    let broken = match snapshot.problems.len() {
        0 => String::new(),
        1 => "; 1 file is broken".to_owned(),
        more => format!("; {more} mistakes in files"),
    };
    if counts.is_empty() {
        return format!("no unit is managed{broken}");
    }
    format!("{} units: {}{named}{broken}", snapshot.units.len(), counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_9_a_manager_that_takes_no_word_holds_nobody_up() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).expect("a socket");
        let address = SocketAddr::from_pathname(&path).expect("an address");
        let socket = UnixDatagram::unbound().expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
        let refused = loop {
            if let Err(why) = send(&socket, &address, &[NotifyState::Watchdog]) {
                break why;
            }
        };
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        let mut buffer = [0; 64];
        let length = manager.recv(&mut buffer).expect("a word");
        assert_eq!(&buffer[..length], b"WATCHDOG=1\n");
    }
}
