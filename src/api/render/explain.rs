//! `explain UNIT`: what is, why, what was done, what comes next, what to try.

use std::collections::BTreeSet;

use super::Look;
use super::details::{activity, condition, policy, probe, progress, release, step, title, transition};
use super::drill::last;
use super::overview::{due, held, switched_off};
use super::page::Page;
use super::radius::radius;
use super::style::FAINT;
use super::text::length;
use crate::api::wire::{Event, Slot, State, Truth, Unit};

/// Lines of the timeline.
const EVENTS: usize = 12;
/// Evidence stands under the message of its condition.
const EVIDENCE_INDENT: usize = 24;
/// Lines of evidence of one finding.
const EVIDENCE: usize = 12;

/// The chain of reasons of one unit.
#[must_use]
pub fn explain(look: &Look, unit: &Unit) -> String {
    let mut page = Page::new(look);
    title(&mut page, unit, "is");
    page.faint(2, &[activity(look, unit), policy(look, unit)].join(look.dot()));
    page.faint(2, &unit.file);
    chain(&mut page, unit);
    page.into_text()
}

/// The same without its title: why, what was done, what comes next, what to try.
pub fn chain(page: &mut Page<'_>, unit: &Unit) {
    reasons(page, unit);
    done(page, unit);
    next(page, unit);
    to_try(page, unit);
}

/// What does not hold first, with its evidence; then the rest of the conditions, then the facts.
fn reasons(page: &mut Page<'_>, unit: &Unit) {
    page.heading("WHY");
    let of_truth = |truth: Truth| unit.conditions.iter().filter(move |c| c.status == truth);
    let mut told = BTreeSet::new();
    for one in of_truth(Truth::False) {
        condition(page, one);
        let finding = unit.findings.iter().find(|finding| finding.code == one.reason);
        if let Some(finding) = finding.filter(|finding| told.insert(&finding.code)) {
            evidence(page, &finding.evidence);
        }
    }
    let untold = unit.findings.iter().filter(|finding| !told.contains(&finding.code));
    for finding in untold {
        let look = page.look;
        let sign = look.sign(look.of_severity(finding.severity));
        let age = format!("{:>6}", look.age(finding.since));
        let label = format!("  {sign} {:<11} {}  ", "", look.paint(FAINT, &age));
        let text = format!("{}: {}", finding.code, finding.message);
        page.labelled(&label, EVIDENCE_INDENT, &text);
        evidence(page, &finding.evidence);
    }
    for one in of_truth(Truth::Unknown).chain(of_truth(Truth::True)) {
        condition(page, one);
    }
    let look = page.look;
    let mut facts: Vec<String> = unit.last_transition.iter().map(|last| transition(look, last)).collect();
    facts.extend(unit.probes.iter().map(|one| probe(look, one)));
    facts.extend(unit.progress.iter().map(|one| progress(look, one)));
    let along = radius(&unit.preview).into_iter().filter(|(label, _)| *label == "along");
    facts.extend(along.map(|(_, text)| format!("a restart takes along {text}")));
    facts.extend(unit.release.iter().flat_map(|one| release(look, one)));
    facts.extend(
        unit.explained_by
            .as_ref()
            .map(|cause| format!("explained by {cause}, which this unit needs and which is not well")),
    );
    if !facts.is_empty() {
        page.gap();
    }
    for fact in facts {
        page.labelled("  ", 2, &fact);
    }
}

fn evidence(page: &mut Page<'_>, lines: &[String]) {
    for line in lines.iter().take(EVIDENCE) {
        page.faint(EVIDENCE_INDENT, line);
    }
    let more = lines.len().saturating_sub(EVIDENCE);
    if more > 0 {
        page.faint(EVIDENCE_INDENT, &format!("{} and {more} more", page.look.ellipsis()));
    }
}

/// Events that say the same, told once where they were told last.
struct Told<'a> {
    event: &'a Event,
    times: usize,
    first: crate::api::wire::Time,
}

fn merged(events: &[Event]) -> Vec<Told<'_>> {
    let mut told: Vec<Told<'_>> = Vec::new();
    for event in events {
        let same = told.iter().position(|earlier| {
            let earlier = earlier.event;
            (&earlier.kind, &earlier.code, &earlier.message) == (&event.kind, &event.code, &event.message)
        });
        let earlier = same.map(|position| told.remove(position));
        told.push(Told {
            event,
            times: earlier.as_ref().map_or(1, |earlier| earlier.times + 1),
            first: earlier.map_or(event.at, |earlier| earlier.first),
        });
    }
    let first = told.len().saturating_sub(EVENTS);
    told.split_off(first)
}

fn done(page: &mut Page<'_>, unit: &Unit) {
    let look = page.look;
    page.heading("WHAT STEADFAST DID");
    if unit.events.is_empty() {
        page.faint(2, "nothing, as far as it remembers");
    }
    let acts: Vec<Event> = unit.events.iter().filter(|event| event.kind != "measured").cloned().collect();
    for told in merged(&acts) {
        let event = told.event;
        let clock = look.clock(event.at);
        let mut text = event.code.as_ref().map_or(String::new(), |code| format!("{code}: "));
        text.push_str(&event.message);
        if told.times > 1 {
            let over = length(event.at.0.saturating_sub(told.first.0));
            text.push_str(&format!(" (x{} over {over})", told.times));
        }
        let label = format!("  {}  {:<8} ", look.paint(FAINT, &clock), event.kind);
        page.labelled(&label, clock.chars().count() + 13, &text);
    }
    if let Some(drill) = &unit.drill {
        page.labelled("  ", 2, &format!("last drill: {}", last(look, drill)));
    }
    if let Some(last) = unit.last_action.as_ref().filter(|_| unit.recovery.is_none()) {
        page.labelled(
            "  ",
            2,
            &format!("last order: {} at {}: {}", last.action, look.clock(last.at), last.outcome),
        );
        for one in &last.steps {
            page.labelled("    ", 4, &step(look, one));
        }
    }
}

fn next(page: &mut Page<'_>, unit: &Unit) {
    page.heading("WHAT COMES NEXT");
    for line in coming(page.look, unit) {
        page.labelled("  ", 2, &line);
    }
}

/// What will be done and when, or why nothing is.
#[must_use]
pub fn coming(look: &Look, unit: &Unit) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(recovery) = &unit.recovery {
        let because = recovery.because.as_deref().unwrap_or("a person asked");
        lines.push(format!(
            "{} runs for {}, because {because}; now: {}, given up {}",
            recovery.action,
            look.age(recovery.began_at),
            recovery.phase,
            look.ahead(recovery.phase_due)
        ));
        lines.extend(recovery.steps.iter().map(|one| format!("  {}", step(look, one))));
    }
    lines.extend(unit.disabled.as_ref().map(|off| {
        let until = look.ahead(off.until);
        format!("{}; back in force by itself {until}", switched_off(look, off))
    }));
    lines.extend(unit.hold.as_ref().map(|hold| format!("held {}", held(look, hold))));
    if let Some(quarantine) = &unit.quarantine {
        lines.push(format!(
            "quarantined (round {}): one more try at {}, {}",
            quarantine.round,
            look.clock(quarantine.retry_at),
            look.ahead(quarantine.retry_at)
        ));
    }
    lines.extend(unit.slot.as_ref().and_then(|slot| slot_line(look, slot)));
    if let Some(next) = unit.next_action.as_ref().filter(|_| unit.disabled.is_none()) {
        let due = due(look, unit, next.due_at);
        let when = if due == "waits" { due } else { format!("at {} ({due})", look.clock(next.due_at)) };
        lines.push(format!("{} {when}, because {}", next.action, next.because));
    }
    // A hold, and the file's own end, say it already.
    let told = unit.hold.is_some() || unit.disabled.is_some();
    let blocked = unit.blocked.as_ref().filter(|_| !told);
    lines.extend(blocked.map(|why| format!("not now: {why}")));
    if lines.is_empty() {
        lines.push(idle(unit).to_owned());
    }
    let restarts = &unit.restarts;
    if restarts.spent > 0 {
        let interval = i64::try_from(restarts.interval_s).unwrap_or(i64::MAX);
        let interval = length(interval.saturating_mul(1000));
        lines.push(format!(
            "budget: {} of {} restarts spent within {interval}",
            restarts.spent, restarts.burst
        ));
    }
    lines
}

/// A slot that it has, and what ends that.
fn slot_line(look: &Look, slot: &Slot) -> Option<String> {
    let ends = match (slot.state.as_str(), slot.used) {
        ("held", true) => {
            "it keeps it until it is proven to work: meanwhile no other host is restarted in its place"
        }
        ("held", false) => "it is given back when the restart is proven",
        ("leaving", _) => "it is being given back",
        _ => return None,
    };
    Some(format!("has a slot of the fleet group {} since {}; {ends}", slot.group, look.age(slot.since)))
}

/// Why there is nothing to come.
fn idle(unit: &Unit) -> &'static str {
    match unit.state {
        State::Ok => "nothing: all is well; Steadfast goes on reading it",
        State::Disabled => "nothing: the unit's file is switched off",
        State::Unknown => "nothing until the state of the unit is known",
        State::Degraded | State::Down | State::Recovering | State::Held | State::Quarantined => {
            if unit.findings.is_empty() && unit.state == State::Down {
                "nothing now: what it waits for is shown above"
            } else if unit.mode == "observe" {
                "nothing: mode = \"observe\" only reports"
            } else {
                "nothing by itself: this needs a person"
            }
        }
    }
}

fn to_try(page: &mut Page<'_>, unit: &Unit) {
    let mut lines: Vec<String> = Vec::new();
    let mut add = |line: String| {
        if !lines.contains(&line) {
            lines.push(line);
        }
    };
    let name = &unit.unit;
    let program = page.look.program();
    if let Some(cause) = &unit.explained_by {
        add(format!("{program} explain {cause}"));
    }
    // What an order in flight does needs no second hand.
    let repairs = unit.findings.iter().filter(|_| unit.state != State::Recovering);
    repairs.filter_map(|found| found.repair.clone()).for_each(&mut add);
    match unit.state {
        State::Ok | State::Disabled => {}
        State::Held | State::Quarantined => add(format!("{program} resume {name}")),
        // A release that fails its smoke test is mended, or the link pointed back: nothing is to be restarted.
        State::Down | State::Degraded if unit.findings.iter().any(|found| found.code == "smoke-failed") => {}
        State::Down | State::Degraded if unit.preview.refused.is_none() => {
            add(format!("{program} recover {name}"));
        }
        State::Down | State::Degraded => {}
        State::Recovering => add(format!("{program} status {name} --watch")),
        State::Unknown => add(format!("{program} check {name}")),
    }
    if ![State::Ok, State::Disabled].contains(&unit.state) {
        let user = if page.look.user { " --user" } else { "" };
        add(format!("journalctl{user} -u {name} -n 50"));
    }
    unit.runbook.iter().cloned().for_each(&mut add);
    if lines.is_empty() {
        return;
    }
    page.heading("TRY");
    for line in lines {
        // A command stays in one line, so that it can be copied.
        page.line(&format!("  {line}"));
    }
}
