//! A length of time as people say it.

use std::time::Duration;

/// `300 ms`, `1.5 s`, `45 s`, `1 min`, `12 min`, `3 h`, `3 h 20 min`, `2 days`: rounded to the least that is said.
#[must_use]
pub fn span(length: Duration) -> String {
    let seconds = length.saturating_add(Duration::from_millis(500)).as_secs();
    let minutes = seconds.saturating_add(30) / 60;
    let tenths = length.saturating_add(Duration::from_millis(50)).as_millis() / 100;
    match seconds {
        0 | 1 if length < Duration::from_secs(1) && !length.is_zero() => format!("{} ms", length.as_millis()),
        0..=10 if tenths < 100 && !tenths.is_multiple_of(10) => format!("{}.{} s", tenths / 10, tenths % 10),
        60 => "1 min".to_owned(),
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{minutes} min"),
        7200..172_800 => match (minutes / 60, minutes % 60) {
            (hours, 0) => format!("{hours} h"),
            (hours, minutes) => format!("{hours} h {minutes} min"),
        },
        _ => format!("{} days", seconds / 86_400),
    }
}

/// How often: `once`, `2 times`.
#[must_use]
pub fn times(often: impl Into<u64>) -> String {
    match often.into() {
        1 => "once".to_owned(),
        often => format!("{often} times"),
    }
}

/// Seconds as people write them in a unit file: `90s`, `15m`, `31h`, `2d`.
#[must_use]
pub fn written(seconds: u64) -> String {
    match seconds {
        1.. if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        1.. if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        1.. if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_told_as_people_say_them() {
        let told = |ms| span(Duration::from_millis(ms));
        assert_eq!([0, 300, 999, 1_000, 1_530].map(told), ["0 s", "300 ms", "999 ms", "1 s", "1.5 s"]);
        assert_eq!([9_949, 9_960, 60_000, 61_000].map(told), ["9.9 s", "10 s", "1 min", "61 s"]);
        assert_eq!([119_400, 119_500, 150_000].map(told), ["119 s", "2 min", "3 min"]);
        let told = |s| span(Duration::from_secs(s));
        assert_eq!([7_199, 7_200, 12_000, 172_799].map(told), ["120 min", "2 h", "3 h 20 min", "48 h"]);
        assert_eq!([172_800, 900_000].map(told), ["2 days", "10 days"]);
        assert_eq!([0, 90, 900, 111_600, 172_800].map(written), ["0s", "90s", "15m", "31h", "2d"]);
        assert_eq!(span(Duration::MAX), "213503982334601 days");
    }
}
