//! MySQL and MariaDB: a read-only session over TCP, or over the socket that the URL names.

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error, Opts, OptsBuilder, Value};

use crate::model::probe::Server;

use super::failure::Failure;
use super::sql::Row;
use super::{Limit, secret, server, words};

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
    login = match options.socket() {
        Some(_) => login.pass(secret::of(asked, limit).await?),
        None => {
            let known = server::known(asked, PORT, limit).await?;
            let address = known.accepting(limit).await?;
            login.ip_or_hostname(address.ip().to_string()).pass(known.password)
        }
    };
    let talk = async {
        let mut connection = Conn::new(login).await?;
        let row = connection.query_first::<mysql_async::Row, _>(query).await?;
        drop(connection.disconnect().await);
        Ok(row)
    };
    let answered = limit.within(talk).await.ok_or_else(|| Failure::late("no answer", limit))?;
    let row = answered.map_err(|error| told(&error, &user))?;
    Ok(row.map(|row| {
        let names: Vec<String> =
            row.columns_ref().iter().map(|column| column.name_str().into_owned()).collect();
        names.into_iter().zip(row.unwrap().into_iter().map(text)).collect()
    }))
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        other => Some(other.as_sql(true)),
    }
}

fn told(error: &Error, user: &str) -> Failure {
    match error {
        Error::Server(known) => {
            let (user, message) = (words::name(user), words::name(&known.message));
            match known.code {
                1044 | 1045 | 1698 => {
                    Failure::unhealthy(format!("authentication failed for user {user}, {message}"))
                }
                1040 => Failure::unhealthy(format!("it lets nobody in, {message}")),
                code => Failure::unhealthy(format!("answered the error {code}, {message}")),
            }
        }
        Error::Io(_) => {
            let io = super::failure::causes(error).into_iter().find_map(|cause| cause.downcast_ref());
            let io: Option<&std::io::Error> = io;
            match io {
                Some(io) if io.raw_os_error().is_some() => Failure::connection(io),
                _ => Failure::unhealthy("the connection was closed too early"),
            }
        }
        Error::Driver(_) | Error::Other(_) | Error::Url(_) => {
            let said = words::name(&error.to_string());
            Failure::unhealthy(format!("what listens there does not speak MySQL ({said})"))
        }
    }
}
