//! What systemd is told of us: READY, STATUS, and a watchdog fed only by real progress of the loop.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;

use crate::model::snapshot::{Snapshot, UnitState};
use crate::runtime::HEARTBEAT;

/// `STATUS=` names this many units in trouble.
const NAMED: usize = 3;

/// How often the loop must turn: more often than usual where `WatchdogSec=` was set short.
pub fn heartbeat() -> Duration {
    // A third, so that one late turn is no hang.
    sd_notify::watchdog_enabled().map_or(HEARTBEAT, |limit| HEARTBEAT.min(limit / 3))
}

/// Tells systemd how we are with each published picture; the loop publishes at least every heartbeat.
pub async fn tell_systemd(mut snapshots: watch::Receiver<Snapshot>) {
    let mut ready = false;
    let mut told = String::new();
    let mut last_at = None;
    while snapshots.changed().await.is_ok() {
        let snapshot = snapshots.borrow_and_update().clone();
        let mut states = Vec::new();
        if snapshot.ready && !ready {
            ready = true;
            states.push(NotifyState::Ready);
        }
        // Where probes do not run any more a new start helps; where the bus is away or a disk is full it does not.
        if last_at != Some(snapshot.at) && !snapshot.silent {
            last_at = Some(snapshot.at);
            states.push(NotifyState::Watchdog);
        }
        let status = summary(&snapshot);
        if status != told {
            told.clone_from(&status);
            states.push(NotifyState::Status(&status));
        }
        if !states.is_empty() {
            notify(&states);
        }
    }
}

/// We are about to end.
pub fn stopping() {
    notify(&[NotifyState::Stopping]);
}

fn notify(states: &[NotifyState<'_>]) {
    // Without NOTIFY_SOCKET nobody listens, and that is fine.
    if let Err(why) = sd_notify::notify(states) {
        tracing::debug!("cannot notify systemd: {why}");
    }
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
