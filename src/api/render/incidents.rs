//! `incidents`, `incident ID`, `test-alert`: what went wrong, and who was told.

use super::Look;
use super::grid::{Column, Line, grid};
use super::page::Page;
use super::style::{FAINT, STRONG};
use super::text::{count, length};
use crate::api::wire::{Event, Incident, IncidentDetails, Incidents, State, StepResult, Tested};

const COLUMNS: [Column; 6] = [
    Column { title: "ID", worth: 0 },
    Column { title: "UNIT", worth: 0 },
    Column { title: "SINCE", worth: 0 },
    Column { title: "LASTED", worth: 20 },
    Column { title: "CAUSE", worth: 30 },
    Column { title: "SUMMARY", worth: 0 },
];
/// Lines of the timeline; the JSON has all.
const EVENTS: usize = 200;

/// One line for each, newest first.
#[must_use]
pub fn list(look: &Look, found: &Incidents) -> String {
    let mut page = Page::new(look);
    if found.incidents.is_empty() {
        let good = look.sign(look.of_state(State::Ok));
        page.line(&format!("{good} no incident"));
        switched_off(&mut page, found);
        return page.into_text();
    }
    let lines: Vec<Line> = found.incidents.iter().map(|incident| line(look, incident)).collect();
    for line in grid(look, &COLUMNS, &lines) {
        page.line(&line);
    }
    let open = found.incidents.iter().filter(|incident| incident.resolved_at.is_none()).count();
    page.gap();
    page.line(&format!("{}, {open} open", count(found.incidents.len(), "incident")));
    switched_off(&mut page, found);
    if look.size.is_some() {
        let newest = found.incidents.first().map_or(0, |incident| incident.id);
        page.faint(0, &format!("next: {} incident {newest}", look.program()));
    }
    page.into_text()
}

/// Of what is switched off there is no incident.
fn switched_off(page: &mut Page<'_>, found: &Incidents) {
    for one in &found.switched_off {
        let until = page.look.clock(one.until);
        let text = format!(
            "{} is switched off until {until}, no incident is opened for it: {}",
            one.unit, one.reason
        );
        page.labelled("", 0, &text);
    }
}

fn line(look: &Look, incident: &Incident) -> Line {
    let sign = look.of_severity(incident.severity);
    let open = incident.resolved_at.is_none();
    let id = incident.id.to_string();
    let lasted = if open { format!("{}, open", lasted(look, incident)) } else { lasted(look, incident) };
    let summary =
        incident.part_of.map_or(incident.summary.clone(), |whole| format!("part of incident {whole}"));
    Line {
        cells: vec![
            id.clone(),
            incident.unit.clone().unwrap_or_else(|| "host".to_owned()),
            look.clock(incident.opened_at),
            lasted,
            incident.cause.clone(),
            summary,
        ],
        paint: if open { vec![(id, sign.style)] } else { Vec::new() },
    }
}

fn lasted(look: &Look, incident: &Incident) -> String {
    let end = incident.resolved_at.unwrap_or(look.now);
    length(end.0.saturating_sub(incident.opened_at.0))
}

/// Everything that is known of one.
#[must_use]
pub fn story(look: &Look, details: &IncidentDetails) -> String {
    let incident = &details.incident;
    let mut page = Page::new(look);
    let unit = incident.unit.as_deref().unwrap_or("the host");
    let sign = look.of_severity(incident.severity);
    let title = look.paint(STRONG, &format!("incident {}", incident.id));
    let drill = if incident.drill { " (a drill)" } else { "" };
    page.line(&format!("{} {title} of {unit}{drill}: {}", look.sign(sign), how(look, incident)));
    tale(&mut page, details);
    page.into_text()
}

/// `open for 3m`, `over, after 14m`, `part of incident 7`.
#[must_use]
pub fn how(look: &Look, incident: &Incident) -> String {
    match (incident.part_of, incident.resolved_at) {
        (Some(whole), _) => format!("part of incident {whole}"),
        (None, Some(_)) => format!("over, after {}", lasted(look, incident)),
        (None, None) => format!("open for {}", lasted(look, incident)),
    }
}

/// The same without its title: cause, changes, timeline, who was told, what to try.
pub fn tale(page: &mut Page<'_>, details: &IncidentDetails) {
    let incident = &details.incident;
    let look = page.look;
    let unit = incident.unit.as_deref().unwrap_or("the host");
    page.labelled("  ", 2, &format!("{}: {}", incident.cause, incident.summary));
    for one in &incident.evidence {
        page.faint(4, one);
    }
    if let Some(line) = durations(incident) {
        page.faint(2, &line);
    }
    if !incident.affected.is_empty() {
        page.labelled("  ", 2, &format!("affected: {}", incident.affected.join(", ")));
    }
    page.heading("WHAT CHANGED BEFORE, most suspect first");
    if incident.changes.is_empty() {
        page.faint(2, "no change was recorded");
    }
    for change in &incident.changes {
        let clock = look.clock(change.at);
        page.labelled(&format!("  {}  ", look.paint(FAINT, &clock)), clock.chars().count() + 4, &change.what);
    }
    page.heading("TIMELINE");
    let hidden = details.events.len().saturating_sub(EVENTS);
    if hidden > 0 {
        page.faint(2, &format!("{hidden} earlier lines: {} --json incident {}", look.program(), incident.id));
    }
    for one in details.events.iter().skip(hidden) {
        event(page, one, unit);
    }
    told(page, incident);
    to_try(page, incident);
}

fn durations(incident: &Incident) -> Option<String> {
    let known = &incident.durations;
    let parts =
        [("found", known.detect), ("decided", known.decide), ("acted", known.act), ("over", known.recover)];
    let told: Vec<String> = parts
        .into_iter()
        .filter_map(|(what, seconds)| seconds.map(|seconds| format!("{what} after {seconds:.1} s")))
        .collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// A line of the timeline, for readers who know that it is about `unit`.
pub fn event(page: &mut Page<'_>, event: &Event, unit: &str) {
    let look = page.look;
    let clock = look.clock(event.at);
    let other = event.unit.as_deref().filter(|name| *name != unit && !event.message.contains(*name));
    let mut text = event.code.as_ref().map_or(String::new(), |code| format!("{code}: "));
    text.push_str(&other.map_or(String::new(), |name| format!("{name}: ")));
    text.push_str(&event.message);
    let label = format!("  {}  {:<8} ", look.paint(FAINT, &clock), event.kind);
    page.labelled(&label, clock.chars().count() + 13, &text);
}

fn told(page: &mut Page<'_>, incident: &Incident) {
    let look = page.look;
    page.heading("ALERTS");
    if incident.told.is_empty() {
        page.faint(2, "nobody: no [alert.NAME] in steadfast.toml matches it");
    }
    for sink in &incident.told {
        let text = match (sink.at, sink.firing) {
            (Some(at), times) => {
                let over = if sink.resolved { ", resolved sent" } else { "" };
                format!("firing sent {}{over}, last at {}", count(times as usize, "time"), look.clock(at))
            }
            (None, _) => "not sent yet".to_owned(),
        };
        page.labelled(&format!("  {}  ", sink.sink), sink.sink.chars().count() + 4, &text);
    }
    if let Some(known) = &incident.acknowledged {
        page.labelled("  ", 2, &format!("acknowledged by {} at {}", known.who, look.clock(known.at)));
    }
}

fn to_try(page: &mut Page<'_>, incident: &Incident) {
    let look = page.look;
    // Nobody is to restart what is well again.
    let open = incident.resolved_at.is_none();
    let mut lines: Vec<String> = incident.repair.iter().filter(|_| open).cloned().collect();
    if let Some(unit) = &incident.unit {
        lines.push(format!("{} explain {unit}", look.program()));
    }
    if open && incident.acknowledged.is_none() {
        lines.push(format!("{} ack {}", look.program(), incident.id));
    }
    lines.extend(incident.evidence_file.as_ref().map(|file| format!("less {file}")));
    lines.push(format!("{} postmortem {}", look.program(), incident.id));
    page.heading("TRY");
    for line in lines {
        // A command stays in one line, so that it can be copied.
        page.line(&format!("  {line}"));
    }
}

/// What became of a test.
#[must_use]
pub fn tested(look: &Look, result: &Tested) -> String {
    let mut page = Page::new(look);
    let widest = result.sinks.iter().map(|sink| sink.sink.chars().count()).max().unwrap_or(0);
    for sink in &result.sinks {
        let step = if sink.arrived { StepResult::Done } else { StepResult::Failed };
        let text = sink.error.as_deref().unwrap_or("arrived");
        let label = format!("{} {:<widest$}  ", look.sign(look.of_step(step)), sink.sink);
        page.labelled(&label, widest + 4, text);
    }
    page.into_text()
}
