//! `journal`: lines of a unit's own log that match, each told once. A cursor is kept, over our restart too.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use futures_util::future::BoxFuture;
use regex::{Regex, RegexBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::keys::Wrong;
use crate::model::probe::{ProbeOutcome, ProbeStatus};
use crate::model::unit::UnitName;

use super::failure::Failure;
use super::{Limit, Needs, Probe, not_here, text};

/// Memory that a pattern may cost.
const PATTERN: usize = 1 << 20;
/// One line is enough, and one look without another.
const THRESHOLDS: (u32, u32) = (1, 1);
/// Bytes of the log that are read at once; the rest is read with the next question.
const BYTES: u64 = 4 << 20;
/// Where one line is longer than that, what comes behind it is found by its cursor, in so many bytes.
const CURSORS: u64 = 64 * 1024;
/// Two calls of journalctl.
const LOG_LIMIT: Duration = Duration::from_secs(5);

/// `journal = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Journal {
    /// A new line of the unit's own log that matches this regular expression is unhealthy.
    journal: String,
}

impl Probe for Journal {
    fn check(&self) -> Result<(), Wrong> {
        regex(&self.journal).map(drop).map_err(|error| {
            // The first line of what the library says draws a picture; the last one says it.
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Wrong::at("journal", format!("cannot use this regular expression: {why}"))
        })
    }

    fn is_curable(&self) -> bool {
        false
    }

    fn is_vital(&self) -> bool {
        false
    }

    fn thresholds(&self) -> (u32, u32) {
        THRESHOLDS
    }

    fn needs(&self) -> Needs<'_> {
        Needs::Log(&self.journal)
    }

    fn run(&self, _: Limit) -> BoxFuture<'_, ProbeOutcome> {
        not_here()
    }
}

/// A regular expression that costs little.
fn regex(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(PATTERN).build()
}

/// Whose log it is, and where its cursor is kept. `None`: nowhere, by the commands that look once.
#[derive(Clone, Debug)]
pub struct Log {
    pub unit: UnitName,
    pub user: bool,
    pub cursor: Option<PathBuf>,
}

/// What a piece of log shows.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    /// Of its last line.
    cursor: Option<String>,
    matches: usize,
    last: String,
    /// One line was too long to be looked at.
    skipped: bool,
}

/// Looks at the lines that came since the last question.
pub async fn run(pattern: &str, log: &Log, timeout: Duration) -> ProbeOutcome {
    let asked = format!("log of {}", text::name(log.unit.as_str()));
    match ask(pattern, log, Limit::new(timeout)).await {
        Ok(piece) => {
            let (status, told) = match piece.matches {
                0 if piece.skipped => {
                    let told =
                        format!("no new line matches; one of more than {} MiB was left out", BYTES >> 20);
                    (ProbeStatus::Healthy, told)
                }
                0 => (ProbeStatus::Healthy, "no new line matches".to_owned()),
                1 => (ProbeStatus::Unhealthy, text::quoted(piece.last.as_bytes())),
                more => {
                    let last = text::quoted(piece.last.as_bytes());
                    (ProbeStatus::Unhealthy, format!("{more} lines match, the last is {last}"))
                }
            };
            ProbeOutcome { status, message: text::sentence(&format!("{asked}: {told}")), latency: None }
        }
        Err(failure) => failure.of(&asked),
    }
}

async fn ask(pattern: &str, log: &Log, limit: Limit) -> Result<Piece, Failure> {
    let before = match &log.cursor {
        Some(path) => kept(path.clone(), limit).await?,
        None => None,
    };
    // A first question takes the journal's end: what was written before we watched was nobody's question.
    let first = before.is_none() && log.cursor.is_some();
    let fields = if first { "_PID" } else { "MESSAGE" };
    let text = asked(command(log, before.as_deref(), fields), BYTES, limit).await?;
    let mut piece = judge(pattern, &text, before.as_deref())?;
    if first {
        piece.matches = 0;
    } else if piece.cursor.is_none() && text.len() as u64 == BYTES {
        piece = past(pattern, log, (before.as_deref(), &text), limit).await?;
    }
    if let (Some(path), Some(cursor)) = (log.cursor.clone(), piece.cursor.clone()) {
        keep(path, cursor, limit).await?;
    }
    Ok(piece)
}

/// A single line is longer than all that is read at once: it is gone past, or nothing would be read ever again.
async fn past(
    pattern: &str,
    log: &Log,
    (before, text): (Option<&str>, &[u8]),
    limit: Limit,
) -> Result<Piece, Failure> {
    let cursors = asked(command(log, before, "_PID"), CURSORS, limit).await?;
    let long = Piece { cursor: next(&cursors, before), skipped: true, ..Piece::default() };
    let gone_past = before.is_some() && !text.contains(&b'\n') && first(&cursors).as_deref() == before;
    if !gone_past || long.cursor.is_none() {
        return Ok(long);
    }
    // That was the line of the cursor itself, and what comes behind it is read from there on.
    let text = asked(command(log, long.cursor.as_deref(), "MESSAGE"), BYTES, limit).await?;
    let piece = judge(pattern, &text, None)?;
    Ok(if piece.cursor.is_some() { piece } else { long })
}

/// Lines with these fields, from the cursor on: the entry of the cursor itself comes first, where it is one of the unit's. (What
/// comes behind a cursor of another unit's entry is not shown whole by systemd 252, which leaves out one more.)
fn command(log: &Log, before: Option<&str>, fields: &str) -> Command {
    let field = if log.user { "_SYSTEMD_USER_UNIT" } else { "_SYSTEMD_UNIT" };
    let mut command = Command::new("journalctl");
    // Without --all a line of more than 4096 bytes is shown as none.
    command
        .args(["--quiet", "--no-pager", "--all", "--output=json"])
        .arg(format!("--output-fields={fields}"));
    let of_unit = format!("{field}={}", log.unit);
    match (before, &log.cursor) {
        (Some(cursor), _) => command.arg(of_unit).arg(format!("--cursor={cursor}")),
        (None, Some(_)) => command.arg("--lines=1"),
        (None, None) => command.arg(of_unit).arg("--since=-5min"),
    };
    command
}

async fn asked(command: Command, bytes: u64, limit: Limit) -> Result<Vec<u8>, Failure> {
    limit
        .within(read(command, bytes))
        .await
        .ok_or_else(|| Failure::unknown(format!("journalctl did not answer within {}", limit.shown())))?
        .map_err(|error| Failure::unknown(format!("cannot run journalctl: {error}")))
}

/// What the unit wrote since then; nothing where that cannot be told.
pub async fn log_since(unit: &UnitName, user: bool, since: SystemTime) -> Vec<String> {
    let limit = Limit::new(LOG_LIMIT);
    let micros = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
    // What was written a moment ago may be on its way. Only root may ask for that, and whoever may not waits no longer.
    let mut sync = Command::new("journalctl");
    sync.arg("--sync");
    drop(limit.within(read(sync, BYTES)).await);
    let field = if user { "_SYSTEMD_USER_UNIT" } else { "_SYSTEMD_UNIT" };
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--no-pager", "--all", "--output=json", "--output-fields=MESSAGE,_PID"]);
    command.arg(format!("{field}={unit}"));
    command.arg(format!("--since=@{}.{:06}", micros / 1_000_000, micros % 1_000_000));
    let Some(Ok(text)) = limit.within(read(command, BYTES)).await else {
        return Vec::new();
    };
    let lines =
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    lines.map(|entry| message(&entry)).collect()
}

/// What it writes, up to the limit; then it is ended.
async fn read(mut command: Command, bytes: u64) -> std::io::Result<Vec<u8>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut text = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(bytes).read_to_end(&mut text).await?;
    }
    Ok(text)
}

fn message(entry: &Value) -> String {
    match entry.get("MESSAGE") {
        Some(Value::String(text)) => text.clone(),
        // What is not UTF-8 comes as a list of bytes.
        Some(Value::Array(bytes)) => {
            let bytes = bytes.iter().filter_map(|byte| u8::try_from(byte.as_u64()?).ok());
            String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned()
        }
        _ => String::new(),
    }
}

/// `before`: the entry with this cursor was looked at with the last question.
pub(super) fn judge(pattern: &str, text: &[u8], before: Option<&str>) -> Result<Piece, Failure> {
    let pattern =
        regex(pattern).map_err(|error| Failure::unknown(format!("its pattern cannot be used ({error})")))?;
    let mut piece = Piece::default();
    // A line that was cut off at the end is no JSON, and is read with the next question.
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(entry) = serde_json::from_slice::<Value>(line) else {
            continue;
        };
        let cursor = cursor(&entry);
        if before.is_some() && cursor == before {
            continue;
        }
        let message = message(&entry);
        if pattern.is_match(&message) {
            piece.matches += 1;
            piece.last = message;
        }
        piece.cursor = cursor.map(str::to_owned).or(piece.cursor);
    }
    Ok(piece)
}

fn cursor(entry: &Value) -> Option<&str> {
    entry.get("__CURSOR").and_then(Value::as_str)
}

fn cursors(text: &[u8]) -> impl Iterator<Item = String> {
    let entries =
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    entries.filter_map(|entry| cursor(&entry).map(str::to_owned))
}

fn first(text: &[u8]) -> Option<String> {
    cursors(text).next()
}

/// The cursor of the first entry behind this one.
fn next(text: &[u8], before: Option<&str>) -> Option<String> {
    cursors(text).find(|cursor| before != Some(cursor.as_str()))
}

async fn kept(path: PathBuf, limit: Limit) -> Result<Option<String>, Failure> {
    let read = super::blocking::call(limit, move || std::fs::read_to_string(path));
    match read.await {
        Ok(Ok(cursor)) => Ok(Some(cursor.trim().to_owned()).filter(|cursor| !cursor.is_empty())),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Ok(Err(error)) => Err(Failure::unknown(format!("its cursor cannot be read ({error})"))),
        Err(_) => Err(Failure::unknown("its cursor was not read in time")),
    }
}

/// Keeps the cursor whole: a crash leaves the old one or the new one.
async fn keep(path: PathBuf, cursor: String, limit: Limit) -> Result<(), Failure> {
    let write = super::blocking::call(limit, move || {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let new = path.with_extension("new");
        std::fs::write(&new, cursor)?;
        std::fs::rename(new, path)
    });
    match write.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Failure::unknown(format!("its cursor cannot be kept ({error})"))),
        Err(_) => Err(Failure::unknown("its cursor was not kept in time")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching_lines_are_counted_and_a_cut_one_is_left_for_later() {
        let text = concat!(
            r#"{"__CURSOR":"a","MESSAGE":"all is well"}"#,
            "\n",
            r#"{"__CURSOR":"b","MESSAGE":"Could not open the box"}"#,
            "\n",
            r#"{"__CURSOR":"c","MESSAGE":[67,111,117,108,100,32,110,111,116,255]}"#,
            "\n",
            r#"{"__CURSOR":"d","MESS"#
        );
        let piece = judge("^Could not", text.as_bytes(), None).unwrap_or_default();
        assert_eq!((piece.matches, piece.cursor.as_deref()), (2, Some("c")));
        assert!(piece.last.starts_with("Could not"));
        assert!(judge("\\w{999}{999}", b"", None).is_err(), "a pattern that costs too much is refused");
    }

    #[test]
    fn row_10_the_line_of_the_cursor_is_not_looked_at_again_and_each_other_once() {
        let line = |cursor: &str| format!("{{\"__CURSOR\":\"{cursor}\",\"MESSAGE\":\"Could not\"}}\n");
        let text = format!("{}{}{}", line("a"), line("b"), line("c"));
        let piece = judge("^Could not", text.as_bytes(), Some("a")).unwrap_or_default();
        assert_eq!((piece.matches, piece.cursor.as_deref()), (2, Some("c")));
        // The cursor is another unit's: none of these was looked at.
        let piece = judge("^Could not", text.as_bytes(), Some("x")).unwrap_or_default();
        assert_eq!(piece.matches, 3);
        let piece = judge("^Could not", line("c").as_bytes(), Some("c")).unwrap_or_default();
        assert_eq!((piece.matches, piece.cursor), (0, None), "nothing is new");
        assert_eq!(next(text.as_bytes(), Some("a")).as_deref(), Some("b"));
        assert_eq!(next(text.as_bytes(), Some("x")).as_deref(), Some("a"));
    }

    #[test]
    fn row_10_a_line_of_more_than_4096_bytes_is_asked_for() {
        let log = Log { unit: UnitName::from("shop.service"), user: false, cursor: Some(PathBuf::from("x")) };
        let told = format!("{:?}", command(&log, Some("s=1"), "MESSAGE").as_std());
        assert!(told.contains("\"--all\"") && told.contains("\"--cursor=s=1\""), "{told}");
    }
}
