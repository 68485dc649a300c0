//! One process: when it started, what it is called, where it lives, which files of a release it holds.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use procfs::FromRead;
use procfs::process::Stat;
use rustix::fs::{CWD, Dir, Mode, OFlags, openat};
use rustix::io::Errno;

use crate::clock;
use crate::model::manager::Manager;
use crate::model::outside::command_of;
use crate::model::release::{FileId, LinkReading, Place, ProcessReading, Search, Sockets};

use super::identity;
use super::location::{self, Chains};
use super::sockets;

/// Bytes of a command line that are searched for a link.
pub(super) const COMMAND_LINE: usize = 64 * 1024;
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
/// Packages and installers keep their libraries there: what is gone from there went with an upgrade. Elsewhere programs
/// unpack libraries, map them and delete them (JNA, Netty, SQLite for Java): deleted is not replaced.
const OF_PACKAGES: [&str; 4] = ["/usr/", "/lib", "/bin/", "/sbin/"];

/// Bytes that are asked for at once; most files of /proc fit in.
const CHUNK: usize = 8 * 1024;

/// A process as the control group lists it; known without asking any file system.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    pub pid: u32,
    pub started_ms: i64,
    pub name: String,
    pub parent: u32,
    /// A signal stopped it.
    pub stopped: bool,
}

/// What to look for in a process: the unit's links and the directories that hold their releases.
#[derive(Clone, Debug, Default)]
pub(super) struct Neighbourhood {
    links: Vec<Vec<u8>>,
    holders: Vec<PathBuf>,
    /// The unit's root directory, where it has one of its own.
    root: Option<(PathBuf, FileId)>,
    /// Sockets are read, too.
    sockets: bool,
    /// What manages the programs of the unit.
    manager: Option<Manager>,
}

impl Neighbourhood {
    pub(super) fn of(search: &Search, links: &[LinkReading]) -> Self {
        let leading = links.iter().filter(|link| !link.plain);
        let targets = leading.filter_map(|link| link.target.as_ref());
        let root = Some(PathBuf::from(&search.root)).filter(|root| !root.as_os_str().is_empty());
        let inner = |link: &LinkReading| match Path::new(&link.link).strip_prefix(&search.root) {
            Ok(inner) if root.is_some() => Path::new("/").join(inner).into_os_string().into_vec(),
            Ok(_) | Err(_) => link.link.clone().into_bytes(),
        };
        Self {
            links: links.iter().map(inner).collect(),
            sockets: search.sockets,
            manager: None,
            holders: targets
                .filter_map(|target| Path::new(&target.path).parent())
                .filter(|holder| *holder != Path::new("/"))
                .map(Path::to_owned)
                .collect(),
            root: root.and_then(|root| {
                let held = identity::handle(CWD, &root).ok()?;
                Some((root, identity::of_fd(&held).ok()?.id))
            }),
        }
    }

    /// By which name a manager knows each process is told, too.
    pub(super) fn under(self, manager: Option<Manager>) -> Self {
        Self { manager, ..self }
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
    let below = location::below(process, around.root.as_ref());
    let cwd = location::read(process, Path::new("cwd"), &below, chains);
    let exe = location::read(process, Path::new("exe"), &below, chains);
    let reading = ProcessReading {
        pid: known.pid,
        started_ms: known.started_ms,
        name: known.name.clone(),
        command: content(process, "cmdline", COMMAND_LINE).map(|line| command_of(&line)).unwrap_or_default(),
        names_link: names_link(process, around),
        cwd: cwd.map_err(|error| cannot("working directory", error)),
        exe: exe.map_err(|error| cannot("executable", error)),
        files: files(process, around, &below, chains),
        replaced: replaced(process),
        parent: known.parent,
        program: around.manager.and_then(|manager| program(process, manager)),
        sockets: if around.sockets { sockets::read(process) } else { Sockets::default() },
        stopped: known.stopped,
    };
    // It may have ended meanwhile, and then half of this is missing; or its number was another's all the time.
    same(known, process).map(|()| reading)
}

/// Reads what is known without asking any file system; `why` stands for the rest.
pub(super) fn read_text(known: &Listed, why: &str) -> Option<ProcessReading> {
    let process = open(known.pid).ok()?;
    same(known, process.as_fd())?;
    let told = |name: &str| match location::by_text(process.as_fd(), Path::new(name)) {
        Some(place) => format!("{why} ({})", place.path),
        None => why.to_owned(),
    };
    Some(ProcessReading {
        pid: known.pid,
        started_ms: known.started_ms,
        name: known.name.clone(),
        command: String::new(),
        names_link: false,
        cwd: Err(told("cwd")),
        exe: Err(told("exe")),
        files: Vec::new(),
        replaced: Vec::new(),
        parent: known.parent,
        program: None,
        sockets: Sockets::default(),
        stopped: known.stopped,
    })
}

/// A handle on `/proc/PID`.
pub(super) fn open(pid: u32) -> Result<OwnedFd, Errno> {
    openat(CWD, format!("/proc/{pid}"), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

fn listed(pid: u32, process: BorrowedFd<'_>) -> Option<Listed> {
    let stat = stat(&content(process, "stat", CHUNK).ok()?)?;
    if matches!(stat.state, 'Z' | 'X' | 'x') {
        return None;
    }
    let parent = u32::try_from(stat.ppid).unwrap_or(0);
    let (started_ms, stopped) = (clock::after_boot_ms(stat.starttime), stat.state == 'T');
    Some(Listed { pid, started_ms, name: stat.comm, parent, stopped })
}

/// What `/proc/PID/stat` says: `12 (name) S …`. The crate takes for granted, on pain of a panic, that it begins like that.
pub(super) fn stat(text: &[u8]) -> Option<Stat> {
    let opens = text.iter().position(|byte| *byte == b'(')?;
    let closes = text.iter().rposition(|byte| *byte == b')').filter(|closes| opens < *closes)?;
    let number = text.first().is_some_and(u8::is_ascii_digit) && text.get(opens - 1) == Some(&b' ');
    let state =
        text.get(closes + 1) == Some(&b' ') && text.get(closes + 2).is_some_and(u8::is_ascii_alphabetic);
    (number && state).then(|| Stat::from_read(text).ok())?
}

fn same(known: &Listed, process: BorrowedFd<'_>) -> Option<()> {
    (listed(known.pid, process)?.started_ms == known.started_ms).then_some(())
}

pub(super) fn file(process: BorrowedFd<'_>, name: &str) -> Result<OwnedFd, Errno> {
    openat(process, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// The content of a file of `/proc/PID`, up to a limit.
pub(super) fn content(process: BorrowedFd<'_>, name: &str, limit: usize) -> Result<Vec<u8>, Errno> {
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

/// The name by which its manager knows it.
fn program(process: BorrowedFd<'_>, manager: Manager) -> Option<String> {
    let line = content(process, "cmdline", COMMAND_LINE).unwrap_or_default();
    manager.program(&line, &content(process, "environ", COMMAND_LINE).unwrap_or_default())
}

fn names_link(process: BorrowedFd<'_>, around: &Neighbourhood) -> bool {
    content(process, "cmdline", COMMAND_LINE).is_ok_and(|line| around.mentioned(&line))
}

/// The link's path occurs, and not as the beginning of a longer name.
pub(super) fn mentions(line: &[u8], link: &[u8]) -> bool {
    if link.is_empty() {
        return false;
    }
    line.windows(link.len()).enumerate().any(|(at, found)| {
        let next = line.get(at + link.len()).copied();
        found == link && !next.is_some_and(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    })
}

/// Open files below a directory that holds releases.
fn files(process: BorrowedFd<'_>, around: &Neighbourhood, below: &Path, chains: &mut Chains) -> Vec<Place> {
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
            let text = location::text(directory.as_fd(), Path::new(name)).ok()?;
            let near = around.has(&location::on_host(text, below));
            near.then(|| location::read(process, &Path::new("fd").join(name), below, chains).ok())?
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
    let exe = location::text(process, Path::new("exe"));
    let mut found: Vec<String> = Vec::new();
    for (ino, text) in maps.split(|byte| *byte == b'\n').filter_map(gone_executable) {
        let bare = location::bare(&text);
        let own = exe.as_ref().is_ok_and(|exe| *exe == text);
        let replaced = own || is_replaced(&bare, root.as_ref());
        let path = bare.to_string_lossy().into_owned();
        let new = found.len() < REPLACED && !found.contains(&path);
        if new && replaced && !location::is_literal(&text, ino, root.as_ref()) {
            found.push(path);
        }
    }
    found
}

/// A mapped file of that name is gone: it was replaced, or removed with an upgrade, and not just thrown away after mapping.
pub(super) fn is_replaced(path: &Path, root: Option<&OwnedFd>) -> bool {
    let bytes = path.as_os_str().as_bytes();
    OF_PACKAGES.iter().any(|place| bytes.starts_with(place.as_bytes())) || location::exists(path, root)
}

/// Inode and path of a line of `maps` such as `7f00-7f01 r-xp 00000000 fe:00 1234    /usr/lib/x.so (deleted)`.
pub(super) fn gone_executable(line: &[u8]) -> Option<(u64, PathBuf)> {
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
