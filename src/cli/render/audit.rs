//! `audit`: what is wrong on the whole host, by severity, each with what repairs it.

use super::Look;
use super::page::Page;
use super::style::{FAINT, STRONG};
use super::text::count;
use crate::api::wire::{Finding, Severity, Status, Time, Truth};

/// Lines of evidence of one finding.
const EVIDENCE: usize = 41;

/// A finding that began so long before the look tells since when.
const OLD_MS: i64 = 60_000;

/// All findings, those of units included, what could not be told, what is good to know, and what was looked at.
#[must_use]
pub fn audit(look: &Look, status: &Status, untold: &[String], (notes, looked): (&[String], &str)) -> String {
    let mut page = Page::new(look);
    let all: Vec<(Option<&str>, &Finding)> = findings(status).collect();
    if all.is_empty() && untold.is_empty() {
        let good = look.sign(look.of_state(crate::api::wire::State::Ok));
        let text = "nothing to report: what runs is enabled, and boot will bring it back";
        page.line(&format!("{good} {}: {text} (looked at {looked}).", status.host));
        self::notes(&mut page, notes);
        return page.into_text();
    }
    for severity in [Severity::Critical, Severity::Warning] {
        let some: Vec<_> = all.iter().filter(|(_, f)| f.severity == severity).collect();
        let Some(widest) = some.iter().map(|(_, f)| f.code.chars().count()).max() else {
            continue;
        };
        page.heading(match severity {
            Severity::Critical => "CRITICAL",
            Severity::Warning => "WARNING",
        });
        for (unit, finding) in some {
            self::finding(&mut page, *unit, finding, widest, status.generated_at);
        }
    }
    if !untold.is_empty() {
        page.heading(look.not_known());
        let sign = look.sign(look.of_truth(Truth::Unknown));
        for sentence in untold {
            page.labelled(&format!("  {sign} "), 4, sentence);
        }
    }
    self::notes(&mut page, notes);
    page.gap();
    let critical = all.iter().filter(|(_, f)| f.severity == Severity::Critical).count();
    let summary =
        format!("{}: {} critical, {}", status.host, critical, count(all.len() - critical, "warning"));
    page.line(&summary);
    page.into_text()
}

fn notes(page: &mut Page<'_>, notes: &[String]) {
    if notes.is_empty() {
        return;
    }
    page.heading("NOTES");
    for note in notes {
        page.labelled("  ", 2, note);
    }
}

/// Of the host, then of each unit, with the unit's name.
pub fn findings(status: &Status) -> impl Iterator<Item = (Option<&str>, &Finding)> {
    let of_host = status.findings.iter().map(|finding| (None, finding));
    let of_units = status.units.iter().flat_map(|unit| {
        let findings = unit.findings.iter();
        findings.map(|finding| (Some(unit.unit.as_str()), finding))
    });
    of_host.chain(of_units)
}

fn finding(page: &mut Page<'_>, unit: Option<&str>, finding: &Finding, widest: usize, now: Time) {
    let look = page.look;
    let sign = look.sign(look.of_severity(finding.severity));
    let code = look.paint(STRONG, &format!("{:<widest$}", finding.code));
    let label = format!("  {sign} {code}  ");
    let mut text = match unit.filter(|unit| !finding.message.contains(unit)) {
        Some(unit) => format!("{unit}: {}", finding.message),
        None => finding.message.clone(),
    };
    // A look dates what it does not know the beginning of to its own time.
    if now.0.saturating_sub(finding.since.0) >= OLD_MS {
        text.push_str(&format!(" (for {})", look.age(finding.since)));
    }
    page.labelled(&label, widest + 6, &text);
    for line in finding.evidence.iter().take(EVIDENCE) {
        page.faint(6, line);
    }
    let more = finding.evidence.len().saturating_sub(EVIDENCE);
    if more > 0 {
        page.faint(6, &format!("{} and {more} more", look.ellipsis()));
    }
    if let Some(repair) = &finding.repair {
        // A command stays in one line, so that it can be copied.
        let arrow = look.paint(FAINT, look.arrow());
        page.line(&format!("      {arrow} {repair}"));
    }
}
