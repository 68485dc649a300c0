//! The routes of the status socket, and those that only read.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};

use super::fail::Fail;
use super::{Shared, baseline, change, events, incidents, metrics};
use crate::api::openapi;
use crate::api::wire::{Health, Status, Unit};
use crate::model::snapshot::{Snapshot, UnitStatus};
use crate::model::unit::UnitName;

/// All routes.
pub fn router(shared: Shared) -> Router {
    Router::new()
        .route("/v1/status", get(status))
        .route("/v1/units/{unit}", get(unit))
        .route("/v1/units/{unit}/recover", post(change::recover))
        .route("/v1/units/{unit}/hold", post(change::hold))
        .route("/v1/units/{unit}/resume", post(change::resume))
        .route("/v1/units/{unit}/drill", post(change::drill))
        .route("/v1/incidents", get(incidents::list))
        .route("/v1/incidents/{id}", get(incidents::one))
        .route("/v1/incidents/{id}/ack", post(incidents::acknowledge))
        .route("/v1/alerts/test", post(incidents::test))
        .route("/v1/baseline", post(baseline::told))
        .route("/v1/baseline/accept", post(baseline::accept))
        .route("/v1/events", get(events::events))
        .route("/v1/openapi.json", get(async || Json(openapi::document())))
        .route("/healthz", get(health))
        .route("/metrics", get(metrics::metrics))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(shared)
}

async fn status(State(shared): State<Shared>) -> Json<Status> {
    Json(Status::of(&shared.snapshots.borrow()))
}

async fn unit(
    State(shared): State<Shared>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<Unit>, Fail> {
    let name = unit_in(path)?;
    let snapshot = shared.snapshots.borrow();
    let status = find(&snapshot, &name).ok_or_else(|| Fail::not_managed(&name))?;
    let mut unit = Unit::of(status);
    let of_unit = |event: &&_| concerns(event, status.unit.as_str());
    unit.events = snapshot.events.iter().filter(of_unit).map(Into::into).collect();
    Ok(Json(unit))
}

/// Whether an event is of this unit.
pub fn concerns(event: &crate::model::incident::Event, unit: &str) -> bool {
    event.unit.as_ref().is_some_and(|name| name.as_str() == unit)
}

/// The unit named in the path.
pub fn unit_in(path: Result<Path<String>, PathRejection>) -> Result<String, Fail> {
    path.map(|Path(name)| name)
        .map_err(|error| Fail::bad_request(format!("cannot read the unit's name: {error}")))
}

/// A managed unit by its name, by the name without `.service`, or by another of its names.
pub fn find<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a UnitStatus> {
    let full = UnitName::meant(name);
    let by_name = snapshot.units.get(&full);
    let found = by_name.or_else(|| {
        let mut units = snapshot.units.values();
        units.find(|unit| {
            let names = unit.settings.iter().flat_map(|settings| &settings.names);
            names.into_iter().any(|alias| *alias == full)
        })
    });
    found.map(AsRef::as_ref)
}

/// How Steadfast itself is; 503 where it cannot do its work.
async fn health(State(shared): State<Shared>) -> Response {
    let snapshot = shared.snapshots.borrow();
    let mut reasons = snapshot.unfit.clone();
    if shared.snapshots.has_changed().is_err() {
        reasons.push("the supervisor has stopped".to_owned());
    }
    let (code, status) = if reasons.is_empty() {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ready")
    };
    let health = Health { status: status.to_owned(), reasons, generated_at: snapshot.at.into() };
    (code, Json(health)).into_response()
}

async fn no_such_path(uri: Uri) -> Fail {
    let sentence = format!("cannot find {}: no such path, see /v1/openapi.json", uri.path());
    Fail(StatusCode::NOT_FOUND, sentence)
}

async fn no_such_method(method: Method, uri: Uri) -> Fail {
    let sentence = format!("cannot {method} {}: see /v1/openapi.json", uri.path());
    Fail(StatusCode::METHOD_NOT_ALLOWED, sentence)
}
