//! `daemon`: the supervisor itself.

use super::Options;
use super::exit::Exit;
use crate::daemon;

pub async fn run(options: &Options) -> anyhow::Result<Exit> {
    daemon::run(options.user).await?;
    Ok(Exit::Ok)
}
