//! A print of the files of the configuration: while it is the same, nobody has written to them, and they need not be read again.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::directories::Directories;

/// Of the settings, of all unit files and drop-ins, and of the directories that lead there: what they are, whose, and when changed.
pub fn print(directories: &Directories) -> u64 {
    let mut hasher = DefaultHasher::new();
    for path in [&directories.settings].into_iter().chain(&directories.units) {
        for path in path.ancestors() {
            add(path, &mut hasher);
        }
    }
    for folder in &directories.units {
        add_entries(folder, true, &mut hasher);
    }
    hasher.finish()
}

/// Everything in a directory, and what is in those below it where `deep`.
fn add_entries(folder: &Path, deep: bool, hasher: &mut DefaultHasher) {
    let mut entries: Vec<fs::DirEntry> = fs::read_dir(folder).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        entry.file_name().hash(hasher);
        let path = entry.path();
        add(&path, hasher);
        let kind = entry.file_type().ok();
        // What a link leads to may be changed while the link stays.
        if kind.is_some_and(|kind| kind.is_symlink()) {
            fs::canonicalize(&path).ok().hash(hasher);
        }
        if deep && kind.is_some_and(|kind| kind.is_dir()) {
            add_entries(&path, false, hasher);
        }
    }
}

fn add(path: &Path, hasher: &mut DefaultHasher) {
    let Ok(seen) = fs::metadata(path) else {
        false.hash(hasher);
        return;
    };
    (seen.dev(), seen.ino(), seen.mode(), seen.uid(), seen.gid()).hash(hasher);
    // A directory that leads there changes with whatever else is made in it.
    if !seen.is_dir() {
        (seen.size(), seen.mtime(), seen.mtime_nsec(), seen.ctime(), seen.ctime_nsec()).hash(hasher);
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn each_change_makes_another_print() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        let directories =
            Directories { settings: at("steadfast.toml"), units: vec![at("units.d")], owner: 0 };
        fs::create_dir_all(at("units.d/a.service.toml.d")).expect("a folder");
        let mut prints = vec![print(&directories)];
        let mut changed = |what: &str| {
            let now = print(&directories);
            assert!(!prints.contains(&now), "{what}");
            assert_eq!(now, print(&directories), "{what}");
            prints.push(now);
        };
        fs::write(at("steadfast.toml"), "").expect("a file");
        changed("settings were made");
        fs::write(at("units.d/a.service.toml"), "").expect("a file");
        changed("a unit file was made");
        fs::write(at("units.d/a.service.toml"), "mode = \"observe\"").expect("a file");
        changed("it was written to");
        fs::write(at("units.d/a.service.toml.d/x.toml"), "").expect("a file");
        changed("a drop-in was made");
        fs::set_permissions(at("units.d"), fs::Permissions::from_mode(0o700)).expect("rights");
        changed("the directory has other rights");
        fs::remove_file(at("units.d/a.service.toml")).expect("a file");
        changed("the unit file was removed");
    }
}
