//! `[progress.NAME]`: from keys to a source of progress.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

use crate::keys::Length;
use crate::model::probe::OnFailure;
use crate::model::progress::ProgressSpec;
use crate::probe::SOURCES;

use super::diagnose::Mistake;
use super::file::OnStale;
use super::kinds::{Places, Read, Table, tables};
use super::{schema, trusted};

/// The keys that every kind of source has.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Common {
    /// More items than this are a backlog.
    max_depth: Option<u64>,
    /// An oldest item older than this is a backlog.
    max_age: Option<Length>,
    /// Items wait and none was completed for this long. Default: "10m".
    stalled_after: Option<Length>,
    /// After what the unit requires came back, the queue must be empty, or drain, within this time. Default: "30m".
    drain_within: Option<Length>,
    /// restart or alert. Default: restart.
    on_stall: Option<OnStale>,
    /// Default: "15s".
    period: Option<Length>,
    /// Must be below period. Default: "5s".
    timeout: Option<Length>,
}

/// The schema of `[progress.NAME]`.
#[derive(Debug)]
pub struct ProgressKeys;

impl JsonSchema for ProgressKeys {
    fn schema_name() -> Cow<'static, str> {
        "Progress".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let description = "A source of progress, never asked through the queue itself";
        schema::of_kinds::<Common, _>(generator, &SOURCES, description)
    }
}

/// Every source of progress of a unit file. `owner`: commands must belong to root or this user.
pub fn sources(text: &str, owner: u32) -> Result<Vec<ProgressSpec>, Mistake> {
    tables(text, "progress", "source of progress")?.into_iter().map(|table| source(table, owner)).collect()
}

fn source(table: Table<'_>, owner: u32) -> Result<ProgressSpec, Mistake> {
    table.named("progress")?;
    let kind = table.kind_by_key::<Common, _>(&SOURCES)?;
    let Read { name, common, kind: source, text, places } = table.read::<Common, _>(kind, &SOURCES)?;
    let (period, timeout, stalled_after) = times(&name, &common, &places)?;
    source.check().map_err(|wrong| places.mistake(wrong))?;
    if let Some(argv) = source.command() {
        trusted::command(argv, places.of(kind.name), owner)?;
    }
    Ok(ProgressSpec {
        name,
        source: text,
        period,
        timeout,
        max_depth: common.max_depth,
        max_age: common.max_age.map(|length| length.0),
        stalled_after,
        drain_within: common.drain_within.map_or(Duration::from_secs(1800), |length| length.0),
        on_stall: match common.on_stall {
            Some(OnStale::Alert) => OnFailure::Alert,
            Some(OnStale::Restart) | None => OnFailure::Restart,
        },
    })
}

/// How often it is asked, how long that may take, and how long a queue may stand still.
fn times(name: &str, common: &Common, places: &Places) -> Result<(Duration, Duration, Duration), Mistake> {
    let length = |written: Option<Length>, usual: Duration| written.map_or(usual, |length| length.0);
    let period = length(common.period, Duration::from_secs(15));
    let timeout = length(common.timeout, Duration::from_secs(5).min(period / 2));
    let stalled_after = length(common.stalled_after, Duration::from_secs(600));
    if timeout >= period || timeout.is_zero() {
        let message =
            format!("cannot use progress {name}: timeout {timeout:?} is not below period {period:?}");
        return Err(
            Mistake::at(places.of("timeout"), message).help("a question must end before the next one begins")
        );
    }
    if stalled_after < period {
        let message = format!("cannot use progress {name}: stalled_after is below the period {period:?}");
        return Err(
            Mistake::at(places.of("stalled_after"), message).help("progress is judged by several samples")
        );
    }
    Ok((period, timeout, stalled_after))
}
