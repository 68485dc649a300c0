//! Loads at once, and again after each change of a file, on request, and at a slow steady period.

use std::fmt::{self, Write as _};
use std::hash::{DefaultHasher, Hasher as _};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::files::Watch;
use crate::model::finding::Code;
use crate::model::observation::Observation;

use super::directories::Directories;
use super::loader::{Loaded, Loader};
use super::print::print;

/// A change is read once nothing followed for this long.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// Without any change told, whether the files are still the same …
const RESCAN: Duration = Duration::from_secs(60);
/// … and all of them are read again: they name others (programs, secrets, certificates), which may be another's by now.
const REREAD: Duration = Duration::from_secs(600);

/// A request to read at once; who gives it a sender is told once what was read is on its way.
pub type Reload = Option<oneshot::Sender<()>>;

/// What is watched here.
const FILES: &str = "unit files of Steadfast";

fn unwatched(why: &str) -> String {
    format!("{why}; {FILES} are read every {} s instead, and on reload", RESCAN.as_secs())
}

/// Tells the whole configuration whenever it differs from what was told last. Ends with its receiver.
///
/// A message on `reload` (SIGHUP) makes it read at once.
pub async fn watch(
    directories: Directories,
    mut reload: mpsc::Receiver<Reload>,
    out: mpsc::Sender<Observation>,
) {
    let mut loader = Loader::new(directories.clone());
    let (mut watch, mut changes, mut lost) = match Watch::new(DEBOUNCE) {
        Ok((watch, changes)) => (Some(watch), Some(changes), None),
        Err(why) => (None, None, Some(unwatched(&why.to_string()))),
    };
    let mut told_lost = None;
    let mut told = None;
    let mut waits: Reload = None;
    loop {
        // A file system that hangs holds up this task alone. What is read was watched before, so that no change is missed.
        let places = directories.clone();
        let Ok((back, watching, failed, (before, loaded))) = tokio::task::spawn_blocking(move || {
            let failed = watch.as_mut().and_then(|watch| watch.set(&loader.watched()).into_iter().next());
            let loaded = (print(&places), loader.load());
            (loader, watch, failed, loaded)
        })
        .await
        else {
            return;
        };
        (loader, watch) = (back, watching);
        let read_at = Instant::now();
        if watch.is_some() {
            lost =
                failed.map(|(folder, why)| unwatched(&format!("cannot watch {}: {why}", folder.display())));
        }
        if lost != told_lost {
            told_lost.clone_from(&lost);
            let told =
                Observation::Impaired { code: Code::HostFilesUnwatched, part: FILES, why: lost.clone() };
            if out.send(told).await.is_err() {
                return;
            }
        }
        let fingerprint = fingerprint(&loaded);
        if told != Some(fingerprint) {
            let Loaded { settings, specs, problems } = loaded;
            if out.send(Observation::UnitFilesLoaded { settings, specs, problems }).await.is_err() {
                return;
            }
            told = Some(fingerprint);
        }
        if let Some(waits) = waits.take() {
            // Who asked may have gone.
            let _heard = waits.send(());
        }
        let changed = async {
            match &mut changes {
                Some(changes) => drop(changes.next().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed => {}
            asked = reload.recv() => {
                let Some(asked) = asked else {
                    return;
                };
                waits = asked;
            }
            () = outdated(&directories, before, read_at) => {}
        }
    }
}

/// Of all that is loaded: another copy of it would only be kept to be compared.
fn fingerprint(loaded: &Loaded) -> u64 {
    struct Hashing(DefaultHasher);
    impl fmt::Write for Hashing {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut hashing = Hashing(DefaultHasher::new());
    // Writing to a hasher cannot fail.
    let _infallible = write!(hashing, "{loaded:?}");
    hashing.0.finish()
}

/// Ends when the files are not what they were, or were not read for long.
async fn outdated(directories: &Directories, before: u64, read_at: Instant) {
    while read_at.elapsed() < REREAD {
        tokio::time::sleep(RESCAN).await;
        let places = directories.clone();
        if tokio::task::spawn_blocking(move || print(&places)).await.is_ok_and(|now| now != before) {
            return;
        }
    }
}
