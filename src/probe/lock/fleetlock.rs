//! The FleetLock protocol: `v1/pre-reboot` takes a slot, `v1/steady-state` gives it back. The server knows the holder by an id, and
//! tells nobody who the others are.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Failure, Known, Limit, Lock, LockAsked, LockSaid, text};

pub async fn ask(lock: &Lock, address: &str, group: &str, asked: &LockAsked) -> Result<LockSaid, Failure> {
    let (path, holder) = match asked {
        LockAsked::Take { holder, .. } => ("/v1/pre-reboot", holder),
        LockAsked::Leave { holder, .. } | LockAsked::Release { holder, .. } => ("/v1/steady-state", holder),
        LockAsked::Look => return Err(Failure::unknown("FleetLock does not tell who has slots")),
    };
    let mut headers = vec![("fleet-lock-protocol", "true".to_owned())];
    if let Some(user) = &lock.user {
        let password = lock.password(Limit::new(lock.each())).await?;
        headers.push(("authorization", format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))));
    }
    let body = json!({ "client_params": { "id": holder, "group": group } });
    let (status, told) = lock.post((address, path), &body, headers).await?;
    match (status, asked) {
        (200, LockAsked::Take { .. }) => Ok(LockSaid::Ours),
        (200, LockAsked::Release { holder, .. }) => Ok(LockSaid::Released(vec![holder.clone()])),
        (200, _) => Ok(LockSaid::Left),
        (status, LockAsked::Take { .. }) if is_refusal(&told) => {
            let said = told.get("value").and_then(Value::as_str).unwrap_or_default();
            let what = Some(format!("{} ({status})", text::name(said)));
            Ok(LockSaid::Busy(vec![Known { what, ..Known::default() }]))
        }
        (status, _) => Err(Failure::unknown(format!("{} answered {status}", text::name(address)))),
    }
}

/// An error of the protocol: the server lives, and does not give the slot.
fn is_refusal(told: &Value) -> bool {
    told.get("kind").is_some_and(Value::is_string) && told.get("value").is_some_and(Value::is_string)
}
