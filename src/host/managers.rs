//! Services that users of this host run by service managers of their own, as far as files show. Blocks: homes may lie on a file
//! system that does not answer.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::Path;

use crate::model::host::UserUnits;
use crate::model::unit::UnitName;

/// Users and files of each that are looked at.
const USERS: usize = 2_000;
const FILES: usize = 500;
/// Numbers of people; those of the system's own users are below, nobody is above.
const PEOPLE: std::ops::Range<u32> = 1000..65_534;

/// The units that each user wrote, those of them that are enabled, and whether a manager of the user runs from boot on.
#[must_use]
pub fn managers(root: &Path) -> Vec<UserUnits> {
    let Ok(file) = File::open(root.join("etc/passwd")) else {
        return Vec::new();
    };
    let lines = BufReader::new(file).lines().map_while(Result::ok).take(USERS);
    lines.filter_map(|line| of_user(root, &line)).collect()
}

pub(super) fn of_user(root: &Path, line: &str) -> Option<UserUnits> {
    let fields: Vec<&str> = line.split(':').collect();
    let (user, uid) = (fields.first()?, fields.get(2)?.parse::<u32>().ok()?);
    let home = root.join(fields.get(5)?.trim_start_matches('/'));
    if !PEOPLE.contains(&uid) {
        return None;
    }
    let units = home.join(".config/systemd/user");
    let own: BTreeSet<UnitName> = names(&units).filter_map(|name| unit(&name)).collect();
    if own.is_empty() {
        return None;
    }
    let wants = names(&units).filter(|name| name.ends_with(".wants") || name.ends_with(".requires"));
    let enabled = wants.flat_map(|folder| names(&units.join(folder)).collect::<Vec<_>>());
    let ours = names(&home.join(".config/steadfast/units.d"));
    Some(UserUnits {
        user: (*user).to_owned(),
        uid,
        lingers: root.join("var/lib/systemd/linger").join(user).exists(),
        enabled: enabled.filter_map(|name| unit(&name)).collect(),
        managed: ours.filter_map(|name| name.strip_suffix(".toml").map(UnitName::meant)).collect(),
        own,
    })
}

fn names(folder: &Path) -> impl Iterator<Item = String> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().take(FILES);
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

/// A service, timer or socket.
fn unit(name: &str) -> Option<UnitName> {
    let unit = UnitName::from(name);
    (matches!(unit.kind(), "service" | "timer" | "socket" | "path") && !name.starts_with('.')).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_wrote_and_enabled_is_seen() {
        let root = tempfile::tempdir().expect("a folder");
        let home = root.path().join("home/joe/.config");
        for folder in ["systemd/user/default.target.wants", "steadfast/units.d"] {
            fs::create_dir_all(home.join(folder)).expect("a folder");
        }
        fs::create_dir_all(root.path().join("etc")).expect("a folder");
        fs::create_dir_all(root.path().join("var/lib/systemd/linger")).expect("a folder");
        let passwd = "root:x:0:0::/root:/bin/sh\njoe:x:1000:1000::/home/joe:/bin/sh\nann:x:1001:1001::/home/ann:/bin/sh\n";
        fs::write(root.path().join("etc/passwd"), passwd).expect("a file");
        fs::write(home.join("systemd/user/site.service"), "").expect("a file");
        fs::write(home.join("systemd/user/other.service"), "").expect("a file");
        fs::write(home.join("systemd/user/default.target.wants/site.service"), "").expect("a file");
        fs::write(home.join("steadfast/units.d/other.toml"), "").expect("a file");
        let seen = managers(root.path());
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].user.as_str(), seen[0].uid, seen[0].lingers), ("joe", 1000, false));
        assert_eq!(seen[0].enabled, [UnitName::from("site.service")].into());
        assert_eq!(seen[0].managed, [UnitName::from("other.service")].into());
        fs::write(root.path().join("var/lib/systemd/linger/joe"), "").expect("a file");
        assert!(managers(root.path())[0].lingers);
    }
}
