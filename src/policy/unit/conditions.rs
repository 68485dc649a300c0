//! The seven conditions of a unit, the findings behind them, and when an incident of it is over.

use crate::model::code::Concern;
use crate::model::finding::ConditionKind::{Active, Boot, Enabled, Loaded, Progressing, Release, Serving};
use crate::model::finding::{Code, Condition, ConditionKind, Finding, Severity, Truth, Why};
use crate::model::incident::Incident;
use crate::model::moment::Moment;
use crate::model::unit::UnitReading;
use crate::policy::judgement::{Judgement, finding, for_instance, proven};
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;

/// What a judgement has changed in the findings.
#[derive(Clone, Debug, Default)]
pub struct News {
    pub found: Vec<Finding>,
    /// Those that are not found any more; while an order is in flight none counts as gone.
    pub gone: Vec<Finding>,
    /// It was in trouble before.
    pub troubled: bool,
    /// An order is in flight.
    pub in_flight: bool,
}

impl Unit {
    /// Judges all conditions anew by all that is known. Says what that changes in the findings.
    pub fn judge(&mut self, view: &View<'_>) -> News {
        let judgements = self.judgements(view);
        let mut found = if self.spec.is_dependency() { Vec::new() } else { self.of_recovery(view) };
        for (_, judgement) in &judgements {
            found.extend(judgement.findings.iter().cloned());
        }
        for_instance(&mut found, view.host.is_of_user());
        self.quote(&mut found, view);
        for (kind, judgement) in judgements {
            self.look_again_if(judgement.recheck);
            self.keep(kind, judgement, view.now);
        }
        let mut news = self.replace_findings(found);
        let settled = self.settle_findings(&news, view);
        news.found.extend(settled);
        news
    }

    fn judgements(&self, view: &View<'_>) -> Vec<(ConditionKind, Judgement)> {
        if self.spec.is_dependency() {
            return vec![(Serving, self.serving(view.now))];
        }
        let verdict = self.boot_verdict(view);
        vec![
            (Loaded, self.loaded(view.now)),
            (Active, self.active(view)),
            (Enabled, self.enabled(verdict.as_ref(), view)),
            (Boot, self.boot(verdict.as_ref(), view)),
            (Release, self.release(view)),
            (Serving, self.serving(view.now)),
            (Progressing, self.progressing(view.now)),
        ]
    }

    fn serving(&self, now: Moment) -> Judgement {
        if self.probes.is_empty() {
            return Judgement::unknown(Why::NotConfigured, "no-probe", "no probe is configured");
        }
        if !self.is_asked() {
            let message = match self.run.is_frozen() {
                true => "probes do not run while the unit is frozen",
                false => "probes run while the unit is active",
            };
            return Judgement::unknown(Why::NotRunning, "not-active", message);
        }
        if self.is_draining() {
            return drains();
        }
        self.probes.judge(self.spec.severity, now)
    }

    fn progressing(&self, now: Moment) -> Judgement {
        if self.queues.is_empty() {
            let message = "no progress source is configured";
            return Judgement::unknown(Why::NotConfigured, "no-progress", message);
        }
        if !self.is_asked() {
            let message = "progress is read while the unit is active";
            return Judgement::unknown(Why::NotRunning, "not-active", message);
        }
        if self.is_draining() {
            return drains();
        }
        self.queues.judge(self.spec.severity, now)
    }

    /// A condition keeps its `since` while truth and reason stay.
    fn keep(&mut self, kind: ConditionKind, judgement: Judgement, now: Moment) {
        let same = |known: &&Condition| known.truth == judgement.truth && known.reason == judgement.reason;
        let since = self.conditions.get(&kind).filter(same).map_or(now, |known| known.since);
        let Judgement { truth, reason, message, .. } = judgement;
        self.conditions.insert(kind, Condition { kind, truth, reason, message, since });
    }

    /// Findings of a new judgement replace those of the last one; each keeps its beginning.
    ///
    /// While an order is in flight nothing counts as gone: only its proof clears a finding.
    fn replace_findings(&mut self, found: Vec<Finding>) -> News {
        let before = std::mem::take(&mut self.findings);
        let in_flight = self.kept.recovery.is_some();
        let troubled = before.iter().any(|finding| self.is_trouble(finding));
        let mut now: Vec<Finding> = Vec::new();
        for mut finding in found {
            if now.iter().any(|known| known.is_same(&finding)) {
                continue;
            }
            if let Some(known) = before.iter().find(|known| known.is_same(&finding)) {
                finding.since = known.since;
            }
            now.push(finding);
        }
        let missing = |known: &&Finding| !now.iter().any(|finding| finding.is_same(known));
        let mut gone: Vec<Finding> = before.iter().filter(missing).cloned().collect();
        if in_flight {
            now.append(&mut gone);
        }
        now.sort_by(|a, b| b.severity.cmp(&a.severity).then(a.since.cmp(&b.since)).then(a.code.cmp(&b.code)));
        let is_new = |finding: &&Finding| !before.iter().any(|known| known.is_same(finding));
        let found = now.iter().filter(is_new).cloned().collect();
        self.findings = now;
        News { found, gone, troubled, in_flight }
    }

    /// What is found by now is news.
    pub(super) fn forget_findings(&mut self) {
        self.findings.clear();
    }

    /// What recovery itself has to tell: the budget, the last failure, the dependency that explains.
    fn of_recovery(&self, view: &View<'_>) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let Some(quarantine) = &self.kept.quarantine {
            let message = format!("{}; one more try comes later", quarantine.why);
            findings.push(finding(Code::Quarantined, Severity::Critical, message, quarantine.since));
        }
        if let Some(needed) = &self.plan.explained_by {
            let cause = view.peers.why_down(&self.name, needed);
            // What is planned may be a moment old.
            let message = cause.unwrap_or_else(|| format!("{needed}, which it requires, is down"));
            let found = finding(Code::DependencyDown, Severity::Warning, message, view.now);
            findings.push(proven(found, Vec::new(), Some(format!("steadfast explain {needed}"))));
        }
        findings.extend(self.failed_recovery());
        findings.extend(self.fleet_trouble(view));
        findings
    }

    /// The last try failed, and what it was for is still there. A failed smoke test is found by itself.
    fn failed_recovery(&self) -> Option<Finding> {
        let idle = self.kept.recovery.is_none() && self.kept.smoke_failure.is_none();
        let last = self.kept.last_action.as_ref().filter(|last| idle && !last.ok)?;
        let because = last.because?;
        self.findings.iter().find(|found| found.code == because)?;
        let message = format!("the last {} {}", last.action.as_str(), last.outcome);
        let found = finding(Code::RecoveryFailed, self.spec.severity, message, last.at);
        let lines = last
            .steps
            .iter()
            .map(|step| format!("{}: {}: {}", step.name.as_str(), step.result.as_str(), step.message))
            .collect();
        Some(proven(found, lines, None))
    }

    /// What is said of a finding that is not found any more: it is over, or cannot be seen just now.
    #[must_use]
    pub fn gone_sentence(&self, gone: &Finding) -> String {
        let (unit, code) = (&self.name, gone.code);
        let word = code.as_str();
        if self.has(code) {
            // Another probe or queue has the same trouble.
            return format!("{unit}: {word} ({}) is over", gone.subject);
        }
        if code.row().concern == Concern::Recovery {
            // The order is forgotten, or another one came; what it was for is still there.
            let left = self.troubles().find(|found| found.code.row().concern != Concern::Recovery);
            let down = self.conditions.get(&Active).filter(|known| known.truth == Truth::False);
            let left = left.map(|found| &found.message).or(down.map(|known| &known.message));
            if let Some(left) = left {
                return format!("{unit}: {word} is past; seen now: {left}");
            }
        }
        let condition = code.row().concern.condition().and_then(|kind| self.conditions.get(&kind));
        // What is wrong beside it says nothing of it, where several things can be: it would be found, too.
        let several = |kind| matches!(kind, Release | Serving | Progressing);
        let unseen = |known: &&Condition| match known.truth {
            Truth::True | Truth::Unknown(Why::Open | Why::ByWill) => false,
            Truth::False => !several(known.kind),
            Truth::Unknown(_) => true,
        };
        match condition.filter(unseen) {
            Some(known) => format!("{unit}: {word} is not seen now: {}", known.message),
            None => format!("{unit}: {word} is over"),
        }
    }

    pub(super) fn truth(&self, kind: ConditionKind) -> Option<Truth> {
        self.conditions.get(&kind).map(|known| known.truth)
    }

    /// All that is found may be explained by what it requires.
    #[must_use]
    pub fn may_be_explained(&self) -> bool {
        self.findings.iter().all(|found| {
            let row = found.code.row();
            found.code == Code::DependencyDown || !self.is_trouble(found) || row.explained
        })
    }

    /// Nobody is told of it: its file is switched off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.kept.off.is_some()
    }

    /// It is well, as far as was read; what was not read or answered yet says nothing.
    #[must_use]
    pub fn is_calm(&self) -> bool {
        let read = self.spec.is_dependency() || self.run.reading().is_some();
        let waits = |kind| self.truth(kind) == Some(Truth::Unknown(Why::NotRead));
        self.is_off() || (read && !waits(Serving) && !waits(Progressing) && self.trouble().is_none())
    }

    /// A reading shows that what this incident of it is about is over.
    #[must_use]
    pub fn is_over(&self, incident: &Incident, now: Moment) -> bool {
        self.is_off() || (self.is_calm() && self.is_well(incident, now))
    }

    fn is_well(&self, incident: &Incident, now: Moment) -> bool {
        if incident.cause == Code::UnitCrashLooping && incident.opened_at < self.managed_since {
            // We have not seen it for as long as it takes to find that again.
            return self.crash_loop_known_at() <= now && self.is_well_in(Active);
        }
        std::iter::once(&incident.cause).chain(&incident.news).all(|code| self.is_past(*code, now))
    }

    /// A reading shows that this is over.
    #[must_use]
    pub fn is_past(&self, code: Code, now: Moment) -> bool {
        let concern = code.row().concern;
        let moves = concern != Concern::Progressing || !self.is_asked() || self.queues.are_over(code);
        let stays = code.gravity() < Code::UnitFailed.gravity() || self.lasts_at().is_none_or(|at| at <= now);
        moves && stays && concern.condition().is_none_or(|kind| self.is_well_in(kind))
    }

    /// What runs is well only when it has run for a while: many a unit dies right after each start. When that is.
    pub(super) fn lasts_at(&self) -> Option<Moment> {
        // After two deaths it must live longer than it did before the last one.
        let again = self.kept.spent.len() >= 2 && self.drill_in_flight().is_none();
        let longer = self.run.lasted().saturating_mul(2).min(limits::CRASH_LOOP_WINDOW);
        let steady = if again { self.steady_for().max(longer) } else { self.steady_for() };
        self.run.is_up().then(|| self.run.since().plus(steady))
    }

    /// From then on a crash loop of this unit would have been seen.
    fn crash_loop_known_at(&self) -> Moment {
        self.managed_since.plus(limits::CRASH_LOOP_WINDOW)
    }

    /// Looks again when it will be known whether what it died of is over, or a crash loop that began in our earlier life.
    pub(super) fn await_end(&mut self, view: &View<'_>) {
        let Some(own) = view.incidents.own(&self.name).and_then(|id| view.incidents.get(id)) else {
            return;
        };
        let looped = own.cause == Code::UnitCrashLooping;
        let at = [self.lasts_at(), looped.then(|| self.crash_loop_known_at())];
        for at in at.into_iter().flatten().filter(|at| *at > view.now) {
            self.look_again(at);
        }
    }

    pub(super) fn is_well_in(&self, kind: ConditionKind) -> bool {
        if self.run.reading().is_some_and(UnitReading::is_passing) {
            // Between two runs the one is over, and nothing is known of the other.
            return false;
        }
        match self.truth(kind) {
            Some(Truth::True | Truth::Unknown(Why::NotConfigured | Why::Open | Why::ByWill)) => true,
            // Down on purpose: what it did while it ran has ended with that.
            Some(Truth::False) => kind == Active && self.is_stopped_on_purpose(),
            Some(Truth::Unknown(Why::NotRunning)) => kind != Active && self.is_well_in(Active),
            Some(Truth::Unknown(Why::NotRead | Why::CannotTell)) => false,
            // A dependency has no other condition.
            None => true,
        }
    }
}

/// What it says of its work is what we asked for.
fn drains() -> Judgement {
    Judgement::unknown(Why::CannotTell, "draining", "it finishes what it works on before its restart")
}
