//! What the importers share: lengths, sizes, addresses, tables of probes.

use std::collections::BTreeSet;

use crate::model::adopt::{Entry, Key, Left, Table, Taken};

/// Characters of a statement that are shown.
const SHOWN: usize = 120;

/// A statement as it is told, in one line.
pub fn shown(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

/// Seconds as people write them in a unit file.
pub fn length(seconds: u64) -> String {
    match seconds {
        0 => "0s".to_owned(),
        _ if seconds.is_multiple_of(86_400) => format!("{}d", seconds / 86_400),
        _ if seconds.is_multiple_of(3600) => format!("{}h", seconds / 3600),
        _ if seconds.is_multiple_of(60) => format!("{}m", seconds / 60),
        _ => format!("{seconds}s"),
    }
}

/// How many seconds such a word is.
pub fn unit_seconds(word: &str) -> Option<u64> {
    Some(match word.trim_end_matches('s') {
        "" | "sec" | "second" => 1,
        "m" | "min" | "minute" => 60,
        "h" | "hour" => 3600,
        "d" | "day" => 86_400,
        "week" => 604_800,
        _ => return None,
    })
}

/// A host and a port in one.
pub fn address(host: &str, port: &str) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

impl Entry {
    /// Takes a statement over as this table. Its name is made unique within the entry.
    pub fn take(&mut self, line: usize, text: &str, mut table: Table) {
        let taken: BTreeSet<&str> = self.tables.iter().map(|table| table.name.as_str()).collect();
        let base = table.name.clone();
        let mut number = 2;
        while taken.contains(table.name.as_str()) {
            table.name = format!("{base}-{number}");
            number += 1;
        }
        let into = format!("[{}]", table.name);
        self.tables.push(table);
        self.took(line, text, into);
    }

    /// Takes a statement over as this.
    pub fn took(&mut self, line: usize, text: &str, into: impl Into<String>) {
        self.taken.push(Taken { line, text: shown(text), into: into.into() });
    }

    /// Leaves a statement, and says why.
    pub fn leave(&mut self, line: usize, text: &str, why: impl Into<String>) {
        self.left.push(left(line, text, why));
    }
}

/// A statement that stays behind.
pub fn left(line: usize, text: &str, why: impl Into<String>) -> Left {
    Left { line, text: shown(text), why: why.into() }
}

/// A probe's table.
pub fn probe(name: &str, keys: Vec<Key>) -> Table {
    let usual = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c.to_ascii_lowercase() } else { '-' };
    Table { name: format!("probe.{}", name.chars().map(usual).collect::<String>()), keys }
}

/// `[recovery]` with a budget.
pub fn budget(burst: u64, seconds: u64, seen: &str) -> Table {
    let burst = i64::try_from(burst).unwrap_or(i64::MAX);
    Table {
        name: "recovery".to_owned(),
        keys: vec![Key::number("burst", burst, seen), Key::text("interval", length(seconds), seen)],
    }
}
