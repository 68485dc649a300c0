//! Asks on the spot what may be put into a file: the very text that would be written, read as the daemon would read it.

use std::path::PathBuf;
use std::time::Duration;

use crate::check;
use crate::config::{self, Directories};
use crate::model::adopt::{Key, Table, Written};
use crate::model::probe::ProbeStatus;
use crate::model::unit::UnitName;
use crate::prober::Prober;
use crate::systemd::orders::Orders;

use super::judge::{Answer, Candidate, Group, covered, judged, logged};
use super::traces::Traces;

/// A page that is asked for the first time.
const PAGE: Duration = Duration::from_secs(3);

/// Through what it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Through<'a> {
    pub orders: &'a Orders,
    pub prober: &'a Prober,
    pub directories: &'a Directories,
}

/// Asks group by group; of each the first way is taken that is well and, over a connection, leaves no line in the unit's log.
pub async fn try_all(
    through: Through<'_>,
    (unit, traces): (&UnitName, &mut Traces),
    groups: &[Group],
) -> Vec<Written> {
    let mut written = Vec::new();
    for group in groups {
        if covered(&written, group) {
            continue;
        }
        for way in &group.ways {
            let answer = ask(through, unit, way).await;
            let mut judged = judged(way, &answer);
            if judged.in_force
                && way.connects()
                && let Some(line) = traces.left_by(|| ask(through, unit, way)).await
            {
                judged = logged(judged, &line);
            }
            let well = judged.in_force;
            // A connection is the answer to "is it a page": that it is none is worth no comment.
            let silent = group.only_if_well || way.page && answer.status.is_none();
            if well || !silent {
                written.push(judged);
            }
            if well {
                break;
            }
        }
    }
    written
}

async fn ask(through: Through<'_>, unit: &UnitName, way: &Candidate) -> Answer {
    if !way.page {
        return of_table(through, unit, &way.table).await;
    }
    match through.prober.page(unit, way.table.text("http").unwrap_or_default(), PAGE).await {
        Err(message) => Answer { well: false, unknown: true, message, status: None },
        Ok(status) => {
            let mut table = way.table.clone();
            table.keys.push(Key::number("status", i64::from(status), ""));
            let answer = of_table(through, unit, &table).await;
            Answer { status: Some(status), ..answer }
        }
    }
}

async fn of_table(through: Through<'_>, unit: &UnitName, table: &Table) -> Answer {
    let told = |well: bool, message: String| Answer { well, unknown: false, message, status: None };
    // Beside the units' folder: drop-ins of a file that is there have no part in the question.
    let file = PathBuf::from(format!("{unit}.toml"));
    let spec = match config::spec_of_text(&file, &config::alone(table), through.directories) {
        Ok(spec) => spec,
        Err(problems) => {
            let why = problems.into_iter().next().map(|problem| problem.message).unwrap_or_default();
            return told(false, why);
        }
    };
    if let Some(probe) = spec.probes.first() {
        let outcome = check::ask(through.orders, through.prober, unit, probe, None).await;
        let unknown = outcome.status == ProbeStatus::Unknown;
        return Answer { unknown, ..told(outcome.status == ProbeStatus::Healthy, outcome.message) };
    }
    match spec.progress.first() {
        Some(progress) => match check::sample(through.orders, through.prober, unit, progress).await {
            Ok(_) => told(true, String::new()),
            Err(why) => told(false, why),
        },
        None => told(false, "it asks nothing".to_owned()),
    }
}
