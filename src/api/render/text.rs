//! Words: durations, times, wrapping, and text of others made harmless.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Look;
use crate::api::wire::Time;
use crate::escape;

/// Text of others without anything that steers a terminal or hides from the eye.
#[must_use]
pub fn clean(text: &str) -> String {
    escape::line(text)
}

/// The same with every text in it made harmless, so that no field is forgotten.
///
/// # Errors
/// None for data of the wire; names of fields are never touched.
pub fn cleaned<T: Serialize + DeserializeOwned>(data: &T) -> serde_json::Result<T> {
    let mut value = serde_json::to_value(data)?;
    clean_value(&mut value);
    serde_json::from_value(value)
}

fn clean_value(value: &mut Value) {
    match value {
        Value::String(text) => *text = clean(text),
        Value::Array(values) => values.iter_mut().for_each(clean_value),
        Value::Object(fields) => fields.values_mut().for_each(clean_value),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A length of time in its two biggest units: `14s`, `2m14s`, `3h12m`, `2d4h`, `41d`.
#[must_use]
pub fn length(milliseconds: i64) -> String {
    let seconds = milliseconds.max(0) / 1000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |big: i64, unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{big}{unit}"),
        small => format!("{big}{unit}{small}{small_unit}"),
    };
    match (days, hours, minutes) {
        (10.., _, _) => format!("{days}d"),
        (1.., _, _) => pair(days, "d", hours % 24, "h"),
        (_, 1.., _) => pair(hours, "h", minutes % 60, "m"),
        (_, _, 1..) => pair(minutes, "m", seconds % 60, "s"),
        _ => format!("{seconds}s"),
    }
}

/// How long something took: `840ms`, `2.3s`, `1m5s`.
#[must_use]
pub fn took(milliseconds: u64) -> String {
    match milliseconds {
        0..1000 => format!("{milliseconds}ms"),
        1000..60_000 => format!("{}.{}s", milliseconds / 1000, milliseconds % 1000 / 100),
        _ => length(i64::try_from(milliseconds).unwrap_or(i64::MAX)),
    }
}

/// A latency: `3.1ms`, `41ms`, `2.3s`.
#[must_use]
pub fn latency(milliseconds: f64) -> String {
    if milliseconds < 10.0 {
        format!("{milliseconds:.1}ms")
    } else if milliseconds < 1000.0 {
        format!("{milliseconds:.0}ms")
    } else {
        format!("{:.1}s", milliseconds / 1000.0)
    }
}

/// A size: `812 B`, `4.2 MiB`, `310 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut tenths = bytes.saturating_mul(10);
    let mut unit = UNITS[0];
    for next in UNITS.into_iter().skip(1) {
        if tenths < 10_240 {
            break;
        }
        tenths /= 1024;
        unit = next;
    }
    let whole = tenths / 10;
    if whole >= 10 || unit == "B" {
        format!("{whole} {unit}")
    } else {
        format!("{whole}.{} {unit}", tenths % 10)
    }
}

impl Look {
    /// How long ago; `0s` for what lies ahead.
    #[must_use]
    pub fn age(&self, time: Time) -> String {
        length(self.now.0.saturating_sub(time.0))
    }

    /// `now`, `in 42s`.
    #[must_use]
    pub fn ahead(&self, time: Time) -> String {
        let ahead = time.0.saturating_sub(self.now.0);
        if ahead < 1000 { "now".to_owned() } else { format!("in {}", length(ahead)) }
    }

    /// Local time of day; with the date where it is another day.
    #[must_use]
    pub fn clock(&self, time: Time) -> String {
        let then = time.timestamp().to_zoned(self.zone.clone());
        let today = self.now.timestamp().to_zoned(self.zone.clone());
        if then.date() == today.date() {
            then.strftime("%H:%M:%S").to_string()
        } else {
            then.strftime("%Y-%m-%d %H:%M:%S").to_string()
        }
    }
}

/// Words into lines of this many characters at most; `None`: one line. A longer word stands alone.
#[must_use]
pub fn wrap(text: &str, width: Option<usize>) -> Vec<String> {
    let Some(width) = width else {
        return vec![text.to_owned()];
    };
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let long = word.chars().count();
        match lines.last_mut() {
            Some(line) if used == 0 || used + 1 + long <= width => {
                if used > 0 {
                    line.push(' ');
                    used += 1;
                }
                line.push_str(word);
                used += long;
            }
            Some(_) | None => {
                lines.push(word.to_owned());
                used = long;
            }
        }
    }
    lines
}

/// `1 unit`, `2 units`.
#[must_use]
pub fn count(number: usize, one: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {one}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let shown = [0, 999, 14_000, 134_000, 7_200_000, 11_520_000, 187_200_000, 3_542_400_000];
        let shown: Vec<String> = shown.into_iter().map(length).collect();
        assert_eq!(shown, ["0s", "0s", "14s", "2m14s", "2h", "3h12m", "2d4h", "41d"]);
        assert_eq!([took(840), took(2310), took(65_000)], ["840ms", "2.3s", "1m5s"]);
        assert_eq!([latency(3.12), latency(41.2), latency(2310.0)], ["3.1ms", "41ms", "2.3s"]);
    }

    #[test]
    fn sizes_read_well() {
        let shown = [0, 812, 1024, 4_404_019, 325_058_560, u64::MAX].map(bytes);
        assert_eq!(shown, ["0 B", "812 B", "1.0 KiB", "4.1 MiB", "310 MiB", "1677721 TiB"]);
    }

    #[test]
    fn nothing_of_others_steers_the_terminal() {
        let nasty = "a\u{1b}[31mb\nc\u{7}\u{9b}d\u{202e}e\u{7f}";
        assert_eq!(clean(nasty), "a\\u{1b}[31mb\\nc\\u{7}\\u{9b}d\\u{202e}e\\u{7f}");
        assert_eq!(clean(r"dev-disk\x2dby — 你好"), r"dev-disk\x2dby — 你好");
        let list = vec!["a\u{1b}".to_owned()];
        assert_eq!(cleaned(&list).unwrap(), ["a\\u{1b}"]);
    }

    #[test]
    fn lines_break_between_words() {
        let text = "one two three-is-long four";
        assert_eq!(wrap(text, Some(8)), ["one two", "three-is-long", "four"]);
        assert_eq!(wrap(text, None), [text]);
    }
}
