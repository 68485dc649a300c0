//! Which sink is to be told of which incident now, and what.

use crate::model::alert::{AlertStatus, News, SinkSpec};
use crate::model::finding::Code;
use crate::model::incident::{Incident, Told};
use crate::model::moment::Moment;
use crate::model::state::State;
use crate::policy::limits;
use crate::policy::turn::sooner;

use super::words;

/// Something to tell.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    pub news: News,
    /// How often it was told before that it fires.
    pub repeats: u32,
}

pub fn untold(now: Moment) -> Told {
    Told { at: now, tried: false, firing: 0, gave_up: false, resolved: false }
}

/// Every open incident is entered for each sink that is meant to know of it; one that was over before a sink was configured
/// is never told to that.
pub fn enter(state: &mut State, sinks: &[SinkSpec], now: Moment) {
    let open: Vec<u64> = state
        .durable
        .incidents
        .values()
        .filter(|incident| incident.resolved_at.is_none() && incident.part_of.is_none())
        .map(|incident| incident.id)
        .collect();
    for id in open {
        for sink in sinks {
            let fails = state.seen.sinks.get(&sink.name).is_some_and(|known| known.failing.is_some());
            let Some(incident) = state.durable.incidents.get(&id) else {
                continue;
            };
            let of_itself = incident.cause == Code::AlertUndeliverable && fails;
            if !incident.told.contains_key(&sink.name)
                && !of_itself
                && wanted(state, sink, incident)
                && let Some(incident) = state.durable.incidents.get_mut(&id)
            {
                incident.told.insert(sink.name.clone(), untold(now));
            }
        }
    }
}

/// This sink is meant to know of this incident.
#[must_use]
pub fn wanted(state: &State, sink: &SinkSpec, incident: &Incident) -> bool {
    let labels = words::labels(state, incident);
    let fits =
        |(label, pattern): (&String, &String)| labels.get(label).is_some_and(|value| matches(pattern, value));
    incident.severity >= sink.min_severity && sink.matching.iter().all(fits)
}

/// All that this sink is to be told now; what is critical first, what is over last.
pub fn of(state: &State, sink: &SinkSpec, now: Moment, wake: &mut Option<Moment>) -> Vec<Due> {
    let mut due: Vec<(bool, &Incident, Due)> = state
        .durable
        .incidents
        .values()
        .filter_map(|incident| {
            let told = incident.told.get(&sink.name)?;
            let due = of_one(state, sink, incident, told, now, wake)?;
            Some((due.news.status == AlertStatus::Resolved, incident, due))
        })
        .collect();
    due.sort_by_key(|(over, incident, _)| (*over, std::cmp::Reverse(incident.severity), incident.id));
    due.into_iter().map(|(_, _, due)| due).collect()
}

fn of_one(
    state: &State,
    sink: &SinkSpec,
    incident: &Incident,
    told: &Told,
    now: Moment,
    wake: &mut Option<Moment>,
) -> Option<Due> {
    let gave_up = gave_up(state, incident);
    let news = |status| Due { news: News { incident: incident.id, status, gave_up }, repeats: told.firing };
    // What became part of another is over with that: its unit may be down as long.
    let whole = incident.part_of.map(|_| whole(state, incident));
    let over = incident.resolved_at.filter(|_| whole.is_none_or(|whole| whole.resolved_at.is_some()));
    if incident.part_of.is_some() && !told.tried {
        return None;
    }
    if let Some(over) = over {
        if told.firing > 0 {
            return (!told.resolved).then(|| news(AlertStatus::Resolved));
        }
        // What was over before this sink was to hear of it is not its business; what could not be delivered is.
        let was_due = incident.opened_at.plus(sink.after) <= over
            && (sink.after.is_zero() || !known_by(incident, incident.opened_at.plus(sink.after)));
        // Who may have heard that it fires is to hear its end, behind a beginning that is sure.
        return (was_due || told.tried).then(|| news(AlertStatus::Firing));
    }
    let again = |from: Moment, wake: &mut Option<Moment>| {
        // What nobody watches is told once: it is there until somebody takes it up, and that is no emergency.
        let repeat = sink.repeat.filter(|_| incident.gaps.is_empty() || sink.kind.takes_all());
        let at = from.plus(repeat?);
        if at > now {
            sooner(wake, at);
        }
        (at <= now).then(|| news(AlertStatus::Firing))
    };
    let known = incident.acknowledged.is_some();
    if told.firing > 0 {
        if gave_up && !told.gave_up {
            return Some(news(AlertStatus::Firing));
        }
        return if known && !sink.kind.takes_all() { None } else { again(told.at, wake) };
    }
    if known && !sink.after.is_zero() {
        return None;
    }
    let mut at = incident.opened_at.plus(sink.after);
    if incident.captured_at.is_none() && incident.unit.is_some() {
        // Told whole: what is to be seen and what changed is there in a moment.
        at = at.max(incident.opened_at.plus(limits::EVIDENCE));
    }
    if at > now {
        sooner(wake, at);
        return None;
    }
    Some(news(AlertStatus::Firing))
}

/// The incident that explains this one in the end; itself, where none does any more.
pub fn whole<'a>(state: &'a State, incident: &'a Incident) -> &'a Incident {
    let mut whole = incident;
    // Each is part of one that was opened later or earlier, never of itself; the bound is for what a damaged file may say.
    for _ in 0..limits::INCIDENTS {
        match whole.part_of.and_then(|id| state.durable.incidents.get(&id)) {
            Some(next) => whole = next,
            None => break,
        }
    }
    whole
}

fn known_by(incident: &Incident, at: Moment) -> bool {
    incident.acknowledged.as_ref().is_some_and(|known| known.at <= at)
}

/// Nothing more will be tried of ourselves for now.
fn gave_up(state: &State, incident: &Incident) -> bool {
    let unit = incident.unit.as_ref().and_then(|unit| state.durable.units.get(unit));
    unit.is_some_and(|unit| unit.quarantine.is_some())
}

/// A shell pattern of `*` and `?`.
pub fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    // Which prefixes of the text the pattern so far can have taken.
    let mut taken: Vec<bool> = (0..=text.len()).map(|at| at == 0).collect();
    for wanted in pattern {
        let before = taken.clone();
        let mut any = false;
        for (at, now) in taken.iter_mut().enumerate() {
            let earlier = at.checked_sub(1).and_then(|at| before.get(at)).copied().unwrap_or(false);
            let last = at.checked_sub(1).and_then(|at| text.get(at));
            any = any || before.get(at).copied().unwrap_or(false);
            *now = match wanted {
                '*' => any,
                '?' => earlier,
                other => earlier && last == Some(&other),
            };
        }
    }
    taken.last().copied().unwrap_or(false)
}
