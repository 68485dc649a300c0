//! One mail, and whether its server took it.

use std::fmt;
use std::time::Duration;

use lettre::Address;
use lettre::address::Envelope;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;

use crate::tls;

use super::bounded::Bounded;
use super::{blocking, failure, text};

/// How long the end of a delivered conversation is waited for.
const GOOD_BYE: Duration = Duration::from_secs(1);
/// Longest host in a message, in characters.
pub const HOST: usize = 120;

/// How a mail server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encryption {
    /// A relay on this host.
    None,
    /// Refused where the server does not offer it.
    StartTls,
    Tls,
}

/// What is sent, and to which server.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    pub host: String,
    pub port: u16,
    pub encryption: Encryption,
    /// Who says hello.
    pub hello: String,
    /// A user and the password.
    pub login: Option<(String, String)>,
    pub from: String,
    pub to: Vec<String>,
    /// With its headers, as it is sent.
    pub text: String,
}

/// Never with the password.
impl fmt::Debug for Mail {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Mail").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Mail {
    /// Sends it: a connection of its own, closed afterwards. All recipients get it, or it has failed.
    ///
    /// # Errors
    /// One clause that names the server, without the password.
    pub async fn send(&self) -> Result<(), String> {
        let server = format!("{}:{}", text::line(&self.host, HOST), self.port);
        let secrets: Vec<String> = self.login.iter().map(|(_, password)| password.clone()).collect();
        let told = |why: String| text::without(&format!("{server}: {why}"), &secrets);
        let envelope = self.envelope().map_err(told)?;
        let mut connection = self.connect().await.map_err(told)?;
        if let Some((user, password)) = &self.login {
            let credentials = Credentials::new(user.clone(), password.clone());
            let allowed = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials).await;
            if let Err(error) = allowed {
                connection.abort().await;
                // Not in the server's words: it may repeat what it was sent.
                return Err(told(match error.status() {
                    Some(code) => format!("it refuses the user {user} or the password ({code})"),
                    None if error.is_client() => "it offers no login with a password".to_owned(),
                    None => failure::why(&error),
                }));
            }
        }
        // A refusal closes the connection by itself.
        let sent = connection.send(&envelope, self.text.as_bytes()).await;
        sent.map_err(|error| told(refused(&error)))?;
        // It is delivered: who is slow to say good-bye changes nothing.
        tokio::time::timeout(GOOD_BYE, connection.abort()).await.unwrap_or_default();
        Ok(())
    }

    fn envelope(&self) -> Result<Envelope, String> {
        let address = |text: &String| -> Result<Address, String> {
            text.parse().map_err(|_| format!("\"{}\" is no address of mail", text::line(text, HOST)))
        };
        let to = self.to.iter().map(address).collect::<Result<Vec<_>, _>>()?;
        Envelope::new(Some(address(&self.from)?), to).map_err(|error| error.to_string())
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let tls = match self.encryption {
            Encryption::None => None,
            Encryption::StartTls | Encryption::Tls => {
                let name = self.host.clone();
                let made = blocking::call(move || {
                    tls::init();
                    TlsParameters::new(name)
                });
                Some(made.await?.map_err(|error| failure::why(&error))?)
            }
        };
        let hello = hello(&self.hello);
        let server = (self.host.as_str(), self.port);
        if self.encryption == Encryption::Tls {
            // The library makes this TLS over a stream of its own alone, which we cannot bound: only who proved its name may
            // say what it likes, and only until the timeout.
            let connected = AsyncSmtpConnection::connect_tokio1(server, None, &hello, tls, None).await;
            return connected.map_err(|error| refused(&error));
        }
        let stream = TcpStream::connect(server).await.map_err(|error| failure::why(&error))?;
        let stream = Box::new(Bounded::new(stream));
        let connected = AsyncSmtpConnection::connect_with_transport(stream, &hello).await;
        let mut connection = connected.map_err(|error| refused(&error))?;
        if let Some(tls) = tls {
            if !connection.can_starttls() {
                connection.abort().await;
                return Err("it does not offer STARTTLS, and nothing is sent without".to_owned());
            }
            connection.starttls(tls, &hello).await.map_err(|error| refused(&error))?;
        }
        Ok(connection)
    }
}

fn refused(error: &lettre::transport::smtp::Error) -> String {
    match error.status() {
        Some(code) => format!("it answered {code}, {}", text::quoted(failure::why(error).as_bytes(), &[])),
        None => failure::why(error),
    }
}

/// Our name, where it can be one.
fn hello(host: &str) -> ClientId {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    if !host.is_empty() && host.len() <= 255 && host.chars().all(plain) {
        ClientId::Domain(host.to_owned())
    } else {
        ClientId::default()
    }
}
