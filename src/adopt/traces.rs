//! Whether a question leaves a trace: new lines in the unit's part of the journal, or in a log that its processes have open.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

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
    sizes: BTreeMap<PathBuf, u64>,
}

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
        let sizes = spawn_blocking(move || sizes(&pids)).await.unwrap_or_default();
        Before { at: SystemTime::now(), sizes }
    }

    /// The first line that was written since then.
    async fn since(&self, before: Before) -> Option<String> {
        let lines = probe::log_since(&self.unit, self.user, before.at).await;
        if let Some(line) = lines.into_iter().next() {
            return Some(line);
        }
        spawn_blocking(move || before.sizes.into_iter().find_map(|(file, size)| grown(&file, size)))
            .await
            .ok()?
    }
}

/// Logs that these processes have open, and how long each is.
fn sizes(pids: &[i32]) -> BTreeMap<PathBuf, u64> {
    let open = pids.iter().take(PROCESSES).flat_map(|pid| {
        let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
        open.take(FILES).filter_map(|entry| fs::read_link(entry.path()).ok())
    });
    let logs = open.filter(|file| {
        let text = file.to_string_lossy();
        text.starts_with('/') && (text.contains("/log/") || text.contains(".log"))
    });
    logs.filter_map(|file| {
        Some((file.clone(), fs::metadata(&file).ok().filter(fs::Metadata::is_file)?.len()))
    })
    .collect()
}

/// The first line after this length.
fn grown(file: &PathBuf, size: u64) -> Option<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = fs::File::open(file).ok()?;
    file.seek(SeekFrom::Start(size)).ok()?;
    let mut new = Vec::new();
    file.take(BYTES).read_to_end(&mut new).ok()?;
    let text = String::from_utf8_lossy(&new).into_owned();
    text.lines().find(|line| !line.trim().is_empty()).map(str::to_owned)
}
