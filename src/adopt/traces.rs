//! Whether a question leaves a trace: new lines in the unit's part of the journal, or in a log that its processes have open.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use nix::fcntl::OFlag;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use crate::model::unit::UnitName;
use crate::probe;

/// Within this time after a question its line is written.
const SETTLE: Duration = Duration::from_millis(800);
/// Processes and open files of each that are looked at.
const PROCESSES: usize = 64;
const FILES: usize = 256;
/// Bytes of a log's new part that are read.
const BYTES: u64 = 4096;

/// Where a unit writes what it has to say.
#[derive(Debug)]
pub struct Traces {
    unit: UnitName,
    user: bool,
    pids: Vec<i32>,
    /// It writes by itself, unasked: nothing can be told from new lines. `None`: that was not looked at yet.
    busy: Option<bool>,
}

/// What was there before a question.
#[derive(Debug)]
struct Before {
    at: SystemTime,
    logs: Logs,
}

/// The end of an open log, by the descriptor of its process: a path may lead elsewhere by the time that it is read.
type Logs = BTreeMap<PathBuf, (u64, (u64, u64))>;

impl Traces {
    pub fn new(unit: UnitName, user: bool, pids: Vec<i32>) -> Self {
        Self { unit, user, pids, busy: None }
    }

    /// Asks once more, and returns the line that this left in the log. Of a unit that writes all the time nothing is told.
    pub async fn left_by<F: Future>(&mut self, question: impl Fn() -> F) -> Option<String> {
        if self.busy.is_none() {
            let before = self.before().await;
            sleep(SETTLE).await;
            self.busy = Some(self.since(before).await.is_some());
        }
        if self.busy == Some(true) {
            return None;
        }
        let before = self.before().await;
        question().await;
        sleep(SETTLE).await;
        self.since(before).await
    }

    async fn before(&self) -> Before {
        let pids = self.pids.clone();
        let logs = spawn_blocking(move || logs(&pids)).await.unwrap_or_default();
        Before { at: SystemTime::now(), logs }
    }

    /// The first line that was written since then.
    async fn since(&self, before: Before) -> Option<String> {
        let lines = probe::log_since(&self.unit, self.user, before.at).await;
        if let Some(line) = lines.into_iter().next() {
            return Some(line);
        }
        spawn_blocking(move || before.logs.into_iter().find_map(|(log, was)| grown(&log, was))).await.ok()?
    }
}

/// Logs that these processes have open, how long each is, and which file it is.
fn logs(pids: &[i32]) -> Logs {
    let open = pids.iter().take(PROCESSES).flat_map(|pid| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.take(FILES).map(|entry| entry.path())
    });
    let logs = open.filter(|log| {
        let text = fs::read_link(log).unwrap_or_default().to_string_lossy().into_owned();
        text.starts_with('/') && (text.contains("/log/") || text.contains(".log"))
    });
    logs.filter_map(|log| {
        let seen = fs::metadata(&log).ok().filter(fs::Metadata::is_file)?;
        Some((log, (seen.len(), (seen.dev(), seen.ino()))))
    })
    .collect()
}

/// The first line after this length, if it is the same file still.
fn grown(log: &Path, (size, file): (u64, (u64, u64))) -> Option<String> {
    // Through the link of the kernel: nobody can turn it to a file that its process has not opened.
    let mut open = fs::File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(log).ok()?;
    let seen = open.metadata().ok().filter(fs::Metadata::is_file)?;
    if (seen.dev(), seen.ino()) != file {
        return None;
    }
    open.seek(SeekFrom::Start(size)).ok()?;
    let mut new = Vec::new();
    open.take(BYTES).read_to_end(&mut new).ok()?;
    let text = String::from_utf8_lossy(&new).into_owned();
    text.lines().find(|line| !line.trim().is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Its path leads to another file by the time that it is read: that one is not quoted.
    #[test]
    fn a_log_is_read_as_its_process_opened_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, other) = (folder.path().join("access.log"), folder.path().join("shadow"));
        fs::write(&other, "root's\n").expect("a file");
        let mut log = fs::File::create(&path).expect("a log");
        let own = i32::try_from(std::process::id()).expect("a pid");
        let mut before = logs(&[own]);
        before.retain(|log, _| fs::read_link(log).is_ok_and(|file| file == path));
        let (open, was) = before.into_iter().next().expect("it is open");
        assert_eq!(grown(&open, was), None);
        fs::remove_file(&path).expect("removed");
        std::os::unix::fs::symlink(&other, &path).expect("a link");
        assert_eq!(grown(&open, was), None, "nothing was written to what is open");
        writeln!(log, "GET / 200").expect("written");
        assert_eq!(grown(&open, was), Some("GET / 200".to_owned()));
        let another = fs::File::open(&other).expect("open");
        assert_eq!(
            grown(Path::new(&format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&another))), was),
            None
        );
    }
}
