//! `Serving`: all probes of a unit, in the order of its file.

use crate::model::finding::{Code, Severity};
use crate::model::moment::Moment;
use crate::model::probe::{Figure, OnFailure, ProbeOutcome, ProbeSeen, ProbeSpec, ProbeStatus};
use crate::policy::judgement::Judgement;
use crate::policy::limits;
use crate::policy::peers::Answer;

use super::probe::{Asked, Counted, Probe};

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

    /// What `act` says of each, where it says something.
    pub fn filter_map<T>(&mut self, act: impl FnMut(&mut Probe) -> Option<T>) -> Vec<T> {
        self.0.iter_mut().filter_map(act).collect()
    }

    pub(super) fn get_mut(&mut self, name: &str) -> Option<&mut Probe> {
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

    /// What the unit uses, as a probe measured it.
    pub fn measured(&mut self, name: &str, figure: Figure, now: Moment) {
        if let Some(probe) = self.get_mut(name) {
            probe.measured(figure, now);
        }
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
    pub fn start(&mut self, proving: bool, begun: Option<Moment>, now: Moment) -> Vec<ProbeSpec> {
        self.0.iter_mut().filter_map(|probe| probe.start(proving, begun, now)).collect()
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

    /// Nobody who needs the unit can work: why.
    #[must_use]
    pub fn keep_others(&self) -> Option<String> {
        self.0.iter().find_map(Probe::keeps_others)
    }

    /// Whether they can work is not known: why, and since when.
    #[must_use]
    pub fn leave_open(&self) -> Option<(String, Moment)> {
        let vital = self.0.iter().filter(|probe| probe.spec.vital);
        { vital }.find_map(|probe| Some((probe.cannot_ask(), probe.unknown_since()?)))
    }

    /// What other units may need to know of the answers.
    pub fn answers(&self) -> impl Iterator<Item = Answer> {
        self.0.iter().filter(|probe| probe.spec.vital).map(|probe| Answer {
            at: probe.seen.last.as_ref().map(|(at, _)| *at),
            bad: probe.may_keep_others().then(|| probe.message().to_owned()),
            within: limits::SECOND_LOOK
                .saturating_add(probe.spec.timeout)
                .saturating_add(limits::PROBE_SLACK),
        })
    }

    /// A probe that asks for a restart has this trouble.
    #[must_use]
    pub fn ask_for_restart(&self, code: Code) -> bool {
        self.asking_for_restart(code).next().is_some()
    }

    /// One that asks for a restart answered well since then.
    #[must_use]
    pub fn were_well(&self, code: Code, since: Moment) -> bool {
        self.asking_for_restart(code).any(|probe| probe.was_well(since))
    }

    /// All that asks for a restart with this code was planned.
    #[must_use]
    pub fn ask_as_planned(&self, code: Code) -> bool {
        self.asking_for_restart(code).all(|probe| probe.spec.kind.planned)
    }

    /// The restart that this probe asks for was planned.
    #[must_use]
    pub fn is_planned(&self, name: &str) -> bool {
        self.0.iter().any(|probe| probe.spec.name == name && probe.spec.kind.planned)
    }

    fn asking_for_restart(&self, code: Code) -> impl Iterator<Item = &Probe> {
        self.in_trouble(code)
            .filter(|probe| probe.spec.on_failure == OnFailure::Restart && probe.seen.settled.is_curable())
    }

    /// A restart may put this trouble right.
    #[must_use]
    pub fn can_be_cured(&self, code: Code) -> bool {
        self.in_trouble(code).any(Probe::can_be_cured)
            || (code == Code::ProbeSlow && self.0.iter().any(|probe| probe.seen.latency.drift().is_some()))
    }

    fn in_trouble(&self, code: Code) -> impl Iterator<Item = &Probe> {
        self.0.iter().filter(move |probe| probe.trouble() == Some(code))
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
            if probe.seen.settled == ProbeStatus::Healthy && probe.trouble().is_none() {
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
