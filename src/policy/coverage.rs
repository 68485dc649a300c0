//! Which units of a host are managed by nobody and should be: one judgement for what `audit` reports and what `adopt` takes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::snapshot::UnitStatus;
use crate::model::spec::Ignored;
use crate::model::unit::{UnitFileState, UnitName};
use crate::model::will::ServiceType;
use crate::policy::alerts::matches;

/// What a plain distribution runs by itself.
const VENDOR_UNITS: &str = include_str!("../../config/vendor-units.txt");
/// Names that systemd-run gives by itself: a command, not a service.
pub const ANONYMOUS: &str = "run-";

/// Every unit of one look, by name.
pub type Units = BTreeMap<UnitName, Arc<UnitStatus>>;

impl Ignored {
    /// It leaves the unit or program of this name alone at this Unix time in milliseconds.
    #[must_use]
    pub fn covers(&self, subject: &str, wall_ms: i64) -> bool {
        wall_ms < self.until_ms && self.patterns.iter().any(|pattern| matches(pattern, subject))
    }
}

/// What of these units is managed.
#[derive(Debug)]
pub struct Coverage<'u> {
    units: &'u Units,
    user_instance: bool,
    /// Every name of what our files manage: a unit may have several.
    managed: BTreeSet<UnitName>,
}

impl<'u> Coverage<'u> {
    #[must_use]
    pub fn of(units: &'u Units, user_instance: bool) -> Self {
        let managed = units.values().filter(|status| !status.file.is_empty());
        let names = |status: &Arc<UnitStatus>| {
            let names = status.settings.as_ref().map(|settings| settings.names.clone()).unwrap_or_default();
            names.into_iter().chain([status.unit.clone()]).collect::<Vec<_>>()
        };
        Self { units, user_instance, managed: managed.flat_map(names).collect() }
    }

    /// Units that run or are enabled, are meant to stay, and that no file of ours manages; the instances of one template
    /// together.
    #[must_use]
    pub fn unmanaged(&self) -> Vec<(UnitName, Vec<&'u UnitStatus>)> {
        let vendor = Vendor::read();
        let mut groups: BTreeMap<UnitName, Vec<&'u UnitStatus>> = BTreeMap::new();
        let counted = self.units.values().filter(|status| self.counts(status, &vendor));
        for status in counted.filter(|status| !self.has_another_name(status)) {
            let name = status.unit.template().unwrap_or_else(|| status.unit.clone());
            groups.entry(name).or_default().push(status);
        }
        let known: BTreeSet<UnitName> = groups.values().flatten().map(|status| status.unit.clone()).collect();
        let groups = groups
            .into_iter()
            .filter(|(_, members)| !members.iter().all(|status| self.stands_for_another(status, &known)));
        groups
            .map(|(name, members)| match members.as_slice() {
                [one] => (one.unit.clone(), members),
                _ => (name, members),
            })
            .collect()
    }

    /// No file bears this name, but one manages it by another of its names.
    #[must_use]
    pub fn has_another_name(&self, status: &UnitStatus) -> bool {
        let names = status.settings.iter().flat_map(|settings| &settings.names);
        status.file.is_empty() && names.chain([&status.unit]).any(|name| self.managed.contains(name))
    }

    /// Runs or is enabled, is meant to stay, and is not what every host has.
    fn counts(&self, status: &UnitStatus, vendor: &Vendor<'_>) -> bool {
        let name = status.unit.as_str();
        let Some(settings) = &status.settings else {
            return false;
        };
        let kind = matches!(status.unit.kind(), "service" | "timer" | "socket" | "path");
        let transient = status.enablement == Some(UnitFileState::Transient) || name.starts_with(ANONYMOUS);
        let own = name.split(['.', '-']).next() == Some("steadfast");
        if !status.file.is_empty() || !kind || transient || own || settings.fragment.is_empty() {
            return false;
        }
        let enabled =
            matches!(status.enablement, Some(UnitFileState::Enabled | UnitFileState::EnabledRuntime));
        let stays = settings.service_type != ServiceType::Oneshot
            || (settings.remain_after_exit && status.is_running());
        let wanted = stays && (status.is_running() || enabled);
        if status.is_local() {
            return wanted;
        }
        // What distributions give to a user's session is theirs to know.
        let stays = settings.service_type != ServiceType::Oneshot;
        !self.user_instance && wanted && stays && !vendor.has(name)
    }

    /// A socket, timer or path whose service is reported, or managed; a service that a timer runs.
    fn stands_for_another(&self, status: &UnitStatus, known: &BTreeSet<UnitName>) -> bool {
        let triggered_by = |status: &UnitStatus| {
            status.settings.as_ref().map(|settings| settings.triggered_by.clone()).unwrap_or_default()
        };
        if status.unit.kind() == "service" {
            let by_timer = |by: &UnitName| by.kind() == "timer" && self.units.contains_key(by);
            let enabled = status.enablement == Some(UnitFileState::Enabled);
            return !enabled && triggered_by(status).iter().any(by_timer);
        }
        // A timer has a period of its own to be watched.
        let told = |other: &&UnitStatus| !other.file.is_empty() || known.contains(&other.unit);
        let all = self.units.values().map(AsRef::as_ref);
        status.unit.kind() != "timer"
            && all.filter(told).any(|other| triggered_by(other).contains(&status.unit))
    }
}

/// The shipped list.
#[derive(Debug)]
struct Vendor<'a> {
    names: BTreeSet<&'a str>,
    patterns: Vec<&'a str>,
}

impl Vendor<'_> {
    fn read() -> Self {
        let lines = VENDOR_UNITS.lines().map(str::trim);
        let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
        let (patterns, names): (Vec<_>, Vec<_>) = lines.partition(|line| line.contains(['*', '?']));
        Self { names: names.into_iter().collect(), patterns }
    }

    fn has(&self, unit: &str) -> bool {
        // `sshd@a.service` is in the list as `sshd@*.service`; most units are in it by their whole name, or not at all.
        let head =
            |pattern: &str| pattern.split(['*', '?']).next().is_some_and(|head| unit.starts_with(head));
        self.names.contains(unit)
            || self.patterns.iter().any(|pattern| head(pattern) && matches(pattern, unit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plain_host_runs_is_in_the_shipped_list_and_a_server_is_not() {
        let vendor = Vendor::read();
        for plain in [
            "cron.service",
            "ssh.service",
            "systemd-journald.service",
            "getty@tty1.service",
            "dbus.socket",
            "apt-daily-upgrade.timer",
            "chronyd.service",
            "polkit.service",
            "snapd.apparmor.service",
            "NetworkManager-dispatcher.service",
        ] {
            assert!(vendor.has(plain), "{plain}");
        }
        for server in [
            "nginx.service",
            "postgresql@15-main.service",
            "redis-server.service",
            "certbot.timer",
            "docker.socket",
        ] {
            assert!(!vendor.has(server), "{server}");
        }
    }
}
