//! Where the durable state lies: its directory, and a spare one in memory.

use std::env;
use std::path::PathBuf;

use anyhow::Context;

/// The directory of the durable state.
///
/// # Errors
/// The user's home is not known.
pub fn state_directory(user: bool) -> anyhow::Result<PathBuf> {
    let of = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(moved) = of("STEADFAST_STATE_DIR").or_else(|| of("STATE_DIRECTORY")) {
        return Ok(moved);
    }
    if !user {
        return Ok(PathBuf::from("/var/lib/steadfast"));
    }
    let home = || of("HOME").map(|home| home.join(".local/state"));
    let base =
        of("XDG_STATE_HOME").or_else(home).context("cannot find the state directory: HOME is not set")?;
    Ok(base.join("steadfast"))
}

/// Where the durable state is kept while its own directory cannot be written: in memory, emptied by a reboot.
pub fn spare_directory(user: bool) -> Option<PathBuf> {
    let of = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let runtime = of("STEADFAST_RUNTIME_DIR").or_else(|| of("RUNTIME_DIRECTORY")).or_else(|| {
        if user {
            of("XDG_RUNTIME_DIR").map(|base| base.join("steadfast"))
        } else {
            Some("/run/steadfast".into())
        }
    });
    runtime.map(|folder| folder.join("state"))
}
