//! Where we run: the host's identity, and our own directories.

use std::env;
use std::path::PathBuf;

use anyhow::Context;

use crate::model::observation::Host;

/// The id of this boot, as PID 1 sees it before as we do: in a container it is a file mounted over the kernel's, and our
/// sandbox hides what is mounted there.
const BOOT_ID: [&str; 2] = ["/proc/1/root/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/random/boot_id"];

/// This host and this boot.
#[must_use]
pub fn host(user_instance: bool) -> Host {
    let line =
        |path: &str| std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default();
    let name = nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned());
    Host {
        name: name.unwrap_or_else(|_| "localhost".to_owned()),
        boot_id: BOOT_ID.into_iter().map(line).find(|id| !id.is_empty()).unwrap_or_default(),
        machine_id: line("/etc/machine-id"),
        user_instance,
    }
}

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
