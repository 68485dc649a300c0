//! What a recovery would do, and what a restart takes along.

use super::Look;
use super::page::Page;
use crate::api::wire::{Preview, Unit};

/// `recover --dry-run`: what would be done, in the order in which it would be.
#[must_use]
pub fn preview(look: &Look, unit: &Unit) -> String {
    let preview = &unit.preview;
    let mut page = Page::new(look);
    match &preview.refused {
        None => page.line(&format!("would {} {}; nothing is ordered", preview.action, unit.unit)),
        Some(why) => page.line(&format!("would not {} {} now: {why}", preview.action, unit.unit)),
    }
    for (label, text) in steps(preview) {
        page.labelled(&format!("  {label:<8} "), 11, &text);
    }
    page.into_text()
}

fn steps(preview: &Preview) -> Vec<(&'static str, String)> {
    let mut steps = Vec::new();
    let runs = preview.action != "check";
    if let Some(command) = preview.smoke_test.as_ref().filter(|_| runs) {
        steps.push(("first", format!("smoke test: {}", command.join(" "))));
    }
    if let Some(command) = preview.drain.as_ref().filter(|_| preview.action == "restart") {
        steps.push(("drain", command.join(" ")));
    }
    if preview.action == "restart" {
        steps.extend(radius(preview));
    }
    let then = if runs {
        "enable it if it is not, prove it, ask its probes"
    } else {
        "enable it if it is not, ask its probes"
    };
    steps.push(("then", then.to_owned()));
    steps
}

/// What a restart ends, and what goes with it.
pub fn radius(preview: &Preview) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let limit =
        preview.stop_timeout_s.map_or("without a time limit".to_owned(), |limit| format!("within {limit} s"));
    let whom = match preview.processes {
        0 => "its processes".to_owned(),
        1 => "1 process".to_owned(),
        count => format!("{count} processes"),
    };
    let how = match preview.kill_mode.as_deref() {
        Some("process") => "its main process alone (KillMode=process leaves the others)".to_owned(),
        Some("none") => "no process by itself (KillMode=none)".to_owned(),
        _ => whom,
    };
    lines.push(("ends", format!("{how}, {limit}")));
    if !preview.stops.is_empty() {
        lines.push(("stops", format!("{} (where they run, Conflicts=)", preview.stops.join(", "))));
    }
    if !preview.takes_along.is_empty() {
        lines.push(("along", format!("{} (restarted where they run)", preview.takes_along.join(", "))));
    }
    if !preview.triggered_by.is_empty() {
        lines.push(("stays", preview.triggered_by.join(", ")));
    }
    lines
}
