//! What another host saw of the same thing: the probe of that name, of the unit of that name, on its read-only page.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use super::Limit;
use super::http::{Page, fetch};

/// Its clock may be ahead of ours by so much.
const CLOCKS: SignedDuration = SignedDuration::from_secs(5);

/// A probe, as another host tells of it.
#[derive(Debug, Deserialize)]
struct Seen {
    name: String,
    status: String,
    last_status: Option<String>,
    last_at: Option<String>,
}

/// Whether it reaches it; `None`: it does not say, or last looked longer ago than `fresh`.
pub async fn peer(url: &str, probe: &str, fresh: Duration, limit: Limit) -> Option<bool> {
    let answer = fetch(Page::of(url).ok()?, limit).await.ok()?;
    if answer.status != 200 || answer.elsewhere {
        return None;
    }
    let told: Value = serde_json::from_slice(answer.body.whole()?).ok()?;
    saw(&told, probe, fresh, Timestamp::now())
}

/// What its JSON says of this probe. Its clock is taken to be right, as ours is.
fn saw(told: &Value, probe: &str, fresh: Duration, now: Timestamp) -> Option<bool> {
    let seen: Vec<Seen> = Deserialize::deserialize(told.get("probes")?).ok()?;
    let seen = seen.into_iter().find(|seen| seen.name == probe)?;
    let age = now.duration_since(seen.last_at.as_deref()?.parse().ok()?);
    let recent = age >= -CLOCKS && age <= SignedDuration::try_from(fresh).ok()?;
    // The last answer of a flapping one says more than what was settled before.
    match seen.last_status.unwrap_or(seen.status).as_str() {
        "healthy" => recent.then_some(true),
        "unhealthy" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(probes: &str) -> Option<bool> {
        let now = "2026-11-20T10:00:30Z".parse().unwrap();
        saw(&serde_json::from_str(probes).unwrap(), "tcp", Duration::from_secs(10), now)
    }

    fn probe(status: &str, last: &str, at: &str) -> String {
        format!(
            r#"{{"probes": [{{"name": "other", "status": "healthy", "last_at": null}},
                {{"name": "tcp", "status": "{status}", "last_status": {last}, "last_at": {at}, "more": 1}}]}}"#
        )
    }

    #[test]
    fn only_what_a_peer_saw_lately_says_that_it_reaches_it() {
        let at = r#""2026-11-20T10:00:25.000Z""#;
        assert_eq!(told(&probe("healthy", r#""healthy""#, at)), Some(true));
        assert_eq!(told(&probe("healthy", "null", at)), Some(true));
        // What fails just now is not settled yet.
        assert_eq!(told(&probe("healthy", r#""unhealthy""#, at)), Some(false));
        assert_eq!(
            told(&probe("healthy", r#""healthy""#, r#""2026-11-20T10:00:15Z""#)),
            None,
            "seen before it failed here"
        );
        assert_eq!(
            told(&probe("healthy", r#""healthy""#, r#""2026-11-20T10:01:00Z""#)),
            None,
            "another clock"
        );
        assert_eq!(told(&probe("unknown", r#""unknown""#, at)), None);
    }

    #[test]
    fn a_stranger_says_nothing() {
        for odd in
            ["null", "[]", "{}", r#"{"probes": 1}"#, r#"{"probes": [{"name": "tcp"}]}"#, r#"{"probes": []}"#]
        {
            assert_eq!(told(odd), None, "{odd}");
        }
    }
}
