//! `[alert.NAME]` and `[labels]`: from keys to sinks and labels. A bad table harms no other.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::model::alert::{SinkKind, SinkSpec};
use crate::model::finding::Severity;

use super::diagnose::{Mistake, of_toml};
use super::file::{self, Length, LengthOrNever};
use super::probe;
use super::reach;
use super::sink::{Kind, Sink};

/// Tables `[alert.NAME]`, labels, and conditions of one `match`.
const SINKS: usize = 50;
const LABELS: usize = 32;
/// Longest value of a label, and longest pattern, in characters.
const VALUE: usize = 200;
/// A delivery takes no longer than this.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(60);
/// Alertmanager forgets after four minutes what it is not told again.
const ALERTMANAGER_REPEAT: Duration = Duration::from_secs(180);
/// The shortest repeat, and the shortest interval.
const SHORTEST: Duration = Duration::from_secs(1);
/// Messages within an interval.
const BURST: std::ops::RangeInclusive<u32> = 1..=1000;
/// Labels that every alert has from us.
const OURS: [&str; 5] = ["host", "unit", "code", "severity", "owner"];

/// Names of sinks that cannot be used, with what is wrong in each.
pub type Bad = Vec<(String, Mistake)>;

/// Every `[alert.NAME]` of a text that has no mistake of syntax. `owner`: whose commands may be run, besides root's.
pub fn sinks(text: &str, owner: u32) -> Result<(Vec<SinkSpec>, Bad), Mistake> {
    let (mut table, _) = DeTable::parse_recoverable(text);
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let Some(alert) = table.get_mut().remove("alert") else {
        return Ok((good, bad));
    };
    let span = alert.span();
    let no_table = |span: Range<usize>| {
        Mistake::at(span, "cannot use `alert`: every sink has a table of its own").help("write [alert.NAME]")
    };
    let DeValue::Table(tables) = alert.into_inner() else {
        return Err(no_table(span));
    };
    if tables.len() > SINKS {
        return Err(Mistake::at(span, format!("cannot use more than {SINKS} sinks")));
    }
    for (name, keys) in tables {
        let (name, span) = (name.into_inner().into_owned(), keys.span());
        if !matches!(keys.get_ref(), DeValue::Table(_)) {
            return Err(no_table(span));
        }
        let keys = Sink::deserialize(ValueDeserializer::from(keys)).map_err(|error| of_toml(&error));
        match keys.and_then(|keys| sink(&name, &span, &keys, owner)) {
            Ok(sink) => good.push(sink),
            Err(mistake) => bad.push((name, mistake)),
        }
    }
    Ok((good, bad))
}

fn sink(name: &str, span: &Range<usize>, keys: &Sink, owner: u32) -> Result<SinkSpec, Mistake> {
    probe::named("sink", name, span)?;
    let kind = keys.kind.ok_or_else(|| {
        let message = format!("cannot use alert {name}: its type is missing");
        Mistake::at(span.clone(), message)
            .help("add type = \"webhook\", \"smtp\", \"alertmanager\", \"sentry\" or \"command\"")
    })?;
    if let Some((key, at, kinds)) = stray(kind, keys) {
        let kinds: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let message = format!("cannot use `{key}` in alert {name}: it belongs to {}", kinds.join(", "));
        return Err(Mistake::at(at, message));
    }
    let reached: SinkKind = reach::kind(name, span, kind, keys, owner)?;
    let usual = SinkSpec::usual(name.to_owned(), reached);
    let severity = keys.min_severity.map(|written| match written {
        file::Severity::Critical => Severity::Critical,
        file::Severity::Warning => Severity::Warning,
    });
    let (shortest_timeout, tried) = (Duration::from_millis(1), keys.timeout.as_ref());
    Ok(SinkSpec {
        min_severity: severity.unwrap_or(usual.min_severity),
        matching: matching(&keys.matching)?,
        after: keys.after.map_or(usual.after, |length| length.0),
        repeat: repeat(kind, keys.repeat.as_ref(), usual.repeat)?,
        burst: match &keys.burst {
            Some(burst) if !BURST.contains(burst.get_ref()) => {
                let message = format!("cannot use `burst`: write {} to {}", BURST.start(), BURST.end());
                return Err(Mistake::at(burst.span(), message));
            }
            Some(burst) => *burst.get_ref(),
            None => usual.burst,
        },
        interval: within("interval", keys.interval.as_ref(), usual.interval, SHORTEST..=Duration::MAX)?,
        timeout: within("timeout", tried, usual.timeout, shortest_timeout..=LONGEST_TIMEOUT)?,
        ..usual
    })
}

/// A key, where it stands, and the types that it belongs to.
type Key = (&'static str, Option<Range<usize>>, &'static [Kind]);

/// A key that is written and belongs to other types, and where it stands.
fn stray(kind: Kind, keys: &Sink) -> Option<(&'static str, Range<usize>, &'static [Kind])> {
    use Kind::{Alertmanager, Command, Sentry, Smtp, Webhook};
    const SMTP: &[Kind] = &[Smtp];
    const SECRET: &[Kind] = &[Webhook, Smtp, Alertmanager, Sentry];
    let owned: [Key; 12] = [
        ("url", keys.url.as_ref().map(Spanned::span), &[Webhook, Alertmanager, Sentry]),
        ("urls", keys.urls.as_ref().map(Spanned::span), &[Alertmanager]),
        ("format", keys.format.as_ref().map(Spanned::span), &[Webhook]),
        ("credential", keys.credential.as_ref().map(Spanned::span), SECRET),
        ("password_file", keys.password_file.as_ref().map(Spanned::span), SECRET),
        ("host", keys.host.as_ref().map(Spanned::span), SMTP),
        ("port", keys.port.as_ref().map(Spanned::span), SMTP),
        ("encryption", keys.encryption.as_ref().map(Spanned::span), SMTP),
        ("user", keys.user.as_ref().map(Spanned::span), &[Smtp, Alertmanager]),
        ("from", keys.from.as_ref().map(Spanned::span), SMTP),
        ("to", keys.to.as_ref().map(Spanned::span), SMTP),
        ("command", keys.command.as_ref().map(Spanned::span), &[Command]),
    ];
    owned.into_iter().find_map(|(key, at, kinds)| Some((key, at.filter(|_| !kinds.contains(&kind))?, kinds)))
}

fn within(
    key: &str,
    written: Option<&Spanned<Length>>,
    usual: Duration,
    allowed: std::ops::RangeInclusive<Duration>,
) -> Result<Duration, Mistake> {
    let Some(written) = written else {
        return Ok(usual);
    };
    let length = written.get_ref().0;
    if allowed.contains(&length) {
        return Ok(length);
    }
    let bound = if length < *allowed.start() {
        format!("at least {:?}", allowed.start())
    } else {
        format!("at most {:?}", allowed.end())
    };
    Err(Mistake::at(written.span(), format!("cannot use `{key}`: it must be {bound}")))
}

fn repeat(
    kind: Kind,
    written: Option<&Spanned<LengthOrNever>>,
    usual: Option<Duration>,
) -> Result<Option<Duration>, Mistake> {
    let to_alertmanager = kind == Kind::Alertmanager;
    let Some(written) = written else {
        return Ok(usual);
    };
    let repeat = written.get_ref().0;
    if to_alertmanager && repeat.is_none_or(|repeat| repeat > ALERTMANAGER_REPEAT) {
        let message = "cannot use `repeat`: Alertmanager takes for resolved what it is not told again";
        return Err(Mistake::at(written.span(), message).help("write at most \"3m\""));
    }
    if repeat.is_some_and(|repeat| repeat < SHORTEST) {
        let message = format!("cannot use `repeat`: it must be at least {SHORTEST:?}, or \"never\"");
        return Err(Mistake::at(written.span(), message));
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
