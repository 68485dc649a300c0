//! Configuration: `steadfast.toml`, one unit file → spec or problems, the watched directories.

use std::path::PathBuf;

use crate::model::spec::Problem;

/// What is wrong with these files; with all that the daemon would read, where none is named.
#[must_use]
pub fn verify(_user: bool, _files: &[PathBuf]) -> Vec<Problem> {
    Vec::new()
}

/// The JSON Schema of a unit file.
#[must_use]
pub fn schema() -> serde_json::Value {
    serde_json::json!({"$schema": "https://json-schema.org/draft/2020-12/schema"})
}
