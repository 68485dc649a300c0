//! `postgres` and `mysql`: a login, and the first row of a query. A file per engine brings the row.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use crate::model::probe::{Engine, Expected, ProbeOutcome, ProbeStatus, Server, SqlProbe};
use crate::model::progress::Sample;

use super::failure::Failure;
use super::{Limit, json, mysql, postgres, server, words};

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
    fn text(&self, column: &str) -> Result<Option<&str>, Failure> {
        match self {
            Self::Null => Ok(None),
            Self::Text(text) => Ok(Some(text)),
            Self::NotUtf8 => {
                Err(Failure::unknown(format!("its column {} is not UTF-8 text", words::name(column))))
            }
        }
    }
}

/// Asked where no query is configured.
const USUAL: &str = "SELECT 1";

pub async fn run(probe: &SqlProbe, limit: Limit) -> ProbeOutcome {
    let asked = format!("{} at {}", probe.engine.as_str(), server::shown(&probe.server));
    let began = Instant::now();
    let query = probe.query.as_deref().unwrap_or(USUAL);
    let row = first_row(probe.engine, &probe.server, query, limit).await;
    match row.and_then(|row| judge(row.as_ref(), probe.expected.as_ref())) {
        Ok(()) => ProbeOutcome {
            status: ProbeStatus::Healthy,
            message: words::sentence(&format!("{asked} answered in {}", words::figure(began.elapsed()))),
            latency: Some(began.elapsed()),
        },
        Err(failure) => failure.of(&asked),
    }
}

async fn first_row(
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
        return Err(Failure::unhealthy("answered, but the query found no row"));
    };
    let found = match cell.text(column)? {
        None => Value::Null,
        Some(text) if matches!(expected, Expected::Text(_)) => Value::from(text),
        Some(text) => text.parse::<f64>().map_or_else(|_| Value::from(text), Value::from),
    };
    json::holds(&found, expected)
        .map_err(|clause| Failure::unhealthy(format!("answered, but its {} {clause}", words::name(column))))
}

/// One sample: the columns of the first row bear the names of the figures.
pub async fn sample(engine: Engine, server: &Server, query: &str, limit: Limit) -> Result<Sample, Failure> {
    let row = first_row(engine, server, query, limit).await?;
    figures(&row.ok_or_else(|| Failure::unknown("the query found no row"))?)
}

fn figures(row: &Row) -> Result<Sample, Failure> {
    let figure = |name: &str| {
        let Some((column, cell)) = row.iter().find(|(column, _)| column.eq_ignore_ascii_case(name)) else {
            return Ok(None);
        };
        // Of nothing there is no oldest: NULL is not known.
        let Some(text) = cell.text(column)? else {
            return Ok(None);
        };
        let whole = text.parse::<f64>().ok().filter(|figure| *figure >= 0.0).and_then(super::progress::whole);
        let told = || {
            Failure::unknown(format!("its column {name} is no number, {}", words::quoted(text.as_bytes())))
        };
        whole.map(Some).ok_or_else(told)
    };
    let missing = || Failure::unknown("the query has no column named depth");
    Ok(Sample {
        depth: figure("depth")?.ok_or_else(missing)?,
        in_work: figure("in_work")?.unwrap_or(0),
        completed: figure("completed")?,
        age: figure("age")?.map(Duration::from_secs),
        consumers: figure("consumers")?,
        paused: figure("paused")?.is_some_and(|paused| paused > 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(columns: &[(&str, Option<&str>)]) -> Row {
        let cell = |text: &str| Cell::Text(text.to_owned());
        columns.iter().map(|(name, text)| ((*name).to_owned(), text.map_or(Cell::Null, cell))).collect()
    }

    #[test]
    fn columns_bear_the_names_of_figures() {
        let told = figures(&row(&[("DEPTH", Some("12")), ("age", Some("90.7")), ("completed", None)]));
        let wanted = Sample { depth: 12, age: Some(Duration::from_secs(90)), ..Sample::default() };
        assert_eq!(told, Ok(wanted));
        assert!(figures(&row(&[("count", Some("12"))])).is_err());
        assert!(figures(&row(&[("depth", Some("many"))])).is_err());
    }

    #[test]
    fn a_column_that_is_no_text_is_said_and_spoils_no_other() {
        let odd = vec![("name".to_owned(), Cell::NotUtf8), ("depth".to_owned(), Cell::Text("3".to_owned()))];
        let said = judge(Some(&odd), Some(&Expected::Text("x".to_owned()))).expect_err("not to be compared");
        let outcome = said.of("DB");
        assert_eq!(outcome.message, "DB: its column name is not UTF-8 text");
        assert_eq!(outcome.status, ProbeStatus::Unknown);
        assert_eq!(judge(Some(&odd), None).map_err(|failure| failure.of("DB").message), Ok(()));
        assert_eq!(figures(&odd).map(|sample| sample.depth).ok(), Some(3));
        let odd = vec![("depth".to_owned(), Cell::NotUtf8)];
        assert!(figures(&odd).is_err());
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
