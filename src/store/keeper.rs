//! Where the state is kept: in the state directory; while that cannot be written, in a spare place that survives our crash.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::model::change::Change;
use crate::model::finding::Code;
use crate::model::history::{History, Question};
use crate::model::state::Durable;

use super::database::{self, Database};
use super::{News, StoreError};

/// While the state is kept in the spare place, its own place is tried again this often.
const RETRY: Duration = Duration::from_secs(10);

/// The database that is saved to, and a copy of what is in it: nothing of it is lost with the file.
#[derive(Debug)]
pub struct Keeper {
    path: PathBuf,
    spare_path: Option<PathBuf>,
    /// `None`: it could not be opened yet.
    main: Option<Database>,
    spare: Option<Spare>,
    durable: Durable,
}

/// The spare place, in use.
#[derive(Debug)]
struct Spare {
    database: Database,
    retry_at: Instant,
}

impl Keeper {
    /// Opens the state, or begins one. What an earlier life left in the spare place is newer.
    pub fn open(path: &Path, spare_path: Option<&Path>) -> Result<(Self, Vec<News>), StoreError> {
        let mut keeper = Self {
            path: path.to_owned(),
            spare_path: spare_path.map(Path::to_owned),
            main: None,
            spare: None,
            durable: Durable::default(),
        };
        let left = spare_path.filter(|spare| spare.exists()).and_then(|spare| database::open(spare).ok());
        match database::open(path) {
            Ok((main, durable, notes)) => {
                keeper.main = Some(main);
                keeper.durable = durable;
                let mut news: Vec<News> = Vec::new();
                if !notes.is_empty() {
                    news.push((Code::HostStateDamaged, Some(notes.join("; "))));
                }
                if let Some((spare, newer, _)) = left {
                    keeper.durable = newer;
                    keeper.spare = Some(Spare { database: spare, retry_at: Instant::now() });
                    news.extend(keeper.return_home(&[], &|| false).err().map(|why| keeper.volatile(&why)));
                }
                Ok((keeper, news))
            }
            Err(error @ (StoreError::Directory { .. } | StoreError::Open { .. })) if spare_path.is_some() => {
                let known = left.map(|(_, durable, _)| durable).or_else(|| database::peek(path));
                keeper.durable = known.unwrap_or_default();
                let why = error.to_string();
                keeper.move_out(&[], &|| false).map_err(|_| error)?;
                let news = keeper.volatile(&why);
                Ok((keeper, vec![news]))
            }
            Err(error) => Err(error),
        }
    }

    /// What is durable.
    pub fn durable(&self) -> &Durable {
        &self.durable
    }

    /// What people ask of the history.
    pub fn answer(&self, question: &Question) -> Result<History, StoreError> {
        let spare = self.spare.as_ref().map(|spare| &spare.database);
        let database = spare.or(self.main.as_ref()).ok_or(StoreError::Gone)?;
        Ok(database.answer(&self.durable, question)?)
    }

    /// Saves all of the changes or none: where they belong, or else in the spare place. Says what changed about that.
    pub fn save(&mut self, changes: &[Change], given_up: &dyn Fn() -> bool) -> Result<Vec<News>, StoreError> {
        let mut news = Vec::new();
        let mut stored = false;
        if let Some(spare) = &mut self.spare {
            if spare.retry_at <= Instant::now() {
                spare.retry_at = Instant::now() + RETRY;
                if self.return_home(changes, given_up).is_ok() {
                    news.push((Code::HostStateVolatile, None));
                    stored = true;
                }
            }
            if !stored && let Some(spare) = &mut self.spare {
                stored = spare.database.save(changes, given_up)?;
            }
        } else {
            stored = self.save_home(changes, given_up, &mut news)?;
        }
        if stored {
            for change in changes {
                self.durable.apply(change);
            }
            self.durable.forget();
        }
        Ok(news)
    }

    /// Saves in the state directory; if the file is broken, in a new one; if the disk refuses, in the spare place.
    fn save_home(
        &mut self,
        changes: &[Change],
        given_up: &dyn Fn() -> bool,
        news: &mut Vec<News>,
    ) -> Result<bool, StoreError> {
        let Some(main) = &mut self.main else {
            return Err(StoreError::Gone);
        };
        let error = match main.fault() {
            Some(why) => return self.begin_anew(&why, changes, given_up, news),
            None => match main.save(changes, given_up) {
                Ok(stored) => return Ok(stored),
                Err(error) => error,
            },
        };
        let why = error.to_string();
        if database::is_broken(&error) {
            return self.begin_anew(&why, changes, given_up, news);
        }
        if !database::is_the_host(&error) || self.spare_path.is_none() {
            return Err(error.into());
        }
        let stored = self.move_out(changes, given_up)?;
        news.push(self.volatile(&why));
        Ok(stored)
    }

    /// The file was damaged under our hands: what it held is in memory, so a new one is written.
    fn begin_anew(
        &mut self,
        why: &str,
        changes: &[Change],
        given_up: &dyn Fn() -> bool,
        news: &mut Vec<News>,
    ) -> Result<bool, StoreError> {
        // Closed first: what it does at its end, it must do to the old file.
        self.main = None;
        let (mut main, aside) = database::renew(&self.path)?;
        let all = self.everything(changes, &Durable::default());
        let stored = main.save(&all, given_up)?;
        self.main = Some(main);
        let kept =
            aside.map_or("nothing is left of it".to_owned(), |to| format!("set aside as {}", to.display()));
        let told = format!(
            "the state {} was damaged while in use ({why}): {kept}; written anew from memory, nothing is lost but the older history",
            self.path.display()
        );
        news.push((Code::HostStateDamaged, Some(told)));
        Ok(stored)
    }

    /// Goes on in the spare place, with everything.
    fn move_out(&mut self, changes: &[Change], given_up: &dyn Fn() -> bool) -> Result<bool, StoreError> {
        let Some(path) = &self.spare_path else {
            return Err(StoreError::Gone);
        };
        let (mut database, there, _) = database::open(path)?;
        let all = self.everything(changes, &there);
        let stored = database.save(&all, given_up)?;
        self.spare = Some(Spare { database, retry_at: Instant::now() + RETRY });
        Ok(stored)
    }

    /// Back to the state directory, with everything; the spare place is emptied.
    fn return_home(&mut self, changes: &[Change], given_up: &dyn Fn() -> bool) -> Result<(), String> {
        let mut main = match self.main.take() {
            Some(main) => main,
            None => database::open(&self.path).map_err(|why| why.to_string())?.0,
        };
        let there = main.read();
        let saved = there.and_then(|there| main.save(&self.everything(changes, &there), given_up));
        self.main = Some(main);
        if saved.map_err(|why| why.to_string())? {
            // One that stayed would be taken for newer at the next start: then it goes on being used.
            if let Some(path) = &self.spare_path {
                fs::remove_file(path).map_err(|why| format!("cannot empty {}: {why}", path.display()))?;
            }
            self.spare = None;
            return Ok(());
        }
        Err("given up".to_owned())
    }

    /// The changes that make the whole state, these included, of what is there.
    fn everything(&self, changes: &[Change], there: &Durable) -> Vec<Change> {
        let mut all = self.durable.clone();
        for change in changes {
            all.apply(change);
        }
        all.changes_since(there)
    }

    fn volatile(&self, why: &str) -> News {
        let spare = self.spare_path.as_deref().unwrap_or(Path::new("")).display();
        let told = format!(
            "the state is kept in {spare}, which a reboot empties, until {} can be written: {why}",
            self.path.display()
        );
        (Code::HostStateVolatile, Some(told))
    }
}
