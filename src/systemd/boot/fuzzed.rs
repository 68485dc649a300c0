//! The door for `fuzz/`: what the engine and the kernel's command line say, for any text.

use super::{command_line, transcript};

/// What these lines of the engine would say of the next boot.
///
/// # Errors
/// They are no whole transcript: one sentence.
pub fn transcript(lines: &[String]) -> Result<String, String> {
    transcript::read(lines).map(|read| format!("{read:?}"))
}

/// The target that this command line of the kernel asks for.
#[must_use]
pub fn target(line: &str) -> Option<String> {
    command_line::target(line)
}
