//! An error as every handler answers it: a status and `{"error": "cannot X: cause"}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use crate::api::wire::Failure;

/// What a handler answers when it cannot do what was asked.
#[derive(Debug)]
pub struct Fail(pub StatusCode, pub String);

impl Fail {
    /// 400 with this sentence.
    pub fn bad_request(sentence: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, sentence.into())
    }

    /// 404 for a unit that is not managed.
    pub fn not_managed(unit: &str) -> Self {
        let sentence = format!("cannot find unit {unit}: not managed by Steadfast");
        Self(StatusCode::NOT_FOUND, sentence)
    }
}

impl IntoResponse for Fail {
    fn into_response(self) -> Response {
        (self.0, Json(Failure { error: self.1 })).into_response()
    }
}
