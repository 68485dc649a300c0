//! Which host this is, and which boot of it.

use crate::model::observation::Host;

/// The id of this boot, as PID 1 sees it before as we do: in a container it is a file mounted over the kernel's, and our
/// sandbox hides what is mounted there.
const BOOT_ID: [&str; 2] = ["/proc/1/root/proc/sys/kernel/random/boot_id", "/proc/sys/kernel/random/boot_id"];

/// This host and this boot.
#[must_use]
pub fn identity(user_instance: bool) -> Host {
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
