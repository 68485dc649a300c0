//! Bounded, harmless text: what is told may quote a service, and a service may be an attacker's.

use std::cmp::Reverse;

use jiff::Timestamp;

/// Longest quotation of an answer, in characters.
const QUOTE: usize = 100;

/// One line of at most so many characters, without control characters.
pub fn line(text: &str, limit: usize) -> String {
    let text = text.trim();
    let long = text.chars().nth(limit).is_some();
    let kept = if long { limit.saturating_sub(1) } else { limit };
    let mut line: String = text.chars().take(kept).map(|c| if is_harmless(c) { c } else { ' ' }).collect();
    if long {
        line.push('…');
    }
    line
}

/// Neither a control character nor one that turns the direction of the text.
fn is_harmless(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// At most so many bytes of a text, whole characters of it.
pub fn bytes(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        return text.to_owned();
    }
    let room = limit.saturating_sub('…'.len_utf8());
    let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// The beginning of an answer in quotes, without these secrets, which a server may have sent back.
pub fn quoted(answer: &[u8], secrets: &[String]) -> String {
    let text = without(&String::from_utf8_lossy(answer), secrets);
    let mut quote = String::from("\"");
    let text = text.trim();
    for c in text.chars().take(QUOTE) {
        match c {
            '\'' => quote.push('\''),
            _ => quote.extend(c.escape_debug()),
        }
    }
    quote.push_str(if text.chars().nth(QUOTE).is_some() { "…\"" } else { "\"" });
    quote
}

/// The text with every secret struck out.
pub fn without(text: &str, secrets: &[String]) -> String {
    let mut secrets: Vec<&String> = secrets.iter().filter(|secret| !secret.is_empty()).collect();
    // A part of a secret must not break the whole before it is found.
    secrets.sort_by_key(|secret| Reverse(secret.len()));
    secrets.into_iter().fold(text.to_owned(), |text, secret| text.replace(secret.as_str(), "***"))
}

/// `2026-11-20 10:00:00 UTC`
pub fn utc(unix_ms: i64) -> String {
    timestamp(unix_ms).strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `2026-11-20T10:00:00.000Z`
pub fn rfc3339(unix_ms: i64) -> String {
    timestamp(unix_ms).strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// A time beyond the calendar is shown as its end.
fn timestamp(unix_ms: i64) -> Timestamp {
    let end = if unix_ms < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_millisecond(unix_ms).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_short_and_harmless() {
        assert_eq!(line(" a\nb\0c\u{202e}d ", 10), "a b c d");
        assert_eq!(line("äöü!", 3), "äö…");
        assert_eq!(bytes("äöü", 6), "äöü");
        assert_eq!(bytes("äöüß", 7), "äö…");
        assert_eq!(bytes("äöüß", 6), "ä…");
        assert_eq!(rfc3339(1_795_168_800_007), "2026-11-20T10:00:00.007Z");
        assert_eq!(utc(i64::MAX), "9999-12-30 22:00:00 UTC");
    }

    #[test]
    fn a_quotation_has_no_secret() {
        let secrets = ["s3cret".to_owned(), "s3cret-and-more".to_owned(), String::new()];
        assert_eq!(quoted(b"no s3cret-and-more\n here\xff", &secrets), "\"no ***\\n here\u{fffd}\"");
        assert_eq!(quoted(&[b'x'; 4096], &secrets).chars().count(), QUOTE + 3);
    }
}
