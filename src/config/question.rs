//! What a probe asks: exactly one kind, and only the keys that belong to it.

use std::collections::BTreeMap;
use std::ops::Range;

use regex::RegexBuilder;
use toml::Spanned;

use crate::model::probe::{
    Engine, Expected, Free, PATTERN_MEMORY, ProbeKind, RabbitmqProbe, RabbitmqQueue, Secret, Server, SqlProbe,
};

use super::asked::Probe;
use super::diagnose::Mistake;
use super::probe::{absolute, command, expected, host_and_port, http, values};

/// Kinds of probe, by the key that asks.
const KINDS: &str = "http, tcp, unix, command, redis, memcached, amqp, rabbitmq, postgres, mysql, file, disk, inodes, journal, timer";
/// Kinds whose server may want a password.
const WITH_PASSWORD: &[&str] = &["redis", "amqp", "rabbitmq", "postgres", "mysql"];

/// Exactly one kind, and only its own keys.
pub fn kind(name: &str, span: &Range<usize>, keys: &Probe) -> Result<ProbeKind, Mistake> {
    let asked = [
        ("http", keys.http.is_some()),
        ("tcp", keys.tcp.is_some()),
        ("unix", keys.unix.is_some()),
        ("command", keys.command.is_some()),
        ("redis", keys.redis.is_some()),
        ("memcached", keys.memcached.is_some()),
        ("amqp", keys.amqp.is_some()),
        ("rabbitmq", keys.rabbitmq.is_some()),
        ("postgres", keys.postgres.is_some()),
        ("mysql", keys.mysql.is_some()),
        ("file", keys.file.is_some()),
        ("disk", keys.disk.is_some()),
        ("inodes", keys.inodes.is_some()),
        ("journal", keys.journal.is_some()),
        ("timer", keys.timer.is_some()),
    ];
    let mut asked = asked.iter().filter(|(_, written)| *written).map(|(kind, _)| *kind);
    let (kind, another) = (asked.next(), asked.next());
    let Some(kind) = kind.filter(|_| another.is_none()) else {
        let what = if kind.is_none() { "nothing" } else { "more than one thing" };
        let message = format!("cannot use probe {name}: it asks {what}");
        return Err(Mistake::at(span.clone(), message).help(format!("give exactly one of {KINDS}")));
    };
    if let Some((key, kinds)) = stray(kind, keys) {
        let message = format!("cannot use `{key}` in probe {name}: it belongs to {}", kinds.join(", "));
        return Err(Mistake::at(span.clone(), message));
    }
    of_kind(name, span, keys)
}

/// A key that is written and belongs to other kinds.
fn stray(kind: &str, keys: &Probe) -> Option<(&'static str, &'static [&'static str])> {
    const HTTP: &[&str] = &["http"];
    const RABBITMQ: &[&str] = &["rabbitmq"];
    const SQL: &[&str] = &["postgres", "mysql"];
    let owned: [(&str, bool, &[&str]); 18] = [
        ("status", keys.status.is_some(), HTTP),
        ("content_type", keys.content_type.is_some(), HTTP),
        ("json", !keys.json.is_empty(), HTTP),
        ("max_latency", keys.max_latency.is_some(), HTTP),
        ("min_validity", keys.min_validity.is_some(), HTTP),
        ("follow_redirects", keys.follow_redirects.is_some(), HTTP),
        ("keys", !keys.keys.is_empty(), &["redis"]),
        ("stats", !keys.stats.is_empty(), &["memcached"]),
        ("queue", keys.queue.is_some(), RABBITMQ),
        ("vhost", keys.vhost.is_some(), RABBITMQ),
        ("max_depth", keys.max_depth.is_some(), RABBITMQ),
        ("min_consumers", keys.min_consumers.is_some(), RABBITMQ),
        ("query", keys.query.is_some(), SQL),
        ("expect", keys.expect.is_some(), SQL),
        ("max_age", keys.max_age.is_some(), &["file", "timer"]),
        ("min_free", keys.min_free.is_some(), &["disk", "inodes"]),
        ("credential", keys.credential.is_some(), WITH_PASSWORD),
        ("password_file", keys.password_file.is_some(), WITH_PASSWORD),
    ];
    let stray = owned.iter().find(|(_, written, kinds)| *written && !kinds.contains(&kind));
    stray.map(|(key, _, kinds)| (*key, *kinds))
}

fn of_kind(name: &str, span: &Range<usize>, keys: &Probe) -> Result<ProbeKind, Mistake> {
    let missing = |key: &str, help: &str| {
        Mistake::at(span.clone(), format!("cannot use probe {name}: {key} is missing")).help(help.to_owned())
    };
    let password = (&keys.credential, &keys.password_file);
    if let Some(url) = &keys.http {
        return http(url, keys).map(ProbeKind::Http);
    }
    if let Some(address) = &keys.tcp {
        return Ok(ProbeKind::Tcp { address: host_and_port(address)? });
    }
    if let Some(path) = &keys.unix {
        return Ok(ProbeKind::Unix { path: absolute(path)? });
    }
    if let Some(argv) = &keys.command {
        return Ok(ProbeKind::Command { argv: command(argv)? });
    }
    if let Some(url) = &keys.redis {
        return Ok(ProbeKind::Redis {
            server: server(url, &["redis"], password)?,
            keys: conditions(&keys.keys)?,
        });
    }
    if let Some(address) = &keys.memcached {
        return Ok(ProbeKind::Memcached { address: host_and_port(address)?, stats: values(&keys.stats)? });
    }
    if let Some(url) = &keys.amqp {
        return Ok(ProbeKind::Amqp { server: server(url, &["amqp"], password)? });
    }
    if let Some(url) = &keys.rabbitmq {
        let server = server(url, &["http", "https"], password)?;
        return rabbitmq(name, span, keys, server).map(ProbeKind::Rabbitmq);
    }
    let max_age = || keys.max_age.ok_or_else(|| missing("max_age", "add max_age = \"5m\""));
    if let Some(path) = &keys.file {
        return Ok(ProbeKind::File { path: absolute(path)?, max_age: max_age()?.0 });
    }
    if let Some(pattern) = &keys.journal {
        return Ok(ProbeKind::Journal { pattern: self::pattern(pattern)? });
    }
    if let Some(timer) = &keys.timer {
        if !timer.get_ref().ends_with(".timer") {
            let message = format!("cannot ask \"{}\": it is no timer", timer.get_ref());
            return Err(Mistake::at(timer.span(), message).help("write timer = \"NAME.timer\""));
        }
        return Ok(ProbeKind::Timer { timer: timer.get_ref().clone(), max_age: max_age()?.0 });
    }
    let free = || {
        let written = keys.min_free.as_ref();
        free(written.ok_or_else(|| missing("min_free", "add min_free = \"10%\" or \"2GiB\""))?)
    };
    if let Some(path) = &keys.disk {
        return Ok(ProbeKind::Disk { path: absolute(path)?, min_free: free()? });
    }
    if let Some(path) = &keys.inodes {
        return Ok(ProbeKind::Inodes { path: absolute(path)?, min_free: free()? });
    }
    sql(name, span, keys)
}

/// A regular expression that costs little.
fn pattern(written: &Spanned<String>) -> Result<String, Mistake> {
    let text = written.get_ref();
    match RegexBuilder::new(text).size_limit(PATTERN_MEMORY).build() {
        Ok(_) => Ok(text.clone()),
        Err(error) => {
            // The first line of what the library says draws a picture; the last one says it.
            let why = error.to_string();
            let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Err(Mistake::at(written.span(), format!("cannot use this regular expression: {why}")))
        }
    }
}

fn sql(name: &str, span: &Range<usize>, keys: &Probe) -> Result<ProbeKind, Mistake> {
    let password = (&keys.credential, &keys.password_file);
    let (engine, url, schemes): (_, _, &[&str]) = match (&keys.postgres, &keys.mysql) {
        (Some(url), _) => (Engine::Postgres, url, &["postgres", "postgresql"]),
        (None, Some(url)) => (Engine::Mysql, url, &["mysql"]),
        (None, None) => return Err(Mistake::at(span.clone(), format!("cannot use probe {name}"))),
    };
    if keys.expect.is_some() && keys.query.is_none() {
        let message = format!("cannot use `expect` in probe {name}: there is no query");
        return Err(Mistake::at(span.clone(), message).help("add query = \"SELECT …\""));
    }
    Ok(ProbeKind::Sql(SqlProbe {
        engine,
        server: server(url, schemes, password)?,
        query: keys.query.clone(),
        expected: keys.expect.as_ref().map(expected).transpose()?,
    }))
}

fn rabbitmq(name: &str, span: &Range<usize>, keys: &Probe, server: Server) -> Result<RabbitmqProbe, Mistake> {
    let of_queue = keys.vhost.is_some() || keys.max_depth.is_some() || keys.min_consumers.is_some();
    if of_queue && keys.queue.is_none() {
        let message = format!("cannot use probe {name}: vhost, max_depth and min_consumers need a queue");
        return Err(Mistake::at(span.clone(), message).help("add queue = \"NAME\""));
    }
    Ok(RabbitmqProbe {
        server,
        queue: keys.queue.as_deref().map(|queue| in_vhost(queue, keys.vhost.as_deref())),
        max_depth: keys.max_depth,
        min_consumers: keys.min_consumers.unwrap_or(1),
    })
}

/// A queue, in the usual vhost where none is named.
pub fn in_vhost(queue: &str, vhost: Option<&str>) -> RabbitmqQueue {
    RabbitmqQueue { vhost: vhost.unwrap_or("/").to_owned(), name: queue.to_owned() }
}

/// Where a password stands: `credential` and `password_file`.
pub type Password<'a> = (&'a Option<Spanned<String>>, &'a Option<Spanned<String>>);

/// A server's URL, which has no password in it, and where its password stands.
pub fn server(url: &Spanned<String>, schemes: &[&str], password: Password<'_>) -> Result<Server, Mistake> {
    let text = url.get_ref();
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme)?.strip_prefix("://"));
    let Some(rest) = rest.filter(|rest| !rest.contains(char::is_whitespace)) else {
        let usual = schemes.first().copied().unwrap_or_default();
        return Err(Mistake::at(url.span(), format!("cannot ask \"{text}\": it is no {usual}:// URL")));
    };
    let login = rest.split(['/', '?']).next().and_then(|authority| authority.rsplit_once('@'));
    if login.is_some_and(|(login, _)| login.contains(':')) {
        return Err(Mistake::at(url.span(), "cannot take a password from a unit file: others read it").help(
            "leave the user alone in the URL, and add credential = \"NAME\" or password_file = \"PATH\"",
        ));
    }
    Ok(Server { url: text.clone(), secret: secret(password)? })
}

/// Where a password stands, if anywhere.
pub fn secret((credential, password_file): Password<'_>) -> Result<Option<Secret>, Mistake> {
    match (credential, password_file) {
        (None, None) => Ok(None),
        (Some(name), None) => plain(name).map(|name| Some(Secret::Credential(name))),
        (None, Some(path)) => absolute(path).map(|path| Some(Secret::File(path))),
        (Some(_), Some(path)) => Err(Mistake::at(path.span(), "cannot take the password from two places")),
    }
}

/// The name of a credential is a file's name.
fn plain(name: &Spanned<String>) -> Result<String, Mistake> {
    let text = name.get_ref();
    if text.is_empty() || text.starts_with('.') || text.contains('/') {
        return Err(Mistake::at(name.span(), format!("cannot use \"{text}\" as the name of a credential")));
    }
    Ok(text.clone())
}

/// Keys of Redis: "missing" is no text.
fn conditions(
    written: &BTreeMap<String, Spanned<toml::Value>>,
) -> Result<BTreeMap<String, Expected>, Mistake> {
    let mut all = values(written)?;
    for expected in all.values_mut() {
        if *expected == Expected::Text("missing".to_owned()) {
            *expected = Expected::Null;
        }
    }
    Ok(all)
}

/// `5%`, `2GiB`, `500MB`, `10000`.
fn free(written: &Spanned<String>) -> Result<Free, Mistake> {
    let text = written.get_ref().trim();
    let wrong = || {
        Mistake::at(written.span(), format!("cannot use \"{text}\": it is no amount"))
            .help("write \"10%\", \"2GiB\", or a number")
    };
    if let Some(percent) = text.strip_suffix('%') {
        let percent = percent.trim().parse().ok().filter(|percent| *percent <= 100);
        return percent.map(Free::Percent).ok_or_else(wrong);
    }
    let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale: u64 = match unit.trim() {
        "" | "B" => 1,
        "K" | "KiB" => 1 << 10,
        "M" | "MiB" => 1 << 20,
        "G" | "GiB" => 1 << 30,
        "T" | "TiB" => 1 << 40,
        "KB" | "kB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "TB" => 1_000_000_000_000,
        _ => return Err(wrong()),
    };
    let count = number.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
    count.map(Free::Count).ok_or_else(wrong)
}
