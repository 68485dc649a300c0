//! MySQL and MariaDB: a read-only session over TCP, or over the socket that the URL names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::BoxFuture;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, OptsBuilder, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;

use crate::causes;
use crate::keys::{Credential, FullPath, Wrong};
use crate::model::probe::ProbeOutcome;

use super::expected::Expected;
use super::failure::Failure;
use super::server::{self, Server};
use super::sql::{self, Cell, Engine, Row, Sql};
use super::{Limit, Probe, Wants, handed, secret, text};

/// `mysql = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mysql {
    /// "mysql://USER@HOST/DB" (MySQL, MariaDB) lets that user in and answers.
    mysql: String,
    /// What is asked, in a read-only session. Default: SELECT 1.
    query: Option<String>,
    /// What the first column of the first row must be: a value or a comparison such as "< 100".
    expect: Option<Expected>,
    /// The systemd credential of steadfast.service that holds the password.
    credential: Option<Credential>,
    /// A file that holds the password, readable for its owner alone.
    password_file: Option<FullPath>,
}

impl Mysql {
    fn sql(&self) -> Sql<'_> {
        Sql {
            engine: Engine::Mysql,
            url: &self.mysql,
            password: (&self.credential, &self.password_file),
            query: self.query.as_deref(),
            expect: self.expect.as_ref(),
        }
    }
}

impl Probe for Mysql {
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
const PORT: u16 = 3306;
/// Longest packet that is read.
const PACKET: usize = 1 << 20;

pub async fn first_row(asked: &Server, query: &str, limit: Limit) -> Result<Option<Row>, Failure> {
    let options = Opts::from_url(&asked.url)
        .map_err(|error| Failure::unknown(format!("it is no URL of MySQL ({error})")))?;
    let user = options.user().unwrap_or_default().to_owned();
    let mut login = OptsBuilder::from_opts(options.clone())
        .prefer_socket(false)
        .max_allowed_packet(Some(PACKET))
        .init(vec!["SET SESSION TRANSACTION READ ONLY"]);
    let row = if let Some(socket) = options.socket() {
        let leads = handed::path(Path::new(socket), limit).await?;
        login = login.socket(Some(leads.to_string_lossy()));
        login = login.pass(secret::of(asked, limit).await?);
        talk(login, query, limit).await?.map_err(|error| told(&error, &user))?
    } else {
        let known = server::known(asked, PORT, limit).await?;
        login = login.pass(known.password);
        // A connection that says nothing would count as an error with the server: each address is tried in earnest.
        let mut addresses = known.addresses.iter().peekable();
        loop {
            let Some(address) = addresses.next() else {
                return Err(Failure::unknown("its name has no address"));
            };
            let part = limit.part(4, 5);
            let answered = talk(login.clone().ip_or_hostname(address.ip().to_string()), query, part).await;
            if answered.as_ref().is_ok_and(|answered| answered.as_ref().is_err_and(refused))
                && addresses.peek().is_some()
            {
                continue;
            }
            // It counts connections that say nothing as errors: asked only where it did not answer like one of its kind.
            let silent = |error: &Error| !matches!(error, Error::Server(_));
            if answered.as_ref().map_or(true, |answered| answered.as_ref().is_err_and(silent)) {
                greets(&[*address], limit).await?;
            }
            break answered?.map_err(|error| told(&error, &user))?;
        }
    };
    Ok(row.map(|row| {
        let names: Vec<String> =
            row.columns_ref().iter().map(|column| column.name_str().into_owned()).collect();
        names.into_iter().zip(row.unwrap_raw().into_iter().map(cell)).collect()
    }))
}

/// The local socket that this URL names.
pub fn socket(url: &str) -> Option<PathBuf> {
    Opts::from_url(url).ok()?.socket().map(PathBuf::from)
}

async fn talk(
    login: OptsBuilder,
    query: &str,
    limit: Limit,
) -> Result<Result<Option<mysql_async::Row>, Error>, Failure> {
    let talk = async {
        let mut connection = Conn::new(login).await?;
        let row = connection.query_first::<mysql_async::Row, _>(query).await?;
        // Whether the goodbye arrives says nothing of the server.
        drop(connection.disconnect().await);
        Ok(row)
    };
    limit.within(talk).await.ok_or_else(|| Failure::late("no answer", limit))
}

/// A server of MySQL greets first: length, number 0, version 10 of the protocol, or an error.
async fn greets(addresses: &[SocketAddr], limit: Limit) -> Result<(), Failure> {
    let mut stream = server::connect(addresses, limit).await?;
    let mut said = [0; 64];
    let Some(Ok(read)) = limit.within(stream.read(&mut said)).await else {
        return Ok(());
    };
    let said = said.get(..read).unwrap_or_default();
    match said {
        [_, _, _, 0, 10 | 255, ..] | [] => Ok(()),
        said => Err(server::stranger("MySQL", said)),
    }
}

fn refused(error: &Error) -> bool {
    let mut causes = causes::of(error).into_iter();
    causes.any(|cause| {
        cause
            .downcast_ref()
            .is_some_and(|io: &std::io::Error| io.kind() == std::io::ErrorKind::ConnectionRefused)
    })
}

/// A value as text. The library leaves out only one that was taken from the row before.
fn cell(value: Option<Value>) -> Cell {
    match value {
        None | Some(Value::NULL) => Cell::Null,
        Some(Value::Bytes(bytes)) => Cell::Text(String::from_utf8_lossy(&bytes).into_owned()),
        Some(other) => Cell::Text(other.as_sql(true)),
    }
}

fn told(error: &Error, user: &str) -> Failure {
    match error {
        Error::Server(known) => {
            let (user, message) = (text::name(user), text::name(&known.message));
            match known.code {
                1044 | 1045 | 1698 => {
                    Failure::unknown(format!("authentication failed for user {user}, {message}"))
                }
                1040 => Failure::unhealthy(format!("it accepts no more connections, {message}")),
                code => Failure::unhealthy(format!("answered the error {code}, {message}")),
            }
        }
        Error::Io(_) => {
            let io = causes::of(error).into_iter().find_map(|cause| cause.downcast_ref());
            let io: Option<&std::io::Error> = io;
            match io {
                Some(io) if io.raw_os_error().is_some() => Failure::connection(io),
                _ => Failure::unhealthy("the connection was closed too early"),
            }
        }
        Error::Driver(_) | Error::Other(_) | Error::Url(_) => {
            let said = text::name(&error.to_string());
            Failure::unhealthy(format!("what listens there does not speak MySQL ({said})"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_any_kind_become_text() {
        assert_eq!(cell(None), Cell::Null);
        assert_eq!(cell(Some(Value::NULL)), Cell::Null);
        assert_eq!(cell(Some(Value::Int(-3))), Cell::Text("-3".to_owned()));
        assert_eq!(cell(Some(Value::Bytes(b"Jos\xe9".to_vec()))), Cell::Text("Jos\u{fffd}".to_owned()));
    }
}
