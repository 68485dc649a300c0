//! What the list of loaded units tells at one look: which there are, which are active, and for what a queued job waits.

use std::collections::{BTreeMap, HashMap, HashSet};

use zbus::Connection;

use super::bus;
use super::patterns::Patterns;
use super::proxies::Listed;
use super::reading;
use crate::model::unit::{JobKind, UnitName};

/// A job that another one waits for: id, unit, kind, state, and two objects.
type Awaited = (u32, String, String, String, zbus::OwnedObjectPath, zbus::OwnedObjectPath);

/// Loaded units.
#[derive(Debug)]
pub(super) struct Loaded<'l> {
    by_path: HashMap<&'l str, &'l Listed>,
    active: HashSet<&'l str>,
}

impl<'l> Loaded<'l> {
    pub(super) fn of(listed: &'l [Listed]) -> Self {
        let active = listed.iter().filter(|unit| matches!(unit.3.as_str(), "active" | "reloading"));
        Self {
            by_path: listed.iter().map(|unit| (unit.6.as_str(), unit)).collect(),
            active: active.map(|unit| unit.0.as_str()).collect(),
        }
    }

    /// There is a unit with this object.
    pub(super) fn contains(&self, path: &str) -> bool {
        self.by_path.contains_key(path)
    }

    /// What is listed of the unit with this object.
    pub(super) fn listed(&self, path: &str) -> Option<&'l Listed> {
        self.by_path.get(path).copied()
    }

    /// The unit was active.
    pub(super) fn is_active(&self, unit: &UnitName) -> bool {
        self.active.contains(unit.as_str())
    }
}

/// Units that match, by pattern.
type Matches = BTreeMap<String, Vec<UnitName>>;

/// Queued jobs, and the loaded units that each pattern matches.
pub(super) fn jobs_and_matches(listed: &[Listed], patterns: &Patterns) -> (Vec<(u32, JobKind)>, Matches) {
    let jobs =
        listed.iter().filter(|unit| unit.7 != 0).map(|unit| (unit.7, reading::job_kind(&unit.8))).collect();
    let names = listed.iter().filter(|unit| unit.2 != "not-found").map(|unit| unit.0.as_str());
    (jobs, patterns.sort_out(names))
}

/// Of the units that are asked about (by their objects) and whose start is queued: the job, and the units whose jobs it waits for.
pub(super) async fn waits(
    calls: &Connection,
    listed: &[Listed],
    asked: &BTreeMap<&str, Vec<&UnitName>>,
) -> Vec<(UnitName, u32, Vec<UnitName>)> {
    let mut told = Vec::new();
    let starts = |unit: &&Listed| {
        let kind = reading::job_kind(&unit.8);
        let down = matches!(unit.3.as_str(), "inactive" | "failed");
        unit.7 != 0 && down && matches!(kind, JobKind::Start | JobKind::Restart)
    };
    for unit in listed.iter().filter(starts) {
        let Some(names) = asked.get(unit.6.as_str()) else {
            continue;
        };
        // A job that is over meanwhile waits for nothing.
        let on = awaited(calls, unit).await.unwrap_or_default();
        for name in names {
            told.push(((*name).clone(), unit.7, on.clone()));
        }
    }
    told
}

/// The jobs that must end before this one is begun: `GetBefore`; `GetAfter` are those that wait for it.
async fn awaited(calls: &Connection, unit: &Listed) -> zbus::Result<Vec<UnitName>> {
    let interface = "org.freedesktop.systemd1.Job";
    let reply = calls.call_method(Some(bus::SYSTEMD), &unit.9, Some(interface), "GetBefore", &()).await?;
    let jobs: Vec<Awaited> = reply.body().deserialize()?;
    Ok(jobs.into_iter().map(|job| UnitName(job.1)).collect())
}
