//! What is decided of a unit: what comes next and when, or why nothing does.

use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::span::span;
use crate::model::state::{NextAction, OrderKind, Plan};
use crate::model::unit::UnitName;
use crate::policy::effects::Out;
use crate::policy::incidents::Look;
use crate::policy::limits;
use crate::policy::view::View;

use super::Unit;

impl Unit {
    /// Where no order is in flight, weighs whether there is one to give. Says whether that changed anything.
    pub fn decide(&mut self, view: &View<'_>) -> bool {
        self.lock.wished = false;
        if self.kept.recovery.is_some() {
            return false;
        }
        let (kept, explained_by) = (self.kept.clone(), self.plan.explained_by.clone());
        self.weigh(view);
        self.enable_meanwhile(view);
        kept != self.kept || explained_by != self.plan.explained_by
    }

    /// To be enabled waits for nothing that stands against a start or a restart.
    fn enable_meanwhile(&mut self, view: &View<'_>) {
        let weighed = self.plan.next.as_ref().is_none_or(|next| next.action == OrderKind::Enable);
        let want = self.wants_enabling(view.now).filter(|_| !weighed && self.kept.recovery.is_none());
        let Some(want) = want.map(|want| self.delayed(want, view)) else {
            return;
        };
        if want.due > view.now {
            self.look_again(want.due);
        } else if let Some(gate) = self.closed(&want, view) {
            self.look_again_if(gate.until);
        } else if !self.must_ask_packages(view) {
            self.begin(OrderKind::Enable, Some(want.because), view);
        }
    }

    /// Weighs what the findings ask for.
    fn weigh(&mut self, view: &View<'_>) {
        let now = view.now;
        self.waits = false;
        self.age_budget(now);
        self.release_by_deploy();
        let Some(want) = self.most_urgent(now) else {
            self.forgive(now);
            self.set_plan(Plan { explained_by: self.explained(view), ..Plan::default() });
            return;
        };
        self.ask_for(want.because);
        let want = self.delayed(want, view);
        if self.own_will(&want).is_none() && self.unwanted(now).is_none() {
            self.quarantine_if_spent(&want, now);
        }
        let next = NextAction { action: want.kind, due_at: want.due, because: want.because };
        if let Some(gate) = self.closed(&want, view) {
            self.look_again_if(gate.until);
            self.waits = gate.room;
            let due_at = gate.until.map_or(next.due_at, |until| until.max(next.due_at));
            let next = NextAction { due_at, ..next };
            // Whatever keeps us from acting: what explains the trouble is named.
            let explained_by = gate.explained_by.or_else(|| self.explained(view));
            self.set_plan(Plan { next: Some(next), blocked: Some(gate.why), explained_by });
            self.look_outside_once(view);
            return;
        }
        if self.plan.explained_by.is_some() {
            // What failed meanwhile was explained; whether it still fails must be seen first.
            self.probes.begin_anew(now);
            self.look_again(now);
            self.set_plan(Plan::default());
            return;
        }
        self.lock.wished = want.due <= now && self.needs_slot(want.kind, view);
        let waits = want.due > now
            || self.must_ask_packages(view)
            || self.must_be_looked_at(want.kind, view)
            || self.must_look_outside(want.kind, view);
        if waits {
            if want.due > now {
                self.look_again(want.due);
            }
            let slot = || self.lacks_slot(want.kind, view).filter(|_| want.due <= now).map(|gate| gate.why);
            let blocked = self.awaits_window(&want, now).or_else(slot);
            self.set_plan(Plan { next: Some(next), blocked, ..Plan::default() });
            return;
        }
        if let Some(gate) = self.lacks_slot(want.kind, view) {
            self.set_plan(Plan { next: Some(next), blocked: Some(gate.why), ..Plan::default() });
            return;
        }
        self.set_plan(Plan::default());
        self.begin(want.kind, Some(want.because), view);
    }

    /// What must be asked before this finding is acted on: what the unit requires, and its processes once more.
    fn ask_for(&mut self, because: Code) {
        let Some(found) = self.findings.iter().find(|finding| finding.code == because) else {
            return;
        };
        self.out.push(Out::AskNeeds(found.since));
        let deleted = self.findings.iter().find(|finding| finding.code == Code::ReleaseDeleted);
        if let Some(at) = deleted.and_then(|finding| self.second_look(finding)) {
            self.residents.wish(at);
        }
    }

    /// Before an order: whether word of the package manager must be awaited first.
    pub(super) fn must_ask_packages(&mut self, view: &View<'_>) -> bool {
        let fresh = view.packages.is_fresh(view.now);
        if !fresh {
            self.out.push(Out::AskPackages);
        }
        !fresh
    }

    /// Before a restart ends what there is to see: whether a close look must be awaited.
    fn must_be_looked_at(&mut self, kind: OrderKind, view: &View<'_>) -> bool {
        if kind != OrderKind::Restart {
            return false;
        }
        match view.incidents.look_at(&self.name, view.now) {
            (Look::Awaited(until), _) => {
                self.look_again(until);
                true
            }
            (Look::Missing, Some(id)) => {
                self.out.push(Out::Capture(id));
                self.look_again(view.now.plus(limits::EVIDENCE));
                true
            }
            (Look::Enough | Look::Missing, _) => false,
        }
    }

    /// What explains a trouble about which nothing is to be done anyway.
    fn explained(&self, view: &View<'_>) -> Option<UnitName> {
        let troubled = self.findings.iter().any(|finding| finding.code.row().explained);
        troubled.then(|| view.peers.cause(&self.name)).flatten().map(|(cause, _)| cause)
    }

    /// Keeps the decision; what newly keeps us from acting is told once.
    fn set_plan(&mut self, plan: Plan) {
        let news = plan.told().filter(|news| self.plan.told().as_ref() != Some(news));
        self.plan = plan;
        if let Some((action, because, why)) = news {
            let (word, code) = (action.as_str(), because.as_str());
            let message = format!("would {word} {} because of {code}: {why}", self.name);
            self.out.note(EventKind::Decided, Some(because), message);
        }
    }

    /// What comes next, or why nothing does, for an alert.
    #[must_use]
    pub fn next_sentence(&self, now: Moment) -> String {
        if let Some(order) = &self.kept.recovery {
            return format!("a {} is under way ({})", order.kind.as_str(), order.phase.as_str());
        }
        if let Some(advice) = self.release_advice(now) {
            return advice;
        }
        let plan = self.shown_plan();
        match (&plan.next, &plan.blocked) {
            (Some(next), Some(why)) if next.due_at > now => {
                format!("{} it in {}: {why}", next.action.as_str(), span(next.due_at.since(now)))
            }
            (Some(next), Some(why)) => format!("would {} it: {why}", next.action.as_str()),
            (Some(next), None) if next.due_at <= now => format!("{} it now", next.action.as_str()),
            (Some(next), None) => {
                format!("{} it in {}", next.action.as_str(), span(next.due_at.since(now)))
            }
            (None, _) => "nothing: Steadfast does not act on it by itself".to_owned(),
        }
    }
}

impl Plan {
    /// What people are told of it, where something keeps us from acting.
    fn told(&self) -> Option<(OrderKind, Code, String)> {
        let next = self.next.as_ref()?;
        self.blocked.clone().map(|why| (next.action, next.because, why))
    }
}
