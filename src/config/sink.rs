//! The keys of `[alert.NAME]` in steadfast.toml as people write them.

use std::collections::BTreeMap;

use serde::Deserialize as Derive;
use toml::Spanned;

use super::file::{Length, LengthOrNever, Severity};

/// A way to tell people.
#[derive(Debug, Default, Derive)]
#[serde(deny_unknown_fields, default)]
pub struct Sink {
    /// webhook, smtp, alertmanager, sentry or command.
    #[serde(rename = "type")]
    pub kind: Option<Kind>,
    /// webhook, alertmanager: where it is told. sentry: the DSN.
    pub url: Option<Spanned<String>>,
    /// alertmanager: every member of a cluster.
    pub urls: Option<Spanned<Vec<Spanned<String>>>>,
    /// webhook: json, slack or ntfy. Default: json.
    pub format: Option<Spanned<Format>>,
    /// The systemd credential of steadfast.service that holds the secret.
    pub credential: Option<Spanned<String>>,
    /// A file that holds the secret, readable for its owner alone.
    pub password_file: Option<Spanned<String>>,
    /// smtp. Default: localhost.
    pub host: Option<Spanned<String>>,
    /// smtp. Default: 25, 587 or 465, as the encryption has it.
    pub port: Option<Spanned<u16>>,
    /// smtp: none, starttls or tls. Default: none to this host, starttls to others.
    pub encryption: Option<Spanned<Encryption>>,
    /// smtp, alertmanager: whose password it is.
    pub user: Option<Spanned<String>>,
    /// smtp: the sender.
    pub from: Option<Spanned<String>>,
    /// smtp: the recipients.
    pub to: Option<Spanned<OneOrMore>>,
    /// command: the program and its arguments.
    pub command: Option<Spanned<Vec<String>>>,
    /// Default: warning.
    pub min_severity: Option<Severity>,
    /// Labels, and the shell pattern that each must match.
    #[serde(rename = "match")]
    pub matching: BTreeMap<String, Spanned<String>>,
    /// Default: "0s".
    pub after: Option<Length>,
    /// Default: "4h"; of alertmanager "1m".
    pub repeat: Option<Spanned<LengthOrNever>>,
    /// Default: 10.
    pub burst: Option<Spanned<u32>>,
    /// Default: "10m".
    pub interval: Option<Spanned<Length>>,
    /// Default: "10s".
    pub timeout: Option<Spanned<Length>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Derive)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Webhook,
    Smtp,
    Alertmanager,
    Sentry,
    Command,
}

impl Kind {
    /// As `type =` says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Smtp => "smtp",
            Self::Alertmanager => "alertmanager",
            Self::Sentry => "sentry",
            Self::Command => "command",
        }
    }
}

#[derive(Clone, Copy, Debug, Derive)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    Json,
    Slack,
    Ntfy,
}

#[derive(Clone, Copy, Debug, Derive)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    None,
    StartTls,
    Tls,
}

/// `to = "…"` or `to = ["…", "…"]`
#[derive(Clone, Debug, Derive)]
#[serde(untagged, expecting = "a text or a list of texts is expected")]
pub enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(all) => all,
        }
    }
}
