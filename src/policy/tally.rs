//! What is counted. Orders and incidents count when they are durable: what could not be saved did not happen.

use crate::model::action::Action;
use crate::model::change::Change;
use crate::model::finding::Code;
use crate::model::incident::Incident;
use crate::model::state::{Durable, State, UnitSeen};
use crate::model::unit::UnitName;

/// Another file is in force: of probes that it does not have, nothing is told any more.
pub fn follow_spec(seen: &mut UnitSeen) {
    let specs = &seen.spec.probes;
    seen.tally.probes.retain(|name, _| specs.iter().any(|spec| spec.name == *name));
}

/// An action is performed, and what it follows from is saved.
pub fn performed(state: &mut State, action: &Action) {
    let (Action::StartUnit { unit, order, .. } | Action::RestartUnit { unit, order, .. }) = action else {
        return;
    };
    let because = reason(state, unit, *order);
    if let Some(seen) = state.seen.units.get_mut(unit) {
        seen.tally.ordered(because);
        state.seen.touched.insert(unit.clone());
    }
}

/// The finding that asked for this order; it may be over already.
fn reason(state: &State, unit: &UnitName, order: u64) -> Option<Code> {
    let durable = state.durable.units.get(unit)?;
    let in_flight = durable.recovery.as_ref().filter(|known| known.order == order);
    let last = || durable.last_action.as_ref().and_then(|last| last.because);
    in_flight.map_or_else(last, |known| known.because)
}

/// These changes were saved; `before`: what was durable until now.
pub fn saved(state: &mut State, before: &Durable, changes: &[Change]) {
    for change in changes {
        let Change::Incident(id, Some(incident)) = change else {
            continue;
        };
        let known = before.incidents.get(id);
        if known.is_none() {
            opened(state, incident);
        }
        if known.is_none_or(|known| known.resolved_at.is_none()) {
            resolved(state, incident);
        }
    }
}

fn opened(state: &mut State, incident: &Incident) {
    if let Some(began) = incident.began_at.filter(|_| !incident.drill) {
        state.seen.tally.detection.observe(incident.opened_at.since(began));
    }
}

/// What another incident explains, and what is managed no more, did not recover; a drill was no trouble.
fn resolved(state: &mut State, incident: &Incident) {
    let managed = incident.unit.as_ref().is_some_and(|unit| state.seen.units.contains_key(unit));
    let recovered = incident.part_of.is_none() && managed && !incident.drill;
    if let Some(at) = incident.resolved_at.filter(|_| recovered) {
        state.seen.tally.recovery.observe(at.since(incident.opened_at));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::finding::Severity;
    use crate::model::moment::Moment;
    use crate::model::spec::{Selector, Spec};
    use crate::model::state::{LastAction, OrderKind};
    use crate::model::unit::{ActiveState, LoadState, UnitReading};
    use crate::policy::judgement::finding;

    const AT: Moment = Moment { boot_ms: 100_000, wall_ms: 1_000_100_000 };

    fn at(seconds: u64) -> Moment {
        AT.plus(Duration::from_secs(seconds))
    }

    fn shop() -> UnitName {
        UnitName::from("shop.service")
    }

    fn spec() -> Spec {
        Spec::of_empty_file(Selector::Unit(shop()), String::new())
    }

    /// A unit that is managed since `AT` and died at this moment.
    fn died(when: Moment) -> State {
        let mut seen = UnitSeen::new(spec(), AT, false);
        seen.reading = Some(UnitReading {
            load: LoadState::Loaded,
            active: ActiveState::Failed,
            sub: "failed".to_owned(),
            result: "signal".to_owned(),
            job: None,
            invocation: String::new(),
            main_pid: None,
            n_restarts: 0,
            active_since: None,
            inactive_since: Some(when),
            changed_us: 0,
            exit: None,
            status_text: String::new(),
        });
        let mut state = State::default();
        state.seen.units.insert(shop(), seen);
        state.durable.units.insert(shop(), Default::default());
        state
    }

    fn incident(opened_at: Moment, resolved_at: Option<Moment>) -> Incident {
        let cause = finding(Code::UnitFailed, Severity::Critical, "it failed", opened_at);
        let began_at = Some(at(5));
        Incident { began_at, resolved_at, ..Incident::new(7, Some(shop()), &cause, opened_at) }
    }

    fn told(state: &mut State, before: Option<&Incident>, now: Incident) -> (Duration, Duration) {
        let incidents = before.cloned().map(|known| (7, known)).into_iter().collect();
        saved(state, &Durable { incidents, ..Durable::default() }, &[Change::Incident(7, Some(now))]);
        (state.seen.tally.detection.sum, state.seen.tally.recovery.sum)
    }

    #[test]
    fn an_incident_counts_when_it_opens_and_when_it_is_over() {
        let (zero, two, nine) = (Duration::ZERO, Duration::from_secs(2), Duration::from_secs(9));
        let mut state = died(at(5));
        let open = incident(at(7), None);
        assert_eq!(told(&mut state, None, open.clone()), (two, zero));
        let over = incident(at(7), Some(at(16)));
        assert_eq!(told(&mut state, Some(&open), over.clone()), (two, nine));
        // What was counted is not counted again.
        assert_eq!(told(&mut state, Some(&over), over.clone()), (two, nine));
        assert_eq!(told(&mut state, Some(&open), Incident { part_of: Some(3), ..over.clone() }), (two, nine));
        // Both at once.
        assert_eq!(told(&mut state, None, over.clone()), (two * 2, nine * 2));
        state.seen.units.clear();
        assert_eq!(told(&mut state, Some(&open), over), (two * 2, nine * 2));
    }

    #[test]
    fn an_order_counts_under_the_finding_that_asked_for_it_also_when_it_is_over() {
        let mut state = died(at(5));
        let limit = Duration::from_secs(1);
        performed(&mut state, &Action::StartUnit { unit: shop(), order: 3, limit });
        let last = LastAction {
            action: OrderKind::Start,
            because: Some(Code::UnitFailed),
            at: at(9),
            outcome: "abandoned".to_owned(),
            ok: false,
            steps: Vec::new(),
        };
        if let Some(durable) = state.durable.units.get_mut(&shop()) {
            durable.last_action = Some(last);
        }
        performed(&mut state, &Action::RestartUnit { unit: shop(), order: 4, limit });
        performed(&mut state, &Action::ReadAllUnits);
        let restarts = state.seen.units.get(&shop()).map(|seen| seen.tally.restarts.clone());
        assert_eq!(restarts, Some([(None, 1), (Some(Code::UnitFailed), 1)].into()));
        assert!(state.seen.touched.contains(&shop()), "the picture of it is made anew");
    }
}
