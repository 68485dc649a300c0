//! How a sink is reached: its type, and the keys that belong to it.

use std::ops::Range;
use std::time::Duration;

use lettre::message::Mailbox;
use toml::Spanned;

use crate::model::alert::{self, Alertmanager, SinkKind, Smtp, Webhook, WebhookFormat};
use crate::model::probe::Secret;

use super::diagnose::Mistake;
use super::file::Heartbeat;
use super::parse;
use super::probe;
use super::question;
use super::sink::{Encryption, Format, Kind, Sink};

/// Members of a cluster of Alertmanager.
const URLS: usize = 16;
/// Recipients of a mail.
const RECIPIENTS: usize = 50;
/// Between two beats.
const PERIOD: Duration = Duration::from_secs(60);
const SHORTEST_PERIOD: Duration = Duration::from_secs(1);
/// What is said of a password in a URL.
const NO_PASSWORD: &str = "cannot take a user or password from a URL in steadfast.toml: others read it";

/// The sink of this type, from keys that all belong to it.
pub fn kind(
    name: &str,
    span: &Range<usize>,
    kind: Kind,
    keys: &Sink,
    owner: u32,
) -> Result<SinkKind, Mistake> {
    let missing = |what: &str, help: &str| {
        Mistake::at(span.clone(), format!("cannot use alert {name}: {what}")).help(help.to_owned())
    };
    let secret = question::secret((&keys.credential, &keys.password_file))?;
    match kind {
        Kind::Webhook => webhook(keys, secret, missing).map(SinkKind::Webhook),
        Kind::Smtp => smtp(keys, secret, missing).map(SinkKind::Smtp),
        Kind::Alertmanager => alertmanager(keys, secret, missing).map(SinkKind::Alertmanager),
        Kind::Sentry => sentry(keys, secret, missing),
        Kind::Command => {
            let help = "add command = [\"/PROGRAM\", \"ARGUMENT\"]";
            let written = keys.command.as_ref().ok_or_else(|| missing("its command is missing", help))?;
            let command = probe::command(written)?;
            parse::trusted(written, owner)?;
            Ok(SinkKind::Command { command })
        }
    }
}

/// `[heartbeat]`.
pub fn heartbeat(written: &Spanned<Heartbeat>) -> Result<alert::Heartbeat, Mistake> {
    let keys = written.get_ref();
    let secret = question::secret((&keys.credential, &keys.password_file))?;
    let url = match (&keys.url, &secret) {
        (Some(url), None) => self::url(url)?,
        (None, Some(_)) => String::new(),
        (Some(_), Some(_)) | (None, None) => {
            let message = "cannot use `heartbeat`: it needs one URL";
            return Err(Mistake::at(written.span(), message).help(
                "write url = \"https://…\", or credential = \"NAME\" or password_file = \"PATH\" where the URL is secret",
            ));
        }
    };
    let period = keys.period.as_ref().map_or(PERIOD, |length| length.0);
    if period < SHORTEST_PERIOD {
        return Err(Mistake::at(written.span(), "cannot use `heartbeat`: its period must be at least 1s"));
    }
    Ok(alert::Heartbeat { url, secret, period })
}

fn webhook(
    keys: &Sink,
    secret: Option<Secret>,
    missing: impl Fn(&str, &str) -> Mistake,
) -> Result<Webhook, Mistake> {
    let url = match (&keys.url, &secret) {
        (Some(url), _) => self::url(url)?,
        (None, Some(_)) => String::new(),
        (None, None) => {
            let help = "add url = \"https://…\", or credential = \"NAME\" or password_file = \"PATH\" where the URL is secret";
            return Err(missing("where it is told is missing", help));
        }
    };
    let format = match keys.format.as_ref().map(Spanned::get_ref) {
        Some(Format::Json) | None => WebhookFormat::Json,
        Some(Format::Slack) => WebhookFormat::Slack,
        Some(Format::Ntfy) => WebhookFormat::Ntfy,
    };
    Ok(Webhook { url, format, secret })
}

/// A URL without user and password.
fn url(written: &Spanned<String>) -> Result<String, Mistake> {
    // Not quoted: it may hold a password, and messages are read by more people than this file.
    let url = probe::url(written).map_err(|mistake| Mistake {
        message: "cannot use `url`: it is no http:// or https:// URL".to_owned(),
        ..mistake
    })?;
    if authority(&url).contains('@') {
        return Err(Mistake::at(written.span(), NO_PASSWORD)
            .help("add credential = \"NAME\" or password_file = \"PATH\""));
    }
    Ok(url)
}

/// `KEY@HOST:PORT` of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#', '\\']).next().unwrap_or_default()
}

fn alertmanager(
    keys: &Sink,
    secret: Option<Secret>,
    missing: impl Fn(&str, &str) -> Mistake,
) -> Result<Alertmanager, Mistake> {
    let urls = match (&keys.url, &keys.urls) {
        (Some(one), None) => vec![url(one)?],
        (None, Some(all)) if (1..=URLS).contains(&all.get_ref().len()) => {
            all.get_ref().iter().map(url).collect::<Result<_, _>>()?
        }
        (None, Some(all)) => {
            return Err(Mistake::at(all.span(), format!("cannot use `urls`: write 1 to {URLS} of them")));
        }
        (Some(_), Some(all)) => {
            return Err(Mistake::at(all.span(), "cannot use both `url` and `urls`").help("write urls alone"));
        }
        (None, None) => return Err(missing("where it is told is missing", "add urls = [\"http://…:9093\"]")),
    };
    if let Some(user) = keys.user.as_ref().filter(|_| secret.is_none()) {
        return Err(no_password(user));
    }
    let user = keys.user.as_ref().map(|user| user.get_ref().clone());
    Ok(Alertmanager { urls, user, secret })
}

fn no_password(user: &Spanned<String>) -> Mistake {
    Mistake::at(user.span(), "cannot use `user`: its password is missing")
        .help("add credential = \"NAME\" or password_file = \"PATH\"")
}

fn sentry(
    keys: &Sink,
    secret: Option<Secret>,
    missing: impl Fn(&str, &str) -> Mistake,
) -> Result<SinkKind, Mistake> {
    let dsn = match (&keys.url, &secret) {
        (Some(url), Some(_)) => {
            let message = "cannot take the DSN from two places";
            return Err(Mistake::at(url.span(), message).help("the secret is the whole DSN: remove url"));
        }
        (Some(url), None) => {
            let text = url.get_ref();
            if authority(text).rsplit_once('@').is_some_and(|(key, _)| key.contains(':')) {
                return Err(Mistake::at(url.span(), "cannot take a password from a DSN: others read it")
                    .help("put the whole DSN into a file, and add password_file = \"PATH\""));
            }
            if text.parse::<sentry_types::Dsn>().is_err() {
                // Not quoted: messages are read by more people than this file.
                return Err(Mistake::at(url.span(), "cannot use `url`: it is no DSN")
                    .help("write url = \"https://KEY@HOST/PROJECT\""));
            }
            text.clone()
        }
        (None, Some(_)) => String::new(),
        (None, None) => {
            let help =
                "add url = \"https://KEY@HOST/PROJECT\", or credential or password_file with the whole of it";
            return Err(missing("its DSN is missing", help));
        }
    };
    Ok(SinkKind::Sentry { dsn, secret })
}

fn smtp(
    keys: &Sink,
    secret: Option<Secret>,
    missing: impl Fn(&str, &str) -> Mistake,
) -> Result<Smtp, Mistake> {
    let host = keys.host.as_ref().map_or("localhost", |host| host.get_ref().as_str());
    let here = matches!(host, "localhost" | "127.0.0.1" | "::1");
    if let Some(written) = keys
        .host
        .as_ref()
        .filter(|_| host.is_empty() || host.contains(|c: char| c == '/' || c.is_whitespace()))
    {
        return Err(Mistake::at(written.span(), format!("cannot use \"{host}\": it is no host")));
    }
    let encryption = match keys.encryption.as_ref().map(Spanned::get_ref) {
        Some(Encryption::None) => alert::Encryption::Plain,
        Some(Encryption::StartTls) => alert::Encryption::StartTls,
        Some(Encryption::Tls) => alert::Encryption::Tls,
        None if here => alert::Encryption::Plain,
        None => alert::Encryption::StartTls,
    };
    let usual = match encryption {
        alert::Encryption::Plain => 25,
        alert::Encryption::StartTls => 587,
        alert::Encryption::Tls => 465,
    };
    let user = match (&keys.user, &secret) {
        (Some(user), None) => return Err(no_password(user)),
        (Some(user), Some(_)) if encryption == alert::Encryption::Plain && !here => {
            let message = format!("cannot send a password to {host} without encryption");
            return Err(Mistake::at(user.span(), message).help("write encryption = \"starttls\" or \"tls\""));
        }
        (None, Some(_)) => return Err(missing("whose password it is, is missing", "add user = \"NAME\"")),
        (user, _) => user.as_ref().map(|user| user.get_ref().clone()),
    };
    let from = keys.from.as_ref();
    let from = from.ok_or_else(|| missing("its sender is missing", "add from = \"NAME@DOMAIN\""))?;
    let to = keys.to.as_ref();
    let to = to.ok_or_else(|| missing("its recipients are missing", "add to = \"NAME@DOMAIN\""))?;
    let recipients = to.get_ref().all();
    if !(1..=RECIPIENTS).contains(&recipients.len()) {
        return Err(Mistake::at(to.span(), format!("cannot use `to`: write 1 to {RECIPIENTS} addresses")));
    }
    for (address, span) in
        recipients.iter().map(|one| (one, to.span())).chain([(from.get_ref(), from.span())])
    {
        if address.parse::<Mailbox>().is_err() {
            return Err(Mistake::at(span, format!("cannot use \"{address}\": it is no address of mail")));
        }
    }
    Ok(Smtp {
        host: host.to_owned(),
        port: keys.port.as_ref().map_or(usual, |port| *port.get_ref()),
        encryption,
        user,
        secret,
        from: from.get_ref().clone(),
        to: recipients.to_vec(),
    })
}
