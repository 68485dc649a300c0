//! Every mistake of a text, where a reader stops at the first: what is wrong is taken out, and the rest is read again.

use std::collections::BTreeSet;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::diagnose::{Mistake, PROBLEMS};

/// A text that is longer is read once: whoever writes one has other troubles.
const LONGEST: usize = 16 * 1024;

/// A key with its value, or a whole table.
struct Entry {
    /// From the line of the key to the end of the value.
    span: Range<usize>,
    /// The table that it stands in, or that it is: `probe.inbox`; empty for keys above the first table.
    table: String,
    whole: bool,
}

/// All that `read` finds, with what it would find behind each mistake.
pub fn every(text: &str, read: impl Fn(&str) -> Vec<Mistake>) -> Vec<Mistake> {
    let mut found = read(text);
    if found.is_empty() || text.len() > LONGEST || !is_toml(text) {
        return found;
    }
    let mut rest = text.to_owned();
    let mut all: Vec<Mistake> = Vec::new();
    // What follows from a key that was taken out is no mistake of its own.
    let mut touched = BTreeSet::new();
    while !found.is_empty() {
        let mut taken_out = false;
        for mistake in std::mem::take(&mut found) {
            let entry = mistake.span.as_ref().and_then(|span| entry_at(&rest, span));
            let follows = entry.as_ref().is_some_and(|entry| entry.whole && touched.contains(&entry.table));
            if !follows && !all.contains(&mistake) {
                all.push(mistake);
            }
            if let Some(entry) = entry {
                taken_out |= blank(&mut rest, &entry.span);
                touched.insert(entry.table);
            }
        }
        if all.len() > PROBLEMS {
            break;
        }
        if taken_out && is_toml(&rest) {
            found = read(&rest);
            // A mistake of the whole file may be made by what is not there any more.
            found.retain(|mistake| mistake.span.is_some());
        }
    }
    // In the order of the file.
    all.sort_by_key(|mistake| mistake.span.as_ref().map(|span| span.start));
    if all.len() > PROBLEMS {
        all.truncate(PROBLEMS - 1);
        let message = "cannot read it: there are more mistakes in it";
        all.push(Mistake::whole(message).help("correct the first ones, then check it again"));
    }
    all
}

fn is_toml(text: &str) -> bool {
    DeTable::parse_recoverable(text).1.is_empty()
}

/// Overwrites it with spaces, so that every other place stays what it is.
fn blank(text: &mut String, span: &Range<usize>) -> bool {
    let Some(part) = text.get(span.clone()) else {
        return false;
    };
    if part.trim().is_empty() {
        return false;
    }
    let spaces: String = part.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect();
    text.replace_range(span.clone(), &spaces);
    true
}

/// What a person would take out to be rid of a mistake at this place.
fn entry_at(text: &str, at: &Range<usize>) -> Option<Entry> {
    let (all, _) = DeTable::parse_recoverable(text);
    let mut found = None;
    search(text, all.get_ref(), ("", at), &mut found);
    found
}

/// The smallest entry that has the place in it. `prefix`: the table that is searched.
fn search(text: &str, table: &DeTable<'_>, (prefix, at): (&str, &Range<usize>), found: &mut Option<Entry>) {
    for (key, value) in table.iter() {
        let name = key.get_ref();
        let path = if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") };
        let inside =
            |span: &Range<usize>| span.start <= at.start && at.start <= span.end && at.end <= span.end;
        let (key_span, value_span) = (key.span(), value.span());
        match value.get_ref() {
            // Its own header, and not braces behind a key.
            DeValue::Table(inner)
                if !text.get(value_span.clone()).is_some_and(|part| part.starts_with('{')) =>
            {
                if inside(&value_span) || inside(&key_span) {
                    let span =
                        key_span.start.min(value_span.start)..end_of(inner, value_span.end.max(key_span.end));
                    *found = Some(Entry { span: from_line(text, span), table: path.clone(), whole: true });
                }
                search(text, inner, (&path, at), found);
            }
            _ => {
                if inside(&key_span) || inside(&value_span) {
                    let span = key_span.start..value_span.end.max(key_span.end);
                    *found =
                        Some(Entry { span: from_line(text, span), table: prefix.to_owned(), whole: false });
                }
            }
        }
    }
}

/// Where the last entry of a table ends.
fn end_of(table: &DeTable<'_>, least: usize) -> usize {
    table.iter().fold(least, |end, (key, value)| {
        let here = end.max(key.span().end).max(value.span().end);
        match value.get_ref() {
            DeValue::Table(inner) => end_of(inner, here),
            _ => here,
        }
    })
}

/// The same from the beginning of its first line: of a dotted key nothing may be left.
fn from_line(text: &str, span: Range<usize>) -> Range<usize> {
    let before = text.get(..span.start).unwrap_or_default();
    before.rfind('\n').map_or(0, |newline| newline + 1)..span.end
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::diagnose::problem;
    use super::super::parse;

    /// Line and sentence of each mistake of a unit file.
    fn told(text: &str) -> Vec<(usize, String)> {
        let file = Path::new("shop.service.toml");
        let mistakes = parse::spec(file, text, 0).err().unwrap_or_default();
        mistakes.iter().map(|one| problem(file, text, one)).map(|one| (one.line, one.message)).collect()
    }

    fn lines(text: &str) -> Vec<usize> {
        told(text).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn every_mistake_of_a_file_is_told_at_once() {
        let text = "moed = \"act\"\nseverity = 5\n[recovery]\nbrust = 3\ndelay = 5\nstart = \"yes\"\n\
                    [probe.a]\nhttp = \"127.0.0.1\"\n[probe.b]\ntcp = \"localhost\"\n[probe.c]\ntcp = \"a:1\"\nperiod = \"0s\"\n";
        assert_eq!(lines(text), [1, 2, 4, 5, 6, 8, 10, 13], "{:#?}", told(text));
    }

    #[test]
    fn what_follows_from_a_mistake_is_none() {
        // Without its http the probe would have no kind; without its reason the table would miss one.
        assert_eq!(
            lines("[probe.a]\nhttp = 5\n[disabled]\nreason = 5\nuntil = 2026-12-24T00:00:00Z\n"),
            [2, 4]
        );
        assert_eq!(lines("[disabled]\nreason = \"x\"\n[smoke]\ntimeout = \"5s\"\n"), [1, 3]);
    }

    #[test]
    fn dotted_keys_inline_tables_and_lists_are_taken_out_whole() {
        let text = "recovery.brust = 3\nrecovery.burst = \"x\"\nrequires = [\n  \"a.service\",\n  5,\n]\n\
                    probe.a = { http = \"http://127.0.0.1/\", sttaus = 200 }\nsmoke = 5\n";
        let lines = lines(text);
        assert!([1, 2, 8].iter().all(|line| lines.contains(line)), "{:#?}", told(text));
        assert!(lines.len() >= 5, "{:#?}", told(text));
    }

    #[test]
    fn more_mistakes_than_anybody_reads_are_cut_off() {
        let text: String = (0..50).map(|n| format!("key{n} = 1\n")).collect();
        let told = told(&text);
        assert_eq!(told.len(), 10);
        assert!(told.last().is_some_and(|(_, last)| last.contains("more mistakes")), "{told:#?}");
    }
}
