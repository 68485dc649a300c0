//! What one look over the whole host found: the facts that are judged.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::audit::{OffFile, ProbeRecord, TimerFacts};
use crate::model::boot::BootReading;
use crate::model::host::{HostReading, UserUnits};
use crate::model::moment::Moment;
use crate::model::snapshot::Snapshot;
use crate::model::spec::{Settings, Spec};
use crate::model::unit::UnitName;

/// All that a look over the host found.
#[derive(Debug, Default)]
pub struct Look {
    /// Every unit that matters, with its findings; one without a file of ours has an empty `file`.
    pub snapshot: Snapshot,
    pub boot: Option<BootReading>,
    /// What is managed.
    pub specs: Vec<Spec>,
    pub settings: Settings,
    pub around: Surroundings,
}

impl Look {
    /// When it was.
    pub fn at(&self) -> Moment {
        self.snapshot.at
    }

    /// The option of systemctl and steadfast that means this instance, with a space before it.
    pub fn user_option(&self) -> &'static str {
        if self.snapshot.host.user_instance { " --user" } else { "" }
    }

    /// `[coverage]` of steadfast.toml leaves it alone, for now.
    pub fn is_ignored(&self, subject: &str) -> bool {
        self.settings.ignored.as_ref().is_some_and(|known| known.covers(subject, self.snapshot.at.wall_ms))
    }
}

/// What a look over the whole host found, besides what systemd says of its units.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Surroundings {
    pub host: HostReading,
    /// Names of users, as far as this host itself knows them.
    pub users: BTreeMap<u32, String>,
    /// Every unit file there is, whether or not it is used.
    pub unit_files: BTreeSet<UnitName>,
    pub timers: Vec<TimerFacts>,
    pub off: Vec<OffFile>,
    pub claims: Vec<Claim>,
    /// Users' own units; of a system's look by root only.
    pub user_units: Vec<UserUnits>,
    pub records: BTreeMap<UnitName, BTreeMap<String, ProbeRecord>>,
}

/// A process that another supervisor on this host keeps up, by its own file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `monit`, `supervisord`, `god`
    pub supervisor: String,
    pub file: String,
    pub line: usize,
    /// `check process redis`
    pub what: String,
    /// What its pid file says.
    pub pid: Option<i32>,
    /// A pattern over command lines.
    pub matching: Option<String>,
    /// Commands of it; never run.
    pub commands: Vec<String>,
    /// Somebody made a comment of it: up to this line.
    pub commented_out: Option<usize>,
}
