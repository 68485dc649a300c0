//! `Progressing`: demand and no progress. Idle is not stalled, no answer is not stalled, and a queue that drains is left alone.

use crate::model::finding::{Code, Finding, Severity, Why};
use crate::model::moment::Moment;
use crate::model::poll::Poll;
use crate::model::probe::OnFailure;
use crate::model::progress::{Drain, ProgressSeen, ProgressSpec, Sample};
use crate::policy::judgement::{Judgement, finding, proven};
use crate::policy::limits;

/// One source of progress of a unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Queue {
    spec: ProgressSpec,
    seen: ProgressSeen,
}

impl Queue {
    fn new(spec: ProgressSpec, now: Moment) -> Self {
        Self { spec, seen: ProgressSeen::unasked(now) }
    }

    /// A sample came, or why none did.
    fn sampled(&mut self, answer: Result<Sample, String>, now: Moment) {
        self.seen.poll.finish();
        self.count(&answer, now);
        self.seen.last = Some((now, answer));
    }

    fn count(&mut self, answer: &Result<Sample, String>, now: Moment) {
        let seen = &mut self.seen;
        let Ok(sample) = answer else {
            seen.unanswered = seen.unanswered.saturating_add(1);
            return;
        };
        let in_a_row =
            |count: &mut u32, holds: bool| *count = if holds { count.saturating_add(1) } else { 0 };
        let moved = seen.known.as_ref().is_none_or(|before| sample.is_progress_since(before));
        if moved {
            seen.moved_at = now;
        }
        // The first sample says how many there are, and not that any was completed.
        seen.shown_well |= !sample.demand() || (moved && seen.known.is_some());
        in_a_row(&mut seen.unmoved, !moved);
        in_a_row(&mut seen.unconsumed, sample.consumers == Some(0));
        in_a_row(&mut seen.paused, sample.paused);
        in_a_row(&mut seen.over, self.spec.excess(sample).is_some());
        seen.unanswered = 0;
        if !sample.demand() && sample.consumers != Some(0) {
            seen.drain = None;
        }
        seen.known = Some(sample.clone());
    }

    /// Forgets what was counted: of an earlier run, or before an absence.
    fn begin_anew(&mut self, now: Moment) {
        let ProgressSeen { last, poll, .. } = std::mem::replace(&mut self.seen, ProgressSeen::unasked(now));
        self.seen.last = last;
        self.seen.poll = poll;
    }

    fn start(&mut self, now: Moment) -> Option<ProgressSpec> {
        let limit = self.spec.timeout.saturating_add(limits::PROBE_SLACK);
        if !self.seen.poll.start(now, limit) {
            return None;
        }
        self.seen.poll.wish(now.plus(self.spec.period));
        Some(self.spec.clone())
    }

    /// When time alone may change the verdict.
    fn next_verdict(&self, now: Moment) -> Option<Moment> {
        let stalled = self.seen.moved_at.plus(self.spec.stalled_after);
        let drain = self.seen.drain.map(|drain| drain.until);
        [Some(stalled), drain].into_iter().flatten().filter(|at| *at > now).min()
    }

    fn findings(&self, sample: &Sample, severity: Severity, now: Moment) -> Vec<Finding> {
        let name = &self.spec.name;
        let found = |code: Code, what: String| {
            let severity = code.row().weight.severity(severity);
            let evidence = vec![format!("{name}: {}", self.shown(sample, now))];
            proven(finding(code, severity, format!("{name}: {what}"), now), evidence, None)
        };
        if self.seen.paused >= limits::UNANSWERED {
            return vec![found(Code::Paused, "its work is paused".to_owned())];
        }
        let stuck = self.stuck(now).map(|code| found(code, self.stuck_sentence(code, sample, now)));
        let over = self.spec.excess(sample);
        let over = over.filter(|_| self.seen.over >= limits::SAMPLES && self.seen.drain.is_none());
        stuck.into_iter().chain(over.map(|what| found(Code::Backlog, what))).collect()
    }

    /// Why the workers of the queue must be restarted, if they must.
    fn stuck(&self, now: Moment) -> Option<Code> {
        let seen = &self.seen;
        let still = seen.unmoved >= limits::SAMPLES;
        let unconsumed = seen.unconsumed >= limits::SAMPLES;
        if seen.paused > 0 || seen.unanswered > 0 {
            return None;
        }
        if let Some(drain) = seen.drain {
            let overdue = drain.until <= now && (still || unconsumed);
            return overdue.then_some(Code::DrainOverdue);
        }
        if unconsumed {
            return Some(Code::NoConsumer);
        }
        (still && now.since(seen.moved_at) >= self.spec.stalled_after).then_some(Code::Stalled)
    }

    fn stuck_sentence(&self, code: Code, sample: &Sample, now: Moment) -> String {
        let waiting = sample.waiting();
        let still = minutes(now.since(self.seen.moved_at).as_secs());
        match (code, self.seen.drain) {
            (Code::NoConsumer, _) => format!("nobody consumes it; {waiting}"),
            (Code::DrainOverdue, Some(drain)) => {
                let ago = minutes(now.since(drain.since).as_secs());
                format!("{waiting}, and it does not drain, {ago} after what it needs came back")
            }
            _ => format!("{waiting}, and none was completed for {still}"),
        }
    }

    fn shown(&self, sample: &Sample, now: Moment) -> String {
        if !sample.demand() {
            return "idle".to_owned();
        }
        let completed = sample.completed.map_or(String::new(), |count| format!(", {count} completed"));
        let drains = if self.seen.drain.is_some() { ", draining" } else { "" };
        let ago = minutes(now.since(self.seen.moved_at).as_secs());
        let still = if self.seen.unmoved > 0 { format!(", none completed for {ago}") } else { String::new() };
        format!("{}{completed}{still}{drains}", sample.waiting())
    }

    /// The last sample shows that this trouble is over.
    fn is_over(&self, code: Code) -> bool {
        let seen = &self.seen;
        let moves = seen.shown_well && seen.unmoved == 0;
        let counted = [
            (Code::Backlog, seen.over == 0),
            (Code::NoConsumer, seen.unconsumed == 0),
            (Code::Paused, seen.paused == 0),
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
            unmoved: 0,
            unconsumed: 0,
            paused: 0,
            over: 0,
            unanswered: 0,
            drain: None,
            shown_well: false,
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
            format!("the oldest item waits for {} s; at most {} s are right", age.as_secs(), most.as_secs())
        });
        deep.or(old)
    }
}

impl Sample {
    /// Something was completed since, or nothing waits. Where the source counts nothing, less that waits, or a younger
    /// oldest item, says so.
    fn is_progress_since(&self, before: &Self) -> bool {
        let counted = before.completed.zip(self.completed).is_some_and(|(before, now)| before != now);
        let fewer = self.depth.saturating_add(self.in_work) < before.depth.saturating_add(before.in_work);
        let younger = before.age.zip(self.age).is_some_and(|(before, now)| now < before);
        !self.demand() || counted || fewer || younger
    }

    /// `12 items wait, 3 in work`.
    fn waiting(&self) -> String {
        let items = match self.depth {
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

fn minutes(seconds: u64) -> String {
    if seconds < 120 { format!("{seconds} s") } else { format!("{} min", seconds / 60) }
}

/// All sources of progress of a unit, in the order of its file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Queues(Vec<Queue>);

impl Queues {
    #[must_use]
    pub fn new(specs: &[ProgressSpec], now: Moment) -> Self {
        Self(specs.iter().map(|spec| Queue::new(spec.clone(), now)).collect())
    }

    /// Another file is in force. What is asked as before keeps what was counted.
    pub fn follow(&mut self, specs: &[ProgressSpec], now: Moment) {
        let mut before = std::mem::take(&mut self.0);
        self.0 = specs
            .iter()
            .map(|spec| match before.iter().position(|known| known.spec == *spec) {
                Some(at) => before.swap_remove(at),
                None => Queue::new(spec.clone(), now),
            })
            .collect();
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was seen of each, by name.
    pub fn seen(&self) -> impl Iterator<Item = (&String, &ProgressSeen)> {
        self.0.iter().map(|queue| (&queue.spec.name, &queue.seen))
    }

    /// All have answered, or there is none.
    #[must_use]
    pub fn have_answered(&self) -> bool {
        self.0.iter().all(|queue| queue.seen.last.is_some())
    }

    /// A source answered. Says whether it is one of these.
    pub fn sampled(&mut self, name: &str, answer: Result<Sample, String>, now: Moment) -> bool {
        let queue = self.0.iter_mut().find(|queue| queue.spec.name == name);
        queue.map(|queue| queue.sampled(answer, now)).is_some()
    }

    /// Forgets what was counted: of an earlier run, or before an absence.
    pub fn begin_anew(&mut self, now: Moment) {
        self.0.iter_mut().for_each(|queue| queue.begin_anew(now));
    }

    /// What the unit requires is back: each queue has its time to drain.
    pub fn drain(&mut self, now: Moment) {
        for Queue { spec, seen } in &mut self.0 {
            seen.drain = Some(Drain { since: now, until: now.plus(spec.drain_within) });
        }
    }

    /// Gives up answers that do not come.
    pub fn expire(&mut self, now: Moment) {
        for queue in &mut self.0 {
            queue.seen.poll.expire(now);
        }
    }

    /// The sources that are to be asked now; each is asked once at a time.
    pub fn start(&mut self, now: Moment) -> Vec<ProgressSpec> {
        self.0.iter_mut().filter_map(|queue| queue.start(now)).collect()
    }

    /// When something is to be done about one. `up`: they are asked now.
    #[must_use]
    pub fn due(&self, up: bool) -> Option<Moment> {
        let asked = self.0.iter().filter(|queue| up || queue.seen.poll.is_running());
        asked.filter_map(|queue| queue.seen.poll.due()).min()
    }

    /// A source that asks for a restart is in this trouble.
    #[must_use]
    pub fn ask_for_restart(&self, code: Code, now: Moment) -> bool {
        let asks =
            |queue: &Queue| queue.spec.on_stall == OnFailure::Restart && queue.stuck(now) == Some(code);
        self.0.iter().any(asks)
    }

    /// Every source has shown since the counting began that this trouble is over.
    #[must_use]
    pub fn are_over(&self, code: Code) -> bool {
        self.0.iter().all(|queue| queue.is_over(code))
    }

    /// Every queue moves, or is empty. The unit is asked now.
    #[must_use]
    pub fn judge(&self, severity: Severity, now: Moment) -> Judgement {
        let mut shown = Vec::new();
        let mut unknown = None;
        let mut judgement = Judgement::good("progressing", "");
        for queue in &self.0 {
            let name = &queue.spec.name;
            let last = queue.seen.last.as_ref().and_then(|(_, last)| last.as_ref().err());
            let Some(sample) = &queue.seen.known else {
                let why = last.map_or("not asked yet", String::as_str);
                unknown = unknown.or(Some((Why::NotRead, "waiting", format!("{name}: {why}"))));
                continue;
            };
            if let Some(why) = last.filter(|_| queue.seen.unanswered >= limits::UNANSWERED) {
                unknown = Some((Why::CannotTell, "unanswered", format!("{name}: {why}")));
                continue;
            }
            if let Some(at) = queue.next_verdict(now) {
                judgement = judgement.until(at);
            }
            judgement = queue.findings(sample, severity, now).into_iter().fold(judgement, Judgement::and);
            shown.push(format!("{name}: {}", queue.shown(sample, now)));
        }
        if judgement.findings.is_empty() {
            judgement.message = shown.join("; ");
            if let Some((why, reason, message)) = unknown {
                return Judgement { recheck: judgement.recheck, ..Judgement::unknown(why, reason, message) };
            }
        }
        judgement
    }

    /// What waits in each, a clause each.
    #[must_use]
    pub fn figures(&self) -> Vec<String> {
        let samples = self.0.iter().filter_map(|queue| match &queue.seen.last {
            // That nothing waits is no figure of a trouble.
            Some((_, Ok(sample))) => (sample.depth > 0).then_some((&queue.spec.name, sample)),
            Some((_, Err(_))) | None => None,
        });
        samples
            .map(|(name, sample)| {
                let age =
                    sample.age.map_or(String::new(), |age| format!(", the oldest for {} s", age.as_secs()));
                format!("{name}: {} wait{age}", sample.depth)
            })
            .collect()
    }
}
