//! Which baselines are kept, for the daemon: their files are read again only when something in their folder changed.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;

use crate::model::baseline::Head;

use super::baselines::{BaselineError, Baselines};

/// A disk that does not answer is waited for so long.
const LIMIT: Duration = Duration::from_secs(2);

/// What was read, and when the folder had changed last.
#[derive(Clone, Debug)]
struct Known {
    changed: Option<SystemTime>,
    heads: Vec<Head>,
}

/// The folder, and what is known of it.
#[derive(Debug)]
pub struct Shelf {
    all: Baselines,
    known: Option<Known>,
    /// It is not over yet: nobody else begins to read.
    reading: Option<JoinHandle<Result<Known, BaselineError>>>,
}

impl Shelf {
    /// Those in this state directory.
    #[must_use]
    pub fn new(state_directory: &Path) -> Self {
        Self { all: Baselines::new(state_directory), known: None, reading: None }
    }

    /// Newest first.
    ///
    /// # Errors
    /// The folder cannot be read, or the disk does not answer.
    pub async fn heads(&mut self) -> Result<Vec<Head>, String> {
        let begin = || {
            let (all, known) = (self.all.clone(), self.known.clone());
            spawn_blocking(move || read(&all, known))
        };
        let mut reading = self.reading.take().unwrap_or_else(begin);
        let Ok(read) = timeout(LIMIT, &mut reading).await else {
            self.reading = Some(reading);
            return Err(format!("no answer from the disk within {} s", LIMIT.as_secs()));
        };
        let known = read.map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
        Ok(self.known.insert(known).heads.clone())
    }
}

fn read(all: &Baselines, known: Option<Known>) -> Result<Known, BaselineError> {
    // The time first: what is saved meanwhile is read the next time.
    let changed = all.changed();
    match known {
        Some(known) if known.changed == changed => Ok(known),
        _ => Ok(Known { changed, heads: all.list()? }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::baseline::Baseline;

    #[tokio::test]
    async fn what_was_saved_or_removed_since_is_known_and_files_are_read_only_then() {
        let state = tempfile::tempdir().expect("a folder");
        let mut shelf = Shelf::new(state.path());
        assert_eq!(shelf.heads().await, Ok(Vec::new()), "no folder, no baseline");
        let all = Baselines::new(state.path());
        let head = Head { name: "first".to_owned(), ..Head::default() };
        let baseline = Baseline {
            head: head.clone(),
            units: [].into(),
            ports: Vec::new(),
            strays: Vec::new(),
            packages: [].into(),
            ephemeral: (1, 2),
            untold: Vec::new(),
            beyond: Vec::new(),
        };
        let path = all.save(&baseline, false).expect("saved");
        assert_eq!(shelf.heads().await, Ok(vec![head.clone()]));
        // Nobody writes into a file that is there: what is known of it stays so.
        std::fs::write(path, "").expect("written");
        assert_eq!(shelf.heads().await, Ok(vec![head]));
        all.delete("first").expect("deleted");
        assert_eq!(shelf.heads().await, Ok(Vec::new()));
    }
}
