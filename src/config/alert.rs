//! `[alert.NAME]` and `[labels]`: from keys to sinks and labels. A bad table harms no other.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use toml::Spanned;

use crate::alert::{HeartbeatKeys, SINKS, Sink};
use crate::keys::{Kind, Length, LengthOrNever};
use crate::model::alert::{Heartbeat, SinkKind, SinkSpec};
use crate::model::finding::Severity;

use super::diagnose::Mistake;
use super::file;
use super::kinds::{Places, Read, Table, tables};
use super::{schema, trusted};

/// Tables `[alert.NAME]`, labels, and conditions of one `match`.
const SINK_TABLES: usize = 50;
const LABELS: usize = 32;
/// Longest value of a label, and longest pattern, in characters.
const VALUE: usize = 200;
/// A delivery takes no longer than this.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The shortest repeat, and the shortest interval.
const SHORTEST: Duration = Duration::from_secs(1);
/// Messages within an interval.
const BURST: std::ops::RangeInclusive<u32> = 1..=1000;
/// Labels that every alert has from us.
const OURS: [&str; 5] = ["host", "unit", "code", "severity", "owner"];

/// The keys that every kind of sink has.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Common {
    /// The kind: webhook, smtp, alertmanager, sentry or command. Required.
    #[serde(rename = "type")]
    _kind: String,
    /// critical leaves warnings out. Default: warning.
    min_severity: Option<file::Severity>,
    /// Labels, and the shell pattern that each must match. Default: everything matches.
    #[serde(rename = "match")]
    #[schemars(with = "BTreeMap<String, String>")]
    matching: BTreeMap<String, Spanned<String>>,
    /// Send only what has been firing for this long and is not acknowledged. Default: "0s".
    after: Option<Length>,
    /// Repeat while it is firing and not acknowledged; "never": once. Default: "4h"; for alertmanager "1m".
    repeat: Option<LengthOrNever>,
    /// Messages within the interval; more are sent as one. Default: 10.
    burst: Option<u32>,
    /// The interval of burst. Default: "10m".
    interval: Option<Length>,
    /// A delivery that takes longer has failed; at most "60s". Default: "10s".
    timeout: Option<Length>,
}

/// The schema of `[alert.NAME]`.
#[derive(Debug)]
pub struct SinkKeys;

impl JsonSchema for SinkKeys {
    fn schema_name() -> Cow<'static, str> {
        "Sink".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        schema::of_kinds::<Common, _>(generator, &SINKS, "An alert sink, by type")
    }
}

/// Names of sinks that cannot be used, with what is wrong in each.
pub type Bad = Vec<(String, Mistake)>;

/// Every `[alert.NAME]` of a text that has no mistake of syntax. `owner`: whose commands may be run, besides root's.
pub fn sinks(text: &str, owner: u32) -> Result<(Vec<SinkSpec>, Bad), Mistake> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let tables = tables(text, "alert", "sink")?;
    if let Some(table) = tables.get(SINK_TABLES) {
        return Err(table.mistake(format!("cannot use more than {SINK_TABLES} sinks")));
    }
    for table in tables {
        let name = table.name.clone();
        match sink(table, owner) {
            Ok(sink) => good.push(sink),
            Err(mistake) => bad.push((name, mistake)),
        }
    }
    Ok((good, bad))
}

fn sink(table: Table<'_>, owner: u32) -> Result<SinkSpec, Mistake> {
    table.named("sink")?;
    let kind = kind(&table)?;
    let Read { name, common, kind: sink, text, places } = table.read::<Common, _>(kind, &SINKS)?;
    sink.check().map_err(|wrong| places.mistake(wrong))?;
    if let Some(argv) = sink.command() {
        trusted::command(argv, places.of("command"), owner)?;
    }
    let usual = SinkSpec::usual(name, SinkKind { keys: text, all: sink.takes_all() });
    let severity = common.min_severity.map(|written| match written {
        file::Severity::Critical => Severity::Critical,
        file::Severity::Warning => Severity::Warning,
    });
    let within = |key, written, usual, allowed| within(key, &places, written, usual, allowed);
    Ok(SinkSpec {
        min_severity: severity.unwrap_or(usual.min_severity),
        matching: matching(&common.matching)?,
        after: common.after.map_or(usual.after, |length| length.0),
        repeat: repeat(&*sink, &places, common.repeat, usual.repeat)?,
        burst: match common.burst {
            Some(burst) if !BURST.contains(&burst) => {
                let message = format!("cannot use `burst`: write {} to {}", BURST.start(), BURST.end());
                return Err(Mistake::at(places.of("burst"), message));
            }
            written => written.unwrap_or(usual.burst),
        },
        interval: within("interval", common.interval, usual.interval, SHORTEST..=Duration::MAX)?,
        timeout: within(
            "timeout",
            common.timeout,
            usual.timeout,
            Duration::from_millis(1)..=LONGEST_TIMEOUT,
        )?,
        ..usual
    })
}

/// The kind that `type` names.
fn kind(table: &Table<'_>) -> Result<&'static Kind<dyn Sink>, Mistake> {
    let all: Vec<&str> = SINKS.iter().map(|kind| kind.name).collect();
    let help = format!("set type to one of {}", all.join(", "));
    let Some((name, span)) = table.text("type") else {
        let message = format!("cannot use {}: its type is missing", table.shown());
        return Err(table.mistake(message).help(help));
    };
    SINKS.iter().find(|kind| kind.name == name).ok_or_else(|| {
        Mistake::at(span, format!("cannot use {}: there is no type \"{name}\"", table.shown())).help(help)
    })
}

/// `[heartbeat]`.
pub fn heartbeat(written: &Spanned<HeartbeatKeys>) -> Result<Heartbeat, Mistake> {
    written.get_ref().heartbeat().map_err(|wrong| Mistake {
        span: Some(written.span()),
        message: wrong.message,
        help: wrong.help,
    })
}

fn within(
    key: &str,
    places: &Places,
    written: Option<Length>,
    usual: Duration,
    allowed: std::ops::RangeInclusive<Duration>,
) -> Result<Duration, Mistake> {
    let Some(Length(length)) = written else {
        return Ok(usual);
    };
    if allowed.contains(&length) {
        return Ok(length);
    }
    let bound = if length < *allowed.start() {
        format!("at least {:?}", allowed.start())
    } else {
        format!("at most {:?}", allowed.end())
    };
    Err(Mistake::at(places.of(key), format!("cannot use `{key}`: it must be {bound}")))
}

fn repeat(
    sink: &dyn Sink,
    places: &Places,
    written: Option<LengthOrNever>,
    usual: Option<Duration>,
) -> Result<Option<Duration>, Mistake> {
    let Some(LengthOrNever(repeat)) = written else {
        return Ok(usual);
    };
    sink.check_repeat(repeat).map_err(|wrong| places.mistake(wrong))?;
    if repeat.is_some_and(|repeat| repeat < SHORTEST) {
        let message = format!("cannot use `repeat`: it must be at least {SHORTEST:?}, or \"never\"");
        return Err(Mistake::at(places.of("repeat"), message));
    }
    Ok(repeat)
}

fn matching(written: &BTreeMap<String, Spanned<String>>) -> Result<BTreeMap<String, String>, Mistake> {
    let mut matching = BTreeMap::new();
    for (name, pattern) in written {
        let text = pattern.get_ref();
        label(name, pattern, written.len())?;
        if text.contains(['[', ']', '{', '}', '\\']) {
            let message = format!("cannot use the pattern \"{text}\": only * and ? stand for others here");
            return Err(Mistake::at(pattern.span(), message));
        }
        matching.insert(name.clone(), text.clone());
    }
    Ok(matching)
}

/// `[labels]`: what every alert of this host bears besides ours.
pub fn labels(written: &BTreeMap<String, Spanned<String>>) -> Result<BTreeMap<String, String>, Mistake> {
    let mut labels = BTreeMap::new();
    for (name, value) in written {
        label(name, value, written.len())?;
        if OURS.contains(&name.as_str()) {
            let message = format!("cannot set the label `{name}`: Steadfast sets it for each alert");
            return Err(Mistake::at(value.span(), message).help("take another name"));
        }
        labels.insert(name.clone(), value.get_ref().clone());
    }
    Ok(labels)
}

/// A label's name, with what it is or must match.
fn label(name: &str, value: &Spanned<String>, labels: usize) -> Result<(), Mistake> {
    let first = |c: char| c.is_ascii_lowercase() || c == '_';
    let other = |c: char| first(c) || c.is_ascii_digit();
    let cannot = |why: String| Err(Mistake::at(value.span(), why));
    if !name.starts_with(first) || !name.chars().all(other) {
        return cannot(format!("cannot name a label `{name}`: use a-z, 0-9 and _, and no digit first"));
    }
    let text = value.get_ref();
    if text.is_empty() || text.chars().count() > VALUE || text.contains(char::is_control) {
        return cannot(format!("cannot use the label `{name}`: write one line of 1 to {VALUE} characters"));
    }
    if labels > LABELS {
        return cannot(format!("cannot use more than {LABELS} labels"));
    }
    Ok(())
}
