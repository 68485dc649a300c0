//! The little of Ruby that a configuration of god is written in: blocks, calls, assignments, plain values. Never run.

use std::collections::BTreeMap;

/// A value that can be told without running anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    Text(String),
    Number(i64),
    /// Ruby would have to work it out.
    Other,
}

/// The line without the comment at its end.
pub fn uncommented(raw: &str) -> &str {
    let (mut quote, mut before) = (None, ' ');
    for (at, c) in raw.char_indices() {
        match (quote, c) {
            (Some(open), c) if c == open && before != '\\' => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(c),
            (None, '#') if before.is_whitespace() => return raw.get(..at).unwrap_or(raw),
            (None, _) => {}
        }
        before = c;
    }
    raw
}

/// A block in one line (`x { |c| c.y = 1 }`, `x do |c| c.y = 1 end`) as the lines that it stands for.
pub fn lines(line: &str) -> Vec<String> {
    let braces = line.find("{ |").filter(|_| line.ends_with('}'));
    let words = line.find(" do |").filter(|_| line.ends_with(" end") || line.ends_with(";end"));
    let (head, inside) = match (braces, words) {
        (Some(at), _) => (line.get(..at), line.get(at + 1..line.len() - 1)),
        (None, Some(at)) => (line.get(..at), line.get(at + 3..line.len() - 3)),
        (None, None) => return vec![line.to_owned()],
    };
    let (Some(head), Some(inside)) = (head, inside) else {
        return vec![line.to_owned()];
    };
    let body = inside.trim().trim_start_matches('|');
    let Some((names, body)) = body.split_once('|') else {
        return vec![line.to_owned()];
    };
    let mut made = vec![format!("{} do |{names}|", head.trim())];
    made.extend(body.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned));
    made.push("end".to_owned());
    made
}

/// The line opens a block that a later `end` closes.
pub fn opens(line: &str) -> bool {
    let line = line.trim();
    let block = line.ends_with(" do") || line.ends_with('|') && line.contains(" do |");
    let braces = line.ends_with('|') && line.contains("{ |");
    let words = ["if ", "unless ", "case ", "while ", "until ", "def ", "begin", "class ", "module "];
    block || braces || words.iter().any(|word| line.starts_with(word)) && !line.ends_with(" end")
}

/// The line closes one.
pub fn closes(line: &str) -> bool {
    let line = line.trim();
    line == "end" || line == "}" || line.starts_with("end ") || line.starts_with("end.") || line == "end)"
}

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_' || c == '@')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// `w.name = value`: receiver (empty where there is none), name, value.
pub fn assigned(line: &str) -> Option<(&str, &str, &str)> {
    let at = line.find('=')?;
    let (target, value) = (line.get(..at)?.trim(), line.get(at + 1..)?);
    if value.starts_with(['=', '>', '~']) {
        return None;
    }
    let target = target.strip_suffix("||").unwrap_or(target).trim();
    let (receiver, name) = target.rsplit_once('.').unwrap_or(("", target));
    ((receiver.is_empty() || is_name(receiver)) && is_name(name)).then_some((receiver, name, value.trim()))
}

/// `w.behavior(:x)`, `God.watch do |w|`, `load "x"`: receiver, name, the rest.
pub fn call(line: &str) -> Option<(&str, &str, &str)> {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "_.@".contains(c))).unwrap_or(line.len());
    let (called, rest) = (line.get(..end)?, line.get(end..)?);
    let (receiver, name) = called.rsplit_once('.').unwrap_or(("", called));
    ((receiver.is_empty() || is_name(receiver)) && is_name(name)).then_some((receiver, name, rest.trim()))
}

/// The first symbol: `memory_usage` of `(:memory_usage) do |c|`.
pub fn symbol(text: &str) -> Option<&str> {
    let rest = text.get(text.find(':')? + 1..)?;
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    rest.get(..end).filter(|name| !name.is_empty())
}

/// `30.seconds`, `5.minutes`, `30`.
pub fn seconds(value: &str) -> Option<u64> {
    let value = value.trim();
    let (number, unit) = value.split_once('.').unwrap_or((value, "second"));
    let number: u64 = number.parse().ok()?;
    super::super::values::unit_seconds(unit).map(|unit| unit.saturating_mul(number))
}

/// `150.megabytes` as systemd writes it: `150M`.
pub fn size(value: &str) -> Option<String> {
    let (number, unit) = value.trim().split_once('.')?;
    let number: u64 = number.parse().ok()?;
    let letter = match unit.trim_end_matches('s') {
        "kilobyte" => "K",
        "megabyte" => "M",
        "gigabyte" => "G",
        _ => return None,
    };
    Some(format!("{number}{letter}"))
}

/// Bytes of a plain text with all names put in: twice as long line by line, it would grow without end.
const LONGEST: usize = 4096;

/// A plain text or number; names of plain texts in it are put in.
pub fn literal(value: &str, known: &BTreeMap<String, String>) -> Said {
    let value = value.trim();
    if let Ok(number) = value.parse() {
        return Said::Number(number);
    }
    if let Some(text) = known.get(value) {
        return Said::Text(text.clone());
    }
    let joined = value.strip_prefix("File.join(").and_then(|rest| rest.strip_suffix(')'));
    if let Some(parts) = joined {
        let parts: Option<Vec<String>> = parts
            .split(',')
            .map(|part| {
                let part = part.trim();
                let known = known.get(part).cloned().or_else(|| text(part, known))?;
                Some(known.trim_end_matches('/').to_owned())
            })
            .collect();
        let joined = parts.map(|parts| parts.join("/")).filter(|joined| joined.len() <= LONGEST);
        return joined.map_or(Said::Other, Said::Text);
    }
    text(value, known).map_or(Said::Other, Said::Text)
}

fn text(value: &str, known: &BTreeMap<String, String>) -> Option<String> {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inside = value.get(1..)?.strip_suffix(quote)?;
    if inside.contains(quote) {
        return None;
    }
    if quote == '\'' {
        return Some(inside.to_owned());
    }
    let mut text = String::new();
    let mut rest = inside;
    while let Some((before, after)) = rest.split_once("#{") {
        let (name, after) = after.split_once('}')?;
        text.push_str(before);
        text.push_str(known.get(name.trim())?);
        if text.len() > LONGEST {
            return None;
        }
        rest = after;
    }
    text.push_str(rest);
    Some(text)
}

/// `{ "A" => "b", 'C' => d }`, where all of it is plain.
pub fn pairs(value: &str, known: &BTreeMap<String, String>) -> Option<Vec<(String, String)>> {
    let inside = value.trim().strip_prefix('{')?.strip_suffix('}')?;
    let plain = |part: &str| match literal(part, known) {
        Said::Text(text) => Some(text),
        Said::Number(number) => Some(number.to_string()),
        Said::Other => None,
    };
    let parts = inside.split(',').filter(|part| !part.trim().is_empty());
    parts
        .map(|part| part.split_once("=>").and_then(|(key, value)| Some((plain(key)?, plain(value)?))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_values_are_told_and_ruby_is_not() {
        let known = BTreeMap::from([("root".to_owned(), "/srv/app".to_owned())]);
        let text = |value: &str| match literal(value, &known) {
            Said::Text(text) => text,
            other => format!("{other:?}"),
        };
        assert_eq!(text("\"#{root}/log\""), "/srv/app/log");
        assert_eq!(text("File.join(root, 'tmp/x.pid')"), "/srv/app/tmp/x.pid");
        assert_eq!(text("root"), "/srv/app");
        assert_eq!(text("'#{root}'"), "#{root}");
        for ruby in
            ["\"#{ENV['HOME']}/x\"", "`hostname`", "\"a\" + \"b\"", "File.dirname(__FILE__)", "\"a\" if b"]
        {
            assert_eq!(literal(ruby, &known), Said::Other, "{ruby}");
        }
        let nested = format!("{}root{}", "File.join(".repeat(50_000), ")".repeat(50_000));
        assert_eq!(literal(&nested, &known), Said::Other);
        let long = BTreeMap::from([("a".to_owned(), "x".repeat(3000))]);
        assert_eq!(literal("\"#{a}#{a}\"", &long), Said::Other);
        assert_eq!(pairs("{ 'A' => \"b\", \"N\" => 1 }", &known).unwrap().len(), 2);
        assert_eq!([seconds("5.minutes"), seconds("30"), seconds("a")], [Some(300), Some(30), None]);
        assert_eq!(size("150.megabytes").as_deref(), Some("150M"));
    }

    #[test]
    fn a_block_in_one_line_is_the_lines_it_stands_for() {
        let wanted = ["a.b(:c) do |c|", "c.x = 1", "c.y = 2", "end"];
        assert_eq!(lines("a.b(:c) { |c| c.x = 1; c.y = 2 }"), wanted);
        assert_eq!(lines("a.b(:c) do |c| c.x = 1; c.y = 2 end"), wanted);
        assert_eq!(lines("w.env = { 'A' => 'b' }"), ["w.env = { 'A' => 'b' }"]);
        assert!(opens("w.transition(:init, { true => :up }) do |on|") && !opens("w.interval = 5.seconds"));
        assert_eq!(uncommented("x = \"a#b\" # c"), "x = \"a#b\" ");
        assert_eq!(assigned("w.name = 'x'"), Some(("w", "name", "'x'")));
        assert_eq!(assigned("a == b"), None);
    }
}
