//! The keys of a unit file and of steadfast.toml as people write them. The JSON Schema is made from these.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::Deserialize as Derive;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny};
use toml::Spanned;

use crate::alert::HeartbeatKeys;
use crate::keys::{Argv, Length, LengthOrNever};

use super::probe::ProbeKeys;
use super::progress::ProgressKeys;

/// A unit file: /etc/steadfast/units.d/UNIT.toml. An empty file is complete.
#[derive(Debug, Default, Derive, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Steadfast unit file")]
pub struct UnitFile {
    /// The unit, or a pattern such as "web-*.service"; by default the file's name tells it.
    pub unit: Option<String>,
    /// act: put things right. observe: all findings and what would be done, no action. Default: act.
    pub mode: Mode,
    /// How bad this unit's findings are. Default: critical.
    pub severity: Severity,
    /// Whose it is; shown wherever the unit is.
    pub owner: Option<String>,
    /// A link for the person who is paged.
    pub runbook: Option<String>,
    /// Managed units, or dependencies (NAME.dependency), that this one needs: what they explain is not restarted.
    pub requires: Vec<String>,
    /// How far to go by ourselves.
    pub recovery: Recovery,
    /// Needed only where the release cannot be seen from WorkingDirectory= and ExecStart=.
    pub release: Release,
    /// A test of new code, before every start and restart that Steadfast orders.
    pub smoke: Option<Smoke>,
    /// Any number of probes, each with a name.
    #[schemars(with = "BTreeMap<String, ProbeKeys>")]
    pub probe: ReadElsewhere,
    /// Any number of sources of progress, each with a name: demand without progress is trouble.
    #[schemars(with = "BTreeMap<String, ProgressKeys>")]
    pub progress: ReadElsewhere,
    /// The only way to switch a file off; both keys are required.
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

/// steadfast.toml. Every key has a default.
#[derive(Debug, Default, Derive)]
#[serde(deny_unknown_fields, default)]
pub struct SettingsFile {
    pub admin_group: Option<String>,
    pub resync: Option<Length>,
    pub startup_hold: Option<Length>,
    pub changes_within: Option<Length>,
    pub postmortem_after: Option<Length>,
    pub listen: Option<Listen>,
    pub allowed_hosts: Vec<String>,
    pub log_lines: bool,
    pub page_url: Option<String>,
    pub heartbeat: Option<Spanned<HeartbeatKeys>>,
    pub audit_every: Option<LengthOrNever>,
    pub coverage: Option<Coverage>,
    /// What every alert of this host bears.
    pub labels: BTreeMap<String, Spanned<String>>,
    /// A bad one harms no other.
    pub alert: ReadElsewhere,
}

/// What is left alone on purpose; reason and end are required.
#[derive(Debug, Derive)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Patterns over names of units and of programs.
    pub ignore: Spanned<Vec<String>>,
    pub reason: String,
    pub until: Spanned<toml::value::Datetime>,
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
    /// Bring it back when it is not active. Default: true.
    pub start: Option<bool>,
    /// Enable it when it is not enabled. Default: true.
    pub enable: Option<bool>,
    /// A person's clean stop is a hold of this length; "never": only alert. Default: "30m".
    pub after_manual_stop: Option<LengthOrNever>,
    /// What a person disabled is not enabled again before; "never": only alert. Default: as `after_manual_stop`.
    pub after_manual_disable: Option<LengthOrNever>,
    /// When it ends by itself, and well (exit code 0): "start": it is told, and started after clean_exit_delay. "hold": as
    /// after a person's clean stop. Default: "start".
    pub clean_exit: CleanExit,
    /// How long a tool's own restart is awaited before that start. Default: "30s".
    pub clean_exit_delay: Option<Length>,
    /// Starts and restarts within the interval before quarantine, those by systemd itself included; to follow a deploy does
    /// not count. Default: 3.
    pub burst: Option<u32>,
    /// Default: "15m".
    pub interval: Option<Length>,
    /// Wait before the second order; doubled each time. Default: "5s".
    pub delay: Option<Length>,
    /// The longest wait. Default: "5m".
    pub max_delay: Option<Length>,
    /// Active, serving, current, steady: proven within this time. Default: "60s".
    pub verify_within: Option<Length>,
    /// End what KillMode= left of an earlier run: SIGTERM, then SIGKILL after the unit's stop timeout. Default: false.
    pub end_survivors: Option<bool>,
}

#[derive(Debug, Default, Derive, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Release {
    /// The release link, e.g. "/srv/app/current".
    pub link: Option<String>,
    /// restart or alert. Default: restart.
    pub on_stale: Option<OnStale>,
    /// Wait after the last flip before acting; a deleted release does not wait. Default: "60s".
    pub settle: Option<Length>,
    /// How long processes of the old release may go on after they handed their sockets over to a new main process; then it is
    /// a finding, and no restart. Default: "30m".
    pub drain_within: Option<Length>,
    /// Deleted or replaced executable and libraries: restart, alert or ignore. Default: alert.
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
    /// The command and its arguments; run as the unit's user in its environment. Exit status 0 passes.
    #[schemars(with = "Argv")]
    pub command: Spanned<Argv>,
    /// release (the link's target now), unit (its own directory), or a path. Default: release.
    #[serde(default)]
    pub directory: Option<String>,
    /// Default: "30s".
    #[serde(default)]
    pub timeout: Option<Length>,
}

#[derive(Debug, Derive, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Disabled {
    /// Why; shown in the status until the end.
    pub reason: String,
    /// A date and time with zone, such as 2026-12-24T00:00:00Z.
    #[schemars(with = "String")]
    pub until: Spanned<toml::value::Datetime>,
}

/// Where the status is served for reading besides the socket: an IP address and a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

/// What `listen` looks like; it follows every sentence that refuses one.
const LISTEN: &str = "write an IP address and a port, such as \"127.0.0.1:9631\"";

impl<'de> Deserialize<'de> for Listen {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = toml::Value::deserialize(from)?;
        let text = value.as_str().ok_or_else(|| D::Error::custom(format!("{value} is no text; {LISTEN}")))?;
        listen(text).map_err(|why| D::Error::custom(format!("{why}; {LISTEN}")))
    }
}

fn listen(text: &str) -> Result<Listen, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() == 0 => Err(format!("\"{text}\" is another port each time")),
        Ok(address) => Ok(Listen(address)),
        Err(_) if text.parse::<IpAddr>().is_ok() => Err(format!("\"{text}\" has no port")),
        // Which address a name has may change, and to ask for it may take for ever.
        Err(_) if text.contains(|c: char| c.is_ascii_alphabetic()) && !text.starts_with('[') => {
            Err(format!("\"{text}\" is a name, and names are not looked up here"))
        }
        Err(_) => Err(format!("\"{text}\" is no address")),
    }
}
