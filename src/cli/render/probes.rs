//! `check`: every probe's answer, below the overview.

use super::Look;
use super::grid::{Column, Line, grid};
use super::page::Page;
use super::text::latency;
use crate::api::wire::{Probe, Status};

const COLUMNS: [Column; 6] = [
    column("", 0),
    column("PROBE", 0),
    column("STATUS", 0),
    column("LATENCY", 28),
    column("UNIT", 0),
    column("ANSWER", 0),
];

const fn column(title: &'static str, worth: u16) -> Column {
    Column { title, worth }
}

/// A line for each probe; empty where there is none.
#[must_use]
pub fn probes(look: &Look, status: &Status) -> String {
    let all = status.units.iter().flat_map(|unit| {
        let probes = unit.probes.iter();
        probes.map(|probe| line(look, &unit.unit, probe))
    });
    let lines: Vec<Line> = all.collect();
    let mut page = Page::new(look);
    if !lines.is_empty() {
        page.line("");
        for line in grid(look, &COLUMNS, &lines) {
            page.line(&line);
        }
    }
    page.into_text()
}

fn line(look: &Look, unit: &str, probe: &Probe) -> Line {
    // One round of readings settles nothing where a threshold is above one: the answer itself counts.
    let status = probe.last_status.unwrap_or(probe.status);
    let sign = look.of_probe(status);
    Line {
        cells: vec![
            sign.sign.to_owned(),
            probe.name.clone(),
            status.as_str().to_owned(),
            probe.latency_ms.map(latency).unwrap_or_default(),
            unit.to_owned(),
            probe.message.clone().unwrap_or_default(),
        ],
        paint: vec![(sign.sign.to_owned(), sign.style)],
    }
}
