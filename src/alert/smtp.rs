//! `type = "smtp"`: a mail. Firing and resolved of an incident stand in one thread.

use futures_util::future::BoxFuture;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MessageBuilder};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keys::{Credential, FullPath, Wrong, password};
use crate::model::alert::Message;
use crate::model::moment::Moment;

use super::alertmanager::no_password;
use super::letter::Letter;
use super::mail::{Encryption, HOST, Mail};
use super::{Delivery, Sink, blocking, message, text};

/// Longest key in the id of a mail, in bytes.
const KEY: usize = 150;
/// Threads that one mail belongs to.
const THREADS: usize = 10;
/// Recipients of a mail.
const RECIPIENTS: usize = 50;

/// Its keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// Default: localhost.
    #[serde(default = "localhost")]
    host: String,
    /// Default: 25, 587 or 465, as the encryption has it.
    port: Option<u16>,
    /// none, starttls or tls. Default: none to this host, starttls to others.
    encryption: Option<Encryption>,
    /// Whose password it is.
    user: Option<String>,
    /// The sender.
    #[schemars(example = "NAME@DOMAIN")]
    from: String,
    /// The recipients.
    #[schemars(example = "NAME@DOMAIN")]
    to: OneOrMore,
    /// The systemd credential of steadfast.service that holds the password.
    credential: Option<Credential>,
    /// A file that holds the password, readable for its owner alone.
    password_file: Option<FullPath>,
}

fn localhost() -> String {
    "localhost".to_owned()
}

/// `to = "…"` or `to = ["…", "…"]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a text or a list of texts is expected")]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn all(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(all) => all,
        }
    }
}

impl Smtp {
    fn is_here(&self) -> bool {
        matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1")
    }

    fn encryption(&self) -> Encryption {
        let usual = if self.is_here() { Encryption::None } else { Encryption::StartTls };
        self.encryption.unwrap_or(usual)
    }

    fn port(&self) -> u16 {
        self.port.unwrap_or(match self.encryption() {
            Encryption::None => 25,
            Encryption::StartTls => 587,
            Encryption::Tls => 465,
        })
    }

    fn check_login(&self) -> Result<(), Wrong> {
        let secret = password(self.credential.as_ref(), self.password_file.as_ref())?;
        match (&self.user, secret) {
            (Some(_), None) => Err(no_password()),
            (Some(_), Some(_)) if self.encryption() == Encryption::None && !self.is_here() => {
                let message = format!("cannot send a password to {} without encryption", self.host);
                Err(Wrong::at("user", message).help("write encryption = \"starttls\" or \"tls\""))
            }
            (None, Some(_)) => Err(Wrong::table("its password needs a `user`").help("add user = \"NAME\"")),
            (_, _) => Ok(()),
        }
    }
}

impl Sink for Smtp {
    fn check(&self) -> Result<(), Wrong> {
        if self.host.is_empty() || self.host.contains(|c: char| c == '/' || c.is_whitespace()) {
            return Err(Wrong::at("host", format!("cannot use \"{}\": it is no host", self.host)));
        }
        self.check_login()?;
        if !(1..=RECIPIENTS).contains(&self.to.all().len()) {
            return Err(Wrong::at("to", format!("cannot use `to`: write 1 to {RECIPIENTS} addresses")));
        }
        let all = self.to.all().iter().map(|to| ("to", to)).chain([("from", &self.from)]);
        for (key, address) in all {
            if address.parse::<Mailbox>().is_err() {
                return Err(Wrong::at(key, format!("cannot use \"{address}\": it is no address of mail")));
            }
        }
        Ok(())
    }

    fn deliver<'a>(&'a self, delivery: Delivery<'a>) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(deliver(self, delivery))
    }
}

/// Delivers it. All recipients get it, or it has failed.
async fn deliver(smtp: &Smtp, delivery: Delivery<'_>) -> Result<(), String> {
    let Delivery { message, now, limit, carrier } = delivery;
    let password = blocking::secret(&smtp.credential, &smtp.password_file).await?;
    let server = format!("{}:{}", text::line(&smtp.host, HOST), smtp.port());
    let mail = mail(smtp, message, now).map_err(|why| format!("{server}: {why}"))?;
    let address = |address: &lettre::Address| address.to_string();
    let mail = Mail {
        host: smtp.host.clone(),
        port: smtp.port(),
        encryption: smtp.encryption(),
        hello: message.host.clone(),
        login: smtp.user.clone().zip(password),
        from: mail.envelope().from().map(address).unwrap_or_default(),
        to: mail.envelope().to().iter().map(address).collect(),
        text: String::from_utf8(mail.formatted()).map_err(|why| format!("cannot write the mail: {why}"))?,
    };
    carrier.carry(Letter::Mail(Box::new(mail)), limit).await
}

fn mail(smtp: &Smtp, message: &Message, now: Moment) -> Result<lettre::Message, String> {
    let address = |text: &String| -> Result<Mailbox, String> {
        text.parse().map_err(|_| format!("\"{}\" is no address of mail", text::line(text, HOST)))
    };
    let mut threads: Vec<String> =
        message.alerts.iter().map(|one| id(&one.key, None, &message.host)).collect();
    threads.sort();
    threads.dedup();
    threads.truncate(THREADS);
    let first = message.alerts.first();
    let key = first.map(|alert| alert.key.as_str()).unwrap_or_default();
    let mut builder = MessageBuilder::new()
        .from(address(&smtp.from)?)
        .subject(message::subject(message, now))
        .message_id(Some(id(key, Some(message.id), &message.host)))
        .references(threads.join(" "))
        .header(ContentType::TEXT_PLAIN)
        .raw_header(raw("Auto-Submitted", "auto-generated"));
    if let [thread] = threads.as_slice() {
        builder = builder.in_reply_to(thread.clone());
    }
    for to in smtp.to.all() {
        builder = builder.to(address(to)?);
    }
    builder.body(message::body(message, now)).map_err(|error| format!("cannot write the mail: {error}"))
}

fn raw(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}

/// `<KEY.ID.steadfast@HOST>`; without a delivery's id, what all mails of one alert refer to.
fn id(key: &str, delivery: Option<u64>, host: &str) -> String {
    let plain = |text: &str| -> String {
        let plain = |byte: u8| {
            if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' {
                char::from(byte).to_string()
            } else {
                format!("_{byte:02x}")
            }
        };
        text.bytes().take(KEY).map(plain).collect()
    };
    let delivery = delivery.map(|id| format!(".{id}")).unwrap_or_default();
    format!("<{}{delivery}.steadfast@{}>", plain(key), plain(host))
}
