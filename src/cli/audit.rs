//! `audit`: the whole host, without configuration and without the daemon.

use serde::Serialize;

use super::Options;
use super::exit::Exit;
use super::render::audit::{audit as rendered, findings};
use super::render::text::{clean, cleaned};
use super::terminal::{SeenEnough, Terminal};
use crate::api::wire::Status;
use crate::audit::{self, Audit};

/// The status with what could not be told, and what is no trouble.
#[derive(Serialize)]
struct Page {
    #[serde(flatten)]
    status: Status,
    untold: Vec<String>,
    notes: Vec<String>,
    looked: String,
}

pub async fn run(options: &Options, terminal: &Terminal) -> anyhow::Result<Exit> {
    let Audit { snapshot, untold, mut notes, looked } = audit::page(options.user).await?;
    let mut status = Status::of(&snapshot);
    let holds = super::holds::known(options).await;
    for unit in status.units.iter_mut().filter(|unit| !unit.findings.is_empty()) {
        // What a person holds, or stopped on purpose, is as that person wants it.
        if let Some(hold) = holds.get(&unit.unit) {
            let codes: Vec<String> = unit.findings.drain(..).map(|found| found.code).collect();
            let why = hold.reason.as_deref().unwrap_or("a person stopped it");
            notes.push(format!("{} is held ({why}): {}", unit.unit, codes.join(", ")));
        }
    }
    super::holds::respected(&mut status, &holds);
    let all: Vec<_> = findings(&status).map(|(_, f)| f.clone()).collect();
    let exit = if all.is_empty() && !untold.is_empty() { Exit::Unknown } else { Exit::of_findings(&all) };
    let printed = if options.json {
        terminal.print_json(&Page { status, untold, notes, looked })
    } else {
        let untold: Vec<String> = untold.iter().map(|sentence| clean(sentence)).collect();
        let notes: Vec<String> = notes.iter().map(|sentence| clean(sentence)).collect();
        terminal.print(&rendered(&terminal.look(), &cleaned(&status)?, &untold, (&notes, &looked)))
    };
    SeenEnough::forgive(printed, exit)
}
