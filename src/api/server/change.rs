//! The routes that change something: checked here, passed on as a request, decided by the policy.

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::fail::Fail;
use super::peer::Peer;
use super::routes::{find, unit_in};
use super::{ANSWER_TIME, BODY_MAX, BODY_TIME, Shared};
use crate::api::wire::{DrillBody, HoldBody, Reply, ReplyResult};
use crate::clock;
use crate::model::drill::DrillKind;
use crate::model::operator::{Answer, Ask, Asked, Request};
use crate::model::unit::UnitName;

/// The longest hold; whoever needs more switches the unit's file off, with a reason and an end.
pub const HOLD_MAX: Duration = Duration::from_secs(24 * 3600);
/// Characters of a hold's reason.
const REASON_MAX: usize = 500;

pub type Answered = Result<(StatusCode, Json<Reply>), Fail>;
type UnitPath = Result<Path<String>, PathRejection>;

pub async fn recover(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    path: UnitPath,
) -> Answered {
    let (unit, who) = admit(&shared, peer, path).await?;
    pass_on(&shared, unit, who, Ask::Recover).await
}

pub async fn resume(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    path: UnitPath,
) -> Answered {
    let (unit, who) = admit(&shared, peer, path).await?;
    pass_on(&shared, unit, who, Ask::Resume).await
}

pub async fn drill(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    path: UnitPath,
    body: Body,
) -> Answered {
    let (unit, who) = admit(&shared, peer, path).await?;
    let ask = drill_of(&read(body).await?).map_err(Fail::bad_request)?;
    pass_on(&shared, unit, who, ask).await
}

pub async fn hold(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    path: UnitPath,
    body: Body,
) -> Answered {
    let (unit, who) = admit(&shared, peer, path).await?;
    let ask = hold_of(&read(body).await?).map_err(Fail::bad_request)?;
    pass_on(&shared, unit, who, ask).await
}

/// The unit and the caller's name, for a caller who may change a unit that is managed.
async fn admit(shared: &Shared, peer: Peer, path: UnitPath) -> Result<(UnitName, String), Fail> {
    let name = unit_in(path)?;
    let who = name_of(shared, peer).await?;
    let snapshot = shared.snapshots.borrow();
    let unit = find(&snapshot, &name).ok_or_else(|| Fail::not_managed(&name))?;
    Ok((unit.unit.clone(), who))
}

/// The name of a caller who may change things.
pub async fn name_of(shared: &Shared, peer: Peer) -> Result<String, Fail> {
    let admin_group = shared.snapshots.borrow().admin_group.clone();
    let who = peer.authorize(admin_group).await;
    who.map_err(|sentence| Fail(StatusCode::FORBIDDEN, sentence))
}

pub async fn read(body: Body) -> Result<Bytes, Fail> {
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

/// What a drill's body asks for.
fn drill_of(body: &[u8]) -> Result<Ask, String> {
    let body: DrillBody = if body.is_empty() {
        DrillBody::default()
    } else {
        serde_json::from_slice(body).map_err(|error| {
            format!(
                r#"cannot read the body: {error}; wanted: {{"probe": "NAME", "dry_run": false}}, or nothing"#
            )
        })?
    };
    let kind = body.probe.map_or(DrillKind::Kill, DrillKind::Probe);
    Ok(Ask::Drill { kind, rehearse: body.dry_run })
}

/// What a hold's body asks for.
fn hold_of(body: &[u8]) -> Result<Ask, String> {
    let body: HoldBody = serde_json::from_slice(body).map_err(|error| {
        format!(r#"cannot read the body: {error}; wanted: {{"for": "30m", "reason": "…"}}"#)
    })?;
    let length = clock::length(&body.length).map_err(|why| format!("cannot read \"for\": {why}"))?;
    if length.is_zero() {
        return Err("cannot hold: \"for\" must be more than nothing".to_owned());
    }
    if length > HOLD_MAX {
        return Err("cannot hold: \"for\" may be at most 24h; \
                    for longer, use [disabled] in the unit's file"
            .to_owned());
    }
    let reason = body.reason.trim().to_owned();
    if reason.is_empty() {
        return Err("cannot hold: \"reason\" is empty; say why, the others will wonder".to_owned());
    }
    if reason.chars().count() > REASON_MAX {
        return Err(format!("cannot hold: \"reason\" has more than {REASON_MAX} characters"));
    }
    Ok(Ask::Hold { length, reason })
}

/// Asks the policy of a unit and waits for its one answer.
async fn pass_on(shared: &Shared, unit: UnitName, who: String, ask: Ask) -> Answered {
    let asked = |id| Asked::OfUnit(Request { id, unit: unit.clone(), who, ask });
    let answer = answer(shared, asked, unit.as_str()).await?;
    replied(&answer, unit.as_str())
}

/// Asks the policy, and waits for its one answer. `what`: of which somebody wants to know.
pub async fn answer(shared: &Shared, asked: impl FnOnce(u64) -> Asked, what: &str) -> Result<Answer, Fail> {
    let (sender, receiver) = oneshot::channel();
    let asked = asked(shared.next_request.fetch_add(1, Ordering::Relaxed));
    let passed_on = shared.ask.try_send((asked, sender));
    passed_on.map_err(|error| Fail::not_passed_on(&error, &format!("cannot ask for {what}"), "requests"))?;
    let answer = timeout(ANSWER_TIME, receiver).await.map_err(|_| {
        let sentence =
            format!("cannot say what became of {what}: no answer within {} min", ANSWER_TIME.as_secs() / 60);
        Fail(StatusCode::GATEWAY_TIMEOUT, sentence)
    })?;
    answer.map_err(|_| Fail::stopping(&format!("cannot say what became of {what}")))
}

/// The reply with the status that fits its result.
pub fn replied(answer: &Answer, what: &str) -> Answered {
    let reply = Reply::of(answer).ok_or_else(|| Fail::not_managed(what))?;
    let status = match reply.result {
        ReplyResult::Done => StatusCode::OK,
        ReplyResult::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        ReplyResult::Refused => StatusCode::CONFLICT,
    };
    Ok((status, Json(reply)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sentence(body: &str) -> String {
        hold_of(body.as_bytes()).unwrap_err()
    }

    #[test]
    fn a_drill_kills_unless_a_probe_is_named() {
        let kill = Ask::Drill { kind: DrillKind::Kill, rehearse: false };
        assert_eq!(drill_of(b""), Ok(kill.clone()));
        assert_eq!(drill_of(b"{}"), Ok(kill));
        let probe = Ask::Drill { kind: DrillKind::Probe("page".to_owned()), rehearse: true };
        assert_eq!(drill_of(br#"{"probe": "page", "dry_run": true}"#), Ok(probe));
        assert!(drill_of(br#"{"kill": 9}"#).unwrap_err().contains("unknown field"));
    }

    #[test]
    fn a_hold_needs_a_length_and_a_reason() {
        let held = hold_of(br#"{"for": "1h 30m", "reason": " upgrade "}"#);
        let wanted = Ask::Hold { length: Duration::from_secs(5400), reason: "upgrade".to_owned() };
        assert_eq!(held, Ok(wanted));
        assert!(sentence(r#"{"for": "30m"}"#).contains("missing field `reason`"));
        assert!(sentence(r#"{"reason": "x"}"#).contains("missing field `for`"));
        assert!(sentence(r#"{"for": "30", "reason": "x"}"#).contains("cannot read \"for\""));
        assert!(sentence(r#"{"for": "25h", "reason": "x"}"#).contains("at most 24h"));
        assert!(sentence(r#"{"for": "-1h", "reason": "x"}"#).contains("negative"));
        assert!(sentence(r#"{"for": "1h", "reason": "  "}"#).contains("empty"));
        assert!(sentence(r#"{"for": "1h", "reason": "x", "who": "y"}"#).contains("unknown field"));
        assert!(sentence("").contains("cannot read the body"));
    }
}
