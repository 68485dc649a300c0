//! steadfast.toml and the watched directories of unit files: fragments → one table per unit → specs, or problems.
//! One bad file harms no other; its last good version stays in force.

mod alert;
mod diagnose;
mod directories;
mod draft;
mod file;
#[cfg(test)]
mod flood_tests;
#[doc(hidden)]
pub mod fuzzed;
mod kinds;
mod loader;
mod new_file;
pub mod notes;
mod parse;
mod probe;
mod progress;
mod recipes;
mod requires;
mod schema;
#[cfg(test)]
mod sink_tests;
mod switched_off;
#[cfg(test)]
mod tests;
mod trusted;
mod watch;

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::clock;
use crate::model::spec::{Problem, Selector, Spec};

pub use directories::Directories;
pub use draft::{alone, render};
pub use loader::{Loaded, Loader, spec_of_text};
pub use new_file::{place, put, read_foreign};
pub use recipes::recipes;
pub use switched_off::switched_off;
pub use watch::watch;

/// What is wrong in these files, or in all files of the instance when none is named.
#[must_use]
pub fn verify(user: bool, files: &[PathBuf]) -> Vec<Problem> {
    let directories = Directories::of(user);
    if files.is_empty() {
        return Loader::new(directories).load().problems;
    }
    files.iter().flat_map(|file| loader::verify_file(file, &directories)).collect()
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

/// The JSON Schema of a unit file.
#[must_use]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(file::UnitFile)
}
