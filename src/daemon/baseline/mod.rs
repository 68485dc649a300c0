//! Baselines: taken, kept, compared, without a running daemon.

mod picture;
mod settle;

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::task::spawn_blocking;

use crate::model::baseline::{Baseline, Comparison, Head};
use crate::policy::baseline::compare;
use crate::store;
use crate::store::baselines::Baselines;

pub use settle::settle;

/// A baseline to be taken.
#[derive(Clone, Debug, Default)]
pub struct Taking {
    /// `None`: named by the time.
    pub name: Option<String>,
    /// Taken by itself before this.
    pub before: Option<String>,
    /// One of that name goes.
    pub replace: bool,
}

/// Which baseline is meant.
#[derive(Clone, Debug)]
pub enum Which {
    Named(String),
    Newest,
    /// The newest of those that were taken before this.
    NewestBefore(String),
}

/// Takes a baseline and keeps it; where it was kept, and how many bytes it has.
///
/// # Errors
/// The service manager cannot be reached, or the baseline cannot be kept.
pub async fn save(user: bool, taking: Taking) -> anyhow::Result<(Baseline, String, u64)> {
    let kept = Baselines::new(&store::state_directory(user)?);
    let head = picture::head(user, taking.name, taking.before).await;
    if !taking.replace {
        let (kept, name) = (kept.clone(), head.name.clone());
        spawn_blocking(move || kept.may_save(&name)).await??;
    }
    let baseline = picture::take(user, head, &[]).await?;
    let saved = baseline.clone();
    let path = spawn_blocking(move || kept.save(&saved, taking.replace)).await??;
    let bytes = std::fs::metadata(&path).map(|file| file.len()).unwrap_or_default();
    Ok((baseline, path.display().to_string(), bytes))
}

/// Compares a baseline with another one, or with the host as it is now.
///
/// # Errors
/// There is no such baseline, or the service manager cannot be reached.
pub async fn diff(user: bool, which: Which, against: Option<String>) -> anyhow::Result<Comparison> {
    let before = stored(user, which).await?;
    let after = match against {
        Some(name) => stored(user, Which::Named(name)).await?,
        None => {
            // What ran then is looked at, whatever became of it.
            let units: Vec<String> = before.units.keys().cloned().collect();
            let head = picture::head(user, Some("now".to_owned()), None).await;
            picture::take(user, head, &units).await?
        }
    };
    if before.head.host != after.head.host && !before.head.host.is_empty() {
        bail!(
            "cannot compare {}: it was taken on {}, this is {}",
            before.head.name,
            before.head.host,
            after.head.host
        );
    }
    Ok(compare(&before, &after))
}

/// Those that are kept, newest first.
///
/// # Errors
/// The folder cannot be read.
pub async fn list(user: bool) -> anyhow::Result<Vec<Head>> {
    let kept = Baselines::new(&store::state_directory(user)?);
    Ok(spawn_blocking(move || kept.list()).await??)
}

/// One that is kept.
///
/// # Errors
/// There is none of that name, or none at all.
pub async fn stored(user: bool, which: Which) -> anyhow::Result<Baseline> {
    let kept = Baselines::new(&store::state_directory(user)?);
    spawn_blocking(move || {
        let name = name_of(&kept, which)?;
        Ok(kept.read(&name)?)
    })
    .await?
}

/// The file of one that is kept, as it is.
///
/// # Errors
/// There is none of that name, or none at all.
pub async fn text(user: bool, which: Which) -> anyhow::Result<String> {
    let kept = Baselines::new(&store::state_directory(user)?);
    spawn_blocking(move || {
        let name = name_of(&kept, which)?;
        Ok(kept.text(&name)?)
    })
    .await?
}

/// Removes one.
///
/// # Errors
/// There is none of that name, or the disk refuses.
pub async fn delete(user: bool, name: String) -> anyhow::Result<()> {
    let kept = Baselines::new(&store::state_directory(user)?);
    Ok(spawn_blocking(move || kept.delete(&name)).await??)
}

fn name_of(kept: &Baselines, which: Which) -> anyhow::Result<String> {
    let (before, none) = match which {
        Which::Named(name) => return Ok(name),
        Which::Newest => (None, "there is none yet (steadfast baseline save)".to_owned()),
        Which::NewestBefore(what) => {
            let none = format!("none was taken before {what} (see: steadfast baseline list)");
            (Some(what), none)
        }
    };
    let all = kept.list()?;
    let newest = all.into_iter().find(|head| before.is_none() || head.before == before);
    newest.map(|head| head.name).with_context(|| format!("cannot find a baseline: {none}"))
}

/// What a picture may take besides its readings.
const NAMES: Duration = Duration::from_secs(5);
