//! The keys of a unit file as people write them. The JSON Schema is made from these.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize as Derive;
use serde::de::IgnoredAny;
use toml::Spanned;

use crate::keys::{Argv, Length, LengthOrNever};

use super::fleet::UnitFleet;
use super::probe::ProbeKeys;
use super::progress::ProgressKeys;
use super::share::ShareKey;

/// A unit file: /etc/steadfast/units.d/UNIT.toml. An empty file is complete.
#[derive(Debug, Default, Derive, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Steadfast unit file")]
pub struct UnitFile {
    /// The unit, or a pattern such as "web-*.service". Default: from the name of the file.
    pub unit: Option<String>,
    /// act: repair what is found. observe: report everything, and what would be done; take no action. Default: act.
    pub mode: Mode,
    /// Severity of this unit's findings. Default: critical.
    pub severity: Severity,
    /// Who is responsible; shown with the unit and in its alerts.
    pub owner: Option<String>,
    /// A link for the person on call; part of each alert.
    pub runbook: Option<String>,
    /// Managed units, or dependencies (NAME.dependency), that this unit needs: while one of them is down, this unit is not restarted.
    pub requires: Vec<String>,
    /// What is repaired without a person.
    pub recovery: Recovery,
    /// Needed only if the release link cannot be found in WorkingDirectory= and ExecStart=.
    pub release: Release,
    /// A test of new code before every start and restart that Steadfast orders.
    pub smoke: Option<Smoke>,
    /// Any number of probes, each with a name.
    #[schemars(with = "BTreeMap<String, ProbeKeys>")]
    pub probe: ReadElsewhere,
    /// Any number of progress sources, each with a name: work that waits while nothing is completed is a finding.
    #[schemars(with = "BTreeMap<String, ProgressKeys>")]
    pub progress: ReadElsewhere,
    /// The slot that a restart of it needs, where steadfast.toml names a lock server.
    pub fleet: UnitFleet,
    /// Switches the file off until a date; both keys are required.
    pub disabled: Option<Disabled>,
}

/// Tables of several kinds, which are read one by one: see `kinds`.
pub type ReadElsewhere = IgnoredAny;

/// A dependency that is no unit of this host: /etc/steadfast/units.d/NAME.dependency.toml. It has only probes.
#[derive(Debug, Derive)]
#[serde(deny_unknown_fields)]
pub struct DependencyFile {
    #[serde(default)]
    pub severity: Severity,
    pub owner: Option<String>,
    pub runbook: Option<String>,
    #[serde(default)]
    pub requires: Vec<String>,
    #[serde(default)]
    pub probe: ReadElsewhere,
    pub disabled: Option<Disabled>,
}

impl From<DependencyFile> for UnitFile {
    /// Nothing of a dependency is ours to act on.
    fn from(keys: DependencyFile) -> Self {
        let DependencyFile { severity, owner, runbook, requires, probe, disabled } = keys;
        Self { severity, owner, runbook, requires, probe, disabled, mode: Mode::Observe, ..Self::default() }
    }
}

#[derive(Clone, Copy, Debug, Default, Derive, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    #[default]
    Act,
    Observe,
}

#[derive(Clone, Copy, Debug, Default, Derive, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    #[default]
    Critical,
    Warning,
}

#[derive(Clone, Copy, Debug, Default, Derive, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CleanExit {
    #[default]
    Start,
    Hold,
}

#[derive(Debug, Default, Derive, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Recovery {
    /// Start it when it is not active. Default: true.
    pub start: Option<bool>,
    /// Enable it when it is not enabled. Default: true.
    pub enable: Option<bool>,
    /// A clean stop by a person is a hold of this length; "never": do not start it again. Default: "30m".
    pub after_manual_stop: Option<LengthOrNever>,
    /// How long a unit that a person disabled is left disabled; "never": do not enable it again. Default: as `after_manual_stop`.
    pub after_manual_disable: Option<LengthOrNever>,
    /// When it exits by itself with status 0: "start": report it and start it after clean_exit_delay. "hold": as after a
    /// clean stop by a person. Default: "start".
    pub clean_exit: CleanExit,
    /// Wait before that start, for tools that restart the unit themselves. Default: "30s".
    pub clean_exit_delay: Option<Length>,
    /// Starts and restarts within the interval before quarantine, including those by systemd; following a deploy does not
    /// count. Default: 3.
    pub burst: Option<u32>,
    /// The interval of burst. Default: "15m".
    pub interval: Option<Length>,
    /// Wait before the second start or restart; doubled each time. Default: "5s".
    pub delay: Option<Length>,
    /// The longest wait. Default: "5m".
    pub max_delay: Option<Length>,
    /// A repair must be proven within this time: active, serving, on the current release, stable. Default: "60s".
    pub verify_within: Option<Length>,
    /// End processes that KillMode= left from an earlier run: SIGTERM, then SIGKILL after the unit's stop timeout. Default:
    /// false.
    pub end_survivors: Option<bool>,
    /// Restart the instances of a template (or all units of a pattern) in turn: this many of them, or per cent of them, may be
    /// away at once, each is proven before the next, and the first that fails in a release leaves the others on the old one. A
    /// start of what is down never waits for it. Default: no limit.
    #[schemars(with = "Option<ShareKey>")]
    pub max_unavailable: Option<Spanned<ShareKey>>,
    /// Before a restart of what runs, let it finish what it works on. A start never drains, nor does a restart because nothing is
    /// completed any more.
    pub drain: Option<Drain>,
}

#[derive(Debug, Derive, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drain {
    /// Tells it to take no more work. Run as the unit's user in its environment, with $MAINPID; it may run more than once.
    #[schemars(with = "Argv")]
    pub command: Spanned<Argv>,
    /// A line for /bin/sh whose status is 0 when nothing is in work any more, asked every two seconds. Default: `command` itself
    /// returns only then.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub until: Option<Spanned<String>>,
    /// It is restarted after this time, whatever it still does. Default: "10m".
    #[serde(default)]
    pub timeout: Option<Length>,
}

#[derive(Debug, Default, Derive, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Release {
    /// The release link, e.g. "/srv/app/current".
    pub link: Option<String>,
    /// What to do when a process does not run the current release: restart or alert. Default: restart.
    pub on_stale: Option<OnStale>,
    /// Wait after the last change of the link before acting; a deleted release does not wait. Default: "60s".
    pub settle: Option<Length>,
    /// How long processes of the old release may go on after they handed their sockets over to a new main process; after that
    /// it is a finding, without a restart. Default: "30m".
    pub drain_within: Option<Length>,
    /// What to do when the executable or a library was deleted or replaced: restart, alert or ignore. Default: alert.
    pub binaries: Option<Binaries>,
    /// Restart for a new release only then: days as systemd writes them, hours, and a time zone where it is not the host's:
    /// "Mon..Fri 02:00..05:00". A deleted release does not wait. Default: at any time.
    #[schemars(with = "Option<String>")]
    pub window: Option<Spanned<String>>,
    /// Tell people when a new release has waited this long for its window. Default: never.
    pub max_wait: Option<Length>,
    /// What tells of a new release: link, directory, venv, npm, file, git, container, package. Default: all of them, each where
    /// it can be told for sure.
    pub kinds: Option<Vec<Kind>>,
}

#[derive(Clone, Copy, Debug, Derive, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Link,
    Directory,
    Venv,
    Npm,
    File,
    Git,
    Container,
    Package,
}

#[derive(Clone, Copy, Debug, Derive, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OnStale {
    Restart,
    Alert,
}

#[derive(Clone, Copy, Debug, Derive, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Binaries {
    Restart,
    Alert,
    Ignore,
}

#[derive(Debug, Derive, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Smoke {
    /// The command and its arguments, run as the unit's user in its environment. Exit status 0 passes.
    #[schemars(with = "Argv")]
    pub command: Spanned<Argv>,
    /// Where it runs: release (the current target of the link), unit (the unit's own directory), or a path. Default: release.
    #[serde(default)]
    pub directory: Option<String>,
    /// A test that takes longer has failed. Default: "30s".
    #[serde(default)]
    pub timeout: Option<Length>,
}

#[derive(Debug, Derive, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disabled {
    /// Why; shown in the status until then.
    pub reason: String,
    /// A date and time with zone, such as 2026-12-24T00:00:00Z.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub until: Spanned<toml::value::Datetime>,
}
