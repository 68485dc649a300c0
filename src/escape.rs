//! Text that came from outside, made harmless for the medium that it is printed in. Names of files, arguments, answers of
//! servers and lines of logs are a stranger's to choose: what steers a terminal, or hides from the eye, is written out.

/// It steers a terminal, ends a line, turns the direction of a text, or has no shape.
#[must_use]
pub fn steers(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// One line, as a terminal, a log and a mail's subject take it: a line break is written out as well.
#[must_use]
pub fn line(text: &str) -> String {
    written(text, |_| false)
}

/// Lines that stay lines, as a file takes them.
#[must_use]
pub fn lines(text: &str) -> String {
    written(text, |character| matches!(character, '\n' | '\t'))
}

fn written(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut harmless = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) && !stays(character) {
            harmless.extend(character.escape_default());
        } else {
            harmless.push(character);
        }
    }
    harmless
}

/// A text of JSON that says the same and shows everything: outside of its strings nothing steers but its own line breaks.
#[must_use]
pub fn json(text: String) -> String {
    let hidden = |character: char| steers(character) && character != '\n';
    if !text.contains(hidden) {
        return text;
    }
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if hidden(character) {
            let mut halves = [0; 2];
            for half in character.encode_utf16(&mut halves) {
                shown.push_str(&format!("\\u{half:04x}"));
            }
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    const NASTY: &str = "a\u{1b}[31mb\nc\u{7}\u{9b}d\u{202e}e\u{7f}\t\u{e0041}ü";

    #[test]
    fn row_12_nothing_of_others_steers_a_line_or_a_file() {
        assert_eq!(line(NASTY), "a\\u{1b}[31mb\\nc\\u{7}\\u{9b}d\\u{202e}e\\u{7f}\\t\\u{e0041}ü");
        assert_eq!(lines(NASTY), "a\\u{1b}[31mb\nc\\u{7}\\u{9b}d\\u{202e}e\\u{7f}\t\\u{e0041}ü");
        assert_eq!(line(r"dev-disk\x2dby — 你好"), r"dev-disk\x2dby — 你好");
    }

    #[test]
    fn row_12_json_shows_everything_and_says_the_same() {
        let told = serde_json::to_string_pretty(&[NASTY]).expect("JSON");
        let shown = json(told);
        assert!(!shown.chars().any(|character| steers(character) && character != '\n'), "{shown:?}");
        let read: Vec<String> = serde_json::from_str(&shown).expect("JSON");
        assert_eq!(read, [NASTY]);
    }
}
