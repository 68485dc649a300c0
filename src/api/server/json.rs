//! An answer of JSON, in which nothing of others steers the terminal on which somebody reads it.

use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::escape;

/// What the header says.
pub const TYPE: &str = "application/json";

/// The data as JSON.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_string(&self.0) {
            Ok(text) => ([(CONTENT_TYPE, TYPE)], escape::json(text)).into_response(),
            // Never happens: the types of the wire have no keys that are not text.
            Err(why) => (StatusCode::INTERNAL_SERVER_ERROR, why.to_string()).into_response(),
        }
    }
}
