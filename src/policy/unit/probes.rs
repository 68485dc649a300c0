//! `Serving`: probes with kubelet's semantics. An answer that is unknown restarts nothing.

use std::time::Duration;

use crate::model::finding::{Code, Severity, Truth, Why};
use crate::model::moment::Moment;
use crate::model::poll::Poll;
use crate::model::probe::{Latency, OnFailure, ProbeOutcome, ProbeSeen, ProbeSpec, ProbeStatus};
use crate::policy::judgement::{Judgement, finding, proven};
use crate::policy::limits;
use crate::policy::peers::Answer;

/// One probe of a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Probe {
    spec: ProbeSpec,
    seen: ProbeSeen,
    /// Wrong answers since figures were last written.
    failed: u32,
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

/// What is to be remembered of an answer.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    /// How long it took, where it counts.
    pub took: Option<Duration>,
    /// It says something of the probe: whether it was a wrong one.
    pub failed: Option<bool>,
}

impl Probe {
    fn new(spec: ProbeSpec, now: Moment) -> Self {
        Self { spec, seen: ProbeSeen::unasked(now), failed: 0 }
    }

    fn last(&self) -> Option<&ProbeOutcome> {
        self.seen.last.as_ref().map(|(_, outcome)| outcome)
    }

    fn message(&self) -> &str {
        self.last().map_or("not answered yet", |last| last.message.as_str())
    }

    /// An answer came.
    fn answered(&mut self, outcome: ProbeOutcome, asked: Asked) -> Option<Counted> {
        self.seen.poll.finish();
        if std::mem::take(&mut self.seen.outdated) {
            return None;
        }
        let Asked { now, up, begun } = asked;
        let early = begun.is_some_and(|begun| now.since(begun) < self.spec.initial_delay);
        let bad = outcome.status.is_bad();
        let counts = up && !(early && outcome.status != ProbeStatus::Healthy);
        if counts {
            self.count(&outcome, now);
            self.failed = self.failed.saturating_add(u32::from(bad));
        }
        let took = outcome.latency.filter(|_| counts);
        if let Some(took) = took.filter(|_| outcome.status == ProbeStatus::Healthy) {
            self.seen.latency.took(took);
        }
        let says = up && outcome.status != ProbeStatus::Unknown && !(early && bad);
        self.seen.last = Some((now, outcome));
        Some(Counted { took, failed: says.then_some(bad) })
    }

    /// Counts an answer; thresholds settle the status.
    fn count(&mut self, outcome: &ProbeOutcome, now: Moment) {
        let class = |status: ProbeStatus| match status {
            ProbeStatus::Healthy => 0,
            ProbeStatus::Unhealthy | ProbeStatus::Slow => 1,
            ProbeStatus::Unknown => 2,
        };
        let same = self.last().is_some_and(|last| class(last.status) == class(outcome.status));
        let seen = &mut self.seen;
        seen.in_a_row = if same { seen.in_a_row.saturating_add(1) } else { 1 };
        let threshold = match outcome.status {
            ProbeStatus::Healthy => self.spec.success_threshold,
            ProbeStatus::Unhealthy | ProbeStatus::Slow | ProbeStatus::Unknown => self.spec.failure_threshold,
        };
        if seen.in_a_row >= threshold && seen.settled != outcome.status {
            seen.settled = outcome.status;
            seen.settled_at = now;
        }
    }

    /// Forgets what was answered before. An answer that is awaited counts for nothing.
    fn forget(&mut self, now: Moment) {
        let ProbeSeen { poll, latency, .. } = std::mem::replace(&mut self.seen, ProbeSeen::unasked(now));
        self.seen.latency = latency;
        if let Poll::Running { until, .. } = poll {
            self.seen.poll = Poll::Running { until, again: Some(now) };
            self.seen.outdated = true;
        }
    }

    /// Asks where that is due. `proving`: an order waits for the answer.
    fn start(&mut self, proving: bool, now: Moment) -> Option<ProbeSpec> {
        let limit = self.spec.timeout.saturating_add(limits::PROBE_SLACK);
        if !self.seen.poll.start(now, limit) {
            return None;
        }
        let period = if proving { self.spec.period.min(limits::PROOF_PERIOD) } else { self.spec.period };
        self.seen.poll.wish(now.plus(period));
        Some(self.spec.clone())
    }

    /// It has not answered since then.
    fn is_unasked(&self, since: Moment) -> bool {
        self.seen.last.as_ref().is_none_or(|(at, _)| *at < since)
    }

    /// Its last answer was bad, and not yet often enough to count.
    fn is_unsettled(&self) -> bool {
        self.last().is_some_and(|last| last.status.is_bad()) && !self.seen.settled.is_bad()
    }

    /// It is asked at once, unless it has answered well since then.
    fn hurry(&mut self, since: Moment, now: Moment) {
        if !self.seen.poll.is_running() && (self.is_unasked(since) || self.is_unsettled()) {
            let last = self.seen.last.as_ref().map_or(now, |(at, _)| at.plus(limits::SECOND_LOOK));
            self.seen.poll.wish(last.max(now));
        }
    }

    /// When it has been silent for three of its periods, though it cannot take so long. `since`: it is asked since then.
    fn silent_at(&self, since: Moment) -> Moment {
        let last = self.seen.last.as_ref().map_or(since, |(at, _)| *at);
        // It may have been made to forget all that was answered before.
        let last = last.max(since).max(self.seen.settled_at);
        let spec = &self.spec;
        let once = spec.period.saturating_add(spec.timeout).saturating_add(limits::PROBE_SLACK);
        last.plus(once.saturating_mul(3).saturating_add(spec.initial_delay))
    }

    fn can_be_cured(&self) -> bool {
        self.spec.kind.is_curable() || self.spec.on_failure == OnFailure::Restart
    }

    /// The judgement of the unit with what this probe says.
    fn judge(&self, judgement: Judgement, severity: Severity, now: Moment) -> Judgement {
        let spec = &self.spec;
        let text = format!("probe {}: {}", spec.name, self.message());
        let times = self.seen.in_a_row;
        let found = |code, severity| {
            let evidence = vec![format!("{times} in a row, failure_threshold {}", spec.failure_threshold)];
            proven(finding(code, severity, text.clone(), now), evidence, None)
        };
        let unknown = self.last().is_some_and(|last| last.status == ProbeStatus::Unknown);
        match self.seen.settled {
            ProbeStatus::Healthy => match self.seen.latency.drift() {
                Some((median, usual)) => {
                    let message = format!(
                        "probe {}: answers in {} ms (median of the last {}), usually in {} ms",
                        spec.name,
                        median.as_millis(),
                        limits::LATENCIES,
                        usual.as_millis()
                    );
                    judgement.note(finding(Code::ProbeSlow, Severity::Warning, message, now))
                }
                None => judgement,
            },
            ProbeStatus::Unhealthy => judgement.and(found(Code::ProbeFailed, severity)),
            ProbeStatus::Slow => judgement.and(found(Code::ProbeSlow, severity)),
            ProbeStatus::Unknown if times >= spec.failure_threshold && unknown => {
                let cannot = Judgement::unknown(Why::CannotTell, Code::ProbeUnknown.as_str(), text.clone());
                judgement.or_unknown(cannot).note(found(Code::ProbeUnknown, Severity::Warning))
            }
            ProbeStatus::Unknown => judgement.or_unknown(Judgement::unknown(Why::NotRead, "waiting", text)),
        }
    }
}

impl ProbeSeen {
    fn unasked(now: Moment) -> Self {
        Self {
            last: None,
            settled: ProbeStatus::Unknown,
            settled_at: now,
            in_a_row: 0,
            poll: Poll::Due(now),
            latency: Latency::default(),
            outdated: false,
        }
    }
}

/// All probes of a unit, in the order of its file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probes(Vec<Probe>);

impl Probes {
    #[must_use]
    pub fn new(specs: &[ProbeSpec], now: Moment) -> Self {
        Self(specs.iter().map(|spec| Probe::new(spec.clone(), now)).collect())
    }

    /// Another file is in force. What is asked as before keeps what was answered.
    pub fn follow(&mut self, specs: &[ProbeSpec], now: Moment) {
        let mut before = std::mem::take(&mut self.0);
        self.0 = specs
            .iter()
            .map(|spec| match before.iter().position(|known| known.spec == *spec) {
                Some(at) => before.swap_remove(at),
                None => Probe::new(spec.clone(), now),
            })
            .collect();
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn get(&self, name: &str) -> Option<&Probe> {
        self.0.iter().find(|probe| probe.spec.name == name)
    }

    fn get_mut(&mut self, name: &str) -> Option<&mut Probe> {
        self.0.iter_mut().find(|probe| probe.spec.name == name)
    }

    #[must_use]
    pub fn spec(&self, name: &str) -> Option<&ProbeSpec> {
        self.get(name).map(|probe| &probe.spec)
    }

    /// What was seen of each, by name.
    pub fn seen(&self) -> impl Iterator<Item = (&String, &ProbeSeen)> {
        self.0.iter().map(|probe| (&probe.spec.name, &probe.seen))
    }

    /// All have answered, or there is none.
    #[must_use]
    pub fn have_answered(&self) -> bool {
        self.0.iter().all(|probe| probe.seen.last.is_some())
    }

    /// A probe answered. `None`: it does not exist, or was asked of an earlier run.
    pub fn answered(&mut self, name: &str, outcome: ProbeOutcome, asked: Asked) -> Option<Counted> {
        self.get_mut(name)?.answered(outcome, asked)
    }

    /// The answer that is here counts, whatever was forgotten while it was awaited.
    pub fn let_it_count(&mut self, name: &str) {
        if let Some(probe) = self.get_mut(name) {
            probe.seen.poll.finish();
        }
    }

    /// Forgets what was answered before: a recovery is proven by what follows.
    pub fn begin_anew(&mut self, now: Moment) {
        self.0.iter_mut().for_each(|probe| probe.forget(now));
    }

    /// Forgets what this probe answered.
    pub fn forget(&mut self, name: &str, now: Moment) {
        if let Some(probe) = self.get_mut(name) {
            probe.forget(now);
        }
    }

    /// Gives up answers that do not come. An answer to an earlier run that was awaited is awaited no more.
    pub fn expire(&mut self, now: Moment) {
        for probe in &mut self.0 {
            if probe.seen.poll.expire(now) {
                probe.seen.outdated = false;
            }
        }
    }

    /// The probes that are to be asked now; each is asked once at a time.
    pub fn start(&mut self, proving: bool, now: Moment) -> Vec<ProbeSpec> {
        self.0.iter_mut().filter_map(|probe| probe.start(proving, now)).collect()
    }

    /// Those that have not answered well since then are asked at once.
    pub fn hurry(&mut self, since: Moment, now: Moment) {
        self.0.iter_mut().for_each(|probe| probe.hurry(since, now));
    }

    /// When something is to be done about one. `up`: they are asked now.
    #[must_use]
    pub fn due(&self, up: bool) -> Option<Moment> {
        let asked = self.0.iter().filter(|probe| up || probe.seen.poll.is_running());
        asked.filter_map(|probe| probe.seen.poll.due()).min()
    }

    /// When the first of them is too late with its answer, and its name.
    #[must_use]
    pub fn silent_at(&self, since: Moment) -> Option<(Moment, &str)> {
        self.0.iter().map(|probe| (probe.silent_at(since), probe.spec.name.as_str())).min()
    }

    /// What other units may need to know of the answers.
    pub fn answers(&self) -> impl Iterator<Item = Answer> {
        self.0.iter().map(|probe| Answer {
            at: probe.seen.last.as_ref().map(|(at, _)| *at),
            bad: probe.is_unsettled().then(|| probe.message().to_owned()),
            within: limits::SECOND_LOOK
                .saturating_add(probe.spec.timeout)
                .saturating_add(limits::PROBE_SLACK),
        })
    }

    /// A probe that asks for a restart has this trouble.
    #[must_use]
    pub fn ask_for_restart(&self, code: Code) -> bool {
        self.in_trouble(code).any(|probe| probe.spec.on_failure == OnFailure::Restart)
    }

    /// A restart may put this trouble right.
    #[must_use]
    pub fn can_be_cured(&self, code: Code) -> bool {
        self.in_trouble(code).any(Probe::can_be_cured)
            || (code == Code::ProbeSlow && self.0.iter().any(|probe| probe.seen.latency.drift().is_some()))
    }

    fn in_trouble(&self, code: Code) -> impl Iterator<Item = &Probe> {
        let status = if code == Code::ProbeSlow { ProbeStatus::Slow } else { ProbeStatus::Unhealthy };
        self.0.iter().filter(move |probe| probe.seen.settled == status)
    }

    /// Every probe is answered as it should. The unit is asked now.
    #[must_use]
    pub fn judge(&self, severity: Severity, now: Moment) -> Judgement {
        let names: Vec<&str> = self.0.iter().map(|probe| probe.spec.name.as_str()).collect();
        let good = Judgement::good("healthy", format!("healthy: {}", names.join(", ")));
        self.0.iter().fold(good, |judgement, probe| probe.judge(judgement, severity, now))
    }

    /// Each probe that a restart may put right was answered healthy since `begin_anew`.
    ///
    /// # Errors
    /// Those that were not, with their last answer.
    pub fn all_healthy(&self) -> Result<String, String> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for probe in &self.0 {
            let name = &probe.spec.name;
            if probe.seen.settled == ProbeStatus::Healthy {
                let took = probe.last().and_then(|last| last.latency);
                let took = took.map_or(String::new(), |latency| format!(" ({} ms)", latency.as_millis()));
                good.push(format!("{name} healthy{took}"));
            } else if probe.can_be_cured() {
                bad.push(format!("{name}: {}", probe.message()));
            }
        }
        if !bad.is_empty() {
            return Err(bad.join("; "));
        }
        Ok(if good.is_empty() { "no probe speaks against it".to_owned() } else { good.join(", ") })
    }

    /// How many answers of each were wrong since this was asked last, a clause each.
    #[must_use]
    pub fn figures(&self) -> Vec<String> {
        let failed = self.0.iter().filter(|probe| probe.failed > 0);
        failed
            .map(|probe| {
                let answers = if probe.failed == 1 { "answer" } else { "answers" };
                format!("probe {}: {} {answers} failed", probe.spec.name, probe.failed)
            })
            .collect()
    }

    /// Figures are counted from now on.
    pub fn count_anew(&mut self) {
        self.0.iter_mut().for_each(|probe| probe.failed = 0);
    }
}

impl Judgement {
    /// A false condition stays; a true one becomes unknown.
    fn or_unknown(self, unknown: Self) -> Self {
        match self.truth {
            Truth::True => Self { findings: self.findings, ..unknown },
            Truth::False | Truth::Unknown(_) => self,
        }
    }
}
