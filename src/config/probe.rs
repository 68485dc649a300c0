//! `[probe.NAME]`: from keys to a probe.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use toml::Spanned;

use crate::model::probe::{Expected, HttpProbe, OnFailure, ProbeKind, ProbeSpec};

use super::diagnose::Mistake;
use super::file::{Length, OnStale, Probe};

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
    Ok(ProbeSpec {
        name: name.to_owned(),
        kind: kind(name, &span, keys)?,
        period,
        timeout,
        initial_delay: length(keys.initial_delay, 0),
        failure_threshold: threshold(keys.failure_threshold, 2)?,
        success_threshold: threshold(keys.success_threshold, 1)?,
        on_failure: match keys.on_failure {
            Some(OnStale::Alert) => OnFailure::Alert,
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

/// Exactly one kind, and only its own keys.
fn kind(name: &str, span: &Range<usize>, keys: &Probe) -> Result<ProbeKind, Mistake> {
    let of_http = [
        ("status", keys.status.is_some()),
        ("content_type", keys.content_type.is_some()),
        ("json", !keys.json.is_empty()),
        ("max_latency", keys.max_latency.is_some()),
        ("follow_redirects", keys.follow_redirects.is_some()),
    ];
    let stray = of_http.iter().find(|(_, written)| *written).map(|(key, _)| *key);
    let kind = match (&keys.http, &keys.tcp, &keys.unix, &keys.command) {
        (Some(url), None, None, None) => return http(url, keys).map(ProbeKind::Http),
        (None, Some(address), None, None) => ProbeKind::Tcp { address: host_and_port(address)? },
        (None, None, Some(path), None) => ProbeKind::Unix { path: absolute(path)? },
        (None, None, None, Some(argv)) => ProbeKind::Command { argv: command(argv)? },
        (None, None, None, None) => {
            return Err(Mistake::at(span.clone(), format!("cannot use probe {name}: it asks nothing"))
                .help("give exactly one of http, tcp, unix, command"));
        }
        _ => {
            return Err(Mistake::at(
                span.clone(),
                format!("cannot use probe {name}: it asks more than one thing"),
            )
            .help("give exactly one of http, tcp, unix, command"));
        }
    };
    match stray {
        None => Ok(kind),
        Some(key) => {
            Err(Mistake::at(span.clone(), format!("cannot use `{key}` in probe {name}: it belongs to http")))
        }
    }
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

fn http(url: &Spanned<String>, keys: &Probe) -> Result<HttpProbe, Mistake> {
    let mut json = BTreeMap::new();
    for (pointer, value) in &keys.json {
        if !pointer.is_empty() && !pointer.starts_with('/') {
            let message =
                format!("cannot use \"{pointer}\": a JSON pointer begins with / (such as \"/status\")");
            return Err(Mistake::at(value.span(), message));
        }
        json.insert(pointer.clone(), expected(value)?);
    }
    Ok(HttpProbe {
        url: self::url(url)?,
        status: keys.status.as_ref().map_or(Ok((200, 200)), status)?,
        content_type: keys.content_type.clone(),
        json,
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

fn expected(written: &Spanned<toml::Value>) -> Result<Expected, Mistake> {
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

fn host_and_port(written: &Spanned<String>) -> Result<String, Mistake> {
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

fn absolute(written: &Spanned<String>) -> Result<String, Mistake> {
    let text = written.get_ref();
    if text.starts_with('/') {
        return Ok(text.clone());
    }
    Err(Mistake::at(written.span(), format!("cannot ask \"{text}\": write the absolute path of a socket")))
}

/// A command: not empty, its program an absolute path.
pub fn command(written: &Spanned<Vec<String>>) -> Result<Vec<String>, Mistake> {
    let argv = written.get_ref();
    match argv.first() {
        Some(program) if program.starts_with('/') => Ok(argv.clone()),
        Some(program) => {
            let message = format!("cannot run \"{program}\": systemd wants the absolute path of a program");
            Err(Mistake::at(written.span(), message).help(format!("`command -v {program}` tells it")))
        }
        None => Err(Mistake::at(written.span(), "cannot run an empty command")),
    }
}
