//! PostgreSQL: a read-only session over TCP or its local socket.

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{Config, NoTls, SimpleQueryMessage, SimpleQueryRow};

use crate::causes;
use crate::keys::{Credential, FullPath, Wrong};
use crate::model::probe::ProbeOutcome;

use super::expected::Expected;
use super::failure::Failure;
use super::secured;
use super::server::{self, Server};
use super::sql::{self, Cell, Engine, Row, Sql};
use super::{Limit, Probe, Wants, handed, names, secret, text};

/// `postgres = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// "postgres://USER@HOST/DB" lets that user in and answers; over TLS with "?sslmode=require", the certificate is judged.
    postgres: String,
    /// What is asked, in a read-only session. Default: SELECT 1.
    query: Option<String>,
    /// What the first column of the first row must be: a value or a comparison such as "< 100".
    expect: Option<Expected>,
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

impl Postgres {
    fn sql(&self) -> Sql<'_> {
        Sql {
            engine: Engine::Postgres,
            url: &self.postgres,
            password: (&self.credential, &self.password_file),
            ca_file: &self.ca_file,
            insecure: self.insecure,
            query: self.query.as_deref(),
            expect: self.expect.as_ref(),
        }
    }
}

impl Probe for Postgres {
    fn check(&self) -> Result<(), Wrong> {
        self.sql().check()
    }

    fn is_curable(&self) -> bool {
        self.expect.is_none()
    }

    fn weakness(&self, _: Duration) -> Option<String> {
        self.sql().weakness()
    }

    fn wants(&self) -> Wants {
        self.sql().wants()
    }

    fn run(&self, limit: Limit) -> BoxFuture<'_, ProbeOutcome> {
        Box::pin(sql::run(self.sql(), limit))
    }
}

/// The port where the URL names none.
const PORT: u16 = 5432;

pub async fn first_row(server: &Server, query: &str, limit: Limit) -> Result<Option<Row>, Failure> {
    // The library knows one word for it; whether the certificate is judged, and by whom, is ours to say.
    let url = server
        .url
        .replace("sslmode=verify-full", "sslmode=require")
        .replace("sslmode=verify-ca", "sslmode=require");
    let mut config: Config =
        url.parse().map_err(|error| Failure::unknown(format!("it is no URL of PostgreSQL ({error})")))?;
    if let Some(password) = secret::of(server, limit).await? {
        config.password(password);
    }
    // The server gives up before us, and a query that writes is a mistake.
    let ms = limit.timeout.as_millis() / 2;
    config.options(format!("-c statement_timeout={ms} -c default_transaction_read_only=on"));
    config.application_name("steadfast");
    let encrypted = config.get_ssl_mode() == SslMode::Require;
    config.ssl_mode(SslMode::Disable);
    let port = config.get_ports().first().copied().unwrap_or(PORT);
    match config.get_hosts().first() {
        Some(Host::Unix(directory)) => {
            let path = directory.join(format!(".s.PGSQL.{port}"));
            let stream = handed::stream(&path, limit).await?;
            talk(&config, stream, query, limit).await
        }
        host => {
            let name = match host {
                Some(Host::Tcp(name)) => name.as_str(),
                _ => "localhost",
            };
            let addresses = names::resolve(name, port, limit).await?;
            let mut stream = server::connect(&addresses, limit).await?;
            if encrypted {
                limit
                    .within(ask_for_tls(&mut stream))
                    .await
                    .ok_or_else(|| Failure::late("no answer", limit))??;
                let stream = secured::secure(stream, name, &server.tls, limit).await?;
                return talk(&config, stream, query, limit).await;
            }
            talk(&config, stream, query, limit).await
        }
    }
}

/// The URL asks for TLS.
pub fn is_encrypted(url: &str) -> bool {
    ["sslmode=require", "sslmode=verify-full", "sslmode=verify-ca"].iter().any(|mode| url.contains(mode))
}

/// Asks whether it speaks TLS, before the session begins.
async fn ask_for_tls(stream: &mut TcpStream) -> Result<(), Failure> {
    let told = |error: std::io::Error| Failure::connection(&error);
    stream.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.map_err(told)?;
    let mut answer = [0];
    stream.read_exact(&mut answer).await.map_err(told)?;
    match answer {
        [b'S'] => Ok(()),
        [b'N'] => Err(Failure::unhealthy("it does not speak TLS (ssl = off)")),
        other => Err(server::stranger("PostgreSQL", &other)),
    }
}

/// The local socket that this URL names.
pub fn socket(url: &str) -> Option<PathBuf> {
    let url =
        url.replace("sslmode=verify-full", "sslmode=require").replace("sslmode=verify-ca", "sslmode=require");
    let config: Config = url.parse().ok()?;
    let port = config.get_ports().first().copied().unwrap_or(PORT);
    match config.get_hosts().first()? {
        Host::Unix(directory) => Some(directory.join(format!(".s.PGSQL.{port}"))),
        Host::Tcp(_) => None,
    }
}

async fn talk<S>(config: &Config, stream: S, query: &str, limit: Limit) -> Result<Option<Row>, Failure>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
{
    let user = config.get_user().unwrap_or_default();
    let (stream, first) = server::bounded(stream);
    let work = async {
        let (client, connection) =
            config.connect_raw(stream, NoTls).await.map_err(|error| told(&error, user))?;
        tokio::select! {
            answer = client.simple_query(query) => answer.map_err(|error| told(&error, user)),
            ended = connection => Err(ended.map_or_else(
                |error| told(&error, user),
                |()| Failure::unhealthy("the connection was closed too early"),
            )),
        }
    };
    let done = limit.within(work).await;
    if done.as_ref().is_none_or(Result::is_err) {
        server::speaks("PostgreSQL", &first, |byte| b"RESNvTDCZ".contains(&byte))?;
    }
    let answer = done.ok_or_else(|| Failure::late("no answer", limit))??;
    Ok(answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => {
            let columns = row.columns().iter().enumerate();
            Some(columns.map(|(at, known)| (known.name().to_owned(), cell(row, at))).collect())
        }
        _ => None,
    }))
}

/// A value as text. `get` would panic where it is not UTF-8: a database in `SQL_ASCII` hands out the bytes that it was given.
fn cell(row: &SimpleQueryRow, at: usize) -> Cell {
    match row.try_get(at) {
        Ok(None) => Cell::Null,
        Ok(Some(text)) => Cell::Text(text.to_owned()),
        Err(_) => Cell::NotUtf8,
    }
}

fn told(error: &tokio_postgres::Error, user: &str) -> Failure {
    let Some(known) = error.as_db_error() else {
        let io = causes::of(error).into_iter().find_map(|cause| cause.downcast_ref());
        let io: Option<&std::io::Error> = io;
        return match io {
            Some(io) if io.raw_os_error().is_some() => Failure::connection(io),
            Some(io) if io.kind() == std::io::ErrorKind::UnexpectedEof => {
                Failure::unhealthy("the connection was closed too early")
            }
            _ if error.is_closed() => Failure::unhealthy("the connection was closed too early"),
            // The library's own limit: 100,000.
            Some(io) if io.to_string().starts_with("SCRAM iteration count") => {
                Failure::unknown("it has a password hashed more often than steadfast does")
            }
            Some(io) => Failure::unhealthy(text::name(&format!("{error} ({io})"))),
            None => Failure::unhealthy(text::name(&error.to_string())),
        };
    };
    let (user, message) = (text::name(user), text::name(known.message()));
    match known.code() {
        &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            Failure::unknown(format!("authentication failed for user {user}, {message}"))
        }
        &SqlState::CANNOT_CONNECT_NOW => Failure::unhealthy(format!("it is not ready, {message}")),
        &SqlState::TOO_MANY_CONNECTIONS => {
            Failure::unhealthy(format!("it accepts no more connections, {message}"))
        }
        &SqlState::QUERY_CANCELED => Failure::unhealthy("the query did not end in time"),
        code => Failure::unhealthy(format!("answered the error {}, {message}", code.code())),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{DuplexStream, duplex};

    use super::*;

    /// A message of the protocol: its kind, its length, its body.
    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("a short message");
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    /// A server that lets everybody in and answers every query with one row of one column.
    async fn serve(mut stream: DuplexStream, value: &[u8]) {
        let mut asked = [0; 1024];
        assert!(stream.read(&mut asked).await.expect("a client that speaks") > 0, "a startup message");
        let ready = message(b'Z', b"I");
        let welcome = [message(b'R', &[0; 4]), ready.clone()].concat();
        stream.write_all(&welcome).await.expect("a client that listens");
        assert!(stream.read(&mut asked).await.expect("a client that speaks") > 0, "a query");
        let column = [b"name\0".as_slice(), &[0; 18]].concat();
        let length = u32::try_from(value.len()).expect("a short value");
        let answer = [
            message(b'T', &[&[0, 1][..], &column].concat()),
            message(b'D', &[&[0, 1][..], &length.to_be_bytes(), value].concat()),
            message(b'C', b"SELECT 1\0"),
            ready,
        ];
        stream.write_all(&answer.concat()).await.expect("a client that listens");
        // The client hangs up.
        while stream.read(&mut asked).await.is_ok_and(|read| read > 0) {}
    }

    async fn answered(value: &'static [u8]) -> Option<Row> {
        let (ours, theirs) = duplex(4096);
        let server = tokio::spawn(serve(theirs, value));
        let mut config = Config::new();
        config.user("probe");
        let row = talk(&config, ours, "SELECT name", Limit::new(Duration::from_secs(10))).await;
        server.abort();
        row.unwrap_or_else(|failure| panic!("{}", failure.of("DB").message))
    }

    #[tokio::test]
    async fn a_value_that_is_not_utf8_ends_nothing() {
        let wanted = |cell| Some(vec![("name".to_owned(), cell)]);
        assert_eq!(answered(b"Zoe").await, wanted(Cell::Text("Zoe".to_owned())));
        assert_eq!(answered(b"Jos\xe9").await, wanted(Cell::NotUtf8));
    }
}
