//! `postgres` and `mysql`: a login, and the first row of a query. A file per engine brings the row.

use serde_json::Value;
use tokio::time::Instant;

use crate::keys::{FullPath, Wrong};
use crate::model::probe::{ProbeOutcome, ProbeStatus};

use super::expected::Expected;
use super::failure::Failure;
use super::secured::{self, Tls};
use super::server::{self, Password, Server};
use super::{Limit, Wants, json, mysql, postgres, text};

/// Names and values of the columns of a row.
pub type Row = Vec<(String, Cell)>;

/// The value of one column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    Null,
    Text(String),
    /// Bytes that the client library does not give out as text: a database may keep text of any encoding.
    NotUtf8,
}

impl Cell {
    /// The text; `None` is NULL.
    pub fn text(&self, column: &str) -> Result<Option<&str>, Failure> {
        match self {
            Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::NotUtf8 => {
                Err(Failure::unknown(format!("its column {} is not UTF-8 text", text::name(column))))
            }
        }
    }
}

/// Asked where no query is configured.
const USUAL: &str = "SELECT 1";

/// Which database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Postgres,
    Mysql,
}

impl Engine {
    fn as_str(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL",
            Self::Mysql => "MySQL",
        }
    }

    /// The key that names a database of it.
    fn key(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
        }
    }

    /// What is handed over with a question: the password, and a connection where the URL names a local socket.
    pub fn wants(self, url: &str, password: Password<'_>) -> Wants {
        let socket = match self {
            Self::Postgres => postgres::socket(url),
            Self::Mysql => mysql::socket(url),
        };
        Wants::password(password).and_socket(socket)
    }

    /// Whether this is the URL of such a database, and its password stands in one place.
    pub fn check(self, url: &str, password: Password<'_>) -> Result<(), Wrong> {
        let schemes: &[&str] = match self {
            Self::Postgres => &["postgres", "postgresql"],
            Self::Mysql => &["mysql"],
        };
        server::check(self.key(), url, schemes, password)
    }
}

/// A probe of a database.
#[derive(Debug)]
pub struct Sql<'a> {
    pub engine: Engine,
    pub url: &'a str,
    pub password: Password<'a>,
    pub ca_file: &'a Option<FullPath>,
    pub insecure: bool,
    pub query: Option<&'a str>,
    /// What the first column of the first row must be.
    pub expect: Option<&'a Expected>,
}

impl Sql<'_> {
    pub fn check(&self) -> Result<(), Wrong> {
        self.engine.check(self.url, self.password)?;
        let (encrypted, how) = match self.engine {
            Engine::Postgres => {
                (postgres::is_encrypted(self.url), "postgres = \"postgres://USER@HOST/DB?sslmode=require\"")
            }
            Engine::Mysql => {
                (mysql::is_encrypted(self.url), "mysql = \"mysql://USER@HOST/DB?ssl-mode=REQUIRED\"")
            }
        };
        secured::check(self.ca_file, self.insecure, encrypted, how)?;
        if self.expect.is_some() && self.query.is_none() {
            let message = "cannot use `expect`: there is no query";
            return Err(Wrong::at("expect", message).help("add query = \"SELECT …\""));
        }
        Ok(())
    }

    pub fn wants(&self) -> Wants {
        self.engine.wants(self.url, self.password).and_authorities(self.ca_file)
    }

    pub fn weakness(&self) -> Option<String> {
        let words: Vec<&str> = self.query?.split_whitespace().collect();
        let counts = words.join(" ").to_ascii_lowercase().starts_with("select count(");
        let always = counts && self.expect?.is_met_by_every_count();
        always.then(|| "cannot fail: a count is never negative".to_owned())
    }
}

pub async fn run(probe: Sql<'_>, limit: Limit) -> ProbeOutcome {
    let server = Server::of(probe.url, probe.password);
    let server = Server { tls: Tls::of(probe.ca_file, probe.insecure), ..server };
    let asked = format!("{} at {}", probe.engine.as_str(), server::shown(&server));
    let began = Instant::now();
    let query = probe.query.unwrap_or(USUAL);
    let row = first_row(probe.engine, &server, query, limit).await;
    match row.and_then(|row| judge(row.as_ref(), probe.expect)) {
        Ok(()) => ProbeOutcome {
            status: ProbeStatus::Healthy,
            message: text::sentence(&format!("{asked} answered in {}", text::figure(began.elapsed()))),
            latency: Some(began.elapsed()),
        },
        Err(failure) => failure.of(&asked),
    }
}

/// The first row of the query's answer, if there is one.
pub async fn first_row(
    engine: Engine,
    server: &Server,
    query: &str,
    limit: Limit,
) -> Result<Option<Row>, Failure> {
    match engine {
        Engine::Postgres => postgres::first_row(server, query, limit).await,
        Engine::Mysql => mysql::first_row(server, query, limit).await,
    }
}

fn judge(row: Option<&Row>, expected: Option<&Expected>) -> Result<(), Failure> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let Some((column, cell)) = row.and_then(|row| row.first()) else {
        return Err(Failure::unmet("answered, but the query found no row"));
    };
    let found = match cell.text(column)? {
        None => Value::Null,
        Some(text) if matches!(expected, Expected::Text(_)) => Value::from(text),
        Some(text) => text.parse::<f64>().map_or_else(|_| Value::from(text), Value::from),
    };
    json::holds(&found, expected)
        .map_err(|clause| Failure::unmet(format!("answered, but its {} {clause}", text::name(column))))
}

/// A row of these names and texts, for tests.
#[cfg(test)]
pub fn row(columns: &[(&str, Option<&str>)]) -> Row {
    let cell = |text: &str| Cell::Text(text.to_owned());
    columns.iter().map(|(name, text)| ((*name).to_owned(), text.map_or(Cell::Null, cell))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_that_is_no_text_is_said() {
        let odd = vec![("name".to_owned(), Cell::NotUtf8)];
        let said = judge(Some(&odd), Some(&Expected::Text("x".to_owned()))).expect_err("not to be compared");
        let outcome = said.of("DB");
        assert_eq!(outcome.message, "DB: its column name is not UTF-8 text");
        assert_eq!(outcome.status, ProbeStatus::Unknown);
        assert_eq!(judge(Some(&odd), None).map_err(|failure| failure.of("DB").message), Ok(()));
    }

    #[test]
    fn the_first_column_is_judged() {
        let clause = |text, expected| {
            let row = row(&[("failed", text)]);
            judge(Some(&row), Some(&expected)).map_err(|failure| failure.of("DB").message)
        };
        assert_eq!(clause(Some("3"), Expected::Below(10.0)), Ok(()));
        assert_eq!(clause(Some("t"), Expected::Text("t".to_owned())), Ok(()));
        let told = clause(Some("12"), Expected::Below(10.0)).expect_err("too many");
        assert_eq!(told, "DB: answered, but its failed is 12; expected < 10");
        assert!(clause(None, Expected::Below(10.0)).is_err());
        assert!(judge(None, Some(&Expected::Null)).is_err());
    }
}
