//! What a reader may ask for, as the process that listens hands it on: nothing of what came over the network but these values.

use std::time::Duration;

use axum::extract::{Path, Query, RawQuery, State};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::super::pictures::AGE;
use super::super::{Shared, events, incidents, metrics, pages, routes};
use crate::api::metrics::Form;

/// Characters of a name; systemd has none that is longer.
const NAME: usize = 256;

/// A route for reading, with its parameters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Page {
    Status,
    Unit(Name),
    Incidents(incidents::Filter),
    Incident(u64),
    Events {
        unit: Option<Name>,
        /// Resume after this id.
        after: Option<u64>,
    },
    Metrics(Form),
    Health,
    /// The pages for people.
    Front,
    OfUnit(Name),
    OfIncident(u64),
}

/// The name of a unit, of bounded length.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Name(String);

impl Name {
    /// `None`: no unit can have it.
    pub fn of(text: &str) -> Option<Self> {
        (text.chars().nth(NAME).is_none()).then(|| Self(text.to_owned()))
    }
}

impl Page {
    /// Those whose text is shared by all who read, whatever they ask for.
    pub fn shared() -> Vec<Self> {
        let all = Self::Incidents(incidents::Filter::default());
        vec![
            Self::Status,
            Self::Metrics(Form::OpenMetrics),
            Self::Metrics(Form::Classic),
            Self::Health,
            Self::Front,
            all,
        ]
    }

    /// For so long a text of it is good.
    pub const fn age() -> Duration {
        AGE
    }

    /// The answer, for somebody of whom nothing is known.
    pub async fn answer(self, shared: Shared) -> Response {
        let shared = State(shared);
        match self {
            Self::Status => routes::status(shared, None).await.into_response(),
            Self::Unit(Name(name)) => {
                routes::unit(shared, None, Ok(Path(name)), RawQuery(None)).await.into_response()
            }
            Self::Incidents(filter) => incidents::list(shared, None, Ok(Query(filter))).await.into_response(),
            Self::Incident(id) => incidents::one(shared, None, Ok(Path(id))).await.into_response(),
            Self::Events { unit, after } => {
                events::stream(shared.0, unit.map(|Name(name)| name), after).into_response()
            }
            Self::Metrics(form) => metrics::written(&shared.0, form).await.into_response(),
            Self::Front => pages::front(shared, None).await,
            Self::OfUnit(Name(name)) => pages::unit(shared, None, Ok(Path(name))).await,
            Self::OfIncident(id) => pages::incident(shared, None, Ok(Path(id))).await,
            Self::Health => routes::health(shared).await,
        }
    }
}
