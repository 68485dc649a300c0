//! `baseline`: what differs, by gravity, each with what repairs it; what is kept, and what is in one.

use super::Look;
use super::page::Page;
use super::style::{FAINT, STRONG, Sign};
use super::text::{clean, count};
use crate::api::wire::{
    BaselineDiff, BaselineDifference, BaselineGravity, BaselineList, Severity, State, Time, Truth,
};
use crate::model::baseline::Baseline;
use crate::model::unit::ActiveState;

/// Lines of evidence of one difference.
const EVIDENCE: usize = 6;

/// All that differs. `told`: what the daemon answered.
#[must_use]
pub fn compared(look: &Look, found: &BaselineDiff, told: Option<&str>) -> String {
    let mut page = Page::new(look);
    let worse = |one: &&BaselineDifference| one.gravity > BaselineGravity::Note;
    let bad = found.differences.iter().filter(worse).count();
    let now = found.after.name == "now";
    for (gravity, title) in [
        (BaselineGravity::Critical, "CRITICAL"),
        (BaselineGravity::Warning, "WARNING"),
        (BaselineGravity::Note, "CHANGED"),
    ] {
        let some: Vec<_> = found.differences.iter().filter(|one| one.gravity == gravity).collect();
        if !some.is_empty() {
            page.heading(title);
        }
        for one in some {
            difference(&mut page, one);
        }
    }
    if !found.untold.is_empty() {
        page.heading(look.not_known());
        for sentence in &found.untold {
            page.labelled(&format!("  {} ", look.sign(look.of_truth(Truth::Unknown))), 4, sentence);
        }
    }
    for sentence in &found.beyond {
        page.gap();
        page.faint(2, &format!("not compared: {sentence}"));
    }
    page.gap();
    let since = Time(found.before.taken_at.0);
    let reboot = if found.rebooted { ", and a reboot since" } else { "" };
    let with = format!("{} (taken {} ago{reboot})", found.before.name, look.age(since));
    if bad == 0 && found.untold.is_empty() {
        let good = look.sign(look.of_state(State::Ok));
        let what = if now { found.host.clone() } else { found.after.name.clone() };
        page.line(&format!("{good} {what}: nothing is worse than in {with}."));
    } else {
        let critical =
            found.differences.iter().filter(|one| one.gravity == BaselineGravity::Critical).count();
        let counts = format!("{critical} critical, {}", count(bad.saturating_sub(critical), "warning"));
        page.line(&format!("{}: {counts}, compared with {with}", found.host));
    }
    next(&mut page, bad, now, told);
    page.into_text()
}

/// What to do now.
fn next(page: &mut Page<'_>, bad: usize, now: bool, told: Option<&str>) {
    let program = page.look.program();
    if let Some(told) = told {
        page.line(&format!("the daemon says: {told}"));
    }
    if bad > 0 && now {
        page.line(&format!(
            "next: repair it and run this again; if it is intended: {program} baseline accept"
        ));
    }
}

fn difference(page: &mut Page<'_>, one: &BaselineDifference) {
    let look = page.look;
    let sign = match one.gravity {
        BaselineGravity::Critical => look.of_severity(Severity::Critical),
        BaselineGravity::Warning => look.of_severity(Severity::Warning),
        BaselineGravity::Note => Sign { sign: look.dot().trim(), style: FAINT },
    };
    let sign = look.sign(sign);
    page.labelled(&format!("  {sign} "), 4, &one.message);
    for line in one.evidence.iter().take(EVIDENCE) {
        page.faint(6, line);
    }
    if let Some(repair) = &one.repair {
        // A command stays in one line, so that it can be copied.
        let arrow = look.paint(FAINT, look.arrow());
        page.line(&format!("      {arrow} {repair}"));
    }
}

/// Those that are kept, newest first.
#[must_use]
pub fn list(look: &Look, found: &BaselineList) -> String {
    let mut page = Page::new(look);
    let all = &found.baselines;
    if all.is_empty() {
        page.line(&format!("no baseline is kept; take one: {} baseline save", look.program()));
        return page.into_text();
    }
    let widest = |cell: fn(&crate::api::wire::BaselineHead) -> usize| all.iter().map(cell).max().unwrap_or(0);
    let (name, by) = (widest(|head| head.name.len()).max(4), widest(|head| head.by.len()).max(2));
    let heading = format!("{:<name$}  {:<19}  {:>8}  {:<by$}  BEFORE", "NAME", "TAKEN", "AGE", "BY");
    page.line(&look.paint(STRONG, &heading));
    for head in all {
        let at = head.taken_at.timestamp().to_zoned(look.zone.clone());
        let at = at.strftime("%Y-%m-%d %H:%M:%S").to_string();
        let before = head.before.as_deref().unwrap_or_default();
        let age = look.age(head.taken_at);
        page.line(&format!("{:<name$}  {at}  {age:>8}  {:<by$}  {before}", head.name, head.by));
    }
    page.into_text()
}

/// What is in one: every unit that ran or was enabled, and every port.
#[must_use]
pub fn picture(look: &Look, baseline: &Baseline) -> String {
    let mut page = Page::new(look);
    let head = &baseline.head;
    let at = look.clock(Time(head.taken_ms));
    let title = format!("{} of {}, taken {at} by {}", head.name, head.host, head.by);
    page.line(&look.paint(STRONG, &clean(&title)));
    page.heading("UNITS");
    let widest = baseline.units.keys().map(|name| name.chars().count()).max().unwrap_or(0);
    for (name, unit) in &baseline.units {
        let state = format!("{} ({})", unit.active.as_str(), unit.sub);
        let boot = unit.boot.as_ref().map_or("unknown", |verdict| verdict.as_str());
        let enabled = if unit.enablement.is_empty() { "-" } else { &unit.enablement };
        let managed = if unit.managed { "  managed" } else { "" };
        let line = format!("  {name:<widest$}  {state:<20}  {enabled:<15}  boot: {boot}{managed}");
        let line = clean(&line);
        let quiet = unit.active == ActiveState::Inactive;
        page.line(&if quiet { look.paint(FAINT, &line) } else { line });
        for release in &unit.releases {
            let target = release.target.as_deref().unwrap_or("nowhere");
            page.faint(4, &clean(&format!("{} {} {target}", release.link, look.arrow())));
        }
    }
    page.heading("PORTS");
    for port in &baseline.ports {
        let holder = port.unit.as_ref().map_or_else(|| port.program.clone(), ToString::to_string);
        let line = format!("  {:<4}  {:<40}  {holder}", port.protocol.as_str(), port.address);
        page.line(&clean(&line));
    }
    if !baseline.strays.is_empty() {
        page.heading("OUTSIDE EVERY SERVICE");
        for stray in &baseline.strays {
            page.line(&clean(&format!("  {} (uid {}, {})", stray.command, stray.uid, stray.place)));
        }
    }
    page.gap();
    page.line(&format!("{} installed", count(baseline.packages.len(), "package")));
    for sentence in baseline.untold.iter().chain(&baseline.beyond) {
        page.line(&format!("not in it: {}", clean(sentence)));
    }
    page.into_text()
}
