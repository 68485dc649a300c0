//! Timers whose work was last done far longer ago than their own period.

use std::time::Duration;

use crate::model::audit::{Gap, TimerFacts};
use crate::model::finding::Code;
use crate::model::moment::Moment;
use crate::model::span::span;
use crate::model::unit::UnitName;

use super::Look;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// One gap for each that is overdue. What it starts and has failed is told as that.
pub fn gaps(look: &Look) -> Vec<Gap> {
    look.around.timers.iter().filter_map(|facts| overdue(look, facts)).collect()
}

fn overdue(look: &Look, facts: &TimerFacts) -> Option<Gap> {
    let at = look.at();
    let period = period(facts)?;
    let (timer, starts) = (facts.timer.as_str(), facts.last.unit.as_str());
    // A daemon that is started over and over in vain is meant to be: it runs already.
    let stays = facts.last.running_since.is_some() && !facts.oneshot;
    let armed = facts.last.armed_at.filter(|_| !stays && !facts.kept_away)?;
    let ended = facts.last.ended_at.filter(|_| facts.last.result == "success");
    // A timer that was armed in this boot has had time since then only.
    let done = ended.or_else(|| facts.last.triggered_at.filter(|at| *at < armed));
    let from = done.unwrap_or(armed).max(armed);
    let age = at.since(at.at_wall_ms(from));
    if age < period.saturating_mul(2).saturating_add(facts.tolerance) {
        return None;
    }
    let ago = |ms: i64| span(at.since(at.at_wall_ms(ms)));
    let last = match done {
        Some(done) => format!("its last good run was {} ago", ago(done)),
        None => format!("it has not run well since it was armed {} ago", ago(armed)),
    };
    let message = format!("{timer} starts {starts} at least every {}, and {last}", span(period));
    let since: Moment = at.at_wall_ms(from).plus(period);
    let gap = Gap::new(Code::HostTimerOverdue, (timer, timer), message, since);
    let user = look.user_option();
    let mut evidence = Vec::new();
    if let Some(running) = facts.last.running_since {
        evidence
            .push(format!("{starts} runs since {}, and is not started again while it does", ago(running)));
    } else if facts.last.result != "success" && !facts.last.result.is_empty() {
        evidence.push(format!("{starts} last ended with result {}", facts.last.result));
    }
    let failed = look.snapshot.units.values().any(|status| {
        status.unit.as_str() == starts && status.findings.iter().any(|found| found.code == Code::UnitFailed)
    });
    // What has failed is told as that.
    (!failed).then(|| gap.proven(evidence, format!("systemctl{user} status {starts}")))
}

/// This unit is a timer, and none that repeats.
pub fn fires_once(look: &Look, unit: &UnitName) -> bool {
    let mut timers = look.around.timers.iter().filter(|facts| facts.timer == *unit);
    timers.any(|facts| period(facts).is_none())
}

/// The longest that this timer lets pass; `None` where it fires once.
fn period(facts: &TimerFacts) -> Option<Duration> {
    let repeats = |base: &str| matches!(base, "OnUnitActiveUSec" | "OnUnitInactiveUSec");
    let spans = facts.spans.iter().filter(|(base, _)| repeats(base)).map(|(_, span)| *span);
    let calendars = facts.calendars.iter().filter_map(|text| calendar(text)).map(Duration::from_secs);
    spans.chain(calendars).min().filter(|period| !period.is_zero())
}

/// An upper bound of the seconds between two moments of a calendar as systemd normalises it: `Mon..Fri *-*-* 09:00:00`.
fn calendar(text: &str) -> Option<u64> {
    let mut words = text.split_ascii_whitespace().peekable();
    let weekday = words.next_if(|word| word.chars().next().is_some_and(char::is_alphabetic));
    let date = words.next()?;
    let time = words.next().unwrap_or("00:00:00");
    let (year, rest) = date.split_once('-')?;
    let (month, day) = rest.split_once(['-', '~'])?;
    let any = |part: &str| part == "*" || part.starts_with("*/1");
    if year != "*" {
        // A year may be the last one.
        return None;
    }
    if !any(month) {
        return Some(366 * DAY);
    }
    if !any(day) || date.contains('~') {
        // A weekday that must fall on a day of the month may miss some.
        return Some(if weekday.is_some() { 366 * DAY } else { 62 * DAY });
    }
    if weekday.is_some() {
        return Some(7 * DAY);
    }
    let mut parts = time.split(':');
    let (hour, minute) = (parts.next()?, parts.next().unwrap_or("00"));
    if !any(hour) {
        return Some(DAY);
    }
    Some(if any(minute) { MINUTE } else { HOUR })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_has_a_longest_pause() {
        for (text, seconds) in [
            ("*-*-* *:*:00", Some(MINUTE)),
            ("*-*-* *:00/15:00", Some(HOUR)),
            ("*-*-* *:00:00", Some(HOUR)),
            ("*-*-* 06,18:00:00", Some(DAY)),
            ("*-*-* 00:00:00", Some(DAY)),
            ("*-*-* 00:00:00 UTC", Some(DAY)),
            ("Mon *-*-* 00:00:00", Some(7 * DAY)),
            ("Mon..Fri *-*-* 09:00:00", Some(7 * DAY)),
            ("Sun *-*-01..07 03:10:00", Some(366 * DAY)),
            ("*-*-01 00:00:00", Some(62 * DAY)),
            ("*-01-01 00:00:00", Some(366 * DAY)),
            ("2026-12-24 00:00:00", None),
        ] {
            assert_eq!(calendar(text), seconds, "{text}");
        }
    }
}
