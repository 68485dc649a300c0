//! `Progressing`: demand and no progress. Idle is not stalled, no answer is not stalled, and a queue that drains is left alone.

use std::time::Duration;

use crate::model::finding::{Code, Severity, Truth, Why};
use crate::model::moment::Moment;
use crate::model::progress::{ProgressSeen, ProgressSpec, Sample};
use crate::model::span::span;
use crate::policy::judgement::Judgement;
use crate::policy::limits;

use super::queue::{Queue, drains};

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
            seen.drain = Some(drains(now, spec));
        }
    }

    /// Gives up answers that do not come.
    pub fn expire(&mut self, now: Moment) {
        for queue in &mut self.0 {
            queue.seen.poll.expire(now);
        }
    }

    /// The sources that are to be asked now; each is asked once at a time.
    pub fn start(&mut self, proving: bool, now: Moment) -> Vec<ProgressSpec> {
        self.0.iter_mut().filter_map(|queue| queue.start(proving, now)).collect()
    }

    /// When something is to be done about one. `up`: they are asked now.
    #[must_use]
    pub fn due(&self, up: bool) -> Option<Moment> {
        let asked = self.0.iter().filter(|queue| up || queue.seen.poll.is_running());
        asked.filter_map(|queue| queue.seen.poll.due()).min()
    }

    fn asking(&self, code: Code, now: Moment) -> impl Iterator<Item = &Queue> {
        self.0.iter().filter(move |queue| queue.restarts() && queue.stuck(now) == Some(code))
    }

    /// A source that asks for a restart is in this trouble.
    #[must_use]
    pub fn ask_for_restart(&self, code: Code, now: Moment) -> bool {
        self.asking(code, now).next().is_some()
    }

    /// Of those that ask for a restart because of this, nothing was completed since the counting began.
    #[must_use]
    pub fn are_still(&self, code: Code, now: Moment) -> bool {
        let mut asking = self.asking(code, now).peekable();
        asking.peek().is_some() && asking.all(|queue| queue.works_again(code).is_err())
    }

    /// How long it may take until a restart for a stall shows that it helped: as long as a stall takes to be one.
    #[must_use]
    pub fn proof_takes(&self) -> Duration {
        let takes = |queue: &Queue| queue.spec.stalled_after.saturating_add(limits::PROOF_SAMPLES * 5);
        self.0.iter().filter(|queue| queue.restarts()).map(takes).max().unwrap_or_default()
    }

    /// Since the counting began something was completed, or nothing is left to do, in every queue for which the workers are
    /// restarted.
    ///
    /// # Errors
    /// Not in these.
    pub fn work_again(&self, code: Code) -> Result<(), String> {
        let asked = self.0.iter().filter(|queue| queue.restarts());
        let still: Vec<String> = asked.filter_map(|queue| queue.works_again(code).err()).collect();
        if still.is_empty() { Ok(()) } else { Err(still.join("; ")) }
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
        let mut unknown: Option<Judgement> = None;
        let mut judgement = Judgement::good("progressing", "");
        for queue in &self.0 {
            let name = &queue.spec.name;
            if let Some((since, why)) = queue.unasked() {
                // A short absence is no trouble of the workers.
                let ripe = since.plus(limits::UNASKED);
                let found = queue.found(Code::ProgressUnknown, severity, &format!("cannot ask: {why}"), now);
                let cannot = Judgement::unknown(Why::CannotTell, found.code.as_str(), found.message.clone());
                unknown = Some(cannot);
                judgement = if now < ripe { judgement.until(ripe) } else { judgement.note(found) };
                continue;
            }
            if let Some(found) = queue.gone_finding(severity, now) {
                judgement = judgement.and(found);
                continue;
            }
            let Some(sample) = &queue.seen.known else {
                let last = queue.seen.last.as_ref().and_then(|(_, last)| last.as_ref().err());
                let why = last.map_or("not asked yet", String::as_str);
                let waits = || Judgement::unknown(Why::NotRead, "waiting", format!("{name}: {why}"));
                unknown = unknown.or_else(|| Some(waits()));
                continue;
            };
            if let Some(at) = queue.next_verdict(now) {
                judgement = judgement.until(at);
            }
            judgement = queue.findings(sample, severity, now).into_iter().fold(judgement, Judgement::and);
            shown.push(format!("{name}: {}", queue.shown(sample, now)));
        }
        if judgement.truth == Truth::True {
            judgement.message = shown.join("; ");
            if let Some(unknown) = unknown {
                let Judgement { findings, recheck, .. } = judgement;
                return Judgement { findings, recheck, ..unknown };
            }
        }
        judgement
    }

    /// What waits in each, a clause each.
    #[must_use]
    pub fn figures(&self) -> Vec<String> {
        let samples = self.0.iter().filter_map(|queue| match &queue.seen.last {
            // That nothing waits is no figure of a trouble.
            Some((_, Ok(sample))) if sample.missing.is_none() && sample.depth > 0 => {
                Some((&queue.spec.name, sample))
            }
            Some(_) | None => None,
        });
        samples
            .map(|(name, sample)| {
                let age = sample.age.map_or(String::new(), |age| format!(", the oldest for {}", span(age)));
                format!("{name}: {} wait{age}", sample.depth)
            })
            .collect()
    }
}
