//! What people hold, or have stopped on purpose, as the daemon knows it: `check` and `audit` look for themselves, and respect it.

use std::collections::BTreeMap;

use super::Options;
use crate::api::wire::{Hold, State, Status, Unit};

/// The holds by unit; none where no daemon can be asked.
pub async fn known(options: &Options) -> BTreeMap<String, Hold> {
    let Ok(client) = options.client() else {
        return BTreeMap::new();
    };
    let status = client.status().await;
    let units = status.map(|status| status.units).unwrap_or_default();
    units.into_iter().filter_map(|unit| Some((unit.unit, unit.hold?))).collect()
}

/// What is held is shown so, and is no trouble of the host.
pub fn respected(status: &mut Status, holds: &BTreeMap<String, Hold>) {
    for unit in &mut status.units {
        if let Some(hold) = holds.get(&unit.unit) {
            unit.hold = Some(hold.clone());
            unit.state = State::Held;
        }
    }
    for number in status.summary.values_mut() {
        *number = 0;
    }
    for unit in &status.units {
        *status.summary.entry(unit.state).or_default() += 1;
    }
    let shown = |unit: &&Unit| unit.state != State::Disabled;
    let units = status.units.iter().filter(shown).map(|unit| unit.state);
    let host = status.findings.first().map(|_| State::Degraded);
    let worst = units.chain(host).max_by_key(|state| state.rank()).unwrap_or(State::Ok);
    // A host that cannot be read stays unknown.
    if status.state != State::Unknown {
        status.state = worst;
    }
}
