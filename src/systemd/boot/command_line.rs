//! What PID 1 was told to start in this boot instead of default.target, on the kernel's command line or the container's.

use std::path::Path;

/// Written by PID 1 when it runs in a container, where the kernel's command line is the host's.
const CONTAINER: &str = "/run/systemd/container";

/// The target that this boot was told to start; `None` when it was told none.
pub(super) fn told_target() -> Option<String> {
    let container = Path::new(CONTAINER).exists();
    let path = if container { "/proc/1/cmdline" } else { "/proc/cmdline" };
    // Unreadable is as good as empty: PID 1 itself does not mind.
    let line = std::fs::read(path).unwrap_or_default();
    target(&String::from_utf8_lossy(&line))
}

/// The last word that names a target wins (kernel-command-line(7)).
pub(super) fn target(line: &str) -> Option<String> {
    line.split(['\0', ' ', '\n']).filter_map(named).next_back().map(str::to_owned)
}

fn named(word: &str) -> Option<&str> {
    if let Some(unit) = word.strip_prefix("systemd.unit=").or_else(|| word.strip_prefix("--unit=")) {
        return Some(unit.trim_matches('"'));
    }
    match word {
        "emergency" | "-b" => Some("emergency.target"),
        "rescue" | "single" | "s" | "S" | "1" => Some("rescue.target"),
        "2" | "3" | "4" => Some("multi-user.target"),
        "5" => Some("graphical.target"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_that_names_a_target_wins() {
        let told = |line| target(line);
        assert_eq!(told("BOOT_IMAGE=/vmlinuz root=UUID=5 ro quiet console=ttyS0,115200\n"), None);
        assert_eq!(told("ro systemd.unit=rescue.target 3"), Some("multi-user.target".to_owned()));
        assert_eq!(told("ro single"), Some("rescue.target".to_owned()));
        assert_eq!(told("/sbin/init\0systemd.unit=a.target\0"), Some("a.target".to_owned()));
        assert_eq!(told("rd.systemd.unit=x.target init=/bin/sh"), None);
    }
}
