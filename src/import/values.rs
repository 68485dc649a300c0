//! What the importers share: lengths, sizes, addresses, tables of probes.

use crate::model::adopt::{Key, Table};
use crate::model::span::written;

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
        keys: vec![Key::number("burst", burst, seen), Key::text("interval", written(seconds), seen)],
    }
}
