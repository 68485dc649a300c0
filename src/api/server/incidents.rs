//! Incidents and alerts: what is stored of them, and what people can do about them.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Extension, Path, Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::oneshot;

use super::Shared;
use super::change::{Answered, answer, name_of, replied};
use super::fail::Fail;
use super::peer::Peer;
use crate::api::wire::{Incident, IncidentDetails, Incidents, Tested, Time};
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
    let Query(filter) =
        filter.map_err(|error| Fail::bad_request(format!("cannot read the query: {error}")))?;
    let wanted = Wanted {
        unit: filter.unit.as_deref().map(UnitName::meant),
        since_ms: filter.since.map(|since| since.0),
        open: filter.open.unwrap_or(false),
    };
    let History::Incidents(incidents) = history(&shared, Question::Incidents(wanted)).await? else {
        return Err(unlike());
    };
    Ok(Json(Incidents { incidents: incidents.iter().map(Into::into).collect() }))
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
    let (incident, events) = *found.ok_or_else(|| missing(id))?;
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
    replied(&answer, &what)
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
        Answer::NotManaged => Err(unlike()),
    }
}

async fn history(shared: &Shared, question: Question) -> Result<History, Fail> {
    let (sender, receiver) = oneshot::channel();
    shared.history.try_send((question, sender)).map_err(|error| {
        let cause = match error {
            TrySendError::Full(_) => "too many questions are waiting",
            TrySendError::Closed(_) => "the supervisor is stopping",
        };
        Fail(StatusCode::SERVICE_UNAVAILABLE, format!("cannot read the history: {cause}"))
    })?;
    let answer = receiver.await.map_err(|_| {
        let sentence = "cannot read the history: the supervisor is stopping";
        Fail(StatusCode::SERVICE_UNAVAILABLE, sentence.to_owned())
    })?;
    answer.map_err(|why| Fail(StatusCode::SERVICE_UNAVAILABLE, format!("cannot read the history: {why}")))
}

fn id_in(path: Result<Path<u64>, PathRejection>) -> Result<u64, Fail> {
    let read = path.map(|Path(id)| id);
    read.map_err(|error| Fail::bad_request(format!("cannot read the incident's number: {error}")))
}

fn missing(id: u64) -> Fail {
    let sentence = format!("cannot find incident {id}: there is none, or not any more");
    Fail(StatusCode::NOT_FOUND, sentence)
}

/// Never happens: the history answers what it is asked.
fn unlike() -> Fail {
    Fail(StatusCode::INTERNAL_SERVER_ERROR, "cannot read the answer: it answers another question".to_owned())
}
