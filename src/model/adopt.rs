//! Adoption: what a live unit, or the file of another supervisor, shows; and the unit file that follows from it.

use std::collections::BTreeSet;

use super::unit::UnitName;

/// A value of a unit file.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Number(i64),
    Float(f64),
    Boolean(bool),
    List(Vec<Value>),
    Pairs(Vec<(String, Value)>),
}

/// A key of a unit file, and what it was seen from.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    pub name: String,
    pub value: Value,
    /// Empty where the line before it says so already.
    pub seen: String,
}

impl Key {
    /// A text that was seen somewhere.
    #[must_use]
    pub fn text(name: &str, value: impl Into<String>, seen: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: Value::Text(value.into()), seen: seen.into() }
    }

    /// A number that was seen somewhere.
    #[must_use]
    pub fn number(name: &str, value: i64, seen: impl Into<String>) -> Self {
        Self { name: name.to_owned(), value: Value::Number(value), seen: seen.into() }
    }
}

impl Key {
    /// Its value, where that is a text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text.as_str()),
            Value::Number(_) | Value::Float(_) | Value::Boolean(_) | Value::List(_) | Value::Pairs(_) => None,
        }
    }
}

/// A table of a unit file, such as `[probe.page]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    pub name: String,
    pub keys: Vec<Key>,
}

impl Table {
    /// The text of a key.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.keys.iter().find(|known| known.name == key).and_then(Key::as_text)
    }

    /// `probe`, `progress`, `recovery`, …
    #[must_use]
    pub fn kind(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}

/// A table with its fate: in force, or a comment that says why not.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    pub table: Table,
    /// Lines above it: what was asked on the spot, and what came.
    pub remarks: Vec<String>,
    pub in_force: bool,
}

/// A unit file, ready to be written.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    pub unit: UnitName,
    /// Comment lines at the top.
    pub head: Vec<String>,
    /// Keys outside any table.
    pub keys: Vec<Written>,
    pub tables: Vec<Written>,
}

/// Whose file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Monit,
    Supervisord,
    God,
}

impl Format {
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Monit => "monit",
            Self::Supervisord => "supervisord",
            Self::God => "god",
        }
    }
}

/// The file of another supervisor, read as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Foreign {
    pub entries: Vec<Entry>,
    pub commented_out: Vec<CommentedOut>,
    /// What concerns no single entry and could not be taken over.
    pub left: Vec<Left>,
}

/// What an entry of a foreign file is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum About {
    /// A process that is kept running.
    #[default]
    Process,
    /// Another host, a file, a file system: nothing that systemd runs.
    Thing,
}

/// One program that another supervisor keeps, or one thing that it checks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Entry {
    pub line: usize,
    /// As it is written there, `check process`.
    pub kind: String,
    pub name: String,
    pub about: About,
    pub pidfile: Option<String>,
    /// A pattern over command lines.
    pub matching: Option<String>,
    pub start: Option<String>,
    pub directory: Option<String>,
    pub user: Option<String>,
    pub group: Option<String>,
    pub environment: Vec<(String, String)>,
    /// It is watched there, and not started.
    pub passive: bool,
    /// Other entries that this one needs.
    pub depends: Vec<(usize, String)>,
    /// Probes and budget that follow from it.
    pub tables: Vec<Table>,
    pub taken: Vec<Taken>,
    pub left: Vec<Left>,
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
        self.left.push(Left::new(line, text, why));
    }
}

/// A statement that was taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    pub line: usize,
    pub text: String,
    /// What it became.
    pub into: String,
}

/// A statement that could not be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    pub line: usize,
    pub text: String,
    pub why: String,
}

/// A check that somebody switched off by making it a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommentedOut {
    pub line: usize,
    pub last: usize,
    /// `God.watch delayed_job`
    pub what: String,
    /// The comment beside it.
    pub why: Option<String>,
    /// Its lines as they are written there.
    pub text: Vec<String>,
}

/// What systemd says of a unit's needs and times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    pub description: String,
    /// `Requires=`, `Requisite=` and `BindsTo=`.
    pub requires: Vec<UnitName>,
    /// `Wants=`.
    pub wants: Vec<UnitName>,
    /// `After=`.
    pub after: Vec<UnitName>,
    /// Of a timer.
    pub schedule: Option<Schedule>,
}

/// When a timer elapses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule {
    /// What it starts.
    pub unit: String,
    /// `OnCalendar=`, as systemd writes it anew: `Mon *-*-* 06,18:00:00`.
    pub calendar: Vec<String>,
    /// `OnUnitActiveSec=` and its kin: name and seconds.
    pub monotonic: Vec<(String, u64)>,
    /// `RandomizedDelaySec=` and `AccuracySec=` together, in seconds.
    pub spread: u64,
}

/// What is known of a usual piece of software: config/recipes.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// `nginx.service`
    pub name: String,
    pub tables: Vec<Table>,
}

impl Left {
    /// A statement that stays behind, and why.
    pub fn new(line: usize, text: &str, why: impl Into<String>) -> Self {
        Self { line, text: shown(text), why: why.into() }
    }
}

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
