//! steadfast.toml and the watched directories of unit files: fragments → one table per unit → specs, or problems.
//! One bad file harms no other; its last good version stays in force.

mod add;
mod alert;
mod diagnose;
mod directories;
mod draft;
mod every;
mod file;
mod fleet;
#[cfg(test)]
mod flood_tests;
#[doc(hidden)]
pub mod fuzzed;
mod kinds;
mod loader;
mod new_file;
pub mod notes;
mod parse;
mod print;
mod probe;
mod progress;
mod recipes;
mod requires;
mod schema;
mod settings;
mod share;
#[cfg(test)]
mod sink_tests;
mod switched_off;
#[cfg(test)]
mod tests;
mod trusted;
mod watch;
mod words;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::clock;
use crate::model::spec::{Problem, Selector, Spec};

pub use add::{add_to_settings, mistakes_in_settings, settings_file, sinks};
pub use directories::Directories;
pub use draft::{alone, render};
pub use loader::{Loaded, Loader, spec_of_text};
pub use new_file::{place, put, read_foreign};
pub use recipes::recipes;
pub use switched_off::switched_off;
pub use watch::{Reload, watch};

/// What is wrong in these files, or in all files of the instance when none is named.
#[must_use]
pub fn verify(user: bool, files: &[PathBuf]) -> Vec<Problem> {
    let directories = Directories::of(user);
    if !files.is_empty() {
        return files.iter().flat_map(|file| loader::verify_file(file, &directories)).collect();
    }
    let mut problems = Loader::new(directories.clone()).load().problems;
    // The daemon tells the first of each sink.
    let settings = directories.settings.display().to_string();
    if problems.iter().any(|problem| problem.file == settings && problem.line > 0) {
        problems.retain(|problem| problem.file != settings);
        problems.splice(0..0, loader::verify_file(&directories.settings, &directories));
    }
    problems
}

/// How many files `verify` reads.
#[must_use]
pub fn files_read(user: bool, files: &[PathBuf]) -> usize {
    if files.is_empty() { Loader::new(Directories::of(user)).files().len() } else { files.len() }
}

/// What is good to know of these files, or of all of the instance, and no mistake.
#[must_use]
pub fn remarks(user: bool, files: &[PathBuf]) -> Vec<String> {
    notes::of(&specs(user, files), clock::now().wall_ms, false)
}

/// The patterns of unit names in these files, or in all of the instance.
#[must_use]
pub fn patterns(user: bool, files: &[PathBuf]) -> BTreeSet<String> {
    let pattern = |spec: Spec| match spec.selector {
        Selector::Unit(_) => None,
        Selector::Pattern(pattern) => Some(pattern),
    };
    specs(user, files).into_iter().filter_map(pattern).collect()
}

fn specs(user: bool, files: &[PathBuf]) -> Vec<Spec> {
    let directories = Directories::of(user);
    if files.is_empty() {
        return Loader::new(directories).load().specs;
    }
    files.iter().filter_map(|file| loader::spec_in(file, &directories)).collect()
}

/// The JSON Schema of steadfast.toml.
#[must_use]
pub fn settings_schema() -> schemars::Schema {
    schemars::schema_for!(settings::SettingsFile)
}

/// The JSON Schema of a unit file.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(file::UnitFile)
}
