//! What everybody outside may read: the published picture of one moment.

use core::net::SocketAddr;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::alert::Heartbeat;
use super::cause::Transition;
use super::drill::Drill;
use super::finding::{Condition, Finding, Severity};
use super::fleet::Slot;
use super::incident::{Event, Incident};
use super::moment::Moment;
use super::observation::Host;
use super::probe::ProbeSeen;
use super::progress::ProgressSeen;
use super::release::{LinkReading, Resident};
use super::spec::{DisabledSpec, Mode, Problem, RecoverySpec, SmokeSpec};
use super::state::{Hold, LastAction, OrderKind, Plan, Quarantine, Recovery};
use super::tally::{HostTally, UnitTally};
use super::unit::{
    ActiveState, ManagerState, UnitFileState, UnitName, UnitReading, UnitSettings, is_of_vendor,
};

/// The whole picture. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    pub at: Moment,
    pub host: Host,
    /// Every managed unit was read at least once.
    pub ready: bool,
    pub manager: Option<ManagerState>,
    pub units: BTreeMap<UnitName, Arc<UnitStatus>>,
    /// Host findings: configuration, manager, state.
    pub findings: Vec<Finding>,
    pub problems: Vec<Problem>,
    pub incidents: Vec<Incident>,
    /// The last events, oldest first.
    pub events: Arc<[Event]>,
    /// Why Steadfast cannot do its work, a sentence each; empty while it can.
    pub unfit: Vec<String>,
    /// Probes do not run any more.
    pub silent: bool,
    pub heartbeat: Option<Heartbeat>,
    /// Members may change things, besides root.
    pub admin_group: Option<String>,
    /// Where reading is served besides the socket.
    pub listen: Option<SocketAddr>,
    /// Names that it answers to there, besides the loopback's, every address and this host's name.
    pub allowed_hosts: Vec<String>,
    /// Lines of journals are shown there, too.
    pub log_lines: bool,
    pub tally: HostTally,
}

/// The state of a unit: the worst of its conditions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UnitState {
    Ok,
    Disabled,
    Held,
    Recovering,
    Unknown,
    Degraded,
    Quarantined,
    Down,
}

impl UnitState {
    /// All states in the order of the contract's summary.
    pub const ALL: [Self; 8] = [
        Self::Ok,
        Self::Degraded,
        Self::Down,
        Self::Recovering,
        Self::Held,
        Self::Quarantined,
        Self::Unknown,
        Self::Disabled,
    ];

    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Recovering => "recovering",
            Self::Held => "held",
            Self::Quarantined => "quarantined",
            Self::Unknown => "unknown",
            Self::Disabled => "disabled",
        }
    }
}

/// The picture of one unit.
#[derive(Clone, Debug, PartialEq)]
pub struct UnitStatus {
    pub unit: UnitName,
    pub state: UnitState,
    pub mode: Mode,
    pub severity: Severity,
    /// The unit file of ours.
    pub file: String,
    pub owner: Option<String>,
    pub runbook: Option<String>,
    pub reading: Option<UnitReading>,
    pub settings: Option<UnitSettings>,
    pub enablement: Option<UnitFileState>,
    pub conditions: Vec<Condition>,
    pub links: Vec<LinkReading>,
    pub residents: Vec<Resident>,
    pub probes: BTreeMap<String, ProbeSeen>,
    pub progress: BTreeMap<String, ProgressSeen>,
    /// The smoke test before each start and restart.
    pub smoke: Option<SmokeSpec>,
    /// What a person's recovery would order now, and why it would be refused.
    pub preview: (OrderKind, Option<String>),
    pub findings: Vec<Finding>,
    /// What it wrote itself last, while an incident of it is open.
    pub said: Vec<String>,
    pub incident: Option<u64>,
    pub plan: Plan,
    pub recovery: Option<Recovery>,
    pub last_action: Option<LastAction>,
    pub last_transition: Option<Transition>,
    pub hold: Option<Hold>,
    /// What follows the end of the hold.
    pub after_hold: Option<String>,
    pub quarantine: Option<Quarantine>,
    pub slot: Option<Slot>,
    /// The last drill, or the one under way.
    pub drill: Option<Drill>,
    /// While its file is switched off.
    pub disabled: Option<DisabledSpec>,
    pub spent: usize,
    pub budget: RecoverySpec,
    pub tally: UnitTally,
}

impl UnitStatus {
    /// It is active.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.reading.as_ref().is_some_and(|reading| reading.active == ActiveState::Active)
    }

    /// Its unit file was written by people here.
    #[must_use]
    pub fn is_local(&self) -> bool {
        let fragment = self.settings.as_ref().map_or("", |settings| settings.fragment.as_str());
        !fragment.is_empty() && !is_of_vendor(fragment)
    }
}
