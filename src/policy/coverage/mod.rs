//! What nobody watches: a look over the whole host, and what of it is true and worth telling. `audit` and the daemon ask the
//! same; `watch` is the daemon's part: what is new is told, once.

mod files;
mod probes;
mod routes;
mod strays;
mod supervisors;
#[cfg(test)]
mod tests;
mod timers;
mod troubles;
mod unmanaged;
mod words;

use std::sync::Arc;
use std::time::Duration;

use crate::model::boot::BootReading;
use crate::model::coverage::{Gap, Surroundings};
use crate::model::finding::{Code, Finding};
use crate::model::snapshot::{Snapshot, UnitStatus};
use crate::model::spec::{Settings, Spec};
use crate::model::unit::UnitFileState;
use crate::policy::alerts::matches;

use words::{gap, listed, span};

/// Findings of one code; what is more is counted.
const ALONE: usize = 30;
/// Lines of one finding that tells of many gaps.
const TOGETHER: usize = 40;
/// Processes outside services that one look tells of: anybody may start many, and nothing else is to be lost for them.
const STRAYS: usize = 30;
/// A probe that has not failed for so long and so many answers: it is worth asking whether it can.
const UNPROVEN: Duration = Duration::from_secs(7 * 24 * 3600);
const UNPROVEN_ANSWERS: u64 = 1000;

/// All that a look over the host found.
#[derive(Debug)]
pub struct Look<'a> {
    /// Every unit that matters, with its findings; one without a file of ours has an empty `file`.
    pub snapshot: &'a Snapshot,
    pub boot: Option<&'a BootReading>,
    /// What is managed.
    pub specs: &'a [Spec],
    pub settings: &'a Settings,
    pub around: &'a Surroundings,
}

/// A look over the whole host.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Units with a finding, and findings of the host.
    pub snapshot: Snapshot,
    /// What could not be told, and why; a sentence each.
    pub untold: Vec<String>,
    /// What is good to know and no trouble; a sentence each.
    pub notes: Vec<String>,
}

/// The page that people read: findings of units under their units, gaps as findings of the host.
#[must_use]
pub fn audit(look: &Look<'_>) -> Audit {
    let mut snapshot = look.snapshot.clone();
    let user = if snapshot.host.user_instance { " --user" } else { "" };
    snapshot.findings.extend(findings(&of_host(look)));
    for status in snapshot.units.values_mut() {
        let ours = !status.file.is_empty();
        let told = ours || !is_ignored(look, status.unit.as_str());
        let kept = if told { trouble(look, status, user) } else { Vec::new() };
        Arc::make_mut(status).findings = kept;
    }
    snapshot.units.retain(|_, status| !status.findings.is_empty());
    // One look opens no incident: nobody follows it.
    snapshot.incidents.clear();
    Audit { untold: untold(look), notes: notes(look), snapshot }
}

/// Every gap, that of units in trouble that no file manages included; each key once.
#[must_use]
pub fn gaps(look: &Look<'_>) -> Vec<Gap> {
    let user = if look.snapshot.host.user_instance { " --user" } else { "" };
    let mut gaps = of_host(look);
    for status in look.snapshot.units.values().filter(|status| status.file.is_empty()) {
        let unit = status.unit.as_str();
        for mut finding in trouble(look, status, user) {
            if !finding.message.contains(unit) {
                finding.message = format!("{unit}: {}", finding.message);
            }
            let key = format!("{} {unit}", finding.code.as_str());
            gaps.push(Gap { key, subject: unit.to_owned(), finding });
        }
    }
    gaps.retain(|gap| !is_ignored(look, &gap.subject));
    let mut keys = std::collections::BTreeSet::new();
    gaps.retain(|gap| keys.insert(gap.key.clone()));
    let stray = |gap: &Gap| gap.finding.code == Code::StrayProcess;
    gaps.sort_by_key(stray);
    let others = gaps.iter().filter(|gap| !stray(gap)).count();
    gaps.truncate(others.saturating_add(STRAYS));
    gaps
}

/// What is wrong with a unit. A timer that somebody set for once (`systemd-run --on-active`) is not to outlive a reboot.
fn trouble(look: &Look<'_>, status: &UnitStatus, user: &str) -> Vec<Finding> {
    let once = status.enablement == Some(UnitFileState::Transient) && timers::fires_once(look, &status.unit);
    let mut found = troubles::of_unit(status, look.snapshot.at, user);
    found.retain(|finding| !(once && finding.code == Code::NotEnabled));
    found
}

/// What could not be told; a sentence each.
#[must_use]
pub fn untold(look: &Look<'_>) -> Vec<String> {
    let mut untold = troubles::untold(look.snapshot, look.boot);
    untold.extend(look.around.host.missing(look.snapshot.host.user_instance));
    untold
}

fn of_host(look: &Look<'_>) -> Vec<Gap> {
    let lingering = look.boot.and_then(|reading| reading.lingering.as_ref()).filter(|known| !known.on);
    let no_linger = lingering.and_then(|off| troubles::no_linger(look.snapshot, off));
    let mut gaps = unmanaged::gaps(look);
    gaps.extend(no_linger.map(|finding| {
        let known = gap(Code::NoLinger, ("user", "no-linger"), String::new(), finding.since);
        Gap { finding, ..known }
    }));
    gaps.extend(strays::gaps(look));
    gaps.extend(supervisors::gaps(look));
    gaps.extend(files::gaps(look));
    gaps.extend(timers::gaps(look));
    gaps.extend(probes::gaps(look));
    gaps.extend(routes::gaps(look));
    gaps.retain(|gap| !is_ignored(look, &gap.subject));
    gaps
}

/// `[coverage]` of steadfast.toml leaves it alone, for now.
fn is_ignored(look: &Look<'_>, subject: &str) -> bool {
    let ignored = look.settings.ignored.as_ref().filter(|known| look.snapshot.at.wall_ms < known.until_ms);
    ignored.is_some_and(|known| known.patterns.iter().any(|pattern| matches(pattern, subject)))
}

/// Gaps as findings: those of a kind that comes in numbers are told in one.
#[must_use]
pub fn findings(gaps: &[Gap]) -> Vec<Finding> {
    let mut codes: Vec<Code> = Vec::new();
    for gap in gaps {
        if !codes.contains(&gap.finding.code) {
            codes.push(gap.finding.code);
        }
    }
    codes.into_iter().flat_map(|code| of_code(code, gaps)).collect()
}

fn of_code(code: Code, gaps: &[Gap]) -> Vec<Finding> {
    let of_it: Vec<&Gap> = gaps.iter().filter(|gap| gap.finding.code == code).collect();
    let names: Vec<&str> = of_it.iter().map(|gap| gap.subject.as_str()).collect();
    let sentence = match (code, names.len()) {
        (Code::Unmanaged, 1) => format!("1 unit is managed by nobody: {}", listed(&names)),
        (Code::Unmanaged, many) => format!("{many} units are managed by nobody: {}", listed(&names)),
        (Code::HostUnprobed, 2..) => {
            format!(
                "{} managed units listen, and no probe asks whether they answer: {}",
                names.len(),
                listed(&names)
            )
        }
        _ => return alone(&of_it),
    };
    let Some(first) = of_it.first() else {
        return Vec::new();
    };
    let lines = of_it.iter().flat_map(|gap| gap.finding.evidence.iter().cloned());
    let mut evidence: Vec<String> = lines.take(TOGETHER).collect();
    if of_it.len() > TOGETHER {
        evidence.push(format!("and {} more", of_it.len().saturating_sub(TOGETHER)));
    }
    let since = of_it.iter().map(|gap| gap.finding.since).max().unwrap_or(first.finding.since);
    vec![Finding { message: sentence, evidence, since, ..first.finding.clone() }]
}

fn alone(gaps: &[&Gap]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = gaps.iter().take(ALONE).map(|gap| gap.finding.clone()).collect();
    if let (more @ 1.., Some(last)) = (gaps.len().saturating_sub(ALONE), findings.last_mut()) {
        last.evidence.push(format!("and {more} more like this"));
    }
    findings
}

/// What is left alone on purpose, until when; and probes of which nobody knows whether they can fail.
fn notes(look: &Look<'_>) -> Vec<String> {
    let at = look.snapshot.at;
    let left = |until_ms: i64| span(at.at_wall_ms(until_ms).since(at));
    let mut notes = Vec::new();
    if let Some(ignored) = look.settings.ignored.as_ref().filter(|known| at.wall_ms < known.until_ms) {
        let patterns = ignored.patterns.join(", ");
        notes.push(format!(
            "left alone for another {}: {patterns}: {}",
            left(ignored.until_ms),
            ignored.reason
        ));
    }
    for (unit, probes) in &look.around.records {
        let unproven = |record: &&crate::model::coverage::ProbeRecord| {
            record.failures == 0
                && record.answers >= UNPROVEN_ANSWERS
                && at.since(record.asked_since) >= UNPROVEN
        };
        let names: Vec<&str> =
            probes.iter().filter(|(_, record)| unproven(record)).map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            let what = if names.len() == 1 { "has" } else { "have" };
            notes.push(format!(
                "{unit}: {} {what} answered well for {} and never failed: nobody has seen that it can",
                listed(&names),
                span(UNPROVEN)
            ));
        }
    }
    notes
}
