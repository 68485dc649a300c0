//! Which sink is to be told of which incident now, and what.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::alert::{AlertStatus, News, SinkSpec};
use crate::model::finding::Severity;
use crate::model::incident::{Incident, Told};
use crate::model::moment::Moment;
use crate::model::unit::UnitName;
use crate::policy::incidents::Incidents;
use crate::policy::limits;
use crate::policy::peers::Peers;

/// Something to tell.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    pub news: News,
    /// How often it was told before that it fires.
    pub repeats: u32,
    /// It fires, and is critical.
    pub critical: bool,
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
        Self {
            at: now,
            tried: false,
            firing: 0,
            gave_up: false,
            resolved: false,
            fired_at: None,
            over_at: None,
            news: None,
        }
    }

    /// What the incident came to be about since was not told.
    fn lacks(&self, incident: &Incident) -> bool {
        incident.news_count() > self.news.unwrap_or(0)
    }
}

impl Incident {
    fn news_count(&self) -> u32 {
        u32::try_from(self.news.len()).unwrap_or(u32::MAX)
    }

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
        let known = incident.acknowledged.is_some() && !self.kind.takes_all();
        if told.firing > 0 {
            if (gave_up && !told.gave_up) || told.lacks(incident) {
                return Some(told.at.min(incident.opened_at));
            }
            return if known { None } else { self.again(incident, told.at) };
        }
        if known {
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
    pub peers: &'a Peers,
    /// Nothing reaches the sink: what it misses is tried again, whatever is still to come of it.
    pub failing: bool,
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
        due.sort_by_key(|(over, incident, due)| {
            (!due.critical, *over, Reverse(incident.severity), incident.id)
        });
        (due.into_iter().map(|(_, _, due)| due).collect(), later)
    }

    fn when(&self, incident: &Incident) -> When {
        let Some(told) = incident.told.get(&self.sink.name) else {
            return When::Never;
        };
        let gave_up = incident.unit.as_ref().is_some_and(|unit| self.given_up.contains(unit));
        let now = |status| {
            let news = News { incident: incident.id, status, gave_up, news: incident.news_count() };
            let firing = status == AlertStatus::Firing && incident.resolved_at.is_none();
            let critical = firing && incident.severity == Severity::Critical;
            When::Now(Due { news, repeats: told.firing, critical })
        };
        if incident.part_of.is_some() && !told.tried {
            return When::Never;
        }
        if told.firing == 0 && !self.failing && self.is_tested(incident) {
            // Whether the new code passes is told with it.
            return When::At(self.now.plus(limits::EVIDENCE));
        }
        if let Some(over) = self.over(incident) {
            return match self.after(incident, told, over) {
                Some(status) => now(status),
                None => When::Never,
            };
        }
        let look = self.incidents.look_until(incident.id, self.now).filter(|_| !self.failing);
        let at = self.sink.firing_at(incident, told, gave_up);
        match at.map(|at| look.map_or(at, |until| at.max(until))) {
            Some(at) if at <= self.now => now(AlertStatus::Firing),
            Some(at) => When::At(at),
            None => When::Never,
        }
    }

    /// New code is tested, or is about to be, before the unit is restarted into it.
    fn is_tested(&self, incident: &Incident) -> bool {
        let tests = incident.unit.as_ref().is_some_and(|unit| self.peers.is_testing(unit));
        tests && incident.present().is_stale_release()
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
        // What was over before this sink was to hear of it, or was acknowledged, is not its business; what could not be
        // delivered is.
        let due = incident.opened_at.plus(self.sink.after);
        let was_due = due <= over && !incident.is_known_by(over);
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
