//! `status UNIT`: one unit on one screen.

use super::Look;
use super::drill::last;
use super::overview::{held, since, switched_off, why};
use super::page::Page;
use super::style::{FAINT, STRONG};
use super::text::{bytes, latency, length, took};
use crate::api::wire::{Condition, Event, LastTransition, Release, Step, Truth, Unit, Usage};
use crate::model::span::times;

/// Where the facts begin.
const LABEL: usize = 12;
/// Events at the end.
const EVENTS: usize = 5;
/// Processes by name.
const PROCESSES: usize = 8;

/// The details of one unit.
#[must_use]
pub fn details(look: &Look, unit: &Unit) -> String {
    let mut page = Page::new(look);
    title(&mut page, unit, "-");
    facts(&mut page, unit);
    page.gap();
    for condition in &unit.conditions {
        self::condition(&mut page, condition);
    }
    if !unit.events.is_empty() {
        page.gap();
        let first = unit.events.len().saturating_sub(EVENTS);
        for event in unit.events.iter().skip(first) {
            self::event(&mut page, event);
        }
    }
    page.into_text()
}

/// Sign, name, state, since when; the incident at the other end.
pub fn title(page: &mut Page<'_>, unit: &Unit, verb: &str) {
    let look = page.look;
    let sign = look.of_state(unit.state);
    let state = unit.state.as_str();
    let since = since(unit).map(|since| format!(" for {}", look.age(since)));
    let since = since.unwrap_or_default();
    let left = format!(
        "{} {} {verb} {}{since}",
        look.sign(sign),
        look.paint(STRONG, &unit.unit),
        look.paint(sign.style, state),
    );
    let long = [2, unit.unit.chars().count(), verb.len(), 2, state.len(), since.len()];
    let incident = unit.incident.map(|id| format!("incident {id}"));
    page.ends(&left, long.iter().sum(), &incident.unwrap_or_default());
}

/// `act`, `critical`, `owner team-shop`: what the unit's file says of it.
pub fn policy(look: &Look, unit: &Unit) -> String {
    let severity = match unit.severity {
        crate::api::wire::Severity::Warning => "warning",
        crate::api::wire::Severity::Critical => "critical",
    };
    let mut facts = vec![unit.mode.clone(), severity.to_owned()];
    facts.extend(unit.owner.as_ref().map(|owner| format!("owner {owner}")));
    facts.join(look.dot())
}

/// `active (running), pid 4242, for 41d`.
pub fn activity(look: &Look, unit: &Unit) -> String {
    let Some(active) = &unit.active_state else {
        return "not read yet".to_owned();
    };
    let sub = unit.sub_state.as_deref().unwrap_or_default();
    let mut facts = vec![format!("{active} ({sub})")];
    facts.extend(unit.main_pid.map(|pid| format!("pid {pid}")));
    let running = unit.active_since.filter(|_| active == "active");
    facts.extend(running.map(|since| format!("for {}", look.age(since))));
    facts.extend(unit.exit.as_ref().map(|exit| format!("last ended with {exit}")));
    let restarts = unit.n_restarts.filter(|number| *number > 0);
    facts.extend(restarts.map(|number| format!("restarted by systemd {}", times(number))));
    facts.join(look.dot())
}

/// How far a recovery is, on one line: `restart of shop.service: proof for 12s, at most 48s more: …`.
#[must_use]
pub fn running(look: &Look, unit: &Unit) -> String {
    let Some(recovery) = &unit.recovery else {
        return format!("recovering {}", unit.unit);
    };
    let left = look.ahead(recovery.phase_due);
    let missing = unit.conditions.iter().find(|condition| condition.status == Truth::False);
    let why = missing.map_or_else(String::new, |one| format!(": not yet {}: {}", one.kind, one.message));
    let phase = format!("{} for {}", recovery.phase, look.age(recovery.phase_at));
    format!("{} of {}: {phase}, given up {left}{why}", recovery.action, unit.unit)
}

/// Memory, processor time and tasks, as far as they are counted.
pub fn usage(look: &Look, unit: &Unit, used: &Usage) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let limited = |text: String, more: [(&str, Option<String>); 3]| {
        let more: Vec<String> =
            more.into_iter().filter_map(|(what, n)| Some(format!("{what} {}", n?))).collect();
        if more.is_empty() { text } else { format!("{text} ({})", more.join(", ")) }
    };
    if let Some(memory) = used.memory {
        let swap = used.swap.filter(|swap| *swap > 0);
        let more = [("peak", used.memory_peak), ("limit", used.memory_max), ("swap", swap)];
        lines.push(("Memory", limited(bytes(memory), more.map(|(what, n)| (what, n.map(bytes))))));
    }
    if let Some(milliseconds) = used.cpu_ms {
        let ran =
            unit.active_since.map(|since| look.now.0.saturating_sub(since.0)).filter(|ran| *ran >= 1000);
        let share = ran.and_then(|ran| u64::try_from(ran).ok()).map(|ran| {
            let permille = milliseconds.saturating_mul(1000) / ran;
            format!("{}.{} % of one core on average", permille / 10, permille % 10)
        });
        let mut text = vec![took(milliseconds)];
        text.extend(share);
        lines.push(("CPU", text.join(look.dot())));
    }
    if let Some(tasks) = used.tasks {
        let limit = used.tasks_max.map(|limit| limit.to_string());
        lines.push(("Tasks", limited(tasks.to_string(), [("limit", limit), ("", None), ("", None)])));
    }
    lines
}

fn facts(page: &mut Page<'_>, unit: &Unit) {
    let look = page.look;
    let file = format!("{} ({})", unit.file, policy(look, unit));
    fact(page, "File", &file);
    fact(page, "Active", &activity(look, unit));
    if let Some(text) = &unit.status_text {
        fact(page, "Says", &format!("\"{text}\""));
    }
    for (label, text) in unit.usage.iter().flat_map(|used| usage(look, unit, used)) {
        fact(page, label, &text);
    }
    fact(page, "Enabled", unit.unit_file_state.as_deref().unwrap_or("not read yet"));
    if let Some(release) = &unit.release {
        for (number, line) in self::release(look, release).iter().enumerate() {
            fact(page, if number == 0 { "Release" } else { "" }, line);
        }
    }
    for (number, probe) in unit.probes.iter().enumerate() {
        let label = if number == 0 { "Probes" } else { "" };
        fact(page, label, &self::probe(look, probe));
    }
    for (number, one) in unit.progress.iter().enumerate() {
        let label = if number == 0 { "Progress" } else { "" };
        fact(page, label, &progress(look, one));
    }
    let restarts = &unit.restarts;
    let interval = i64::try_from(restarts.interval_s).unwrap_or(i64::MAX);
    let interval = length(interval.saturating_mul(1000));
    let spent = format!("{} of {} within {interval}", restarts.spent, restarts.burst);
    fact(page, "Restarts", &spent);
    if let Some(last) = &unit.last_action {
        let because = last.because.as_deref().unwrap_or("a person asked");
        let text = format!("{} {} ago, because {because}: {}", last.action, look.age(last.at), last.outcome);
        fact(page, "Last", &text);
    }
    for (number, line) in unit.last_lines.iter().enumerate() {
        fact(page, if number == 0 { "Wrote" } else { "" }, line);
    }
    if let Some(last) = &unit.last_transition {
        fact(page, "Changed", &transition(look, last));
    }
    if let Some(drill) = &unit.drill {
        fact(page, "Drilled", &last(look, drill));
    }
    plans(page, unit);
    if let Some(runbook) = &unit.runbook {
        fact(page, "Runbook", runbook);
    }
}

/// `stopped 3m ago (operator): …`.
pub fn transition(look: &Look, last: &LastTransition) -> String {
    format!("{} {} ago ({}): {}", last.what, look.age(last.at), last.cause, last.message)
}

fn plans(page: &mut Page<'_>, unit: &Unit) {
    let look = page.look;
    if let Some(off) = &unit.disabled {
        fact(page, "Off", &switched_off(look, off));
    }
    if let Some(hold) = &unit.hold {
        fact(page, "Held", &held(look, hold));
    }
    if let Some(cause) = &unit.explained_by {
        fact(page, "Cause", &format!("{cause}, which this unit needs"));
    }
    if unit.recovery.is_some() || unit.quarantine.is_some() {
        fact(page, "Now", &why(look, unit));
    }
    for step in unit.recovery.iter().flat_map(|recovery| &recovery.steps) {
        fact(page, "", &self::step(look, step));
    }
    if let Some(next) = unit.next_action.as_ref().filter(|_| unit.disabled.is_none()) {
        let due = super::overview::due(look, unit, next.due_at);
        let text = format!("{} {due}, because {}", next.action, next.because);
        fact(page, "Next", &text);
    }
    // A hold, and the file's own end, say it already.
    let told = unit.hold.is_some() || unit.disabled.is_some();
    if let Some(blocked) = unit.blocked.as_ref().filter(|_| !told) {
        fact(page, "Not now", blocked);
    }
}

fn fact(page: &mut Page<'_>, label: &str, text: &str) {
    let width = LABEL - 2;
    let colon = if label.is_empty() { " " } else { ":" };
    let label = format!("{label:>width$}{colon} ");
    let label = page.look.paint(FAINT, &label);
    page.labelled(&label, LABEL, text);
}

/// Where the link leads, then every process that is not there.
pub fn release(look: &Look, release: &Release) -> Vec<String> {
    let mut lines = Vec::new();
    for link in &release.links {
        let arrow = look.arrow();
        lines.push(match (&link.current, &link.problem) {
            (Some(current), _) => {
                let age = look.age(link.switched_at);
                match *current == link.link {
                    true => format!("{current} is a directory of its own since {age} ago"),
                    false => format!("{} {arrow} {current}, switched {age} ago", link.link),
                }
            }
            (None, problem) => {
                let problem = problem.as_deref().unwrap_or("it leads nowhere");
                // What is not there itself leads nowhere, and not to itself.
                let itself = problem.starts_with(&link.link);
                if itself { problem.to_owned() } else { format!("{} {arrow} {problem}", link.link) }
            }
        });
    }
    let stray = |residence: &str| !["current", "elsewhere"].contains(&residence);
    let strays = release.processes.iter().filter(|p| stray(&p.residence));
    let current = release.processes.len() - strays.clone().count();
    for process in strays.clone().take(PROCESSES) {
        let sign = look.sign(look.of_truth(match process.residence.as_str() {
            "unreadable" => Truth::Unknown,
            _ => Truth::False,
        }));
        let place = process.release.as_deref().unwrap_or("cannot be read");
        let because = process.because.as_ref().map(|because| format!(": {because}"));
        lines.push(format!(
            "{sign} {} {} ({}) {} {place}{}",
            process.role,
            process.pid,
            process.name,
            process.residence,
            because.unwrap_or_default()
        ));
    }
    let more = strays.count().saturating_sub(PROCESSES);
    if more > 0 {
        lines.push(format!("{} and {more} more like these", look.ellipsis()));
    }
    if current > 0 {
        let sign = look.sign(look.of_truth(Truth::True));
        let plural = if current == 1 { "" } else { "es" };
        lines.push(format!("{sign} {current} process{plural} in place"));
    }
    lines
}

/// A probe in one line.
pub fn probe(look: &Look, probe: &crate::api::wire::Probe) -> String {
    let sign = look.sign(look.of_probe(probe.status));
    let mut facts = vec![format!("{sign} {} {}", probe.name, probe.status.as_str())];
    facts.extend(probe.latency_ms.map(latency));
    facts.extend(probe.message.clone());
    facts.extend(probe.last_at.map(|at| format!("{} ago", look.age(at))));
    facts.join(look.dot())
}

/// A source of progress in one line.
pub fn progress(look: &Look, one: &crate::api::wire::Progress) -> String {
    let mut facts = vec![one.name.clone()];
    facts.extend(one.paused.then(|| "paused".to_owned()));
    facts.extend(one.depth.map(|depth| format!("{depth} waiting")));
    facts.extend(one.in_work.filter(|count| *count > 0).map(|count| format!("{count} in work")));
    facts.extend(one.completed.map(|count| format!("{count} completed")));
    facts.extend(one.consumers.map(|count| format!("{count} consumers")));
    facts.extend(
        one.depth.filter(|depth| *depth > 0).map(|_| format!("moved {} ago", look.age(one.moved_at))),
    );
    facts.extend(one.drain_until.map(|until| format!("must drain {}", look.ahead(until))));
    facts.extend(one.problem.clone());
    facts.extend(one.last_at.map(|at| format!("asked {} ago", look.age(at))));
    facts.join(look.dot())
}

/// A step of a recovery in one line.
pub fn step(look: &Look, step: &Step) -> String {
    let sign = look.sign(look.of_step(step.result));
    let took = match step.took_ms {
        0 => String::new(),
        milliseconds => format!(" in {}", took(milliseconds)),
    };
    format!("{sign} {}{took}: {}", step.step, step.message)
}

/// A condition in one line: sign, kind, since when, why.
pub fn condition(page: &mut Page<'_>, condition: &Condition) {
    let look = page.look;
    let sign = look.sign(look.of_truth(condition.status));
    let kind = format!("{:<11}", condition.kind);
    let age = format!("{:>6}", look.age(condition.since));
    let label = format!("  {sign} {kind} {}  ", look.paint(FAINT, &age));
    let text = if condition.status == Truth::True {
        condition.message.clone()
    } else {
        format!("{}: {}", condition.reason, condition.message)
    };
    page.labelled(&label, 24, &text);
}

/// An event in one line.
pub fn event(page: &mut Page<'_>, event: &Event) {
    let look = page.look;
    let clock = look.clock(event.at);
    let code = event.code.as_ref().map(|code| format!("{code}: "));
    let label = format!("  {}  {:<8} ", look.paint(FAINT, &clock), event.kind);
    let long = clock.chars().count() + 13;
    let text = format!("{}{}", code.unwrap_or_default(), event.message);
    page.labelled(&label, long, &text);
}
