//! What `KillMode=` left of an earlier run is ended, where the unit file says so: no restart would end it.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::model::action::Action;
use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::release::{Ending, ProcessReading};
use crate::model::state::{State, UnitSeen};
use crate::model::unit::UnitName;
use crate::policy::turn::{Turn, sooner};
use crate::policy::{limits, releases};

use super::{gates, in_flight};

/// Asks survivors to end; kills those that stay beyond the unit's own stop timeout, and then lets them be.
pub fn end(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let now = turn.now;
    let Some(seen) = state.seen.units.get(unit).filter(|seen| seen.spec.recovery.end_survivors) else {
        return;
    };
    let named = survivors(seen);
    let left: BTreeSet<(u32, i64)> = named.iter().map(|known| (known.pid, known.started_ms)).collect();
    let names: Vec<String> = named.iter().map(|known| format!("{} ({})", known.pid, known.name)).collect();
    let Some(settings) = seen.settings.as_ref().filter(|_| !left.is_empty()) else {
        forget(state, unit);
        return;
    };
    let group = settings.control_group.clone();
    let patience = settings.timeout_stop_ms.map_or(limits::SURVIVORS_END, Duration::from_millis);
    let ending = seen.ending.clone().filter(|known| left.is_subset(&known.asked));
    if ending.as_ref().is_some_and(|known| known.killed) {
        return;
    }
    let kill_at = ending.as_ref().map(|known| known.began_at.plus(patience));
    if let Some(due) = kill_at.filter(|due| *due > now) {
        sooner(wake, due);
        return;
    }
    let quiet = gates::host(state, now, wake).or_else(|| gates::package_work(state, now, wake));
    if in_flight(state, unit).is_some() || quiet.is_some() || gates::unwanted(state, unit, now).is_some() {
        return;
    }
    let kill = ending.is_some();
    let signal = if kill { "SIGKILL" } else { "SIGTERM" };
    let message = format!("end what an earlier run of {unit} left, with {signal}: {}", names.join(", "));
    turn.record(state, Some(unit), EventKind::Acted, Some(Code::Survivors), message);
    let processes = left.iter().copied().collect();
    turn.act(Action::EndProcesses { unit: unit.clone(), control_group: group, processes, kill });
    if let Some(seen) = state.seen.units.get_mut(unit) {
        let began_at = ending.map_or(now, |known| known.began_at);
        seen.ending = Some(Ending { began_at, asked: left, killed: kill });
        sooner(&mut seen.inspect_due, now.plus(limits::SECOND_LOOK));
    }
}

/// Those that `survivors` tells of, as they were seen last.
fn survivors(seen: &UnitSeen) -> Vec<&ProcessReading> {
    let told = seen.findings.iter().any(|finding| finding.code == Code::Survivors);
    let (true, Some(reading), Some(settings)) = (told, &seen.processes, &seen.settings) else {
        return Vec::new();
    };
    let main_pid = seen.reading.as_ref().and_then(|reading| reading.main_pid);
    releases::left_over(reading, main_pid, settings)
}

fn forget(state: &mut State, unit: &UnitName) {
    if let Some(seen) = state.seen.units.get_mut(unit) {
        seen.ending = None;
    }
}
