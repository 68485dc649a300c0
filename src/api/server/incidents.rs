//! Incidents and alerts: what is stored of them, and what people can do about them.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::Shared;
use super::change::{Answered, answer, name_of, replied};
use super::fail::{Fail, queried};
use super::peer::Peer;
use crate::api::wire::{Incident, IncidentDetails, Incidents, SwitchedOffUnit, Tested, Time};
use crate::model::history::{History, Question, Wanted};
use crate::model::operator::{AlertAsk, AlertRequest, Answer, Asked};
use crate::model::unit::UnitName;

/// `?unit=&since=&open=`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    unit: Option<String>,
    since: Option<Time>,
    open: Option<bool>,
}

/// Newest first.
pub async fn list(
    State(shared): State<Shared>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Json<Incidents>, Fail> {
    let filter = queried(filter)?;
    let wanted = Wanted {
        unit: filter.unit.as_deref().map(UnitName::meant),
        since_ms: filter.since.map(|since| since.0),
        open: filter.open.unwrap_or(false),
    };
    let History::Incidents(incidents) = history(&shared, Question::Incidents(wanted)).await? else {
        return Err(unlike());
    };
    let snapshot = shared.snapshots.borrow();
    let wanted = |unit: &UnitName| filter.unit.as_deref().is_none_or(|name| UnitName::meant(name) == *unit);
    let off = snapshot.units.values().filter(|status| wanted(&status.unit)).filter_map(|status| {
        let disabled = status.disabled.as_ref()?;
        let (unit, reason) = (status.unit.to_string(), disabled.reason.clone());
        Some(SwitchedOffUnit { unit, reason, until: Time(disabled.until_ms) })
    });
    Ok(Json(Incidents { incidents: incidents.iter().map(Into::into).collect(), switched_off: off.collect() }))
}

/// One, with its timeline.
pub async fn one(
    State(shared): State<Shared>,
    path: Result<Path<u64>, PathRejection>,
) -> Result<Json<IncidentDetails>, Fail> {
    let id = id_in(path)?;
    let History::Incident(found) = history(&shared, Question::Incident(id)).await? else {
        return Err(unlike());
    };
    let (incident, events) = *found.ok_or_else(|| Fail::no_incident(id))?;
    let events = events.iter().map(Into::into).collect();
    Ok(Json(IncidentDetails { incident: Incident::from(&incident), events }))
}

/// Somebody knows.
pub async fn acknowledge(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    path: Result<Path<u64>, PathRejection>,
) -> Answered {
    let incident = id_in(path)?;
    let who = name_of(&shared, peer).await?;
    let ask = AlertAsk::Acknowledge { incident };
    let what = format!("incident {incident}");
    let answer = answer(&shared, |id| Asked::OfAlerts(AlertRequest { id, who, ask }), &what).await?;
    if answer == Answer::NoIncident { Err(Fail::no_incident(incident)) } else { replied(&answer, &what) }
}

/// Tells every sink a test.
pub async fn test(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
) -> Result<(StatusCode, Json<Tested>), Fail> {
    let who = name_of(&shared, peer).await?;
    let asked = |id| Asked::OfAlerts(AlertRequest { id, who, ask: AlertAsk::Test });
    match answer(&shared, asked, "the test").await? {
        Answer::Tested(results) => {
            let all = results.iter().all(|(_, result)| result.is_ok());
            let status = if all { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
            Ok((status, Json(Tested::of(&results))))
        }
        Answer::Done { message, .. } | Answer::Failed { message, .. } | Answer::Refused { message } => {
            Err(Fail(StatusCode::CONFLICT, message))
        }
        Answer::NotManaged | Answer::NoIncident | Answer::Drilled { .. } | Answer::DrillPlanned(_) => {
            Err(unlike())
        }
    }
}

async fn history(shared: &Shared, question: Question) -> Result<History, Fail> {
    let (sender, receiver) = oneshot::channel();
    let cannot = "cannot read the history";
    let passed_on = shared.history.try_send((question, sender));
    passed_on.map_err(|error| Fail::not_passed_on(&error, cannot, "questions"))?;
    let answer = receiver.await.map_err(|_| Fail::stopping(cannot))?;
    answer.map_err(|why| Fail::unavailable(format!("{cannot}: {why}")))
}

fn id_in(path: Result<Path<u64>, PathRejection>) -> Result<u64, Fail> {
    let read = path.map(|Path(id)| id);
    read.map_err(|error| Fail::bad_request(format!("cannot read the incident's number: {error}")))
}

/// Never happens: the history answers what it is asked.
fn unlike() -> Fail {
    Fail(StatusCode::INTERNAL_SERVER_ERROR, "cannot read the answer: it answers another question".to_owned())
}
