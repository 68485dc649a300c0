//! The door for `fuzz/`: lines of a log as journalctl writes them, for any bytes.

use super::{journal, text};

/// What is found of this pattern in lines behind the entry with this cursor.
///
/// # Errors
/// The pattern cannot be used.
pub fn log(pattern: &str, lines: &[u8], before: Option<&str>) -> Result<String, String> {
    let piece = journal::judge(pattern, lines, before).map_err(|failure| failure.of("log").message)?;
    Ok(format!("{piece:?}"))
}

/// How bytes and a name of a stranger stand in a message.
#[must_use]
pub fn shown(bytes: &[u8]) -> [String; 2] {
    [text::quoted(bytes), text::name(&String::from_utf8_lossy(bytes))]
}
