//! A live unit, and whether a file of it is of use.

use std::collections::BTreeMap;

use crate::model::adopt::{Entry, Needs};
use crate::model::host::{HostProcess, Listener};
use crate::model::unit::{UnitName, is_of_vendor};

use super::software::recognised;

/// A live unit, as far as a unit file can follow from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    pub unit: UnitName,
    /// Where its unit file lies.
    pub fragment: String,
    pub service_type: String,
    pub active: bool,
    pub exec_start: Vec<Vec<String>>,
    pub triggered_by: Vec<UnitName>,
    /// A restart takes these along.
    pub takes_along: Vec<UnitName>,
    pub needs: Needs,
    /// Its processes, the main one first.
    pub processes: Vec<HostProcess>,
    /// What its processes listen on.
    pub listeners: Vec<Listener>,
    /// Whom its processes are connected to, and the unit of this host that listens there.
    pub connections: Vec<(String, Option<UnitName>)>,
    /// Package → files of it that were seen.
    pub packages: BTreeMap<String, String>,
    /// Release links that are found without a key: link and target.
    pub links: Vec<(String, String)>,
    /// A link that leads to where a process lives, and that is not among them: link, and whose directory.
    pub hidden_link: Option<(String, String)>,
    /// What a foreign file says of it.
    pub told: Vec<Entry>,
    /// Units that it needs by that file, and where it says so.
    pub told_needs: Vec<(UnitName, String)>,
}

impl Live {
    /// A unit of which nothing else is known yet.
    #[must_use]
    pub fn of(unit: UnitName) -> Self {
        Self {
            unit,
            fragment: String::new(),
            service_type: String::new(),
            active: false,
            exec_start: Vec::new(),
            triggered_by: Vec::new(),
            takes_along: Vec::new(),
            needs: Needs::default(),
            processes: Vec::new(),
            listeners: Vec::new(),
            connections: Vec::new(),
            packages: BTreeMap::new(),
            links: Vec::new(),
            hidden_link: None,
            told: Vec::new(),
            told_needs: Vec::new(),
        }
    }

    /// Why this unit is better not adopted, and what is instead.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        let timer = self.triggered_by.iter().find(|by| by.kind() == "timer");
        if let Some(timer) = timer.filter(|_| self.service_type == "oneshot" || !self.active) {
            return Some(format!(
                "{timer} starts it, and then it ends: adopt that (steadfast adopt {timer})"
            ));
        }
        let stands_for: Vec<&str> = self
            .takes_along
            .iter()
            .filter(|other| other.kind() == "service" && **other != self.unit)
            .map(UnitName::as_str)
            .collect();
        if self.service_type == "oneshot" && self.processes.is_empty() && !stands_for.is_empty() {
            let others = stands_for.join(" ");
            return Some(format!(
                "it runs nothing by itself and stands for others (steadfast adopt {others})"
            ));
        }
        None
    }

    /// Worth a unit file where all of a host is adopted: a service that stays or a timer, of the host's own making or of known
    /// software, that runs or is wanted.
    #[must_use]
    pub fn is_worth_a_file(&self, enabled: bool) -> bool {
        let kind = self.unit.kind();
        let lasting = kind == "timer" || kind == "service" && self.service_type != "oneshot";
        let generated = self.fragment.is_empty() || self.fragment.starts_with("/run/systemd/transient/");
        let vendor = is_of_vendor(&self.fragment);
        let ours = self.unit.as_str().starts_with("steadfast");
        let software = kind == "service" && recognised(self).is_some_and(|(_, sure)| sure);
        lasting
            && !generated
            && !ours
            && (self.active || enabled)
            && (!vendor || software)
            && self.refusal().is_none()
    }
}
