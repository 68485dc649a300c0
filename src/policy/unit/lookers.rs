//! Somebody asks how the unit is now: the answer rests on readings that began after the question.

use crate::model::moment::Moment;
use crate::model::operator::Answer;
use crate::policy::limits;

use super::Unit;

impl Unit {
    /// Looks at its processes and asks its probes once more; answers when that is judged.
    pub fn look_afresh(&mut self, request: u64, now: Moment) {
        self.lookers.push((request, now));
        self.residents.wish(now);
        self.hurry(now, now);
    }

    /// Answers whoever waits for readings that are here by now, or do not come.
    pub fn answer_lookers(&mut self, now: Moment) {
        for (request, asked) in std::mem::take(&mut self.lookers) {
            let until = asked.plus(limits::INSPECTION_LIMIT);
            if until > now && self.is_older_than(asked) {
                self.lookers.push((request, asked));
                self.look_again(until);
            } else {
                let message = format!("{} was looked at", self.name);
                self.out.answer(request, Answer::Done { message, steps: Vec::new() });
            }
        }
    }

    /// What is known of it began before this moment.
    fn is_older_than(&self, at: Moment) -> bool {
        let processes = self.can_be_inspected() && self.residents.inspected_at().is_none_or(|read| read < at);
        let probes = self.is_asked()
            && self.probes.answers().any(|answer| answer.at.is_none_or(|answered| answered < at));
        processes || probes
    }
}
