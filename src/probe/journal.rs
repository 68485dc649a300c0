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
struct Piece {
    /// Of its last line.
    cursor: Option<String>,
    matches: usize,
    last: String,
}

/// Looks at the lines that came since the last question.
pub async fn run(pattern: &str, log: &Log, timeout: Duration) -> ProbeOutcome {
    let asked = format!("log of {}", text::name(log.unit.as_str()));
    match ask(pattern, log, Limit::new(timeout)).await {
        Ok(piece) => {
            let (status, told) = match piece.matches {
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
    let field = if log.user { "_SYSTEMD_USER_UNIT" } else { "_SYSTEMD_UNIT" };
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--no-pager", "--output=json", "--output-fields=MESSAGE"]);
    let of_unit = format!("{field}={}", log.unit);
    match (&before, &log.cursor) {
        (Some(cursor), _) => command.arg(of_unit).arg(format!("--after-cursor={cursor}")),
        // From the journal's end on: what was written before we watched was nobody's question.
        (None, Some(_)) => command.arg("--lines=1"),
        (None, None) => command.arg(of_unit).arg("--since=-5min"),
    };
    let first = before.is_none() && log.cursor.is_some();
    let text = limit
        .within(read(command))
        .await
        .ok_or_else(|| Failure::unknown(format!("journalctl did not answer within {}", limit.shown())))?
        .map_err(|error| Failure::unknown(format!("cannot run journalctl: {error}")))?;
    let mut piece = judge(pattern, &text)?;
    if first {
        piece.matches = 0;
    }
    if let (Some(path), Some(cursor)) = (log.cursor.clone(), piece.cursor.clone()) {
        keep(path, cursor, limit).await?;
    }
    Ok(piece)
}

/// What the unit wrote since then; nothing where that cannot be told.
pub async fn log_since(unit: &UnitName, user: bool, since: SystemTime) -> Vec<String> {
    let limit = Limit::new(LOG_LIMIT);
    let micros = since.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_micros();
    // What was written a moment ago may be on its way. Only root may ask for that, and whoever may not waits no longer.
    let mut sync = Command::new("journalctl");
    sync.arg("--sync");
    drop(limit.within(read(sync)).await);
    let field = if user { "_SYSTEMD_USER_UNIT" } else { "_SYSTEMD_UNIT" };
    let mut command = Command::new("journalctl");
    command.args(["--quiet", "--no-pager", "--output=json", "--output-fields=MESSAGE,_PID"]);
    command.arg(format!("{field}={unit}"));
    command.arg(format!("--since=@{}.{:06}", micros / 1_000_000, micros % 1_000_000));
    let Some(Ok(text)) = limit.within(read(command)).await else {
        return Vec::new();
    };
    let lines =
        text.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    lines.map(|entry| message(&entry)).collect()
}

/// What it writes, up to the limit; then it is ended.
async fn read(mut command: Command) -> std::io::Result<Vec<u8>> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn()?;
    let mut text = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(BYTES).read_to_end(&mut text).await?;
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

fn judge(pattern: &str, text: &[u8]) -> Result<Piece, Failure> {
    let pattern =
        regex(pattern).map_err(|error| Failure::unknown(format!("its pattern cannot be used ({error})")))?;
    let mut piece = Piece::default();
    // A line that was cut off at the end is no JSON, and is read with the next question.
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(entry) = serde_json::from_slice::<Value>(line) else {
            continue;
        };
        let message = message(&entry);
        if pattern.is_match(&message) {
            piece.matches += 1;
            piece.last = message;
        }
        if let Some(cursor) = entry.get("__CURSOR").and_then(Value::as_str) {
            piece.cursor = Some(cursor.to_owned());
        }
    }
    Ok(piece)
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
        let piece = judge("^Could not", text.as_bytes()).unwrap_or_default();
        assert_eq!((piece.matches, piece.cursor.as_deref()), (2, Some("c")));
        assert!(piece.last.starts_with("Could not"));
        assert!(judge("\\w{999}{999}", b"").is_err(), "a pattern that costs too much is refused");
    }
}
