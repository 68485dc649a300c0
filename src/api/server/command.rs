//! A command of a person: checked here, passed on as a request, decided by the policy, which answers once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::fail::Fail;
use super::json::Json;
use super::peer::Peer;
use super::route::RequestBody;
use super::{ANSWER_TIME, BODY_MAX, BODY_TIME, Shared};
use crate::api::wire::{Reply, ReplyResult, Tested};
use crate::model::operator::{Answer, Ask, Request, UnitAsk};
use crate::model::unit::UnitName;

/// Fresh readings of a unit are awaited so long; the policy gives up before.
const LOOK_TIME: Duration = Duration::from_secs(12);

/// The body of a command.
pub trait CommandBody: Send + Sized + 'static {
    /// The body as the document shows it; `None` where the command takes none.
    fn described() -> Option<RequestBody>;

    /// What was sent, or one sentence.
    fn parse(bytes: &[u8]) -> Result<Self, String>;
}

/// A command without a body: what is sent is not looked at.
impl CommandBody for () {
    fn described() -> Option<RequestBody> {
        None
    }

    fn parse(_: &[u8]) -> Result<Self, String> {
        Ok(())
    }
}

/// A body of JSON. `EXAMPLE` is shown to who sends another.
pub trait JsonBody: DeserializeOwned + JsonSchema + Send + 'static {
    const EXAMPLE: &str;

    /// The body that nothing stands for, if any.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: JsonBody> CommandBody for T {
    fn described() -> Option<RequestBody> {
        let schema = |schemas: &mut schemars::SchemaGenerator| schemas.subschema_for::<T>();
        Some(RequestBody { schema, required: T::absent().is_none() })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if let Some(absent) = T::absent().filter(|_| bytes.is_empty()) {
            return Ok(absent);
        }
        serde_json::from_slice(bytes)
            .map_err(|error| format!("cannot read the body: {error}; wanted: {}", T::EXAMPLE))
    }
}

/// Checks the caller, finds what the command is about, reads its body, asks the policy, and waits for its one answer.
pub async fn carry_out<T: Send, B: CommandBody>(
    shared: Shared,
    peer: Peer,
    about: impl FnOnce(&Shared) -> Result<T, Fail> + Send,
    body: Body,
    ask: impl FnOnce(T, B) -> Result<Ask, String> + Send,
) -> Result<Response, Fail> {
    let who = name_of(&shared, peer).await?;
    let about = about(&shared)?;
    let body = match B::described() {
        Some(_) => read(body).await?,
        None => Bytes::new(),
    };
    let ask = B::parse(&body).and_then(|body| ask(about, body)).map_err(Fail::bad_request)?;
    let answer = answer(&shared, who, ask.clone()).await?;
    replied(&ask, &answer)
}

/// The name of a caller who may change things.
async fn name_of(shared: &Shared, peer: Peer) -> Result<String, Fail> {
    let admin_group = shared.snapshots.borrow().admin_group.clone();
    let who = peer.authorize(admin_group).await;
    who.map_err(|sentence| Fail(StatusCode::FORBIDDEN, sentence))
}

async fn read(body: Body) -> Result<Bytes, Fail> {
    let read = timeout(BODY_TIME, to_bytes(body, BODY_MAX)).await;
    let read = read.map_err(|_| {
        let sentence = format!("cannot read the body: not complete within {} s", BODY_TIME.as_secs());
        Fail(StatusCode::REQUEST_TIMEOUT, sentence)
    })?;
    read.map_err(|_| {
        let sentence = format!("cannot read the body: broken off, or more than {BODY_MAX} bytes");
        Fail(StatusCode::PAYLOAD_TOO_LARGE, sentence)
    })
}

async fn answer(shared: &Shared, who: String, ask: Ask) -> Result<Answer, Fail> {
    let what = ask.subject();
    let (sender, receiver) = oneshot::channel();
    let request = Request { id: shared.next_request.fetch_add(1, Ordering::Relaxed), who, ask };
    let passed_on = shared.ask.try_send((request, sender));
    passed_on.map_err(|error| Fail::not_passed_on(&error, &format!("cannot ask for {what}"), "requests"))?;
    let answer = timeout(ANSWER_TIME, receiver).await.map_err(|_| {
        let sentence =
            format!("cannot tell the result of {what}: no answer within {} min", ANSWER_TIME.as_secs() / 60);
        Fail(StatusCode::GATEWAY_TIMEOUT, sentence)
    })?;
    answer.map_err(|_| Fail::stopping(&format!("cannot tell the result of {what}")))
}

/// Has the unit read once more, so that the picture of it is of now. What keeps that from coming is seen in the picture.
pub async fn look_afresh(shared: &Shared, unit: UnitName) {
    let (sender, receiver) = oneshot::channel();
    let ask = Ask::OfUnit { unit, ask: UnitAsk::Look };
    let id = shared.next_request.fetch_add(1, Ordering::Relaxed);
    let request = Request { id, who: String::new(), ask };
    if shared.ask.try_send((request, sender)).is_ok() {
        let _answer = timeout(LOOK_TIME, receiver).await;
    }
}

/// The answer with the status that fits its result.
fn replied(ask: &Ask, answer: &Answer) -> Result<Response, Fail> {
    match answer {
        Answer::NotManaged => return Err(Fail::not_managed(&ask.subject())),
        Answer::NoIncident => return Err(Fail::no_such(&ask.subject())),
        Answer::Tested(results) => {
            let all = results.iter().all(|(_, result)| result.is_ok());
            let status = if all { StatusCode::OK } else { StatusCode::BAD_GATEWAY };
            return Ok((status, Json(Tested::of(results))).into_response());
        }
        // The reply to a test lists sinks, and there are none.
        Answer::Refused { message } if *ask == Ask::TestAlerts => {
            return Err(Fail(StatusCode::CONFLICT, message.clone()));
        }
        Answer::Done { .. }
        | Answer::Failed { .. }
        | Answer::Refused { .. }
        | Answer::DrillPlanned(_)
        | Answer::Drilled { .. } => {}
    }
    let reply = Reply::of(answer).ok_or_else(Fail::unlike)?;
    let status = match reply.result {
        ReplyResult::Done => StatusCode::OK,
        ReplyResult::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        ReplyResult::Refused => StatusCode::CONFLICT,
    };
    Ok((status, Json(reply)).into_response())
}
