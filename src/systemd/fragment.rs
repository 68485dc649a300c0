//! What the disk tells of unit files: when they changed, and whether the next boot will find them in time.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::activators::{self, Starters};
use super::bus::Instance;
use super::unit_paths::{Lasting, unit_dirs};
use crate::model::moment::Moment;
use crate::model::unit::{UnitName, UnitSettings};

/// The manager reads unit files from these before it mounts anything.
const EARLY: [&str; 3] = ["/", "/usr", "/etc"];
/// Bytes of a unit file that are compared.
const FILE: u64 = 1024 * 1024;
/// Links followed from a unit file to the file itself.
const LINKS: usize = 8;

/// Mount points, as PID 1 sees them.
#[derive(Clone, Debug, Default)]
pub(super) struct Mounts(Vec<PathBuf>);

impl Mounts {
    /// Reads PID 1's table. Ours has more mounts when we run in a sandbox, and does only where PID 1's is hidden.
    pub(super) fn read() -> Self {
        let table = std::fs::read_to_string("/proc/1/mountinfo")
            .or_else(|_| std::fs::read_to_string("/proc/self/mountinfo"))
            .unwrap_or_default();
        Self::parse(&table)
    }

    pub(super) fn parse(table: &str) -> Self {
        Self(
            table
                .lines()
                .filter_map(|line| line.split(' ').nth(4))
                .map(|point| PathBuf::from(unescape(point)))
                .collect(),
        )
    }

    /// The mount point that a path lives under; nothing is touched on the disk.
    fn of(&self, path: &Path) -> Option<&Path> {
        self.0
            .iter()
            .map(PathBuf::as_path)
            .filter(|point| path.starts_with(point))
            .max_by_key(|point| point.as_os_str().len())
    }
}

/// What the disk tells of all units.
#[derive(Clone, Debug)]
pub(super) struct Disk {
    instance: Instance,
    mounts: Mounts,
    starters: Starters,
    /// Where units lie that a reboot leaves.
    unit_dirs: Vec<PathBuf>,
}

impl Disk {
    /// Reads it. Blocks, for as long as a hung file system likes.
    pub(super) fn read(instance: Instance) -> Self {
        let dirs = unit_dirs(instance).into_iter().filter(|dir| dir.lasting != Lasting::Emptied);
        Self {
            instance,
            mounts: Mounts::read(),
            starters: Starters::read(instance),
            unit_dirs: dirs.map(|dir| dir.path).collect(),
        }
    }

    /// Adds who starts the unit besides jobs and the boot.
    pub(super) fn add_starters(&self, settings: &mut UnitSettings, bus_name: &str) {
        activators::complete(settings, bus_name, self.instance, &self.starters);
    }

    /// The mount units below which the program and the directory of a unit lie, each with that path.
    fn mounts_of(&self, settings: &UnitSettings) -> Vec<(String, UnitName)> {
        let is_path = |path: &&String| path.starts_with('/');
        // The second word may be the script of an interpreter.
        let programs = settings.exec_start.iter().flat_map(|command| command.iter().take(2)).filter(is_path);
        let paths = programs.chain(Some(&settings.working_directory).filter(is_path));
        let mut found: Vec<(String, UnitName)> = Vec::new();
        for path in paths {
            for point in Path::new(path).ancestors().filter(|point| point.parent().is_some()) {
                let unit = UnitName(format!("{}.mount", escape(point)));
                let configured = || self.unit_dirs.iter().any(|dir| dir.join(unit.as_str()).exists());
                if !found.iter().any(|(_, known)| *known == unit) && configured() {
                    found.push((path.clone(), unit));
                }
            }
        }
        found
    }
}

/// systemd's escaping of a path in the name of a unit.
fn escape(path: &Path) -> String {
    use std::fmt::Write as _;
    let text = path.to_string_lossy();
    let mut escaped = String::with_capacity(text.len());
    for (index, byte) in text.trim_matches('/').bytes().enumerate() {
        match byte {
            b'/' => escaped.push('-'),
            b'.' if index > 0 => escaped.push('.'),
            b'_' | b':' => escaped.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
            _ => {
                // Writing to a string cannot fail.
                let _ = write!(escaped, "\\x{byte:02x}");
            }
        }
    }
    escaped
}

/// Adds what the files tell to what the manager told. Blocks, for as long as a hung file system likes.
pub(super) fn complete(settings: &mut UnitSettings, drop_ins: &[String], disk: &Disk, now: Moment) {
    let fragment = settings.fragment.clone();
    let files = || std::iter::once(&fragment).chain(drop_ins).map(Path::new).filter(|path| counts(path));
    let lasting = files().filter(|path| !path.starts_with("/run"));
    settings.modified_at = lasting.filter_map(modified_ms).max().map(|ms| now.at_wall_ms(ms));
    settings.changed_at = files().filter_map(changed_ms).max().map(|ms| now.at_wall_ms(ms));
    settings.content = content(files());
    if fragment.is_empty() {
        return;
    }
    let places = places(Path::new(&fragment), |path| std::fs::read_link(path).ok());
    settings.boot.vanishes = places.iter().find(|path| vanishes(path)).map(|path| path.display().to_string());
    // A user's manager starts when everything is mounted.
    if disk.instance == Instance::System {
        settings.boot.late_mount = late_mount(&places, &disk.mounts);
        settings.boot.mounts = disk.mounts_of(settings);
    }
}

/// What `systemctl set-property` writes is in force at once, and so is what a transient unit was made of.
fn counts(path: &Path) -> bool {
    let applied = |dir: &std::ffi::OsStr| dir.as_encoded_bytes().ends_with(b".control") || dir == "transient";
    path.is_absolute() && !path.iter().any(applied)
}

fn modified_ms(path: &Path) -> Option<i64> {
    let seen = std::fs::metadata(path).ok()?;
    Some(seen.mtime().saturating_mul(1000).saturating_add(seen.mtime_nsec() / 1_000_000))
}

fn changed_ms(path: &Path) -> Option<i64> {
    let seen = std::fs::metadata(path).ok()?;
    Some(seen.ctime().saturating_mul(1000).saturating_add(seen.ctime_nsec() / 1_000_000))
}

/// A fingerprint of what the files say, without comments: generators write the same at each reload. `None` where one of
/// them cannot be read, as while generators run.
fn content<'a>(files: impl Iterator<Item = &'a Path>) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    for path in files {
        path.hash(&mut hasher);
        // A masked unit is a link to /dev/null, and whatever else is no file says nothing.
        if !std::fs::metadata(path).ok()?.is_file() {
            continue;
        }
        let mut text = Vec::new();
        std::fs::File::open(path).and_then(|file| file.take(FILE).read_to_end(&mut text)).ok()?;
        let lines = text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        for line in
            lines.filter(|line| !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b";"))
        {
            line.hash(&mut hasher);
        }
    }
    Some(hasher.finish())
}

/// The path of a unit file and of every file that it stands for, one link at a time; the last need not exist.
fn places(fragment: &Path, link: impl Fn(&Path) -> Option<PathBuf>) -> Vec<PathBuf> {
    let mut places = vec![fragment.to_owned()];
    while let Some(last) = places.last()
        && places.len() <= LINKS
    {
        let Some(target) = link(last) else { break };
        let target = last.parent().map_or(target.clone(), |dir| dir.join(&target));
        places.push(target);
    }
    places
}

/// Gone at the next boot: below `/run`, and not made anew by a generator.
fn vanishes(path: &Path) -> bool {
    let generated = path.ancestors().any(|dir| {
        let name = dir.file_name().and_then(|name| name.to_str());
        let parent = dir.parent().and_then(Path::file_name);
        name.is_some_and(|name| matches!(name, "generator" | "generator.early" | "generator.late"))
            && parent.is_some_and(|parent| parent == "systemd")
    });
    path.starts_with("/run") && !generated
}

pub(super) fn late_mount(places: &[PathBuf], mounts: &Mounts) -> Option<String> {
    places
        .iter()
        // What vanishes is told as that; a masked unit is a link to /dev/null.
        .filter(|path| !path.starts_with("/run") && !path.starts_with("/dev"))
        .filter_map(|path| mounts.of(path))
        .find(|point| !EARLY.iter().any(|early| point == &Path::new(early)))
        .map(|point| point.display().to_string())
}

/// The kernel writes blanks and backslashes in mount points as three octal digits.
fn unescape(point: &str) -> String {
    let mut bytes = Vec::with_capacity(point.len());
    let mut rest = point.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match escaped {
            Some(byte) if *first == b'\\' => {
                bytes.push(byte);
                rest = after.get(3..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
100 80 0:39 / / rw,relatime shared:1 - ext4 /dev/vda rw
101 100 0:41 / /usr rw - ext4 /dev/vdb rw
102 100 0:42 / /srv rw - xfs /dev/vdc rw
103 102 0:43 / /srv/a\\040b rw - tmpfs tmpfs rw
104 100 0:44 / /run rw - tmpfs tmpfs rw
";

    fn late(path: &str) -> Option<String> {
        late_mount(&[PathBuf::from(path)], &Mounts::parse(TABLE))
    }

    #[test]
    fn only_what_comes_after_the_unit_files_are_read_is_late() {
        assert_eq!(late("/etc/systemd/system/x.service"), None);
        assert_eq!(late("/usr/lib/systemd/system/x.service"), None);
        assert_eq!(late("/opt/x.service"), None);
        assert_eq!(late("/run/systemd/generator/x.service"), None);
        assert_eq!(late("/srv/x.service"), Some("/srv".to_owned()));
        assert_eq!(late("/srv/a b/x.service"), Some("/srv/a b".to_owned()));
        assert_eq!(late("/srvx/x.service"), None);
    }

    #[test]
    fn a_link_is_late_when_its_file_is() {
        let links = |path: &Path| {
            (path == Path::new("/etc/systemd/system/x.service")).then(|| PathBuf::from("/srv/x.service"))
        };
        let places = places(Path::new("/etc/systemd/system/x.service"), links);
        assert_eq!(late_mount(&places, &Mounts::parse(TABLE)), Some("/srv".to_owned()));
    }

    #[test]
    fn programs_and_directories_lie_on_configured_mounts() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        for unit in ["srv.mount", "srv-my\\x2dapp.mount", "opt.mount"] {
            std::fs::write(dir.path().join(unit), "").expect("a file");
        }
        let disk = Disk {
            instance: Instance::System,
            mounts: Mounts::default(),
            starters: Starters::default(),
            unit_dirs: vec![dir.path().to_owned()],
        };
        let settings = UnitSettings {
            exec_start: vec![vec!["/usr/bin/python3".to_owned(), "/srv/my-app/run".to_owned()]],
            working_directory: "/opt/x".to_owned(),
            ..UnitSettings::default()
        };
        let of = |path: &str, unit: &str| (path.to_owned(), UnitName::from(unit));
        assert_eq!(
            disk.mounts_of(&settings),
            [
                of("/srv/my-app/run", "srv-my\\x2dapp.mount"),
                of("/srv/my-app/run", "srv.mount"),
                of("/opt/x", "opt.mount"),
            ]
        );
    }

    #[test]
    fn what_is_written_anew_with_the_same_content_is_the_same() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let (unit, drop_in) = (dir.path().join("x.service"), dir.path().join("10-more.conf"));
        let of = || content([unit.as_path(), drop_in.as_path()].into_iter());
        std::fs::write(&unit, "# made at 10:00\n[Service]\nExecStart=/bin/a\n").expect("a file");
        assert_eq!(of(), None, "while generators run a file is not there");
        std::fs::write(&drop_in, "[Service]\nNice=1\n").expect("a file");
        let first = of();
        std::fs::write(&unit, "# made at 11:00\n\n[Service]\n  ExecStart=/bin/a\n").expect("a file");
        assert_eq!((of(), first.is_some()), (first, true));
        std::fs::write(&drop_in, "[Service]\nNice=2\n").expect("a file");
        assert_ne!(of(), first);
    }

    #[test]
    fn what_is_in_force_at_once_makes_no_run_outdated() {
        for path in
            ["/etc/systemd/system.control/x.service.d/50-Nice.conf", "/run/systemd/transient/x.service"]
        {
            assert!(!counts(Path::new(path)), "{path}");
        }
        assert!(counts(Path::new("/run/systemd/generator/x.service")));
        assert!(counts(Path::new("/etc/systemd/system/x.service.d/override.conf")));
    }

    #[test]
    fn a_loop_of_links_ends() {
        let found = places(Path::new("/a"), |_| Some(PathBuf::from("/a")));
        assert!(found.len() <= LINKS + 1);
    }

    #[test]
    fn what_is_generated_does_not_vanish() {
        assert!(vanishes(Path::new("/run/systemd/system/x.service")));
        assert!(vanishes(Path::new("/run/systemd/transient/x.service")));
        assert!(vanishes(Path::new("/run/user/1000/systemd/transient/x.service")));
        assert!(!vanishes(Path::new("/run/systemd/generator.late/x.service")));
        assert!(!vanishes(Path::new("/run/user/1000/systemd/generator/x.service")));
        assert!(!vanishes(Path::new("/etc/systemd/system/x.service")));
    }

    #[test]
    fn files_on_this_machine_have_a_time() {
        let dir = tempfile::tempdir().expect("a scratch directory");
        let file = dir.path().join("x.service");
        std::fs::write(&file, "").expect("a file");
        assert!(modified_ms(&file).is_some() && changed_ms(&file).is_some());
        assert_eq!(modified_ms(&dir.path().join("missing")), None);
    }
}
