//! `amqp`: a broker greets in AMQP 0-9-1, and lets in whom the URL names.

mod frames;
#[cfg(test)]
mod tests;

use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use crate::keys::{Credential, FullPath, Wrong};
use crate::model::probe::{ProbeOutcome, ProbeStatus};

use super::failure::Failure;
use super::secured::{self, Connection, Tls};
use super::server::{self, Known, Server};
use super::{Limit, Probe, Wants, text};
use frames::{Closed, Frame, Said, Start, Tune};

/// `amqp = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amqp {
    /// "amqp://HOST" greets in AMQP; with a user, "amqp://USER@HOST/VHOST", it lets that user in; over TLS "amqps://HOST".
    amqp: String,
    /// The systemd credential of steadfast.service that holds the password.
    credential: Option<Credential>,
    /// A file that holds the password, readable for its owner alone.
    password_file: Option<FullPath>,
    /// For TLS: a file with the certificates of the authorities that are trusted instead of this host's.
    ca_file: Option<FullPath>,
    /// For TLS: any certificate will do. Default: false.
    #[serde(default)]
    insecure: bool,
}

impl Probe for Amqp {
    fn check(&self) -> Result<(), Wrong> {
        let secured = self.amqp.starts_with("amqps://");
        secured::check(&self.ca_file, self.insecure, secured, "amqp = \"amqps://HOST\"")?;
        server::check("amqp", &self.amqp, &["amqp", "amqps"], (&self.credential, &self.password_file))
    }

    fn wants(&self) -> Wants {
        Wants::password((&self.credential, &self.password_file)).and_authorities(&self.ca_file)
    }

    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        let server = Server::of(&self.amqp, (&self.credential, &self.password_file));
        let server = Server { tls: Tls::of(&self.ca_file, self.insecure), ..server };
        Box::pin(async move { run(&server, limit).await })
    }
}

/// The port where the URL names none.
const PORT: u16 = 5672;
/// The port of encrypted connections.
const SECURED: u16 = 5671;
/// Frames that are read until a broker lets us in, or says goodbye.
const FRAMES: usize = 16;
/// After a login in time, the answer to the goodbye is not worth more.
const GOODBYE: Duration = Duration::from_millis(500);
/// The password where none is named, as in every client of RabbitMQ.
const PASSWORD: &str = "guest";

async fn run(asked: &Server, limit: Limit) -> ProbeOutcome {
    let shown = format!("AMQP handshake with {}", server::shown(asked));
    match ask(asked, limit).await {
        Ok((told, latency)) => ProbeOutcome {
            status: ProbeStatus::Healthy,
            message: text::sentence(&format!("{shown}: {told} in {}", text::figure(latency))),
            latency: Some(latency),
        },
        Err(failure) => failure.of(&shown),
    }
}

async fn ask(asked: &Server, limit: Limit) -> Result<(&'static str, Duration), Failure> {
    let encrypted = asked.url.starts_with("amqps://");
    let known = server::known(asked, if encrypted { SECURED } else { PORT }, limit).await?;
    let began = Instant::now();
    let login = Login::of(&known)?;
    let stream = server::connect(&known.addresses, limit).await?;
    let mut stream: Connection = if encrypted {
        secured::secure(stream, known.host(), &asked.tls, limit).await?
    } else {
        Box::new(stream)
    };
    let greeted = limit.within(greeted(&mut stream)).await;
    let rest = greeted.ok_or_else(|| Failure::late("no greeting", limit))??;
    let Some(login) = login else {
        return Ok(("the broker greeted", began.elapsed()));
    };
    let entered = limit.within(enter(&mut stream, rest, &login)).await;
    entered.ok_or_else(|| Failure::late("no login", limit))??;
    let latency = began.elapsed();
    // Whether the goodbye arrives says nothing of the broker.
    drop(limit.within(tokio::time::timeout(GOODBYE, leave(&mut stream))).await);
    Ok(("the broker let us in", latency))
}

/// Says what protocol we speak, and hears the head of the answer. Returns the bytes of that frame that are still to come.
async fn greeted(stream: &mut Connection) -> Result<usize, Failure> {
    frames::send(stream, frames::HEADER).await?;
    let mut head = [0; frames::HEAD];
    let mut read = 0;
    while let Some(rest) = head.get_mut(read..).filter(|rest| !rest.is_empty()) {
        match stream.read(rest).await.map_err(|error| Failure::connection(&error))? {
            0 => break,
            more => read += more,
        }
        // Only a frame goes on, and a header as long as ours.
        if head[0] != 1 && (head[0] != b'A' || read >= frames::HEADER.len()) {
            break;
        }
    }
    match head {
        [1, 0, 0, a, b, c, d, 0, 10, 0, 10] if read == frames::HEAD => {
            let length = frames::length([a, b, c, d])?;
            // The two numbers of the method were read, the byte that ends the frame was not.
            Ok(length.saturating_sub(4) + 1)
        }
        [b'A', b'M', b'Q', b'P', ..] => {
            Err(Failure::unhealthy("what listens there speaks another version of AMQP"))
        }
        _ if read == 0 => Err(Failure::unhealthy("the connection was closed without a greeting")),
        _ => Err(server::stranger("AMQP", head.get(..read).unwrap_or_default())),
    }
}

/// Who asks to be let in, and where.
struct Login {
    user: String,
    password: String,
    vhost: String,
}

impl Login {
    /// `None`: the URL names no user.
    fn of(known: &Known) -> Result<Option<Self>, Failure> {
        let Some(user) = known.user() else {
            return Ok(None);
        };
        let vhost = known.vhost();
        if vhost.len() > frames::SHORT {
            return Err(Failure::unknown("a vhost has a name of at most 255 bytes"));
        }
        let password = known.password.clone().unwrap_or_else(|| PASSWORD.to_owned());
        Ok(Some(Self { user, password, vhost }))
    }
}

/// Logs in behind a greeting of which `rest` bytes are still to come.
async fn enter(stream: &mut Connection, rest: usize, login: &Login) -> Result<(), Failure> {
    let start = Start::read(&frames::bytes(stream, rest).await?)?;
    if !start.offers("PLAIN") {
        let offered = text::name(&start.mechanisms);
        return Err(Failure::unknown(format!("it offers no login with a password, only {offered}")));
    }
    frames::send(stream, &frames::start_ok(&login.user, &login.password)).await?;
    let mut tuned = false;
    for _ in 0..FRAMES {
        match frames::next(stream).await? {
            Frame::Said(Said::Tune(tune)) if !tuned => {
                tuned = true;
                frames::send(stream, &tune_and_open(tune, login)).await?;
            }
            Frame::Said(Said::OpenOk) if tuned => return Ok(()),
            Frame::Said(Said::Close(closed)) => {
                // Whoever turns us away is told that we heard; how that fares says nothing more of the broker.
                drop(frames::send(stream, &frames::close_ok()).await);
                return Err(refused(&closed, login));
            }
            Frame::Said(Said::Secure) => {
                return Err(Failure::unknown("it asks for more than a user and a password"));
            }
            Frame::Aside => {}
            Frame::Said(Said::Tune(_) | Said::OpenOk | Said::CloseOk | Said::Other(..)) => {
                return Err(Failure::unhealthy("did not let us in (it said something out of turn)"));
            }
        }
    }
    Err(Failure::unhealthy("did not let us in (it said something else all the time)"))
}

fn tune_and_open(tune: Tune, login: &Login) -> Vec<u8> {
    [frames::tune_ok(tune), frames::open(&login.vhost)].concat()
}

async fn leave(stream: &mut Connection) -> Result<(), Failure> {
    frames::send(stream, &frames::close()).await?;
    for _ in 0..FRAMES {
        if let Frame::Said(Said::CloseOk) = frames::next(stream).await? {
            break;
        }
    }
    Ok(())
}

fn refused(closed: &Closed, login: &Login) -> Failure {
    let user = text::name(&login.user);
    match closed.code {
        403 => Failure::unknown(format!("authentication failed, it refuses user {user} or the password")),
        530 => {
            let vhost = text::name(&login.vhost);
            Failure::unknown(format!("user {user} may not enter vhost {vhost}, or there is none"))
        }
        code => Failure::unhealthy(format!("answered the error {code}, {}", text::name(&closed.text))),
    }
}
