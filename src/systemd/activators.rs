//! Who starts units besides jobs of people and the boot: rules of udev, and services of the message bus. Read from disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::bus::Instance;
use super::unit_paths::{Lasting, unit_dirs};
use crate::model::unit::{UnitName, UnitSettings};

/// Rules of udev, the first directory to win first.
const RULES: [&str; 5] = [
    "/etc/udev/rules.d",
    "/run/udev/rules.d",
    "/usr/local/lib/udev/rules.d",
    "/usr/lib/udev/rules.d",
    "/lib/udev/rules.d",
];
/// Services that the message bus starts, by bus name.
const SYSTEM_SERVICES: [&str; 3] = [
    "/etc/dbus-1/system-services",
    "/usr/local/share/dbus-1/system-services",
    "/usr/share/dbus-1/system-services",
];
const SESSION_SERVICES: [&str; 2] = ["/usr/local/share/dbus-1/services", "/usr/share/dbus-1/services"];

/// Units that rules of udev start when a device appears, each with the rule's file and, where the rule starts another unit
/// that wants this one, that unit.
#[derive(Clone, Debug, Default)]
pub(super) struct Starters(BTreeMap<String, String>);

impl Starters {
    /// Reads the rules, some hundred small files. Blocks, for as long as a hung file system likes.
    pub(super) fn read(instance: Instance) -> Self {
        let mut files: BTreeMap<String, PathBuf> = BTreeMap::new();
        for entry in RULES.iter().flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten()) {
            if let Some(name) = entry.file_name().to_str().filter(|name| name.ends_with(".rules")) {
                files.entry(name.to_owned()).or_insert_with(|| entry.path());
            }
        }
        let rules =
            files.iter().filter_map(|(name, path)| Some((name.as_str(), fs::read_to_string(path).ok()?)));
        let dirs = unit_dirs(instance).into_iter().filter(|dir| dir.lasting != Lasting::Emptied);
        let dirs: Vec<PathBuf> = dirs.map(|dir| dir.path).collect();
        Self::of(rules, instance, &dirs)
    }

    fn of<'a>(rules: impl Iterator<Item = (&'a str, String)>, instance: Instance, dirs: &[PathBuf]) -> Self {
        let key = match instance {
            Instance::System => "SYSTEMD_WANTS}",
            Instance::User => "SYSTEMD_USER_WANTS}",
        };
        let mut starts: BTreeMap<String, String> = BTreeMap::new();
        for (file, text) in rules {
            for unit in wanted(&text, key) {
                starts.entry(unit).or_insert_with(|| format!("udev, {file}"));
            }
        }
        let targets: Vec<(String, String)> = starts
            .iter()
            .filter(|(unit, _)| unit.ends_with(".target"))
            .map(|(u, w)| (u.clone(), w.clone()))
            .collect();
        for (target, why) in targets {
            for unit in dirs.iter().flat_map(|dir| linked(dir, &target)) {
                starts.entry(unit).or_insert_with(|| format!("{target}, {why}"));
            }
        }
        Self(starts)
    }

    /// Which rules start a unit of one of these names.
    fn of_unit(&self, names: &[UnitName]) -> BTreeSet<String> {
        let templates = names.iter().filter_map(UnitName::template);
        let names = names.iter().cloned().chain(templates);
        names.filter_map(|name| self.0.get(name.as_str()).cloned()).collect()
    }
}

/// Adds what the disk tells of who starts a unit.
pub(super) fn complete(settings: &mut UnitSettings, bus_name: &str, instance: Instance, starters: &Starters) {
    let rules = starters.of_unit(&settings.names);
    settings.will.devices.extend(rules);
    let services: &[&str] = match instance {
        Instance::System => &SYSTEM_SERVICES,
        Instance::User => &SESSION_SERVICES,
    };
    let described = |dir: &&str| Path::new(dir).join(format!("{bus_name}.service")).exists();
    // A name is no path.
    let plain = !bus_name.is_empty() && !bus_name.contains('/');
    settings.will.bus_activated = plain && services.iter().any(described);
}

/// Units that assignments of this key in rules of udev name; what is instantiated by a device, by its template.
fn wanted(text: &str, key: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
    let assigned = lines.flat_map(|line| line.split(key).skip(1)).filter_map(|rest| {
        let value = rest.trim_start_matches([' ', '+', ':', '=']).strip_prefix('"')?;
        value.split('"').next()
    });
    assigned.flat_map(str::split_whitespace).map(template).filter(|name| name.contains('.')).collect()
}

fn template(name: &str) -> String {
    match (name.split_once('@'), name.rsplit_once('.')) {
        (Some((prefix, _)), Some((_, kind))) => format!("{prefix}@.{kind}"),
        _ => name.to_owned(),
    }
}

/// What a target wants by links in a directory of unit files.
fn linked(dir: &Path, target: &str) -> Vec<String> {
    let folders = ["wants", "requires"].map(|what| dir.join(format!("{target}.{what}")));
    let entries = folders.into_iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten());
    entries.filter_map(|entry| entry.file_name().to_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: &str = "\
# ENV{SYSTEMD_WANTS}=\"commented.service\"
SUBSYSTEM==\"usb\", ENV{SYSTEMD_WANTS}=\"usbmuxd.service\", TAG+=\"systemd\"
KERNEL==\"tty\", ENV{SYSTEMD_WANTS}+=\"modem@$env{ID}.service other.service\"
SUBSYSTEM==\"bluetooth\", ENV{SYSTEMD_WANTS}+=\"bluetooth.target\", ENV{SYSTEMD_USER_WANTS}+=\"agent.service\"
";

    #[test]
    fn rules_of_udev_name_what_they_start() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let wants = dir.path().join("bluetooth.target.wants");
        fs::create_dir_all(&wants).expect("a directory");
        fs::write(wants.join("bluetooth.service"), "").expect("a file");
        let read = |instance| {
            Starters::of([("39-x.rules", RULE.to_owned())].into_iter(), instance, &[dir.path().to_owned()])
        };
        let starters = read(Instance::System);
        let of = |name: &str| starters.of_unit(&[name.into()]).into_iter().collect::<Vec<_>>();
        assert_eq!(of("usbmuxd.service"), ["udev, 39-x.rules"]);
        assert_eq!(of("modem@a.service"), ["udev, 39-x.rules"]);
        assert_eq!(of("bluetooth.service"), ["bluetooth.target, udev, 39-x.rules"]);
        assert!(of("commented.service").is_empty() && of("agent.service").is_empty());
        assert_eq!(read(Instance::User).of_unit(&["agent.service".into()]).len(), 1);
    }
}
