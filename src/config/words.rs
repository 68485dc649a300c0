//! What serde says of a value, in words of TOML and not of Rust.

use super::diagnose::nearest;

/// Ways in which a value is called, and what a person would call it.
const EXPECTED: [(&str, &str); 16] = [
    ("a boolean", "true or false"),
    ("a string", "a text in quotes"),
    ("string", "a text in quotes"),
    ("a character", "a text in quotes"),
    ("a sequence", "a list in [ ]"),
    ("a map", "a table"),
    ("a TOML datetime", "a date and time, such as 2026-12-24T00:00:00Z"),
    ("f64", "a number"),
    ("f32", "a number"),
    ("u8", "a whole number from 0 to 255"),
    ("u16", "a whole number from 0 to 65535"),
    ("u", "a whole number, 0 or more"),
    ("i", "a whole number"),
    ("struct ", "a table"),
    ("internally tagged enum", "a table"),
    ("map", "a table"),
];

/// The sentence and the way out; nothing where it needs no other words.
pub fn in_words(said: &str) -> Option<(String, Option<String>)> {
    if let Some(rest) = said.strip_prefix("missing field `") {
        let key = rest.split('`').next()?;
        return Some((format!("cannot use it: the key `{key}` is missing"), None));
    }
    if let Some(rest) = said.strip_prefix("unknown variant `") {
        let (value, known) = rest.split_once('`')?;
        let known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        let near = nearest(value, &known).map(|near| format!("did you mean \"{near}\"?"));
        let all: Vec<String> = known.iter().map(|known| format!("\"{known}\"")).collect();
        return Some((format!("cannot use \"{value}\": write {}", either(&all)), near));
    }
    if said == "wanted string or table" {
        return Some(("cannot use it: a text in quotes is expected".to_owned(), None));
    }
    let rest = said.strip_prefix("invalid type: ").or_else(|| said.strip_prefix("invalid value: "))?;
    let (found, wanted) = rest.split_once(", expected ")?;
    let wanted = expected(wanted);
    Some((format!("cannot use {}: {wanted} is expected", value(found)), way_out(found, wanted)))
}

/// `integer `5`` → `5`, `map` → `a table`.
fn value(found: &str) -> String {
    let written = found.split_once('`').and_then(|(_, rest)| rest.rsplit_once('`')).map(|(value, _)| value);
    if let Some(text) = found.strip_prefix("string ") {
        return text.to_owned();
    }
    match (found, written) {
        (_, Some(value)) => value.to_owned(),
        ("map", _) => "a table".to_owned(),
        ("sequence", _) => "a list".to_owned(),
        ("string", _) => "a text".to_owned(),
        ("Option value" | "unit value" | "unit" | "null", _) => "nothing".to_owned(),
        (other, _) => other.to_owned(),
    }
}

/// The value as it could have been meant.
fn way_out(found: &str, wanted: &str) -> Option<String> {
    let number = found.split_once('`').and_then(|(_, rest)| rest.split_once('`')).map(|(value, _)| value);
    let text = found.strip_prefix("string \"").and_then(|rest| rest.strip_suffix('"'));
    match (wanted, number, text) {
        ("a text in quotes", Some(value), _) => Some(format!("write \"{value}\"")),
        ("true or false", _, Some(text)) => match text.to_lowercase().as_str() {
            "yes" | "on" | "true" | "1" => Some("write true, without quotes".to_owned()),
            "no" | "off" | "false" | "0" => Some("write false, without quotes".to_owned()),
            _ => None,
        },
        (wanted, _, Some(text)) if wanted.contains("number") && text.parse::<f64>().is_ok() => {
            Some(format!("write {text}, without quotes"))
        }
        ("a list in [ ]", _, Some(text)) => Some(format!("write [\"{text}\"]")),
        _ => None,
    }
}

fn expected(wanted: &str) -> &str {
    let number = |kind: &str| {
        let bits = wanted.strip_prefix(kind);
        bits.is_some_and(|bits| bits == "size" || bits.parse::<u16>().is_ok())
    };
    let known = EXPECTED.iter().find(|(theirs, _)| match *theirs {
        "u" | "i" => number(theirs),
        "struct " => wanted.starts_with(theirs),
        theirs => wanted == theirs,
    });
    known.map_or(wanted, |(_, ours)| ours)
}

/// `"a" or "b"`, `"a", "b" or "c"`.
fn either(all: &[String]) -> String {
    match all.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
        None => "another word".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_of_rust_is_left() {
        let told = |said| in_words(said).map(|(message, help)| (message, help.unwrap_or_default()));
        let is = |message: &str, help: &str| Some((message.to_owned(), help.to_owned()));
        assert_eq!(
            told("invalid type: integer `5`, expected a string"),
            is("cannot use 5: a text in quotes is expected", "write \"5\"")
        );
        assert_eq!(
            told("invalid type: string \"yes\", expected a boolean"),
            is("cannot use \"yes\": true or false is expected", "write true, without quotes")
        );
        assert_eq!(
            told("invalid value: integer `-1`, expected u32"),
            is("cannot use -1: a whole number, 0 or more is expected", "")
        );
        assert_eq!(
            told("invalid type: string \"3\", expected u32"),
            is("cannot use \"3\": a whole number, 0 or more is expected", "write 3, without quotes")
        );
        assert_eq!(
            told("invalid type: integer `5`, expected struct Recovery"),
            is("cannot use 5: a table is expected", "")
        );
        assert_eq!(
            told("unknown variant `observ`, expected `act` or `observe`"),
            is("cannot use \"observ\": write \"act\" or \"observe\"", "did you mean \"observe\"?")
        );
        assert_eq!(told("missing field `reason`"), is("cannot use it: the key `reason` is missing", ""));
        assert_eq!(told("unclosed string"), None);
    }
}
