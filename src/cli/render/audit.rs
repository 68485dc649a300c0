//! `audit`: what is wrong on the whole host, by severity, each with what repairs it.

use super::Look;
use super::page::Page;
use super::style::{FAINT, STRONG};
use super::text::count;
use crate::api::wire::{Finding, Severity, Status};

/// Lines of evidence of one finding.
const EVIDENCE: usize = 6;

/// All findings, those of units included.
#[must_use]
pub fn audit(look: &Look, status: &Status) -> String {
    let mut page = Page::new(look);
    let all: Vec<&Finding> = findings(status).collect();
    if all.is_empty() {
        let good = look.sign(look.of_state(crate::api::wire::State::Ok));
        let text = "nothing to report: what runs is enabled, and boot will bring it back.";
        page.line(&format!("{good} {}: {text}", status.host));
        return page.into_text();
    }
    for severity in [Severity::Critical, Severity::Warning] {
        let some: Vec<&&Finding> = all.iter().filter(|f| f.severity == severity).collect();
        if some.is_empty() {
            continue;
        }
        page.heading(match severity {
            Severity::Critical => "CRITICAL",
            Severity::Warning => "WARNING",
        });
        for finding in some {
            self::finding(&mut page, finding);
        }
    }
    page.gap();
    let critical = all
        .iter()
        .filter(|f| f.severity == Severity::Critical)
        .count();
    let summary = format!(
        "{}: {} critical, {}",
        status.host,
        critical,
        count(all.len() - critical, "warning")
    );
    page.line(&summary);
    page.into_text()
}

/// Of the host, then of each unit.
pub fn findings(status: &Status) -> impl Iterator<Item = &Finding> {
    let of_units = status.units.iter().flat_map(|unit| &unit.findings);
    status.findings.iter().chain(of_units)
}

fn finding(page: &mut Page<'_>, finding: &Finding) {
    let look = page.look;
    let sign = look.sign(look.of_severity(finding.severity));
    let code = look.paint(STRONG, &finding.code);
    let label = format!("  {sign} {code}  ");
    let long = finding.code.chars().count() + 6;
    page.labelled(&label, long, &finding.message);
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
