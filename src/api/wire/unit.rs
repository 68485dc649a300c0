//! One managed unit on the wire.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Drill, Event, Finding, ProbeStatus, Recent, Severity, State, StepResult, Time, Truth, Usage};

/// One managed unit: an element of `units`, and `GET /v1/units/UNIT`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Unit {
    pub unit: String,
    pub state: State,
    /// `act` or `observe`.
    pub mode: String,
    pub severity: Severity,
    /// Steadfast's unit file.
    pub file: String,
    pub owner: Option<String>,
    pub runbook: Option<String>,
    /// systemd's `ActiveState=`; `null` until it was read.
    pub active_state: Option<String>,
    pub sub_state: Option<String>,
    /// systemd's `UnitFileState=`, asked afresh.
    pub unit_file_state: Option<String>,
    pub main_pid: Option<u32>,
    pub invocation_id: Option<String>,
    pub active_since: Option<Time>,
    /// `Result=` of the unit, `success` where all is well.
    pub result: Option<String>,
    /// How the last main process ended.
    pub exit: Option<String>,
    /// `NRestarts=`: automatic restarts by systemd.
    pub n_restarts: Option<u32>,
    /// `StatusText=`: what the service says of itself.
    pub status_text: Option<String>,
    pub conditions: Vec<Condition>,
    /// `null` for a unit without a release link.
    pub release: Option<Release>,
    pub probes: Vec<Probe>,
    /// Its sources of progress.
    #[serde(default)]
    pub progress: Vec<Progress>,
    pub findings: Vec<Finding>,
    /// The last lines that it wrote itself, the telling ones, while an incident of it is open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_lines: Vec<String>,
    /// The open incident's id.
    pub incident: Option<u64>,
    /// The required unit whose trouble explains this one's.
    pub explained_by: Option<String>,
    pub next_action: Option<NextAction>,
    /// Why the next action is not done now, or why there is none.
    pub blocked: Option<String>,
    pub last_action: Option<LastAction>,
    /// What became of the unit last, and what did that; `null` until something was seen to.
    pub last_transition: Option<LastTransition>,
    /// The order in flight.
    pub recovery: Option<Recovery>,
    /// What `recover` would do now.
    pub preview: Preview,
    pub restarts: Restarts,
    pub hold: Option<Hold>,
    pub quarantine: Option<Quarantine>,
    /// Its slot at the fleet's lock server; `null`: none.
    #[serde(default)]
    pub slot: Option<Slot>,
    /// The last drill, or the one under way; `null`: never drilled.
    #[serde(default)]
    pub drill: Option<Drill>,
    /// While its file is switched off.
    #[serde(default)]
    pub disabled: Option<Disabled>,
    /// The unit's part of the timeline, oldest first; only in `GET /v1/units/UNIT`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Event>,
    /// What its processes use; only in `GET /v1/units/UNIT`, and only where it has a control group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// One of the seven conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// `Loaded`, `Active`, `Enabled`, `Boot`, `Release`, `Serving` or `Progressing`.
    #[serde(rename = "type")]
    pub kind: String,
    pub status: Truth,
    /// A finding code, or a short word where all is well.
    pub reason: String,
    pub message: String,
    pub since: Time,
}

/// The release link and where the unit's processes live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Release {
    /// The link as the unit names it.
    pub link: Option<String>,
    /// Where it leads now; `null` while it is missing.
    pub current: Option<String>,
    /// The release of the main process.
    pub running: Option<String>,
    /// A process lives in a release that was deleted.
    pub deleted: bool,
    pub switched_at: Option<Time>,
    pub processes: Vec<Process>,
    /// Every link of the unit, the first of which is told above.
    pub links: Vec<Link>,
}

/// One release link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    pub link: String,
    pub current: Option<String>,
    pub switched_at: Time,
    /// Why it leads nowhere.
    pub problem: Option<String>,
}

/// One process of the unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Process {
    pub pid: u32,
    /// `main` or `worker`.
    pub role: String,
    /// The release it lives in; `null` for one that lives elsewhere or cannot be read.
    pub release: Option<String>,
    pub deleted: bool,
    /// The kernel's short name.
    pub name: String,
    /// `current`, `outdated`, `deleted`, `elsewhere` or `unreadable`.
    pub residence: String,
    /// How that is known, where it is not plain.
    pub because: Option<String>,
}

/// A probe and its last answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Probe {
    pub name: String,
    /// What the thresholds confirmed.
    pub status: ProbeStatus,
    /// Of the last answer, in milliseconds.
    pub latency_ms: Option<f64>,
    /// Of the last answer.
    pub message: Option<String>,
    pub last_at: Option<Time>,
    /// The last answer by itself.
    pub last_status: Option<ProbeStatus>,
    /// Answers in a row of the last kind.
    pub in_a_row: u32,
    /// Since when `status` is what it is.
    pub since: Time,
    /// The last hours of its latency, in milliseconds; only in `GET /v1/units/UNIT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent: Option<Recent>,
}

/// A source of progress and its last sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Progress {
    pub name: String,
    /// Items that wait; `null` until a first sample came.
    pub depth: Option<u64>,
    /// Items that are being worked on.
    pub in_work: Option<u64>,
    /// Items completed so far, where the source counts them.
    pub completed: Option<u64>,
    /// Of the oldest item, in seconds.
    pub age_s: Option<u64>,
    pub consumers: Option<u64>,
    pub paused: bool,
    /// When something was last seen to be completed, or nothing waited.
    pub moved_at: Time,
    /// After an outage of what the unit requires: until when it has to drain.
    pub drain_until: Option<Time>,
    pub last_at: Option<Time>,
    /// Why the last question was not answered.
    pub problem: Option<String>,
    /// The last hours of its depth; only in `GET /v1/units/UNIT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent: Option<Recent>,
}

/// What will be done, unless something changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextAction {
    /// `start`, `restart`, `enable` or `check`.
    pub action: String,
    pub due_at: Time,
    /// The finding code that asks for it.
    pub because: String,
}

/// What was done last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastAction {
    pub action: String,
    pub at: Time,
    /// `done`, or `failed: …`.
    pub outcome: String,
    pub ok: bool,
    /// The finding code that asked for it; `null` for a person.
    pub because: Option<String>,
    pub steps: Vec<Step>,
}

/// What became of the unit last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastTransition {
    /// `started`, `stopped` or `restarted`.
    pub what: String,
    /// `steadfast`, `systemd`, `crash`, `exit`, `operator`, `package-manager`, `deploy`, `dependency`, `boot`, `shutdown` or
    /// `unknown`.
    pub cause: String,
    /// How that is known, or why it cannot be told.
    pub message: String,
    pub at: Time,
}

/// One step of a recovery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    pub step: String,
    pub result: StepResult,
    pub message: String,
    pub took_ms: u64,
}

/// The order in flight.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Recovery {
    pub action: String,
    pub because: Option<String>,
    pub began_at: Time,
    /// `smoke test`, `drain`, `job`, `enable` or `proof`.
    pub phase: String,
    pub phase_at: Time,
    /// The phase is given up then.
    pub phase_due: Time,
    /// The steps that ended.
    pub steps: Vec<Step>,
}

/// What `recover` would do now, and what a restart of the unit takes along.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Preview {
    /// `start`, `restart` or `check`.
    pub action: String,
    /// Why it would be refused now.
    pub refused: Option<String>,
    pub smoke_test: Option<Vec<String>>,
    /// What it finishes before a restart ends it.
    #[serde(default)]
    pub drain: Option<Vec<String>>,
    /// Processes that a restart ends, or may end.
    pub processes: usize,
    /// `KillMode=`.
    pub kill_mode: Option<String>,
    /// `TimeoutStopSec=`; `null`: no limit, or none is known.
    pub stop_timeout_s: Option<u64>,
    /// Units that are stopped, or restarted, with it.
    pub takes_along: Vec<String>,
    /// Units that its start stops where they run (`Conflicts=`).
    #[serde(default)]
    pub stops: Vec<String>,
    /// Sockets, timers and paths that start it; they stay as they are.
    pub triggered_by: Vec<String>,
}

/// The restart budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Restarts {
    pub spent: usize,
    pub burst: u32,
    /// In seconds.
    pub interval_s: u64,
}

/// Leave it alone until then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hold {
    /// `operator`, `manual-stop` or `stopped-with` (another unit).
    pub kind: String,
    pub since: Time,
    /// `null`: until the unit runs again.
    pub until: Option<Time>,
    /// `null` where nobody told us.
    pub who: Option<String>,
    pub reason: Option<String>,
    /// What follows its end, one clause.
    #[serde(default)]
    pub then: Option<String>,
}

/// Its file is switched off (`[disabled]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Disabled {
    pub reason: String,
    /// Back in force by itself then.
    pub until: Time,
}

/// A slot of the fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Slot {
    pub group: String,
    pub since: Time,
    /// `asked` (it may be there), `held` or `leaving` (it may still be there).
    pub state: String,
    /// A restart took its process away and is not proven yet: until then it is kept.
    pub used: bool,
}

/// The budget is spent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Quarantine {
    pub since: Time,
    pub retry_at: Time,
    pub round: u32,
    /// The finding code that spent the budget.
    pub because: String,
}
