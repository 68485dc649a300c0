//! `test-alert`: a test through every sink, and what arrived.

use super::Options;
use super::exit::Exit;
use super::render::incidents::tested;
use super::render::text::cleaned;
use super::terminal::Terminal;

pub async fn run(options: &Options, terminal: &Terminal) -> anyhow::Result<Exit> {
    if terminal.is_interactive() && !options.json {
        terminal.remark("sending a test alert to every sink ...");
    }
    let result = options.client()?.test_alert().await?;
    let exit = if result.sinks.iter().all(|sink| sink.arrived) { Exit::Ok } else { Exit::Critical };
    if options.json {
        terminal.print_json(&result)?;
    } else {
        terminal.print(&tested(&terminal.look(), &cleaned(&result)?))?;
    }
    Ok(exit)
}
