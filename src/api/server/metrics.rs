//! `GET /metrics`.

use std::fmt::Display;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use super::Shared;
use super::fail::Fail;
use super::patience::in_pieces;
use crate::api::metrics::{Form, text};

/// The picture as it stands, in the form that the caller knows.
pub async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Fail> {
    written(&shared, wished(&headers)).await
}

/// The form that the caller knows.
pub fn wished(headers: &HeaderMap) -> Form {
    let wishes = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    Form::wanted(&wishes.collect::<Vec<_>>().join(","))
}

/// The text of it.
pub async fn written(shared: &Shared, form: Form) -> Result<Response, Fail> {
    let failed = |status, cause: &dyn Display| Fail(status, format!("cannot write the metrics: {cause}"));
    let place = Arc::clone(&shared.metrics).try_acquire_owned();
    let busy = |_| failed(StatusCode::SERVICE_UNAVAILABLE, &"too many others read them just now");
    let place = place.map_err(busy)?;
    let snapshot = shared.snapshots.borrow().clone();
    // A thousand units make a text of megabytes: supervision does not wait for it.
    let written = spawn_blocking(move || text(snapshot, form)).await;
    let broken = |cause: &dyn Display| failed(StatusCode::INTERNAL_SERVER_ERROR, cause);
    let text = written.map_err(|error| broken(&error))?.map_err(|error| broken(&error))?;
    let text = Bytes::from_owner(Placed { text, _place: place });
    Ok(([(CONTENT_TYPE, form.content_type()), (VARY, "accept")], in_pieces(text)).into_response())
}

/// A text, which keeps its place until the caller has read it.
struct Placed {
    text: String,
    _place: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Placed {
    fn as_ref(&self) -> &[u8] {
        self.text.as_bytes()
    }
}
