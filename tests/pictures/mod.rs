//! Pictures for the tests of the socket and of the commands. Nothing in them is made up: each is a story in the language of
//! the scenarios, played through the real policy, and what that publishes.
#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking; the lint sees only functions that bear #[test]"
)]

#[path = "../scenarios/people.rs"]
mod people;
#[path = "../scenarios/script.rs"]
mod script;
#[path = "../scenarios/told.rs"]
mod told;
#[path = "../scenarios/words.rs"]
mod words;

use std::sync::Arc;
use std::time::Duration;

use steadfast::api::server::HistoryQuestion;
use steadfast::clock;
use steadfast::model::baseline::Head;
use steadfast::model::finding::Code;
use steadfast::model::history::{History, Question};
use steadfast::model::incident::{Event, Incident};
use steadfast::model::moment::{Moment, millis};
use steadfast::model::operator::Answer;
use steadfast::model::snapshot::{Snapshot, UnitStatus};
use steadfast::model::unit::UnitName;
use tokio::sync::mpsc;

pub use script::Story;

/// 2026-11-20T10:00:00Z, two months after boot.
pub const TEN_O_CLOCK: Moment = Moment { boot_ms: 60 * 86_400_000, wall_ms: 1_795_168_800_000 };

/// This very moment, two months after boot: what is shown does not depend on the machine's own boot.
pub fn now() -> Moment {
    Moment { wall_ms: clock::now().wall_ms, ..TEN_O_CLOCK }
}

/// A host with a unit in each state.
const ZOO: &str = include_str!("zoo.txt");

/// A story that ends at this moment.
pub fn story(text: &str, end: Moment) -> Story {
    ending(text, end).unwrap_or_else(|why| panic!("{why}"))
}

/// Its times are summed up first, so that its beginning is known.
fn ending(text: &str, end: Moment) -> Result<Story, String> {
    let mut length = Duration::ZERO;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("slept") => length += words::duration(words.next().unwrap_or_default())?,
            Some(word) => {
                if let Some(time) = word.strip_prefix('+') {
                    length += words::duration(time)?;
                }
            }
            None => {}
        }
    }
    let mut story = Story::new(end.at_boot_ms(end.boot_ms - millis(length)));
    story.play(text)?;
    Ok(story)
}

/// What is published at the end of a story.
pub fn published(text: &str, end: Moment) -> Snapshot {
    story(text, end).snapshot().clone()
}

/// What people are answered at the end of a story.
pub fn answer(text: &str) -> Answer {
    story(text, TEN_O_CLOCK).replies.pop().unwrap_or_else(|| panic!("nobody asks in this story: {text}"))
}

pub fn zoo(end: Moment) -> Snapshot {
    published(ZOO, end)
}

/// The zoo, and the story of one more unit behind it.
pub fn zoo_and(more: &str, end: Moment) -> Story {
    story(&format!("{ZOO}{more}"), end)
}

/// As if only these units were managed, and all was well with the host.
pub fn only(units: &[&str], mut snapshot: Snapshot) -> Snapshot {
    let named = |unit: Option<&str>| unit.is_some_and(|unit| units.contains(&unit));
    snapshot.units.retain(|unit, _| named(Some(unit.as_str())));
    snapshot.incidents.retain(|incident| named(incident.unit.as_ref().map(UnitName::as_str)));
    snapshot.events = snapshot
        .events
        .iter()
        .filter(|event| named(event.unit.as_ref().map(UnitName::as_str)))
        .cloned()
        .collect();
    snapshot.findings.clear();
    snapshot.problems.clear();
    snapshot
}

/// A unit with which all is well, under another name.
pub fn well(name: &str, zoo: &Snapshot) -> Arc<UnitStatus> {
    let mut unit = UnitStatus::clone(&zoo.units[&"nginx.service".into()]);
    unit.unit = name.into();
    unit.file = format!("/etc/steadfast/units.d/{name}.toml");
    Arc::new(unit)
}

/// Many units, most of them well.
pub fn forty(end: Moment) -> Snapshot {
    let zoo = zoo(end);
    let mut forty = only(&["horizon.service"], zoo.clone());
    let long = r"systemd-cryptsetup@dev-disk-by\x2duuid-2f1c7c3e\x2d9a7b\x2d4f64.service";
    let names = (1..39).map(|n| format!("worker@{n:02}.service")).chain([long.to_owned()]);
    forty.units.extend(names.map(|name| (name.as_str().into(), well(&name, &zoo))));
    forty
}

/// The number of the last incident of this unit with this cause.
pub fn incident(story: &Story, unit: &str, cause: Code) -> u64 {
    let incidents = story.incidents();
    let of_it = |incident: &&Incident| {
        incident.unit.as_ref().map(UnitName::as_str) == Some(unit) && incident.cause == cause
    };
    incidents.iter().rev().find(of_it).unwrap_or_else(|| panic!("no {} of {unit}", cause.as_str())).id
}

/// What the store would remember of a story.
#[derive(Default)]
pub struct Past {
    incidents: Vec<Incident>,
    events: Vec<Event>,
    /// Newest first.
    pub baselines: Vec<Head>,
    /// Why they cannot be read.
    pub unread: Option<String>,
}

impl Past {
    pub fn of(story: &Story) -> Self {
        Self { incidents: story.incidents(), events: story.events.clone(), ..Self::default() }
    }

    /// The lines of an incident, and those of the host meanwhile.
    fn timeline(&self, incident: &Incident) -> Vec<Event> {
        let over = |at| incident.resolved_at.is_some_and(|end| end < at);
        let meanwhile = |event: &&Event| event.at >= incident.opened_at && !over(event.at);
        let of_it = |event: &&Event| {
            event.incident == Some(incident.id) || (event.unit.is_none() && meanwhile(event))
        };
        self.events.iter().filter(of_it).cloned().collect()
    }

    /// Answers as the store does.
    pub async fn answer(self, mut asked: mpsc::Receiver<HistoryQuestion>) {
        while let Some((question, back)) = asked.recv().await {
            let answer = match question {
                Question::Incidents(wanted) => {
                    let newest_first = self.incidents.iter().rev();
                    History::Incidents(newest_first.filter(|known| wanted.fits(known)).cloned().collect())
                }
                Question::Incident(id) => {
                    let found = self.incidents.iter().find(|incident| incident.id == id);
                    History::Incident(found.map(|found| Box::new((found.clone(), self.timeline(found)))))
                }
                Question::Baselines => History::Baselines(self.baselines.clone()),
            };
            let unread = self.unread.clone().filter(|_| matches!(answer, History::Baselines(_)));
            let _ = back.send(unread.map_or(Ok(answer), Err));
        }
    }
}
