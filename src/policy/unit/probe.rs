//! One probe of a unit, with kubelet's semantics. An answer that is unknown restarts nothing.

use std::time::Duration;

use crate::model::finding::{Code, Severity, Truth, Why};
use crate::model::moment::Moment;
use crate::model::poll::Poll;
use crate::model::probe::{Figure, Latency, OnFailure, ProbeOutcome, ProbeSeen, ProbeSpec, ProbeStatus};
use crate::model::span::span;
use crate::model::trace::{Trace, micros};
use crate::policy::judgement::{Judgement, finding, proven};
use crate::policy::limits;

use super::elsewhere::Elsewhere;
use super::trend::{Growth, Trend};

/// One probe of a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    pub spec: ProbeSpec,
    pub seen: ProbeSeen,
    /// Wrong answers since figures were last written.
    pub failed: u32,
    /// It was asked sooner than its period says, as its unit has just become active.
    warming: bool,
    /// Its last good answer.
    well_at: Option<Moment>,
    /// What it measured in this run.
    trend: Trend,
    pub elsewhere: Elsewhere,
}

/// In what state the unit was when an answer came.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    pub now: Moment,
    /// Its probes run.
    pub up: bool,
    /// Since when it is active.
    pub begun: Option<Moment>,
}

impl Asked {
    /// It became active a moment ago: it may still be about to listen.
    fn is_warming_up(self) -> bool {
        self.begun.is_some_and(|begun| self.now.since(begun) < limits::WARM_UP)
    }
}

/// What is to be remembered of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// How long it took, where it counts.
    pub took: Option<Duration>,
    /// It says something of the probe: whether it was a wrong one.
    pub failed: Option<bool>,
}

impl Probe {
    pub fn new(spec: ProbeSpec, now: Moment) -> Self {
        Self {
            spec,
            seen: ProbeSeen::unasked(now),
            failed: 0,
            warming: false,
            well_at: None,
            trend: Trend::default(),
            elsewhere: Elsewhere::default(),
        }
    }

    /// What the unit uses. An answer to an earlier run counts for nothing.
    pub fn measured(&mut self, figure: Figure, now: Moment) {
        if !self.seen.outdated {
            self.trend.note(figure, now);
        }
    }

    pub fn last(&self) -> Option<&ProbeOutcome> {
        self.seen.last.as_ref().map(|(_, outcome)| outcome)
    }

    pub fn message(&self) -> &str {
        self.last().map_or("not answered yet", |last| last.message.as_str())
    }

    /// An answer came.
    pub fn answered(&mut self, outcome: ProbeOutcome, asked: Asked) -> Option<Counted> {
        self.seen.poll.finish();
        if std::mem::take(&mut self.seen.outdated) {
            return None;
        }
        let Asked { now, up, begun } = asked;
        let early = begun.is_some_and(|begun| now.since(begun) < self.spec.initial_delay);
        let bad = outcome.status.is_bad();
        let counts = up && !(early && outcome.status != ProbeStatus::Healthy);
        if counts && !self.is_too_soon(outcome.status, asked) {
            self.count(&outcome, now);
            self.failed = self.failed.saturating_add(u32::from(bad));
        }
        if std::mem::take(&mut self.warming) && self.seen.settled == ProbeStatus::Healthy {
            self.seen.poll.put_off(now.plus(self.spec.period));
        }
        if up && outcome.status == ProbeStatus::Healthy {
            self.well_at = Some(now);
        }
        if up {
            self.seen.trace.limit = self.spec.kind.limit.map(micros);
            self.seen.trace.answered(&outcome, now);
        }
        let took = outcome.latency.filter(|_| counts);
        if let Some(took) = took.filter(|_| outcome.status == ProbeStatus::Healthy) {
            self.seen.latency.took(took);
        }
        let says = up && outcome.status != ProbeStatus::Unknown && !(early && bad);
        self.seen.last = Some((now, outcome));
        Some(Counted { took, failed: says.then_some(bad) })
    }

    /// A unit that has just become active is asked more often than its period says: what does not listen yet is wrong no more
    /// often for that.
    fn is_too_soon(&self, status: ProbeStatus, asked: Asked) -> bool {
        let since = asked.now.since(self.seen.counted_at).saturating_add(limits::SECOND_LOOK);
        let again = self.last().is_some_and(|last| last.status.is_bad()) && self.seen.in_a_row > 0;
        status.is_bad() && again && asked.is_warming_up() && since < self.spec.period
    }

    /// Counts an answer; thresholds settle the status.
    fn count(&mut self, outcome: &ProbeOutcome, now: Moment) {
        let class = |status: ProbeStatus| (status.is_bad(), status == ProbeStatus::Unknown);
        let same = self.last().is_some_and(|last| class(last.status) == class(outcome.status));
        self.seen.remember(outcome.status, self.spec.failure_threshold);
        if outcome.status.is_bad() {
            self.seen.wrong = Some(outcome.message.clone());
        }
        let seen = &mut self.seen;
        seen.in_a_row = if same { seen.in_a_row.saturating_add(1) } else { 1 };
        seen.counted_at = now;
        let unknown = outcome.status == ProbeStatus::Unknown;
        seen.unknown_since = seen.unknown_since.or(Some(now)).filter(|_| unknown);
        let well = outcome.status == ProbeStatus::Healthy;
        let threshold = if well { self.spec.success_threshold } else { self.spec.failure_threshold };
        if seen.in_a_row >= threshold && seen.settled != outcome.status {
            seen.settled = outcome.status;
            seen.settled_at = now;
        }
    }

    /// Forgets what was answered before. An answer that is awaited counts for nothing.
    pub fn forget(&mut self, now: Moment) {
        let ProbeSeen { poll, latency, trace, .. } =
            std::mem::replace(&mut self.seen, ProbeSeen::unasked(now));
        (self.seen.latency, self.seen.trace) = (latency, trace);
        self.trend = Trend::default();
        if let Poll::Running { until, .. } = poll {
            self.seen.poll = Poll::Running { until, again: Some(now) };
            self.seen.outdated = true;
        }
    }

    /// Asks where that is due. `proving`: an order waits for the answer.
    pub fn start(&mut self, proving: bool, begun: Option<Moment>, now: Moment) -> Option<ProbeSpec> {
        let limit = self.spec.timeout.saturating_add(limits::PROBE_SLACK);
        if !self.seen.poll.start(now, limit) {
            return None;
        }
        let asked = Asked { now, up: true, begun };
        self.warming = !proving && asked.is_warming_up() && self.seen.settled != ProbeStatus::Healthy;
        let pace = match (proving, self.warming) {
            (true, _) => limits::PROOF_PERIOD,
            (false, true) => limits::WARM_PERIOD,
            (false, false) => self.spec.period,
        };
        self.seen.poll.wish(now.plus(self.spec.period.min(pace)));
        Some(self.spec.clone())
    }

    /// It has not answered since then.
    fn is_unasked(&self, since: Moment) -> bool {
        self.seen.last.as_ref().is_none_or(|(at, _)| *at < since)
    }

    /// It has answered well since then.
    pub fn was_well(&self, since: Moment) -> bool {
        self.well_at.is_some_and(|at| at >= since)
    }

    /// Its last answer was bad, and not yet often enough to count.
    pub fn is_unsettled(&self) -> bool {
        self.last().is_some_and(|last| last.status.is_bad()) && !self.seen.settled.is_bad()
    }

    /// The same where it may turn out to keep others from working.
    pub fn may_keep_others(&self) -> bool {
        self.is_unsettled() && self.last().is_some_and(|last| last.status.keeps_others())
    }

    /// It is asked at once, unless it has answered well since then.
    pub fn hurry(&mut self, since: Moment, now: Moment) {
        if !self.seen.poll.is_running() && (self.is_unasked(since) || self.is_unsettled()) {
            let last = self.seen.last.as_ref().map_or(now, |(at, _)| at.plus(limits::SECOND_LOOK));
            self.seen.poll.wish(last.max(now));
        }
    }

    /// When it has been silent for three of its periods, though it cannot take so long. `since`: it is asked since then.
    pub fn silent_at(&self, since: Moment) -> Moment {
        let last = self.seen.last.as_ref().map_or(since, |(at, _)| *at);
        // It may have been made to forget all that was answered before.
        let last = last.max(since).max(self.seen.settled_at);
        let spec = &self.spec;
        let once = spec.period.saturating_add(spec.timeout).saturating_add(limits::PROBE_SLACK);
        last.plus(once.saturating_mul(3).saturating_add(spec.initial_delay))
    }

    pub fn can_be_cured(&self) -> bool {
        let answers = self.last().is_none_or(|last| last.status.is_curable());
        answers && (self.spec.kind.is_curable() || self.spec.on_failure == OnFailure::Restart)
    }

    /// What it fails with, as a code.
    pub fn trouble(&self) -> Option<Code> {
        match self.seen.settled {
            ProbeStatus::Unhealthy | ProbeStatus::Unmet if self.spec.kind.resource => {
                Some(Code::ResourceHigh)
            }
            ProbeStatus::Unhealthy | ProbeStatus::Unmet | ProbeStatus::Unresolved | ProbeStatus::Squatted => {
                Some(Code::ProbeFailed)
            }
            ProbeStatus::Slow => Some(Code::ProbeSlow),
            // What goes up and down around its limit is told whenever it is above for long enough.
            ProbeStatus::Healthy if self.seen.flaky && !self.spec.kind.resource => Some(Code::ProbeFailed),
            ProbeStatus::Healthy | ProbeStatus::Unknown => None,
        }
    }

    /// Nobody who needs the unit can work: why.
    pub fn keeps_others(&self) -> Option<String> {
        let settled = self.seen.settled;
        (self.spec.vital && settled.keeps_others())
            .then(|| format!("probe {}: {}", self.spec.name, self.message()))
    }

    /// It has not been possible to ask it for a while: since when.
    pub fn unknown_since(&self) -> Option<Moment> {
        let often = self.seen.in_a_row >= self.spec.failure_threshold;
        self.seen.unknown_since.filter(|_| often && self.seen.settled == ProbeStatus::Unknown)
    }

    pub fn cannot_ask(&self) -> String {
        let why = self.message();
        format!("probe {}: cannot ask: {}", self.spec.name, why.strip_prefix("cannot ask: ").unwrap_or(why))
    }

    /// The judgement of the unit with what this probe says.
    pub fn judge(&self, judgement: Judgement, severity: Severity, now: Moment) -> Judgement {
        let name = &self.spec.name;
        let found = |code, severity, message: &str| {
            let found = finding(code, severity, message, now).about(name);
            proven(found, vec![self.counted()], None)
        };
        if let Some(code) = self.trouble() {
            let planned = self.spec.kind.planned;
            let told = found(code, if planned { Severity::Warning } else { severity }, &self.told());
            return if planned { judgement.note(told) } else { judgement.and(told) };
        }
        if let Some(since) = self.unknown_since() {
            let text = self.cannot_ask();
            let ripe = since.plus(limits::UNASKED);
            let mut unknown = found(Code::ProbeUnknown, Severity::Warning, &text);
            unknown.early = now < ripe;
            let cannot = Judgement::unknown(Why::CannotTell, Code::ProbeUnknown.as_str(), text);
            let judgement = judgement.or_unknown(cannot).note(unknown);
            return if now < ripe { judgement.until(ripe) } else { judgement };
        }
        if self.seen.settled == ProbeStatus::Unknown {
            let waits = format!("probe {name}: {}", self.message());
            return judgement.or_unknown(Judgement::unknown(Why::NotRead, "waiting", waits));
        }
        if let Some(message) = self.grows() {
            return judgement.note(found(Code::ResourceGrowing, Severity::Warning, &message));
        }
        match self.drift() {
            Some(message) => judgement.note(found(Code::ProbeSlow, Severity::Warning, &message)),
            None => judgement,
        }
    }

    /// What it says, as a finding.
    pub fn sentence(&self) -> String {
        let name = &self.spec.name;
        if self.seen.settled.is_bad() {
            return format!("probe {name}: {}", self.message());
        }
        let (failed, of) = self.seen.failures();
        let last = self.seen.wrong.as_deref().unwrap_or_default();
        format!("probe {name}: {failed} of {of} answers failed, the last: {last}")
    }

    fn counted(&self) -> String {
        let (failed, of) = self.seen.failures();
        if self.seen.flaky {
            return format!("{failed} of the last {of} answers failed");
        }
        format!("{} in a row, failure_threshold {}", self.seen.in_a_row, self.spec.failure_threshold)
    }

    /// It will be at its limit before long.
    fn grows(&self) -> Option<String> {
        let Growth { figure, grown, within, full_in } = self.trend.growth()?;
        // People are to read the same sentence for a while: in steps of a twelfth.
        let step = Duration::from_secs((full_in.as_secs() / 12).max(1));
        let full_in = Duration::from_secs(full_in.as_secs() / step.as_secs().max(1) * step.as_secs());
        Some(format!(
            "probe {}: {} of {}, {} more within {}; at this rate full in {}",
            self.spec.name,
            figure.shown(figure.value),
            figure.shown(figure.limit),
            figure.shown(grown),
            span(within),
            span(full_in)
        ))
    }

    fn drift(&self) -> Option<String> {
        let (median, usual, of) = self.seen.latency.drift()?;
        Some(format!(
            "probe {}: answers in {} ms (median of the last {of}), usually in {} ms",
            self.spec.name,
            median.as_millis(),
            usual.as_millis()
        ))
    }
}

impl ProbeSeen {
    fn unasked(now: Moment) -> Self {
        Self {
            last: None,
            settled: ProbeStatus::Unknown,
            settled_at: now,
            in_a_row: 0,
            counted_at: now,
            unknown_since: None,
            window: Default::default(),
            flaky: false,
            wrong: None,
            poll: Poll::Due(now),
            latency: Latency::default(),
            trace: Trace::default(),
            outdated: false,
        }
    }

    /// Remembers whether an answer was wrong, and whether too many of the last ones were. `row`: so many in a row fail it.
    fn remember(&mut self, status: ProbeStatus, row: u32) {
        if status == ProbeStatus::Unknown {
            return;
        }
        self.window.push_back(status.is_bad() && status != ProbeStatus::Slow);
        if self.window.len() > limits::WINDOW {
            self.window.pop_front();
        }
        let calm = self.window.iter().rev().take_while(|wrong| !**wrong).count();
        if calm >= limits::FLAKY_CALM {
            self.flaky = false;
        } else if self.fails_too_often(usize::try_from(row).unwrap_or(usize::MAX)) {
            self.flaky = true;
        }
    }

    fn fails_too_often(&self, row: usize) -> bool {
        limits::FLAKY.iter().any(|(of, one_in)| {
            let last: Vec<bool> = self.window.iter().rev().take(*of).copied().collect();
            let failed = last.iter().filter(|wrong| **wrong).count();
            let begins = last.windows(2).filter(|pair| matches!(pair, [false, true])).count();
            let stretches = begins + usize::from(last.first() == Some(&true));
            last.len() == *of
                && failed > row
                && failed.saturating_mul(*one_in) >= *of
                && stretches >= limits::FLAKY_STRETCHES
        })
    }

    /// How many answers failed, of how many, since the first of them that is remembered.
    fn failures(&self) -> (usize, usize) {
        let since: Vec<bool> = self.window.iter().skip_while(|wrong| !**wrong).copied().collect();
        (since.iter().filter(|wrong| **wrong).count(), since.len())
    }
}

impl Judgement {
    /// A false condition stays; a true one becomes unknown.
    fn or_unknown(self, unknown: Self) -> Self {
        match self.truth {
            Truth::True => Self { findings: self.findings, recheck: self.recheck, ..unknown },
            Truth::False | Truth::Unknown(_) => self,
        }
    }
}
