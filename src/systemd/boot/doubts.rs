//! What the transaction does not tell of: mounts that stand already; what requires a doubtful unit, and triggers with
//! unmet conditions.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::timeout;
use zbus::Connection;

use super::super::bus::{self, Instance, UNIT};
use super::transcript::Transcript;
use crate::model::unit::UnitName;

/// All questions of one prediction together.
const LIMIT: Duration = Duration::from_secs(20);
/// Units that are asked about; doubts beyond are not followed further.
const UNITS: usize = 2_000;
/// Who starts a unit by being started.
const WANTERS: [&str; 4] = ["WantedBy", "RequiredBy", "BoundBy", "UpheldBy"];
/// Who falls with a unit that does not start.
const REQUIRERS: [&str; 3] = ["RequiredBy", "BoundBy", "RequisiteOf"];

/// Adds to the doubts of the transcript.
///
/// # Errors
/// When the manager cannot be asked.
pub(super) async fn spread(units: Instance, transcript: &mut Transcript) -> Result<(), String> {
    let connection = bus::connect(units).await.map_err(|error| error.to_string())?;
    let asked = timeout(LIMIT, async {
        standing(&connection, transcript).await;
        triggers(&connection, transcript).await;
        requirers(&connection, transcript).await;
    });
    asked.await.map_err(|_| format!("the manager did not say what requires what within {}s", LIMIT.as_secs()))
}

/// A mount or swap that is in use has no start job. Boot starts it where something that boot starts wants it.
async fn standing(connection: &Connection, transcript: &mut Transcript) {
    let mut open = Vec::new();
    for unit in transcript.standing.difference(&transcript.starts).take(UNITS) {
        open.push((unit.clone(), named_by(connection, unit, &WANTERS).await));
    }
    loop {
        let wanted = |(_, by): &(UnitName, BTreeSet<UnitName>)| !by.is_disjoint(&transcript.starts);
        let (started, left): (Vec<_>, Vec<_>) = open.into_iter().partition(wanted);
        if started.is_empty() {
            break;
        }
        transcript.starts.extend(started.into_iter().map(|(unit, _)| unit));
        open = left;
    }
}

/// A socket, timer or path that boot starts arms nothing when its condition is not met. One that is active is proof enough.
async fn triggers(connection: &Connection, transcript: &mut Transcript) {
    let triggers: Vec<UnitName> = transcript
        .starts
        .iter()
        .filter(|unit| matches!(unit.kind(), "socket" | "timer" | "path" | "automount"))
        .take(UNITS)
        .cloned()
        .collect();
    for unit in triggers {
        if let Some(why) = unmet(connection, &unit).await {
            transcript.doubts.entry(unit).or_insert(why);
        }
    }
}

/// Why a trigger, inactive now, may not become active; `None` too when the manager does not know it.
async fn unmet(connection: &Connection, unit: &UnitName) -> Option<String> {
    let path = bus::unit_path(unit.as_str());
    let active: String = bus::property(connection, &path, UNIT, "ActiveState").await.ok()?;
    if active == "active" {
        return None;
    }
    for (property, what) in [("ConditionResult", "conditions"), ("AssertResult", "assertions")] {
        let met: bool = bus::property(connection, &path, UNIT, property).await.ok()?;
        let tried_at = property.replace("Result", "TimestampMonotonic");
        let tried: u64 = bus::property(connection, &path, UNIT, &tried_at).await.ok()?;
        if tried != 0 && !met {
            return Some(format!("its {what} were unmet when it was last tried"));
        }
    }
    (active == "failed").then(|| "it failed when it was last started".to_owned())
}

/// Whoever requires a doubtful unit falls with it.
async fn requirers(connection: &Connection, transcript: &mut Transcript) {
    let mut open: VecDeque<UnitName> = transcript.doubts.keys().cloned().collect();
    let mut asked: BTreeSet<UnitName> = BTreeSet::new();
    while let Some(unit) = open.pop_front() {
        if asked.len() >= UNITS || !asked.insert(unit.clone()) {
            continue;
        }
        let found = named_by(connection, &unit, &REQUIRERS).await;
        // Those that boot does not start anyway are no doubt.
        for requirer in found.into_iter().filter(|name| transcript.starts.contains(name)) {
            let why = format!("it requires {unit}, which may start or not");
            if !transcript.doubts.contains_key(&requirer) {
                transcript.doubts.insert(requirer.clone(), why);
                open.push_back(requirer);
            }
        }
    }
}

async fn named_by(connection: &Connection, unit: &UnitName, lists: &[&str]) -> BTreeSet<UnitName> {
    let path = bus::unit_path(unit.as_str());
    let mut found = BTreeSet::new();
    for property in lists {
        // A unit that the manager does not know requires nothing of what it knows.
        let names: Vec<String> = bus::property(connection, &path, UNIT, property).await.unwrap_or_default();
        found.extend(names.into_iter().map(UnitName));
    }
    found
}
