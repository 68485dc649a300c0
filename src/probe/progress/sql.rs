//! `postgres` and `mysql`: a query, the columns of whose first row bear the names of the figures.

use std::time::Duration;

use futures_util::future::BoxFuture;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::keys::{Credential, FullPath, Wrong};
use crate::model::progress::Sample;
use crate::probe::failure::Failure;
use crate::probe::server::{self, Password, Server};
use crate::probe::sql::{Engine, Row, first_row};
use crate::probe::{Limit, Wants, text};

use super::{Source, whole};

/// `postgres = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Postgres {
    /// "postgres://USER@HOST/DB"
    postgres: String,
    /// One row with the column depth, and where known in_work, completed, age (seconds), consumers, paused.
    #[schemars(example = "SELECT count(*) AS depth FROM …")]
    query: String,
    /// The systemd credential of steadfast.service that holds the password.
    credential: Option<Credential>,
    /// A file that holds the password, readable for its owner alone.
    password_file: Option<FullPath>,
}

impl Source for Postgres {
    fn check(&self) -> Result<(), Wrong> {
        Engine::Postgres.check(&self.postgres, (&self.credential, &self.password_file))
    }

    fn wants(&self) -> Wants {
        Engine::Postgres.wants(&self.postgres, (&self.credential, &self.password_file))
    }

    fn sample(&self, limit: Limit) -> BoxFuture<'_, Result<Sample, String>> {
        let password = (&self.credential, &self.password_file);
        Box::pin(sample(Engine::Postgres, &self.postgres, password, &self.query, limit))
    }
}

/// `mysql = …`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Mysql {
    /// "mysql://USER@HOST/DB"
    mysql: String,
    /// One row with the column depth, and where known in_work, completed, age (seconds), consumers, paused.
    #[schemars(example = "SELECT count(*) AS depth FROM …")]
    query: String,
    /// The systemd credential of steadfast.service that holds the password.
    credential: Option<Credential>,
    /// A file that holds the password, readable for its owner alone.
    password_file: Option<FullPath>,
}

impl Source for Mysql {
    fn check(&self) -> Result<(), Wrong> {
        Engine::Mysql.check(&self.mysql, (&self.credential, &self.password_file))
    }

    fn wants(&self) -> Wants {
        Engine::Mysql.wants(&self.mysql, (&self.credential, &self.password_file))
    }

    fn sample(&self, limit: Limit) -> BoxFuture<'_, Result<Sample, String>> {
        let password = (&self.credential, &self.password_file);
        Box::pin(sample(Engine::Mysql, &self.mysql, password, &self.query, limit))
    }
}

async fn sample(
    engine: Engine,
    url: &str,
    password: Password<'_>,
    query: &str,
    limit: Limit,
) -> Result<Sample, String> {
    let server = Server::of(url, password);
    let row = first_row(engine, &server, query, limit).await;
    let row = row.and_then(|row| row.ok_or_else(|| Failure::unknown("the query found no row")));
    let sample = row.and_then(|row| figures(&row));
    sample.map_err(|failure| failure.of(&server::shown(&server)).message)
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
        let whole = text.parse::<f64>().ok().filter(|figure| *figure >= 0.0).and_then(whole);
        let told =
            || Failure::unknown(format!("its column {name} is no number, {}", text::quoted(text.as_bytes())));
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
        missing: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::sql::{Cell, row};

    #[test]
    fn a_column_that_is_no_text_spoils_no_other() {
        let odd = vec![("name".to_owned(), Cell::NotUtf8), ("depth".to_owned(), Cell::Text("3".to_owned()))];
        assert_eq!(figures(&odd).map(|sample| sample.depth).ok(), Some(3));
        assert!(figures(&[("depth".to_owned(), Cell::NotUtf8)].to_vec()).is_err());
    }

    #[test]
    fn columns_bear_the_names_of_figures() {
        let told = figures(&row(&[("DEPTH", Some("12")), ("age", Some("90.7")), ("completed", None)]));
        let wanted = Sample { depth: 12, age: Some(Duration::from_secs(90)), ..Sample::default() };
        assert_eq!(told, Ok(wanted));
        assert!(figures(&row(&[("count", Some("12"))])).is_err());
        assert!(figures(&row(&[("depth", Some("many"))])).is_err());
    }
}
