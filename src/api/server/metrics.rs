//! `GET /metrics`.

use std::convert::Infallible;
use std::fmt::Display;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::spawn_blocking;

use super::Shared;
use super::fail::Fail;
use crate::api::metrics::{Form, text};

/// Bytes that are handed on at one time.
const PIECE: usize = 64 * 1024;

/// The picture as it stands, in the form that the caller knows.
pub async fn metrics(State(shared): State<Shared>, headers: HeaderMap) -> Result<Response, Fail> {
    let failed = |status, cause: &dyn Display| Fail(status, format!("cannot write the metrics: {cause}"));
    let wishes = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let form = Form::wanted(&wishes.collect::<Vec<_>>().join(","));
    let place = Arc::clone(&shared.metrics).try_acquire_owned();
    let busy = |_| failed(StatusCode::SERVICE_UNAVAILABLE, &"too many others read them just now");
    let place = place.map_err(busy)?;
    let snapshot = shared.snapshots.borrow().clone();
    // A thousand units make a text of megabytes: supervision does not wait for it.
    let written = spawn_blocking(move || text(snapshot, form)).await;
    let broken = |cause: &dyn Display| failed(StatusCode::INTERNAL_SERVER_ERROR, cause);
    let text = written.map_err(|error| broken(&error))?.map_err(|error| broken(&error))?;
    Ok(([(CONTENT_TYPE, form.content_type()), (VARY, "accept")], in_pieces(text, place)).into_response())
}

/// The text, which keeps its place until the caller has read it.
fn in_pieces(text: String, place: OwnedSemaphorePermit) -> Body {
    Body::from_stream(stream::unfold((text, 0, place), async |(text, from, place)| {
        let rest = text.as_bytes().get(from..).filter(|rest| !rest.is_empty())?;
        let piece = Bytes::copy_from_slice(rest.get(..PIECE).unwrap_or(rest));
        let next = from + piece.len();
        Some((Ok::<_, Infallible>(piece), (text, next, place)))
    }))
}
