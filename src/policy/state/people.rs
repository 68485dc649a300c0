//! The commands of people. Exactly one answer each.

use crate::model::action::Action;
use crate::model::baseline::Worse;
use crate::model::operator::{Answer, Ask, Request, UnitAsk};
use crate::model::unit::UnitName;

use super::State;
use super::saving::unsaved;

impl State {
    /// A person asks.
    pub(super) fn asked(&mut self, request: Request) {
        let Request { id, who, ask } = request;
        let answer = match ask {
            Ask::OfUnit { unit, ask } => self.asked_of_unit(&unit, id, (who, ask)),
            Ask::Acknowledge { incident } => {
                let answer = self.incidents.acknowledge(incident, who, self.now);
                self.drain_incidents(None);
                Some(answer)
            }
            Ask::TestAlerts => {
                self.alerts.test(id, &self.host.settings().sinks);
                self.drain_alerts();
                None
            }
            Ask::Compared { baseline, lines } => Some(self.unless_unsaved(|state| {
                let worse = Worse { baseline, since: state.now, lines };
                let units = &state.units;
                state.regressions.compared(worse, &who, |unit| units.contains_key(unit))
            })),
            Ask::AcceptBaseline => Some(self.unless_unsaved(|state| state.regressions.accept(&who))),
        };
        if let Some(answer) = answer {
            self.actions.push(Action::AnswerOperator { request: id, answer });
        }
    }

    /// Does it, and answers with its sentence. While nothing can be saved it would be taken back, and with it what a stop of a
    /// person means.
    fn unless_unsaved(&mut self, act: impl FnOnce(&mut Self) -> String) -> Answer {
        if let Some(failure) = self.host.save_failure() {
            return unsaved(&failure.why);
        }
        let message = act(self);
        self.drain_regressions();
        Answer::Done { message, steps: Vec::new() }
    }

    /// A person asks about one unit; `None`: the answer comes later, or was given.
    fn asked_of_unit(&mut self, unit: &UnitName, request: u64, asked: (String, UnitAsk)) -> Option<Answer> {
        if !self.units.contains_key(unit) {
            return Some(Answer::NotManaged);
        }
        if let Some(failure) = self.host.save_failure() {
            return Some(unsaved(&failure.why));
        }
        self.touch(unit);
        let (who, ask) = asked;
        let message = self.with(unit, |unit, view| match ask {
            UnitAsk::Hold { length, reason } => Some(unit.hold(who, length, reason, view.now)),
            UnitAsk::Look => {
                unit.look_afresh(request, view.now);
                None
            }
            UnitAsk::Resume => Some(unit.resume(&who, view.now)),
            UnitAsk::Recover => {
                unit.recover(request, &who, view);
                None
            }
            UnitAsk::Drill { kind, rehearse } => {
                unit.drill(request, who, (kind, rehearse), view);
                None
            }
        });
        message.flatten().map(|message| Answer::Done { message, steps: Vec::new() })
    }
}
