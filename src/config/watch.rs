//! Loads at once, and again after each change of a file, on request, and at a slow steady period.

use std::time::Duration;

use tokio::sync::mpsc;

use crate::files::Watch;
use crate::model::observation::Observation;

use super::directories::Directories;
use super::loader::{Loaded, Loader};

/// A change is read once nothing followed for this long.
const DEBOUNCE: Duration = Duration::from_millis(50);
/// Without any change told.
const RESCAN: Duration = Duration::from_secs(60);

/// Tells the whole configuration whenever it differs from what was told last. Ends with its receiver.
///
/// A message on `reload` (SIGHUP) makes it read at once.
pub async fn watch(directories: Directories, mut reload: mpsc::Receiver<()>, out: mpsc::Sender<Observation>) {
    let mut loader = Loader::new(directories);
    let mut watching = match Watch::new(DEBOUNCE) {
        Ok(watching) => Some(watching),
        Err(why) => {
            tracing::warn!("{why}; unit files are read every {} s instead", RESCAN.as_secs());
            None
        }
    };
    let mut told: Option<Loaded> = None;
    loop {
        if let Some((watch, _)) = &mut watching {
            for (folder, why) in watch.set(&loader.watched()) {
                tracing::warn!("cannot watch {}: {why}", folder.display());
            }
        }
        // A file system that hangs holds up this task alone.
        let Ok((back, loaded)) = tokio::task::spawn_blocking(move || {
            let loaded = loader.load();
            (loader, loaded)
        })
        .await
        else {
            return;
        };
        loader = back;
        if told.as_ref() != Some(&loaded) {
            let Loaded { settings, specs, problems, .. } = loaded.clone();
            if out.send(Observation::UnitFilesLoaded { settings, specs, problems }).await.is_err() {
                return;
            }
            told = Some(loaded);
        }
        let changed = async {
            match &mut watching {
                Some((_, changes)) => drop(changes.next().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed => {}
            asked = reload.recv() => {
                if asked.is_none() {
                    return;
                }
            }
            () = tokio::time::sleep(RESCAN) => {}
        }
    }
}
