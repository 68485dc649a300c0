//! The keys of steadfast.toml as people write them. The JSON Schema is made from these.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::Deserialize as Derive;
use serde::de::{Deserialize, Deserializer, Error};
use toml::Spanned;

use crate::alert::HeartbeatKeys;
use crate::keys::{Length, LengthOrNever};

use super::alert::SinkKeys;
use super::file::ReadElsewhere;
use super::fleet::Fleet;

/// steadfast.toml: settings of Steadfast itself. Every key has a default.
#[derive(Debug, Default, Derive, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "Steadfast settings")]
pub struct SettingsFile {
    /// Members of this group may change things through the status socket, besides root. Default: nobody.
    pub admin_group: Option<String>,
    /// How often everything is read again, in addition to the signals. Default: "30s".
    pub resync: Option<Length>,
    /// Take no action for this long after the supervisor has started. Default: "0s".
    pub startup_hold: Option<Length>,
    /// How far back an incident lists what changed before it. Default: "30m".
    pub changes_within: Option<Length>,
    /// An incident that lasts longer than this gets a post-mortem draft. Default: "10m".
    pub postmortem_after: Option<Length>,
    /// Serve status, events and metrics at this address as well, for reading only and without a login: an IP address and a
    /// port. Default: nowhere.
    #[schemars(with = "String", example = "127.0.0.1:9631")]
    pub listen: Option<Listen>,
    /// Names that `listen` answers to, besides localhost, every address and the name of this host.
    pub allowed_hosts: Vec<String>,
    /// Whether `listen` shows what units in trouble wrote to the journal. Default: false.
    pub log_lines: bool,
    /// Where people find the status page, through `listen` or a proxy before it; alerts link to the incident's page below it.
    /// Default: no links.
    #[schemars(example = "https://status.example.org/web1")]
    pub page_url: Option<String>,
    /// A server elsewhere that raises the alarm when it hears nothing from this host.
    #[schemars(with = "Option<HeartbeatKeys>")]
    pub heartbeat: Option<Spanned<HeartbeatKeys>>,
    /// How often the daemon looks over the whole host, as `steadfast audit` does; "never": not at all. Default: "6h".
    pub audit_every: Option<LengthOrNever>,
    /// Units and programs that the audit leaves alone until a date.
    pub coverage: Option<Coverage>,
    /// Other hosts that run Steadfast.
    pub fleet: Fleet,
    /// Labels of every alert of this host, besides host, unit, code, severity and owner.
    #[schemars(with = "BTreeMap<String, String>")]
    pub labels: BTreeMap<String, Spanned<String>>,
    /// Any number of alert sinks, each with a name.
    #[schemars(with = "BTreeMap<String, SinkKeys>")]
    pub alert: ReadElsewhere,
}

/// What the audit leaves alone on purpose; all keys are required.
#[derive(Debug, Derive, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Coverage {
    /// Patterns for names of units, and of programs outside any unit.
    #[schemars(with = "Vec<String>")]
    pub ignore: Spanned<Vec<String>>,
    /// Why; shown in the audit.
    pub reason: String,
    /// A date and time with zone, such as 2026-12-24T00:00:00Z.
    #[schemars(with = "String", extend("format" = "date-time"))]
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
