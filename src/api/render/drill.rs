//! `drill`: what it would do, what happens, and what it measured.

use super::Look;
use super::details::event;
use super::grid::{Column, Line, grid};
use super::page::Page;
use super::radius::radius;
use super::text::{count, took};
use crate::api::wire::{Drill, DrillPlan, Event, Reply, StepResult, Unit};

const COLUMNS: [Column; 5] = [
    Column { title: "DETECT", worth: 0 },
    Column { title: "DECIDE", worth: 0 },
    Column { title: "RECOVER", worth: 0 },
    Column { title: "ALERT", worth: 0 },
    Column { title: "", worth: 0 },
];

/// What a drill would do, for whoever has to agree.
#[must_use]
pub fn plan(look: &Look, unit: &Unit, reply: &Reply) -> String {
    let mut page = Page::new(look);
    let Some(plan) = &reply.plan else {
        return page.into_text();
    };
    page.labelled("", 0, &format!("drill of {}: {}", unit.unit, plan.fault));
    for (label, text) in lines(unit, plan) {
        page.labelled(&format!("  {label:<9} "), 12, &text);
    }
    page.into_text()
}

fn lines(unit: &Unit, plan: &DrillPlan) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let systemd = match plan.kind.as_str() {
        "kill" => ", unless systemd restarts it first (Restart=)",
        _ => "",
    };
    lines.push((
        "then",
        match &plan.order {
            Some(order) => format!("{order}, enable, prove it, ask its probes{systemd}"),
            None => "nothing is done: on_failure = \"alert\" only alerts".to_owned(),
        },
    ));
    if plan.order.is_some() {
        lines.extend(radius(&unit.preview));
    }
    if !plan.needed_by.is_empty() {
        lines.push(("needed by", plan.needed_by.join(", ")));
    }
    lines.push((
        "told",
        match plan.told.as_slice() {
            [] => "nobody: no [alert.NAME] in steadfast.toml matches it at once".to_owned(),
            sinks => sinks.join(", "),
        },
    ));
    lines.extend(plan.untold.iter().map(|one| ("not alerted", format!("{} {}", one.sink, one.why))));
    let time = |seconds: f64| took((seconds * 1000.0) as u64);
    lines.push(("takes", format!("about {}; given up after {}", time(plan.expected_s), time(plan.limit_s))));
    if plan.order.is_some() {
        lines.push(("budget", format!("{} left, and this takes one", count(plan.restarts_left, "restart"))));
    }
    lines
}

/// One line of what happens.
#[must_use]
pub fn live(look: &Look, told: &Event) -> String {
    let mut page = Page::new(look);
    event(&mut page, told);
    page.into_text()
}

/// The four times, and who heard of it.
#[must_use]
pub fn drill(look: &Look, drill: &Drill) -> String {
    let mut page = Page::new(look);
    page.line("");
    let cells = [drill.detect_s, drill.decide_s, drill.recover_s, drill.alert_s];
    let mut cells: Vec<String> = cells.into_iter().map(after).collect();
    cells.push("after the fault".to_owned());
    for line in grid(look, &COLUMNS, &[Line { cells, paint: Vec::new() }]) {
        page.line(&line);
    }
    page.gap();
    if let Some(seconds) = drill.systemd_s {
        page.line(&format!("  systemd restarted it by itself after {}", after(Some(seconds))));
    }
    let widest = drill.alerts.iter().map(|one| one.sink.chars().count()).max().unwrap_or(0);
    for one in &drill.alerts {
        let step = if one.arrived_s.is_some() { StepResult::Done } else { StepResult::Failed };
        let text = match (one.arrived_s, &one.error) {
            (Some(_), _) => format!("arrived after {}", after(one.arrived_s)),
            (None, Some(why)) => why.clone(),
            (None, None) => "not sent in time".to_owned(),
        };
        let label = format!("  {} {:<widest$}  ", look.sign(look.of_step(step)), one.sink);
        page.labelled(&label, widest + 6, &text);
    }
    page.into_text()
}

fn after(seconds: Option<f64>) -> String {
    seconds.map_or("-".to_owned(), |seconds| took((seconds * 1000.0) as u64))
}

/// `kill by root 3d ago: proven (detect 240ms, decide 241ms, recover 5.4s, alert 512ms)`.
#[must_use]
pub fn last(look: &Look, drill: &Drill) -> String {
    let probe = drill.probe.as_ref().map_or(String::new(), |name| format!(" {name}"));
    let times = [
        ("detect", drill.detect_s),
        ("decide", drill.decide_s),
        ("recover", drill.recover_s),
        ("alert", drill.alert_s),
    ];
    let told = times.into_iter().filter(|(_, known)| known.is_some());
    let told: Vec<String> = told.map(|(name, known)| format!("{name} {}", after(known))).collect();
    let told = if told.is_empty() { String::new() } else { format!(" ({})", told.join(", ")) };
    let why = if drill.outcome == "failed" || drill.outcome == "interrupted" {
        format!(": {}", drill.message)
    } else {
        String::new()
    };
    format!("{}{probe} by {} {} ago: {}{told}{why}", drill.kind, drill.who, look.age(drill.at), drill.outcome)
}
