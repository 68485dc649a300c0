//! `GET /v1/status`: the picture as text. It is written by a thread that supervision does not wait for, one at a time.

use std::time::Duration;

use axum::body::Bytes;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use super::texts::{Source, Texts};
use crate::api::wire::{Incident, Status, Unit};
use crate::escape;
use crate::model::snapshot::Snapshot;

/// Where strangers read, a text is good for so long: to ask more often makes nothing newer.
pub const AGE: Duration = Duration::from_millis(500);

/// Whose text it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Who may read the socket.
    Known,
    /// Whoever comes to `listen`: without what units wrote themselves, unless the settings allow it.
    Strangers,
}

impl Readers {
    /// `known`: they came to the socket.
    pub fn of(known: bool) -> Self {
        if known { Self::Known } else { Self::Strangers }
    }

    /// They may see what units wrote themselves.
    pub fn see_logs(self, snapshot: &Snapshot) -> bool {
        self == Self::Known || snapshot.log_lines
    }
}

/// Asks for the text.
#[derive(Clone, Debug)]
pub struct Pictures(Texts<()>);

impl Pictures {
    /// Starts the task that writes, which ends once nobody can ask any more.
    pub fn start(snapshots: watch::Receiver<Snapshot>, readers: Readers) -> Self {
        Self(Texts::start(Published { snapshots, readers }))
    }

    /// The picture as it is now, or was a moment ago. `owner`: of the daemon, who is never refused.
    ///
    /// # Errors
    /// There are too many who read; a cause.
    pub async fn text(&self, owner: bool) -> Result<Bytes, String> {
        self.0.text(owner).await.map(|((), bytes)| bytes)
    }
}

/// What is written: the picture that was published last.
struct Published {
    snapshots: watch::Receiver<Snapshot>,
    readers: Readers,
}

impl Source for Published {
    type Head = ();

    fn is_good(&self, age: Duration) -> bool {
        let young = self.readers == Readers::Strangers && age < AGE;
        young || !self.snapshots.has_changed().unwrap_or(false)
    }

    async fn write(&mut self) -> Result<((), Vec<u8>), String> {
        let snapshot = self.snapshots.borrow_and_update().clone();
        let readers = self.readers;
        let written = spawn_blocking(move || text(&snapshot, readers)).await;
        let text = written.map_err(|why| why.to_string())?.map_err(|why| why.to_string())?;
        Ok(((), text.into_bytes()))
    }
}

fn text(snapshot: &Snapshot, readers: Readers) -> serde_json::Result<String> {
    let mut status = Status::of(snapshot);
    if !readers.see_logs(snapshot) {
        status.units.iter_mut().for_each(Unit::hide_log);
        status.incidents.iter_mut().for_each(Incident::hide_log);
    }
    serde_json::to_string(&status).map(escape::json)
}

#[cfg(test)]
mod tests {
    use super::super::texts::TEXTS;
    use super::*;

    #[tokio::test]
    async fn row_7_a_picture_is_written_once_for_all_who_read_it() {
        let (publish, snapshots) = watch::channel(Snapshot::default());
        let pictures = Pictures::start(snapshots, Readers::Known);
        let readers = (0..48).map(|_| {
            let pictures = pictures.clone();
            tokio::spawn(async move { pictures.text(false).await })
        });
        let mut texts = Vec::new();
        for reader in readers.collect::<Vec<_>>() {
            texts.push(reader.await.expect("a reader").expect("a text"));
        }
        let first = texts[0].as_ptr();
        assert!(texts.iter().all(|text| text.as_ptr() == first), "one text is shared by all");
        // Another picture is another text, at once.
        publish.send_modify(|snapshot| snapshot.ready = true);
        let next = pictures.text(false).await.expect("a text");
        assert_ne!(next.as_ptr(), first);
        assert!(next.windows(12).any(|part| part == b"\"ready\":true"), "{next:?}");
    }

    #[tokio::test]
    async fn row_8_slow_readers_of_older_pictures_keep_a_few_of_them_and_the_owner_reads_on() {
        let (publish, snapshots) = watch::channel(Snapshot::default());
        let pictures = Pictures::start(snapshots, Readers::Known);
        let mut slow = Vec::new();
        let refused = loop {
            publish.send_modify(|snapshot| snapshot.ready = !snapshot.ready);
            match pictures.text(false).await {
                Ok(text) => slow.push(text.slice(1..2)),
                Err(why) => break why,
            }
            assert!(slow.len() <= TEXTS, "a few are kept");
        };
        assert!(refused.contains("too many others read older ones"), "{refused}");
        assert!(pictures.text(true).await.is_ok(), "the owner reads");
        slow.clear();
        publish.send_modify(|snapshot| snapshot.ready = !snapshot.ready);
        assert!(pictures.text(false).await.is_ok(), "and so does everybody once they are done");
    }
}
