//! The incidents that are stored.

use axum::Extension;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::fail::{Fail, queried};
use super::json::Json;
use super::lookup::id_in;
use super::peer::Peer;
use super::pictures::Readers;
use super::{HistoryQuestion, Shared};
use crate::api::wire::{Incident, IncidentDetails, Incidents, SwitchedOffUnit, Time};
use crate::model::history::{History, Question, Wanted};
use crate::model::unit::UnitName;

/// Characters of a name; systemd has none that is longer than 255.
const NAME: usize = 256;

/// `?unit=&since=&open=`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    pub unit: Option<String>,
    pub since: Option<Time>,
    pub open: Option<bool>,
}

impl Filter {
    /// The same with a name of bounded length; no unit has one that is longer.
    pub fn bounded(self) -> Self {
        let unit = self.unit.map(|name| name.chars().take(NAME).collect());
        Self { unit, ..self }
    }
}

/// Newest first.
pub async fn list(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Incidents>, Fail> {
    let filter = queried(filter)?;
    let wanted = Wanted {
        unit: filter.unit.as_deref().map(UnitName::meant),
        since_ms: filter.since.map(|since| since.0),
        open: filter.open.unwrap_or(false),
    };
    let History::Incidents(incidents) = recalled(&shared.history, Question::Incidents(wanted)).await? else {
        return Err(Fail::unlike());
    };
    let snapshot = shared.snapshots.borrow();
    let wanted = |unit: &UnitName| filter.unit.as_deref().is_none_or(|name| UnitName::meant(name) == *unit);
    let off = snapshot.units.values().filter(|status| wanted(&status.unit)).filter_map(|status| {
        let disabled = status.disabled.as_ref()?;
        let (unit, reason) = (status.unit.to_string(), disabled.reason.clone());
        Some(SwitchedOffUnit { unit, reason, until: Time(disabled.until_ms) })
    });
    let mut incidents: Vec<Incident> = incidents.iter().map(Into::into).collect();
    if !Readers::of(peer.is_some()).see_logs(&snapshot) {
        incidents.iter_mut().for_each(Incident::hide_log);
    }
    Ok(Json(Incidents { incidents, switched_off: off.collect() }))
}

/// One, with its timeline.
pub async fn one(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    path: Result<Path<u64>, PathRejection>,
) -> Result<Json<IncidentDetails>, Fail> {
    Ok(Json(details(&shared, peer.is_some(), id_in(path)?).await?))
}

/// The same; `known`: the readers are.
pub async fn details(shared: &Shared, known: bool, id: u64) -> Result<IncidentDetails, Fail> {
    let History::Incident(found) = recalled(&shared.history, Question::Incident(id)).await? else {
        return Err(Fail::unlike());
    };
    let (incident, events) = *found.ok_or_else(|| Fail::no_such(&format!("incident {id}")))?;
    let events = events.iter().map(Into::into).collect();
    let snapshot = shared.snapshots.borrow();
    let units = incident.unit.iter().chain(&incident.affected);
    let owners = units.filter_map(|unit| Some((unit.to_string(), snapshot.units.get(unit)?.owner.clone()?)));
    let owners = owners.collect();
    let mut incident = Incident::from(&incident);
    if !Readers::of(known).see_logs(&snapshot) {
        incident.hide_log();
    }
    Ok(IncidentDetails { incident, events, owners })
}

/// What the stored history answers.
pub async fn recalled(history: &mpsc::Sender<HistoryQuestion>, question: Question) -> Result<History, Fail> {
    let (sender, receiver) = oneshot::channel();
    let cannot = "cannot read the history";
    let passed_on = history.try_send((question, sender));
    passed_on.map_err(|error| Fail::not_passed_on(&error, cannot, "questions"))?;
    let answer = receiver.await.map_err(|_| Fail::stopping(cannot))?;
    answer.map_err(|why| Fail::unavailable(format!("{cannot}: {why}")))
}
