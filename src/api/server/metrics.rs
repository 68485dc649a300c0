//! `GET /metrics`.

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::task::spawn_blocking;

use super::Shared;
use super::fail::Fail;
use crate::api::metrics::{Form, text};

/// The picture as it stands, in the form that the caller knows.
pub async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Fail> {
    let wishes = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let form = Form::wanted(&wishes.collect::<Vec<_>>().join(","));
    let snapshot = shared.snapshots.borrow().clone();
    // A thousand units make a text of megabytes: supervision does not wait for it.
    let written = spawn_blocking(move || text(snapshot, form)).await;
    let failed = |cause: &dyn std::fmt::Display| {
        Fail(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot write the metrics: {cause}"))
    };
    let text = written.map_err(|error| failed(&error))?.map_err(|error| failed(&error))?;
    Ok(([(CONTENT_TYPE, form.content_type()), (VARY, "accept")], text).into_response())
}
