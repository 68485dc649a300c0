//! Bounded, harmless text for messages: what a service sends may come from an attacker.

use std::time::Duration;

/// Longest message of an outcome, in characters.
pub const MESSAGE: usize = 300;
/// Longest quotation in a message, in characters of the source.
const QUOTE: usize = 80;
/// Longest URL, path or name in a message, in characters.
const NAME: usize = 120;

/// The beginning of what was sent, in quotes, with control and invisible characters escaped.
pub fn quoted(bytes: &[u8]) -> String {
    // Four bytes hold any character: more than the quotation can need is not looked at.
    let head = bytes.get(..QUOTE * 4 + 4).unwrap_or(bytes);
    let text = String::from_utf8_lossy(head);
    let text = text.trim();
    let mut quote = String::from("\"");
    for character in text.chars().take(QUOTE) {
        match character {
            '\'' => quote.push('\''),
            _ => quote.extend(character.escape_debug()),
        }
    }
    if text.chars().nth(QUOTE).is_some() || head.len() < bytes.len() {
        quote.push('…');
    }
    quote.push('"');
    quote
}

/// A name that a person configured or a library built, shortened and without control characters.
pub fn name(text: &str) -> String {
    clip(text, NAME)
}

/// The whole sentence, within the limit of a message.
pub fn sentence(text: &str) -> String {
    clip(text, MESSAGE)
}

fn clip(text: &str, limit: usize) -> String {
    let long = text.chars().nth(limit).is_some();
    let kept = if long { limit.saturating_sub(1) } else { limit };
    let mut clipped: String = text
        .chars()
        .take(kept)
        .map(|character| if character.is_control() { ' ' } else { character })
        .collect();
    if long {
        clipped.push('…');
    }
    clipped
}

/// A number of bytes as people say it: `512 B`, `1.5 GiB`.
pub fn bytes(count: u64) -> String {
    let units = [(1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.iter().find(|(size, _)| count >= *size) {
        Some((size, unit)) => format!("{}.{} {unit}", count / size, count % size * 10 / size),
        None => format!("{count} B"),
    }
}

/// A duration as people say it: `0.4 ms`, `812 ms`, `3 s`, `2.5 s`.
pub fn figure(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    if ms < 10.0 {
        format!("{ms:.1} ms")
    } else if ms < 1000.0 {
        format!("{ms:.0} ms")
    } else if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotations_are_short_and_harmless() {
        assert_eq!(quoted(b" all\x1b[31m\nred\xff "), "\"all\\u{1b}[31m\\nred\u{fffd}\"");
        assert_eq!(quoted("say \"x\" \u{202e}".as_bytes()), "\"say \\\"x\\\" \\u{202e}\"");
        assert_eq!(quoted(b"name 'queue'"), "\"name 'queue'\"");
        let long = quoted(&vec![b'a'; 1 << 20]);
        assert_eq!(long.chars().count(), QUOTE + 3);
        assert!(long.ends_with("…\""));
    }

    #[test]
    fn sentences_end_within_the_limit() {
        assert_eq!(sentence("short\n"), "short ");
        assert_eq!(sentence(&"ä".repeat(300)).chars().count(), 300);
        assert_eq!(sentence(&"ä".repeat(301)).chars().count(), 300);
        assert!(sentence(&"ä".repeat(301)).ends_with('…'));
    }

    #[test]
    fn figures_have_the_unit_that_fits() {
        assert_eq!(figure(Duration::from_micros(420)), "0.4 ms");
        assert_eq!(figure(Duration::from_millis(812)), "812 ms");
        assert_eq!(figure(Duration::from_secs(3)), "3 s");
        assert_eq!(figure(Duration::from_millis(2500)), "2.5 s");
    }
}
