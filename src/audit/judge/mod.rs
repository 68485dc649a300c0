//! What of one look over the host is true and worth telling. The command and the daemon ask the same.
#![deny(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::wildcard_enum_match_arm,
    clippy::indexing_slicing
)]

mod alert_routes;
mod idle;
mod listeners;
mod look;
mod probes;
mod strays;
mod supervisors;
mod switched_off;
#[cfg(test)]
mod tests;
mod timers;
mod troubles;
mod unmanaged;
mod users;

use std::sync::Arc;
use std::time::Duration;

use crate::model::audit::{Audited, Gap, ProbeRecord};
use crate::model::finding::{Code, Finding};
use crate::model::snapshot::{Snapshot, UnitStatus};
use crate::model::span::span;
use crate::model::unit::UnitFileState;
use crate::policy::coverage::Coverage;
use crate::policy::gaps::findings;
use crate::policy::lists::listed;

pub use look::{Claim, Look, Surroundings};

/// Names that one sentence lists.
const NAMED: usize = 12;
/// Processes outside services that one look tells of: anybody may start many, and nothing else is to be lost for them.
const STRAYS: usize = 30;
/// A probe that has not failed for so long and so many answers: it is worth asking whether it can.
const UNPROVEN: Duration = Duration::from_secs(7 * 24 * 3600);
const UNPROVEN_ANSWERS: u64 = 1000;

/// A look over the whole host.
#[derive(Clone, Debug)]
pub struct Audit {
    /// Units with a finding, and findings of the host.
    pub snapshot: Snapshot,
    /// What could not be told, and why; a sentence each.
    pub untold: Vec<String>,
    /// What is good to know and no trouble; a sentence each.
    pub notes: Vec<String>,
    /// What was looked at, as the end of a sentence.
    pub looked: String,
}

/// The page that people read: findings of units under their units, gaps as findings of the host.
#[must_use]
pub fn audit(look: &Look) -> Audit {
    let mut snapshot = look.snapshot.clone();
    let coverage = Coverage::of(&look.snapshot.units, look.snapshot.host.user_instance);
    snapshot.units.retain(|_, status| !coverage.has_another_name(status));
    snapshot.findings.extend(findings(&of_host(look)));
    for status in snapshot.units.values_mut() {
        let ours = !status.file.is_empty();
        let told = ours || !look.is_ignored(status.unit.as_str());
        let kept = if told { trouble(look, status) } else { Vec::new() };
        Arc::make_mut(status).findings = kept;
    }
    snapshot.units.retain(|_, status| !status.findings.is_empty());
    // One look opens no incident: nobody follows it.
    snapshot.incidents.clear();
    Audit { untold: untold(look), notes: notes(look), looked: looked(look), snapshot }
}

/// Every gap, that of units in trouble that no file manages included; each key once.
#[must_use]
pub fn gaps(look: &Look) -> Vec<Gap> {
    let mut gaps = of_host(look);
    let coverage = Coverage::of(&look.snapshot.units, look.snapshot.host.user_instance);
    let strangers = look.snapshot.units.values().filter(|status| status.file.is_empty());
    for status in strangers.filter(|status| !coverage.has_another_name(status)) {
        let unit = status.unit.as_str();
        for mut finding in trouble(look, status) {
            if !finding.message.contains(unit) {
                finding.message = format!("{unit}: {}", finding.message);
            }
            // The same as is reported at once when it fails: one gap, one incident.
            if finding.code == Code::UnitFailed {
                finding.code = Code::HostUnitFailed;
            }
            let key = format!("{} {unit}", finding.code.as_str());
            gaps.push(Gap { key, subject: unit.to_owned(), finding });
        }
    }
    gaps.retain(|gap| !look.is_ignored(&gap.subject));
    let mut keys = std::collections::BTreeSet::new();
    gaps.retain(|gap| keys.insert(gap.key.clone()));
    let stray = |gap: &Gap| gap.finding.code == Code::StrayProcess;
    gaps.sort_by_key(stray);
    let others = gaps.iter().filter(|gap| !stray(gap)).count();
    gaps.truncate(others.saturating_add(STRAYS));
    gaps
}

/// What is wrong with a unit. A timer that somebody set for once (`systemd-run --on-active`) is not to outlive a reboot.
fn trouble(look: &Look, status: &UnitStatus) -> Vec<Finding> {
    let once = status.enablement == Some(UnitFileState::Transient) && timers::fires_once(look, &status.unit);
    let mut found = troubles::of_unit(look, status);
    found.retain(|finding| !(once && finding.code == Code::NotEnabled));
    found
}

/// The gaps, and of what they are not all.
#[must_use]
pub fn audited(look: &Look) -> Audited {
    let whole = troubles::untold(look).is_empty() && missing(look).is_empty();
    Audited { gaps: gaps(look), whole, unread: troubles::unread(look) }
}

/// What could not be told; a sentence each.
fn untold(look: &Look) -> Vec<String> {
    let mut untold = troubles::untold(look);
    untold.extend(troubles::hidden(look));
    untold.extend(missing(look));
    untold
}

/// What the look over processes and sockets left out.
fn missing(look: &Look) -> Vec<String> {
    look.around.host.missing(look.snapshot.host.user_instance)
}

fn of_host(look: &Look) -> Vec<Gap> {
    let mut gaps = unmanaged::gaps(look);
    gaps.extend(troubles::no_linger(look));
    gaps.extend(users::gaps(look));
    gaps.extend(strays::gaps(look));
    gaps.extend(supervisors::gaps(look));
    gaps.extend(switched_off::gaps(look));
    gaps.extend(timers::gaps(look));
    gaps.extend(probes::gaps(look));
    gaps.extend(alert_routes::gaps(look));
    gaps.retain(|gap| !look.is_ignored(&gap.subject));
    gaps
}

/// What an all-clear rests on.
fn looked(look: &Look) -> String {
    let count = |many: usize, what: &str| {
        if many == 1 { format!("1 {what}") } else { format!("{many} {what}s") }
    };
    let units = count(look.snapshot.units.len(), "unit");
    let processes = count(look.around.host.processes.len(), "process").replace("processs", "processes");
    let users: Vec<&str> = look.around.user_units.iter().map(|user| user.user.as_str()).collect();
    let users = match users.as_slice() {
        _ if look.snapshot.host.user_instance => String::new(),
        [] => ", no units of users".to_owned(),
        some => format!(", units of {}", listed(some, NAMED)),
    };
    format!("{units}, {processes}{users}")
}

/// What is left alone on purpose, until when; and probes of which nobody knows whether they can fail.
fn notes(look: &Look) -> Vec<String> {
    let at = look.at();
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
    notes.extend(idle::notes(look));
    for (unit, probes) in &look.around.records {
        let unproven = |record: &&ProbeRecord| {
            record.failures == 0
                && record.answers >= UNPROVEN_ANSWERS
                && at.since(record.asked_since) >= UNPROVEN
        };
        let names: Vec<&str> =
            probes.iter().filter(|(_, record)| unproven(record)).map(|(name, _)| name.as_str()).collect();
        if !names.is_empty() {
            let what = if names.len() == 1 { "has" } else { "have" };
            notes.push(format!(
                "{unit}: {} {what} answered well for {} and never failed: check that it can (steadfast drill {unit} --probe NAME)",
                listed(&names, NAMED),
                span(UNPROVEN)
            ));
        }
    }
    notes
}
