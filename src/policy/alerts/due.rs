//! Which sink is to be told of which incident now, and what.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::alert::{AlertStatus, News, SinkSpec};
use crate::model::incident::{Incident, Told};
use crate::model::moment::Moment;
use crate::model::unit::UnitName;
use crate::policy::incidents::Incidents;
use crate::policy::limits;

/// Something to tell.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    pub news: News,
    /// How often it was told before that it fires.
    pub repeats: u32,
}

/// When one incident is to be told to one sink.
#[derive(Clone, Copy, Debug)]
enum When {
    Now(Due),
    At(Moment),
    Never,
}

impl Told {
    /// Nothing was told yet.
    #[must_use]
    pub fn nothing(now: Moment) -> Self {
        Self { at: now, tried: false, firing: 0, gave_up: false, resolved: false }
    }
}

impl Incident {
    fn is_known_by(&self, at: Moment) -> bool {
        self.acknowledged.as_ref().is_some_and(|known| known.at <= at)
    }
}

impl SinkSpec {
    /// This sink is meant to know of this incident, which has these labels.
    #[must_use]
    pub fn wants(&self, incident: &Incident, labels: &BTreeMap<String, String>) -> bool {
        let fits = |(label, pattern): (&String, &String)| {
            labels.get(label).is_some_and(|value| matches(pattern, value))
        };
        incident.severity >= self.min_severity && self.matching.iter().all(fits)
    }

    /// It is told again what it was told then.
    fn again(&self, incident: &Incident, from: Moment) -> Option<Moment> {
        // What nobody watches is told once: it is there until somebody takes it up, and that is no emergency.
        let repeat = self.repeat.filter(|_| incident.gaps.is_empty() || self.kind.takes_all());
        Some(from.plus(repeat?))
    }

    /// When an open incident is to be told to this sink as firing.
    fn firing_at(&self, incident: &Incident, told: &Told, gave_up: bool) -> Option<Moment> {
        let known = incident.acknowledged.is_some();
        if told.firing > 0 {
            if gave_up && !told.gave_up {
                return Some(told.at.min(incident.opened_at));
            }
            return if known && !self.kind.takes_all() { None } else { self.again(incident, told.at) };
        }
        if known && !self.after.is_zero() {
            return None;
        }
        let at = incident.opened_at.plus(self.after);
        // Told whole: what is to be seen and what changed is there in a moment.
        let waits = incident.captured_at.is_none() && incident.unit.is_some();
        Some(if waits { at.max(incident.opened_at.plus(limits::EVIDENCE)) } else { at })
    }
}

/// What is due for one sink.
#[derive(Clone, Copy, Debug)]
pub struct Agenda<'a> {
    pub incidents: &'a Incidents,
    pub sink: &'a SinkSpec,
    /// Units that Steadfast has given up for now.
    pub given_up: &'a BTreeSet<UnitName>,
    pub now: Moment,
}

impl Agenda<'_> {
    /// All that the sink is to be told now, what is critical first and what is over last; and when more will be.
    #[must_use]
    pub fn due(&self) -> (Vec<Due>, Option<Moment>) {
        let mut due: Vec<(bool, &Incident, Due)> = Vec::new();
        let mut later: Option<Moment> = None;
        for incident in self.incidents.all().values() {
            match self.when(incident) {
                When::Now(news) => due.push((news.news.status == AlertStatus::Resolved, incident, news)),
                When::At(at) => later = Some(later.map_or(at, |known| known.min(at))),
                When::Never => {}
            }
        }
        due.sort_by_key(|(over, incident, _)| (*over, Reverse(incident.severity), incident.id));
        (due.into_iter().map(|(_, _, due)| due).collect(), later)
    }

    fn when(&self, incident: &Incident) -> When {
        let Some(told) = incident.told.get(&self.sink.name) else {
            return When::Never;
        };
        let gave_up = incident.unit.as_ref().is_some_and(|unit| self.given_up.contains(unit));
        let now = |status| {
            let news = News { incident: incident.id, status, gave_up };
            When::Now(Due { news, repeats: told.firing })
        };
        if incident.part_of.is_some() && !told.tried {
            return When::Never;
        }
        if let Some(over) = self.over(incident) {
            return match self.after(incident, told, over) {
                Some(status) => now(status),
                None => When::Never,
            };
        }
        match self.sink.firing_at(incident, told, gave_up) {
            Some(at) if at <= self.now => now(AlertStatus::Firing),
            Some(at) => When::At(at),
            None => When::Never,
        }
    }

    /// What became part of another is over with that: its unit may be down as long.
    fn over(&self, incident: &Incident) -> Option<Moment> {
        let whole = incident.part_of.map(|_| self.incidents.whole(incident));
        incident.resolved_at.filter(|_| whole.is_none_or(|whole| whole.resolved_at.is_some()))
    }

    /// What is to be told of an incident that is over.
    fn after(&self, incident: &Incident, told: &Told, over: Moment) -> Option<AlertStatus> {
        if told.firing > 0 {
            return (!told.resolved).then_some(AlertStatus::Resolved);
        }
        // What was over before this sink was to hear of it is not its business; what could not be delivered is.
        let due = incident.opened_at.plus(self.sink.after);
        let was_due = due <= over && (self.sink.after.is_zero() || !incident.is_known_by(due));
        // Who may have heard that it fires is to hear its end, behind a beginning that is sure.
        (was_due || told.tried).then_some(AlertStatus::Firing)
    }
}

/// A shell pattern of `*` and `?`.
#[must_use]
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
