//! `audit`: the whole host, without configuration and without the daemon.

use super::Options;
use super::exit::Exit;
use super::render::audit::{audit, findings};
use super::render::text::cleaned;
use super::terminal::{SeenEnough, Terminal};
use crate::api::wire::Status;
use crate::daemon;

pub async fn run(options: &Options, terminal: &Terminal) -> anyhow::Result<Exit> {
    let snapshot = daemon::audit(options.user).await?;
    let status = Status::of(&snapshot);
    let all: Vec<_> = findings(&status).map(|(_, f)| f.clone()).collect();
    let printed = if options.json {
        terminal.print_json(&status)
    } else {
        terminal.print(&audit(&terminal.look(), &cleaned(&status)?))
    };
    SeenEnough::forgive(printed, Exit::of_findings(&all))
}
