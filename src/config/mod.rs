//! steadfast.toml and the watched directories of unit files: fragments → one table per unit → specs, or problems.
//! One bad file harms no other; its last good version stays in force.

mod alert;
mod asked;
mod diagnose;
mod directories;
mod draft;
mod file;
mod loader;
mod ownership;
mod parse;
mod placing;
mod probe;
mod progress;
mod question;
mod reach;
mod recipes;
mod requires;
mod sink;
#[cfg(test)]
mod sink_tests;
#[cfg(test)]
mod tests;
mod watch;

use std::path::PathBuf;

use crate::model::spec::Problem;

pub use directories::Directories;
pub use draft::{alone, render};
pub use loader::{Loaded, Loader, spec_of_text};
pub use ownership::check as check_ownership;
pub use placing::{place, put, read_foreign};
pub use recipes::recipes;
pub use watch::watch;

/// What is wrong in these files, or in all files of the instance when none is named.
#[must_use]
pub fn verify(user: bool, files: &[PathBuf]) -> Vec<Problem> {
    let directories = if user { Directories::user() } else { Directories::system() };
    if files.is_empty() {
        return Loader::new(directories).load().problems;
    }
    files.iter().flat_map(|file| loader::verify_file(file, &directories)).collect()
}

/// The JSON Schema of a unit file.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(file::UnitFile)
}
