//! Drills on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Time;
use crate::model::drill;
use crate::model::moment::Moment;

/// The body of `POST /v1/units/UNIT/drill`; it may be left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DrillBody {
    /// Feign a failing answer of this probe, instead of killing the main process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// Only say what the drill would do.
    pub dry_run: bool,
}

/// One drill, under way or over. All times are counted from the fault, in seconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drill {
    /// `kill` or `probe`.
    pub kind: String,
    pub probe: Option<String>,
    pub who: String,
    pub at: Time,
    /// `running`, `proven`, `by-systemd`, `told`, `failed` or `interrupted`.
    pub outcome: String,
    /// One sentence; empty while it runs.
    pub message: String,
    /// It was found.
    pub detect_s: Option<f64>,
    /// It was first decided what to do.
    pub decide_s: Option<f64>,
    /// It was proven to work again.
    pub recover_s: Option<f64>,
    /// The first alert arrived.
    pub alert_s: Option<f64>,
    /// systemd had restarted it by itself.
    pub systemd_s: Option<f64>,
    /// Every sink that was to hear of it at once.
    pub alerts: Vec<DrillAlert>,
    pub incident: Option<u64>,
}

/// Whether one sink heard of a drill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DrillAlert {
    pub sink: String,
    /// Seconds after the fault; `null`: it did not arrive.
    pub arrived_s: Option<f64>,
    /// Why not.
    pub error: Option<String>,
}

/// What a drill would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DrillPlan {
    /// `kill` or `probe`.
    pub kind: String,
    pub probe: Option<String>,
    /// The fault, one sentence.
    pub fault: String,
    /// `start` or `restart`; `null`: it would only be told.
    pub order: Option<String>,
    /// As a rule, in seconds; and when it is given up.
    pub expected_s: f64,
    pub limit_s: f64,
    /// Sinks that would be told at once.
    pub told: Vec<String>,
    pub untold: Vec<Untold>,
    /// Managed units that require it.
    pub needed_by: Vec<String>,
    /// Restarts that its budget allows now.
    pub restarts_left: usize,
}

/// A sink that would not be told at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Untold {
    pub sink: String,
    pub why: String,
}

fn probe(kind: &drill::DrillKind) -> Option<String> {
    match kind {
        drill::DrillKind::Kill => None,
        drill::DrillKind::Probe(name) => Some(name.clone()),
    }
}

impl From<&drill::Drill> for Drill {
    fn from(drill: &drill::Drill) -> Self {
        let since =
            |at: Option<Moment>| drill.struck_at.zip(at).map(|(struck, at)| at.since(struck).as_secs_f64());
        let alert = |(sink, known): (&String, &drill::Hearing)| DrillAlert {
            sink: sink.clone(),
            arrived_s: since(known.arrived_at),
            error: known.failure.clone(),
        };
        Self {
            kind: drill.kind.as_str().to_owned(),
            probe: probe(&drill.kind),
            who: drill.who.clone(),
            at: drill.at.into(),
            outcome: drill.end.as_ref().map_or("running", |end| end.verdict.as_str()).to_owned(),
            message: drill.end.as_ref().map(|end| end.message.clone()).unwrap_or_default(),
            detect_s: since(drill.detected_at),
            decide_s: since(drill.decided_at),
            recover_s: since(drill.recovered_at),
            alert_s: since(drill.told.values().filter_map(|known| known.arrived_at).min()),
            systemd_s: since(drill.by_systemd_at),
            alerts: drill.told.iter().map(alert).collect(),
            incident: drill.incident,
        }
    }
}

impl From<&drill::DrillPlan> for DrillPlan {
    fn from(plan: &drill::DrillPlan) -> Self {
        let untold = |(sink, why): &(String, String)| Untold { sink: sink.clone(), why: why.clone() };
        Self {
            kind: plan.kind.as_str().to_owned(),
            probe: probe(&plan.kind),
            fault: plan.fault.clone(),
            order: plan.order.map(|order| order.as_str().to_owned()),
            expected_s: plan.expected.as_secs_f64(),
            limit_s: plan.limit.as_secs_f64(),
            told: plan.told.clone(),
            untold: plan.untold.iter().map(untold).collect(),
            needed_by: plan.needed_by.iter().map(ToString::to_string).collect(),
            restarts_left: plan.left,
        }
    }
}
