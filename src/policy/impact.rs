//! Figures of a trouble while it lasts: what waits in the queues, how many answers of probes were wrong.

use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::state::{State, UnitSeen};
use crate::model::unit::UnitName;
use crate::policy::turn::{Turn, sooner};
use crate::policy::{incidents, limits};

/// Tells the figures of a unit in trouble, once in a while; a unit that is well has none to tell.
pub fn measure(state: &mut State, unit: &UnitName, turn: &mut Turn, wake: &mut Option<Moment>) {
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    if seen.findings.is_empty() {
        seen.measured_at = None;
        seen.probes_failed.clear();
        return;
    }
    if let Some(last) = seen.measured_at {
        let due = last.plus(limits::MEASURED);
        if due > turn.now {
            sooner(wake, due);
            return;
        }
    }
    let told = figures(seen);
    if told.is_empty() {
        return;
    }
    let Some(incident) = incidents::of_unit(state, unit) else {
        return;
    };
    let Some(seen) = state.seen.units.get_mut(unit) else {
        return;
    };
    seen.measured_at = Some(turn.now);
    seen.probes_failed.clear();
    sooner(wake, turn.now.plus(limits::MEASURED));
    turn.record_of(state, Some(incident), Some(unit), EventKind::Measured, None, told.join("; "));
}

fn figures(seen: &UnitSeen) -> Vec<String> {
    let mut told = Vec::new();
    for (name, progress) in &seen.progress {
        if let Some((_, Ok(sample))) = &progress.last {
            let age = sample.age.map_or(String::new(), |age| format!(", the oldest for {} s", age.as_secs()));
            told.push(format!("{name}: {} wait{age}", sample.depth));
        }
    }
    for (name, failed) in &seen.probes_failed {
        let answers = if *failed == 1 { "answer" } else { "answers" };
        told.push(format!("probe {name}: {failed} {answers} failed"));
    }
    told
}
