//! The directories of unit files at one look: files, links and drop-ins. The manager needs a second for what is told of a thousand
//! unit files; this takes milliseconds.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::bus::Instance;
use super::unit_paths::{Lasting, UnitDir, unit_dirs};
use crate::model::unit::{KINDS, UnitName};

/// The longest name of a unit.
const LONGEST: usize = 255;
/// A file that is newer may be written again without another time.
const FRESH: Duration = Duration::from_secs(2);
/// The directories in which links make a unit wanted.
const WANTING: [&str; 3] = ["wants", "requires", "upholds"];

/// What an entry of a directory of unit files is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    /// Leads there, as it is written in the link.
    Link(PathBuf),
}

/// A link that makes a unit wanted, or gives it another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Link {
    /// Which of the directories.
    pub(super) dir: usize,
    pub(super) name: String,
}

/// A unit file, or a link to one, that wins over those of the same name in later directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found<'c> {
    pub(super) dir: usize,
    pub(super) path: PathBuf,
    pub(super) kind: &'c Kind,
}

/// All that is there.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// Of the host: `/`, but in tests.
    root: PathBuf,
    dirs: Vec<UnitDir>,
    files: HashMap<String, (usize, Kind)>,
    /// Links in `X.wants/`, `X.requires/` and `X.upholds/` by their name, and those of an instance by its template, too.
    wanted: HashMap<String, Vec<Link>>,
    /// Links beside the unit files by the name of the file that they lead to.
    aliases: HashMap<String, Vec<Link>>,
    /// Directories of drop-ins by the unit, prefix or kind whose they are.
    drop_ins: HashMap<String, Vec<PathBuf>>,
}

impl Catalog {
    /// Reads the directories of an instance. Blocks, for as long as a hung file system likes.
    pub(super) fn read(instance: Instance) -> Self {
        Self::of(Path::new("/"), unit_dirs(instance))
    }

    /// Reads these directories of the host whose root this is.
    pub(super) fn of(root: &Path, mut dirs: Vec<UnitDir>) -> Self {
        for dir in &mut dirs {
            dir.path = below(root, &dir.path);
        }
        let mut catalog = Self { root: root.to_owned(), ..Self::default() };
        for (index, dir) in dirs.iter().enumerate() {
            catalog.add(index, &dir.path);
        }
        catalog.dirs = dirs;
        catalog
    }

    fn add(&mut self, dir: usize, path: &Path) {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let (Ok(kind), Ok(name)) = (entry.file_type(), entry.file_name().into_string()) else {
                continue;
            };
            if kind.is_dir() {
                self.add_owned(dir, &entry.path(), &name);
                continue;
            }
            let kind = if kind.is_symlink() {
                let Ok(target) = fs::read_link(entry.path()) else { continue };
                if let Some(led) = target.file_name().and_then(|name| name.to_str()) {
                    self.aliases.entry(led.to_owned()).or_default().push(Link { dir, name: name.clone() });
                }
                Kind::Link(target)
            } else if kind.is_file() {
                Kind::File
            } else {
                continue;
            };
            if is_unit_name(&name) {
                self.files.entry(name).or_insert((dir, kind));
            }
        }
    }

    /// A directory that belongs to a unit.
    fn add_owned(&mut self, dir: usize, path: &Path, name: &str) {
        let Some((owner, what)) = name.rsplit_once('.') else {
            return;
        };
        if what == "d" {
            self.drop_ins.entry(owner.to_owned()).or_default().push(path.to_owned());
        }
        if !WANTING.contains(&what) {
            return;
        }
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let link = entry.file_type().is_ok_and(|kind| kind.is_symlink());
            let Some(name) = entry.file_name().into_string().ok().filter(|_| link) else {
                continue;
            };
            if let Some(template) = UnitName::from(name.as_str()).template() {
                self.wanted.entry(template.0).or_default().push(Link { dir, name: name.clone() });
            }
            self.wanted.entry(name.clone()).or_default().push(Link { dir, name });
        }
    }

    /// One of the directories.
    pub(super) fn dir(&self, index: usize) -> Option<&UnitDir> {
        self.dirs.get(index)
    }

    /// A path of the host, which may lie elsewhere for us.
    pub(super) fn path(&self, path: &Path) -> PathBuf {
        below(&self.root, path)
    }

    /// Whether unit files are looked for in this directory of the host.
    pub(super) fn has_dir(&self, path: &Path) -> bool {
        let path = self.path(path);
        let known = |path: &Path| self.dirs.iter().any(|dir| dir.path == path);
        // `/lib/systemd/system` and `/usr/lib/systemd/system` may be one directory.
        known(&path) || fs::canonicalize(&path).is_ok_and(|path| known(&path))
    }

    /// The names of all unit files and links to them.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// What stands for a unit of exactly this name.
    pub(super) fn first(&self, name: &str) -> Option<Found<'_>> {
        let (dir, kind) = self.files.get(name)?;
        Some(Found { dir: *dir, path: self.dirs.get(*dir)?.path.join(name), kind })
    }

    /// The links that make it wanted, as far as their names tell.
    pub(super) fn wanted(&self, name: &str) -> &[Link] {
        self.wanted.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The links beside unit files that lead to a file of this name.
    pub(super) fn aliases(&self, name: &str) -> &[Link] {
        self.aliases.get(name).map(Vec::as_slice).unwrap_or_default()
    }

    /// The drop-ins in directories of exactly this owner, the first directory first.
    pub(super) fn drop_ins(&self, owner: &str) -> impl Iterator<Item = PathBuf> {
        let dirs = self.drop_ins.get(owner).into_iter().flatten();
        dirs.flat_map(|dir| fs::read_dir(dir).into_iter().flatten().flatten())
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|kind| kind == "conf"))
    }

    /// A print of the files that a unit is made of: `fragment`, what stands for its name, and its drop-ins. While it is the same, no
    /// reload is needed that was not needed before. `None` where one of them is newer than
    /// `asked`, when the manager was asked, or so little older that it may have been written again unnoticed.
    pub(super) fn print(&self, unit: &UnitName, fragment: &str, asked: SystemTime) -> Option<u64> {
        let fresh = asked.duration_since(UNIX_EPOCH).ok()?.saturating_sub(FRESH).as_secs();
        let mut settled = true;
        let mut stamp = |path: &Path| {
            let stamp = stamp(path);
            settled &= stamp.is_none_or(|stamp| u64::try_from(stamp.changed).is_ok_and(|at| at < fresh));
            stamp
        };
        let mut hasher = DefaultHasher::new();
        let template = unit.template();
        let names = [Some(unit), template.as_ref()].into_iter().flatten().map(UnitName::as_str);
        for name in names.clone() {
            self.files.get(name).map(|(dir, _)| dir).hash(&mut hasher);
        }
        if !fragment.is_empty() {
            stamp(Path::new(fragment)).hash(&mut hasher);
        }
        for owner in names.flat_map(owners) {
            if self.drop_ins.contains_key(owner.as_str()) {
                let mut files: Vec<PathBuf> = self.drop_ins(&owner).collect();
                files.sort();
                for file in files {
                    (stamp(&file), file).hash(&mut hasher);
                }
            }
        }
        settled.then(|| hasher.finish())
    }
}

fn below(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// Whose drop-ins are a unit's: its own, those of each prefix of its name that ends in a dash, and those of its kind.
fn owners(name: &str) -> Vec<String> {
    let Some((stem, kind)) = name.rsplit_once('.') else {
        return Vec::new();
    };
    let prefix = stem.split('@').next().unwrap_or(stem);
    let dashes = prefix.char_indices().filter(|(_, letter)| *letter == '-');
    let prefixes = dashes.filter_map(|(at, _)| prefix.get(..=at)).map(|prefix| format!("{prefix}.{kind}"));
    [name.to_owned(), kind.to_owned()].into_iter().chain(prefixes).collect()
}

/// Which file it is, and when it was changed, in seconds and nanoseconds.
#[derive(Clone, Copy, Debug, Hash)]
struct Stamp {
    id: (u64, u64),
    size: u64,
    modified: (i64, i64),
    changed: i64,
}

/// `None` where it cannot be seen.
fn stamp(path: &Path) -> Option<Stamp> {
    let seen = fs::metadata(path).ok()?;
    Some(Stamp {
        id: (seen.dev(), seen.ino()),
        size: seen.size(),
        modified: (seen.mtime(), seen.mtime_nsec()),
        changed: seen.ctime(),
    })
}

/// Whether systemd takes it for the name of a unit.
fn is_unit_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b":_.-\\@".contains(&byte);
    let Some((stem, kind)) = name.rsplit_once('.') else {
        return false;
    };
    let plain = !stem.is_empty() && !stem.starts_with('@') && name.len() <= LONGEST;
    plain && KINDS.contains(&kind) && name.bytes().all(allowed)
}

impl UnitDir {
    /// What stands in it is gone after a reboot, as systemd sees it.
    pub(super) fn is_runtime(&self) -> bool {
        let attached = self.path.extension().is_some_and(|kind| kind == "attached");
        self.lasting != Lasting::Kept && !attached
    }

    /// `StartTransientUnit` writes there.
    pub(super) fn is_transient(&self) -> bool {
        self.path.ends_with("transient")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn the_first_directory_wins_and_a_changed_file_changes_the_print() {
        let root = tempfile::tempdir().expect("a folder");
        let dirs: Vec<UnitDir> = ["etc", "usr"]
            .map(|name| UnitDir { path: Path::new("/").join(name), lasting: Lasting::Kept })
            .into();
        for dir in ["etc/x.service.d", "usr/x-.service.d", "etc/a.target.wants"] {
            fs::create_dir_all(root.path().join(dir)).expect("a folder");
        }
        for file in ["etc/x-y.service", "usr/x-y.service", "usr/notes.txt", "usr/z@.service"] {
            fs::write(root.path().join(file), "[Unit]\n").expect("a file");
        }
        symlink("../z@.service", root.path().join("etc/a.target.wants/z@1.service")).expect("a link");
        let read = || Catalog::of(root.path(), dirs.clone());
        let mut names: Vec<String> = read().names().map(str::to_owned).collect();
        names.sort();
        assert_eq!(names, ["x-y.service", "z@.service"]);
        assert_eq!(read().first("x-y.service").map(|found| found.dir), Some(0));
        assert_eq!(read().wanted("z@.service").len(), 1);
        let unit = UnitName::from("x-y.service");
        let fragment = root.path().join("etc/x-y.service").display().to_string();
        let print = |asked| read().print(&unit, &fragment, asked);
        assert_eq!(print(SystemTime::now()), None, "it was written a moment ago");
        let later = SystemTime::now() + Duration::from_secs(3600);
        let before = print(later);
        assert!(before.is_some() && before == print(later));
        fs::write(root.path().join("usr/x-.service.d/a.conf"), "[Unit]\n").expect("a drop-in");
        let with_drop_in = print(later);
        assert_ne!(before, with_drop_in);
        fs::write(&fragment, "[Unit]\nDescription=other\n").expect("a file");
        assert_ne!(with_drop_in, print(later));
    }

    #[test]
    fn drop_ins_belong_to_names_prefixes_and_kinds() {
        assert_eq!(
            owners("a-b-c@x-y.service"),
            ["a-b-c@x-y.service", "service", "a-.service", "a-b-.service"]
        );
        for name in ["x.service", "a@.socket", "dev-\\x2d.mount"] {
            assert!(is_unit_name(name), "{name}");
        }
        for name in [".service", "@x.service", "x.conf", "x y.service", "x"] {
            assert!(!is_unit_name(name), "{name}");
        }
    }
}
