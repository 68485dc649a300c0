//! One managed unit: what is kept and what is seen of it. Its parts (`Run`, `Probes`, `Queues`, `Residents`, `Fate`) take in
//! what happened and know when they are due; the unit judges them together, decides, and brings its order forward.

mod active;
mod advance;
mod boot;
mod budget;
mod conditions;
mod disabling;
mod drain;
mod drill;
mod drill_plan;
mod drill_verdict;
mod elsewhere;
mod emptied;
mod fate;
mod figures;
mod gates;
mod hold;
mod kept;
mod lookers;
mod missing;
mod openings;
mod order;
mod outcome;
mod outside;
mod pattern;
mod people;
mod picture;
mod plan;
mod probe;
mod probes;
mod proof;
mod queue;
mod queues;
mod readings;
mod release;
mod residents;
mod run;
mod silence;
mod slot;
mod smoke;
mod survivors;
mod switched_off;
mod transitions;
mod trend;
mod troubles;
mod turns;
mod wants;
mod will;

use std::collections::BTreeMap;

use crate::model::action::Action;
use crate::model::finding::{Code, Condition, ConditionKind, Finding, Truth};
use crate::model::moment::Moment;
use crate::model::spec::Spec;
use crate::model::state::{Plan, UnitDurable};
use crate::model::tally::UnitTally;
use crate::model::unit::{UnitFileState, UnitName};
use crate::policy::effects::{Out, Outbox};
use crate::policy::view::View;

use fate::Fate;
use openings::Openings;
use probes::Probes;
use queues::Queues;
use residents::Residents;
use run::Run;
use silence::Attempt;
use slot::Lock;

pub use conditions::News;
pub use silence::Wish;

/// One managed unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Unit {
    name: UnitName,
    spec: Spec,
    managed_since: Moment,
    /// Survives our own crash.
    kept: UnitDurable,
    run: Run,
    enablement: Option<UnitFileState>,
    /// When it was first read as what it is; a prediction of the next boot that is older knows nothing of it.
    enablement_since: Moment,
    residents: Residents,
    probes: Probes,
    queues: Queues,
    fate: Fate,
    /// It was enabled at one time since we manage it.
    seen_enabled: bool,
    /// It was just disabled, and whether a package manager did that is being looked up.
    disabling_doubted: bool,
    /// When the unit along with which it was stopped came back: systemd may have started it, too, and that is read in a moment.
    freed_at: Option<Moment>,
    /// When a person, or the end of a hold, let it be started: it is down as it was meant to be until that start has failed.
    bidden: Option<Moment>,
    /// What it requires is down.
    outage: bool,
    conditions: BTreeMap<ConditionKind, Condition>,
    findings: Vec<Finding>,
    /// A deploy is not older than its settle time: what it may put right itself is told to nobody yet.
    settling: bool,
    /// A package manager disabled it, and is not done yet.
    upgraded: bool,
    /// Callers who wait for the order in flight.
    callers: Vec<u64>,
    /// Callers who wait for fresh readings, and since when.
    lookers: Vec<(u64, Moment)>,
    /// The caller who waits for the drill under way.
    drill_caller: Option<u64>,
    /// An order of our earlier life is in flight and must be taken up with the first readings.
    resume: bool,
    /// While it is in trouble: when its figures were last written.
    measured_at: Option<Moment>,
    plan: Plan,
    /// When its window is open.
    openings: Openings,
    /// It is to be started, and waits only for room among the orders under way.
    waits: bool,
    /// When what was judged and decided must be looked at again, besides what its parts wait for.
    recheck: Option<Moment>,
    /// What is under way to Alertmanagers, by sink.
    silenced: BTreeMap<String, Attempt>,
    lock: Lock,
    tally: UnitTally,
    out: Outbox,
}

impl Unit {
    /// A unit of which nothing is seen yet.
    #[must_use]
    pub fn new(name: UnitName, spec: Spec, kept: UnitDurable, now: Moment) -> Self {
        Self {
            name,
            managed_since: now,
            resume: kept.recovery.is_some(),
            run: Run::new(now),
            enablement: None,
            enablement_since: now,
            residents: Residents::default(),
            probes: Probes::new(&spec.probes, now),
            queues: Queues::new(&spec.progress, now),
            spec,
            fate: Fate::default(),
            seen_enabled: kept.enabled,
            disabling_doubted: false,
            freed_at: None,
            bidden: None,
            outage: false,
            conditions: BTreeMap::new(),
            findings: Vec::new(),
            settling: false,
            upgraded: false,
            callers: Vec::new(),
            lookers: Vec::new(),
            drill_caller: None,
            measured_at: None,
            plan: Plan::default(),
            openings: Openings::default(),
            waits: false,
            recheck: None,
            silenced: BTreeMap::new(),
            lock: Lock::default(),
            tally: UnitTally::default(),
            kept,
            out: Outbox::default(),
        }
    }

    #[must_use]
    pub fn name(&self) -> &UnitName {
        &self.name
    }

    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// What survives our own crash.
    #[must_use]
    pub fn kept(&self) -> &UnitDurable {
        &self.kept
    }

    /// Gives up what is kept of it.
    #[must_use]
    pub fn into_kept(self) -> UnitDurable {
        self.kept
    }

    #[must_use]
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// It has a finding with this code.
    fn has(&self, code: Code) -> bool {
        self.findings.iter().any(|found| found.code == code)
    }

    #[must_use]
    pub fn is_troubled(&self) -> bool {
        !self.findings.is_empty()
    }

    /// Takes what it has put out.
    pub fn take_out(&mut self) -> Vec<Out> {
        self.out.take()
    }

    fn act(&mut self, action: Action) {
        self.out.act(action);
    }

    /// It must be looked at again then, at the latest.
    fn look_again(&mut self, at: Moment) {
        self.recheck = Some(self.recheck.map_or(at, |known| known.min(at)));
    }

    /// The same where there is such a moment.
    fn look_again_if(&mut self, at: Option<Moment>) {
        if let Some(at) = at {
            self.look_again(at);
        }
    }

    /// What is over or begins by itself, before it is judged. Says whether its file was just switched off.
    pub fn prepare(&mut self, view: &View<'_>) -> bool {
        self.recheck = None;
        self.keep_prediction(view);
        self.expire_hold(view);
        self.follow_bid(view.now);
        let off = self.follow_switch(view.now);
        self.follow_outage(view);
        self.await_end(view);
        off
    }

    /// When it must be looked at again, whatever happens.
    #[must_use]
    pub fn due(&self) -> Option<Moment> {
        let up = self.is_asked();
        let parts = [
            self.recheck,
            self.probes.due(up),
            self.queues.due(up),
            self.inspection_due(),
            self.figures_due(),
        ];
        parts.into_iter().flatten().min()
    }

    /// Its probes and sources of progress are asked now.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        // Whether a dependency runs is not for us to know: its probes are all that is known of it.
        self.spec.is_dependency() || (self.run.is_up() && !self.run.is_frozen())
    }

    /// Everything that is to be known of it before it is judged was read at least once.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.spec.is_dependency() || (self.run.reading().is_some() && self.enablement.is_some())
    }

    /// All that can be known of it at one look is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        let asked = self.probes.have_answered() && self.queues.have_answered();
        if self.spec.is_dependency() {
            return asked;
        }
        if self.run.reading().is_none() || !self.run.is_loaded() {
            return self.run.reading().is_some();
        }
        self.run.settings().is_some()
            && self.enablement.is_some()
            && self.residents.inspected_at().is_some()
            && (asked || !self.run.is_up())
            && !self.is_settling()
    }

    /// It is down since a moment ago: whether it stays so is not told yet.
    fn is_settling(&self) -> bool {
        let word = self.run.reading().filter(|reading| reading.active.is_down());
        let known = self.conditions.get(&ConditionKind::Active).filter(|known| known.truth == Truth::False);
        word.zip(known).is_some_and(|(reading, known)| known.reason == reading.active.as_str())
    }

    /// When its probes are silent for too long, and the sentence that says so.
    #[must_use]
    pub fn silent_at(&self) -> Option<(Moment, String)> {
        let since = self.run.active_since()?.max(self.managed_since);
        let (at, name) = self.probes.silent_at(since).filter(|_| self.is_asked())?;
        Some((at, format!("probe {name} of {} was not answered for long", self.name)))
    }
}
