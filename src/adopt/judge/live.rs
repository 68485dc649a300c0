//! A live unit, and whether a file of it is of use.

use std::collections::BTreeMap;

use crate::model::adopt::{Entry, Needs};
use crate::model::host::{HostProcess, Listener, base};
use crate::model::unit::{UnitFileState, UnitName};
use crate::policy::probe_manner::Manner;

use super::addresses::passing;
use super::proxied::{PROXIES, PassedOn};

/// A live unit, as far as a unit file can follow from it.
#[derive(Clone, Debug, PartialEq)]
pub struct Live {
    pub unit: UnitName,
    /// Every name of it.
    pub names: Vec<UnitName>,
    /// Where its unit file lies.
    pub fragment: String,
    pub service_type: String,
    pub active: bool,
    /// It ended by itself and well, right after its start.
    pub ended_at_once: bool,
    pub enablement: Option<UnitFileState>,
    pub remain_after_exit: bool,
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
    /// Where its configuration passes on what it is asked; `None` where it is no proxy.
    pub passes_on: Option<Vec<PassedOn>>,
    /// A person wants it only observed.
    pub observe: bool,
}

impl Live {
    /// A unit of which nothing else is known yet.
    #[must_use]
    pub fn of(unit: UnitName) -> Self {
        Self {
            unit,
            names: Vec::new(),
            fragment: String::new(),
            service_type: String::new(),
            active: false,
            ended_at_once: false,
            enablement: None,
            remain_after_exit: false,
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
            passes_on: None,
            observe: false,
        }
    }

    /// The names of its programs: of its unit file, and of its processes.
    #[must_use]
    pub fn programs(&self) -> Vec<&str> {
        let of_unit = self.exec_start.iter().filter_map(|command| command.first());
        let of_processes = self.processes.iter().filter_map(|process| process.executable.as_ref());
        let named = self.processes.iter().map(|process| process.name.as_str());
        of_processes.chain(of_unit).map(|path| base(path)).chain(named).collect()
    }

    /// How this port of it is asked.
    #[must_use]
    pub fn manner(&self, port: u16) -> Manner {
        Manner::of(self.programs(), port)
    }

    /// The port may be another one after a restart: its command does not name it.
    #[must_use]
    pub fn is_passing(&self, port: u16) -> bool {
        let port_text = port.to_string();
        let named = |word: &String| word.split(|c: char| !c.is_ascii_digit()).any(|part| part == port_text);
        passing(port) && !self.exec_start.iter().flatten().any(named)
    }

    /// Whatever it answers may be another's answer.
    #[must_use]
    pub fn always_passes_on(&self) -> bool {
        let programs = self.programs();
        let known = PROXIES.iter().filter(|known| known.dialect.is_none());
        known.flat_map(|known| known.programs).any(|name| programs.contains(name))
    }

    /// Another manager of this host or of its cluster starts and stops it; what shows that.
    #[must_use]
    pub fn managed_elsewhere(&self) -> Option<&'static str> {
        // What Pacemaker's systemd resources write into their drop-in.
        self.needs
            .description
            .starts_with("Cluster Controlled")
            .then_some("Pacemaker (a drop-in of its own says so)")
    }

    /// Why this unit is better not adopted, and what is instead.
    #[must_use]
    pub fn refusal(&self) -> Option<String> {
        if self.enablement == Some(UnitFileState::Transient) {
            return Some(
                "it was made at run time (systemd-run, or a program): a reboot ends it for good".to_owned(),
            );
        }
        let timer = self.triggered_by.iter().find(|by| by.kind() == "timer");
        if let Some(timer) = timer.filter(|_| self.service_type == "oneshot" || !self.active) {
            return Some(format!(
                "{timer} starts it, and then it ends: adopt that (steadfast adopt {timer})"
            ));
        }
        let oneshot = self.service_type == "oneshot" && self.processes.is_empty();
        let stands_for: Vec<&str> = self
            .takes_along
            .iter()
            .filter(|other| other.kind() == "service" && **other != self.unit)
            .map(UnitName::as_str)
            .collect();
        if oneshot && self.does_nothing() {
            let others = stands_for.join(" ");
            return Some(if others.is_empty() {
                let template = self.unit.as_str().replace(".service", "@NAME.service");
                format!(
                    "it runs nothing (its command is {}) and stands for others, such as instances of a template: steadfast adopt {template}",
                    self.command()
                )
            } else {
                format!("it runs nothing by itself and stands for others (steadfast adopt {others})")
            });
        }
        if self.enablement == Some(UnitFileState::Generated)
            && self.service_type == "oneshot"
            && !self.remain_after_exit
        {
            return Some("a generator makes it at each boot, and it ends by itself".to_owned());
        }
        None
    }

    /// Its command does nothing, on purpose.
    fn does_nothing(&self) -> bool {
        let nothing =
            |command: &Vec<String>| command.first().is_some_and(|path| matches!(base(path), "true" | ":"));
        self.exec_start.iter().all(nothing)
    }

    fn command(&self) -> &str {
        self.exec_start.first().and_then(|command| command.first()).map_or("none", String::as_str)
    }
}
