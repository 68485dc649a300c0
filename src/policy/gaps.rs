//! The looks over the whole host for what nobody watches: when they are due, and what is told of what they find. A gap is
//! told once, as long as it is there; what is new in one look is one incident.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::action::Action;
use crate::model::audit::{Audited, Gap, ProbeRecord};
use crate::model::finding::{Code, Finding};
use crate::model::incident::{EventKind, Incident};
use crate::model::moment::Moment;
use crate::model::poll::Poll;
use crate::model::unit::UnitName;
use crate::policy::effects::Outbox;
use crate::policy::limits;
use crate::policy::lists::listed;

/// Names that one sentence lists.
const NAMED: usize = 12;
/// Findings of one code; what is more is counted.
const ALONE: usize = 30;
/// Lines of one finding that is about many gaps.
const TOGETHER: usize = 40;

/// What is remembered of each probe of each unit.
pub type Records = BTreeMap<UnitName, BTreeMap<String, ProbeRecord>>;

/// What the looks found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gaps {
    /// How often; `None`: never.
    every: Option<Duration>,
    poll: Poll,
    /// What the last look found; `None`: there was none yet.
    known: Option<Vec<Gap>>,
    /// The same as findings of the host.
    findings: Vec<Finding>,
    /// Units that are failed and managed by nobody, as they are told at once; `None`: not told yet.
    failed: Option<Vec<Gap>>,
    /// Units that are failed and not told of here: a file manages them, or they are left out.
    away: Vec<Gap>,
    /// Why the last look could not be had.
    failure: Option<String>,
    out: Outbox,
}

/// What is to become of incidents after a look.
#[derive(Debug, Default)]
pub struct Settled {
    /// Of each open incident of which something is gone.
    pub ended: Vec<Ended>,
    /// What is new: the incident to open, and its gaps.
    pub new: Option<(Finding, Vec<Gap>)>,
}

/// What is gone of one incident's gaps.
#[derive(Debug)]
pub struct Ended {
    pub incident: u64,
    pub gone: Vec<String>,
    /// Empty: it is over.
    pub left: Vec<String>,
}

impl Gaps {
    pub fn out(&mut self) -> &mut Outbox {
        &mut self.out
    }

    /// What is found, as findings of the host.
    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// When something of this is due.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        self.poll.due()
    }

    /// The configuration was read: what it says of looks is in force, and what it manages is looked at anew.
    pub fn configure(&mut self, every: Option<Duration>, started_at: Moment, now: Moment) {
        let Some(period) = every else {
            let (out, failed) = (std::mem::take(&mut self.out), self.failed.take());
            *self = Self { out, failed, ..Self::default() };
            self.show();
            return;
        };
        self.every = every;
        let first = started_at.plus(limits::FIRST_AUDIT.min(period));
        let known = self.known.is_some();
        self.poll.wish(if known { now.plus(limits::AUDIT_SETTLE.min(period)) } else { first.max(now) });
    }

    /// Units came or went: what they are is looked at once that is over.
    pub fn soon(&mut self, now: Moment) {
        if let Some(every) = self.every.filter(|_| self.known.is_some()) {
            self.poll.wish(now.plus(limits::FIRST_AUDIT.min(every)));
        }
    }

    /// A look is under way and does not end.
    #[must_use]
    pub fn is_overdue(&self, now: Moment) -> bool {
        matches!(self.poll, Poll::Running { until, .. } if until <= now)
    }

    /// Whether a look is to begin. `reachable`: systemd answers; else it is put off.
    pub fn poll(&mut self, reachable: bool, now: Moment) -> bool {
        let Poll::Due(due) = self.poll else {
            return false;
        };
        if !reachable && due <= now {
            self.poll = Poll::Due(now.plus(limits::FIRST_AUDIT));
        }
        self.poll.start(now, limits::AUDIT_LIMIT)
    }

    /// Orders the look.
    pub fn look(&mut self, records: Records) {
        self.out.act(Action::AuditHost { records });
    }

    /// A look ended. `open`: incidents of gaps that are open.
    pub fn audited(&mut self, result: Result<Audited, String>, open: &[&Incident], now: Moment) -> Settled {
        self.poll.finish();
        let Some(every) = self.every else {
            return Settled::default();
        };
        let Audited { gaps, whole, unread } = match result {
            Ok(audited) => audited,
            Err(why) => {
                self.poll.wish(now.plus(limits::AUDIT_RETRY.min(every)));
                if self.failure.replace(why.clone()).is_none() {
                    self.out.file(None, EventKind::Notice, format!("cannot audit the host: {why}"));
                }
                return Settled::default();
            }
        };
        self.failure = None;
        self.poll.wish(now.plus(every));
        let before = self.known.take().unwrap_or_default();
        let is_found = |known: &Gap| gaps.iter().any(|gap| gap.key == known.key);
        // The key of what is wrong with a unit ends with its name.
        let hidden = |key: &str| {
            key.rsplit(' ').next().is_some_and(|name| unread.iter().any(|unit| unit.as_str() == name))
        };
        let open_still = |known: &Gap| (!whole || hidden(&known.key)) && !is_found(known);
        let kept: Vec<Gap> = before.into_iter().filter(open_still).collect();
        let mut all: Vec<Gap> = gaps.iter().cloned().chain(kept).take(limits::GAPS).collect();
        // What is failed is told at once, and no look knows it better.
        if let Some(failed) = &self.failed {
            all.retain(|gap| gap.finding.code != Code::HostUnitFailed);
            all.extend(failed.iter().cloned());
        }
        // What is beyond the limit is there all the same.
        let failed = self.failed.iter().flatten();
        let there: BTreeSet<&str> = gaps.iter().chain(failed).map(|gap| gap.key.as_str()).collect();
        let over = |key: &String| !there.contains(key.as_str()) && !hidden(key);
        let ended = if whole { ended(open, over) } else { Vec::new() };
        let is_over = |id: u64| ended.iter().any(|known| known.incident == id && known.left.is_empty());
        let known: BTreeSet<&String> = open
            .iter()
            .filter(|incident| !is_over(incident.id))
            .flat_map(|incident| &incident.gaps)
            .collect();
        let new: Vec<Gap> = all.iter().filter(|gap| !known.contains(&gap.key)).cloned().collect();
        self.known = Some(all);
        self.show();
        Settled { ended, new: digest(&new, now).map(|digest| (digest, new)) }
    }

    /// Units that are told to be failed and managed by nobody.
    pub fn told_failed(&self) -> impl Iterator<Item = &str> {
        self.failed.iter().flatten().map(|gap| gap.subject.as_str())
    }

    /// All units that are failed, told of here or not; `None`: not read yet.
    #[must_use]
    pub fn all_failed(&self) -> Option<Vec<Gap>> {
        self.failed.as_ref().map(|told| told.iter().chain(&self.away).cloned().collect())
    }

    /// These units are failed now; those `away` are not told of here: a file manages them, and they have findings of their own, or
    /// they are left out. `open`: incidents of gaps that are open.
    pub fn failed(
        &mut self,
        (units, away): (Vec<Gap>, Vec<Gap>),
        open: &[&Incident],
        now: Moment,
    ) -> Settled {
        self.away = away;
        let told: BTreeSet<&String> = open.iter().flat_map(|incident| &incident.gaps).collect();
        let new: Vec<Gap> = units.iter().filter(|gap| !told.contains(&gap.key)).cloned().collect();
        let there: BTreeSet<&str> = units.iter().map(|gap| gap.key.as_str()).collect();
        let over =
            |key: &String| key.starts_with(Code::HostUnitFailed.as_str()) && !there.contains(key.as_str());
        let ended = ended(open, over);
        if let Some(known) = &mut self.known {
            known.retain(|gap| gap.finding.code != Code::HostUnitFailed);
            known.extend(units.iter().cloned());
        }
        self.failed = Some(units);
        self.show();
        Settled { ended, new: digest(&new, now).map(|digest| (digest, new)) }
    }

    /// What is known now is shown as findings.
    fn show(&mut self) {
        let known = self.known.as_ref().or(self.failed.as_ref());
        self.findings = known.map(|gaps| findings(gaps)).unwrap_or_default();
    }

    /// Writes down what is new, under the incident that was opened for it.
    pub fn opened(&mut self, incident: u64, new: Vec<Gap>) {
        for gap in new.into_iter().take(limits::GAPS_TOLD) {
            let code = Some(gap.finding.code);
            self.out.file_code(Some(incident), (EventKind::Found, code), gap.finding.message);
        }
    }
}

/// What is over, by incident.
fn ended(open: &[&Incident], over: impl Fn(&String) -> bool) -> Vec<Ended> {
    let of = |incident: &&Incident| {
        let (gone, left) = incident.gaps.iter().cloned().partition(&over);
        Ended { incident: incident.id, gone, left }
    };
    open.iter().map(of).filter(|ended: &Ended| !ended.gone.is_empty()).collect()
}

/// All that is new in one sentence, a line for each.
fn digest(new: &[Gap], now: Moment) -> Option<Finding> {
    // The last of equals is taken: the first in reverse.
    let first = new.iter().rev().max_by_key(|gap| gap.finding.severity)?;
    let cause = Finding { since: now, ..first.finding.clone() };
    if new.len() == 1 {
        return Some(cause);
    }
    let mut counts: BTreeMap<Code, usize> = BTreeMap::new();
    for gap in new {
        let count = counts.entry(gap.finding.code).or_default();
        *count = count.saturating_add(1);
    }
    let counted: Vec<String> =
        counts.iter().map(|(code, count)| format!("{count} {}", code.as_str())).collect();
    let mut evidence: Vec<String> =
        new.iter().take(limits::EVIDENCE_LINES).map(|gap| gap.finding.message.clone()).collect();
    if new.len() > limits::EVIDENCE_LINES {
        evidence.push(format!("and {} more", new.len().saturating_sub(limits::EVIDENCE_LINES)));
    }
    let message = format!("{} gaps on this host: {}", new.len(), counted.join(", "));
    Some(Finding { message, evidence, repair: Some("steadfast audit".to_owned()), ..cause })
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
        (Code::Unmanaged, 1) => format!("1 unit is not managed: {}", listed(&names, NAMED)),
        (Code::Unmanaged, many) => format!("{many} units are not managed: {}", listed(&names, NAMED)),
        (Code::HostUnprobed, 2..) => {
            format!(
                "{} managed units listen, and no probe asks whether they answer: {}",
                names.len(),
                listed(&names, NAMED)
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
