//! Wiring: builds the shells, runs the loop, tells systemd how we are.

use anyhow::bail;

use crate::model::snapshot::Snapshot;

/// Runs the supervisor until it is told to stop.
///
/// # Errors
/// It cannot start.
pub async fn run(_user: bool) -> anyhow::Result<()> {
    bail!("cannot start: not wired")
}

/// One round of readings of the managed units (all, where none is named), acting on nothing.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn check(_user: bool, _units: &[String]) -> anyhow::Result<Snapshot> {
    bail!("cannot check: not wired")
}

/// One look over the whole host.
///
/// # Errors
/// The service manager cannot be reached.
pub async fn audit(_user: bool) -> anyhow::Result<Snapshot> {
    bail!("cannot audit: not wired")
}
