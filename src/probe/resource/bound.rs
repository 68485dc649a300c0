//! Limits as people write them: `< 1.5GiB`, `< 80%`, `< 95% for 10m`, `< 5/h`, `< 7d`, `none`.

use std::time::Duration;

use crate::keys::{Length, Wrong, scale};

/// What a limit counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Bytes, or a number of things.
    Count(u64),
    /// Of what the unit may have.
    Percent(f64),
    Time(Duration),
    /// Within this time.
    Rate(u64, Duration),
}

/// A limit: below this is right.
#[derive(Clone, Debug, PartialEq)]
pub struct Bound {
    /// As it was written.
    pub text: String,
    /// `memory < 10%`: of what; only pressure has several.
    pub of: Option<String>,
    pub below: Amount,
    /// It must be exceeded for so long.
    pub lasting: Option<Duration>,
}

impl Bound {
    /// Reads it. `example`: what this kind of limit looks like.
    ///
    /// # Errors
    /// It is no limit.
    pub fn read(text: &str, example: &str) -> Result<Self, Wrong> {
        let wrong = || {
            Wrong::value(format!("cannot use \"{text}\": it is no limit"))
                .help(format!("write \"{example}\""))
        };
        if text.trim() == "none" {
            return Ok(Self { text: text.to_owned(), of: None, below: Amount::Count(1), lasting: None });
        }
        let (of, rest) = text.split_once('<').ok_or_else(wrong)?;
        let (amount, lasting) = match rest.split_once(" for ") {
            Some((amount, lasting)) => (amount, Some(length(lasting).ok_or_else(wrong)?)),
            None => (rest, None),
        };
        let of = Some(of.trim().to_owned()).filter(|of| !of.is_empty());
        let below = amount_of(amount.trim()).ok_or_else(wrong)?;
        Ok(Self { text: text.to_owned(), of, below, lasting })
    }
}

fn amount_of(text: &str) -> Option<Amount> {
    if let Some(percent) = text.strip_suffix('%') {
        let percent: f64 = percent.trim().parse().ok()?;
        return (percent > 0.0 && percent.is_finite()).then_some(Amount::Percent(percent));
    }
    if let Some((count, time)) = text.split_once('/') {
        let within = if time.starts_with(|c: char| c.is_ascii_digit()) {
            length(time)
        } else {
            length(&format!("1{time}"))
        };
        return Some(Amount::Rate(count.trim().parse().ok().filter(|count| *count > 0)?, within?));
    }
    if let Some(count) = count(text) {
        return (count > 0).then_some(Amount::Count(count));
    }
    length(text).filter(|time| !time.is_zero()).map(Amount::Time)
}

fn length(text: &str) -> Option<Duration> {
    toml::Value::String(text.trim().to_owned()).try_into::<Length>().ok().map(|length| length.0)
}

/// `1.5GiB`, `500MB`, `400`.
fn count(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = scale(unit.trim())?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let whole: u64 = whole.parse().ok()?;
    let places = u32::try_from(part.len()).ok().filter(|places| *places <= 6)?;
    let part: u64 = if part.is_empty() { 0 } else { part.parse().ok()? };
    let part = u128::from(part) * u128::from(scale) / 10_u128.pow(places);
    whole.checked_mul(scale)?.checked_add(u64::try_from(part).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_people_write_them() {
        let below = |text: &str| {
            Bound::read(text, "< 5").map(|bound| (bound.below, bound.lasting.map(|time| time.as_secs())))
        };
        assert_eq!(below("< 1.5GiB"), Ok((Amount::Count(1_610_612_736), None)));
        assert_eq!(below("<80%"), Ok((Amount::Percent(80.0), None)));
        assert_eq!(below("< 95% for 10m"), Ok((Amount::Percent(95.0), Some(600))));
        assert_eq!(below("< 5/h"), Ok((Amount::Rate(5, Duration::from_secs(3600)), None)));
        assert_eq!(below("< 5/10m"), Ok((Amount::Rate(5, Duration::from_secs(600)), None)));
        assert_eq!(below("< 7d"), Ok((Amount::Time(Duration::from_secs(7 * 86400)), None)));
        assert_eq!(below("none"), Ok((Amount::Count(1), None)));
        assert_eq!(Bound::read("memory < 10%", "").map(|bound| bound.of), Ok(Some("memory".to_owned())));
        for bad in [
            "",
            "80%",
            "> 5",
            "< ",
            "< 0",
            "< x",
            "< 5 for",
            "< 1.5.5GiB",
            "< -1",
            "< 99999999999999999999",
            "< 5/x",
            "< 0%",
        ] {
            assert!(below(bad).is_err(), "{bad}");
        }
    }
}
