//! `baseline`: the host as it was, and what differs from that, without a running daemon. `gather` takes a picture, the store
//! keeps it, `judge` compares two.

mod gather;
mod judge;
mod settle;

use anyhow::{Context, bail};
use tokio::task::spawn_blocking;

use crate::model::baseline::{Baseline, Comparison, Head};
use crate::store;
use crate::store::baselines::Baselines;

pub use settle::settle;

/// A name of a baseline, as an argument.
///
/// # Errors
/// No baseline can have it: one sentence.
pub fn name(text: &str) -> Result<String, String> {
    store::baselines::check_name(text).map(|()| text.to_owned()).map_err(|why| why.to_string())
}

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
    let Taking { name, before, replace } = taking;
    let head = gather::head(user, name, before).await;
    if !replace {
        let name = head.name.clone();
        kept(user, move |all| Ok(all.may_save(&name)?)).await?;
    }
    let baseline = gather::take(user, head, &[]).await?;
    kept(user, move |all| {
        let path = all.save(&baseline, replace)?;
        let bytes = std::fs::metadata(&path).map(|file| file.len()).unwrap_or_default();
        Ok((baseline, path.display().to_string(), bytes))
    })
    .await
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
            let head = gather::head(user, Some("now".to_owned()), None).await;
            gather::take(user, head, &units).await?
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
    Ok(judge::compare(&before, &after))
}

/// Those that are kept, newest first.
///
/// # Errors
/// The folder cannot be read.
pub async fn list(user: bool) -> anyhow::Result<Vec<Head>> {
    kept(user, |all| Ok(all.list()?)).await
}

/// One that is kept.
///
/// # Errors
/// There is none of that name, or none at all.
pub async fn stored(user: bool, which: Which) -> anyhow::Result<Baseline> {
    kept(user, |all| Ok(all.read(&name_of(all, which)?)?)).await
}

/// The file of one that is kept, as it is.
///
/// # Errors
/// There is none of that name, or none at all.
pub async fn text(user: bool, which: Which) -> anyhow::Result<String> {
    kept(user, |all| Ok(all.text(&name_of(all, which)?)?)).await
}

/// Removes one.
///
/// # Errors
/// There is none of that name, or the disk refuses.
pub async fn delete(user: bool, name: String) -> anyhow::Result<()> {
    kept(user, move |all| Ok(all.delete(&name)?)).await
}

/// Works with the baselines of this instance where it may block.
async fn kept<T: Send + 'static>(
    user: bool,
    work: impl FnOnce(&Baselines) -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    let all = Baselines::new(&store::state_directory(user)?);
    spawn_blocking(move || work(&all)).await?
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
