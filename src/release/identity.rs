//! Device and inode of whatever a path or descriptor leads to, asking the file system for nothing that is cached.

use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Statx, StatxFlags, makedev, openat, statx};
use rustix::io::Result;

use crate::model::release::FileId;

/// What `statx` tells, as far as it matters here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub id: FileId,
    pub links: u32,
    pub kind: FileType,
    /// Unix time in milliseconds.
    pub ctime_ms: i64,
    /// Whose it is.
    pub owner: u32,
    pub group: u32,
    /// Type and permissions.
    pub mode: u32,
    pub mtime_ms: i64,
    /// When it was made, where the file system tells.
    pub born_ms: Option<i64>,
}

impl Seen {
    pub(super) fn is_directory(&self) -> bool {
        self.kind == FileType::Directory
    }
}

/// What lies at `path` itself, a symlink not followed.
pub(super) fn of_path(path: &Path) -> Result<Seen> {
    of_path_at(CWD, path)
}

/// What lies at `path` below `directory` itself, a symlink not followed.
pub(super) fn of_path_at<Fd: AsFd>(directory: Fd, path: &Path) -> Result<Seen> {
    ask(directory, path, AtFlags::SYMLINK_NOFOLLOW)
}

/// What an open descriptor refers to.
pub(super) fn of_fd<Fd: AsFd>(fd: Fd) -> Result<Seen> {
    ask(fd, Path::new(""), AtFlags::EMPTY_PATH)
}

/// A handle that names a file or directory without opening it.
pub(super) fn handle<Fd: AsFd>(directory: Fd, path: &Path) -> Result<OwnedFd> {
    openat(directory, path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
}

fn ask<Fd: AsFd>(directory: Fd, path: &Path, how: AtFlags) -> Result<Seen> {
    // What network file systems have cached will do: an answer that has to be waited for is of no use.
    let flags = how | AtFlags::STATX_DONT_SYNC | AtFlags::NO_AUTOMOUNT;
    statx(directory, path, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME).map(|found| seen(&found))
}

fn seen(found: &Statx) -> Seen {
    let tells_birth = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
    Seen {
        id: FileId { dev: makedev(found.stx_dev_major, found.stx_dev_minor), ino: found.stx_ino },
        links: found.stx_nlink,
        kind: FileType::from_raw_mode(found.stx_mode.into()),
        owner: found.stx_uid,
        group: found.stx_gid,
        mode: found.stx_mode.into(),
        ctime_ms: millis(found.stx_ctime.tv_sec, found.stx_ctime.tv_nsec),
        mtime_ms: millis(found.stx_mtime.tv_sec, found.stx_mtime.tv_nsec),
        born_ms: tells_birth.then(|| millis(found.stx_btime.tv_sec, found.stx_btime.tv_nsec)),
    }
}

fn millis(seconds: i64, nanos: u32) -> i64 {
    seconds.saturating_mul(1000).saturating_add(i64::from(nanos / 1_000_000))
}
