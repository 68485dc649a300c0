//! Which files of a unit were written lately: its unit file and drop-ins, and the configuration that came with its package.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::clock;
use crate::model::incident::Change;
use crate::model::moment::Moment;
use crate::model::unit::UnitName;

/// Where unit files and drop-ins of people and packages lie.
const UNIT_DIRS: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];
/// Files that are looked at, how deep, and how many are named.
const FILES: usize = 2_000;
const DEPTH: usize = 3;
const NAMED: usize = 8;

/// The files that were written since then, oldest first.
pub fn changed(root: &Path, unit: &UnitName, since: Moment) -> Vec<Change> {
    let now = clock::now();
    let names: Vec<String> =
        [Some(unit.clone()), unit.template()].into_iter().flatten().map(|name| name.0).collect();
    let mut of_unit: BTreeSet<PathBuf> = BTreeSet::new();
    for (folder, name) in UNIT_DIRS.iter().flat_map(|folder| names.iter().map(move |name| (folder, name))) {
        of_unit.insert(root.join(folder).join(name));
        of_unit.extend(inside(&root.join(folder).join(format!("{name}.d")), 1));
    }
    let mut files: BTreeMap<PathBuf, &str> = of_unit.into_iter().map(|file| (file, "unit file")).collect();
    for file in configuration(root, unit, &names) {
        files.entry(file).or_insert("configuration file");
    }
    let written = files.into_iter().take(FILES).filter_map(|(file, kind)| {
        let seen = fs::metadata(&file).ok().filter(fs::Metadata::is_file)?;
        let at = seen.mtime().checked_mul(1000)?;
        let lately = at >= since.wall_ms && at <= now.wall_ms;
        let shown = Path::new("/").join(file.strip_prefix(root).unwrap_or(&file));
        lately.then(|| (at, format!("{kind} {} was written", shown.display())))
    });
    let mut written: Vec<(i64, String)> = written.collect();
    written.sort();
    // The last written are the most suspect.
    let skipped = written.len().saturating_sub(NAMED);
    written.into_iter().skip(skipped).map(|(at, what)| Change { at: now.at_wall_ms(at), what }).collect()
}

/// What its package calls configuration, and the folder of /etc that bears its name.
fn configuration(root: &Path, unit: &UnitName, names: &[String]) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let info = root.join("var/lib/dpkg/info");
    if let Some(package) = package(&info, names) {
        let text = fs::read_to_string(info.join(format!("{package}.conffiles"))).unwrap_or_default();
        files.extend(text.lines().map(|line| root.join(line.trim().trim_start_matches('/'))));
    }
    let stem = unit.as_str().split(['.', '@']).next().unwrap_or_default();
    if !stem.is_empty() {
        files.extend(inside(&root.join("etc").join(stem), DEPTH));
        files.push(root.join("etc/default").join(stem));
    }
    files
}

/// The package that has the unit file.
fn package(info: &Path, names: &[String]) -> Option<String> {
    let lists = fs::read_dir(info).ok()?.flatten().map(|entry| entry.path());
    let lists = lists.filter(|path| path.extension().is_some_and(|kind| kind == "list"));
    let has = |list: &PathBuf| {
        let text = fs::read_to_string(list).unwrap_or_default();
        text.lines().any(|line| names.iter().any(|name| line.ends_with(&format!("/systemd/system/{name}"))))
    };
    let list = lists.into_iter().find(has)?;
    Some(list.file_stem()?.to_string_lossy().into_owned())
}

fn inside(folder: &Path, depth: usize) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).take(FILES) {
        if path.is_dir() && depth > 1 {
            files.extend(inside(&path, depth.saturating_sub(1)));
        } else {
            files.push(path);
        }
    }
    files.truncate(FILES);
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drop_in_and_an_edited_configuration_are_named() {
        // O48
        let root = tempfile::tempdir().expect("a folder");
        for folder in ["etc/systemd/system/redis-server.service.d", "var/lib/dpkg/info", "etc/redis"] {
            fs::create_dir_all(root.path().join(folder)).expect("a folder");
        }
        let put = |file: &str, text: &str| fs::write(root.path().join(file), text).expect("a file");
        put("var/lib/dpkg/info/other.list", "/usr/bin/other\n");
        put("var/lib/dpkg/info/redis-server.list", "/lib/systemd/system/redis-server.service\n");
        put("var/lib/dpkg/info/redis-server.conffiles", "/etc/redis/redis.conf\n");
        put("etc/redis/redis.conf", "");
        put("etc/systemd/system/redis-server.service.d/10-limits.conf", "");
        let now = clock::now();
        let unit = UnitName::from("redis-server.service");
        let told: BTreeSet<String> = changed(root.path(), &unit, now.at_wall_ms(now.wall_ms - 60_000))
            .into_iter()
            .map(|change| change.what)
            .collect();
        let wanted = [
            "configuration file /etc/redis/redis.conf was written",
            "unit file /etc/systemd/system/redis-server.service.d/10-limits.conf was written",
        ];
        assert_eq!(told, wanted.map(str::to_owned).into());
        assert!(changed(root.path(), &unit, now.at_wall_ms(now.wall_ms + 60_000)).is_empty());
    }
}
