//! Windows of time as people write them: the days of systemd's calendar events, and hours of a day:
//! `Mon..Fri 02:00..05:00`, `Sat *-*-1..7 22:00..04:00 Europe/Berlin`.

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::model::moment::Moment;

/// Openings that are told in one go.
const OPENINGS: usize = 8;
/// Days that are looked through for them: a day of February that comes each fourth year is found.
const DAYS: usize = 366 * 5;
const WEEKDAYS: [(&str, &str, Weekday); 7] = [
    ("mon", "monday", Weekday::Monday),
    ("tue", "tuesday", Weekday::Tuesday),
    ("wed", "wednesday", Weekday::Wednesday),
    ("thu", "thursday", Weekday::Thursday),
    ("fri", "friday", Weekday::Friday),
    ("sat", "saturday", Weekday::Saturday),
    ("sun", "sunday", Weekday::Sunday),
];

/// Hours of certain days. The hours begin on the day; they may end on the next one.
#[derive(Clone, Debug)]
pub struct Window {
    /// Monday first; all of them where none is written.
    weekdays: [bool; 7],
    date: [Numbers; 3],
    /// Minutes after midnight.
    from: i16,
    to: i16,
    zone: Option<TimeZone>,
}

/// `*`, or `1,5..9,20/2`: first, last and step of each part.
#[derive(Clone, Debug, Default)]
struct Numbers(Vec<(i16, i16, i16)>);

impl Numbers {
    fn contain(&self, number: i16) -> bool {
        let part = |(first, last, step): &(i16, i16, i16)| {
            (*first..=*last).contains(&number) && (number - first) % step == 0
        };
        self.0.is_empty() || self.0.iter().any(part)
    }
}

impl Window {
    /// Reads it.
    ///
    /// # Errors
    /// One sentence that names the part at fault and shows how it is written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace().peekable();
        let weekdays = words.next_if(|word| word.starts_with(|first: char| first.is_ascii_alphabetic()));
        let date = words.next_if(|word| word.contains('-') && !word.contains(':'));
        let hours = words.next().ok_or("it names no hours, such as 02:00..05:00")?;
        let zone = words.next().map(|name| match name {
            // This one needs no database, which a small host may lack.
            "UTC" => Ok(TimeZone::UTC),
            _ => TimeZone::get(name)
                .map_err(|_| format!("this host knows no time zone \"{name}\" such as UTC or Europe/Berlin")),
        });
        if let Some(surplus) = words.next() {
            return Err(format!("\"{surplus}\" is one word too many: write days, hours and time zone"));
        }
        let (from, to) = hours.split_once("..").ok_or_else(|| no_hours(hours))?;
        let (from, to) = (minutes(from)?, minutes(to)?);
        if from == to || from == 24 * 60 {
            return Err(format!("\"{hours}\" is no length of time"));
        }
        Ok(Self {
            weekdays: weekdays.map_or(Ok([true; 7]), read_weekdays)?,
            date: date.map_or(Ok(Default::default()), read_date)?,
            from,
            to,
            zone: zone.transpose()?,
        })
    }

    /// When it is open, from now on: each beginning and end, in order. Empty: never within five years.
    #[must_use]
    pub fn openings(&self, now: Moment) -> Vec<(Moment, Moment)> {
        let zone = self.zone.clone().unwrap_or_else(TimeZone::system);
        let Ok(here) = Timestamp::from_millisecond(now.wall_ms) else {
            return Vec::new();
        };
        let yesterday = here.to_zoned(zone.clone()).date().saturating_sub(1.day());
        let days = yesterday.series(1.day()).take(DAYS).filter(|day| self.is_on(*day));
        let openings = days.filter_map(|day| {
            let end = if self.to <= self.from { day.tomorrow().ok()? } else { day };
            Some((at(day, self.from, &zone)?, at(end, self.to, &zone)?))
        });
        let ahead = openings.filter(|(from, to)| *to > now.wall_ms && from < to);
        ahead.take(OPENINGS).map(|(from, to)| (now.at_wall_ms(from), now.at_wall_ms(to))).collect()
    }

    fn is_on(&self, day: Date) -> bool {
        let [years, months, days] = &self.date;
        let number = usize::try_from(day.weekday().to_monday_zero_offset()).unwrap_or_default();
        self.weekdays.get(number).copied().unwrap_or_default()
            && years.contain(day.year())
            && months.contain(i16::from(day.month()))
            && days.contain(i16::from(day.day()))
    }
}

/// A moment that a change of the clocks leaves out is the one after the gap; of one that comes twice, the first.
fn at(day: Date, minutes: i16, zone: &TimeZone) -> Option<i64> {
    let whole = minutes >= 24 * 60;
    let day = if whole { day.tomorrow().ok()? } else { day };
    let minutes = if whole { 0 } else { minutes };
    let (hour, minute) = (i8::try_from(minutes / 60).ok()?, i8::try_from(minutes % 60).ok()?);
    let zoned = day.at(hour, minute, 0, 0).to_zoned(zone.clone()).ok()?;
    Some(zoned.timestamp().as_millisecond())
}

fn no_hours(text: &str) -> String {
    format!("\"{text}\" are no hours such as 02:00..05:00")
}

fn minutes(text: &str) -> Result<i16, String> {
    let read = || {
        let (hour, minute) = text.split_once(':')?;
        let number = |text: &str| text.parse::<i16>().ok().filter(|_| (1..=2).contains(&text.len()));
        let (hour, minute) = (number(hour)?, number(minute)?);
        let fits = (0..24).contains(&hour) && (0..60).contains(&minute) || (hour, minute) == (24, 0);
        fits.then_some(hour * 60 + minute)
    };
    read().ok_or_else(|| no_hours(text))
}

fn read_weekdays(text: &str) -> Result<[bool; 7], String> {
    let number = |name: &str| {
        let name = name.to_ascii_lowercase();
        WEEKDAYS.iter().position(|(short, long, _)| *short == name || *long == name)
    };
    let wrong = || format!("\"{text}\" are no days such as Mon..Fri or Sat,Sun");
    let mut weekdays = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once("..").unwrap_or((part, part));
        let (first, last) = number(first).zip(number(last)).ok_or_else(wrong)?;
        if first > last {
            return Err(format!("\"{part}\" begins after its end: write Sat,Sun,Mon"));
        }
        weekdays.iter_mut().take(last + 1).skip(first).for_each(|day| *day = true);
    }
    Ok(weekdays)
}

fn read_date(text: &str) -> Result<[Numbers; 3], String> {
    let wrong = || format!("\"{text}\" is no date such as *-*-1..7 or *-12-24");
    let parts: Vec<&str> = text.split('-').collect();
    let (year, month, day) = match parts.as_slice() {
        [year, month, day] => (*year, *month, *day),
        [month, day] => ("*", *month, *day),
        _ => return Err(wrong()),
    };
    let read = |text: &str, least: i16, most: i16| numbers(text, least, most).ok_or_else(wrong);
    Ok([read(year, 1970, 2199)?, read(month, 1, 12)?, read(day, 1, 31)?])
}

fn numbers(text: &str, least: i16, most: i16) -> Option<Numbers> {
    if text == "*" {
        return Some(Numbers::default());
    }
    let number = |text: &str| text.parse::<i16>().ok().filter(|number| (least..=most).contains(number));
    let part = |part: &str| {
        let (range, step) = part.split_once('/').map_or((part, None), |(range, step)| (range, Some(step)));
        let (first, last) = match range.split_once("..") {
            Some((first, last)) => (number(first)?, number(last)?),
            // Without an end each step up to the last number there is.
            None => (number(range)?, if step.is_some() { most } else { number(range)? }),
        };
        let step = step.map_or(Some(1), |step| step.parse::<i16>().ok()).filter(|step| *step > 0)?;
        (first <= last).then_some((first, last, step))
    };
    text.split(',').map(part).collect::<Option<Vec<_>>>().map(Numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first openings after this moment, in UTC.
    fn openings(text: &str, now: &str) -> Vec<String> {
        openings_in(Window::parse(text).unwrap(), now)
    }

    fn openings_in(window: Window, now: &str) -> Vec<String> {
        let now: Timestamp = now.parse().unwrap();
        let now = Moment { boot_ms: 0, wall_ms: now.as_millisecond() };
        let utc = |at: Moment| Timestamp::from_millisecond(at.wall_ms).unwrap().to_string();
        let openings = window.openings(now);
        openings.into_iter().take(2).map(|(from, to)| format!("{}/{}", utc(from), utc(to))).collect()
    }

    #[test]
    fn windows_open_on_their_days_and_may_end_on_the_next() {
        // 2026-11-27 is a Friday.
        assert_eq!(
            openings("Mon..Fri 02:00..05:00 UTC", "2026-11-27T06:00:00Z"),
            ["2026-11-30T02:00:00Z/2026-11-30T05:00:00Z", "2026-12-01T02:00:00Z/2026-12-01T05:00:00Z"]
        );
        assert_eq!(
            openings("Fri 22:00..04:00 UTC", "2026-11-28T03:00:00Z"),
            ["2026-11-27T22:00:00Z/2026-11-28T04:00:00Z", "2026-12-04T22:00:00Z/2026-12-05T04:00:00Z"]
        );
        assert_eq!(
            openings("Sat *-*-1..7 00:00..24:00 UTC", "2026-11-28T03:00:00Z"),
            ["2026-12-05T00:00:00Z/2026-12-06T00:00:00Z", "2027-01-02T00:00:00Z/2027-01-03T00:00:00Z"]
        );
        assert_eq!(
            openings("2-29 1:00..2:00 UTC", "2026-11-28T03:00:00Z"),
            ["2028-02-29T01:00:00Z/2028-02-29T02:00:00Z"]
        );
        assert_eq!(openings("2020-1-1 01:00..02:00 UTC", "2026-11-28T03:00:00Z"), [""; 0]);
    }

    #[test]
    fn clocks_that_are_changed_move_no_window_past_its_day() {
        let berlin = |text: &str, now: &str| {
            let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
            openings_in(Window { zone: Some(zone), ..Window::parse(text).unwrap() }, now)
        };
        // On 2027-03-28 02:30 does not exist in Berlin, on 2026-10-25 it comes twice.
        assert_eq!(
            berlin("02:30..04:00", "2027-03-27T12:00:00Z"),
            ["2027-03-28T01:30:00Z/2027-03-28T02:00:00Z", "2027-03-29T00:30:00Z/2027-03-29T02:00:00Z"]
        );
        assert_eq!(
            berlin("02:30..04:00", "2026-10-24T12:00:00Z").first().unwrap(),
            "2026-10-25T00:30:00Z/2026-10-25T03:00:00Z"
        );
    }

    #[test]
    fn what_is_no_window_is_told_with_the_part_at_fault() {
        for (text, part) in [
            ("", "no hours"),
            ("Mon..Fri", "no hours"),
            ("Mon 02:00", "\"02:00\" are no hours"),
            ("Mon 02:00..25:00", "\"25:00\""),
            ("02:00..02:00", "no length"),
            ("Mon..Fry 02:00..05:00", "Mon..Fry"),
            ("Fri..Mon 02:00..05:00", "begins after its end"),
            ("*-13-1 02:00..05:00", "*-13-1"),
            ("*-*-*/2 02:00..05:00", "is no date"),
            ("02:00..05:00 Mars/Base", "Mars/Base"),
            ("02:00..05:00 UTC daily", "daily"),
        ] {
            let why = Window::parse(text).unwrap_err();
            assert!(why.contains(part), "{text}: {why}");
        }
    }
}
