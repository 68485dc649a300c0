//! The files of other supervisors, read as text: what they keep, what can be taken over, what not and why, and what somebody
//! commented out there. Nothing of them is ever run.

mod comments;
mod god;
mod monit;
mod supervisord;
#[cfg(test)]
mod tests;
mod values;

use crate::model::adopt::{Foreign, Format};

/// Bytes of a file.
pub const BYTES: u64 = 256 * 1024;
/// Lines of a file.
const LINES: usize = 20_000;

/// The files that this one includes, as patterns in its own words.
#[must_use]
pub fn included(format: Format, text: &str) -> Vec<String> {
    let mut patterns = Vec::new();
    let mut table = String::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            line.clone_into(&mut table);
        }
        let named = match format {
            Format::Monit => line.strip_prefix("include ").map(str::trim),
            Format::Supervisord if table == "[include]" => {
                line.strip_prefix("files").map(str::trim).and_then(|rest| rest.strip_prefix('='))
            }
            Format::Supervisord | Format::God => None,
        };
        let words = named.unwrap_or_default().split_whitespace();
        patterns.extend(words.map(|word| word.trim_matches(['"', '\'']).to_owned()));
    }
    patterns
}

/// What the text of such a file says.
///
/// # Errors
/// One sentence: it is no file of that supervisor.
pub fn read(format: Format, text: &str) -> Result<Foreign, String> {
    let lines = text.lines().count();
    if lines > LINES {
        return Err(format!("it has {lines} lines; at most {LINES} are read"));
    }
    let mut foreign = match format {
        Format::Monit => monit::read(text),
        Format::Supervisord => supervisord::read(text)?,
        Format::God => god::read(text),
    };
    foreign.commented_out = comments::find(format, text);
    if foreign.entries.is_empty() && foreign.commented_out.is_empty() {
        let wanted = match format {
            Format::Monit => "`check`",
            Format::Supervisord => "[program:NAME]",
            Format::God => "`God.watch do |w|`",
        };
        let left = foreign.left.iter().find(|left| left.text.contains("include"));
        let hint = left.map_or_else(String::new, |left| format!("; line {} includes other files", left.line));
        return Err(format!("there is no {wanted} in it{hint}"));
    }
    Ok(foreign)
}
