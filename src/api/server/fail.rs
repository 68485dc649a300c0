//! An error as every handler answers it: a status and `{"error": "cannot X: cause"}`.

use axum::extract::Query;
use axum::extract::rejection::QueryRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::mpsc::error::TrySendError;

use super::json::Json;
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

    /// 404 for what is not there: `incident 9`.
    pub fn no_such(what: &str) -> Self {
        Self(StatusCode::NOT_FOUND, format!("cannot find {what}: it does not exist, or is no longer kept"))
    }

    /// Never happens: policy and history answer what they are asked.
    pub fn unlike() -> Self {
        let sentence = "cannot read the answer: it answers another question".to_owned();
        Self(StatusCode::INTERNAL_SERVER_ERROR, sentence)
    }

    /// 503: what was asked could not be passed on. `what`: of it there are too many.
    pub fn not_passed_on<T>(error: &TrySendError<T>, cannot: &str, what: &str) -> Self {
        match error {
            TrySendError::Full(_) => Self::unavailable(format!("{cannot}: too many {what} are waiting")),
            TrySendError::Closed(_) => Self::stopping(cannot),
        }
    }

    /// 503: whoever was to answer is gone.
    pub fn stopping(cannot: &str) -> Self {
        Self::unavailable(format!("{cannot}: the supervisor is stopping"))
    }

    /// 503 with this sentence.
    pub fn unavailable(sentence: String) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, sentence)
    }
}

/// What a query says.
pub fn queried<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Fail> {
    let read = query.map(|Query(read)| read);
    read.map_err(|error| Fail::bad_request(format!("cannot read the query: {error}")))
}

impl IntoResponse for Fail {
    fn into_response(self) -> Response {
        (self.0, Json(Failure { error: self.1 })).into_response()
    }
}
