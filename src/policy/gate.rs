//! What speaks against an order now.

use crate::model::moment::Moment;
use crate::model::unit::UnitName;

/// A closed gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// One clause.
    pub why: String,
    /// It may open by itself then.
    pub until: Option<Moment>,
    /// The required unit that explains the trouble.
    pub explained_by: Option<UnitName>,
    /// It opens as soon as there is room among the orders under way.
    pub room: bool,
}

impl Gate {
    #[must_use]
    pub fn because(why: impl Into<String>) -> Self {
        Self { why: why.into(), until: None, explained_by: None, room: false }
    }

    /// The same, until this moment.
    #[must_use]
    pub fn until(self, at: Moment) -> Self {
        Self { until: Some(at), ..self }
    }
}
