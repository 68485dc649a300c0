//! `[probe.NAME]`: from keys to a probe.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use crate::model::probe::{Expected, HttpProbe, OnFailure, ProbeKind, ProbeSpec};

use super::asked::Probe;
use super::diagnose::Mistake;
use super::file::{Length, OnStale};
use super::question::kind;

/// The probe, or what is wrong with it.
pub fn probe(name: &str, written: &Spanned<Probe>) -> Result<ProbeSpec, Mistake> {
    let (span, keys) = (written.span(), written.get_ref());
    named("probe", name, &span)?;
    let length =
        |written: Option<Length>, usual: u64| written.map_or(Duration::from_secs(usual), |length| length.0);
    let period = length(keys.period, 10);
    let timeout =
        keys.timeout.as_ref().map_or(Duration::from_secs(3).min(period / 2), |written| written.get_ref().0);
    if period.is_zero() {
        return Err(Mistake::at(span, format!("cannot use probe {name}: its period is zero")));
    }
    if timeout >= period || timeout.is_zero() {
        let at = keys.timeout.as_ref().map_or(span, Spanned::span);
        let message = format!("cannot use probe {name}: timeout {timeout:?} is not below period {period:?}");
        return Err(Mistake::at(at, message).help("a probe must end before the next one begins"));
    }
    let threshold = |written: Option<u32>, usual: u32| match written {
        Some(0) => {
            Err(Mistake::at(span.clone(), format!("cannot use probe {name}: a threshold is at least 1")))
        }
        other => Ok(other.unwrap_or(usual)),
    };
    let kind = kind(name, &span, keys)?;
    let (of_log, curable) = (matches!(kind, ProbeKind::Journal { .. }), kind.is_curable());
    Ok(ProbeSpec {
        name: name.to_owned(),
        kind,
        period,
        timeout,
        initial_delay: length(keys.initial_delay, 0),
        failure_threshold: threshold(keys.failure_threshold, if of_log { 1 } else { 2 })?,
        // One line is enough; it counts for five minutes at the usual period.
        success_threshold: threshold(keys.success_threshold, if of_log { 30 } else { 1 })?,
        on_failure: match keys.on_failure {
            Some(OnStale::Alert) => OnFailure::Alert,
            None if !curable => OnFailure::Alert,
            Some(OnStale::Restart) | None => OnFailure::Restart,
        },
    })
}

/// Its name is a word for command lines and file names.
pub fn named(what: &str, name: &str, span: &Range<usize>) -> Result<(), Mistake> {
    let usual = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if name.is_empty() || !name.chars().all(usual) {
        let message = format!("cannot name a {what} `{name}`: use a-z, 0-9, _ and -");
        return Err(Mistake::at(span.clone(), message));
    }
    Ok(())
}

/// A URL that can be asked.
pub fn url(url: &Spanned<String>) -> Result<String, Mistake> {
    let text = url.get_ref();
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    if rest.is_none_or(|rest| rest.is_empty() || rest.starts_with('/') || rest.contains(char::is_whitespace))
    {
        return Err(Mistake::at(
            url.span(),
            format!("cannot ask \"{text}\": it is no http:// or https:// URL"),
        ));
    }
    Ok(text.clone())
}

/// `http = …` and its keys.
pub fn http(url: &Spanned<String>, keys: &Probe) -> Result<HttpProbe, Mistake> {
    let wrong = keys.json.iter().find(|(pointer, _)| !pointer.is_empty() && !pointer.starts_with('/'));
    if let Some((pointer, value)) = wrong {
        let message = format!("cannot use \"{pointer}\": a JSON pointer begins with / (such as \"/status\")");
        return Err(Mistake::at(value.span(), message));
    }
    let authority = url.get_ref().split("://").nth(1).and_then(|rest| rest.split('/').next());
    if authority.and_then(|known| known.rsplit_once('@')).is_some_and(|(user, _)| user.contains(':')) {
        let message = "cannot take a password from a unit file: others read it";
        return Err(Mistake::at(url.span(), message).help("ask a page that needs none"));
    }
    if keys.min_validity.is_some() && !url.get_ref().starts_with("https://") {
        let message = "cannot use `min_validity`: only https:// shows a certificate";
        return Err(Mistake::at(url.span(), message));
    }
    Ok(HttpProbe {
        url: self::url(url)?,
        status: keys.status.as_ref().map_or(Ok((200, 200)), status)?,
        content_type: keys.content_type.clone(),
        json: values(&keys.json)?,
        min_validity: keys.min_validity.map(|length| length.0),
        max_latency: keys.max_latency.map(|length| length.0),
        follow_redirects: keys.follow_redirects.unwrap_or(false),
    })
}

fn status(written: &Spanned<toml::Value>) -> Result<(u16, u16), Mistake> {
    let wrong = || Mistake::at(written.span(), "cannot use this status: write 200 or \"200-299\"");
    let valid = |number: u16| (100..=599).contains(&number);
    let (first, last) = match written.get_ref() {
        toml::Value::Integer(number) => {
            let number = u16::try_from(*number).map_err(|_| wrong())?;
            (number, number)
        }
        toml::Value::String(text) => {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let number = |text: &str| text.trim().parse::<u16>().map_err(|_| wrong());
            (number(first)?, number(last)?)
        }
        _ => return Err(wrong()),
    };
    if valid(first) && valid(last) && first <= last { Ok((first, last)) } else { Err(wrong()) }
}

/// What each of these must be.
pub fn values(
    written: &BTreeMap<String, Spanned<toml::Value>>,
) -> Result<BTreeMap<String, Expected>, Mistake> {
    written.iter().map(|(name, value)| Ok((name.clone(), expected(value)?))).collect()
}

/// A value, or a comparison.
pub fn expected(written: &Spanned<toml::Value>) -> Result<Expected, Mistake> {
    Ok(match written.get_ref() {
        toml::Value::String(text) => comparison(text).unwrap_or_else(|| Expected::Text(text.clone())),
        toml::Value::Boolean(value) => Expected::Boolean(*value),
        toml::Value::Float(value) => Expected::Number(*value),
        toml::Value::Integer(value) => Expected::Number(
            i32::try_from(*value).map_or_else(|_| value.to_string().parse().unwrap_or(f64::MAX), f64::from),
        ),
        other => {
            let message = format!(
                "cannot compare with {}: write a text, number, boolean or \"< 100\"",
                other.type_str()
            );
            return Err(Mistake::at(written.span(), message));
        }
    })
}

/// `< 100`, `<= 100`, `> 0`, `>= 1`, `!= 0`; any other text is meant literally.
fn comparison(text: &str) -> Option<Expected> {
    type Make = fn(f64) -> Expected;
    let kinds: [(&str, Make); 5] = [
        ("<=", Expected::AtMost),
        (">=", Expected::AtLeast),
        ("!=", Expected::NotEqual),
        ("<", Expected::Below),
        (">", Expected::Above),
    ];
    kinds.iter().find_map(|(sign, make)| text.strip_prefix(sign)?.trim().parse().ok().map(make))
}

/// `host:port`.
pub fn host_and_port(written: &Spanned<String>) -> Result<String, Mistake> {
    let text = written.get_ref();
    let port = text
        .rsplit_once(':')
        .filter(|(host, _)| !host.is_empty())
        .and_then(|(_, port)| port.parse::<u16>().ok());
    match port {
        Some(1..) => Ok(text.clone()),
        Some(0) | None => {
            Err(Mistake::at(written.span(), format!("cannot ask \"{text}\": write \"host:port\"")))
        }
    }
}

/// The absolute path of a file or socket.
pub fn absolute(written: &Spanned<String>) -> Result<String, Mistake> {
    let text = written.get_ref();
    if text.starts_with('/') {
        return Ok(text.clone());
    }
    Err(Mistake::at(written.span(), format!("cannot ask \"{text}\": write an absolute path")))
}

/// A command: not empty, its program an absolute path, fit to be written into a unit file.
pub fn command(written: &Spanned<Vec<String>>) -> Result<Vec<String>, Mistake> {
    let argv = written.get_ref();
    let control =
        |word: &String| word.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    if argv.iter().any(control) {
        let message = "cannot run a command with a control character (a newline, a tab) in it";
        return Err(Mistake::at(written.span(), message).help("put the script into a file of its own"));
    }
    match argv.first() {
        Some(program) if program.starts_with('/') => Ok(argv.clone()),
        Some(program) => {
            let message = format!("cannot run \"{program}\": systemd wants the absolute path of a program");
            Err(Mistake::at(written.span(), message).help(format!("`command -v {program}` tells it")))
        }
        None => Err(Mistake::at(written.span(), "cannot run an empty command")),
    }
}
