//! `postmortem ID`: the draft, as Markdown.

use super::Options;
use super::exit::Exit;
use super::incident::Arguments;
use super::render::text::cleaned;
use super::terminal::Terminal;
use crate::api::postmortem::draft;

pub async fn run(options: &Options, terminal: &Terminal, arguments: &Arguments) -> anyhow::Result<Exit> {
    let details = options.client()?.incident(arguments.incident).await?;
    if options.json {
        terminal.print_json(&details)?;
    } else {
        terminal.print(&draft(&cleaned(&details)?, options.user))?;
    }
    Ok(Exit::Ok)
}
