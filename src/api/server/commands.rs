//! The commands of people, one row each; what a body must be like, and what it asks for.

use super::command::JsonBody;
use super::route::Route;
use crate::api::wire::{BaselineBody, DrillBody, HoldBody, Tested};
use crate::api::{HOLD_MAX, openapi};
use crate::clock;
use crate::model::baseline::WorseLine;
use crate::model::drill::DrillKind;
use crate::model::operator::{Ask, UnitAsk};

/// Characters of a hold's reason.
const REASON_MAX: usize = 500;
/// Lines of a comparison, lines of evidence of each, and characters of a line.
const LINES_MAX: usize = 500;
const EVIDENCE_MAX: usize = 20;
const LINE_MAX: usize = 2000;

/// Every command. Who may give one was settled before its row is asked.
pub fn commands() -> Vec<Route> {
    vec![
        Route::of_unit("/v1/units/{unit}/recover", "Start, enable and check the endpoints, now.", |()| {
            Ok(UnitAsk::Recover)
        }),
        Route::of_unit("/v1/units/{unit}/hold", "Observe only, until then.", hold),
        Route::of_unit("/v1/units/{unit}/resume", "End a hold or a quarantine.", |()| Ok(UnitAsk::Resume)),
        Route::of_unit(
            "/v1/units/{unit}/drill",
            "Test the whole path by a fault (a drill); answers when the drill is over.",
            drill,
        ),
        Route::of_incident(
            "/v1/incidents/{id}/ack",
            "Acknowledge an incident: no reminders, no escalation.",
            |incident| Ask::Acknowledge { incident },
        ),
        Route::of_host(
            "/v1/alerts/test",
            "Send a test alert to every sink; 502 if one did not accept it.",
            |()| Ok(Ask::TestAlerts),
        )
        .with_responses(openapi::tests::<Tested>),
        Route::of_host(
            "/v1/baseline",
            "A comparison with a baseline: what is worse, or that nothing is.",
            compared,
        ),
        Route::of_host("/v1/baseline/accept", "Accept what is worse than a baseline.", |()| {
            Ok(Ask::AcceptBaseline)
        }),
    ]
}

impl JsonBody for HoldBody {
    const EXAMPLE: &str = r#"{"for": "30m", "reason": "…"}"#;
}

impl JsonBody for DrillBody {
    const EXAMPLE: &str = r#"{"probe": "NAME", "dry_run": false}, or nothing"#;

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

impl JsonBody for BaselineBody {
    const EXAMPLE: &str = r#"{"baseline": "NAME", "worse": [...]}"#;
}

fn drill(body: DrillBody) -> Result<UnitAsk, String> {
    let kind = body.probe.map_or(DrillKind::Kill, DrillKind::Probe);
    Ok(UnitAsk::Drill { kind, rehearse: body.dry_run })
}

fn hold(body: HoldBody) -> Result<UnitAsk, String> {
    let length = clock::length(&body.length).map_err(|why| format!("cannot read \"for\": {why}"))?;
    if length.is_zero() {
        return Err("cannot hold: \"for\" must be longer than 0s".to_owned());
    }
    if length > HOLD_MAX {
        return Err("cannot hold: \"for\" may be at most 24h; \
                    for longer, use [disabled] in the unit's file"
            .to_owned());
    }
    let reason = body.reason.trim().to_owned();
    if reason.is_empty() {
        return Err("cannot hold: \"reason\" is empty; write why".to_owned());
    }
    if reason.chars().count() > REASON_MAX {
        return Err(format!("cannot hold: \"reason\" has more than {REASON_MAX} characters"));
    }
    Ok(UnitAsk::Hold { length, reason })
}

fn compared(body: BaselineBody) -> Result<Ask, String> {
    let lines: Vec<WorseLine> = body.worse.into_iter().take(LINES_MAX).map(Into::into).map(bounded).collect();
    let baseline = cut(&body.baseline);
    if baseline.is_empty() {
        return Err(
            "cannot take the comparison: \"baseline\" is empty; name what was compared with".to_owned()
        );
    }
    Ok(Ask::Compared { baseline, lines })
}

fn bounded(line: WorseLine) -> WorseLine {
    WorseLine {
        message: cut(&line.message),
        evidence: line.evidence.iter().take(EVIDENCE_MAX).map(|text| cut(text)).collect(),
        repair: line.repair.map(|text| cut(&text)),
        ..line
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LINE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::command::CommandBody;
    use super::*;

    fn asked<B: CommandBody, A>(body: &str, ask: fn(B) -> Result<A, String>) -> Result<A, String> {
        B::parse(body.as_bytes()).and_then(ask)
    }

    #[test]
    fn a_drill_kills_unless_a_probe_is_named() {
        let kill = UnitAsk::Drill { kind: DrillKind::Kill, rehearse: false };
        assert_eq!(asked("", drill), Ok(kill.clone()));
        assert_eq!(asked("{}", drill), Ok(kill));
        let probe = UnitAsk::Drill { kind: DrillKind::Probe("page".to_owned()), rehearse: true };
        assert_eq!(asked(r#"{"probe": "page", "dry_run": true}"#, drill), Ok(probe));
        assert!(asked(r#"{"kill": 9}"#, drill).unwrap_err().contains("unknown field"));
    }

    #[test]
    fn a_hold_needs_a_length_and_a_reason() {
        let sentence = |body| asked(body, hold).unwrap_err();
        let held = asked(r#"{"for": "1h 30m", "reason": " upgrade "}"#, hold);
        let wanted = UnitAsk::Hold { length: Duration::from_secs(5400), reason: "upgrade".to_owned() };
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

    #[test]
    fn a_comparison_names_its_baseline_and_is_bounded() {
        let refused = |body| asked(body, compared).unwrap_err();
        assert!(refused("{}").contains("missing field `baseline`"));
        assert!(refused(r#"{"baseline": "", "worse": []}"#).contains("is empty"));
        assert!(refused(r#"{"baseline": "x", "worse": [], "who": "y"}"#).contains("unknown field"));
        let line = format!(
            r#"{{"severity": "critical", "unit": "a.service", "lost": "running", "message": "{}", "evidence": [], "repair": null}}"#,
            "x".repeat(5000)
        );
        let body = format!(r#"{{"baseline": "apt-1", "worse": [{line}]}}"#);
        let Ok(Ask::Compared { lines, .. }) = asked(&body, compared) else {
            panic!("it is well formed");
        };
        assert_eq!(lines.first().map(|line| line.message.chars().count()), Some(LINE_MAX));
    }
}
