//! How long a timer may be silent: the longest gap of its schedule, and some room.

use crate::model::adopt::Schedule;
use crate::model::span::written;

const MINUTE: u64 = 60;
const DAY: u64 = 86_400;
const MINUTES_OF_DAY: usize = 1440;
const WEEK: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// The longest time between two runs in seconds, and the setting that says so.
#[must_use]
pub fn period(schedule: &Schedule) -> Option<(u64, String)> {
    let calendar = schedule
        .calendar
        .iter()
        .filter_map(|written| gap(written).map(|seconds| (seconds, format!("OnCalendar={written}"))));
    let monotonic = schedule.monotonic.iter().filter(|(name, seconds)| {
        // OnUnitInactiveSec= counts from the end of a run, whose length nobody knows.
        name == "OnUnitActiveSec" && *seconds > 0
    });
    let monotonic = monotonic.map(|(name, seconds)| (*seconds, format!("{name}={}", written(*seconds))));
    calendar.chain(monotonic).min_by_key(|(seconds, _)| *seconds)
}

/// So old the last success may be: a run may be late, and take its time.
#[must_use]
pub fn max_age(period: u64, spread: u64) -> u64 {
    let room = (period / 4).max(5 * MINUTE);
    let round = if period >= DAY { 60 * MINUTE } else { 5 * MINUTE };
    (period + room + spread).div_ceil(round) * round
}

/// The longest gap of one `OnCalendar=`, as systemd writes it anew (`Mon,Fri *-*-* 06,18:00:00`). Where a date is part of
/// it: a month, or a year.
fn gap(written: &str) -> Option<u64> {
    let mut words: Vec<&str> = written.split_whitespace().collect();
    if words.last().is_some_and(|word| !word.contains([':', '-']) && !is_weekday(word)) {
        words.pop(); // a time zone
    }
    let time = words.iter().find(|word| word.contains(':'))?;
    if words.iter().any(|word| word.contains('~')) {
        return Some(31 * DAY); // counted from the end of the month
    }
    let date = words.iter().find(|word| word.matches('-').count() == 2).copied().unwrap_or("*-*-*");
    let days =
        words.first().filter(|word| is_weekday(word)).map_or(Some([true; 7]), |word| weekdays(word))?;
    let (month, day) = date.split_once('-').and_then(|(_, rest)| rest.split_once('-'))?;
    if month != "*" {
        return Some(366 * DAY);
    }
    if day != "*" {
        return Some(31 * DAY);
    }
    let day = minutes(time)?;
    let week: Vec<usize> = days
        .iter()
        .enumerate()
        .filter(|(_, on)| **on)
        .flat_map(|(at, _)| day.iter().map(move |minute| at * MINUTES_OF_DAY + minute))
        .collect();
    let first = week.first()?;
    let next = week.iter().skip(1).copied().chain([first + 7 * MINUTES_OF_DAY]);
    let longest = week.iter().zip(next).map(|(one, next)| next - one).max()?;
    u64::try_from(longest).ok().map(|minutes| minutes * MINUTE)
}

fn is_weekday(word: &str) -> bool {
    word.split([',', '.']).find(|part| !part.is_empty()).is_some_and(|day| WEEK.contains(&day))
}

/// `Mon,Wed..Fri`
fn weekdays(word: &str) -> Option<[bool; 7]> {
    let at = |name: &str| WEEK.iter().position(|day| *day == name);
    let mut days = [false; 7];
    for part in word.split(',') {
        let (first, last) = part.split_once("..").unwrap_or((part, part));
        let (first, last) = (at(first)?, at(last)?);
        for (day, on) in days.iter_mut().enumerate() {
            *on |= if first <= last { (first..=last).contains(&day) } else { day >= first || day <= last };
        }
    }
    Some(days)
}

/// The minutes of a day at which `06,18:00/15:00` elapses.
fn minutes(time: &str) -> Option<Vec<usize>> {
    let mut parts = time.split(':');
    let (hours, minutes) = (values(parts.next()?, 24)?, values(parts.next()?, 60)?);
    let all = hours.iter().flat_map(|hour| minutes.iter().map(move |minute| hour * 60 + minute));
    Some(all.collect())
}

/// `*`, `5`, `0/15`, `9..17`, `9..17/2`, and lists of them.
fn values(written: &str, end: usize) -> Option<Vec<usize>> {
    let mut all = Vec::new();
    for part in written.split(',') {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let step: usize = step.map_or(Some(1), |step| step.parse().ok()).filter(|step| *step > 0)?;
        let (first, last) = match range.split_once("..") {
            Some((first, last)) => (first.parse().ok()?, last.parse::<usize>().ok()?),
            None if range == "*" => (0, end - 1),
            None => {
                let first: usize = range.parse().ok()?;
                (first, if part.contains('/') { end - 1 } else { first })
            }
        };
        all.extend((first..=last.min(end - 1)).step_by(step));
    }
    all.sort_unstable();
    all.dedup();
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_of_a_calendar_is_found() {
        const HOUR: u64 = 3600;
        for (written, seconds) in [
            ("*-*-* 00:00:00", DAY),
            ("*-*-* *:00:00", HOUR),
            ("*-*-* *:00/10:00", 600),
            ("*-*-* 06,18:00:00", 12 * HOUR),
            ("*-*-* 06,08:30:00", 22 * HOUR),
            ("Mon *-*-* 00:00:00", 7 * DAY),
            ("Mon..Fri *-*-* 03:10:00 Europe/Berlin", 3 * DAY),
            ("Sat,Sun *-*-* 00:00:00", 6 * DAY),
            ("*-*-01 00:00:00", 31 * DAY),
            ("*-01-01 00:00:00", 366 * DAY),
            ("*-*-* 09..17:00:00 UTC", 16 * HOUR),
        ] {
            assert_eq!(gap(written), Some(seconds), "{written}");
        }
        assert_eq!(gap("daily"), None);
        assert_eq!(gap("*-*-* 25:00:00"), None);
    }

    #[test]
    fn the_quickest_of_several_schedules_counts_and_a_single_start_is_no_period() {
        let often = Schedule {
            calendar: vec!["*-*-* 00:00:00".to_owned()],
            monotonic: vec![("OnUnitActiveSec".to_owned(), 900), ("OnBootSec".to_owned(), 60)],
            ..Schedule::default()
        };
        assert_eq!(period(&often), Some((900, "OnUnitActiveSec=15m".to_owned())));
        let once = Schedule { monotonic: vec![("OnBootSec".to_owned(), 60)], ..Schedule::default() };
        assert_eq!(period(&once), None);
        assert_eq!([written(max_age(DAY, 60)), written(max_age(600, 0))], ["31h", "15m"]);
    }
}
