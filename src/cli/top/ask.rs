//! Orders that a person may give here: each is asked about first, by what it would do.

use crate::api::client::{Client, Error};
use crate::api::render::radius::preview;
use crate::api::render::{Look, coming};
use crate::api::wire::{Incident, Reply, State, Unit};

/// An order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    Recover(String),
    Hold { unit: String, length: String, reason: String },
    Resume(String),
    Acknowledge(u64),
}

/// What is asked before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    pub order: Order,
    /// What it would do, a line each.
    pub lines: Vec<String>,
    /// Of a hold: which of its two texts is being written.
    pub field: Option<Field>,
}

/// A text that a hold needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    Length,
    Reason,
}

impl Order {
    /// Gives it.
    ///
    /// # Errors
    /// Why it was not taken.
    pub async fn give(&self, client: &Client) -> Result<Reply, Error> {
        match self {
            Self::Recover(unit) => client.recover(unit).await,
            Self::Hold { unit, length, reason } => client.hold(unit, length, reason).await,
            Self::Resume(unit) => client.resume(unit).await,
            Self::Acknowledge(id) => client.acknowledge(*id).await,
        }
    }

    /// For a title.
    #[must_use]
    pub fn said(&self) -> String {
        match self {
            Self::Recover(unit) => format!("recover {unit}"),
            Self::Hold { unit, .. } => format!("hold {unit}"),
            Self::Resume(unit) => format!("resume {unit}"),
            Self::Acknowledge(id) => format!("acknowledge incident {id}"),
        }
    }
}

impl Question {
    /// Start or restart it now.
    #[must_use]
    pub fn recover(look: &Look, unit: &Unit) -> Self {
        let lines = preview(look, unit).lines().map(str::to_owned).collect();
        Self { order: Order::Recover(unit.unit.clone()), lines, field: None }
    }

    /// Leave it alone for a while. What is written first is how long.
    #[must_use]
    pub fn hold(look: &Look, unit: &Unit) -> Self {
        let mut lines = vec![
            format!(
                "{} would be observed only: nothing is started, restarted or enabled until the end.",
                unit.unit
            ),
            "It is shown as held, with the reason; what is found is shown and alerted as before.".to_owned(),
        ];
        lines.extend(unit.hold.as_ref().map(|_| "The current hold is replaced.".to_owned()));
        lines.extend(
            unit.recovery.as_ref().map(|known| format!("The {} under way is finished first.", known.action)),
        );
        lines.push(format!("It ends by itself, or by: {} resume {}", look.program(), unit.unit));
        let order = Order::Hold { unit: unit.unit.clone(), length: "30m".to_owned(), reason: String::new() };
        Self { order, lines, field: Some(Field::Length) }
    }

    /// End a hold or a quarantine. `None`: there is none.
    #[must_use]
    pub fn resume(look: &Look, unit: &Unit) -> Option<Self> {
        let now = match (&unit.hold, &unit.quarantine) {
            (Some(hold), _) => format!("held {}", crate::api::render::held(look, hold)),
            (None, Some(_)) => coming(look, unit).into_iter().next().unwrap_or_default(),
            (None, None) => return None,
        };
        let then = match (unit.state, unit.preview.action.as_str()) {
            (State::Held | State::Quarantined, action @ ("start" | "restart")) => {
                format!("Steadfast would act on it again, and {action} it where its conditions ask for that.")
            }
            _ => "Steadfast would act on it again.".to_owned(),
        };
        Some(Self { order: Order::Resume(unit.unit.clone()), lines: vec![now, then], field: None })
    }

    /// Somebody knows of the incident.
    #[must_use]
    pub fn acknowledge(incident: &Incident) -> Self {
        let lines = vec![
            format!("{}: {}", incident.cause, incident.summary),
            "No reminders and no escalation from now on, unless it gets worse. What is wrong stays wrong."
                .to_owned(),
        ];
        Self { order: Order::Acknowledge(incident.id), lines, field: None }
    }

    /// The text that is being written.
    pub fn text(&mut self) -> Option<&mut String> {
        match (&mut self.order, self.field?) {
            (Order::Hold { length, .. }, Field::Length) => Some(length),
            (Order::Hold { reason, .. }, Field::Reason) => Some(reason),
            (Order::Recover(_) | Order::Resume(_) | Order::Acknowledge(_), _) => None,
        }
    }
}
