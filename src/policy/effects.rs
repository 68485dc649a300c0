//! What an object of the policy puts out in a turn, in order: actions, lines of the history, and requests to other objects.

use crate::model::action::Action;
use crate::model::finding::Code;
use crate::model::incident::EventKind;
use crate::model::moment::Moment;
use crate::model::operator::Answer;

/// One thing that an object puts out.
#[derive(Clone, Debug, PartialEq)]
pub enum Out {
    Act(Action),
    Note(Note),
    /// The unit waits for word of the package manager.
    AskPackages,
    /// What the unit requires is to answer, where it has not since then.
    AskNeeds(Moment),
    /// The set of units to follow changed.
    Follow,
    /// The next boot is to be predicted anew.
    PredictBoot,
    /// A close look at what this incident is about.
    Capture(u64),
    /// The drill that made this incident is over.
    EndDrill(u64),
}

/// A line of the history, before it is filed under an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    pub file: File,
    pub kind: EventKind,
    pub code: Option<Code>,
    /// One sentence.
    pub message: String,
}

/// Under which incident a line is filed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum File {
    /// The open incident of the unit that says it, where there is one.
    OfUnit,
    /// This one, or none.
    Under(Option<u64>),
}

/// What an object has put out since it was last emptied.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outbox(Vec<Out>);

impl Outbox {
    pub fn push(&mut self, out: Out) {
        self.0.push(out);
    }

    pub fn act(&mut self, action: Action) {
        self.0.push(Out::Act(action));
    }

    /// Answers a waiting caller.
    pub fn answer(&mut self, request: u64, answer: Answer) {
        self.act(Action::AnswerOperator { request, answer });
    }

    /// A line that is filed under the unit's open incident.
    pub fn note(&mut self, kind: EventKind, code: Option<Code>, message: impl Into<String>) {
        self.0.push(Out::Note(Note { file: File::OfUnit, kind, code, message: message.into() }));
    }

    /// The same under this incident, or under none.
    pub fn file(&mut self, incident: Option<u64>, kind: EventKind, message: impl Into<String>) {
        self.file_code(incident, (kind, None), message);
    }

    /// The same with the code of a finding.
    pub fn file_code(
        &mut self,
        incident: Option<u64>,
        (kind, code): (EventKind, Option<Code>),
        message: impl Into<String>,
    ) {
        self.0.push(Out::Note(Note { file: File::Under(incident), kind, code, message: message.into() }));
    }

    /// Takes out what is in it.
    pub fn take(&mut self) -> Vec<Out> {
        std::mem::take(&mut self.0)
    }
}
