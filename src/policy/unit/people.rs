//! What a person's recovery does: what the remedy of the findings says, or the reason why no order mends them.

use crate::model::code::Remedy;
use crate::model::finding::{Code, Finding};
use crate::model::incident::EventKind;
use crate::model::operator::Answer;
use crate::model::state::OrderKind;
use crate::policy::view::View;

use super::Unit;

/// Why a person's recovery is not begun.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Refusal {
    /// Something keeps it from being done now.
    NotNow(String),
    /// No order of ours mends what is found.
    NoRemedy(String),
}

impl Unit {
    /// A person asks: start + enable + endpoint check, now. Holds, delays and quarantine do not bind a person.
    pub fn recover(&mut self, request: u64, who: &str, view: &View<'_>) {
        let busy = self.kept.recovery.is_some();
        if let (false, Err(refusal)) = (busy, self.recovery(view)) {
            self.out.answer(request, refusal.answer(self.name.as_str()));
            return;
        }
        self.callers.push(request);
        self.ask_enablement();
        self.out.note(EventKind::Decided, None, format!("{who} asks to recover {}", self.name));
        if !busy {
            self.take_up_waiting(view);
        }
    }

    /// People met an order that only enabled the unit, and it is over, or there was none: theirs begins.
    pub fn take_up_waiting(&mut self, view: &View<'_>) {
        if self.callers.is_empty() || self.kept.recovery.is_some() {
            return;
        }
        match self.recovery(view) {
            Ok(kind) => {
                match self.slot_for_person(kind, view) {
                    Ok(true) => {}
                    Ok(false) => return,
                    Err(why) => return self.refuse_waiting(Refusal::NotNow(why)),
                }
                self.bid(view.now);
                self.kept.hold.take_if(|hold| hold.kind.is_implicit());
                if let Some(hold) = &mut self.kept.hold {
                    // Whoever asks for it to run does not want it stopped any more, however that ends.
                    hold.stopped_run = None;
                }
                self.begin(kind, None, view);
            }
            Err(refusal) => self.refuse_waiting(refusal),
        }
    }

    fn refuse_waiting(&mut self, refusal: Refusal) {
        let answer = refusal.answer(self.name.as_str());
        for request in std::mem::take(&mut self.callers) {
            self.out.answer(request, answer.clone());
        }
    }

    /// What a person's recovery would order now, and why it would be refused.
    pub(super) fn preview(&self, view: &View<'_>) -> (OrderKind, Option<String>) {
        if let Some(order) = &self.kept.recovery {
            let why = format!("a {} is in flight already; it would be joined", order.kind.as_str());
            return (self.remedy().unwrap_or(OrderKind::Check), Some(why));
        }
        match self.recovery(view) {
            Ok(kind) => (kind, None),
            Err(Refusal::NotNow(why) | Refusal::NoRemedy(why)) => {
                (self.remedy().unwrap_or(OrderKind::Check), Some(why))
            }
        }
    }

    /// What a person's recovery orders now.
    fn recovery(&self, view: &View<'_>) -> Result<OrderKind, Refusal> {
        if self.spec.is_dependency() {
            return Err(Refusal::NotNow("it is not a unit of this host; it is only probed".to_owned()));
        }
        if self.run.reading().is_none() {
            return Err(Refusal::NotNow("it has not been read yet".to_owned()));
        }
        let kind = self.remedy().map_err(Refusal::NoRemedy)?;
        self.closed_for_people(kind, view).map_or(Ok(kind), |why| Err(Refusal::NotNow(why)))
    }

    /// What it needs: a start when it is dead, what the remedy of its findings says, else the check alone.
    ///
    /// # Errors
    /// Something is found that no order of ours mends: what, and a command that may.
    fn remedy(&self) -> Result<OrderKind, String> {
        if self.run.is_down() {
            return Ok(OrderKind::Start);
        }
        let remedies: Vec<Remedy> = self.findings.iter().map(|found| self.remedy_of(found)).collect();
        if remedies.iter().any(|remedy| matches!(remedy, Remedy::Restart | Remedy::Follow)) {
            return Ok(OrderKind::Restart);
        }
        let hopeless = self.findings.iter().find(|found| self.is_hopeless(found));
        match hopeless.filter(|_| !remedies.contains(&Remedy::Enable)) {
            Some(found) => Err(found.no_remedy()),
            None => Ok(OrderKind::Check),
        }
    }

    /// The remedy of a finding, as it is now.
    fn remedy_of(&self, found: &Finding) -> Remedy {
        let remedy = found.code.row().remedy;
        let probed = matches!(found.code, Code::ProbeFailed | Code::ProbeSlow | Code::ResourceHigh);
        let not_loaded = self.run.settings().is_some_and(|known| known.need_daemon_reload);
        // What systemd has not loaded no restart brings into force.
        let in_vain = found.code == Code::UnitFileOutdated && not_loaded;
        let hopeless = in_vain || (probed && !self.probes.can_be_cured(found.code));
        if hopeless { Remedy::Nothing } else { remedy }
    }

    /// No order of ours mends it, and it is not about our orders.
    fn is_hopeless(&self, found: &Finding) -> bool {
        let ours = matches!(found.code, Code::Quarantined | Code::RecoveryFailed | Code::ProbeUnknown);
        // What runs by now may have been mended: the check shows it.
        let looped = found.code == Code::UnitCrashLooping && self.run.is_up();
        !ours && !looped && self.remedy_of(found) == Remedy::Nothing
    }

    /// Answers everybody who waits for its order. Whoever met one that only enables waits for an order of his own.
    pub(super) fn answer_callers(&mut self, kind: OrderKind, answer: &Answer) {
        if kind == OrderKind::Enable {
            return;
        }
        for request in std::mem::take(&mut self.callers) {
            self.out.answer(request, answer.clone());
        }
    }

    /// It is not managed any more: whoever waits for it is told so, and what was begun ends.
    pub fn leave(&mut self, view: &View<'_>) {
        self.interrupt_drill("it is no longer managed", view.now);
        let lookers = std::mem::take(&mut self.lookers).into_iter().map(|(request, _)| request);
        for request in std::mem::take(&mut self.callers).into_iter().chain(lookers) {
            let message = format!("{} is no longer managed", self.name);
            self.out.answer(request, Answer::Refused { message });
        }
        self.kept.recovery = None;
        self.leave_slot(view);
    }

    /// What it was decided for could not be saved: its callers are answered so, unless what they wait for goes on.
    pub fn refuse_callers(&mut self, answer: &Answer) {
        let drilled = self.drill_in_flight().is_some();
        if let Some(request) = self.drill_caller.take_if(|_| !drilled) {
            self.out.answer(request, answer.clone());
        }
        if self.kept.recovery.is_none() {
            for request in std::mem::take(&mut self.callers) {
                self.out.answer(request, answer.clone());
            }
        }
    }
}

impl Refusal {
    fn answer(self, unit: &str) -> Answer {
        match self {
            Self::NotNow(why) => Answer::Refused { message: format!("cannot recover {unit} now: {why}") },
            Self::NoRemedy(why) => {
                Answer::Failed { message: format!("cannot recover {unit}: {why}"), steps: Vec::new() }
            }
        }
    }
}

impl Finding {
    /// Why a person's recovery does not help.
    fn no_remedy(&self) -> String {
        let repair = self.repair.as_ref().map_or(String::new(), |repair| format!(" (try: {repair})"));
        format!("no restart repairs {}: {}{repair}", self.code.as_str(), self.message)
    }
}
