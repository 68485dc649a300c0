//! A person disabled the unit while we looked: a wish like a stop. It is told at once, and not undone before its time; a
//! unit that dies is brought back enabled all the same.

use crate::model::finding::{Code, ConditionKind, Truth, Why};
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::operator::{Step, StepName, StepResult};
use crate::model::span::span;
use crate::model::state::{Disabling, OrderKind, Phase, Recovery};
use crate::model::unit::UnitFileState;
use crate::policy::effects::Out;
use crate::policy::enablement;
use crate::policy::judgement::Judgement;
use crate::policy::packages::Packages;
use crate::policy::view::View;

use super::Unit;

impl Unit {
    /// Its enablement is another one now. We never disable anything.
    pub(super) fn follow_enablement(&mut self, read: &UnitFileState, now: Moment) {
        if !enablement::lacks_links(read) {
            self.kept.disabling = None;
        } else if self.was_enabled(read) {
            self.kept.disabling = Some(Disabling { at: now });
            self.disabling_doubted = true;
            self.out.push(Out::AskPackages);
        }
    }

    /// It had the links that it has no more. What is made of an init script has those of the script.
    fn was_enabled(&self, read: &UnitFileState) -> bool {
        let script = self.enablement == Some(UnitFileState::Generated);
        let off = *read == UnitFileState::InitScriptOff;
        // Before its first reading it is what it was when we were here last.
        let known = self.enablement == Some(UnitFileState::Enabled);
        known || (self.enablement.is_none() && self.kept.enabled) || (script && off)
    }

    /// Word of the package manager has come, or will not come.
    pub fn settle_disabling(&mut self, packages: &Packages) {
        if !std::mem::take(&mut self.disabling_doubted) {
            return;
        }
        let Some(disabling) = self.kept.disabling.as_ref() else {
            return;
        };
        let who = packages.was_at_work(disabling.at, disabling.at);
        let name = &self.name;
        let message = match &who {
            Some(who) => format!("{name} was disabled while {who} was at work"),
            None => format!("{name} was disabled by a person or a script"),
        };
        if who.is_some() {
            self.kept.disabling = None;
            self.upgraded = true;
        }
        self.out.note(EventKind::Operated, Some(Code::NotEnabled), message);
    }

    /// What follows, and how to keep it disabled.
    fn after_disabling(&self) -> String {
        let recovery = &self.spec.recovery;
        if self.enablement == Some(UnitFileState::InitScriptOff) {
            return format!("Steadfast does not enable init scripts: systemctl enable {}", self.name);
        }
        let enabling = self.kept.recovery.as_ref().is_some_and(|order| self.is_to_enable(order));
        match recovery.after_manual_disable.filter(|_| recovery.enable) {
            Some(length) if enabling || length.is_zero() => "it is enabled again at once".to_owned(),
            Some(length) => format!(
                "it is enabled again {} later; to keep it disabled, write enable = false below [recovery] in {}",
                span(length),
                self.spec.file
            ),
            None => "Steadfast leaves it disabled".to_owned(),
        }
    }

    /// The finding of a unit that a person disabled says so.
    pub(super) fn say_who_disabled(&self, mut judgement: Judgement) -> Judgement {
        if self.kept.disabling.is_none() || self.disabling_doubted {
            return judgement;
        }
        let said = format!("{} was disabled by a person or a script; {}", self.name, self.after_disabling());
        for found in judgement.findings.iter_mut().filter(|found| found.code == Code::NotEnabled) {
            found.message.clone_from(&said);
            judgement.message.clone_from(&said);
        }
        judgement
    }

    /// When it may be enabled; `None`: not by itself.
    pub(super) fn enabled_from(&self, now: Moment) -> Option<Moment> {
        match &self.kept.disabling {
            Some(disabling) => {
                let length = self.spec.recovery.after_manual_disable?;
                Some(disabling.at.plus(length).max(now))
            }
            None => Some(now),
        }
    }

    /// An order enables it as well: one that brings it back from death, one of a person, and others where nobody disabled it.
    pub(super) fn enables(&self, order: &Recovery) -> bool {
        let asked = self.spec.recovery.enable || order.because.is_none();
        let respects = order.kind == OrderKind::Restart || self.spec.recovery.after_manual_disable.is_none();
        asked && !(respects && order.because.is_some() && self.kept.disabling.is_some())
    }

    /// It is not enabled, and this order enables it.
    pub(super) fn is_to_enable(&self, order: &Recovery) -> bool {
        // Whether boot starts it all the same takes a moment to compute: enabling it does no harm meanwhile.
        let truth = self.truth(ConditionKind::Enabled);
        let links = self.enablement.as_ref().is_some_and(enablement::lacks_links);
        let lacking = truth == Some(Truth::False) || (truth == Some(Truth::Unknown(Why::NotRead)) && links);
        // An init script is enabled by a tool of its own.
        let script = self.enablement == Some(UnitFileState::InitScriptOff);
        lacking && !script && self.enables(order)
    }

    /// It was disabled right before: that was read only after the step was skipped.
    pub(super) fn was_disabled_meanwhile(&self, order: &Recovery) -> bool {
        let skipped = |step: &Step| step.name == StepName::Enable && step.result == StepResult::Skipped;
        order.steps.iter().any(skipped) && self.is_to_enable(order)
    }

    /// The step that was skipped is taken, and what it led to is proven.
    pub(super) fn enable_after_all(&mut self, view: &View<'_>) {
        if let Some(order) = &mut self.kept.recovery {
            order.steps.retain(|step| step.name != StepName::Enable);
        }
        self.enter(Phase::Enable, view);
    }
}
