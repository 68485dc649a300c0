//! One source of progress of a unit: what was sampled, what follows from it, and how it is said.

use crate::model::finding::{Code, Finding, Severity};
use crate::model::moment::Moment;
use crate::model::poll::Poll;
use crate::model::probe::OnFailure;
use crate::model::progress::{Drain, ProgressSeen, ProgressSpec, Sample};
use crate::model::span::span;
use crate::model::trace::{Trace, bounded};
use crate::policy::judgement::{finding, proven};
use crate::policy::limits;

/// One source of progress of a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    pub spec: ProgressSpec,
    pub seen: ProgressSeen,
}

impl Queue {
    pub fn new(spec: ProgressSpec, now: Moment) -> Self {
        Self { spec, seen: ProgressSeen::unasked(now) }
    }

    /// A sample came, or why none did.
    pub fn sampled(&mut self, answer: Result<Sample, String>, now: Moment) {
        self.seen.poll.finish();
        // A queue that nobody has made yet cannot be asked; one that was there and is gone is something else.
        let answer = match answer {
            Ok(Sample { missing: Some(why), .. }) if !self.seen.existed => Err(why),
            other => other,
        };
        match &answer {
            Ok(sample) => self.count(sample, now),
            Err(_) => {
                self.seen.unanswered = self.seen.unanswered.saturating_add(1);
                self.seen.unanswered_since.get_or_insert(now);
            }
        }
        self.seen.last = Some((now, answer));
    }

    fn count(&mut self, sample: &Sample, now: Moment) {
        let seen = &mut self.seen;
        (seen.unanswered, seen.unanswered_since) = (0, None);
        if sample.missing.is_some() {
            seen.missing = seen.missing.saturating_add(1);
            return;
        }
        let in_a_row =
            |count: &mut u32, holds: bool| *count = if holds { count.saturating_add(1) } else { 0 };
        // The first sample says how many there are, and not that any was completed.
        let moved = seen.known.as_ref().is_some_and(|before| sample.is_progress_since(before));
        if moved || !sample.demand() {
            seen.moved_at = now;
        }
        if sample.depth == 0 {
            seen.waits_since = now;
        }
        seen.shown_well |= !sample.demand() || moved;
        let first = seen.known.is_none();
        in_a_row(&mut seen.unmoved, sample.demand() && !moved && !first);
        // Figures of a broker lag: where something was completed, somebody consumes.
        let completed =
            |before: &Sample| before.completed.zip(sample.completed).is_some_and(|(then, now)| now > then);
        let worked = seen.known.as_ref().is_some_and(completed);
        in_a_row(&mut seen.unconsumed, sample.consumers == Some(0) && !worked);
        in_a_row(&mut seen.paused, sample.paused);
        in_a_row(&mut seen.over, self.spec.excess(sample).is_some());
        (seen.existed, seen.missing) = (true, 0);
        seen.trace.limit = self.spec.max_depth.map(bounded);
        seen.trace.take(Some(bounded(sample.depth)), now);
        seen.known = Some(sample.clone());
        self.drain(sample, now);
    }

    /// What piled up during an outage is gone, or the time for that is over and the work goes on.
    fn drain(&mut self, sample: &Sample, now: Moment) {
        let Some(drain) = &mut self.seen.drain else {
            return;
        };
        let backlog = *drain.backlog.get_or_insert(sample.depth.saturating_add(sample.in_work));
        drain.completed = drain.completed.or(sample.completed);
        let since = drain.completed.zip(sample.completed).map(|(then, now)| now.saturating_sub(then));
        let done = since.is_some_and(|completed| completed >= backlog);
        let idle = !sample.demand() && sample.consumers != Some(0);
        if idle || (done && backlog > 0) || (drain.until <= now && self.seen.shown_well) {
            self.seen.drain = None;
        }
    }

    /// Forgets what was counted: of an earlier run, or before an absence. That it was there is not forgotten.
    pub fn begin_anew(&mut self, now: Moment) {
        let before = std::mem::replace(&mut self.seen, ProgressSeen::unasked(now));
        let ProgressSeen { last, poll, existed, unanswered_since, trace, .. } = before;
        self.seen = ProgressSeen { last, poll, existed, unanswered_since, trace, ..self.seen.clone() };
    }

    /// Asks where that is due. `proving`: an order waits for the answer.
    pub fn start(&mut self, proving: bool, now: Moment) -> Option<ProgressSpec> {
        let limit = self.spec.timeout.saturating_add(limits::PROBE_SLACK);
        if !self.seen.poll.start(now, limit) {
            return None;
        }
        let pace = if proving { limits::PROOF_SAMPLES } else { self.spec.period };
        self.seen.poll.wish(now.plus(self.spec.period.min(pace)));
        Some(self.spec.clone())
    }

    /// When time alone may change the verdict.
    pub fn next_verdict(&self, now: Moment) -> Option<Moment> {
        let stalled = self.still_since().plus(self.spec.stalled_after);
        let drain = self.seen.drain.map(|drain| drain.until);
        [Some(stalled), drain].into_iter().flatten().filter(|at| *at > now).min()
    }

    /// Since when something waits, and nothing was completed.
    fn still_since(&self) -> Moment {
        self.seen.moved_at.max(self.seen.waits_since)
    }

    /// Why it cannot be asked, and since when.
    pub fn unasked(&self) -> Option<(Moment, &str)> {
        let why = self.seen.last.as_ref().and_then(|(_, last)| last.as_ref().err())?;
        let since = self.seen.unanswered_since?;
        (self.seen.unanswered >= limits::UNANSWERED).then_some((since, why))
    }

    pub fn found(&self, code: Code, severity: Severity, what: &str, now: Moment) -> Finding {
        let name = &self.spec.name;
        let severity = code.row().weight.severity(severity);
        let shown = self.seen.known.as_ref().map(|sample| format!("{name}: {}", self.shown(sample, now)));
        let found = finding(code, severity, format!("{name}: {what}"), now).about(name);
        proven(found, shown.into_iter().collect(), None)
    }

    pub fn findings(&self, sample: &Sample, severity: Severity, now: Moment) -> Vec<Finding> {
        let found = |code: Code, what: &str| self.found(code, severity, what, now);
        if self.seen.paused >= limits::UNANSWERED {
            return vec![found(Code::Paused, "its work is paused")];
        }
        let stuck = self.stuck(now).map(|code| found(code, &self.stuck_sentence(code, sample, now)));
        let kept = self.is_kept_in_work(sample, now).then(|| {
            let what =
                format!("{}, and none was completed for {}", sample.waiting(), self.still_for(sample, now));
            Finding { severity: Severity::Warning, ..found(Code::Stalled, &what) }
        });
        let over = self.spec.excess(sample);
        let over = over.filter(|_| self.seen.over >= limits::SAMPLES && self.seen.drain.is_none());
        let over = over.map(|what| found(Code::Backlog, &what));
        stuck.or(kept).into_iter().chain(over).collect()
    }

    /// It was there, and the source says that it is not any more.
    pub fn gone_finding(&self, severity: Severity, now: Moment) -> Option<Finding> {
        let last = self.seen.last.as_ref().and_then(|(_, last)| last.as_ref().ok());
        let why = last.and_then(|sample| sample.missing.as_deref())?;
        let often = self.seen.missing >= limits::UNANSWERED;
        let what = format!("it was there and is gone: {why}");
        often.then(|| self.found(Code::QueueMissing, severity, &what, now))
    }

    /// Nothing waits, but the workers hold more than they can be working on, and complete none of it. That is told; a restart
    /// would lose it.
    fn is_kept_in_work(&self, sample: &Sample, now: Moment) -> bool {
        let hands = sample.consumers.unwrap_or(sample.in_work).max(1);
        let still = now.since(self.seen.moved_at) >= self.spec.stalled_after;
        let open = self.seen.paused == 0 && self.seen.unanswered == 0 && self.seen.drain.is_none();
        open && sample.depth == 0 && sample.in_work > hands && still && self.seen.unmoved >= limits::SAMPLES
    }

    /// Why the workers of the queue must be restarted, if they must.
    pub fn stuck(&self, now: Moment) -> Option<Code> {
        let seen = &self.seen;
        let still = seen.unmoved >= limits::SAMPLES;
        let unconsumed = seen.unconsumed >= limits::SAMPLES;
        if seen.paused > 0 || seen.unanswered > 0 || seen.missing > 0 {
            return None;
        }
        if let Some(drain) = seen.drain {
            // Whatever was completed since shows that it drains.
            let overdue = drain.until <= now && ((still && !seen.shown_well) || unconsumed);
            return overdue.then_some(Code::DrainOverdue);
        }
        if unconsumed {
            return Some(Code::NoConsumer);
        }
        let waits = seen.known.as_ref().is_some_and(|sample| sample.depth > 0);
        let long = now.since(self.still_since()) >= self.spec.stalled_after;
        (waits && still && long).then_some(Code::Stalled)
    }

    fn stuck_sentence(&self, code: Code, sample: &Sample, now: Moment) -> String {
        let waiting = sample.waiting();
        match (code, self.seen.drain) {
            (Code::NoConsumer, _) => format!("it has no consumer; {waiting}"),
            (Code::DrainOverdue, Some(drain)) => {
                let ago = span(now.since(drain.since));
                format!("{waiting}, and it does not drain, {ago} after what it needs came back")
            }
            _ => format!("{waiting}, and none was completed for {}", self.still_for(sample, now)),
        }
    }

    fn still_for(&self, sample: &Sample, now: Moment) -> String {
        let since = if sample.depth > 0 { self.still_since() } else { self.seen.moved_at };
        span(now.since(since))
    }

    pub fn shown(&self, sample: &Sample, now: Moment) -> String {
        if self.seen.missing > 0 {
            return "not there".to_owned();
        }
        if !sample.demand() {
            return "idle".to_owned();
        }
        let completed = sample.completed.map_or(String::new(), |count| format!(", {count} completed"));
        let drains = if self.seen.drain.is_some() { ", draining" } else { "" };
        let ago = span(now.since(self.seen.moved_at));
        let still = if self.seen.unmoved > 0 { format!(", none completed for {ago}") } else { String::new() };
        format!("{}{completed}{still}{drains}", sample.waiting())
    }

    /// Its workers are restarted for it.
    pub fn restarts(&self) -> bool {
        self.spec.on_stall == OnFailure::Restart
    }

    /// Why it is not shown since the counting began that the workers work again.
    ///
    /// # Errors
    /// It is not shown: why.
    pub fn works_again(&self, code: Code) -> Result<(), String> {
        let (name, seen) = (&self.spec.name, &self.seen);
        let Some(sample) = seen.known.as_ref().filter(|_| seen.unanswered == 0) else {
            let why = seen.last.as_ref().and_then(|(_, last)| last.as_ref().err());
            return Err(format!("{name}: {}", why.map_or("not asked yet", String::as_str)));
        };
        if code == Code::NoConsumer {
            let nobody = sample.consumers == Some(0);
            return if nobody { Err(format!("{name} has no consumer")) } else { Ok(()) };
        }
        if seen.shown_well {
            return Ok(());
        }
        Err(format!("{name}: {}, and none was completed since the restart", sample.waiting()))
    }

    /// The last sample shows that this trouble is over.
    pub fn is_over(&self, code: Code) -> bool {
        let seen = &self.seen;
        let moves = seen.shown_well && seen.unmoved == 0;
        let counted = [
            (Code::Backlog, seen.over == 0),
            (Code::NoConsumer, seen.unconsumed == 0),
            (Code::Paused, seen.paused == 0),
            (Code::QueueMissing, seen.missing == 0),
            (Code::ProgressUnknown, true),
        ];
        let over = counted.iter().find(|(known, _)| *known == code).map_or(moves, |(_, over)| *over);
        over && seen.known.is_some() && seen.unanswered == 0
    }
}

impl ProgressSeen {
    fn unasked(now: Moment) -> Self {
        Self {
            last: None,
            known: None,
            moved_at: now,
            waits_since: now,
            unmoved: 0,
            unconsumed: 0,
            paused: 0,
            over: 0,
            unanswered: 0,
            unanswered_since: None,
            existed: false,
            missing: 0,
            drain: None,
            shown_well: false,
            trace: Trace::default(),
            poll: Poll::Due(now),
        }
    }
}

impl ProgressSpec {
    /// What is over its limit.
    fn excess(&self, sample: &Sample) -> Option<String> {
        let deep = self.max_depth.filter(|most| sample.depth > *most);
        let deep = deep.map(|most| format!("{} items wait; at most {most} may", sample.depth));
        let old = sample.age.zip(self.max_age).filter(|(age, most)| age > most);
        let old = old.map(|(age, most)| {
            format!("the oldest item has waited {} s; the limit is {} s", age.as_secs(), most.as_secs())
        });
        deep.or(old)
    }
}

impl Sample {
    /// Something was completed since, or there is nothing to do. Where the source counts nothing, less that waits, or a
    /// younger oldest item, says so.
    fn is_progress_since(&self, before: &Self) -> bool {
        let counted = before.completed.zip(self.completed).is_some_and(|(before, now)| before != now);
        let fewer = self.depth.saturating_add(self.in_work) < before.depth.saturating_add(before.in_work);
        let younger = before.age.zip(self.age).is_some_and(|(before, now)| now < before);
        !self.demand() || counted || fewer || younger
    }

    /// `12 items wait, 3 in work`.
    fn waiting(&self) -> String {
        let items = match self.depth {
            0 => "nothing waits".to_owned(),
            1 => "1 item waits".to_owned(),
            count => format!("{count} items wait"),
        };
        let in_work = match self.in_work {
            0 => String::new(),
            count => format!(", {count} in work"),
        };
        format!("{items}{in_work}")
    }
}

/// A queue gets its time to drain: what it needs is back.
pub fn drains(since: Moment, spec: &ProgressSpec) -> Drain {
    Drain { since, until: since.plus(spec.drain_within), backlog: None, completed: None }
}
