//! The routes at `listen`: those of the socket, each handed on as a page. Commands have none.

use axum::Router;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use super::super::fail::{Fail, queried};
use super::super::json::Json;
use super::super::lookup::{id_in, unit_in};
use super::super::pages::{no_page, with_rules};
use super::super::{events, incidents, metrics, routes};
use super::asks::Asks;
use super::names::{Now, only_by_our_names, only_reading};
use super::page::{Name, Page};
use crate::api::openapi;

/// A router with every row of the table.
pub fn router(asks: Asks, settings: Now) -> Router {
    let row = |router: Router<Asks>, (path, method): (&str, Method)| {
        // Nobody comes so far with a command.
        let never = || post(async || StatusCode::FORBIDDEN);
        router.route(path, if method == Method::GET { reads(path) } else { never() })
    };
    let all = routes().into_iter().map(|route| (route.path, route.method));
    all.fold(Router::new(), row)
        .fallback(routes::no_such_path)
        .method_not_allowed_fallback(routes::no_such_method)
        .with_state(asks)
        .layer(middleware::from_fn_with_state(settings.clone(), only_reading))
        .layer(middleware::from_fn_with_state(settings, only_by_our_names))
        .layer(middleware::map_response(with_rules))
}

fn reads(path: &str) -> MethodRouter<Asks> {
    match path {
        "/" => get(async |State(asks): State<Asks>| shown("", asks.page(Page::Front).await)),
        "/units/{unit}" => get(async |state: State<Asks>, path: Result<Path<String>, PathRejection>| {
            shown("../", named(state, path, Page::OfUnit).await)
        }),
        "/incidents/{id}" => get(async |State(asks): State<Asks>, path: Result<Path<u64>, PathRejection>| {
            let asked = async { asks.page(Page::OfIncident(id_in(path)?)).await };
            shown("../", asked.await)
        }),
        "/v1/status" => get(async |State(asks): State<Asks>| asks.page(Page::Status).await),
        "/v1/units/{unit}" => get(unit),
        "/v1/incidents" => get(list),
        "/v1/incidents/{id}" => get(incident),
        "/v1/events" => get(follow),
        "/v1/openapi.json" => get(async || Json(openapi::document())),
        "/metrics" => get(async |State(asks): State<Asks>, headers: HeaderMap| {
            asks.page(Page::Metrics(metrics::wished(&headers))).await
        }),
        "/healthz" => get(async |State(asks): State<Asks>| asks.page(Page::Health).await),
        _ => MethodRouter::new(),
    }
}

async fn unit(state: State<Asks>, path: Result<Path<String>, PathRejection>) -> Result<Response, Fail> {
    named(state, path, Page::Unit).await
}

async fn named(
    State(asks): State<Asks>,
    path: Result<Path<String>, PathRejection>,
    page: fn(Name) -> Page,
) -> Result<Response, Fail> {
    let name = unit_in(path)?;
    let known = Name::of(&name).ok_or_else(|| Fail::not_managed(&name))?;
    asks.page(page(known)).await
}

/// What keeps a page from being shown is a page as well.
fn shown(root: &str, page: Result<Response, Fail>) -> Response {
    page.unwrap_or_else(|Fail(status, sentence)| no_page(root, status, &sentence))
}

async fn list(
    State(asks): State<Asks>,
    filter: Result<Query<incidents::Filter>, QueryRejection>,
) -> Result<Response, Fail> {
    asks.page(Page::Incidents(queried(filter)?.bounded())).await
}

async fn incident(
    State(asks): State<Asks>,
    path: Result<Path<u64>, PathRejection>,
) -> Result<Response, Fail> {
    asks.page(Page::Incident(id_in(path)?)).await
}

async fn follow(
    State(asks): State<Asks>,
    filter: Result<Query<events::Filter>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Fail> {
    let filter = queried(filter)?;
    let after = events::last_event_id(&headers)?;
    let unit = match filter.unit {
        Some(name) => Some(Name::of(&name).ok_or_else(|| Fail::not_managed(&name))?),
        None => None,
    };
    Ok(asks.stream(Page::Events { unit, after }).await.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_route_for_reading_is_served_here_too() {
        for route in routes().into_iter().filter(|route| route.method == Method::GET) {
            let known = format!("{:?}", reads(route.path));
            assert_ne!(known, format!("{:?}", MethodRouter::<Asks>::new()), "{}", route.path);
        }
    }
}
