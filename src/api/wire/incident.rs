//! Incidents and alerts on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Event, Severity, Time};
use crate::model::incident;
use crate::model::moment::Moment;

/// `GET /v1/incidents`: newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incidents {
    pub incidents: Vec<Incident>,
    /// Units of which nobody is told now: their files are switched off.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switched_off: Vec<SwitchedOffUnit>,
}

/// A unit whose file is switched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SwitchedOffUnit {
    pub unit: String,
    pub reason: String,
    /// Back in force by itself then.
    pub until: Time,
}

/// `GET /v1/incidents/ID`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IncidentDetails {
    #[serde(flatten)]
    pub incident: Incident,
    /// Its timeline, oldest first.
    pub events: Vec<Event>,
    /// Who owns its unit and each unit that it affects, as far as their files say: unit, owner.
    #[serde(default)]
    pub owners: Vec<(String, String)>,
}

/// A stretch of trouble of one unit, or of the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Incident {
    pub id: u64,
    /// `null` concerns the host.
    pub unit: Option<String>,
    /// The code of the finding that opened it.
    pub cause: String,
    pub severity: Severity,
    /// One sentence.
    pub summary: String,
    /// When the fault itself came about, where that can be told.
    pub began_at: Option<Time>,
    pub opened_at: Time,
    /// `null` while it is open.
    pub resolved_at: Option<Time>,
    pub durations: Durations,
    /// Units that require this one, and whose trouble it explains.
    pub affected: Vec<String>,
    /// The incident that turned out to explain this one.
    pub part_of: Option<u64>,
    pub acknowledged: Option<Acknowledged>,
    pub evidence: Vec<String>,
    /// The last lines that its unit wrote itself, the telling ones, as the last close look found them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
    /// A command that repairs it, where one is known.
    pub repair: Option<String>,
    /// What changed before it, most suspect first.
    pub changes: Vec<Changed>,
    /// The file with what was to be seen of the sick unit.
    pub evidence_file: Option<String>,
    /// What each sink was told.
    pub told: Vec<ToldSink>,
    /// A drill made it: nothing was wrong in earnest.
    #[serde(default)]
    pub drill: bool,
}

/// How long each step took, in seconds; `null` where it did not come to that.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Durations {
    /// From the fault to the finding.
    pub detect: Option<f64>,
    /// From the finding to the first decision.
    pub decide: Option<f64>,
    /// From the finding to the first action.
    pub act: Option<f64>,
    /// From the finding to the end.
    pub recover: Option<f64>,
}

/// Somebody said that they know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Acknowledged {
    pub at: Time,
    pub who: String,
}

/// Something that changed on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Changed {
    pub at: Time,
    /// One sentence.
    pub what: String,
}

/// What one sink was told of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ToldSink {
    pub sink: String,
    /// The last message that arrived; `null` before the first.
    pub at: Option<Time>,
    /// When the first message that it fires arrived, and the one that it is over.
    #[serde(default)]
    pub fired_at: Option<Time>,
    #[serde(default)]
    pub resolved_at: Option<Time>,
    /// How often it was told that it fires.
    pub firing: u32,
    pub resolved: bool,
}

/// `POST /v1/alerts/test`: what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tested {
    pub sinks: Vec<TestedSink>,
}

/// One sink that was told a test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestedSink {
    pub sink: String,
    pub arrived: bool,
    /// Why it did not.
    pub error: Option<String>,
}

impl Tested {
    #[must_use]
    pub fn of(results: &[(String, Result<(), String>)]) -> Self {
        let sink = |(sink, result): &(String, Result<(), String>)| TestedSink {
            sink: sink.clone(),
            arrived: result.is_ok(),
            error: result.clone().err(),
        };
        Self { sinks: results.iter().map(sink).collect() }
    }
}

impl From<&incident::Incident> for Incident {
    fn from(incident: &incident::Incident) -> Self {
        let told = |(sink, told): (&String, &incident::Told)| ToldSink {
            sink: sink.clone(),
            at: (told.firing > 0).then(|| told.at.into()),
            fired_at: told.fired_at.map(Into::into),
            resolved_at: told.over_at.map(Into::into),
            firing: told.firing,
            resolved: told.resolved,
        };
        Self {
            id: incident.id,
            unit: incident.unit.as_ref().map(ToString::to_string),
            cause: incident.cause.as_str().to_owned(),
            severity: incident.severity.into(),
            summary: incident.summary.clone(),
            began_at: incident.began_at.map(Into::into),
            opened_at: incident.opened_at.into(),
            resolved_at: incident.resolved_at.map(Into::into),
            durations: durations(incident),
            affected: incident.affected.iter().map(ToString::to_string).collect(),
            part_of: incident.part_of,
            acknowledged: incident
                .acknowledged
                .as_ref()
                .map(|known| Acknowledged { at: known.at.into(), who: known.who.clone() }),
            evidence: incident.evidence.clone(),
            last_lines: incident.said.clone(),
            repair: incident.repair.clone(),
            changes: incident
                .changes
                .iter()
                .map(|change| Changed { at: change.at.into(), what: change.what.clone() })
                .collect(),
            evidence_file: incident.evidence_file.clone(),
            told: incident.told.iter().map(told).collect(),
            drill: incident.drill,
        }
    }
}

impl Incident {
    /// Without lines of the unit's own log: whoever may read `listen` may be anybody.
    pub fn hide_log(&mut self) {
        let lines = std::mem::take(&mut self.last_lines);
        self.evidence.retain(|line| !lines.contains(line));
    }
}

fn durations(incident: &incident::Incident) -> Durations {
    let from = |earlier: Moment| move |later: Moment| later.since(earlier).as_secs_f64();
    let opened = incident.opened_at;
    Durations {
        detect: incident.began_at.map(|began| incident.found_at.unwrap_or(opened).since(began).as_secs_f64()),
        decide: incident.decided_at.map(from(opened)),
        act: incident.acted_at.map(from(opened)),
        recover: incident.resolved_at.map(from(opened)),
    }
}
