//! What others may see of a unit: its published picture, and what it shows to the other units.

use crate::model::code::Concern;
use crate::model::finding::ConditionKind::{Active, Loaded, Serving};
use crate::model::finding::{Code, Condition, ConditionKind, Finding, Truth, Why};
use crate::model::moment::Moment;
use crate::model::release::LinkReading;
use crate::model::snapshot::{UnitState, UnitStatus};
use crate::model::state::Phase;
use crate::model::unit::{ActiveState, UnitName};
use crate::policy::peers::{Ordered, Peer};
use crate::policy::releases;
use crate::policy::view::View;

use super::Unit;

impl Unit {
    /// The picture of it.
    #[must_use]
    pub fn status(&self, view: &View<'_>) -> UnitStatus {
        let spec = &self.spec;
        UnitStatus {
            unit: self.name.clone(),
            state: self.state(view.now),
            mode: spec.mode,
            severity: spec.severity,
            file: spec.file.clone(),
            owner: spec.owner.clone(),
            runbook: spec.runbook.clone(),
            reading: self.run.reading().cloned(),
            settings: self.run.settings().cloned(),
            enablement: self.enablement.clone(),
            conditions: self.conditions.values().cloned().collect(),
            links: self.links(),
            residents: self.residents.judged().to_vec(),
            probes: self.probes.seen().map(|(name, seen)| (name.clone(), seen.clone())).collect(),
            progress: self.queues.seen().map(|(name, seen)| (name.clone(), seen.clone())).collect(),
            smoke: spec.smoke.clone(),
            preview: self.preview(view),
            findings: self.findings.clone(),
            said: self.said(view),
            incident: view.incidents.of_unit(&self.name, self.is_troubled()),
            plan: self.shown_plan(),
            recovery: self.kept.recovery.clone(),
            last_action: self.kept.last_action.clone(),
            last_transition: self.fate.last().cloned(),
            hold: self.kept.hold.clone(),
            after_hold: self.after_hold(),
            quarantine: self.kept.quarantine.clone(),
            slot: self.kept.slot.clone(),
            drill: self.kept.drills.last().cloned(),
            disabled: spec.off_until(view.now).and(spec.disabled.clone()),
            spent: self.spent_of_budget(view.now),
            budget: spec.recovery.clone(),
            tally: self.tally.clone(),
        }
    }

    /// What it wrote itself last, while an incident of it is open.
    fn said(&self, view: &View<'_>) -> Vec<String> {
        let own = view.incidents.own(&self.name).and_then(|id| view.incidents.get(id));
        own.map(|incident| incident.said.clone()).unwrap_or_default()
    }

    /// Its release links, as they were read last.
    #[must_use]
    pub fn release_links(&self) -> &[LinkReading] {
        self.residents.links()
    }

    /// Its links, first the one that its release is told by.
    fn links(&self) -> Vec<LinkReading> {
        let links = self.residents.links();
        let relevant = releases::relevant(links, self.residents.judged()).map(|link| link.link.as_str());
        // A plain directory is of interest once something lives in another one.
        let shown = |link: &&LinkReading| !link.plain || Some(link.link.as_str()) == relevant;
        let mut links: Vec<LinkReading> = links.iter().filter(shown).cloned().collect();
        links.sort_by_key(|link| Some(link.link.as_str()) != relevant);
        links
    }

    /// The worst of its conditions, unless something is being done, or nothing is to be done, about it.
    #[must_use]
    pub fn state(&self, now: Moment) -> UnitState {
        if self.spec.off_until(now).is_some() {
            UnitState::Disabled
        } else if self.kept.recovery.is_some() {
            UnitState::Recovering
        } else if self.kept.hold.as_ref().is_some_and(|hold| !(hold.is_stop() && self.is_missing())) {
            UnitState::Held
        } else if self.kept.quarantine.is_some() {
            UnitState::Quarantined
        } else {
            self.state_of_conditions()
        }
    }

    pub(super) fn is_ok(&self, now: Moment) -> bool {
        self.state(now) == UnitState::Ok
    }

    fn state_of_conditions(&self) -> UnitState {
        // What runs is not down because its file is masked, or gone.
        let vital = |known: &&Condition| {
            matches!(known.kind, Active | Serving) || (known.kind == Loaded && !self.run.is_up())
        };
        let wrong = || self.conditions.values().filter(|known| known.truth == Truth::False);
        if wrong().any(|known| vital(&known)) {
            return UnitState::Down;
        }
        if wrong().next().is_some() {
            return UnitState::Degraded;
        }
        let unknown = |known: &Condition| match known.truth {
            Truth::Unknown(Why::NotConfigured | Why::NotRunning | Why::ByWill)
            | Truth::True
            | Truth::False => false,
            Truth::Unknown(Why::NotRead | Why::Open | Why::CannotTell) => true,
        };
        if self.conditions.values().any(unknown) { UnitState::Unknown } else { UnitState::Ok }
    }

    /// What it shows to the other units.
    #[must_use]
    pub fn peer(&self) -> Peer {
        let asked = self.is_asked();
        let serves = asked && self.truth(Serving) != Some(Truth::False);
        let answers = if asked { self.probes.answers().collect() } else { Vec::new() };
        Peer {
            requires: self.spec.requires.clone(),
            down: self.down(),
            up: (self.run.is_up() || self.kept.recovery.is_some()).then(|| self.is_enabled()),
            skipped: self.rests(),
            uncertain: self.probes.leave_open().filter(|_| serves),
            answers,
            order: self.kept.recovery.as_ref().map(Ordered::from),
            last_order: Peer::of_last(self.kept.last_action.as_ref()),
            spent: self.kept.spent.last().copied(),
            spared: self.spared(),
            kept_down: self.kept_down(),
            pulls: self.run.settings().map(|settings| settings.pulls.clone()).unwrap_or_default(),
            drilled: self.drill_in_flight().is_some(),
            tests: self.tests_new_code(),
            owner: self.run.settings().map_or_else(String::new, |settings| settings.will.user.clone()),
            waits: self.waits && self.kept.recovery.is_none(),
            member: self.member(),
        }
    }

    /// It does not run, by the will of its own file, or since nobody wants it to in this boot: why.
    pub(super) fn rests(&self) -> Option<String> {
        let left =
            |known: &&Condition| matches!(known.reason.as_str(), "disabled-by-hand" | "left-to-others");
        let left = || self.conditions.get(&Active).filter(left).map(|known| known.message.clone());
        self.skipped().or_else(left)
    }

    /// Why it serves nobody, if so. A probe that only tells of room, a certificate or a long list keeps nobody from working.
    pub(super) fn down(&self) -> Option<String> {
        // What is still being started serves nobody yet.
        let starts = self.run.reading().is_some_and(|reading| !reading.active.is_up());
        let is_down = |known: &&Condition| match known.truth {
            Truth::False => true,
            // For systemd, too, what was skipped keeps nothing else from starting.
            Truth::Unknown(Why::ByWill) => false,
            Truth::Unknown(_) => starts && known.kind == Active,
            Truth::True => false,
        };
        let mut conditions = [Loaded, Active].into_iter().filter_map(|kind| self.conditions.get(&kind));
        let down = conditions.find(is_down).map(|known| known.message.clone());
        let answers = || self.probes.keep_others().filter(|_| self.is_asked());
        down.or_else(answers).or_else(|| self.unproven())
    }

    /// It was down and was started by us a moment ago: it may die again at once, and is well when that is proven.
    fn unproven(&self) -> Option<String> {
        let order = self.kept.recovery.as_ref().filter(|order| order.kind.disturbs())?;
        let of_death = matches!(order.because?.row().concern, Concern::Active | Concern::Serving);
        let waits = of_death && matches!(order.phase, Phase::Enable | Phase::Proof);
        waits.then(|| format!("its {} is not proven yet", order.kind.as_str()))
    }

    /// What is found now says more of an incident about this code than what was found first.
    #[must_use]
    pub fn finding_of(&self, cause: Code) -> Option<&Finding> {
        // Of two contracts that are broken, the one that broke last.
        let same =
            self.findings.iter().filter(|finding| finding.code == cause).max_by_key(|finding| finding.since);
        same.or_else(|| self.gravest()).or_else(|| self.findings.first())
    }

    /// When the fault behind a finding came about, as far as systemd or a link tells. What began before anybody looked says
    /// nothing of how soon it was found.
    #[must_use]
    pub fn began(&self, cause: &Finding) -> Option<Moment> {
        let died = matches!(cause.code, Code::UnitInactive | Code::UnitFailed);
        let deployed = cause.code.is_stale_release() && cause.code != Code::ReleaseDeleted;
        let at = if died {
            self.run.reading().and_then(|reading| reading.inactive_since)
        } else {
            self.residents.flip().filter(|_| deployed).map(|(_, switched_at)| *switched_at)
        };
        at.filter(|at| *at <= cause.since && *at >= self.managed_since)
    }

    /// What is known of it, a line each, for a close look.
    #[must_use]
    pub fn known_lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for condition in self.conditions.values() {
            let (kind, truth) = (condition.kind.as_str(), condition.truth.as_str());
            lines.push(format!("{kind} {truth}: {}", condition.message));
        }
        for finding in &self.findings {
            lines.push(format!("{}: {}", finding.code.as_str(), finding.message));
            lines.extend(finding.evidence.iter().map(|line| format!("  {line}")));
        }
        for (name, probe) in self.probes.seen() {
            if let Some((at, outcome)) = &probe.last {
                lines.push(format!("probe {name}, asked at {} ms: {}", at.wall_ms, outcome.message));
            }
        }
        lines
    }

    /// The control group of its processes; empty where it has none.
    #[must_use]
    pub fn control_group(&self) -> String {
        self.run.settings().map(|settings| settings.control_group.clone()).unwrap_or_default()
    }

    /// `InvocationID=` of the run that is up; empty while it is down.
    #[must_use]
    pub fn run_that_is_up(&self) -> String {
        let up = self.run.reading().filter(|reading| reading.active == ActiveState::Active);
        up.map(|reading| reading.invocation.clone()).unwrap_or_default()
    }

    /// Its main process, paths and other facts by which links are told to be its own.
    #[must_use]
    pub fn settings(&self) -> Option<&crate::model::unit::UnitSettings> {
        self.run.settings()
    }

    /// What systemd said of it last.
    #[must_use]
    pub fn reading(&self) -> Option<&crate::model::unit::UnitReading> {
        self.run.reading()
    }

    /// Every name of it. What has no unit file any more is no other's name, either.
    pub fn names(&self) -> impl Iterator<Item = &UnitName> {
        let known = self
            .run
            .settings()
            .filter(|_| !self.is_missing())
            .into_iter()
            .flat_map(|settings| &settings.names);
        known.chain([self.name()])
    }

    #[must_use]
    pub fn condition(&self, kind: ConditionKind) -> Option<&Condition> {
        self.conditions.get(&kind)
    }
}
