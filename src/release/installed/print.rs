//! Prints of contents: two files are the same where their prints are, whatever their times, owners and inodes.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::model::moment::Moment;
use crate::model::release::FileId;

/// A file up to this size is read whole.
const WHOLE: u64 = 2 * 1024 * 1024;
/// Of a larger one: its beginning, its end (an archive has its table of contents there) …
const BEGINNING: u64 = 256 * 1024;
const END: u64 = 1024 * 1024;
/// … and so many blocks of this size in between.
const BLOCKS: u64 = 256;
const BLOCK: usize = 4096;

/// Collects a print. The arithmetic is part of what is remembered on disk: it stays as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Print {
    one: u64,
    two: u64,
}

impl Print {
    pub(super) fn new() -> Self {
        Self { one: 0x243f_6a88_85a3_08d3, two: 0x1319_8a2e_0370_7344 }
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        let mut chunks = bytes.chunks_exact(8);
        for chunk in &mut chunks {
            self.word(u64::from_le_bytes(chunk.try_into().unwrap_or_default()));
        }
        let mut rest = [0_u8; 8];
        for (to, from) in rest.iter_mut().zip(chunks.remainder()) {
            *to = *from;
        }
        self.word(u64::from_le_bytes(rest));
        self.number(u64::try_from(bytes.len()).unwrap_or(0));
    }

    pub(super) fn number(&mut self, number: u64) {
        self.word(number);
    }

    fn word(&mut self, word: u64) {
        self.one = (self.one.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
        self.two = (self.two ^ word).wrapping_mul(0x9fb2_1c65_1e98_df25).rotate_left(31);
    }

    pub(super) fn done(self) -> FileId {
        let mix = |word: u64| (word ^ (word >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        FileId { dev: mix(self.one), ino: mix(self.two ^ self.one.rotate_left(17)) }
    }
}

/// The print of some bytes.
pub(super) fn of(bytes: &[u8]) -> FileId {
    let mut print = Print::new();
    print.add(bytes);
    print.done()
}

/// Of size, times and identity: where it is the same, so is the content.
pub(super) fn stamp(print: &mut Print, seen: &Metadata) {
    let unsigned = |number: i64| u64::from_ne_bytes(number.to_ne_bytes());
    let told = [seen.dev(), seen.ino(), seen.len(), unsigned(seen.mtime()), unsigned(seen.mtime_nsec())];
    told.into_iter().for_each(|number| print.word(number));
}

/// The stamp of one file.
pub(super) fn stamp_of(seen: &Metadata) -> u64 {
    let mut print = Print::new();
    stamp(&mut print, seen);
    print.done().dev
}

/// A regular file, opened without waiting for anybody; `None` where there is none, or it may not be read.
pub(super) fn open(path: &Path) -> Option<(File, Metadata)> {
    // To open a device may do something; a FIFO waits for its other end.
    std::fs::metadata(path).ok().filter(Metadata::is_file)?;
    let how = nix::libc::O_NONBLOCK | nix::libc::O_CLOEXEC | nix::libc::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(how).open(path).ok()?;
    let seen = file.metadata().ok().filter(Metadata::is_file)?;
    Some((file, seen))
}

/// The beginning of a regular file, up to `limit` bytes.
pub(super) fn text(path: &Path, limit: u64) -> Option<String> {
    let (file, _) = open(path)?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The print of a file: of all of it, or of enough of a large one.
pub(super) fn of_file(mut file: File, seen: &Metadata) -> Option<FileId> {
    let mut print = Print::new();
    let size = seen.len();
    print.number(size);
    if size <= WHOLE {
        print.add(&read(&mut file, WHOLE)?);
        return Some(print.done());
    }
    print.add(&read(&mut file, BEGINNING)?);
    let mut block = [0_u8; BLOCK];
    for number in 0..BLOCKS {
        let at = BEGINNING + (size - BEGINNING) / BLOCKS * number;
        let read = file.read_at(&mut block, at).ok()?;
        print.add(block.get(..read).unwrap_or_default());
    }
    file.seek(SeekFrom::Start(size.saturating_sub(END))).ok()?;
    print.add(&read(&mut file, END)?);
    Some(print.done())
}

fn read(file: &mut File, limit: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// When it was made, where the file system tells.
pub(super) fn born(seen: &Metadata, now: Moment) -> Option<Moment> {
    seen.created().ok().map(|at| moment(at, now))
}

/// When it was written last.
pub(super) fn written(seen: &Metadata, now: Moment) -> Moment {
    now.at_wall_ms(seen.mtime().saturating_mul(1000).saturating_add(seen.mtime_nsec() / 1_000_000))
}

/// When anything of it was changed last: its content, its name, its owner.
pub(super) fn changed(seen: &Metadata, now: Moment) -> Moment {
    now.at_wall_ms(seen.ctime().saturating_mul(1000).saturating_add(seen.ctime_nsec() / 1_000_000))
}

fn moment(at: SystemTime, now: Moment) -> Moment {
    let ms = at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    now.at_wall_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}
