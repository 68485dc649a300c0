//! The status socket: wire types, metrics, server and client.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

mod build;
pub mod client;
mod metrics;
mod openapi;
mod page;
pub mod postmortem;
pub mod render;
pub mod server;
pub mod wire;

pub use crate::clock::length;
pub use build::Build;

/// The longest hold; who needs more switches the unit's file off, with a reason and an end.
pub const HOLD_MAX: Duration = Duration::from_secs(24 * 3600);

/// The socket's file name within the runtime directory.
pub const SOCKET_NAME: &str = "steadfast.sock";

/// Where the status socket lies: `STEADFAST_RUNTIME_DIR`, else systemd's `RUNTIME_DIRECTORY`, else
/// `/run/steadfast`, or `$XDG_RUNTIME_DIR/steadfast` for the user instance.
///
/// # Errors
/// The user instance without `XDG_RUNTIME_DIR` has no place for a socket; one sentence.
pub fn socket_path(user: bool) -> Result<PathBuf, String> {
    socket_path_from(user, |name| env::var_os(name))
}

fn socket_path_from(user: bool, variable: impl Fn(&str) -> Option<OsString>) -> Result<PathBuf, String> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let directory = if let Some(directory) = set("STEADFAST_RUNTIME_DIR") {
        PathBuf::from(directory)
    } else if let Some(directories) = set("RUNTIME_DIRECTORY") {
        // systemd lists several directories separated by colons; ours is the first.
        let first = env::split_paths(&directories).next();
        first.unwrap_or_else(|| PathBuf::from(&directories))
    } else if user {
        let runtime = set("XDG_RUNTIME_DIR").ok_or(
            "cannot find the socket of the user instance: XDG_RUNTIME_DIR is not set \
             (log in properly, or set it to /run/user/UID)",
        )?;
        PathBuf::from(runtime).join("steadfast")
    } else {
        PathBuf::from("/run/steadfast")
    };
    Ok(directory.join(SOCKET_NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(user: bool, set: &[(&str, &str)]) -> Result<PathBuf, String> {
        socket_path_from(user, |name| {
            let found = set.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn the_socket_lies_where_the_contract_says() {
        let xdg = ("XDG_RUNTIME_DIR", "/run/user/7");
        let at = |text: &str| Ok(PathBuf::from(text));
        assert_eq!(path(false, &[xdg]), at("/run/steadfast/steadfast.sock"));
        assert_eq!(path(true, &[xdg]), at("/run/user/7/steadfast/steadfast.sock"));
        assert_eq!(path(false, &[("RUNTIME_DIRECTORY", "/run/a:/run/b")]), at("/run/a/steadfast.sock"));
        let both = [("RUNTIME_DIRECTORY", "/run/a"), ("STEADFAST_RUNTIME_DIR", "/tmp/x")];
        assert_eq!(path(true, &both), at("/tmp/x/steadfast.sock"));
        assert!(path(true, &[]).is_err());
    }
}
