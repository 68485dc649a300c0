//! `amqp`: a broker greets in AMQP 0-9-1, and lets in whom the URL names.

use std::time::Duration;

use futures_util::future::BoxFuture;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, ErrorKind};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::keys::{Credential, FullPath, Wrong};
use crate::model::probe::{ProbeOutcome, ProbeStatus};

use super::failure::Failure;
use super::server::{self, Known, Server};
use super::{Limit, Probe, Wants, text};

/// `amqp = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Amqp {
    /// "amqp://HOST" greets in AMQP; with a user, "amqp://USER@HOST/VHOST", it lets that user in.
    amqp: String,
    /// The systemd credential of steadfast.service that holds the password.
    credential: Option<Credential>,
    /// A file that holds the password, readable for its owner alone.
    password_file: Option<FullPath>,
}

impl Probe for Amqp {
    fn check(&self) -> Result<(), Wrong> {
        server::check("amqp", &self.amqp, &["amqp"], (&self.credential, &self.password_file))
    }

    fn wants(&self) -> Wants {
        Wants::password((&self.credential, &self.password_file))
    }

    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        let server = Server::of(&self.amqp, (&self.credential, &self.password_file));
        Box::pin(async move { run(&server, limit).await })
    }
}

/// The port where the URL names none.
const PORT: u16 = 5672;
/// What a client of AMQP 0-9-1 says first.
const HEADER: &[u8; 8] = b"AMQP\x00\x00\x09\x01";
/// The head of the answer: a method frame on channel 0, its length, and the method connection.start (10, 10).
const HEAD: usize = 11;

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
    let known = server::known(asked, PORT, limit).await?;
    let began = Instant::now();
    let Some(user) = known.user() else {
        let stream = server::connect(&known.addresses, limit).await?;
        greeted(stream, limit).await?;
        return Ok(("the broker greeted", began.elapsed()));
    };
    log_in(&user, &known, limit).await?;
    Ok(("the broker let us in", began.elapsed()))
}

async fn greeted(mut stream: TcpStream, limit: Limit) -> Result<(), Failure> {
    let mut head = [0; HEAD];
    let talk = async {
        stream.write_all(HEADER).await?;
        let mut read = 0;
        while let Some(rest) = head.get_mut(read..).filter(|rest| !rest.is_empty()) {
            match stream.read(rest).await? {
                0 => break,
                more => read += more,
            }
        }
        Ok::<_, std::io::Error>(read)
    };
    let read = limit
        .within(talk)
        .await
        .ok_or_else(|| Failure::late("no greeting", limit))?
        .map_err(|error| Failure::connection(&error))?;
    match head {
        [1, 0, 0, _, _, _, _, 0, 10, 0, 10] if read == HEAD => Ok(()),
        [b'A', b'M', b'Q', b'P', ..] => {
            Err(Failure::unhealthy("what listens there speaks another version of AMQP"))
        }
        _ if read == 0 => Err(Failure::unhealthy("the connection was closed without a greeting")),
        _ => Err(server::stranger("AMQP", head.get(..read).unwrap_or_default())),
    }
}

async fn log_in(user: &str, known: &Known, limit: Limit) -> Result<(), Failure> {
    // A name has been resolved already, within the limit; of several addresses the one that accepts.
    let stream = server::connect(&known.addresses, limit).await?;
    let address = stream.peer_addr().map_err(|error| Failure::connection(&error))?;
    drop(stream);
    let mut url = known.url.clone();
    // Refused only by a URL that cannot have a host and a password.
    url.set_ip_host(address.ip())
        .and_then(|()| url.set_password(known.password.as_deref()))
        .unwrap_or_default();
    let uri: AMQPUri =
        url.as_str().parse().map_err(|why| Failure::unknown(format!("it is no AMQP URL ({why})")))?;
    let connect = Connection::connect_uri(uri, ConnectionProperties::default());
    let connected = limit.within(connect).await.ok_or_else(|| Failure::late("no login", limit))?;
    let connection = connected.map_err(|error| refused(&error, user, &known.path()))?;
    // Whether the goodbye arrives says nothing of the broker.
    drop(limit.within(connection.close(200, "done".into())).await);
    Ok(())
}

fn refused(error: &lapin::Error, user: &str, vhost: &str) -> Failure {
    let user = text::name(user);
    let said = |error: &lapin::Error| text::name(&error.to_string());
    match error.kind() {
        ErrorKind::ProtocolError(told) if told.get_id() == 403 => {
            Failure::unknown(format!("authentication failed, it refuses user {user} or the password"))
        }
        ErrorKind::ProtocolError(told) if told.get_id() == 530 => {
            let vhost = if vhost.is_empty() { "/" } else { vhost };
            Failure::unknown(format!(
                "user {user} may not enter vhost {}, or there is none",
                text::name(vhost)
            ))
        }
        ErrorKind::ProtocolError(told) => {
            Failure::unhealthy(format!("answered the error {}, {}", told.get_id(), said(error)))
        }
        ErrorKind::IOError(io) => Failure::connection(io),
        _ => Failure::unhealthy(format!("did not let us in ({})", said(error))),
    }
}
