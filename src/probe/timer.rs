//! `timer`: when what a timer starts last ran successfully. `systemd::timer` reads, this judges.

use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keys::{Length, Wrong};
use crate::model::probe::{ProbeOutcome, ProbeStatus, TimerReading};
use crate::model::span::span;

use super::failure::Failure;
use super::{Limit, Needs, Probe, not_here, text};

/// `timer = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Timer {
    /// What "NAME.timer" starts last succeeded within max_age.
    timer: String,
    /// Older than this is unhealthy.
    #[schemars(example = "26h")]
    max_age: Length,
}

impl Probe for Timer {
    fn check(&self) -> Result<(), Wrong> {
        if self.timer.ends_with(".timer") {
            return Ok(());
        }
        let message = format!("cannot ask \"{}\": it is no timer", self.timer);
        Err(Wrong::at("timer", message).help("write timer = \"NAME.timer\""))
    }

    fn is_curable(&self) -> bool {
        false
    }

    fn is_vital(&self) -> bool {
        false
    }

    fn needs(&self) -> Needs<'_> {
        Needs::Timer { timer: &self.timer, max_age: self.max_age.0 }
    }

    fn run(&self, _: Limit) -> BoxFuture<'_, ProbeOutcome> {
        not_here()
    }
}

/// Judges what was read now (Unix time in milliseconds).
#[must_use]
pub fn judge(timer: &str, max_age: Duration, read: Result<&TimerReading, &str>, now_ms: i64) -> ProbeOutcome {
    let asked = text::name(timer);
    let judged =
        read.map_err(|why| Failure::unknown(text::name(why))).and_then(|known| age(known, max_age, now_ms));
    match judged {
        Ok(told) => ProbeOutcome {
            status: ProbeStatus::Healthy,
            message: text::sentence(&format!("{asked}: {told}")),
            latency: None,
        },
        Err(failure) => failure.of(&asked),
    }
}

fn age(known: &TimerReading, max_age: Duration, now_ms: i64) -> Result<String, Failure> {
    let since = |at: i64| Duration::from_millis(u64::try_from(now_ms.saturating_sub(at)).unwrap_or(0));
    let (unit, most) = (text::name(&known.unit), span(max_age));
    if let Some(runs) = known.running_since.map(since) {
        let shown = span(runs);
        return if runs > max_age {
            Err(Failure::unhealthy(format!("{unit} runs for {shown}; at most {most} are right")))
        } else {
            Ok(format!("{unit} runs now, for {shown}"))
        };
    }
    if let Some(ago) = known.ended_at.map(since) {
        let shown = span(ago);
        if known.result != "success" {
            let result = text::name(&known.result);
            return Err(Failure::unhealthy(format!(
                "the last run of {unit} failed with result {result} {shown} ago"
            )));
        }
        return if ago > max_age {
            Err(Failure::unhealthy(format!("{unit} last succeeded {shown} ago; at most {most} are right")))
        } else {
            Ok(format!("{unit} succeeded {shown} ago"))
        };
    }
    // How the run before this boot ended is not told, only when it began.
    match (known.triggered_at.map(since), known.armed_at.map(since)) {
        (Some(ago), _) if ago > max_age => {
            let shown = span(ago);
            Err(Failure::unhealthy(format!("{unit} was last started {shown} ago; at most {most} are right")))
        }
        (Some(_), _) => Err(Failure::unknown(format!("{unit} last ran before this boot"))),
        (None, Some(ago)) if ago > max_age => {
            let shown = span(ago);
            Err(Failure::unhealthy(format!("{unit} has not run since the timer was armed {shown} ago")))
        }
        (None, Some(_)) => Err(Failure::unknown(format!("{unit} has not run yet"))),
        (None, None) => Err(Failure::unhealthy("the timer is not armed".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn told(reading: TimerReading) -> (ProbeStatus, String) {
        let reading =
            TimerReading { unit: "backup.service".to_owned(), result: "success".to_owned(), ..reading };
        let outcome = judge("backup.timer", Duration::from_secs(26 * 3600), Ok(&reading), 100 * HOUR);
        (outcome.status, outcome.message)
    }

    #[test]
    fn a_success_that_is_too_old_is_told() {
        let at = |hour: i64| Some(hour * HOUR);
        let reading = TimerReading::default;
        let (status, message) = told(TimerReading { ended_at: at(90), ..reading() });
        assert_eq!(
            (status, message.as_str()),
            (ProbeStatus::Healthy, "backup.timer: backup.service succeeded 10 h ago")
        );
        assert_eq!(told(TimerReading { ended_at: at(60), ..reading() }).0, ProbeStatus::Unhealthy);
        assert_eq!(
            told(TimerReading { running_since: at(99), ended_at: at(10), ..reading() }).0,
            ProbeStatus::Healthy
        );
        assert_eq!(told(TimerReading { running_since: at(10), ..reading() }).0, ProbeStatus::Unhealthy);
        assert_eq!(told(TimerReading { triggered_at: at(90), ..reading() }).0, ProbeStatus::Unknown);
        assert_eq!(told(TimerReading { triggered_at: at(10), ..reading() }).0, ProbeStatus::Unhealthy);
        assert_eq!(told(TimerReading { armed_at: at(99), ..reading() }).0, ProbeStatus::Unknown);
        assert_eq!(told(reading()).0, ProbeStatus::Unhealthy);
        let failed = TimerReading { result: "exit-code".to_owned(), ended_at: at(99), ..reading() };
        let outcome = judge("backup.timer", Duration::from_secs(3600), Ok(&failed), 100 * HOUR);
        assert_eq!(outcome.status, ProbeStatus::Unhealthy);
    }
}
