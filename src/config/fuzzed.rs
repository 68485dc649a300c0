//! The door for `fuzz/`: what this room keeps to itself, for any text.

use std::path::Path;

use crate::model::spec::Problem;

use super::{diagnose, parse};

/// What is wrong in this text as `steadfast.toml` of this owner, as people are shown it; the settings, where nothing is.
///
/// # Errors
/// It has mistakes.
pub fn settings(text: &str, owner: u32) -> Result<String, Vec<Problem>> {
    let file = Path::new("/etc/steadfast/steadfast.toml");
    let shown = |mistake: &_| diagnose::problem(file, text, mistake);
    match parse::settings(text, owner) {
        Ok((settings, bad)) if bad.is_empty() => Ok(format!("{settings:?}")),
        Ok((_, bad)) => Err(bad.iter().map(|(_, mistake)| shown(mistake)).collect()),
        Err(mistakes) => Err(mistakes.iter().map(shown).collect()),
    }
}
