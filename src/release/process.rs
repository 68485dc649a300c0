//! One process: when it started, what it is called, where it lives, which files of a release it holds.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use procfs::FromRead;
use procfs::process::Stat;
use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::clock;
use crate::model::release::{LinkReading, Place, ProcessReading};

use super::identity;
use super::place::{self, Chains};

/// Bytes of a command line that are searched for a link.
const COMMAND_LINE: usize = 64 * 1024;
/// Open files of a process that are looked at.
const OPEN_FILES: usize = 256;
/// Open files of a process that are told.
const FILES: usize = 32;
/// Bytes of a list of mappings that are read.
const MAPPINGS: usize = 4 * 1024 * 1024;
/// Replaced mappings of a process that are told.
const REPLACED: usize = 32;
/// Deleted on purpose by those who map them: no upgrade replaced them (needrestart's list).
const THROWN_AWAY: [&str; 9] =
    ["/memfd:", "/dev/", "/SYSV", "/[aio]", "/tmp/", "/var/tmp/", "/run/", "/anon_hugepage", "/i915"];

/// Bytes that are asked for at once; most files of /proc fit in.
const CHUNK: usize = 8 * 1024;

/// A process as the control group lists it; known without asking any file system.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub pid: u32,
    pub started_ms: i64,
    pub name: String,
}

/// What to look for in a process: the unit's links and the directories that hold their releases.
#[derive(Clone, Debug, Default)]
pub(super) struct Neighbourhood {
    links: Vec<Vec<u8>>,
    holders: Vec<PathBuf>,
}

impl Neighbourhood {
    pub(super) fn of(links: &[LinkReading]) -> Self {
        let targets = links.iter().filter_map(|link| link.target.as_ref());
        Self {
            links: links.iter().map(|link| link.link.clone().into_bytes()).collect(),
            holders: targets
                .filter_map(|target| Path::new(&target.path).parent())
                .filter(|holder| *holder != Path::new("/"))
                .map(Path::to_owned)
                .collect(),
        }
    }

    fn mentioned(&self, line: &[u8]) -> bool {
        self.links.iter().any(|link| mentions(line, link))
    }

    fn has(&self, path: &Path) -> bool {
        self.holders.iter().any(|holder| path.starts_with(holder))
    }
}

/// Finds a process; `None` when it is gone or has ended and only waits for its parent.
pub(super) fn list(pid: u32) -> Option<Listed> {
    let process = open(pid).ok()?;
    listed(pid, process.as_fd())
}

/// Reads a process whole. Asks file systems, which may hang. `None` when it is gone, or its number belongs to another.
pub(super) fn read(known: &Listed, around: &Neighbourhood, chains: &mut Chains) -> Option<ProcessReading> {
    // Everything goes through this one descriptor: it stays with this process, whoever gets its number next.
    let process = open(known.pid).ok()?;
    let process = process.as_fd();
    let cwd = place::read(process, Path::new("cwd"), chains);
    let exe = place::read(process, Path::new("exe"), chains);
    let reading = ProcessReading {
        pid: known.pid,
        started_ms: known.started_ms,
        name: known.name.clone(),
        names_link: names_link(process, around),
        cwd: cwd.map_err(|error| cannot("working directory", error)),
        exe: exe.map_err(|error| cannot("executable", error)),
        files: files(process, around, chains),
        replaced: replaced(process),
    };
    // It may have ended meanwhile, and then half of this is missing; or its number was another's all the time.
    same(known, process).map(|()| reading)
}

/// Reads what is known without asking any file system; `why` stands for the rest.
pub(super) fn read_text(known: &Listed, why: &str) -> Option<ProcessReading> {
    let process = open(known.pid).ok()?;
    same(known, process.as_fd())?;
    let told = |name: &str| match place::by_text(process.as_fd(), Path::new(name)) {
        Some(place) => format!("{why} ({})", place.path),
        None => why.to_owned(),
    };
    Some(ProcessReading {
        pid: known.pid,
        started_ms: known.started_ms,
        name: known.name.clone(),
        names_link: false,
        cwd: Err(told("cwd")),
        exe: Err(told("exe")),
        files: Vec::new(),
        replaced: Vec::new(),
    })
}

/// A handle on `/proc/PID`.
fn open(pid: u32) -> Result<OwnedFd, Errno> {
    openat(CWD, format!("/proc/{pid}"), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn listed(pid: u32, process: BorrowedFd<'_>) -> Option<Listed> {
    let stat = Stat::from_read(content(process, "stat", CHUNK).ok()?.as_slice()).ok()?;
    if matches!(stat.state, 'Z' | 'X' | 'x') {
        return None;
    }
    Some(Listed { pid, started_ms: clock::after_boot_ms(stat.starttime), name: stat.comm })
}

fn same(known: &Listed, process: BorrowedFd<'_>) -> Option<()> {
    (listed(known.pid, process)?.started_ms == known.started_ms).then_some(())
}

fn file(process: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    openat(process, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// The content of a file of `/proc/PID`, up to a limit.
fn content(process: BorrowedFd<'_>, name: &str, limit: usize) -> Result<Vec<u8>, Errno> {
    let from = file(process, name)?;
    let mut content = Vec::with_capacity(CHUNK);
    while content.len() < limit {
        content.reserve(CHUNK);
        if rustix::io::read(&from, rustix::buffer::spare_capacity(&mut content))? == 0 {
            break;
        }
    }
    Ok(content)
}

fn cannot(what: &str, error: Errno) -> String {
    format!("cannot look at its {what}: {error}")
}

fn names_link(process: BorrowedFd<'_>, around: &Neighbourhood) -> bool {
    content(process, "cmdline", COMMAND_LINE).is_ok_and(|line| around.mentioned(&line))
}

/// The link's path occurs, and not as the beginning of a longer name.
fn mentions(line: &[u8], link: &[u8]) -> bool {
    if link.is_empty() {
        return false;
    }
    line.windows(link.len()).enumerate().any(|(at, found)| {
        let next = line.get(at + link.len()).copied();
        found == link && !next.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    })
}

/// Open files below a directory that holds releases.
fn files(process: BorrowedFd<'_>, around: &Neighbourhood, chains: &mut Chains) -> Vec<Place> {
    if around.holders.is_empty() {
        return Vec::new();
    }
    let Ok(directory) = file(process, "fd") else {
        return Vec::new();
    };
    let Ok(entries) = Dir::read_from(&directory) else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .take(OPEN_FILES)
        .filter_map(|entry| {
            let name = std::ffi::OsStr::from_bytes(entry.file_name().to_bytes());
            let text = place::text(directory.as_fd(), Path::new(name)).ok()?;
            let near = around.has(&text);
            near.then(|| place::read(process, &Path::new("fd").join(name), chains).ok())?
        })
        .take(FILES)
        .collect()
}

/// Executable mappings whose file was deleted or replaced.
fn replaced(process: BorrowedFd<'_>) -> Vec<String> {
    let Ok(maps) = content(process, "maps", MAPPINGS) else {
        return Vec::new();
    };
    let root = identity::handle(process, Path::new("root")).ok();
    let mut found: Vec<String> = Vec::new();
    for (ino, text) in maps.split(|byte| *byte == b'\n').filter_map(gone_executable) {
        let path = place::bare(&text).to_string_lossy().into_owned();
        if found.len() < REPLACED && !found.contains(&path) && !place::is_literal(&text, ino, root.as_ref()) {
            found.push(path);
        }
    }
    found
}

/// Inode and path of a line of `maps` such as `7f00-7f01 r-xp 00000000 fe:00 1234    /usr/lib/x.so (deleted)`.
fn gone_executable(line: &[u8]) -> Option<(u64, PathBuf)> {
    if !line.ends_with(b"(deleted)") {
        return None;
    }
    let mut fields = line.splitn(6, |byte| *byte == b' ');
    let rights = fields.nth(1)?;
    if rights.get(2) != Some(&b'x') {
        return None;
    }
    let ino = std::str::from_utf8(fields.nth(2)?).ok()?.parse().ok()?;
    let path = fields.next()?.trim_ascii_start();
    let kept = path.starts_with(b"/") && !THROWN_AWAY.iter().any(|place| path.starts_with(place.as_bytes()));
    kept.then(|| (ino, PathBuf::from(std::ffi::OsString::from_vec(path.to_vec()))))
}
