//! Every route, one row each, and the routes that only read the picture. The router and the OpenAPI document are made of it.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::handler::Handler;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::command::look_afresh;
use super::commands::commands;
use super::fail::Fail;
use super::json::{self, Json};
use super::lookup::{find, missing, unit_in};
use super::pages::{self, with_rules};
use super::patience::in_pieces;
use super::peer::Peer;
use super::pictures::Readers;
use super::route::Route;
use super::{Shared, events, incidents, metrics};
use crate::api::wire::{Event, Health, IncidentDetails, Incidents, Status, Unit, Usage};
use crate::api::{Build, openapi};

/// The whole table.
pub fn routes() -> Vec<Route> {
    let document = async || Json(openapi::document());
    let mut routes = vec![
        page("/", "The status page, for people.", pages::front),
        page("/units/{unit}", "One unit, for people.", pages::unit),
        page("/incidents/{id}", "One incident, for people.", pages::incident),
        Route::reads::<Status, _, _>("/v1/status", "The host and every managed unit.", status),
        Route::reads::<Unit, _, _>("/v1/units/{unit}", "One unit with its part of the timeline.", unit)
            .with_parameters(of_unit()),
        Route::reads::<Incidents, _, _>("/v1/incidents", "Incidents, newest first.", incidents::list)
            .with_parameters(of_incidents()),
        Route::reads::<IncidentDetails, _, _>(
            "/v1/incidents/{id}",
            "One incident with its timeline.",
            incidents::one,
        ),
        Route::reads::<Event, _, _>(
            "/v1/events",
            "The timeline as it grows: server-sent events, each with an id, its kind as the \
             event's name, and this schema as data.",
            events::events,
        )
        .with_parameters(of_events())
        .with_responses(openapi::events),
        Route::reads::<Value, _, _>("/v1/openapi.json", "This document.", document)
            .with_responses(openapi::itself),
        Route::reads::<String, _, _>(
            "/metrics",
            "Metrics for Prometheus, in the format that Accept asks for.",
            metrics::metrics,
        )
        .with_responses(openapi::metrics),
        Route::reads::<Health, _, _>(
            "/healthz",
            "The health of Steadfast itself; 503 if it is not healthy.",
            health,
        ),
    ];
    routes.extend(commands());
    routes
}

/// A page for people.
fn page<H, A>(path: &'static str, summary: &'static str, handler: H) -> Route
where
    H: Handler<A, Shared>,
    A: 'static,
{
    Route::reads::<String, _, _>(path, summary, handler).with_responses(openapi::page)
}

/// The parameters of the list of incidents.
fn of_incidents() -> Value {
    json!([
        {"name": "unit", "in": "query", "schema": {"type": "string"}},
        {"name": "since", "in": "query", "schema": {"type": "string", "format": "date-time"},
         "description": "Only incidents that were open at this time or later."},
        {"name": "open", "in": "query", "schema": {"type": "boolean"}},
    ])
}

/// The parameters of one unit.
fn of_unit() -> Value {
    json!([
        {"name": "fresh", "in": "query", "schema": {"type": "boolean"},
         "description": "Its processes and probes are read once more first (only at the socket)."},
    ])
}

/// The parameters of the stream of events.
fn of_events() -> Value {
    json!([
        {"name": "unit", "in": "query", "schema": {"type": "string"}},
        {"name": "Last-Event-ID", "in": "header", "schema": {"type": "integer"},
         "description": "Resume after this id; 0 for all that is kept."},
    ])
}

/// A router with every row of the table.
pub fn router(shared: Shared) -> Router {
    routes()
        .into_iter()
        .fold(Router::new(), |router, route| router.route(route.path, route.handler))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(shared)
        .layer(map_response(with_rules))
}

/// The whole picture.
pub async fn status(State(shared): State<Shared>, peer: Option<Extension<Peer>>) -> Result<Response, Fail> {
    let owner = peer.is_some_and(|Extension(peer)| peer.owns_daemon());
    let text = shared.pictures.text(owner).await;
    let text = text.map_err(|cause| Fail::unavailable(format!("cannot write the status: {cause}")))?;
    Ok(([(CONTENT_TYPE, json::TYPE)], [(CONTENT_LENGTH, text.len())], in_pieces(text)).into_response())
}

/// One unit.
pub async fn unit(
    State(shared): State<Shared>,
    peer: Option<Extension<Peer>>,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Unit>, Fail> {
    let name = unit_in(path)?;
    if peer.is_some() && query.as_deref() == Some("fresh=true") {
        let unit = find(&shared.snapshots.borrow(), &name).map(|known| known.unit.clone());
        let unit = unit.ok_or_else(|| missing(&shared.snapshots.borrow(), &name))?;
        look_afresh(&shared, unit).await;
    }
    let (mut unit, group) = {
        let snapshot = shared.snapshots.borrow();
        let status = find(&snapshot, &name).ok_or_else(|| missing(&snapshot, &name))?;
        let mut unit = Unit::of(status);
        unit.recall(status, snapshot.at);
        if !Readers::of(peer.is_some()).see_logs(&snapshot) {
            unit.hide_log();
        }
        let of_unit = |event: &&_| concerns(event, status.unit.as_str());
        unit.events = snapshot.events.iter().filter(of_unit).map(Into::into).collect();
        (unit, status.settings.as_ref().map(|settings| settings.control_group.clone()))
    };
    if let Some(group) = group.filter(|_| unit.active_state.is_some()) {
        unit.usage = spawn_blocking(move || Usage::of(&group)).await.ok().flatten();
    }
    Ok(Json(unit))
}

/// Whether an event is of this unit.
pub fn concerns(event: &crate::model::incident::Event, unit: &str) -> bool {
    event.unit.as_ref().is_some_and(|name| name.as_str() == unit)
}

/// How Steadfast itself is; 503 where it cannot do its work.
pub async fn health(State(shared): State<Shared>) -> Response {
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
    let build = Some(Build::this());
    let health = Health { status: status.to_owned(), reasons, generated_at: snapshot.at.into(), build };
    (code, Json(health)).into_response()
}

/// 404.
pub async fn no_such_path(uri: Uri) -> Fail {
    let sentence = format!("cannot find {}: no such path, see /v1/openapi.json", uri.path());
    Fail(StatusCode::NOT_FOUND, sentence)
}

/// 405.
pub async fn no_such_method(method: Method, uri: Uri) -> Fail {
    let sentence = format!("cannot {method} {}: see /v1/openapi.json", uri.path());
    Fail(StatusCode::METHOD_NOT_ALLOWED, sentence)
}
