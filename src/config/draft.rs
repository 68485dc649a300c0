//! A unit file as text: what is in force, and comments that say what it was seen from.

use std::fmt::Write as _;

use crate::model::adopt::{Draft, Key, Table, Value, Written};

/// A line with its comment is at most so long; else the comment stands above.
const WIDTH: usize = 120;

/// The text of the file. Comments are one line each, whatever was seen.
#[must_use]
pub fn render(draft: &Draft) -> String {
    let mut text = String::new();
    for line in &draft.head {
        comment(&mut text, line);
    }
    for written in &draft.keys {
        text.push('\n');
        one(&mut text, written);
    }
    for written in &draft.tables {
        text.push('\n');
        one(&mut text, written);
    }
    text
}

/// One table as the text of a file that has only this.
#[must_use]
pub fn alone(table: &Table) -> String {
    let mut text = String::new();
    lines(&mut text, table, "", false);
    text
}

fn one(text: &mut String, written: &Written) {
    for remark in &written.remarks {
        comment(text, remark);
    }
    lines(text, &written.table, if written.in_force { "" } else { "# " }, true);
}

/// `before` makes each line a comment.
fn lines(text: &mut String, table: &Table, before: &str, seen: bool) {
    if !table.name.is_empty() {
        push(text, &format!("{before}[{}]", table.name));
    }
    for key in &table.keys {
        let Key { name, value, seen: from } = key;
        let line = format!("{before}{name} = {}", self::value(value));
        if from.is_empty() || !seen {
            push(text, &line);
        } else if line.chars().count() + from.chars().count() + 4 <= WIDTH {
            push(text, &format!("{line}  # {}", harmless(from)));
        } else {
            push(text, &format!("{before}# {}", harmless(from)));
            push(text, &line);
        }
    }
}

fn push(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

fn comment(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# {}", harmless(line));
}

/// What others wrote, in one line and without what a comment may not hold.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || hides(c) { '?' } else { c }).collect()
}

/// Turns or hides what follows it.
fn hides(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

fn value(value: &Value) -> String {
    match value {
        Value::List(values) => {
            format!("[{}]", values.iter().map(self::value).collect::<Vec<_>>().join(", "))
        }
        Value::Pairs(pairs) => {
            let pairs: Vec<String> =
                pairs.iter().map(|(key, value)| format!("{} = {}", name(key), self::value(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        // In one line, so that a comment holds it: a text of several lines is escaped.
        Value::Text(text) => quoted(text),
        Value::Number(number) => number.to_string(),
        Value::Float(number) => toml::Value::Float(*number).to_string(),
        Value::Boolean(on) => on.to_string(),
    }
}

fn name(key: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !key.is_empty() && key.chars().all(bare) { key.to_owned() } else { quoted(key) }
}

fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || hides(c) => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::unit::UnitName;

    #[test]
    fn whatever_was_seen_the_text_reads_back_as_it_was_meant() {
        let nasty = "a\"b\\c\nd\u{1b}[31m\t\u{202e}e # [x]";
        let pairs = Value::Pairs(vec![("/a b".to_owned(), Value::Text(nasty.to_owned()))]);
        let keys = vec![
            Key::text("http", nasty, nasty),
            Key { name: "json".to_owned(), value: pairs, seen: String::new() },
            Key {
                name: "list".to_owned(),
                value: Value::List(vec![Value::Number(1)]),
                seen: nasty.repeat(9),
            },
        ];
        let table = Table { name: "probe.page".to_owned(), keys };
        let off = Written {
            table: Table { name: "probe.off".to_owned(), ..table.clone() },
            remarks: vec![nasty.to_owned()],
            in_force: false,
        };
        let on = Written { table: table.clone(), remarks: vec![nasty.to_owned()], in_force: true };
        let draft = Draft {
            unit: UnitName::from("x.service"),
            head: vec![nasty.to_owned()],
            keys: Vec::new(),
            tables: vec![off, on],
        };
        let read: toml::Table = render(&draft).parse().unwrap();
        let probes = read["probe"].as_table().unwrap();
        assert_eq!(probes.len(), 1, "the other is a comment");
        assert_eq!(probes["page"]["http"].as_str(), Some(nasty));
        assert_eq!(probes["page"]["json"]["/a b"].as_str(), Some(nasty));
        let again: toml::Table = alone(&table).parse().unwrap();
        assert_eq!(again["probe"]["page"]["http"].as_str(), Some(nasty));
        // A comment that is uncommented is right, too.
        let uncommented: String =
            render(&draft).lines().filter_map(|line| line.strip_prefix("# [probe.off")).collect();
        assert_eq!(uncommented, "]");
    }
}
